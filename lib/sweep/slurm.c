/* slurm -- see slurm.h. */
#include "sweep/slurm.h"

#include "base/text.h"
#include "io/process.h"
#include "sweep/slurm_script.h"

#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PER_TASK_MAX = 1000 };

// clang-format off
static const Option rows[] = {
    OPT_STRING(SlurmOptions, time, "", "time limit of a task, as sbatch takes it: 90 (minutes), 4:00:00, 1-12; default: the partition's"),
    OPT_STRING(SlurmOptions, mem, "", "memory of a task, as sbatch takes it: 4G; default: the cluster's, often all of a node"),
    OPT_INT(SlurmOptions, cpus, 1, 1, 1024, "cores of a task"),
    OPT_STRING(SlurmOptions, partition, "", "partition, or several with commas"),
    OPT_STRING(SlurmOptions, account, "", "account to charge"),
    OPT_STRING(SlurmOptions, qos, "", "quality of service"),
    OPT_STRING(SlurmOptions, extra, "", "more words for sbatch, such as --constraint=zen4"),
    OPT_STRING(SlurmOptions, setup, "", "shell lines before the first run, such as: module load x"),
    OPT_INT(SlurmOptions, at_once, 0, 0, 100000, "tasks of one array that run at the same time; 0: any number"),
    OPT_INT(SlurmOptions, runs_per_task, 1, 1, PER_TASK_MAX, "runs that a task makes, one after the other"),
    OPT_INT(SlurmOptions, warn_s, 120, 1, 36000, "seconds before the time limit at which a run writes its checkpoint and its task is put back into the queue"),
};
// clang-format on
const OptionTable slurm_option_table = OPTION_TABLE(SlurmOptions, rows);

/* -- What is where */

typedef struct IdIndex {
    const char *id;
    int run;
} IdIndex;

static int by_id(const void *a, const void *b)
{
    return strcmp(((const IdIndex *)a)->id, ((const IdIndex *)b)->id);
}

static void note_tasks(Slurm *s)
{
    const Sweep *w = s->sweep;
    IdIndex *index = arena_new_array(s->arena, IdIndex, w->n_runs);
    char(*ids)[EXPERIMENT_ID] = arena_alloc(s->arena, (size_t)PER_TASK_MAX * EXPERIMENT_ID);
    int n = 0;
    for (int i = 0; i < w->n_runs; i++)
        if (w->runs[i].twin < 0) index[n++] = (IdIndex){w->runs[i].id, i};
    qsort(index, (size_t)n, sizeof *index, by_id);
    for (int k = 0; k < s->queue.n; k++) {
        const SlurmTask *t = &s->queue.tasks[k];
        const int n_ids = slurm_script_runs(t->script, t->task, ids, PER_TASK_MAX);
        for (int j = 0; j < n_ids; j++) {
            const IdIndex key = {ids[j], 0};
            const IdIndex *found = bsearch(&key, index, (size_t)n, sizeof *index, by_id);
            if (found) s->runs[found->run].task = t;
        }
    }
}

bool slurm_refresh(Slurm *s, Error *err)
{
    for (int i = 0; i < s->sweep->n_runs; i++) {
        char folder[4096];
        RunRecord record;
        sweep_folder(s->sweep, i, folder);
        const RunStatus status = rundir_status(folder, &record, s->arena);
        s->runs[i] = (SlurmRun){status, record.step, record.total_steps, NULL};
    }
    TRY(slurm_queue_read(&s->queue, s->arena, err));
    note_tasks(s);
    return true;
}

bool slurm_open(Slurm *s, Arena *a, const Sweep *sweep, const char *results, Error *err)
{
    char program[PATH_MAX];
    const ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
    *s = (Slurm){.sweep = sweep, .results = results, .arena = a};
    if (n <= 0) return fail_errno(err, FAIL_RUN, NULL, "/proc/self/exe");
    s->program = arena_string_n(a, program, (size_t)n);
    s->runs = arena_new_array(a, SlurmRun, sweep->n_runs);
    TRY(option_read(&slurm_option_table, yaml_get(sweep->file, "slurm"), NULL, "in slurm",
                    &s->options, err));
    return slurm_refresh(s, err);
}

/* -- Submitting */

/* The run's task, "36_4", in the queue or submitted a moment ago; NULL: it has none. */
typedef struct Submission {
    Slurm *slurm;
    const char **task; /* one a run */
    bool *wanted;      /* to be submitted */
    int array_max;
    Text jobs;
} Submission;

