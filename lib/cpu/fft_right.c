/* fft_right -- the tree of the transform: its passes, tables and order of work (fft_right.h).
 *
 * A block at a place where the tree has P blocks is modulo z^(m/P) - e(-alpha), alpha = (1/4 + J) /
 * P turns, J < P a whole number; child r of a radix-R pass has J + P r, where r is read with its
 * bits reversed when R is a power of two (that is the order in which radix-2 steps leave them). A
 * twiddle is therefore a root of unity of order 4 m, and comes from the product, in doubles, of two
 * entries of tables of about sqrt(4 m). */
#include "cpu/fft_steps.h"

#include "base/realmath.h"
#include "base/threads.h"
#include "cpu/lanes.h"

int64_t right_points(int64_t n)
{
    int64_t best = INT64_MAX;
    for (int64_t odd = 1; odd <= 5; odd += 2) {
        int64_t m = odd * FFT_LEAF;
        while (m < n) m *= 2;
        if (m < best) best = m;
    }
    return best;
}

static int64_t twiddle_floats(int radix)
{
    return radix % 2 == 1 ? 2 * radix * (radix - 1) : radix;
}

/* The roots of unity of order 4 m are products of roots i < 2^bits and i 2^bits. */
static int root_bits(int64_t m)
{
    int bits = 0;
    while (INT64_C(1) << 2 * bits < 4 * m) bits++;
    return bits;
}

/* How many there are of the second kind. */
static int64_t n_high(int64_t m, int bits)
{
    return (4 * m >> bits) + 1;
}

RightFft right_plan(int64_t m, float *table)
{
    RightFft f = {.m = m, .root_bits = root_bits(m)};
    int bits = 0;
    int64_t odd = m / FFT_LEAF, at = 0, blocks = 1;
    for (; odd % 2 == 0; odd /= 2) bits++;
    if (odd > 1 || bits == 0) f.radix[f.n_passes++] = (int)odd;
    for (int left = (bits + 3) / 4; left > 0; left--) { /* the narrower passes first */
        f.radix[f.n_passes++] = 1 << bits / left;
        bits -= bits / left;
    }
    for (int p = 0; p <= f.n_passes; p++) {
        f.blocks[p] = blocks;
        f.twiddle[p] = table ? table + at : NULL;
        const bool leaf = p == f.n_passes;
        const int64_t floats = leaf ? FFT_GROUP + FFT_LEAF : twiddle_floats(f.radix[p]);
        at += (floats * blocks + FFT_GROUP - 1) / FFT_GROUP * FFT_GROUP;
        if (!leaf) blocks *= f.radix[p];
    }
    f.roots = table ? (double *)(void *)(table + at) : NULL;
    f.table_floats = at + 4 * ((INT64_C(1) << f.root_bits) + n_high(m, f.root_bits));
    f.table_floats = (f.table_floats + FFT_GROUP - 1) / FFT_GROUP * FFT_GROUP;
    return f;
}

/* -- Tables */

static int64_t bits_reversed(int64_t i, int bits)
{
    int64_t r = 0;
    for (int b = 0; b < bits; b++) r |= (i >> b & 1) << (bits - 1 - b);
    return r;
}

static int log2_of(int64_t n)
{
    int bits = 0;
    while (n > 1) n /= 2, bits++;
    return bits;
}

/* e(-i / (4 m)), 0 <= i < 4 m. */
static void root_at(const RightFft *f, int64_t i, float *re, float *im)
{
    const int64_t split = INT64_C(1) << f->root_bits;
    const double *a = f->roots + (i & (split - 1)) * 2,
                 *b = f->roots + (split + (i >> f->root_bits)) * 2;
    *re = (float)(a[0] * b[0] - a[1] * b[1]);
    *im = (float)(a[0] * b[1] + a[1] * b[0]);
}

static void fill_roots(const RightFft *f)
{
    const double order = 4 * (double)f->m;
    const int64_t split = INT64_C(1) << f->root_bits;
    for (int64_t i = 0; i < split + n_high(f->m, f->root_bits); i++) {
        const int64_t at = i < split ? i : (i - split) << f->root_bits;
        f->roots[2 * i] = real_cos_turns((double)at / order);
        f->roots[2 * i + 1] = -real_sin_turns((double)at / order);
    }
}

