/* optimizer -- what all update rules share: state, spans, clipping, moving average. */
#include "optim/optimizer.h"

#include "cpu/cpu.h"

#include <assert.h>
#include <math.h>
#include <string.h>

const Optimizer *const optimizer_registry[] = {&optimizer_sgd, &optimizer_adam, &optimizer_adamw,
                                               &optimizer_muon, NULL};

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
        if (last && !s->optimizer->workspace && last->lr_multiplier == p->lr_multiplier &&
            last->weight_decay == decay)
            continue;
        if (last) last->n = p->offset - last->offset;
        s->spans[s->n_spans++] = (OptimizerSpan){.offset = p->offset,
                                                 .lr_multiplier = p->lr_multiplier,
                                                 .weight_decay = decay,
                                                 .param = p};
    }
    if (s->n_spans == 0) return;
    OptimizerSpan *last = &s->spans[s->n_spans - 1];
    last->n = s->params->n_trainable - last->offset;
}

static size_t workspace_bytes(const Optimizer *optimizer, const void *options, const Params *params)
{
    size_t most = 0;
    for (const Param *p = params->first; p && optimizer->workspace; p = p->next) {
        const size_t bytes = p->trainable ? optimizer->workspace(options, p) : 0;
        if (bytes > most) most = bytes;
    }
    return most;
}

size_t optimizer_bytes(const Optimizer *optimizer, const void *options, const Params *params)
{
    const OptimizerCommon *common = options;
    const size_t n_blocks = (size_t)optimizer->n_slots + (common->ema_decay > 0 ? 1 : 0);
    return n_blocks * (size_t)params->n_trainable * sizeof(float) +
           workspace_bytes(optimizer, options, params);
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
    size_t n = (size_t)params->n_trainable, bytes = optimizer_bytes(optimizer, options, params);
    void *memory;
    TRY(memory_map(&memory, bytes, err));
    s->bytes = bytes;
    for (int k = 0; k < optimizer->n_slots; k++) s->slots[k] = (float *)memory + (size_t)k * n;
    if (common->ema_decay > 0 && n > 0) {
        s->ema = (float *)memory + (size_t)optimizer->n_slots * n;
        memcpy(s->ema, params->weights, n * sizeof(float));
    }
    s->workspace = (char *)memory + bytes - workspace_bytes(optimizer, options, params);
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

/* What clipping makes of the gradients; false when one is not finite. The 1e-6 is torch's. */
static bool clip(const OptimizerCommon *o, float *g, int64_t n, double *norm, UpdateCommon *c)
{
    *norm = NAN;
    c->scale = 1;
    c->limit = o->clip_value > 0 ? (float)o->clip_value : INFINITY;
    if (o->clip_norm <= 0) return cpu->all_finite(n, g);
    double shrunk;
    if (!norm_of(g, n, norm, &shrunk)) return false;
    double scale = o->clip_norm / (*norm + 1e-6);
    if (scale < 1) c->scale = (float)(scale / shrunk);
    return true;
}

static void update_span(const OptimizerState *s, const OptimizerSpan *span, double lr,
                        const UpdateCommon *common)
{
    OptimizerUpdate u = {.options = s->options,
                         .span = span,
                         .step = s->step,
                         .lr = lr * (double)span->lr_multiplier,
                         .w = s->params->weights + span->offset,
                         .g = s->params->grads + span->offset,
                         .common = *common,
                         .workspace = s->workspace};
    for (int k = 0; k < s->optimizer->n_slots; k++) u.slots[k] = s->slots[k] + span->offset;
    if (s->ema) u.common.ema = s->ema + span->offset;
    s->optimizer->update(&u);
}

bool optimizer_step(OptimizerState *s, double lr, double *grad_norm)
{
    const OptimizerCommon *o = s->options;
    UpdateCommon common = {.keep = (float)o->ema_decay};
    double norm;
    bool finite = clip(o, s->params->grads, s->params->n_trainable, &norm, &common);
    if (grad_norm) *grad_norm = norm;
    if (!finite) return false;
    s->step++;
    for (int i = 0; i < s->n_spans; i++) update_span(s, &s->spans[i], lr, &common);
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
