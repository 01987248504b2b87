/* conv_depthwise -- convolutions with one channel a group (groups == c == o): vectors over
 * channels.
 *
 * Order: forward and gradient to the input are sums over a ConvGrid (conv_inner.h), each a chain of
 * fused multiply-adds from zero over the taps that hit the source, ascending. The gradient to the
 * weights is a chain over the outputs of one row; rows are added in ascending order within at most
 * MAX_CHUNKS chunks of images (cut by the shape), chunks in ascending order.
 *
 * Threads split rows of the result, and for the weights chunks and blocks of channels. A run of RUN
 * outputs shares the loads of the weights; channels are the inner loop, so that memory is read in
 * order. */
#include "cpu/conv_inner.h"

#include <string.h>

enum { MAX_CHUNKS = 16 };
enum { RUN = 8 };       /* outputs at once */
enum { WIDE = 4 };      /* vectors of channels at once in the gradient to the weights */
enum { MOST_TAPS = 3 }; /* of one row at once in the gradient to the weights */

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

/* -- Forward, and gradient to the input */

typedef struct Taps {
    int64_t begin, end;
} Taps;

/* The taps of output i that are inside the source; they are neighbours. */
static Taps taps_inside(const ConvAxis *a, int64_t i)
{
    Taps t = {0, a->n_taps};
    const int64_t at = i * a->stride + a->tap;
    while (t.begin < t.end &&
           (at + t.begin * a->tap_step < 0 || at + t.begin * a->tap_step >= a->in))
        t.begin++;
    while (t.begin < t.end &&
           (at + (t.end - 1) * a->tap_step < 0 || at + (t.end - 1) * a->tap_step >= a->in))
        t.end--;
    return t;
}

/* Outputs with all their taps inside: begin <= j < end. */
static Taps outputs_inside(const ConvAxis *a)
{
    Taps t = {0, a->out};
    for (int64_t tap = 0; tap < a->n_taps; tap++) {
        int64_t begin, end;
        conv_axis_inside(a, tap, &begin, &end);
        t.begin = max64(t.begin, begin), t.end = min64(t.end, end);
    }
    t.end = max64(t.begin, t.end);
    return t;
}

/* One grid: where its kernel and its outputs lie. */
typedef struct Sum {
    ConvGrid grid;
    const float *w; /* (taps, C) */
    int64_t kw;
    int64_t pixel; /* floats between outputs */
} Sum;

/* n <= VL channels of `run` neighbouring outputs; x and w point at the first tap. */
SIMD void sum_run(const Sum *s, int run, int64_t n, const float *x, Taps y, Taps t, const float *w,
                  float *out)
{
    const ConvGrid *g = &s->grid;
    const int64_t step = g->x.stride * g->pitch, x_step = g->x.tap_step * g->pitch,
                  w_step = g->x.kernel_step * g->pitch;
    vf sum[RUN];
#pragma GCC unroll 8
    for (int q = 0; q < run; q++) sum[q] = vf_zero();
    for (int64_t i = y.begin; i < y.end; i++) {
        const float *a = x, *b = w;
        for (int64_t k = t.begin; k < t.end; k++, a += x_step, b += w_step) {
            const vf v = n == VL ? vf_load(b) : vf_load_n(b, n);
#pragma GCC unroll 8
            for (int q = 0; q < run; q++)
                sum[q] =
                    vf_fma(n == VL ? vf_load(a + q * step) : vf_load_n(a + q * step, n), v, sum[q]);
        }
        x += g->y.tap_step * g->x.in * g->pitch;
        w += g->y.kernel_step * s->kw * g->pitch;
    }
#pragma GCC unroll 8
    for (int q = 0; q < run; q++) {
        if (n == VL)
            vf_store(out + q * s->pixel, sum[q]);
        else
            vf_store_n(out + q * s->pixel, sum[q], n);
    }
}

/* Asks for what the next run of this row writes, and for the pixels below those of this run, which
 * the next row reads first; either may lie past the end. */
SIMD void ask_ahead(const Sum *s, int run, const float *x, const float *out)
{
    const ConvGrid *g = &s->grid;
    const uintptr_t step = (uintptr_t)s->pixel * sizeof *out,
                    below = (uintptr_t)(g->y.n_taps * g->x.in * g->pitch) * sizeof *x;
    for (uintptr_t q = 0; q < (uintptr_t)run; q++) {
        __builtin_prefetch((const void *)((uintptr_t)out + ((uintptr_t)run + q) * step), 1, 3);
        __builtin_prefetch(
            (const void *)((uintptr_t)x + below + q * (uintptr_t)(g->x.stride * g->pitch) * 4), 0,
            2);
    }
}

