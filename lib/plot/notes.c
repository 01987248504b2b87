/* notes -- texts beside points, where they stand on nothing else. */
#include "plot/panel.h"

#include <math.h>
#include <string.h>

enum { DENSE = 400 }; /* a line of more points is no obstacle */

// clang-format off
/* Where a note may stand: in radii and heights of a letter from its point, and its alignment. */
static const double note_places[][3] = {{1, 0.36, 0}, {-1, 0.36, 1}, {0, -1, 0.5}, {0, 1.7, 0.5},
                                        {1, -0.7, 0}, {1, 1.4, 0}, {-1, -0.7, 1}, {-1, 1.4, 1}};
// clang-format on
enum { N_PLACES = sizeof note_places / sizeof note_places[0] };

void panel_take(Panel *p, double x, double y, double r)
{
    if (p->n_taken == p->taken_capacity) {
        int capacity = p->taken_capacity ? 2 * p->taken_capacity : 64;
        Box *grown = arena_new_array(p->d->arena, Box, capacity);
        if (p->n_taken) memcpy(grown, p->taken, (size_t)p->n_taken * sizeof *grown);
        p->taken = grown;
        p->taken_capacity = capacity;
    }
    p->taken[p->n_taken++] = (Box){x - r, y - r, x + r, y + r};
}

/* Right of the point, left, above or below, the first that is free; else the note is left out. */
static void place_note(Panel *p, Lettering *l, double x, double y, const char *text)
{
    for (int k = 0; k < N_PLACES; k++) {
        const double *where = note_places[k];
        Mark s = {.text = text, .size = TICK_SIZE, .align = where[2]};
        s.x = x + where[0] * (MARKER_RADIUS + 4), s.y = y + where[1] * TICK_SIZE;
        Box b = text_box(&s);
        bool free = b.left >= p->axes.left + 2 && b.right <= p->axes.right &&
                    b.top >= p->axes.top && b.bottom <= p->axes.bottom - 2;
        for (int i = 0; i < p->n_taken && free; i++) free = !boxes_meet(b, p->taken[i]);
        if (!free) continue;
        l->align = where[2];
        draw_text(p->d, l, s.x, s.y, text);
        panel_take(p, 0, 0, 0);
        p->taken[p->n_taken - 1] = b;
        return;
    }
}

/* Along lines of few points, which a note would be struck through by. */
static void take_lines(Panel *p)
{
    enum { STEP = 6, STEPS_MAX = 10000 };
    for (int k = 0; k < p->chart->n_series; k++) {
        const ChartSeries *s = &p->chart->series[k];
        Point before = {0, 0};
        bool started = false;
        for (int i = 0; s->kind == SERIES_LINE && s->n <= DENSE && i < s->n; i++) {
            if (!axis_has(&p->x, s->x[i]) || !axis_has(&p->y, s->y[i])) continue;
            Point now = {axis_position(&p->x, s->x[i]), axis_position(&p->y, s->y[i])};
            int n = 1 + (int)fmin(hypot(now.x - before.x, now.y - before.y) / STEP, STEPS_MAX);
            for (int t = 0; started && t <= n; t++)
                panel_take(p, before.x + (now.x - before.x) * t / n,
                           before.y + (now.y - before.y) * t / n, 2);
            before = now;
            started = true;
        }
    }
}

void notes_draw(Panel *p)
{
    if (p->chart->n_notes > 0) take_lines(p);
    Lettering l = {.ink = INK_TEXT, .size = TICK_SIZE};
    for (int i = 0; i < p->chart->n_notes; i++) {
        const ChartNote *n = &p->chart->notes[i];
        if (!axis_has(&p->x, n->x) || !axis_has(&p->y, n->y)) continue;
        double x = axis_position(&p->x, n->x), y = axis_position(&p->y, n->y);
        if (panel_has(p, x, y)) place_note(p, &l, x, y, n->text);
    }
}
