/* optimizer -- what all update rules share: state, spans, clipping, moving average. */
#include "optim/optimizer.h"

#include "cpu/cpu.h"

#include <assert.h>
#include <math.h>
#include <string.h>

const Optimizer *const optimizer_registry[] = {&optimizer_sgd, &optimizer_adam, &optimizer_adamw,
                                               NULL};

const Optimizer *optimizer_find(const char *name)
{
    for (int i = 0; optimizer_registry[i]; i++)
        if (strcmp(optimizer_registry[i]->name, name) == 0) return optimizer_registry[i];
    return NULL;
}

static float decay_of(const OptimizerCommon *o, const Param *p)
{
    bool decays =
        o->decay_on == DECAY_ON_ALL || p->role == ROLE_WEIGHT || p->role == ROLE_EMBEDDING;
    return decays ? (float)(o->weight_decay * (double)p->weight_decay_multiplier) : 0;
}

/* One span a run of parameters that are updated alike. It ends where the next begins, so padding is
 * updated too: with g = 0 and w = 0 it stays 0. */
static void make_spans(OptimizerState *s, Arena *arena)
{
    s->spans = arena_new_array(arena, OptimizerSpan, s->params->n + 1);
    for (const Param *p = s->params->first; p; p = p->next) {
        if (!p->trainable) continue;
        OptimizerSpan *last = s->n_spans > 0 ? &s->spans[s->n_spans - 1] : NULL;
        assert(last ? p->offset >= last->offset : p->offset == 0);
        float decay = decay_of(s->options, p);
        if (last && last->lr_multiplier == p->lr_multiplier && last->weight_decay == decay)
            continue;
        if (last) last->n = p->offset - last->offset;
        s->spans[s->n_spans++] = (OptimizerSpan){
            .offset = p->offset, .lr_multiplier = p->lr_multiplier, .weight_decay = decay};
    }
    if (s->n_spans == 0) return;
    OptimizerSpan *last = &s->spans[s->n_spans - 1];
    last->n = s->params->n_trainable - last->offset;
}

bool optimizer_start(OptimizerState *s, const Optimizer *optimizer, const void *options,
                     Params *params, Arena *arena, Error *err)
{
    const OptimizerCommon *common = options;
    assert(params->allocated);
    *s = (OptimizerState){.optimizer = optimizer, .options = options, .params = params};
    const char *conflict = optimizer->conflict ? optimizer->conflict(options) : NULL;
    if (conflict)
        return fail(err, FAIL_CONFIG, NULL, "optimizer %s: %s", optimizer->name, conflict);
    int n_blocks = optimizer->n_slots + (common->ema_decay > 0);
    size_t n = (size_t)params->n_trainable, bytes = (size_t)n_blocks * n * sizeof(float);
    void *memory;
    TRY(memory_map(&memory, bytes, err));
    s->bytes = bytes;
    for (int k = 0; k < optimizer->n_slots; k++) s->slots[k] = (float *)memory + (size_t)k * n;
    if (common->ema_decay > 0 && n > 0) {
        s->ema = (float *)memory + (size_t)optimizer->n_slots * n;
        memcpy(s->ema, params->weights, n * sizeof(float));
    }
    make_spans(s, arena);
    return true;
}

/* Norm of all gradients; false when one is not finite. A square overflows from 1.8e19 on although
 * the gradient itself is finite: then they are first made smaller by a power of two, *shrunk, which
 * changes no bit of any that could still count beside such a norm. */
static bool norm_of(float *g, int64_t n, double *norm, double *shrunk)
{
    double squares = cpu->sum_squares(n, g);
    *shrunk = 1;
    if (!isfinite(squares)) {
        if (!cpu->all_finite(n, g)) return false;
        *shrunk = 0x1p-80;
        cpu->axpby(n, 0x1p-80F, g, 0, g);
        squares = cpu->sum_squares(n, g);
    }
    *norm = sqrt(squares) / *shrunk;
    return true;
}

/* The 1e-6 is torch's. */
static bool clip(const OptimizerCommon *o, float *g, int64_t n, double *norm)
{
    *norm = NAN;
    if (o->clip_norm > 0) {
        double shrunk;
        if (!norm_of(g, n, norm, &shrunk)) return false;
        double scale = o->clip_norm / (*norm + 1e-6);
        if (scale < 1) cpu->axpby(n, (float)(scale / shrunk), g, 0, g);
    } else if (!cpu->all_finite(n, g)) {
        return false;
    }
    if (o->clip_value > 0) cpu->clip_value(n, (float)o->clip_value, g);
    return true;
}

bool optimizer_step(OptimizerState *s, double lr, double *grad_norm)
{
    const OptimizerCommon *o = s->options;
    Params *ps = s->params;
    double norm;
    bool finite = clip(o, ps->grads, ps->n_trainable, &norm);
    if (grad_norm) *grad_norm = norm;
    if (!finite) return false;
    s->step++;
    for (int i = 0; i < s->n_spans; i++) {
        const OptimizerSpan *span = &s->spans[i];
        float *slots[OPTIMIZER_MAX_SLOTS] = {NULL};
        for (int k = 0; k < s->optimizer->n_slots; k++) slots[k] = s->slots[k] + span->offset;
        s->optimizer->update(s->options, s->step, lr * (double)span->lr_multiplier,
                             span->weight_decay, span->n, ps->weights + span->offset,
                             ps->grads + span->offset, slots);
    }
    if (s->ema) {
        /* 1 - keep is exact: the two add up to 1, or the average of a constant would drift. */
        const float keep = (float)o->ema_decay;
        cpu->axpby(ps->n_trainable, 1.0F - keep, ps->weights, keep, s->ema);
    }
    return true;
}

void optimizer_free(OptimizerState *s)
{
    memory_unmap(s->slots[0], s->bytes);
    *s = (OptimizerState){0};
}

void optimizer_swap_ema(OptimizerState *s)
{
    if (!s->ema) return;
    float *w = s->params->weights;
    for (int64_t i = 0; i < s->params->n_trainable; i++) {
        float keep = w[i];
        w[i] = s->ema[i];
        s->ema[i] = keep;
    }
}
