/* figure -- panels of a figure in rows, each row as high as its highest panel wants. */
#include "plot/panel.h"

#include <math.h>

enum { SINGLE_WIDTH = 720, PANEL_WIDTH = 560, SIDE_MAX = 8000, CHARTS_MAX = 64 };
enum { CELLS_MAX = 1000000, TILES_MAX = 2000, TILE_SIDE_MAX = 4096 };

static bool check_chart(const Chart *c, Error *err)
{
    if (c->kind == CHART_HEAT &&
        (c->x.n_names < 1 || c->y.n_names < 1 || c->x.n_names > CELLS_MAX / c->y.n_names))
        return fail(err, FAIL_RUN, NULL, "a plot of %d x %d cells; expected 1 to %d", c->y.n_names,
                    c->x.n_names, CELLS_MAX);
    if (c->kind != CHART_IMAGES) return true;
    if (c->n_tiles < 1 || c->n_tiles > TILES_MAX)
        return fail(err, FAIL_RUN, NULL, "a plot of %d images; expected 1 to %d", c->n_tiles,
                    TILES_MAX);
    for (int i = 0; i < c->n_tiles; i++) {
        const ChartTile *t = &c->tiles[i];
        if (t->width < 1 || t->height < 1 || t->width > TILE_SIDE_MAX || t->height > TILE_SIDE_MAX)
            return fail(err, FAIL_RUN, NULL,
                        "a plot of an image of %d x %d; expected sides of 1 to %d", t->width,
                        t->height, TILE_SIDE_MAX);
    }
    return true;
}

static bool check(const Figure *f, Error *err)
{
    if (f->n_charts < 1 || f->n_charts > CHARTS_MAX)
        return fail(err, FAIL_RUN, NULL, "a figure of %d plots; expected 1 to %d", f->n_charts,
                    CHARTS_MAX);
    for (int i = 0; i < f->n_charts; i++) TRY(check_chart(&f->charts[i], err));
    return true;
}

bool figure_draw(Drawing *d, Arena *a, const Figure *f, Error *err)
{
    TRY(check(f, err));
    int n_columns = f->n_columns > 0 ? f->n_columns : f->n_charts > 1 ? 2 : 1;
    if (n_columns > f->n_charts) n_columns = f->n_charts;
    double width = f->width > 0 ? f->width : n_columns > 1 ? n_columns * PANEL_WIDTH : SINGLE_WIDTH;
    double panel_width = width / n_columns, heights[CHARTS_MAX] = {0}, sum = 0, head = 0;
    int n_rows = (f->n_charts + n_columns - 1) / n_columns;
    const char *name = f->title ? f->title : f->charts[0].title ? f->charts[0].title : "plot";
    *d = (Drawing){.arena = a, .title = text_clean(a, name), .width = width};
    for (int i = 0; i < f->n_charts; i++) {
        double *h = &heights[i / n_columns];
        *h = fmax(*h, panel_height(d, &f->charts[i], panel_width));
    }
    for (int r = 0; r < n_rows; r++) sum += heights[r];
    if (f->title && f->n_charts > 1)
        head = panel_title(d, f->title, (Box){0, 0, width, 0}) - PANEL_PAD;
    double height = f->height > 0 ? f->height : ceil(sum + head), stretch = (height - head) / sum;
    d->height = height;
    if (width < 160 || height < 80 || width > SIDE_MAX || height > SIDE_MAX)
        return fail(err, FAIL_RUN, NULL,
                    "a figure of %.0f x %.0f pixels; expected 160 x 80 to %d x %d", width, height,
                    SIDE_MAX, SIDE_MAX);
    double y = head;
    for (int i = 0; i < f->n_charts; i++) {
        double h = heights[i / n_columns] * stretch, x = i % n_columns * panel_width;
        panel_draw(d, &f->charts[i], (Box){x, y, x + panel_width, y + h});
        if ((i + 1) % n_columns == 0) y += h;
    }
    return true;
}
