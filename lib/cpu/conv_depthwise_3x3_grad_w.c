/* conv_depthwise_3x3_grad_w -- 3x3 kernels of stride 1 or 2, one channel a group: the gradient to
 * the weights.
 *
 * Order: a chain from zero over strips of STRIP rows of dy, in them over blocks of COLUMNS, in
 * those over rows; strips are added in ascending order within at most MAX_CHUNKS chunks of images,
 * chunks in ascending order. Rows of the input outside it are left out; columns outside are too or
 * take part with zeros, which for finite numbers is the same: a total starts as +0, so that no
 * zero's sign reaches it.
 *
 * Threads split chunks and parts of the channels. */
#include "cpu/conv_depthwise_3x3.h"

enum { PART = 256 };                      /* channels whose sums stay in L1 */
enum { UNROLLED = VL == 16 ? STRIP : 1 }; /* rows of a block; code for few registers only grows */
enum { SMALL = 16 };                      /* blocks of a small image */

/* A block as its vectors of channels see it. */
typedef struct Outer {
    Block b;
    const float *dy;  /* its first output */
    bool first, last; /* of the strip */
    /* A share of what the strip below reads first, in memory order, and the block after SOON. */
    const float *far, *dy_far, *soon, *dy_soon;
    vm mask[MOST_COLUMNS], dy_mask[COLUMNS];
} Outer;

/* Channels from `begin` on; sums (taps, PART) are the strip's so far, total (taps, channels). */
typedef struct Part {
    int64_t begin, end;
    float *sums, *total;
    bool fresh; /* the totals are zero and not written yet */
} Part;

/* The lines that the strip below reads first follow each other in memory, and so do those of dy: a
 * block at column `at` asks for as many pixels as it reads, from where the one before it ended. */
static void set_far(const Window *v, const float *image, const float *dy, int64_t at, Outer *u)
{
    const int64_t line = (u->b.row + STRIP) * v->stride - v->pad[0] + 3 - v->stride;
    u->far = moved(image, (line * v->w + STRIP * v->stride * v->stride * at) * v->c);
    u->dy_far = moved(dy, STRIP * (v->ow + at) * v->c);
}

static void set_soon(const Window *v, const float *image, const float *dy, int64_t at, Outer *u)
{
    const int64_t row_end = ceil_div(v->ow, COLUMNS) * COLUMNS, to = at + SOON * COLUMNS;
    const int64_t down = to < row_end ? 0 : STRIP, column = to < row_end ? to : to - row_end;
    const int64_t fresh = 3 - v->stride; /* of a block's lines, and of their pixels */
    const int64_t line = (u->b.row + down) * v->stride - v->pad[0] + fresh;
    const int64_t pixel = column * v->stride - v->pad[1] + fresh;
    u->soon = moved(image, (line * v->w + pixel) * v->c);
    u->dy_soon = moved(dy, (down * v->ow + column) * v->c);
}

/* Vector c's share of that for row o of the block, in three steps between its sums. */
SIMD void ask_ahead(const Window *v, const Outer *u, int stride, int64_t c, int64_t o, int step)
{
    const int n = COLUMNS * stride * stride * VL / CHUNK, n_dy = COLUMNS * VL / CHUNK;
    const int half = (n + 1) / 2, n_x = step == 0 ? half : n - half;
    const int64_t line = v->w * v->c;
    if (step == 2) {
        ask(u->dy_far, c * STRIP * COLUMNS + o * n_dy * CHUNK, n_dy);
        if (v->from_memory)
            ask_again(u->dy_soon, c * COLUMNS + o * v->ow * v->c, BEFORE * COLUMNS * v->c, n_dy);
        return;
    }
    ask(u->far, c * STRIP * COLUMNS * stride * stride + (o * n + step * half) * CHUNK, n_x);
    if (v->from_memory)
        ask_again(u->soon,
                  c * COLUMNS * stride + o * stride * line +
                      step * (stride == 2 ? line : half * CHUNK),
                  BEFORE * COLUMNS * stride * v->c, n_x);
}

