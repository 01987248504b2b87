/* map -- the tile interpreter of map.h.
 *
 * The flat domain is cut into units (the grain of threads), a unit into tiles of at most MAP_TILE
 * elements, so that all registers of a tile stay in L1 (map_tile.c). A reducing output takes its
 * terms from the tile's registers. The order of additions is stated in map.h; units and tiles do
 * not change it. A lane starts at +0 and so never holds -0: adding +0 for lanes past the end of a
 * row changes nothing. */
#include "cpu/map_tile.h"

#include "base/threads.h"
#include "cpu/lanes.h"
#include "cpu/simd.h"

enum {
    COLUMN_ACCUMULATORS = 4,
    PARTS = LANES / VL,        /* vectors that hold the lanes of a row */
    NARROW = MAP_TILE / 4,     /* columns: four rows fit a tile */
    DRAW_CYCLES = 20,          /* of 16 random numbers */
    CYCLES_PER_THREAD = 16000, /* below, a second thread costs more than it brings */
};

static inline float join(MapStore kind, float a, float b)
{
    if (kind == MAP_SUM) return a + b;
    return a > b || a != a ? a : b;
}

static void set_neutral(MapStore kind, float *to, int64_t n)
{
    for (int64_t i = 0; i < n; i++) to[i] = kind == MAP_SUM ? 0.0f : -__builtin_inff();
}

/* -- Rows (inner == 1) */

SIMD void add_row(vf part[PARTS], const float *x, int64_t n)
{
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int64_t k = 0; k < PARTS; k++) part[k] += vf_load(x + i + k * VL);
    for (int k = 0; k < PARTS && i < n; k++, i += VL)
        part[k] += vf_load_n(x + i, n - i < VL ? n - i : VL);
}

/* The steps of the tree that join whole vectors. */
SIMD vf fold_parts(vf part[PARTS])
{
    for (int width = PARTS / 2; width > 0; width /= 2)
        for (int k = 0; k < width; k++) part[k] += part[k + width];
    return part[0];
}

/* n rows of `length` side by side: VL of them go through the lower steps of the tree together,
 * after a transposition. */
static void sum_rows(const float *x, int64_t n, int64_t length, float *to)
{
    for (int64_t r = 0; r < n; r += VL) {
        vf lane[VL];
        for (int k = 0; k < VL; k++) {
            vf part[PARTS];
            for (int j = 0; j < PARTS; j++) part[j] = vf_zero();
            if (r + k < n) add_row(part, x + (r + k) * length, length);
            lane[k] = fold_parts(part);
        }
        vf_transpose(lane);
        for (int width = VL / 2; width > 0; width /= 2)
            for (int k = 0; k < width; k++) lane[k] += lane[k + width];
        vf_store_n(to + r, lane[0], n - r < VL ? n - r : VL);
    }
}

