/* slurm -- the cluster's launcher: the runs of a sweep as job arrays of a Slurm.
 *
 *   slurm: {time: "4:00:00", mem: 4G, cpus: 8, partition: long, at_once: 20, runs_per_task: 5}
 *
 * Runs whose needs are the same make one array, which depends (afterok) on the tasks that make
 * those; runs without needs are the first wave. Each submission has a folder
 * <results>/<name>/slurm/<n>/ with job.sh, tasks (a line of shell words a run), and the tasks'
 * logs. A task is told to write its checkpoint two minutes before its time is over (USR1) and puts
 * itself back into the queue; one that is preempted is put back by Slurm.
 *
 * Nothing is remembered but these folders: which runs are in the queue is what squeue says of their
 * scripts. So a submission that was interrupted, or a crash of anything, is repaired by calling it
 * again: what is done or queued is left alone, the rest is submitted. */
#ifndef SEQLAB_SWEEP_SLURM_H
#define SEQLAB_SWEEP_SLURM_H

#include "sweep/slurm_queue.h"
#include "sweep/sweep.h"

typedef struct SlurmOptions {
    const char *time, *mem; /* as sbatch takes them; NULL: the cluster's default */
    int64_t cpus;           /* of a task */
    const char *partition, *account, *qos;
    const char *extra;     /* more words for sbatch */
    const char *setup;     /* shell lines before the first run, such as "module load x" */
    int64_t at_once;       /* tasks of one array that run at the same time; 0: any number */
    int64_t runs_per_task; /* one after the other */
    int64_t warn_s;        /* seconds before the time limit at which USR1 comes */
} SlurmOptions;
extern const OptionTable slurm_option_table;

/* Where a run stands. */
typedef struct SlurmRun {
    RunStatus status;      /* by its folder */
    int64_t step, total;   /* -1: not known */
    const SlurmTask *task; /* in the queue, or NULL */
} SlurmRun;

typedef struct Slurm {
    const Sweep *sweep;
    SlurmOptions options;
    const char *results, *program; /* this program's path */
    SlurmQueue queue;
    SlurmRun *runs; /* one a run of the sweep */
    Arena *arena;
} Slurm;

/* Reads the `slurm:` block, the queue and the runs' folders. Memory is the arena's. */
bool slurm_open(Slurm *s, Arena *a, const Sweep *sweep, const char *results, Error *err) MUST_CHECK;
/* Asks again. Where there is no Slurm the runs' folders have been read all the same. */
bool slurm_refresh(Slurm *s, Error *err) MUST_CHECK;

/* Submits what is neither done nor in the queue; failed runs only with `retry`. *n_runs gets how
 * many runs that were, *jobs the ids, separated by blanks. */
bool slurm_submit(Slurm *s, bool retry, int *n_runs, const char **jobs, Error *err) MUST_CHECK;

#endif
