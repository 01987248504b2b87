/* train_profile -- the numbers of `seqlab train --profile` as tables or as JSON. */
#include "cmd/train.h"

#include <inttypes.h>

enum { TOP_KERNELS = 12, TEXT_WIDTH = 60 };

static double share(const Profile *p, double seconds)
{
    return p->total_s > 0 ? seconds / p->total_s : 0;
}

static double of_limit(const ProfileKernel *k)
{
    return k->seconds > 0 ? k->limit_s / k->seconds : 0;
}

/* -- As tables */

static void print_parts(const Profile *p)
{
    const Limits *l = &p->limits;
    const MemoryLevel *memory = &l->level[l->n_levels - 1];
    (void)printf("\nprofile: %" PRId64 " steps in %.4g s, %d thread%s; the machine at best: "
                 "%.1f GFLOP/s, %.1f GB/s of memory\n\n",
                 p->n_steps, p->total_s, l->threads, l->threads == 1 ? "" : "s",
                 l->flops_per_s / 1e9, memory->bytes_per_s / 1e9);
    (void)printf("%-22s %10s %7s\n", "part", "ms", "share");
    for (int part = 0; part < N_PROFILE_PARTS; part++)
        (void)printf("%-22s %10.3f %5.1f %%\n", profile_part_name[part], 1e3 * p->part_s[part],
                     100 * share(p, p->part_s[part]));
}

static void print_numbers(const Profile *p, const ProfileKernel *k)
{
    (void)printf("%8" PRId64 " %10.3f %5.1f %% ", k->calls, 1e3 * k->seconds,
                 100 * share(p, k->seconds));
    const double seconds = k->seconds > 0 ? k->seconds : 1e-9;
    if (k->flops > 0)
        (void)printf("%9.1f ", k->flops / seconds / 1e9);
    else
        (void)printf("%9s ", "-");
    (void)printf("%8.1f %6.1f %%", k->bytes / seconds / 1e9, 100 * of_limit(k));
}

static void print_header(const char *what)
{
    (void)printf("\n%-22s %8s %10s %7s %9s %8s %8s\n", what, "calls", "ms", "share", "GFLOP/s",
                 "GB/s", "of limit");
}

void train_profile_print(const Profile *p)
{
    int n_ops, n_kernels;
    const ProfileKernel *ops = profile_sorted(p, true, &n_ops),
                        *kernels = profile_sorted(p, false, &n_kernels);
    print_parts(p);
    print_header("op");
    for (int i = 0; i < n_ops; i++) {
        (void)printf("%-22s ", ops[i].name);
        print_numbers(p, &ops[i]);
        (void)putchar('\n');
    }
    print_header("longest kernels");
    for (int i = 0; i < n_kernels && i < TOP_KERNELS; i++) {
        (void)printf("%-22s ", kernels[i].name);
        print_numbers(p, &kernels[i]);
        (void)printf("  %.*s\n", TEXT_WIDTH, kernels[i].text);
    }
}

/* -- As JSON */

static void json_kernels(Json *j, const char *key, const ProfileKernel *kernels, int n)
{
    json_begin(j, key, '[');
    for (int i = 0; i < n; i++) {
        const ProfileKernel *k = &kernels[i];
        json_begin(j, NULL, '{');
        json_add_text(j, "op", k->name);
        if (k->text) json_add_text(j, "what", k->text);
        json_add_int(j, "calls", k->calls);
        json_add_real(j, "seconds", k->seconds);
        json_add_real(j, "flops", k->flops);
        json_add_real(j, "bytes", k->bytes);
        json_add_real(j, "of_limit", of_limit(k));
        json_end(j, '}');
    }
    json_end(j, ']');
}

void train_profile_json(const Profile *p, Json *j)
{
    int n_ops, n_kernels;
    const ProfileKernel *ops = profile_sorted(p, true, &n_ops),
                        *kernels = profile_sorted(p, false, &n_kernels);
    const Limits *l = &p->limits;
    json_begin(j, "profile", '{');
    json_add_int(j, "steps", p->n_steps);
    json_add_real(j, "seconds", p->total_s);
    json_add_int(j, "threads", l->threads);
    json_add_real(j, "limit_flops_per_s", l->flops_per_s);
    json_add_real(j, "limit_memory_bytes_per_s", l->level[l->n_levels - 1].bytes_per_s);
    json_begin(j, "parts", '{');
    for (int part = 0; part < N_PROFILE_PARTS; part++)
        json_add_real(j, profile_part_name[part], p->part_s[part]);
    json_end(j, '}');
    json_kernels(j, "ops", ops, n_ops);
    json_kernels(j, "kernels", kernels, n_kernels);
    json_end(j, '}');
}
