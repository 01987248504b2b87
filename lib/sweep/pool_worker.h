/* pool_worker -- what a worker process of the pool does. */
#ifndef SEQLAB_SWEEP_POOL_WORKER_H
#define SEQLAB_SWEEP_POOL_WORKER_H

#include "sweep/pool.h"

/* In the process that was just forked from `parent`: makes run i, leaves what came of it in the
 * worker's progress, and ends the process. */
_Noreturn void pool_worker(const Pool *p, const PoolWorker *w, int i, pid_t parent);

#endif
