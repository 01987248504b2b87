/* conv_grad_plan -- see conv_grad_plan.h. */
#include "cpu/conv_grad_plan.h"

enum { MAX_CHUNKS = 16, CHUNK_BUDGET = 4 << 20 }; /* floats in all chunks' sums */
enum { ITEM_OUTPUTS = 512 };

/* The pixels as rows of one picture, each a panel; the last may be shorter. The rows of the tiles
 * are the fewer channels, few enough to be read in place. */
static ConvShape flat_shape(const ConvShape *s)
{
    const int64_t pixels = s->n * s->h * s->w;
    ConvShape flat = *s;
    flat.c = min64(s->c, s->o), flat.o = max64(s->c, s->o);
    flat.n = 1;
    flat.w = flat.ow = min64(K_PANEL, max64(1, pixels));
    flat.h = flat.oh = ceil_div(pixels, flat.w);
    return flat;
}

static void plan_source(GradPlan *p)
{
    const ConvShape *s = &p->s;
    const ConvGrid *g = &p->grid;
    p->in_place = !g->whole_lines && s->stride[1] * s->c <= CONV_NEAR;
    p->n_runs = p->in_place ? s->kh * s->kw : g->n_segments;
    p->a_step[0] = p->in_place ? s->h * s->w * s->c : g->floats;
    p->a_step[1] = s->stride[0] * (p->in_place ? s->w * s->c : g->line);
    p->a_step[2] = p->in_place ? s->stride[1] * s->c : g->output;
    p->copy_floats = p->in_place ? 0 : p->images * g->floats;
    if (!g->whole_lines || !conv_grad_lines_tile(s->kh, s->kw * s->c, conv_tile_kind(1))) return;
    int64_t other;
    conv_axis_inside(&g->y, 0, &p->whole_begin, &other);
    conv_axis_inside(&g->y, s->kh - 1, &other, &p->whole_end);
    p->chain_floats = p->sum_floats;
}

/* Chunks must be the same on every ISA and for every number of threads: nothing here may depend on
 * the padding to whole vectors. With one thread, chunks of an item each are added as they come. */
static void plan_chunks(GradPlan *p, bool flat)
{
    const ConvShape *s = &p->s;
    const int64_t weights = s->o * p->grid.depth;
    p->n_items = ceil_div(s->n, p->images) * p->grid.n_bands;
    p->n_chunks = max64(1, min64(min64(MAX_CHUNKS, p->n_items), CHUNK_BUDGET / weights));
    if (flat) p->n_chunks = 1;
    const int64_t n_tiles = p->n_tiles * s->groups;
    p->threads = work_threads(p->n_chunks * n_tiles * p->n_runs,
                              (double)(s->n * s->oh * s->ow) * (double)weights);
    if (p->threads == 1 && p->n_chunks == p->n_items) p->n_chunks = 1;
    p->n_slices = min64(n_tiles * p->n_runs, ceil_div(p->threads, p->n_chunks));
    p->slices_runs = p->n_slices > n_tiles;
}

GradPlan grad_plan(const ConvShape *shape, Carve *c)
{
    const bool flat = conv_grad_is_flat(shape);
    GradPlan p = {.s = flat ? flat_shape(shape) : *shape, .swapped = flat && shape->c > shape->o};
    const ConvShape *s = &p.s;
    p.pixels = flat ? shape->n * shape->h * shape->w : s->oh * s->ow;
    p.grid = conv_grid_forward(s, true);
    conv_grid_cut(&p.grid, flat ? 1 : max64(1, ITEM_OUTPUTS / s->ow));
    p.images = p.grid.n_bands == 1 ? max64(1, min64(s->n, ITEM_OUTPUTS / (s->oh * s->ow))) : 1;
    p.columns = s->o / s->groups;
    p.n_tiles = ceil_div(p.columns, TILE_COLS);
    p.sum_floats = s->groups * p.grid.depth * padded_columns(p.columns);
    plan_source(&p);
    plan_chunks(&p, flat);
    p.dy_floats = p.images * p.grid.rows * s->ow * TILE_COLS;
    p.segment = carve(c, (size_t)p.grid.n_segments * sizeof *p.segment);
    p.run = carve(c, (size_t)p.n_runs * sizeof *p.run);
    p.sums = carve(c, (size_t)(p.n_chunks * p.sum_floats) * sizeof(float));
    p.chains = carve(c, (size_t)(p.threads * p.chain_floats) * sizeof(float));
    p.copies = carve(c, (size_t)(p.threads * p.copy_floats) * sizeof(float));
    p.dys = carve(c, (size_t)(p.threads * p.dy_floats) * sizeof(float));
    return p;
}

void grad_plan_runs(const GradPlan *p)
{
    const ConvShape *s = &p->s;
    const ConvGrid *g = &p->grid;
    conv_grid_segments(g, p->segment);
    const int64_t n = p->n_runs / s->kh; /* of one kernel row */
    int64_t first = 0;
    for (int64_t i = 0; i < p->n_runs; i++) {
        GradRun *run = &p->run[i];
        const int64_t y = i / n, x = g->whole_lines ? 0 : i % n / (n / s->kw);
        *run = (GradRun){.first = first, .length = g->channels, .x1 = s->ow};
        conv_axis_inside(&g->y, y, &run->y0, &run->y1);
        if (!g->whole_lines) conv_axis_inside(&g->x, x, &run->x0, &run->x1);
        if (p->in_place)
            run->offset =
                ((y * s->dilation[0] - s->pad[0]) * s->w + x * s->dilation[1] - s->pad[1]) * s->c;
        else
            run->offset = p->segment[i].offset, run->length = p->segment[i].length;
        first += run->length;
    }
}

const float *grad_plan_source(const GradPlan *p, const Span *b, int64_t group, float *copy)
{
    const ConvShape *s = &p->s;
    const int64_t image = s->h * s->w * s->c;
    const float *x = p->x + b->image * image + group * p->grid.channels;
    if (p->in_place) return x + b->row * p->a_step[1];
    for (int64_t i = 0; i < b->n_images; i++, x += image)
        conv_gather(&p->grid, x, b->row, b->n_rows, copy + i * p->a_step[0]);
    return copy;
}
