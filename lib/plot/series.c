/* series -- lines, bands, points, bars and steps within the axes.
 *
 * Everything is cut at the axes here, so that back ends need no clipping. A line with many points a
 * pixel keeps, of those that share a pixel's column, the first, the lowest, the highest and the
 * last: the picture is the same. */
#include "plot/panel.h"

#include <math.h>
#include <string.h>

enum { MARK_ALL = 24, MARKS = 7, DENSE = 400 };
static const double line_width = 2;

static Ink ink_of(int look)
{
    return INK_LOOK + (unsigned)look % N_LOOKS;
}

Pen series_pen(const ChartSeries *s)
{
    return (Pen){.ink = ink_of(s->look),
                 .alpha = 1,
                 .width = line_width,
                 .dash = s->plain ? DASH_NONE : (unsigned)s->look % N_DASHES};
}

Pen reference_pen(void)
{
    return (Pen){.ink = INK_TEXT, .alpha = 1, .width = 1.5, .dash = DASH_SHORT};
}

/* Cuts a segment to the box (Y.-D. Liang and B. A. Barsky, 1984); false: nothing is left. */
static bool clip(const Box *b, Point *p, Point *q)
{
    double dx = q->x - p->x, dy = q->y - p->y, from = 0, to = 1;
    const double step[] = {-dx, dx, -dy, dy};
    const double room[] = {p->x - b->left, b->right - p->x, p->y - b->top, b->bottom - p->y};
    for (int k = 0; k < 4; k++) {
        if (step[k] == 0) {
            if (room[k] < 0) return false;
        } else if (step[k] < 0) {
            from = fmax(from, room[k] / step[k]);
        } else {
            to = fmin(to, room[k] / step[k]);
        }
    }
    if (from > to) return false;
    const Point start = *p;
    *p = (Point){start.x + from * dx, start.y + from * dy};
    *q = (Point){start.x + to * dx, start.y + to * dy};
    return true;
}

/* Draws what of the line through n points lies in the axes. */
static void clipped_line(Panel *p, const Pen *pen, const Point *xy, int n)
{
    Point *out = arena_new_array(p->d->arena, Point, n + 1);
    int m = 0;
    for (int i = 0; i + 1 < n; i++) {
        Point from = xy[i], to = xy[i + 1];
        if (!clip(&p->axes, &from, &to)) continue;
        if (m == 0 || out[m - 1].x != from.x || out[m - 1].y != from.y) {
            draw_line(p->d, pen, out, m);
            m = 0;
            out[m++] = from;
        }
        out[m++] = to;
    }
    draw_line(p->d, pen, out, m);
}

static double clamp(double v, double low, double high)
{
    return fmax(low, fmin(high, v));
}

/* Keeps of points that share a pixel's column those that matter; in place; gives their number. */
static int thin(Point *xy, int n)
{
    int m = 0;
    for (int i = 0; i < n;) {
        double column = floor(xy[i].x);
        int end = i, low = i, high = i;
        for (; end < n && floor(xy[end].x) == column; end++) {
            if (xy[end].y < xy[low].y) low = end;
            if (xy[end].y > xy[high].y) high = end;
        }
        int keep[4] = {i, low < high ? low : high, low < high ? high : low, end - 1};
        for (int k = 0, last = -1; k < 4; k++) {
            if (keep[k] <= last) continue;
            last = keep[k];
            xy[m++] = xy[last];
        }
        i = end;
    }
    return m;
}

/* Positions of the points from `from` up to the next gap; *end is where that is. */
static int stretch(const Panel *p, const ChartSeries *s, const double *y, int from, int *end,
                   Point *xy)
{
    int n = 0, i = from;
    while (i < s->n && !(axis_has(&p->x, s->x[i]) && axis_has(&p->y, y[i]))) i++;
    for (; i < s->n && axis_has(&p->x, s->x[i]) && axis_has(&p->y, y[i]); i++, n++) {
        xy[n] = (Point){axis_position(&p->x, s->x[i]), axis_position(&p->y, y[i])};
    }
    *end = i;
    return n;
}

/* Thinner the more there are, or they would hide each other's lines. */
static double band_alpha(const Chart *c)
{
    int n = 0;
    for (int i = 0; i < c->n_series; i++)
        n += c->series[i].kind == SERIES_STEPS ||
             (c->series[i].kind == SERIES_LINE && c->series[i].low);
    return n <= 3 ? 0.2 : n <= 6 ? 0.12 : 0.07;
}

/* A logarithmic axis has no place for what reaches down to 0: that ends at its edge. */
static double low_position(const Panel *p, double low)
{
    return p->y.is_log && low <= 0 ? p->y.from : axis_position(&p->y, low);
}

