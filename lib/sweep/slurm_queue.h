/* slurm_queue -- what Slurm knows of this user's jobs.
 *
 * From squeue alone, which needs no accounting; it forgets a job some minutes after its end, and
 * what became of a run is in its folder anyway. */
#ifndef SEQLAB_SWEEP_SLURM_QUEUE_H
#define SEQLAB_SWEEP_SLURM_QUEUE_H

#include "base/arena.h"

typedef struct SlurmTask {
    const char *job;    /* of the array: "36" */
    int task;           /* -1: no array */
    const char *state;  /* "PENDING", "RUNNING", ... */
    const char *reason; /* "Dependency", "Resources", "None" */
    const char *script; /* path of the batch script */
} SlurmTask;

typedef struct SlurmQueue {
    SlurmTask *tasks;
    int n;
} SlurmQueue;

/* Tasks that have not ended. FAIL_RUN, with what squeue said, where there is no Slurm. */
bool slurm_queue_read(SlurmQueue *q, Arena *a, Error *err) MUST_CHECK;

/* The largest task number plus one (MaxArraySize). */
int slurm_array_max(Arena *a);

#endif
