/* plot_density -- how much of each layer a run has kept: the layerwise densities that pruning made,
 * or the channels and weights of smaller networks. */
#include "io/safetensors.h"
#include "report/plot_build.h"
#include "run/checkpoint.h"

#include <string.h>

enum { RUNS_MAX = 6, LAYERS_MAX = 400 };

typedef enum Shown { SHOW_DENSITY, SHOW_CHANNELS, SHOW_WEIGHTS, N_SHOWN } Shown;
static const char *const shown_name[N_SHOWN] = {"density", "channels", "weights"};

typedef struct Layers {
    const char *name[LAYERS_MAX];
    int n;
} Layers;

static bool ends_in(const char *name, const char *end)
{
    const size_t n = strlen(name), n_end = strlen(end);
    return n > n_end && strcmp(name + n - n_end, end) == 0;
}

/* A matrix or a convolution. */
static bool is_layer(const StTensor *t)
{
    return (t->rank == 2 || t->rank == 4) && t->n > 0 && ends_in(t->name, ".weight");
}

static int layer_number(Layers *layers, const char *tensor, Arena *a)
{
    const char *name = arena_string_n(a, tensor, strlen(tensor) - strlen(".weight"));
    int i = 0;
    while (i < layers->n && strcmp(layers->name[i], name) != 0) i++;
    if (i == LAYERS_MAX) return -1;
    if (i == layers->n) layers->name[layers->n++] = name;
    return i;
}

/* Of the mask where there is one: a weight that is kept may be 0 by itself. */
static double kept_weights(const Safetensors *s, const StTensor *t, Arena *a)
{
    const StTensor *mask = safetensors_find(s, arena_printf(a, "%s_mask", t->name));
    if (!mask || mask->n != t->n) mask = t;
    float *value = arena_new_array(a, float, mask->n);
    double n = 0;
    safetensors_to_float(mask, value);
    for (int64_t i = 0; i < mask->n; i++) n += value[i] != 0;
    return n;
}

/* The layers in the order of the network, which a checkpoint says; one from before it did has them
 * in that of their names. */
static void add_in_order(const Safetensors *s, Layers *layers, Arena *a)
{
    const char *text = safetensors_metadata(s, CHECKPOINT_LAYERS);
    for (const char *at = text ? text : ""; *at;) {
        const size_t n = strcspn(at, " ");
        const StTensor *t = safetensors_find(s, arena_string_n(a, at, n));
        if (t && is_layer(t)) (void)layer_number(layers, t->name, a);
        at += n + (at[n] == ' ');
    }
}

/* y[i] of layer i, one of `layers`, which grows. */
static bool read_run(const PlotRuns *r, const PlotRun *run, Shown shown, Layers *layers,
                     double y[LAYERS_MAX], Error *err)
{
    Safetensors s;
    Arena *a = arena_new();
    const char *path = arena_printf(a, "%s/checkpoint/model.safetensors", run->folder);
    const bool ok = safetensors_open(&s, a, path, err);
    if (ok) add_in_order(&s, layers, r->arena);
    for (int i = 0; ok && i < s.n_tensors; i++) {
        const StTensor *t = &s.tensors[i];
        const int k = is_layer(t) ? layer_number(layers, t->name, r->arena) : -1;
        if (k < 0) continue;
        if (shown == SHOW_CHANNELS)
            y[k] = (double)t->dim[0];
        else
            y[k] = kept_weights(&s, t, a) / (shown == SHOW_DENSITY ? (double)t->n : 1);
    }
    if (ok) safetensors_close(&s);
    arena_free(a);
    return ok;
}

static bool what_is_shown(const PlotSpec *spec, Shown *out, Error *err)
{
    *out = SHOW_DENSITY;
    if (!spec->metric) return true;
    for (int i = 0; i < N_SHOWN; i++) {
        *out = (Shown)i;
        if (strcmp(spec->metric, shown_name[i]) == 0) return true;
    }
    return plot_fail(spec, err, "metric of a density plot: expected density, channels or weights");
}

bool plot_density(Chart *c, const PlotRuns *r, const PlotSpec *spec, Error *err)
{
    Arena *a = r->arena;
    Shown shown;
    TRY(what_is_shown(spec, &shown, err));
    PlotSettings settings = plot_settings(r, spec, true);
    Layers *layers = arena_new_array(a, Layers, 1);
    const int n = settings.n < RUNS_MAX ? settings.n : RUNS_MAX;
    ChartSeries *series = arena_new_array(a, ChartSeries, RUNS_MAX);
    double *x = arena_new_array(a, double, LAYERS_MAX);
    if (r->n == 0 || n == 0) return plot_no_values(r, spec, "", true, err);
    for (int i = 0; i < LAYERS_MAX; i++) x[i] = i;
    for (int k = 0; k < n; k++) {
        int first = 0;
        while (settings.of_run[first] != k) first++;
        double *y = arena_new_array(a, double, LAYERS_MAX);
        TRY(read_run(r, &r->at[first], shown, layers, y, err));
        series[k] = (ChartSeries){
            .kind = SERIES_BARS, .name = settings.names[k], .x = x, .y = y, .look = k};
    }
    if (layers->n == 0) return plot_fail(spec, err, "the runs have no layers with weights");
    for (int k = 0; k < n; k++) series[k].n = layers->n;
    *c = (Chart){.series = series, .n_series = n};
    c->x = (ChartAxis){.label = "layer", .names = layers->name, .n_names = layers->n};
    c->y = (ChartAxis){.label = shown == SHOW_DENSITY ? "weights kept" : shown_name[shown],
                       .format = shown == SHOW_DENSITY ? TICKS_PERCENT : TICKS_AUTO};
    c->y.is_log = spec->y_scale == PLOT_LOG;
    c->title = spec->title ? spec->title
                           : arena_printf(a, "%s: %s of each layer", plot_last_part(r->name),
                                          shown_name[shown]);
    if (n < settings.n)
        c->title = arena_printf(a, "%s (the first %d of %d settings)", c->title, n, settings.n);
    return true;
}
