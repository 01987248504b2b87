/* plot_curves -- learning curves, and a metric against a swept key: means over seeds with a band.
 */
#include "base/text.h"
#include "report/metric_log.h"
#include "report/plot_build.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Mean of the last `window` values, fewer at the start. */
static void smooth(double *values, int n, int64_t window, Arena *a)
{
    double *out = arena_new_array(a, double, n), sum = 0;
    for (int i = 0; i < n; i++) {
        int64_t first = i - window + 1 > 0 ? i - window + 1 : 0;
        sum = 0;
        for (int64_t k = first; k <= i; k++) sum += values[k];
        out[i] = sum / (double)(i - first + 1);
    }
    if (n > 0) memcpy(values, out, (size_t)n * sizeof *values);
}

static ChartSeries series_of(const PlotPoints *points, const char *name, int look)
{
    return (ChartSeries){.kind = SERIES_LINE,
                         .name = name && *name ? name : NULL,
                         .n = points->n,
                         .x = points->x,
                         .y = points->y,
                         .low = points->has_band ? points->low : NULL,
                         .high = points->has_band ? points->high : NULL,
                         .look = look};
}

/* One setting's runs, their curves on top of each other. */
static bool curve_of_setting(PlotPoints *out, const PlotRuns *r, const PlotSpec *spec,
                             const PlotSettings *settings, int setting, const char *metric,
                             Error *err)
{
    const char *const names[] = {spec->x ? spec->x : "step", metric};
    PlotPairs pairs = {.arena = r->arena};
    for (int i = 0; i < r->n; i++) {
        MetricLog log;
        if (settings->of_run[i] != setting) continue;
        TRY(metric_log_read(&log, r->arena, r->at[i].folder, names, 2, err));
        for (int k = 0; k < log.n; k++)
            plot_pair_add(&pairs, log.column[0][k], log.column[1][k] * spec->scale);
    }
    *out = plot_points(r->arena, pairs.at, pairs.n, (PlotBand)spec->band);
    if (spec->smooth > 1) {
        smooth(out->y, out->n, spec->smooth, r->arena);
        smooth(out->low, out->n, spec->smooth, r->arena);
        smooth(out->high, out->n, spec->smooth, r->arena);
    }
    return true;
}

bool plot_curve(Chart *c, const PlotRuns *r, const PlotSpec *spec, Error *err)
{
    const char *metric = spec->metric ? spec->metric : "train.loss";
    PlotSettings settings = plot_settings(r, spec, false);
    ChartSeries *series = arena_new_array(r->arena, ChartSeries, settings.n);
    int n_values = 0;
    *c = (Chart){.x = {.label = spec->x ? spec->x : "step"}, .series = series};
    for (int k = 0; k < settings.n; k++) {
        PlotPoints points;
        TRY(curve_of_setting(&points, r, spec, &settings, k, metric, err));
        if (points.n == 0) continue;
        n_values += points.n;
        series[c->n_series] = series_of(&points, settings.names[k], c->n_series);
        c->n_series++;
    }
    if (n_values == 0) return plot_no_values(r, spec, metric, false, err);
    c->x.is_log = spec->x_scale == PLOT_LOG;
    c->y = plot_metric_axis(r->arena, spec, metric);
    c->y.is_log = plot_metric_is_log(spec, c);
    if (spec->smooth > 1)
        c->y.label =
            arena_printf(r->arena, "%s, mean of %lld", c->y.label, (long long)spec->smooth);
    c->title = spec->title ? spec->title
                           : arena_printf(r->arena, "%s: %s", plot_last_part(r->name), metric);
    plot_references(c, spec);
    return true;
}

/* -- A metric against a key */

typedef struct XValues {
    const char **names; /* in the order of the runs */
    double *numbers;
    int n;
    bool numeric;
    int *of_run; /* number of its value; -1: left out */
} XValues;

static bool read_number(const char *text, double *out)
{
    char *end;
    *out = strtod(text, &end);
    return end != text && !*end && isfinite(*out);
}

static XValues x_values(const PlotRuns *r, const char *key, const int *setting)
{
    XValues v = {.names = arena_new_array(r->arena, const char *, r->n),
                 .numbers = arena_new_array(r->arena, double, r->n),
                 .of_run = arena_new_array(r->arena, int, r->n),
                 .numeric = true};
    for (int i = 0; i < r->n; i++) {
        const char *text = plot_run_value(r, &r->at[i], key);
        v.of_run[i] = -1;
        if (setting[i] < 0 || !text) continue;
        int k = 0;
        while (k < v.n && strcmp(v.names[k], text) != 0) k++;
        if (k == v.n) {
            v.names[v.n] = text;
            v.numeric &= read_number(text, &v.numbers[v.n]);
            v.n++;
        }
        v.of_run[i] = k;
    }
    return v;
}

/* Puts the key's values where `x_values` says. */
static bool place_values(XValues *v, const PlotSpec *spec, Error *err)
{
    if (!spec->x_values) return true;
    for (int k = 0; k < v->n; k++) {
        const Yaml *y = yaml_get(spec->x_values, v->names[k]);
        if (!y) return yaml_fail(spec->x_values, err, "x_values: '%.60s' is missing", v->names[k]);
        TRY(yaml_real(y, &v->numbers[k], err));
    }
    v->numeric = true;
    return true;
}

static void label_sweep(Chart *c, const PlotRuns *r, const PlotSpec *spec, const char *metric,
                        const XValues *v)
{
    c->x = (ChartAxis){.label = spec->x_label ? spec->x_label : spec->x};
    if (v->numeric) {
        c->x.is_log = plot_is_log(spec->x_scale, v->numbers, v->n, PLOT_X_SPAN);
    } else {
        c->x.names = v->names;
        c->x.n_names = v->n;
    }
    c->y = plot_metric_axis(r->arena, spec, metric);
    c->y.is_log = plot_metric_is_log(spec, c);
    c->title = spec->title ? spec->title
                           : arena_printf(r->arena, "%s: %s by %s", plot_last_part(r->name), metric,
                                          plot_short_key(spec->x, r->arena));
    plot_references(c, spec);
}

bool plot_sweep(Chart *c, const PlotRuns *r, const PlotSpec *spec, Error *err)
{
    const char *metric = plot_default_metric(r, spec);
    PlotSettings settings = plot_settings(r, spec, true);
    XValues v = x_values(r, spec->x, settings.of_run);
    ChartSeries *series = arena_new_array(r->arena, ChartSeries, settings.n);
    *c = (Chart){.series = series};
    if (v.n == 0 && r->n_done > 0)
        return plot_fail(
            spec, err,
            arena_printf(r->arena, "no run of %s has the key '%.60s'", r->name, spec->x));
    TRY(place_values(&v, spec, err));
    for (int k = 0; k < settings.n; k++) {
        PlotPairs pairs = {.arena = r->arena};
        for (int i = 0; i < r->n; i++)
            if (settings.of_run[i] == k && v.of_run[i] >= 0)
                plot_pair_add(&pairs, v.numeric ? v.numbers[v.of_run[i]] : v.of_run[i],
                              plot_value(r, &r->at[i], spec, metric) * spec->scale);
        PlotPoints points = plot_points(r->arena, pairs.at, pairs.n, (PlotBand)spec->band);
        if (points.n == 0) continue;
        series[c->n_series] = series_of(&points, settings.names[k], c->n_series);
        if (!v.numeric) series[c->n_series].kind = SERIES_BARS;
        c->n_series++;
    }
    if (c->n_series == 0) return plot_no_values(r, spec, metric, true, err);
    label_sweep(c, r, spec, metric, &v);
    return true;
}
