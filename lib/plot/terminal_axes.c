/* terminal_axes -- lines, points and steps of a chart, in characters. */
#include "plot/terminal_axes.h"

#include "plot/chart_axis.h"

#include <math.h>
#include <string.h>

enum { EMPTY = -2, PLAIN = -1, LETTERS = 5, LINE_BYTES = 4096 };

/* A character of the data: dots, or one character that covers them. */
typedef struct Cell {
    uint8_t dots;
    int look; /* EMPTY, PLAIN (a reference) or a series' */
    char letter;
} Cell;

typedef struct Plane {
    const Terminal *t;
    const Chart *chart;
    int width, height;          /* in characters */
    int dots_across, dots_down; /* a character */
    Cell *cells;
    AxisMap x, y; /* in dots, from the upper left */
} Plane;

/* Bit of the dot in column x, row y of a braille character (Unicode 15, section 21.1). */
static const uint8_t braille[4][2] = {
    {0x01, 0x08},
    {0x02, 0x10},
    {0x04, 0x20},
    {0x40, 0x80}
};

static Cell *cell_at(const Plane *p, double x, double y)
{
    int column = (int)floor(x / p->dots_across), row = (int)floor(y / p->dots_down);
    if (!(x >= 0) || !(y >= 0) || column >= p->width || row >= p->height) return NULL;
    return &p->cells[row * p->width + column];
}

static void dot(const Plane *p, double x, double y, int look)
{
    Cell *c = cell_at(p, x, y);
    if (!c) return;
    int i = (int)floor(x) % p->dots_across, j = (int)floor(y) % p->dots_down;
    c->dots |= braille[j][i];
    if (look != PLAIN || c->look == EMPTY) c->look = look;
}

static void line(const Plane *p, const double from[2], const double to[2], int look)
{
    double across = fabs(to[0] - from[0]), down = fabs(to[1] - from[1]);
    double most = 4.0 * (p->width * p->dots_across + p->height * p->dots_down);
    int n = (int)fmin(ceil(fmax(across, down)), most);
    if (n < 1) n = 1;
    for (int i = 0; i <= n; i++)
        dot(p, from[0] + (to[0] - from[0]) * i / n, from[1] + (to[1] - from[1]) * i / n, look);
}

static bool position(const Plane *p, double x, double y, double at[2])
{
    if (!axis_has(&p->x, x) || !axis_has(&p->y, y)) return false;
    at[0] = axis_position(&p->x, x);
    at[1] = axis_position(&p->y, y);
    return true;
}

static void draw_curve(const Plane *p, const ChartSeries *s)
{
    double before[2], now[2];
    bool has_before = false;
    for (int i = 0; i < s->n; i++) {
        bool has = position(p, s->x[i], s->y[i], now);
        if (has && has_before) line(p, before, now, s->look);
        if (has) dot(p, now[0], now[1], s->look);
        memcpy(before, now, sizeof now);
        has_before = has;
    }
}

static void draw_steps(const Plane *p, const ChartSeries *s)
{
    double left[2], right[2], before = p->y.from;
    for (int i = 0; i < s->n; i++) {
        if (!position(p, s->x[i], s->y[i], left) || !position(p, s->x[i + 1], s->y[i], right))
            continue;
        line(p, (double[]){left[0], before}, left, s->look);
        line(p, left, right, s->look);
        before = left[1];
    }
}

/* Letters go on top: of points at each, of lines at some places that differ from series to series.
 */
static void draw_letters(const Plane *p, const ChartSeries *s, char letter)
{
    double every = (double)p->width * p->dots_across / LETTERS, at[2];
    double next = every * (0.3 + 0.19 * (s->look % 4));
    for (int i = 0; i < s->n; i++) {
        if (!position(p, s->x[i], s->y[i], at)) continue;
        if (s->kind == SERIES_LINE && at[0] < next && s->n > LETTERS * 2) continue;
        while (next <= at[0]) next += every;
        Cell *c = cell_at(p, at[0], at[1]);
        if (c) c->letter = letter, c->look = s->look;
    }
}

static void draw_whiskers(const Plane *p, const ChartSeries *s)
{
    double low[2], high[2];
    for (int i = 0; i < s->n; i++)
        if (position(p, s->x[i], s->low[i], low) && position(p, s->x[i], s->high[i], high))
            line(p, low, high, s->look);
}

static char letter_of(int i)
{
    return (char)(i < 26 ? 'a' + i : i < 52 ? 'A' + i - 26 : '*');
}

