/* winograd_grad_w -- the gradient of a 3x3 convolution of stride 1 to its weights by F(4x4, 3x3):
 * see winograd.h.
 *
 * Order: x and dy are transformed along x, then along y. The tiles are cut into blocks of equal
 * size (the last may be smaller), at most WINO_BLOCK, the blocks into at most MAX_PARTS parts; both
 * cuts depend on the shape alone. One chain of fused multiply-adds from zero runs over the tiles of
 * a block, ascending; with many weights, whose sums leave L2, over up to MAX_GROUP whole blocks of
 * a part. The chains of a part are added in ascending order, the sums transformed to 3x3 (along y,
 * then x), and the parts added in ascending order. Pixels outside dy and x are zeros.
 *
 * Threads split parts and, where these are too few, tiles of output channels. A part's sums lie as
 * [tile of columns][point][channel][column], its kernels as [tile of
 * columns][channel][tap][column].
 */
#include "cpu/winograd.h"

enum { MAX_PARTS = 16, PARTS_BUDGET = 4 << 20 }; /* floats in all parts' kernels */
enum { MAX_GROUP = 4, MANY_WEIGHTS = 1 << 14 };  /* of 1x1 */

typedef struct Plan {
    WinoTiles tiles;
    const float *x, *dy;
    int64_t block, n_blocks;
    int64_t group;             /* blocks in a chain, at most */
    int64_t n_columns;         /* tiles of output columns */
    int64_t n_parts, n_slices; /* slices: parts of the tiles of columns, by the threads at hand */
    int64_t sum_floats, kernel_floats;
    int threads;
    int64_t thread_floats;
    float *thread_memory; /* threads * (inputs, dy, sums) */
    int64_t n_kept;       /* parts' kernels: with one thread the parts are added as they come */
    float *kernels;       /* n_kept * kernel_floats */
} Plan;

bool winograd_grad_w_fits(const ConvShape *s)
{
    return winograd_fits(s);
}

static Plan make_plan(const ConvShape *s, Carve *c)
{
    Plan p = {.tiles = wino_tiles(s), .n_columns = ceil_div(s->o, TILE_COLS)};
    p.n_blocks = ceil_div(p.tiles.n, WINO_BLOCK);
    p.block = ceil_div(p.tiles.n, p.n_blocks);
    p.n_blocks = ceil_div(p.tiles.n, p.block);
    p.group = s->c * s->o > MANY_WEIGHTS ? min64(MAX_GROUP, p.n_blocks) : 1;
    p.n_parts = max64(1, min64(min64(MAX_PARTS, ceil_div(p.n_blocks, p.group)),
                               PARTS_BUDGET / (9 * s->c * s->o)));
    p.threads = work_threads(p.n_parts * p.n_columns,
                             (double)p.tiles.n * WINO_POINTS * (double)(s->c * s->o));
    p.n_slices = min64(p.n_columns, ceil_div(p.threads, p.n_parts));
    p.sum_floats = WINO_POINTS * s->c * padded_columns(s->o);
    p.kernel_floats = 9 * s->c * padded_columns(s->o);
    p.thread_floats =
        p.group * (wino_input_floats(s->c) + WINO_POINTS * WINO_WIDE_PLANE) + p.sum_floats;
    p.thread_memory = carve(c, (size_t)(p.threads * p.thread_floats) * sizeof(float));
    p.n_kept = p.threads == 1 ? 1 : p.n_parts;
    p.kernels = carve(c, (size_t)(p.n_kept * p.kernel_floats) * sizeof(float));
    return p;
}

/* One tile of dy, n <= VL channels, ny by nx pixels of it inside: to[point * WINO_WIDE_PLANE]. */
SIMD void spread_tile(const WinoTiles *g, const float *dy, int64_t ny, int64_t nx, int64_t n,
                      float *to)
{
    vf t[WINO_OUT][WINO_IN];
#pragma GCC unroll 4
    for (int64_t i = 0; i < WINO_OUT; i++) {
        vf d[WINO_OUT];
#pragma GCC unroll 4
        for (int64_t j = 0; j < WINO_OUT; j++)
            d[j] = i < ny && j < nx ? vf_load_n(dy + (i * g->ow + j) * g->o, n) : vf_zero();
        wino_spread_low(d, t[i]);
        wino_spread_high(d, t[i] + 3);
    }
#pragma GCC unroll 6
    for (int j = 0; j < WINO_IN; j++) {
        const vf d[WINO_OUT] = {t[0][j], t[1][j], t[2][j], t[3][j]};
        vf r[WINO_IN];
        wino_spread_low(d, r);
        wino_spread_high(d, r + 3);
#pragma GCC unroll 6
        for (int i = 0; i < WINO_IN; i++) vf_store(to + (i * WINO_IN + j) * WINO_WIDE_PLANE, r[i]);
    }
}

