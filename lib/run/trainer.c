/* trainer -- see trainer.h: setting a run up, its steps, and how it ends. Evaluations are in
 * trainer_eval.c. */
#include "run/training.h"

#include "base/clock.h"
#include "base/text.h"
#include "base/threads.h"
#include "cpu/cpu.h"
#include "io/file.h"
#include "methods/peft/peft_dir.h"
#include "run/robustness.h"
#include "run/stop.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void training_line(Training *t, int level, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    rundir_log(&t->folder, "%s", text);
    if (t->report->line) t->report->line(t->report->owner, level, text);
}

/* -- Setting up */

static bool make_loaders(Training *t, Error *err)
{
    const Experiment *e = t->experiment;
    LoaderOptions o = {.split = SPLIT_TRAIN,
                       .batch_size = e->train.batch_size,
                       .shuffle = true,
                       .augment = true,
                       .seed = (uint64_t)e->train.seed,
                       .prefetch = true};
    t->loader = loader_new(t->data, &o, err);
    if (!t->loader) return false;
    t->steps_per_epoch = loader_steps_per_epoch(t->loader);
    t->total = steps_resolve(e->train.steps, t->steps_per_epoch);
    if (t->pause_at <= 0 || t->pause_at > t->total) t->pause_at = t->total;
    t->eval_every = steps_resolve(e->train.eval_every, t->steps_per_epoch);
    t->checkpoint_every = steps_resolve(e->train.checkpoint_every, t->steps_per_epoch);
    return true;
}

static bool make_eval_loaders(Training *t, Error *err)
{
    for (int s = SPLIT_VALID; s < N_SPLITS; s++) {
        LoaderOptions o = {
            .split = (SplitId)s, .batch_size = t->network.eval.batch_size, .prefetch = true};
        if (t->data->split[s].n == 0) continue;
        t->eval_loader[s] = loader_new(t->data, &o, err);
        if (!t->eval_loader[s]) return false;
    }
    return true;
}

/* Before the first step, not after the last one. */
static bool check_robustness(const Training *t, Error *err)
{
    const EvalOptions *asked = &t->experiment->eval;
    if (eval_asks(asked) && t->data->split[SPLIT_TEST].n == 0)
        return fail(err, FAIL_CONFIG, NULL, "eval: %s has no test split", t->data->kind->name);
    return robustness_check(t->experiment, t->data, asked, err);
}

/* `architecture`: what the methods chose when the run began, or NULL to ask them. */
static bool make_network(Training *t, const Architecture *architecture, Error *err)
{
    const Experiment *e = t->experiment;
    char base[4096] = "";
    if (network_reshapes(e) && !architecture)
        TRY(rundir_base_weights(t->folder.path, e, base, err));
    NetworkOptions o = {.task = t->data->task,
                        .train = true,
                        .eval = true,
                        .allocate = true,
                        .total_steps = t->total,
                        .steps_per_epoch = t->steps_per_epoch,
                        .data = t->data,
                        .base = arena_string(t->arena, base),
                        .architecture = architecture};
    RunRecord *r = &t->folder.record;
    TRY(network_new(&t->network, e, &o, t->arena, err));
    TRY(optimizer_start(&t->optimizer, e->optimizer, e->optimizer_options, t->network.params,
                        t->arena, err));
    r->total_steps = t->total;
    r->n_parameters = t->network.params->count;
    r->plan_bytes =
        plan_cost(t->network.train.plan).arena_bytes + plan_cost(t->network.eval.plan).arena_bytes;
    memcpy(r->data_sha256, t->data->sha256, sizeof r->data_sha256);
    return make_eval_loaders(t, err) && check_robustness(t, err);
}

/* What the methods said since the last time. */
static void log_notes(Training *t)
{
    for (int i = 0; i < t->experiment->n_methods; i++) {
        const char **note = &t->network.notes[i];
        if (*note) training_line(t, 0, "%s: %s", t->experiment->methods[i].method->name, *note);
        *note = NULL;
    }
}

