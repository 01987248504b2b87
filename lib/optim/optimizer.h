/* optimizer -- update rules over contiguous storage, one pass. g is the gradient after clipping.
 *
 *   sgd    g += wd w;  b = first ? g : momentum b + (1 - dampening) g;  d = nesterov ? g + momentum
 * b : b;  w -= lr d adam   g += wd w;  m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2;  w -=
 * lr/(1-b1^t) m / (sqrt(v/(1-b2^t)) + eps) adamw  w -= lr wd w, then adam with wd = 0 (Kingma & Ba
 * 2015; Loshchilov & Hutter 2019) These are torch's definitions; tests/unit/optim.c holds values
 * that torch gave. */
#ifndef SEQLAB_OPTIM_OPTIMIZER_H
#define SEQLAB_OPTIM_OPTIMIZER_H

#include "graph/param.h"
#include "io/option.h"

/* Every optimizer's options start with these. */
typedef struct OptimizerCommon {
    double lr, weight_decay;
    int decay_on; /* 0 all, 1 weights (roles weight and embedding only) */
    double clip_norm,
        clip_value;   /* 0: off. Norm over all gradients together, as torch's clip_grad_norm_ */
    double ema_decay; /* 0: off. ema = d ema + (1 - d) w after each step; evaluation uses the ema */
} OptimizerCommon;

typedef struct OptimizerSpan { /* parameters side by side with the same multipliers */
    int64_t offset, n;         /* floats */
    float lr_multiplier, weight_decay;
} OptimizerSpan;

enum { OPTIMIZER_MAX_SLOTS = 2 };

typedef struct Optimizer {
    const char *name, *summary, *paper;
    int revision;
    OptionTable options; /* its struct starts with OptimizerCommon */
    int n_slots;
    const char *slot_name[OPTIMIZER_MAX_SLOTS];
    /* Updates one span: w, g and slots point at its first element. step counts from 1. */
    void (*update)(const void *options, int64_t step, double lr, float weight_decay, int64_t n,
                   float *w, const float *g, float *const slots[]);
} Optimizer;

extern const Optimizer *const optimizer_registry[]; /* NULL-terminated */
const Optimizer *optimizer_find(const char *name);

typedef struct OptimizerState {
    const Optimizer *optimizer;
    const void *options;
    Params *params;
    int64_t step;                      /* updates done */
    float *slots[OPTIMIZER_MAX_SLOTS]; /* each params->n_trainable floats */
    float *ema;                        /* params->n_trainable floats, or NULL */
    OptimizerSpan *spans;
    int n_spans;
    size_t bytes;
} OptimizerState;

/* After params_allocate. Slots start at zero, ema at the weights. */
bool optimizer_start(OptimizerState *s, const Optimizer *optimizer, const void *options,
                     Params *params, Arena *arena, Error *err) MUST_CHECK;
/* One update at learning rate lr (the schedule's): clips, updates, moves the ema. *grad_norm (may
 * be NULL) gets the norm before clipping when clip_norm is on, else NaN. Returns false, having
 * changed nothing, when a gradient is not finite. */
bool optimizer_step(OptimizerState *s, double lr, double *grad_norm);
void optimizer_free(OptimizerState *s);
/* Swaps weights and ema (no-op without ema): evaluation calls it before and after. */
void optimizer_swap_ema(OptimizerState *s);

#endif
