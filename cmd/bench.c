/* bench -- `seqlab bench`: this machine's limits, then each kernel against them. */
#include "bench/bench.h"

#include "base/progress.h"
#include "base/text.h"
#include "base/threads.h"
#include "cmd/command.h"
#include "cmd/json_write.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

static const double limits_s = 0.4; /* for each number of threads */

/* A case's figures; median_s is NaN for a case that was left out. */
typedef struct Figure {
    BenchWork *work;
    double median_s, share;
    const char *roof;
    const char *left_out; /* why, or NULL */
} Figure;

/* -- What is to be done */

static int count_cases(const char *filter)
{
    int n = 0;
    for (int g = 0; bench_groups[g]; g++)
        for (int i = 0; i < bench_groups[g]->n_cases; i++) {
            BenchWork w;
            bench_prepare(&w, bench_groups[g], i);
            n += bench_matches(&w, filter);
        }
    return n;
}

static bool fail_filter(const char *filter, Error *err)
{
    static const Place place = {.file = "command line"};
    const char *names[64];
    int n = 0;
    Text all = {0};
    for (; bench_groups[n]; n++) {
        names[n] = bench_groups[n]->name;
        text_addf(&all, "%s%s", n > 0 ? ", " : "", names[n]);
    }
    const char *near = text_nearest(filter, names, n);
    if (near)
        (void)fail(err, FAIL_USAGE, &place,
                   "--filter=%.60s: no case has that in its name; did you mean '%s'?", filter,
                   near);
    else
        (void)fail(err, FAIL_USAGE, &place,
                   "--filter=%.60s: no case has that in its name; groups: %s", filter, all.data);
    text_free(&all);
    return false;
}

/* 1, 2, 4 and so on, and the number asked for: the last, whose limits the kernels are held to. */
static bool measure_limits(Limits limits[], int *n, Error *err)
{
    const int threads = threads_count();
    *n = 0;
    for (int t = 1; t < threads; t *= 2) {
        threads_set(t);
        TRY(limits_measure(&limits[(*n)++], limits_s, err));
    }
    threads_set(threads);
    return limits_measure(&limits[(*n)++], limits_s, err);
}

/* -- One case */

/* A kernel's memory must not push the machine into swapping: a quarter of it is the most. */
static bool fits(const BenchWork *w)
{
    double floats = 0;
    for (int i = 0; i < BENCH_BUFFERS && w->n_floats[i] > 0; i++) floats += (double)w->n_floats[i];
    return floats * sizeof(float) <
           (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE) / 4;
}

static bool measure_case(Figure *f, const Limits *limits, double seconds, Error *err)
{
    BenchWork *w = f->work;
    f->median_s = (double)NAN;
    if (!fits(w)) {
        f->left_out = "needs over a quarter of the memory";
        return true;
    }
    TRY(bench_open(w, err));
    f->median_s = bench_median(w, seconds);
    f->share = limits_seconds(limits, w->flops, w->bytes, &f->roof) / f->median_s;
    bench_close(w);
    return true;
}

/* -- As text */

static void print_limits(const Limits limits[], int n)
{
    char cpu_name[96];
    const Limits *l = &limits[n - 1];
    limits_cpu_name(cpu_name);
    (void)printf("%s, %s, %d thread%s\n\n%-9s %9s", cpu_name, cpu->isa, l->threads,
                 l->threads == 1 ? "" : "s", "limits of", "fma");
    for (int i = 0; i < l->n_levels; i++)
        (void)printf("   %6s copy  triad  update", l->level[i].name);
    (void)printf("\n%-9s %9s", "threads", "GFLOP/s");
    for (int i = 0; i < l->n_levels; i++) (void)printf("   %25s", "GB/s");
    (void)putchar('\n');
    for (int k = 0; k < n; k++) {
        (void)printf("%-9d %9.1f", limits[k].threads, limits[k].flops_per_s / 1e9);
        for (int i = 0; i < l->n_levels; i++) {
            const MemoryLevel *m = &limits[k].level[i];
            (void)printf("   %11.1f %6.1f %7.1f", m->rate[STREAM_COPY] / 1e9,
                         m->rate[STREAM_TRIAD] / 1e9, m->rate[STREAM_UPDATE] / 1e9);
        }
        (void)putchar('\n');
    }
    (void)printf("\n%-18s %-16s %-26s %10s %8s %7s  %s\n", "kernel", "", "shape", "time", "GFLOP/s",
                 "GB/s", "of limit");
}

static void time_text(char out[16], double seconds)
{
    const double scale = seconds < 1e-3 ? 1e6 : seconds < 1 ? 1e3 : 1;
    (void)snprintf(out, 16, "%.4g %s", seconds * scale,
                   seconds < 1e-3 ? "us"
                   : seconds < 1  ? "ms"
                                  : "s");
}

