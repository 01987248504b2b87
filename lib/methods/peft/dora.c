/* dora -- see dora.h. */
#include "methods/peft/dora.h"

#include "graph/plan.h"

#include <string.h>

static const char magnitude_suffix[] = ".lora_magnitude_vector";
/* Of |V|^2, so that a row of zeros gives zeros. */
static const float SMALLEST = 1e-30F;
enum { NAME_BYTES = 300 };

/* |V| (out), of w as the methods before made it. */
static Node *row_norms(Graph *g, Node *w, bool turned, const LowRank *low)
{
    Node *a = param_node(g, low->a), *b = param_node(g, low->b);
    Node *squares = sum(g, square(g, w), turned ? 1u << 0 : 1u << 1, false);
    Node *cross = mul(g, b, matmul(g, w, a, turned, true));
    Node *own = mul(g, b, matmul(g, b, matmul(g, a, a, false, true), false, false));
    Node *low_rank =
        add(g, affine(g, cross, 2 * low->scale, 0), affine(g, own, low->scale * low->scale, 0));
    squares = add(g, squares, sum(g, low_rank, 1u << 1, false));
    return square_root(g, maximum(g, squares, scalar(g, SMALLEST)));
}

Node *dora_scaled(const MethodCall *c, const ModelBuild *b, const LinearProduct *l,
                  const LowRank *low, Node *y)
{
    Graph *g = b->graph;
    const Init zeros = {.kind = INIT_ZEROS};
    Param *m = adapter_param(c, b, l, magnitude_suffix, shape(1, adapter_out(l)), zeros);
    m->lr_multiplier = low->b->lr_multiplier;
    Node *norms = stop_gradient(g, row_norms(g, l->w, l->turned, low));
    return mul(g, y, divide(g, param_node(g, m), norms));
}

static bool is_unset(const Param *p)
{
    for (int64_t i = 0; i < p->n; i++)
        if (p->data[i] != 0) return false;
    return true;
}

/* The tensor `suffix` of m's module. */
static Param *beside(const MethodCall *c, const Param *m, const char *suffix)
{
    char name[NAME_BYTES];
    const size_t n = strlen(m->name) - strlen(magnitude_suffix);
    (void)snprintf(name, sizeof name, "%.*s%s", (int)n, m->name, suffix);
    return params_find(c->params, name);
}

/* By the same nodes as in training, so that at the start m / |V| is 1 to the bit. */
static PlanOutput start_of(const MethodCall *c, const ModelBuild *b, Param *m, float scale)
{
    Param *p = beside(c, m, ".weight");
    const LowRank low = {beside(c, m, ".lora_A.weight"), beside(c, m, ".lora_B.weight"), scale};
    Node *w = param_node(b->graph, p);
    if (b->parametrize) w = b->parametrize(b->owner, b, p, w);
    return (PlanOutput){row_norms(b->graph, w, p->turned, &low), m->data};
}

bool dora_start(const MethodCall *c, float scale, Error *err)
{
    Arena *arena = arena_new();
    ModelBuild b = *c->like;
    b.graph = graph_new(arena);
    b.training = false;
    PlanOutput *outputs = arena_new_array(arena, PlanOutput, c->params->n);
    int n = 0;
    for (Param *p = c->params->first; p; p = p->next)
        if (p->adapter && adapter_ends(p, magnitude_suffix) && is_unset(p))
            outputs[n++] = start_of(c, &b, p, scale);
    bool ok = graph_ok(b.graph, err);
    if (ok && n > 0) {
        Plan *plan = plan_new(b.graph, outputs, n, NULL, err);
        ok = plan && plan_allocate(plan, err);
        if (ok) plan_run(plan, 0);
        plan_free(plan);
    }
    arena_free(arena);
    return ok;
}
