/* recurrent_bench -- one LSTM and one GRU layer forward and backward (all gradients), as a plan
 * runs them, and scans and short convolutions beside a copy that moves the same bytes.
 *
 * recurrent_torch.py prints the layers' times for the torch of the python that runs it. Times are
 * the median and the least of the rounds. Usage: recurrent_bench [seconds for each line [threads
 * ["profile"]]] */
#include "base/clock.h"
#include "base/threads.h"
#include "cpu/cpu.h"
#include "graph/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_ROUNDS = 2000 };

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Sorts; x[0] is the least then. */
static double median(double *x, int n)
{
    qsort(x, (size_t)n, sizeof *x, by_value);
    return x[n / 2];
}

static float *numbers(int64_t n)
{
    float *x = aligned_alloc(64, ((size_t)n * sizeof *x + 63) / 64 * 64);
    for (int64_t i = 0; i < n; i++) x[i] = (float)((i * 7919) % 1009) / 10090.0f - 0.05f;
    return x;
}

/* -- Layers */

typedef struct Layer {
    const char *name;
    int gates;
    int64_t B, T, I, H;
} Layer;

static const Layer layers[] = {
    {"lstm", 4, 32, 128, 512, 512},
    {"gru",  3, 32, 128, 512, 512},
    {"lstm", 4, 64, 35,  200, 200},
    {"lstm", 4, 8,  256, 128, 128},
};

static Node *leaf(Graph *g, Shape s)
{
    return input(g, "x", F32, s);
}

static void fail_with(const Error *err)
{
    error_print(err, stderr, false);
    exit(2);
}

static void run_layer(const Layer *l, double seconds, bool profile)
{
    static double times[MAX_ROUNDS];
    const int64_t N = l->gates * l->H;
    Arena *arena = arena_new();
    Graph *g = graph_new(arena);
    Node *in[] = {leaf(g, shape(3, l->B, l->T, l->I)), leaf(g, shape(2, N, l->I)),
                  leaf(g, shape(2, N, l->H)), leaf(g, shape(1, N)), leaf(g, shape(1, N))};
    const RecurrentWeights w = {in[1], in[2], in[3], in[4]};
    Node *h =
        l->gates == 4 ? lstm(g, in[0], w, NULL, NULL, false).h : gru(g, in[0], w, NULL, false).h;
    Node *grad[5];
    graph_grad(g, sum(g, square(g, h), ALL_AXES, false), NULL, in, 5, grad);
    PlanOutput out[6] = {{.node = h}};
    for (int i = 0; i < 5; i++) out[1 + i].node = grad[i];
    Error err = {0};
    Plan *p = plan_new(g, out, 6, NULL, &err);
    if (!p || !plan_allocate(p, &err)) fail_with(&err);
    float *data[5];
    for (int i = 0; i < 5; i++) {
        data[i] = numbers(shape_count(&in[i]->shape));
        plan_bind(p, in[i], data[i]);
    }
    plan_run(p, 0);
    plan_profile(p, profile);
    int n = 0;
    for (const double start = clock_s(); n < MAX_ROUNDS && (n < 3 || clock_s() - start < seconds);
         n++) {
        const double t = clock_s();
        plan_run(p, 0);
        times[n] = clock_s() - t;
    }
    const double middle = median(times, n);
    printf("%-5s B=%d T=%d I=%d H=%d  median %8.2f ms  least %8.2f ms  %6.1f GFLOP/s\n", l->name,
           (int)l->B, (int)l->T, (int)l->I, (int)l->H, middle * 1e3, times[0] * 1e3,
           plan_cost(p).flops / times[0] / 1e9);
    if (profile) printf("(seconds of %d runs)\n%s", n, plan_text(p));
    fflush(stdout);
    for (int i = 0; i < 5; i++) free(data[i]);
    plan_free(p);
    arena_free(arena);
}

/* -- Memory-bound work */

typedef struct Line {
    const char *name;
    int64_t B, T, C;
    int taps; /* of a convolution; 0: a scan */
    int kind; /* 0 forward, 1 backward; convolutions: 2 gradient to w, 3 with silu */
    bool complex, constant;
    double streams; /* arrays of B T C numbers that are read or written once */
} Line;

