/* long_conv_inner -- what the direct and the transform paths of the long convolution share.
 *
 * Every form is a sum over lags l: y[t] = sum_l f[l] u[t - l], with f[l] = k[l] for l >= 0 and, two
 * sided, f[-1 - l] = k1[l]; rows outside 0..t-1 are zero, or, circular, repeat. The gradient to u
 * is the same with f[-l]. */
#ifndef SEQLAB_CPU_LONG_CONV_INNER_H
#define SEQLAB_CPU_LONG_CONV_INNER_H

#include "cpu/kernel.h"
#include "cpu/simd.h"

#define long_conv_direct         K(long_conv_direct)
#define long_conv_direct_grad_k  K(long_conv_direct_grad_k)
#define long_conv_direct_scratch K(long_conv_direct_scratch)

/* How the rows become y: gate (NULL: 1), d (NULL: 0); f is read backwards for the gradient to u. */
typedef struct LongConvCall {
    LongConv s;
    bool backwards;
    const float *u, *k, *d, *gate;
    float *y;
} LongConvCall;

void long_conv_direct(const LongConvCall *c, void *scratch);
void long_conv_direct_grad_k(const LongConv *s, const float *u, const float *dy, float *dk,
                             void *scratch);
size_t long_conv_direct_scratch(const LongConv *s);

/* y[t] = gate[t] (conv[t] + d u[t]) for one row. */
SIMD void long_conv_finish(const LongConvCall *c, int64_t row, int64_t begin, int64_t end,
                           const float *conv)
{
    const int64_t t = c->s.t;
    const float *u = c->u + row * t, *gate = c->gate ? c->gate + row * t : NULL;
    const vf d = vf_set1(c->d ? c->d[row % c->s.channels] : 0);
    float *y = c->y + row * t;
    for (int64_t i = begin; i < end; i += VL) {
        const int64_t n = end - i < VL ? end - i : VL;
        vf x = vf_load_n(conv + i, n);
        if (c->d) x = vf_fma(d, vf_load_n(u + i, n), x);
        if (gate) x = vf_load_n(gate + i, n) * x;
        vf_store_n(y + i, x, n);
    }
}

#endif
