/* conv_grad_w -- the gradient of a convolution to its weights:
 *   dw[o, c, s, t] = sum over images and outputs (i, j) of dy[i, j, o] * x[i * stride + tap(s), j *
 * stride + tap(t), c]
 *
 * Order: the images and output rows are cut into items of a few hundred outputs, items into at most
 * sixteen chunks; both cuts depend on the shape alone. In an item one chain of fused multiply-adds
 * from zero runs over the outputs in memory order; items of a chunk, then chunks, are added in
 * ascending order. Of a 1x1 convolution that is a product over pixels, the items are gemm.c's
 * panels of k, all in one chunk. Threads split chunks and, where these are too few, tiles of output
 * channels.
 *
 * A register tile is the channels of one tap (broadcast) by output channels. It asks for what comes
 * next from memory, some of it with each output: more at once than the core can wait for would stop
 * it. A chunk's sums lie as packed weights do: [group][tile of columns][k][column]. */
#include "cpu/conv_grad_plan.h"

#include <string.h>

/* dy is read in place where its pixels are neighbours, and where the tiles have so few rows that a
 * copy would not pay. */
enum { NEAR_DY = 64, FEW_ROWS = 64 };
/* Floats of the next item that are fetched to L2 early. */
enum { AHEAD = 96 * 1024 };

/* Of more weights gemm is as fast. */
enum { MOST_FLAT = 1 << 16 };

bool conv_grad_is_flat(const ConvShape *s)
{
    return s->kh == 1 && s->kw == 1 && s->groups == 1 && s->stride[0] == 1 && s->stride[1] == 1 &&
           s->pad[0] == 0 && s->pad[1] == 0 && s->c >= 64 && s->o >= 64 && s->c * s->o <= MOST_FLAT;
}

static Span item_of(const GradPlan *p, int64_t i)
{
    const ConvShape *s = &p->s;
    const ConvGrid *g = &p->grid;
    Span item = {.image = i / g->n_bands * p->images, .row = i % g->n_bands * g->rows};
    item.n_images = min64(p->images, s->n - item.image);
    item.n_rows = min64(g->rows, s->oh - item.row);
    item.columns = min64(s->ow, p->pixels - item.row * s->ow);
    return item;
}

/* The next block of an item, the first one after an empty one at its begin: the whole item, but
 * where lines can go to one tile, rows of one image that all can or all cannot. */
static bool next_block(const GradPlan *p, const Span *item, Span *b)
{
    b->row += b->n_rows;
    if (b->row == item->row + item->n_rows) b->image += b->n_images, b->row = item->row;
    if (b->image == item->image + item->n_images) return false;
    b->n_images = p->chain_floats > 0 ? 1 : item->n_images;
    int64_t end = item->row + item->n_rows;
    if (b->row < p->whole_begin)
        end = min64(end, p->whole_begin);
    else if (b->row < p->whole_end)
        end = min64(end, p->whole_end);
    b->n_rows = end - b->row;
    return true;
}

/* The columns of a tile with zeros behind, so that tiles may load whole vectors:
 * [image][row][column][width]. */
static void copy_dy(const GradPlan *p, const Span *b, const float *dy, int64_t used, int64_t width,
                    float *to)
{
    const ConvShape *s = &p->s;
    for (int64_t i = 0; i < b->n_images; i++, dy += s->oh * s->ow * s->o)
        for (int64_t j = 0; j < b->n_rows * b->columns; j++, to += width)
            for (int64_t l = 0; l < width; l += VL)
                vf_store(to + l, used - l >= VL ? vf_load(dy + j * s->o + l)
                                                : vf_load_n(dy + j * s->o + l, max64(0, used - l)));
}

/* What is to be done with a block. */
typedef struct Turn {
    Span b;
    bool begins, ends, fresh; /* block in item; the item is the first of its chunk */
    int64_t run, end_run;
    int64_t tile, n_tiles; /* of those that the thread goes through */
    int nv, kind;          /* of this tile */
    float *sum, *chain;
    const float *dy_next; /* what is read of dy next */
} Turn;

static const float *far_ahead(const float *p, int64_t offset)
{
    return (const float *)((uintptr_t)p + (uintptr_t)offset * sizeof *p);
}

/* What call i of the n that a tile of columns takes asks for: its share of the next x and dy, or,
 * when these would fill L2, line by line the next tile's dy, which is what comes next. */
