/* attention_bench -- our attention, forward and backward, 6 heads of 64 and 4096 queries in all:
 * median times and GFLOP/s for 1 and 2 threads. Products that a causal mask makes superfluous are
 * not counted; a backward pass counts five products, a forward pass two. attention_torch.py runs it
 * line by line beside torch. With one thread times are processor time.
 *
 * Usage: attention_bench [seconds a line [T causal threads [plain|dropout|rope]]]
 *        attention_bench seconds decode S threads: one query, S keys, GB/s of keys and values */
#include "base/arena.h"
#include "base/clock.h"
#include "base/threads.h"
#include "cpu/cpu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_ROUNDS = 1000, HEADS = 6, HEAD_SIZE = 64, QUERIES = 4096 };

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

/* With one thread the processor's time, in which neighbours count less. */
static double now(int threads)
{
    struct timespec t;
    if (threads > 1) return clock_s();
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Memory as plans take it. */
static void *take(size_t bytes)
{
    Error err = {0};
    void *memory;
    if (memory_map(&memory, bytes, &err)) return memory;
    error_print(&err, stderr, false);
    exit(2);
}

static float *numbers(size_t n)
{
    float *x = take(n * sizeof *x);
    for (size_t i = 0; i < n; i++) x[i] = (float)((i * 7919) % 1009) / 504.5f - 1;
    return x;
}

static void run_line(int64_t t, bool causal, int threads, const char *form, double seconds)
{
    static double forward[MAX_ROUNDS], backward[MAX_ROUNDS];
    const size_t n = (size_t)QUERIES * HEADS * HEAD_SIZE;
    float *x[8];
    for (int i = 0; i < 8; i++) x[i] = numbers(n);
    threads_set(threads);
    AttentionGrad g = {
        .forward = {.batch = QUERIES / t,
                    .t = t,
                    .s = t,
                    .heads = HEADS,
                    .kv_heads = HEADS,
                    .d = HEAD_SIZE,
                    .scale = 0.125f,
                    .causal = causal,
                    .q = x[0],
                    .k = x[1],
                    .v = x[2]},
        .y = x[3],
        .dy = x[4],
        .dq = x[5],
        .dk = x[6],
        .dv = x[7]
    };
    float *lse = numbers(n / HEAD_SIZE), *y = x[3], *table = numbers((size_t)t * HEAD_SIZE);
    if (!strcmp(form, "rope")) {
        g.forward.rope = table;
        g.forward.rope_dims = HEAD_SIZE;
    }
    if (!strcmp(form, "dropout")) {
        g.forward.keep = 0.9f;
        g.forward.random_state = g.forward.random_inc = 1;
    }
    g.lse = lse;
    const size_t bytes =
        cpu->attention_scratch(&g.forward) + cpu->attention_grad_scratch(&g.forward);
    void *scratch = take(bytes);
    int rounds = 0;
    const double start = clock_s();
    for (; rounds < MAX_ROUNDS && (rounds < 3 || clock_s() - start < seconds); rounds++) {
        const double before = now(threads);
        cpu->attention(&g.forward, y, lse, scratch);
        const double between = now(threads);
        cpu->attention_grad(&g, scratch);
        forward[rounds] = between - before;
        backward[rounds] = now(threads) - between;
    }
    const double product = (double)n * (double)t * (causal ? 1 : 2);
    const double f = median(forward, rounds), b = median(backward, rounds);
    printf("T %5d %6s %d threads %-7s  forward %8.2f ms %6.1f GFLOP/s  backward %8.2f ms %6.1f "
           "GFLOP/s\n",
           (int)t, causal ? "causal" : "full", threads, form, f * 1e3, 2 * product / f / 1e9,
           b * 1e3, 5 * product / b / 1e9);
    (void)fflush(stdout);
    for (int i = 0; i < 8; i++) memory_unmap(x[i], n * sizeof(float));
    memory_unmap(lse, n / HEAD_SIZE * sizeof(float));
    memory_unmap(table, (size_t)t * HEAD_SIZE * sizeof(float));
    memory_unmap(scratch, bytes);
}

static void run_decode(int64_t s, int threads, double seconds)
{
    static double times[MAX_ROUNDS];
    const size_t n = (size_t)s * HEADS * HEAD_SIZE, row = n / (size_t)s;
    float *q = numbers(2 * row + HEADS), *k = numbers(n), *v = numbers(n);
    threads_set(threads);
    const Attention a = {.batch = 1,
                         .t = 1,
                         .s = s,
                         .heads = HEADS,
                         .kv_heads = HEADS,
                         .d = HEAD_SIZE,
                         .scale = 0.125f,
                         .offset = s - 1,
                         .causal = true,
                         .q = q,
                         .k = k,
                         .v = v};
    const size_t bytes = cpu->attention_scratch(&a);
    void *scratch = take(bytes);
    int rounds = 0;
    const double start = clock_s();
    for (; rounds < MAX_ROUNDS && (rounds < 3 || clock_s() - start < seconds); rounds++) {
        const double before = now(threads);
        cpu->attention(&a, q + row, q + 2 * row, scratch);
        times[rounds] = now(threads) - before;
    }
    const double t = median(times, rounds);
    printf("decode %6d keys %d threads  %8.3f ms %6.1f GB/s\n", (int)s, threads, t * 1e3,
           2 * (double)(n * sizeof *k) / t / 1e9);
    (void)fflush(stdout);
    memory_unmap(q, (2 * row + HEADS) * sizeof *q);
    memory_unmap(k, n * sizeof *k);
    memory_unmap(v, n * sizeof *v);
    memory_unmap(scratch, bytes);
}

int main(int argc, char **argv)
{
    const double seconds = argc > 1 ? atof(argv[1]) : 0.3;
    Error err = {0};
    if (!cpu_select(NULL, &err)) {
        error_print(&err, stderr, false);
        return 2;
    }
    if (argc > 4 && !strcmp(argv[2], "decode")) {
        run_decode(atol(argv[3]), atoi(argv[4]), seconds);
        return 0;
    }
    if (argc > 4) {
        run_line(atol(argv[2]), atoi(argv[3]), atoi(argv[4]), argc > 5 ? argv[5] : "plain",
                 seconds);
        return 0;
    }
    for (int threads = 1; threads <= 2; threads++) {
        for (int causal = 0; causal < 2; causal++)
            for (int64_t t = 256; t <= QUERIES; t *= 4)
                run_line(t, causal, threads, "plain", seconds);
        run_line(1024, true, threads, "dropout", seconds);
        run_line(1024, true, threads, "rope", seconds);
        for (int64_t s = 4096; s <= 32768; s *= 8) run_decode(s, threads, seconds);
    }
    return 0;
}