/* For people, and for experiments that extend it; a resume reads the checkpoint's own. */
static bool write_architecture(Training *t, Error *err)
{
    if (!t->network.reshaped) return true;
    log_notes(t);
    const char *path = arena_printf(t->arena, "%s/architecture.yaml", t->folder.path);
    const char *text = architecture_file(&t->network, t->arena);
    return file_replace(path, text, strlen(text), err);
}

static bool start_fresh(Training *t, Error *err)
{
    t->state = (TrainState){.best_value = (double)NAN, .best_step = -1, .last_loss = (double)NAN};
    TRY(rundir_clear(&t->folder, err));
    TRY(write_architecture(t, err));
    char base[4096];
    TRY(rundir_base_weights(t->folder.path, t->experiment, base, err));
    Batch first = loader_batch(t->loader, 0);
    TRY(network_init(&t->network, first.x, base, err));
    log_notes(t);
    t->state.step = network_first_step(&t->network);
    if (t->optimizer.ema)
        memcpy(t->optimizer.ema, t->network.params->weights,
               sizeof(float) * (size_t)t->network.params->n_trainable);
    return metrics_open(&t->metrics, t->folder.path, -1, err) &&
           training_write_images(t, &first, err);
}

static void free_network(Training *t)
{
    for (int s = 0; s < N_SPLITS; s++) loader_free(t->eval_loader[s]);
    memset(t->eval_loader, 0, sizeof t->eval_loader);
    optimizer_free(&t->optimizer);
    network_free(&t->network);
}

/* Without what a checkpoint said that turned out to be damaged. */
static bool make_network_again(Training *t, Error *err)
{
    free_network(t);
    return make_network(t, NULL, err);
}

/* The architecture that the checkpoint has, where methods chose it. One that cannot be read is
 * chosen again: start() says that the checkpoint is damaged. */
static const Architecture *chosen_before(const Training *t, const TrainFlags *flags)
{
    const Architecture *architecture = NULL;
    Error damaged = {0};
    if (!network_reshapes(t->experiment) || flags->force || !checkpoint_exists(t->checkpoint))
        return NULL;
    return architecture_of_checkpoint(t->checkpoint, t->arena, &architecture, &damaged)
               ? architecture
               : NULL;
}

/* Continues from the checkpoint. One that cannot be read is said aloud and costs its steps, not the
 * run: the steps are the same when they are done again. */
static bool start(Training *t, const TrainFlags *flags, Error *err)
{
    Error damaged = {0};
    bool there = !flags->force && checkpoint_exists(t->checkpoint);
    t->checkpoint_step = -1;
    if (!there) return start_fresh(t, err);
    if (!checkpoint_read(t->checkpoint, t->experiment->id, t->network.params, &t->optimizer,
                         &t->state, flags->resume ? err : &damaged)) {
        if (flags->resume) return false;
        training_line(t, 0, "%s; starting again from step 0", damaged.items[0].text);
        if (t->network.options.architecture) TRY(make_network_again(t, err));
        return start_fresh(t, err);
    }
    t->checkpoint_step = t->state.step;
    t->folder.record.restarts++;
    training_line(t, 0, "continues from step %" PRId64, t->state.step);
    /* A signal may have put off the evaluation of the checkpoint's step. If a later start did it
     * and was killed then, its line is past this checkpoint although it has the checkpoint's step.
     */
    int64_t evaluated = t->state.loss_n > 0 ? t->state.step - 1 : t->state.step;
    return metrics_open(&t->metrics, t->folder.path, evaluated, err);
}

/* -- Checkpoints */

/* `what` was not finite in the step that makes, or made, `step` of them. */
static bool not_finite(const Training *t, const char *what, double value, int64_t step, Error *err)
{
    char last[48] = "none";
    if (t->checkpoint_step >= 0)
        (void)snprintf(last, sizeof last, "step %" PRId64, t->checkpoint_step);
    return fail(err, FAIL_RUN, NULL,
                "run %s: %s is %s at step %" PRId64
                " (the loss was %.4g before); last checkpoint: %s; "
                "'seqlab train --check-nan %s' names the value",
                t->experiment->id, what, isnan(value) ? "NaN" : "infinite", step,
                t->state.last_loss, last, t->folder.path);
}

