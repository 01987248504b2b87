/* conv_grid -- where the sums of a convolution find their inputs: see conv_inner.h. */
#include "cpu/conv_inner.h"

#include <string.h>

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static int64_t modulo(int64_t a, int64_t b)
{
    return a - floor_div(a, b) * b;
}

static int64_t divisor(int64_t a, int64_t b)
{
    return b == 0 ? a : divisor(b, a % b);
}

static int64_t axis_tap(const ConvAxis *a, int64_t i)
{
    return a->tap + i * a->tap_step;
}

void conv_axis_inside(const ConvAxis *a, int64_t tap, int64_t *begin, int64_t *end)
{
    const int64_t at = axis_tap(a, tap);
    *begin = max64(0, min64(a->out, ceil_div(-at, a->stride)));
    *end = at < a->in ? max64(*begin, min64(a->out, ceil_div(a->in - at, a->stride))) : *begin;
}

static ConvAxis axis_forward(int64_t in, int64_t out, int64_t kernel, int64_t stride, int64_t pad,
                             int64_t dilation)
{
    return (ConvAxis){.in = in,
                      .out = out,
                      .stride = stride,
                      .n_taps = kernel,
                      .tap = -pad,
                      .tap_step = dilation,
                      .kernel_step = 1};
}

/* Input pixels residue, residue + stride, ...: those taps t whose output (pixel + pad - t *
 * dilation) / stride is whole. They are every kernel_step-th one from the first. */
static ConvAxis axis_backward(int64_t in, int64_t out, int64_t kernel, int64_t stride, int64_t pad,
                              int64_t dilation, int64_t residue)
{
    ConvAxis a = {.in = out, .out = ceil_div(in - residue, stride), .stride = 1};
    a.kernel_step = stride / divisor(stride, dilation);
    a.tap_step = -(dilation * a.kernel_step / stride);
    while (a.kernel < a.kernel_step && modulo(residue + pad - a.kernel * dilation, stride) != 0)
        a.kernel++;
    if (a.kernel == a.kernel_step || a.kernel >= kernel) return a;
    a.n_taps = ceil_div(kernel - a.kernel, a.kernel_step);
    a.tap = floor_div(residue + pad - a.kernel * dilation, stride);
    return a;
}

/* Of the lines of a few channels a whole one is copied, not chunk by chunk. */
static bool few_channels(const ConvGrid *g)
{
    const int64_t taps = g->x.n_taps;
    return taps > 1 && g->x.tap_step == 1 && g->pitch == g->channels &&
           (taps * g->channels <= CHUNK || g->channels <= CHUNK / 4);
}

static void grid_finish(ConvGrid *g, bool may_copy_lines)
{
    const ConvAxis *y = &g->y, *x = &g->x;
    const int64_t n_taps = y->n_taps * x->n_taps;
    g->depth = n_taps * g->channels;
    g->output = CHUNK;
    if (n_taps == 0) return;
    g->first_line = min64(y->tap, axis_tap(y, y->n_taps - 1));
    if (may_copy_lines && few_channels(g)) {
        g->whole_lines = true;
        g->n_planes = 1;
        g->n_segments = y->n_taps;
        g->output = x->stride * g->channels;
        g->line = ((x->out - 1) * x->stride + x->n_taps) * g->channels;
        return;
    }
    const int64_t first = floor_div(x->tap, x->stride);
    const int64_t last = floor_div(axis_tap(x, x->n_taps - 1), x->stride);
    g->n_planes = ceil_div(g->channels, CHUNK);
    g->n_segments = n_taps * g->n_planes;
    g->n_residues =
        min64(x->n_taps, x->stride / divisor(x->stride, modulo(x->tap_step, x->stride)));
    g->first_column = min64(first, last);
    g->width = x->out + max64(first, last) - g->first_column;
    g->line = g->n_residues * g->width * CHUNK;
}

ConvGrid conv_grid_forward(const ConvShape *s, bool may_copy_lines)
{
    ConvGrid g = {.pitch = s->c, .channels = s->c / s->groups};
    g.y = axis_forward(s->h, s->oh, s->kh, s->stride[0], s->pad[0], s->dilation[0]);
    g.x = axis_forward(s->w, s->ow, s->kw, s->stride[1], s->pad[1], s->dilation[1]);
    grid_finish(&g, may_copy_lines);
    return g;
}

ConvGrid conv_grid_backward(const ConvShape *s, int64_t y_residue, int64_t x_residue)
{
    ConvGrid g = {.pitch = s->o, .channels = s->o / s->groups};
    g.y = axis_backward(s->h, s->oh, s->kh, s->stride[0], s->pad[0], s->dilation[0], y_residue);
    g.x = axis_backward(s->w, s->ow, s->kw, s->stride[1], s->pad[1], s->dilation[1], x_residue);
    grid_finish(&g, false);
    return g;
}

static int64_t lines_of(const ConvGrid *g, int64_t rows)
{
    const int64_t span = (g->y.n_taps - 1) * (g->y.tap_step < 0 ? -g->y.tap_step : g->y.tap_step);
    return g->depth == 0 ? 0 : (rows - 1) * g->y.stride + span + 1;
}

void conv_grid_cut(ConvGrid *g, int64_t rows)
{
    g->n_bands = g->x.out == 0 ? 0 : ceil_div(g->y.out, max64(1, min64(rows, g->y.out)));
    g->rows = ceil_div(g->y.out, max64(1, g->n_bands));
    g->n_lines = lines_of(g, g->rows);
    g->plane = g->n_lines * g->line;
    g->floats = g->plane * g->n_planes;
}

