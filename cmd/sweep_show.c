/* sweep_show -- what a sweep shows while its workers run: on a terminal a line a worker and one for
 * the whole, redrawn; elsewhere a line about the whole now and then. */
#include "cmd/sweep.h"

#include "base/clock.h"
#include "base/text.h"

#include <math.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { LINE = 512, EVERY_MS = 100 };

static void terminal_size(int *rows, int *columns)
{
    struct winsize size;
    *rows = 24;
    *columns = 80;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return;
    *rows = size.ws_row;
    *columns = size.ws_col;
}

static int n_left(const Pool *p)
{
    int n = 0;
    for (int i = 0; i < p->sweep->n_runs; i++) n += p->runs[i].left;
    return n;
}

void sweep_summary(const Pool *p, char out[256])
{
    static const struct {
        PoolState state;
        const char *word;
    } others[] = {
        {POOL_ACTIVE,    "running"               },
        {POOL_WAITING,   "queued"                },
        {POOL_ELSEWHERE, "run by another process"},
        {POOL_PAUSED,    "paused"                },
        {POOL_FAILED,    "failed"                },
        {POOL_BLOCKED,   "without what they need"},
    };
    const int left = n_left(p);
    int total = left, before = 0, at;
    for (int k = 0; k < N_POOL_STATES; k++) total += pool_count(p, (PoolState)k);
    for (int i = 0; i < p->sweep->n_runs; i++)
        before += p->runs[i].before && p->runs[i].state == POOL_DONE && p->sweep->runs[i].twin < 0;
    at = snprintf(out, 256, "%d runs: %d done", total, pool_count(p, POOL_DONE));
    if (before > 0) at += snprintf(out + at, (size_t)(256 - at), " (%d from before)", before);
    for (size_t k = 0; k < sizeof others / sizeof others[0]; k++) {
        const int n = pool_count(p, others[k].state);
        if (n > 0) at += snprintf(out + at, (size_t)(256 - at), ", %d %s", n, others[k].word);
    }
    if (left > 0) (void)snprintf(out + at, (size_t)(256 - at), ", %d not chosen", left);
}

static void whole_line(const SweepShow *show, const Pool *p, char out[LINE])
{
    char summary[256], eta[24] = "";
    const double seconds = pool_eta(p);
    sweep_summary(p, summary);
    if (isfinite(seconds)) text_duration(eta, seconds);
    (void)snprintf(out, LINE, "sweep %s: %s%s%s", show->name, summary, *eta ? "   ETA " : "", eta);
}

static void worker_line(const Pool *p, const PoolWorker *w, char out[LINE])
{
    const SweepRun *run = &p->sweep->runs[w->run];
    const long long step = atomic_load(&w->progress->step),
                    total = atomic_load(&w->progress->total),
                    first = atomic_load(&w->progress->first);
    char eta[24] = "";
    if (total <= 0) {
        (void)snprintf(out, LINE, "%.8s %s  starting", run->id, run->label);
        return;
    }
    if (step > first)
        text_duration(eta,
                      (clock_s() - w->start_s) * (double)(total - step) / (double)(step - first));
    (void)snprintf(out, LINE, "%.8s %s  step %lld/%lld  %lld%%  loss %.4g%s%s", run->id, run->label,
                   step, total, 100 * step / total, atomic_load(&w->progress->loss),
                   *eta ? "  ETA " : "", eta);
}

/* Characters, not bytes, count; a cut in the middle of one would show as dirt. */
static void put_line(const char *line, int columns)
{
    int n = 0, shown = 0;
    for (; line[n] && shown < columns - 1; n++) shown += (line[n] & 0xc0) != 0x80;
    while ((line[n] & 0xc0) == 0x80) n++;
    (void)fprintf(stderr, "%.*s\033[K\n", n, line);
}

void sweep_show_clear(SweepShow *show)
{
    if (show->n_drawn > 0) (void)fprintf(stderr, "\033[%dA\033[J", show->n_drawn);
    show->n_drawn = 0;
}

static void draw(SweepShow *show, const Pool *p)
{
    char line[LINE];
    int rows, columns, n = 0;
    terminal_size(&rows, &columns);
    if (show->n_drawn > 0) (void)fprintf(stderr, "\033[%dA", show->n_drawn);
    for (int k = 0; k < p->n_workers && n < rows - 2; k++) {
        if (!p->workers[k].pid) continue;
        worker_line(p, &p->workers[k], line);
        put_line(line, columns);
        n++;
    }
    whole_line(show, p, line);
    put_line(line, columns);
    (void)fputs("\033[J", stderr);
    (void)fflush(stderr);
    show->n_drawn = n + 1;
}

void sweep_show_tick(void *owner, const Pool *p)
{
    SweepShow *show = owner;
    char line[LINE];
    const double now = clock_s();
    if (show->flags->quiet) return;
    const double every = show->terminal ? EVERY_MS * 1e-3 : show->flags->log_every;
    if (now - show->last_s < every) return;
    show->last_s = now;
    if (show->terminal) {
        draw(show, p);
        return;
    }
    whole_line(show, p, line);
    (void)fprintf(stderr, "%s\n", line);
}

/* Failures at once; the rest with -v. */
void sweep_show_ended(void *owner, const Pool *p, int i)
{
    SweepShow *show = owner;
    const PoolRun *r = &p->runs[i];
    const SweepRun *run = &p->sweep->runs[i];
    const bool failed = r->state == POOL_FAILED || r->state == POOL_BLOCKED;
    if (show->flags->quiet || !(failed || show->flags->verbose)) return;
    sweep_show_clear(show);
    (void)fprintf(stderr, "%.8s %s  %s%s\n", run->id, run->label,
                  failed                    ? "failed: "
                  : r->state == POOL_DONE   ? "done"
                  : r->state == POOL_PAUSED ? "paused"
                                            : "goes on later",
                  failed ? r->error : "");
}
