/* panel -- a chart with axes: margins from the widths of what stands in them, ticks, grid, frame.
 *
 * Margins and ticks depend on each other (labels need room, room decides how many labels), so each
 * is settled once, in this order: limits, legend, height, y ticks, width, x ticks. */
#include "plot/panel.h"

#include <math.h>

enum {
    TICK_LENGTH = 4,
    TICK_GAP = 4,
    Y_SPACING = 42,
    X_SPACING = 70,
    X_SPACING_LOG = 40,
    AXES_HEIGHT = 420
};

static void see_series(AxisRange *x, AxisRange *y, const Chart *c, const ChartSeries *s)
{
    bool steps = s->kind == SERIES_STEPS;
    for (int i = 0; i < s->n + steps; i++) axis_see(x, c->x.is_log, s->x[i]);
    for (int i = 0; i < s->n; i++) {
        axis_see(y, c->y.is_log, s->y[i]);
        if (!s->low) continue;
        axis_see(y, c->y.is_log, s->low[i]);
        axis_see(y, c->y.is_log, s->high[i]);
    }
    if (s->n > 0 && (steps || s->kind == SERIES_BARS)) axis_see(y, c->y.is_log, 0);
}

static void set_limits(Panel *p)
{
    const Chart *c = p->chart;
    AxisRange x = {(double)INFINITY, -(double)INFINITY}, y = x;
    bool filled = false, points = false;
    for (int i = 0; i < c->n_series; i++) {
        see_series(&x, &y, c, &c->series[i]);
        filled |= c->series[i].kind == SERIES_BARS || c->series[i].kind == SERIES_STEPS;
        points |= c->series[i].kind == SERIES_POINTS || c->series[i].n == 1;
    }
    for (int i = 0; i < c->n_references; i++) axis_see(&y, c->y.is_log, c->references[i].y);
    bool from_zero = filled && y.low == 0, to_zero = filled && y.high == 0;
    x = axis_limits(&c->x, x, points ? 0.05 : 0.015);
    if (c->x.names) x = (AxisRange){-0.5, c->x.n_names - 0.5};
    y = axis_limits(&c->y, y, 0.05);
    if (from_zero && !c->y.has_low) y.low = 0;
    if (to_zero && !c->y.has_high) y.high = 0;
    p->x = (AxisMap){.is_log = c->x.is_log && !c->x.names, .low = x.low, .high = x.high};
    p->y = (AxisMap){.is_log = c->y.is_log, .low = y.low, .high = y.high};
}

static double widest(const Ticks *t)
{
    double w = 0;
    for (int i = 0; i < t->n; i++) w = fmax(w, text_width(t->at[i].text, TICK_SIZE));
    return w;
}

/* The x labels' height when they do not run upwards. */
static const double flat = TICK_LENGTH + TICK_GAP + TICK_SIZE;

static double widest_name(const ChartAxis *axis)
{
    double w = 0;
    for (int i = 0; axis->names && i < axis->n_names; i++)
        w = fmax(w, text_width(axis->names[i], TICK_SIZE));
    return w;
}

static void set_vertical(Panel *p, double top)
{
    const Chart *c = p->chart;
    double bottom = p->outer.bottom - PANEL_PAD, room = bottom - top;
    if (!p->legend.beside) bottom -= p->legend.height;
    if (c->x.label) bottom -= LABEL_SIZE + 8;
    bottom -= p->upright ? fmin(widest_name(&c->x), room * 0.35) + TICK_LENGTH + TICK_GAP : flat;
    p->axes.top = top;
    p->axes.bottom = fmax(bottom, top + 20);
    p->y.from = p->axes.bottom;
    p->y.to = p->axes.top;
    int about = (int)((p->axes.bottom - p->axes.top) / Y_SPACING);
    axis_ticks(&p->y_ticks, (AxisRange){p->y.low, p->y.high}, p->y.is_log, about, c->y.format);
}

static void set_horizontal(Panel *p)
{
    const Chart *c = p->chart;
    p->axes.left = p->outer.left + PANEL_PAD + widest(&p->y_ticks) + TICK_LENGTH + TICK_GAP +
                   (c->y.label ? LABEL_SIZE + 8 : 0);
    p->axes.right = p->outer.right - PANEL_PAD - (p->legend.beside ? p->legend.width : 12);
    p->axes.right = fmax(p->axes.right, p->axes.left + 20);
    p->x.from = p->axes.left;
    p->x.to = p->axes.right;
}

