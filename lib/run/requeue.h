/* requeue -- a Slurm job that puts itself back into the queue. */
#ifndef SEQLAB_RUN_REQUEUE_H
#define SEQLAB_RUN_REQUEUE_H

#include "base/error.h"

/* After USR1, with which Slurm warns of the time limit (#SBATCH --signal): asks Slurm to start this
 * job again. Does nothing outside a job, or after another signal. Slurm ends the job a moment after
 * it has agreed; where it does not (no --requeue), what it says is added to err's last message. */
void requeue_after_warning(Error *err);

#endif
