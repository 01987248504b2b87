/* conv_depthwise_3x3 -- 3x3 kernels of stride 1 or 2, one channel a group: vectors over channels.
 *
 * A block is a few rows of outputs by COLUMNS, for one vector of channels after the other, so that
 * memory is read in order. Its sums stay in registers; a pixel of the input is loaded once for all
 * outputs of the block that it meets, where a row at a time would load it nine times. The blocks of
 * the next rows come from memory meanwhile.
 *
 * Order: an output is a chain of fused multiply-adds from zero over the taps, ascending; rows of
 * the kernel outside the input are left out, columns outside take part with zeros. The gradient to
 * the input with stride 1 is that sum over dy with the kernel turned by 180 degrees; with stride 2
 * each pixel has one, two or four taps, ascending, those outside dy taking part with zeros. The
 * gradient to the weights is a chain from zero over strips of STRIP rows of dy, in them over blocks
 * of COLUMNS, in those over rows; strips are added in ascending order within at most MAX_CHUNKS
 * chunks of images, chunks in ascending order.
 *
 * Threads split strips, for the weights chunks and parts of the channels. */
#include "cpu/conv_inner.h"

#include <string.h>

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
enum { MAX_CHUNKS = 16 };
enum { PART = 256 }; /* channels whose sums stay in L1 in the gradient to the weights */

/* A pass as its blocks see it: the "input" of a gradient to the input is dy. */
typedef struct Window {
    int64_t n, h, w, oh, ow, c, stride, pad[2];
    const float *x;
    const float *weights; /* (taps, pitch) */
    int64_t pitch;        /* c padded to whole vectors */
    float *y;
    bool stream;
} Window;

/* Outputs row..row+rows by `columns` of an image, and the pixels that they read. */
typedef struct Block {
    const float *line[MOST_LINES]; /* at pixel 0; NULL outside the image */
    int64_t first;                 /* floats from there to the first column read, perhaps < 0 */
    bool inside[MOST_COLUMNS];
    bool edge; /* not all of them are */
    int64_t row, rows, columns;
    const float *ahead, *dy_ahead; /* a gradient's share of what the strip below reads first */
} Block;

bool depthwise_3x3_fits(const ConvShape *s)
{
    const int64_t stride = s->stride[0];
    return s->kh == 3 && s->kw == 3 && s->dilation[0] == 1 && s->dilation[1] == 1 &&
           stride == s->stride[1] &&
           (stride == 1 ? s->pad[0] <= 2 && s->pad[1] <= 2
                        : stride == 2 && s->pad[0] == 1 && s->pad[1] == 1);
}

static int64_t n_chunks(const ConvShape *s)
{
    return min64(MAX_CHUNKS, s->n);
}

size_t depthwise_3x3_scratch(const ConvShape *s)
{
    return (size_t)(9 * max64(padded_columns(s->c), n_chunks(s) * s->c)) * sizeof(float);
}

/* (C, taps) to (taps, pitch), zeros behind. */
static void pack(const ConvShape *s, const float *w, bool turned, float *packed)
{
    const int64_t pitch = padded_columns(s->c);
    for (int64_t c = 0; c < pitch; c++)
        for (int64_t t = 0; t < 9; t++)
            packed[t * pitch + c] = c < s->c ? w[c * 9 + (turned ? 8 - t : t)] : 0;
}

/* The lines that `rows` outputs from b->row read. */
static void set_lines(const Window *v, const float *image, int64_t rows, Block *b)
{
    const int64_t first = b->row * v->stride - v->pad[0];
    for (int64_t r = 0; r < (rows - 1) * v->stride + 3; r++)
        b->line[r] = first + r >= 0 && first + r < v->h ? image + (first + r) * v->w * v->c : NULL;
}

static void set_columns(const Window *v, int64_t at, Block *b)
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

