/* legend -- names of series and references, off the data.
 *
 * Beside the axes where that leaves them enough width, else in columns below. Beside, an entry
 * stands at the height at which its line ends, as far as all can do so without meeting; else they
 * stand one below the other from the top. Each has a sample of its line, dashes and marker, since a
 * name's nearness to a line means little where several lines end together. */
#include "plot/panel.h"

#include <math.h>
#include <stdlib.h>

enum { SAMPLE = 30, SAMPLE_GAP = 6, COLUMN_GAP = 18, SHIFT_MAX = 40, ROWS_MAX = 16 };

static void collect(Panel *p)
{
    const Chart *c = p->chart;
    Legend *l = &p->legend;
    l->entries = arena_new_array(p->d->arena, LegendEntry, c->n_series + c->n_references);
    for (int i = 0; i < c->n_series; i++)
        if (c->series[i].name)
            l->entries[l->n++] = (LegendEntry){.series = &c->series[i], .text = c->series[i].name};
    for (int i = 0; i < c->n_references; i++)
        if (c->references[i].label)
            l->entries[l->n++] =
                (LegendEntry){.reference = &c->references[i], .text = c->references[i].label};
}

/* Entries past what fits are counted by the last one that is drawn. */
static void cut(Panel *p, int most)
{
    Legend *l = &p->legend;
    if (most < 1) most = 1;
    if (l->n <= most) return;
    l->left_out = l->n - most + 1;
    l->n = most;
    l->entries[most - 1] =
        (LegendEntry){.text = arena_printf(p->d->arena, "and %d more", l->left_out)};
}

void legend_measure(Panel *p)
{
    Legend *l = &p->legend;
    collect(p);
    if (l->n == 0) return;
    double width = p->outer.right - p->outer.left - 2 * PANEL_PAD;
    double height = p->outer.bottom - p->outer.top, widest = 0;
    double own = SAMPLE + SAMPLE_GAP;
    for (int i = 0; i < l->n; i++) {
        l->entries[i].text =
            text_fit(p->d->arena, l->entries[i].text, TICK_SIZE, width - own - COLUMN_GAP);
        widest = fmax(widest, text_width(l->entries[i].text, TICK_SIZE));
    }
    l->column_width = own + widest;
    l->beside = l->column_width <= width * 0.34 && l->n * ROW <= fmin(height, 420) * 0.75;
    if (l->beside) {
        l->width = l->column_width + 12;
        return;
    }
    l->n_columns = (int)((width + COLUMN_GAP) / (l->column_width + COLUMN_GAP));
    if (l->n_columns < 1) l->n_columns = 1;
    cut(p, (int)fmin(height * 0.5 / ROW, ROWS_MAX) * l->n_columns);
    if (l->n < l->n_columns) l->n_columns = l->n;
    int rows = (l->n + l->n_columns - 1) / l->n_columns;
    l->height = rows * ROW + 6;
}

/* Where the entry's line ends, when it ends near the right edge. */
static bool line_end(const Panel *p, const LegendEntry *e, double *y)
{
    if (e->reference) {
        *y = axis_position(&p->y, e->reference->y);
        return axis_has(&p->y, e->reference->y) && *y >= p->axes.top && *y <= p->axes.bottom;
    }
    const ChartSeries *s = e->series;
    if (!s || s->kind != SERIES_LINE) return false;
    for (int i = s->n - 1; i >= 0; i--) {
        if (!axis_has(&p->x, s->x[i]) || !axis_has(&p->y, s->y[i])) continue;
        *y = axis_position(&p->y, s->y[i]);
        return axis_position(&p->x, s->x[i]) >
               p->axes.right - 0.08 * (p->axes.right - p->axes.left);
    }
    return false;
}

static int by_height(const void *a, const void *b)
{
    const LegendEntry *x = a, *y = b;
    return (x->at > y->at) - (x->at < y->at);
}

/* Moves entries, sorted by height, apart to a row's distance with the least squared shifts: groups
 * that touch are merged and stand around their mean (pool adjacent violators; R. E. Barlow et al.,
 * 1972). */
static void spread(LegendEntry *e, int n, double low, double high, double *mean, int *count)
{
    int groups = 0;
    for (int i = 0; i < n; i++) {
        mean[groups] = e[i].at - i * ROW;
        count[groups++] = 1;
        while (groups > 1 && mean[groups - 2] > mean[groups - 1]) {
            int both = count[groups - 2] + count[groups - 1];
            mean[groups - 2] =
                (mean[groups - 2] * count[groups - 2] + mean[groups - 1] * count[groups - 1]) /
                both;
            count[--groups - 1] = both;
        }
    }
    double last = high - (n - 1) * ROW;
    for (int g = 0, i = 0; g < groups; g++)
        for (int k = 0; k < count[g]; k++, i++) e[i].at = fmax(low, fmin(last, mean[g])) + i * ROW;
}

static bool place_at_ends(Panel *p)
{
    Legend *l = &p->legend;
    Arena *a = p->d->arena;
    LegendEntry *e = arena_new_array(a, LegendEntry, l->n);
    double *wanted = arena_new_array(a, double, l->n), *mean = arena_new_array(a, double, l->n);
    int *count = arena_new_array(a, int, l->n);
    for (int i = 0; i < l->n; i++) {
        e[i] = l->entries[i];
        if (!line_end(p, &e[i], &e[i].at)) return false;
    }
    qsort(e, (size_t)l->n, sizeof *e, by_height);
    for (int i = 0; i < l->n; i++) wanted[i] = e[i].at;
    spread(e, l->n, p->axes.top, p->axes.bottom, mean, count);
    for (int i = 0; i < l->n; i++)
        if (fabs(e[i].at - wanted[i]) > SHIFT_MAX) return false;
    l->entries = e;
    return true;
}

void legend_place(Panel *p)
{
    Legend *l = &p->legend;
    if (!l->beside || place_at_ends(p)) return;
    for (int i = 0; i < l->n; i++) l->entries[i].at = p->axes.top + ROW / 2.0 + i * ROW;
}

void legend_draw(const Panel *p)
{
    const Legend *l = &p->legend;
    Lettering letters = {.ink = INK_TEXT, .size = TICK_SIZE};
    double top = p->outer.bottom - PANEL_PAD - l->height + 6 + ROW / 2.0;
    for (int i = 0; i < l->n; i++) {
        const LegendEntry *e = &l->entries[i];
        double x = p->axes.right + 10, y = e->at;
        if (!l->beside) {
            x = p->outer.left + PANEL_PAD + i % l->n_columns * (l->column_width + COLUMN_GAP);
            int row = i / l->n_columns;
            y = top + row * ROW;
        }
        Pen pen = reference_pen();
        if (e->series)
            series_sample(p, e->series, x, y, SAMPLE);
        else if (e->reference)
            draw_line(p->d, &pen,
                      (Point[]){
                          {x,          y},
                          {x + SAMPLE, y}
            },
                      2);
        draw_text(p->d, &letters, x + SAMPLE + SAMPLE_GAP, y + TICK_SIZE * 0.36, e->text);
    }
}
