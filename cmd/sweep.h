/* sweep -- what the parts of `seqlab sweep` share. */
#ifndef SEQLAB_CMD_SWEEP_H
#define SEQLAB_CMD_SWEEP_H

#include "cmd/command.h"
#include "cmd/json_write.h"
#include "sweep/pool.h"

/* What is on the screen. */
typedef struct SweepShow {
    const Flags *flags;
    const char *name; /* of the experiment */
    bool terminal;
    double last_s;
    int n_drawn; /* lines of the redrawn block */
} SweepShow;

/* PoolReport's functions; `owner` is a SweepShow. */
void sweep_show_tick(void *owner, const Pool *p);
void sweep_show_ended(void *owner, const Pool *p, int run);
/* Wipes the redrawn block. */
void sweep_show_clear(SweepShow *show);

/* "40 runs: 31 done (12 from before), 4 running, 5 queued". */
void sweep_summary(const Pool *p, char out[256]);

/* --launcher=slurm: submits, and with --wait stays until the end. */
bool sweep_slurm(const Sweep *s, const Invocation *in, Error *err) MUST_CHECK;
/* --status: a line a run. */
bool sweep_status(const Sweep *s, const Invocation *in, Error *err) MUST_CHECK;

#endif