static bool has_band(const Panel *p, const ChartSeries *s, int i)
{
    bool low = axis_has(&p->y, s->low[i]) || (p->y.is_log && s->low[i] <= 0);
    return axis_has(&p->x, s->x[i]) && low && axis_has(&p->y, s->high[i]);
}

/* The band is cut above and below by moving its corners to the axes' edges; points that share a
 * pixel's column give one, as wide as all of them. */
static void draw_band(Panel *p, const ChartSeries *s)
{
    Pen pen = {.ink = ink_of(s->look), .alpha = band_alpha(p->chart)};
    Point *xy = arena_new_array(p->d->arena, Point, 2 * s->n + 2);
    double *lows = arena_new_array(p->d->arena, double, s->n + 1);
    bool dense = s->n > 4 * (p->axes.right - p->axes.left);
    for (int i = 0; i < s->n; i++) {
        int n = 0;
        for (; i < s->n && has_band(p, s, i); i++) {
            double x = axis_position(&p->x, s->x[i]);
            if (x < p->axes.left - 1e-6 || x > p->axes.right + 1e-6) continue;
            double high = axis_position(&p->y, s->high[i]), low = low_position(p, s->low[i]);
            bool same = dense && n > 0 && floor(x) == floor(xy[n - 1].x);
            if (same) high = fmin(high, xy[n - 1].y), low = fmax(low, lows[n - 1]);
            n += !same;
            xy[n - 1] = (Point){x, clamp(high, p->axes.top, p->axes.bottom)};
            lows[n - 1] = clamp(low, p->axes.top, p->axes.bottom);
        }
        for (int k = 0; k < n; k++) {
            xy[n + k] = (Point){xy[n - 1 - k].x, lows[n - 1 - k]};
        }
        draw_area(p->d, &pen, xy, 2 * n);
    }
}

static void polygon(Drawing *d, const Pen *pen, double x, double y, const Point at[], int n)
{
    Point xy[12];
    for (int i = 0; i < n; i++)
        xy[i] = (Point){x + MARKER_RADIUS * at[i].x, y + MARKER_RADIUS * at[i].y};
    draw_area(d, pen, xy, n);
}

// clang-format off
static const Point square[] = {{-0.9, -0.9}, {0.9, -0.9}, {0.9, 0.9}, {-0.9, 0.9}};
static const Point up[] = {{0, -1.25}, {1.15, 0.85}, {-1.15, 0.85}};
static const Point down[] = {{0, 1.25}, {-1.15, -0.85}, {1.15, -0.85}};
static const Point diamond[] = {{0, -1.3}, {1.1, 0}, {0, 1.3}, {-1.1, 0}};
static const Point plus[] = {{-0.4, -1.2}, {0.4, -1.2}, {0.4, -0.4}, {1.2, -0.4},
                                 {1.2, 0.4},   {0.4, 0.4},  {0.4, 1.2},  {-0.4, 1.2},
                                 {-0.4, 0.4},  {-1.2, 0.4}, {-1.2, -0.4}, {-0.4, -0.4}};
// clang-format on

/* Seven outlines that differ in print without colour. */
static void draw_marker(Drawing *d, int look, const char *tip, double x, double y)
{
    Pen pen = {.ink = ink_of(look), .alpha = 1, .tip = tip};
    Pen ring = {.ink = ink_of(look), .alpha = 1, .width = 1.5, .tip = tip};
    Pen page = {.ink = INK_PAGE, .alpha = 1};
    switch ((unsigned)look % 7) {
    case 1:
        polygon(d, &pen, x, y, square, 4);
        break;
    case 2:
        polygon(d, &pen, x, y, up, 3);
        break;
    case 3:
        polygon(d, &pen, x, y, diamond, 4);
        break;
    case 4:
        draw_dot(d, &page, x, y, MARKER_RADIUS);
        draw_dot(d, &ring, x, y, MARKER_RADIUS - 0.5);
        break;
    case 5:
        polygon(d, &pen, x, y, down, 3);
        break;
    case 6:
        polygon(d, &pen, x, y, plus, 12);
        break;
    default:
        draw_dot(d, &pen, x, y, MARKER_RADIUS);
    }
}

/* "name: x, y", or the caller's own words. */
static const char *tip_of(const Panel *p, const ChartSeries *s, int i)
{
    char x[TICK_TEXT], y[TICK_TEXT];
    const ChartAxis *axis = &p->chart->x;
    if (s->tips && s->tips[i]) return s->tips[i];
    axis_value_text(x, s->x[i], axis->format);
    axis_value_text(y, s->y[i], p->chart->y.format);
    const char *at = x;
    if (axis->names && s->x[i] >= 0 && s->x[i] < axis->n_names) at = axis->names[(int)s->x[i]];
    return arena_printf(p->d->arena, "%s%s%s, %s", s->name ? s->name : "", s->name ? ": " : "", at,
                        y);
}

