/* pool -- 2-D maximum and average pooling, vectors over channels.
 *
 * Order: an average adds its window in row-major order, then divides; its gradient adds the outputs
 * over a pixel in row-major order, each divided first; pool_scatter adds outputs in row-major
 * order. Threads split rows of the result (pool_scatter: images and blocks of channels, since
 * windows may overlap). */
#include "cpu/gemm_tile.h"

#include <string.h>

enum { BLOCK = 64 };              /* channels of a unit of pool_scatter */
enum { COST_OF_AN_ELEMENT = 16 }; /* in multiply-adds: pooling is bound by memory */

static int pool_threads(int64_t parts, int64_t elements)
{
    return work_threads(parts, (double)elements * COST_OF_AN_ELEMENT);
}

/* A window clipped to the input: begin <= i < end; `size` counts the padding inside it as well. */
typedef struct Window {
    int64_t begin, end, size;
} Window;

static Window window(int64_t out, int64_t stride, int64_t pad, int64_t kernel, int64_t in)
{
    const int64_t start = out * stride - pad, stop = min64(start + kernel, in + pad);
    return (Window){max64(0, start), min64(stop, in), stop - start};
}

static float divisor_of(const PoolShape *s, const Window *y, const Window *x)
{
    return (float)(s->count_pad ? y->size * x->size : (y->end - y->begin) * (x->end - x->begin));
}

typedef int32_t vi __attribute__((vector_size(VL * sizeof(int32_t))));

/* take (all bits or none in a lane) ? a : b */
SIMD vi select_lanes(vi take, vi a, vi b)
{
    return (a & take) | (b & ~take);
}

/* Channels c..c+n, n <= VL, of one output. A window that lies in the padding alone gives -1. */
SIMD void max_of_window(const PoolShape *s, const float *x, const Window *wy, const Window *wx,
                        int64_t n, int32_t *index)
{
    const vi none = {0};
    vi at_best = none - 1;
    vf best = vf_zero();
    for (int64_t iy = wy->begin; iy < wy->end; iy++)
        for (int64_t ix = wx->begin; ix < wx->end; ix++) {
            const int32_t at = (int32_t)(iy * s->w + ix);
            const vf v = n == VL ? vf_load(x + at * s->c) : vf_load_n(x + at * s->c, n);
            // NOLINTNEXTLINE(misc-redundant-expression): the test for NaN
            const vi is_nan = (vi)(v != v), best_is_number = (vi)(best == best);
            const vi take = (at_best < 0) | (vi)(v > best) | (is_nan & best_is_number);
            best = (vf)select_lanes(take, (vi)v, (vi)best);
            at_best = select_lanes(take, none + at, at_best);
        }
    memcpy(index, &at_best, n == VL ? sizeof at_best : (size_t)n * sizeof *index);
}

static void max_of_channels(const PoolShape *s, const float *x, const Window *wy, const Window *wx,
                            int32_t *index)
{
    int64_t c = 0;
    for (; c + VL <= s->c; c += VL) max_of_window(s, x + c, wy, wx, VL, index + c);
    if (c < s->c) max_of_window(s, x + c, wy, wx, s->c - c, index + c);
}

void K(max_pool_index)(const PoolShape *s, const float *x, int32_t *index)
{
    const int threads = pool_threads(s->n * s->oh, s->n * s->oh * s->ow * s->c * s->kh * s->kw);
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
    for (int64_t row = 0; row < s->n * s->oh; row++) {
        const float *image = x + row / s->oh * s->h * s->w * s->c;
        const Window wy = window(row % s->oh, s->stride[0], s->pad[0], s->kh, s->h);
        for (int64_t ox = 0; ox < s->ow; ox++) {
            const Window wx = window(ox, s->stride[1], s->pad[1], s->kw, s->w);
            max_of_channels(s, image, &wy, &wx, index + (row * s->ow + ox) * s->c);
        }
    }
}

void K(pool_gather)(const PoolShape *s, const float *x, const int32_t *index, float *y)
{
    const int threads = pool_threads(s->n * s->oh, s->n * s->oh * s->ow * s->c);
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
    for (int64_t row = 0; row < s->n * s->oh; row++) {
        const float *image = x + row / s->oh * s->h * s->w * s->c;
        for (int64_t i = row * s->ow; i < (row + 1) * s->ow; i++)
            for (int64_t c = 0; c < s->c; c++) {
                const int64_t at = index[i * s->c + c];
                y[i * s->c + c] = at < 0 ? 0 : image[at * s->c + c];
            }
    }
}

