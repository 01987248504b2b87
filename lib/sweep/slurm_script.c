/* slurm_script -- see slurm_script.h. */
#include "sweep/slurm_script.h"

#include "base/text.h"
#include "io/file.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { SUBMISSIONS_MAX = 1000000 };

/* A line of a file of lines: nothing in it may end it. */
static bool is_one_line(const SweepRun *run)
{
    for (int i = 0; i < run->n_words; i++)
        if (strpbrk(run->words[i], "\r\n")) return false;
    return !strpbrk(run->file, "\r\n");
}

static bool add_tasks(Text *out, const Sweep *s, const int *runs, int n, Error *err)
{
    for (int i = 0; i < n; i++) {
        const SweepRun *run = &s->runs[runs[i]];
        if (!is_one_line(run))
            return fail(err, FAIL_CONFIG, NULL, "%s: a value of run %s has a line break in it",
                        run->file, run->id);
        text_addf(out, "%s ", run->id);
        text_add_shell(out, run->file);
        for (int k = 0; k < run->n_words; k++) {
            text_add(out, " ");
            text_add_shell(out, run->words[k]);
        }
        text_add(out, "\n");
    }
    return true;
}

static void add_directive(Text *out, const char *name, const char *value)
{
    if (value) text_addf(out, "#SBATCH --%s=%s\n", name, value);
}

/* Only steps get the signal (no B:), and srun makes a step of each run. A requeue truncates the log
 * unless it is opened for appending. */
static void add_head(Text *out, const Slurm *s, const char *folder)
{
    const SlurmOptions *o = &s->options;
    const char *name = s->sweep->runs[s->sweep->n_runs - 1].name;
    text_addf(out,
              "#!/bin/sh\n# Written by 'seqlab sweep --launcher=slurm'; the runs are in tasks.\n"
              "#SBATCH --job-name=%s\n#SBATCH --requeue\n#SBATCH --open-mode=append\n"
              "#SBATCH --signal=USR1@%lld\n#SBATCH --cpus-per-task=%lld\n"
              "#SBATCH --ntasks=1\n#SBATCH --output=%s/%%a.log\n",
              name, (long long)o->warn_s, (long long)o->cpus, folder);
    add_directive(out, "time", o->time);
    add_directive(out, "mem", o->mem);
    add_directive(out, "partition", o->partition);
    add_directive(out, "account", o->account);
    add_directive(out, "qos", o->qos);
    if (o->extra) text_addf(out, "#SBATCH %s\n", o->extra);
    if (o->setup) text_addf(out, "\n%s\n", o->setup);
}

/* srun would read the list of tasks as its input. */
static void add_body(Text *out, const Slurm *s, const char *folder)
{
    text_addf(out, "\nn=%lld line=0 code=0\nfirst=$((SLURM_ARRAY_TASK_ID * n))\n",
              (long long)s->options.runs_per_task);
    text_add(out,
             "while read -r id words; do\n    line=$((line + 1))\n"
             "    [ \"$line\" -gt \"$first\" ] && [ \"$line\" -le $((first + n)) ] || continue\n"
             "    eval \"set -- $words\"\n"
             "    srun --ntasks=1 --cpus-per-task=\"${SLURM_CPUS_PER_TASK:-1}\" ");
    text_add_shell(out, s->program);
    text_add(out, " train --results ");
    text_add_shell(out, s->results);
    text_add(out, " \"$@\" </dev/null || code=$?\ndone <");
    text_add_shell(out, folder);
    text_add(out, "/tasks\nexit $code\n");
}

/* The first free number; another sweep may look for one at the same time. */
static bool make_folder(const Slurm *s, char out[PATH_MAX], Error *err)
{
    char whole[PATH_MAX];
    const char *name = s->sweep->runs[s->sweep->n_runs - 1].name;
    const char *parent = arena_printf(s->arena, "%s/%s/slurm", s->results, name);
    TRY(folder_make(parent, err));
    if (!realpath(parent, whole)) return fail_errno(err, FAIL_RUN, NULL, "%s", parent);
    for (int i = 1; i < SUBMISSIONS_MAX; i++) {
        if (snprintf(out, PATH_MAX, "%s/%d", whole, i) >= PATH_MAX)
            return fail(err, FAIL_RUN, NULL, "%.60s...: path too long", parent);
        if (mkdir(out, 0777) == 0) return true;
        if (errno != EEXIST) return fail_errno(err, FAIL_RUN, NULL, "%s", out);
    }
    return fail(err, FAIL_RUN, NULL, "%s: no number is free", parent);
}

bool slurm_script_write(const Slurm *s, const int *runs, int n, const char **script, Error *err)
{
    char folder[PATH_MAX];
    Text tasks = {0}, job = {0};
    bool ok = add_tasks(&tasks, s->sweep, runs, n, err) && make_folder(s, folder, err);
    if (ok) {
        const char *list = arena_printf(s->arena, "%s/tasks", folder);
        *script = arena_printf(s->arena, "%s/job.sh", folder);
        add_head(&job, s, folder);
        add_body(&job, s, folder);
        ok = file_replace(list, tasks.data, tasks.n, err) &&
             file_replace(*script, job.data, job.n, err);
    }
    text_free(&tasks);
    text_free(&job);
    return ok;
}

/* n=5 in the script says how many lines of tasks belong to a task. */
int slurm_script_runs(const char *script, int task, char ids[][EXPERIMENT_ID], int most)
{
    enum { FILE_MAX = 64 << 20 };
    char path[PATH_MAX], *text;
    size_t bytes;
    const char *slash = strrchr(script, '/');
    int n = 0;
    if (!slash || strcmp(slash, "/job.sh") != 0 || task < 0) return 0;
    if (!file_read(script, FILE_MAX, &text, &bytes, FAIL_RUN, NULL)) return 0;
    const char *at = strstr(text, "\nn=");
    const long per_task = at ? strtol(at + 3, NULL, 10) : 0;
    free(text);
    if (snprintf(path, sizeof path, "%.*s/tasks", (int)(slash - script), script) >= PATH_MAX)
        return 0;
    if (per_task < 1 || !file_read(path, FILE_MAX, &text, &bytes, FAIL_RUN, NULL)) return 0;
    long line = 0;
    for (const char *p = text; *p && n < most; line++) {
        const size_t length = strcspn(p, "\n");
        if (line / per_task == task && length >= EXPERIMENT_ID) {
            memcpy(ids[n], p, EXPERIMENT_ID - 1);
            ids[n++][EXPERIMENT_ID - 1] = '\0';
        }
        p += length + (p[length] == '\n');
    }
    free(text);
    return n;
}
