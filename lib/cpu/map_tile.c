/* map_tile -- see map_tile.h. An input that has the domain's strides is read where it lies; one
 * that every row repeats, such as a bias, is laid out once, one period longer than a tile, so that
 * a tile may start anywhere in a row; the rest is copied through its strides. */
#include "cpu/map_tile.h"

#include "cpu/lanes.h"
#include "cpu/random_lanes.h"
#include "cpu/simd.h"
#include "cpu/vecmath.h"

#include <string.h>

/* -- Preparation */

static void merge_dims(const MapProgram *p, MapDomain *d)
{
    d->rank = 0;
    d->count = 1;
    for (int k = 0; k < p->rank; k++) {
        d->count *= p->dim[k];
        if (p->dim[k] == 1) continue;
        int last = d->rank - 1;
        bool merge = last >= 0;
        for (int i = 0; merge && i < p->n_inputs; i++)
            merge = d->stride[i][last] == p->inputs[i].stride[k] * p->dim[k];
        if (!merge) last = d->rank++;
        d->dim[last] = merge ? d->dim[last] * p->dim[k] : p->dim[k];
        for (int i = 0; i < p->n_inputs; i++) d->stride[i][last] = p->inputs[i].stride[k];
    }
    if (d->rank == 0) {
        d->rank = 1;
        d->dim[0] = 1;
        for (int i = 0; i < p->n_inputs; i++) d->stride[i][0] = 0;
    }
}

static MapReading choose_reading(const MapProgram *p, const MapDomain *d, int input)
{
    const int64_t *stride = d->stride[input];
    const int last = d->rank - 1;
    int64_t expected = 1;
    bool dense = !p->inputs[input].is_int, same_rows = true;
    if (p->inputs[input].is_drawn) return READ_DRAWN;
    for (int k = last; k >= 0; k--) {
        dense = dense && stride[k] == expected;
        expected *= d->dim[k];
        if (k < last) same_rows = same_rows && stride[k] == 0;
    }
    if (dense) return READ_IN_PLACE;
    if (same_rows && (stride[last] == 0 || d->dim[last] <= MAP_PERIOD)) return READ_PERIODIC;
    if (stride[last] == 1 && !p->inputs[input].is_int) return READ_ROWS;
    return READ_STRIDED;
}

static bool is_output_register(const MapProgram *p, int reg)
{
    for (int o = 0; o < p->n_outputs; o++)
        if (p->outputs[o].reg == reg) return true;
    return false;
}

/* The stored output that lies in input i's memory, or -1. */
static int output_over(const MapProgram *p, const void *const inputs[], void *const outputs[],
                       int i)
{
    for (int o = 0; o < p->n_outputs; o++)
        if (p->outputs[o].kind == MAP_STORE && outputs[o] == inputs[i]) return o;
    return -1;
}

/* The output that instruction i may write in place, or -1. One that lies in an input's memory is
 * written in place only by the last instruction, when nothing reads the input any more. */
static int output_of(const MapProgram *p, const MapDomain *d, const bool over_input[], int i)
{
    for (int o = 0; o < p->n_outputs; o++)
        if (d->copied[o] && p->outputs[o].reg == p->n_inputs + i &&
            (!over_input[o] || i == p->n_instr - 1))
            return o;
    return -1;
}

/* Gives each instruction its output's memory or a buffer whose value is no longer read. */
static void assign_slots(const MapProgram *p, const bool over_input[], MapDomain *d)
{
    int last_use[MAP_MAX_REGS] = {0};
    bool busy[MAP_MAX_INSTR] = {false};
    for (int i = 0; i < p->n_instr; i++)
        last_use[p->instr[i].a] = last_use[p->instr[i].b] = last_use[p->instr[i].c] = i;
    for (int o = 0; o < p->n_outputs; o++) {
        last_use[p->outputs[o].reg] = MAP_MAX_INSTR;
        d->copied[o] = p->outputs[o].kind == MAP_STORE;
    }
    for (int i = 0; i < p->n_instr; i++) {
        const uint8_t source[3] = {p->instr[i].a, p->instr[i].b, p->instr[i].c};
        for (int k = 0; k < 3; k++) { /* a source read for the last time may be overwritten */
            const int from = source[k] - p->n_inputs;
            if (from >= 0 && last_use[source[k]] == i && d->slot[from] >= 0)
                busy[d->slot[from]] = false;
        }
        const int output = output_of(p, d, over_input, i);
        int chosen = -1 - output;
        if (output >= 0) {
            d->copied[output] = false;
        } else {
            for (chosen = 0; busy[chosen];) chosen++;
            busy[chosen] = last_use[p->n_inputs + i] > i;
        }
        d->slot[i] = chosen;
    }
}

