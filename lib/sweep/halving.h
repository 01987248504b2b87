/* halving -- successive halving: a search that does not finish the losers.
 *
 * All settings run for a first round of steps; the best one in eta of each group goes on, eta times
 * as far; and so on, until the last run to their end (Jamieson & Talwalkar 2016,
 * arXiv:1502.07943). A round is ranked when all of it is there: the asynchronous form (ASHA, Li et
 * al. 2020, arXiv:1810.05934) promotes whoever comes first, so that its result depends on timing,
 * and here equal files give equal results. A loser stays paused at its checkpoint; a later `seqlab
 * sweep` without --asha goes on with it. */
#ifndef SEQLAB_SWEEP_HALVING_H
#define SEQLAB_SWEEP_HALVING_H

#include "sweep/pool.h"
#include "sweep/search.h"

/* As pool_run. `round` (may be NULL) is told about each: how many settings ran up to which step and
 * how many go on. FAIL_CONFIG where the runs are not evaluated on the way, or lack the metric. */
typedef void (*HalvingRound)(void *owner, int64_t step, int n_settings, int n_go_on);
bool halving_run(Pool *p, const Search *search, const PoolReport *report, HalvingRound round,
                 Error *err) MUST_CHECK;

#endif