/* A tap for every place from the first to the last that is read. */
static void axis_merge(ConvAxis *all, const ConvAxis *a)
{
    all->in = a->in;
    all->out = max64(all->out, a->out);
    all->stride = all->tap_step = 1;
    if (a->n_taps == 0) return;
    const int64_t from = axis_tap(a, 0), to = axis_tap(a, a->n_taps - 1);
    int64_t first = min64(from, to), last = max64(from, to);
    if (all->n_taps > 0)
        first = min64(first, all->tap), last = max64(last, all->tap + all->n_taps - 1);
    all->tap = first;
    all->n_taps = last - first + 1;
}

void conv_grid_merge(ConvGrid *all, const ConvGrid *g)
{
    all->pitch = g->pitch;
    all->channels = g->channels;
    axis_merge(&all->y, &g->y);
    axis_merge(&all->x, &g->x);
    grid_finish(all, false);
}

void conv_grid_share(ConvGrid *g, const ConvGrid *all)
{
    g->rows = all->rows;
    g->n_bands = all->n_bands;
    g->first_line = all->first_line;
    g->n_lines = all->n_lines;
    g->first_column = all->first_column;
    g->width = all->width;
    g->output = all->output;
    g->line = all->line;
    g->plane = all->plane;
    g->floats = all->floats;
}

void conv_grid_segments(const ConvGrid *g, TileSegment *segment)
{
    if (g->depth == 0) return;
    for (int64_t s = 0; s < g->y.n_taps; s++) {
        const int64_t line = (axis_tap(&g->y, s) - g->first_line) * g->line;
        if (g->whole_lines) {
            *segment++ = (TileSegment){(int32_t)line, (int32_t)(g->x.n_taps * g->channels)};
            continue;
        }
        for (int64_t t = 0; t < g->x.n_taps; t++) {
            const int64_t column = floor_div(axis_tap(&g->x, t), g->x.stride) - g->first_column;
            const int64_t at = line + (t % g->n_residues * g->width + column) * CHUNK;
            for (int64_t c = 0; c < g->channels; c += CHUNK)
                *segment++ = (TileSegment){(int32_t)(at + c / CHUNK * g->plane),
                                           (int32_t)min64(CHUNK, g->channels - c)};
        }
    }
}

static void zero_chunks(float *to, int64_t n)
{
    for (int64_t i = 0; i < n * CHUNK; i += VL) vf_store(to + i, vf_zero());
}

/* n chunks, `step` floats apart in the source, of `channels` <= CHUNK numbers. */
static void copy_chunks(const float *from, int64_t step, int64_t n, int64_t channels, float *to)
{
    for (int64_t i = 0; i < n; i++, from += step, to += CHUNK)
        for (int64_t c = 0; c < channels; c += VL)
            vf_store(to + c,
                     channels - c >= VL ? vf_load(from + c) : vf_load_n(from + c, channels - c));
}

/* One residue of one line: columns first_column.. of that residue. */
static void gather_residue(const ConvGrid *g, const float *line, int64_t residue, int64_t channels,
                           float *to)
{
    const int64_t stride = g->x.stride;
    /* Column q is source pixel q * stride + residue; those inside are begin <= q < end. */
    const int64_t begin = max64(0, min64(g->width, -g->first_column));
    const int64_t end = max64(
        begin, min64(g->width, ceil_div(max64(0, g->x.in - residue), stride) - g->first_column));
    zero_chunks(to, begin);
    if (end > begin)
        copy_chunks(line + ((begin + g->first_column) * stride + residue) * g->pitch,
                    stride * g->pitch, end - begin, channels, to + begin * CHUNK);
    zero_chunks(to + end * CHUNK, g->width - end);
}

/* A whole line, zeros in the padding beside it. */
static void copy_line(const ConvGrid *g, const float *line, float *to)
{
    const int64_t left = min64(g->line, -g->x.tap * g->channels);
    const int64_t used = min64(g->line - left, g->x.in * g->channels);
    memset(to, 0, (size_t)left * sizeof *to);
    memcpy(to + left, line, (size_t)used * sizeof *to);
    memset(to + left + used, 0, (size_t)(g->line - left - used) * sizeof *to);
}

/* Does any tap of any row read this line of the band's copy? (With a stride above the kernel some
 * are skipped.) */
static bool line_is_read(const ConvGrid *g, int64_t line)
{
    for (int64_t s = 0; s < g->y.n_taps; s++)
        if (modulo(line + g->first_line - axis_tap(&g->y, s), g->y.stride) == 0) return true;
    return false;
}

static void gather_line(const ConvGrid *g, const float *line, float *band)
{
    if (g->whole_lines) {
        copy_line(g, line, band);
        return;
    }
    for (int64_t c = 0; c < g->channels; c += CHUNK, band += g->plane)
        for (int64_t r = 0; r < g->n_residues; r++)
            gather_residue(g, line + c, modulo(axis_tap(&g->x, r), g->x.stride),
                           min64(CHUNK, g->channels - c), band + r * g->width * CHUNK);
}

void conv_gather(const ConvGrid *g, const float *source, int64_t row, int64_t n_rows, float *band)
{
    const int64_t n_lines = lines_of(g, n_rows);
    for (int64_t l = 0; l < n_lines; l++) {
        if (!line_is_read(g, l)) continue;
        const int64_t y = row * g->y.stride + g->first_line + l;
        float *to = band + l * g->line;
        if (y >= 0 && y < g->y.in)
            gather_line(g, source + y * g->x.in * g->pitch, to);
        else
            for (float *p = to; p < band + g->floats; p += g->plane)
                memset(p, 0, (size_t)g->line * sizeof *p);
    }
}
