/* sweep -- `seqlab sweep`: all runs that an experiment file asks for, each once. */
#include "cmd/sweep.h"

#include "base/clock.h"
#include "base/progress.h"
#include "base/text.h"
#include "run/stop.h"
#include "sweep/halving.h"

#include <inttypes.h>
#include <string.h>

/* What makes the run alone. */
static const char *command_of(const Sweep *s, const SweepRun *run, Arena *a)
{
    const Yaml *of = yaml_get(s->file, "run");
    Text text = {0};
    text_addf(&text, "seqlab %s ",
              of && of->text && strcmp(of->text, "prune") == 0 ? "prune" : "train");
    text_add_shell(&text, run->file);
    for (int i = 0; i < run->n_words; i++) {
        text_add(&text, " ");
        text_add_shell(&text, run->words[i]);
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
    json_add_text(j, "command", command_of(s, run, a));
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
    if (strcmp(in->words[0], "-") == 0 && in->flags.launcher == LAUNCH_SLURM)
        return fail(err, FAIL_USAGE, &place,
                    "Slurm's jobs cannot read standard input: name a file");
    return true;
}

/* The end of a failed run's log, where its story is. */
static void print_log(const Sweep *s, int i)
{
    enum { LAST_BYTES = 4096, LAST_LINES = 4 };
    char folder[4096], text[LAST_BYTES + 1];
    sweep_folder(s, i, folder);
    Arena *a = arena_new();
    FILE *f = fopen(arena_printf(a, "%s/log.txt", folder), "re");
    arena_free(a);
    if (!f) return;
    if (fseek(f, -LAST_BYTES, SEEK_END) != 0) rewind(f);
    text[fread(text, 1, LAST_BYTES, f)] = '\0';
    (void)fclose(f);
    char *line = text + strlen(text);
    for (int n = 0; line > text && n <= LAST_LINES; line--) n += line[-1] == '\n';
    line += *line == '\n';
    for (char *end; (end = strchr(line, '\n')); line = end + 1)
        (void)fprintf(stderr, "    %.*s\n", (int)(end - line), line);
}

static void print_failures(const Pool *p)
{
    const Sweep *s = p->sweep;
    for (int i = 0; i < s->n_runs; i++) {
        const PoolRun *r = &p->runs[i];
        if (r->state != POOL_FAILED && r->state != POOL_BLOCKED) continue;
        (void)fprintf(stderr, "%s %s: %s\n", s->runs[i].id, s->runs[i].label, r->error);
        if (r->state == POOL_FAILED) print_log(s, i);
    }
}

static void json_result(const Pool *p)
{
    Json j = {0};
    const Sweep *s = p->sweep;
    json_begin(&j, NULL, '{');
    json_add_int(&j, "done", pool_count(p, POOL_DONE));
    json_add_int(&j, "failed", pool_count(p, POOL_FAILED) + pool_count(p, POOL_BLOCKED));
    json_begin(&j, "runs", '[');
    Arena *a = arena_new();
    for (int i = 0; i < s->n_runs; i++) {
        char folder[4096];
        sweep_folder(s, i, folder);
        json_run(&j, s, i, rundir_status(folder, NULL, a), a);
    }
    arena_free(a);
    json_end(&j, ']');
    json_end(&j, '}');
    json_print(&j);
}

static bool finish(const Pool *p, const Invocation *in, Error *err)
{
    char summary[256];
    const int n = pool_count(p, POOL_FAILED) + pool_count(p, POOL_BLOCKED);
    sweep_summary(p, summary);
    if (in->flags.json)
        json_result(p);
    else
        (void)printf("%s\n", summary);
    if (n == 0) return true;
    (void)fflush(stdout);
    print_failures(p);
    return fail(err, FAIL_SWEEP, NULL, "%d run%s failed; 'seqlab sweep %s --retry' runs %s again",
                n, n == 1 ? "" : "s", in->words[0], n == 1 ? "it" : "them");
}

static void on_round(void *owner, int64_t step, int n_settings, int n_go_on)
{
    SweepShow *show = owner;
    if (show->flags->quiet) return;
    sweep_show_clear(show);
    (void)fprintf(stderr, "step %" PRId64 ": of %d settings %d go on\n", step, n_settings, n_go_on);
}

static bool run_pool(Pool *pool, const PoolReport *report, const Invocation *in, Error *err)
{
    Search search;
    if (!in->flags.asha) return pool_run(pool, report, err);
    TRY(search_read(&search, yaml_get(pool->sweep->file, "search"), err));
    if (!search.by)
        return fail(
            err, FAIL_CONFIG, NULL,
            "%s: --asha wants a block such as search: {by: valid.top1, over: [optimizer.lr]}",
            pool->sweep->path);
    return halving_run(pool, &search, report, on_round, err);
}

static bool run_local(const Sweep *s, const Invocation *in, Error *err)
{
    Pool pool;
    SweepShow show = {.flags = &in->flags,
                      .name = s->runs[s->n_runs - 1].name,
                      .terminal = progress_start(stderr, false).terminal,
                      .last_s = clock_s()};
    const PoolReport report = {.owner = &show, .ended = sweep_show_ended, .tick = sweep_show_tick};
    const PoolOptions options = {.results = in->flags.results,
                                 .command_line = in->line,
                                 .jobs = (int)in->flags.jobs,
                                 .retry = in->flags.retry,
                                 .rich_events = in->flags.events == 1,
                                 .force = in->flags.force};
    stop_install();
    bool ok = pool_new(&pool, in->arena, s, &options, err) && run_pool(&pool, &report, in, err);
    sweep_show_clear(&show);
    if (ok)
        ok = finish(&pool, in, err);
    else if (err->kind == FAIL_STOPPED)
        error_note(err, "'seqlab sweep %s' goes on", in->words[0]);
    pool_free(&pool);
    return ok;
}

/* The data are opened before workers are forked, by one thread: OpenMP's own would not live on in
 * them. */
static bool sweep(const Invocation *in, Error *err)
{
    Sweep s;
    const SweepOptions options = {.results = in->flags.results};
    TRY(check_words(in, err));
    TRY(sweep_open(&s, in->arena, in->words[0], in->words + 1, in->n_words - 1, &options, err));
    bool ok = true;
    if (in->flags.dry_run)
        print_runs(&s, in);
    else if (in->flags.status)
        ok = sweep_status(&s, in, err);
    else if (in->flags.launcher == LAUNCH_SLURM)
        ok = sweep_slurm(&s, in, err);
    else
        ok = run_local(&s, in, err);
    sweep_close(&s);
    return ok;
}

const Command command_sweep = {
    .name = "sweep",
    .summary = "Make all runs that an experiment file asks for, each once",
    .usage = "FILE.yaml [key=value ...]",
    .flags =
        "dry-run jobs asha launcher submit-only wait status retry force events log-every results "
        "threads json",
    .help = "The file's sweep: block gives the settings; runs that others start from (base:) are\n"
            "made first. A run that is done is not made again; one that was interrupted goes on,\n"
            "so the same command continues a sweep that was stopped or killed. Workers are\n"
            "processes that share the cores; INT and TERM stop them with their checkpoints.\n"
            "Several sweeps may work on one results folder. Exit code 5: some runs failed.\n"
            "\n"
            "With --asha the settings that the file's search: block compares run in rounds: the\n"
            "best of each round go on, the others stay paused.\n"
            "\n"
            "--launcher=slurm submits job arrays, with the resources of the file's slurm: block,\n"
            "prints their ids and returns. Called again, it submits what is neither done nor in\n"
            "the queue.\n",
    .computes = true,
    .run = sweep,
};
