/* norm -- layer norm and RMS norm over contiguous rows, forward and backward.
 *
 * Layer norm: xhat = (x - mean) r, r = 1 / sqrt(var + eps); with g = dy gain,
 *   dx = r (g - mean(g) - xhat mean(g xhat)),  dgain = sum(dy xhat),  dbias = sum(dy) over rows.
 * RMS norm: xhat = x r, r = 1 / sqrt(mean(x^2) + eps); dx = r (g - xhat mean(g xhat)).
 *
 * Memory is read once: a row stays in L1 between its passes. Order of additions along a row:
 * element i goes to lane i % 64, then a tree (32, 16, .. 1). Over rows: blocks of max(8, rows / 64)
 * rows, each ascending; then the blocks, ascending. */
#include "base/threads.h"
#include "cpu/kernel.h"
#include "cpu/lanes.h"
#include "cpu/simd.h"
#include "cpu/vecmath.h"

#include <string.h>

enum { WIDE = 64, WAYS = WIDE / VL, MAX_BLOCKS = 64, MIN_BLOCK = 8 };

typedef struct NormRow {
    float mean, scale; /* the mean counts as 0 for RMS norm */
} NormRow;

SIMD float fold(vf part[WAYS])
{
    float lane[VL];
    for (int width = WAYS / 2; width > 0; width /= 2)
        for (int k = 0; k < width; k++) part[k] += part[k + width];
    vf_store(lane, part[0]);
    for (int width = VL / 2; width > 0; width /= 2)
        for (int l = 0; l < width; l++) lane[l] += lane[l + width];
    return lane[0];
}

/* What a row has past its last whole 64 floats, then `fill`. */
static void take_tail(const float *x, int64_t n, float fill, float tail[WIDE])
{
    const int64_t whole = n / WIDE * WIDE;
    for (int64_t l = 0; l < WIDE; l++) tail[l] = whole + l < n ? x[whole + l] : fill;
}

SIMD void add_64(vf part[WAYS], const float *x)
{
#pragma GCC unroll 16
    for (int64_t k = 0; k < WAYS; k++) part[k] += vf_load(x + k * VL);
}

SIMD void add_squares_64(vf part[WAYS], const float *x, vf mean)
{
#pragma GCC unroll 16
    for (int64_t k = 0; k < WAYS; k++) {
        const vf d = vf_load(x + k * VL) - mean;
        part[k] = vf_fma(d, d, part[k]);
    }
}

static float sum(const float *x, int64_t n)
{
    vf part[WAYS];
    float tail[WIDE];
    for (int k = 0; k < WAYS; k++) part[k] = vf_zero();
    for (int64_t i = 0; i + WIDE <= n; i += WIDE) add_64(part, x + i);
    if (n % WIDE != 0) {
        take_tail(x, n, 0, tail);
        add_64(part, tail);
    }
    return fold(part);
}

static float sum_squares(const float *x, int64_t n, float mean)
{
    vf part[WAYS];
    float tail[WIDE];
    const vf m = vf_set1(mean);
    for (int k = 0; k < WAYS; k++) part[k] = vf_zero();
    for (int64_t i = 0; i + WIDE <= n; i += WIDE) {
        prefetch(x, i + n, WIDE); /* the next row */
        add_squares_64(part, x + i, m);
    }
    if (n % WIDE != 0) {
        take_tail(x, n, mean, tail);
        add_squares_64(part, tail, m);
    }
    return fold(part);
}

static NormRow measure(const float *x, int64_t n, float eps, bool center)
{
    NormRow r = {0};
    if (center) r.mean = sum(x, n) / (float)n;
    r.scale = 1.0f / vm_sqrt(sum_squares(x, n, r.mean) / (float)n + eps);
    return r;
}

/* -- Forward */

SIMD vf normed(vf x, NormRow r, const vf *gain, const vf *bias)
{
    const vf hat = (x - vf_set1(r.mean)) * vf_set1(r.scale);
    if (bias) return vf_fma(hat, *gain, *bias);
    if (gain) return hat * *gain;
    return hat;
}

