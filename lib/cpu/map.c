/* map -- the tile interpreter of map.h.
 *
 * The flat domain is cut into units (the grain of threads), a unit into tiles of at most MAP_TILE
 * elements. For a tile every input is made a contiguous run of floats: in place where it is one
 * already, else copied through its strides (a run that comes back in every tile, such as a
 * per-channel vector, is copied once). Then each instruction is one loop over the tile. The order
 * of additions is stated in map.h; units and tiles do not change it. */
#include "cpu/map_program.h"

#include "base/threads.h"
#include "cpu/kernel.h"
#include "cpu/vecmath.h"

#include <string.h>

enum { LANES = 16, COLUMN_ACCUMULATORS = 4, SLOTS = MAP_MAX_INSTR, WORK_PER_THREAD = 16384 };

/* The domain with its mergeable dims merged. */
typedef struct Domain {
    int rank;
    int64_t dim[MAP_MAX_RANK];
    int64_t stride[MAP_MAX_INPUTS][MAP_MAX_RANK];
    bool dense[MAP_MAX_INPUTS]; /* readable in place at any flat index */
    int64_t count;
} Domain;

/* What one thread works with. */
typedef struct Tiler {
    const MapProgram *p;
    const Domain *d;
    const void *const *inputs;
    void *const *outputs;
    const int8_t *slot; /* of each instruction: a buffer, or -1 - output to write in place */
    const bool *copied; /* output i is copied from its register after the tile */
    const float *reg[MAP_MAX_REGS];
    int64_t filled_phase[MAP_MAX_INPUTS],
        filled_n[MAP_MAX_INPUTS]; /* what stands in an input's buffer */
    _Alignas(64) float input_buffer[MAP_MAX_INPUTS][MAP_TILE];
    _Alignas(64) float buffer[SLOTS][MAP_TILE];
} Tiler;

/* -- Reading
 * -------------------------------------------------------------------------------------------------------
 */

static void merge_dims(const MapProgram *p, Domain *d)
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
    for (int i = 0; i < p->n_inputs; i++) {
        int64_t expected = 1;
        d->dense[i] = !p->inputs[i].is_int;
        for (int k = d->rank - 1; k >= 0; k--) {
            d->dense[i] = d->dense[i] && d->stride[i][k] == expected;
            expected *= d->dim[k];
        }
    }
}

static void copy_run(float *to, const float *from, int64_t stride, int64_t n)
{
    if (stride == 1)
        memcpy(to, from, sizeof(float) * (size_t)n);
    else if (stride == 0)
        for (int64_t i = 0; i < n; i++) to[i] = *from;
    else
        for (int64_t i = 0; i < n; i++) to[i] = from[i * stride];
}

static void copy_int_run(float *to, const int32_t *from, int64_t stride, int64_t n)
{
    for (int64_t i = 0; i < n; i++) to[i] = (float)from[i * stride];
}

