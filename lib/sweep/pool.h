/* pool -- the local launcher: worker processes that share this machine's cores.
 *
 * Each run is a process of its own, forked from this one, so that the data are read once and shared
 * and a run that crashes takes nothing with it. A run that was killed goes on from its checkpoint;
 * one that is killed CRASHES_MAX times without getting further has failed. Several pools may work
 * on one results folder: a run belongs to who holds its lock (run_lock.h), the others wait for it.
 * INT, TERM and USR1 (stop.h) are handed to the workers, which write their checkpoints. Should the
 * pool itself be killed, the system tells its workers to stop (TERM). */
#ifndef SEQLAB_SWEEP_POOL_H
#define SEQLAB_SWEEP_POOL_H

#include "sweep/sweep.h"

#include <stdatomic.h>
#include <sys/types.h>

enum { POOL_CRASHES_MAX = 3, POOL_JOBS_MAX = 1024 };

typedef enum PoolState {
    POOL_WAITING,   /* for a worker, or for the runs it needs */
    POOL_ACTIVE,    /* a worker of ours runs it */
    POOL_ELSEWHERE, /* another process does */
    POOL_PAUSED,    /* it reached the step at which it was to stop */
    POOL_DONE,
    POOL_FAILED,
    POOL_BLOCKED, /* a run that it needs has failed */
    N_POOL_STATES
} PoolState;

typedef struct PoolRun {
    PoolState state;
    bool before;     /* it was done, or had failed, when the pool began */
    bool tried;      /* this pool has started it */
    bool left;       /* not to be run (search: it was not chosen) */
    int64_t until;   /* step at which it pauses; 0: none */
    int crashes;     /* since it last got further */
    int64_t step;    /* the furthest known */
    double look_s;   /* when to look again at a run of another process */
    char error[320]; /* of a failed run */
} PoolRun;

/* Shared with the worker process. */
typedef struct PoolProgress {
    atomic_llong first, step, total;
    _Atomic double loss;
    int kind; /* FailKind; -1 until the worker knows */
    char error[ERROR_TEXT];
} PoolProgress;

typedef struct PoolWorker {
    pid_t pid; /* 0: free */
    int run;
    double start_s;
    PoolProgress *progress;
} PoolWorker;

typedef struct PoolOptions {
    const char *results;      /* folder */
    const char *command_line; /* for config.yaml's first line */
    int jobs;                 /* workers; 0: as many as there are threads and runs */
    bool retry;               /* run again what has failed before */
    bool force;               /* run again what is done */
    bool rich_events;         /* as TrainFlags */
} PoolOptions;

typedef struct Pool {
    const Sweep *sweep;
    PoolOptions options;
    PoolRun *runs;          /* one a run of the sweep */
    PoolWorker *workers;    /* n_workers */
    int n_workers, threads; /* of each worker */
    int n_ended;            /* by this pool: done or failed */
    double start_s;         /* clock_s() when the pool began */
    bool stopping;
    void *memory; /* of the progresses */
    size_t memory_bytes;
} Pool;

/* What a pool tells; all optional. Called between events, from its own process. */
typedef struct PoolReport {
    void *owner;
    void (*ended)(void *owner, const Pool *p, int run); /* a run is done, failed or was put back */
    void (*tick)(void *owner, const Pool *p);           /* at least ten times a second */
} PoolReport;

/* Looks at every run's folder. Memory is the arena's and the system's: pool_free. The calling
 * process must have no other thread, and not have used OpenMP's. */
bool pool_new(Pool *p, Arena *a, const Sweep *s, const PoolOptions *options, Error *err) MUST_CHECK;
/* Until every run that is not `left` is done, failed, blocked or paused. FAIL_STOPPED after a
 * signal. That runs failed is no failure of the pool: pool_count. */
bool pool_run(Pool *p, const PoolReport *report, Error *err) MUST_CHECK;
void pool_free(Pool *p);

/* Runs in a state; twins and what is left out are not counted. */
int pool_count(const Pool *p, PoolState state);
/* Seconds until the end, at the rate at which runs, and parts of runs, were made so far; NaN: not
 * known yet. */
double pool_eta(const Pool *p);

#endif
