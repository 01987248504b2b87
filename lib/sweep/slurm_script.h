/* slurm_script -- the files of one submission: job.sh and tasks. */
#ifndef SEQLAB_SWEEP_SLURM_SCRIPT_H
#define SEQLAB_SWEEP_SLURM_SCRIPT_H

#include "sweep/slurm.h"

/* Writes the files of an array that makes these runs into a new folder below
 * <results>/<name>/slurm/; *script gets the absolute path of job.sh. */
bool slurm_script_write(const Slurm *s, const int *runs, int n, const char **script,
                        Error *err) MUST_CHECK;
/* The ids of the runs that a task of such a script makes; at most `most`. Returns how many; 0 where
 * the script is none of ours. */
int slurm_script_runs(const char *script, int task, char ids[][EXPERIMENT_ID], int most);

#endif
