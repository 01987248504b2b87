/* layer -- the building blocks that models share; each takes its parameters through model_param. */
#ifndef SEQLAB_NN_LAYER_H
#define SEQLAB_NN_LAYER_H

#include "nn/model.h"

/* First values of a layer's two parameters. A torch default without fan_in takes the weight's, for
 * the bias too. */
typedef struct LayerInit {
    Init weight, bias;
} LayerInit;
extern const LayerInit layer_init_torch; /* both uniform within 1 / sqrt(fan_in) */

/* `prefix`.weight (out, in), `prefix`.bias (out) when asked. x (..., in). */
Node *layer_linear(ModelBuild *b, const char *prefix, Node *x, int64_t out, bool bias,
                   const LayerInit *init);

typedef struct ConvLayer {
    int64_t out, kernel, stride, pad, groups; /* 0 in stride and groups means 1 */
    bool bias;
} ConvLayer;

/* `prefix`.weight (O, C/groups, k, k); bias (O) when asked. x (N, H, W, C). */
Node *layer_conv(ModelBuild *b, const char *prefix, Node *x, ConvLayer c, const LayerInit *init);

/* `prefix`.weight, .bias, .running_mean, .running_var (C); eps 1e-5; the scale starts at 1, or as
 * b->norm_uniform says. In training the running
 * statistics move by `momentum` 0.1 towards the batch's (variance unbiased), as torch does. */
Node *layer_batch_norm(ModelBuild *b, const char *prefix, Node *x);

/* (N, H, W, C) -> (N, C*H*W) in channel-major order, so that linear weights mean what they mean in
 * NCHW stacks. */
Node *layer_flatten(ModelBuild *b, Node *x);

/* The nonlinearities that models offer, by the index of LAYER_ACTIVATIONS. */
#define LAYER_ACTIVATIONS "relu|leaky_relu|tanh|sigmoid|gelu|silu|softplus|identity"
Node *layer_activation(ModelBuild *b, int activation, Node *x);

/* Dropout in training, x itself otherwise; `name` names the random stream. */
Node *layer_dropout(ModelBuild *b, const char *name, Node *x, double rate);

#endif