/* Large outputs that nothing in the program reads again; whether there are any. */
static bool choose_streamed(const MapProgram *p, void *const outputs[], const bool over_input[],
                            MapDomain *d)
{
    bool any = false;
    for (int i = 0; i < p->n_instr; i++) {
        const int output = -1 - d->slot[i];
        d->streamed[i] = output >= 0 && !over_input[output] && simd_streams(d->count) &&
                         simd_lead(outputs[output]) == 0;
        for (int k = i + 1; k < p->n_instr; k++) {
            const int reg = p->n_inputs + i;
            if (p->instr[k].a == reg || p->instr[k].b == reg || p->instr[k].c == reg)
                d->streamed[i] = false;
        }
        any = any || d->streamed[i];
    }
    return any;
}

/* A row that is read in place must not end within a tile: rows too long to be periodic are cut into
 * equal tiles. */
static int64_t choose_cut(const MapProgram *p, const MapDomain *d)
{
    const int64_t row = d->dim[d->rank - 1], parts = (row + MAP_TILE - 1) / MAP_TILE;
    bool rows = false;
    for (int i = 0; i < p->n_inputs; i++) rows = rows || d->reading[i] == READ_ROWS;
    if (!rows || row <= MAP_PERIOD) return 0;
    return ((row + parts - 1) / parts + LANES - 1) / LANES * LANES;
}

void K(map_domain)(const MapProgram *p, const void *const inputs[], void *const outputs[],
                   MapDomain *d)
{
    bool over_input[MAP_MAX_OUTPUTS] = {false};
    merge_dims(p, d);
    for (int i = 0; i < p->n_inputs; i++) {
        const int over = output_over(p, inputs, outputs, i);
        d->reading[i] = choose_reading(p, d, i);
        if (over < 0) continue;
        over_input[over] = true;
        if (is_output_register(p, i)) d->reading[i] = READ_STRIDED; /* it is read after the store */
    }
    assign_slots(p, over_input, d);
    const bool streams = choose_streamed(p, outputs, over_input, d);
    K(map_chains)(p, streams ? 1 : 2, &d->chains);
    d->cut = choose_cut(p, d);
    d->far = simd_streams(d->count);
}

void K(map_tiler)(const MapProgram *p, const MapDomain *d, const void *const inputs[],
                  void *const outputs[], MapTiler *t)
{
    t->p = p, t->d = d, t->inputs = inputs, t->outputs = outputs;
    for (int i = 0; i < MAP_MAX_REGS; i++) t->at.still[i] = t->at.streamed[i] = false;
    for (int i = 0; i < p->n_inputs; i++) {
        t->filled[i] = false;
        t->at.still[i] =
            d->reading[i] == READ_PERIODIC &&
            (d->stride[i][d->rank - 1] == 0 || K(map_chain_repeats)(d->dim[d->rank - 1]));
    }
}

/* -- Reading */

/* Vectors by hand: runs are often shorter than a call of memcpy takes. */
static void copy_run(float *to, const float *from, int64_t stride, int64_t n)
{
    if (stride > 1 || stride < 0) {
        for (int64_t i = 0; i < n; i++) to[i] = from[i * stride];
        return;
    }
    const vf all = vf_set1(*from);
    int64_t i = 0;
    for (; i + VL <= n; i += VL) vf_store(to + i, stride ? vf_load(from + i) : all);
    if (i < n) vf_store_n(to + i, stride ? vf_load_n(from + i, n - i) : all, n - i);
}

static void copy_int_run(float *to, const int32_t *from, int64_t stride, int64_t n)
{
    for (int64_t i = 0; i < n; i++) to[i] = (float)from[i * stride];
}

/* Floats from a run of input i to its place in the next tile, where runs are whole rows; or 0. */
static int64_t next_run(const MapDomain *d, int i)
{
    const int last = d->rank - 1;
    const bool rows = last > 0 && d->dim[last] <= MAP_TILE && d->stride[i][last] == 1;
    return d->far && rows ? MAP_TILE / d->dim[last] * d->stride[i][last - 1] : 0;
}

/* Elements flat..flat+n of the domain, through the strides of input i. */
static void read_strided(const MapTiler *t, int i, int64_t flat, int64_t n, float *to)
{
    const MapDomain *d = t->d;
    const int64_t *stride = d->stride[i];
    int64_t index[MAP_MAX_RANK], offset = 0, rest = flat;
    const int last = d->rank - 1;
    const int64_t ahead = next_run(d, i);
    for (int k = last; k >= 0; k--) {
        index[k] = rest % d->dim[k];
        rest /= d->dim[k];
        offset += index[k] * stride[k];
    }
    while (n > 0) {
        int64_t run = d->dim[last] - index[last];
        run = run < n ? run : n;
        if (ahead) prefetch((const float *)t->inputs[i] + offset, ahead, run);
        if (t->p->inputs[i].is_int)
            copy_int_run(to, (const int32_t *)t->inputs[i] + offset, stride[last], run);
        else
            copy_run(to, (const float *)t->inputs[i] + offset, stride[last], run);
        to += run;
        n -= run;
        index[last] += run;
        offset += run * stride[last];
        for (int k = last; k > 0 && index[k] == d->dim[k]; k--) {
            offset += stride[k - 1] - index[k] * stride[k];
            index[k] = 0;
            index[k - 1]++;
        }
    }
}