/* to[point * WINO_WIDE_PLANE + t * width + column] of the columns j.. of the tiles first + t. */
static void spread(const Plan *p, int64_t first, int64_t n_tiles, int64_t j, int64_t width,
                   float *to)
{
    const WinoTiles *g = &p->tiles;
    for (int64_t t = 0; t < n_tiles; t++, to += width) {
        const WinoTile tile = wino_tile(g, first + t);
        const float *from = p->dy + ((tile.image * g->oh + tile.y) * g->ow + tile.x) * g->o + j;
        const int64_t ny = min64(WINO_OUT, g->oh - tile.y), nx = min64(WINO_OUT, g->ow - tile.x);
        for (int64_t i = 0; i < width; i += VL) {
            const int64_t n = max64(0, min64(VL, g->o - j - i));
            if (ny == WINO_OUT && nx == WINO_OUT && n == VL)
                spread_tile(g, from + i, WINO_OUT, WINO_OUT, VL, to + i);
            else
                spread_tile(g, from + i, ny, nx, n, to + i);
        }
    }
}

/* What the tiles ask for meanwhile: call i of n for its share of a part of x, then of one of dy. */
typedef struct Ahead {
    const float *x, *dy;
    int64_t x_floats, dy_floats, i, n;
} Ahead;

static void choose_ahead(Ahead *a, int64_t outputs, GradTile *t)
{
    const int64_t all = a->x_floats + a->dy_floats, k = part_begin(all, a->n, a->i++);
    t->ahead = k < a->x_floats ? wino_ahead(a->x, k) : wino_ahead(a->dy, k - a->x_floats);
    t->ahead_step = min64(CHUNK, ceil_div(all, a->n * outputs));
}

static int64_t parts_of(int64_t channels, int nv)
{
    return ceil_div(channels, tile_max_rows(nv));
}

/* sums[point][channel][column] = or += the part of n_blocks blocks, for one tile of columns. */
static void group_sums(const Plan *p, const float *x, const float *dy, int64_t n_blocks,
                       int64_t n_tiles, int kind, bool first, float *sums, Ahead *ahead)
{
    const int nv = kind / 2 + 1;
    const int64_t c = p->tiles.c, width = nv * VL;
    GradTile t = {
        .walk = {{1, n_blocks, n_tiles},
                 {0, wino_input_floats(c), CHUNK},
                 {0, WINO_POINTS * WINO_WIDE_PLANE, width}}
    };
    for (int e = 0; e < WINO_POINTS; e++, x += WINO_PLANE, dy += WINO_WIDE_PLANE)
        for (int64_t k = 0; k < c; k += CHUNK) {
            const int64_t channels = min64(CHUNK, c - k), n_parts = parts_of(channels, nv);
            for (int64_t i = 0; i < n_parts; i++) {
                const int64_t begin = part_begin(channels, n_parts, i);
                t.a = x + k / CHUNK * WINO_POINTS * WINO_PLANE + begin, t.b = dy;
                t.out = sums + (e * c + k + begin) * width;
                t.base = first ? NULL : t.out;
                choose_ahead(ahead, n_blocks * n_tiles, &t);
                conv_grad_tile[kind][part_begin(channels, n_parts, i + 1) - begin - 1](&t);
            }
        }
}

/* kernels[channel][tap][column] = or += those of one tile of columns. */
static void transform_sums(const Plan *p, const float *sums, int64_t width, bool first,
                           float *kernels)
{
    const int64_t step = p->tiles.c * width;
    for (int64_t c = 0; c < p->tiles.c; c++, sums += width, kernels += 9 * width)
        for (int64_t i = 0; i < width; i += VL) {
            vf t[3][WINO_IN];
            for (int l = 0; l < WINO_IN; l++) {
                vf column[WINO_IN], r[3];
                for (int k = 0; k < WINO_IN; k++)
                    column[k] = vf_load(sums + (k * WINO_IN + l) * step + i);
                wino_kernel_transposed(column, r);
                for (int k = 0; k < 3; k++) t[k][l] = r[k];
            }
            for (int k = 0; k < 3; k++) {
                vf r[3];
                wino_kernel_transposed(t[k], r);
                for (int l = 0; l < 3; l++) {
                    float *to = kernels + (3 * k + l) * width + i;
                    if (!first) r[l] = vf_load(to) + r[l];
                    vf_store(to, r[l]);
                }
            }
        }
}

/* Blocks b..b1 in one chain: whole ones, or the last alone. */
static int64_t group_of(const Plan *p, int64_t b, int64_t b1)
{
    const int64_t whole = p->tiles.n / p->block;
    return max64(1, min64(p->group, min64(b1, whole) - b));
}

/* Of the n_tiles tiles from block b on, for so many tiles of columns. */
static Ahead ahead_of(const Plan *p, int64_t b, int64_t n_tiles, int64_t n_columns)
{
    const WinoTiles *g = &p->tiles;
    const int64_t x = g->h * g->w * g->c, dy = g->oh * g->ow * g->o, tiles = g->lines * g->columns;
    const int nv = tile_vectors(g->o, 0);
    const int64_t last = g->c % CHUNK,
                  parts = g->c / CHUNK * parts_of(CHUNK, nv) + (last ? parts_of(last, nv) : 0);
    return (Ahead){.x = wino_next(g, p->x, x, b * p->block),
                   .dy = wino_next(g, p->dy, dy, b * p->block),
                   .x_floats = x * n_tiles / tiles,
                   .dy_floats = dy * n_tiles / tiles,
                   .n = n_columns * WINO_POINTS * parts};
}

