/* scan -- y_t = a_t y_(t-1) + b_t for every channel, and its gradients (Martin & Cundy 2018,
 * arXiv:1709.04057, is the recurrence; the order here is simply that of time).
 *
 * One fused multiply-add a number makes this a matter of memory: a thread walks a strip of channels
 * of one sequence through all steps, so that each row is read and written once, in pieces long
 * enough to stream, and the row before is still in L1. Strips and sequences are shared by the
 * threads; cutting time would only add passes. */
#include "base/threads.h"
#include "cpu/kernel.h"
#include "cpu/lanes.h"
#include "cpu/vecmath.h"

#include <string.h>

enum { STRIP = 512, LEAST_STRIP = 64 }; /* channels; a multiple of a cache line */
enum { PANEL = 64 };                    /* steps of a constant factor's gradient added at once */

/* Channels of a strip: so many that every thread gets one. */
static int64_t strip_of(const ScanShape *s)
{
    int64_t strip = STRIP;
    while (strip > LEAST_STRIP && s->batch * ((s->d + strip - 1) / strip) < threads_count())
        strip /= 2;
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

/* -- One row of n channels; d to the imaginary parts. to = a before + from. -- */

static void step_real(int64_t n, const float *a, const float *before, const float *from, float *to)
{
#pragma GCC ivdep
    for (int64_t i = 0; i < n; i++) to[i] = vm_fma(a[i], before[i], from[i]);
}

static void step_complex(int64_t n, int64_t d, float sign, const float *a, const float *before,
                         const float *from, float *to)
{
#pragma GCC ivdep
    for (int64_t i = 0; i < n; i++) {
        const float re = a[i], im = sign * a[d + i], u = before[i], v = before[d + i];
        to[i] = vm_fma(-im, v, vm_fma(re, u, from[i]));
        to[d + i] = vm_fma(im, u, vm_fma(re, v, from[d + i]));
    }
}

static void step(const ScanShape *s, int64_t n, bool conjugate, const float *a, const float *before,
                 const float *from, float *to)
{
    if (s->complex)
        step_complex(n, s->d, conjugate ? -1.0f : 1.0f, a, before, from, to);
    else
        step_real(n, a, before, from, to);
}

static void copy_row(const ScanShape *s, int64_t n, const float *from, float *to)
{
    memcpy(to, from, (size_t)n * sizeof *to);
    if (s->complex) memcpy(to + s->d, from + s->d, (size_t)n * sizeof *to);
}

/* -- Scan -- */

/* n channels from channel c on, of sequence b. */
static void scan_strip(const ScanShape *s, int64_t b, int64_t c, int64_t n,
                       const float *const in[3], float *y)
{
    const int64_t R = row_floats(s), T = s->steps, first = b * T * R + c;
    const float *a = in[0] + (s->constant ? c : first), *from = in[1] + first;
    const float *before = in[2] ? in[2] + b * R + c : NULL;
    const int64_t back = s->lagged ? 1 : 0;
    for (int64_t k = 0; k < T; k++) {
        const int64_t t = time_of(s, k);
        float *to = y + first + t * R;
        if (before)
            step(s, n, s->lagged, s->constant ? a : a + time_of(s, k - back) * R, before,
                 from + t * R, to);
        else
            copy_row(s, n, from + t * R, to);
        before = to;
    }
}

void K(scan)(const ScanShape *s, const float *a, const float *b, const float *h0, float *y)
{
    const int64_t strip = strip_of(s), strips = (s->d + strip - 1) / strip;
    const float *in[3] = {a, b, h0};
    ROWS_PARALLEL(s->batch * s->steps * row_floats(s), s->batch * strips)
    for (int64_t i = 0; i < s->batch * strips; i++) {
        const int64_t c = i % strips * strip;
        scan_strip(s, i / strips, c, s->d - c < strip ? s->d - c : strip, in, y);
    }
}

/* -- Gradients -- */

/* (re, im) = [(re, im) +] g times the conjugate of y. */
static void product_row(const ScanShape *s, int64_t n, bool add, const float *g, const float *y,
                        float *re, float *im)
{
    const float *gi = g + s->d, *yi = y + s->d;
    if (!s->complex) {
#pragma GCC ivdep
        for (int64_t i = 0; i < n; i++) re[i] = vm_fma(g[i], y[i], add ? re[i] : 0.0f);
        return;
    }
#pragma GCC ivdep
    for (int64_t i = 0; i < n; i++) {
        re[i] = vm_fma(gi[i], yi[i], vm_fma(g[i], y[i], add ? re[i] : 0.0f));
        im[i] = vm_fma(gi[i], y[i], vm_fma(-g[i], yi[i], add ? im[i] : 0.0f));
    }
}

static void zero_row(const ScanShape *s, int64_t n, float *re, float *im)
{
    memset(re, 0, (size_t)n * sizeof *re);
    if (s->complex) memset(im, 0, (size_t)n * sizeof *im);
}

/* sum += panel, panel = 0. */
static void add_panel(int64_t n, float *panel, float *sum)
{
    for (int64_t i = 0; i < n; i++) sum[i] += panel[i];
    memset(panel, 0, (size_t)n * sizeof *panel);
}

typedef struct ScanGrad {
    const float *a, *dy, *y, *h0;
    float *g, *da;
    int64_t stride_g, stride_da;
} ScanGrad;

/* da of one step: its own row, or added to the panel. */
static void grad_factor(const ScanShape *s, int64_t n, const float *g, const float *before,
                        float *row, float *panel)
{
    float *re = s->constant ? panel : row, *im = s->constant ? panel + STRIP : row + s->d;
    if (before)
        product_row(s, n, s->constant, g, before, re, im);
    else if (!s->constant)
        zero_row(s, n, re, im);
}

/* From the last step walked to the first: g_t = dy_t + conj(a_(t+1)) g_(t+1). */
static void grad_strip(const ScanShape *s, const ScanGrad *p, int64_t b, int64_t c, int64_t n)
{
    const int64_t R = row_floats(s), T = s->steps, first = b * T * R + c;
    const float *a = p->a + (s->constant ? c : first), *after = NULL;
    float *g = p->g + b * p->stride_g + c, *da = p->da + b * p->stride_da + c;
    float panel[2 * STRIP] = {0};
    if (s->constant) zero_row(s, n, da, da + s->d);
    for (int64_t k = T - 1; k >= 0; k--) {
        const int64_t t = time_of(s, k);
        const float *from = p->dy + first + t * R;
        float *to = g + t * R;
        if (after)
            step(s, n, true, s->constant ? a : a + time_of(s, k + 1) * R, after, from, to);
        else
            copy_row(s, n, from, to);
        after = to;
        const float *h0 = p->h0 ? p->h0 + b * R + c : NULL,
                    *before = k > 0 ? p->y + first + time_of(s, k - 1) * R : h0;
        grad_factor(s, n, to, before, da + t * R, panel);
        if (s->constant && k % PANEL == 0) {
            add_panel(n, panel, da);
            if (s->complex) add_panel(n, panel + STRIP, da + s->d);
        }
    }
}

void K(scan_grad)(const ScanShape *s, const float *a, const float *dy, const float *y,
                  const float *h0, float *g, int64_t stride_g, float *da, int64_t stride_da)
{
    const ScanGrad p = {a, dy, y, h0, g, da, stride_g, stride_da};
    const int64_t strip = strip_of(s), strips = (s->d + strip - 1) / strip;
    ROWS_PARALLEL(2 * s->batch * s->steps * row_floats(s), s->batch * strips)
    for (int64_t i = 0; i < s->batch * strips; i++) {
        const int64_t c = i % strips * strip;
        grad_strip(s, &p, i / strips, c, s->d - c < strip ? s->d - c : strip);
    }
}