/* Where the middle of an x label stands: under its tick, but not out of the panel. */
static double label_x(const Panel *p, const Tick *t)
{
    double half = text_width(t->text, TICK_SIZE) / 2, x = axis_position(&p->x, t->value);
    return fmax(fmin(x, p->outer.right - 2 - half), p->outer.left + 2 + half);
}

/* Neighbouring labels keep a distance of a letter. */
static bool labels_fit(const Panel *p)
{
    double end = -(double)INFINITY;
    for (int i = 0; i < p->x_ticks.n; i++) {
        const Tick *t = &p->x_ticks.at[i];
        if (!t->text[0]) continue;
        double half = text_width(t->text, TICK_SIZE) / 2, x = label_x(p, t);
        if (x - half < end + TICK_SIZE) return false;
        end = x + half;
    }
    return true;
}

static void set_x_ticks(Panel *p)
{
    const Chart *c = p->chart;
    double spacing = p->x.is_log ? X_SPACING_LOG : X_SPACING;
    for (int about = (int)((p->axes.right - p->axes.left) / spacing); about >= 1; about--) {
        axis_ticks(&p->x_ticks, (AxisRange){p->x.low, p->x.high}, p->x.is_log, about, c->x.format);
        if (labels_fit(p)) return;
    }
    for (int i = 1; i < p->x_ticks.n; i++) p->x_ticks.at[i].text[0] = '\0';
}

static void draw_y_axis(Panel *p)
{
    Pen grid = {.ink = INK_GRID, .alpha = 1, .width = 1};
    Pen tick = {.ink = INK_MUTED, .alpha = 1, .width = 1};
    Lettering l = {.ink = INK_MUTED, .size = TICK_SIZE, .align = 1};
    for (int i = 0; i < p->y_ticks.n; i++) {
        const Tick *t = &p->y_ticks.at[i];
        double y = axis_position(&p->y, t->value);
        bool minor = !t->text[0];
        if (!minor)
            draw_line(p->d, &grid,
                      (Point[]){
                          {p->axes.left,  y},
                          {p->axes.right, y}
            },
                      2);
        double length = minor ? TICK_LENGTH / 2.0 : TICK_LENGTH;
        draw_line(p->d, &tick,
                  (Point[]){
                      {p->axes.left - length, y},
                      {p->axes.left,          y}
        },
                  2);
        draw_text(p->d, &l, p->axes.left - TICK_LENGTH - TICK_GAP, y + TICK_SIZE * 0.36, t->text);
    }
    l = (Lettering){.ink = INK_TEXT, .size = LABEL_SIZE, .align = 0.5, .upwards = true};
    if (!p->chart->y.label) return;
    double top = p->axes.top - PANEL_PAD / 2.0, room = p->outer.bottom - PANEL_PAD - top;
    const char *label = text_fit(p->d->arena, p->chart->y.label, LABEL_SIZE, room);
    double half = text_width(label, LABEL_SIZE) / 2, y = (p->axes.top + p->axes.bottom) / 2;
    y = fmin(y, p->outer.bottom - PANEL_PAD - half);
    y = fmax(y, top + half);
    draw_text(p->d, &l, p->outer.left + PANEL_PAD + LABEL_SIZE * 0.8, y, label);
}

static void draw_names(Panel *p)
{
    const ChartAxis *axis = &p->chart->x;
    double y = p->axes.bottom + TICK_LENGTH + TICK_GAP;
    double step = (p->axes.right - p->axes.left) / axis->n_names;
    double room = p->outer.bottom - PANEL_PAD - (axis->label ? LABEL_SIZE + 8 : 0) - y -
                  (p->legend.beside ? 0 : p->legend.height);
    int every = (int)ceil((TICK_SIZE + 1) / step); /* of upright names, those that have room */
    Lettering l = {
        .ink = INK_MUTED, .size = TICK_SIZE, .align = p->upright ? 1 : 0.5, .upwards = p->upright};
    for (int i = 0; i < axis->n_names; i += p->upright ? every : 1) {
        double x = axis_position(&p->x, i);
        if (p->upright)
            draw_text(p->d, &l, x + TICK_SIZE * 0.36, y,
                      text_fit(p->d->arena, axis->names[i], TICK_SIZE, room));
        else
            draw_text(p->d, &l, x, y + TICK_SIZE * 0.8, axis->names[i]);
    }
}

