/* conv_depthwise_3x3 -- what the passes of 3x3 depthwise convolutions share: blocks of outputs and
 * the pixels that they read. */
#ifndef SEQLAB_CPU_CONV_DEPTHWISE_3X3_H
#define SEQLAB_CPU_CONV_DEPTHWISE_3X3_H

#include "cpu/conv_inner.h"

#ifdef __AVX2__
#ifdef __AVX512F__
enum { ROWS = 4 }; /* of outputs in a block: the sums and a row of inputs should fit registers */
#else
enum { ROWS = 2 };
#endif
#else
enum { ROWS = 4 };
#endif
enum { FEW_ROWS = 2, COLUMNS = 4, STRIP = 4 };
enum { MOST_LINES = (STRIP - 1) * 2 + 3, MOST_COLUMNS = (COLUMNS - 1) * 2 + 3 };
enum { MAX_CHUNKS = 16 }; /* of images, in the gradient to the weights */

/* A pass as its blocks see it: the "input" of a gradient to the input is dy. */
typedef struct Window {
    int64_t n, h, w, oh, ow, c, stride, pad[2];
    const float *x;
    const float *weights; /* (taps, pitch) */
    int64_t pitch;        /* c padded to whole vectors */
    float *y;
    bool stream, descending; /* how y is stored; the order of vectors of channels */
} Window;

/* Outputs row..row+rows by `columns` of an image, and the pixels that they read. */
typedef struct Block {
    const float *line[MOST_LINES]; /* at pixel 0; NULL outside the image */
    int64_t first;                 /* floats from there to the first column read, perhaps < 0 */
    bool inside[MOST_COLUMNS];
    bool edge; /* not all of them are */
    int64_t row, rows, columns;
} Block;

SIMD Window window_of(const ConvShape *s)
{
    return (Window){
        .n = s->n,
        .h = s->h,
        .w = s->w,
        .oh = s->oh,
        .ow = s->ow,
        .c = s->c,
        .stride = s->stride[0],
        .pad = {s->pad[0], s->pad[1]},
        .pitch = padded_columns(s->c)
    };
}

SIMD int64_t depthwise_3x3_chunks(const ConvShape *s)
{
    return min64(MAX_CHUNKS, s->n);
}

SIMD double work(const Window *v)
{
    return 9 * (double)(v->n * v->oh * v->ow) * (double)v->c;
}

/* The lines that `rows` outputs from b->row read. */
SIMD void set_lines(const Window *v, const float *image, int64_t rows, Block *b)
{
    const int64_t first = b->row * v->stride - v->pad[0];
    for (int64_t r = 0; r < (rows - 1) * v->stride + 3; r++)
        b->line[r] = first + r >= 0 && first + r < v->h ? image + (first + r) * v->w * v->c : NULL;
}

SIMD void set_columns(const Window *v, int64_t at, Block *b)
{
    const int64_t first = at * v->stride - v->pad[1];
    b->first = first * v->c;
    b->columns = min64(COLUMNS, v->ow - at);
    b->edge = b->columns < COLUMNS;
    for (int64_t j = 0; j < (COLUMNS - 1) * v->stride + 3; j++) {
        b->inside[j] = first + j >= 0 && first + j < v->w;
        b->edge |= !b->inside[j];
    }
}

/* p + offset, which may lie outside what p points into. */
SIMD const float *moved(const float *p, int64_t offset)
{
    return (const float *)((uintptr_t)p + (uintptr_t)offset * sizeof *p);
}

/* One vector of channels of a line, from its first column on; of edges only what is inside, the
 * rest zeros. */
SIMD void load_line(const float *from, int64_t pitch, int stride, bool edge, const vm *mask,
                    vf in[MOST_COLUMNS])
{
#pragma GCC unroll 9
    for (int j = 0; j < (COLUMNS - 1) * stride + 3; j++) {
        const float *at = moved(from, j * pitch);
        in[j] = edge ? vf_load_m(at, mask[j]) : vf_load(at);
    }
}

SIMD void set_masks(const Block *b, int64_t lanes, vm mask[MOST_COLUMNS])
{
    for (int j = 0; j < MOST_COLUMNS; j++) mask[j] = vf_mask(b->inside[j] ? lanes : 0);
}

/* Asks for n cache lines from p + offset; they may lie outside what p points into. */
SIMD void ask(const float *p, int64_t offset, int n)
{
#pragma GCC unroll 16
    for (int j = 0; j < n; j++) __builtin_prefetch(moved(p, offset + j * CHUNK), 0, 2);
}

/* Whether a pass over so many floats comes from memory. Caches drop some of the requests that come
 * while many wait; such a pass asks twice. (20 MiB, on 32 MiB of L3.) */
SIMD bool asks_twice(int64_t floats)
{
    return floats >= (int64_t)5 << 20;
}

#endif