static void set_masks(const Block *b, int64_t lanes, vm mask[MOST_COLUMNS])
{
    for (int j = 0; j < MOST_COLUMNS; j++) mask[j] = vf_mask(b->inside[j] ? lanes : 0);
}

/* Asks for the share of vector c of n neighbouring pixels: n lines in memory order, as the caches'
 * own streams run. */
SIMD void ask(const float *from, int64_t c, int n)
{
#pragma GCC unroll 16
    for (int j = 0; j < n; j++) __builtin_prefetch(moved(from, c * n + j * CHUNK), 0, 2);
}

/* The pixels that the block `rows` further down reads first. */
SIMD void ask_below(const Window *v, const Block *b, int rows, int stride, int64_t c)
{
    const int64_t below = rows * stride * v->w * v->c + b->first;
    if (c % CHUNK != 0) return; /* has asked for the whole line */
    for (int r = 3 - stride; r < (rows - 1) * stride + 3; r++)
        if (b->line[r]) ask(moved(b->line[r], below), c, COLUMNS * stride);
}

/* -- Forward, and gradient to the input with stride 1 */

SIMD void store(const Window *v, float *to, vf x, int64_t lanes)
{
    if (lanes < VL)
        vf_store_n(to, x, lanes);
    else if (v->stream)
        vf_stream(to, x);
    else
        vf_store(to, x);
}

SIMD void sum_vector(const Window *v, const Block *b, int rows, int stride, bool edge,
                     const vm *mask, int64_t lanes, int64_t c, float *out)
{
    vf sum[ROWS][COLUMNS];
#pragma GCC unroll 4
    for (int o = 0; o < rows; o++)
#pragma GCC unroll 4
        for (int q = 0; q < COLUMNS; q++) sum[o][q] = vf_zero();
#pragma GCC unroll 9
    for (int r = 0; r < (rows - 1) * stride + 3; r++) {
        if (!b->line[r]) continue;
        vf in[MOST_COLUMNS];
        load_line(moved(b->line[r], b->first + c), v->c, stride, edge, mask, in);
#pragma GCC unroll 4
        for (int o = 0; o < rows; o++) {
            const int ky = r - o * stride;
            if (ky < 0 || ky > 2) continue;
#pragma GCC unroll 3
            for (int kx = 0; kx < 3; kx++) {
                const vf w = vf_load(v->weights + (ky * 3 + kx) * v->pitch + c);
#pragma GCC unroll 4
                for (int q = 0; q < COLUMNS; q++)
                    sum[o][q] = vf_fma(in[q * stride + kx], w, sum[o][q]);
            }
        }
    }
#pragma GCC unroll 4
    for (int o = 0; o < rows; o++) {
        if (o >= b->rows) break;
#pragma GCC unroll 4
        for (int q = 0; q < COLUMNS; q++)
            if (!edge || q < b->columns)
                store(v, out + (o * v->ow + q) * v->c + c, sum[o][q], lanes);
    }
}

SIMD void sum_block(const Window *v, const Block *b, int rows, int stride, float *out)
{
    vm mask[MOST_COLUMNS];
    int64_t c = 0;
    if (!b->edge) {
        for (; c + VL <= v->c; c += VL) {
            ask_below(v, b, rows, stride, c);
            sum_vector(v, b, rows, stride, false, NULL, VL, c, out);
        }
        if (c == v->c) return;
    }
    set_masks(b, min64(VL, v->c - c), mask);
    for (; c < v->c; c += VL) {
        const int64_t lanes = min64(VL, v->c - c);
        if (lanes < VL) set_masks(b, lanes, mask);
        ask_below(v, b, rows, stride, c);
        sum_vector(v, b, rows, stride, true, mask, lanes, c, out);
    }
}

