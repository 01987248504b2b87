/* adapter -- see adapter.h. */
#include "methods/peft/adapter.h"

#include "base/pcg.h"

#include <string.h>

/* What is never adapted unless it is named. */
static const char *const head[] = {"lm_head", "classifier", "score", "cls", "pooler", NULL};
/* What is trained instead, as PEFT does it for tasks of classes: a pretrained model has none. */
static const char *const class_head[] = {"classifier", "score", NULL};

/* The first n letters of `path` are `name`, or end with it after a dot. */
static bool is_module(const char *path, size_t n, const char *name)
{
    const size_t m = strlen(name);
    if (n < m || strncmp(path + n - m, name, m) != 0) return false;
    return n == m || path[n - m - 1] == '.';
}

static bool starts_with_module(const char *path, const char *const names[])
{
    for (int i = 0; names[i]; i++) {
        const size_t m = strlen(names[i]);
        if (strncmp(path, names[i], m) == 0 && (path[m] == '\0' || path[m] == '.')) return true;
    }
    return false;
}

/* Length of the module's name in front of `suffix`; 0 where the path has another. */
static size_t module_length(const char *path, const char *suffix)
{
    const size_t n = strlen(path), m = strlen(suffix);
    return n > m && strcmp(path + n - m, suffix) == 0 ? n - m : 0;
}

bool adapter_ends(const Param *p, const char *suffix)
{
    return module_length(p->name, suffix) > 0;
}

/* Whether `name` is one of the modules on the way down to p, or p itself. */
static bool is_in(const Param *p, const char *name)
{
    const size_t n = strlen(p->name);
    for (size_t i = 1; i <= n; i++)
        if ((i == n || p->name[i] == '.') && is_module(p->name, i, name)) return true;
    return false;
}

bool adapter_is_in(const NameList *names, const Param *p)
{
    for (int i = 0; i < names->n; i++)
        if (is_in(p, names->at[i].name)) return true;
    return false;
}

bool adapter_is_class_head(const Param *p)
{
    return starts_with_module(p->name, class_head);
}

static bool is_at(const AdapterSite *site, const char *path, const char *suffix)
{
    const size_t n = module_length(path, suffix);
    if (n == 0) return false;
    for (int i = 0; i < site->targets.n; i++)
        if (is_module(path, n, site->targets.at[i].name)) return true;
    return site->targets.n == 0 && !starts_with_module(path, head);
}

static bool is_linear(const Param *p)
{
    return p->role == ROLE_WEIGHT && p->shape.rank == 2 && !p->adapter;
}

bool adapter_is_target(const AdapterSite *site, const Param *p)
{
    return is_linear(p) && !adapter_is_in(&site->train, p) && is_at(site, p->name, ".weight");
}

/* A head is adapted, and frozen, where it is named. */
static bool is_trained_head(const AdapterSite *site, const Param *p)
{
    return adapter_is_class_head(p) && !adapter_is_in(&site->targets, p);
}

void adapter_freeze(const MethodCall *c, const AdapterSite *site, Param *p)
{
    const bool bias =
        p->role == ROLE_BIAS && (site->bias == ADAPTER_BIAS_ALL ||
                                 (site->bias == ADAPTER_BIAS_OWN && is_at(site, p->name, ".bias")));
    if (!bias && !is_trained_head(site, p) && !adapter_is_in(&site->train, p))
        params_freeze(c->params, p);
}

void adapter_check_names(const MethodCall *c, Graph *g, const char *option, const NameList *names)
{
    for (int i = 0; i < names->n; i++) {
        const Param *p = c->params->first;
        while (p && (p->adapter || !is_in(p, names->at[i].name))) p = p->next;
        if (!p)
            (void)graph_fail(g, "method '%s': %s: nothing in the model is named '%s'",
                             c->method->name, option, names->at[i].name);
    }
}

void adapter_check(const MethodCall *c, const AdapterSite *site, Graph *g)
{
    bool any = false;
    adapter_check_names(c, g, "train", &site->train);
    for (const Param *p = c->params->first; p; p = p->next) any |= adapter_is_target(site, p);
    for (int i = 0; i < site->targets.n; i++) {
        const char *name = site->targets.at[i].name;
        const Param *p = c->params->first;
        while (p && !(is_linear(p) && is_module(p->name, module_length(p->name, ".weight"), name)))
            p = p->next;
        if (!p)
            (void)graph_fail(g, "method '%s': targets: no linear layer is named '%s'",
                             c->method->name, name);
    }
    if (!any)
        (void)graph_fail(g, "method '%s': the model has no linear layer to adapt", c->method->name);
}

int64_t adapter_out(const LinearProduct *l)
{
    return l->p->shape.dim[l->turned ? 1 : 0];
}

int64_t adapter_in(const LinearProduct *l)
{
    return l->p->shape.dim[l->turned ? 0 : 1];
}

static const char *beside(const ModelBuild *b, const LinearProduct *l, const char *suffix)
{
    return model_name(b, "%.*s%s", (int)module_length(l->p->name, ".weight"), l->p->name, suffix);
}

Node *adapter_input(const AdapterSite *site, const ModelBuild *b, const LinearProduct *l)
{
    if (!b->training || site->dropout == 0) return l->x;
    return dropout(b->graph, l->x, (float)site->dropout, b->seed,
                   pcg_name(beside(b, l, ".adapter")));
}

void adapter_check_no_dropout(const MethodCall *c, const AdapterSite *site, Graph *g,
                              const char *what)
{
    if (site->dropout > 0)
        (void)graph_fail(g, "method '%s': dropout has no meaning for %s, which changes the weight",
                         c->method->name, what);
}

Param *adapter_param(const MethodCall *c, const ModelBuild *b, const LinearProduct *l,
                     const char *suffix, Shape s, Init init)
{
    const ParamRole role = s.rank == 1 ? ROLE_NORM : ROLE_WEIGHT;
    Param *p = params_get(c->params, b->graph, beside(b, l, suffix), s, role, true, init);
    p->may_lack = p->adapter = true;
    return p;
}

Param *adapter_buffer(const MethodCall *c, const ModelBuild *b, const LinearProduct *l,
                      const char *suffix, Shape s)
{
    Param *p = params_get(c->params, b->graph, beside(b, l, suffix), s, ROLE_BUFFER, false,
                          (Init){.kind = INIT_ZEROS});
    p->may_lack = p->adapter = true;
    return p;
}
