/* conv_sum -- the forward convolution and its gradient to the input: both are sums over a ConvGrid.
 *
 * Order: one chain of fused multiply-adds from zero over (kernel row, kernel column, channel),
 * ascending; taps in the padding take part with zeros. A register tile is a run of outputs of one
 * row by one or two vectors of output channels. Weights are packed once a call: [group][tile of
 * columns][k][column]. Threads split images and bands. */
#include "cpu/conv_inner.h"
#include "cpu/conv_tile.h"

/* A band's copy of the input should stay in L2 beside the weights, and not be far from L1. */
enum { BAND_FLOATS = 24 * 1024 };

/* One grid with its packed weights and where its outputs lie. */
typedef struct Sum {
    ConvGrid grid;
    TileSegment *segment;
    float *weights;
    int64_t offset, line, pixel; /* output (i, j) is at offset + i * line + j * pixel */
} Sum;

typedef struct SumPlan {
    Sum *sum;
    int64_t n_sums;
    ConvGrid all;                   /* whose bands the sums read */
    int64_t columns;                /* outputs of one group */
    int64_t from_stride;            /* of the channels summed over, in the weight tensor */
    int64_t to_stride;              /* of the columns */
    int64_t ahead_line, ahead_step; /* of an output row: see run_ahead */
    int threads;
    bool in_place; /* the source is read where it is */
    bool streams;  /* outputs go past the caches */
    float *bands;  /* for each thread */
} SumPlan;

/* Where a row of outputs reads, writes and asks for what comes next. */
typedef struct Row {
    const float *band, *ahead;
    float *out;
    int64_t row, columns;
    int nv;
} Row;

/* Rows in a band; with few images a band is less than an image, so that every thread gets some. */
static int64_t band_rows(const ConvGrid *g, int64_t images, int64_t threads)
{
    const int64_t share = threads == 1 ? g->y.out : ceil_div(images * g->y.out, 4 * threads);
    const int64_t row = g->y.stride * g->line * g->n_planes;
    return row == 0 ? share : min64(share, max64(g->y.n_taps, BAND_FLOATS / row - g->y.n_taps));
}

static Sum make_sum(const ConvShape *s, bool backward, int64_t residue)
{
    Sum sum = {0};
    if (backward) {
        const int64_t y = residue / s->stride[1], x = residue % s->stride[1];
        sum.grid = conv_grid_backward(s, y, x);
        sum.offset = (y * s->w + x) * s->c;
        sum.line = s->stride[0] * s->w * s->c;
        sum.pixel = s->stride[1] * s->c;
    } else {
        sum.grid = conv_grid_forward(s, true);
        sum.line = s->ow * s->o;
        sum.pixel = s->o;
    }
    return sum;
}

static void merge_sum(ConvGrid *all, const ConvShape *s, int64_t residue)
{
    const Sum sum = make_sum(s, true, residue);
    conv_grid_merge(all, &sum.grid);
}

/* What the tiles of an output row ask for of the next band: the lines of the source that it brings,
 * some with each k. */
static void plan_ahead(SumPlan *p, const ConvShape *s)
{
    const ConvGrid *g = &p->all;
    const int64_t n_tiles = s->groups * ceil_div(p->columns, TILE_COLS);
    int64_t steps = 0;
    for (int64_t i = 0; i < p->n_sums; i++) {
        const ConvGrid *own = &p->sum[i].grid;
        steps += ceil_div(own->x.out, tile_max_rows(tile_vectors(p->columns, 0))) * own->n_segments;
    }
    p->ahead_line = min64(g->y.stride, g->y.n_taps) * g->x.in * g->pitch;
    p->ahead_step = ceil_div(p->ahead_line, max64(1, n_tiles * steps));
}

/* Of one tap that meets every output inside the source there is no need for a copy, where pixels
 * are near. */
static bool reads_in_place(const ConvGrid *g)
{
    int64_t y0, y1, x0, x1;
    if (g->y.n_taps != 1 || g->x.n_taps != 1 || g->x.stride * g->pitch > CONV_NEAR) return false;
    conv_axis_inside(&g->y, 0, &y0, &y1);
    conv_axis_inside(&g->x, 0, &x0, &x1);
    return g->y.tap == 0 && g->x.tap == 0 && y1 - y0 == g->y.out && x1 - x0 == g->x.out;
}

static void place_grid(ConvGrid *g)
{
    g->output = g->x.stride * g->pitch;
    g->line = g->x.in * g->pitch;
    g->plane = CHUNK;
    g->floats = 0;
}

