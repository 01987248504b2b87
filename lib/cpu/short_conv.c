/* short_conv -- see cpu.h: causal depthwise convolution with a few taps, vectors over channels.
 *
 * Both directions are y_t = sum_j v_j x_(t - j) or x_(t + j), v the taps from the present on,
 * packed (taps, channels). BLOCK steps of a vector of channels are BLOCK sums in registers; a row
 * of x is loaded once for every four taps, so that memory sees x and y once. The gradient to w
 * keeps four taps' sums in registers over GRAD_BLOCK steps. */
#include "cpu/gemm_tile.h"
#include "cpu/lanes.h"
#include "cpu/vecmath.h"

#include <string.h>

enum { BLOCK = 8 };       /* steps */
enum { GRAD_BLOCK = 4 };  /* of the gradient to w */
enum { AHEAD = 8 };       /* steps that are asked for in advance */
enum { SPAN = 256 };      /* steps of one sequence whose gradient to w is one chain */
enum { MAX_PIECES = 32 }; /* of the gradient to w */
enum { TAPS = 4 };        /* at once */

typedef struct Filter {
    const ShortConvShape *s;
    const float *x, *v, *bias;
    float *y;
    int64_t way; /* -1: back in time; 1: forward, the transpose */
    bool silu, stream;
} Filter;

static int64_t spans_of(const ShortConvShape *s)
{
    return ceil_div(s->steps, SPAN);
}

static int64_t pieces_of(const ShortConvShape *s)
{
    return min64(MAX_PIECES, s->batch * spans_of(s));
}

/* A row of taps is padded to whole vectors, and by a cache line: channels are often a power of two,
 * and all taps of a vector would meet in one or two sets of L1. */
static int64_t padded(const ShortConvShape *s)
{
    return ceil_div(s->channels, LANES) * LANES + LANES;
}

size_t K(short_conv_scratch)(const ShortConvShape *s)
{
    return (size_t)(2 * pieces_of(s) * s->taps * padded(s)) * sizeof(float);
}

static double work(const ShortConvShape *s)
{
    /* in multiply-adds that take as long as the reading and writing */
    return (double)(s->batch * s->steps * s->channels) * (double)(s->taps + 8);
}

/* -- Both directions -- */

static void pack_taps(const ShortConvShape *s, const float *w, float *v)
{
    for (int64_t j = 0; j < s->taps; j++, v += padded(s))
        for (int64_t c = 0; c < padded(s); c++)
            v[c] = c < s->channels ? w[c * s->taps + s->taps - 1 - j] : 0.0f;
}

/* The vectors that one tile reads and writes. `step` is the way of the taps in memory: y[i] is at y
 * + i step and its tap j meets x + (i - j) step, so i counts from the step whose taps reach
 * furthest back among the others. */
typedef struct Tile {
    const float *x, *v;
    float *y;
    int64_t step, pitch; /* of the taps */
    int64_t n;           /* channels */
} Tile;

SIMD vf tile_load(const Tile *a, const float *p)
{
    return a->n == VL ? vf_load(p) : vf_load_n(p, a->n);
}

/* Taps from..from + taps: every row of x is loaded once and meets all of them. */
SIMD void tile_taps(const Tile *a, int rows, int64_t from, int taps, vf *sum)
{
    const float *x = a->x - (from + taps - 1) * a->step;
    vf tap[TAPS];
#pragma GCC unroll 4
    for (int j = 0; j < taps; j++) tap[j] = vf_load(a->v + (from + j) * a->pitch);
#pragma GCC unroll 12
    for (int r = rows + taps - 2; r >= 0; r--) {
        const vf row = tile_load(a, x + r * a->step);
#pragma GCC unroll 4
        for (int j = 0; j < taps; j++) {
            const int i = r + j - (taps - 1);
            if (i >= 0 && i < rows) sum[i] = vf_fma(tap[j], row, sum[i]);
        }
    }
}

SIMD void tile_sums(const Tile *a, int rows, int64_t taps, vf *sum)
{
    int64_t j = 0;
    for (; j + TAPS <= taps; j += TAPS) tile_taps(a, rows, j, TAPS, sum);
    if (taps - j == 3) tile_taps(a, rows, j, 3, sum);
    if (taps - j == 2) tile_taps(a, rows, j, 2, sum);
    if (taps - j == 1) tile_taps(a, rows, j, 1, sum);
}

SIMD vf silu(vf x)
{
    _Alignas(64) float lane[VL];
    vf_store(lane, x);
    for (int l = 0; l < VL; l++) lane[l] = lane[l] * vm_sigmoid(lane[l]);
    return vf_load(lane);
}

