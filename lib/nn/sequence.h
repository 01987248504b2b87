/* sequence -- what classifiers of sequences share: how an example becomes steps of equal width,
 * which steps are padding, norms, dropout, and how the steps become one vector.
 *
 * Data give (B, T, C) or (B, n) reals, images (B, H, W, C), whose pixels are read row by row, or
 * token ids (B, T) of I32. */
#ifndef SEQLAB_NN_SEQUENCE_H
#define SEQLAB_NN_SEQUENCE_H

#include "nn/layer.h"

/* First in the options of every model of sequences; SEQUENCE_OPTIONS are its rows. */
typedef struct SequenceOptions {
    int init;
    int64_t n_layers, d_model;
    double dropout;
    int pool; /* a SequencePool */
    int64_t pad_id;
} SequenceOptions;

typedef enum SequencePool { POOL_MEAN, POOL_LAST, POOL_CLS } SequencePool;

// clang-format off
#define SEQUENCE_OPTIONS(layers_default, width_default, pools)                                     \
    MODEL_OPTION_INIT(SequenceOptions),                                                            \
    OPT_INT(SequenceOptions, n_layers, layers_default, 1, 1000, "number of layers"),               \
    OPT_INT(SequenceOptions, d_model, width_default, 1, 1e6, "width of every step, in units"),     \
    OPT_REAL(SequenceOptions, dropout, 0, 0, 0.999, "share of units dropped in training"),         \
    OPT_ENUM(SequenceOptions, pool, pools, "mean",                                                 \
             "what the head reads; padding does not count"),                                       \
    OPT_INT(SequenceOptions, pad_id, 0, -1, 1e9, "of tokens: the id that is padding; -1: none")
// clang-format on

typedef struct Sequence {
    Node *x;    /* (B, T, d_model) */
    Node *mask; /* (B, T): 1 where there is a step, 0 where there is padding; NULL: no padding */
} Sequence;

/* `encoder`: an embedding (n_tokens, d_model) of standard normals, or a linear layer. */
Sequence sequence_embed(ModelBuild *b, const SequenceOptions *o, Node *x);
/* x (B, T, C) with zeros for padding. */
Node *sequence_masked(ModelBuild *b, Node *x, const Node *mask);
/* `prefix`.weight and .bias over the last axis, eps 1e-5. */
Node *sequence_layer_norm(ModelBuild *b, const char *prefix, Node *x);
/* (B, d_model): the mean over the steps, or the last one. POOL_CLS: the first. */
Node *sequence_pool(ModelBuild *b, int pool, Sequence s);
/* The classifier's logits, from `decoder`, a linear layer. */
Node *sequence_head(ModelBuild *b, Node *pooled);
/* Dropout of x (rank 3) in training, with one draw for all of `axis` (-1: a draw an element). */
Node *sequence_dropout(ModelBuild *b, const char *name, Node *x, double rate, int axis);

#endif
