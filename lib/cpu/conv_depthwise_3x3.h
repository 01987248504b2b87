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
enum { SOON = 2 };        /* blocks from the last request of a pixel to its use */
enum { BEFORE = 3 };      /* and from the last but one to the last */
enum { MAX_CHUNKS = 16 }; /* of images, in the gradient to the weights */

/* A pass as its blocks see it: the "input" of a gradient to the input is dy. */
typedef struct Window {
    int64_t n, h, w, oh, ow, c, stride, pad[2];
    const float *x;
    const float *weights; /* (taps, pitch) */
    int64_t pitch;        /* c padded to whole vectors */
    float *y;
    bool stream, descending; /* how y is stored; the order of vectors of channels */
    bool from_memory;        /* see the function */
} Window;

/* Outputs row..row+rows by `columns` of an image, and the pixels that they read. */
typedef struct Block {
    const float *line[MOST_LINES]; /* at pixel 0; NULL outside the image */
    int64_t first;                 /* floats from there to the first column read, perhaps < 0 */
    bool inside[MOST_COLUMNS];
    int64_t row, rows, columns;
    int kind; /* its code in KINDS, or 0 */
} Block;

/* How a block is compiled: outputs, and whether the first and the last column of input are outside;
 * masks take any. */
typedef struct Kind {
    int stride, columns;
    bool left, right, masked;
} Kind;

/* Those that a padding of 1 gives, each with a code. */
// clang-format off
#define KINDS(X) \
    X(104, 1, 4, false, false) X(124, 1, 4, true, false) \
    X(111, 1, 1, false, true) X(112, 1, 2, false, true) X(113, 1, 3, false, true) X(114, 1, 4, false, true) \
    X(204, 2, 4, false, false) X(224, 2, 4, true, false) \
    X(201, 2, 1, false, false) X(202, 2, 2, false, false) X(203, 2, 3, false, false)
// clang-format on

/* Whether a pass comes from memory. Caches drop some of the requests that come while many wait, and
 * each of those costs a miss of its own, so that such a pass asks again, nearer. (20 MiB, on
 * 32 MiB of L3.) */
SIMD bool from_memory(const ConvShape *s)
{
    return s->n * (s->h * s->w + s->oh * s->ow) * s->c >= (int64_t)5 << 20;
}

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
        .pitch = padded_columns(s->c),
        .from_memory = from_memory(s)
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

/* The kind of a block that reads n_in columns. */
SIMD int kind_of(const Block *b, int64_t stride, int64_t n_in)
{
    const bool left = !b->inside[0], right = !b->inside[n_in - 1];
    bool known = true;
    for (int64_t j = left; j < n_in - right; j++) known = known && b->inside[j];
    if (!known) return 0;
    switch (stride * 100 + left * 20 + right * 10 + b->columns) {
#define CASE(code, ...)                                                                            \
    case code:                                                                                     \
        return code;
        KINDS(CASE)
#undef CASE
    default:
        return 0;
    }
}

SIMD void set_columns(const Window *v, int64_t at, Block *b)
{
    const int64_t first = at * v->stride - v->pad[1], most = (COLUMNS - 1) * v->stride + 3;
    b->first = first * v->c;
    b->columns = min64(COLUMNS, v->ow - at);
    if (b->columns == COLUMNS && first >= 0 && first + most <= v->w) {
        for (int64_t j = 0; j < MOST_COLUMNS; j++) b->inside[j] = true;
        b->kind = v->stride == 1 ? 104 : 204;
        return;
    }
    for (int64_t j = 0; j < most; j++) b->inside[j] = first + j >= 0 && first + j < v->w;
    b->kind = kind_of(b, v->stride, (b->columns - 1) * v->stride + 3);
}

/* p + offset, which may lie outside what p points into. */
SIMD const float *moved(const float *p, int64_t offset)
{
    return (const float *)((uintptr_t)p + (uintptr_t)offset * sizeof *p);
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

/* The last two requests of such a pass, the latter at `soon`, the other `before` further. */
SIMD void ask_again(const float *p, int64_t soon, int64_t before, int n)
{
    ask(p, soon + before, n);
    ask(p, soon, n);
}

#endif
