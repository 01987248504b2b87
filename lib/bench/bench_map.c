/* bench_map -- elementwise programs with their reductions, as the fuser makes them from networks;
 * dim is rows, columns. A transcendental function counts as one FLOP. */
#include "bench/bench.h"

#include <string.h>

/* How the program of a case reads and writes. */
typedef struct Program {
    const char *inputs;  /* f full, c one a column, r one a row, t transposed, 1 scalar */
    const char *outputs; /* of the last registers: s stored, c column sums, r row sums */
    int n_instr;
    MapInstr instr[8];
} Program;

// clang-format off
#define PROGRAM(name, inputs, outputs, n, ...) \
    static const Program name = {inputs, outputs, n, {__VA_ARGS__}}

PROGRAM(bias_relu,     "fc",     "s",  2, {MAP_ADD, 0, 1, 0, 0, 0}, {MAP_RELU, 2, 0, 0, 0, 0});
PROGRAM(add_relu,      "ff",     "s",  2, {MAP_ADD, 0, 1, 0, 0, 0}, {MAP_RELU, 2, 0, 0, 0, 0});
PROGRAM(normalise,     "fcccc",  "s",  4, {MAP_SUB, 0, 1, 0, 0, 0}, {MAP_MUL, 5, 2, 0, 0, 0}, {MAP_FMA, 6, 3, 4, 0, 0},
                                          {MAP_RELU, 7, 0, 0, 0, 0});
PROGRAM(moments,       "fc",     "cc", 2, {MAP_SUB, 0, 1, 0, 0, 0}, {MAP_SQUARE, 2, 0, 0, 0, 0});
PROGRAM(backward_sums, "fffc1",  "cc", 4, {MAP_SUB, 0, 3, 0, 0, 0}, {MAP_LESS, 4, 1, 0, 0, 0},
                                          {MAP_WHERE, 6, 2, 4, 0, 0}, {MAP_MUL, 7, 5, 0, 0, 0});
PROGRAM(gradient,      "fffcc1", "s",  7, {MAP_LESS, 5, 1, 0, 0, 0}, {MAP_WHERE, 6, 2, 5, 0, 0}, {MAP_SUB, 7, 3, 0, 0, 0},
                                          {MAP_SUB, 0, 3, 0, 0, 0}, {MAP_MUL, 9, 4, 0, 0, 0}, {MAP_SUB, 8, 10, 0, 0, 0},
                                          {MAP_MUL, 11, 4, 0, 0, 0});
PROGRAM(column_sums,   "f",      "c",  0, {MAP_COPY, 0, 0, 0, 0, 0});
PROGRAM(row_sums,      "f",      "r",  0, {MAP_COPY, 0, 0, 0, 0, 0});
PROGRAM(minus_row_exp, "fr",     "s",  2, {MAP_SUB, 0, 1, 0, 0, 0}, {MAP_EXP, 2, 0, 0, 0, 0});
PROGRAM(transpose,     "t",      "s",  1, {MAP_COPY, 0, 0, 0, 0, 0});
PROGRAM(gelu,          "f",      "s",  1, {MAP_GELU, 0, 0, 0, 0, 0});
PROGRAM(tanh_map,      "f",      "s",  1, {MAP_TANH, 0, 0, 0, 0, 0});

static const BenchCase cases[] = {
    {"bias + relu",      {60, 300},     &bias_relu},
    {"bias + relu",      {131072, 16},  &bias_relu},
    {"add + relu",       {131072, 16},  &add_relu},
    {"normalise + relu", {131072, 16},  &normalise},
    {"normalise + relu", {32768, 32},   &normalise},
    {"normalise + relu", {8192, 64},    &normalise},
    {"moments",          {131072, 16},  &moments},
    {"moments",          {8192, 64},    &moments},
    {"backward sums",    {131072, 16},  &backward_sums},
    {"backward sums",    {8192, 64},    &backward_sums},
    {"gradient",         {131072, 16},  &gradient},
    {"gradient",         {8192, 64},    &gradient},
    {"column sums",      {1000, 1000},  &column_sums},
    {"row sums",         {1000, 1000},  &row_sums},
    {"minus row, exp",   {1000, 1000},  &minus_row_exp},
    {"gelu",             {4096, 1536},  &gelu},
    {"tanh",             {1000, 1000},  &tanh_map},
    {"transpose",        {131072, 16},  &transpose},
    {"transpose",        {1024, 1024},  &transpose},
};
// clang-format on

static void add_inputs(BenchWork *w, const Program *from)
{
    const int64_t rows = w->of->dim[0], columns = w->of->dim[1];
    MapProgram *p = &w->call.map;
    for (int i = 0; i < p->n_inputs; i++) {
        const char kind = from->inputs[i];
        const bool full = kind == 'f' || kind == 't';
        int64_t *stride = p->inputs[i].stride;
        stride[0] = kind == 'f' ? columns : kind == 'r' || kind == 't';
        stride[1] = kind == 't' ? rows : kind == 'f' || kind == 'c';
        w->n_floats[i] = full ? rows * columns : kind == 'c' ? columns : kind == 'r' ? rows : 1;
        w->bytes += 4.0 * (double)w->n_floats[i];
    }
}

static void add_outputs(BenchWork *w, const Program *from)
{
    const int64_t rows = w->of->dim[0], columns = w->of->dim[1];
    MapProgram *p = &w->call.map;
    for (int o = 0; o < p->n_outputs; o++) {
        const char kind = from->outputs[o];
        p->outputs[o].kind = kind == 's' ? MAP_STORE : MAP_SUM;
        p->outputs[o].reg = (uint8_t)(p->n_inputs + p->n_instr - p->n_outputs + o);
        if (kind == 'c') p->outer = 1, p->reduce = rows, p->inner = columns;
        const int64_t n = kind == 's' ? rows * columns : kind == 'c' ? columns : rows;
        w->n_floats[p->n_inputs + o] = n;
        w->bytes += 4.0 * (double)n;
        if (kind != 's') w->flops += (double)(rows * columns);
    }
}

static void prepare(BenchWork *w)
{
    const Program *from = w->of->more;
    const int64_t rows = w->of->dim[0], columns = w->of->dim[1];
    w->call.map = (MapProgram){
        .rank = 2,
        .dim = {rows, columns},
        .outer = rows,
        .reduce = columns,
        .inner = 1,
        .n_inputs = (int)strlen(from->inputs),
        .n_outputs = (int)strlen(from->outputs),
        .n_instr = from->n_instr
    };
    memcpy(w->call.map.instr, from->instr, sizeof from->instr);
    w->flops = (double)from->n_instr * (double)(rows * columns);
    add_inputs(w, from);
    add_outputs(w, from);
    w->scratch_bytes = map_scratch(&w->call.map);
    (void)snprintf(w->shape, sizeof w->shape, "%dx%d", (int)rows, (int)columns);
}

static void run(BenchWork *w)
{
    const MapProgram *p = &w->call.map;
    const void *in[MAP_MAX_INPUTS];
    void *out[MAP_MAX_OUTPUTS];
    for (int i = 0; i < p->n_inputs; i++) in[i] = w->at[i];
    for (int o = 0; o < p->n_outputs; o++) out[o] = w->at[p->n_inputs + o];
    cpu->map_run(p, in, out, w->scratch);
}

const BenchGroup bench_map = {"map", cases, sizeof cases / sizeof cases[0], prepare, run};
