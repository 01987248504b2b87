/* winograd -- 3x3 convolutions of stride 1 and their gradients to the input by F(4x4, 3x3): see
 * winograd.h.
 *
 * Order of an output: kernels and inputs are transformed along x, then along y, each by the fused
 * multiply-adds written there; the sum over channels is one chain of fused multiply-adds from zero,
 * ascending; then y, then x transformed back. Inputs in the padding are zeros. The gradient to the
 * input is the forward pass over dy with the kernels turned by 180 degrees. A NaN or an infinity
 * reaches all outputs of the tiles that read it.
 *
 * Threads split blocks of tiles; of few blocks, tiles of output columns, whose kernels are then
 * transformed right before they are used: they would come back from memory. For each block the
 * transformed inputs are laid out as the register tiles want them, [point][block of 16
 * channels][tile][16], then for each tile of output columns come 36 matrix products and the
 * transformation back. Kernels are transformed once a call: [tile of
 * columns][point][channel][column]. */
#include "cpu/winograd.h"

typedef struct Plan {
    WinoTiles tiles;
    int64_t block, n_blocks;        /* tiles in a block */
    int64_t from_stride, to_stride; /* of the channels summed over and of the columns, in w */
    bool turned;                    /* by 180 degrees */
    bool by_columns;                /* see above */
    int threads;
    TileSegment *segment;
    float *weights; /* of all tiles of columns, or one a thread */
    float *shared;  /* by_columns: the inputs of all blocks */
    int64_t thread_floats;
    float *inputs; /* threads * thread_floats: a block's inputs, unless shared, and its products */
} Plan;

/* Blocks whose transformed inputs may lie beside each other. */
enum { FEW_BLOCKS = 4 };

/* By the shape of one picture: its values do not depend on how many are in the batch. */
bool winograd_fits(const ConvShape *s)
{
    const int64_t tiles = ceil_div(s->oh, WINO_OUT) * ceil_div(s->ow, WINO_OUT);
    const int64_t outputs = s->oh * s->ow;
    return s->kh == 3 && s->kw == 3 && s->groups == 1 && s->stride[0] == 1 && s->stride[1] == 1 &&
           s->dilation[0] == 1 && s->dilation[1] == 1 && s->pad[0] <= 2 && s->pad[1] <= 2 &&
           s->c >= 16 && s->o >= 16 && outputs >= 8 * tiles;
}

/* The forward pass of `s`, whose weights are w or its transpose; with c->base NULL only counts. */
static Plan make_plan(const ConvShape *s, bool turned, Carve *c)
{
    Plan p = {.tiles = wino_tiles(s), .turned = turned};
    p.from_stride = turned ? s->o * 9 : 9;
    p.to_stride = turned ? 9 : s->c * 9;
    const int64_t rows = tile_max_rows(tile_vectors(s->o, 0));
    p.threads = work_threads(INT64_MAX, (double)p.tiles.n * 36 * (double)s->c * (double)s->o);
    p.by_columns = p.tiles.n <= FEW_BLOCKS * WINO_BLOCK && s->o >= p.threads * TILE_COLS;
    p.block = p.tiles.n <= WINO_BLOCK ? p.tiles.n : WINO_BLOCK / rows * rows;
    if (!p.by_columns) p.block = min64(p.block, ceil_div(p.tiles.n, p.threads));
    p.n_blocks = ceil_div(p.tiles.n, p.block);
    if (!p.by_columns) p.threads = (int)min64(p.threads, p.n_blocks);
    const int64_t columns = p.by_columns ? p.threads * TILE_COLS : padded_columns(s->o);
    p.thread_floats = (p.by_columns ? 0 : wino_input_floats(s->c)) + WINO_POINTS * WINO_WIDE_PLANE;
    p.segment = carve(c, (size_t)wino_chunks(s->c) * sizeof *p.segment);
    p.weights = carve(c, (size_t)(WINO_POINTS * s->c * columns) * sizeof(float));
    p.shared = carve(c, p.by_columns ? (size_t)(p.n_blocks * wino_input_floats(s->c)) * 4 : 0);
    p.inputs = carve(c, (size_t)(p.threads * p.thread_floats) * sizeof(float));
    return p;
}

/* -- Inputs */

