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
    bool tie, gpt2_init;
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

/* After those, of models with no choice of their own. */
#define SEQUENCE_LM_OPTIONS                                                                        \
    OPT_BOOL(SequenceOptions, tie, false,                                                          \
             "of the next token: the decoder is the encoder's table, without a bias"),             \
    OPT_BOOL(SequenceOptions, gpt2_init, false,                                                    \
             "weights N(0, 0.02), by sqrt(2 n_layers) less at the end of a residual branch; biases 0")
// clang-format on

typedef struct Sequence {
    Node *x;    /* (B, T, d_model), or (2B, T, d_model) of pairs: a, b, a, b ... */
    Node *mask; /* (B, T): 1 where there is a step, 0 where there is padding; NULL: no padding, or
                   none that matters: padding is last, and in a causal task with a label a step
                   nothing sees it */
} Sequence;

/* First values of a linear layer: the model's own, or those of gpt2_init (Radford et al. 2019, and
 * the language models of H3, arXiv 2212.14052); `residual`: the layer ends a residual branch. */
LayerInit sequence_init(const SequenceOptions *o, LayerInit own, bool residual);

/* `encoder`, (2B, T, d_model) of pairs: an embedding (n_tokens, d_model) of standard normals, or a
 * linear layer. A table that is the decoder too starts at N(0, 1 / d_model), so that logits start
 * at the size of 1. */
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
/* The logits that the task asks for: of every step (B, T, n_classes), or of the pooled steps. With
 * `tie` those of a step are its products with the rows of the embedding (Press & Wolf,
 * arXiv 1608.05859). */
Node *sequence_logits(ModelBuild *b, const SequenceOptions *o, Sequence s);
/* Dropout of x (rank 3) in training, with one draw for all of `axis` (-1: a draw an element). */
Node *sequence_dropout(ModelBuild *b, const char *name, Node *x, double rate, int axis);

#endif
