/* score_synflow -- |w dR/dw| (Tanaka et al., arXiv 2006.05467); see score.h.
 *
 * R grows by a factor of about sqrt(fan_in) a layer and passes the largest float in a deep network
 * without normalisation (the authors use doubles). Without its biases R is linear in the input, and
 * with them in the input and all biases together; so where R overflows all of these are multiplied
 * by a small power of two, c, and dR/d(outputs) too. That multiplies every score by c^2 and changes
 * nothing else. The same where ReLU6 saturates, past which nothing flows. */
#include "methods/prune/score.h"

#include "graph/plan.h"

#include <math.h>
#include <string.h>

static bool ends_with(const char *name, const char *end)
{
    const size_t n = strlen(name), n_end = strlen(end);
    return n >= n_end && strcmp(name + n - n_end, end) == 0;
}

/* |w| of everything, statistics of a batch norm that does nothing, additive parameters times c. */
static void prepare(const Params *params, float c)
{
    for (const Param *p = params->first; p; p = p->next) {
        const bool shifts =
            p->role == ROLE_BIAS || (p->role == ROLE_NORM && ends_with(p->name, ".bias"));
        const bool mean = ends_with(p->name, ".running_mean");
        const bool variance = ends_with(p->name, ".running_var");
        for (int64_t i = 0; i < p->n; i++)
            p->data[i] = mean ? 0 : variance ? 1 : (shifts ? c : 1) * fabsf(p->data[i]);
    }
}

typedef struct Saved {
    void *weights, *others;
    size_t weight_bytes, other_bytes;
} Saved;

static bool save(Saved *s, const Params *params, Error *err)
{
    *s = (Saved){.weight_bytes = sizeof(float) * (size_t)params->n_trainable,
                 .other_bytes = sizeof(float) * (size_t)params->n_other};
    TRY(memory_map(&s->weights, s->weight_bytes, err));
    TRY(memory_map(&s->others, s->other_bytes, err));
    if (s->weight_bytes) memcpy(s->weights, params->weights, s->weight_bytes);
    if (s->other_bytes) memcpy(s->others, params->others, s->other_bytes);
    return true;
}

static void restore(const Saved *s, const Params *params)
{
    if (s->weight_bytes) memcpy(params->weights, s->weights, s->weight_bytes);
    if (s->other_bytes) memcpy(params->others, s->others, s->other_bytes);
}

static void forget(Saved *s)
{
    memory_unmap(s->weights, s->weight_bytes);
    memory_unmap(s->others, s->other_bytes);
}

/* The plan's gradients times the weights. Returns how many parameters have no flow at all; -1 when
 * a score is not finite. */
static int collect(const ScoreGraph *s, const Plan *plan, Node *const gradient[], float *out)
{
    int n_dry = 0;
    for (int i = 0; i < s->n; i++) {
        const float *dw = plan_value(plan, gradient[i]);
        bool dry = true;
        for (int64_t k = 0; k < s->param[i]->n; k++, out++) {
            *out = fabsf(dw[k] * s->param[i]->data[k]);
            if (!isfinite(*out)) return -1;
            dry = dry && *out == 0;
        }
        n_dry += dry;
    }
    return n_dry;
}

/* One evaluation of dR/dw, and what it is made from. */
typedef struct Flow {
    ScoreGraph s;
    Node *scale, **gradient;
    Plan *plan;
    void *x;
    size_t x_bytes;
} Flow;

static bool start(Flow *f, const MethodCall *c, Error *err)
{
    if (c->like->task.dtype != F32)
        return fail(err, FAIL_CONFIG, NULL, "synflow needs inputs that are numbers, not tokens");
    TRY(score_graph(&f->s, c, 1, false, err));
    Graph *g = f->s.graph;
    f->scale = input(g, "scale", F32, shape(0));
    f->gradient = arena_new_array(f->s.arena, Node *, f->s.n);
    Node *r = mul(g, sum(g, f->s.logits, ALL_AXES, false), f->scale);
    graph_grad(g, r, NULL, f->s.weight, f->s.n, f->gradient);
    TRY(graph_ok(g, err));
    PlanOutput *outputs = arena_new_array(f->s.arena, PlanOutput, f->s.n);
    for (int i = 0; i < f->s.n; i++) outputs[i].node = f->gradient[i];
    f->plan = plan_new(g, outputs, f->s.n, NULL, err);
    f->x_bytes = sizeof(float) * (size_t)shape_count(&f->s.x->shape);
    return f->plan && plan_allocate(f->plan, err) && memory_map(&f->x, f->x_bytes, err);
}

static int run_at(Flow *f, float c, const Saved *saved, const Params *params, float *out)
{
    float *x = f->x;
    for (int64_t i = 0; i < shape_count(&f->s.x->shape); i++) x[i] = c;
    restore(saved, params);
    prepare(params, c);
    plan_bind(f->plan, f->s.x, x);
    plan_bind(f->plan, f->scale, &c);
    plan_run(f->plan, 0);
    const int n_dry = collect(&f->s, f->plan, f->gradient, out);
    restore(saved, params);
    return n_dry;
}

/* With c = 1 or, where that overflows or leaves a parameter without flow, with the largest that
 * does so least. */
static void run(Flow *f, const Saved *saved, const Params *params, float *out)
{
    static const float scales[] = {1, 0x1p-40f, 0x1p-80f, 0x1p-120f};
    enum { N = sizeof scales / sizeof scales[0] };
    int best = -1, fewest = 0;
    for (int k = 0; k < N; k++) {
        const int n_dry = run_at(f, scales[k], saved, params, out);
        if (n_dry == 0) return;
        if (n_dry < 0 || (best >= 0 && n_dry >= fewest)) continue;
        best = k;
        fewest = n_dry;
    }
    if (best >= 0) (void)run_at(f, scales[best], saved, params, out);
}

bool score_synflow(const ScoreCall *c, float *out, Error *err)
{
    const Params *params = c->call->params;
    Flow f = {0};
    Saved saved = {0};
    const bool ok = save(&saved, params, err) && start(&f, c->call, err);
    if (ok) run(&f, &saved, params, out);
    forget(&saved);
    memory_unmap(f.x, f.x_bytes);
    plan_free(f.plan);
    score_graph_free(&f.s);
    return ok;
}