/* `run` outputs from j; image is the source, out the row of the result. */
SIMD void sum_channels(const Sum *s, int run, const float *image, int64_t i, int64_t j, Taps y,
                       Taps t, float *out)
{
    const ConvGrid *g = &s->grid;
    const int64_t line = i * g->y.stride + g->y.tap + y.begin * g->y.tap_step,
                  column = j * g->x.stride + g->x.tap + t.begin * g->x.tap_step;
    const bool some = y.begin < y.end && t.begin < t.end;
    const float *x = some ? image + (line * g->x.in + column) * g->pitch : image;
    const float *w = s->w + ((g->y.kernel + y.begin * g->y.kernel_step) * s->kw + g->x.kernel +
                             t.begin * g->x.kernel_step) *
                                g->pitch;
    if (!some) y.end = y.begin, w = s->w;
    out += j * s->pixel;
    int64_t c = 0;
    for (; c + VL <= g->pitch; c += VL) {
        if (run > 1) ask_ahead(s, run, x + c, out + c);
        sum_run(s, run, VL, x + c, y, t, w + c, out + c);
    }
    if (c < g->pitch) sum_run(s, run, g->pitch - c, x + c, y, t, w + c, out + c);
}

/* Row i of the outputs of one image. */
static void sum_row(const Sum *s, const float *image, int64_t i, float *out)
{
    const ConvAxis *x = &s->grid.x;
    const Taps y = taps_inside(&s->grid.y, i), all = {0, x->n_taps}, inner = outputs_inside(x);
    int64_t j = 0;
    for (; j < inner.begin; j++) sum_channels(s, 1, image, i, j, y, taps_inside(x, j), out);
    for (; j + RUN <= inner.end; j += RUN) sum_channels(s, RUN, image, i, j, y, all, out);
    /* The last runs overlap those before: the same numbers are written twice. */
    if (j + RUN / 2 < inner.end && j - RUN / 2 >= inner.begin) {
        sum_channels(s, RUN, image, i, inner.end - RUN, y, all, out);
        j = inner.end;
    } else if (j < inner.end && inner.end - RUN / 2 >= inner.begin) {
        if (j + RUN / 2 < inner.end) sum_channels(s, RUN / 2, image, i, j, y, all, out);
        sum_channels(s, RUN / 2, image, i, inner.end - RUN / 2, y, all, out);
        j = inner.end;
    }
    for (; j < inner.end; j++) sum_channels(s, 1, image, i, j, y, all, out);
    for (; j < x->out; j++) sum_channels(s, 1, image, i, j, y, taps_inside(x, j), out);
}

void conv_depthwise_forward(const ConvShape *s, const float *x, const float *w, float *y,
                            void *scratch)
{
    pack(s, w, scratch);
    const Sum sum = {conv_grid_forward(s, false), scratch, s->kw, s->c};
    const int threads = work_threads(s->n * s->oh, work(s));
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
    for (int64_t row = 0; row < s->n * s->oh; row++)
        sum_row(&sum, x + row / s->oh * s->h * s->w * s->c, row % s->oh, y + row * s->ow * s->c);
}

void conv_depthwise_grad_x(const ConvShape *s, const float *dy, const float *w, float *dx,
                           void *scratch)
{
    pack(s, w, scratch);
    const int threads = work_threads(s->n * s->h, work(s));
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
    for (int64_t row = 0; row < s->n * s->h; row++) {
        const int64_t y = row % s->h, residue = y % s->stride[0];
        for (int64_t r = 0; r < min64(s->stride[1], s->w); r++) {
            const Sum sum = {conv_grid_backward(s, residue, r), scratch, s->kw,
                             s->stride[1] * s->c};
            sum_row(&sum, dy + row / s->h * s->oh * s->ow * s->c, y / s->stride[0],
                    dx + (row * s->w + r) * s->c);
        }
    }
}

/* -- Gradient to the weights */

/* One row of dy against one row of x, for n_taps <= MOST_TAPS columns of the kernel and nv vectors
 * of channels; the last vector has n lanes. */
typedef struct Row {
    const float *x, *dy;
    const ConvShape *s;
    int64_t offset[MOST_TAPS], begin[MOST_TAPS], end[MOST_TAPS]; /* of each tap's outputs */
} Row;

SIMD void row_output(const Row *r, int n_taps, int nv, int64_t n, bool all, int64_t ox,
                     vf sum[MOST_TAPS][WIDE])
{
    const float *x = r->x + ox * r->s->stride[1] * r->s->c, *dy = r->dy + ox * r->s->c;
    vf d[WIDE];
#pragma GCC unroll 4
    for (int v = 0; v < nv; v++)
        d[v] = n == VL || v + 1 < nv ? vf_load(dy + v * VL) : vf_load_n(dy + v * VL, n);
#pragma GCC unroll 3
    for (int t = 0; t < n_taps; t++) {
        if (!all && (ox < r->begin[t] || ox >= r->end[t])) continue;
        const float *a = x + r->offset[t] * r->s->c;
#pragma GCC unroll 4
        for (int v = 0; v < nv; v++)
            sum[t][v] =
                vf_fma(n == VL || v + 1 < nv ? vf_load(a + v * VL) : vf_load_n(a + v * VL, n), d[v],
                       sum[t][v]);
    }
}

