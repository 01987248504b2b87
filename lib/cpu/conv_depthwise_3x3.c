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
 * each pixel has one, two or four taps, ascending, those outside dy taking part with zeros.
 *
 * Threads split strips. The gradient to the weights is in conv_depthwise_3x3_grad_w.c. */
#include "cpu/conv_depthwise_3x3.h"

bool depthwise_3x3_fits(const ConvShape *s)
{
    const int64_t stride = s->stride[0];
    return s->kh == 3 && s->kw == 3 && s->dilation[0] == 1 && s->dilation[1] == 1 &&
           stride == s->stride[1] &&
           (stride == 1 ? s->pad[0] <= 2 && s->pad[1] <= 2
                        : stride == 2 && s->pad[0] == 1 && s->pad[1] == 1);
}

size_t depthwise_3x3_scratch(const ConvShape *s)
{
    return (size_t)(9 * max64(padded_columns(s->c), depthwise_3x3_chunks(s) * s->c)) *
           sizeof(float);
}

/* (C, taps) to (taps, pitch), zeros behind. */
static void pack(const ConvShape *s, const float *w, bool turned, float *packed)
{
    const int64_t pitch = padded_columns(s->c);
    for (int64_t c = 0; c < pitch; c++)
        for (int64_t t = 0; t < 9; t++)
            packed[t * pitch + c] = c < s->c ? w[c * 9 + (turned ? 8 - t : t)] : 0;
}

/* Offsets from a line's pixel 0, in floats. */
typedef struct Ahead {
    int64_t below; /* to the pixels that the block further down reads first there */
    int64_t soon;  /* to those of the block after SOON, asked for again; 0: not */
} Ahead;

enum { STAY = VL == 16 }; /* weights in registers, where there are enough: loads are the limit */

static Ahead ahead_of(const Window *v, const Block *b, int64_t rows, int64_t at)
{
    const int64_t row_end = ceil_div(v->ow, COLUMNS) * COLUMNS, to = at + SOON * COLUMNS;
    const int64_t down = rows * v->stride * v->w * v->c;
    const int64_t pixel = (to < row_end ? to : to - row_end) * v->stride - v->pad[1];
    return (Ahead){down + b->first,
                   v->from_memory ? (pixel + 3 - v->stride) * v->c + (to < row_end ? 0 : down) : 0};
}

