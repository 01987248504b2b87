/* train -- `seqlab train`: one run from its first step, or its checkpoint, to its last. */
#include "cmd/train.h"

#include "base/clock.h"
#include "base/progress.h"
#include "base/text.h"
#include "cmd/json_write.h"
#include "run/check_nan.h"
#include "run/requeue.h"
#include "run/stop.h"
#include "run/trainer.h"

#include <inttypes.h>
#include <jansson.h>
#include <string.h>

/* What a run tells, on stderr. On a terminal a redrawn line with whole lines above it; elsewhere
 * the first line, then at most one in log_every seconds, and the last. */
typedef struct Console {
    const Flags *flags;
    const char *label;
    Progress bar;
    double last_line_s; /* -1: none yet */
    char held[512];     /* the newest line that was too early, or "" */
} Console;

static void print_line(Console *c, const char *text)
{
    progress_clear(&c->bar);
    (void)fprintf(stderr, "%s  %s\n", c->label, text);
    c->last_line_s = clock_s();
    c->held[0] = '\0';
}

static void on_line(void *owner, int level, const char *text)
{
    Console *c = owner;
    if (c->flags->quiet || (level > 0 && !c->flags->verbose)) return;
    bool early = c->last_line_s >= 0 && clock_s() - c->last_line_s < c->flags->log_every;
    if (early && !c->bar.terminal && !c->flags->verbose)
        (void)snprintf(c->held, sizeof c->held, "%s", text);
    else
        print_line(c, text);
}

static void on_progress(void *owner, int64_t first, int64_t step, int64_t total, double loss,
                        double images_per_s)
{
    Console *c = owner;
    char extra[96], rate[16];
    if (!c->bar.terminal || c->flags->quiet) return;
    text_si(rate, images_per_s);
    (void)snprintf(extra, sizeof extra, "step %" PRId64 "/%" PRId64 "  loss %.4g  %s examples/s",
                   step, total, loss, rate);
    progress_draw(&c->bar, c->label, first, step, total, extra);
}

/* {"step":200,"test.top1":0.9}: a line a metric. */
static void print_metrics(const char *metrics)
{
    json_t *root = json_loads(metrics, 0, NULL), *value;
    const char *key;
    json_object_foreach(root, key, value)
    {
        char text[32] = "";
        if (json_is_string(value))
            (void)snprintf(text, sizeof text, "%s", json_string_value(value));
        else
            text_real(text, json_number_value(value));
        (void)printf("%-16s %s\n", key, text);
    }
    json_decref(root);
}

static void print_result(const Target *t, const Flags *flags, TrainOutcome outcome,
                         const RunRecord *r, const Profile *profile)
{
    if (!flags->json) {
        (void)printf("%s\n", t->folder);
        print_metrics(r->final_metrics);
        if (profile) train_profile_print(profile);
        return;
    }
    Json j = {0};
    json_begin(&j, NULL, '{');
    json_add_text(&j, "id", t->experiment.id);
    json_add_text(&j, "folder", t->folder);
    json_add_text(&j, "status", run_status_name[RUN_DONE]);
    json_add_bool(&j, "already_done", outcome == TRAIN_ALREADY_DONE);
    json_add_int(&j, "steps", r->step);
    json_add_int(&j, "restarts", r->restarts);
    json_add_real(&j, "wall_s", r->wall_s);
    json_add_real(&j, "cpu_s", r->cpu_s);
    json_add_real(&j, "energy_wh", r->energy_wh);
    json_add_real(&j, "carbon_g", r->carbon_g);
    json_add_raw(&j, "metrics", r->final_metrics);
    if (profile) train_profile_json(profile, &j);
    json_end(&j, '}');
    json_print(&j);
}

static Console console_new(const Flags *flags, const char *label)
{
    return (Console){.flags = flags,
                     .label = label,
                     .bar = progress_start(stderr, flags->quiet),
                     .last_line_s = -1};
}

/* The runs that this one starts from, as far as they have not been made yet. */
static bool train_needed(Target *t, Experiment *e, const Invocation *in, Error *err)
{
    const Dataset *data;
    if (!e) return true;
    TRY(train_needed(t, e->base.experiment, in, err));
    TRY(datasets_identify(&t->datasets, e, in->arena, &data, err));
    Console console = console_new(&in->flags, arena_printf(in->arena, "%.8s %s", e->id, e->name));
    TrainReport report = {.owner = &console, .progress = on_progress, .line = on_line};
    TrainFlags how = {.results = t->results, .command_line = in->line};
    TrainOutcome outcome;
    RunRecord record = {0};
    const bool ok = train_run(e, data, &how, &report, &outcome, &record, err);
    if (console.held[0]) print_line(&console, console.held);
    progress_clear(&console.bar);
    if (!ok) error_note(err, "needed by %s", t->experiment.path);
    return ok;
}