SIMD void tile_store(const Tile *a, int rows, bool stream, const vf *sum)
{
#pragma GCC unroll 8
    for (int i = 0; i < rows; i++) {
        if (stream)
            vf_stream(a->y + i * a->step, sum[i]);
        else if (a->n == VL)
            vf_store(a->y + i * a->step, sum[i]);
        else
            vf_store_n(a->y + i * a->step, sum[i], a->n);
    }
}

/* `rows` steps which all have the first `taps` taps, the first of them at `at`. */
SIMD void filter_rows(const Filter *f, int rows, int64_t taps, int64_t at)
{
    const int64_t C = f->s->channels, step = -f->way * C;
    const int64_t first = (f->way < 0 ? at : at + rows - 1) * C;
    Tile a = {f->x + first, f->v, f->y + first, step, padded(f->s), VL};
    for (int64_t c = 0; c < C; c += VL, a.x += VL, a.v += VL, a.y += VL) {
        vf sum[BLOCK];
        a.n = min64(VL, C - c);
        if (rows == BLOCK && c % LANES == 0)
            for (int i = 0; i < rows; i++)
                prefetch(f->x + at * C + c, (AHEAD + i + (f->way > 0 ? taps - 1 : 0)) * C, 1);
        for (int i = 0; i < rows; i++) sum[i] = f->bias ? vf_load_n(f->bias + c, a.n) : vf_zero();
        if (a.n == VL) {
            const Tile whole = {a.x, a.v, a.y, a.step, a.pitch, VL};
            tile_sums(&whole, rows, taps, sum);
        } else {
            tile_sums(&a, rows, taps, sum);
        }
        for (int i = 0; i < rows && f->silu; i++) sum[i] = silu(sum[i]);
        if (f->stream)
            tile_store(&a, rows, true, sum);
        else
            tile_store(&a, rows, false, sum);
    }
}

/* Steps t..t + rows of sequence b, BLOCK of them or fewer. */
static void filter_block(const Filter *f, int64_t b, int64_t t, int64_t rows)
{
    const ShortConvShape *s = f->s;
    const int64_t T = s->steps, at = b * T + t;
    const int64_t room = f->way < 0 ? t : T - t - rows; /* steps on the side of the taps */
    if (rows == BLOCK && room >= s->taps - 1) {
        filter_rows(f, BLOCK, s->taps, at);
        return;
    }
    for (int64_t i = 0; i < rows; i++) {
        const int64_t steps = f->way < 0 ? t + i : T - 1 - t - i;
        filter_rows(f, 1, min64(s->taps, steps + 1), at + i);
    }
}

static void filter(const Filter *f)
{
    const ShortConvShape *s = f->s;
    const int64_t spans = spans_of(s);
    const int threads = work_threads(s->batch * spans, work(s));
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
    for (int64_t i = 0; i < s->batch * spans; i++) {
        const int64_t last = min64(s->steps, (i % spans + 1) * SPAN);
        for (int64_t t = i % spans * SPAN; t < last; t += BLOCK)
            filter_block(f, i / spans, t, min64(BLOCK, last - t));
    }
}

static bool streams(const ShortConvShape *s, const float *y)
{
    return simd_streams(s->batch * s->steps * s->channels) && s->channels % VL == 0 &&
           simd_lead(y) == 0;
}

void K(short_conv)(const ShortConvShape *s, const float *x, const float *w, const float *bias,
                   bool with_silu, float *y, void *scratch)
{
    const Filter f = {s, x, scratch, bias, y, -1, with_silu, streams(s, y)};
    pack_taps(s, w, scratch);
    filter(&f);
}

void K(short_conv_grad_x)(const ShortConvShape *s, const float *dy, const float *w, float *dx,
                          void *scratch)
{
    const Filter f = {s, dy, scratch, NULL, dx, 1, false, streams(s, dx)};
    pack_taps(s, w, scratch);
    filter(&f);
}

/* -- Gradient to w: dv_j = sum over t of dy_t x_(t - j) -- */

/* n channels of some steps, rows of `width`, and the taps' sums, `pitch` apart. Passed by value:
 * the stores of sums could otherwise be to what it says. */
typedef struct Strip {
    const float *x, *dy; /* x at the step of the first tap */
    float *sum;
    int64_t width, pitch, n;
} Strip;

SIMD vf strip_load(Strip a, const float *p)
{
    return a.n == VL ? vf_load(p) : vf_load_n(p, a.n);
}

/* Adds `rows` steps to the sums of `taps` taps. A row of x is loaded once and stays in registers
 * until its last tap. */
