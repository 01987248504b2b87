/* conv_grouped -- convolutions of groups of 2, 4 or 8 channels: 16 channels, several whole groups,
 * are one block of outputs, a lane each.
 *
 *   y[j, l] = sum over taps t and i of x[j + t, first channel of l's group + i] * w[l, i, t]
 *
 * A permutation of a vector of the input gives each lane the i-th channel of its group: then every
 * multiply-add is of two whole vectors, and nothing is computed for zeros between groups. The input
 * comes from a band's copy (conv_inner.h, a block as one group of 16).
 *
 * Order: an output is one chain of fused multiply-adds from zero over (kernel row, kernel column,
 * i), ascending; kernel rows outside the image are left out, columns outside take part with zeros.
 * The gradient to the weights: in an item, a band of one image, one chain from zero over the
 * outputs in memory order; items of a chunk of images, then chunks, are added in ascending order.
 * Threads split images, bands and blocks, for the weights chunks and blocks. */
#include "cpu/conv_inner.h"

#include <string.h>

enum { BAND_OUTPUTS = 512 };
enum { MAX_CHUNKS = 16 };

#if defined(__AVX2__) && !defined(__AVX512F__)
enum { RUN = 12 }; /* outputs of a tile: their sums, a weight and an input fit the registers */
#else
enum { RUN = 16 };
#endif

/* One grid with its weights [block][tap][i][lane], and where its outputs lie: (row, column) of
 * block 0 at offset + row * line + column * pixel. */
typedef struct Part {
    ConvGrid grid;
    TileSegment *tap;
    float *weights;
    int64_t offset, line, pixel;
} Part;

typedef struct Plan {
    Part *part;
    int64_t n_parts, n_bands; /* of all parts */
    int64_t size;             /* of a group */
    int64_t n_blocks, channels;
    int threads;
    int64_t band_floats;
    float *bands; /* threads * band_floats */
} Plan;

bool conv_grouped_fits(const ConvShape *s)
{
    const int64_t size = s->c / s->groups;
    return s->c == s->o && (size == 2 || size == 4 || size == 8) && s->c % CHUNK == 0;
}

/* Blocks as groups. */
static ConvShape by_blocks(const ConvShape *s)
{
    ConvShape wide = *s;
    wide.groups = s->c / CHUNK;
    return wide;
}

/* Cuts bands by the shape alone: the gradient to the weights adds by them. */
static void cut(ConvGrid *g)
{
    conv_grid_cut(g, max64(1, BAND_OUTPUTS / max64(1, g->x.out)));
}

static Part part_of(const ConvShape *s, bool backward, int64_t residue)
{
    const ConvShape wide = by_blocks(s);
    Part p = {0};
    if (backward) {
        const int64_t y = residue / s->stride[1], x = residue % s->stride[1];
        p.grid = conv_grid_backward(&wide, y, x);
        p.offset = (y * s->w + x) * s->c;
        p.line = s->stride[0] * s->w * s->c;
        p.pixel = s->stride[1] * s->c;
    } else {
        p.grid = conv_grid_forward(&wide, false);
        p.line = s->ow * s->o;
        p.pixel = s->o;
    }
    cut(&p.grid);
    return p;
}

static int64_t part_taps(const ConvGrid *g)
{
    return g->y.n_taps * g->x.n_taps;
}

static double work_of(const ConvShape *s)
{
    const int64_t size = s->c / s->groups;
    return (double)(s->n * s->oh * s->ow * s->o) * (double)(s->kh * s->kw * size);
}

/* In scratch memory; with c->base NULL it only counts the bytes. */
static Plan make_plan(const ConvShape *s, bool backward, Carve *c)
{
    Plan p = {.n_parts = backward ? s->stride[0] * s->stride[1] : 1,
              .size = s->c / s->groups,
              .n_blocks = s->c / CHUNK,
              .channels = s->c};
    p.part = carve(c, (size_t)p.n_parts * sizeof *p.part);
    for (int64_t i = 0; i < p.n_parts; i++) {
        Part part = part_of(s, backward, i);
        const int64_t taps = part_taps(&part.grid);
        part.tap = carve(c, (size_t)part.grid.n_segments * sizeof *part.tap);
        part.weights = carve(c, (size_t)(taps * p.size * s->c) * sizeof(float));
        p.n_bands += part.grid.n_bands;
        p.band_floats = max64(p.band_floats, part.grid.floats);
        if (c->base) {
            conv_grid_segments(&part.grid, part.tap);
            p.part[i] = part;
        }
    }
    p.threads = work_threads(max64(1, s->n * p.n_bands * p.n_blocks), work_of(s));
    p.bands = carve(c, (size_t)(p.threads * p.band_floats) * sizeof(float));
    return p;
}

