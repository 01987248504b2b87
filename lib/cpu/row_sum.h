/* row_sum -- m and sum e^(x - m) of a row in one pass; shared by softmax.c and cross_entropy.c.
 *
 * A row of logits of a language model is 200 KB, so what counts is how often it is read. m and the
 * sum come from one pass by blocks of BLOCK (Milakov & Gimelshein 2018): a block that holds a
 * larger element multiplies what was summed so far by e^(old m - new m). Looking for the largest
 * before the exponentials would take a fifth of the time, so m is only raised by a block with an
 * element more than about 2 above it, which its exponents tell when they are there. Order of
 * additions: element i of a block goes to lane i % 16; blocks ascending; then a tree. */
#ifndef SEQLAB_CPU_ROW_SUM_H
#define SEQLAB_CPU_ROW_SUM_H

#include "cpu/lanes.h"
#include "cpu/vecexp.h"
#include "cpu/vecmath.h"

#include <math.h>
#include <string.h>

enum { BLOCK = 2048, PARTS = LANES / VL };

/* The exponentials of a row on their way to y = e scale + shift, n floats of which `done` are
 * there, no fewer than up to the first line of y; from there on it goes by lines. */
typedef struct RowWrite {
    const float *e;
    float *y;
    int64_t n, done;
    float scale, shift;
    bool stream;
} RowWrite;

/* What a pass over a row gives. */
typedef struct RowSum {
    float max, sum; /* of x, or a little less; sum of e^(x - max) */
    double total;   /* of x, when asked for */
    int64_t stale;  /* the exponentials before this one were stored for a smaller max */
} RowSum;

/* 16 floats from x on, of which n are there; the others read as `fill`. */
SIMD void load_lanes(vf to[PARTS], const float *x, int64_t n, float fill)
{
    float lane[LANES];
    if (n >= LANES) {
        for (int64_t k = 0; k < PARTS; k++) to[k] = vf_load(x + k * VL);
        return;
    }
    for (int l = 0; l < LANES; l++) lane[l] = l < n ? x[l] : fill;
    for (int64_t k = 0; k < PARTS; k++) to[k] = vf_load(lane + k * VL);
}

SIMD float sum_lanes(const vf part[PARTS])
{
    float lane[LANES];
    for (int64_t k = 0; k < PARTS; k++) vf_store(lane + k * VL, part[k]);
    return lanes_sum_tree(lane);
}

/* Never -0, which as a maximum would tell apart how lanes were joined; NaN may be passed over. */
static inline float block_max(const float *x, int64_t n)
{
    enum { WAYS = 4 };
    vf best[WAYS];
    for (int k = 0; k < WAYS; k++) best[k] = vf_set1(-INFINITY);
    int64_t i = 0;
    for (; i + WAYS * VL <= n; i += WAYS * VL)
#pragma GCC unroll 4
        for (int64_t k = 0; k < WAYS; k++) best[k] = vf_max(best[k], vf_load(x + i + k * VL));
    float lane[VL];
    vf_store(lane, vf_max(vf_max(best[0], best[1]), vf_max(best[2], best[3])));
    float most = lane[0];
    for (int l = 1; l < VL; l++) most = lane[l] > most ? lane[l] : most;
    for (; i < n; i++) most = x[i] > most ? x[i] : most;
    return most + 0.0f;
}

SIMD void write_vector(const RowWrite *w, int64_t at, vf scale, vf shift)
{
    const vf y = vf_fma(vf_load(w->e + at), scale, shift);
    if (w->stream)
        vf_stream(w->y + at, y);
    else
        vf_store(w->y + at, y);
}

/* At least up to `end`, or to the row's. */
static inline void write_to(RowWrite *w, int64_t end)
{
    const RowWrite a = *w;
    const vf scale = vf_set1(a.scale), shift = vf_set1(a.shift);
    int64_t i = a.done;
    for (; i < end && i + LANES <= a.n; i += LANES)
        for (int64_t k = 0; k < PARTS; k++) write_vector(&a, i + k * VL, scale, shift);
    if (i < end)
        for (; i < a.n; i++) a.y[i] = vm_fma(a.e[i], a.scale, a.shift);
    w->done = i;
}

