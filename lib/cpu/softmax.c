/* softmax -- softmax, log-softmax and softmax cross-entropy over contiguous rows.
 *
 * With m = max x:  softmax = e^(x-m) / s,  s = sum e^(x-m);  logsumexp = m + log s.
 *
 * A row of logits of a language model is 200 KB, so what counts is how often it is read: m and s
 * come from one pass by blocks of BLOCK (Milakov & Gimelshein 2018): a block that holds a larger
 * element multiplies what was summed so far by e^(old m - new m). Looking for the largest before
 * the exponentials would take a fifth of the time, so m is only raised by a block with an element
 * more than about 2 above it, which its exponents tell when they are there. Order of additions:
 * element i of a block goes to lane i % 16; blocks ascending; then a tree. The gradient takes m and
 * 1/s from the forward pass, is then one pass too, and may be written over the logits. */
#include "base/threads.h"
#include "cpu/kernel.h"
#include "cpu/lanes.h"
#include "cpu/vecexp.h"
#include "cpu/vecmath.h"

#include <math.h>
#include <string.h>

enum { BLOCK = 2048, PARTS = LANES / VL };

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
static float block_max(const float *x, int64_t n)
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

typedef struct RowSum {
    float max, sum; /* of x, or a little less; sum of e^(x - max) */
    double total;   /* of x, when asked for */
} RowSum;

/* The exponentials of a block may lie between 2^-125 and 2^3, so that their exponents and eighths
 * (vecexp.h) are ten bits; this many zeros at the least makes the sums a quarter. */
enum { EXP_BIAS = 125, EXP_BITS = 1023 };

/* part += sums of e^(x - base), of whole 16s; false, and nothing added, when one of them is outside
 * of what is said above. */
static bool add_block(const float *x, int64_t n, float base, vf part[PARTS])
{
    const vf b = vf_set1(base), start = vf_set1(0x1.8p23f);
    vf sum[PARTS];
    vi_bits odd = {0};
    for (int k = 0; k < PARTS; k++) sum[k] = vf_zero();
    for (int64_t i = 0; i < n; i += LANES) {
        prefetch(x, i + BLOCK, LANES); /* memory works while the exponentials are made */
#pragma GCC unroll 4
        for (int64_t k = 0; k < PARTS; k++) {
            const ExpParts e = exp_split(vf_load(x + i + k * VL) - b, EXP_BIAS);
            odd |= (vi_bits)e.s ^ (vi_bits)start;
            sum[k] = vf_fma(exp_rest(e), exp_scale(e), sum[k]);
        }
    }
    int32_t any = 0, lane[VL];
    memcpy(lane, &odd, sizeof lane);
    for (int l = 0; l < VL; l++) any |= lane[l];
    if (any & ~EXP_BITS) return false;
    for (int k = 0; k < PARTS; k++) part[k] = vf_fma(sum[k], vf_set1(4.0f), part[k]);
    return true;
}

/* The same for any numbers, after the block's largest has become the base, if it is larger. */
static void add_any_block(const float *x, int64_t n, float *max, vf part[PARTS])
{
    const float most = block_max(x, n);
    if (most > *max) {
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
        for (int k = 0; k < PARTS; k++) part[k] += vf_exp_below(v[k] - base);
    }
}

static RowSum sum_row(const float *x, int64_t n, bool with_total)
{
    vf part[PARTS];
    RowSum r = {.max = -INFINITY};
    for (int k = 0; k < PARTS; k++) part[k] = vf_zero();
    for (int64_t lo = 0, m; lo < n; lo += m) {
        const int64_t left = n - lo, whole = left / LANES * LANES;
        m = left >= BLOCK ? BLOCK : whole > 0 ? whole : left;
        if (lo == 0 || m < LANES || !add_block(x + lo, m, r.max, part))
            add_any_block(x + lo, m, &r.max, part);
        if (with_total) {
            float s;
            LANES_SUM(s, m, x[lo + i]);
            r.total += (double)s;
        }
    }
    r.sum = sum_lanes(part);
    return r;
}

/* y = e^(x - m); returns the sum. */
static float exp_row(const float *x, int64_t n, float m, float *y)
{
    vf part[PARTS];
    for (int k = 0; k < PARTS; k++) part[k] = vf_zero();
    for (int64_t i = 0; i < n; i += LANES) {
        vf v[PARTS];
        load_lanes(v, x + i, n - i, -INFINITY);
        for (int64_t k = 0; k < PARTS; k++) {
            const int64_t left = n - i - k * VL;
            v[k] = vf_exp_below(v[k] - vf_set1(m));
            part[k] += v[k];
            if (left >= VL)
                vf_store(y + i + k * VL, v[k]);
            else if (left > 0)
                vf_store_n(y + i + k * VL, v[k], left);
        }
    }
    return sum_lanes(part);
}