/* The plan in scratch memory; with c->base NULL it only counts the bytes. */
static SumPlan make_plan(const ConvShape *s, bool backward, Carve *c)
{
    const int64_t taps = s->kh * s->kw, cg = s->c / s->groups, og = s->o / s->groups;
    SumPlan p = {.n_sums = backward ? s->stride[0] * s->stride[1] : 1,
                 .columns = backward ? cg : og};
    p.from_stride = backward ? cg * taps : taps;
    p.to_stride = backward ? taps : cg * taps;
    p.threads =
        work_threads(INT64_MAX, (double)(s->n * s->oh * s->ow * s->o) * (double)(taps * cg));
    if (backward)
        for (int64_t i = 0; i < p.n_sums; i++) merge_sum(&p.all, s, i);
    else
        p.all = make_sum(s, false, 0).grid;
    conv_grid_cut(&p.all, band_rows(&p.all, s->n, p.threads));
    p.in_place = reads_in_place(&p.all);
    if (p.in_place) place_grid(&p.all);
    p.sum = carve(c, (size_t)p.n_sums * sizeof *p.sum);
    for (int64_t i = 0; i < p.n_sums; i++) {
        Sum sum = make_sum(s, backward, i);
        conv_grid_share(&sum.grid, &p.all);
        sum.segment = carve(c, (size_t)sum.grid.n_segments * sizeof *sum.segment);
        sum.weights = carve(c, (size_t)(s->groups * sum.grid.depth * padded_columns(p.columns)) *
                                   sizeof(float));
        if (c->base) p.sum[i] = sum;
    }
    if (c->base) plan_ahead(&p, s);
    p.threads = (int)min64(p.threads, max64(1, s->n * p.all.n_bands));
    p.bands = carve(c, (size_t)(p.threads * p.all.floats) * sizeof(float));
    return p;
}

/* Whether all vectors of outputs are whole and on their places. */
static bool streams(const float *out, int64_t pixel, int64_t floats)
{
    return simd_streams(floats) && pixel % TILE_COLS == 0 && simd_lead(out) == 0;
}

/* to[k][0..width) for columns j..j+width of one group; columns past the last are zero. */
static void pack_tile(const SumPlan *p, const ConvShape *s, const ConvGrid *g, const float *w,
                      int64_t j, float *to)
{
    const int64_t width = tile_vectors(p->columns, j) * VL, used = min64(width, p->columns - j);
    for (int64_t y = 0; y < g->y.n_taps; y++)
        for (int64_t x = 0; x < g->x.n_taps; x++) {
            const int64_t tap =
                (g->y.kernel + y * g->y.kernel_step) * s->kw + g->x.kernel + x * g->x.kernel_step;
            for (int64_t c = 0; c < g->channels; c++, to += width) {
                const float *from = w + tap + c * p->from_stride + j * p->to_stride;
                for (int64_t i = 0; i < used; i++) to[i] = from[i * p->to_stride];
                for (int64_t i = used; i < width; i++) to[i] = 0;
            }
        }
}

/* Unit u of the packing is one tile of columns of one group of one grid. */
static void pack_unit(const SumPlan *p, const ConvShape *s, const float *w, int64_t u)
{
    const int64_t n_tiles = ceil_div(p->columns, TILE_COLS);
    const Sum *sum = &p->sum[u / n_tiles / s->groups];
    const int64_t group = u / n_tiles % s->groups, j = u % n_tiles * TILE_COLS;
    const int64_t group_weights = s->o / s->groups * (s->c / s->groups) * s->kh * s->kw;
    float *to = sum->weights + sum->grid.depth * (group * padded_columns(p->columns) + j);
    pack_tile(p, s, &sum->grid, w + group * group_weights, j, to);
}

static void copy_tile(const float *tile, int64_t rows, int64_t columns, float *out, int64_t pixel)
{
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j += VL)
            vf_store_n(out + i * pixel + j, vf_load(tile + i * TILE_COLS + j),
                       min64(VL, columns - j));
}

static const float *moved(const float *p, int64_t offset)
{
    return (const float *)((uintptr_t)p + (uintptr_t)offset * sizeof *p);
}

/* One output row for one tile of columns. */
static void sum_row(const SumPlan *p, const Sum *s, const float *weights, Row *at)
{
    const ConvGrid *g = &s->grid;
    const int nv = at->nv, kind = conv_tile_kind(at->columns);
    _Alignas(64) float tile[TILE_ROWS_NARROW * TILE_COLS];
    const bool whole = at->columns == conv_tile_columns(kind);
    int64_t first = g->y.n_taps, n_lines = 0;
    for (int64_t t = 0; t < g->y.n_taps; t++) {
        const int64_t y = at->row * g->y.stride + g->y.tap + t * g->y.tap_step;
        if (y < 0 || y >= g->y.in) continue;
        first = min64(first, t);
        n_lines++;
    }
    const int64_t line_segments = g->y.n_taps == 0 ? 0 : g->n_segments / g->y.n_taps;
    const int64_t line_depth = g->y.n_taps == 0 ? 0 : g->depth / g->y.n_taps;
    SumTile t = {.a_output = g->output,
                 .segment = s->segment + first * line_segments,
                 .n_segments = n_lines * line_segments,
                 .b = weights + first * line_depth * nv * VL,
                 .ldo = whole ? s->pixel : TILE_COLS,
                 .streams = whole && p->streams,
                 .ahead_step = p->ahead_step};
    const int64_t n_runs = ceil_div(g->x.out, tile_max_rows(nv));
    for (int64_t r = 0; r < n_runs; r++) {
        const int64_t begin = part_begin(g->x.out, n_runs, r);
        const int64_t n = part_begin(g->x.out, n_runs, r + 1) - begin;
        float *to = at->out + s->offset + at->row * s->line + begin * s->pixel;
        t.a = at->band + begin * g->output;
        t.out = whole ? to : tile;
        t.ahead = at->ahead;
        (g->output == CHUNK ? conv_sum_tile : conv_lines_tile)[kind][n - 1](&t);
        at->ahead = moved(at->ahead, t.n_segments * p->ahead_step);
        if (!whole) copy_tile(tile, n, at->columns, to, s->pixel);
    }
}

