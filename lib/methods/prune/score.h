/* score -- how important each prunable weight of a network is, at its present values: the larger
 * the score, the sooner it is kept. One float a weight, by flat index (mask.h).
 *
 *   magnitude    |w|
 *   random       N(0, 1)
 *   snip         |w g|               g = dL/dw                    Lee et al., arXiv 1810.02340
 *   signed_snip  w g
 *   grasp        w (H g)             H: Hessian of L, logits / T  Wang et al., arXiv 2002.07376
 *   synflow      |w dR/dw|           R = sum of outputs           Tanaka et al., arXiv 2006.05467
 *
 * L is the mean cross-entropy over the examples, with batch norm as in training; H g is exact, by
 * differentiating g' (dL/dw) with g held fixed, both over the prunable weights. R is taken of |w|
 * and |b| for an input of ones, with batch norm's statistics at mean 0 and variance 1. Masks count:
 * what a parametrize hook makes 0 has score 0 under snip, grasp and synflow. GraSP's paper removes
 * the largest -w (H g): the same.
 *
 * Papers divide a score by its sum over the network, which orders nothing differently; here it is
 * left out. */
#ifndef SEQLAB_METHODS_SCORE_H
#define SEQLAB_METHODS_SCORE_H

#include "methods/method.h"
#include "methods/samples.h"

#define SCORE_CHOICES "magnitude|random|snip|signed_snip|grasp|synflow"
typedef enum ScoreKind {
    SCORE_MAGNITUDE,
    SCORE_RANDOM,
    SCORE_SNIP,
    SCORE_SIGNED_SNIP,
    SCORE_GRASP,
    SCORE_SYNFLOW
} ScoreKind;

typedef struct ScoreCall {
    const MethodCall *call; /* its params have their values; call->like says how to build */
    const Samples *samples; /* for snip and grasp, else NULL */
    double temperature;     /* T of grasp; 200 in the paper */
} ScoreCall;

bool score_needs_samples(ScoreKind kind);
/* Prunable weights of the network: how many scores there are. */
int64_t score_count(const Params *params);
/* The first score of p; -1 when it has none. */
int64_t score_offset(const Params *params, const Param *p);
/* Fails with FAIL_RUN when a score is not finite, naming the parameter. Parameters are as before
 * when it returns. Synflow's scores are right up to a common power of two, which is 1 unless R
 * passes the largest float or a ReLU6 saturates. */
bool score_weights(const ScoreCall *s, ScoreKind kind, float *out, Error *err) MUST_CHECK;

/* -- For the files of this room */

/* The network's loss and its derivatives, on a graph of its own. */
typedef struct ScoreGraph {
    Arena *arena;
    Graph *graph;
    Node *x, *label, *logits;
    int64_t n_weights; /* prunable ones, all together */
    int n;             /* parameters that hold them */
    Param **param;     /* in the order of the parameters */
    Node **weight;
} ScoreGraph;

/* Builds the logits of a batch, with x as an input; running statistics stay as they are. */
bool score_graph(ScoreGraph *s, const MethodCall *c, int64_t batch, bool training,
                 Error *err) MUST_CHECK;
void score_graph_free(ScoreGraph *s);
/* dL/dw, or H g, into out. */
bool score_loss(const ScoreCall *s, bool hessian, float *out, Error *err) MUST_CHECK;
/* The scores. */
bool score_synflow(const ScoreCall *s, float *out, Error *err) MUST_CHECK;

#endif