static void choose_ahead(const GradPlan *p, const Turn *at, int64_t i, int64_t n, GradTile *t)
{
    const ConvShape *s = &p->s;
    const Span *b = &at->b;
    const int64_t n_rows = b->n_images * b->n_rows, before = b->image * s->oh + b->row + n_rows;
    const int64_t x_row = s->h * s->w * s->c / s->oh, read = min64(x_row, s->kh * s->w * s->c);
    const bool by_tiles = n_rows * (x_row + s->ow * s->o) > AHEAD;
    const int64_t line = (i - p->n_runs / 2 * n / p->n_runs) * CHUNK;
    if (by_tiles && line >= 0 && line < at->nv * VL) { /* the taps in the middle clip least */
        t->ahead = far_ahead(at->dy_next, line);
        t->ahead_step = s->o;
        return;
    }
    const int64_t x = n_rows * read, dy = by_tiles ? 0 : n_rows * s->ow * s->o;
    const int64_t n_calls = at->n_tiles * n, k = part_begin(x + dy, n_calls, at->tile * n + i);
    t->ahead = k < x ? far_ahead(p->x, (before + k / read) * x_row + k % read)
                     : far_ahead(p->dy, before * s->ow * s->o + k - x);
    t->ahead_step = min64(CHUNK, ceil_div(x + dy, n_calls * n_rows * b->columns));
}

/* The outputs of the block that the taps of a run meet inside the source: the walk shrinks to
 * those, and both factors start at the first. */
static void clip_walk(const GradRun *run, const Span *b, GradTile *t)
{
    TileWalk *walk = &t->walk;
    const int64_t y0 = max64(0, min64(b->n_rows, run->y0 - b->row));
    const int64_t y1 = max64(y0, min64(b->n_rows, run->y1 - b->row));
    const int64_t x1 = min64(run->x1, b->columns);
    walk->count[1] = y1 - y0, walk->count[2] = x1 - run->x0;
    t->a += run->offset + y0 * walk->a[1] + run->x0 * walk->a[2];
    t->b += y0 * walk->b[1] + run->x0 * walk->b[2];
}

/* Where the sums from the n-th float on begin and end. */
static void choose_sums(const Turn *at, int64_t n, GradTile *t)
{
    float *held = at->fresh ? at->sum : at->chain;
    t->chain = at->begins ? NULL : held + n;
    t->base = at->ends && !at->fresh ? at->sum + n : NULL;
    t->out = (at->ends ? at->sum : held) + n;
}

/* The runs of k of one tile of columns. */
static void block_tile(const GradPlan *p, const Turn *at, GradTile *all)
{
    const ConvShape *s = &p->s;
    const int nv = at->nv;
    ConvGradTile *lines = conv_grad_lines_tile(s->kh, s->kw * s->c, at->kind);
    if (lines && !p->slices_runs && at->b.row >= p->whole_begin && at->b.row < p->whole_end) {
        choose_ahead(p, at, 0, 1, all);
        choose_sums(at, 0, all);
        all->a_line = s->dilation[0] * p->grid.line;
        lines(all);
        return;
    }
    for (int64_t i = at->run; i < at->end_run; i++) {
        const GradRun *run = &p->run[i];
        GradTile t = *all;
        clip_walk(run, &at->b, &t);
        const int64_t n_parts = ceil_div(run->length, tile_max_rows(nv));
        for (int64_t part = 0; part < n_parts; part++) {
            const int64_t begin = part_begin(run->length, n_parts, part);
            const int64_t n = part_begin(run->length, n_parts, part + 1) - begin;
            choose_ahead(p, at, i * n_parts + part, p->n_runs * n_parts, &t);
            choose_sums(at, (run->first + begin) * nv * VL, &t);
            conv_grad_tile[at->kind][n - 1](&t);
            t.a += n;
        }
    }
}

/* One block for one tile t of all groups' tiles. */
static void block_columns(const GradPlan *p, Turn at, const float *x, int64_t t, float *dy_copy)
{
    const ConvShape *s = &p->s;
    const Span *b = &at.b;
    const int64_t group = t / p->n_tiles, j = t % p->n_tiles * TILE_COLS;
    at.nv = tile_vectors(p->columns, j), at.kind = conv_tile_kind(p->columns - j);
    const int64_t width = at.nv * VL, used = min64(width, p->columns - j);
    const int64_t sums = p->grid.depth * (group * padded_columns(p->columns) + j);
    at.sum += sums, at.chain += sums;
    const float *dy = p->dy + ((b->image * s->oh + b->row) * s->ow) * s->o + group * p->columns + j;
    const int64_t tiles = at.tile * TILE_COLS;
    at.dy_next = far_ahead(dy, at.tile < at.n_tiles - 1
                                   ? TILE_COLS
                                   : b->n_images * b->n_rows * b->columns * s->o - tiles);
    GradTile all = {
        .a = x,
        .b = dy,
        .walk = {{b->n_images, b->n_rows, b->columns},
                 {p->a_step[0], p->a_step[1], p->a_step[2]},
                 {s->oh * s->ow * s->o, s->ow * s->o, s->o}}
    };
    if (used < conv_tile_columns(at.kind) || (s->o > NEAR_DY && p->grid.depth > FEW_ROWS)) {
        copy_dy(p, b, dy, used, width, dy_copy);
        TileWalk *walk = &all.walk;
        all.b = dy_copy;
        walk->b[2] = width, walk->b[1] = b->columns * width, walk->b[0] = b->n_rows * walk->b[1];
    }
    block_tile(p, &at, &all);
}

