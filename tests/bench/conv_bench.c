/* conv_bench -- GFLOP/s of the convolutions by shape, their share of the measured peak of fused
 * multiply-adds, and their speed over oneDNN's.
 *
 * Ours, its direct kernel and its Winograd take turns; figures are medians, the ratio is to the
 * better of its two (w: Winograd). Usage: conv_bench [seconds for each figure [threads [part of
 * the names]]] */
#include "tests/bench/conv_peer.h"

#include "base/clock.h"
#include "base/threads.h"
#include "cpu/cpu.h"

#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

enum { MAX_ROUNDS = 400 };

typedef struct Case {
    const char *name;
    int n, size, c, o, kernel, stride, groups;
} Case;

static const Case cases[] = {
    {"ResNet-20 first", 128, 28,  1,   16,   3, 1, 1  },
    {"ResNet-20 first", 128, 32,  3,   16,   3, 1, 1  },
    {"ResNet-20 16",    128, 28,  16,  16,   3, 1, 1  },
    {"ResNet-20 16",    128, 32,  16,  16,   3, 1, 1  },
    {"ResNet-20 16-32", 128, 28,  16,  32,   3, 2, 1  },
    {"ResNet-20 16-32", 128, 32,  16,  32,   3, 2, 1  },
    {"ResNet-20 32",    128, 14,  32,  32,   3, 1, 1  },
    {"ResNet-20 32",    128, 16,  32,  32,   3, 1, 1  },
    {"ResNet-20 32-64", 128, 14,  32,  64,   3, 2, 1  },
    {"ResNet-20 32-64", 128, 16,  32,  64,   3, 2, 1  },
    {"ResNet-20 64",    128, 7,   64,  64,   3, 1, 1  },
    {"ResNet-20 64",    128, 8,   64,  64,   3, 1, 1  },
    {"shortcut",        128, 28,  16,  32,   1, 2, 1  },
    {"shortcut",        128, 16,  32,  64,   1, 2, 1  },
    {"Conv-6",          60,  32,  3,   64,   3, 1, 1  },
    {"Conv-6",          60,  32,  64,  64,   3, 1, 1  },
    {"Conv-6",          60,  16,  64,  128,  3, 1, 1  },
    {"Conv-6",          60,  16,  128, 128,  3, 1, 1  },
    {"Conv-6",          60,  8,   128, 256,  3, 1, 1  },
    {"Conv-6",          60,  8,   256, 256,  3, 1, 1  },
    {"product",         32,  14,  256, 256,  1, 1, 1  },
    {"ResNet-50",       32,  56,  64,  64,   3, 1, 1  },
    {"ResNet-50",       32,  28,  128, 128,  3, 1, 1  },
    {"ResNet-50",       32,  14,  256, 256,  3, 1, 1  },
    {"ResNet-50",       32,  7,   512, 512,  3, 1, 1  },
    {"ResNet-50 s2",    32,  56,  128, 128,  3, 2, 1  },
    {"ResNet-50 first", 16,  224, 3,   64,   7, 2, 1  },
    {"ResNet-50 1x1",   32,  56,  64,  256,  1, 1, 1  },
    {"ResNet-50 1x1",   32,  56,  256, 128,  1, 1, 1  },
    {"ResNet-50 1x1",   32,  7,   512, 2048, 1, 1, 1  },
    {"ResNet-50 1x1s2", 32,  56,  256, 512,  1, 2, 1  },
    {"depthwise",       32,  56,  128, 128,  3, 1, 128},
    {"depthwise",       32,  14,  512, 512,  3, 1, 512},
    {"depthwise s2",    32,  56,  128, 128,  3, 2, 128},
    {"grouped",         32,  28,  256, 256,  3, 1, 32 },
};