// clang-format off
static const Line lines[] = {
    {"scan",             16, 1024, 512,  0, 0, false, false, 3},
    {"scan constant",    16, 1024, 512,  0, 0, false, true,  2},
    {"scan complex",     16, 1024, 256,  0, 0, true,  true,  2},
    {"scan narrow",      1,  65536, 64,  0, 0, false, false, 3},
    {"scan grad",        16, 1024, 512,  0, 1, false, false, 5},
    {"scan grad const",  16, 1024, 512,  0, 1, false, true,  3},
    {"short conv 3",     16, 1024, 512,  3, 0, false, false, 2},
    {"short conv 3 dx",  16, 1024, 512,  3, 1, false, false, 2},
    {"short conv 3 dw",  16, 1024, 512,  3, 2, false, false, 2},
    {"short conv 4",     16, 1024, 512,  4, 0, false, false, 2},
    {"short conv 16",    16, 1024, 512, 16, 0, false, false, 2},
    {"conv 4 + silu",    16, 1024, 512,  4, 3, false, false, 2},
    {"short conv 4 dx",  16, 1024, 512,  4, 1, false, false, 2},
    {"short conv 4 dw",  16, 1024, 512,  4, 2, false, false, 2},
    {"short conv 16 dw", 16, 1024, 512, 16, 2, false, false, 2},
};
// clang-format on

static void run_once(const Line *l, float *const m[5], float *scratch)
{
    const ScanShape s = {
        .batch = l->B, .steps = l->T, .d = l->C, .complex = l->complex, .constant = l->constant};
    const ShortConvShape c = {l->B, l->T, l->C, l->taps};
    const int64_t row = l->T * l->C * (l->complex ? 2 : 1);
    if (l->taps == 0 && l->kind == 0) cpu->scan(&s, m[0], m[1], NULL, m[2]);
    if (l->taps == 0 && l->kind == 1)
        cpu->scan_grad(&s, m[0], m[1], m[2], NULL, m[3], row, m[4], row);
    if (l->taps > 0 && l->kind % 3 == 0)
        cpu->short_conv(&c, m[0], m[1], m[2], l->kind == 3, m[3], scratch);
    if (l->taps > 0 && l->kind == 1) cpu->short_conv_grad_x(&c, m[0], m[1], m[3], scratch);
    if (l->taps > 0 && l->kind == 2) cpu->short_conv_grad_w(&c, m[0], m[1], m[3], scratch);
}

static void copy(float *to, const float *from, int64_t n)
{
#pragma omp parallel for schedule(static) num_threads(threads_count())
    for (int64_t piece = 0; piece < n; piece += 8192)
        memcpy(to + piece, from + piece,
               sizeof *to * (size_t)(n - piece < 8192 ? n - piece : 8192));
}

static void run_line(const Line *l, float *const m[5], float *scratch, double seconds)
{
    static double times[2][MAX_ROUNDS];
    const double bytes = 4.0 * l->streams * (double)(l->B * l->T * l->C) * (l->complex ? 2 : 1);
    int n = 0;
    for (const double start = clock_s(); n < MAX_ROUNDS && (n < 5 || clock_s() - start < seconds);
         n++) {
        double t = clock_s();
        run_once(l, m, scratch);
        times[0][n] = clock_s() - t;
        t = clock_s();
        copy(m[4], m[3], (int64_t)(bytes / 8) < 1 << 24 ? (int64_t)(bytes / 8) : 1 << 24);
        times[1][n] = (clock_s() - t) * (bytes / 8 < 1 << 24 ? 1 : bytes / 8 / (1 << 24));
    }
    const double mine = median(times[0], n), peer = median(times[1], n);
    printf(
        "%-17s %3d x %5d x %4d  %8.2f ms  %5.1f GB/s  copy %5.1f GB/s  ratio %.2f (least %.2f)\n",
        l->name, (int)l->B, (int)l->T, (int)l->C, mine * 1e3, bytes / mine / 1e9,
        bytes / peer / 1e9, peer / mine, times[1][0] / times[0][0]);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    const double seconds = argc > 1 ? atof(argv[1]) : 1;
    Error err = {0};
    if (!cpu_select(NULL, &err)) fail_with(&err);
    float *m[5], *scratch = numbers(1 << 22);
    for (int i = 0; i < 5; i++) m[i] = numbers(1 << 24);
    for (int threads = 1; threads <= 2; threads++) {
        if (argc > 2 && atoi(argv[2]) != threads) continue;
        threads_set(threads);
        printf("isa %s, %d threads\n", cpu->isa, threads);
        for (size_t i = 0; i < sizeof layers / sizeof layers[0]; i++)
            run_layer(&layers[i], seconds, argc > 3);
        for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
            run_line(&lines[i], m, scratch, seconds / 10);
    }
    for (int i = 0; i < 5; i++) free(m[i]);
    free(scratch);
    return 0;
}
