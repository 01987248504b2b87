/* lsuv -- layer-sequential unit-variance initialisation (Mishkin & Matas 2016, algorithm 1).
 *
 *   for each layer L: while |Var(B_L) - 1| >= Tol_var and fewer than T_max rounds:
 *                         run the batch forward;  W_L = W_L / sqrt(Var(B_L))
 *
 * B_L is L's output before its nonlinearity, Var its variance over the whole batch, T_max 10. Each
 * layer has its own plan over one graph: only what leads to B_L is computed. */
#include "nn/init.h"

#include "base/realmath.h"
#include "graph/plan.h"

enum { MAX_ROUNDS = 10 };

typedef struct Layer Layer;
struct Layer {
    const char *name;
    Param *weight;
    Node *output;
    Layer *next;
};

typedef struct Layers {
    Arena *arena;
    Layer *first, **end;
} Layers;

static void collect(void *owner, const char *name, Param *weight, Node *output)
{
    Layers *layers = owner;
    if (!weight) return;
    Layer *l = arena_new_array(layers->arena, Layer, 1);
    *l = (Layer){.name = name, .weight = weight, .output = output};
    *layers->end = l;
    layers->end = &l->next;
}

/* Two passes in double, in order. */
static double variance(const float *y, int64_t n)
{
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < n; i++) sum += (double)y[i];
    const double mean = sum / (double)n;
    for (int64_t i = 0; i < n; i++) squares += ((double)y[i] - mean) * ((double)y[i] - mean);
    return squares / (double)n;
}

static void scale(Param *p, double factor)
{
    for (int64_t i = 0; i < p->n; i++) p->data[i] = (float)(factor * (double)p->data[i]);
}

static bool scale_layer(const Layer *l, Plan *plan, double tolerance, Error *err)
{
    for (int round = 0; round < MAX_ROUNDS; round++) {
        plan_run(plan, 0);
        const double v = variance(plan_value(plan, l->output), shape_count(&l->output->shape));
        if (!(v > 1e-30 && v < 1e30))
            return fail(err, FAIL_RUN, NULL,
                        "init lsuv: the output of layer '%s' has variance %g over the batch, which "
                        "no scale makes 1",
                        l->name, v);
        if (v - 1 < tolerance && 1 - v < tolerance) break;
        scale(l->weight, 1 / real_sqrt(v));
    }
    return true;
}

static bool plan_layer(Graph *g, const Layer *l, const Node *in, const float *x, double tolerance,
                       Error *err)
{
    Plan *plan = plan_new(g, &(PlanOutput){.node = l->output}, 1, NULL, err);
    if (!plan) return false;
    bool ok = plan_allocate(plan, err);
    if (ok) {
        plan_bind(plan, in, x);
        ok = scale_layer(l, plan, tolerance, err);
    }
    plan_free(plan);
    return ok;
}

bool lsuv_init(const Model *model, const void *options, const ModelBuild *like, const float *x,
               int64_t batch, double tolerance, Error *err)
{
    Arena *arena = arena_new();
    Layers layers = {.arena = arena, .end = &layers.first};
    ModelBuild b = *like;
    b.graph = graph_new(arena);
    b.training = true; /* so that batch norms are at work */
    b.observe = collect;
    b.observer = &layers;
    Shape s = {.rank = like->task.sample.rank + 1, .dim = {batch}};
    for (int i = 0; i < like->task.sample.rank; i++) s.dim[i + 1] = like->task.sample.dim[i];
    Node *in = input(b.graph, "x", like->task.dtype, s);
    (void)model->build(&b, options, in);
    b.graph->n_updates = 0; /* the running statistics stay as they are */
    bool ok = graph_ok(b.graph, err);
    for (const Layer *l = layers.first; ok && l; l = l->next)
        ok = plan_layer(b.graph, l, in, x, tolerance, err);
    arena_free(arena);
    return ok;
}