/* Where the six columns of a tile are, and which lanes of them to load: none outside the image. */
typedef struct Columns {
    int64_t offset[WINO_IN];
    vm mask[WINO_IN];
} Columns;

SIMD Columns edge_columns(const WinoTiles *g, int64_t column, int64_t n)
{
    Columns c;
#pragma GCC unroll 6
    for (int64_t j = 0; j < WINO_IN; j++) {
        const int64_t at = column + j;
        c.offset[j] = max64(0, min64(g->w - 1, at)) * g->c;
        c.mask[j] = vf_mask(at >= 0 && at < g->w ? n : 0);
    }
    return c;
}

/* Half of the points, 0..2 or 3..5, of three rows' worth: halves keep the tile in registers. */
SIMD void transform_half(const vf d[WINO_IN], int half, vf to[3])
{
    if (half == 0)
        wino_input_low(d, to);
    else
        wino_input_high(d, to);
}

SIMD void store_half(vf t[WINO_IN][3], int half, float *to)
{
#pragma GCC unroll 3
    for (int j = 0; j < 3; j++) {
        const vf d[WINO_IN] = {t[0][j], t[1][j], t[2][j], t[3][j], t[4][j], t[5][j]};
        vf r[WINO_IN];
        wino_input_low(d, r);
        wino_input_high(d, r + 3);
#pragma GCC unroll 6
        for (int i = 0; i < WINO_IN; i++)
            vf_store(to + (i * WINO_IN + half * 3 + j) * WINO_PLANE, r[i]);
    }
}

/* A tile inside the image, VL channels; x points at them in its first pixel. */
SIMD void inner_tile(const WinoTiles *g, const float *x, float *to)
{
    const int64_t pitch = g->c, line = g->w * g->c;
#pragma GCC unroll 2
    for (int half = 0; half < 2; half++) {
        vf t[WINO_IN][3];
#pragma GCC unroll 6
        for (int i = 0; i < WINO_IN; i++) {
            vf d[WINO_IN];
#pragma GCC unroll 6
            for (int j = 0; j < WINO_IN; j++) d[j] = vf_load(x + i * line + j * pitch);
            transform_half(d, half, t[i]);
        }
        store_half(t, half, to);
    }
}

/* Any tile; x points at the channels in the first pixel of the image. */
SIMD void edge_tile(const WinoTiles *g, const float *x, int64_t line, const Columns *c, float *to)
{
#pragma GCC unroll 2
    for (int half = 0; half < 2; half++) {
        vf t[WINO_IN][3];
#pragma GCC unroll 6
        for (int64_t i = 0; i < WINO_IN; i++) {
            t[i][0] = t[i][1] = t[i][2] = vf_zero();
            if (line + i < 0 || line + i >= g->h) continue;
            const float *row = x + (line + i) * g->w * g->c;
            vf d[WINO_IN];
#pragma GCC unroll 6
            for (int j = 0; j < WINO_IN; j++) d[j] = vf_load_m(row + c->offset[j], c->mask[j]);
            transform_half(d, half, t[i]);
        }
        store_half(t, half, to);
    }
}

void winograd_gather(const WinoTiles *g, const float *x, int64_t first, int64_t n_tiles, float *to)
{
    for (int64_t t = 0; t < n_tiles; t++, to += CHUNK) {
        const WinoTile tile = wino_tile(g, first + t);
        const float *image = x + tile.image * g->h * g->w * g->c;
        const int64_t line = tile.y - g->pad[0], column = tile.x - g->pad[1];
        const bool inside =
            line >= 0 && line + WINO_IN <= g->h && column >= 0 && column + WINO_IN <= g->w;
        for (int64_t c = 0; c < g->c; c += VL) {
            float *at = to + c / CHUNK * WINO_POINTS * WINO_PLANE + c % CHUNK;
            if (inside && c + VL <= g->c) {
                inner_tile(g, image + (line * g->w + column) * g->c + c, at);
            } else {
                const Columns columns = edge_columns(g, column, min64(VL, g->c - c));
                edge_tile(g, image + c, line, &columns, at);
            }
        }
    }
}

/* -- Kernels */

enum { CHUNK_TAPS = 9 * CHUNK };

/* g[channel of the chunk * 9 + tap][column] of columns j.., where the taps of neighbouring channels
 * are neighbours in w: rows of w turned to columns. */