/* -- Inputs of a block */

/* The i-th channel of its group for each lane, groups of `size` lanes; size <= VL. */
#if defined(__AVX512F__)
SIMD vf pick(vf x, int size, int i)
{
    if (size == 2) return i == 0 ? _mm512_permute_ps(x, 0xa0) : _mm512_permute_ps(x, 0xf5);
    if (size == 8) {
        const __m512i eight = _mm512_setr_epi32(0, 0, 0, 0, 0, 0, 0, 0, 8, 8, 8, 8, 8, 8, 8, 8);
        return _mm512_permutexvar_ps(_mm512_or_si512(eight, _mm512_set1_epi32(i)), x);
    }
    return i == 0   ? _mm512_permute_ps(x, 0x00)
           : i == 1 ? _mm512_permute_ps(x, 0x55)
           : i == 2 ? _mm512_permute_ps(x, 0xaa)
                    : _mm512_permute_ps(x, 0xff);
}
#elif defined(__AVX2__)
SIMD vf pick(vf x, int size, int i)
{
    if (size == 2) return i == 0 ? _mm256_permute_ps(x, 0xa0) : _mm256_permute_ps(x, 0xf5);
    return i == 0   ? _mm256_permute_ps(x, 0x00)
           : i == 1 ? _mm256_permute_ps(x, 0x55)
           : i == 2 ? _mm256_permute_ps(x, 0xaa)
                    : _mm256_permute_ps(x, 0xff);
}
#else
SIMD vf pick(vf x, int size, int i)
{
    (void)size; /* 2: others are broadcast */
    return i == 0 ? vtrn1q_f32(x, x) : vtrn2q_f32(x, x);
}
#endif

/* x[i] = pick of the vector of channels at p, lane `lane` of the block. */
SIMD void pick_all(const float *p, int64_t lane, int size, vf x[8])
{
    const vf all = vf_load(p + lane);
    const float *group = p + lane / size * size;
#pragma GCC unroll 8
    for (int i = 0; i < size; i++) x[i] = size >= VL ? vf_set1(group[i]) : pick(all, size, i);
}

/* The taps of one output row that lie inside the source: lines first..first + n. */
static int64_t lines_inside(const ConvGrid *g, int64_t row, int64_t *first)
{
    int64_t n = 0;
    *first = g->y.n_taps;
    for (int64_t t = 0; t < g->y.n_taps; t++) {
        const int64_t y = row * g->y.stride + g->y.tap + t * g->y.tap_step;
        if (y < 0 || y >= g->y.in) continue;
        *first = min64(*first, t);
        n++;
    }
    return n;
}

/* Row i of n rows of one block: fetches its share of the lines of all blocks that the next band
 * reads, which are neighbours in memory. */
static void prefetch_next(const ConvGrid *g, const float *image, int64_t row, int64_t n_rows,
                          int64_t block, int64_t i)
{
    const int64_t line = g->y.stride * g->x.in, share = line * CHUNK;
    prefetch(image, (row + n_rows) * line * g->pitch + (block * n_rows + i) * share, share);
}

/* -- Forward, and gradient to the input */

/* Neighbouring outputs of a row, the vector of their lanes from `lane` on. */
typedef struct Run {
    const float *band; /* at the first */
    int64_t lane;
    const TileSegment *tap;
    int64_t n_taps;
    const float *weights;
} Run;

SIMD void run_body(int run, int size, const Run *r, float *out, int64_t pixel)
{
    vf sum[RUN];
    const float *w = r->weights + r->lane;
#pragma GCC unroll 16
    for (int p = 0; p < run; p++) sum[p] = vf_zero();
    for (int64_t t = 0; t < r->n_taps; t++, w += size * CHUNK) {
        const float *a = r->band + r->tap[t].offset;
#pragma GCC unroll 16
        for (int p = 0; p < run; p++) {
            vf x[8];
            pick_all(a + p * CHUNK, r->lane, size, x);
#pragma GCC unroll 8
            for (int i = 0; i < size; i++) sum[p] = vf_fma(x[i], vf_load(w + i * CHUNK), sum[p]);
        }
    }
#pragma GCC unroll 16
    for (int p = 0; p < run; p++) vf_store(out + p * pixel + r->lane, sum[p]);
}

#define RUN_OF(p, size)                                                                            \
    static void run_##p##_##size(const Run *r, float *out, int64_t pixel)                          \
    {                                                                                              \
        run_body(p, size, r, out, pixel);                                                          \
    }
