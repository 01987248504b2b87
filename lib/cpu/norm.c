/* norm -- layer norm and RMS norm over contiguous rows, forward and backward.
 *
 * Layer norm: xhat = (x - mean) r, r = 1 / sqrt(var + eps); with g = dy gain,
 *   dx = r (g - mean(g) - xhat mean(g xhat)),  dgain = sum(dy xhat),  dbias = sum(dy) over rows.
 * RMS norm: xhat = x r, r = 1 / sqrt(mean(x^2) + eps); dx = r (g - xhat mean(g xhat)).
 *
 * One loop a row: it writes row k, which is in the cache, and takes the sums of row k + 1, which
 * comes from memory, so that reads and writes of memory mix as in a copy; rows summed and then
 * written in turn had the memory wait for one of the two (half the speed). The sums are those of
 * d = x - s, d^2, g and g d for a guess s of the mean, that of the row's first GUESS floats:
 *   mean = s + mean(d),  var = mean(d^2) - mean(d)^2,
 *   mean(g xhat) = r (mean(g d) - mean(d) mean(g)).
 * Where s is further from the mean than the standard deviation, which would cost digits, the mean
 * becomes s and the sums are taken again.
 *
 * Order of additions along a row: element i goes to lane i % 16, then a tree (8, 4, 2, 1). Over
 * rows: blocks of max(8, rows / 64) rows, each ascending; then the blocks, ascending. */
#include "base/threads.h"
#include "cpu/kernel.h"
#include "cpu/lanes.h"
#include "cpu/simd.h"
#include "cpu/vecmath.h"

#include <string.h>

enum { PARTS = LANES / VL, GUESS = 64, AHEAD = 2048, CHUNK = 128, MAX_BLOCKS = 64, MIN_BLOCK = 8 };

typedef struct NormRow {
    float mean, scale;     /* the mean counts as 0 for RMS norm */
    float mean_g, mean_gx; /* backward: of g, 0 for RMS norm, and of g xhat */
} NormRow;

/* What is done to all rows of a block; which pointers are NULL says what is wanted. */
typedef struct Norm {
    const float *gain, *bias;
    float *dgain, *dbias; /* of the block, which adds to them: both or neither */
    int64_t n;
    float eps;
    bool center, back, stream;
} Norm;

typedef struct Row {
    const float *x, *dy;
    float *to; /* y, or dx */
} Row;

typedef struct Sums {
    vf d[PARTS], square[PARTS], g[PARTS], product[PARTS];
} Sums;

SIMD float fold(const vf part[PARTS])
{
    float lane[LANES];
    for (int64_t k = 0; k < PARTS; k++) vf_store(lane + k * VL, part[k]);
    return lanes_sum_tree(lane);
}

/* What a row has past its last whole LANES floats, then `fill`. */
static void take_tail(const float *x, int64_t n, float fill, float tail[LANES])
{
    const int64_t whole = n / LANES * LANES;
    for (int64_t l = 0; l < LANES; l++) tail[l] = whole + l < n ? x[whole + l] : fill;
}

static float guess_mean(const float *x, int64_t n)
{
    const int64_t m = n < GUESS ? n : GUESS;
    float s;
    LANES_SUM(s, m, x[i]);
    return s / (float)m;
}

/* Vector k of 16 floats, of x, dy and gain; dy and gain NULL where there is none. */
SIMD void add_vector(Sums *p, int64_t k, const float *x, const float *dy, const vf *gain, vf s)
{
    const vf d = vf_load(x + k * VL) - s;
    p->d[k] += d;
    p->square[k] = vf_fma(d, d, p->square[k]);
    if (!dy) return;
    vf g = vf_load(dy + k * VL);
    if (gain) g *= *gain;
    p->g[k] += g;
    p->product[k] = vf_fma(g, d, p->product[k]);
}

SIMD void add_tail(Sums *p, const Norm *a, const Row *r, float s)
{
    float x[LANES], dy[LANES], gain[LANES] = {0};
    if (a->n % LANES == 0) return;
    take_tail(r->x, a->n, s, x);
    if (a->back) take_tail(r->dy, a->n, 0, dy);
    if (a->gain) take_tail(a->gain, a->n, 0, gain);
    for (int64_t k = 0; k < PARTS; k++) {
        const vf c = vf_load(gain + k * VL);
        add_vector(p, k, x, a->back ? dy : NULL, a->gain ? &c : NULL, vf_set1(s));
    }
}

SIMD Sums no_sums(void)
{
    Sums p;
    for (int k = 0; k < PARTS; k++) p.d[k] = p.square[k] = p.g[k] = p.product[k] = vf_zero();
    return p;
}

/* The sums of a row that no other is written beside. */
static void sum_alone(const Norm *a, const Row *r, float s, Sums *sums)
{
    Sums p = no_sums();
    for (int64_t i = 0; i + LANES <= a->n; i += LANES)
        for (int64_t k = 0; k < PARTS; k++) {
            const vf c = a->gain ? vf_load(a->gain + i + k * VL) : vf_zero();
            add_vector(&p, k, r->x + i, a->back ? r->dy + i : NULL, a->gain ? &c : NULL,
                       vf_set1(s));
        }
    add_tail(&p, a, r, s);
    *sums = p;
}

