/* memory_bench -- memory-bound kernels beside the machine's own limit, measured in turns with them.
 *
 * Bytes are each input read once and each output written once. The limit is the better of two
 * passes, copy (a = b) and triad (a = b + 3 c; McCalpin's STREAM, 1995), both of which write past
 * the caches, so that what is counted is what moves. All memory is in huge pages, as a plan's is.
 * Each figure is the best of its rounds, so that a neighbour's work counts for nothing. Usage:
 * memory_bench [seconds for each line [threads [part of a name]]] */
#include "base/arena.h"
#include "base/clock.h"
#include "base/threads.h"
#include "cpu/cpu.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LIMIT_FLOATS = 1 << 24, PIECE = 8192, N_ARRAYS = 6 };

static const int64_t FLOATS = (int64_t)4096 * 50257;
static float *array[N_ARRAYS]; /* of FLOATS; the last three of an eighth of that */
static int32_t label[1 << 16];
static float scratch[1 << 22];

/* One thread: its own time, so that waiting for a core does not count. */
static double now(void)
{
    struct timespec t;
    if (threads_count() > 1) return clock_s();
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* -- The limit */

#ifdef __SSE2__
#include <immintrin.h>
typedef __m128 v4;
static void put(float *to, v4 x)
{
    _mm_stream_ps(to, x);
}
#else
typedef float v4 __attribute__((vector_size(16)));
static void put(float *to, v4 x)
{
    memcpy(to, &x, sizeof x);
}
#endif

static void copy(float *to, const float *from, int64_t n)
{
#pragma omp parallel for schedule(static) num_threads(threads_count())
    for (int64_t p = 0; p < n; p += PIECE)
        for (int64_t i = p; i < p + PIECE; i += 4) put(to + i, *(const v4 *)(from + i));
}

static void triad(float *to, const float *b, const float *c, int64_t n)
{
#pragma omp parallel for schedule(static) num_threads(threads_count())
    for (int64_t p = 0; p < n; p += PIECE)
        for (int64_t i = p; i < p + PIECE; i += 4)
            put(to + i, *(const v4 *)(b + i) + 3.0f * *(const v4 *)(c + i));
}

/* -- The work: each returns the bytes it must move */

enum { ROWS = 16384, WIDTH = 768, VOCABULARY = 50257, TOKENS = 4096, N_WEIGHTS = 1 << 24 };

static double layer_norm(void)
{
    cpu->layer_norm(ROWS, WIDTH, array[0], array[4], array[5], 1e-5f, array[1]);
    return 8.0 * ROWS * WIDTH;
}

static double layer_norm_grad(void)
{
    const NormGrad a = {array[0], array[1], array[4], 1e-5f, array[2], array[5], array[5] + WIDTH};
    cpu->layer_norm_grad(ROWS, WIDTH, &a, scratch);
    return 12.0 * ROWS * WIDTH;
}

static double rms_norm(void)
{
    cpu->rms_norm(ROWS, WIDTH, array[0], array[4], 1e-5f, array[1]);
    return 8.0 * ROWS * WIDTH;
}

static double cross_entropy(void)
{
    cpu->cross_entropy(TOKENS, VOCABULARY, array[0], label, 0, -1, array[4], scratch);
    return 4.0 * TOKENS * VOCABULARY;
}

static double cross_entropy_grad(void)
{
    cpu->cross_entropy_grad(TOKENS, VOCABULARY, array[0], label, 0, -1, scratch, array[5],
                            array[1]);
    return 8.0 * TOKENS * VOCABULARY;
}

/* As a plan runs it: over the logits. */
static double cross_entropy_in_place(void)
{
    cpu->cross_entropy_grad(TOKENS, VOCABULARY, array[1], label, 0, -1, scratch, array[5],
                            array[1]);
    return 8.0 * TOKENS * VOCABULARY;
}

static double cross_entropy_both(void)
{
    const CrossEntropy c = {TOKENS, VOCABULARY, array[0], label,   0,
                            -1,     array[5],   array[4], scratch, array[1]};
    cpu->cross_entropy_both(&c, array[3]);
    return 8.0 * TOKENS * VOCABULARY;
}

static double softmax(void)
{
    cpu->softmax(TOKENS * 4, 1024, array[0], array[1]);
    return 8.0 * TOKENS * 4 * 1024;
}

static double adamw(void)
{
    const AdamStep s = {
        {1, INFINITY, NULL, 0},
        1e-3f, 0.9f, 0.999f, 1e-8f, 0.01f, true, 0.1, 0.001
    };
    cpu->adam(N_WEIGHTS, array[0], array[1], array[2], array[3], &s);
    return 28.0 * N_WEIGHTS;
}

static double sgd(void)
{
    const SgdStep s = {
        {1, INFINITY, NULL, 0},
        1e-3f, 0.9f, 0, 1e-4f, false, false
    };
    cpu->sgd(N_WEIGHTS, array[0], array[1], array[2], &s);
    return 20.0 * N_WEIGHTS;
}

static double sum_squares(void)
{
    scratch[0] = (float)cpu->sum_squares(N_WEIGHTS, array[0]);
    return 4.0 * N_WEIGHTS;
}

static double all_finite(void)
{
    scratch[0] = cpu->all_finite(N_WEIGHTS, array[0]);
    return 4.0 * N_WEIGHTS;
}

static double bernoulli(void)
{
    cpu->random_bernoulli(N_WEIGHTS, 42, 109, 0.9f, 1.1f, array[1]);
    return 4.0 * N_WEIGHTS;
}

/* x + bias, gelu's cheaper cousin relu, a residual: three inputs, one output. */
static double map_chain(void)
{
    MapProgram p = {
        .rank = 2, .dim = {ROWS, WIDTH},
             .outer = ROWS, .reduce = WIDTH, .inner = 1
    };
    p.n_inputs = 3, p.n_instr = 3, p.n_outputs = 1;
    p.inputs[0].stride[0] = p.inputs[2].stride[0] = WIDTH;
    p.inputs[0].stride[1] = p.inputs[1].stride[1] = p.inputs[2].stride[1] = 1;
    p.instr[0] = (MapInstr){.op = MAP_ADD, .a = 0, .b = 1};
    p.instr[1] = (MapInstr){.op = MAP_RELU, .a = 3};
    p.instr[2] = (MapInstr){.op = MAP_ADD, .a = 4, .b = 2};
    p.outputs[0] = (MapOutput){MAP_STORE, 5};
    cpu->map_run(&p, (const void *[]){array[0], array[4], array[1]}, (void *[]){array[2]}, scratch);
    return 12.0 * ROWS * WIDTH;
}

/* x - first row, and its square, down the columns. */
static double moments(int64_t columns)
{
    const int64_t rows = (1 << 24) / columns;
    MapProgram p = {
        .rank = 2, .dim = {rows, columns},
             .outer = 1, .reduce = rows, .inner = columns
    };
    p.n_inputs = 2, p.n_instr = 2, p.n_outputs = 2;
    p.inputs[0].stride[0] = columns;
    p.inputs[0].stride[1] = p.inputs[1].stride[1] = 1;
    p.instr[0] = (MapInstr){.op = MAP_SUB, .a = 0, .b = 1};
    p.instr[1] = (MapInstr){.op = MAP_SQUARE, .a = 2};
    p.outputs[0] = (MapOutput){MAP_SUM, 2};
    p.outputs[1] = (MapOutput){MAP_SUM, 3};
    if (map_scratch(&p) > sizeof scratch) abort();
    cpu->map_run(&p, (const void *[]){array[0], array[0]}, (void *[]){array[4], array[5]}, scratch);
    return 4.0 * (double)(rows * columns);
}

static double moments_16(void)
{
    return moments(16);
}

static double moments_64(void)
{
    return moments(64);
}

static double moments_256(void)
{
    return moments(256);
}

static double transposed(int64_t rows, int64_t columns)
{
    MapProgram p = {
        .rank = 2, .dim = {rows, columns},
             .outer = rows, .reduce = columns, .inner = 1
    };
    p.n_inputs = p.n_instr = p.n_outputs = 1;
    p.inputs[0].stride[0] = 1, p.inputs[0].stride[1] = rows;
    p.instr[0] = (MapInstr){.op = MAP_COPY};
    p.outputs[0] = (MapOutput){MAP_STORE, 1};
    cpu->map_run(&p, (const void *[]){array[0]}, (void *[]){array[1]}, scratch);
    return 8.0 * (double)(rows * columns);
}

static double transpose_square(void)
{
    return transposed(4000, 4100);
}

static double transpose_narrow(void)
{
    return transposed(1 << 20, 16);
}

/* (8, 2048, 12, 64) -> (8, 12, 2048, 64): heads of attention. */
static double permute_heads(void)
{
    MapProgram p = {
        .rank = 4, .dim = {8, 12, 2048, 64},
             .outer = 1, .reduce = 1, .inner = 1
    };
    p.n_inputs = p.n_instr = p.n_outputs = 1;
    p.inputs[0].stride[0] = 2048 * 768, p.inputs[0].stride[1] = 64;
    p.inputs[0].stride[2] = 768, p.inputs[0].stride[3] = 1;
    p.instr[0] = (MapInstr){.op = MAP_COPY};
    p.outputs[0] = (MapOutput){MAP_STORE, 1};
    cpu->map_run(&p, (const void *[]){array[0]}, (void *[]){array[1]}, scratch);
    return 8.0 * 8 * 12 * 2048 * 64;
}

static double copy_box(void)
{
    const int64_t dim[3] = {512, 256, 96}, from[3] = {256 * 96, 96, 1}, to[3] = {256 * 120, 120, 1};
    cpu->copy_box(3, dim, array[0], from, array[1], to);
    return 8.0 * 512 * 256 * 96;
}

static double gather_rows(void)
{
    cpu->gather_rows(ROWS, VOCABULARY, WIDTH, array[0], label, array[1]);
    return 8.0 * ROWS * WIDTH;
}

static double scatter_rows(void)
{
    cpu->scatter_add_rows(ROWS, VOCABULARY, WIDTH, array[0], label, array[1]);
    return 4.0 * (ROWS + VOCABULARY) * WIDTH;
}

static const struct {
    const char *name;
    double (*run)(void);
} cases[] = {
    {"layer norm 16384x768",             layer_norm            },
    {"layer norm gradient",              layer_norm_grad       },
    {"rms norm 16384x768",               rms_norm              },
    {"cross-entropy 4096x50257",         cross_entropy         },
    {"cross-entropy gradient",           cross_entropy_grad    },
    {"  over the logits",                cross_entropy_in_place},
    {"cross-entropy and its gradient",   cross_entropy_both    },
    {"softmax 16384x1024",               softmax               },
    {"adamw 16M",                        adamw                 },
    {"sgd, momentum 16M",                sgd                   },
    {"sum of squares 16M",               sum_squares           },
    {"all finite 16M",                   all_finite            },
    {"bernoulli 16M",                    bernoulli             },
    {"relu(x + bias) + z 16384x768",     map_chain             },
    {"moments of 16 columns",            moments_16            },
    {"moments of 64 columns",            moments_64            },
    {"moments of 256 columns",           moments_256           },
    {"transpose 4100x4000",              transpose_square      },
    {"transpose 16x1M",                  transpose_narrow      },
    {"heads (8,2048,12,64) -> (8,12,,)", permute_heads         },
    {"copy_box rows of 96",              copy_box              },
    {"gather 16384 rows of 768",         gather_rows           },
    {"scatter-add the same",             scatter_rows          },
};

static void run_case(int k, double seconds)
{
    double best = INFINITY, copied = INFINITY, triads = INFINITY, bytes = 0;
    const double start = clock_s();
    for (int round = 0; round < 3 || clock_s() - start < seconds; round++) {
        double t = now();
        bytes = cases[k].run();
        best = fmin(best, now() - t);
        t = now();
        copy(array[1], array[0], LIMIT_FLOATS);
        copied = fmin(copied, now() - t);
        t = now();
        triad(array[2], array[0], array[1], LIMIT_FLOATS);
        triads = fmin(triads, now() - t);
    }
    const double limit = fmax(8.0 * LIMIT_FLOATS / copied, 12.0 * LIMIT_FLOATS / triads);
    printf("%-34s %9.2f ms %7.1f GB/s   copy %5.1f  triad %5.1f   %3.0f %%\n", cases[k].name,
           best * 1e3, bytes / best / 1e9, 8.0 * LIMIT_FLOATS / copied / 1e9,
           12.0 * LIMIT_FLOATS / triads / 1e9, 100 * bytes / best / limit);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    const double seconds = argc > 1 ? atof(argv[1]) : 0.5;
    Error err = {0};
    if (!cpu_select(NULL, &err)) {
        error_print(&err, stderr, false);
        return 2;
    }
    threads_set(0);
    for (int i = 0; i < N_ARRAYS; i++) {
        const int64_t n = i < 2 ? FLOATS : FLOATS / 8;
        void *memory;
        if (!memory_map(&memory, sizeof(float) * (size_t)n, &err)) abort();
        array[i] = memory;
#pragma omp parallel for schedule(static)
        for (int64_t k = 0; k < n; k++)
            array[i][k] = (float)((k * 7919) % 1009) / 1009.0f + (i > 2 ? 0.1f : -0.5f);
    }
    for (int i = 0; i < 1 << 16; i++) label[i] = (int32_t)((int64_t)i * 7919 % VOCABULARY);
    for (int threads = 1; threads <= 2; threads++) {
        if (argc > 2 && atoi(argv[2]) > 0 && atoi(argv[2]) != threads) continue;
        threads_set(threads);
        printf("isa %s, %d threads; %% of the better of copy and triad\n", cpu->isa, threads);
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
            if (argc <= 3 || strstr(cases[i].name, argv[3])) run_case((int)i, seconds);
    }
    return 0;
}
