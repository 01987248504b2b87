/* roof -- the kernels that measure what the machine can do at most (cpu.h): arithmetic without
 * memory, and memory without arithmetic. Streams as in STREAM (McCalpin, "Memory bandwidth and
 * machine balance in current high performance computers", 1995).
 *
 * Threads: each takes one run of whole vectors of 16; every element is computed alone, so no order
 * of operations depends on them. */
#include "base/threads.h"
#include "cpu/kernel.h"
#include "cpu/simd.h"

enum {
    REGISTERS = 12,         /* independent chains: latency times issue width is 8 to 10 today */
    GRAIN = 16,             /* floats; the widest vector, and a cache line */
    SLICE = REGISTERS * VL, /* chains at a time; FMA_CHAINS is a multiple for every VL */
};

/* x = x * a + b, towards 1, from where the lane starts: never denormal, never past 2. */
static void chains(int64_t rounds, float *out)
{
    float start[FMA_CHAINS];
    for (int i = 0; i < FMA_CHAINS; i++) start[i] = (float)i * (1.0f / FMA_CHAINS);
    const vf a = vf_set1(0.9375f), b = vf_set1(0.0625f);
    for (int at = 0; at < FMA_CHAINS; at += SLICE) {
        vf x[REGISTERS];
        for (int i = 0; i < REGISTERS; i++) x[i] = vf_load(start + at + i * VL);
        for (int64_t r = 0; r < rounds; r++)
#pragma GCC unroll 12
            for (int i = 0; i < REGISTERS; i++) x[i] = vf_fma(x[i], a, b);
        for (int i = 0; i < REGISTERS; i++) vf_store(out + at + i * VL, x[i]);
    }
}

void K(fma_chains)(int64_t rounds, float *out)
{
    const int threads = threads_count();
#pragma omp parallel for schedule(static) num_threads(threads)
    for (int t = 0; t < threads; t++) chains(rounds, out + (int64_t)t * FMA_CHAINS);
}

/* What thread t of `threads` takes of n floats: whole grains, then the rest. */
typedef struct Run {
    int64_t lo, hi;
} Run;

static Run run_of(int64_t n, int t, int threads)
{
    const int64_t grains = (n + GRAIN - 1) / GRAIN, run = (grains + threads - 1) / threads * GRAIN;
    const int64_t lo = t * run < n ? t * run : n;
    return (Run){lo, n - lo < run ? n : lo + run};
}

/* gcc would drop all repetitions but the last. */
#define KEEP() __asm__ volatile("" ::: "memory")

static void copy_run(Run run, const float *x, float *z, bool past_cache)
{
    int64_t i = run.lo;
    if (past_cache)
        for (; i + VL <= run.hi; i += VL) vf_stream(z + i, vf_load(x + i));
    else
        for (; i + VL <= run.hi; i += VL) vf_store(z + i, vf_load(x + i));
    for (; i < run.hi; i++) z[i] = x[i];
}

static void triad_run(Run run, float a, const float *x, const float *y, float *z, bool past_cache)
{
    const vf by = vf_set1(a);
    int64_t i = run.lo;
    if (past_cache)
        for (; i + VL <= run.hi; i += VL)
            vf_stream(z + i, vf_fma(by, vf_load(y + i), vf_load(x + i)));
    else
        for (; i + VL <= run.hi; i += VL)
            vf_store(z + i, vf_fma(by, vf_load(y + i), vf_load(x + i)));
    for (; i < run.hi; i++) z[i] = __builtin_fmaf(a, y[i], x[i]);
}

void K(stream_copy)(int64_t n, const float *x, float *z, bool past_cache, int64_t repeats)
{
    const int threads = threads_count();
#pragma omp parallel for schedule(static) num_threads(threads)
    for (int t = 0; t < threads; t++)
        for (int64_t r = 0; r < repeats; r++) {
            copy_run(run_of(n, t, threads), x, z, past_cache);
            KEEP();
        }
}

void K(stream_triad)(int64_t n, float a, const float *x, const float *y, float *z, bool past_cache,
                     int64_t repeats)
{
    const int threads = threads_count();
#pragma omp parallel for schedule(static) num_threads(threads)
    for (int t = 0; t < threads; t++)
        for (int64_t r = 0; r < repeats; r++) {
            triad_run(run_of(n, t, threads), a, x, y, z, past_cache);
            KEEP();
        }
}
