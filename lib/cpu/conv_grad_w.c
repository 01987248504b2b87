/* conv_grad_w -- the gradient of a convolution to its weights:
 *   dw[o, c, s, t] = sum over images and outputs (i, j) of dy[i, j, o] * x[i * stride + tap(s), j *
 * stride + tap(t), c]
 *
 * Order: the images and output rows are cut into items of a few hundred outputs, items into at most
 * MAX_CHUNKS chunks; both cuts depend on the shape alone. In an item one chain of fused
 * multiply-adds from zero runs over the outputs in memory order; items of a chunk, then chunks, are
 * added in ascending order. Threads split chunks and, where these are too few, tiles of output
 * channels.
 *
 * A register tile is the channels of one tap and chunk (broadcast from the band's copy) by output
 * channels. A chunk's sums lie as packed weights do: [group][tile of columns][k][column]. */
#include "cpu/conv_inner.h"

#include <string.h>

enum { MAX_CHUNKS = 16, CHUNK_BUDGET = 4 << 20 }; /* floats in all chunks' sums */
enum { ITEM_OUTPUTS = 512 };

typedef struct Plan {
    const ConvShape *s;
    const float *x, *dy;
    ConvGrid grid;
    TileSegment *segment;
    int64_t columns, n_tiles;   /* of one group */
    int64_t images, n_items;    /* images in an item; > 1 only when an image is one band */
    int64_t n_chunks, n_slices; /* slices: parts of all groups' tiles, by the threads at hand */
    int64_t sum_floats;
    float *sums; /* n_chunks * sum_floats */
    int threads;
    int64_t band_floats, dy_floats;
    float *bands, *dys; /* for each thread: an item's input; the ragged columns of its dy */
} Plan;

/* One item: images image..image+n_images, output rows row..row+n_rows. */
typedef struct Item {
    int64_t image, n_images, row, n_rows;
} Item;

static Plan make_plan(const ConvShape *s, Carve *c)
{
    Plan p = {.s = s, .grid = conv_grid_forward(s, true), .columns = s->o / s->groups};
    conv_grid_cut(&p.grid, max64(1, ITEM_OUTPUTS / s->ow));
    const bool whole = p.grid.n_bands == 1;
    p.images = whole ? max64(1, min64(s->n, ITEM_OUTPUTS / (s->oh * s->ow))) : 1;
    p.n_items = ceil_div(s->n, p.images) * p.grid.n_bands;
    p.n_tiles = ceil_div(p.columns, TILE_COLS);
    /* Every ISA must cut the same chunks: nothing here may depend on the padding to whole vectors.
     */
    const int64_t weights = s->o * p.grid.depth;
    p.n_chunks = max64(1, min64(min64(MAX_CHUNKS, p.n_items), CHUNK_BUDGET / weights));
    p.sum_floats = s->groups * p.grid.depth * padded_columns(p.columns);
    p.threads = work_threads(p.n_chunks * p.n_tiles * s->groups,
                             (double)(s->n * s->oh * s->ow) * (double)weights);
    p.n_slices = min64(p.n_tiles * s->groups, ceil_div(p.threads, p.n_chunks));
    p.band_floats = p.images * p.grid.floats;
    p.dy_floats = p.columns % VL == 0 ? 0 : p.images * p.grid.rows * s->ow * TILE_COLS;
    p.segment = carve(c, (size_t)p.grid.n_segments * sizeof *p.segment);
    p.sums = carve(c, (size_t)(p.n_chunks * p.sum_floats) * sizeof(float));
    p.bands = carve(c, (size_t)(p.threads * p.band_floats) * sizeof(float));
    p.dys = carve(c, (size_t)(p.threads * p.dy_floats) * sizeof(float));
    return p;
}

static Item item_of(const Plan *p, int64_t i)
{
    const ConvGrid *g = &p->grid;
    Item item = {.image = i / g->n_bands * p->images, .row = i % g->n_bands * g->rows};
    item.n_images = min64(p->images, p->s->n - item.image);
    item.n_rows = min64(g->rows, g->y.out - item.row);
    return item;
}

static void gather_item(const Plan *p, const Item *item, int64_t group, float *band)
{
    const ConvShape *s = p->s;
    for (int64_t i = 0; i < item->n_images; i++)
        conv_gather(&p->grid,
                    p->x + (item->image + i) * s->h * s->w * s->c + group * p->grid.channels,
                    item->row, item->n_rows, band + i * p->grid.floats);
}

