/* method -- a technique as a plug-in: a name, the paper, an option table and hooks, all optional.
 *
 * Methods compose in the order in which the experiment lists them. A hook gets its options typed
 * and ranged; it never sees YAML. State that must survive a checkpoint is a buffer parameter
 * (params_get with ROLE_BUFFER). */
#ifndef SEQLAB_METHODS_METHOD_H
#define SEQLAB_METHODS_METHOD_H

#include "data/dataset.h"
#include "nn/model.h"

typedef struct Method Method;

typedef struct MethodCall {
    const Method *method;
    const void *options;
    Params *params;
    const Model *model;
    const void *model_options;
    /* How the network was built, the methods' parametrize hooks among it: a hook that needs a graph
     * of its own copies this and sets graph and training. */
    const ModelBuild *like;
    const Dataset *data; /* for reshape and transform (samples.h); NULL: none at hand */
    const char **note; /* for transform: where a line for the log goes, in params->arena; or NULL */
    uint64_t seed;     /* train.seed */
    int64_t step;      /* updates done so far */
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

/* Channels that stay of a width, by their numbers, in the order that they then have. */
typedef struct KeptChannels {
    const char *width;
    const int64_t *channel;
    int64_t n;
} KeptChannels;

/* What a reshape hook chooses. */
typedef struct Reshape {
    Architecture architecture; /* starts as the file has it, or as the method before left it */
    /* Parameters whose name and shape stay keep the values that they have now, instead of first
     * values of their own. */
    bool keep_weights;
    /* With keep_weights, the widths whose channels are some of those that the network has now:
     * tensors that only differ by them keep these slices. */
    const KeptChannels *kept;
    int n_kept;
    const char *note; /* what came of it, for the log: one line; or NULL */
    Arena *arena;     /* for the names and the note */
} Reshape;

/* An option of a method, and its value as YAML. */
typedef struct MethodSetting {
    const char *option, *value;
} MethodSetting;

struct Method {
    const char *name, *family, *paper, *summary;
    int revision;
    OptionTable options;

    /* Once, before the network that is trained is built: c->params are those of the network as it
     * is without this method, with first values, or those of `base`. Not after a resume: what was
     * chosen is in the checkpoint. */
    bool (*reshape)(const MethodCall *c, Reshape *out, Error *err);
    /* The run whose weights this one starts from, where that is the same experiment with at most
     * two of the method's options set otherwise: fills `out` and returns how many. 0: none. */
    int (*predecessor)(const void *options, Arena *a, MethodSetting out[2]);
    /* The model is built, and c->params has all it asked for: a method that keeps tensors of its
     * own makes them now, while the graph `g` is built. */
    void (*buffers)(const MethodCall *c, Graph *g);
    /* A layer asks for its effective weight. Called while graphs are built (training and
     * evaluation). Returns w itself where the method has nothing to say about p. */
    Node *(*parametrize)(const MethodCall *c, const ModelBuild *b, Param *p, Node *w);
    /* A linear layer's product, before its bias: y, as the model or the method before makes it, or
     * what is to stand for it. Called as parametrize is. */
    Node *(*product)(const MethodCall *c, const ModelBuild *b, const LinearProduct *l, Node *y);
    /* Once, after initialisation and before the first step (not after a resume). */
    bool (*transform)(const MethodCall *c, Error *err);
    /* The step (updates done) at which training starts, after transform; 0 where there is none. */
    int64_t (*first_step)(const MethodCall *c);
    /* The loss node is built: returns it, changed or not. */
    Node *(*loss)(const MethodCall *c, const LossCall *l, Node *loss);
    /* After the optimizer's update number c->step. Must not allocate. */
    void (*after_step)(const MethodCall *c);
};

extern const Method *const method_registry[]; /* NULL-terminated */
const Method *method_find(const char *name);

#endif
