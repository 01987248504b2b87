/* threads -- how many threads the kernels use; the bits of a result never depend on it. A parallel
 * region for one thread is a plain call: threads.c. */
#ifndef SEQLAB_BASE_THREADS_H
#define SEQLAB_BASE_THREADS_H

/* flag > 0 wins; else OMP_NUM_THREADS, SLURM_CPUS_PER_TASK, SLURM_CPUS_ON_NODE, the affinity mask.
 * Called once at start by cmd/main.c (tests call it again). */
void threads_set(int flag);
int threads_count(void);

#endif
