/* plot_pictures -- histograms of weights, and the first examples of a data set. */
#include "base/text.h"
#include "io/safetensors.h"
#include "report/plot_build.h"

#include <math.h>
#include <string.h>

enum { HISTOGRAMS_MAX = 6 };

/* -- Weights */

typedef struct Weights {
    float *at;
    int64_t n;
} Weights;

static bool is_float(StDtype t)
{
    return t == ST_F16 || t == ST_BF16 || t == ST_F32 || t == ST_F64;
}

/* Vectors are biases and scales: not what people mean by weights. */
static bool is_chosen(const StTensor *t, const PlotSpec *spec)
{
    return spec->tensor ? strcmp(t->name, spec->tensor) == 0 : t->rank >= 2 && is_float(t->dtype);
}

static bool no_tensor(const Safetensors *s, const PlotSpec *spec, const char *path, Arena *a,
                      Error *err)
{
    if (!spec->tensor) return plot_fail(spec, err, arena_printf(a, "%s holds no weights", path));
    const char **names = arena_new_array(a, const char *, s->n_tensors);
    for (int i = 0; i < s->n_tensors; i++) names[i] = s->tensors[i].name;
    const char *near = text_nearest(spec->tensor, names, s->n_tensors);
    if (!near && s->n_tensors > 0) near = names[0];
    return plot_fail(spec, err,
                     arena_printf(a, "%s has no tensor '%.80s'%s%s%s", path, spec->tensor,
                                  near ? "; there is '" : "", near ? near : "", near ? "'" : ""));
}

static bool read_weights(Weights *w, Arena *a, const char *folder, const PlotSpec *spec, Error *err)
{
    Safetensors s;
    const char *path = arena_printf(a, "%s/checkpoint/model.safetensors", folder);
    TRY(safetensors_open(&s, a, path, err));
    *w = (Weights){0};
    for (int i = 0; i < s.n_tensors; i++)
        if (is_chosen(&s.tensors[i], spec)) w->n += s.tensors[i].n;
    w->at = arena_new_array(a, float, w->n);
    int64_t at = 0;
    for (int i = 0; i < s.n_tensors; i++) {
        if (!is_chosen(&s.tensors[i], spec)) continue;
        safetensors_to_float(&s.tensors[i], w->at + at);
        at += s.tensors[i].n;
    }
    bool ok = w->n > 0 || no_tensor(&s, spec, path, a, err);
    safetensors_close(&s);
    return ok;
}

/* Shares of the finite values in equal bins between low and high. */
static ChartSeries bins_of(Arena *a, const Weights *w, double low, double high, int n_bins)
{
    double *edges = arena_new_array(a, double, n_bins + 1),
           *share = arena_new_array(a, double, n_bins);
    for (int i = 0; i <= n_bins; i++) edges[i] = low + (high - low) * i / n_bins;
    for (int64_t i = 0; i < w->n; i++) {
        double v = (double)w->at[i];
        if (!isfinite(v)) continue;
        int bin = (int)((v - low) / (high - low) * n_bins);
        share[bin < n_bins ? bin : n_bins - 1] += 1.0 / (double)w->n;
    }
    return (ChartSeries){.kind = SERIES_STEPS, .n = n_bins, .x = edges, .y = share};
}

/* The first run of each setting, up to HISTOGRAMS_MAX of them. */
static int first_runs(const PlotRuns *r, const PlotSettings *settings, int first[HISTOGRAMS_MAX])
{
    int n = settings->n < HISTOGRAMS_MAX ? settings->n : HISTOGRAMS_MAX;
    for (int k = 0; k < n; k++) {
        int i = 0;
        while (settings->of_run[i] != k) i++;
        first[k] = i;
    }
    return r->n > 0 ? n : 0;
}

