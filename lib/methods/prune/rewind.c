/* rewind -- see rewind.h. */
#include "methods/prune/rewind.h"

#include <string.h>

enum { NAME_BYTES = 300 };

static bool ends_in(const char *name, const char *end)
{
    const size_t n = strlen(name), n_end = strlen(end);
    return n >= n_end && strcmp(name + n - n_end, end) == 0;
}

bool rewind_is_memory(const Param *p)
{
    return p->role == ROLE_BUFFER && (ends_in(p->name, "_mask") || ends_in(p->name, "_rewind"));
}

static const Param *copy_of(const Params *params, const Param *p)
{
    char name[NAME_BYTES];
    (void)snprintf(name, sizeof name, "%s_rewind", p->name);
    return rewind_is_memory(p) ? NULL : params_find(params, name);
}

void rewind_buffers(const MethodCall *c, Graph *g)
{
    for (Param *p = c->params->first, *last = c->params->last;; p = p->next) {
        if (!rewind_is_memory(p))
            (void)params_get(c->params, g, arena_printf(g->arena, "%s_rewind", p->name), p->shape,
                             ROLE_BUFFER, false, (Init){.kind = INIT_ZEROS});
        if (p == last) break;
    }
}

void rewind_save(const Params *params)
{
    for (const Param *p = params->first; p; p = p->next) {
        const Param *copy = copy_of(params, p);
        if (copy) memcpy(copy->data, p->data, sizeof(float) * (size_t)p->n);
    }
}

void rewind_load(const Params *params)
{
    for (const Param *p = params->first; p; p = p->next) {
        const Param *copy = copy_of(params, p);
        if (copy) memcpy(p->data, copy->data, sizeof(float) * (size_t)p->n);
    }
}