/* An update can overflow although its gradient is finite. The checkpoint from before must stay
 * then: the step after this one would fail, and the run would have none to look into. */
static bool check_weights(const Training *t, Error *err)
{
    for (const Param *p = t->network.params->first; p; p = p->next) {
        if (cpu->all_finite(p->n, p->data)) continue;
        int64_t i = 0;
        while (isfinite(p->data[i])) i++;
        return not_finite(t, p->name, (double)p->data[i], t->state.step, err);
    }
    return true;
}

static bool save_checkpoint(Training *t, Error *err)
{
    double before = clock_s();
    RunRecord *r = &t->folder.record;
    const double begin = profile_begin(t->profile);
    TRY(check_weights(t, err));
    t->state.wall_s = t->wall_before_s + clock_s() - t->started_s;
    t->state.cpu_s = t->cpu_before_s + clock_cpu_s();
    TRY(metrics_sync(&t->metrics, err));
    TRY(checkpoint_write(t->checkpoint, t->experiment->id, t->network.params, &t->optimizer,
                         &t->state, err));
    t->checkpoint_step = r->step = t->state.step;
    r->checkpoint_s = clock_s() - before;
    profile_end(t->profile, PROFILE_CHECKPOINT, begin);
    training_line(t, 1, "checkpoint at step %" PRId64 " in %.3f s", t->state.step, r->checkpoint_s);
    return true;
}

static bool checkpoint_due(const Training *t)
{
    if (t->state.step == t->checkpoint_step) return false;
    if (stop_signal() || stop_take_checkpoint() || t->state.step == t->pause_at) return true;
    if (t->state.step == 0) return false;
    return t->checkpoint_every > 0 ? t->state.step % t->checkpoint_every == 0
                                   : t->evaluated_step == t->state.step;
}

/* -- One step */

static void count_hits(Training *t, const int32_t *label)
{
    const Pass *pass = &t->network.train;
    const Task *task = &t->network.options.task;
    const float *logits = plan_value(pass->plan, pass->logits);
    const int64_t n = pass->batch_size * task_n_labels(task);
    for (int64_t i = 0; i < n; i++, logits += task->n_classes) {
        if (label[i] < 0) continue;
        t->state.hits += predicted_class(logits, task->n_classes) == label[i];
        t->state.seen++;
    }
}

double training_lr(const Training *t, int64_t step)
{
    const Experiment *e = t->experiment;
    const OptimizerCommon *common = e->optimizer_options;
    return common->lr *
           schedule_factor(e->schedule, e->schedule_options, step, t->total, t->steps_per_epoch);
}

static bool train_step(Training *t, Error *err)
{
    Pass *pass = &t->network.train;
    TrainState *s = &t->state;
    double before = profile_begin(t->profile);
    Batch batch = loader_batch(t->loader, s->step);
    profile_end(t->profile, PROFILE_LOADER, before);
    plan_bind(pass->plan, pass->x, batch.x);
    plan_bind(pass->plan, pass->label, batch.label);
    plan_run(pass->plan, (uint64_t)s->step);
    profile_kernels(t->profile);
    const double loss = (double)*(const float *)plan_value(pass->plan, pass->loss);
    if (!isfinite(loss)) return not_finite(t, "the loss", loss, s->step + 1, err);
    before = profile_begin(t->profile);
    if (!optimizer_step(&t->optimizer, training_lr(t, s->step), NULL))
        return not_finite(t, "a gradient", (double)NAN, s->step + 1, err);
    profile_end(t->profile, PROFILE_OPTIMIZER, before);
    s->step++;
    before = profile_begin(t->profile);
    network_after_step(&t->network, s->step);
    profile_end(t->profile, PROFILE_METHODS, before);
    s->loss_sum += loss;
    s->loss_n++;
    count_hits(t, batch.label);
    s->last_loss = loss;
    return true;
}

