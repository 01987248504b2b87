/* conv_depthwise -- convolutions with one channel a group (groups == c == o): vectors over
 * channels.
 *
 * Order: forward and gradient to the input are chains of fused multiply-adds from zero over the
 * taps that hit the source, ascending; the gradient to the weights is a chain over the outputs of
 * one image, images added in ascending order within at most MAX_CHUNKS chunks (cut by the shape),
 * chunks in ascending order. */
#include "cpu/conv_inner.h"

#include <string.h>

enum { MAX_CHUNKS = 16 };
enum { WIDE = 4 }; /* vectors of channels at once: independent chains to hide the latency */

static double work(const ConvShape *s)
{
    return (double)(s->n * s->oh * s->ow * s->c) * (double)(s->kh * s->kw);
}

static int64_t n_chunks(const ConvShape *s)
{
    return min64(MAX_CHUNKS, s->n);
}

size_t conv_depthwise_scratch(const ConvShape *s)
{
    return (size_t)(n_chunks(s) * s->c * s->kh * s->kw) * sizeof(float);
}

/* (C, taps) to (taps, C). */
static void pack(const ConvShape *s, const float *w, float *packed)
{
    const int64_t taps = s->kh * s->kw;
    for (int64_t t = 0; t < taps; t++)
        for (int64_t c = 0; c < s->c; c++) packed[t * s->c + c] = w[c * taps + t];
}

/* The channels c0.. of one output: y = sum over taps ky0 <= ky < ky1 and kx0 <= kx < kx1. */
static void forward_pixel(const ConvShape *s, const float *x, const float *w, int64_t oy,
                          int64_t ox, float *y)
{
    const int64_t y0 = oy * s->stride[0] - s->pad[0], x0 = ox * s->stride[1] - s->pad[1];
    for (int64_t c = 0; c < s->c; c += VL) {
        const int64_t n = min64(VL, s->c - c);
        vf sum = vf_zero();
        for (int64_t ky = 0; ky < s->kh; ky++) {
            const int64_t iy = y0 + ky * s->dilation[0];
            if (iy < 0 || iy >= s->h) continue;
            for (int64_t kx = 0; kx < s->kw; kx++) {
                const int64_t ix = x0 + kx * s->dilation[1];
                if (ix < 0 || ix >= s->w) continue;
                const float *a = x + (iy * s->w + ix) * s->c + c,
                            *b = w + (ky * s->kw + kx) * s->c + c;
                sum = n == VL ? vf_fma(vf_load(a), vf_load(b), sum)
                              : vf_fma(vf_load_n(a, n), vf_load_n(b, n), sum);
            }
        }
        vf_store_n(y + c, sum, n);
    }
}

void conv_depthwise_forward(const ConvShape *s, const float *x, const float *w, float *y,
                            void *scratch)
{
    pack(s, w, scratch);
    const int threads = work_threads(s->n * s->oh, work(s));
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
    for (int64_t row = 0; row < s->n * s->oh; row++)
        for (int64_t ox = 0; ox < s->ow; ox++)
            forward_pixel(s, x + row / s->oh * s->h * s->w * s->c, scratch, row % s->oh, ox,
                          y + (row * s->ow + ox) * s->c);
}

/* The output that tap k reads pixel `at` for, or -1. */
static int64_t output_of(int64_t at, int64_t k, int64_t stride, int64_t pad, int64_t dilation,
                         int64_t n_out)
{
    const int64_t from = at + pad - k * dilation;
    return from < 0 || from % stride != 0 || from / stride >= n_out ? -1 : from / stride;
}

static void grad_x_pixel(const ConvShape *s, const float *dy, const float *w, int64_t iy,
                         int64_t ix, float *dx)
{
    for (int64_t c = 0; c < s->c; c += VL) {
        const int64_t n = min64(VL, s->c - c);
        vf sum = vf_zero();
        for (int64_t ky = 0; ky < s->kh; ky++) {
            const int64_t oy = output_of(iy, ky, s->stride[0], s->pad[0], s->dilation[0], s->oh);
            if (oy < 0) continue;
            for (int64_t kx = 0; kx < s->kw; kx++) {
                const int64_t ox =
                    output_of(ix, kx, s->stride[1], s->pad[1], s->dilation[1], s->ow);
                if (ox < 0) continue;
                const float *a = dy + (oy * s->ow + ox) * s->c + c,
                            *b = w + (ky * s->kw + kx) * s->c + c;
                sum = vf_fma(vf_load_n(a, n), vf_load_n(b, n), sum);
            }
        }
        vf_store_n(dx + c, sum, n);
    }
}

