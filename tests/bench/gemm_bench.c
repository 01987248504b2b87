/* gemm_bench -- our matrix product beside OpenBLAS: GFLOP/s and the ratio, for 1 and 2 threads.
 *
 * The two run in turn, so that both see the same clock and the same neighbours; the figure is the
 * median of the rounds. Link with -lopenblas. Usage: gemm_bench [seconds for each line] */
#include "base/clock.h"
#include "base/threads.h"
#include "cpu/cpu.h"

#include <cblas.h>
#include <stdio.h>
#include <stdlib.h>

void openblas_set_num_threads(int n);

enum { MAX_ROUNDS = 400 };

typedef struct Case {
    int m, n, k;
    bool trans_a, trans_b;
} Case;

static const Case cases[] = {
    {256,    256,  256,  false, false},
    {512,    512,  512,  false, false},
    {1024,   1024, 1024, false, false},
    {1024,   1024, 1024, false, true },
    {1024,   1024, 1024, true,  false},
    {1024,   1024, 1024, true,  true },
    {2048,   2048, 2048, false, false},
    {60,     300,  784,  false, true },
    {60,     100,  300,  false, true },
    {60,     10,   100,  false, true },
    {60,     300,  100,  false, false},
    {60,     100,  10,   false, false},
    {300,    784,  60,   true,  false},
    {100,    300,  60,   true,  false},
    {10,     100,  60,   true,  false},
    {60,     300,  784,  false, false},
    {1,      1024, 1024, false, true },
    {8,      1024, 1024, false, false},
    {4096,   64,   64,   false, false},
    {64,     4096, 64,   false, false},
    {2048,   128,  512,  false, true },
    {128,    128,  4096, true,  false},
    {100000, 64,   64,   false, true },
};

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *x, int n)
{
    qsort(x, (size_t)n, sizeof *x, by_value);
    return x[n / 2];
}

static float *numbers(size_t n)
{
    float *x = aligned_alloc(64, (n * sizeof *x + 63) / 64 * 64);
    for (size_t i = 0; i < n; i++) x[i] = (float)((i * 7919) % 1009) / 1009.0f - 0.5f;
    return x;
}

static void run_case(const Case *c, int threads, double seconds)
{
    const size_t m = (size_t)c->m, n = (size_t)c->n, k = (size_t)c->k;
    float *a = numbers(m * k), *b = numbers(k * n), *y = numbers(m * n);
    const int lda = c->trans_a ? c->m : c->k, ldb = c->trans_b ? c->k : c->n;
    const Gemm g = {.batch = 1,
                    .m = c->m,
                    .n = c->n,
                    .k = c->k,
                    .a = a,
                    .b = b,
                    .c = y,
                    .lda = lda,
                    .ldb = ldb,
                    .ldc = c->n,
                    .trans_a = c->trans_a,
                    .trans_b = c->trans_b};
    threads_set(threads);
    openblas_set_num_threads(threads);
    void *scratch = aligned_alloc(64, (cpu->gemm_scratch(&g) + 63) / 64 * 64);
    const double flop = 2.0 * c->m * c->n * c->k;
    const int repeat = flop > 2e7 ? 1 : (int)(2e7 / flop) + 1;
    static double ours[MAX_ROUNDS], theirs[MAX_ROUNDS];
    int rounds = 0;
    const double start = clock_s();
    while (rounds < MAX_ROUNDS && (rounds < 5 || clock_s() - start < seconds)) {
        double t = clock_s();
        for (int i = 0; i < repeat; i++) cpu->gemm(&g, scratch);
        ours[rounds] = clock_s() - t;
        t = clock_s();
        for (int i = 0; i < repeat; i++)
            cblas_sgemm(CblasRowMajor, c->trans_a ? CblasTrans : CblasNoTrans,
                        c->trans_b ? CblasTrans : CblasNoTrans, c->m, c->n, c->k, 1, a, lda, b, ldb,
                        0, y, c->n);
        theirs[rounds++] = clock_s() - t;
    }
    const double mine = flop * repeat / median(ours, rounds) / 1e9,
                 peer = flop * repeat / median(theirs, rounds) / 1e9;
    printf("%6dx%4dx%4d %c%c  %d threads  %7.1f  OpenBLAS %7.1f GFLOP/s  ratio %.2f\n", c->m, c->n,
           c->k, c->trans_a ? 'T' : 'N', c->trans_b ? 'T' : 'N', threads, mine, peer, mine / peer);
    free(a), free(b), free(y), free(scratch);
}

int main(int argc, char **argv)
{
    const double seconds = argc > 1 ? atof(argv[1]) : 0.3;
    Error err = {0};
    if (!cpu_select(NULL, &err)) {
        error_print(&err, stderr, false);
        return 2;
    }
    printf("isa %s\n", cpu->isa);
    for (int threads = 1; threads <= 2; threads++)
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
            run_case(&cases[i], threads, seconds);
    return 0;
}