/* Unit u is ROWS rows of outputs of one image. */
static void sum_strip(const Window *v, int64_t u)
{
    const int64_t n_strips = ceil_div(v->oh, ROWS), image = u / n_strips;
    const int64_t end = min64(v->oh, (u % n_strips + 1) * ROWS);
    Block b = {.row = u % n_strips * ROWS};
    while (b.row < end) {
        /* With a stride the input is most of the traffic: fewer lines of it at once. */
        const bool few = v->stride == 2 || end - b.row <= FEW_ROWS;
        b.rows = min64(few ? FEW_ROWS : ROWS, end - b.row);
        set_lines(v, v->x + image * v->h * v->w * v->c, few ? FEW_ROWS : ROWS, &b);
        for (int64_t at = 0; at < v->ow; at += COLUMNS) {
            float *out = v->y + ((image * v->oh + b.row) * v->ow + at) * v->c;
            set_columns(v, at, &b);
            if (v->stride == 1 && few)
                sum_block(v, &b, FEW_ROWS, 1, out);
            else if (v->stride == 1)
                sum_block(v, &b, ROWS, 1, out);
            else
                sum_block(v, &b, FEW_ROWS, 2, out);
        }
        b.row += b.rows;
    }
}

static double work(const Window *v)
{
    return 9 * (double)(v->n * v->oh * v->ow) * (double)v->c;
}

static bool streams(const Window *v, int64_t floats)
{
    return v->c % VL == 0 && simd_lead(v->y) == 0 && simd_streams(floats);
}

static void sum_all(Window *v)
{
    const int64_t n_units = v->n * ceil_div(v->oh, ROWS);
    const int threads = work_threads(n_units, work(v));
    v->stream = streams(v, v->n * v->oh * v->ow * v->c);
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
    for (int64_t u = 0; u < n_units; u++) sum_strip(v, u);
}

static Window window_of(const ConvShape *s)
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

void depthwise_3x3_forward(const ConvShape *s, const float *x, const float *w, float *y,
                           void *scratch)
{
    Window v = window_of(s);
    v.x = x, v.weights = scratch, v.y = y;
    pack(s, w, false, scratch);
    sum_all(&v);
}

/* -- Gradient to the input with stride 2 and a padding of 1 */

/* The four pixels of dx at (2 i, 2 j) from dy at (i, j), (i, j + 1) and the row below, for COLUMNS
 * j; `below` is NULL past the last row. */
SIMD void spread_vector(const Window *v, const float *dy, const float *below, const vm *mask,
                        int64_t lanes, const int64_t out[2], int64_t columns, int64_t c)
{
    const float *w = v->weights + c;
    vf a[COLUMNS + 1], b[COLUMNS + 1], k[9];
#pragma GCC unroll 5
    for (int j = 0; j <= COLUMNS; j++) {
        a[j] = vf_load_m(dy + j * v->c + c, mask[j]);
        b[j] = below ? vf_load_m(below + j * v->c + c, mask[j]) : vf_zero();
    }
#pragma GCC unroll 9
    for (int t = 0; t < 9; t++) k[t] = vf_load(w + t * v->pitch);
#pragma GCC unroll 4
    for (int q = 0; q < COLUMNS; q++) {
        float *to = v->y + out[0] + 2 * q * v->c + c, *under = v->y + out[1] + 2 * q * v->c + c;
        const bool left = 2 * q < columns, right = 2 * q + 1 < columns;
        if (left) store(v, to, vf_fma(a[q], k[4], vf_zero()), lanes);
        if (right)
            store(v, to + v->c, vf_fma(a[q], k[5], vf_fma(a[q + 1], k[3], vf_zero())), lanes);
        if (out[1] < 0) continue;
        if (left) store(v, under, vf_fma(a[q], k[7], vf_fma(b[q], k[1], vf_zero())), lanes);
        const vf from_below = vf_fma(b[q], k[2], vf_fma(b[q + 1], k[0], vf_zero()));
        if (right)
            store(v, under + v->c, vf_fma(a[q], k[8], vf_fma(a[q + 1], k[6], from_below)), lanes);
    }
}

