/* pool -- see pool.h. The worker's side is pool_worker.c. */
#include "sweep/pool.h"

#include "base/clock.h"
#include "base/threads.h"
#include "run/run_lock.h"
#include "run/stop.h"
#include "sweep/pool_worker.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TICK_MS = 50 };
static const double LOOK_AGAIN_S = 0.5;

/* -- The state of runs */

static bool settled(PoolState s)
{
    return s == POOL_DONE || s == POOL_FAILED || s == POOL_BLOCKED || s == POOL_PAUSED;
}

static bool counts(const Pool *p, int i)
{
    return p->sweep->runs[i].twin < 0 && !p->runs[i].left;
}

int pool_count(const Pool *p, PoolState state)
{
    int n = 0;
    for (int i = 0; i < p->sweep->n_runs; i++) n += counts(p, i) && p->runs[i].state == state;
    return n;
}

double pool_eta(const Pool *p)
{
    double left = pool_count(p, POOL_WAITING), made = p->n_ended;
    for (int k = 0; k < p->n_workers; k++) {
        const PoolProgress *g = p->workers[k].progress;
        const double total = p->workers[k].pid ? (double)atomic_load(&g->total) : 0;
        if (total <= 0) continue;
        left += 1 - (double)atomic_load(&g->step) / total;
        made += (double)(atomic_load(&g->step) - atomic_load(&g->first)) / total;
    }
    return made > 1e-4 ? left * (clock_s() - p->start_s) / made : (double)NAN;
}

/* What the folder says of a run that is not ours. */
static void look(Pool *p, int i, bool first)
{
    char folder[4096];
    RunRecord record;
    PoolRun *run = &p->runs[i];
    Arena *a = arena_new();
    sweep_folder(p->sweep, i, folder);
    const RunStatus status = rundir_status(folder, &record, a);
    run->state = POOL_WAITING;
    if (record.step > run->step) run->step = record.step;
    if (status == RUN_RUNNING) {
        run->state = POOL_ELSEWHERE;
        run->look_s = clock_s() + LOOK_AGAIN_S;
    } else if (status == RUN_DONE && (run->tried || !p->options.force)) {
        run->state = POOL_DONE;
        run->before = first;
    } else if (status == RUN_FAILED && (run->tried || !(p->options.retry || p->options.force))) {
        run->state = POOL_FAILED;
        run->before = first;
        (void)snprintf(run->error, sizeof run->error, "%s", record.error ? record.error : "");
    }
    arena_free(a);
}

/* The state of what a run needs: waiting until all are done. */
static PoolState needs(const Pool *p, int i)
{
    const SweepRun *run = &p->sweep->runs[i];
    PoolState worst = POOL_DONE;
    for (int k = 0; k < run->n_needs; k++) {
        const PoolState s = p->runs[run->needs[k]].state;
        if (s == POOL_FAILED || s == POOL_BLOCKED) return POOL_BLOCKED;
        if (s != POOL_DONE) worst = POOL_WAITING;
    }
    return worst;
}

static void block(Pool *p, int i, const PoolReport *report)
{
    const SweepRun *run = &p->sweep->runs[i];
    PoolRun *r = &p->runs[i];
    r->state = POOL_BLOCKED;
    for (int k = 0; k < run->n_needs; k++)
        if (p->runs[run->needs[k]].state != POOL_DONE)
            (void)snprintf(r->error, sizeof r->error, "not started: it needs %s, which failed",
                           p->sweep->runs[run->needs[k]].id);
    if (report->ended) report->ended(report->owner, p, i);
}

/* -- Workers */

static bool start_worker(Pool *p, PoolWorker *w, int i, Error *err)
{
    memset(w->progress, 0, sizeof *w->progress);
    w->progress->kind = -1;
    atomic_store(&w->progress->step, p->runs[i].step);
    const pid_t parent = getpid(), pid = fork();
    if (pid < 0) return fail_errno(err, FAIL_RUN, NULL, "a worker cannot be started");
    if (pid == 0) pool_worker(p, w, i, parent);
    w->pid = pid;
    w->run = i;
    w->start_s = clock_s();
    p->runs[i].state = POOL_ACTIVE;
    p->runs[i].tried = true;
    return true;
}

/* A worker that died of a signal may have been killed by anyone (the system, out of memory; a
 * user): its run goes on from the checkpoint, unless that has led nowhere for some times. */
static void note_crash(Pool *p, int i, int signal_number, int64_t step)
{
    PoolRun *r = &p->runs[i];
    r->crashes = step > r->step ? 1 : r->crashes + 1;
    if (step > r->step) r->step = step;
    r->state = POOL_WAITING;
    if (r->crashes < POOL_CRASHES_MAX) return;
    r->state = POOL_FAILED;
    (void)snprintf(r->error, sizeof r->error,
                   "killed by signal %d (%s) %d times without getting further", signal_number,
                   strsignal(signal_number), r->crashes);
}

static void note_exit(Pool *p, const PoolWorker *w)
{
    PoolRun *r = &p->runs[w->run];
    const PoolProgress *g = w->progress;
    const int64_t step = atomic_load(&g->step);
    char folder[4096];
    sweep_folder(p->sweep, w->run, folder);
    if (g->kind == FAIL_NONE) {
        r->state = r->until > 0 && step < atomic_load(&g->total) ? POOL_PAUSED : POOL_DONE;
    } else if (g->kind == FAIL_STOPPED) {
        r->state = POOL_WAITING; /* by a signal to the worker alone, or to all of us */
    } else if (run_lock_held(folder)) {
        r->state = POOL_ELSEWHERE; /* another process was quicker */
        r->look_s = clock_s() + LOOK_AGAIN_S;
    } else {
        r->state = POOL_FAILED;
        (void)snprintf(r->error, sizeof r->error, "%.319s", g->error);
    }
    if (step > r->step) r->step = step;
    p->n_ended += r->state == POOL_DONE || r->state == POOL_FAILED;
}