bool train_make(Target *t, const Invocation *in, Profile *profile, TrainOutcome *outcome,
                RunRecord *record, Error *err)
{
    Console console = console_new(&in->flags, t->label);
    TrainReport report = {.owner = &console, .progress = on_progress, .line = on_line};
    TrainFlags how = {.results = t->results,
                      .command_line = in->line,
                      .force = in->flags.force,
                      .resume = in->flags.resume,
                      .rich_events = in->flags.events == 1,
                      .profile = profile};
    stop_install();
    TRY(train_needed(t, t->experiment.base.experiment, in, err));
    bool ok = train_run(&t->experiment, t->data, &how, &report, outcome, record, err);
    if (console.held[0]) print_line(&console, console.held);
    progress_clear(&console.bar);
    if (!ok) {
        if (err->kind != FAIL_STOPPED) return false;
        error_note(err, "'seqlab %s %s' goes on", t->experiment.run, t->folder);
        requeue_after_warning(err);
        return false;
    }
    const char *more = profile ? " and profiles it" : "";
    if (*outcome == TRAIN_ALREADY_DONE && !in->flags.quiet)
        (void)fprintf(stderr, "%s  already done; --force computes it again%s\n", t->label, more);
    return true;
}

static bool train_target(Target *t, const Invocation *in, Error *err)
{
    TrainOutcome outcome;
    RunRecord record = {0};
    Profile *profile = in->flags.profile ? profile_new(in->arena) : NULL;
    TRY(train_make(t, in, profile, &outcome, &record, err));
    if (outcome == TRAIN_ALREADY_DONE) profile = NULL;
    TRY(profile_limits(profile, err));
    print_result(t, &in->flags, outcome, &record, profile);
    return true;
}

/* What the file asks for and this command does not do must not pass in silence. */
static bool check_file(const Experiment *e, const Flags *flags, Error *err)
{
    const Yaml *run = yaml_get(e->root, "run"), *teacher = yaml_get(e->root, "teacher");
    bool ok = true;
    if (run && strcmp(e->run, "train") != 0)
        ok = yaml_fail(run, err, "this file is for '%s', not for 'train'", e->run);
    if (teacher && teacher->kind != YAML_NULL)
        ok = yaml_fail_key(teacher, err, "'teacher' has no meaning for 'train'");
    if (ok && !flags->quiet && yaml_get(e->root, "sweep"))
        (void)fprintf(stderr, "%s: one run; 'seqlab sweep' expands the sweep\n", e->path);
    return ok;
}

static bool train_check_nan(const Target *t, Error *err)
{
    char report[1024];
    stop_install();
    TRY(check_nan(&t->experiment, t->data, t->folder, report, err));
    (void)printf("%s\n", report);
    return true;
}

static bool train(const Invocation *in, Error *err)
{
    Target *t = arena_alloc(in->arena, sizeof *t);
    TRY(target_load(t, in, err));
    TRY(check_file(&t->experiment, &in->flags, err));
    if (in->flags.profile && (in->flags.dry_run || in->flags.check_nan))
        return fail(err, FAIL_USAGE, &(Place){.file = "command line"},
                    "--profile needs a run: not with --dry-run or --check-nan");
    TRY(target_open_data(t, in, SPLITS_ALL, err));
    bool ok = in->flags.dry_run     ? train_dry_run(t, in, err)
              : in->flags.check_nan ? train_check_nan(t, err)
                                    : train_target(t, in, err);
    target_close(t);
    return ok;
}

const Command command_train = {
    .name = "train",
    .summary = "Train from an experiment file, or go on with a run that was interrupted",
    .usage = "FILE.yaml|RUN [key=value ...]",
    .flags = "dry-run check-nan force resume events profile log-every results threads json",
    .help = "A run's folder is results/<name>/<id>; the id is the hash of the resolved\n"
            "configuration and the data, so a result that exists is not computed again.\n"
            "key=value overrides the file (train.seed=3, methods.0.name=cutmix); 'seqlab help\n"
            "KEY' says what a key means. INT, TERM and USR1 finish the step, write a checkpoint\n"
            "and exit with 75: the same command goes on from there, to the same bits. In a job\n"
            "of Slurm, USR1 (#SBATCH --requeue --signal=USR1@120) also puts the job back into\n"
            "the queue.\n"
            "\n"
            "stdout gets the run's folder and its last metrics. With --profile also where the\n"
            "time went: parts of the run, ops, and the longest kernels with their share of what\n"
            "the machine could do at best; trace.json in the run's folder holds the first steps\n"
            "for chrome://tracing or ui.perfetto.dev. The run's bits and id stay the same.\n",
    .computes = true,
    .run = train,
};