static void join_lanes(MapStore kind, const float *x, int64_t n, float *lane)
{
    int64_t i = 0;
    if (kind == MAP_SUM) {
        vf part[PARTS];
        for (int64_t k = 0; k < PARTS; k++) part[k] = vf_load(lane + k * VL);
        add_row(part, x, n);
        for (int64_t k = 0; k < PARTS; k++) vf_store(lane + k * VL, part[k]);
        return;
    }
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

/* Rows that fit a tile: several whole rows a tile, one result each. */
static void reduce_short_rows(MapTiler *t, float *const partial[], int64_t row, int64_t n_rows)
{
    const MapProgram *p = t->p;
    const int64_t length = p->reduce, rows_a_tile = MAP_TILE / length;
    for (int64_t r = row; r < row + n_rows; r += rows_a_tile) {
        const int64_t rows = row + n_rows - r < rows_a_tile ? row + n_rows - r : rows_a_tile;
        K(map_tile)(t, r * length, rows * length);
        for (int o = 0; o < p->n_outputs; o++) {
            const MapStore kind = p->outputs[o].kind;
            const float *x = t->at.reg[p->outputs[o].reg];
            if (kind == MAP_SUM) sum_rows(x, rows, length, partial[o] + r);
            if (kind != MAP_MAX_REDUCE) continue;
            for (int64_t k = 0; k < rows; k++) {
                float lane[LANES];
                set_neutral(kind, lane, LANES);
                join_lanes(kind, x + k * length, length, lane);
                partial[o][r + k] = join_tree(kind, lane);
            }
        }
    }
}

/* One block of a long row. */
static void reduce_block(MapTiler *t, float *const partial[], int64_t at, int64_t flat, int64_t n)
{
    const MapProgram *p = t->p;
    float lane[MAP_MAX_OUTPUTS][LANES];
    for (int o = 0; o < p->n_outputs; o++) set_neutral(p->outputs[o].kind, lane[o], LANES);
    for (int64_t i = 0; i < n; i += MAP_TILE) {
        const int64_t m = n - i < MAP_TILE ? n - i : MAP_TILE;
        K(map_tile)(t, flat + i, m);
        for (int o = 0; o < p->n_outputs; o++)
            if (p->outputs[o].kind != MAP_STORE)
                join_lanes(p->outputs[o].kind, t->at.reg[p->outputs[o].reg], m, lane[o]);
    }
    for (int o = 0; o < p->n_outputs; o++)
        if (p->outputs[o].kind != MAP_STORE)
            partial[o][at] = join_tree(p->outputs[o].kind, lane[o]);
}

/* -- Columns (inner > 1) */

typedef struct Columns {
    _Alignas(64) float at[MAP_MAX_OUTPUTS][COLUMN_ACCUMULATORS * MAP_TILE];
    int64_t stride; /* between the four accumulators of a column */
} Columns;

static void join_row(MapStore kind, float *restrict to, const float *restrict x, int64_t n)
{
    if (kind == MAP_SUM)
        for (int64_t j = 0; j < n; j++) to[j] += x[j];
    else
        for (int64_t j = 0; j < n; j++) to[j] = join(kind, to[j], x[j]);
}

/* Rows 0..n of m columns, side by side, onto the accumulators, which stay in registers. */
static void add_narrow(float *to, int64_t stride, const float *x, int64_t n, int64_t m)
{
    for (int64_t j = 0; j < m; j += VL) {
        const int64_t width = m - j < VL ? m - j : VL;
        vf a[COLUMN_ACCUMULATORS];
        const float *from = x + j;
        int64_t r = 0;
        for (int k = 0; k < COLUMN_ACCUMULATORS; k++) a[k] = vf_load(to + k * stride + j);
        if (width == VL)
            for (; r + COLUMN_ACCUMULATORS <= n; r += COLUMN_ACCUMULATORS)
                for (int k = 0; k < COLUMN_ACCUMULATORS; k++) a[k] += vf_load(from + (r + k) * m);
        else
            for (; r + COLUMN_ACCUMULATORS <= n; r += COLUMN_ACCUMULATORS)
                for (int k = 0; k < COLUMN_ACCUMULATORS; k++)
                    a[k] += vf_load_n(from + (r + k) * m, width);
        for (int k = 0; k < COLUMN_ACCUMULATORS && r + k < n; k++)
            a[k] += vf_load_n(from + (r + k) * m, width);
        for (int k = 0; k < COLUMN_ACCUMULATORS; k++) vf_store(to + k * stride + j, a[k]);
    }
}

static void finish_columns(const MapProgram *p, Columns *acc, float *const partial[], int64_t at,
                           int64_t columns)
{
    for (int o = 0; o < p->n_outputs; o++) {
        const MapStore kind = p->outputs[o].kind;
        if (kind == MAP_STORE) continue;
        const float *a0 = acc->at[o], *a1 = a0 + acc->stride, *a2 = a1 + acc->stride,
                    *a3 = a2 + acc->stride;
        for (int64_t j = 0; j < columns; j++)
            partial[o][at + j] = join(kind, join(kind, a0[j], a2[j]), join(kind, a1[j], a3[j]));
    }
}

/* n rows of one outer index, `columns` columns from flat on; row r of the block goes to accumulator
 * r % 4. Rows whose number of columns lets them are added by the chains. */
static void reduce_columns(MapTiler *t, Columns *acc, float *const partial[], int64_t at,
                           int64_t flat, int64_t n, int64_t columns)
{
    const MapProgram *p = t->p;
    const bool whole = columns == p->inner, narrow = whole && columns <= NARROW;
    int64_t rows_a_tile = whole ? MAP_TILE / columns : 1;
    if (narrow) rows_a_tile -= rows_a_tile % COLUMN_ACCUMULATORS;
    acc->stride = (columns + VL - 1) / VL * VL;
    for (int o = 0; o < p->n_outputs; o++) {
        t->at.ring[o] = acc->at[o];
        if (p->outputs[o].kind != MAP_STORE)
            set_neutral(p->outputs[o].kind, acc->at[o], COLUMN_ACCUMULATORS * acc->stride);
    }
    for (int64_t r = 0; r < n; r += rows_a_tile) {
        const int64_t rows = n - r < rows_a_tile ? n - r : rows_a_tile;
        K(map_tile)(t, flat + r * p->inner, rows * columns);
        for (int o = 0; o < p->n_outputs; o++) {
            const MapStore kind = p->outputs[o].kind;
            const float *x = t->at.reg[p->outputs[o].reg];
            if (kind == MAP_STORE || t->d->chains.summed[o]) continue;
            if (kind == MAP_SUM && narrow)
                add_narrow(acc->at[o], acc->stride, x, rows, columns);
            else
                for (int64_t k = 0; k < rows; k++)
                    join_row(kind, acc->at[o] + (r + k) % COLUMN_ACCUMULATORS * acc->stride,
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
    for (int64_t j = 0; j < inner; j++) out[j] = partial[j];
}

/* -- Units */

typedef struct Job {
    const MapProgram *p;
    const MapDomain *d;
    const void *const *inputs;
    void *const *outputs;
    bool reduces;
    MapBlocks blocks;
    float *partial[MAP_MAX_OUTPUTS]; /* where a unit's results go */
    int64_t n_units, chunks;         /* chunks: column pieces of a wide row */
    int64_t rows_a_unit;
} Job;

static bool has_short_rows(const MapProgram *p)
{
    return p->inner == 1 && p->reduce <= MAP_TILE;
}

static void plan_units(Job *j, float *scratch)
{
    const MapProgram *p = j->p;
    j->reduces = map_reduces(p);
    j->blocks = map_blocks(p);
    j->chunks = (p->inner + MAP_TILE - 1) / MAP_TILE;
    j->rows_a_unit = 1;
    if (!j->reduces) {
        j->n_units = (j->d->count + MAP_UNIT - 1) / MAP_UNIT;
        return;
    }
    for (int o = 0; o < p->n_outputs; o++) {
        j->partial[o] = j->outputs[o];
        if (p->outputs[o].kind == MAP_STORE || j->blocks.n_blocks == 1) continue;
        j->partial[o] = scratch;
        scratch += p->outer * j->blocks.n_blocks * p->inner;
    }
    if (has_short_rows(p)) {
        j->rows_a_unit = MAP_UNIT / p->reduce;
        j->n_units = (p->outer + j->rows_a_unit - 1) / j->rows_a_unit;
    } else {
        j->n_units = p->outer * j->blocks.n_blocks * j->chunks;
    }
}

/* Of the tile at `flat`, of which `left` elements of the unit remain. */
static int64_t tile_length(const MapDomain *d, int64_t flat, int64_t left)
{
    const int64_t most = left < MAP_TILE ? left : MAP_TILE;
    if (d->cut == 0) return most;
    const int64_t row = d->dim[d->rank - 1], place = flat % row;
    const int64_t to_cut = d->cut - place % d->cut, to_end = row - place;
    const int64_t n = to_cut < to_end ? to_cut : to_end;
    return n < most ? n : most;
}

static void run_unit(const Job *j, MapTiler *t, Columns *acc, int64_t unit)
{
    const MapProgram *p = j->p;
    if (!j->reduces) {
        const int64_t lo = unit * MAP_UNIT, left = j->d->count - lo;
        const int64_t hi = lo + (left < MAP_UNIT ? left : MAP_UNIT);
        for (int64_t i = lo; i < hi;) {
            const int64_t n = tile_length(j->d, i, hi - i);
            K(map_tile)(t, i, n);
            i += n;
        }
    } else if (has_short_rows(p)) {
        const int64_t row = unit * j->rows_a_unit, left = p->outer - row;
        reduce_short_rows(t, j->partial, row, left < j->rows_a_unit ? left : j->rows_a_unit);
    } else {
        const int64_t chunk = unit % j->chunks, at = unit / j->chunks;
        const int64_t b = at % j->blocks.n_blocks, outer = at / j->blocks.n_blocks;
        const int64_t first = b * j->blocks.block, left = p->reduce - first;
        const int64_t n = left < j->blocks.block ? left : j->blocks.block;
        const int64_t column = chunk * MAP_TILE, rest = p->inner - column;
        const int64_t flat = (outer * p->reduce + first) * p->inner + column;
        if (p->inner == 1)
            reduce_block(t, j->partial, at, flat, n);
        else
            reduce_columns(t, acc, j->partial, at * p->inner + column, flat, n,
                           rest < MAP_TILE ? rest : MAP_TILE);
    }
}

/* The units of this thread; outside of a parallel region, all of them. */
static void run_units(const Job *j)
{
    MapTiler t;
    Columns acc;
    K(map_tiler)(j->p, j->d, j->inputs, j->outputs, &t);
#pragma omp for schedule(static) nowait
    for (int64_t u = 0; u < j->n_units; u++) run_unit(j, &t, &acc, u);
}

static void run_parallel(const Job *j, int threads)
{
#pragma omp parallel num_threads(threads)
    run_units(j);
}

static int useful_threads(const Job *j)
{
    static const uint8_t cost[] = {
#define MAP(name, arity, cost, expression) cost,
#include "cpu/map.def"
#undef MAP
    };
    int64_t cycles = 2 + 2 * (j->p->n_inputs + j->p->n_outputs), threads = threads_count();
    for (int i = 0; i < j->p->n_instr; i++) cycles += cost[j->p->instr[i].op];
    for (int i = 0; i < j->p->n_inputs; i++) cycles += j->p->inputs[i].is_drawn ? DRAW_CYCLES : 0;
    const int64_t useful = j->d->count / 16 * cycles / CYCLES_PER_THREAD;
    if (useful < threads) threads = useful < 1 ? 1 : useful;
    return (int)(j->n_units < threads ? j->n_units : threads);
}

/* A program that only moves numbers. */
static bool is_copy(const MapProgram *p)
{
    return p->n_inputs == 1 && !p->inputs[0].is_int && !p->inputs[0].is_drawn &&
           p->n_outputs == 1 && p->outputs[0].kind == MAP_STORE &&
           (p->n_instr == 0 || (p->n_instr == 1 && p->instr[0].op == MAP_COPY));
}

void K(map_run)(const MapProgram *p, const void *const inputs[], void *const outputs[],
                void *scratch)
{
    MapDomain d;
    Job job = {.p = p, .d = &d, .inputs = inputs, .outputs = outputs};
    K(map_domain)(p, inputs, outputs, &d);
    if (d.count == 0) { /* a reduction over nothing has the neutral value */
        for (int o = 0; o < p->n_outputs; o++)
            if (p->outputs[o].kind != MAP_STORE)
                set_neutral(p->outputs[o].kind, outputs[o], p->outer * p->inner);
        return;
    }
    if (is_copy(p) && inputs[0] != outputs[0]) {
        K(copy_strided)(d.rank, d.dim, inputs[0], d.stride[0], outputs[0]);
        return;
    }
    plan_units(&job, scratch);
    const int threads = useful_threads(&job);
    if (threads > 1)
        run_parallel(&job, threads);
    else
        run_units(&job); /* a region of one thread is not free */
    if (!job.reduces || job.blocks.n_blocks == 1) return;
    for (int o = 0; o < p->n_outputs; o++) {
        if (p->outputs[o].kind == MAP_STORE) continue;
        for (int64_t i = 0; i < p->outer; i++)
            join_blocks(p->outputs[o].kind, job.partial[o] + i * job.blocks.n_blocks * p->inner,
                        job.blocks.n_blocks, p->inner, (float *)outputs[o] + i * p->inner);
    }
}
