/* map_bench -- elementwise programs with their reductions beside a copy that moves the same bytes.
 *
 * Bytes are what the program must read and write once; the copy reads half of them and writes the
 * other half, by as many threads. The two take turns; figures are medians. Usage: map_bench
 * [seconds for each line [threads]] */
#include "base/clock.h"
#include "base/threads.h"
#include "cpu/cpu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_ROUNDS = 4000, MAX_FLOATS = 1 << 23 };

/* A program over (rows, inner) by what each input is and a chain of instructions. */
typedef struct Case {
    const char *name;
    int64_t rows, inner;
    const char
        *inputs; /* per input: f full, c one per column, r one per row, t transposed, 1 scalar */
    const char
        *outputs; /* per output: s stored, c column sums, r row sums; of the last registers */
    MapInstr instr[8];
    int n_instr;
} Case;

// clang-format off
#define BIAS_RELU {{MAP_ADD, 0, 1, 0, 0, 0}, {MAP_RELU, 2, 0, 0, 0, 0}}, 2
#define NORMALISE {{MAP_SUB, 0, 1, 0, 0, 0}, {MAP_MUL, 5, 2, 0, 0, 0}, {MAP_FMA, 6, 3, 4, 0, 0}, {MAP_RELU, 7, 0, 0, 0, 0}}, 4
#define MOMENTS   {{MAP_SUB, 0, 1, 0, 0, 0}, {MAP_SQUARE, 2, 0, 0, 0, 0}}, 2
#define BACKWARD  {{MAP_SUB, 0, 3, 0, 0, 0}, {MAP_LESS, 4, 1, 0, 0, 0}, {MAP_WHERE, 6, 2, 4, 0, 0}, {MAP_MUL, 7, 5, 0, 0, 0}}, 4
#define GRAD_X    {{MAP_LESS, 5, 1, 0, 0, 0}, {MAP_WHERE, 6, 2, 5, 0, 0}, {MAP_SUB, 7, 3, 0, 0, 0}, {MAP_SUB, 0, 3, 0, 0, 0}, {MAP_MUL, 9, 4, 0, 0, 0}, {MAP_SUB, 8, 10, 0, 0, 0}, {MAP_MUL, 11, 4, 0, 0, 0}}, 7

static const Case cases[] = {
    {"bias + relu",            60,     300,  "fc",    "s",  BIAS_RELU},
    {"bias + relu",            6000,   300,  "fc",    "s",  BIAS_RELU},
    {"bias + relu",            100352, 16,   "fc",    "s",  BIAS_RELU},
    {"add + relu",             100352, 16,   "ff",    "s",  BIAS_RELU},
    {"normalise + relu",       100352, 16,   "fcccc", "s",  NORMALISE},
    {"normalise + relu",       25088,  32,   "fcccc", "s",  NORMALISE},
    {"normalise + relu",       6272,   64,   "fcccc", "s",  NORMALISE},
    {"moments",                100352, 16,   "fc",    "cc", MOMENTS},
    {"moments",                25088,  32,   "fc",    "cc", MOMENTS},
    {"moments",                6272,   64,   "fc",    "cc", MOMENTS},
    {"backward sums",          100352, 16,   "fffc1", "cc", BACKWARD},
    {"backward sums",          25088,  32,   "fffc1", "cc", BACKWARD},
    {"backward sums",          6272,   64,   "fffc1", "cc", BACKWARD},
    {"gradient",               100352, 16,   "fffcc1", "s", GRAD_X},
    {"gradient",               6272,   64,   "fffcc1", "s", GRAD_X},
    {"column sums",            100352, 16,   "f",     "c",  {{0}}, 0},
    {"column sums",            60,     300,  "f",     "c",  {{0}}, 0},
    {"column sums",            1000,   1000, "f",     "c",  {{0}}, 0},
    {"row sums",               100352, 16,   "f",     "r",  {{0}}, 0},
    {"row sums",               1000,   1000, "f",     "r",  {{0}}, 0},
    {"minus row, exp",         6000,   10,   "fr",    "s",  {{MAP_SUB, 0, 1, 0, 0, 0}, {MAP_EXP, 2, 0, 0, 0, 0}}, 2},
    {"minus row, exp",         1000,   1000, "fr",    "s",  {{MAP_SUB, 0, 1, 0, 0, 0}, {MAP_EXP, 2, 0, 0, 0, 0}}, 2},
    {"transpose",              300,    784,  "t",     "s",  {{MAP_COPY, 0, 0, 0, 0, 0}}, 1},
    {"transpose",              100352, 16,   "t",     "s",  {{MAP_COPY, 0, 0, 0, 0, 0}}, 1},
    {"transpose",              16,   100352, "t",     "s",  {{MAP_COPY, 0, 0, 0, 0, 0}}, 1},
    {"gelu",                   1000,   1000, "f",     "s",  {{MAP_GELU, 0, 0, 0, 0, 0}}, 1},
    {"tanh",                   1000,   1000, "f",     "s",  {{MAP_TANH, 0, 0, 0, 0, 0}}, 1},
};
// clang-format on

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