static void draw_numbers(Panel *p)
{
    Pen tick = {.ink = INK_MUTED, .alpha = 1, .width = 1};
    Pen grid = {.ink = INK_GRID, .alpha = 1, .width = 1};
    Lettering l = {.ink = INK_MUTED, .size = TICK_SIZE, .align = 0.5};
    double y = p->axes.bottom;
    for (int i = 0; i < p->x_ticks.n; i++) {
        const Tick *t = &p->x_ticks.at[i];
        double x = axis_position(&p->x, t->value);
        double length = t->text[0] ? TICK_LENGTH : TICK_LENGTH / 2.0;
        if (t->text[0])
            draw_line(p->d, &grid,
                      (Point[]){
                          {x, p->axes.top},
                          {x, y          }
            },
                      2);
        draw_line(p->d, &tick,
                  (Point[]){
                      {x, y         },
                      {x, y + length}
        },
                  2);
        draw_text(p->d, &l, label_x(p, t), y + TICK_LENGTH + TICK_GAP + TICK_SIZE * 0.8, t->text);
    }
}

static void draw_x_axis(Panel *p)
{
    const Chart *c = p->chart;
    if (c->x.names)
        draw_names(p);
    else
        draw_numbers(p);
    if (!c->x.label) return;
    Lettering l = {.ink = INK_TEXT, .size = LABEL_SIZE, .align = 0.5};
    double y = p->outer.bottom - PANEL_PAD - 3;
    if (!p->legend.beside) y -= p->legend.height;
    double room = p->outer.right - p->outer.left - 2 * PANEL_PAD;
    const char *label = text_fit(p->d->arena, c->x.label, LABEL_SIZE, room);
    double half = text_width(label, LABEL_SIZE) / 2, x = (p->axes.left + p->axes.right) / 2;
    x = fmin(x, p->outer.right - PANEL_PAD - half);
    x = fmax(x, p->outer.left + PANEL_PAD + half);
    draw_text(p->d, &l, x, y, label);
}

static void draw_frame(const Panel *p)
{
    Pen pen = {.ink = INK_MUTED, .alpha = 1, .width = 1};
    const Point xy[] = {
        {p->axes.left,  p->axes.top   },
        {p->axes.left,  p->axes.bottom},
        {p->axes.right, p->axes.bottom}
    };
    draw_line(p->d, &pen, xy, 3);
}

static void draw_axes_chart(Panel *p, double top)
{
    set_limits(p);
    legend_measure(p);
    double guess = p->outer.right - p->outer.left - 80 - (p->legend.beside ? p->legend.width : 0);
    if (p->chart->x.names)
        p->upright = (widest_name(&p->chart->x) + TICK_SIZE) * p->chart->x.n_names > guess;
    set_vertical(p, top);
    set_horizontal(p);
    if (!p->chart->x.names) set_x_ticks(p);
    legend_place(p);
    draw_y_axis(p);
    draw_x_axis(p);
    series_draw(p);
    draw_frame(p);
    notes_draw(p);
    legend_draw(p);
}

bool panel_has(const Panel *p, double x, double y)
{
    return x >= p->axes.left - 0.5 && x <= p->axes.right + 0.5 && y >= p->axes.top - 0.5 &&
           y <= p->axes.bottom + 0.5;
}

double panel_title(Drawing *d, const char *title, Box outer)
{
    double top = outer.top + PANEL_PAD;
    if (!title || !*title) return top;
    Lettering l = {.ink = INK_TEXT, .size = TITLE_SIZE, .align = 0, .bold = true};
    double room = (outer.right - outer.left - 2 * PANEL_PAD) / 1.1;
    draw_text(d, &l, outer.left + PANEL_PAD, top + TITLE_SIZE,
              text_fit(d->arena, title, TITLE_SIZE, room));
    return top + TITLE_SIZE + 14;
}

double panel_height(Drawing *d, const Chart *c, double width)
{
    switch (c->kind) {
    case CHART_IMAGES:
        return images_height(c, width);
    case CHART_HEAT:
        return heat_height(c, width);
    case CHART_AXES:
        break;
    }
    Panel p = {
        .d = d, .chart = c, .outer = {0, 0, width, 2 * AXES_HEIGHT}
    };
    legend_measure(&p);
    double height = rint(fmin(width * 0.62, AXES_HEIGHT));
    return p.legend.beside ? height : height + fmax(0, p.legend.height - 2 * ROW);
}

void panel_draw(Drawing *d, const Chart *c, Box outer)
{
    Panel p = {.d = d, .chart = c, .outer = outer, .axes = outer};
    double top = panel_title(d, c->title, outer);
    p.axes.top = top;
    switch (c->kind) {
    case CHART_AXES:
        draw_axes_chart(&p, top);
        break;
    case CHART_HEAT:
        panel_heat(&p);
        break;
    case CHART_IMAGES:
        panel_images(&p);
        break;
    }
}