/* Row i of dy, image n: rows 2 i and 2 i + 1 of dx. */
static void spread_row(const Window *v, int64_t n, int64_t i)
{
    const float *dy = v->x + (n * v->h + i) * v->w * v->c;
    const float *below = i + 1 < v->h ? dy + v->w * v->c : NULL;
    for (int64_t j = 0; j < v->w; j += COLUMNS) {
        const int64_t at = ((n * v->oh + 2 * i) * v->ow + 2 * j) * v->c;
        const int64_t out[2] = {at, 2 * i + 1 < v->oh ? at + v->ow * v->c : -1};
        const int64_t inside = v->w - j, columns = v->ow - 2 * j;
        for (int64_t c = 0; c < v->c; c += VL) {
            const int64_t lanes = min64(VL, v->c - c);
            vm mask[COLUMNS + 1];
            for (int q = 0; q <= COLUMNS; q++) mask[q] = vf_mask(q < inside ? lanes : 0);
            spread_vector(v, dy + j * v->c, below ? below + j * v->c : NULL, mask, lanes, out,
                          columns, c);
        }
    }
}

static void spread_all(Window *v)
{
    const int threads = work_threads(v->n * v->h, work(v) / 4);
    v->stream = streams(v, v->n * v->oh * v->ow * v->c);
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
    for (int64_t u = 0; u < v->n * v->h; u++) spread_row(v, u / v->h, u % v->h);
}

void depthwise_3x3_grad_x(const ConvShape *s, const float *dy, const float *w, float *dx,
                          void *scratch)
{
    Window v = window_of(s);
    v.h = s->oh, v.w = s->ow, v.oh = s->h, v.ow = s->w;
    v.x = dy, v.weights = scratch, v.y = dx;
    v.pad[0] = 2 - s->pad[0], v.pad[1] = 2 - s->pad[1];
    pack(s, w, v.stride == 1, scratch);
    if (v.stride == 1)
        sum_all(&v);
    else
        spread_all(&v);
}

/* -- Gradient to the weights */

/* A block's part of the sums (taps, PART) of one vector of channels. */
SIMD void outer_vector(const Window *v, const Block *b, int stride, bool edge, const vm *mask,
                       const vm *dy_mask, const float *dy, int64_t c, float *sums)
{
    vf sum[9];
#pragma GCC unroll 9
    for (int t = 0; t < 9; t++) sum[t] = vf_load(sums + t * PART);
    for (int64_t o = 0; o < b->rows; o++, dy += v->ow * v->c) {
        vf d[COLUMNS];
#pragma GCC unroll 4
        for (int q = 0; q < COLUMNS; q++)
            d[q] = edge ? vf_load_m(dy + q * v->c, dy_mask[q]) : vf_load(dy + q * v->c);
#pragma GCC unroll 3
        for (int ky = 0; ky < 3; ky++) {
            const float *line = b->line[o * stride + ky];
            if (!line) continue;
            vf in[MOST_COLUMNS];
            load_line(moved(line, b->first + c), v->c, stride, edge, mask, in);
#pragma GCC unroll 4
            for (int q = 0; q < COLUMNS; q++)
#pragma GCC unroll 3
                for (int kx = 0; kx < 3; kx++)
                    sum[ky * 3 + kx] = vf_fma(in[q * stride + kx], d[q], sum[ky * 3 + kx]);
        }
    }
#pragma GCC unroll 9
    for (int t = 0; t < 9; t++) vf_store(sums + t * PART, sum[t]);
}

static void set_dy_masks(const Block *b, int64_t lanes, vm mask[COLUMNS])
{
    for (int q = 0; q < COLUMNS; q++) mask[q] = vf_mask(q < b->columns ? lanes : 0);
}

/* The lines that the strip below reads first follow each other in memory, and so do those of dy: a
 * block at column `at` asks for as many pixels as it reads, from where the one before it ended. */
