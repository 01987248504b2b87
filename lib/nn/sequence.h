/* sequence -- what models of sequences share: how an example becomes steps of equal width, which
 * steps are padding, norms, dropout, and how the steps become logits.
 *
 * Data give (B, T, C) or (B, n) reals, images (B, H, W, C), whose pixels are read row by row, or
 * token ids (B, T) of I32. A pair (B, 2, T) is two sequences that share all weights (the dual
 * encoder of the Long Range Arena's retrieval task, Tay et al., arXiv 2011.04006). */
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
    int pair; /* 0: nli, 1: concat */
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
    OPT_INT(SequenceOptions, pad_id, 0, -1, 1e9, "of tokens: the id that is padding; -1: none"),             \
    OPT_ENUM(SequenceOptions, pair, "nli|concat", "nli",                                           \
             "of two sequences a, b the head reads a, b, a - b, a b, or a, b")
// clang-format on

typedef struct Sequence {
    Node *x;    /* (B, T, d_model), or (2B, T, d_model) of pairs: a, b, a, b ... */
    Node *mask; /* (B, T): 1 where there is a step, 0 where there is padding; NULL: no padding */
} Sequence;

/* `encoder`, (2B, T, d_model) of pairs: an embedding (n_tokens, d_model) of standard normals, or a
 * linear layer. */
Sequence sequence_embed(ModelBuild *b, const SequenceOptions *o, Node *x);
/* x (B, T, C) with zeros for padding. */
Node *sequence_masked(ModelBuild *b, Node *x, const Node *mask);
/* `prefix`.weight and .bias over the last axis, eps 1e-5. */
Node *sequence_layer_norm(ModelBuild *b, const char *prefix, Node *x);
/* (B, d_model): the mean over the steps, or the last one. POOL_CLS: the first. */
Node *sequence_pool(ModelBuild *b, int pool, Sequence s);
/* Logits from `decoder`, a linear layer, of what one vector stands for: pooled (B, width), or
 * (2B, width) where the task is about pairs; these go through `pair`, a linear layer with GELU. */
Node *sequence_head(ModelBuild *b, const SequenceOptions *o, Node *pooled);
/* The logits that the task asks for: of every step (B, T, n_classes), or of the pooled steps. */
Node *sequence_logits(ModelBuild *b, const SequenceOptions *o, Sequence s);
/* Dropout of x (rank 3) in training, with one draw for all of `axis` (-1: a draw an element). */
Node *sequence_dropout(ModelBuild *b, const char *name, Node *x, double rate, int axis);

#endif
