/* network -- a model with its methods' hooks, built for training and for evaluation over the same
 * parameters. */
#ifndef SEQLAB_RUN_NETWORK_H
#define SEQLAB_RUN_NETWORK_H

#include "graph/plan.h"
#include "run/experiment.h"

/* What model_metric reported, by name: of an evaluation pass. */
enum { PASS_METRICS_MAX = 8 };
typedef struct PassMetric {
    const char *name;
    Node *value; /* the mean of what was given under the name; a sum of `n` until all is built */
    int n;
} PassMetric;

/* One graph and its plan; unused nodes are NULL. */
typedef struct Pass {
    Graph *graph;
    Plan *plan;
    Node *x, *label; /* inputs: (B, sample...) and I32 (B), or (B, T) with a label a step;
                         -1 ignored */
    Node *logits;    /* (B, n_classes) or (B, T, n_classes) */
    Node *loss; /* training: the scalar that is minimised; evaluation: losses shaped as the label,
                   without methods' terms */
    int64_t batch_size;
    PassMetric metrics[PASS_METRICS_MAX];
    int n_metrics;
} Pass;

typedef struct NetworkOptions {
    Task task;
    bool train, eval; /* which passes to build */
    bool allocate;    /* false: plan only, for --dry-run */
    bool keep_values; /* fuse nothing and keep every value: for check_nan */
    int64_t total_steps, steps_per_epoch;
} NetworkOptions;

typedef struct Network {
    const Experiment *experiment;
    Params *params;
    Pass train, eval;
    MethodCall calls[EXPERIMENT_MAX_METHODS]; /* one a method, in the order of the file */
    NetworkOptions options;
    Arena *arena;
} Network;

/* Builds and plans. Shape mistakes of the model come out as FAIL_CONFIG with the model's name.
 * Parameters are allocated (when asked) but not initialised: network_init. */
bool network_new(Network *n, const Experiment *e, const NetworkOptions *o, Arena *a,
                 Error *err) MUST_CHECK;
/* First values from train.seed, LSUV where asked (x: one training batch, may be NULL otherwise);
 * or, unless it is "", from `base`, a safetensors file or a Hugging Face folder; then the methods'
 * transform hooks. */
bool network_init(Network *n, const float *x, const char *base, Error *err) MUST_CHECK;
/* The methods' after_step hooks; `step` counts the updates done. No allocation. */
void network_after_step(Network *n, int64_t step);
void network_free(Network *n);

#endif