/* Every 2^k-th step, k growing when the room is full. */
static void note_time(Training *t, double seconds)
{
    StepTimes *times = &t->times;
    if (times->seen++ % times->every != 0) return;
    if (times->n == STEP_TIMES) {
        for (size_t i = 0; i < STEP_TIMES / 2; i++) times->at[i] = times->at[2 * i];
        times->n = STEP_TIMES / 2;
        times->every *= 2;
    }
    times->at[times->n++] = (float)seconds;
}

static void after_step(Training *t, double before)
{
    const double now = clock_s();
    RunRecord *r = &t->folder.record;
    note_time(t, now - before);
    t->images_per_s = (double)t->experiment->train.batch_size / (now - before);
    if (t->state.step == t->first + 1) {
        r->first_step_s = clock_process_s();
        training_line(t, t->first == 0 ? 0 : 1, "step %" PRId64 "/%" PRId64 "  loss %.4g",
                      t->state.step, t->total, t->state.last_loss);
    }
    if (t->report->progress)
        t->report->progress(t->report->owner, t->first, t->state.step, t->total, t->state.last_loss,
                            t->images_per_s);
}

/* An evaluation that a signal cut short is done after the resume: loss_n is still above 0 then. */
static bool steps(Training *t, Error *err)
{
    for (;;) {
        bool stopped = false;
        if (training_eval_due(t)) {
            Error e = {0};
            const double begin = profile_begin(t->profile);
            const bool ok = training_evaluate(t, &e);
            profile_end(t->profile, PROFILE_EVALUATION, begin);
            if (!ok) {
                if (e.kind != FAIL_STOPPED) return fail(err, e.kind, NULL, "%s", e.items[0].text);
                stopped = true;
            }
        }
        if (checkpoint_due(t)) TRY(save_checkpoint(t, err));
        if (stopped || (stop_signal() && t->state.step < t->total))
            return fail(err, FAIL_STOPPED, NULL,
                        "stopped by signal %d at step %" PRId64 " of %" PRId64, stop_signal(),
                        t->state.step, t->total);
        if (t->state.step >= t->pause_at) return true;
        double before = clock_s();
        TRY(train_step(t, err));
        after_step(t, before);
    }
}

/* -- The end */

/* What an adapter's method has trained, for other programs. */
static bool write_adapter(Training *t, Error *err)
{
    const Network *n = &t->network;
    const char *path = arena_printf(t->arena, "%s/adapter", t->folder.path);
    for (int i = 0; i < t->experiment->n_methods; i++) {
        const MethodCall *c = &n->calls[i];
        if (!peft_dir_holds(c->method)) continue;
        TRY(peft_dir_write(path, c, &n->options.task, t->experiment->base.folder, err));
        training_line(t, 0, "%s: wrote %s in PEFT's format", c->method->name, path);
        break;
    }
    return true;
}

