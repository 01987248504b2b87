/* scan -- y_t = a_t y_(t-1) + b_t for every channel, and its gradients (Martin & Cundy 2018,
 * arXiv:1709.04057, is the recurrence; the order here is simply that of time).
 *
 * One fused multiply-add a number makes this a matter of memory: a thread walks a strip of channels
 * of one sequence through all steps, so that each row is read and written once, in pieces long
 * enough to stream, and the row before is still in L1. Strips and sequences are shared by the
 * threads; cutting time would only add passes. Where time runs against memory, so does the walk
 * along a row: then the processor sees descending streams, and fetches ahead. */
#include "base/threads.h"
#include "cpu/gemm_tile.h"
#include "cpu/lanes.h"

#include <string.h>

enum { STRIP = 4096, LEAST_STRIP = 64 }; /* channels; a multiple of a cache line */
enum { PANEL = 64 };                     /* steps of a constant factor's gradient added at once */

/* n channels of every step. */
typedef struct Strip {
    const ScanShape *s;
    int64_t n;
    bool down;      /* time runs against memory */
    bool conjugate; /* of the factor */
} Strip;

/* Channels of a strip: so many that every thread gets one. */
static int64_t strip_of(const ScanShape *s)
{
    int64_t strip = STRIP;
    while (strip > LEAST_STRIP && s->batch * ceil_div(s->d, strip) < threads_count()) strip /= 2;
    return strip;
}

static int64_t row_floats(const ScanShape *s)
{
    return s->complex ? 2 * s->d : s->d;
}

static int64_t time_of(const ScanShape *s, int64_t step)
{
    return s->reverse ? s->steps - 1 - step : step;
}

/* -- One row, a vector at a time; imaginary parts are s->d further -- */

SIMD vf load(const float *p, int64_t lanes)
{
    return lanes == VL ? vf_load(p) : vf_load_n(p, lanes);
}

SIMD void store(float *p, vf x, int64_t lanes)
{
    if (lanes == VL)
        vf_store(p, x);
    else
        vf_store_n(p, x, lanes);
}

/* Vector j of a row, counted in the strip's direction: its first channel and its lanes. */
SIMD int64_t vector_of(const Strip *p, int64_t j, int64_t *lanes)
{
    const int64_t c = p->down ? (p->n - 1) / VL * VL - j : j;
    *lanes = min64(VL, p->n - c);
    return c;
}

SIMD void complex_step(const Strip *p, int64_t c, int64_t lanes, const float *a,
                       const float *before, const float *from, float *to)
{
    const int64_t d = p->s->d + c;
    const vf u = load(before + c, lanes), v = load(before + d, lanes);
    const vf re = load(a + c, lanes), part = load(a + d, lanes), im = p->conjugate ? -part : part;
    store(to + c, vf_fma(-im, v, vf_fma(re, u, load(from + c, lanes))), lanes);
    store(to + d, vf_fma(im, u, vf_fma(re, v, load(from + d, lanes))), lanes);
}

/* to = a before + from. */
static void step(const Strip *p, const float *a, const float *before, const float *from, float *to)
{
    int64_t lanes;
    for (int64_t j = 0; j < p->n; j += VL) {
        const int64_t c = vector_of(p, j, &lanes);
        if (p->s->complex)
            complex_step(p, c, lanes, a, before, from, to);
        else
            store(to + c,
                  vf_fma(load(a + c, lanes), load(before + c, lanes), load(from + c, lanes)),
                  lanes);
    }
}

static void copy_row(const Strip *p, const float *from, float *to)
{
    memcpy(to, from, (size_t)p->n * sizeof *to);
    if (p->s->complex) memcpy(to + p->s->d, from + p->s->d, (size_t)p->n * sizeof *to);
}

/* -- Scan -- */

/* Channels c.. of sequence b. */
static void scan_strip(const Strip *p, int64_t b, int64_t c, const float *const in[3], float *y)
{
    const ScanShape *s = p->s;
    const int64_t R = row_floats(s), first = b * s->steps * R + c;
    const float *a = in[0] + (s->constant ? c : first), *from = in[1] + first;
    const float *before = in[2] ? in[2] + b * R + c : NULL;
    for (int64_t k = 0; k < s->steps; k++) {
        const int64_t at = time_of(s, k) * R, at_a = time_of(s, s->lagged ? k - 1 : k) * R;
        float *to = y + first + at;
        if (k > 0 || in[2])
            step(p, s->constant ? a : a + at_a, before, from + at, to);
        else
            copy_row(p, from + at, to);
        before = to;
    }
}