/* Vector c's share of those, between the sums of a line. */
SIMD void ask_below(const Window *v, const float *line, const Ahead *a, int stride, int64_t c)
{
    const int n = COLUMNS * stride * VL / CHUNK;
    const int64_t soon = a->soon + c * COLUMNS * stride;
    ask(line, a->below + c * COLUMNS * stride, n);
    if (!a->soon) return;
    if (stride == 2) /* more input an output */
        ask_again(line, soon, BEFORE * COLUMNS * stride * v->c, n);
    else
        ask(line, soon, n);
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

SIMD void sum_vector(const Window *v, const Block *b, const Ahead *a, int rows, const Kind k,
                     const vm *mask, int64_t lanes, int64_t c, float *out)
{
    const int n_in = (k.columns - 1) * k.stride + 3;
    vf sum[ROWS][COLUMNS], weight[9];
#pragma GCC unroll 9
    for (int t = 0; t < 9; t++) weight[t] = vf_load(v->weights + t * v->pitch + c);
#pragma GCC unroll 4
    for (int o = 0; o < rows; o++)
#pragma GCC unroll 4
        for (int q = 0; q < k.columns; q++) sum[o][q] = vf_zero();
#pragma GCC unroll 9
    for (int r = 0; r < (rows - 1) * k.stride + 3; r++) {
        if (!b->line[r]) continue;
        const float *line = moved(b->line[r], b->first + c);
        vf in[MOST_COLUMNS];
#pragma GCC unroll 9
        for (int j = 0; j < n_in; j++) {
            if (j < k.left || j >= n_in - k.right)
                in[j] = vf_zero();
            else
                in[j] = k.masked ? vf_load_m(moved(line, j * v->c), mask[j])
                                 : vf_load(moved(line, j * v->c));
        }
        if (r >= 3 - k.stride) ask_below(v, b->line[r], a, k.stride, c);
#pragma GCC unroll 4
        for (int o = 0; o < rows; o++) {
            const int ky = r - o * k.stride;
            if (ky < 0 || ky > 2) continue;
#pragma GCC unroll 3
            for (int kx = 0; kx < 3; kx++) {
                const vf w =
                    STAY ? weight[ky * 3 + kx] : vf_load(v->weights + (ky * 3 + kx) * v->pitch + c);
#pragma GCC unroll 4
                for (int q = 0; q < k.columns; q++)
                    sum[o][q] = vf_fma(in[q * k.stride + kx], w, sum[o][q]);
            }
        }
    }
#pragma GCC unroll 4
    for (int o = 0; o < rows; o++) {
        if (o >= b->rows) break;
#pragma GCC unroll 4
        for (int q = 0; q < k.columns; q++)
            if (!k.masked || q < b->columns)
                store(v, out + (o * v->ow + q) * v->c + c, sum[o][q], lanes);
    }
}

/* Vectors c..end of a block of any kind. */
SIMD void sum_masked(const Window *v, const Block *b, const Ahead *a, int rows, int stride,
                     int64_t c, float *out)
{
    vm mask[MOST_COLUMNS];
    for (; c < v->c; c += VL) {
        const int64_t lanes = min64(VL, v->c - c);
        set_masks(b, lanes, mask);
        sum_vector(v, b, a, rows, (Kind){stride, COLUMNS, false, false, true}, mask, lanes, c, out);
    }
}

SIMD void sum_kind(const Window *v, const Block *b, const Ahead *a, int rows, const Kind k,
                   float *out)
{
    const int64_t whole = v->c / VL * VL;
    for (int64_t i = 0; i < whole; i += VL)
        sum_vector(v, b, a, rows, k, NULL, VL, v->descending ? whole - VL - i : i, out);
}

SIMD void sum_block(const Window *v, const Block *b, const Ahead *a, int rows, int stride,
                    float *out)
{
    switch (b->kind) {
#define CASE(code, s, ...)                                                                         \
    case code:                                                                                     \
        if (s == stride) sum_kind(v, b, a, rows, (Kind){s, __VA_ARGS__, false}, out);              \
        break;
        KINDS(CASE)
#undef CASE
    default:
        break;
    }
    sum_masked(v, b, a, rows, stride, b->kind ? v->c / VL * VL : 0, out);
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
            const Ahead ahead = ahead_of(v, &b, few ? FEW_ROWS : ROWS, at);
            if (v->stride == 1 && few)
                sum_block(v, &b, &ahead, FEW_ROWS, 1, out);
            else if (v->stride == 1)
                sum_block(v, &b, &ahead, ROWS, 1, out);
            else
                sum_block(v, &b, &ahead, FEW_ROWS, 2, out);
        }
        b.row += b.rows;
    }
}

static bool streams(const Window *v, int64_t floats)
{
    return v->c % VL == 0 && simd_lead(v->y) == 0 && simd_streams(floats);
}

/* A load waits for an earlier store to the same place modulo 4096, as it looks like one from there
 * until both addresses are compared in full. When pixels lie some large power of two apart and the
 * output a little further than the input, stores would meet the loads of the next vectors. */
static bool meets_stores(const Window *v)
{
    const uintptr_t pitch = (uintptr_t)v->c * sizeof(float), apart = pitch & (~pitch + 1);
    const uintptr_t modulus = apart < 4096 ? apart : 4096;
    const uintptr_t further = ((uintptr_t)v->y - (uintptr_t)v->x) % modulus;
    return modulus >= 1024 && further > 0 && further < modulus / 2;
}

static void sum_all(Window *v)
{
    const int64_t n_units = v->n * ceil_div(v->oh, ROWS);
    const int threads = work_threads(n_units, work(v));
    v->stream = streams(v, v->n * v->oh * v->ow * v->c);
    v->descending = meets_stores(v);
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
    for (int64_t u = 0; u < n_units; u++) sum_strip(v, u);
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
    /* not halves of 16 lines in turn, which leave the core before they are whole */
    const bool whole = sizeof(vf) == CHUNK * sizeof(float);
    v->stream = whole && streams(v, v->n * v->oh * v->ow * v->c);
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
