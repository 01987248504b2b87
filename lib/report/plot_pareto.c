/* plot_pareto -- a metric against what it costs, a point a setting, and the front. */
#include "report/plot_build.h"

#include <math.h>
#include <stdlib.h>

/* The points that no other one beats in both: from small x on, each better than all before. */
static ChartSeries front_of(const PlotRuns *r, const ChartSeries *points, bool less)
{
    double *x = arena_new_array(r->arena, double, 2 * points->n);
    double *y = arena_new_array(r->arena, double, 2 * points->n), best = 0;
    int n = 0;
    for (int i = 0; i < points->n; i++) {
        bool better = less ? points->y[i] < best : points->y[i] > best;
        if (n > 0 && !better) continue;
        bool same_x = n > 0 && x[n - 1] == points->x[i];
        if (n > 0 && !same_x) x[n] = points->x[i], y[n] = best, n++;
        best = points->y[i];
        x[n] = points->x[i], y[n] = best, n++;
    }
    return (ChartSeries){
        .kind = SERIES_LINE, .name = "front", .n = n, .x = x, .y = y, .look = 1, .plain = true};
}

typedef struct ParetoPoint {
    double x, y, low, high;
    const char *name;
} ParetoPoint;

static int by_cost(const void *a, const void *b)
{
    const ParetoPoint *p = a, *q = b;
    if (p->x != q->x) return p->x < q->x ? -1 : 1;
    return (p->y > q->y) - (p->y < q->y);
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
        double y = plot_run_number(&r->at[i], metrics[1]) * spec->scale;
        if (!isfinite(x) || !isfinite(y)) continue;
        x_sum += x;
        plot_pair_add(&values, 0, y);
    }
    if (values.n == 0) return false;
    PlotPoints mean = plot_points(r->arena, values.at, values.n, (PlotBand)spec->band);
    *out =
        (ParetoPoint){x_sum / values.n, mean.y[0], mean.low[0], mean.high[0], settings->names[k]};
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
        notes[i] = (ChartNote){x[i], y[i], points[i].name};
    }
    c->notes = notes;
    c->n_notes = n;
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
    series[1] = pareto_series(c, r, points, n);
    series[0] = front_of(r, &series[1], plot_less_is_better(metrics[1]));
    PlotSpec plain = plot_spec_default(PLOT_PARETO);
    c->x = plot_metric_axis(r->arena, &plain, metrics[0]);
    c->x.is_log = plot_is_log(spec->x_scale, series[1].x, n);
    c->y = plot_metric_axis(r->arena, spec, metrics[1]);
    c->y.is_log = spec->y_scale == PLOT_LOG;
    c->title = spec->title ? spec->title
                           : arena_printf(r->arena, "%s: %s against %s", plot_last_part(r->name),
                                          metrics[1], c->x.label);
    plot_references(c, spec);
    return true;
}