void K(scan)(const ScanShape *s, const float *a, const float *b, const float *h0, float *y)
{
    const int64_t strip = strip_of(s), strips = ceil_div(s->d, strip);
    const float *in[3] = {a, b, h0};
    ROWS_PARALLEL(s->batch * s->steps * row_floats(s), s->batch * strips)
    for (int64_t i = 0; i < s->batch * strips; i++) {
        const int64_t c = i % strips * strip;
        const Strip p = {s, min64(strip, s->d - c), s->reverse, s->lagged};
        scan_strip(&p, i / strips, c, in, y);
    }
}

/* -- Gradients -- */

typedef struct ScanGrad {
    const float *a, *dy, *y, *h0;
    float *g, *da;
    int64_t stride_g, stride_da;
} ScanGrad;

/* (re, im) = [(re, im) +] g times the conjugate of y. */
static void product_row(const Strip *p, bool add, const float *g, const float *y, float *re,
                        float *im)
{
    const float *gi = g + p->s->d, *yi = y + p->s->d;
    int64_t m;
    for (int64_t j = 0; j < p->n; j += VL) {
        const int64_t c = vector_of(p, j, &m);
        const vf u = load(g + c, m), v = load(y + c, m), old = add ? load(re + c, m) : vf_zero();
        if (!p->s->complex) {
            store(re + c, vf_fma(u, v, old), m);
            continue;
        }
        const vf ui = load(gi + c, m), vi = load(yi + c, m),
                 old_i = add ? load(im + c, m) : vf_zero();
        store(re + c, vf_fma(ui, vi, vf_fma(u, v, old)), m);
        store(im + c, vf_fma(ui, v, vf_fma(-u, vi, old_i)), m);
    }
}

/* sum += panel, panel = 0. */
static void add_panel(int64_t n, float *panel, float *sum)
{
    for (int64_t i = 0; i < n; i++) sum[i] += panel[i];
    memset(panel, 0, (size_t)n * sizeof *panel);
}

static void zero_row(const Strip *p, float *row)
{
    memset(row, 0, (size_t)p->n * sizeof *row);
    if (p->s->complex) memset(row + p->s->d, 0, (size_t)p->n * sizeof *row);
}

/* da of step k of the scan: its own row, or added to the panel, which now and then goes to da. */
static void grad_factor(const Strip *p, int64_t k, const float *g, const float *before, float *da,
                        float *panel)
{
    const ScanShape *s = p->s;
    if (!s->constant) {
        float *row = da + time_of(s, k) * row_floats(s);
        if (before)
            product_row(p, false, g, before, row, row + s->d);
        else
            zero_row(p, row);
        return;
    }
    if (before) product_row(p, true, g, before, panel, panel + STRIP);
    if (k % PANEL != 0) return;
    add_panel(p->n, panel, da);
    if (s->complex) add_panel(p->n, panel + STRIP, da + s->d);
}

/* From the last step walked to the first: g_t = dy_t + conj(a_(t+1)) g_(t+1). */
static void grad_strip(const Strip *p, const ScanGrad *in, int64_t b, int64_t c)
{
    const ScanShape *s = p->s;
    const int64_t R = row_floats(s), first = b * s->steps * R + c;
    const float *a = in->a + (s->constant ? c : first), *after = a;
    float *g = in->g + b * in->stride_g + c, *da = in->da + b * in->stride_da + c;
    _Alignas(64) float panel[2 * STRIP] = {0};
    if (s->constant) zero_row(p, da);
    for (int64_t k = s->steps - 1; k >= 0; k--) {
        const int64_t at = time_of(s, k) * R;
        const float *before = in->h0 ? in->h0 + b * R + c : NULL;
        if (k > 0) before = in->y + first + time_of(s, k - 1) * R;
        if (k < s->steps - 1)
            step(p, s->constant ? a : a + time_of(s, k + 1) * R, after, in->dy + first + at,
                 g + at);
        else
            copy_row(p, in->dy + first + at, g + at);
        after = g + at;
        grad_factor(p, k, after, before, da, panel);
    }
}

void K(scan_grad)(const ScanShape *s, const float *a, const float *dy, const float *y,
                  const float *h0, float *g, int64_t stride_g, float *da, int64_t stride_da)
{
    const ScanGrad in = {a, dy, y, h0, g, da, stride_g, stride_da};
    const int64_t strip = strip_of(s), strips = ceil_div(s->d, strip);
    ROWS_PARALLEL(2 * s->batch * s->steps * row_floats(s), s->batch * strips)
    for (int64_t i = 0; i < s->batch * strips; i++) {
        const int64_t c = i % strips * strip;
        const Strip p = {s, min64(strip, s->d - c), !s->reverse, true};
        grad_strip(&p, &in, i / strips, c);
    }
}