/* sum (three columns of the kernel) += one row of dy by one line of x. */
SIMD void outer_line(const Kind k, const vf d[COLUMNS], const vf in[MOST_COLUMNS], vf sum[3])
{
    const int last = (k.columns - 1) * k.stride + 3 - k.right;
#pragma GCC unroll 4
    for (int q = 0; q < k.columns; q++)
#pragma GCC unroll 3
        for (int kx = 0; kx < 3; kx++) {
            const int j = q * k.stride + kx;
            if (j >= k.left && j < last) sum[kx] = vf_fma(in[j], d[q], sum[kx]);
        }
}

/* -- Large images: a block at a time, its vectors in memory order */

/* sum (taps) += one vector of a block, a row of dy at a time. */
SIMD void outer_rows(const Window *v, const Outer *u, const Kind k, int64_t c, vf sum[9])
{
    const int last = (k.columns - 1) * k.stride + 3 - k.right;
    const float *dy = u->dy + c;
#pragma GCC unroll UNROLLED
    for (int o = 0; o < STRIP; o++, dy += v->ow * v->c) {
        if (o >= u->b.rows) break;
        vf d[COLUMNS];
#pragma GCC unroll 4
        for (int q = 0; q < k.columns; q++)
            d[q] = k.masked ? vf_load_m(dy + q * v->c, u->dy_mask[q]) : vf_load(dy + q * v->c);
#pragma GCC unroll 3
        for (int ky = 0; ky < 3; ky++) {
            const float *line = u->b.line[o * k.stride + ky];
            ask_ahead(v, u, k.stride, c, o, ky);
            if (!line) continue;
            line = moved(line, u->b.first + c);
            vf in[MOST_COLUMNS];
#pragma GCC unroll 9
            for (int j = k.left; j < last; j++)
                in[j] = k.masked ? vf_load_m(moved(line, j * v->c), u->mask[j])
                                 : vf_load(moved(line, j * v->c));
            outer_line(k, d, in, sum + ky * 3);
        }
    }
}

SIMD void outer_vector(const Window *v, const Outer *u, const Kind k, int64_t c, int64_t lanes,
                       const Part *p)
{
    float *sums = p->sums + (c - p->begin);
    vf sum[9];
#pragma GCC unroll 9
    for (int t = 0; t < 9; t++) sum[t] = u->first ? vf_zero() : vf_load(sums + t * PART);
    outer_rows(v, u, k, c, sum);
#pragma GCC unroll 9
    for (int t = 0; t < 9; t++) {
        float *to = p->total + (c - p->begin) + t * v->c;
        if (!u->last)
            vf_store(sums + t * PART, sum[t]);
        else if (k.masked)
            vf_store_n(to, (p->fresh ? vf_zero() : vf_load_n(to, lanes)) + sum[t], lanes);
        else
            vf_store(to, (p->fresh ? vf_zero() : vf_load(to)) + sum[t]);
    }
}

/* Channels c..p->end of a block of any kind. */
static void outer_masked(const Window *v, Outer *u, int64_t c, const Part *p)
{
    for (; c < p->end; c += VL) {
        const int64_t lanes = min64(VL, p->end - c);
        set_masks(&u->b, lanes, u->mask);
        for (int q = 0; q < COLUMNS; q++) u->dy_mask[q] = vf_mask(q < u->b.columns ? lanes : 0);
        if (v->stride == 1)
            outer_vector(v, u, (Kind){1, COLUMNS, false, false, true}, c, lanes, p);
        else
            outer_vector(v, u, (Kind){2, COLUMNS, false, false, true}, c, lanes, p);
    }
}

SIMD void outer_kind(const Window *v, Outer *u, const Kind k, const Part *p)
{
    int64_t c = p->begin;
    for (; c + VL <= p->end; c += VL) outer_vector(v, u, k, c, VL, p);
    if (c < p->end) outer_masked(v, u, c, p);
}

