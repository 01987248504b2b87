/* param -- see param.h. Names are found by a walk: models have some hundreds of parameters. */
#include "graph/param.h"

#include <string.h>

enum { ALIGN_FLOATS = 16 }; /* one cache line: no two parameters share one */

const char *const param_role_name[] = {"weight", "bias", "norm", "embedding", "kernel", "buffer"};

Shape param_shape(const Param *p)
{
    return p->shape;
}

const char *param_name(const Param *p)
{
    return p->name;
}

Params *params_new(Arena *arena)
{
    Params *ps = arena_new_array(arena, Params, 1);
    ps->arena = arena;
    return ps;
}

Param *params_find(const Params *ps, const char *name)
{
    for (Param *p = ps->first; p; p = p->next)
        if (strcmp(p->name, name) == 0) return p;
    return NULL;
}

static int64_t padded(int64_t n)
{
    return (n + ALIGN_FLOATS - 1) / ALIGN_FLOATS * ALIGN_FLOATS;
}

static void append(Params *ps, Param *p)
{
    int64_t *block = p->trainable ? &ps->n_trainable : &ps->n_other;
    p->offset = *block;
    *block += padded(p->n);
    if (p->role != ROLE_BUFFER) ps->count += p->n;
    if (ps->last)
        ps->last->next = p;
    else
        ps->first = p;
    ps->last = p;
    ps->n++;
}

Param *params_get(Params *ps, Graph *g, const char *name, Shape s, ParamRole role, bool trainable,
                  Init init)
{
    Param *old = params_find(ps, name);
    if (old && shape_equal(&old->shape, &s)) return old;
    Param *p = arena_new_array(ps->arena, Param, 1);
    p->name = arena_string(ps->arena, name);
    p->shape = s;
    p->role = role;
    p->trainable = trainable;
    p->lr_multiplier = p->weight_decay_multiplier = 1;
    p->init = init;
    p->n = shape_count(&s);
    char before[96], now[96];
    if (old)
        (void)graph_fail(g, "parameter %s has shape %s; here it is %s", name,
                         shape_text(&old->shape, before), shape_text(&s, now));
    else if (ps->allocated)
        (void)graph_fail(g, "parameter %s is new: the model that was set up first has none", name);
    else
        append(ps, p);
    return p;
}

static void place_again(Params *ps)
{
    ps->n_trainable = ps->n_other = 0;
    for (Param *q = ps->first; q; q = q->next) {
        if (q->lent) continue;
        int64_t *block = q->trainable ? &ps->n_trainable : &ps->n_other;
        q->offset = *block;
        *block += padded(q->n);
    }
}

void params_freeze(Params *ps, Param *p)
{
    if (ps->allocated || !p->trainable) return;
    p->trainable = false;
    place_again(ps);
}

void params_lend(Params *ps, Param *p, const float *data)
{
    if (ps->allocated || p->trainable) return;
    p->lent = true;
    p->data = (float *)(uintptr_t)data;
    place_again(ps);
}

static bool take(float **block, int64_t n, Error *err)
{
    void *memory = NULL;
    TRY(memory_map(&memory, sizeof(float) * (size_t)n, err));
    *block = memory;
    return true;
}

bool params_allocate(Params *ps, Error *err)
{
    if (ps->allocated) return true;
    if (!take(&ps->weights, ps->n_trainable, err) || !take(&ps->grads, ps->n_trainable, err) ||
        !take(&ps->others, ps->n_other, err)) {
        error_note(err, "for the parameters");
        params_free(ps);
        return false;
    }
    for (Param *p = ps->first; p; p = p->next) {
        if (p->lent) continue;
        p->data = (p->trainable ? ps->weights : ps->others) + p->offset;
        p->grad = p->trainable ? ps->grads + p->offset : NULL;
    }
    ps->allocated = true;
    return true;
}

static void give_back(float **block, int64_t n)
{
    if (*block) memory_unmap(*block, sizeof(float) * (size_t)n);
    *block = NULL;
}

void params_free(Params *ps)
{
    give_back(&ps->weights, ps->n_trainable);
    give_back(&ps->grads, ps->n_trainable);
    give_back(&ps->others, ps->n_other);
    for (Param *p = ps->first; p; p = p->next)
        if (!p->lent) p->data = p->grad = NULL;
    ps->allocated = false;
}
