/* pool_worker -- see pool_worker.h. */
#include "sweep/pool_worker.h"

#include "base/threads.h"
#include "run/stop.h"
#include "run/trainer.h"

#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static void on_progress(void *owner, int64_t first, int64_t step, int64_t total, double loss,
                        double images_per_s)
{
    PoolProgress *g = owner;
    (void)images_per_s;
    atomic_store_explicit(&g->first, first, memory_order_relaxed);
    atomic_store_explicit(&g->step, step, memory_order_relaxed);
    atomic_store_explicit(&g->total, total, memory_order_relaxed);
    atomic_store_explicit(&g->loss, loss, memory_order_relaxed);
}

static bool make_run(const Pool *p, PoolProgress *g, int i, Error *err)
{
    Arena *a = arena_new();
    Experiment *e = arena_new_array(a, Experiment, 1);
    const Dataset *data;
    const TrainFlags flags = {.results = p->options.results,
                              .command_line = p->options.command_line,
                              .force = p->options.force && p->runs[i].crashes == 0,
                              .rich_events = p->options.rich_events,
                              .pause_at = p->runs[i].until};
    const TrainReport report = {.owner = g, .progress = on_progress};
    TrainOutcome outcome;
    RunRecord record = {0};
    if (!sweep_experiment(p->sweep, i, a, e, &data, err)) return false;
    const bool ok = train_run(e, data, &flags, &report, &outcome, &record, err);
    if (ok) atomic_store(&g->step, record.step);
    if (ok) atomic_store(&g->total, record.total_steps);
    return ok;
}

/* A process group of its own: the terminal's Ctrl-C reaches the pool alone, which stops its workers
 * once, not twice. The files and buffers that came with the fork are the pool's: hence _exit. */
_Noreturn void pool_worker(const Pool *p, const PoolWorker *w, int i, pid_t parent)
{
    sigset_t none;
    Error err = {0};
    stop_install();
    (void)setpgid(0, 0);
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent) _exit(FAIL_STOPPED);
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    threads_set(p->threads);
    (void)make_run(p, w->progress, i, &err);
    if (err.n_items > 0)
        (void)snprintf(w->progress->error, sizeof w->progress->error, "%s", err.items[0].text);
    w->progress->kind = (int)err.kind;
    _exit((int)err.kind);
}