/* Every point's marker, or some that stand evenly, shifted by the look so that those of two lines
 * that run together do not cover each other. */
static void draw_markers(Panel *p, const ChartSeries *s)
{
    double width = p->axes.right - p->axes.left, every = width / MARKS;
    bool all = s->kind == SERIES_POINTS || s->n <= MARK_ALL;
    double next = p->axes.left + every * (0.3 + 0.19 * (s->look % 4));
    for (int i = 0; i < s->n; i++) {
        if (!axis_has(&p->x, s->x[i]) || !axis_has(&p->y, s->y[i])) continue;
        double x = axis_position(&p->x, s->x[i]), y = axis_position(&p->y, s->y[i]);
        if (!panel_has(p, x, y) || (!all && x < next)) continue;
        while (next <= x) next += every;
        bool told = s->n <= DENSE;
        draw_marker(p->d, s->look, told ? tip_of(p, s, i) : NULL, x, y);
        panel_take(p, x, y, MARKER_RADIUS);
    }
}

static void draw_whiskers(Panel *p, const ChartSeries *s, double shift, Ink ink)
{
    Pen pen = {.ink = ink, .alpha = 1, .width = 1.4};
    Pen halo = {.ink = INK_PAGE, .alpha = 0.8, .width = 4}; /* bars may be as dark as the line */
    for (int i = 0; i < s->n; i++) {
        if (!has_band(p, s, i) || s->low[i] == s->high[i]) continue;
        double x = axis_position(&p->x, s->x[i]) + shift;
        double low = low_position(p, s->low[i]), high = axis_position(&p->y, s->high[i]);
        if (s->kind == SERIES_BARS)
            clipped_line(p, &halo,
                         (Point[]){
                             {x, low },
                             {x, high}
            },
                         2);
        clipped_line(p, &pen,
                     (Point[]){
                         {x, low },
                         {x, high}
        },
                     2);
        for (int k = 0; k < (low - high) / 4; k++) panel_take(p, x, high + 4 * k, 2);
        clipped_line(p, &pen,
                     (Point[]){
                         {x - 4, low},
                         {x + 4, low}
        },
                     2);
        clipped_line(p, &pen,
                     (Point[]){
                         {x - 4, high},
                         {x + 4, high}
        },
                     2);
    }
}

static void draw_curve(Panel *p, const ChartSeries *s)
{
    Pen pen = series_pen(s);
    pen.tip = s->name;
    Point *xy = arena_new_array(p->d->arena, Point, s->n + 1);
    for (int from = 0; from < s->n;) {
        int n = stretch(p, s, s->y, from, &from, xy);
        if (n > 4 * (p->axes.right - p->axes.left)) n = thin(xy, n);
        clipped_line(p, &pen, xy, n);
    }
    if (!s->plain) draw_markers(p, s);
}

/* Lines across a filled rectangle, so that bars differ in print without colour. */
static void hatch(Panel *p, Box b, int look)
{
    Pen pen = {.ink = INK_PAGE, .alpha = 0.75, .width = 1.5};
    Box whole = p->axes;
    p->axes = b;
    double w = b.right - b.left, h = b.bottom - b.top;
    unsigned kind = (unsigned)look % 4;
    enum { STEP = 7 };
    if (kind == 1 || kind == 3)
        for (int at = STEP; at < w + h; at += STEP)
            clipped_line(p, &pen,
                         (Point[]){
                             {b.left,      b.bottom - at},
                             {b.left + at, b.bottom     }
            },
                         2);
    if (kind == 2 || kind == 3)
        for (int at = STEP; at < w + h; at += STEP)
            clipped_line(p, &pen,
                         (Point[]){
                             {b.left,      b.top + at},
                             {b.left + at, b.top     }
            },
                         2);
    p->axes = whole;
}

static void draw_bar(Panel *p, int look, const char *tip, Box b)
{
    Pen pen = {.ink = ink_of(look), .alpha = 1, .tip = tip};
    b.left = clamp(b.left, p->axes.left, p->axes.right);
    b.right = clamp(b.right, p->axes.left, p->axes.right);
    b.top = clamp(b.top, p->axes.top, p->axes.bottom);
    b.bottom = clamp(b.bottom, p->axes.top, p->axes.bottom);
    if (b.bottom - b.top <= 0 || b.right - b.left <= 0) return;
    draw_rectangle(p->d, &pen, b.left, b.top, b.right - b.left, b.bottom - b.top);
    hatch(p, b, look);
}

static double base_line(const Panel *p)
{
    double zero = p->y.is_log ? p->y.low : 0;
    return clamp(axis_position(&p->y, zero), p->axes.top, p->axes.bottom);
}

