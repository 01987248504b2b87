/* training -- what the parts of the trainer share: trainer.c (set-up, steps, end) and
 * trainer_eval.c. */
#ifndef SEQLAB_RUN_TRAINING_H
#define SEQLAB_RUN_TRAINING_H

#include "data/loader.h"
#include "run/checkpoint.h"
#include "run/evaluate.h"
#include "run/metrics.h"
#include "run/network.h"
#include "run/trainer.h"

enum { STEP_TIMES = 4096 };
typedef struct StepTimes {
    float at[STEP_TIMES]; /* seconds */
    int n;
    int64_t seen, every;
} StepTimes;

typedef struct Training {
    const Experiment *experiment;
    const Dataset *data;
    const TrainReport *report;
    Profile *profile; /* or NULL */
    Arena *arena;
    RunFolder folder;
    const char *checkpoint, *best; /* folders */
    Network network;
    OptimizerState optimizer;
    Loader *loader, *eval_loader[N_SPLITS];
    MetricWriter metrics;
    TrainState state;
    int64_t total, steps_per_epoch, eval_every, checkpoint_every; /* steps */
    bool rich_events;                                             /* TrainFlags */
    int64_t pause_at;        /* TrainFlags; the last step where that is not set */
    int64_t first;           /* step at which this process began */
    int64_t checkpoint_step; /* of the checkpoint on disk, or -1 */
    int64_t evaluated_step;  /* of the last evaluation of this process, or -1 */
    double images_per_s;
    double started_s, wall_before_s, cpu_before_s;
    StepTimes times;
} Training;

/* A line for the log and the report. */
void training_line(Training *t, int level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The learning rate of the update that follows `step` of them. */
double training_lr(const Training *t, int64_t step);

bool training_eval_due(const Training *t);
/* Evaluates the splits that there are, writes the metrics, keeps the best checkpoint, resets the
 * running sums. */
bool training_evaluate(Training *t, Error *err) MUST_CHECK;

/* With TrainFlags.rich_events, into the TensorBoard file: some images of a batch; histograms of all
 * weights and gradients. */
bool training_write_images(Training *t, const Batch *batch, Error *err) MUST_CHECK;
bool training_write_histograms(Training *t, Error *err) MUST_CHECK;

#endif