static void set_ahead(const Window *v, const float *image, const float *dy, int64_t at, Block *b)
{
    const int64_t line = (b->row + STRIP) * v->stride - v->pad[0] + 3 - v->stride;
    b->ahead = moved(image, (line * v->w + STRIP * v->stride * v->stride * at) * v->c);
    b->dy_ahead = moved(dy, STRIP * (v->ow + at) * v->c);
}

SIMD void ask_ahead(const Block *b, int stride, int64_t c)
{
    if (c % CHUNK != 0) return; /* has asked for the whole line */
    ask(b->ahead, c, STRIP * stride * COLUMNS * stride);
    ask(b->dy_ahead, c, STRIP * COLUMNS);
}

/* Channels begin..end of one block; sums begins at channel `begin`. */
SIMD void outer_block(const Window *v, const Block *b, int stride, const float *dy, int64_t begin,
                      int64_t end, float *sums)
{
    vm mask[MOST_COLUMNS], dy_mask[COLUMNS];
    int64_t c = begin;
    if (!b->edge)
        for (; c + VL <= end; c += VL) {
            ask_ahead(b, stride, c);
            outer_vector(v, b, stride, false, NULL, NULL, dy + c, c, sums + c - begin);
        }
    if (c == end) return;
    set_masks(b, min64(VL, end - c), mask);
    set_dy_masks(b, min64(VL, end - c), dy_mask);
    for (; c < end; c += VL) {
        const int64_t lanes = min64(VL, end - c);
        if (lanes < VL) set_masks(b, lanes, mask), set_dy_masks(b, lanes, dy_mask);
        ask_ahead(b, stride, c);
        outer_vector(v, b, stride, true, mask, dy_mask, dy + c, c, sums + c - begin);
    }
}

/* sums[tap][c] += those of one strip of an image, channels begin..end, at most PART. */
static void outer_strip(const Window *v, const float *dy, int64_t image, int64_t row, int64_t begin,
                        int64_t end, float *sums)
{
    _Alignas(64) float strip[9 * PART] = {0};
    Block b = {.row = row, .rows = min64(STRIP, v->oh - row)};
    const float *x = v->x + image * v->h * v->w * v->c;
    set_lines(v, x, STRIP, &b);
    dy += (image * v->oh + row) * v->ow * v->c;
    for (int64_t at = 0; at < v->ow; at += COLUMNS) {
        set_columns(v, at, &b);
        set_ahead(v, x, dy, at, &b);
        if (v->stride == 1)
            outer_block(v, &b, 1, dy + at * v->c, begin, end, strip);
        else
            outer_block(v, &b, 2, dy + at * v->c, begin, end, strip);
    }
    for (int64_t t = 0; t < 9; t++, sums += v->c)
        for (int64_t c = 0; c < end - begin; c++) sums[begin + c] += strip[t * PART + c];
}

/* sums[tap][c] of images i0..i1, channels c0..c1. */
static void add_images(const Window *v, const float *dy, int64_t i0, int64_t i1, int64_t c0,
                       int64_t c1, float *sums)
{
    for (int64_t t = 0; t < 9; t++)
        memset(sums + t * v->c + c0, 0, (size_t)(c1 - c0) * sizeof *sums);
    for (int64_t i = i0; i < i1; i++)
        for (int64_t row = 0; row < v->oh; row += STRIP)
            for (int64_t c = c0; c < c1; c += PART)
                outer_strip(v, dy, i, row, c, min64(c1, c + PART), sums);
}

void depthwise_3x3_grad_w(const ConvShape *s, const float *x, const float *dy, float *dw,
                          void *scratch)
{
    Window v = window_of(s);
    const int64_t chunks = n_chunks(s), size = 9 * s->c, vectors = ceil_div(s->c, CHUNK);
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
    for (int64_t i = 1; i < chunks; i++)
        for (int64_t k = 0; k < size; k++) sums[k] += sums[i * size + k];
    for (int64_t c = 0; c < s->c; c++)
        for (int64_t t = 0; t < 9; t++) dw[c * 9 + t] = sums[t * s->c + c];
}
