/* jobs -- a few independent pieces of loading work, shared by plain threads.
 *
 * Not OpenMP: its threads stay for the kernels, and these end with the call. Which thread takes a
 * job never shows in a result, since job i writes only what belongs to i. */
#ifndef SEQLAB_DATA_JOBS_H
#define SEQLAB_DATA_JOBS_H

/* Calls job(owner, i) once for every i in 0..n-1, taken in that order by up to threads_count()
 * threads, the caller among them; returns when all are done. Cannot fail: threads that cannot be
 * had are done without. */
void jobs_run(int n, void (*job)(void *owner, int i), void *owner);

#endif