static void gather_columns(const Plan *p, const float *w, int64_t c, int64_t j, int64_t width,
                           float g[CHUNK_TAPS][TILE_COLS])
{
    const int64_t used = min64(width, p->tiles.o - j), n = 9 * min64(CHUNK, p->tiles.c - c);
    w += 9 * c + j * p->to_stride;
    for (int64_t i = 0; i < width; i += VL)
        for (int64_t k = 0; k < n; k += VL) {
            vf r[VL];
#pragma GCC unroll 16
            for (int64_t l = 0; l < VL; l++)
                r[l] = i + l < used ? vf_load_n(w + (i + l) * p->to_stride + k, min64(VL, n - k))
                                    : vf_zero();
            vf_transpose(r);
#pragma GCC unroll 16
            for (int l = 0; l < VL; l++) vf_store(g[k + l] + i, r[l]);
        }
}

/* The same, where neighbouring columns are neighbours in w, the taps from the last to the first. */
static void gather_turned(const Plan *p, const float *w, int64_t c, int64_t j, int64_t width,
                          float g[CHUNK_TAPS][TILE_COLS])
{
    const int64_t used = min64(width, p->tiles.o - j), n = min64(CHUNK, p->tiles.c - c);
    w += c * p->from_stride + 9 * j;
    for (int64_t k = 0; k < n; k++, g += 9, w += p->from_stride)
        for (int64_t i = 0; i < width; i += VL)
            for (int64_t tap = 0; tap < 9; tap += VL) {
                const int64_t taps = min64(VL, 9 - tap);
                vf r[VL];
#pragma GCC unroll 16
                for (int64_t l = 0; l < VL; l++)
                    r[l] = i + l < used ? vf_load_n(w + 9 * (i + l) + tap, taps) : vf_zero();
                vf_transpose(r);
                for (int64_t l = 0; l < taps; l++) vf_store(g[8 - tap - l] + i, r[l]);
            }
}

/* One channel: to[point * step + column]. */
static void transform_kernel(float g[9][TILE_COLS], int64_t width, int64_t step, float *to)
{
    for (int64_t i = 0; i < width; i += VL) {
        vf t[3][WINO_IN];
        for (int k = 0; k < 3; k++) {
            const vf row[3] = {vf_load(g[3 * k] + i), vf_load(g[3 * k + 1] + i),
                               vf_load(g[3 * k + 2] + i)};
            wino_kernel(row, t[k]);
        }
        for (int l = 0; l < WINO_IN; l++) {
            const vf column[3] = {t[0][l], t[1][l], t[2][l]};
            vf u[WINO_IN];
            wino_kernel(column, u);
            for (int k = 0; k < WINO_IN; k++) vf_store(to + (k * WINO_IN + l) * step + i, u[k]);
        }
    }
}

/* Up to CHUNK channels from c of the tile of columns j..: to[point][channel][column]. */
static void transform_kernels(const Plan *p, const float *w, int64_t c, int64_t j, float *to)
{
    _Alignas(64) float g[CHUNK_TAPS][TILE_COLS];
    const int64_t width = tile_vectors(p->tiles.o, j) * VL, step = p->tiles.c * width;
    if (p->turned)
        gather_turned(p, w, c, j, width, g);
    else
        gather_columns(p, w, c, j, width, g);
    for (int64_t k = 0; k < min64(CHUNK, p->tiles.c - c); k++)
        transform_kernel(g + 9 * k, width, step, to + (c + k) * width);
}

/* -- Outputs */

/* One tile, n <= VL channels, ny by nx outputs; y points at the first. */
SIMD void scatter_tile(const WinoTiles *g, const float *m, int64_t ny, int64_t nx, int64_t n,
                       float *y)
{
    vf t[WINO_OUT][WINO_IN];
#pragma GCC unroll 6
    for (int j = 0; j < WINO_IN; j++) {
        vf d[WINO_IN], r[WINO_OUT];
#pragma GCC unroll 6
        for (int i = 0; i < WINO_IN; i++) d[i] = vf_load(m + (i * WINO_IN + j) * WINO_WIDE_PLANE);
        wino_output(d, r);
#pragma GCC unroll 4
        for (int i = 0; i < WINO_OUT; i++) t[i][j] = r[i];
    }
#pragma GCC unroll 4
    for (int64_t i = 0; i < WINO_OUT; i++) {
        if (i >= ny) break;
        vf r[WINO_OUT];
        wino_output(t[i], r);
#pragma GCC unroll 4
        for (int64_t j = 0; j < WINO_OUT; j++) {
            if (j >= nx) break;
            vf_store_n(y + (i * g->ow + j) * g->o, r[j], n);
        }
    }
}

