/* layer -- the building blocks that models share; each takes its parameters through model_param. */
#ifndef SEQLAB_NN_LAYER_H
#define SEQLAB_NN_LAYER_H

#include "nn/model.h"

/* `prefix`.weight (out, in), `prefix`.bias (out). x (..., in). */
Node *layer_linear(ModelBuild *b, const char *prefix, Node *x, int64_t out, bool bias);

/* `prefix`.weight (O, C/groups, k, k); bias (O) when asked. x (N, H, W, C). */
Node *layer_conv(ModelBuild *b, const char *prefix, Node *x, int64_t out, int64_t kernel,
                 int64_t stride, int64_t pad, int64_t groups, bool bias);

/* `prefix`.weight, .bias, .running_mean, .running_var (C); eps 1e-5. In training the running
 * statistics move by `momentum` 0.1 towards the batch's (variance unbiased), as torch does. */
Node *layer_batch_norm(ModelBuild *b, const char *prefix, Node *x);

/* (N, H, W, C) -> (N, C*H*W) in channel-major order, so that linear weights mean what they mean in
 * NCHW stacks. */
Node *layer_flatten(ModelBuild *b, Node *x);

#endif
