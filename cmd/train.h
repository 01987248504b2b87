/* train -- what cmd/train.c leaves to cmd/train_dry_run.c. */
#ifndef SEQLAB_CMD_TRAIN_H
#define SEQLAB_CMD_TRAIN_H

#include "cmd/target.h"

/* Prints what the run would do and cost; `t` has its data open. */
bool train_dry_run(const Target *t, const Invocation *in, Error *err) MUST_CHECK;

#endif
