/* sweep_slurm -- `seqlab sweep --launcher=slurm` and `--status`. */
#include "cmd/sweep.h"

#include "base/clock.h"
#include "base/text.h"
#include "run/stop.h"
#include "sweep/slurm.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

enum { POLL_S = 5 };

typedef struct Counts {
    int total, done, failed, queued, active, rest; /* rest: to be made, and in no queue */
} Counts;

static Counts count(const Slurm *s)
{
    Counts c = {0};
    for (int i = 0; i < s->sweep->n_runs; i++) {
        const SlurmRun *r = &s->runs[i];
        if (s->sweep->runs[i].twin >= 0) continue;
        c.total++;
        if (r->status == RUN_DONE)
            c.done++;
        else if (r->task && strcmp(r->task->state, "PENDING") == 0)
            c.queued++;
        else if (r->task || r->status == RUN_RUNNING)
            c.active++;
        else if (r->status == RUN_FAILED)
            c.failed++;
        else
            c.rest++;
    }
    return c;
}

static void summary(const Counts *c, char out[160])
{
    (void)snprintf(out, 160, "%d runs: %d done, %d running, %d queued, %d failed, %d to do",
                   c->total, c->done, c->active, c->queued, c->failed, c->rest);
}

/* -- Status */

static void json_status(const Slurm *s)
{
    Json j = {0};
    json_begin(&j, NULL, '[');
    for (int i = 0; i < s->sweep->n_runs; i++) {
        const SlurmRun *r = &s->runs[i];
        json_begin(&j, NULL, '{');
        json_add_text(&j, "id", s->sweep->runs[i].id);
        json_add_text(&j, "status", run_status_name[r->status]);
        json_add_int(&j, "step", r->step);
        json_add_int(&j, "total_steps", r->total);
        json_add_text(&j, "job", r->task ? r->task->job : NULL);
        if (r->task) json_add_int(&j, "task", r->task->task);
        json_add_text(&j, "job_state", r->task ? r->task->state : NULL);
        json_add_text(&j, "reason", r->task ? r->task->reason : NULL);
        json_end(&j, '}');
    }
    json_end(&j, ']');
    json_print(&j);
}

static void print_status(const Slurm *s)
{
    char text[160];
    const Counts c = count(s);
    for (int i = 0; i < s->sweep->n_runs; i++) {
        const SlurmRun *r = &s->runs[i];
        const SweepRun *run = &s->sweep->runs[i];
        char steps[48] = "";
        if (r->step >= 0 && r->total > 0)
            (void)snprintf(steps, sizeof steps, "  step %" PRId64 "/%" PRId64, r->step, r->total);
        (void)printf("%s  %-8s %s%s", run->id,
                     r->status == RUN_ABSENT ? "-" : run_status_name[r->status], run->label, steps);
        if (r->task)
            (void)printf("  job %s_%d %s%s%s%s", r->task->job, r->task->task, r->task->state,
                         strcmp(r->task->reason, "None") != 0 ? " (" : "",
                         strcmp(r->task->reason, "None") != 0 ? r->task->reason : "",
                         strcmp(r->task->reason, "None") != 0 ? ")" : "");
        (void)putchar('\n');
    }
    summary(&c, text);
    (void)puts(text);
}

/* Without a Slurm the folders alone are shown. */
bool sweep_status(const Sweep *s, const Invocation *in, Error *err)
{
    Slurm slurm;
    Error no_slurm = {0};
    if (!slurm_open(&slurm, in->arena, s, in->flags.results, &no_slurm)) {
        if (no_slurm.kind == FAIL_CONFIG) {
            *err = no_slurm;
            return false;
        }
        if (in->flags.verbose) (void)fprintf(stderr, "%s\n", no_slurm.items[0].text);
    }
    if (in->flags.json)
        json_status(&slurm);
    else
        print_status(&slurm);
    return true;
}

/* -- Submitting and waiting */

static bool wait_for_jobs(Slurm *slurm, const Invocation *in, Error *err)
{
    char text[160], before[160] = "";
    double last_s = -1;
    for (;;) {
        TRY(slurm_refresh(slurm, err));
        const Counts c = count(slurm);
        summary(&c, text);
        const bool late = last_s < 0 || clock_s() - last_s >= in->flags.log_every;
        if (!in->flags.quiet && strcmp(text, before) != 0 && late) {
            (void)fprintf(stderr, "%s\n", text);
            (void)snprintf(before, sizeof before, "%s", text);
            last_s = clock_s();
        }
        if (c.queued + c.active == 0) return true;
        for (int i = 0; i < 10 * POLL_S; i++) {
            if (stop_signal())
                return fail(err, FAIL_STOPPED, NULL,
                            "the jobs go on; 'seqlab sweep %s --status' shows them", in->words[0]);
            (void)usleep(100000);
        }
    }
}

bool sweep_slurm(const Sweep *s, const Invocation *in, Error *err)
{
    Slurm slurm;
    int n;
    const char *jobs;
    char text[160];
    stop_install();
    TRY(slurm_open(&slurm, in->arena, s, in->flags.results, err));
    TRY(slurm_submit(&slurm, in->flags.retry, &n, &jobs, err));
    if (n > 0 && !in->flags.json) (void)printf("submitted %d runs: %s\n", n, jobs);
    (void)fflush(stdout);
    if (in->flags.wait)
        TRY(wait_for_jobs(&slurm, in, err));
    else
        TRY(slurm_refresh(&slurm, err));
    const Counts c = count(&slurm);
    summary(&c, text);
    if (in->flags.json)
        json_status(&slurm);
    else
        (void)puts(text);
    if (c.failed == 0 && (!in->flags.wait || c.rest == 0)) return true;
    return fail(err, FAIL_SWEEP, NULL,
                "%d runs failed, %d were not made; the same command submits what was not made, "
                "with --retry also what failed",
                c.failed, c.rest);
}