/* Elements flat..flat+n of the domain, through the strides of input i. */
static void read_strided(const Domain *d, const int64_t stride[], bool is_int, const void *base,
                         int64_t flat, int64_t n, float *to)
{
    int64_t index[MAP_MAX_RANK], offset = 0, rest = flat;
    int last = d->rank - 1;
    for (int k = last; k >= 0; k--) {
        index[k] = rest % d->dim[k];
        rest /= d->dim[k];
        offset += index[k] * stride[k];
    }
    while (n > 0) {
        int64_t run = d->dim[last] - index[last];
        run = run < n ? run : n;
        if (is_int)
            copy_int_run(to, (const int32_t *)base + offset, stride[last], run);
        else
            copy_run(to, (const float *)base + offset, stride[last], run);
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

static void read_input(Tiler *t, int i, int64_t flat, int64_t n)
{
    const Domain *d = t->d;
    const int64_t *stride = d->stride[i];
    const float *base = t->inputs[i];
    if (d->dense[i]) {
        t->reg[i] = base + flat;
        return;
    }
    int last = d->rank - 1;
    bool same_rows = true; /* every row of the domain reads the same */
    for (int k = 0; k < last; k++) same_rows = same_rows && stride[k] == 0;
    int64_t phase = flat % d->dim[last];
    if (stride[last] == 1 && !t->p->inputs[i].is_int && phase + n <= d->dim[last]) {
        int64_t row = flat / d->dim[last], offset = phase; /* inside one row: in place */
        for (int k = last - 1; k >= 0; k--) {
            offset += row % d->dim[k] * stride[k];
            row /= d->dim[k];
        }
        t->reg[i] = base + offset;
        return;
    }
    t->reg[i] = t->input_buffer[i];
    bool standing =
        same_rows && t->filled_n[i] >= n && (stride[last] == 0 || t->filled_phase[i] == phase);
    if (standing) return;
    read_strided(d, stride, t->p->inputs[i].is_int, base, flat, n, t->input_buffer[i]);
    t->filled_phase[i] = phase;
    t->filled_n[i] = n;
}

/* -- Instructions
 * --------------------------------------------------------------------------------------------------
 */

static void run_instr(const MapInstr *in, const float *x, const float *u, const float *v, float *y,
                      int64_t n)
{
    const float p = in->p, q = in->q;
    (void)p, (void)q;
    switch (in->op) {
#define MAP(name, arity, expression)                                                               \
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

static void run_periodic(const MapInstr *in, const float *x, float *y, int64_t n)
{
    if (in->op == MAP_SIN)
        K(vsin)(n, x, y);
    else
        K(vcos)(n, x, y);
}

/* All registers of one tile; stored outputs are in place afterwards. */
static void run_tile(Tiler *t, int64_t flat, int64_t n)
{
    const MapProgram *p = t->p;
    for (int i = 0; i < p->n_inputs; i++) read_input(t, i, flat, n);
    for (int i = 0; i < p->n_instr; i++) {
        const MapInstr *in = &p->instr[i];
        float *y =
            t->slot[i] >= 0 ? t->buffer[t->slot[i]] : (float *)t->outputs[-1 - t->slot[i]] + flat;
        const float *a = t->reg[in->a];
        if (in->op == MAP_SIN || in->op == MAP_COS)
            run_periodic(in, a, y, n);
        else
            run_instr(in, a, t->reg[in->b], t->reg[in->c], y, n);
        t->reg[p->n_inputs + i] = y;
    }
    for (int i = 0; i < p->n_outputs; i++)
        if (t->copied[i])
            memmove((float *)t->outputs[i] + flat, t->reg[p->outputs[i].reg],
                    sizeof(float) * (size_t)n);
}

/* -- Reductions
 * ----------------------------------------------------------------------------------------------------
 */

static inline float join(MapStore kind, float a, float b)
{
    if (kind == MAP_SUM) return a + b;
    return a > b || a != a ? a : b;
}

static inline float neutral(MapStore kind)
{
    return kind == MAP_SUM ? 0.0f : -__builtin_inff();
}

/* Element i of a block goes to lane i % LANES; `first` is the tile's place in its block, a multiple
 * of LANES. */
static void join_lanes(MapStore kind, const float *x, int64_t n, float *lane)
{
    int64_t i = 0;
    if (kind == MAP_SUM)
        for (; i + LANES <= n; i += LANES)
            for (int l = 0; l < LANES; l++) lane[l] += x[i + l];
    else
        for (; i + LANES <= n; i += LANES)
            for (int l = 0; l < LANES; l++) lane[l] = join(kind, lane[l], x[i + l]);
    for (int l = 0; i + l < n; l++) lane[l] = join(kind, lane[l], x[i + l]);
}

static float join_tree(MapStore kind, float *lane)
{
    for (int width = LANES / 2; width > 0; width /= 2)
        for (int l = 0; l < width; l++) lane[l] = join(kind, lane[l], lane[l + width]);
    return lane[0];
}

static void set_neutral(MapStore kind, float *to, int64_t n)
{
    for (int64_t i = 0; i < n; i++) to[i] = neutral(kind);
}

/* Rows shorter than a tile: several whole rows a tile, one result each. */
static void reduce_short_rows(Tiler *t, float *const partial[], int64_t row, int64_t n_rows)
{
    const MapProgram *p = t->p;
    int64_t length = p->reduce, rows_a_tile = MAP_TILE / length;
    for (int64_t r = row; r < row + n_rows; r += rows_a_tile) {
        int64_t rows = row + n_rows - r < rows_a_tile ? row + n_rows - r : rows_a_tile;
        run_tile(t, r * length, rows * length);
        for (int o = 0; o < p->n_outputs; o++) {
            MapStore kind = p->outputs[o].kind;
            if (kind == MAP_STORE) continue;
            for (int64_t k = 0; k < rows; k++) {
                float lane[LANES];
                set_neutral(kind, lane, LANES);
                join_lanes(kind, t->reg[p->outputs[o].reg] + k * length, length, lane);
                partial[o][r + k] = join_tree(kind, lane);
            }
        }
    }
}

/* One block of a long row. */
static void reduce_block(Tiler *t, float *const partial[], int64_t at, int64_t flat, int64_t n)
{
    const MapProgram *p = t->p;
    float lane[MAP_MAX_OUTPUTS][LANES];
    for (int o = 0; o < p->n_outputs; o++) set_neutral(p->outputs[o].kind, lane[o], LANES);
    for (int64_t i = 0; i < n; i += MAP_TILE) {
        int64_t m = n - i < MAP_TILE ? n - i : MAP_TILE;
        run_tile(t, flat + i, m);
        for (int o = 0; o < p->n_outputs; o++)
            if (p->outputs[o].kind != MAP_STORE)
                join_lanes(p->outputs[o].kind, t->reg[p->outputs[o].reg], m, lane[o]);
    }
    for (int o = 0; o < p->n_outputs; o++)
        if (p->outputs[o].kind != MAP_STORE)
            partial[o][at] = join_tree(p->outputs[o].kind, lane[o]);
}

typedef struct Columns {
    _Alignas(64) float at[MAP_MAX_OUTPUTS][COLUMN_ACCUMULATORS][MAP_TILE];
} Columns;

static void join_row(MapStore kind, float *restrict to, const float *restrict x, int64_t n)
{
    if (kind == MAP_SUM)
        for (int64_t j = 0; j < n; j++) to[j] += x[j];
    else
        for (int64_t j = 0; j < n; j++) to[j] = join(kind, to[j], x[j]);
}

static void finish_columns(const MapProgram *p, Columns *acc, float *const partial[], int64_t at,
                           int64_t columns)
{
    for (int o = 0; o < p->n_outputs; o++) {
        MapStore kind = p->outputs[o].kind;
        if (kind == MAP_STORE) continue;
        float(*a)[MAP_TILE] = acc->at[o];
        for (int64_t j = 0; j < columns; j++)
            partial[o][at + j] =
                join(kind, join(kind, a[0][j], a[2][j]), join(kind, a[1][j], a[3][j]));
    }
}

/* Rows row..row+n of one outer index, columns column..column+columns; row r of the block goes to
 * accumulator r % 4. */
static void reduce_columns(Tiler *t, Columns *acc, float *const partial[], int64_t at, int64_t flat,
                           int64_t n, int64_t columns)
{
    const MapProgram *p = t->p;
    bool whole = columns == p->inner;
    int64_t rows_a_tile = whole ? MAP_TILE / columns : 1;
    for (int o = 0; o < p->n_outputs; o++)
        for (int k = 0; k < COLUMN_ACCUMULATORS; k++)
            set_neutral(p->outputs[o].kind, acc->at[o][k], columns);
    for (int64_t r = 0; r < n; r += rows_a_tile) {
        int64_t rows = n - r < rows_a_tile ? n - r : rows_a_tile;
        run_tile(t, flat + r * p->inner, rows * columns);
        for (int o = 0; o < p->n_outputs; o++) {
            if (p->outputs[o].kind == MAP_STORE) continue;
            const float *x = t->reg[p->outputs[o].reg];
            for (int64_t k = 0; k < rows; k++)
                join_row(p->outputs[o].kind, acc->at[o][(r + k) % COLUMN_ACCUMULATORS],
                         x + k * columns, columns);
        }
    }
    finish_columns(p, acc, partial, at, columns);
}

/* partial (n_blocks, inner) of one outer index to out (inner), by a balanced tree; partial is
 * overwritten. */
static void join_blocks(MapStore kind, float *partial, int64_t n_blocks, int64_t inner, float *out)
{
    for (int64_t width = 1; width < n_blocks; width *= 2)
        for (int64_t b = 0; b + width < n_blocks; b += 2 * width)
            join_row(kind, partial + b * inner, partial + (b + width) * inner, inner);
    memcpy(out, partial, sizeof(float) * (size_t)inner);
}

/* -- Preparation
 * ----------------------------------------------------------------------------------------------------
 */

/* Gives each instruction the buffer of one whose value is no longer read, or lets it write its
 * output in place. An output that is also an input's memory is written in place only by the last
 * instruction. */
static void assign_slots(const MapProgram *p, const void *const inputs[], void *const outputs[],
                         int8_t slot[MAP_MAX_INSTR], bool copied[MAP_MAX_OUTPUTS])
{
    int last_use[MAP_MAX_REGS] = {0};
    bool busy[SLOTS] = {false};
    for (int i = 0; i < p->n_instr; i++)
        last_use[p->instr[i].a] = last_use[p->instr[i].b] = last_use[p->instr[i].c] = i;
    for (int o = 0; o < p->n_outputs; o++) {
        last_use[p->outputs[o].reg] = MAP_MAX_INSTR;
        copied[o] = p->outputs[o].kind == MAP_STORE;
    }
    for (int i = 0; i < p->n_instr; i++) {
        int reg = p->n_inputs + i, chosen = SLOTS;
        for (int o = 0; o < p->n_outputs; o++) {
            bool aliased = false;
            for (int k = 0; k < p->n_inputs; k++) aliased = aliased || inputs[k] == outputs[o];
            if (!copied[o] || p->outputs[o].reg != reg || (aliased && i != p->n_instr - 1))
                continue;
            chosen = -1 - o;
            copied[o] = false;
            break;
        }
        for (int s = 0; s < SLOTS && chosen == SLOTS; s++)
            if (!busy[s]) chosen = s;
        slot[i] = (int8_t)chosen;
        if (chosen >= 0) busy[chosen] = true;
        for (int k = 0; k <= i; k++)
            if (slot[k] >= 0 && last_use[p->n_inputs + k] <= i) busy[slot[k]] = false;
        for (int k = 0; k <= i; k++) /* a slot freed by one and taken by another stays busy */
            if (slot[k] >= 0 && last_use[p->n_inputs + k] > i) busy[slot[k]] = true;
    }
}

typedef struct Job {
    const MapProgram *p;
    MapBlocks blocks;
    float *partial[MAP_MAX_OUTPUTS]; /* where a unit's results go */
    int64_t n_units, chunks;         /* chunks: column pieces of a wide row */
    int64_t rows_a_unit;
} Job;

static void plan_units(Job *j, int64_t count, bool reduces, void *const outputs[], float *scratch)
{
    const MapProgram *p = j->p;
    j->blocks = map_blocks(p);
    j->chunks = (p->inner + MAP_TILE - 1) / MAP_TILE;
    j->rows_a_unit = 1;
    if (!reduces) {
        j->n_units = (count + MAP_UNIT - 1) / MAP_UNIT;
        return;
    }
    for (int o = 0; o < p->n_outputs; o++) {
        j->partial[o] = outputs[o];
        if (p->outputs[o].kind == MAP_STORE || j->blocks.n_blocks == 1) continue;
        j->partial[o] = scratch;
        scratch += p->outer * j->blocks.n_blocks * p->inner;
    }
    if (p->inner == 1 && p->reduce <= MAP_TILE) {
        j->rows_a_unit = MAP_UNIT / p->reduce;
        j->n_units = (p->outer + j->rows_a_unit - 1) / j->rows_a_unit;
    } else {
        j->n_units = p->outer * j->blocks.n_blocks * j->chunks;
    }
}

static void run_unit(const Job *j, Tiler *t, Columns *acc, bool reduces, int64_t unit)
{
    const MapProgram *p = j->p;
    if (!reduces) {
        int64_t lo = unit * MAP_UNIT,
                hi = lo + MAP_UNIT < t->d->count ? lo + MAP_UNIT : t->d->count;
        int64_t row =
            t->d->dim[t->d->rank - 1]; /* whole rows a tile where they fit: inputs stand still */
        int64_t tile = row <= MAP_TILE ? MAP_TILE / row * row : MAP_TILE;
        for (int64_t i = lo; i < hi; i += tile) run_tile(t, i, hi - i < tile ? hi - i : tile);
    } else if (p->inner == 1 && p->reduce <= MAP_TILE) {
        int64_t row = unit * j->rows_a_unit, left = p->outer - row;
        reduce_short_rows(t, j->partial, row, left < j->rows_a_unit ? left : j->rows_a_unit);
    } else {
        int64_t chunk = unit % j->chunks, at = unit / j->chunks;
        int64_t b = at % j->blocks.n_blocks, outer = at / j->blocks.n_blocks;
        int64_t first = b * j->blocks.block, left = p->reduce - first;
        int64_t n = left < j->blocks.block ? left : j->blocks.block;
        int64_t column = chunk * MAP_TILE,
                columns = p->inner - column < MAP_TILE ? p->inner - column : MAP_TILE;
        int64_t flat = (outer * p->reduce + first) * p->inner + column;
        if (p->inner == 1)
            reduce_block(t, j->partial, at, flat, n);
        else
            reduce_columns(t, acc, j->partial, at * p->inner + column, flat, n, columns);
    }
}

void K(map_run)(const MapProgram *p, const void *const inputs[], void *const outputs[],
                void *scratch)
{
    Domain d;
    Job job = {.p = p};
    int8_t slot[MAP_MAX_INSTR];
    bool copied[MAP_MAX_OUTPUTS], reduces = map_reduces(p);
    merge_dims(p, &d);
    if (d.count == 0) return;
    assign_slots(p, inputs, outputs, slot, copied);
    plan_units(&job, d.count, reduces, outputs, scratch);
    int64_t useful = d.count * (p->n_instr + 1) / WORK_PER_THREAD;
    int threads = threads_count();
    if (useful < threads) threads = useful < 1 ? 1 : (int)useful;
    if (job.n_units < threads) threads = (int)job.n_units;
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        Tiler t;
        Columns acc;
        t.p = p, t.d = &d, t.inputs = inputs, t.outputs = outputs, t.slot = slot, t.copied = copied;
        for (int i = 0; i < MAP_MAX_INPUTS; i++) t.filled_n[i] = 0;
#pragma omp for schedule(static)
        for (int64_t u = 0; u < job.n_units; u++) run_unit(&job, &t, &acc, reduces, u);
    }
    if (!reduces || job.blocks.n_blocks == 1) return;
    for (int o = 0; o < p->n_outputs; o++) {
        if (p->outputs[o].kind == MAP_STORE) continue;
        for (int64_t i = 0; i < p->outer; i++)
            join_blocks(p->outputs[o].kind, job.partial[o] + i * job.blocks.n_blocks * p->inner,
                        job.blocks.n_blocks, p->inner, (float *)outputs[o] + i * p->inner);
    }
}