static NormRow finish(const Norm *a, const Row *r, float s, Sums *p)
{
    const float n = (float)a->n;
    float d = a->center ? fold(p->d) / n : 0, square = fold(p->square) / n;
    if (a->center && d * d > 0.5f * square) {
        s += d;
        sum_alone(a, r, s, p);
        d = fold(p->d) / n, square = fold(p->square) / n;
    }
    NormRow row = {.mean = s + d, .scale = 1.0f / vm_sqrt(vm_fma(-d, d, square) + a->eps)};
    if (!a->back) return row;
    const float mean_g = fold(p->g) / n;
    if (a->center) row.mean_g = mean_g;
    row.mean_gx = row.scale * vm_fma(-d, mean_g, fold(p->product) / n);
    return row;
}

/* m is a constant where it is VL. */
SIMD vf take(const float *p, int64_t m)
{
    return m == VL ? vf_load(p) : vf_load_n(p, m);
}

SIMD void give(float *p, vf x, int64_t m, bool stream)
{
    if (m != VL)
        vf_store_n(p, x, m);
    else if (stream)
        vf_stream(p, x);
    else
        vf_store(p, x);
}

/* Elements i..i+m, m <= VL, of a row's result; c is the gain there. */
SIMD void write_vector(const Norm *a, const Row *r, const NormRow *v, vf c, int64_t i, int64_t m)
{
    const vf hat = (take(r->x + i, m) - vf_set1(v->mean)) * vf_set1(v->scale);
    if (!a->back) {
        vf y = hat;
        if (a->bias)
            y = vf_fma(hat, c, take(a->bias + i, m));
        else if (a->gain)
            y *= c;
        give(r->to + i, y, m, a->stream);
        return;
    }
    const vf dy = take(r->dy + i, m);
    vf g = dy;
    if (a->gain) g *= c;
    const vf dx = vf_set1(v->scale) * vf_fma(hat, vf_set1(-v->mean_gx), g - vf_set1(v->mean_g));
    if (a->dgain) {
        give(a->dgain + i, vf_fma(dy, hat, take(a->dgain + i, m)), m, false);
        give(a->dbias + i, dy + take(a->dbias + i, m), m, false);
    }
    give(r->to + i, dx, m, a->stream);
}

/* The two for elements i..i+m, m a multiple of LANES. */
SIMD void step(const Norm *a, const Row *r, const NormRow *v, const Row *next, vf s, Sums *p,
               int64_t i, int64_t m)
{
    for (int64_t j = i; j < i + m; j += LANES) {
        prefetch(next->x, j + AHEAD, LANES);
        if (a->back) prefetch(next->dy, j + AHEAD, LANES);
#pragma GCC unroll 4
        for (int64_t k = 0; k < PARTS; k++) {
            const vf c = a->gain ? vf_load(a->gain + j + k * VL) : vf_zero();
            add_vector(p, k, next->x + j, a->back ? next->dy + j : NULL, a->gain ? &c : NULL, s);
        }
    }
    for (int64_t j = i; j < i + m; j += VL)
        write_vector(a, r, v, a->gain ? vf_load(a->gain + j) : vf_zero(), j, VL);
}

/* Writes row r, whose statistics are v, and takes the sums of `next` around s. All of a's choices
 * are constants; the pointers are copied, or every store might change them. */
SIMD void write_and_sum(Norm a, Row r, NormRow v, Row next, float s, Sums *sums)
{
    Sums p = no_sums();
    int64_t i = 0;
    if (a.back && PARTS > 1) /* sums and factors of the two do not fit into 16 registers */
        for (; i + CHUNK <= a.n; i += CHUNK) step(&a, &r, &v, &next, vf_set1(s), &p, i, CHUNK);
    for (; i + LANES <= a.n; i += LANES) step(&a, &r, &v, &next, vf_set1(s), &p, i, LANES);
    for (; i < a.n; i += VL) {
        const int64_t m = a.n - i < VL ? a.n - i : VL;
        write_vector(&a, &r, &v, a.gain ? vf_load_n(a.gain + i, m) : vf_zero(), i, m);
    }
    add_tail(&p, &a, &next, s);
    *sums = p;
}

static void forward_row(const Norm *a, Row r, NormRow v, Row next, float s, Sums *p)
{
    const Norm w = {.n = a->n, .stream = a->stream};
    Norm gain = w, both = w;
    gain.gain = both.gain = a->gain, both.bias = a->bias;
    if (a->gain && a->bias)
        write_and_sum(both, r, v, next, s, p);
    else if (a->gain)
        write_and_sum(gain, r, v, next, s, p);
    else
        write_and_sum(w, r, v, next, s, p);
}

