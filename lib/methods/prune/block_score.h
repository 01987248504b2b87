/* block_score -- how important each residual block of a network is, for methods that take whole
 * blocks away (Jordao et al., arXiv 2301.10835): the lowest go.
 *
 *   grasp, snip, signed_snip   sum over the block's prunable weights of score.h's
 *   l1          the same of |w|, which mostly says how wide the stage is (the paper's appendix)
 *   random      U(0, 1) by seed and name
 *   expect_abs  mean of |A|                              DropNet, Tan & Motani 2020
 *   hrank       mean over examples and channels of rank(A) / max(H, W)    Lin et al., 2002.10179
 *   kl          mean of KL(q | p): q what the network says without the block, p with it
 *                                                        CURL, Luo & Wu, 1911.10414
 *   cka         1 - CKA of what the last block gives with and without the block
 *   pls         mean VIP of the block's channels, averaged over the image, for the labels, among
 *               all candidates' (block_stats.h)
 *
 * A is the block's output, which in a ResNet is after its ReLU; the last five look at a network in
 * evaluation mode. What the last block gives is averaged over the image: the classifier's input in
 * a ResNet. To leave a block out is the same as to set its branch to 0.
 *
 * A filter of a convolution followed by batch norm has sum of w g = 0, and sum of w (H g) = -|g|^2
 * where all scales are free: signed_snip says little of a block, and grasp takes the blocks with
 * the largest gradients first. */
#ifndef SEQLAB_METHODS_BLOCK_SCORE_H
#define SEQLAB_METHODS_BLOCK_SCORE_H

#include "methods/method.h"
#include "methods/samples.h"
#include "nn/layer_table.h"

/* Those by weights first: filters have them too. */
#define WEIGHT_CRITERIA "grasp|snip|signed_snip|l1|random"
#define BLOCK_CRITERIA  WEIGHT_CRITERIA "|expect_abs|hrank|kl|cka|pls"
typedef enum BlockCriterion {
    BLOCK_GRASP,
    BLOCK_SNIP,
    BLOCK_SIGNED_SNIP,
    BLOCK_L1,
    BLOCK_RANDOM,
    BLOCK_EXPECT_ABS,
    BLOCK_HRANK,
    BLOCK_KL,
    BLOCK_CKA,
    BLOCK_PLS
} BlockCriterion;

/* What the weights of the smaller network are: those that were scored; or first values, as the run
 * itself has them, or other ones; or those of a step of the dense run, where training goes on. */
typedef enum Survivors {
    SURVIVORS_KEPT,
    SURVIVORS_FIRST,
    SURVIVORS_REINIT,
    SURVIVORS_REWOUND
} Survivors;

/* First in the options of such a method. */
typedef struct BlockScoring {
    int criterion; /* a row of the method's own */
    int aggregate; /* 1: mean */
    int weights;   /* Survivors */
    int64_t min_blocks, samples_per_class, batch_size, components;
    double temperature;
    Steps rewind; /* of SURVIVORS_REWOUND */
} BlockScoring;

// clang-format off
#define BLOCK_SCORING_OPTIONS                                                                      \
    OPT_ENUM(BlockScoring, aggregate, "sum|mean", "sum", "of the weights' scores over a block or filter"), \
    OPT_ENUM(BlockScoring, weights, "kept|first|reinit|rewound", "kept",                           \
             "of what is left: as they are, of the trained network where there is a base:; or its first values by train.seed; or other first values; or those at step `rewind` of the dense run, which is this one with nothing gone"), \
    OPT_STEPS(BlockScoring, rewind, "0", "step of the dense run that weights: rewound goes back to"), \
    OPT_INT(BlockScoring, min_blocks, 2, 1, 1000, "that stay in a stage"),                         \
    OPT_INT(BlockScoring, samples_per_class, 50, 1, 1000000, "training examples of each class that a score looks at"), \
    OPT_INT(BlockScoring, batch_size, 256, 1, 1048576, "most of them at once"),                    \
    OPT_REAL(BlockScoring, temperature, 200, 1e-6, 1e6, "grasp divides the logits by it")
// clang-format on

/* A stage begins where the first part of the name changes, or with a block that changes the shape;
 * its first block always stays. */
typedef struct Block {
    const char *name;
    int stage;
    bool candidate;
    double score; /* of a candidate */
} Block;
typedef struct Blocks {
    Block *at; /* those that are there, in the order of the network */
    int n, n_candidates;
} Blocks;

/* Names are the table's. */
void blocks_find(const LayerTable *table, Arena *a, Blocks *out);
/* Sets the candidates' scores. Fails with FAIL_RUN when one is not finite. */
bool block_scores(const MethodCall *c, const BlockScoring *o, Blocks *blocks,
                  Error *err) MUST_CHECK;
/* The lowest n by (score, place), passing over those whose stage has no more than min_blocks left:
 * their indices, in the order in which they go. FAIL_CONFIG when fewer may go. */
bool blocks_choose(const Blocks *blocks, int64_t n, int64_t min_blocks, int chosen[],
                   Error *err) MUST_CHECK;

/* Lays o->weights down in c->params, once the scores are taken; `dense`: nothing goes. */
bool blocks_rewind(const MethodCall *c, const BlockScoring *o, bool dense, Error *err) MUST_CHECK;
/* What the hooks of such a method do for SURVIVORS_REWOUND. */
void blocks_buffers(const MethodCall *c, Graph *g);
int64_t blocks_first_step(const MethodCall *c, const BlockScoring *o, bool dense);
void blocks_after_step(const MethodCall *c, const BlockScoring *o, bool dense);
/* Filters of all convolutions, those of shortcuts too. */
int64_t count_filters(const LayerTable *table);

/* Scores of all prunable weights (score.h); not for BLOCK_RANDOM. */
bool weight_scores(const MethodCall *c, const BlockScoring *o, float *out, Error *err) MUST_CHECK;
/* The weight belongs to the block. */
bool block_has(const char *block, const char *name);

/* -- For the files of this room: block_activation.c, block_ablation.c */

bool block_activation_scores(const MethodCall *c, const BlockScoring *o, const Samples *s,
                             Blocks *blocks, Error *err) MUST_CHECK;
bool block_ablation_scores(const MethodCall *c, const BlockScoring *o, const Samples *s,
                           Blocks *blocks, Error *err) MUST_CHECK;

/* A network in evaluation mode, batch by batch, with what its blocks give. */
typedef struct BlockGraph {
    Arena *arena;
    Node *x, *logits;
    const char **name; /* (n) */
    Node **output;
    struct Plan *plan;
    int n, capacity;
} BlockGraph;
/* `without`: a block that is left out, or NULL. */
bool block_graph(BlockGraph *b, const MethodCall *c, const char *without, int64_t batch,
                 Error *err) MUST_CHECK;
void block_graph_run(BlockGraph *b, const Samples *s, int64_t batch);
/* Values (batch, ..., channels) averaged over what stands between: (batch, channels) to out. */
void block_pool(const BlockGraph *b, const Node *output, double *out);
void block_graph_free(BlockGraph *b);

#endif