/* part += sums of e^(x - base), of whole 16s, which go to e as well, if it is not NULL; false, and
 * nothing added, when one of them is outside of 2^-125 to 2^3. Meanwhile as many floats of `w` are
 * written, if it is not NULL: reads and writes of memory mix as in a copy. What they are made of is
 * then read before the same place of e is written. */
SIMD bool add_block(const float *x, int64_t n, float base, vf part[PARTS], float *e, RowWrite *w)
{
    const vf b = vf_set1(base), start = vf_set1(EXP_START);
    const RowWrite writes = w ? *w : (RowWrite){0};
    /* 16 registers are too few to keep the two factors in: they are read anew for each vector */
    const RowWrite *const factors = PARTS > 1 ? w : &writes;
    vf sum[PARTS];
    vi_bits odd = {0};
    for (int k = 0; k < PARTS; k++) sum[k] = vf_zero();
    for (int64_t i = 0; i < n; i += LANES) {
        prefetch(x, i + BLOCK, LANES); /* memory works while the exponentials are made */
#pragma GCC unroll 4
        for (int64_t k = 0; k < PARTS; k++) {
            const int64_t at = i + k * VL;
            const ExpParts p = exp_split(vf_load(x + at) - b);
            const vf v = exp_rest(p) * exp_scale(p);
            odd |= (vi_bits)p.s ^ (vi_bits)start;
            sum[k] += v;
            if (w)
                write_vector(&writes, writes.done + at, vf_set1(factors->scale),
                             vf_set1(factors->shift));
            if (w || e) vf_store(e + at, v);
        }
    }
    if (w) w->done += n;
    int32_t any = 0, lane[VL];
    memcpy(lane, &odd, sizeof lane);
    for (int l = 0; l < VL; l++) any |= lane[l];
    if (any & ~EXP_BITS) return false;
    for (int k = 0; k < PARTS; k++) part[k] += sum[k];
    return true;
}

/* The same for any numbers and any n, after the block's largest has become the base, if it is
 * larger: true then. */
static bool add_any_block(const float *x, int64_t n, float *max, vf part[PARTS], float *e)
{
    const float most = block_max(x, n);
    const bool raised = most > *max;
    if (raised) {
        if (*max > -INFINITY)
            for (int k = 0; k < PARTS; k++) part[k] *= vf_exp_below(vf_set1(*max - most));
        *max = most;
    }
    /* all -inf so far: e^(-inf - 0) is 0 as it should be */
    const vf base = vf_set1(*max > -INFINITY ? *max : 0.0f);
    for (int64_t i = 0; i < n; i += LANES) {
        vf v[PARTS];
        prefetch(x, i + BLOCK, LANES);
        load_lanes(v, x + i, n - i, -INFINITY);
        for (int64_t k = 0; k < PARTS; k++) {
            const vf y = vf_exp_below(v[k] - base);
            part[k] += y;
            if (e) vf_store(e + i + k * VL, y); /* past n too */
        }
    }
    return raised;
}

/* One pass over a row. m starts at `floor`, an element of it, or at -inf. e (n rounded up to 16),
 * or NULL: the exponentials; those before .stale are of a smaller m. w, or NULL: another row to
 * write meanwhile, whose own may be where e is; what is left of it is the caller's. */
SIMD RowSum sum_row(const float *x, int64_t n, float floor, bool with_total, float *e, RowWrite *w)
{
    vf part[PARTS];
    RowSum r = {.max = floor + 0.0f};
    for (int k = 0; k < PARTS; k++) part[k] = vf_zero();
    for (int64_t lo = 0, m; lo < n; lo += m) {
        const int64_t left = n - lo, whole = left / LANES * LANES;
        float *const to = e ? e + lo : NULL;
        m = left >= BLOCK ? BLOCK : whole > 0 ? whole : left;
        const bool fast = lo > 0 && m >= LANES, mixed = fast && w && w->done + m <= w->n;
        if (w && !mixed) write_to(w, lo + m);
        const bool added = mixed  ? add_block(x + lo, m, r.max, part, to, w)
                           : fast ? add_block(x + lo, m, r.max, part, to, NULL)
                                  : false;
        if (!added && add_any_block(x + lo, m, &r.max, part, to)) r.stale = lo;
        if (with_total) {
            float s;
            LANES_SUM(s, m, x[lo + i]);
            r.total += (double)s;
        }
    }
    r.sum = sum_lanes(part);
    return r;
}

#endif