SIMD void norm_row(const float *x, int64_t n, NormRow r, const float *gain, const float *bias,
                   bool stream, float *y)
{
    int64_t i = 0;
    for (; i + VL <= n; i += VL) {
        const vf a = gain ? vf_load(gain + i) : vf_zero(), b = bias ? vf_load(bias + i) : vf_zero();
        const vf v = normed(vf_load(x + i), r, gain ? &a : NULL, bias ? &b : NULL);
        if (stream)
            vf_stream(y + i, v);
        else
            vf_store(y + i, v);
    }
    const vf a = gain ? vf_load_n(gain + i, n - i) : vf_zero(),
             b = bias ? vf_load_n(bias + i, n - i) : vf_zero();
    vf_store_n(y + i, normed(vf_load_n(x + i, n - i), r, gain ? &a : NULL, bias ? &b : NULL),
               n - i);
}

/* Every row of y begins where a vector may be streamed to. */
static bool streams(int64_t rows, int64_t n, const float *y)
{
    return n % VL == 0 && simd_lead(y) == 0 && simd_streams(rows * n);
}

static void forward(int64_t rows, int64_t n, const float *x, const float *gain, const float *bias,
                    float eps, bool center, float *y)
{
    const bool stream = streams(rows, n, y);
    ROWS_PARALLEL(4 * rows * n, rows)
    for (int64_t i = 0; i < rows; i++) {
        const NormRow r = measure(x + i * n, n, eps, center);
        norm_row(x + i * n, n, r, gain, bias, stream, y + i * n);
    }
}

/* -- Backward */

/* What the inner loops of one row read and write; dgain and dbias accumulate, both or neither. */
typedef struct GradRow {
    const float *x, *dy, *gain;
    float *dx, *dgain, *dbias;
    int64_t n;
    bool stream;
} GradRow;

/* Of 64 floats; gain may be NULL. */
SIMD void add_products_64(vf g_part[WAYS], vf gx_part[WAYS], const float *x, const float *dy,
                          const float *gain, NormRow r)
{
#pragma GCC unroll 16
    for (int64_t k = 0; k < WAYS; k++) {
        vf g = vf_load(dy + k * VL);
        if (gain) g *= vf_load(gain + k * VL);
        const vf hat = (vf_load(x + k * VL) - vf_set1(r.mean)) * vf_set1(r.scale);
        g_part[k] += g;
        gx_part[k] = vf_fma(g, hat, gx_part[k]);
    }
}

static void sum_products(const GradRow *c, NormRow r, float *sum_g, float *sum_gx)
{
    vf g_part[WAYS], gx_part[WAYS];
    float x[WIDE], dy[WIDE], gain[WIDE];
    int64_t i = 0;
    for (int k = 0; k < WAYS; k++) g_part[k] = gx_part[k] = vf_zero();
    for (; i + WIDE <= c->n; i += WIDE) {
        prefetch(c->dy, i + c->n, WIDE);
        if (c->gain)
            add_products_64(g_part, gx_part, c->x + i, c->dy + i, c->gain + i, r);
        else
            add_products_64(g_part, gx_part, c->x + i, c->dy + i, NULL, r);
    }
    if (i < c->n) {
        take_tail(c->x, c->n, r.mean, x);
        take_tail(c->dy, c->n, 0, dy);
        if (c->gain) take_tail(c->gain, c->n, 0, gain);
        add_products_64(g_part, gx_part, x, dy, c->gain ? gain : NULL, r);
    }
    *sum_g = fold(g_part);
    *sum_gx = fold(gx_part);
}

/* m is a constant where it is VL. */
SIMD vf take(const float *p, int64_t m)
{
    return m == VL ? vf_load(p) : vf_load_n(p, m);
}

SIMD void give(float *p, vf x, int64_t m)
{
    if (m == VL)
        vf_store(p, x);
    else
        vf_store_n(p, x, m);
}

