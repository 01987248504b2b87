/* prune -- `seqlab prune`: a pruning experiment with all runs that it starts from; what would be
 * left, without training; and pruned weights as files. */
#include "cmd/prune.h"

#include "cmd/train.h"
#include "report/metric_log.h"
#include "run/checkpoint.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

enum { CHAIN_MAX = 64 };

/* One run of the chain, from the first to the one that was asked for. */
typedef struct Stage {
    const char *id, *name;         /* "level 3", "base", "pruned" */
    double density;                /* weights left, of those of the network that its file names */
    double step, best[2], last[2]; /* valid.top1 and test.top1; NaN: not measured */
} Stage;

static bool read_metrics(Stage *s, const char *folder, Arena *a, Error *err)
{
    static const char *const names[] = {"step", "valid.loss", "valid.top1", "test.top1"};
    MetricLog log;
    int best = -1;
    TRY(metric_log_read(&log, a, folder, names, 4, err));
    s->step = s->best[0] = s->best[1] = s->last[0] = s->last[1] = (double)NAN;
    for (int i = 0; i < log.n; i++) {
        const double loss = log.column[1][i];
        if (!isnan(loss) && (best < 0 || loss < log.column[1][best])) best = i;
    }
    for (int k = 0; k < 2 && log.n > 0; k++) {
        if (best >= 0) s->best[k] = log.column[k + 2][best];
        s->last[k] = log.column[k + 2][log.n - 1];
    }
    if (best >= 0) s->step = log.column[0][best];
    return true;
}

static const char *stage_name(const Experiment *e, bool is_last, Arena *a)
{
    for (int i = 0; i < e->n_methods; i++) {
        const char *level = experiment_value(e, a, arena_printf(a, "methods.%d.level", i));
        if (level) return arena_printf(a, "level %s", level);
    }
    return is_last ? "pruned" : "base";
}

/* The network of a run that is done, with its weights; *out is of its checkpoint. */
static bool stage_account(const Target *t, const Experiment *e, const char *folder, Arena *a,
                          Account *out, Error *err)
{
    const char *checkpoint = arena_printf(a, "%s/checkpoint", folder);
    NetworkOptions o = {.task = t->data->task,
                        .train = true,
                        .params_only = true,
                        .total_steps = steps_resolve(e->train.steps, 1),
                        .steps_per_epoch = 1};
    Network n;
    TrainState state;
    TRY(architecture_of_checkpoint(checkpoint, a, &o.architecture, err));
    TRY(network_new(&n, e, &o, a, err));
    const bool ok = checkpoint_read(checkpoint, NULL, n.params, NULL, &state, err) &&
                    prune_account(&n, a, out, err);
    network_free(&n);
    return ok;
}

static void print_share(double share)
{
    if (isnan(share))
        (void)printf(" %8s", "-");
    else
        (void)printf(" %7.2f%%", 100 * share);
}

static void print_stages(const Stage stages[], int n)
{
    (void)printf("\n%-12s %-10s %8s %8s %8s %8s %8s %8s\n", "id", "run", "weights", "step", "valid",
                 "test", "valid", "test");
    (void)printf("%-12s %-10s %8s %26s %17s\n", "", "", "left", "at the least valid.loss",
                 "at the end");
    for (int i = 0; i < n; i++) {
        const Stage *s = &stages[i];
        (void)printf("%-12s %-10s", s->id, s->name);
        print_share(s->density);
        if (isnan(s->step))
            (void)printf(" %8s", "-");
        else
            (void)printf(" %8.0f", s->step);
        for (int k = 0; k < 2; k++) print_share(s->best[k]);
        for (int k = 0; k < 2; k++) print_share(s->last[k]);
        (void)putchar('\n');
    }
}

static void print_json(const Target *t, const Stage stages[], int n, const Account *account)
{
    Json j = {0};
    json_begin(&j, NULL, '{');
    json_add_text(&j, "id", t->experiment.id);
    json_add_text(&j, "folder", t->folder);
    json_begin(&j, "runs", '[');
    for (int i = 0; i < n; i++) {
        const Stage *s = &stages[i];
        json_begin(&j, NULL, '{');
        json_add_text(&j, "id", s->id);
        json_add_text(&j, "run", s->name);
        json_add_real(&j, "density", s->density);
        json_add_real(&j, "best_step", s->step);
        json_add_real(&j, "best_valid_top1", s->best[0]);
        json_add_real(&j, "best_test_top1", s->best[1]);
        json_add_real(&j, "last_valid_top1", s->last[0]);
        json_add_real(&j, "last_test_top1", s->last[1]);
        json_end(&j, '}');
    }
    json_end(&j, ']');
    prune_json_account(account, &j);
    json_end(&j, '}');
    json_print(&j);
}