static void draw_data(const Plane *p)
{
    const Chart *c = p->chart;
    for (int i = 0; i < c->n_references; i++) {
        double y = axis_position(&p->y, c->references[i].y);
        if (!axis_has(&p->y, c->references[i].y)) continue;
        for (int x = 0; x < p->width * p->dots_across; x += 2) dot(p, x, y, PLAIN);
    }
    for (int i = 0; i < c->n_series; i++) {
        const ChartSeries *s = &c->series[i];
        if (s->kind == SERIES_LINE) draw_curve(p, s);
        if (s->kind == SERIES_STEPS) draw_steps(p, s);
        if (s->kind == SERIES_POINTS && s->low) draw_whiskers(p, s);
    }
    for (int i = 0; i < c->n_series; i++) {
        const ChartSeries *s = &c->series[i];
        bool marked = s->kind == SERIES_POINTS || c->n_series > 1 || !p->t->style->utf8;
        if (marked && s->kind != SERIES_STEPS && s->name) draw_letters(p, s, letter_of(i));
        if (s->kind == SERIES_POINTS && !s->name) draw_letters(p, s, 'o');
    }
}

static void put_cell(const Plane *p, const Cell *c, int *look)
{
    int wanted = c->look < 0 ? -1 : c->look;
    if (wanted != *look && c->look != EMPTY) {
        if (*look >= 0) terminal_color(p->t, -1);
        if (wanted >= 0) terminal_color(p->t, wanted);
        *look = wanted;
    }
    if (c->letter)
        text_addf(p->t->out, "%c", c->letter);
    else if (!c->dots)
        text_add(p->t->out, " ");
    else if (!p->t->style->utf8)
        text_add(p->t->out, c->look == PLAIN ? "-" : ".");
    else /* U+2800 + dots */
        text_addf(p->t->out, "\xe2%c%c", (char)(0xa0 | c->dots >> 6),
                  (char)(0x80 | (c->dots & 0x3f)));
}

static void put_rows(const Plane *p, const Ticks *ticks, int margin)
{
    const Terminal *t = p->t;
    for (int row = 0; row < p->height; row++) {
        const char *text = "";
        for (int i = 0; i < ticks->n; i++)
            if ((int)floor(axis_position(&p->y, ticks->at[i].value) / p->dots_down) == row)
                if (ticks->at[i].text[0]) text = ticks->at[i].text;
        terminal_put(t, text, margin, true);
        text_add(t->out, !t->style->utf8 ? (*text ? " +" : " |") : *text ? " \u2524" : " \u2502");
        int look = -1, last = p->width;
        const Cell *cells = &p->cells[(ptrdiff_t)row * p->width];
        while (last > 0 && cells[last - 1].look == EMPTY) last--;
        for (int i = 0; i < last; i++) put_cell(p, &cells[i], &look);
        if (look >= 0) terminal_color(t, -1);
        text_add(t->out, "\n");
    }
}

/* Whether the label stands free of those before it; `end` is the column after the last. */
static bool label_place(const Plane *p, double value, const char *text, int end, int *start)
{
    int n = terminal_columns(text);
    double x = axis_position(&p->x, value) / p->dots_across;
    *start = (int)floor(x) - n / 2;
    if (*start < 0) *start = 0;
    if (*start + n > p->width) *start = p->width - n;
    return n > 0 && x >= 0 && x < p->width + 0.5 && *start >= end;
}

static void put_x_axis(const Plane *p, const Ticks *ticks, int margin)
{
    const Terminal *t = p->t;
    const ChartAxis *axis = &p->chart->x;
    int n = axis->names ? axis->n_names : ticks->n, end = 0, written = 0, start;
    char marks[LINE_BYTES];
    Text labels = {0};
    memset(marks, '-', sizeof marks);
    for (int i = 0; i < n; i++) {
        double value = axis->names ? i : ticks->at[i].value;
        const char *text = axis->names ? axis->names[i] : ticks->at[i].text;
        if (!label_place(p, value, text, end, &start)) continue;
        int at = (int)floor(axis_position(&p->x, value) / p->dots_across);
        marks[at >= p->width ? p->width - 1 : at] = '+';
        text_addf(&labels, "%*s%s", start - written, "", text_clean(t->arena, text));
        written = start + terminal_columns(text);
        end = written + 2;
    }
    terminal_put(t, "", margin, true);
    text_add(t->out, t->style->utf8 ? " \u2514" : " +");
    for (int i = 0; i < p->width; i++)
        text_add(t->out, !t->style->utf8   ? (marks[i] == '+' ? "+" : "-")
                         : marks[i] == '+' ? "\u252c"
                                           : "\u2500");
    text_addf(t->out, "\n%*s  %s\n", margin, "", labels.data ? labels.data : "");
    text_free(&labels);
    if (!axis->label) return;
    int left = margin + 2 + (p->width - terminal_columns(axis->label)) / 2;
    text_addf(t->out, "%*s%s\n", left > 0 ? left : 0, "", text_clean(t->arena, axis->label));
}