void K(softmax)(int64_t rows, int64_t n, const float *x, float *y)
{
    ROWS_PARALLEL(4 * rows * n, rows)
    for (int64_t r = 0; r < rows; r++) {
        float *to = y + r * n;
        const float scale = 1.0f / exp_row(x + r * n, n, block_max(x + r * n, n), to);
        for (int64_t i = 0; i < n; i++) to[i] *= scale;
    }
}

void K(log_softmax)(int64_t rows, int64_t n, const float *x, float *y)
{
    ROWS_PARALLEL(4 * rows * n, rows)
    for (int64_t r = 0; r < rows; r++) {
        const float *from = x + r * n;
        float *to = y + r * n;
        const RowSum s = sum_row(from, n, false);
        const float log_s = vm_log(s.sum);
#pragma GCC ivdep
        for (int64_t i = 0; i < n; i++) to[i] = (from[i] - s.max) - log_s;
    }
}

void K(cross_entropy)(int64_t rows, int64_t n, const float *x, const int32_t *label,
                      float smoothing, int32_t ignore, float *loss, float *stats)
{
    ROWS_PARALLEL(4 * rows * n, rows)
    for (int64_t r = 0; r < rows; r++) {
        const float *from = x + r * n;
        RowSum s = {.sum = 1};
        if (label[r] == ignore) {
            loss[r] = 0;
        } else if (label[r] < 0 || label[r] >= n) {
            loss[r] = __builtin_nanf("");
        } else {
            s = sum_row(from, n, smoothing != 0);
            float expected = (1.0f - smoothing) * (from[label[r]] - s.max);
            if (smoothing != 0) {
                const float all = (float)(s.total - (double)n * (double)s.max);
                expected = vm_fma(smoothing / (float)n, all, expected);
            }
            loss[r] = vm_log(s.sum) - expected;
        }
        if (stats) {
            stats[2 * r] = s.max;
            stats[2 * r + 1] = 1.0f / s.sum;
        }
    }
}

/* y = e^(x - m) scale + shift; y may be x. */
static void exp_affine(const float *x, int64_t n, float m, float scale, float shift, float *y,
                       bool stream)
{
    const vf base = vf_set1(m), a = vf_set1(scale), b = vf_set1(shift);
    int64_t i = simd_lead(y);
    i = i < n ? i : n;
    vf_store_n(y, vf_fma(vf_exp_below(vf_load_n(x, i) - base), a, b), i);
    if (stream)
        for (; i + VL <= n; i += VL)
            vf_stream(y + i, vf_fma(vf_exp_below(vf_load(x + i) - base), a, b));
    else
        for (; i + VL <= n; i += VL)
            vf_store(y + i, vf_fma(vf_exp_below(vf_load(x + i) - base), a, b));
    vf_store_n(y + i, vf_fma(vf_exp_below(vf_load_n(x + i, n - i) - base), a, b), n - i);
}

void K(cross_entropy_grad)(int64_t rows, int64_t n, const float *x, const int32_t *label,
                           float smoothing, int32_t ignore, const float *stats, const float *dloss,
                           float *dx)
{
    const bool stream = dx != x && simd_streams(rows * n);
    ROWS_PARALLEL(4 * rows * n, rows)
    for (int64_t r = 0; r < rows; r++) {
        const float *from = x + r * n;
        float *to = dx + r * n;
        if (label[r] == ignore) {
            for (int64_t i = 0; i < n; i++) to[i] = 0;
            continue;
        }
        const bool valid = label[r] >= 0 && label[r] < n;
        float m = stats ? stats[2 * r] : 0, inverse = stats ? stats[2 * r + 1] : 0;
        if (!stats) {
            const RowSum s = sum_row(from, n, false);
            m = s.max;
            inverse = 1.0f / s.sum;
        }
        const float g = valid ? dloss[r] : __builtin_nanf(""), rest = smoothing / (float)n;
        const float at_label = valid ? from[label[r]] : 0;
        exp_affine(from, n, m, inverse * g, -rest * g, to, stream);
        if (!valid) continue;
        float e[VL];
        vf_store(e, vf_exp_below(vf_set1(at_label - m)));
        to[label[r]] = (e[0] * inverse - (rest + (1.0f - smoothing))) * g;
    }
}
