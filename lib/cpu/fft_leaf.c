/* fft_leaf -- blocks of 256 points from the last pass down to the spectrum and back, and the walk
 * over a row's blocks around them.
 *
 * A leaf is 16 rows of 16 columns: 4 steps over the rows, a transposition in L1, 4 steps over what
 * were the columns, with one twiddle a lane. The product with a kernel's spectrum happens there,
 * between the two halves, while the leaf is in L1. */
#include "cpu/fft_steps.h"

enum { LEAF_FLOATS = 2 * FFT_LEAF, LEAF_TABLE = FFT_GROUP + FFT_LEAF };

/* Rows i.. and columns v.. of both parts of a leaf, VL x VL numbers each, to columns i.. and rows
 * v... */
SIMD void put_transposed(const Cv x[VL], int i, int v, float *to)
{
    vf re[VL], im[VL];
#pragma GCC unroll 16
    for (int a = 0; a < VL; a++) re[a] = x[a].re, im[a] = x[a].im;
    vf_transpose(re);
#pragma GCC unroll 16
    for (int a = 0; a < VL; a++) vf_store(to + (v + a) * 2 * FFT_GROUP + i, re[a]);
    vf_transpose(im);
#pragma GCC unroll 16
    for (int a = 0; a < VL; a++) vf_store(to + (v + a) * 2 * FFT_GROUP + FFT_GROUP + i, im[a]);
}

enum { LEAF_ROW = 2 * FFT_GROUP };

/* Columns v.. of a leaf, to its rows, once numbers up to 4 (j + 1) of them are there. */
SIMD void leaf_turn(float *tile, const Cv x[FFT_GROUP], int v, int j)
{
    const int done = 4 * (j + 1);
    if (done % VL == 0) put_transposed(x + done - VL, done - VL, v, tile);
}

/* The first half of a leaf, to `tile` transposed. */
SIMD void leaf_rows(const float *z, const float *w, float *tile)
{
    for (int v = 0; v < FFT_GROUP; v += VL) {
        Cv x[FFT_GROUP];
        radix_begin(x, FFT_GROUP, z + v, LEAF_ROW, w, false);
#pragma GCC unroll 4
        for (int j = 0; j < 4; j++) {
            radix_rest(x, FFT_GROUP, j, w, false);
            leaf_turn(tile, x, v, j);
        }
    }
}

/* The second half, to `z`, which may be `tile`. */
SIMD void leaf_columns(const float *tile, const float *w, float *z)
{
    for (int v = 0; v < FFT_GROUP; v += VL) {
        Cv x[FFT_GROUP];
        radix_begin(x, FFT_GROUP, tile + v, LEAF_ROW, w + FFT_GROUP + v, true);
#pragma GCC unroll 4
        for (int j = 0; j < 4; j++) {
            radix_rest(x, FFT_GROUP, j, w + FFT_GROUP + v, true);
            cv_store_every(x, 4 * j, 1, 4, z + v, LEAF_ROW);
        }
    }
}

static void leaf_forward(float *z, const float *w)
{
    _Alignas(64) float tile[LEAF_FLOATS];
    leaf_rows(z, w, tile);
    leaf_columns(tile, w, z);
}

/* Undoes leaf_rows. */
SIMD void leaf_rows_back(const float *tile, const float *w, float *z)
{
    for (int v = 0; v < FFT_GROUP; v += VL) {
        Cv x[FFT_GROUP];
#pragma GCC unroll 4
        for (int j = 0; j < 4; j++) {
            cv_load_every(x, 4 * j, 1, 4, tile + v, LEAF_ROW);
            radix_rest_back(x, FFT_GROUP, j, w, false);
        }
        radix_finish(x, FFT_GROUP, z + v, LEAF_ROW, w, false);
    }
}

/* The last two steps back of a leaf's second half, to `tile` transposed. */
SIMD void leaf_columns_end(Cv x[FFT_GROUP], const float *w, int v, float *tile)
{
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) quad_inverse(x + i, 4, 1, 0, w + FFT_GROUP + v, true);
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++) leaf_turn(tile, x, v, j);
}

