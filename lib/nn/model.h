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

/* How the layers that write to a residual stream are added. */
typedef enum Residual {
    RESIDUAL_TIED, /* all are as wide as the stream */
    RESIDUAL_PAD   /* each has a width of its own; see model_sum */
} Residual;
#define RESIDUAL_CHOICES "tied|pad"

/* What is other than in the published network: channels by the name of a layer or of a stream, and
 * blocks that are left out. */
typedef struct Architecture {
    CountMap widths;
    NameList without;
    int residual; /* Residual */
} Architecture;

/* Of a model as it was built: what an Architecture may name. */
typedef enum ModelPartKind {
    PART_WIDTH,  /* a number of channels that can be chosen */
    PART_MEMBER, /* a layer that writes to a stream: has the stream's width */
    PART_BLOCK   /* a block that can be left out, or not */
} ModelPartKind;
typedef struct ModelPart {
    ModelPartKind kind;
    const char *name;
    const char *stream;  /* PART_MEMBER: what it writes to */
    int64_t wanted;      /* PART_WIDTH: the model's own channels */
    int64_t width;       /* PART_WIDTH, PART_MEMBER: as built */
    int64_t multiple;    /* PART_WIDTH: of which the channels must be one */
    bool is_stream;      /* PART_WIDTH: layers with names of their own write to it, or, under
                            RESIDUAL_PAD, this layer writes to a stream */
    const char *centred; /* PART_WIDTH: a width whose channels are the middle ones of this one, or
                            whose middle ones these are; NULL: none. See model_centred */
    bool removable;      /* PART_BLOCK: its output has the shape of its input */
    bool there;          /* PART_BLOCK: was built */
} ModelPart;
typedef struct ModelParts {
    Arena *arena;
    ModelPart *at; /* in the order of the network, each name once */
    int n, capacity;
} ModelParts;

/* A linear layer at work: x (..., in) by the weight p. */
typedef struct LinearProduct {
    Param *p;
    Node *w;     /* what parametrize made of p: (out, in) */
    bool turned; /* stored (in, out), as GPT-2's are: y = x W */
    Node *x;
} LinearProduct;

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
    bool norm_uniform; /* scales of batch norms start uniform in (0, 1), not at 1: the model's to
                          say */
    /* What to use in place of a parameter's own node, frozen ones too; NULL when no method asks. */
    Node *(*parametrize)(void *owner, const ModelBuild *b, Param *p, Node *w);
    /* What a linear layer gives in place of y = x W^T, before its bias; NULL when no method asks.
     */
    Node *(*product)(void *owner, const ModelBuild *b, const LinearProduct *l, Node *y);
    void *owner;                      /* of both */
    const Architecture *architecture; /* NULL: the published one */
    ModelParts *parts;                /* filled as the model is built; NULL: nobody asks */
    /* Called with every named activation (layer outputs before their nonlinearity) as the model is
     * built: LSUV, probes. */
    void (*observe)(void *owner, const char *layer, Param *weight, Node *output);
    /* The same with the output of every block that is there. */
    void (*observe_block)(void *owner, const char *block, Node *output);
    void *observer; /* of both */
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
/* The same of a linear layer's weight that is stored (in, out). */
Node *model_turned_weight(ModelBuild *b, const char *name, Shape s, Init init);
/* The product of a linear layer, (..., out), as the methods want it; biases are added to it. */
Node *model_product(const ModelBuild *b, const LinearProduct *l);
/* A buffer (running statistics): never trained, saved with the model. */
Param *model_buffer(ModelBuild *b, const char *name, Shape s, Init init);
/* The channels of the layer or stream `name`, `wanted` in the published network. Layers whose
 * outputs are added share a stream, which has one name: model_member says which layers those are.
 */
int64_t model_width(ModelBuild *b, const char *name, int64_t wanted);
/* The same of channels that are split into groups; others than whole multiples are a mistake. */
int64_t model_width_multiple(ModelBuild *b, const char *name, int64_t wanted, int64_t multiple);
void model_member(ModelBuild *b, const char *layer, const char *stream, int64_t width);
/* The channels of `layer`, which writes to `stream`: the stream's, of which it becomes a member, or
 * under RESIDUAL_PAD its own. */
int64_t model_stream(ModelBuild *b, const char *layer, const char *stream, int64_t wanted);
/* The name of that width. */
const char *model_stream_name(const ModelBuild *b, const char *layer, const char *stream);
/* What is added to a stream: y + x. Under RESIDUAL_PAD the narrower one has zeros in place of the
 * last channels, so that the wider one's stay as they are there. */
Node *model_sum(const ModelBuild *b, Node *y, Node *x);
/* Channel i of the width `from` becomes channel i + (to - from) / 2 of the width `to` (both by
 * name, both known), with zeros around or less at either end: of a shortcut without weights. */
void model_centred(const ModelBuild *b, const char *to, const char *from);
/* Whether the block `name` is to be built. One that is not `removable` always is: to leave it out
 * is a mistake that model_parts_check reports. */
bool model_block(ModelBuild *b, const char *name, bool removable);
/* y, the output of the block `name`, once it is built. */
Node *model_block_output(const ModelBuild *b, const char *name, Node *y);
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
    /* What goes into ModelBuild.architecture; NULL: the model has no widths that could be chosen.
     */
    const Architecture *(*architecture)(const void *options);
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

/* For models whose pruning is studied from such first values; into ModelBuild.norm_uniform. */
#define MODEL_OPTION_NORM_INIT(S)                                                                  \
    OPT_ENUM(                                                                                      \
        S, norm_init, "ones|uniform", "ones",                                                      \
        "first scales of the batch norms; uniform: in (0, 1), as open_lth and what builds on it")

/* First in the options of a model that takes an Architecture. */
typedef struct ModelShape {
    int init;
    Architecture architecture;
} ModelShape;
enum { MODEL_WIDTH_MAX = 65536 };
// clang-format off
#define MODEL_SHAPE_OPTIONS                                                                        \
    MODEL_OPTION_INIT(ModelShape),                                                                 \
    {"widths", OPTION_COUNTS, offsetof(ModelShape, architecture.widths), "", 1, MODEL_WIDTH_MAX,   \
     NULL, "channels or units by the name of a layer, or of a residual stream: {layer1: 12}; the rest as published"}, \
    {"without", OPTION_NAMES, offsetof(ModelShape, architecture.without), "", 0, 0, NULL,          \
     "residual blocks that are left out: [layer1.2]"},                                             \
    {"residual", OPTION_ENUM, offsetof(ModelShape, architecture.residual), "tied", 0, 0,           \
     RESIDUAL_CHOICES, "a residual stream has one width, or each layer that writes to it its own, and the narrower summand gets zeros"}
// clang-format on
const Architecture *model_common_architecture(const void *options);

/* Sets one width, or leaves a block out; the name is not copied. False when there is no room. */
bool architecture_set_width(Architecture *a, const char *name, int64_t width) MUST_CHECK;
bool architecture_leave_out(Architecture *a, const char *block) MUST_CHECK;

/* After the model was built with `parts`: every name of the architecture is one that the model has,
 * and the layers of a stream agree; every mistake is reported at its place, with the nearest name.
 */
bool model_parts_check(const ModelParts *parts, const Architecture *architecture, const char *model,
                       Error *err) MUST_CHECK;

/* The kind for ModelBuild.init; orthogonal for lsuv, which starts from it. */
InitKind model_common_init(const void *options);
/* True when lsuv_init (init.h) must follow params_init. */
bool model_wants_lsuv(const void *options);

#endif
