/* gemm_bench -- our matrix product beside OpenBLAS: GFLOP/s and the ratio, for 1 and 2 threads.
 *
 * The two take turns, so that both see the same clock and the same neighbours; before a turn the
 * other's worker threads get time to fall asleep, since both libraries let them spin. The figure is
 * the median of the rounds. Link with -lopenblas. Usage: gemm_bench [seconds for each line] */
#include "base/clock.h"
#include "base/threads.h"
#include "cpu/cpu.h"

#include <cblas.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void openblas_set_num_threads(int n);

enum { MAX_ROUNDS = 1000, TURNS = 3, SLEEP_US = 60000 };

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

/* One of the two contestants: times of its rounds. */
typedef struct Player {
    double times[MAX_ROUNDS];
    int rounds;
} Player;

static void multiply(const Gemm *g, void *scratch, bool peer)
{
    if (!peer) {
        cpu->gemm(g, scratch);
        return;
    }
    cblas_sgemm(CblasRowMajor, g->trans_a ? CblasTrans : CblasNoTrans,
                g->trans_b ? CblasTrans : CblasNoTrans, (int)g->m, (int)g->n, (int)g->k, 1, g->a,
                (int)g->lda, g->b, (int)g->ldb, 0, g->c, (int)g->ldc);
}

static void take_turn(Player *p, const Gemm *g, void *scratch, bool peer, int repeat,
                      double seconds)
{
    usleep(SLEEP_US);
    multiply(g, scratch, peer);
    const double start = clock_s();
    for (int i = 0; p->rounds < MAX_ROUNDS && (i < 3 || clock_s() - start < seconds); i++) {
        const double t = clock_s();
        for (int r = 0; r < repeat; r++) multiply(g, scratch, peer);
        p->times[p->rounds++] = (clock_s() - t) / repeat;
    }
}

static void run_case(const Case *c, int threads, double seconds)
{
    static Player players[2];
    const size_t m = (size_t)c->m, n = (size_t)c->n, k = (size_t)c->k;
    float *a = numbers(m * k), *b = numbers(k * n), *y = numbers(m * n);
    const Gemm g = {.batch = 1,
                    .m = c->m,
                    .n = c->n,
                    .k = c->k,
                    .a = a,
                    .b = b,
                    .c = y,
                    .lda = c->trans_a ? c->m : c->k,
                    .ldb = c->trans_b ? c->k : c->n,
                    .ldc = c->n,
                    .trans_a = c->trans_a,
                    .trans_b = c->trans_b};
    threads_set(threads);
    openblas_set_num_threads(threads);
    void *scratch = aligned_alloc(64, (cpu->gemm_scratch(&g) + 63) / 64 * 64);
    const double flop = 2.0 * c->m * c->n * c->k;
    const int repeat = flop > 2e7 ? 1 : (int)(2e7 / flop) + 1;
    players[0].rounds = players[1].rounds = 0;
    for (int turn = 0; turn < 2 * TURNS; turn++)
        take_turn(&players[turn % 2], &g, scratch, turn % 2, repeat, seconds / (2 * TURNS));
    const double mine = flop / median(players[0].times, players[0].rounds) / 1e9;
    const double peer = flop / median(players[1].times, players[1].rounds) / 1e9;
    printf("%6dx%4dx%4d %c%c  %d threads  %7.1f  OpenBLAS %7.1f GFLOP/s  ratio %.2f\n", c->m, c->n,
           c->k, c->trans_a ? 'T' : 'N', c->trans_b ? 'T' : 'N', threads, mine, peer, mine / peer);
    fflush(stdout);
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