/* What a run waits for, "afterok:36_4:36_5", or "". False where it can never start. */
static bool dependency(const Submission *u, int i, const char **out)
{
    Slurm *s = u->slurm;
    const SweepRun *run = &s->sweep->runs[i];
    *out = "";
    for (int k = 0; k < run->n_needs; k++) {
        const int need = run->needs[k];
        if (s->runs[need].status == RUN_DONE) continue;
        if (!u->task[need]) return false;
        const char *end = arena_printf(s->arena, "%s:", *out); /* two needs may be one task */
        if (strstr(end, arena_printf(s->arena, ":%s:", u->task[need]))) continue;
        *out = arena_printf(s->arena, "%s:%s", **out ? *out : "afterok", u->task[need]);
    }
    return true;
}

/* sbatch prints "36" or "36;cluster". */
static bool submit(const Submission *u, const char *script, int n_tasks, const char *depends,
                   const char **job, Error *err)
{
    Slurm *s = u->slurm;
    const char *argv[8] = {"sbatch", "--parsable"};
    int n = 2, code;
    char *out, *complaint;
    const char *limit = s->options.at_once > 0
                            ? arena_printf(s->arena, "%%%lld", (long long)s->options.at_once)
                            : "";
    argv[n++] = arena_printf(s->arena, "--array=0-%d%s", n_tasks - 1, limit);
    if (*depends) argv[n++] = arena_printf(s->arena, "--dependency=%s", depends);
    if (*depends) argv[n++] = "--kill-on-invalid-dep=yes";
    argv[n++] = script;
    TRY(process_run(argv, s->arena, &out, &complaint, &code, err));
    complaint[strcspn(complaint, "\n")] = '\0';
    if (code != 0 || !isdigit((unsigned char)*out))
        return fail(err, FAIL_RUN, NULL, "sbatch %s failed: %.200s", script, complaint);
    *job = arena_string_n(s->arena, out, strspn(out, "0123456789"));
    return true;
}

/* One array of the runs in `runs`. */
static bool submit_array(Submission *u, const int *runs, int n, const char *depends, Error *err)
{
    Slurm *s = u->slurm;
    const char *script, *job = NULL;
    const int per_task = (int)s->options.runs_per_task;
    TRY(slurm_script_write(s, runs, n, &script, err));
    TRY(submit(u, script, (n + per_task - 1) / per_task, depends, &job, err));
    for (int i = 0; i < n; i++)
        u->task[runs[i]] = arena_printf(s->arena, "%s_%d", job, i / per_task);
    text_addf(&u->jobs, "%s%s", u->jobs.n ? " " : "", job);
    return true;
}

/* The runs, from `first` on, whose needs are those of `first`. A run stands after what it needs, so
 * those have their tasks. */
static bool submit_like(Submission *u, int first, const char *depends, int *n_runs, Error *err)
{
    Slurm *s = u->slurm;
    const int most = (u->array_max - 1) * (int)s->options.runs_per_task;
    int *runs = arena_new_array(s->arena, int, s->sweep->n_runs), n = 0;
    for (int i = first; i < s->sweep->n_runs && n < most; i++) {
        const char *own;
        if (!u->wanted[i] || !dependency(u, i, &own) || strcmp(own, depends) != 0) continue;
        u->wanted[i] = false;
        runs[n++] = i;
    }
    *n_runs += n;
    return submit_array(u, runs, n, depends, err);
}

static bool is_wanted(const Slurm *s, int i, bool retry)
{
    const SlurmRun *r = &s->runs[i];
    if (s->sweep->runs[i].twin >= 0 || r->task) return false;
    return r->status == RUN_ABSENT || r->status == RUN_STOPPED || r->status == RUN_QUEUED ||
           (r->status == RUN_FAILED && retry);
}

bool slurm_submit(Slurm *s, bool retry, int *n_runs, const char **jobs, Error *err)
{
    const int n = s->sweep->n_runs;
    Submission u = {.slurm = s, .array_max = slurm_array_max(s->arena)};
    u.task = arena_new_array(s->arena, const char *, n);
    u.wanted = arena_new_array(s->arena, bool, n);
    *n_runs = 0;
    for (int i = 0; i < n; i++) {
        const SlurmTask *t = s->runs[i].task;
        u.wanted[i] = is_wanted(s, i, retry);
        if (t) u.task[i] = arena_printf(s->arena, "%s_%d", t->job, t->task);
    }
    bool ok = true;
    for (int i = 0; ok && i < n; i++) {
        const char *depends;
        if (u.wanted[i] && dependency(&u, i, &depends))
            ok = submit_like(&u, i, depends, n_runs, err);
    }
    *jobs = arena_string(s->arena, u.jobs.data ? u.jobs.data : "");
    text_free(&u.jobs);
    return ok;
}