static void draw_bars(Panel *p, const ChartSeries *s)
{
    const Chart *c = p->chart;
    int n_groups = 0, own = 0;
    for (int i = 0; i < c->n_series; i++) {
        if (&c->series[i] == s) own = n_groups;
        n_groups += c->series[i].kind == SERIES_BARS;
    }
    double step = axis_position(&p->x, 1) - axis_position(&p->x, 0);
    double width = fmin(step * 0.8 / n_groups, 60), shift = (own - (n_groups - 1) / 2.0) * width;
    double zero = base_line(p);
    for (int i = 0; i < s->n; i++) {
        if (!axis_has(&p->x, s->x[i]) || !axis_has(&p->y, s->y[i])) continue;
        double x = axis_position(&p->x, s->x[i]) + shift, y = axis_position(&p->y, s->y[i]);
        double gap = width > 6 ? 1 : 0;
        draw_bar(p, s->look, tip_of(p, s, i),
                 (Box){x - width / 2 + gap, fmin(y, zero), x + width / 2 - gap, fmax(y, zero)});
    }
    if (s->low) draw_whiskers(p, s, shift, INK_TEXT);
}

static void draw_steps(Panel *p, const ChartSeries *s)
{
    Pen line = series_pen(s),
        fill = {.ink = ink_of(s->look), .alpha = band_alpha(p->chart), .tip = s->name};
    Point *xy = arena_new_array(p->d->arena, Point, 2 * s->n + 2);
    double zero = base_line(p);
    int n = 0;
    line.width = 1.6;
    for (int i = 0; i < s->n; i++) {
        if (!axis_has(&p->x, s->x[i]) || !axis_has(&p->x, s->x[i + 1])) continue;
        double y = axis_has(&p->y, s->y[i]) ? axis_position(&p->y, s->y[i]) : zero;
        double left = clamp(axis_position(&p->x, s->x[i]), p->axes.left, p->axes.right);
        double right = clamp(axis_position(&p->x, s->x[i + 1]), p->axes.left, p->axes.right);
        y = clamp(y, p->axes.top, p->axes.bottom);
        if (n == 0) xy[n++] = (Point){left, zero};
        xy[n++] = (Point){left, y};
        xy[n++] = (Point){right, y};
    }
    if (n == 0) return;
    xy[n] = (Point){xy[n - 1].x, zero};
    n++;
    draw_area(p->d, &fill, xy, n);
    draw_line(p->d, &line, xy, n);
}

/* From what covers to what must be seen: fills, references, lines, points. */
void series_draw(Panel *p)
{
    const Chart *c = p->chart;
    for (int i = 0; i < c->n_series; i++) {
        const ChartSeries *s = &c->series[i];
        if (s->kind == SERIES_BARS) draw_bars(p, s);
        if (s->kind == SERIES_STEPS) draw_steps(p, s);
        if (s->kind == SERIES_LINE && s->low) draw_band(p, s);
    }
    Pen pen = reference_pen();
    for (int i = 0; i < c->n_references; i++) {
        if (!axis_has(&p->y, c->references[i].y)) continue;
        double y = axis_position(&p->y, c->references[i].y);
        pen.tip = c->references[i].label;
        clipped_line(p, &pen,
                     (Point[]){
                         {p->axes.left,  y},
                         {p->axes.right, y}
        },
                     2);
    }
    for (int i = 0; i < c->n_series; i++)
        if (c->series[i].kind == SERIES_LINE) draw_curve(p, &c->series[i]);
    for (int i = 0; i < c->n_series; i++) {
        const ChartSeries *s = &c->series[i];
        if (s->kind != SERIES_POINTS) continue;
        if (s->low) draw_whiskers(p, s, 0, ink_of(s->look));
        draw_markers(p, s);
    }
}

void series_sample(const Panel *p, const ChartSeries *s, double x, double y, double width)
{
    Panel own = *p;
    own.axes = (Box){x, y - 6, x + width, y + 6};
    Pen pen = series_pen(s), band = {.ink = ink_of(s->look), .alpha = band_alpha(p->chart)};
    if (s->kind == SERIES_BARS || s->kind == SERIES_STEPS) {
        if (s->kind == SERIES_BARS) {
            draw_bar(&own, s->look, NULL, own.axes);
            return;
        }
        draw_rectangle(p->d, &band, x, y - 5, width, 10);
    } else if (s->kind == SERIES_LINE && s->low)
        draw_rectangle(p->d, &band, x, y - 5, width, 10);
    if (s->kind != SERIES_POINTS)
        draw_line(p->d, &pen,
                  (Point[]){
                      {x,         y},
                      {x + width, y}
        },
                  2);
    bool marked = s->kind == SERIES_POINTS || (s->kind == SERIES_LINE && !s->plain);
    if (marked) draw_marker(p->d, s->look, NULL, x + width / 2, y);
}
