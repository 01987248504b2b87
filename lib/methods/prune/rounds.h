/* rounds -- masks by scores, in rounds: what the methods that prune weights, or take their
 * layerwise densities, have in common.
 *
 * After round e of E the density is density^(e/E) (exponential) or 1 - (1 - density) e/E (linear),
 * with scores taken anew under the masks so far; what is masked stays masked. */
#ifndef SEQLAB_METHODS_ROUNDS_H
#define SEQLAB_METHODS_ROUNDS_H

#include "methods/prune/score.h"

typedef enum PruneScope { SCOPE_GLOBAL, SCOPE_LAYER, SCOPE_ER, SCOPE_ERK } PruneScope;

/* First in the options of such a method. */
typedef struct PruneRounds {
    int score, scope; /* ScoreKind, PruneScope: rows of the method's own */
    int schedule;
    double density, temperature;
    int64_t iterations, samples_per_class, batch_size;
} PruneRounds;

// clang-format off
#define PRUNE_ROUNDS_OPTIONS                                                                       \
    OPT_INT(PruneRounds, iterations, 0, 0, 10000, "rounds of scoring and masking; 0: 100 for synflow, else 1"), \
    OPT_ENUM(PruneRounds, schedule, "exponential|linear", "exponential", "of the density over the rounds"), \
    OPT_INT(PruneRounds, samples_per_class, 10, 1, 1000000, "training examples of each class that snip and grasp look at"), \
    OPT_INT(PruneRounds, batch_size, 256, 1, 1048576, "most of them at once"),                     \
    OPT_REAL(PruneRounds, temperature, 200, 1e-6, 1e6, "grasp divides the logits by it")
// clang-format on

/* Sets the masks of c->params (mask_create), which must be there. */
bool prune_rounds(const MethodCall *c, const PruneRounds *o, Error *err) MUST_CHECK;

#endif
