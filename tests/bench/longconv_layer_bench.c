/* longconv_layer_bench -- one layer forward and backward, to its input and its parameters, as one
 * plan: a causal long convolution with its skip, GELU, a linear layer to 2 H and GLU; or causal
 * attention in heads of 64, from the projection to q, k and v to the one of its output.
 *
 * longconv_layer.py runs it in turn with torch. Usage: longconv_layer_bench: a few lines;
 * longconv_layer_bench conv|attention T BATCH H THREADS SECONDS: the median in milliseconds, and
 * the sums of squares of y and of the gradients to all inputs, for comparison. With one thread
 * times are processor time. */
#include "base/arena.h"
#include "base/clock.h"
#include "base/threads.h"
#include "cpu/cpu.h"
#include "graph/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_INPUTS = 8, MAX_ROUNDS = 1000, HEAD_SIZE = 64 };

/* A first run of so many seconds is not repeated: what the touch of the memory adds is little. */
static const double LONG_RUN_S = 2;

typedef struct Bench {
    Arena *arena;
    Graph *graph;
    Node *in[MAX_INPUTS]; /* x first, the seed of the gradient last */
    float scale[MAX_INPUTS];
    int n;
} Bench;

static void must(bool ok, const Error *err)
{
    if (ok) return;
    error_print(err, stderr, false);
    exit(2);
}

static Node *tensor(Bench *b, const char *name, Shape s, float scale)
{
    b->scale[b->n] = scale;
    return b->in[b->n++] = input(b->graph, name, F32, s);
}

static Node *conv_layer(Bench *b, int64_t B, int64_t T, int64_t H)
{
    Graph *g = b->graph;
    Node *x = tensor(b, "x", shape(3, B, T, H), 1), *k = tensor(b, "k", shape(2, H, T), 0.1f);
    Node *d = tensor(b, "d", shape(1, H), 1), *w = tensor(b, "w", shape(2, 2 * H, H), 0.2f);
    Node *bias = tensor(b, "bias", shape(1, 2 * H), 0.2f);
    Node *y = gelu(g, long_conv(g, transpose(g, x), k, d, NULL, REACH_CAUSAL));
    y = add(g, matmul(g, y, w, true, true), bias);
    return mul(g, slice(g, y, 2, 0, H), sigmoid(g, slice(g, y, 2, H, H)));
}

static Node *attention_layer(Bench *b, int64_t B, int64_t T, int64_t H)
{
    Graph *g = b->graph;
    Node *x = tensor(b, "x", shape(3, B, T, H), 1), *w = tensor(b, "w", shape(2, 3 * H, H), 0.5f);
    Node *bias = tensor(b, "bias", shape(1, 3 * H), 0.5f);
    Node *w_out = tensor(b, "w_out", shape(2, H, H), 0.5f);
    Node *bias_out = tensor(b, "bias_out", shape(1, H), 0.5f);
    Node *all = linear(g, x, w, bias), *part[3];
    const int64_t D = HEAD_SIZE;
    for (int i = 0; i < 3; i++)
        part[i] = reshape(g, slice(g, all, 2, i * H, H), shape(4, B, T, H / D, D));
    Node *y = attention(g, part[0], part[1], part[2], (Attend){.causal = true});
    return linear(g, reshape(g, y, x->shape), w_out, bias_out);
}

/* Numbers that longconv_layer.py makes too. */
static void bind(const Bench *b, Plan *p)
{
    Error err = {0};
    for (int i = 0; i < b->n; i++) {
        const int64_t count = shape_count(&b->in[i]->shape);
        void *memory;
        must(memory_map(&memory, sizeof(float) * (size_t)count, &err), &err);
        float *to = memory;
        for (int64_t j = 0; j < count; j++)
            to[j] = ((float)((j * 7919 + j / 1009 * 31 + i) % 1009) / 1009 - 0.5f) * b->scale[i];
        plan_bind(p, b->in[i], to);
    }
}

static void print_squares(const Plan *p, const PlanOutput *outputs, int n)
{
    for (int i = 0; i < n; i++) {
        const float *x = plan_value(p, outputs[i].node);
        const int64_t count = shape_count(&outputs[i].node->shape);
        double sum = 0;
        for (int64_t j = 0; j < count; j++) sum += (double)x[j] * (double)x[j];
        printf(" %.6g", sum);
    }
    printf("\n");
}

/* With one thread the processor's time, in which neighbours count less. */
static double now(int threads)
{
    return threads > 1 ? clock_s() : clock_cpu_s();
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median_ms(Plan *p, int threads, double seconds)
{
    static double times[MAX_ROUNDS];
    const double start = clock_s();
    int n = 0;
    do {
        const double before = now(threads);
        plan_run(p, 0);
        times[n] = now(threads) - before;
        if (n == 0 && times[0] > LONG_RUN_S) return 1e3 * times[0];
    } while (++n < MAX_ROUNDS && (n < 3 || clock_s() - start < seconds));
    qsort(times + 1, (size_t)(n - 1), sizeof *times, by_value);
    return 1e3 * times[1 + (n - 1) / 2];
}

/* Leaves its memory to the end of the process. */
static void measure(const char *layer, const int64_t size[3], int threads, double seconds)
{
    Error err = {0};
    Bench b = {.arena = arena_new()};
    b.graph = graph_new(b.arena);
    Graph *g = b.graph;
    const int64_t T = size[0], B = size[1], H = size[2];
    Node *y = strcmp(layer, "conv") == 0 ? conv_layer(&b, B, T, H) : attention_layer(&b, B, T, H);
    const int n = b.n;
    Node *dy = tensor(&b, "dy", y->shape, 1), *grad[MAX_INPUTS];
    PlanOutput outputs[MAX_INPUTS + 1] = {
        {y, NULL}
    };
    graph_grad(g, y, dy, b.in, n, grad);
    for (int i = 0; i < n; i++) outputs[1 + i] = (PlanOutput){grad[i], NULL};
    threads_set(threads);
    Plan *p = plan_new(g, outputs, n + 1, NULL, &err);
    must(p && plan_allocate(p, &err), &err);
    bind(&b, p);
    printf("%-9s T %6lld x %4lld x %3lld  %d threads  %10.3f ms  squares", layer, (long long)T,
           (long long)B, (long long)H, threads, median_ms(p, threads, seconds));
    print_squares(p, outputs, n + 1);
    (void)fflush(stdout);
    plan_free(p);
    arena_free(b.arena);
}

int main(int argc, char **argv)
{
    Error err = {0};
    must(cpu_select(NULL, &err), &err);
    if (argc == 1) {
        for (int64_t t = 256; t <= 4096; t *= 4) {
            measure("conv", (int64_t[]){t, 16384 / t, 64}, 1, 0.3);
            measure("attention", (int64_t[]){t, 16384 / t, 64}, 1, 0.3);
        }
        return 0;
    }
    const int64_t size[] = {argc == 7 ? atol(argv[2]) : 0, argc == 7 ? atol(argv[3]) : 0,
                            argc == 7 ? atol(argv[4]) : 0};
    if (size[0] < 1 || size[1] < 1 || size[2] < HEAD_SIZE || size[2] % HEAD_SIZE != 0) {
        (void)fprintf(stderr, "usage: longconv_layer_bench [conv|attention T BATCH H THREADS "
                              "SECONDS], H a multiple of 64\n");
        return 2;
    }
    measure(argv[1], size, atoi(argv[5]), atof(argv[6]));
    return 0;
}
