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
    bool params_only; /* the parameters of the training pass: nothing is planned, no reshape hook is
                         asked */
    bool keep_values; /* fuse nothing and keep every value: for check_nan */
    int64_t total_steps, steps_per_epoch;
    const Dataset
        *data; /* for methods that choose the architecture or first values by them, or NULL */
    const char *base; /* the weights that such a method sees: a safetensors file, "" or NULL */
    /* What the methods chose when this run began (architecture_read): they are not asked then. */
    const Architecture *architecture;
} NetworkOptions;

typedef struct Network {
    const Experiment *experiment;
    Params *params;
    Pass train, eval;
    MethodCall calls[EXPERIMENT_MAX_METHODS]; /* one a method, in the order of the file */
    ModelBuild like;                          /* of the calls */
    const Architecture *architecture; /* the file's, or what the methods made of it; or NULL */
    ModelParts parts;
    bool reshaped; /* methods were asked */
    const char
        *notes[EXPERIMENT_MAX_METHODS]; /* what they said of it, or of their transform; or NULL */
    Params *inherited; /* of the network before, where a method keeps its weights; or NULL */
    NetworkOptions options;
    Arena *arena;
} Network;

/* Asks the methods' reshape hooks, builds and plans. Shape mistakes of the model come out as
 * FAIL_CONFIG with the model's name. Parameters are allocated (when asked) but not initialised:
 * network_init. */
bool network_new(Network *n, const Experiment *e, const NetworkOptions *o, Arena *a,
                 Error *err) MUST_CHECK;
/* First values from train.seed, LSUV where asked (x: one training batch, may be NULL otherwise);
 * or, unless it is "", from `base`, a safetensors file or a Hugging Face folder (and the adapter of
 * the experiment's base); where methods
 * chose the architecture, from the network before as far as they keep it, and `base` was that
 * one's; then the methods' transform hooks. */
bool network_init(Network *n, const float *x, const char *base, Error *err) MUST_CHECK;
/* The first part of that: without the transform hooks. */
bool network_first_values(Network *n, const float *x, const char *base, Error *err) MUST_CHECK;
/* The step at which a run that is not resumed starts: the last that a method asks for. */
int64_t network_first_step(const Network *n);
/* The methods' after_step hooks; `step` counts the updates done. No allocation. */
void network_after_step(Network *n, int64_t step);
/* One more pass as in evaluation, with memory, whose plan also gives *dx: the gradient of the sum
 * of the losses to x. The caller frees its plan, before the network. */
bool network_input_pass(Network *n, Pass *pass, Node **dx, Error *err) MUST_CHECK;
void network_free(Network *n);

/* -- Architectures that methods chose (network_reshape.c) */

/* Whether a method of the experiment has a reshape hook. */
bool network_reshapes(const Experiment *e);
/* For network_new, once calls and options are set: the hooks one after the other, each on the
 * network as the one before left it; sets architecture, reshaped and inherited. */
bool network_reshape(Network *n, Error *err) MUST_CHECK;
/* The model block as an experiment file that others extend: architecture.yaml. */
char *architecture_file(const Network *n, Arena *a);
/* In one line, for a checkpoint's metadata. */
char *architecture_text(const Architecture *architecture, Arena *a);
/* What the metadata of a safetensors file say; *out is NULL where they say nothing. */
bool architecture_read(const char *path, Arena *a, const Architecture **out, Error *err) MUST_CHECK;
/* The same of the model in a checkpoint's folder, for NetworkOptions. */
bool architecture_of_checkpoint(const char *folder, Arena *a, const Architecture **out,
                                Error *err) MUST_CHECK;

#endif
