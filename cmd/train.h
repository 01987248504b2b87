/* train -- what cmd/train.c leaves to cmd/train_*.c. */
#ifndef SEQLAB_CMD_TRAIN_H
#define SEQLAB_CMD_TRAIN_H

#include "cmd/json_write.h"
#include "cmd/target.h"
#include "run/trainer.h"

/* Makes the runs that `t` starts from, as far as they are not there, then t's own. */
bool train_make(Target *t, const Invocation *in, Profile *profile, TrainOutcome *outcome,
                RunRecord *record, Error *err) MUST_CHECK;

/* Prints what the run would do and cost; `t` has its data open. */
bool train_dry_run(const Target *t, const Invocation *in, Error *err) MUST_CHECK;

/* What --profile prints after a run: a table, or the value of "profile" in the run's JSON.
 * profile_limits comes first. */
void train_profile_print(const Profile *p);
void train_profile_json(const Profile *p, Json *j);

#endif