static void outer_block(const Window *v, Outer *u, const Part *p)
{
    switch (u->b.kind) {
#define CASE(code, ...)                                                                            \
    case code:                                                                                     \
        outer_kind(v, u, (Kind){__VA_ARGS__, false}, p);                                           \
        break;
        KINDS(CASE)
#undef CASE
    default:
        outer_masked(v, u, p->begin, p);
    }
}

/* p->total += the sums of one strip of an image. */
static void outer_strip(const Window *v, const float *dy, int64_t image, int64_t row, const Part *p)
{
    const float *x = v->x + image * v->h * v->w * v->c;
    Outer u = {
        .b = {.row = row, .rows = min64(STRIP, v->oh - row)}
    };
    set_lines(v, x, STRIP, &u.b);
    dy += (image * v->oh + row) * v->ow * v->c;
    for (int64_t at = 0; at < v->ow; at += COLUMNS) {
        u.dy = dy + at * v->c, u.first = at == 0, u.last = at + COLUMNS >= v->ow;
        set_columns(v, at, &u.b);
        set_far(v, x, dy, at, &u);
        set_soon(v, x, dy, at, &u);
        outer_block(v, &u, p);
    }
}

/* -- Small images: a vector at a time, its sums and totals in registers over all blocks */

/* Sets the n blocks of an image; false when masks are wanted. */
static bool set_blocks(const Window *v, const float *dy, int64_t image, Outer u[SMALL])
{
    const float *x = v->x + image * v->h * v->w * v->c;
    dy += image * v->oh * v->ow * v->c;
    for (int64_t row = 0; row < v->oh; row += STRIP)
        for (int64_t at = 0; at < v->ow; at += COLUMNS, u++) {
            u->b.row = row, u->b.rows = min64(STRIP, v->oh - row);
            set_lines(v, x, STRIP, &u->b);
            set_columns(v, at, &u->b);
            u->dy = dy + (row * v->ow + at) * v->c, u->last = at + COLUMNS >= v->ow;
            if (u->b.kind == 0) return false;
        }
    return true;
}

/* Pixels begin..end; asks for those of the vector after the next. */
SIMD void load_pixels(const float *from, int64_t pitch, int begin, int end, vf in[])
{
#pragma GCC unroll 9
    for (int j = begin; j < end; j++) {
        const float *at = moved(from, j * pitch);
        in[j] = vf_load(at);
        ask(at, 2 * CHUNK, 1);
    }
}

/* sum (taps) += one vector of a block, a line of x at a time, loaded once for the rows of dy that
 * it meets: AVX-512 multiplies one vector a cycle and loads one. */
SIMD void outer_lines(const Window *v, const Outer *u, const Kind k, int64_t c, vf sum[9])
{
    const int last = (k.columns - 1) * k.stride + 3 - k.right;
    vf d[STRIP][COLUMNS], in[MOST_COLUMNS];
#pragma GCC unroll 16
    for (int i = 0; i < STRIP * COLUMNS; i++) d[i / COLUMNS][i % COLUMNS] = vf_zero();
#pragma GCC unroll 9
    for (int r = 0; r < (STRIP - 1) * k.stride + 3; r++) {
        const int newest = r / k.stride, oldest = r < 2 ? 0 : (r - 2 + k.stride - 1) / k.stride;
        if (oldest >= u->b.rows) break;
        if (r % k.stride == 0 && newest < STRIP && newest < u->b.rows)
            load_pixels(u->dy + newest * v->ow * v->c + c, v->c, 0, k.columns, d[newest]);
        if (!u->b.line[r]) continue;
        load_pixels(moved(u->b.line[r], u->b.first + c), v->c, k.left, last, in);
#pragma GCC unroll 4
        for (int o = oldest; o < STRIP; o++) {
            const int ky = r - o * k.stride;
            if (ky >= 0 && o < u->b.rows) outer_line(k, d[o], in, sum + ky * 3);
        }
    }
}

