/* checkpoint -- model.safetensors, optimizer.safetensors and state.json, renamed into place as one
 * folder.
 *
 * model.safetensors holds every parameter and buffer under its name, in the published layout;
 * optimizer.safetensors each slot as "<slot>.<parameter>" and the moving average as
 * "ema.<parameter>"; state.json the step, the run's id, the sums that metrics are made of, exactly,
 * and a CRC-32 of each file's tensors. */
#ifndef SEQLAB_RUN_CHECKPOINT_H
#define SEQLAB_RUN_CHECKPOINT_H

#include "optim/optimizer.h"

/* The metadata of model.safetensors that hold Params.architecture. */
#define CHECKPOINT_ARCHITECTURE "architecture"
/* And the names of the matrices and convolutions in the order of the network, which that of the
 * file is not, with spaces between. */
#define CHECKPOINT_LAYERS "layers"
/* For this, in `a`. */
const char *checkpoint_layers(const Params *params, Arena *a);

/* What a resumed run needs besides tensors. Doubles survive the text exactly. */
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
 * checkpoint). Tensors go from their blocks to the disk without a copy. */
bool checkpoint_write(const char *folder, const char *run_id, const Params *params,
                      const OptimizerState *optimizer, const TrainState *state,
                      Error *err) MUST_CHECK;

/* True when there is a checkpoint: `folder` or, after a kill between the two renames of a
 * replacement, its .old. Nothing is moved: that is rundir_open's, which holds the lock. */
bool checkpoint_exists(const char *folder);
/* Fails with FAIL_DATA when damaged, of another run (run_id NULL: not asked) or of other shapes,
 * naming the tensor; nothing of params, optimizer and state is changed then. */
bool checkpoint_read(const char *folder, const char *run_id, Params *params,
                     OptimizerState *optimizer, TrainState *state, Error *err) MUST_CHECK;

/* Fills params from any safetensors file: every parameter and buffer (but those that may
 * lack) must be there with its shape and a float dtype (converted to F32), and nothing else may be:
 * missing names with the nearest unused one, then unused ones, are listed (the first few).
 * Of a pruned run, `<name>_mask` multiplies a parameter and `<name>_rewind` is ignored where params
 * have none of that name. `num_batches_tracked` is ignored, and a common prefix such as "module."
 * or "model." is taken off. On failure params is unchanged. */
bool checkpoint_load_weights(const char *path, Params *params, Error *err) MUST_CHECK;

#endif
