/* tiles -- charts without axes: a matrix of shaded cells, and small images in rows. */
#include "plot/panel.h"

#include <math.h>

enum { CELL_MAX = 64, CELL_HEIGHT_MAX = 40, CELL_NUMBER_MIN = 15, NAME_SHARE = 3, BAR = 70 };
enum { TILE_MIN = 56, TILE_MAX = 120, TILE_GAP = 10 };

/* From this shade on, numbers in the page's colour are the easier to read, on light and dark. */
#define INVERTED 0.6

typedef struct Matrix {
    int n_rows, n_columns;
    double low, high; /* of the shades */
    double names_width, names_height;
    double cell_w, cell_h, left;
    bool upright, numbered;
} Matrix;

static double number_of(const Chart *c, int i)
{
    return c->texts ? c->texts[i] : c->cells[i];
}

static double widest_of(const ChartAxis *axis)
{
    double w = 0;
    for (int i = 0; i < axis->n_names; i++) w = fmax(w, text_width(axis->names[i], TICK_SIZE));
    return w;
}

static double widest_number(const Chart *c, int n)
{
    double w = 0;
    char text[TICK_TEXT];
    for (int i = 0; i < n; i++) {
        if (!isfinite(number_of(c, i))) continue;
        axis_value_text(text, number_of(c, i), c->x.format);
        w = fmax(w, text_width(text, TICK_SIZE));
    }
    return w;
}

/* All sizes follow from the width. */
static Matrix measure(const Chart *c, double width)
{
    Matrix m = {.n_rows = c->y.n_names, .n_columns = c->x.n_names};
    AxisRange r = {(double)INFINITY, -(double)INFINITY};
    for (int i = 0; i < m.n_rows * m.n_columns; i++) axis_see(&r, false, c->cells[i]);
    m.low = r.low > r.high ? 0 : fmin(r.low, 0);
    m.high = r.low > r.high || r.high <= m.low ? m.low + 1 : r.high;
    double inner = width - 2 * PANEL_PAD, widest = widest_of(&c->x);
    m.names_width = fmin(widest_of(&c->y), inner / NAME_SHARE);
    m.left = PANEL_PAD + (c->y.label ? LABEL_SIZE + 8 : 0) + m.names_width + 6;
    double number = widest_number(c, m.n_rows * m.n_columns) + 8;
    double room = width - PANEL_PAD - m.left;
    m.numbered = room / m.n_columns >= number && room / m.n_columns >= CELL_NUMBER_MIN;
    if (!m.numbered) room -= BAR;
    m.cell_w = fmin(CELL_MAX, room / m.n_columns);
    m.cell_h = fmin(CELL_HEIGHT_MAX, m.cell_w);
    m.upright = widest + 6 > m.cell_w;
    m.names_height = m.upright ? fmin(widest, inner / NAME_SHARE) + 8 : TICK_SIZE + 8;
    return m;
}

double heat_height(const Chart *c, double width)
{
    Matrix m = measure(c, width);
    double title = c->title ? TITLE_SIZE + 14 : 0;
    return ceil(2 * PANEL_PAD + title + m.cell_h * m.n_rows + m.names_height +
                (c->x.label ? LABEL_SIZE + 8 : 0));
}

static void draw_cells(Panel *p, const Matrix *m)
{
    const Chart *c = p->chart;
    char text[TICK_TEXT], value[TICK_TEXT];
    double gap = m->cell_w >= 12 ? 1 : 0;
    for (int r = 0; r < m->n_rows; r++) {
        for (int k = 0; k < m->n_columns; k++) {
            int i = r * m->n_columns + k;
            if (!isfinite(c->cells[i])) continue;
            double share = (c->cells[i] - m->low) / (m->high - m->low);
            double x = p->axes.left + k * m->cell_w, y = p->axes.top + r * m->cell_h;
            axis_value_text(text, number_of(c, i), c->x.format);
            axis_value_text(value, c->cells[i], TICKS_AUTO);
            Pen pen = {.ink = INK_HEAT, .alpha = 0.04 + 0.96 * share};
            pen.tip = arena_printf(p->d->arena, "%s, %s: %s", c->y.names[r], c->x.names[k],
                                   c->texts ? text : value);
            draw_rectangle(p->d, &pen, x, y, m->cell_w - gap, m->cell_h - gap);
            if (!m->numbered) continue;
            Lettering l = {
                .ink = share > INVERTED ? INK_PAGE : INK_TEXT, .size = TICK_SIZE, .align = 0.5};
            draw_text(p->d, &l, x + m->cell_w / 2, y + m->cell_h / 2 + TICK_SIZE * 0.36, text);
        }
    }
}

static void draw_cell_names(Panel *p, const Matrix *m)
{
    const Chart *c = p->chart;
    Lettering l = {.ink = INK_MUTED, .size = TICK_SIZE, .align = 1};
    int every = (int)ceil((TICK_SIZE + 2) / m->cell_h);
    for (int r = 0; r < m->n_rows; r += every) {
        double y = p->axes.top + (r + 0.5) * m->cell_h + TICK_SIZE * 0.36;
        draw_text(p->d, &l, p->axes.left - 6, y,
                  text_fit(p->d->arena, c->y.names[r], TICK_SIZE, m->names_width));
    }
    l.upwards = m->upright;
    if (!m->upright) l.align = 0.5;
    every = m->upright ? (int)ceil((TICK_SIZE + 2) / m->cell_w) : 1;
    double room = m->upright ? m->names_height - 8 + 0.01 : m->cell_w;
    for (int k = 0; k < m->n_columns; k += every) {
        double x = p->axes.left + (k + 0.5) * m->cell_w;
        if (m->upright) x += TICK_SIZE * 0.36;
        draw_text(p->d, &l, x, p->axes.bottom + (m->upright ? 6 : 6 + TICK_SIZE * 0.8),
                  text_fit(p->d->arena, c->x.names[k], TICK_SIZE, room));
    }
}