/* Unit u is one slice of one part. */
static void part_unit(const Plan *p, int64_t u, float *memory)
{
    const int64_t part = u / p->n_slices, slice = u % p->n_slices, c = p->tiles.c;
    const int64_t j0 = part_begin(p->n_columns, p->n_slices, slice) * TILE_COLS,
                  j1 = min64(p->tiles.o,
                             part_begin(p->n_columns, p->n_slices, slice + 1) * TILE_COLS);
    const int64_t b0 = part_begin(p->n_blocks, p->n_parts, part),
                  b1 = part_begin(p->n_blocks, p->n_parts, part + 1);
    const int64_t x_floats = wino_input_floats(c), dy_floats = WINO_POINTS * WINO_WIDE_PLANE;
    float *dy = memory + p->group * x_floats, *sums = dy + p->group * dy_floats;
    for (int64_t b = b0, n = 0; b < b1; b += n) {
        n = group_of(p, b, b1);
        const bool first = b == b0, last = b + n == b1;
        const int64_t n_tiles = min64(p->block, p->tiles.n - b * p->block);
        for (int64_t i = 0; i < n; i++)
            winograd_gather(&p->tiles, p->x, (b + i) * p->block, n_tiles, memory + i * x_floats);
        Ahead ahead = ahead_of(p, b + n, n * n_tiles, ceil_div(j1 - j0, TILE_COLS));
        for (int64_t j = j0; j < j1; j += TILE_COLS) {
            const int kind = conv_tile_kind(p->tiles.o - j), nv = kind / 2 + 1;
            /* A part of one chain needs no sums after its kernels. */
            float *to = sums + (first && last ? 0 : WINO_POINTS * c * j);
            for (int64_t i = 0; i < n; i++)
                spread(p, (b + i) * p->block, n_tiles, j, nv * VL, dy + i * dy_floats);
            group_sums(p, memory, dy, n, n_tiles, kind, first, to, &ahead);
            if (last)
                transform_sums(p, to, nv * VL, part < p->n_kept,
                               p->kernels + part % p->n_kept * p->kernel_floats + 9 * c * j);
        }
    }
}

/* dw of up to CHUNK channels from c and the tile of columns j..: the parts' kernels, and from
 * [channel][tap][column] to (O, C, 3, 3), by squares of VL. */
static void add_parts(const Plan *p, int64_t c, int64_t j, float *dw)
{
    const WinoTiles *g = &p->tiles;
    const int64_t width = tile_vectors(g->o, j) * VL, n = 9 * min64(CHUNK, g->c - c);
    const float *kernels = p->kernels + 9 * (g->c * j + c * width);
    dw += 9 * (g->c * j + c);
    for (int64_t k = 0; k < n; k += VL)
        for (int64_t i = 0; i < width && j + i < g->o; i += VL) {
            vf r[VL];
#pragma GCC unroll 16
            for (int64_t l = 0; l < VL; l++)
                r[l] = k + l < n ? vf_load(kernels + (k + l) * width + i) : vf_zero();
            for (int64_t part = 1; part < p->n_kept; part++)
#pragma GCC unroll 16
                for (int64_t l = 0; l < VL; l++)
                    if (k + l < n)
                        r[l] =
                            r[l] + vf_load(kernels + part * p->kernel_floats + (k + l) * width + i);
            vf_transpose(r);
            for (int64_t l = 0; l < min64(VL, g->o - j - i); l++)
                vf_store_n(dw + 9 * g->c * (i + l) + k, r[l], min64(VL, n - k));
        }
}

__attribute__((nonnull)) void winograd_grad_w(const ConvShape *s, const float *x, const float *dy,
                                              float *dw, void *scratch)
{
    Carve c = {.base = scratch};
    Plan p = make_plan(s, &c);
    p.x = x, p.dy = dy;
    const int64_t n_units = p.n_parts * p.n_slices, chunks = wino_chunks(s->c);
#pragma omp parallel num_threads(p.threads) if (p.threads > 1)
    {
#pragma omp for schedule(static)
        for (int64_t t = 0; t < p.threads; t++) {
            const int64_t end = part_begin(n_units, p.threads, t + 1);
            for (int64_t u = part_begin(n_units, p.threads, t); u < end; u++)
                part_unit(&p, u, p.thread_memory + t * p.thread_floats);
        }
#pragma omp for schedule(static)
        for (int64_t u = 0; u < p.n_columns * chunks; u++)
            add_parts(&p, u % chunks * CHUNK, u / chunks * TILE_COLS, dw);
    }
}

size_t winograd_grad_w_scratch(const ConvShape *s)
{
    Carve c = {0};
    make_plan(s, &c);
    return c.used;
}
