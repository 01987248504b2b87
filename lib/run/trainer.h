/* trainer -- one training run from its first step, or its checkpoint, to its last.
 *
 * The steps allocate nothing. The run's bits depend on the experiment alone: not on threads, ISA,
 * evaluation batch size, checkpoint interval, or kills and resumes in between. */
#ifndef SEQLAB_RUN_TRAINER_H
#define SEQLAB_RUN_TRAINER_H

#include "run/experiment.h"
#include "run/profile.h"
#include "run/rundir.h"

/* What a run tells while it goes on; all optional. Called from the training thread. */
typedef struct TrainReport {
    void *owner;
    /* Often: cheap; draws the progress bar. */
    void (*progress)(void *owner, int64_t first, int64_t step, int64_t total, double loss,
                     double images_per_s);
    /* A whole line: step 1, evaluations, checkpoints at -v. level 0: always, 1: with -v. */
    void (*line)(void *owner, int level, const char *text);
} TrainReport;

typedef struct TrainFlags {
    const char *results;      /* folder */
    const char *command_line; /* for config.yaml's first line */
    bool force;               /* compute again although done: clears the folder */
    bool resume;              /* a checkpoint must be there, and be whole */
    bool rich_events;         /* images and histograms too go into the TensorBoard file */
    int64_t pause_at;         /* > 0: stop with a checkpoint once this many steps are done */
    Profile *profile;         /* filled, and trace.json written, unless NULL; changes no bit */
} TrainFlags;

typedef enum TrainOutcome { TRAIN_DONE, TRAIN_ALREADY_DONE, TRAIN_PAUSED } TrainOutcome;

/* `data` open with all its splits; e->id set. On failure the error's kind is the exit code:
 * FAIL_STOPPED after a signal (checkpoint written), FAIL_RUN for NaN (the last good checkpoint
 * stays) or a full disk. *record is filled. */
bool train_run(const Experiment *e, const Dataset *data, const TrainFlags *flags,
               const TrainReport *report, TrainOutcome *outcome, RunRecord *record,
               Error *err) MUST_CHECK;

#endif
