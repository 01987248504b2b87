/* score_loss -- the gradient of the loss over the examples to every prunable weight, and the
 * Hessian times that gradient; see score.h.
 *
 * Both are means over batches of equal size, summed in double in the order of the batches. */
#include "methods/prune/score.h"

#include "graph/plan.h"

/* Cross-entropy of the logits over T, its gradient, and that of v' gradient with v as inputs. */
typedef struct Derivatives {
    ScoreGraph s;
    Node **gradient, **v, **product; /* one a prunable weight */
} Derivatives;

static bool differentiate(Derivatives *d, const ScoreCall *c, bool hessian, Error *err)
{
    TRY(score_graph(&d->s, c->call, c->samples->batch_size, true, err));
    Graph *g = d->s.graph;
    const int n = d->s.n;
    Node *logits = hessian ? affine(g, d->s.logits, (float)(1 / c->temperature), 0) : d->s.logits;
    Node *loss = mean(g, cross_entropy(g, logits, d->s.label, 0, -1), ALL_AXES, false);
    d->gradient = arena_new_array(d->s.arena, Node *, n);
    graph_grad(g, loss, NULL, d->s.weight, n, d->gradient);
    if (!hessian) return graph_ok(g, err);
    Node *dot = scalar(g, 0);
    d->v = arena_new_array(d->s.arena, Node *, n);
    d->product = arena_new_array(d->s.arena, Node *, n);
    for (int i = 0; i < n; i++) {
        d->v[i] = input(g, d->s.param[i]->name, F32, d->s.param[i]->shape);
        dot = add(g, dot, sum(g, mul(g, d->gradient[i], d->v[i]), ALL_AXES, false));
    }
    graph_grad(g, dot, NULL, d->s.weight, n, d->product);
    return graph_ok(g, err);
}

static Plan *make_plan(const Derivatives *d, Node *const nodes[], Error *err)
{
    PlanOutput *outputs = arena_new_array(d->s.arena, PlanOutput, d->s.n);
    for (int i = 0; i < d->s.n; i++) outputs[i].node = nodes[i];
    Plan *plan = plan_new(d->s.graph, outputs, d->s.n, NULL, err);
    if (!plan || plan_allocate(plan, err)) return plan;
    plan_free(plan);
    return NULL;
}

static void add_values(const Derivatives *d, const Plan *plan, Node *const nodes[], double *sum)
{
    for (int i = 0; i < d->s.n; i++) {
        const float *value = plan_value(plan, nodes[i]);
        for (int64_t k = 0; k < d->s.param[i]->n; k++) *sum++ += (double)value[k];
    }
}

/* The mean over the batches of `nodes`, with v bound to `at` (NULL: there is none). */
static bool mean_of(const Derivatives *d, const Samples *samples, Node *const nodes[],
                    const float *at, float *out, Error *err)
{
    void *sum;
    const int64_t n = d->s.n_weights;
    TRY(memory_map(&sum, sizeof(double) * (size_t)n, err));
    Plan *plan = make_plan(d, nodes, err);
    for (int i = 0; plan && at && i < d->s.n; at += d->s.param[i++]->n)
        plan_bind(plan, d->v[i], at);
    for (int64_t b = 0; plan && b < samples->n_batches; b++) {
        plan_bind(plan, d->s.x, samples_x(samples, b));
        plan_bind(plan, d->s.label, samples_label(samples, b));
        plan_run(plan, (uint64_t)b);
        add_values(d, plan, nodes, sum);
    }
    for (int64_t i = 0; plan && i < n; i++)
        out[i] = (float)(((const double *)sum)[i] / (double)samples->n_batches);
    const bool ok = plan != NULL;
    plan_free(plan);
    memory_unmap(sum, sizeof(double) * (size_t)n);
    return ok;
}

static bool product(const Derivatives *d, const ScoreCall *c, float *out, Error *err)
{
    void *gradient;
    const size_t bytes = sizeof(float) * (size_t)d->s.n_weights;
    TRY(memory_map(&gradient, bytes, err));
    const bool ok = mean_of(d, c->samples, d->gradient, NULL, gradient, err) &&
                    mean_of(d, c->samples, d->product, gradient, out, err);
    memory_unmap(gradient, bytes);
    return ok;
}

bool score_loss(const ScoreCall *s, bool hessian, float *out, Error *err)
{
    Derivatives d = {0};
    bool ok = differentiate(&d, s, hessian, err);
    if (ok)
        ok = hessian ? product(&d, s, out, err)
                     : mean_of(&d, s->samples, d.gradient, NULL, out, err);
    score_graph_free(&d.s);
    return ok;
}
