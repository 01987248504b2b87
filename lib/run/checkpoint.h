/* checkpoint -- model.safetensors, optimizer.safetensors and state.json, renamed into place as one
 * folder.
 *
 * model.safetensors holds every parameter and buffer under its name, in the published layout;
 * optimizer.safetensors each slot as "<slot>.<parameter>" and the moving average as
 * "ema.<parameter>"; state.json the step, the run's id and the sums that metrics are made of,
 * exactly. */
#ifndef SEQLAB_RUN_CHECKPOINT_H
#define SEQLAB_RUN_CHECKPOINT_H

#include "optim/optimizer.h"

/* What a resumed run needs besides tensors. Doubles survive the text exactly (%.17g). */
typedef struct TrainState {
    int64_t step;       /* updates done */
    double loss_sum;    /* of train.loss since the last evaluation */
    int64_t loss_n;     /* steps in it */
    int64_t hits, seen; /* of train.top1 since the last evaluation */
    double best_value;  /* NaN: none yet */
    int64_t best_step;
    double last_loss;
    double wall_s, cpu_s; /* used up so far, over all starts */
} TrainState;

/* Replaces `folder` (e.g. <run>/checkpoint) as a whole. optimizer may be NULL (the best
 * checkpoint). */
bool checkpoint_write(const char *folder, const char *run_id, const Params *params,
                      const OptimizerState *optimizer, const TrainState *state,
                      Error *err) MUST_CHECK;

/* True when there is a readable checkpoint (a left-over .old of an interrupted replacement is put
 * back first). */
bool checkpoint_exists(const char *folder);
/* Fails with FAIL_DATA when damaged or of other shapes, naming the tensor; nothing of params is
 * changed then. */
bool checkpoint_read(const char *folder, const char *run_id, Params *params,
                     OptimizerState *optimizer, TrainState *state, Error *err) MUST_CHECK;

/* Fills params from any safetensors file: every parameter and buffer must be there with its shape
 * and a float dtype; missing names, then unused ones, are listed (the first few) with the nearest
 * name. `num_batches_tracked` is ignored, and a common prefix such as "module." or "model." is
 * taken off. */
bool checkpoint_load_weights(const char *path, Params *params, Error *err) MUST_CHECK;

#endif