/* Elements i..i+m, m <= VL. */
SIMD void grad_at(const GradRow *c, NormRow r, float mean_g, float mean_gx, bool gain, bool sums,
                  int64_t i, int64_t m)
{
    const vf dy = take(c->dy + i, m);
    const vf hat = (take(c->x + i, m) - vf_set1(r.mean)) * vf_set1(r.scale);
    vf g = dy;
    if (gain) g *= take(c->gain + i, m);
    const vf dx = vf_set1(r.scale) * vf_fma(hat, vf_set1(-mean_gx), g - vf_set1(mean_g));
    if (sums) {
        give(c->dgain + i, vf_fma(dy, hat, take(c->dgain + i, m)), m);
        give(c->dbias + i, dy + take(c->dbias + i, m), m);
    }
    if (c->stream)
        vf_stream(c->dx + i, dx);
    else
        give(c->dx + i, dx, m);
}

/* The pointers of c are copied, or every store might change them. */
SIMD void grad_all(GradRow c, NormRow r, float mean_g, float mean_gx, bool gain, bool sums)
{
    int64_t i = 0;
    for (; i + VL <= c.n; i += VL) grad_at(&c, r, mean_g, mean_gx, gain, sums, i, VL);
    if (i < c.n) grad_at(&c, r, mean_g, mean_gx, gain, sums, i, c.n - i);
}

static void grad_row(const GradRow *c, NormRow r, bool center)
{
    float sum_g, sum_gx;
    sum_products(c, r, &sum_g, &sum_gx);
    const float mean_g = center ? sum_g / (float)c->n : 0.0f, mean_gx = sum_gx / (float)c->n;
    if (c->gain && c->dgain)
        grad_all(*c, r, mean_g, mean_gx, true, true);
    else if (c->dgain)
        grad_all(*c, r, mean_g, mean_gx, false, true);
    else if (c->gain)
        grad_all(*c, r, mean_g, mean_gx, true, false);
    else
        grad_all(*c, r, mean_g, mean_gx, false, false);
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

static void backward(int64_t rows, int64_t n, const NormGrad *a, bool center, float *scratch)
{
    const int64_t block = block_rows(rows), blocks = (rows + block - 1) / block;
    const bool stream = a->dx != a->x && a->dx != a->dy && streams(rows, n, a->dx);
    ROWS_PARALLEL(8 * rows * n, blocks)
    for (int64_t b = 0; b < blocks; b++) {
        const int64_t end = (b + 1) * block < rows ? (b + 1) * block : rows;
        float *part = scratch + 2 * b * n;
        GradRow c = {.gain = a->gain, .n = n, .stream = stream};
        if (a->dgain || a->dbias) c.dgain = part, c.dbias = part + n;
        memset(part, 0, sizeof *part * (size_t)(2 * n));
        for (int64_t i = b * block; i < end; i++) {
            c.x = a->x + i * n, c.dy = a->dy + i * n, c.dx = a->dx + i * n;
            grad_row(&c, measure(c.x, n, a->eps, center), center);
        }
    }
    add_blocks(blocks, n, scratch, a->dgain);
    add_blocks(blocks, n, scratch + n, a->dbias);
}

/* -- The kernels */

void K(layer_norm)(int64_t rows, int64_t n, const float *x, const float *gain, const float *bias,
                   float eps, float *y)
{
    forward(rows, n, x, gain, bias, eps, true, y);
}

void K(rms_norm)(int64_t rows, int64_t n, const float *x, const float *gain, float eps, float *y)
{
    forward(rows, n, x, gain, NULL, eps, false, y);
}

void K(layer_norm_grad)(int64_t rows, int64_t n, const NormGrad *a, void *scratch)
{
    backward(rows, n, a, true, scratch);
}

void K(rms_norm_grad)(int64_t rows, int64_t n, const NormGrad *a, void *scratch)
{
    backward(rows, n, a, false, scratch);
}
