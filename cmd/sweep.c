/* sweep -- `seqlab sweep`: all runs that an experiment file asks for, each once. */
#include "cmd/sweep.h"

#include "base/text.h"

#include <string.h>

/* What stands after `seqlab train` to make the run; words that a shell would take apart are
 * quoted. */
static const char *command_of(const SweepRun *run, Arena *a)
{
    Text text = {0};
    text_add(&text, run->file);
    for (int i = 0; i < run->n_words; i++) {
        const char *word = run->words[i];
        const bool plain = !strpbrk(word, " \t'\"\\$`*?[]{}()<>|&;#~!");
        text_addf(&text, plain ? " %s" : " '%s'", word);
    }
    const char *copy = arena_string(a, text.data);
    text_free(&text);
    return copy;
}

static void json_run(Json *j, const Sweep *s, int i, RunStatus status, Arena *a)
{
    const SweepRun *run = &s->runs[i];
    char folder[4096];
    sweep_folder(s, i, folder);
    json_begin(j, NULL, '{');
    json_add_text(j, "id", run->id);
    json_add_text(j, "folder", folder);
    json_add_text(j, "status", run_status_name[status]);
    json_add_bool(j, "asked", run->asked);
    json_begin(j, "values", '{');
    for (int k = 0; k < run->n_values; k++)
        json_add_text(j, run->values[k].key, run->values[k].text);
    json_end(j, '}');
    json_begin(j, "needs", '[');
    for (int k = 0; k < run->n_needs; k++) json_add_text(j, NULL, s->runs[run->needs[k]].id);
    json_end(j, ']');
    json_add_text(j, "command", arena_printf(a, "seqlab train %s", command_of(run, a)));
    json_end(j, '}');
}

static void print_run(const Sweep *s, int i, RunStatus status)
{
    const SweepRun *run = &s->runs[i];
    (void)printf("%s  %-8s %s", run->id, status == RUN_ABSENT ? "-" : run_status_name[status],
                 *run->label ? run->label : run->name);
    for (int k = 0; k < run->n_needs; k++)
        (void)printf("%s%.8s", k ? ", " : "  after ", s->runs[run->needs[k]].id);
    if (run->twin >= 0) (void)printf("  same as %s", s->runs[run->twin].label);
    (void)putchar('\n');
}

/* One line a run, and how many there are of each kind. */
static void print_runs(const Sweep *s, const Invocation *in)
{
    int n[N_RUN_STATUSES] = {0};
    Json j = {0};
    if (in->flags.json) json_begin(&j, NULL, '[');
    for (int i = 0; i < s->n_runs; i++) {
        char folder[4096];
        sweep_folder(s, i, folder);
        const RunStatus status = rundir_status(folder, NULL, in->arena);
        if (s->runs[i].twin < 0) n[status]++;
        if (in->flags.json)
            json_run(&j, s, i, status, in->arena);
        else
            print_run(s, i, status);
    }
    if (in->flags.json) {
        json_end(&j, ']');
        json_print(&j);
        return;
    }
    int total = 0;
    for (int k = 0; k < N_RUN_STATUSES; k++) total += n[k];
    (void)printf("%d runs: %d done", total, n[RUN_DONE]);
    for (int k = RUN_QUEUED; k < N_RUN_STATUSES; k++)
        if (k != RUN_DONE && n[k] > 0) (void)printf(", %d %s", n[k], run_status_name[k]);
    (void)printf(", %d to do\n", n[RUN_ABSENT]);
}

static bool check_words(const Invocation *in, Error *err)
{
    static const Place place = {.file = "command line"};
    if (in->n_words == 0) return fail(err, FAIL_USAGE, &place, "FILE.yaml is missing");
    for (int i = 1; i < in->n_words; i++)
        if (!strchr(in->words[i], '='))
            return fail(err, FAIL_USAGE, &place, "'%.60s' is no key=value", in->words[i]);
    return true;
}

static bool sweep(const Invocation *in, Error *err)
{
    Sweep s;
    const SweepOptions options = {.results = in->flags.results};
    TRY(check_words(in, err));
    TRY(sweep_open(&s, in->arena, in->words[0], in->words + 1, in->n_words - 1, &options, err));
    print_runs(&s, in);
    sweep_close(&s);
    return true;
}

const Command command_sweep = {
    .name = "sweep",
    .summary = "Make all runs that an experiment file asks for, each once",
    .usage = "FILE.yaml [key=value ...]",
    .flags = "dry-run results threads json",
    .help = "The file's sweep: block gives the settings; runs that others start from (base:) are\n"
            "made first. A run that is done is not made again; one that was interrupted goes on.\n",
    .computes = true,
    .run = sweep,
};