/* sums[t][channel] += the row's. */
SIMD void row_body(const Row *r, int n_taps, int nv, int64_t n, float *sums)
{
    vf sum[MOST_TAPS][WIDE];
    int64_t first = r->begin[0], last = r->end[0], inner = first, outer = last;
    for (int t = 0; t < n_taps; t++) {
        first = min64(first, r->begin[t]), inner = max64(inner, r->begin[t]);
        last = max64(last, r->end[t]), outer = min64(outer, r->end[t]);
#pragma GCC unroll 4
        for (int v = 0; v < nv; v++) sum[t][v] = vf_zero();
    }
    outer = max64(inner, outer), last = max64(last, outer);
    for (int64_t ox = first; ox < inner; ox++) row_output(r, n_taps, nv, n, false, ox, sum);
    for (int64_t ox = inner; ox < outer; ox++) row_output(r, n_taps, nv, n, true, ox, sum);
    for (int64_t ox = outer; ox < last; ox++) row_output(r, n_taps, nv, n, false, ox, sum);
#pragma GCC unroll 3
    for (int t = 0; t < n_taps; t++)
        for (int v = 0; v < nv; v++) {
            const int64_t lanes = v + 1 < nv ? VL : n;
            float *to = sums + t * r->s->c + v * VL;
            vf_store_n(to, vf_load_n(to, lanes) + sum[t][v], lanes);
        }
}

static void row_sums(const Row *r, int64_t n_taps, int64_t channels, float *sums)
{
    const bool wide = channels == WIDE * VL;
    if (wide && n_taps == 3) {
        row_body(r, 3, WIDE, VL, sums);
    } else if (wide && n_taps == 2) {
        row_body(r, 2, WIDE, VL, sums);
    } else if (wide) {
        row_body(r, 1, WIDE, VL, sums);
    } else {
        Row part = *r;
        for (int64_t c = 0; c < channels; c += VL, part.x += VL, part.dy += VL) {
            const int64_t n = min64(VL, channels - c);
            if (n_taps == 3)
                row_body(&part, 3, 1, n, sums + c);
            else if (n_taps == 2)
                row_body(&part, 2, 1, n, sums + c);
            else
                row_body(&part, 1, 1, n, sums + c);
        }
    }
}

/* sums[tap][c] of one row of outputs, channels c..c+n. */
static void add_row(const ConvShape *s, const float *image, const float *dy, int64_t oy, int64_t c,
                    int64_t n, float *sums)
{
    const ConvGrid g = conv_grid_forward(s, false);
    const Taps y = taps_inside(&g.y, oy);
    for (int64_t ky = y.begin; ky < y.end; ky++) {
        const int64_t iy = oy * s->stride[0] + ky * s->dilation[0] - s->pad[0];
        for (int64_t kx = 0; kx < s->kw; kx += MOST_TAPS) {
            const int64_t n_taps = min64(MOST_TAPS, s->kw - kx);
            Row r = {image + iy * s->w * s->c + c, dy + oy * s->ow * s->c + c, s, {0}, {0}, {0}};
            for (int64_t t = 0; t < n_taps; t++) {
                r.offset[t] = (kx + t) * s->dilation[1] - s->pad[1];
                conv_axis_inside(&g.x, kx + t, &r.begin[t], &r.end[t]);
            }
            row_sums(&r, n_taps, n, sums + (ky * s->kw + kx) * s->c + c);
        }
    }
}

/* sums[tap][c] of images begin..end, blocks of channels begin..end. */
static void add_images(const ConvShape *s, const float *x, const float *dy, Taps images,
                       Taps blocks, float *sums)
{
    const int64_t first = blocks.begin * WIDE * VL, last = min64(s->c, blocks.end * WIDE * VL);
    for (int64_t t = 0; t < s->kh * s->kw; t++)
        memset(sums + t * s->c + first, 0, (size_t)(last - first) * sizeof *sums);
    for (int64_t i = images.begin; i < images.end; i++)
        for (int64_t oy = 0; oy < s->oh; oy++)
            for (int64_t c = first; c < last; c += WIDE * VL)
                add_row(s, x + i * s->h * s->w * s->c, dy + i * s->oh * s->ow * s->c, oy, c,
                        min64(WIDE * VL, last - c), sums);
}

void conv_depthwise_grad_w(const ConvShape *s, const float *x, const float *dy, float *dw,
                           void *scratch)
{
    const int64_t chunks = n_chunks(s), taps = s->kh * s->kw, size = taps * s->c,
                  blocks = ceil_div(s->c, WIDE * VL);
    float *sums = scratch;
    const int threads = work_threads(chunks * blocks, work(s));
    const int64_t slices = min64(blocks, ceil_div(threads, max64(1, chunks)));
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
    for (int64_t u = 0; u < chunks * slices; u++) {
        const int64_t i = u / slices, slice = u % slices;
        const Taps images = {part_begin(s->n, chunks, i), part_begin(s->n, chunks, i + 1)};
        const Taps part = {part_begin(blocks, slices, slice),
                           part_begin(blocks, slices, slice + 1)};
        add_images(s, x, dy, images, part, sums + i * size);
    }
    for (int64_t k = 0; k < taps; k++)
        for (int64_t c = 0; c < s->c; c++) {
            float total = sums[k * s->c + c];
            for (int64_t i = 1; i < chunks; i++) total += sums[i * size + k * s->c + c];
            dw[c * taps + k] = total;
        }
}
