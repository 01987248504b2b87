/* robustness -- what a network's accuracy is worth beyond clean images: corruptions
 * (data/corrupt.h), attacks (attack.h) and images of no class (ood.h), as the `eval:` block asks.
 */
#ifndef SEQLAB_RUN_ROBUSTNESS_H
#define SEQLAB_RUN_ROBUSTNESS_H

#include "data/corrupt.h"
#include "run/evaluate.h"
#include "run/metrics.h"
#include "run/ood.h"

typedef struct RobustCell {
    bool done;
    double top1, loss;
} RobustCell;

typedef enum OodScore { OOD_SOFTMAX, OOD_ENERGY, N_OOD_SCORES } OodScore;
extern const char *const ood_score_name[N_OOD_SCORES]; /* "softmax", "energy" */

typedef struct Robustness {
    EvalOptions asked;
    const char *data, *split;                                /* static names */
    int64_t n;                                               /* examples */
    RobustCell clean;                                        /* of these examples */
    RobustCell corrupted[N_CORRUPTIONS][CORRUPT_SEVERITIES]; /* [severity - 1] */
    RobustCell fgsm[EVAL_MAX_EPS], pgd[EVAL_MAX_EPS];        /* as asked.fgsm_eps, asked.pgd_eps */
    OodFigures ood[N_OOD_SCORES];                            /* n_in = 0: not asked */
    char ood_sha256[HASH_HEX];
} Robustness;

/* One line a part that was evaluated. */
typedef struct RobustnessReport {
    void (*line)(void *owner, const char *text); /* or NULL */
    void *owner;
} RobustnessReport;

/* That the data can be asked so; opens the foreign set, which must be there. */
bool robustness_check(const Experiment *e, const Dataset *data, const EvalOptions *asked,
                      Error *err) MUST_CHECK;
/* Of the network as it is. Stops early (false, FAIL_STOPPED) when a signal asks to. */
bool robustness_run(Network *n, const Dataset *data, SplitId split, const EvalOptions *asked,
                    const RobustnessReport *report, Robustness *out, Error *err) MUST_CHECK;

/* Means over what was done; severity 0: over all; corruption -1: over all. NaN: nothing. */
double robustness_corrupted(const Robustness *r, int corruption, int severity);

/* test.corrupted.top1, test.corrupted.severity_3.top1, test.fgsm_8.top1, test.pgd_8.top1,
 * test.ood.energy.auroc, ...; the names are the arena's. */
void robustness_metrics(const Robustness *r, Arena *a, MetricLine *line);
/* All of it as JSON, with a newline at the end: robustness.json. */
char *robustness_json(const Robustness *r, Arena *a);

#endif
