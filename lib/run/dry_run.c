/* dry_run -- see dry_run.h. */
#include "run/dry_run.h"

#include "base/clock.h"
#include "data/loader.h"

#include <math.h>

/* A measured step must stay below about a second and must not fill the machine. */
static const double measured_max_flops = 5e10;
static const int64_t measured_max_bytes = INT64_C(1) << 30;

/* As the trainer's loaders, of which there is one a split. */
static bool count_steps(const Experiment *e, const Dataset *data, DryRun *out, Error *err)
{
    const int64_t train_size = e->train.batch_size;
    const int64_t eval_size = e->train.eval_batch_size ? e->train.eval_batch_size : train_size;
    for (SplitId s = SPLIT_TRAIN; s < N_SPLITS; s++) {
        const bool train = s == SPLIT_TRAIN;
        const LoaderOptions o = {
            .split = s, .batch_size = train ? train_size : eval_size, .shuffle = train};
        if (!train && data->split[s].n == 0) continue;
        Loader *loader = loader_new(data, &o, err);
        if (!loader) return false;
        if (train) out->steps_per_epoch = loader_steps_per_epoch(loader);
        out->batch_bytes += loader_bytes(loader);
        loader_free(loader);
    }
    out->steps = steps_resolve(e->train.steps, out->steps_per_epoch);
    return true;
}

/* Tensors are taken from the system untouched, so what is resident by now is everything else. It
 * can have been more for a while, when the data were unpacked or made. */
static void add_up_memory(const Experiment *e, const Dataset *data, const Network *n, DryRun *out)
{
    const Params *params = n->params;
    out->n_parameters = params->count;
    out->parameter_bytes = 4 * (2 * params->n_trainable + params->n_other);
    out->optimizer_bytes = (int64_t)optimizer_bytes(e->optimizer, e->optimizer_options, params);
    out->train_bytes = plan_cost(n->train.plan).arena_bytes;
    out->eval_bytes = plan_cost(n->eval.plan).arena_bytes;
    out->data_bytes = (int64_t)data->file.bytes;
    for (int i = 0; i < data->n_memory; i++) out->data_bytes += (int64_t)data->memory_bytes[i];
    const int64_t resident = clock_resident_bytes(), before = clock_peak_bytes();
    if (resident > out->data_bytes) out->program_bytes = resident - out->data_bytes;
    out->peak_bytes = out->parameter_bytes + out->optimizer_bytes + out->train_bytes +
                      out->eval_bytes + out->batch_bytes + out->data_bytes + out->program_bytes;
    if (out->peak_bytes < before) out->peak_bytes = before;
}

/* The fastest of a few steps on zeros: the first one touches the memory, and whatever else the
 * machine does only adds. */
static bool time_step(Network *n, const Experiment *e, const void *x, const void *label, Arena *a,
                      double *seconds, Error *err)
{
    enum { TRIES = 12 };
    const double enough_s = 0.3;
    OptimizerState optimizer = {0};
    TRY(optimizer_start(&optimizer, e->optimizer, e->optimizer_options, n->params, a, err));
    plan_bind(n->train.plan, n->train.x, x);
    plan_bind(n->train.plan, n->train.label, label);
    double begin = clock_s(), best = INFINITY;
    for (uint64_t step = 0; step < TRIES; step++) {
        double start = clock_s();
        plan_run(n->train.plan, step);
        bool updated = optimizer_step(&optimizer, 0, NULL);
        double now = clock_s();
        if (!updated) break; /* a gradient is not finite: zeros do not suit this network */
        if (step > 0) best = fmin(best, now - start);
        if (step > 0 && now - begin > enough_s) break;
    }
    *seconds = isfinite(best) ? best : (double)NAN;
    optimizer_free(&optimizer);
    return true;
}

static bool measure(Network *n, const Experiment *e, Arena *a, double *seconds, Error *err)
{
    void *x = NULL, *label = NULL;
    const Task *task = &n->options.task;
    size_t batch = sizeof(int32_t) * (size_t)e->train.batch_size; /* all values have four bytes */
    size_t label_bytes = batch * (size_t)task_n_labels(task);
    size_t x_bytes = batch * (size_t)shape_count(&task->sample);
    bool ok = plan_allocate(n->train.plan, err) && memory_map(&x, x_bytes, err) &&
              memory_map(&label, label_bytes, err) && time_step(n, e, x, label, a, seconds, err);
    memory_unmap(x, x_bytes);
    memory_unmap(label, label_bytes);
    return ok;
}

bool dry_run(const Experiment *e, const Dataset *data, Arena *a, Network *network, DryRun *out,
             Error *err)
{
    *out = (DryRun){.step_s = (double)NAN};
    *network = (Network){0};
    TRY(count_steps(e, data, out, err));
    NetworkOptions o = {.task = data->task,
                        .train = true,
                        .eval = true,
                        .total_steps = out->steps,
                        .steps_per_epoch = out->steps_per_epoch};
    TRY(network_new(network, e, &o, a, err));
    add_up_memory(e, data, network, out);
    PlanCost cost = plan_cost(network->train.plan);
    out->flops_per_step = cost.flops;
    out->traffic_bytes = cost.bytes;
    if (cost.flops > measured_max_flops || out->peak_bytes > measured_max_bytes) return true;
    if (measure(network, e, a, &out->step_s, err)) return true;
    network_free(network);
    return false;
}
