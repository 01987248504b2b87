/* bench -- see bench.h. */
#include "bench/bench.h"

#include "base/arena.h"
#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

#define BENCH(name) extern const BenchGroup bench_##name;
#include "bench/bench.def"
#undef BENCH

const BenchGroup *const bench_groups[] = {
#define BENCH(name) &bench_##name,
#include "bench/bench.def"
#undef BENCH
    NULL,
};

static const double sample_s = 2e-5; /* the least: some hundred times the clock's resolution */

bool bench_matches(const BenchWork *w, const char *filter)
{
    char name[BENCH_SHAPE + 96];
    (void)snprintf(name, sizeof name, "%s %s %s", w->group->name, w->of->label, w->shape);
    return !filter || strcasestr(name, filter);
}

void bench_prepare(BenchWork *w, const BenchGroup *group, int i)
{
    *w = (BenchWork){.group = group, .of = &group->cases[i], .repeat = 1};
    group->prepare(w);
}

/* -- Memory */

/* Bytes up to the next line after those of n values of four bytes, and a page more: that buffers
 * lie a power of two apart, and so compete for the same lines of a cache, is no property of a
 * kernel. */
static size_t span(int64_t n)
{
    return ((size_t)n * 4 + 63) / 64 * 64 + 4096 + 64;
}

static void cut(BenchWork *w)
{
    char *next = w->memory;
    for (int i = 0; i < BENCH_BUFFERS && w->n_floats[i] > 0; i++) {
        w->at[i] = (float *)(void *)next;
        cpu->random_uniform(w->n_floats[i], (uint64_t)i + 1, 1, w->at[i]);
        next += span(w->n_floats[i]);
    }
    w->labels = (int32_t *)(void *)next;
    for (int64_t i = 0; i < w->n_labels; i++)
        w->labels[i] = (int32_t)((uint64_t)i * UINT64_C(2654435761) % (uint64_t)w->label_below);
    next += span(w->n_labels);
    w->scratch = next;
    memset(w->scratch, 0, w->scratch_bytes);
}

bool bench_open(BenchWork *w, Error *err)
{
    w->memory_bytes = span(w->n_labels) + w->scratch_bytes;
    for (int i = 0; i < BENCH_BUFFERS && w->n_floats[i] > 0; i++)
        w->memory_bytes += span(w->n_floats[i]);
    TRY(memory_map(&w->memory, w->memory_bytes, err));
    cut(w);
    w->group->run(w);
    for (;;) {
        const double took = bench_sample(w) * (double)w->repeat;
        if (took >= sample_s || w->repeat >= 1 << 20) return true;
        w->repeat *= 2;
    }
}

void bench_close(BenchWork *w)
{
    memory_unmap(w->memory, w->memory_bytes);
    w->memory = NULL;
}

/* -- Time */

double bench_sample(BenchWork *w)
{
    const double before = clock_s();
    for (int64_t i = 0; i < w->repeat; i++) w->group->run(w);
    return (clock_s() - before) / (double)w->repeat;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double bench_median_of(double *x, int n)
{
    qsort(x, (size_t)n, sizeof *x, by_value);
    return n % 2 ? x[n / 2] : (x[n / 2 - 1] + x[n / 2]) / 2;
}

double bench_median(BenchWork *w, double seconds)
{
    double sample[BENCH_SAMPLES];
    const double start = clock_s();
    int n = 0;
    do {
        sample[n++] = bench_sample(w);
    } while (n < 3 || (n < BENCH_SAMPLES && clock_s() - start < seconds));
    return bench_median_of(sample, n);
}