/* Lays a periodic input out, from the start of a row on. */
static void fill_periodic(MapTiler *t, int i)
{
    const int64_t row = t->d->dim[t->d->rank - 1];
    float *to = t->input_buffer[i];
    int64_t length = t->d->stride[i][t->d->rank - 1] == 0 ? MAP_TILE : MAP_TILE + row;
    int64_t have = row < length ? row : length;
    read_strided(t, i, 0, have, to);
    for (; have < length; have *= 2)
        memcpy(to + have, to, sizeof *to * (size_t)(length - have < have ? length - have : have));
    t->filled[i] = true;
}

/* row and phase: of the tile's first element. */
static float *read_input(MapTiler *t, int i, int64_t flat, int64_t n, int64_t row, int64_t phase)
{
    const MapDomain *d = t->d;
    const int64_t *stride = d->stride[i];
    const int last = d->rank - 1;
    if (d->reading[i] == READ_DRAWN) {
        K(random_block)(t->inputs[i], flat, n, t->input_buffer[i]);
        return t->input_buffer[i];
    }
    if (d->reading[i] == READ_IN_PLACE) return (float *)t->inputs[i] + flat;
    if (d->reading[i] == READ_PERIODIC) {
        if (!t->filled[i]) fill_periodic(t, i);
        return t->input_buffer[i] + (stride[last] == 0 ? 0 : phase);
    }
    if (d->reading[i] == READ_ROWS && phase + n <= d->dim[last]) {
        int64_t offset = phase;
        for (int k = last - 1; k >= 0; k--) {
            offset += row % d->dim[k] * stride[k];
            row /= d->dim[k];
        }
        if (d->far && n == d->dim[last])
            prefetch((float *)t->inputs[i] + offset, stride[last - 1], n);
        return (float *)t->inputs[i] + offset;
    }
    read_strided(t, i, flat, n, t->input_buffer[i]);
    return t->input_buffer[i];
}

/* -- Instructions */

/* As long as map.def. */
// NOLINTNEXTLINE(readability-function-size)
void K(map_instr)(const MapInstr *in, const float *x, const float *u, const float *v, float *y,
                  int64_t n)
{
    const float p = in->p, q = in->q;
    (void)p, (void)q;
    if (in->op == MAP_SIN || in->op == MAP_COS) { /* with the far arguments */
        (in->op == MAP_SIN ? K(vsin) : K(vcos))(n, x, y);
        return;
    }
    switch (in->op) {
#define MAP(name, arity, cost, expression)                                                         \
    case MAP_##name: {                                                                             \
        _Pragma("GCC ivdep") for (int64_t i = 0; i < n; i++)                                       \
        {                                                                                          \
            const float a = x[i], b = u[i], c = v[i];                                              \
            (void)b, (void)c;                                                                      \
            y[i] = expression;                                                                     \
        }                                                                                          \
        break;                                                                                     \
    }
#include "cpu/map.def"
#undef MAP
    case MAP_N_OPS:
        break;
    }
}

void K(map_tile)(MapTiler *t, int64_t flat, int64_t n)
{
    const MapProgram *p = t->p;
    const MapChains *c = &t->d->chains;
    const int64_t row_length = t->d->dim[t->d->rank - 1], row = flat / row_length;
    for (int i = 0; i < p->n_inputs; i++)
        t->at.reg[i] = read_input(t, i, flat, n, row, flat - row * row_length);
    for (int i = 0; i < p->n_instr; i++) {
        const int slot = t->d->slot[i];
        t->at.streamed[p->n_inputs + i] = t->d->streamed[i] && flat % VL == 0;
        t->at.reg[p->n_inputs + i] =
            slot >= 0 ? t->buffer[slot] : (float *)t->outputs[-1 - slot] + flat;
    }
    for (int i = 0; i < p->n_instr;) {
        const MapInstr *in = &p->instr[i];
        const int length = c->length[i];
        if (length > 0)
            K(map_chain_run)(c, c->first[i], c->first[i + length], &t->at, n);
        else
            K(map_instr)
        (in, t->at.reg[in->a], t->at.reg[in->b], t->at.reg[in->c], t->at.reg[p->n_inputs + i], n);
        i += length > 0 ? length : 1;
    }
    for (int o = 0; o < p->n_outputs; o++)
        if (t->d->copied[o])
            memmove((float *)t->outputs[o] + flat, t->at.reg[p->outputs[o].reg],
                    sizeof(float) * (size_t)n);
}
