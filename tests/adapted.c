/* adapted -- see adapted.h. */
#include "tests/adapted.h"

#include "graph/plan.h"
#include "tests/test.h"

#include <math.h>
#include <string.h>

enum { BATCH = 3, LEAVES = 12 };

static Node *product(void *owner, const ModelBuild *b, const LinearProduct *l, Node *y)
{
    MethodCall *c = owner;
    c->params = b->params;
    return c->method->product ? c->method->product(c, b, l, y) : y;
}

static Node *parametrize(void *owner, const ModelBuild *b, Param *p, Node *w)
{
    MethodCall *c = owner;
    c->params = b->params;
    return c->method->parametrize(c, b, p, w);
}

void adapted_hook(ModelBuild *b, MethodCall *c)
{
    b->parametrize = parametrize;
    b->product = product;
    b->owner = c;
}

void adapted_layers(AdaptedLayers *at, const char *method, const char *options)
{
    at->m = test_model("mlp", "{hidden: [6]}", shape(1, INT64_C(4)), 3);
    at->call = (MethodCall){.method = method_find(method),
                            .params = at->m.build.params,
                            .model = at->m.model,
                            .total_steps = 12,
                            .steps_per_epoch = 4};
    assert_non_null(at->call.method);
    at->call.options = test_options(at->m.arena, &at->call.method->options, options);
    adapted_hook(&at->m.build, &at->call);
    test_model_init(&at->m, 2, 1);
}

void adapted_build(Adapted *at, const char *method, const char *options, int64_t out, int64_t in,
                   bool turned)
{
    *at = (Adapted){.arena = arena_new()};
    const Method *m = method_find(method);
    assert_non_null(m);
    at->build = (ModelBuild){.graph = graph_new(at->arena), .params = params_new(at->arena)};
    adapted_hook(&at->build, &at->call);
    at->call = (MethodCall){.method = m,
                            .params = at->build.params,
                            .like = &at->build,
                            .total_steps = 12,
                            .steps_per_epoch = 4};
    at->call.options = test_options(at->arena, &m->options, options);
    const Init init = {.kind = INIT_NORMAL, .a = 1};
    ModelBuild *b = &at->build;
    Node *w = turned ? model_turned_weight(b, "fc.weight", shape(2, in, out), init)
                     : model_param(b, "fc.weight", shape(2, out, in), ROLE_WEIGHT, init);
    at->x = input(b->graph, "x", F32, shape(2, (int64_t)BATCH, in));
    const LinearProduct l = {
        .p = params_find(b->params, "fc.weight"), .w = w, .turned = turned, .x = at->x};
    at->y = model_product(b, &l);
    if (m->buffers) m->buffers(&at->call, b->graph);
}

void adapted(Adapted *at, const char *method, const char *options, int64_t out, int64_t in,
             bool turned)
{
    Error err = {0};
    adapted_build(at, method, options, out, in, turned);
    ASSERT_OK(graph_ok(at->build.graph, &err), &err);
    ASSERT_OK(params_allocate(at->build.params, &err), &err);
    params_init(at->build.params, 1);
    if (at->call.method->transform) ASSERT_OK(at->call.method->transform(&at->call, &err), &err);
}

void adapted_free(Adapted *k)
{
    params_free(k->build.params);
    arena_free(k->arena);
}

Param *adapted_param(const Adapted *k, const char *name)
{
    Param *p = params_find(k->build.params, name);
    if (!p) print_error("no parameter '%s'\n", name);
    assert_non_null(p);
    return p;
}

void adapted_run(const Adapted *k, const float *x, float *y)
{
    Error err = {0};
    const PlanOutput output = {k->y, y};
    Plan *plan = plan_new(k->build.graph, &output, 1, NULL, &err);
    ASSERT_OK(plan && plan_allocate(plan, &err), &err);
    plan_bind(plan, k->x, x);
    plan_run(plan, 0);
    plan_free(plan);
}

/* The layer with its loss, in double. */
typedef struct Doubled {
    Graph64 *v;
    Node *loss;
    Node *wrt[LEAVES], *grad[LEAVES];
    double *data[LEAVES];
    int n; /* trained parameters */
} Doubled;

static double *numbers(Arena *a, const char *name, int64_t n)
{
    double *out = arena_new_array(a, double, n);
    for (int64_t i = 0; i < n; i++) out[i] = (double)test_number(name, i);
    return out;
}

static Doubled doubled(Adapted *k)
{
    Error err = {0};
    Graph *g = k->build.graph;
    Doubled d = {0};
    Node *c = input(g, "c", F32, k->y->shape);
    d.loss = sum(g, mul(g, k->y, c), ALL_AXES, false);
    for (Param *p = k->build.params->first; p; p = p->next)
        if (p->trainable) d.wrt[d.n++] = param_node(g, p);
    graph_grad(g, d.loss, NULL, d.wrt, d.n, d.grad);
    ASSERT_OK(graph_ok(g, &err), &err);
    d.v = graph64_new(k->arena, g, 0);
    graph64_bind(d.v, k->x, numbers(k->arena, "x", shape_count(&k->x->shape)));
    graph64_bind(d.v, c, numbers(k->arena, "c", shape_count(&c->shape)));
    for (Param *p = k->build.params->first; p; p = p->next)
        if (!p->trainable) graph64_bind(d.v, param_node(g, p), numbers(k->arena, p->name, p->n));
    for (int i = 0; i < d.n; i++) {
        const Param *p = d.wrt[i]->param;
        d.data[i] = numbers(k->arena, p->name, p->n);
        for (int64_t j = 0; p->shape.rank == 1 && j < p->n; j++) d.data[i][j] += 1;
        graph64_bind(d.v, d.wrt[i], d.data[i]);
    }
    return d;
}

static const Node *node_named(const Adapted *k, const Doubled *d, const char *name)
{
    if (strcmp(name, "y") == 0) return k->y;
    for (int i = 0; i < d->n; i++)
        if (strcmp(d->wrt[i]->param->name, name) == 0) return d->grad[i];
    return NULL;
}

void adapted_matches(Adapted *k, const Expected *expected, int n)
{
    const Doubled d = doubled(k);
    for (int e = 0; e < n; e++) {
        const Node *node = node_named(k, &d, expected[e].name);
        assert_non_null(node);
        const double *got = graph64_value(d.v, node);
        for (int64_t i = 0; i < shape_count(&node->shape); i++) {
            const double want = expected[e].value[i];
            if (fabs(got[i] - want) > 1e-7)
                print_error("%s[%d]: %.9g, not %.9g\n", expected[e].name, (int)i, got[i], want);
            assert_true(fabs(got[i] - want) <= 1e-7);
        }
    }
}

static double loss_at(const Doubled *d, double *at, double value)
{
    const double keep = *at;
    *at = value;
    graph64_reset(d->v);
    const double loss = *graph64_value(d->v, d->loss);
    *at = keep;
    return loss;
}

void adapted_gradients(Adapted *k)
{
    const double step = 1e-5;
    const Doubled d = doubled(k);
    for (int e = 0; e < d.n; e++) {
        const int64_t n = d.wrt[e]->param->n;
        double *got = arena_new_array(k->arena, double, n);
        graph64_reset(d.v);
        memcpy(got, graph64_value(d.v, d.grad[e]), sizeof(double) * (size_t)n);
        for (int64_t i = 0; i < n; i++) {
            double *at = &d.data[e][i];
            const double want =
                (loss_at(&d, at, *at + step) - loss_at(&d, at, *at - step)) / (2 * step);
            assert_true(fabs(got[i] - want) <= 1e-7 * fmax(1, fabs(want)));
        }
    }
}
