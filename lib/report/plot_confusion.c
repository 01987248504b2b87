/* plot_confusion -- which classes a run takes for which: its last weights over one split. */
#include "report/plot_build.h"

#include "run/checkpoint.h"
#include "run/evaluate.h"

#include <math.h>
#include <stdio.h>

/* What training evaluates is the moving average of the weights, where there is one. */
static bool load(Network *n, const char *folder, Error *err)
{
    const Experiment *e = n->experiment;
    OptimizerState optimizer = {0};
    TrainState state;
    TRY(optimizer_start(&optimizer, e->optimizer, e->optimizer_options, n->params, n->arena, err));
    bool ok = checkpoint_read(folder, NULL, n->params, &optimizer, &state, err);
    if (ok) optimizer_swap_ema(&optimizer);
    optimizer_free(&optimizer);
    return ok;
}

static bool count(Evaluation *out, Network *n, const Dataset *d, SplitId split, Error *err)
{
    LoaderOptions o = {.split = split, .batch_size = n->eval.batch_size, .prefetch = true};
    Loader *loader = loader_new(d, &o, err);
    if (!loader) return false;
    bool ok = evaluate(n, loader, out, err);
    loader_free(loader);
    return ok;
}

static bool evaluate_run(Evaluation *out, const PlotRuns *r, const Experiment *e, const Dataset *d,
                         const char *folder, const PlotSpec *spec, Error *err)
{
    NetworkOptions o = {.task = d->task,
                        .eval = true,
                        .allocate = true,
                        .total_steps = steps_resolve(e->train.steps, 1),
                        .steps_per_epoch = 1};
    Network n = {0};
    *out = (Evaluation){.n_classes = d->task.n_classes};
    out->confusion = arena_new_array(r->arena, int64_t, d->task.n_classes * d->task.n_classes);
    TRY(network_new(&n, e, &o, r->arena, err));
    bool ok = load(&n, arena_printf(r->arena, "%s/checkpoint", folder), err) &&
              count(out, &n, d, (SplitId)spec->split, err);
    network_free(&n);
    return ok;
}

/* Shades are square roots of shares of the row: one percent must be seen beside ninety. */
static void fill(Chart *c, Arena *a, const Evaluation *e, const Dataset *d)
{
    int n = e->n_classes;
    double *cells = arena_new_array(a, double, n *n), *texts = arena_new_array(a, double, n *n);
    const char **names = arena_new_array(a, const char *, n);
    for (int i = 0; i < n; i++) {
        int64_t total = 0;
        names[i] = d->class_names ? d->class_names[i] : arena_printf(a, "%d", i);
        for (int k = 0; k < n; k++) total += e->confusion[i * n + k];
        for (int k = 0; k < n; k++) {
            double share = total ? (double)e->confusion[i * n + k] / (double)total : 0;
            cells[i * n + k] = sqrt(share);
            texts[i * n + k] = (double)e->confusion[i * n + k];
        }
    }
    c->cells = cells;
    c->texts = texts;
    c->x = (ChartAxis){.label = "predicted", .names = names, .n_names = n};
    c->y = (ChartAxis){.label = "true", .names = names, .n_names = n};
}

/* The first run of the sweep that is done. */
static int done_run(const PlotRuns *r)
{
    char folder[4096];
    for (int i = 0; r->sweep && i < r->sweep->n_runs; i++) {
        sweep_folder(r->sweep, i, folder);
        if (r->sweep->runs[i].asked && rundir_status(folder, NULL, r->arena) == RUN_DONE) return i;
    }
    return -1;
}

bool plot_confusion(Chart *c, const PlotRuns *r, const PlotSpec *spec, Error *err)
{
    enum { CLASSES_MAX = 1000 };
    int i = done_run(r);
    if (i < 0) return plot_no_values(r, spec, "", true, err);
    Experiment *e = arena_new_array(r->arena, Experiment, 1);
    const Dataset *d;
    Evaluation counts;
    char folder[4096];
    TRY(sweep_experiment(r->sweep, i, r->arena, e, &d, err));
    sweep_folder(r->sweep, i, folder);
    if (d->split[spec->split].n == 0 || d->task.n_classes > CLASSES_MAX)
        return plot_fail(spec, err,
                         arena_printf(r->arena, "%s: no %s split of at most %d classes",
                                      d->kind->name, split_name[spec->split], CLASSES_MAX));
    TRY(evaluate_run(&counts, r, e, d, folder, spec, err));
    *c = (Chart){.kind = CHART_HEAT};
    fill(c, r->arena, &counts, d);
    const char *label = r->sweep->runs[i].label;
    c->title = spec->title ? spec->title
                           : arena_printf(r->arena, "%s, %s%s%s", plot_last_part(r->name),
                                          split_name[spec->split], *label ? ": " : "", label);
    return true;
}