bool plot_histogram(Chart *c, const PlotRuns *r, const PlotSpec *spec, Error *err)
{
    Arena *a = r->arena;
    PlotSettings settings = plot_settings(r, spec, true);
    int first[HISTOGRAMS_MAX], n = first_runs(r, &settings, first);
    Weights weights[HISTOGRAMS_MAX];
    ChartSeries *series = arena_new_array(a, ChartSeries, HISTOGRAMS_MAX);
    double low = (double)INFINITY, high = -(double)INFINITY;
    if (n == 0) return plot_no_values(r, spec, "", true, err);
    for (int k = 0; k < n; k++) {
        TRY(read_weights(&weights[k], a, r->at[first[k]].folder, spec, err));
        for (int64_t i = 0; i < weights[k].n; i++) {
            double v = (double)weights[k].at[i];
            if (isfinite(v)) low = fmin(low, v), high = fmax(high, v);
        }
    }
    if (low > high) return plot_fail(spec, err, "no weight is a finite number");
    if (low == high) low -= 0.5, high += 0.5;
    *c = (Chart){.series = series, .n_series = n};
    for (int k = 0; k < n; k++) {
        series[k] = bins_of(a, &weights[k], low, high, (int)spec->bins);
        series[k].look = k;
        series[k].name = *settings.names[k] ? settings.names[k] : NULL;
    }
    c->x = (ChartAxis){.label = spec->tensor ? spec->tensor : "weight"};
    c->y = (ChartAxis){
        .label = "share of weights", .is_log = spec->y_scale == PLOT_LOG, .format = TICKS_PERCENT};
    c->title = spec->title ? spec->title
                           : arena_printf(a, "%s: %s", plot_last_part(r->name),
                                          spec->tensor ? spec->tensor : "all weights");
    return true;
}

/* -- Examples */

/* The data of the first run; named runs have it by their config.yaml. */
static bool open_data(const PlotRuns *r, const PlotSpec *spec, const Dataset **data, Error *err)
{
    Experiment *e = arena_new_array(r->arena, Experiment, 1);
    for (int i = 0; r->sweep && i < r->sweep->n_runs; i++)
        if (r->sweep->runs[i].asked) return sweep_experiment(r->sweep, i, r->arena, e, data, err);
    (void)plot_fail(spec, err, "images need an experiment file, or a run");
    return false;
}

static const char *caption_of(const PlotRuns *r, const Dataset *d, const Split *split, int64_t at)
{
    int32_t label = split->labels ? split->labels[at] : -1;
    if (label < 0) return NULL;
    if (d->class_names && label < d->task.n_classes) return d->class_names[label];
    return arena_printf(r->arena, "%d", label);
}

static bool tiles_of(Chart *c, const PlotRuns *r, const PlotSpec *spec, const Dataset *d,
                     Error *err)
{
    const Split *split = &d->split[spec->split];
    const Shape *s = &d->task.sample;
    if (!split->images || s->rank != 3 || (s->dim[2] != 1 && s->dim[2] != 3))
        return plot_fail(spec, err,
                         arena_printf(r->arena, "%s has no images in its %s split", d->kind->name,
                                      split_name[spec->split]));
    c->n_tiles = (int)(split->n < spec->n ? split->n : spec->n);
    ChartTile *tiles = arena_new_array(r->arena, ChartTile, c->n_tiles);
    size_t bytes = (size_t)(s->dim[0] * s->dim[1] * s->dim[2]);
    for (int i = 0; i < c->n_tiles; i++) {
        int64_t at = split->index ? split->index[i] : i;
        uint8_t *pixels = arena_alloc(r->arena, bytes);
        memcpy(pixels, split->images + (size_t)at * bytes, bytes);
        tiles[i] = (ChartTile){.width = (int)s->dim[1],
                               .height = (int)s->dim[0],
                               .channels = (int)s->dim[2],
                               .pixels = pixels,
                               .caption = caption_of(r, d, split, at)};
    }
    c->tiles = tiles;
    return true;
}

bool plot_images(Chart *c, const PlotRuns *r, const PlotSpec *spec, Error *err)
{
    const Dataset *d;
    TRY(open_data(r, spec, &d, err));
    *c = (Chart){.kind = CHART_IMAGES};
    c->title = spec->title ? spec->title
                           : arena_printf(r->arena, "%s, %s: first examples", d->kind->name,
                                          split_name[spec->split]);
    return tiles_of(c, r, spec, d, err);
}
