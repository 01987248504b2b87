/* adapter -- see adapter.h. */
#include "methods/peft/adapter.h"

#include <string.h>

/* What is never adapted unless it is named. */
static const char *const head[] = {"lm_head", "classifier", "score", "cls", "pooler", NULL};

/* The first n letters of `module` are `name`, or end with it after a dot. */
static bool is_module(const char *module, size_t n, const char *name)
{
    const size_t m = strlen(name);
    if (n < m || strncmp(module + n - m, name, m) != 0) return false;
    return n == m || module[n - m - 1] == '.';
}

static bool is_head(const char *module, size_t n)
{
    for (int i = 0; head[i]; i++) {
        const size_t m = strlen(head[i]);
        if (n >= m && strncmp(module, head[i], m) == 0 && (n == m || module[m] == '.')) return true;
    }
    return false;
}

/* Length of the module's name in front of `suffix`; 0 where p has another. */
static size_t module_length(const char *name, const char *suffix)
{
    const size_t n = strlen(name), m = strlen(suffix);
    return n > m && strcmp(name + n - m, suffix) == 0 ? n - m : 0;
}

static bool is_at(const AdapterSite *site, const char *name, const char *suffix)
{
    const size_t n = module_length(name, suffix);
    if (n == 0) return false;
    for (int i = 0; i < site->targets.n; i++)
        if (is_module(name, n, site->targets.at[i].name)) return true;
    return site->targets.n == 0 && !is_head(name, n);
}

bool adapter_is_target(const AdapterSite *site, const Param *p)
{
    return p->role == ROLE_WEIGHT && p->shape.rank == 2 && is_at(site, p->name, ".weight");
}

void adapter_freeze(const MethodCall *c, const AdapterSite *site, Param *p)
{
    const bool trained =
        p->role == ROLE_BIAS && (site->bias == ADAPTER_BIAS_ALL ||
                                 (site->bias == ADAPTER_BIAS_OWN && is_at(site, p->name, ".bias")));
    if (!trained) params_freeze(c->params, p);
}

void adapter_check(const MethodCall *c, const AdapterSite *site, Graph *g)
{
    for (int i = 0; i < site->targets.n; i++) {
        const char *name = site->targets.at[i].name;
        const Param *p = c->params->first;
        while (p && !(adapter_is_target(site, p) &&
                      is_module(p->name, module_length(p->name, ".weight"), name)))
            p = p->next;
        if (!p)
            (void)graph_fail(g, "method '%s': targets: no linear layer is named '%s'",
                             c->method->name, name);
    }
}

int64_t adapter_out(const LinearProduct *l)
{
    return l->p->shape.dim[l->turned ? 1 : 0];
}

int64_t adapter_in(const LinearProduct *l)
{
    return l->p->shape.dim[l->turned ? 0 : 1];
}

Param *adapter_param(const MethodCall *c, const ModelBuild *b, const LinearProduct *l,
                     const char *suffix, Shape s, Init init)
{
    const char *name =
        model_name(b, "%.*s%s", (int)module_length(l->p->name, ".weight"), l->p->name, suffix);
    Param *p = params_get(c->params, b->graph, name, s, ROLE_WEIGHT, true, init);
    p->may_lack = true;
    return p;
}
