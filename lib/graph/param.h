/* param -- named tensors that outlive graphs: weights, frozen weights and buffers, in contiguous
 * storage.
 *
 * Model code asks for a parameter by name while it builds a graph; the first time creates it, later
 * times (the evaluation plan, another batch size) find the same one. params_allocate then lays all
 * trainable ones side by side, and their gradients in a second block of the same layout, so that an
 * optimizer updates everything in one pass; frozen ones and buffers come after, in a third block.
 */
#ifndef SEQLAB_GRAPH_PARAM_H
#define SEQLAB_GRAPH_PARAM_H

#include "graph/graph.h"

/* ROLE_KERNEL: the filters of a sequence layer and the numbers that make them; they keep the first
 * values of their model whatever its option init says. */
typedef enum ParamRole {
    ROLE_WEIGHT,
    ROLE_BIAS,
    ROLE_NORM,
    ROLE_EMBEDDING,
    ROLE_KERNEL,
    ROLE_BUFFER
} ParamRole;
extern const char *const param_role_name[];

typedef enum InitKind {
    INIT_ZEROS,
    INIT_ONES,
    INIT_CONSTANT,
    INIT_NORMAL,
    INIT_UNIFORM,
    INIT_HE_NORMAL,
    INIT_HE_UNIFORM,
    INIT_XAVIER_NORMAL,
    INIT_XAVIER_UNIFORM,
    INIT_TRUNCATED_NORMAL,
    INIT_ORTHOGONAL,
    INIT_TORCH_DEFAULT,
    INIT_DECAYING_NORMAL,
    INIT_UNIFORM_POSITIVE
} InitKind;

/* a: constant, standard deviation or bound where the kind takes one; gain multiplies the fan-based
 * ones (0 means its usual gain). fan_in, fan_out: 0 means from the shape: (out, in) or (O, I, KH,
 * KW). */
typedef struct Init {
    InitKind kind;
    double a, gain;
    int64_t fan_in, fan_out;
} Init;

struct Param {
    const char *name; /* the safetensors name */
    Shape shape;
    ParamRole role;
    bool trainable;
    bool lent;     /* data is someone else's (params_lend) */
    bool may_lack; /* in weights from elsewhere: it keeps its first values then */
    bool turned;   /* a linear layer's weight that is stored (in, out) */
    bool adapter;  /* belongs to an adapter beside the model's own weights (methods/peft) */
    float lr_multiplier, weight_decay_multiplier;
    Init init;
    int64_t n;      /* elements */
    int64_t offset; /* in floats, into the block it lives in (multiple of 16) */
    float *data;    /* after params_allocate */
    float *grad;    /* trainable only */
    Param *next;
};

typedef struct Params {
    Arena *arena;
    Param *first, *last; /* in order of creation */
    int n;
    bool allocated;      /* no new parameter may appear after this */
    int64_t n_trainable; /* floats of the trainable block, padding included (padding is zero and
                            stays zero) */
    int64_t n_other;
    int64_t count; /* parameters in the usual sense: elements of all that are not buffers */
    float *weights, *grads, *others;
    const char *architecture; /* of a network that is not the published one, as text: saved with the
                                 tensors; or NULL */
} Params;

Params *params_new(Arena *arena);
/* Finds or creates. A shape that differs from the existing one, or a new name after
 * params_allocate, is a mistake: graph_fail(g) and the returned Param is harmless. Multipliers
 * start at 1; weight decay at 0 for no role: that is the optimizer's option. */
Param *params_get(Params *ps, Graph *g, const char *name, Shape s, ParamRole role, bool trainable,
                  Init init);
Param *params_find(const Params *ps, const char *name);
/* Before params_allocate: p is not trained, and has neither a gradient nor optimizer state. */
void params_freeze(Params *ps, Param *p);
/* Before params_allocate: p, which is frozen, takes no memory: its numbers are at `data`, which is
 * only read and must outlive ps. For weights in a file. */
void params_lend(Params *ps, Param *p, const float *data);
bool params_allocate(Params *ps, Error *err) MUST_CHECK;
void params_free(Params *ps); /* the three blocks; the records are the arena's */

#endif