SIMD void outer_image(const Window *v, const Outer *u, int64_t n, int stride, const Part *p)
{
    for (int64_t c = p->begin; c < p->end; c += VL) {
        float *to = p->total + (c - p->begin);
        vf sum[9], total[9];
#pragma GCC unroll 9
        for (int t = 0; t < 9; t++)
            sum[t] = vf_zero(), total[t] = p->fresh ? vf_zero() : vf_load(to + t * v->c);
        for (const Outer *b = u; b < u + n; b++) {
            switch (b->b.kind) {
#define CASE(code, s, ...)                                                                         \
    case code:                                                                                     \
        if (s == stride) outer_lines(v, b, (Kind){s, __VA_ARGS__, false}, c, sum);                 \
        break;
                KINDS(CASE)
#undef CASE
            default:
                break;
            }
            if (!b->last) continue;
#pragma GCC unroll 9
            for (int t = 0; t < 9; t++) total[t] += sum[t], sum[t] = vf_zero();
        }
#pragma GCC unroll 9
        for (int t = 0; t < 9; t++) vf_store(to + t * v->c, total[t]);
    }
}

/* False when the image is none of these, or registers are few. */
static bool outer_small(const Window *v, const float *dy, int64_t image, const Part *p)
{
    const int64_t n = ceil_div(v->oh, STRIP) * ceil_div(v->ow, COLUMNS);
    Outer u[SMALL];
    if (n > SMALL || VL < 16 || (p->end - p->begin) % VL || v->from_memory) return false;
    if (!set_blocks(v, dy, image, u)) return false;
    if (v->stride == 1)
        outer_image(v, u, n, 1, p);
    else
        outer_image(v, u, n, 2, p);
    return true;
}

/* -- All images */

/* total[tap][c] of images i0..i1, channels c0..c1. */
static void add_images(const Window *v, const float *dy, int64_t i0, int64_t i1, int64_t c0,
                       int64_t c1, float *total)
{
    _Alignas(64) float sums[9 * PART];
    for (int64_t i = i0; i < i1; i++) {
        const Part all = {c0, c1, NULL, total + c0, i == i0};
        if (outer_small(v, dy, i, &all)) continue;
        for (int64_t row = 0; row < v->oh; row += STRIP)
            for (int64_t c = c0; c < c1; c += PART) {
                const Part p = {c, min64(c1, c + PART), sums, total + c, i == i0 && row == 0};
                outer_strip(v, dy, i, row, &p);
            }
    }
}

/* dw (C, taps) from the totals (taps, C) of all chunks. */
static void add_chunks(int64_t channels, int64_t chunks, const float *total, float *dw)
{
    for (int64_t c = 0; c < channels; c += VL) {
        const int64_t lanes = min64(VL, channels - c);
        for (int64_t t = 0; t < 9; t++) {
            const float *from = total + t * channels + c;
            float lane[VL];
            vf sum = vf_load_n(from, lanes);
            for (int64_t i = 1; i < chunks; i++) {
                from += 9 * channels;
                sum += lanes == VL ? vf_load(from) : vf_load_n(from, lanes);
            }
            vf_store(lane, sum);
            for (int64_t l = 0; l < lanes; l++) dw[(c + l) * 9 + t] = lane[l];
        }
    }
}

void depthwise_3x3_grad_w(const ConvShape *s, const float *x, const float *dy, float *dw,
                          void *scratch)
{
    Window v = window_of(s);
    const int64_t chunks = depthwise_3x3_chunks(s), size = 9 * s->c,
                  vectors = ceil_div(s->c, CHUNK);
    float *sums = scratch;
    const int threads = work_threads(chunks * vectors, work(&v));
    const int64_t slices = min64(vectors, ceil_div(threads, max64(1, chunks)));
    v.x = x;
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
    for (int64_t u = 0; u < chunks * slices; u++) {
        const int64_t i = u / slices, slice = u % slices;
        add_images(&v, dy, part_begin(s->n, chunks, i), part_begin(s->n, chunks, i + 1),
                   part_begin(vectors, slices, slice) * CHUNK,
                   min64(s->c, part_begin(vectors, slices, slice + 1) * CHUNK), sums + i * size);
    }
    add_chunks(s->c, chunks, sums, dw);
}
