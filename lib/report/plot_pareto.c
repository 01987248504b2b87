/* plot_pareto -- a metric against what it costs, a point a setting, and the front. */
#include "report/plot_build.h"
#include "run/metric_lines.h"

#include <math.h>
#include <stdlib.h>

enum { NOTES_FOR_ALL = 8 }; /* of more points only the front's are named */

typedef struct ParetoPoint {
    double x, y, low, high;
    const char *name;
    bool in_front;
} ParetoPoint;

static int by_cost(const void *a, const void *b)
{
    const ParetoPoint *p = a, *q = b;
    if (p->x != q->x) return p->x < q->x ? -1 : 1;
    return (p->y > q->y) - (p->y < q->y);
}

/* Marks the points that no other one equals or beats in both, of points in rising cost. */
static void mark_front(ParetoPoint *points, int n, bool less)
{
    double best = 0;
    bool any = false;
    for (int i = 0; i < n;) {
        int end = i, own = i; /* the best of those that cost the same */
        for (; end < n && points[end].x == points[i].x; end++)
            if (less ? points[end].y < points[own].y : points[end].y > points[own].y) own = end;
        bool better = less ? points[own].y < best : points[own].y > best;
        if (!any || better) {
            best = points[own].y;
            points[own].in_front = any = true;
        }
        i = end;
    }
}

/* What is to be had for a cost: steps, up to the largest cost. */
static ChartSeries front_of(Arena *a, const ParetoPoint *points, int n_points)
{
    double *x = arena_new_array(a, double, 2 * n_points + 1);
    double *y = arena_new_array(a, double, 2 * n_points + 1);
    int n = 0;
    for (int i = 0; i < n_points; i++) {
        if (!points[i].in_front) continue;
        if (n > 0) x[n] = points[i].x, y[n] = y[n - 1], n++;
        x[n] = points[i].x, y[n] = points[i].y, n++;
    }
    x[n] = points[n_points - 1].x, y[n] = y[n - 1], n++;
    return (ChartSeries){
        .kind = SERIES_LINE, .name = "front", .n = n, .x = x, .y = y, .look = 1, .plain = true};
}

/* The mean of one setting's runs. */
static bool pareto_point(ParetoPoint *out, const PlotRuns *r, const PlotSpec *spec,
                         const PlotSettings *settings, int k, const char *const metrics[2])
{
    PlotPairs values = {.arena = r->arena};
    double x_sum = 0;
    for (int i = 0; i < r->n; i++) {
        if (settings->of_run[i] != k) continue;
        double x = plot_run_number(&r->at[i], metrics[0]);
        double y = plot_value(r, &r->at[i], spec, metrics[1]) * spec->scale;
        if (!isfinite(x) || !isfinite(y)) continue;
        x_sum += x;
        plot_pair_add(&values, 0, y);
    }
    if (values.n == 0) return false;
    PlotPoints mean = plot_points(r->arena, values.at, values.n, (PlotBand)spec->band);
    *out = (ParetoPoint){x_sum / values.n, mean.y[0],          mean.low[0],
                         mean.high[0],     settings->names[k], false};
    return true;
}

static ChartSeries pareto_series(Chart *c, const PlotRuns *r, const ParetoPoint *points, int n)
{
    Arena *a = r->arena;
    double *x = arena_new_array(a, double, n), *y = arena_new_array(a, double, n);
    double *low = arena_new_array(a, double, n), *high = arena_new_array(a, double, n);
    const char **tips = arena_new_array(a, const char *, n);
    ChartNote *notes = arena_new_array(a, ChartNote, n);
    for (int i = 0; i < n; i++) {
        x[i] = points[i].x, y[i] = points[i].y, low[i] = points[i].low, high[i] = points[i].high;
        tips[i] = points[i].name;
        if (points[i].in_front || n <= NOTES_FOR_ALL)
            notes[c->n_notes++] = (ChartNote){x[i], y[i], points[i].name};
    }
    c->notes = notes;
    return (ChartSeries){.kind = SERIES_POINTS,
                         .name = "settings",
                         .n = n,
                         .x = x,
                         .y = y,
                         .low = low,
                         .high = high,
                         .tips = tips};
}

bool plot_pareto(Chart *c, const PlotRuns *r, const PlotSpec *spec, Error *err)
{
    const char *metrics[] = {spec->x ? spec->x : "run.parameters", plot_default_metric(r, spec)};
    PlotSettings settings = plot_settings(r, spec, true);
    ParetoPoint *points = arena_new_array(r->arena, ParetoPoint, settings.n);
    ChartSeries *series = arena_new_array(r->arena, ChartSeries, 2);
    int n = 0;
    *c = (Chart){.series = series, .n_series = 2};
    for (int k = 0; k < settings.n; k++)
        n += pareto_point(&points[n], r, spec, &settings, k, metrics);
    if (n == 0) {
        bool have = plot_runs_have(r, metrics[0]);
        return plot_no_values(r, spec, have ? metrics[1] : metrics[0], true, err);
    }
    qsort(points, (size_t)n, sizeof *points, by_cost);
    mark_front(points, n, metric_less_is_better(metrics[1]));
    series[1] = pareto_series(c, r, points, n);
    series[0] = front_of(r->arena, points, n);
    PlotSpec plain = plot_spec_default(PLOT_PARETO);
    c->x = plot_metric_axis(r->arena, &plain, metrics[0]);
    c->x.is_log = plot_is_log(spec->x_scale, series[1].x, n, PLOT_X_SPAN);
    c->y = plot_metric_axis(r->arena, spec, metrics[1]);
    c->y.is_log = plot_metric_is_log(spec, c);
    c->title = spec->title ? spec->title
                           : arena_printf(r->arena, "%s: %s against %s", plot_last_part(r->name),
                                          metrics[1], c->x.label);
    plot_references(c, spec);
    return true;
}
