/* long_conv_direct -- the long convolution for few taps or short rows, straight from the sum.
 *
 * Order: y[t] is one chain of fused multiply-adds from zero over the lags, ascending; dk[l] one
 * over the row's t, ascending, rows of the batch after one another in one chain. Threads split
 * rows, and channels for dk. A row is first copied between the lags that it will be read at (zeros,
 * or the row repeated). */
#include "cpu/long_conv_inner.h"

#include "base/threads.h"
#include "cpu/lanes.h"

#include <string.h>

enum { WIDE = 4 };    /* vectors at once: independent chains */
enum { BLOCK = 128 }; /* terms of dk in a chain */

/* Lags low <= l < high. */
typedef struct Lags {
    int64_t low, high;
} Lags;

static Lags lags_of(const LongConv *s, bool backwards)
{
    const Lags l = {s->mode == LONG_CONV_TWO_SIDED ? -s->taps : 0, s->taps};
    return backwards ? (Lags){1 - l.high, 1 - l.low} : l;
}

/* Room for a row with all that its lags reach, and whole vectors past its end. */
static int64_t row_floats(const LongConv *s)
{
    return s->t + 4 * s->taps + 2 * WIDE * LANES + LANES;
}

static int64_t tap_floats(const LongConv *s)
{
    return 2 * s->taps + 2 * WIDE * LANES;
}

size_t long_conv_direct_scratch(const LongConv *s)
{
    return (size_t)(row_floats(s) + tap_floats(s)) * sizeof(float) * (size_t)threads_count();
}

/* to[i] = u[i + from], zero or repeated outside. */
static void extend(const LongConv *s, const float *u, int64_t from, int64_t n, float *to)
{
    const bool circular = s->mode == LONG_CONV_CIRCULAR;
    int64_t row = from % s->t == 0 ? from : from - from % s->t - (from < 0 ? s->t : 0);
    for (; row < from + n; row += s->t) { /* a copy of u begins at place row */
        const int64_t begin = row < from ? from : row,
                      end = row + s->t > from + n ? from + n : row + s->t;
        const size_t bytes = sizeof *to * (size_t)(end - begin);
        if (circular || row == 0)
            memcpy(to + (begin - from), u + (begin - row), bytes);
        else
            memset(to + (begin - from), 0, bytes);
    }
}

/* f[l] at to[l - low]. */
static void gather_taps(const LongConv *s, bool backwards, int64_t channel, const float *k,
                        float *to)
{
    const Lags lags = lags_of(s, backwards);
    for (int64_t l = lags.low; l < lags.high; l++) {
        const int64_t lag = backwards ? -l : l;
        to[l - lags.low] =
            lag >= 0 ? k[channel * s->taps + lag] : k[(s->channels + channel) * s->taps - 1 - lag];
    }
}

/* y[t] = sum_i f[i] e[t - i] for n values of t. */
static void sum_taps(const float *f, int64_t taps, const float *e, int64_t n, float *y)
{
    for (int64_t t = 0; t < n; t += WIDE * VL) {
        vf sum[WIDE];
        for (int v = 0; v < WIDE; v++) sum[v] = vf_zero();
        for (int64_t i = 0; i < taps; i++)
            for (int v = 0; v < WIDE; v++)
                sum[v] = vf_fma(vf_set1(f[i]), vf_load(e + t - i + v * VL), sum[v]);
        for (int v = 0; v < WIDE; v++) {
            const int64_t left = n - t - v * VL;
            if (left > 0) vf_store_n(y + t + v * VL, sum[v], left < VL ? left : VL);
        }
    }
}

void long_conv_direct(const LongConvCall *c, void *scratch)
{
    const LongConv *s = &c->s;
    const int64_t rows = s->batch * s->channels, t = s->t, room = row_floats(s);
    const Lags lags = lags_of(s, c->backwards);
    const int64_t taps = lags.high - lags.low;
    const int threads = lanes_threads(rows * t * taps / 4, rows, threads_count());
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int64_t part = 0; part < threads; part++) {
        float *row = (float *)scratch + part * (room + tap_floats(s)), *f = row + room;
        for (int64_t r = rows * part / threads; r < rows * (part + 1) / threads; r++) {
            gather_taps(s, c->backwards, r % s->channels, c->k, f);
            extend(s, c->u + r * t, 1 - lags.high, t + taps + WIDE * LANES, row);
            sum_taps(f, taps, row + (lags.high - 1 - lags.low), t, c->y + r * t);
            if (c->d || c->gate) long_conv_finish(c, r, 0, t, c->y + r * t);
        }
    }
}

/* sum[l - low] += sum of dy[t] u[t - l] over begin <= t < end, with e[i] = u[t - 1 - low - i] when
 * t ends a row. */
static void sum_lags(const float *dy, int64_t begin, int64_t end, const float *e, int64_t n,
                     float *sum)
{
    for (int64_t l = 0; l < n; l += WIDE * VL) {
        vf total[WIDE];
        for (int v = 0; v < WIDE; v++) total[v] = vf_zero();
        for (int64_t i = begin; i < end; i++)
            for (int v = 0; v < WIDE; v++)
                total[v] = vf_fma(vf_set1(dy[i]), vf_load(e - 1 - i + l + v * VL), total[v]);
        for (int v = 0; v < WIDE; v++)
            vf_store(sum + l + v * VL, vf_load(sum + l + v * VL) + total[v]);
    }
}

void long_conv_direct_grad_k(const LongConv *s, const float *u, const float *dy, float *dk,
                             void *scratch)
{
    const Lags lags = lags_of(s, false);
    const int64_t n = lags.high - lags.low, t = s->t, room = row_floats(s);
    const int64_t work = s->batch * s->channels * t * n / 4;
    const int threads = lanes_threads(work, s->channels, threads_count());
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int64_t part = 0; part < threads; part++) {
        float *row = (float *)scratch + part * (room + tap_floats(s)), *sum = row + room;
        const int64_t end = s->channels * (part + 1) / threads;
        for (int64_t h = s->channels * part / threads; h < end; h++) {
            memset(sum, 0, (size_t)tap_floats(s) * sizeof *sum);
            for (int64_t b = 0; b < s->batch; b++) {
                const int64_t r = b * s->channels + h, wide = t + n + WIDE * LANES;
                /* row[i] = u[t - 1 - low - i] */
                extend(s, u + r * t, t - lags.low - wide, wide, row);
                for (int64_t i = 0; i < wide / 2; i++) {
                    const float x = row[i];
                    row[i] = row[wide - 1 - i];
                    row[wide - 1 - i] = x;
                }
                for (int64_t i = 0; i < t; i += BLOCK)
                    sum_lags(dy + r * t, i, i + BLOCK < t ? i + BLOCK : t, row + t, n, sum);
            }
            for (int64_t l = 0; l < s->taps; l++) dk[h * s->taps + l] = sum[l - lags.low];
            for (int64_t l = 0; l < -lags.low; l++)
                dk[(s->channels + h) * s->taps + l] = sum[-1 - l - lags.low];
        }
    }
}
