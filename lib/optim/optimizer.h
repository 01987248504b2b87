/* optimizer -- update rules over contiguous storage, one pass. g is the gradient after clipping, t
 * the step from 1.
 *
 *   sgd    g += wd w
 *          b = t == 1 ? g : momentum b + (1 - dampening) g
 *          w -= lr (nesterov ? g + momentum b : b)
 *   adam   g += wd w
 *          m = beta1 m + (1 - beta1) g
 *          v = beta2 v + (1 - beta2) g^2
 *          w -= lr / (1 - beta1^t) m / (sqrt(v / (1 - beta2^t)) + eps)
 *   adamw  w -= lr wd w, then adam with wd = 0
 *
 *   muon   for matrices: optim/muon.c; adamw for the rest
 *
 * These are torch's definitions (Kingma & Ba 2015; Loshchilov & Hutter 2019); tests/unit/optim.c
 * holds values that torch gave. Clipping and the moving average are part of the same pass. */
#ifndef SEQLAB_OPTIM_OPTIMIZER_H
#define SEQLAB_OPTIM_OPTIMIZER_H

#include "cpu/cpu.h"
#include "graph/param.h"
#include "io/option.h"

/* Every optimizer's options start with these. */
typedef struct OptimizerCommon {
    double lr, weight_decay;
    int decay_on;      /* a DecayOn */
    double clip_norm;  /* 0: off. Bound of the norm of all gradients, as torch's clip_grad_norm_ */
    double clip_value; /* 0: off. Bound of every |g|, after clip_norm */
    double ema_decay;  /* 0: off. ema = d ema + (1 - d) w after each step; evaluation uses it */
} OptimizerCommon;

typedef enum DecayOn { DECAY_ON_ALL, DECAY_ON_WEIGHTS } DecayOn;

/* The option rows of OptimizerCommon, with the defaults that differ between optimizers. */
// clang-format off
#define OPTIMIZER_COMMON_OPTIONS(lr_default, decay_default)                                        \
    OPT_REAL(OptimizerCommon, lr, lr_default, 1e-10, 10, "learning rate, before the schedule"),    \
    OPT_REAL(OptimizerCommon, weight_decay, decay_default, 0, 10, "pull of the weights to 0"),     \
    OPT_ENUM(OptimizerCommon, decay_on, "all|weights", "all",                                      \
             "what weight_decay acts on; weights leaves out biases and norms"),                    \
    OPT_REAL(OptimizerCommon, clip_norm, 0, 0, 1e6, "largest norm of all gradients; 0: no limit"), \
    OPT_REAL(OptimizerCommon, clip_value, 0, 0, 1e6, "largest |g| of any gradient; 0: no limit"),  \
    OPT_REAL(OptimizerCommon, ema_decay, 0, 0, 0.999999,                                           \
             "moving average of the weights, a step, used to evaluate; 0: none")
// clang-format on

typedef struct OptimizerSpan { /* parameters side by side with the same multipliers */
    int64_t offset, n;         /* floats; padding belongs to the parameter before it */
    float lr_multiplier;
    float weight_decay; /* with decay_on and the parameter's multiplier taken in */
    const Param *param; /* the first one */
} OptimizerSpan;

enum { OPTIMIZER_MAX_SLOTS = 2 };

/* One update of one span: pointers stand at its first element. */
typedef struct OptimizerUpdate {
    const void *options;
    const OptimizerSpan *span;
    int64_t step; /* from 1 */
    double lr;    /* with the span's multiplier */
    float *w;
    const float *g;
    float *slots[OPTIMIZER_MAX_SLOTS];
    UpdateCommon common; /* clipping and the moving average */
    void *workspace;     /* 64-byte aligned; shared by all spans, contents undefined */
} OptimizerUpdate;

typedef struct Optimizer {
    const char *name, *summary, *paper;
    int revision;
    OptionTable options; /* its struct starts with OptimizerCommon */
    /* NULL, or gives a clause that says which options do not go together, or NULL when they do. */
    const char *(*conflict)(const void *options);
    int n_slots; /* at least 1 */
    const char *slot_name[OPTIMIZER_MAX_SLOTS];
    /* NULL, or a span is one parameter, whose shape counts: the bytes that its update works in. */
    size_t (*workspace)(const void *options, const Param *p);
    void (*update)(const OptimizerUpdate *u);
} Optimizer;

extern const Optimizer optimizer_sgd, optimizer_adam, optimizer_adamw, optimizer_muon;
extern const Optimizer *const optimizer_registry[]; /* NULL-terminated */
const Optimizer *optimizer_find(const char *name);  /* NULL when there is none of that name */

/* Everything that a checkpoint needs is in the weights, step, slots and ema. */
typedef struct OptimizerState {
    const Optimizer *optimizer;
    const void *options;
    Params *params;
    int64_t step;                      /* updates done */
    float *slots[OPTIMIZER_MAX_SLOTS]; /* each params->n_trainable floats */
    float *ema;                        /* params->n_trainable floats, or NULL */
    OptimizerSpan *spans;              /* the arena's */
    int n_spans;
    size_t bytes; /* of slots, ema and workspace together: one block, owned by the state */
    void *workspace;
} OptimizerState;

/* Bytes of slots, ema and workspace: what optimizer_start takes. */
size_t optimizer_bytes(const Optimizer *optimizer, const void *options, const Params *params);
/* After params_allocate. Slots start at zero, ema at the weights. Fails with FAIL_CONFIG when the
 * options are in conflict (place unknown here: who reads the file asks `conflict` first), with
 * FAIL_RUN when memory is short. */
bool optimizer_start(OptimizerState *s, const Optimizer *optimizer, const void *options,
                     Params *params, Arena *arena, Error *err) MUST_CHECK;
/* One update at learning rate lr (the schedule's): clips, updates, moves the ema.
 * Gradients are left as they are, unless their squares overflow. Allocates nothing. *grad_norm (may
 * be NULL) gets the norm before clipping when clip_norm is on, else NaN. Returns false, having
 * changed nothing, when a gradient is not finite. */
bool optimizer_step(OptimizerState *s, double lr, double *grad_norm);
void optimizer_free(OptimizerState *s);
/* Swaps weights and ema (no-op without ema): evaluation calls it before and after. */
void optimizer_swap_ema(OptimizerState *s);

#endif