void conv_depthwise_grad_x(const ConvShape *s, const float *dy, const float *w, float *dx,
                           void *scratch)
{
    pack(s, w, scratch);
    const int threads = work_threads(s->n * s->h, work(s));
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
    for (int64_t row = 0; row < s->n * s->h; row++)
        for (int64_t ix = 0; ix < s->w; ix++)
            grad_x_pixel(s, dy + row / s->h * s->oh * s->ow * s->c, scratch, row % s->h, ix,
                         dx + (row * s->w + ix) * s->c);
}

/* Outputs begin <= i < end of one axis read inside the source at this tap. */
static void inside(int64_t in, int64_t out, int64_t stride, int64_t offset, int64_t *begin,
                   int64_t *end)
{
    *begin = offset < 0 ? min64(out, ceil_div(-offset, stride)) : 0;
    *end = in > offset ? max64(*begin, min64(out, ceil_div(in - offset, stride))) : *begin;
}

/* sum[c] += one tap of one image, for at most WIDE vectors of channels. */
static void grad_w_tap(const ConvShape *s, const float *x, const float *dy, int64_t ky, int64_t kx,
                       int64_t n, float *sum)
{
    const int64_t offset_y = ky * s->dilation[0] - s->pad[0],
                  offset_x = kx * s->dilation[1] - s->pad[1];
    int64_t y0, y1, x0, x1;
    inside(s->h, s->oh, s->stride[0], offset_y, &y0, &y1);
    inside(s->w, s->ow, s->stride[1], offset_x, &x0, &x1);
    vf total[WIDE];
    int64_t lanes[WIDE];
    for (int v = 0; v < WIDE; v++) total[v] = vf_zero(), lanes[v] = max64(0, min64(VL, n - v * VL));
    for (int64_t oy = y0; oy < y1; oy++)
        for (int64_t ox = x0; ox < x1; ox++) {
            const float *a =
                x + ((oy * s->stride[0] + offset_y) * s->w + ox * s->stride[1] + offset_x) * s->c;
            const float *b = dy + (oy * s->ow + ox) * s->c;
            for (int v = 0; v < WIDE; v++)
                total[v] = vf_fma(vf_load_n(a + v * VL, lanes[v]), vf_load_n(b + v * VL, lanes[v]),
                                  total[v]);
        }
    for (int v = 0; v < WIDE; v++)
        if (lanes[v] > 0)
            vf_store_n(sum + v * VL, vf_load_n(sum + v * VL, lanes[v]) + total[v], lanes[v]);
}

/* sums[tap][c] of images begin..end. */
static void grad_w_chunk(const ConvShape *s, const float *x, const float *dy, int64_t begin,
                         int64_t end, float *sums)
{
    memset(sums, 0, (size_t)(s->kh * s->kw * s->c) * sizeof *sums);
    for (int64_t image = begin; image < end; image++)
        for (int64_t c = 0; c < s->c; c += WIDE * VL)
            for (int64_t k = 0; k < s->kh * s->kw; k++)
                grad_w_tap(s, x + image * s->h * s->w * s->c + c,
                           dy + image * s->oh * s->ow * s->c + c, k / s->kw, k % s->kw,
                           min64(WIDE * VL, s->c - c), sums + k * s->c + c);
}

void conv_depthwise_grad_w(const ConvShape *s, const float *x, const float *dy, float *dw,
                           void *scratch)
{
    const int64_t chunks = n_chunks(s), taps = s->kh * s->kw, size = taps * s->c;
    float *sums = scratch;
    const int threads = work_threads(chunks, work(s));
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
    for (int64_t i = 0; i < chunks; i++)
        grad_w_chunk(s, x, dy, part_begin(s->n, chunks, i), part_begin(s->n, chunks, i + 1),
                     sums + i * size);
    for (int64_t k = 0; k < taps; k++)
        for (int64_t c = 0; c < s->c; c++) {
            float total = sums[k * s->c + c];
            for (int64_t i = 1; i < chunks; i++) total += sums[i * size + k * s->c + c];
            dw[c * taps + k] = total;
        }
}