/* The ragged columns of dy with zeros behind, so that tiles may load whole vectors:
 * [image][row][column][width]. */
static void copy_dy(const Plan *p, const Item *item, const float *dy, int64_t used, int64_t width,
                    float *to)
{
    const ConvShape *s = p->s;
    for (int64_t i = 0; i < item->n_images; i++, dy += s->oh * s->ow * s->o)
        for (int64_t j = 0; j < item->n_rows * s->ow; j++, to += width)
            for (int64_t l = 0; l < width; l += VL)
                vf_store(to + l, vf_load_n(dy + j * s->o + l, max64(0, min64(VL, used - l))));
}

static void add_tile(const float *tile, int64_t rows, int nv, float *sum)
{
    for (int64_t i = 0; i < rows; i++)
        for (int j = 0; j < nv; j++) {
            float *to = sum + (i * nv + j) * VL;
            vf_store(to, vf_load(to) + vf_load(tile + i * TILE_COLS + j * VL));
        }
}

/* Which outputs of the item the taps of a segment meet inside the source: the walk shrinks to
 * those, and both factors start at the first. */
static TileWalk clip_walk(const Plan *p, const Item *item, const TileWalk *walk, int64_t segment,
                          int64_t *a_start, int64_t *b_start)
{
    const ConvGrid *g = &p->grid;
    const int64_t line_segments = g->n_segments / g->y.n_taps;
    int64_t y0, y1, x0 = 0, x1 = g->x.out;
    conv_axis_inside(&g->y, segment / line_segments, &y0, &y1);
    if (!g->fold)
        conv_axis_inside(&g->x, segment % line_segments / (line_segments / g->x.n_taps), &x0, &x1);
    y0 = max64(0, min64(item->n_rows, y0 - item->row));
    y1 = max64(y0, min64(item->n_rows, y1 - item->row));
    TileWalk clipped = *walk;
    clipped.count[1] = y1 - y0, clipped.count[2] = x1 - x0;
    *a_start = y0 * walk->a[1] + x0 * walk->a[2];
    *b_start = y0 * walk->b[1] + x0 * walk->b[2];
    return clipped;
}

/* Lets part i of the segments fetch its share of the next item from memory, while this one is
 * computed. */
static void prefetch_next(const Plan *p, const Item *item, int64_t i)
{
    const ConvShape *s = p->s;
    const int64_t rows =
        item->image * s->oh + item->row + item->n_images * item->n_rows; /* before it */
    const int64_t n_rows = item->n_images * item->n_rows, n = p->grid.n_segments;
    const int64_t x_row = s->h * s->w * s->c / s->oh, dy_row = s->ow * s->o;
    const int64_t begin = part_begin(n_rows * x_row, n, i),
                  end = part_begin(n_rows * x_row, n, i + 1);
    prefetch(p->x, rows * x_row + begin, end - begin);
    const int64_t dy_begin = part_begin(n_rows * dy_row, n, i);
    prefetch(p->dy, rows * dy_row + dy_begin, part_begin(n_rows * dy_row, n, i + 1) - dy_begin);
}

/* All k of one tile of columns: sum[k][column] = or += this item's part. */
static void item_tile(const Plan *p, const Item *item, const TileWalk *walk, const float *band,
                      const float *dy, int nv, bool first, bool fetch, float *sum)
{
    _Alignas(64) float tile[TILE_ROWS_NARROW * TILE_COLS];
    for (int64_t i = 0; i < p->grid.n_segments; i++) {
        const TileSegment *segment = &p->segment[i];
        int64_t a_start, b_start;
        if (fetch) prefetch_next(p, item, i);
        const TileWalk clipped = clip_walk(p, item, walk, i, &a_start, &b_start);
        const int64_t n_parts = ceil_div(segment->length, tile_max_rows(nv));
        for (int64_t part = 0; part < n_parts; part++) {
            const int64_t begin = part_begin(segment->length, n_parts, part);
            const int64_t n = part_begin(segment->length, n_parts, part + 1) - begin;
            const float *a = band + segment->offset + begin + a_start;
            tile_columns[nv - 1][n - 1](a, dy + b_start, &clipped, first ? sum : tile,
                                        first ? nv * VL : TILE_COLS);
            if (!first) add_tile(tile, n, nv, sum);
            sum += n * nv * VL;
        }
    }
}