static void back_row(const Norm *a, Row r, NormRow v, Row next, float s, Sums *p)
{
    const Norm w = {.n = a->n, .stream = a->stream, .back = true};
    Norm gain = w, sums = w, both = w;
    gain.gain = both.gain = a->gain;
    sums.dgain = both.dgain = a->dgain, sums.dbias = both.dbias = a->dbias;
    if (a->gain && a->dgain)
        write_and_sum(both, r, v, next, s, p);
    else if (a->gain)
        write_and_sum(gain, r, v, next, s, p);
    else if (a->dgain)
        write_and_sum(sums, r, v, next, s, p);
    else
        write_and_sum(w, r, v, next, s, p);
}

/* `rows` rows, the first of which is r. */
static void norm_rows(const Norm *a, Row r, int64_t rows)
{
    Sums p;
    float s = a->center ? guess_mean(r.x, a->n) : 0;
    sum_alone(a, &r, s, &p);
    for (int64_t k = 0; k < rows; k++) {
        const NormRow v = finish(a, &r, s, &p);
        const int64_t step =
            k + 1 < rows ? a->n : 0; /* the last is summed once more, for nothing */
        const Row next = {r.x + step, a->back ? r.dy + step : NULL, r.to + step};
        s = a->center ? guess_mean(next.x, a->n) : 0;
        if (a->back)
            back_row(a, r, v, next, s, &p);
        else
            forward_row(a, r, v, next, s, &p);
        r = next;
    }
}

/* Every row of y begins where a vector may be streamed to. */
static bool streams(int64_t rows, int64_t n, const float *y)
{
    return n % VL == 0 && simd_lead(y) == 0 && simd_streams(rows * n);
}

static int64_t block_rows(int64_t rows)
{
    const int64_t block = (rows + MAX_BLOCKS - 1) / MAX_BLOCKS;
    return block < MIN_BLOCK ? MIN_BLOCK : block;
}

size_t K(norm_grad_scratch)(int64_t rows, int64_t n)
{
    const int64_t block = block_rows(rows), blocks = (rows + block - 1) / block;
    return sizeof(float) * (size_t)(2 * blocks * n);
}

/* part (blocks, 2, n) of which this is one of the two; overwritten. */
static void add_blocks(int64_t blocks, int64_t n, const float *part, float *to)
{
    if (!to) return;
    memset(to, 0, sizeof *to * (size_t)n);
    for (int64_t b = 0; b < blocks; b++)
        for (int64_t j = 0; j < n; j++) to[j] += part[2 * b * n + j];
}

static void forward(int64_t rows, Norm a, const float *x, float *y)
{
    const int64_t block = block_rows(rows), blocks = (rows + block - 1) / block;
    a.stream = streams(rows, a.n, y);
    ROWS_PARALLEL(4 * rows * a.n, blocks)
    for (int64_t b = 0; b < blocks; b++) {
        const int64_t first = b * block, left = rows - first;
        norm_rows(&a, (Row){x + first * a.n, NULL, y + first * a.n}, left < block ? left : block);
    }
}

static void backward(int64_t rows, int64_t n, const NormGrad *g, bool center, float *scratch)
{
    const int64_t block = block_rows(rows), blocks = (rows + block - 1) / block;
    const bool apart = g->dx != g->x && g->dx != g->dy, stream = apart && streams(rows, n, g->dx);
    ROWS_PARALLEL(8 * rows * n, blocks)
    for (int64_t b = 0; b < blocks; b++) {
        const int64_t first = b * block, left = rows - first;
        float *part = scratch + 2 * b * n;
        Norm a = {.gain = g->gain, .n = n, .eps = g->eps, .center = center};
        a.back = true, a.stream = stream;
        if (g->dgain || g->dbias) {
            a.dgain = part, a.dbias = part + n;
            memset(part, 0, sizeof *part * (size_t)(2 * n));
        }
        norm_rows(&a, (Row){g->x + first * n, g->dy + first * n, g->dx + first * n},
                  left < block ? left : block);
    }
    add_blocks(blocks, n, scratch, g->dgain);
    add_blocks(blocks, n, scratch + n, g->dbias);
}

/* -- The kernels */

void K(layer_norm)(int64_t rows, int64_t n, const float *x, const float *gain, const float *bias,
                   float eps, float *y)
{
    forward(rows, (Norm){.gain = gain, .bias = bias, .n = n, .eps = eps, .center = true}, x, y);
}

void K(rms_norm)(int64_t rows, int64_t n, const float *x, const float *gain, float eps, float *y)
{
    forward(rows, (Norm){.gain = gain, .n = n, .eps = eps}, x, y);
}

void K(layer_norm_grad)(int64_t rows, int64_t n, const NormGrad *a, void *scratch)
{
    backward(rows, n, a, true, scratch);
}

void K(rms_norm_grad)(int64_t rows, int64_t n, const NormGrad *a, void *scratch)
{
    backward(rows, n, a, false, scratch);
}