/* One block for tiles and runs begin..end, counted together. */
static void block_slice(const GradPlan *p, const Turn *turn, int64_t begin, int64_t end,
                        int64_t thread)
{
    const int64_t t0 = begin / p->n_runs, t1 = ceil_div(end, p->n_runs);
    const float *x = NULL;
    for (int64_t t = t0; t < t1; t++) {
        if (t == t0 || t % p->n_tiles == 0)
            x = grad_plan_source(p, &turn->b, t / p->n_tiles, p->copies + thread * p->copy_floats);
        Turn at = *turn;
        at.run = max64(0, begin - t * p->n_runs);
        at.end_run = min64(p->n_runs, end - t * p->n_runs);
        at.tile = t - t0, at.n_tiles = t1 - t0;
        block_columns(p, at, x, t, p->dys + thread * p->dy_floats);
    }
}

/* Unit u is one slice of one chunk. */
static void chunk_unit(const GradPlan *p, int64_t u, int64_t thread)
{
    const int64_t chunk = u / p->n_slices, slice = u % p->n_slices;
    const int64_t unit = p->slices_runs ? 1 : p->n_runs,
                  n = p->n_tiles * p->s.groups * p->n_runs / unit;
    const int64_t begin = part_begin(n, p->n_slices, slice) * unit,
                  end = part_begin(n, p->n_slices, slice + 1) * unit;
    const int64_t i0 = part_begin(p->n_items, p->n_chunks, chunk),
                  i1 = part_begin(p->n_items, p->n_chunks, chunk + 1);
    for (int64_t i = i0; i < i1; i++) {
        const Span item = item_of(p, i);
        Turn turn = {
            .b = {.image = item.image, .row = item.row, .columns = item.columns},
            .begins = true,
            .fresh = i == i0,
            .sum = p->sums + chunk * p->sum_floats,
            .chain = p->chains + thread * p->chain_floats
        };
        Span *b = &turn.b;
        for (; next_block(p, &item, b); turn.begins = false) {
            turn.ends = b->image + b->n_images == item.image + item.n_images &&
                        b->row + b->n_rows == item.row + item.n_rows;
            block_slice(p, &turn, begin, end, thread);
        }
    }
}

/* dw of tile t: the chunks' sums, and from [k][column] to (O, C, KH, KW). */
static void add_chunks(const GradPlan *p, int64_t t, float *dw)
{
    const ConvShape *s = &p->s;
    const int64_t cg = p->grid.channels, taps = s->kh * s->kw;
    const int64_t group = t / p->n_tiles, j = t % p->n_tiles * TILE_COLS;
    const int64_t width = tile_vectors(p->columns, j) * VL, used = min64(width, p->columns - j);
    const float *sum = p->sums + p->grid.depth * (group * padded_columns(p->columns) + j);
    const int64_t channel = p->swapped ? p->columns : taps, column = p->swapped ? 1 : cg * taps;
    dw += (group * p->columns + j) * column;
    for (int64_t tap = 0; tap < taps; tap++)
        for (int64_t c = 0; c < cg; c++, sum += width) {
            float total[TILE_COLS];
            memcpy(total, sum, (size_t)used * sizeof *total);
            for (int64_t chunk = 1; chunk < p->n_chunks; chunk++)
                for (int64_t i = 0; i < used; i++) total[i] += sum[chunk * p->sum_floats + i];
            for (int64_t i = 0; i < used; i++) dw[i * column + c * channel + tap] = total[i];
        }
}

__attribute__((nonnull)) void conv_general_grad_w(const ConvShape *s, const float *x,
                                                  const float *dy, float *dw, void *scratch)
{
    Carve c = {.base = scratch};
    GradPlan p = grad_plan(s, &c);
    p.x = p.swapped ? dy : x, p.dy = p.swapped ? x : dy;
    const int64_t n_units = p.n_chunks * p.n_slices, n_tiles = p.n_tiles * s->groups;
    grad_plan_runs(&p);
#pragma omp parallel num_threads(p.threads) if (p.threads > 1)
    {
#pragma omp for schedule(static)
        for (int64_t t = 0; t < p.threads; t++) {
            const int64_t end = part_begin(n_units, p.threads, t + 1);
            for (int64_t u = part_begin(n_units, p.threads, t); u < end; u++) chunk_unit(&p, u, t);
        }
#pragma omp for schedule(static)
        for (int64_t t = 0; t < n_tiles; t++) add_chunks(&p, t, dw);
    }
}

size_t conv_grad_w_scratch(const ConvShape *s)
{
    Carve c = {0};
    grad_plan(s, &c);
    return c.used;
}