SIMD void grad_tile(int taps, int rows, Strip a)
{
    vf v[TAPS], row[TAPS + GRAD_BLOCK]; /* row[taps - 1] is the first step's */
#pragma GCC unroll 4
    for (int j = 0; j < taps; j++) v[j] = vf_load(a.sum + j * a.pitch);
#pragma GCC unroll 4
    for (int j = 1; j < taps; j++) row[taps - 1 - j] = strip_load(a, a.x - j * a.width);
#pragma GCC unroll 8
    for (int i = 0; i < rows; i++) {
        const vf d = strip_load(a, a.dy + i * a.width);
        row[taps - 1 + i] = strip_load(a, a.x + i * a.width);
#pragma GCC unroll 4
        for (int j = 0; j < taps; j++) v[j] = vf_fma(d, row[taps - 1 + i - j], v[j]);
    }
#pragma GCC unroll 4
    for (int j = 0; j < taps; j++) vf_store(a.sum + j * a.pitch, v[j]);
}

SIMD void grad_taps(int rows, Strip a, int64_t taps)
{
    for (; taps >= TAPS; taps -= TAPS) {
        grad_tile(TAPS, rows, a);
        a.x -= TAPS * a.width;
        a.sum += TAPS * a.pitch;
    }
    if (taps == 3) grad_tile(3, rows, a);
    if (taps == 2) grad_tile(2, rows, a);
    if (taps == 1) grad_tile(1, rows, a);
}

/* All rows have the taps. What comes next is asked for in L2, not L1: rows apart by powers of two
 * meet in a few sets. */
SIMD void grad_block(int rows, Strip a, int64_t taps)
{
    const int64_t C = a.width;
    int64_t c = 0;
    for (a.n = VL; c + VL <= C; c += VL, a.x += VL, a.dy += VL, a.sum += VL) {
        if (c % LANES == 0) {
#pragma GCC unroll 8
            for (int i = 0; i < rows; i++) {
                prefetch(a.x, (AHEAD + i) * C, 1);
                prefetch(a.dy, (AHEAD + i) * C, 1);
            }
        }
        grad_taps(rows, a, taps);
    }
    a.n = C - c;
    if (c < C) grad_taps(rows, a, taps);
}

/* One chain over steps t..last of sequence b, from zero. */
static void grad_span(const ShortConvShape *s, const float *x, const float *dy, int64_t b,
                      int64_t t, int64_t last, float *sum)
{
    const int64_t C = s->channels, taps = s->taps, at = (b * s->steps + t) * C;
    Strip a = {x + at, dy + at, sum, C, padded(s), VL};
    while (t < last) {
        const bool whole = t >= taps - 1 && last - t >= GRAD_BLOCK;
        const int64_t rows = whole ? GRAD_BLOCK : 1;
        if (whole)
            grad_block(GRAD_BLOCK, a, taps);
        else
            grad_block(1, a, min64(taps, t + 1));
        a.x += rows * C;
        a.dy += rows * C;
        t += rows;
    }
}

/* Piece i: its spans one after the other, each summed from zero in `span`, then added to `total`.
 */
static void grad_piece(const ShortConvShape *s, const float *x, const float *dy, int64_t piece,
                       float *total)
{
    const int64_t floats = s->taps * padded(s), spans = spans_of(s), n = s->batch * spans;
    const int64_t last = part_begin(n, pieces_of(s), piece + 1);
    float *span = total + floats;
    memset(total, 0, (size_t)floats * sizeof *total);
    for (int64_t i = part_begin(n, pieces_of(s), piece); i < last; i++) {
        const int64_t t = i % spans * SPAN;
        memset(span, 0, (size_t)floats * sizeof *span);
        grad_span(s, x, dy, i / spans, t, min64(s->steps, t + SPAN), span);
        for (int64_t k = 0; k < floats; k++) total[k] += span[k];
    }
}

void K(short_conv_grad_w)(const ShortConvShape *s, const float *x, const float *dy, float *dw,
                          void *scratch)
{
    const int64_t floats = s->taps * padded(s), pieces = pieces_of(s);
    const int threads = work_threads(pieces, work(s));
    float *sums = scratch;
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
    for (int64_t i = 0; i < pieces; i++) grad_piece(s, x, dy, i, sums + 2 * i * floats);
    for (int64_t i = 1; i < pieces; i++)
        for (int64_t k = 0; k < floats; k++) sums[k] += sums[2 * i * floats + k];
    for (int64_t c = 0; c < s->channels; c++)
        for (int64_t j = 0; j < s->taps; j++)
            dw[c * s->taps + s->taps - 1 - j] = sums[j * padded(s) + c];
}
