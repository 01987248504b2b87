/* method -- a technique as a plug-in: a name, the paper, an option table and hooks, all optional.
 *
 * Methods compose in the order in which the experiment lists them. A hook gets its options typed
 * and ranged; it never sees YAML. State that must survive a checkpoint is a buffer parameter
 * (params_get with ROLE_BUFFER). */
#ifndef SEQLAB_METHODS_METHOD_H
#define SEQLAB_METHODS_METHOD_H

#include "nn/model.h"

typedef struct Method Method;

typedef struct MethodCall {
    const Method *method;
    const void *options;
    Params *params;
    uint64_t seed; /* train.seed */
    int64_t step;  /* updates done so far */
    int64_t total_steps;
    int64_t steps_per_epoch;
} MethodCall;

/* What a loss hook may use. */
typedef struct LossCall {
    Graph *graph;
    Node *logits; /* (B, V), or (B, T, V) */
    Node *label;  /* I32, (B) or (B, T), -1 ignored */
    bool training;
} LossCall;

struct Method {
    const char *name, *family, *paper, *summary;
    int revision;
    OptionTable options;

    /* A layer asks for its effective weight. Called while graphs are built (training and
     * evaluation). Returns w itself where the method has nothing to say about p. */
    Node *(*parametrize)(const MethodCall *c, const ModelBuild *b, Param *p, Node *w);
    /* Once, after initialisation and before the first step (not after a resume). */
    bool (*transform)(const MethodCall *c, Error *err);
    /* The loss node is built: returns it, changed or not. */
    Node *(*loss)(const MethodCall *c, const LossCall *l, Node *loss);
    /* After the optimizer's update number c->step. Must not allocate. */
    void (*after_step)(const MethodCall *c);
};

extern const Method *const method_registry[]; /* NULL-terminated */
const Method *method_find(const char *name);

#endif
