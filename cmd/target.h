/* target -- what a command works on: FILE.yaml or RUN, the words after it, data, the run's folder.
 *
 * RUN is the folder of a run, its id, or the first digits of one: its config.yaml is loaded. */
#ifndef SEQLAB_CMD_TARGET_H
#define SEQLAB_CMD_TARGET_H

#include "cmd/command.h"
#include "run/datasets.h"
#include "run/rundir.h"

typedef struct Target {
    Experiment experiment;
    Datasets datasets;
    const Dataset *data;
    const char *results;
    bool is_run;       /* RUN was named */
    char folder[4096]; /* the named run's; of a FILE.yaml by target_open_data(SPLITS_ALL) */
    const char *label; /* "7f3a9c01 shape sparsity=0.9": for messages, once there is an id */
} Target;

/* An experiment file, or what would be one, or "-", standard input; but config.yaml and run.json of
 * a run's folder mean the run. */
bool target_is_file(const char *word, Arena *a);
/* The first word of `in` and the key=value words after it. */
bool target_load(Target *t, const Invocation *in, Error *err) MUST_CHECK;
/* Opens the data. With all splits it also sets the experiment's id, the folder and the label: the
 * id covers all data. target_close after it. */
bool target_open_data(Target *t, const Invocation *in, unsigned splits, Error *err) MUST_CHECK;
void target_close(Target *t);

#endif