#define RUN_NAME(p, size) run_##p##_##size,
// clang-format off
#define TO_TWELVE(X, size)                                                                         \
    X(1, size) X(2, size) X(3, size) X(4, size) X(5, size) X(6, size)                              \
    X(7, size) X(8, size) X(9, size) X(10, size) X(11, size) X(12, size)
#if defined(__AVX2__) && !defined(__AVX512F__)
#define RUNS(X, size) TO_TWELVE(X, size)
#else
#define RUNS(X, size) TO_TWELVE(X, size) X(13, size) X(14, size) X(15, size) X(16, size)
#endif
// clang-format on
RUNS(RUN_OF, 2)
RUNS(RUN_OF, 4)
RUNS(RUN_OF, 8)

typedef void RunKernel(const Run *r, float *out, int64_t pixel);
static RunKernel *const runs[3][RUN] = {
    {RUNS(RUN_NAME, 2)}, {RUNS(RUN_NAME, 4)}, {RUNS(RUN_NAME, 8)}};

/* One row of outputs of a block; band at that row, weights of the block. */
static void sum_row(const Plan *plan, const Part *p, int64_t row, const float *band,
                    const float *weights, float *out)
{
    const ConvGrid *g = &p->grid;
    RunKernel *const *kernel = runs[plan->size == 2 ? 0 : plan->size == 4 ? 1 : 2];
    int64_t first;
    const int64_t n_lines = lines_inside(g, row, &first), n_runs = ceil_div(g->x.out, RUN);
    Run run = {.tap = p->tap + first * g->x.n_taps,
               .n_taps = n_lines * g->x.n_taps,
               .weights = weights + first * g->x.n_taps * plan->size * CHUNK};
    for (int64_t r = 0; r < n_runs; r++) {
        const int64_t begin = part_begin(g->x.out, n_runs, r);
        const int64_t n = part_begin(g->x.out, n_runs, r + 1) - begin;
        run.band = band + begin * CHUNK;
        for (run.lane = 0; run.lane < CHUNK; run.lane += VL)
            kernel[n - 1](&run, out + begin * p->pixel, p->pixel);
    }
}

/* Unit u is one block of one band of one part of one image. */
static void sum_unit(const Plan *plan, int64_t u, const float *source, int64_t source_floats,
                     float *out, int64_t out_floats, float *band)
{
    const int64_t block = u % plan->n_blocks, image = u / plan->n_blocks / plan->n_bands;
    int64_t b = u / plan->n_blocks % plan->n_bands;
    const Part *p = plan->part;
    for (; b >= p->grid.n_bands; p++) b -= p->grid.n_bands;
    const ConvGrid *g = &p->grid;
    const int64_t row = b * g->rows, n_rows = min64(g->rows, g->y.out - row);
    source += image * source_floats;
    if (part_taps(g) > 0) conv_gather(g, source + block * CHUNK, row, n_rows, band);
    const float *weights = p->weights + block * part_taps(g) * plan->size * CHUNK;
    out += image * out_floats + p->offset + row * p->line + block * CHUNK;
    for (int64_t i = 0; i < n_rows; i++) {
        if (p == plan->part) prefetch_next(g, source, row, n_rows, block, i);
        sum_row(plan, p, row + i, band + i * g->y.stride * g->line, weights, out + i * p->line);
    }
}

/* Where weight i, tap (y, x) of the grid, of channel `channel` lies in (O, I / groups, KH, KW). */
static int64_t weight_at(const ConvShape *s, const ConvGrid *g, bool backward, int64_t channel,
                         int64_t i, int64_t y, int64_t x)
{
    const int64_t size = s->c / s->groups, group = channel / size * size;
    const int64_t ky = g->y.kernel + y * g->y.kernel_step, kx = g->x.kernel + x * g->x.kernel_step;
    const int64_t o = backward ? group + i : channel, c = backward ? channel - group : i;
    return ((o * size + c) * s->kh + ky) * s->kw + kx;
}

/* The weights of one block of one part. */
static void pack(const Plan *plan, const ConvShape *s, const Part *p, bool backward, int64_t block,
                 const float *w)
{
    const ConvGrid *g = &p->grid;
    float *to = p->weights + block * part_taps(g) * plan->size * CHUNK;
    for (int64_t y = 0; y < g->y.n_taps; y++)
        for (int64_t x = 0; x < g->x.n_taps; x++)
            for (int64_t i = 0; i < plan->size; i++)
                for (int64_t l = 0; l < CHUNK; l++)
                    *to++ = w[weight_at(s, g, backward, block * CHUNK + l, i, y, x)];
}