/* One thread is timed by what it ran, so that a busy machine disturbs less. */
static double now_s(const int threads)
{
    struct timespec t;
    if (threads > 1) return clock_s();
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* In large pages, as a plan's memory is. */
static float *numbers(size_t n)
{
    const size_t page = (size_t)2 << 20, bytes = (n * sizeof(float) / page + 1) * page;
    float *x = aligned_alloc(page, bytes);
    if (!x) abort();
    (void)madvise(x, bytes, MADV_HUGEPAGE);
    for (size_t i = 0; i < n; i++) x[i] = (float)((i * 7919) % 1009) / 1009.0f - 0.5f;
    return x;
}

static double median(double *times, int n)
{
    qsort(times, (size_t)n, sizeof *times, by_value);
    return times[n / 2];
}

/* Median seconds of one call of pass 0 (forward), 1 (gradient to x), 2 (to w); peer_time of the
 * peer's direct kernel and of its Winograd, 0 where it has none. */
static double time_pass(const ConvShape *s, int pass, float *x, float *w, float *y, void *scratch,
                        double seconds, double peer_time[2])
{
    static double times[3][MAX_ROUNDS];
    const int threads = threads_count();
    int rounds = 0;
    Peer peer[2];
    bool has[2];
    for (int i = 0; i < 2; i++) has[i] = peer_start(&peer[i], s, pass, i == 1);
    const double start = clock_s();
    while (rounds < MAX_ROUNDS && (rounds < 5 || clock_s() - start < seconds)) {
        double t = now_s(threads);
        if (pass == 0) cpu->conv_forward(s, x, w, y, scratch);
        if (pass == 1) cpu->conv_grad_x(s, y, w, x, scratch);
        if (pass == 2) cpu->conv_grad_w(s, x, y, w, scratch);
        times[2][rounds] = now_s(threads) - t;
        for (int i = 0; i < 2; i++) {
            t = now_s(threads);
            if (has[i]) peer_run(&peer[i]);
            times[i][rounds] = now_s(threads) - t;
        }
        rounds++;
    }
    for (int i = 0; i < 2; i++) {
        if (has[i]) peer_end(&peer[i]);
        peer_time[i] = has[i] ? median(times[i], rounds) : 0;
    }
    return median(times[2], rounds);
}

static void print_pass(const ConvShape *s, double t, const double peer[2], double top)
{
    const double flop =
        2.0 * (double)(s->n * s->oh * s->ow * s->o) * (double)(s->c / s->groups * s->kh * s->kw);
    printf("  %7.2f ms %4.0f %4.0f%%", t * 1e3, flop / t / 1e9, 100 * flop / t / 1e9 / top);
    if (peer[0] == 0 && peer[1] == 0) return;
    const bool winograd = peer[0] == 0 || (peer[1] > 0 && peer[1] < peer[0]);
    printf(" x%.2f%c", peer[winograd] / t, winograd ? 'w' : ' ');
}

/* The best that the matrix product reaches on a problem that fits L1 and L2: a stand-in for the
 * peak. */
static double peak(int threads, float *a, float *b, float *c, void *scratch)
{
    const Gemm g = {.batch = threads,
                    .m = 140,
                    .n = 128,
                    .k = 256,
                    .a = a,
                    .b = b,
                    .c = c,
                    .lda = 256,
                    .ldb = 128,
                    .ldc = 128,
                    .stride_c = 140 * 128};
    double best = 1;
    for (int i = 0; i < 300; i++) {
        const double t = clock_s();
        cpu->gemm(&g, scratch);
        const double took = clock_s() - t;
        if (took < best) best = took;
    }
    return 2.0 * threads * 140 * 128 * 256 / best / 1e9;
}

int main(int argc, char **argv)
{
    const double seconds = argc > 1 ? atof(argv[1]) : 0.2;
    const int threads = argc > 2 ? atoi(argv[2]) : 1;
    const char *part = argc > 3 ? argv[3] : "";
    Error err = {0};
    if (!cpu_select(NULL, &err)) {
        error_print(&err, stderr, false);
        return 2;
    }
    threads_set(threads);
    omp_set_num_threads(threads); /* the peer's */
    const size_t most = (size_t)32 * 56 * 56 * 256;
    float *x = numbers(most), *y = numbers(most), *w = numbers((size_t)1 << 22);
    size_t scratch_bytes = (size_t)1 << 26;
    void *scratch = numbers(scratch_bytes / sizeof(float));
    const double top = peak(threads, x, w, y, scratch);
    printf("isa %s, %d threads, best of gemm %.0f GFLOP/s\n", cpu->isa, threads, top);
    printf("%-42s %28s %28s %28s\n", "", "forward", "grad x", "grad w");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const Case *c = &cases[i];
        if (!strstr(c->name, part)) continue;
        const int pad = c->kernel / 2, out = (c->size + 2 * pad - c->kernel) / c->stride + 1;
        const ConvShape s = {
            .n = c->n,
            .h = c->size,
            .w = c->size,
            .c = c->c,
            .o = c->o,
            .kh = c->kernel,
            .kw = c->kernel,
            .oh = out,
            .ow = out,
            .stride = {c->stride, c->stride},
            .pad = {pad,       pad      },
            .dilation = {1,         1        },
            .groups = c->groups
        };
        if (cpu->conv_scratch(&s) > scratch_bytes) {
            free(scratch);
            scratch_bytes = cpu->conv_scratch(&s);
            scratch = numbers(scratch_bytes / sizeof(float) + 16);
        }
        printf("%-16s n%-3d %3d %3d->%-4d k%d s%d g%-3d", c->name, c->n, c->size, c->c, c->o,
               c->kernel, c->stride, c->groups);
        for (int pass = 0; pass < 3; pass++) {
            double peer[2];
            const double t = time_pass(&s, pass, x, w, y, scratch, seconds, peer);
            print_pass(&s, t, peer, top);
        }
        printf("\n");
        fflush(stdout);
    }
    free(x), free(y), free(w), free(scratch);
    return 0;
}