/* One item for one tile t of all groups' tiles. */
static void item_columns(const Plan *p, const Item *item, const float *band, int64_t t, bool first,
                         bool fetch, float *sums, float *dy_copy)
{
    const ConvShape *s = p->s;
    const ConvGrid *g = &p->grid;
    const int64_t group = t / p->n_tiles, j = t % p->n_tiles * TILE_COLS;
    const int nv = tile_vectors(p->columns, j);
    const int64_t width = nv * VL, used = min64(width, p->columns - j);
    const float *from =
        p->dy + ((item->image * s->oh + item->row) * s->ow) * s->o + group * p->columns + j;
    float *sum = sums + g->depth * (group * padded_columns(p->columns) + j);
    TileWalk walk = {
        {item->n_images,       item->n_rows,          s->ow},
        {g->floats,            g->y.stride * g->line, CHUNK},
        {s->oh * s->ow * s->o, s->ow * s->o,          s->o }
    };
    if (used < width) {
        copy_dy(p, item, from, used, width, dy_copy);
        from = dy_copy;
        walk.b[2] = width, walk.b[1] = s->ow * width, walk.b[0] = item->n_rows * s->ow * width;
    }
    item_tile(p, item, &walk, band, from, nv, first, fetch, sum);
}

/* Unit u is one slice of one chunk. */
static void chunk_unit(const Plan *p, int64_t u, float *band, float *dy_copy)
{
    const int64_t chunk = u / p->n_slices, slice = u % p->n_slices, n = p->n_tiles * p->s->groups;
    const int64_t t0 = part_begin(n, p->n_slices, slice),
                  t1 = part_begin(n, p->n_slices, slice + 1);
    const int64_t i0 = part_begin(p->n_items, p->n_chunks, chunk),
                  i1 = part_begin(p->n_items, p->n_chunks, chunk + 1);
    for (int64_t i = i0; i < i1; i++) {
        const Item item = item_of(p, i);
        for (int64_t t = t0; t < t1; t++) {
            if (t == t0 || t % p->n_tiles == 0) gather_item(p, &item, t / p->n_tiles, band);
            item_columns(p, &item, band, t, i == i0, t == t0, p->sums + chunk * p->sum_floats,
                         dy_copy);
        }
    }
}

/* dw of tile t: the chunks' sums, and from [k][column] to (O, C, KH, KW). */
static void add_chunks(const Plan *p, int64_t t, float *dw)
{
    const ConvShape *s = p->s;
    const int64_t cg = p->grid.channels, taps = s->kh * s->kw;
    const int64_t group = t / p->n_tiles, j = t % p->n_tiles * TILE_COLS;
    const int64_t width = tile_vectors(p->columns, j) * VL, used = min64(width, p->columns - j);
    const float *sum = p->sums + p->grid.depth * (group * padded_columns(p->columns) + j);
    dw += (group * p->columns + j) * cg * taps;
    for (int64_t tap = 0; tap < taps; tap++)
        for (int64_t c = 0; c < cg; c++, sum += width) {
            float total[TILE_COLS];
            memcpy(total, sum, (size_t)used * sizeof *total);
            for (int64_t chunk = 1; chunk < p->n_chunks; chunk++)
                for (int64_t i = 0; i < used; i++) total[i] += sum[chunk * p->sum_floats + i];
            for (int64_t i = 0; i < used; i++) dw[(i * cg + c) * taps + tap] = total[i];
        }
}

__attribute__((nonnull)) void conv_general_grad_w(const ConvShape *s, const float *x,
                                                  const float *dy, float *dw, void *scratch)
{
    Carve c = {.base = scratch};
    Plan p = make_plan(s, &c);
    p.x = x, p.dy = dy;
    const int64_t n_units = p.n_chunks * p.n_slices, n_tiles = p.n_tiles * s->groups;
    conv_grid_segments(&p.grid, p.segment);
#pragma omp parallel num_threads(p.threads) if (p.threads > 1)
    {
#pragma omp for schedule(static)
        for (int64_t t = 0; t < p.threads; t++) {
            const int64_t end = part_begin(n_units, p.threads, t + 1);
            for (int64_t u = part_begin(n_units, p.threads, t); u < end; u++)
                chunk_unit(&p, u, p.bands + t * p.band_floats, p.dys + t * p.dy_floats);
        }
#pragma omp for schedule(static)
        for (int64_t t = 0; t < n_tiles; t++) add_chunks(&p, t, dw);
    }
}

size_t conv_grad_w_scratch(const ConvShape *s)
{
    Carve c = {0};
    make_plan(s, &c);
    return c.used;
}
