/* plot_values -- what the plots of numbers share: pairs to points, axes of metrics, messages. */
#include "base/text.h"
#include "report/metric_log.h"
#include "report/plot_build.h"
#include "run/metric_lines.h"
#include "run/run_record.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

bool plot_fail(const PlotSpec *spec, Error *err, const char *text)
{
    if (spec->where) return yaml_fail(spec->where, err, "%s", text);
    return fail(err, FAIL_DATA, NULL, "%s", text);
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

ChartAxis plot_metric_axis(Arena *a, const PlotSpec *spec, const char *metric)
{
    ChartAxis axis = {.label = metric};
    const char *top = strstr(metric, ".top"), *unit = spec->unit;
    if (strcmp(metric, "run.parameters") == 0) axis.label = "parameters";
    if (top && spec->scale == 1 && !unit) axis.format = TICKS_PERCENT;
    if (!unit && ends_with(metric, ".loss") && spec->scale == 1) unit = "nats";
    if (!unit && ends_with(metric, "_s")) unit = "s";
    if (!unit && ends_with(metric, "_ms")) unit = "ms";
    if (!unit && ends_with(metric, "_wh")) unit = "Wh";
    if (unit) axis.label = arena_printf(a, "%s (%s)", axis.label, unit);
    return axis;
}

bool plot_is_log(int scale, const double *values, int n, double span)
{
    double low = (double)INFINITY, high = 0;
    if (scale != PLOT_AUTO) return scale == PLOT_LOG;
    for (int i = 0; i < n; i++) {
        if (!(values[i] > 0)) return false;
        low = fmin(low, values[i]);
        high = fmax(high, values[i]);
    }
    return n > 1 && high >= low * span;
}

bool plot_metric_is_log(const PlotSpec *spec, const Chart *c)
{
    double low = (double)INFINITY, high = 0;
    if (spec->y_scale != PLOT_AUTO) return spec->y_scale == PLOT_LOG;
    if (c->y.format == TICKS_PERCENT) return false;
    for (int k = 0; k < c->n_series; k++) {
        const ChartSeries *s = &c->series[k];
        if (s->kind == SERIES_BARS) return false;
        for (int i = 0; i < s->n; i++) low = fmin(low, s->y[i]), high = fmax(high, s->y[i]);
    }
    return low > 0 && high >= low * PLOT_Y_SPAN;
}

/* Equal x: by y, so that sums do not depend on the order of the runs. */
static int by_x(const void *a, const void *b)
{
    const PlotPair *p = a, *q = b;
    if (p->x != q->x) return p->x < q->x ? -1 : 1;
    return (p->y > q->y) - (p->y < q->y);
}

/* Mean and band of m values in rising order. */
static void summarise(PlotPoints *out, const PlotPair *pairs, int m, PlotBand band)
{
    double sum = 0, squares = 0;
    for (int i = 0; i < m; i++) sum += pairs[i].y;
    double mean = sum / m;
    for (int i = 0; i < m; i++) squares += (pairs[i].y - mean) * (pairs[i].y - mean);
    double std = m > 1 ? sqrt(squares / (m - 1)) : 0;
    int at = out->n++;
    out->x[at] = pairs[0].x;
    out->y[at] = mean;
    out->low[at] = band == PLOT_RANGE ? pairs[0].y : mean - std;
    out->high[at] = band == PLOT_RANGE ? pairs[m - 1].y : mean + std;
    out->has_band |= m > 1 && band != PLOT_NO_BAND;
}

PlotPoints plot_points(Arena *a, PlotPair *pairs, int n, PlotBand band)
{
    PlotPoints out = {.x = arena_new_array(a, double, n),
                      .y = arena_new_array(a, double, n),
                      .low = arena_new_array(a, double, n),
                      .high = arena_new_array(a, double, n)};
    if (n > 0) qsort(pairs, (size_t)n, sizeof *pairs, by_x);
    for (int i = 0; i < n;) {
        int end = i;
        while (end < n && pairs[end].x == pairs[i].x) end++;
        summarise(&out, pairs + i, end - i, band);
        i = end;
    }
    return out;
}

void plot_pair_add(PlotPairs *p, double x, double y)
{
    if (!isfinite(x) || !isfinite(y)) return;
    if (p->n == p->capacity) {
        p->capacity = p->capacity ? 2 * p->capacity : 64;
        PlotPair *grown = arena_new_array(p->arena, PlotPair, p->capacity);
        if (p->n) memcpy(grown, p->at, (size_t)p->n * sizeof *grown);
        p->at = grown;
    }
    p->at[p->n++] = (PlotPair){x, y};
}

double plot_value(const PlotRuns *r, const PlotRun *run, const PlotSpec *spec, const char *metric)
{
    const char *names[] = {metric, spec->at_by};
    MetricLog log;
    Error ignored = {0};
    int best = -1;
    if (!spec->at_by || strncmp(metric, "run.", 4) == 0) return plot_run_number(run, metric);
    if (!metric_log_read(&log, r->arena, run->folder, names, 2, &ignored)) return (double)NAN;
    const double sign = metric_less_is_better(spec->at_by) ? -1 : 1;
    for (int i = 0; i < log.n; i++) {
        const double by = log.column[1][i];
        if (!isnan(by) && (best < 0 || sign * by > sign * log.column[1][best])) best = i;
    }
    return best < 0 ? (double)NAN : log.column[0][best];
}

void plot_references(Chart *c, const PlotSpec *spec)
{
    c->references = spec->references;
    c->n_references = spec->n_references;
}

const char *plot_last_part(const char *name)
{
    const char *slash = strrchr(name, '/');
    return slash ? slash + 1 : name;
}

/* The known name that is nearest to one that no run has, or NULL. */
static const char *nearest_metric(const PlotRuns *r, const char *metric)
{
    enum { NAMES = 64 };
    const char *names[NAMES];
    int n = 0;
    if (strncmp(metric, "run.", 4) == 0) {
        for (; n < NAMES && run_record_name(n); n++)
            names[n] = arena_printf(r->arena, "run.%s", run_record_name(n));
        return text_nearest(metric, names, n);
    }
    for (int i = 0; i < r->n; i++) {
        const char *text = r->at[i].record.final_metrics;
        if (r->at[i].status == RUN_ABSENT || !*text) continue;
        n = metric_names(text, strlen(text), names, NAMES, r->arena);
        return text_nearest(metric, names, n);
    }
    return NULL;
}

bool plot_no_values(const PlotRuns *r, const PlotSpec *spec, const char *metric, bool done,
                    Error *err)
{
    bool any = false;
    for (int i = 0; i < r->n; i++)
        any |= done ? r->at[i].status == RUN_DONE : r->at[i].status != RUN_ABSENT;
    if (!any && r->sweep)
        return fail(err, FAIL_DATA, NULL, "no run of %s is %s: run 'seqlab sweep %s' first",
                    r->name, done ? "done" : "there", r->sweep->path);
    if (!any) return fail(err, FAIL_DATA, NULL, "no run is done");
    const char *near = nearest_metric(r, metric);
    return plot_fail(spec, err,
                     arena_printf(r->arena, "no run of %s has the metric '%.60s'%s%s%s", r->name,
                                  metric, near ? "; did you mean '" : "", near ? near : "",
                                  near ? "'?" : ""));
}

const char *plot_default_metric(const PlotRuns *r, const PlotSpec *spec)
{
    static const char *const names[] = {"test.top1", "valid.top1", "test.loss", "valid.loss"};
    if (spec->metric) return spec->metric;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (plot_runs_have(r, names[i])) return names[i];
    return "train.loss";
}
