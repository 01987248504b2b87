/* model -- a model family: a name, options, and a function from options to nodes.
 *
 * A model builds its graph with the functions of graph.h and takes every parameter through
 * model_param, which applies the methods' `parametrize` hooks; so masks, adapters and squashed
 * kernels work on every model without it knowing. Parameter names are those of torchvision or of
 * the published checkpoints where a counterpart exists. */
#ifndef SEQLAB_NN_MODEL_H
#define SEQLAB_NN_MODEL_H

#include "graph/graph.h"
#include "graph/param.h"
#include "graph/task.h"
#include "io/option.h"

typedef struct ModelBuild ModelBuild;
struct ModelBuild {
    Graph *graph;
    Params *params;
    bool training; /* batch statistics, dropout */
    uint64_t seed; /* of the random streams (dropout) */
    Task task;
    /* Of all weights in place of the model's own choice, from the model option `init`; INIT_ZEROS
     * leaves the model's own. */
    InitKind init;
    /* What to use in place of a trainable parameter's own node; NULL when no method asks. */
    Node *(*parametrize)(void *owner, const ModelBuild *b, Param *p, Node *w);
    void *owner;
    /* Called with every named activation (layer outputs before their nonlinearity) as the model is
     * built: LSUV, probes. */
    void (*observe)(void *owner, const char *layer, Param *weight, Node *output);
    void *observer;
    /* One new step of a sequence whose earlier keys and values are kept (hf_block.h); NULL: whole
     * sequences. */
    struct KvCache *cache;
    /* Takes what model_metric reports; NULL where nothing is measured: in training. */
    void (*metric)(void *metrics, const char *name, Node *value);
    void *metrics;
};

/* The effective node of the parameter `name`: `init` unless it is a weight and b->init says
 * otherwise. */
Node *model_param(ModelBuild *b, const char *name, Shape s, ParamRole role, Init init);
/* A buffer (running statistics): never trained, saved with the model. */
Param *model_buffer(ModelBuild *b, const char *name, Shape s, Init init);
/* A number to report with every evaluation, under a name such as "kernel.roughness" (static text):
 * the mean of what is given under one name, and over the batches. `value` has one element. */
void model_metric(const ModelBuild *b, const char *name, Node *value);
/* "prefix.suffix" in the graph's arena. */
const char *model_name(const ModelBuild *b, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

typedef struct Model {
    const char *name, *summary, *paper; /* paper may be NULL */
    int revision;        /* part of the run id: raised when a default or a meaning changes */
    OptionTable options; /* its struct starts with `int init` */
    Node *(*build)(ModelBuild *b, const void *options,
                   Node *x);               /* x (B, sample...): logits (B, n_classes), or
                                             (B, T, n_classes) where b->task.per_step */
    InitKind (*init)(const void *options); /* what goes into ModelBuild.init */
} Model;

extern const Model *const model_registry[]; /* NULL-terminated */
const Model *model_find(const char *name);

/* Every model's options start with this row and its field, `int init`, so that it means the same
 * everywhere. */
#define MODEL_INIT_CHOICES                                                                         \
    "default|he_normal|he_uniform|xavier_normal|xavier_uniform|orthogonal|lsuv"
#define MODEL_OPTION_INIT(S)                                                                       \
    OPT_ENUM(S, init, MODEL_INIT_CHOICES, "default",                                               \
             "first values of the weights; default: as the model's source does it")

/* The kind for ModelBuild.init; orthogonal for lsuv, which starts from it. */
InitKind model_common_init(const void *options);
/* True when lsuv_init (init.h) must follow params_init. */
bool model_wants_lsuv(const void *options);

#endif
