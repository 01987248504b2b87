/* check_nan -- see check_nan.h. */
#include "run/check_nan.h"

#include "cpu/cpu.h"
#include "data/loader.h"
#include "graph/op.h"
#include "run/checkpoint.h"
#include "run/network.h"
#include "run/rundir.h"
#include "run/stop.h"

#include <inttypes.h>
#include <math.h>

typedef struct Replay {
    const Experiment *experiment;
    Arena *arena;
    Loader *loader;
    Network network;
    OptimizerState optimizer;
    TrainState state;
    int64_t total, steps_per_epoch;
} Replay;

static bool set_up(Replay *r, const Dataset *data, const char *folder, Error *err)
{
    const Experiment *e = r->experiment;
    LoaderOptions o = {.split = SPLIT_TRAIN,
                       .batch_size = e->train.batch_size,
                       .shuffle = true,
                       .augment = true,
                       .seed = (uint64_t)e->train.seed};
    r->loader = loader_new(data, &o, err);
    if (!r->loader) return false;
    r->steps_per_epoch = loader_steps_per_epoch(r->loader);
    r->total = steps_resolve(e->train.steps, r->steps_per_epoch);
    NetworkOptions n = {.task = data->task,
                        .train = true,
                        .allocate = true,
                        .keep_values = true,
                        .total_steps = r->total,
                        .steps_per_epoch = r->steps_per_epoch};
    TRY(network_new(&r->network, e, &n, r->arena, err));
    TRY(optimizer_start(&r->optimizer, e->optimizer, e->optimizer_options, r->network.params,
                        r->arena, err));
    const char *checkpoint = arena_printf(r->arena, "%s/checkpoint", folder);
    if (checkpoint_exists(checkpoint))
        return checkpoint_read(checkpoint, e->id, r->network.params, &r->optimizer, &r->state, err);
    char base[4096];
    TRY(rundir_base_weights(folder, e, base, err));
    return network_init(&r->network, loader_batch(r->loader, 0).x, base, err);
}

static float largest(const float *x, int64_t n)
{
    float most = 0;
    for (int64_t i = 0; i < n; i++)
        if (!(fabsf(x[i]) <= most)) most = fabsf(x[i]);
    return most;
}

/* The node's name for people: its own, its parameter's, or op#id. */
static const char *title(const Replay *r, const Node *n)
{
    return n->name ? n->name : arena_printf(r->arena, "%s#%d", n->op->name, n->id);
}

static void describe(const Replay *r, const Node *n, const float *x, char report[1024])
{
    char shape[96];
    const Plan *plan = r->network.train.plan;
    int64_t i = 0;
    while (isfinite(x[i])) i++;
    int at = snprintf(report, 1024,
                      "step %" PRId64
                      ": %s %s is the first value that is not finite: element %" PRId64 " is %s",
                      r->state.step + 1, title(r, n), shape_text(&n->shape, shape), i,
                      isnan(x[i]) ? "NaN" : "infinite");
    for (int k = 0; k < n->n_src && at < 900; k++) {
        const float *source = n->src[k]->dtype == F32 ? plan_value(plan, n->src[k]) : NULL;
        if (source)
            at += snprintf(report + at, (size_t)(1024 - at), "%s %s up to %.4g",
                           k == 0 ? "; of" : ",", title(r, n->src[k]),
                           (double)largest(source, shape_count(&n->src[k]->shape)));
    }
}

/* Node ids are a topological order, so the first that is not finite is where it began. */
static bool find_node(const Replay *r, char report[1024])
{
    const Graph *g = r->network.train.graph;
    for (int id = 0; id < g->n_nodes; id++) {
        const Node *n = g->nodes[id];
        const float *x = n->dtype == F32 ? plan_value(r->network.train.plan, n) : NULL;
        if (!x || cpu->all_finite(shape_count(&n->shape), x)) continue;
        describe(r, n, x, report);
        return true;
    }
    return false;
}

/* One step of the run. True when the search is over: found, or the update itself overflowed. */
static bool step_finds(Replay *r, char report[1024])
{
    const Experiment *e = r->experiment;
    const OptimizerCommon *common = e->optimizer_options;
    Pass *pass = &r->network.train;
    Batch batch = loader_batch(r->loader, r->state.step);
    plan_bind(pass->plan, pass->x, batch.x);
    plan_bind(pass->plan, pass->label, batch.label);
    plan_run(pass->plan, (uint64_t)r->state.step);
    if (find_node(r, report)) return true;
    double lr = common->lr * schedule_factor(e->schedule, e->schedule_options, r->state.step,
                                             r->total, r->steps_per_epoch);
    if (!optimizer_step(&r->optimizer, lr, NULL)) {
        (void)snprintf(report, 1024, "step %" PRId64 ": the norm of the gradients is not finite",
                       r->state.step + 1);
        return true;
    }
    network_after_step(&r->network, ++r->state.step);
    return false;
}

static bool search(Replay *r, char report[1024], Error *err)
{
    const int64_t first = r->state.step;
    while (r->state.step < r->total) {
        if (stop_signal())
            return fail(err, FAIL_STOPPED, NULL, "stopped at step %" PRId64, r->state.step);
        if (step_finds(r, report)) return true;
    }
    (void)snprintf(report, 1024, "all values are finite from step %" PRId64 " to step %" PRId64,
                   first + 1, r->total);
    return true;
}

bool check_nan(const Experiment *e, const Dataset *data, const char *run_folder, char report[1024],
               Error *err)
{
    Arena *arena = arena_new();
    Replay *r = arena_new_array(arena, Replay, 1);
    *r = (Replay){.experiment = e, .arena = arena};
    bool ok = set_up(r, data, run_folder, err) && search(r, report, err);
    loader_free(r->loader);
    optimizer_free(&r->optimizer);
    network_free(&r->network);
    arena_free(arena);
    return ok;
}