static void leaf_inverse(float *z, const float *w)
{
    _Alignas(64) float tile[LEAF_FLOATS];
    for (int v = 0; v < FFT_GROUP; v += VL) {
        Cv x[FFT_GROUP];
#pragma GCC unroll 4
        for (int j = 0; j < 4; j++) {
            cv_load_every(x, 4 * j, 1, 4, z + v, LEAF_ROW);
            radix_rest_back(x, FFT_GROUP, j, w + FFT_GROUP + v, true);
        }
        leaf_columns_end(x, w, v, tile);
    }
    leaf_rows_back(tile, w, z);
}

/* x k, or x conj(k). */
SIMD Cv times(Cv x, Cv k, bool conjugate)
{
    if (conjugate) return (Cv){vf_fma(x.re, k.re, x.im * k.im), vf_fma(x.im, k.re, -(x.re * k.im))};
    return (Cv){vf_fma(x.re, k.re, -(x.im * k.im)), vf_fma(x.im, k.re, x.re * k.im)};
}

SIMD void leaf_convolve(float *z, const float *w, const float *k, bool conjugate)
{
    _Alignas(64) float tile[LEAF_FLOATS], turned[LEAF_FLOATS];
    leaf_rows(z, w, tile);
    for (int v = 0; v < FFT_GROUP; v += VL) {
        const float *lanes = w + FFT_GROUP + v;
        Cv x[FFT_GROUP];
        radix_begin(x, FFT_GROUP, tile + v, LEAF_ROW, lanes, true);
#pragma GCC unroll 4
        for (int j = 0; j < 4; j++) {
            radix_rest(x, FFT_GROUP, j, lanes, true);
#pragma GCC unroll 4
            for (int i = 4 * j; i < 4 * j + 4; i++)
                x[i] = times(x[i], cv_load(k + i * LEAF_ROW + v), conjugate);
            radix_rest_back(x, FFT_GROUP, j, lanes, true);
        }
        leaf_columns_end(x, w, v, turned);
    }
    leaf_rows_back(turned, w, z);
}

/* sum += conj(U) DY; with k, dy = DY conj(k) back. */
SIMD void leaf_correlate(const float *u, float *dy, const float *w, const float *k, float *sum)
{
    _Alignas(64) float u_tile[LEAF_FLOATS], tile[LEAF_FLOATS], turned[LEAF_FLOATS];
    leaf_rows(u, w, u_tile);
    leaf_rows(dy, w, tile);
    leaf_columns(u_tile, w, u_tile);
    for (int v = 0; v < FFT_GROUP; v += VL) {
        const float *lanes = w + FFT_GROUP + v;
        Cv x[FFT_GROUP];
        radix_begin(x, FFT_GROUP, tile + v, LEAF_ROW, lanes, true);
#pragma GCC unroll 4
        for (int j = 0; j < 4; j++) {
            radix_rest(x, FFT_GROUP, j, lanes, true);
#pragma GCC unroll 4
            for (int i = 4 * j; i < 4 * j + 4; i++) {
                const int at = i * LEAF_ROW + v;
                const Cv y = times(x[i], cv_load(u_tile + at), true), s = cv_load(sum + at);
                cv_store(sum + at, (Cv){s.re + y.re, s.im + y.im});
                if (k) x[i] = times(x[i], cv_load(k + at), true);
            }
            if (k) radix_rest_back(x, FFT_GROUP, j, lanes, true);
        }
        if (k) leaf_columns_end(x, w, v, turned);
    }
    if (k) leaf_rows_back(turned, w, dy);
}

/* -- The walk */

static int64_t leaves_in(const RightFft *f, int pass)
{
    return f->blocks[f->n_passes] / f->blocks[pass];
}