static MapProgram program_of(const Case *c, double *bytes)
{
    MapProgram p = {
        .rank = 2, .dim = {c->rows, c->inner},
             .n_instr = c->n_instr
    };
    double floats = 0;
    p.n_inputs = (int)strlen(c->inputs), p.n_outputs = (int)strlen(c->outputs);
    p.outer = c->rows, p.reduce = c->inner, p.inner = 1;
    for (int i = 0; i < p.n_inputs; i++) {
        const char kind = c->inputs[i];
        int64_t *stride = p.inputs[i].stride;
        stride[0] = kind == 'f' ? c->inner : kind == 'r' || kind == 't' ? 1 : 0;
        stride[1] = kind == 't' ? c->rows : kind == 'f' || kind == 'c' ? 1 : 0;
        if (kind == 'f' || kind == 't') floats += (double)(c->rows * c->inner);
    }
    for (int i = 0; i < c->n_instr; i++) p.instr[i] = c->instr[i];
    for (int o = 0; o < p.n_outputs; o++) {
        const bool stored = c->outputs[o] == 's';
        p.outputs[o].kind = stored ? MAP_STORE : MAP_SUM;
        p.outputs[o].reg = (uint8_t)(p.n_inputs + c->n_instr - p.n_outputs + o);
        if (stored) floats += (double)(c->rows * c->inner);
        if (c->outputs[o] == 'c') p.outer = 1, p.reduce = c->rows, p.inner = c->inner;
    }
    *bytes = 4 * floats;
    return p;
}

static void copy(float *to, const float *from, int64_t n)
{
#pragma omp parallel for schedule(static) num_threads(threads_count()) if (n > 16384)
    for (int64_t piece = 0; piece < n; piece += 8192)
        memcpy(to + piece, from + piece,
               sizeof *to * (size_t)(n - piece < 8192 ? n - piece : 8192));
}

static void run_case(const Case *c, float *memory[9], float *scratch, double seconds)
{
    static double times[2][MAX_ROUNDS];
    double bytes;
    const MapProgram p = program_of(c, &bytes);
    const void *in[MAP_MAX_INPUTS];
    void *out[MAP_MAX_OUTPUTS];
    for (int i = 0; i < p.n_inputs; i++) in[i] = memory[i];
    for (int o = 0; o < p.n_outputs; o++) out[o] = memory[6 + o];
    const int64_t half = (int64_t)(bytes / 8);
    const int repeat = 1 + (int)(2e5 / bytes);
    int rounds = 0;
    const double start = clock_s();
    while (rounds < MAX_ROUNDS && (rounds < 5 || clock_s() - start < seconds)) {
        double t = clock_s();
        for (int r = 0; r < repeat; r++) cpu->map_run(&p, in, out, scratch);
        times[0][rounds] = (clock_s() - t) / repeat;
        t = clock_s();
        for (int r = 0; r < repeat; r++) copy(memory[8], memory[7], half);
        times[1][rounds++] = (clock_s() - t) / repeat;
    }
    const double mine = median(times[0], rounds), peer = median(times[1], rounds);
    printf("%-18s %7d x %6d  %9.1f us  %6.1f GB/s  copy %6.1f GB/s  ratio %.2f\n", c->name,
           (int)c->rows, (int)c->inner, mine * 1e6, bytes / mine / 1e9, bytes / peer / 1e9,
           peer / mine);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    const double seconds = argc > 1 ? atof(argv[1]) : 0.1;
    Error err = {0};
    if (!cpu_select(NULL, &err)) {
        error_print(&err, stderr, false);
        return 2;
    }
    float *memory[9], *scratch = aligned_alloc(64, sizeof *scratch * MAX_FLOATS);
    for (int i = 0; i < 9; i++) {
        memory[i] = aligned_alloc(64, sizeof *scratch * MAX_FLOATS);
        for (size_t k = 0; k < MAX_FLOATS; k++)
            memory[i][k] = (float)((k * 7919) % 1009) / 1009.0f - 0.5f;
    }
    for (int threads = 1; threads <= 2; threads++) {
        if (argc > 2 && atoi(argv[2]) != threads) continue;
        threads_set(threads);
        printf("isa %s, %d threads\n", cpu->isa, threads);
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
            run_case(&cases[i], memory, scratch, seconds);
    }
    for (int i = 0; i < 9; i++) free(memory[i]);
    free(scratch);
    return 0;
}