static bool summary(Target *t, const Invocation *in, Error *err)
{
    const Experiment *chain[CHAIN_MAX];
    Stage stages[CHAIN_MAX];
    Account account = {0};
    int n = 0;
    for (const Experiment *e = &t->experiment; e && n < CHAIN_MAX; e = e->base.experiment)
        chain[n++] = e;
    for (int i = 0; i < n; i++) {
        const Experiment *e = chain[n - 1 - i];
        char folder[4096];
        stages[i] = (Stage){.id = e->id, .name = stage_name(e, i == n - 1, in->arena)};
        TRY(rundir_path(t->results, e, folder, err));
        TRY(read_metrics(&stages[i], folder, in->arena, err));
        TRY(stage_account(t, e, folder, in->arena, &account, err));
        stages[i].density = (double)account.kept / (double)account.before.weights;
    }
    if (in->flags.json) {
        print_json(t, stages, n, &account);
        return true;
    }
    (void)printf("%s\n\n", t->folder);
    prune_print_account(&account);
    print_stages(stages, n);
    return true;
}

static bool check_file(const Experiment *e, const Flags *flags, Error *err)
{
    const Yaml *run = yaml_get(e->root, "run");
    if (run && strcmp(e->run, "prune") != 0)
        return yaml_fail(run, err, "this file is for '%s', not for 'prune'", e->run);
    if (!flags->quiet && yaml_get(e->root, "sweep"))
        (void)fprintf(stderr, "%s: one run; 'seqlab sweep' expands the sweep\n", e->path);
    return true;
}

static bool prune_experiment(const Invocation *in, Error *err)
{
    static const Place place = {.file = "command line"};
    const Flags *f = &in->flags;
    if (f->method || f->output || !isnan(f->ratio) || !isnan(f->density))
        return fail(err, FAIL_USAGE, &place,
                    "--method, --ratio, --density and --output are for weights in a file; an "
                    "experiment says it with key=value");
    Target *t = arena_alloc(in->arena, sizeof *t);
    TRY(target_load(t, in, err));
    TRY(check_file(&t->experiment, f, err));
    if (f->dry_run) return prune_dry_run(in, t, err);
    TRY(target_open_data(t, in, SPLITS_ALL, err));
    TrainOutcome outcome;
    RunRecord record = {0};
    const bool ok = train_make(t, in, NULL, &outcome, &record, err) && summary(t, in, err);
    target_close(t);
    return ok;
}

/* The weights may come after words such as method.score=snip. */
static bool prune(const Invocation *in, Error *err)
{
    for (int i = 0; i < in->n_words; i++) {
        if (!prune_is_weights(in->words[i]) || strchr(in->words[i], '=')) continue;
        Invocation first = *in;
        const char **words = arena_new_array(in->arena, const char *, in->n_words);
        words[0] = in->words[i];
        for (int k = 0, to = 1; k < in->n_words; k++)
            if (k != i) words[to++] = in->words[k];
        first.words = words;
        return prune_weights(&first, err);
    }
    return prune_experiment(in, err);
}

const Command command_prune = {
    .name = "prune",
    .summary = "Prune by an experiment file, all levels of it, or weights in a file",
    .usage = "FILE.yaml|RUN|X.safetensors [key=value ...]",
    .flags = "method ratio density output dry-run force resume events log-every results threads "
             "json",
    .help =
        "FILE.yaml (run: prune) is trained as by 'seqlab train', after the runs that it starts\n"
        "from: of method lottery all levels before. stdout gets what is left of each layer,\n"
        "and a line a run. --dry-run prints the layers without training and without data,\n"
        "but for scores that look at examples (snip, grasp).\n"
        "\n"
        "X.safetensors is pruned as --method says, to --density=SHARE of its weights, or\n"
        "without --ratio=SHARE of them (layer_lottery: of the blocks that can go;\n"
        "filter_prune: of the filters), into --output; beside it NAME.yaml, the architecture,\n"
        "which experiments take by extends:. model.name=resnet20 says what model the weights\n"
        "are of, unless they lie in a run's folder, and data.name=cifar10 the data, for the\n"
        "size of the input, and for the scores that look at examples (snip, grasp, all\n"
        "criteria but l1 and random); method.KEY=VALUE sets an option of the method.\n"
        "Masked weights are written as zeros, without masks. precrop keeps the channels with\n"
        "the largest norm; method.keep=none gives new first values instead.\n",
    .computes = true,
    .run = prune,
};