/* Passes 1.. of the blocks that begin with this leaf. */
static void descend(const RightFft *f, float *z, int64_t leaf)
{
    for (int p = 1; p < f->n_passes; p++) {
        const int64_t leaves = leaves_in(f, p), block = leaf / leaves;
        if (leaf % leaves == 0)
            fft_pass_forward(f->radix[p], z, leaf * FFT_GROUP, leaves * FFT_GROUP / f->radix[p],
                             f->twiddle[p] + block * f->radix[p]);
    }
}

/* Back, of the blocks that end with it. */
static void ascend(const RightFft *f, float *z, int64_t leaf)
{
    for (int p = f->n_passes - 1; p > 0; p--) {
        const int64_t leaves = leaves_in(f, p), block = leaf / leaves;
        if ((leaf + 1) % leaves == 0)
            fft_pass_inverse(f->radix[p], z, block * leaves * FFT_GROUP,
                             leaves * FFT_GROUP / f->radix[p], f->twiddle[p] + block * f->radix[p]);
    }
}

/* The share of a leaf in what comes ahead. */
SIMD void ask_ahead(const FftAhead *a, int64_t leaf)
{
    const int64_t at = leaf * FFT_LEAF, n = a->n - at < FFT_LEAF ? a->n - at : FFT_LEAF;
    for (int64_t i = 0; i < n; i += FFT_GROUP) {
        if (a->read) __builtin_prefetch(a->read + at + i, 0, 2);
        if (a->write) __builtin_prefetch(a->write + at + i, 1, 2);
    }
}

static const float *leaf_table(const RightFft *f, int64_t leaf)
{
    return f->twiddle[f->n_passes] + leaf * LEAF_TABLE;
}

void right_first(const RightFft *f, const float *x, float *z, int64_t begin, int64_t end)
{
    fft_pass_first(f->radix[0], x, z, f->m / f->radix[0] / FFT_GROUP, f->twiddle[0], begin, end);
}

void right_end(const RightFft *f, const float *z, float *re, float *im, int64_t begin, int64_t end)
{
    fft_pass_end(f->radix[0], z, re, im, f->m / f->radix[0] / FFT_GROUP, f->twiddle[0], begin, end);
}

void right_forward(const RightFft *f, float *z, const FftAhead *ahead, int64_t begin, int64_t end)
{
    for (int64_t leaf = begin; leaf < end; leaf++) {
        ask_ahead(ahead, leaf);
        descend(f, z, leaf);
        leaf_forward(z + fft_place(leaf * FFT_GROUP), leaf_table(f, leaf));
    }
}

void right_inverse(const RightFft *f, float *z, int64_t begin, int64_t end)
{
    for (int64_t leaf = begin; leaf < end; leaf++) {
        leaf_inverse(z + fft_place(leaf * FFT_GROUP), leaf_table(f, leaf));
        ascend(f, z, leaf);
    }
}

void right_convolve(const RightFft *f, float *z, const float *k, bool conjugate,
                    const FftAhead *ahead, int64_t begin, int64_t end)
{
    for (int64_t leaf = begin; leaf < end; leaf++) {
        const int64_t at = fft_place(leaf * FFT_GROUP);
        ask_ahead(ahead, leaf);
        descend(f, z, leaf);
        if (conjugate)
            leaf_convolve(z + at, leaf_table(f, leaf), k + at, true);
        else
            leaf_convolve(z + at, leaf_table(f, leaf), k + at, false);
        ascend(f, z, leaf);
    }
}

void right_correlate(const RightFft *f, float *u, float *dy, const float *k, float *sum,
                     const FftAhead ahead[2], int64_t begin, int64_t end)
{
    for (int64_t leaf = begin; leaf < end; leaf++) {
        const int64_t at = fft_place(leaf * FFT_GROUP);
        ask_ahead(&ahead[0], leaf);
        ask_ahead(&ahead[1], leaf);
        descend(f, u, leaf);
        descend(f, dy, leaf);
        if (!k) {
            leaf_correlate(u + at, dy + at, leaf_table(f, leaf), NULL, sum + at);
            continue;
        }
        leaf_correlate(u + at, dy + at, leaf_table(f, leaf), k + at, sum + at);
        ascend(f, dy, leaf);
    }
}