static void scatter(const Plan *p, const float *m, int64_t first, int64_t n_tiles, int64_t j,
                    int64_t width, float *y)
{
    const WinoTiles *g = &p->tiles;
    for (int64_t t = 0; t < n_tiles; t++) {
        const WinoTile tile = wino_tile(g, first + t);
        float *out = y + ((tile.image * g->oh + tile.y) * g->ow + tile.x) * g->o + j;
        const int64_t ny = min64(WINO_OUT, g->oh - tile.y), nx = min64(WINO_OUT, g->ow - tile.x);
        for (int64_t i = 0; i < width && j + i < g->o; i += VL) {
            const float *from = m + t * width + i;
            if (ny == WINO_OUT && nx == WINO_OUT && j + i + VL <= g->o)
                scatter_tile(g, from, WINO_OUT, WINO_OUT, VL, out + i);
            else
                scatter_tile(g, from, ny, nx, min64(VL, g->o - j - i), out + i);
        }
    }
}

/* -- The passes */

/* What the tiles ask for meanwhile: a part of x, some with each segment. */
typedef struct Ahead {
    const float *p;
    int64_t step;
} Ahead;

/* The products of a block for the tile of columns j.. */
static void block_products(const Plan *p, const float *inputs, const float *weights,
                           int64_t n_tiles, int64_t j, float *products, Ahead *ahead)
{
    const int kind = conv_tile_kind(p->tiles.o - j), nv = kind / 2 + 1;
    const int64_t width = nv * VL, n_runs = ceil_div(n_tiles, tile_max_rows(nv));
    SumTile t = {.a_output = CHUNK,
                 .segment = p->segment,
                 .n_segments = wino_chunks(p->tiles.c),
                 .b = weights,
                 .ldo = width,
                 .ahead_step = ahead->step};
    for (int e = 0; e < WINO_POINTS; e++, t.b += p->tiles.c * width)
        for (int64_t r = 0; r < n_runs; r++) {
            const int64_t begin = part_begin(n_tiles, n_runs, r);
            t.a = inputs + e * WINO_PLANE + begin * CHUNK;
            t.out = products + e * WINO_WIDE_PLANE + begin * width;
            t.ahead = ahead->p;
            conv_sum_tile[kind][part_begin(n_tiles, n_runs, r + 1) - begin - 1](&t);
            ahead->p = wino_ahead(ahead->p, t.n_segments * ahead->step);
        }
}

static void run_block(const Plan *p, const float *x, int64_t first, int64_t n_tiles, float *inputs,
                      float *y)
{
    const WinoTiles *g = &p->tiles;
    float *products = inputs + wino_input_floats(g->c);
    const int64_t n_runs = ceil_div(n_tiles, tile_max_rows(tile_vectors(g->o, 0)));
    const int64_t steps = ceil_div(g->o, TILE_COLS) * WINO_POINTS * n_runs * wino_chunks(g->c);
    Ahead next = {wino_next(g, x, g->h * g->w * g->c, first + n_tiles),
                  ceil_div(g->h * g->w * g->c * n_tiles, g->lines * g->columns * steps)};
    winograd_gather(g, x, first, n_tiles, inputs);
    for (int64_t j = 0; j < g->o; j += TILE_COLS) {
        const int nv = tile_vectors(g->o, j);
        block_products(p, inputs, p->weights + WINO_POINTS * g->c * j, n_tiles, j, products, &next);
        scatter(p, products, first, n_tiles, j, nv * VL, y);
    }
}

static int64_t tiles_of(const Plan *p, int64_t b)
{
    return min64(p->block, p->tiles.n - b * p->block);
}

