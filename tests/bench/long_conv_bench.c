/* long_conv_bench -- the causal long convolution, B = 16, H = 128 (fewer rows of the longest),
 * forward and with its gradients, beside FFTW's and beside a copy of the rows: one read and one
 * write.
 *
 * The three take turns; figures are medians, a row. Usage: long_conv_bench [seconds for each length
 * [threads [least length [greatest length [mixed]]]]]: mixed adds lengths of 5/4, 3/2 and 15/8. */
#include "tests/bench/long_conv_peer.h"

#include "base/clock.h"
#include "base/threads.h"

#include <omp.h>
#include <stdio.h>

enum { MAX_ROUNDS = 200, MOST = 1 << 25 };
enum { OURS, PEER, OURS_BACK, PEER_BACK, COPY, N_TIMES };

static double times[N_TIMES][MAX_ROUNDS];

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(int which, int n)
{
    qsort(times[which], (size_t)n, sizeof times[which][0], by_value);
    return times[which][n / 2];
}

static float *numbers(size_t n)
{
    float *x = aligned_alloc(64, (n * sizeof *x + 63) / 64 * 64);
    if (!x) abort();
    for (size_t i = 0; i < n; i++) x[i] = (float)((i * 7919) % 1009) / 1009.0f - 0.5f;
    return x;
}

static void copy(const float *x, int64_t n, float *y)
{
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < n / 1024; i++) memcpy(y + i * 1024, x + i * 1024, 4096);
}

static void measure(int64_t t, double seconds)
{
    LongConv s = {16, 128, t, t, LONG_CONV_CAUSAL};
    while (s.batch * s.channels * t > MOST && s.channels > 1) s.channels /= 2;
    while (s.batch * s.channels * t > MOST && s.batch > 1) s.batch /= 2;
    const int64_t rows = s.batch * s.channels, n = rows * t;
    float *u = numbers((size_t)n), *y = numbers((size_t)n), *du = numbers((size_t)n);
    float *k = numbers((size_t)(s.channels * t)), *dk = numbers((size_t)(s.channels * t));
    void *scratch = numbers(cpu->long_conv_scratch(&s) / sizeof(float) + 1);
    Peer peer = peer_new(&s);
    int rounds = 0;
    const double start = clock_s();
    while (rounds < MAX_ROUNDS && (rounds < 3 || clock_s() - start < seconds)) {
        double at[6];
        at[0] = clock_s();
        cpu->long_conv(&s, u, k, NULL, NULL, y, scratch);
        at[1] = clock_s();
        peer_forward(&peer, u, k, y);
        at[2] = clock_s();
        cpu->long_conv_grads(&s, &(LongConvGrads){u, y, k, NULL, du, dk}, scratch);
        at[3] = clock_s();
        peer_backward(&peer, u, k, y, du, dk);
        at[4] = clock_s();
        copy(u, n, du);
        at[5] = clock_s();
        for (int i = 0; i < N_TIMES; i++) times[i][rounds] = at[i + 1] - at[i];
        rounds++;
    }
    double m[N_TIMES];
    for (int i = 0; i < N_TIMES; i++) m[i] = median(i, rounds) / (double)rows * 1e6;
    printf("%8lld %2lld x %-3lld  forward %9.2f us %5.1f copies", (long long)t, (long long)s.batch,
           (long long)s.channels, m[OURS], m[OURS] / m[COPY]);
    if (PEER_PRESENT) printf(" FFTW x%4.2f", m[PEER] / m[OURS]);
    printf("   backward %9.2f us", m[OURS_BACK]);
    if (PEER_PRESENT)
        printf(" FFTW x%4.2f   both x%4.2f", m[PEER_BACK] / m[OURS_BACK],
               (m[PEER] + m[PEER_BACK]) / (m[OURS] + m[OURS_BACK]));
    printf("\n");
    fflush(stdout);
    peer_free(&peer);
    free(u), free(y), free(du), free(k), free(dk), free(scratch);
}

int main(int argc, char **argv)
{
    const double seconds = argc > 1 ? atof(argv[1]) : 1;
    const int threads = argc > 2 ? atoi(argv[2]) : 1;
    const int64_t least = argc > 3 ? atol(argv[3]) : 1024, most = argc > 4 ? atol(argv[4]) : 65536;
    Error err = {0};
    if (!cpu_select(NULL, &err)) {
        error_print(&err, stderr, false);
        return 2;
    }
    threads_set(threads);
    omp_set_num_threads(threads); /* the peer's */
    printf("isa %s, %d thread%s; us a row\n", cpu->isa, threads, threads == 1 ? "" : "s");
    for (int64_t t = least; t <= most; t *= 2) {
        measure(t, seconds);
        if (argc <= 5) continue;
        measure(t / 4 * 5, seconds);
        measure(t / 2 * 3, seconds);
        measure(t / 8 * 15, seconds);
    }
    return 0;
}