/* The label's middle is the matrix' unless that would put its ends outside the panel. */
static void draw_cell_labels(Panel *p, const Matrix *m)
{
    const Chart *c = p->chart;
    Lettering l = {.ink = INK_TEXT, .size = LABEL_SIZE, .align = 0.5};
    if (c->x.label) {
        double room = p->outer.right - p->outer.left - 2 * PANEL_PAD;
        const char *text = text_fit(p->d->arena, c->x.label, LABEL_SIZE, room);
        double half = text_width(text, LABEL_SIZE) / 2, x = (p->axes.left + p->axes.right) / 2;
        x = fmax(fmin(x, p->outer.right - PANEL_PAD - half), p->outer.left + PANEL_PAD + half);
        draw_text(p->d, &l, x, p->axes.bottom + m->names_height + LABEL_SIZE + 2, text);
    }
    l.upwards = true;
    if (c->y.label)
        draw_text(p->d, &l, p->outer.left + PANEL_PAD + LABEL_SIZE * 0.8,
                  (p->axes.top + p->axes.bottom) / 2,
                  text_fit(p->d->arena, c->y.label, LABEL_SIZE, p->axes.bottom - p->axes.top));
}

/* What the shades mean, where no numbers say it. */
static void draw_scale(Panel *p, const Matrix *m)
{
    enum { STEPS = 32, WIDTH = 14 };
    double x = p->axes.right + 16, height = fmin(160, p->axes.bottom - p->axes.top);
    for (int i = 0; i < STEPS; i++) {
        Pen pen = {.ink = INK_HEAT, .alpha = 0.04 + 0.96 * (STEPS - 1 - i) / (STEPS - 1)};
        draw_rectangle(p->d, &pen, x, p->axes.top + height * i / STEPS, WIDTH, height / STEPS);
    }
    char text[TICK_TEXT];
    Lettering l = {.ink = INK_MUTED, .size = TICK_SIZE};
    axis_value_text(text, m->high, p->chart->x.format);
    draw_text(p->d, &l, x + WIDTH + 5, p->axes.top + TICK_SIZE * 0.8, text);
    axis_value_text(text, m->low, p->chart->x.format);
    if (height > 3 * TICK_SIZE) draw_text(p->d, &l, x + WIDTH + 5, p->axes.top + height, text);
}

void panel_heat(Panel *p)
{
    Matrix m = measure(p->chart, p->outer.right - p->outer.left);
    p->axes.left = p->outer.left + m.left;
    p->axes.right = p->axes.left + m.cell_w * m.n_columns;
    p->axes.bottom = p->axes.top + m.cell_h * m.n_rows;
    draw_cells(p, &m);
    draw_cell_names(p, &m);
    draw_cell_labels(p, &m);
    if (!m.numbered) draw_scale(p, &m);
}

/* Rows of equal tiles, as many in a row as have room for their captions or TILE_MIN. */
typedef struct Tiling {
    int n_columns, n_rows;
    double tile, caption; /* sides of the images; height below them */
} Tiling;

static Tiling tiling_of(const Chart *c, double width)
{
    Tiling t = {.tile = TILE_MIN};
    for (int i = 0; i < c->n_tiles; i++) {
        const ChartTile *tile = &c->tiles[i];
        if (tile->caption) t.tile = fmax(t.tile, text_width(tile->caption, TICK_SIZE));
        if (tile->caption) t.caption = TICK_SIZE + 6;
    }
    t.tile = fmin(t.tile, TILE_MAX);
    double room = width - 2 * PANEL_PAD + TILE_GAP;
    t.n_columns = (int)(room / (t.tile + TILE_GAP));
    if (t.n_columns > c->n_tiles) t.n_columns = c->n_tiles;
    if (t.n_columns < 1) t.n_columns = 1;
    t.tile = floor(fmin(TILE_MAX, room / t.n_columns - TILE_GAP));
    t.n_rows = (c->n_tiles + t.n_columns - 1) / t.n_columns;
    return t;
}

double images_height(const Chart *c, double width)
{
    Tiling t = tiling_of(c, width);
    double title = c->title ? TITLE_SIZE + 14 : 0;
    return 2 * PANEL_PAD + title + t.n_rows * (t.tile + t.caption + TILE_GAP) - TILE_GAP;
}

void panel_images(Panel *p)
{
    const Chart *c = p->chart;
    Tiling t = tiling_of(c, p->outer.right - p->outer.left);
    Lettering l = {.ink = INK_TEXT, .size = TICK_SIZE, .align = 0.5};
    for (int i = 0; i < c->n_tiles; i++) {
        const ChartTile *tile = &c->tiles[i];
        int row = i / t.n_columns, column = i % t.n_columns;
        double x = p->outer.left + PANEL_PAD + column * (t.tile + TILE_GAP);
        double y = p->axes.top + row * (t.tile + t.caption + TILE_GAP);
        double scale = t.tile / (tile->width > tile->height ? tile->width : tile->height);
        double w = tile->width * scale, h = tile->height * scale;
        draw_image(p->d, tile, x + (t.tile - w) / 2, y + (t.tile - h) / 2, w, h);
        if (tile->caption)
            draw_text(p->d, &l, x + t.tile / 2, y + t.tile + TICK_SIZE + 2,
                      text_fit(p->d->arena, tile->caption, TICK_SIZE, t.tile));
    }
}