static void put_legend(const Plane *p)
{
    const Terminal *t = p->t;
    const Chart *c = p->chart;
    for (int i = 0; i < c->n_series + c->n_references; i++) {
        const ChartSeries *s = i < c->n_series ? &c->series[i] : NULL;
        const char *name = s ? s->name : c->references[i - c->n_series].label;
        if (!name) continue;
        text_add(t->out, "  ");
        if (s) {
            terminal_color(t, s->look);
            text_addf(t->out, "%c", letter_of(i));
            terminal_color(t, -1);
        } else
            text_add(t->out, t->style->utf8 ? "\u2508" : "-");
        text_add(t->out, " ");
        terminal_put(t, name, -(t->style->width - 5), false);
        text_add(t->out, "\n");
    }
}

static void set_limits(Plane *p)
{
    const Chart *c = p->chart;
    AxisRange x = {(double)INFINITY, -(double)INFINITY}, y = x;
    for (int k = 0; k < c->n_series; k++) {
        const ChartSeries *s = &c->series[k];
        bool steps = s->kind == SERIES_STEPS, whiskers = s->kind == SERIES_POINTS && s->low;
        for (int i = 0; i < s->n + steps; i++) axis_see(&x, c->x.is_log, s->x[i]);
        for (int i = 0; i < s->n; i++) {
            axis_see(&y, c->y.is_log, s->y[i]);
            if (whiskers) axis_see(&y, c->y.is_log, s->low[i]);
            if (whiskers) axis_see(&y, c->y.is_log, s->high[i]);
        }
        if (steps) axis_see(&y, c->y.is_log, 0);
    }
    for (int i = 0; i < c->n_references; i++) axis_see(&y, c->y.is_log, c->references[i].y);
    x = axis_limits(&c->x, x, 0);
    y = axis_limits(&c->y, y, 0);
    if (c->x.names) x = (AxisRange){-0.5, c->x.n_names - 0.5};
    p->x = (AxisMap){.is_log = c->x.is_log && !c->x.names, .low = x.low, .high = x.high};
    p->y = (AxisMap){.is_log = c->y.is_log, .low = y.low, .high = y.high};
}

void terminal_axes(const Terminal *t, const Chart *c)
{
    Plane p = {.t = t, .chart = c, .height = t->style->height, .dots_across = 1, .dots_down = 1};
    if (t->style->utf8) p.dots_across = 2, p.dots_down = 4;
    Ticks x_ticks = {0}, y_ticks;
    int margin = 0;
    set_limits(&p);
    axis_ticks(&y_ticks, (AxisRange){p.y.low, p.y.high}, p.y.is_log, p.height / 2, c->y.format);
    for (int i = 0; i < y_ticks.n; i++) {
        int n = terminal_columns(y_ticks.at[i].text);
        if (n > margin) margin = n;
    }
    p.width = t->style->width - margin - 3;
    if (p.width < 10) p.width = 10;
    if (p.width > LINE_BYTES) p.width = LINE_BYTES;
    p.cells = arena_new_array(t->arena, Cell, p.width * p.height);
    for (int i = 0; i < p.width * p.height; i++) p.cells[i].look = EMPTY;
    /* the outermost values fall into the outermost dots */
    p.x.to = p.width * p.dots_across - 0.01;
    p.y.from = p.height * p.dots_down - 0.01;
    if (!c->x.names)
        axis_ticks(&x_ticks, (AxisRange){p.x.low, p.x.high}, p.x.is_log, p.width / 10, c->x.format);
    draw_data(&p);
    if (c->y.label) text_addf(t->out, "%s\n", text_clean(t->arena, c->y.label));
    put_rows(&p, &y_ticks, margin);
    put_x_axis(&p, &x_ticks, margin);
    put_legend(&p);
}
