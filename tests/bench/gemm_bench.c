/* gemm_bench -- our matrix product beside OpenBLAS and oneDNN: GFLOP/s and the ratio to the better
 * of the two, for 1 and 2 threads; the geometric mean and the worst ratio of each group of shapes.
 *
 * The players take turns, so that all see the same clock and the same neighbours; before a turn the
 * others' worker threads get time to fall asleep, since the libraries let them spin. The figure is
 * the lower tenth of the rounds' times: neighbours on a shared machine only ever add. oneDNN is
 * there when its header was. Usage: gemm_bench [seconds for each line [threads [group]]] */
#include "base/clock.h"
#include "base/threads.h"
#include "cpu/cpu.h"

#include <cblas.h>
#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#if __has_include(<dnnl.h>)
#include <dnnl.h>
enum { N_PLAYERS = 3 };
#else
enum { N_PLAYERS = 2 };
#endif

void openblas_set_num_threads(int n);

enum { MAX_ROUNDS = 1000, TURNS = 2, SLEEP_US = 40000 };

typedef struct Case {
    int m, n, k;
    const char *forms; /* n or t for A and B: pairs */
} Case;

typedef struct Group {
    const char *name;
    Case cases[16];
} Group;

// clang-format off
static const Group groups[] = {
    {"goal", {
        {512, 512, 512, "nn nt tn"},
        {1024, 1024, 1024, "nn nt tn"},
        {2048, 2048, 2048, "nn nt tn"},
        {128, 768, 768, "nn nt tn"},
        {128, 3072, 768, "nn nt tn"},
        {4096, 384, 384, "nn nt tn"},
        {4096, 384, 1536, "nn nt tn"},
        {64, 64, 4096, "nn nt tn"},
        {256, 50257, 256, "nn nt tn"}}},
    {"lenet", {
        {60, 300, 784, "nt"},
        {60, 100, 300, "nt"},
        {60, 10, 100, "nt"},
        {60, 300, 100, "nn"},
        {60, 100, 10, "nn"},
        {300, 784, 60, "tn"},
        {100, 300, 60, "tn"},
        {10, 100, 60, "tn"}}},
    {"other", {
        {256, 256, 256, "nn"},
        {1024, 1024, 1024, "tt"},
        {1, 1024, 1024, "nt"},
        {8, 1024, 1024, "nn"},
        {4096, 64, 64, "nn"},
        {64, 4096, 64, "nn"},
        {2048, 128, 512, "nt"},
        {128, 128, 4096, "tn"},
        {100000, 64, 64, "nt"}}},
};
// clang-format on

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double lower_tenth(double *x, int n)
{
    qsort(x, (size_t)n, sizeof *x, by_value);
    return x[n / 10];
}

static float *numbers(size_t n)
{
    float *x = aligned_alloc(64, (n * sizeof *x + 63) / 64 * 64);
    for (size_t i = 0; i < n; i++) x[i] = (float)((i * 7919) % 1009) / 1009.0f - 0.5f;
    return x;
}

/* One of the contestants: times of its rounds. */
typedef struct Player {
    double times[MAX_ROUNDS];
    int rounds;
} Player;

/* Player 0 is ours, 1 OpenBLAS, 2 oneDNN. */
static void multiply(const Gemm *g, void *scratch, int player)
{
    if (player == 0)
        cpu->gemm(g, scratch);
    else if (player == 1)
        cblas_sgemm(CblasRowMajor, g->trans_a ? CblasTrans : CblasNoTrans,
                    g->trans_b ? CblasTrans : CblasNoTrans, (int)g->m, (int)g->n, (int)g->k, 1,
                    g->a, (int)g->lda, g->b, (int)g->ldb, 0, g->c, (int)g->ldc);
#if __has_include(<dnnl.h>)
    else if (dnnl_sgemm(g->trans_a ? 'T' : 'N', g->trans_b ? 'T' : 'N', g->m, g->n, g->k, 1, g->a,
                        g->lda, g->b, g->ldb, 0, g->c, g->ldc) != dnnl_success)
        abort();
#endif
}