static int by_value(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static void finish_record(Training *t, bool ok, const Error *err)
{
    RunRecord *r = &t->folder.record;
    StepTimes *times = &t->times;
    FailKind kind = ok ? FAIL_NONE : err->kind;
    if (times->n > 0) {
        qsort(times->at, (size_t)times->n, sizeof times->at[0], by_value);
        r->step_ms = 1e3 * (double)times->at[times->n / 2];
    }
    r->status = ok && t->state.step < t->total ? RUN_STOPPED
                : ok                           ? RUN_DONE
                : kind == FAIL_STOPPED         ? RUN_STOPPED
                                               : RUN_FAILED;
    r->exit_code = (int)kind;
    r->step = ok ? t->state.step : r->step;
    r->threads = threads_count();
    r->wall_s = t->wall_before_s + clock_s() - t->started_s;
    r->cpu_s = t->cpu_before_s + clock_cpu_s();
    r->error = ok ? NULL : arena_string(t->arena, err->items[0].text);
}

static bool run_all(Training *t, const TrainFlags *flags, Error *err)
{
    TRY(make_network(t, chosen_before(t, flags), err));
    TRY(start(t, flags, err));
    t->wall_before_s = t->state.wall_s;
    t->cpu_before_s = t->state.cpu_s;
    t->first = t->state.step;
    t->evaluated_step = -1;
    if (t->first == t->total)
        TRY(metrics_last(t->folder.path, t->folder.record.final_metrics, err));
    profile_start(t->profile, t->network.train.plan, t->network.train.loss);
    const bool ok = steps(t, err);
    profile_stop(t->profile, &t->optimizer);
    return ok && (t->state.step < t->total || write_adapter(t, err));
}

static void free_all(Training *t)
{
    loader_free(t->loader);
    metrics_close(&t->metrics);
    free_network(t);
}

/* With the folder open and locked. */
static bool run_in_folder(Training *t, const TrainFlags *flags, RunRecord *record, Error *err)
{
    t->checkpoint = arena_printf(t->arena, "%s/checkpoint", t->folder.path);
    t->best = arena_printf(t->arena, "%s/best", t->folder.path);
    bool ok = run_all(t, flags, err);
    Error late = {0};
    finish_record(t, ok, err);
    if (!ok) rundir_log(&t->folder, "%s", err->items[0].text);
    if (!profile_write_trace(t->profile, t->folder.path, &late) && ok)
        ok = fail(err, FAIL_RUN, NULL, "%s", late.items[0].text);
    if (!rundir_save(&t->folder, &late) && ok)
        ok = fail(err, FAIL_RUN, NULL, "%s", late.items[0].text);
    *record = t->folder.record;
    record->energy_source = NULL; /* the folder's, which goes */
    training_line(t, 1, "energy and carbon: %.4g Wh (%s), %.4g g CO2e (%g g/kWh assumed)",
                  record->energy_wh, t->folder.record.energy_source, record->carbon_g,
                  record->carbon_g_per_kwh);
    return ok;
}

/* Before anything is written. */
static bool check_resume(const TrainFlags *flags, const char *path, Arena *a, Error *err)
{
    if (!flags->resume) return true;
    if (flags->force) return fail(err, FAIL_USAGE, NULL, "--resume and --force exclude each other");
    return checkpoint_exists(arena_printf(a, "%s/checkpoint", path)) ||
           fail(err, FAIL_USAGE, NULL, "--resume: %s has no checkpoint", path);
}

bool train_run(const Experiment *e, const Dataset *data, const TrainFlags *flags,
               const TrainReport *report, TrainOutcome *outcome, RunRecord *record, Error *err)
{
    char path[4096];
    Arena *arena = arena_new();
    Training *t = arena_new_array(arena, Training, 1);
    *t = (Training){
        .experiment = e,
        .data = data,
        .report = report,
        .profile = flags->profile,
        .rich_events = flags->rich_events,
        .pause_at = flags->pause_at,
        .arena = arena,
        .metrics = {.fd = -1, .times_fd = -1},
        .times = {.every = 1       },
        .started_s = clock_s()
    };
    bool ok = rundir_path(flags->results, e, path, err);
    *outcome = TRAIN_DONE;
    if (ok && !flags->force && rundir_status(path, record, arena) == RUN_DONE) {
        *outcome = TRAIN_ALREADY_DONE;
    } else if (ok) {
        ok = check_resume(flags, path, arena, err) && make_loaders(t, err) &&
             rundir_open(&t->folder, flags->results, e, flags->command_line, err);
        if (ok) {
            ok = run_in_folder(t, flags, record, err);
            if (ok && record->status == RUN_STOPPED) *outcome = TRAIN_PAUSED;
            rundir_close(&t->folder);
        }
        free_all(t);
    }
    record->error = NULL;
    arena_free(arena);
    return ok;
}