static void run_by_blocks(const Plan *p, const float *x, const float *w, float *y)
{
    const int64_t chunks = wino_chunks(p->tiles.c), n = chunks * ceil_div(p->tiles.o, TILE_COLS);
#pragma omp parallel num_threads(p->threads) if (p->threads > 1)
    {
#pragma omp for schedule(static)
        for (int64_t u = 0; u < n; u++) {
            const int64_t j = u / chunks * TILE_COLS;
            transform_kernels(p, w, u % chunks * CHUNK, j,
                              p->weights + WINO_POINTS * p->tiles.c * j);
        }
#pragma omp for schedule(static)
        for (int64_t t = 0; t < p->threads; t++) {
            const int64_t end = part_begin(p->n_blocks, p->threads, t + 1);
            for (int64_t b = part_begin(p->n_blocks, p->threads, t); b < end; b++)
                run_block(p, x, b * p->block, tiles_of(p, b), p->inputs + t * p->thread_floats, y);
        }
    }
}

/* Tile j of columns of all blocks. */
static void run_column(const Plan *p, const float *w, int64_t j, float *weights, float *products,
                       float *y)
{
    const int nv = tile_vectors(p->tiles.o, j);
    for (int64_t c = 0; c < p->tiles.c; c += CHUNK) transform_kernels(p, w, c, j, weights);
    Ahead nothing = {NULL, 0};
    for (int64_t b = 0; b < p->n_blocks; b++) {
        block_products(p, p->shared + b * wino_input_floats(p->tiles.c), weights, tiles_of(p, b), j,
                       products, &nothing);
        scatter(p, products, b * p->block, tiles_of(p, b), j, nv * VL, y);
    }
}

static void run_by_columns(const Plan *p, const float *x, const float *w, float *y)
{
    const int64_t n = ceil_div(p->tiles.o, TILE_COLS);
#pragma omp parallel num_threads(p->threads) if (p->threads > 1)
    {
#pragma omp for schedule(static)
        for (int64_t t = 0; t < p->tiles.n; t++)
            winograd_gather(&p->tiles, x, t, 1,
                            p->shared + t / p->block * wino_input_floats(p->tiles.c) +
                                t % p->block * CHUNK);
#pragma omp for schedule(static)
        for (int64_t t = 0; t < p->threads; t++) {
            float *weights = p->weights + t * WINO_POINTS * p->tiles.c * TILE_COLS;
            const int64_t end = part_begin(n, p->threads, t + 1);
            for (int64_t i = part_begin(n, p->threads, t); i < end; i++)
                run_column(p, w, i * TILE_COLS, weights, p->inputs + t * p->thread_floats, y);
        }
    }
}

static void run(const Plan *p, const float *x, const float *w, float *y)
{
    for (int64_t i = 0; i < wino_chunks(p->tiles.c); i++)
        p->segment[i] = (TileSegment){(int32_t)(i * WINO_POINTS * WINO_PLANE),
                                      (int32_t)min64(CHUNK, p->tiles.c - i * CHUNK)};
    if (p->by_columns)
        run_by_columns(p, x, w, y);
    else
        run_by_blocks(p, x, w, y);
}

/* The convolution over dy that gives the gradient to x. */
static ConvShape turned_shape(const ConvShape *s)
{
    ConvShape t = *s;
    t.h = s->oh, t.w = s->ow, t.c = s->o;
    t.oh = s->h, t.ow = s->w, t.o = s->c;
    t.pad[0] = 2 - s->pad[0], t.pad[1] = 2 - s->pad[1];
    return t;
}

__attribute__((nonnull)) void winograd_forward(const ConvShape *s, const float *x, const float *w,
                                               float *y, void *scratch)
{
    Carve c = {.base = scratch};
    const Plan p = make_plan(s, false, &c);
    run(&p, x, w, y);
}

__attribute__((nonnull)) void winograd_grad_x(const ConvShape *s, const float *dy, const float *w,
                                              float *dx, void *scratch)
{
    Carve c = {.base = scratch};
    const ConvShape turned = turned_shape(s);
    const Plan p = make_plan(&turned, true, &c);
    run(&p, dy, w, dx);
}

size_t winograd_scratch(const ConvShape *s)
{
    Carve forward = {0}, backward = {0};
    const ConvShape turned = turned_shape(s);
    make_plan(s, false, &forward);
    make_plan(&turned, true, &backward);
    return forward.used > backward.used ? forward.used : backward.used;
}