/* The place J of block q of pass p. */
static int64_t block_place(const RightFft *f, int p, int64_t q)
{
    int64_t j = 0;
    for (int i = 0; i < p; i++) {
        const int64_t digit = q / (f->blocks[p] / f->blocks[i + 1]) % f->radix[i];
        const bool odd = f->radix[i] % 2 == 1;
        j += f->blocks[i] * (odd ? digit : bits_reversed(digit, log2_of(f->radix[i])));
    }
    return j;
}

/* Twiddle i (fft_steps.h) of a block with J = j among `blocks` is that of node 2 k of step l:
 * e(-(1/4
 * + j + blocks rev(k)) / (blocks 2^(l+1))), the root (first + 4 j) step. */
typedef struct Twiddle {
    int64_t first, step;
} Twiddle;

static Twiddle twiddle_of(const RightFft *f, int64_t blocks, int i)
{
    const int l = i == 0 ? 0 : log2_of(i) + 1;
    const int64_t k = l < 2 ? 0 : bits_reversed(i - (1 << (l - 1)), l - 1);
    return (Twiddle){1 + 4 * blocks * k, f->m / (blocks << (l + 1))};
}

static void twiddle_at(const RightFft *f, Twiddle t, int64_t j, float *re, float *im)
{
    root_at(f, (t.first + 4 * j) * t.step, re, im);
}

static void fill_odd(const RightFft *f, float *w)
{
    const int radix = f->radix[0];
    for (int r = 0; r < radix; r++)
        for (int a = 1; a < radix; a++, w += 2)
            root_at(f, (1 + 4 * r) * a % (4 * radix) * (f->m / radix), &w[0], &w[1]);
}

/* Leaves begin <= leaf < end. */
static void fill_leaves(const RightFft *f, int64_t begin, int64_t end)
{
    const int64_t blocks = f->blocks[f->n_passes];
    Twiddle rows[FFT_GROUP / 2], lanes[FFT_GROUP / 2];
    int64_t lane_place[FFT_GROUP];
    for (int i = 0; i < FFT_GROUP / 2; i++) {
        rows[i] = twiddle_of(f, blocks, i);
        lanes[i] = twiddle_of(f, blocks * FFT_GROUP, i);
    }
    for (int r = 0; r < FFT_GROUP; r++) lane_place[r] = blocks * bits_reversed(r, 4);
    for (int64_t leaf = begin; leaf < end; leaf++) {
        const int64_t j = block_place(f, f->n_passes, leaf);
        float *w = f->twiddle[f->n_passes] + leaf * (FFT_GROUP + FFT_LEAF);
        for (int i = 0; i < FFT_GROUP / 2; i++) {
            float *to = w + FFT_GROUP + (int64_t)2 * i * FFT_GROUP;
            twiddle_at(f, rows[i], j, &w[2 * i], &w[2 * i + 1]);
            for (int r = 0; r < FFT_GROUP; r++)
                twiddle_at(f, lanes[i], j + lane_place[r], &to[r], &to[FFT_GROUP + r]);
        }
    }
}

static void fill_pass(const RightFft *f, int p)
{
    for (int i = 0; i < f->radix[p] / 2; i++) {
        const Twiddle t = twiddle_of(f, f->blocks[p], i);
        for (int64_t q = 0; q < f->blocks[p]; q++) {
            float *w = f->twiddle[p] + q * f->radix[p] + (int64_t)2 * i;
            twiddle_at(f, t, block_place(f, p, q), &w[0], &w[1]);
        }
    }
}

void right_fill(const RightFft *f)
{
    const int64_t leaves = f->blocks[f->n_passes];
    const int threads = lanes_threads(f->m, leaves, threads_count());
    fill_roots(f);
    for (int p = 0; p < f->n_passes; p++)
        if (f->radix[p] % 2 == 0) fill_pass(f, p);
    if (f->radix[0] % 2 == 1) fill_odd(f, f->twiddle[0]);
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int64_t i = 0; i < threads; i++)
        fill_leaves(f, leaves * i / threads, leaves * (i + 1) / threads);
}