static void run_plan(const ConvShape *s, bool backward, const float *source, const float *w,
                     float *out, void *scratch)
{
    Carve c = {.base = scratch};
    const Plan p = make_plan(s, backward, &c);
    const int64_t in = s->h * s->w * s->c, result = s->oh * s->ow * s->o;
    const int64_t n_units = s->n * p.n_bands * p.n_blocks;
    for (int64_t i = 0; i < p.n_parts; i++)
        for (int64_t block = 0; block < p.n_blocks; block++)
            pack(&p, s, &p.part[i], backward, block, w);
#pragma omp parallel for num_threads(p.threads) schedule(static) if (p.threads > 1)
    for (int64_t t = 0; t < p.threads; t++) {
        const int64_t end = part_begin(n_units, p.threads, t + 1);
        for (int64_t u = part_begin(n_units, p.threads, t); u < end; u++)
            sum_unit(&p, u, source, backward ? result : in, out, backward ? in : result,
                     p.bands + t * p.band_floats);
    }
}

void conv_grouped_forward(const ConvShape *s, const float *x, const float *w, float *y,
                          void *scratch)
{
    run_plan(s, false, x, w, y, scratch);
}

void conv_grouped_grad_x(const ConvShape *s, const float *dy, const float *w, float *dx,
                         void *scratch)
{
    run_plan(s, true, dy, w, dx, scratch);
}

/* -- Gradient to the weights */

typedef struct Sums {
    const ConvShape *s;
    Part part;
    int64_t size, n_taps, n_blocks;
    int64_t n_chunks, n_slices; /* slices: parts of the blocks, by the threads at hand */
    float *sums;                /* [chunk][block][tap][i][lane] */
    int threads;
    float *bands;
} Sums;

static Sums make_sums(const ConvShape *s, Carve *c)
{
    Sums p = {.s = s,
              .part = part_of(s, false, 0),
              .size = s->c / s->groups,
              .n_taps = s->kh * s->kw,
              .n_blocks = s->c / CHUNK,
              .n_chunks = max64(1, min64(MAX_CHUNKS, s->n))};
    p.threads = work_threads(p.n_chunks * p.n_blocks, work_of(s));
    p.n_slices = min64(p.n_blocks, ceil_div(p.threads, p.n_chunks));
    p.part.tap = carve(c, (size_t)p.part.grid.n_segments * sizeof *p.part.tap);
    p.sums = carve(c, (size_t)(p.n_chunks * p.n_taps * p.size * s->c) * sizeof(float));
    p.bands = carve(c, (size_t)(p.threads * p.part.grid.floats) * sizeof(float));
    return p;
}

/* The outputs that some taps of one kernel row meet, the vector of their lanes from `lane` on: dy
 * and the band at the first. */
typedef struct Outer {
    const float *band, *dy;
    int64_t lane, band_line, dy_line, dy_pixel;
    int64_t n_rows, n_columns;
    const TileSegment *tap;
} Outer;

/* sum[tap][i][lane] += for n_taps taps. */
SIMD void outer_body(int n_taps, int size, const Outer *w, float *sum)
{
    vf acc[3][8];
#pragma GCC unroll 3
    for (int t = 0; t < n_taps; t++)
#pragma GCC unroll 8
        for (int i = 0; i < size; i++) acc[t][i] = vf_zero();
    for (int64_t row = 0; row < w->n_rows; row++) {
        const float *a = w->band + row * w->band_line, *dy = w->dy + row * w->dy_line;
        for (int64_t k = 0; k < w->n_columns; k++, a += CHUNK, dy += w->dy_pixel) {
            const vf d = vf_load(dy + w->lane);
#pragma GCC unroll 3
            for (int t = 0; t < n_taps; t++) {
                vf x[8];
                pick_all(a + w->tap[t].offset, w->lane, size, x);
#pragma GCC unroll 8
                for (int i = 0; i < size; i++) acc[t][i] = vf_fma(x[i], d, acc[t][i]);
            }
        }
    }
    sum += w->lane;
#pragma GCC unroll 3
    for (int t = 0; t < n_taps; t++)
#pragma GCC unroll 8
        for (int i = 0; i < size; i++, sum += CHUNK) vf_store(sum, vf_load(sum) + acc[t][i]);
}

/* As many taps at once as keep enough chains going and fit the registers; returns how many. */
static int64_t outer(const Outer *w, int64_t size, int64_t n_taps, float *sum)
{
    const bool three = n_taps >= 3;
    if (size == 2 && three)
        outer_body(3, 2, w, sum);
    else if (size == 2)
        outer_body(1, 2, w, sum);
    else if (size == 4 && three)
        outer_body(3, 4, w, sum);
    else if (size == 4)
        outer_body(1, 4, w, sum);
    else
        outer_body(1, 8, w, sum);
    return three && size < 8 ? 3 : 1;
}