/* With one thread the time that the thread ran, so that a full machine does not count. */
static double now(void)
{
    struct timespec t;
    clock_gettime(threads_count() == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void take_turn(Player *p, const Gemm *g, void *scratch, int player, int repeat,
                      double seconds)
{
    usleep(SLEEP_US);
    multiply(g, scratch, player);
    const double start = clock_s();
    for (int i = 0; p->rounds < MAX_ROUNDS && (i < 3 || clock_s() - start < seconds); i++) {
        const double t = now();
        for (int r = 0; r < repeat; r++) multiply(g, scratch, player);
        p->times[p->rounds++] = (now() - t) / repeat;
    }
}

/* The ratio of our speed to that of the better peer. */
static double run_case(const Case *c, bool trans_a, bool trans_b, int threads, double seconds)
{
    static Player players[N_PLAYERS];
    const size_t m = (size_t)c->m, n = (size_t)c->n, k = (size_t)c->k;
    float *a = numbers(m * k), *b = numbers(k * n), *y = numbers(m * n);
    const Gemm g = {.batch = 1,
                    .m = c->m,
                    .n = c->n,
                    .k = c->k,
                    .a = a,
                    .b = b,
                    .c = y,
                    .lda = trans_a ? c->m : c->k,
                    .ldb = trans_b ? c->k : c->n,
                    .ldc = c->n,
                    .trans_a = trans_a,
                    .trans_b = trans_b};
    void *scratch = aligned_alloc(64, (cpu->gemm_scratch(&g) + 63) / 64 * 64);
    const double flop = 2.0 * c->m * c->n * c->k;
    const int repeat = flop > 2e7 ? 1 : (int)(2e7 / flop) + 1;
    double speed[N_PLAYERS], best = 0;
    for (int p = 0; p < N_PLAYERS; p++) players[p].rounds = 0;
    for (int turn = 0; turn < N_PLAYERS * TURNS; turn++)
        take_turn(&players[turn % N_PLAYERS], &g, scratch, turn % N_PLAYERS, repeat,
                  seconds / (N_PLAYERS * TURNS));
    printf("%6dx%5dx%4d %c%c  %d threads ", c->m, c->n, c->k, trans_a ? 'T' : 'N',
           trans_b ? 'T' : 'N', threads);
    for (int p = 0; p < N_PLAYERS; p++) {
        static const char *const names[] = {"", "OpenBLAS", "oneDNN"};
        speed[p] = flop / lower_tenth(players[p].times, players[p].rounds) / 1e9;
        printf(" %s %7.1f", names[p], speed[p]);
        if (p > 0 && speed[p] > best) best = speed[p];
    }
    printf(" GFLOP/s  ratio %.2f\n", speed[0] / best);
    fflush(stdout);
    free(a), free(b), free(y), free(scratch);
    return speed[0] / best;
}

static void run_group(const Group *g, int threads, double seconds)
{
    double log_sum = 0, worst = INFINITY;
    int n = 0;
    for (const Case *c = g->cases; c->forms; c++)
        for (const char *f = c->forms; *f; f += f[2] ? 3 : 2, n++) {
            const double ratio = run_case(c, f[0] == 't', f[1] == 't', threads, seconds);
            log_sum += log(ratio);
            if (ratio < worst) worst = ratio;
        }
    printf("%s, %d threads: geometric mean %.3f, worst %.2f\n", g->name, threads, exp(log_sum / n),
           worst);
}

int main(int argc, char **argv)
{
    const double seconds = argc > 1 ? atof(argv[1]) : 0.3;
    const int only = argc > 2 ? atoi(argv[2]) : 0;
    Error err = {0};
    if (!cpu_select(NULL, &err)) {
        error_print(&err, stderr, false);
        return 2;
    }
    printf("isa %s\n", cpu->isa);
    for (int threads = 1; threads <= 2; threads++) {
        if (only && only != threads) continue;
        threads_set(threads);
        omp_set_num_threads(threads);
        openblas_set_num_threads(threads);
        for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++)
            if (argc <= 3 || strcmp(argv[3], groups[i].name) == 0)
                run_group(&groups[i], threads, seconds);
    }
    return 0;
}