static void reap(Pool *p, const PoolReport *report)
{
    for (int k = 0; k < p->n_workers; k++) {
        PoolWorker *w = &p->workers[k];
        int status;
        if (!w->pid || waitpid(w->pid, &status, WNOHANG) != w->pid) continue;
        w->pid = 0;
        if (WIFSIGNALED(status) || w->progress->kind < 0)
            note_crash(p, w->run, WIFSIGNALED(status) ? WTERMSIG(status) : SIGABRT,
                       atomic_load(&w->progress->step));
        else
            note_exit(p, w);
        if (report->ended) report->ended(report->owner, p, w->run);
    }
}

static void stop_workers(Pool *p)
{
    if (p->stopping || !stop_signal()) return;
    p->stopping = true;
    for (int k = 0; k < p->n_workers; k++)
        if (p->workers[k].pid) (void)kill(p->workers[k].pid, SIGTERM);
}

/* -- The loop */

static PoolWorker *free_worker(Pool *p)
{
    for (int k = 0; k < p->n_workers; k++)
        if (!p->workers[k].pid) return &p->workers[k];
    return NULL;
}

/* A run is looked at once more before it is started: another pool may have done it meanwhile. */
static bool start_some(Pool *p, const PoolReport *report, bool *open, Error *err)
{
    const double now = clock_s();
    *open = false;
    for (int i = 0; i < p->sweep->n_runs; i++) {
        PoolRun *r = &p->runs[i];
        if (!counts(p, i) || settled(r->state)) continue;
        *open = true;
        if (r->state == POOL_ELSEWHERE && now >= r->look_s) look(p, i, false);
        if (r->state != POOL_WAITING || p->stopping) continue;
        const PoolState before = needs(p, i);
        PoolWorker *w = free_worker(p);
        if (before == POOL_BLOCKED) block(p, i, report);
        if (before != POOL_DONE || !w) continue;
        look(p, i, false);
        if (r->state == POOL_WAITING) TRY(start_worker(p, w, i, err));
    }
    return true;
}

static bool any_active(const Pool *p)
{
    for (int k = 0; k < p->n_workers; k++)
        if (p->workers[k].pid) return true;
    return false;
}

/* Until a worker ends, a signal comes or a tick is over. */
static void wait_for_event(const sigset_t *child)
{
    const struct timespec tick = {.tv_nsec = TICK_MS * 1000000L};
    (void)sigtimedwait(child, NULL, &tick);
}

static bool work(Pool *p, const PoolReport *report, const sigset_t *child, Error *err)
{
    for (;;) {
        bool open, ok = start_some(p, report, &open, err);
        if (!ok) p->stopping = true;
        if (!any_active(p) && (!open || p->stopping)) return ok;
        if (report->tick) report->tick(report->owner, p);
        wait_for_event(child);
        reap(p, report);
        stop_workers(p);
    }
}

bool pool_run(Pool *p, const PoolReport *report, Error *err)
{
    sigset_t child, before;
    (void)sigemptyset(&child);
    (void)sigaddset(&child, SIGCHLD);
    (void)sigprocmask(SIG_BLOCK, &child, &before);
    bool ok = work(p, report, &child, err);
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    if (ok && p->stopping)
        ok = fail(err, FAIL_STOPPED, NULL, "stopped by signal %d", stop_signal());
    return ok;
}

/* -- Beginning and end */

static int n_to_do(const Pool *p)
{
    int n = 0;
    for (int i = 0; i < p->sweep->n_runs; i++) n += counts(p, i) && !settled(p->runs[i].state);
    return n;
}

bool pool_new(Pool *p, Arena *a, const Sweep *s, const PoolOptions *options, Error *err)
{
    const int cores = threads_count();
    *p = (Pool){.sweep = s, .options = *options, .start_s = clock_s()};
    p->runs = arena_new_array(a, PoolRun, s->n_runs);
    for (int i = 0; i < s->n_runs; i++)
        if (counts(p, i)) look(p, i, true);
    const int wanted = n_to_do(p);
    p->n_workers = options->jobs > 0 ? options->jobs : cores;
    if (p->n_workers > wanted) p->n_workers = wanted;
    if (p->n_workers > POOL_JOBS_MAX) p->n_workers = POOL_JOBS_MAX;
    if (p->n_workers < 1) p->n_workers = 1;
    p->threads = cores > p->n_workers ? cores / p->n_workers : 1;
    p->workers = arena_new_array(a, PoolWorker, p->n_workers);
    p->memory_bytes = sizeof(PoolProgress) * (size_t)p->n_workers;
    p->memory =
        mmap(NULL, p->memory_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (p->memory == MAP_FAILED) return fail_errno(err, FAIL_RUN, NULL, "no shared memory");
    for (int k = 0; k < p->n_workers; k++) p->workers[k].progress = (PoolProgress *)p->memory + k;
    return true;
}

void pool_free(Pool *p)
{
    if (p->memory && p->memory != MAP_FAILED) (void)munmap(p->memory, p->memory_bytes);
    p->memory = NULL;
}