/* One item: n_rows rows from `row` of an image; sum is its block's. */
static void add_item(const Sums *p, int64_t row, int64_t n_rows, const float *band, const float *dy,
                     float *sum)
{
    const ConvGrid *g = &p->part.grid;
    Outer w = {.band_line = g->y.stride * g->line,
               .dy_line = p->part.line,
               .dy_pixel = p->part.pixel,
               .n_columns = g->x.out};
    for (int64_t y = 0; y < g->y.n_taps; y++) {
        int64_t y0, y1;
        conv_axis_inside(&g->y, y, &y0, &y1);
        y0 = max64(row, y0), y1 = max64(y0, min64(row + n_rows, y1));
        w.n_rows = y1 - y0;
        w.band = band + (y0 - row) * w.band_line;
        w.dy = dy + y0 * w.dy_line;
        for (int64_t x = 0, n; x < g->x.n_taps; x += n) {
            float *to = sum + (y * g->x.n_taps + x) * p->size * CHUNK;
            w.tap = p->part.tap + y * g->x.n_taps + x;
            n = 1;
            for (w.lane = 0; w.lane < CHUNK; w.lane += VL)
                n = outer(&w, p->size, g->x.n_taps - x, to);
        }
    }
}

/* Unit u is one slice of the blocks of one chunk of images. */
static void add_unit(const Sums *p, const float *x, const float *dy, int64_t u, float *band)
{
    const ConvShape *s = p->s;
    const ConvGrid *g = &p->part.grid;
    const int64_t chunk = u / p->n_slices, slice = u % p->n_slices;
    const int64_t b0 = part_begin(p->n_blocks, p->n_slices, slice),
                  b1 = part_begin(p->n_blocks, p->n_slices, slice + 1);
    const int64_t end = part_begin(s->n, p->n_chunks, chunk + 1), floats = p->n_taps * p->size;
    float *sum = p->sums + (chunk * p->n_blocks + b0) * floats * CHUNK;
    memset(sum, 0, (size_t)((b1 - b0) * floats * CHUNK) * sizeof *sum);
    for (int64_t n = part_begin(s->n, p->n_chunks, chunk); n < end; n++)
        for (int64_t row = 0; row < s->oh; row += g->rows)
            for (int64_t b = b0; b < b1; b++) {
                const int64_t n_rows = min64(g->rows, s->oh - row);
                const float *image = x + n * s->h * s->w * s->c;
                conv_gather(g, image + b * CHUNK, row, n_rows, band);
                for (int64_t i = 0; i < n_rows; i++) prefetch_next(g, image, row, n_rows, b, i);
                add_item(p, row, n_rows, band, dy + n * s->oh * s->ow * s->o + b * CHUNK,
                         sum + (b - b0) * floats * CHUNK);
            }
}

__attribute__((nonnull)) void conv_grouped_grad_w(const ConvShape *s, const float *x,
                                                  const float *dy, float *dw, void *scratch)
{
    Carve c = {.base = scratch};
    const Sums p = make_sums(s, &c);
    const int64_t n_units = p.n_chunks * p.n_slices, size = p.n_taps * p.size * s->c;
    conv_grid_segments(&p.part.grid, p.part.tap);
#pragma omp parallel for num_threads(p.threads) schedule(static) if (p.threads > 1)
    for (int64_t t = 0; t < p.threads; t++) {
        const int64_t end = part_begin(n_units, p.threads, t + 1);
        for (int64_t u = part_begin(n_units, p.threads, t); u < end; u++)
            add_unit(&p, x, dy, u, p.bands + t * p.part.grid.floats);
    }
    for (int64_t i = 1; i < p.n_chunks; i++)
        for (int64_t k = 0; k < size; k++) p.sums[k] += p.sums[i * size + k];
    const float *sum = p.sums;
    for (int64_t block = 0; block < p.n_blocks; block++)
        for (int64_t tap = 0; tap < p.n_taps; tap++)
            for (int64_t i = 0; i < p.size; i++)
                for (int64_t l = 0; l < CHUNK; l++)
                    dw[((block * CHUNK + l) * p.size + i) * p.n_taps + tap] = *sum++;
}

size_t conv_grouped_scratch(const ConvShape *s)
{
    Carve forward = {0}, backward = {0}, sums = {0};
    make_plan(s, false, &forward);
    make_plan(s, true, &backward);
    make_sums(s, &sums);
    return (size_t)max64((int64_t)sums.used, max64((int64_t)forward.used, (int64_t)backward.used));
}