/* One row of one tile of columns of all sums. These write neighbouring lines and so follow each
 * other. */
static void sum_columns(const SumPlan *p, int64_t group, int64_t j, Row *at)
{
    at->nv = tile_vectors(p->columns, j);
    at->columns = min64(at->nv * VL, p->columns - j);
    at->out += group * p->columns + j;
    for (int64_t i = 0; i < p->n_sums; i++) {
        const Sum *s = &p->sum[i];
        const ConvGrid *g = &s->grid;
        if (at->row >= g->y.out) continue;
        sum_row(p, s, s->weights + g->depth * (group * padded_columns(p->columns) + j), at);
    }
}

/* One band of one image. */
static void sum_band(const SumPlan *p, int64_t groups, const float *source, int64_t b, float *out,
                     float *band)
{
    const ConvGrid *g = &p->all;
    const int64_t row = b * g->rows, n_rows = min64(g->rows, g->y.out - row);
    const int64_t line = g->y.stride * g->x.in * g->pitch,
                  n_tiles = ceil_div(p->columns, TILE_COLS);
    for (int64_t group = 0; group < groups; group++) {
        const float *from = source + group * g->channels;
        if (g->depth > 0 && !p->in_place) conv_gather(g, from, row, n_rows, band);
        from = p->in_place ? from + row * line : band;
        for (int64_t t = 0; t < n_tiles; t++)
            for (int64_t i = 0; i < n_rows; i++) {
                /* The next band comes from memory while this one is computed. */
                const int64_t share =
                    part_begin(p->ahead_line, n_tiles * groups, group * n_tiles + t);
                Row at = {.band = from + i * g->y.stride * g->line,
                          .ahead = moved(source, (row + n_rows + i) * line + share),
                          .out = out,
                          .row = row + i};
                sum_columns(p, group, t * TILE_COLS, &at);
            }
    }
}

static void run(const SumPlan *p, const ConvShape *s, const float *source, int64_t source_floats,
                const float *w, float *out, int64_t out_floats)
{
    const int64_t n_packs = p->n_sums * s->groups * ceil_div(p->columns, TILE_COLS),
                  n_bands = p->all.n_bands, n_units = s->n * n_bands;
    for (int64_t i = 0; i < p->n_sums; i++) conv_grid_segments(&p->sum[i].grid, p->sum[i].segment);
#pragma omp parallel num_threads(p->threads) if (p->threads > 1)
    {
#pragma omp for schedule(static)
        for (int64_t u = 0; u < n_packs; u++) pack_unit(p, s, w, u);
#pragma omp for schedule(static)
        for (int64_t t = 0; t < p->threads; t++) {
            const int64_t end = part_begin(n_units, p->threads, t + 1);
            for (int64_t u = part_begin(n_units, p->threads, t); u < end; u++)
                sum_band(p, s->groups, source + u / n_bands * source_floats, u % n_bands,
                         out + u / n_bands * out_floats, p->bands + t * p->all.floats);
        }
    }
}

void conv_general_forward(const ConvShape *s, const float *x, const float *w, float *y,
                          void *scratch)
{
    Carve c = {.base = scratch};
    SumPlan p = make_plan(s, false, &c);
    p.streams = s->groups == 1 && streams(y, s->o, s->n * s->oh * s->ow * s->o);
    run(&p, s, x, s->h * s->w * s->c, w, y, s->oh * s->ow * s->o);
}

void conv_general_grad_x(const ConvShape *s, const float *dy, const float *w, float *dx,
                         void *scratch)
{
    Carve c = {.base = scratch};
    SumPlan p = make_plan(s, true, &c);
    p.streams = s->groups == 1 && streams(dx, s->c, s->n * s->h * s->w * s->c);
    run(&p, s, dy, s->oh * s->ow * s->o, w, dx, s->h * s->w * s->c);
}

size_t conv_sum_scratch(const ConvShape *s)
{
    Carve forward = {0}, backward = {0};
    make_plan(s, false, &forward);
    make_plan(s, true, &backward);
    return forward.used > backward.used ? forward.used : backward.used;
}
