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

/* Columns v.. of a leaf, to its rows. */
SIMD void leaf_turn(float *tile, const Cv x[FFT_GROUP], int v)
{
#pragma GCC unroll 4
    for (int i = 0; i < FFT_GROUP; i += VL) put_transposed(x + i, i, v, tile);
}

SIMD void leaf_load(Cv x[FFT_GROUP], const float *z)
{
#pragma GCC unroll 16
    for (int a = 0; a < FFT_GROUP; a++) x[a] = cv_load(z + a * 2 * FFT_GROUP);
}

SIMD void leaf_store(float *z, const Cv x[FFT_GROUP])
{
#pragma GCC unroll 16
    for (int a = 0; a < FFT_GROUP; a++) cv_store(z + a * 2 * FFT_GROUP, x[a]);
}

/* The first half of a leaf, to `tile` transposed. */
SIMD void leaf_rows(const float *z, const float *w, float *tile)
{
    for (int v = 0; v < FFT_GROUP; v += VL) {
        Cv x[FFT_GROUP];
        leaf_load(x, z + v);
        radix_forward(x, FFT_GROUP, 1, w, false);
        leaf_turn(tile, x, v);
    }
}

static void leaf_forward(float *z, const float *w)
{
    _Alignas(64) float tile[LEAF_FLOATS];
    leaf_rows(z, w, tile);
    for (int v = 0; v < FFT_GROUP; v += VL) {
        Cv x[FFT_GROUP];
        leaf_load(x, tile + v);
        radix_forward(x, FFT_GROUP, 1, w + FFT_GROUP + v, true);
        leaf_store(z + v, x);
    }
}

/* Undoes leaf_rows. */
SIMD void leaf_rows_back(const float *tile, const float *w, float *z)
{
    for (int v = 0; v < FFT_GROUP; v += VL) {
        Cv x[FFT_GROUP];
        leaf_load(x, tile + v);
        radix_inverse(x, FFT_GROUP, 1, w, false);
        leaf_store(z + v, x);
    }
}

static void leaf_inverse(float *z, const float *w)
{
    _Alignas(64) float tile[LEAF_FLOATS];
    for (int v = 0; v < FFT_GROUP; v += VL) {
        Cv x[FFT_GROUP];
        leaf_load(x, z + v);
        radix_inverse(x, FFT_GROUP, 1, w + FFT_GROUP + v, true);
        leaf_turn(tile, x, v);
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
        Cv x[FFT_GROUP];
        leaf_load(x, tile + v);
        radix_forward(x, FFT_GROUP, 1, w + FFT_GROUP + v, true);
#pragma GCC unroll 16
        for (int a = 0; a < FFT_GROUP; a++)
            x[a] = times(x[a], cv_load(k + a * 2 * FFT_GROUP + v), conjugate);
        radix_inverse(x, FFT_GROUP, 1, w + FFT_GROUP + v, true);
        leaf_turn(turned, x, v);
    }
    leaf_rows_back(turned, w, z);
}

static void leaf_correlate(const float *z, const float *w, const float *a, float *sum)
{
    _Alignas(64) float tile[LEAF_FLOATS];
    leaf_rows(z, w, tile);
    for (int v = 0; v < FFT_GROUP; v += VL) {
        Cv x[FFT_GROUP];
        leaf_load(x, tile + v);
        radix_forward(x, FFT_GROUP, 1, w + FFT_GROUP + v, true);
#pragma GCC unroll 16
        for (int i = 0; i < FFT_GROUP; i++) {
            const int at = i * 2 * FFT_GROUP + v;
            const Cv y = times(x[i], cv_load(a + at), true), s = cv_load(sum + at);
            cv_store(sum + at, (Cv){s.re + y.re, s.im + y.im});
        }
    }
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

void right_correlate(const RightFft *f, float *z, const float *a, float *sum, const FftAhead *ahead,
                     int64_t begin, int64_t end)
{
    for (int64_t leaf = begin; leaf < end; leaf++) {
        const int64_t at = fft_place(leaf * FFT_GROUP);
        ask_ahead(ahead, leaf);
        descend(f, z, leaf);
        leaf_correlate(z + at, leaf_table(f, leaf), a + at, sum + at);
    }
}