static void print_figure(const Figure *f)
{
    const BenchWork *w = f->work;
    (void)printf("%-18s %-16s %-26s ", w->group->name, w->of->label, w->shape);
    if (f->left_out) {
        (void)printf("%s\n", f->left_out);
        return;
    }
    char took[16];
    time_text(took, f->median_s);
    (void)printf("%10s %8.1f %7.1f  %3.0f %% of %s\n", took, w->flops / f->median_s / 1e9,
                 w->bytes / f->median_s / 1e9, 100 * f->share, f->roof);
    (void)fflush(stdout);
}

/* -- As JSON */

static void json_limits(Json *j, const Limits limits[], int n)
{
    char cpu_name[96];
    limits_cpu_name(cpu_name);
    json_add_text(j, "cpu", cpu_name);
    json_add_text(j, "isa", cpu->isa);
    json_add_int(j, "threads", limits[n - 1].threads);
    json_begin(j, "limits", '[');
    for (int k = 0; k < n; k++) {
        json_begin(j, NULL, '{');
        json_add_int(j, "threads", limits[k].threads);
        json_add_real(j, "flops_per_s", limits[k].flops_per_s);
        json_begin(j, "memory", '[');
        for (int i = 0; i < limits[k].n_levels; i++) {
            const MemoryLevel *m = &limits[k].level[i];
            json_begin(j, NULL, '{');
            json_add_text(j, "level", m->name);
            json_begin(j, "bytes_per_s", '{');
            for (int s = 0; s < N_STREAMS; s++) json_add_real(j, stream_name[s], m->rate[s]);
            json_end(j, '}');
            json_end(j, '}');
        }
        json_end(j, ']');
        json_end(j, '}');
    }
    json_end(j, ']');
}

static void json_figure(Json *j, const Figure *f)
{
    const BenchWork *w = f->work;
    json_begin(j, NULL, '{');
    json_add_text(j, "kernel", w->group->name);
    json_add_text(j, "label", w->of->label);
    json_add_text(j, "shape", w->shape);
    json_add_real(j, "flops", w->flops);
    json_add_real(j, "bytes", w->bytes);
    if (f->left_out) {
        json_add_text(j, "left_out", f->left_out);
    } else {
        json_add_real(j, "median_s", f->median_s);
        json_add_real(j, "of_limit", f->share);
        json_add_text(j, "limit", f->roof);
    }
    json_end(j, '}');
}

/* -- The command */

typedef struct Output {
    Json json;
    bool as_json;
    Progress bar;
    int64_t done, total;
} Output;

static bool run_case(const BenchGroup *group, int i, const Limits *limits, const Flags *flags,
                     Output *out, Error *err)
{
    BenchWork w;
    Figure f = {.work = &w};
    bench_prepare(&w, group, i);
    if (!bench_matches(&w, flags->filter)) return true;
    progress_draw(&out->bar, "bench", 0, out->done++, out->total, group->name);
    TRY(measure_case(&f, limits, flags->time, err));
    progress_clear(&out->bar);
    if (out->as_json)
        json_figure(&out->json, &f);
    else
        print_figure(&f);
    return true;
}

static bool run_cases(const Limits *limits, const Flags *flags, Output *out, Error *err)
{
    for (int g = 0; bench_groups[g]; g++)
        for (int i = 0; i < bench_groups[g]->n_cases; i++)
            TRY(run_case(bench_groups[g], i, limits, flags, out, err));
    return true;
}

static bool bench(const Invocation *in, Error *err)
{
    enum { MAX_LIMITS = 16 }; /* the powers of two up to 1024 threads, and their number itself */
    Limits limits[MAX_LIMITS];
    const Flags *flags = &in->flags;
    Output out = {.as_json = flags->json, .bar = progress_start(stderr, flags->quiet)};
    int n;
    TRY(command_word_count(in, 0, 0, err));
    out.total = count_cases(flags->filter);
    if (out.total == 0) return fail_filter(flags->filter, err);
    TRY(measure_limits(limits, &n, err));
    if (!out.as_json) {
        print_limits(limits, n);
        return run_cases(&limits[n - 1], flags, &out, err);
    }
    json_begin(&out.json, NULL, '{');
    json_limits(&out.json, limits, n);
    json_begin(&out.json, "cases", '[');
    const bool ok = run_cases(&limits[n - 1], flags, &out, err);
    json_end(&out.json, ']');
    json_end(&out.json, '}');
    if (ok)
        json_print(&out.json);
    else
        text_free(&out.json.text);
    return ok;
}

const Command command_bench = {
    .name = "bench",
    .summary = "Measure this machine's limits and how near to them each kernel comes",
    .usage = "",
    .flags = "filter time isa threads json",
    .help =
        "Limits are what the machine does at best: fused multiply-adds from registers, and\n"
        "bytes moved within each cache and in memory: copied, read twice and written once\n"
        "(triad), or written where they were read (update). A kernel's time is the median of\n"
        "what fits into --time. Its limit is the larger of two times: its FLOPs at the first\n"
        "rate, and its bytes at the rates of the caches that hold them; bytes count each input\n"
        "read once and each output written once.\n"
        "\n"
        "The machine has to be idle for figures worth keeping. 'make bench' sets other\n"
        "libraries beside these kernels.\n",
    .computes = true,
    .run = bench,
};