/* Channels c0..c0+n of one image. */
static void scatter_block(const PoolShape *s, const float *dy, const int32_t *index, int64_t c0,
                          int64_t n, float *dx)
{
    for (int64_t i = 0; i < s->h * s->w; i++) memset(dx + i * s->c + c0, 0, (size_t)n * sizeof *dx);
    for (int64_t i = 0; i < s->oh * s->ow; i++)
        for (int64_t c = c0; c < c0 + n; c++) {
            const int64_t at = index[i * s->c + c];
            if (at >= 0) dx[at * s->c + c] += dy[i * s->c + c];
        }
}

void K(pool_scatter)(const PoolShape *s, const float *dy, const int32_t *index, float *dx)
{
    const int64_t blocks = ceil_div(s->c, BLOCK), in = s->h * s->w * s->c,
                  out = s->oh * s->ow * s->c;
    const int threads = pool_threads(s->n * blocks, s->n * (in + out));
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
    for (int64_t u = 0; u < s->n * blocks; u++) {
        const int64_t image = u / blocks, c = u % blocks * BLOCK;
        scatter_block(s, dy + image * out, index + image * out, c, min64(BLOCK, s->c - c),
                      dx + image * in);
    }
}

static void average_of_window(const PoolShape *s, const float *x, const Window *wy,
                              const Window *wx, float *restrict y)
{
    const float divisor = divisor_of(s, wy, wx);
    memset(y, 0, (size_t)s->c * sizeof *y);
    for (int64_t iy = wy->begin; iy < wy->end; iy++)
        for (int64_t ix = wx->begin; ix < wx->end; ix++) {
            const float *restrict from = x + (iy * s->w + ix) * s->c;
            for (int64_t c = 0; c < s->c; c++) y[c] += from[c];
        }
    if (divisor > 0)
        for (int64_t c = 0; c < s->c; c++) y[c] /= divisor;
}

void K(avg_pool)(const PoolShape *s, const float *x, float *y)
{
    const int threads = pool_threads(s->n * s->oh, s->n * s->oh * s->ow * s->c * s->kh * s->kw);
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
    for (int64_t row = 0; row < s->n * s->oh; row++) {
        const Window wy = window(row % s->oh, s->stride[0], s->pad[0], s->kh, s->h);
        for (int64_t ox = 0; ox < s->ow; ox++) {
            const Window wx = window(ox, s->stride[1], s->pad[1], s->kw, s->w);
            average_of_window(s, x + row / s->oh * s->h * s->w * s->c, &wy, &wx,
                              y + (row * s->ow + ox) * s->c);
        }
    }
}

/* The outputs whose window holds pixel i: begin <= o < end. */
static Window outputs_over(int64_t i, int64_t stride, int64_t pad, int64_t kernel, int64_t out)
{
    const int64_t first = i + pad - kernel + 1;
    return (Window){.begin = first > 0 ? ceil_div(first, stride) : 0,
                    .end = min64(out, (i + pad) / stride + 1)};
}

static void average_grad_pixel(const PoolShape *s, const float *dy, int64_t iy, int64_t ix,
                               float *restrict dx)
{
    const Window oy = outputs_over(iy, s->stride[0], s->pad[0], s->kh, s->oh);
    const Window ox = outputs_over(ix, s->stride[1], s->pad[1], s->kw, s->ow);
    memset(dx, 0, (size_t)s->c * sizeof *dx);
    for (int64_t y = oy.begin; y < oy.end; y++)
        for (int64_t x = ox.begin; x < ox.end; x++) {
            const Window wy = window(y, s->stride[0], s->pad[0], s->kh, s->h);
            const Window wx = window(x, s->stride[1], s->pad[1], s->kw, s->w);
            const float divisor = divisor_of(s, &wy, &wx);
            const float *restrict from = dy + (y * s->ow + x) * s->c;
            for (int64_t c = 0; c < s->c; c++) dx[c] += from[c] / divisor;
        }
}

void K(avg_pool_grad)(const PoolShape *s, const float *dy, float *dx)
{
    const int threads = pool_threads(s->n * s->h, s->n * s->h * s->w * s->c);
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
    for (int64_t row = 0; row < s->n * s->h; row++)
        for (int64_t ix = 0; ix < s->w; ix++)
            average_grad_pixel(s, dy + row / s->h * s->oh * s->ow * s->c, row % s->h, ix,
                               dx + (row * s->w + ix) * s->c);
}
