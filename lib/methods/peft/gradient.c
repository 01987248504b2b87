/* gradient -- see gradient.h. One graph holds the gradients of all layers; each group has a plan of
 * its own, whose outputs are its gradients alone: what leads to no output is not computed, and what
 * is computed has the same bits in every plan. */
#include "methods/peft/gradient.h"

#include "data/loader.h"
#include "graph/plan.h"

typedef struct Gradients {
    const GradientCall *call;
    PlainNetwork network;
    Node *label;
    PlainLayer *layers; /* the wanted ones */
    Node **gradient;
    int n;
    Loader *loader;
} Gradients;

/* -- The graph */

/* The mean over the labels that there are. */
static Node *mean_loss(Graph *g, const Gradients *s)
{
    Node *loss = cross_entropy(g, s->network.logits, s->label, 0, -1);
    Node *asked = less_equal(g, scalar(g, 0), to_float(g, s->label));
    Node *count = maximum(g, sum(g, asked, ALL_AXES, false), scalar(g, 1));
    return divide(g, sum(g, loss, ALL_AXES, false), count);
}

static bool build(Gradients *s, Error *err)
{
    const GradientCall *c = s->call;
    ModelBuild like = *c->like;
    like.training = true;
    TRY(plain_network(&s->network, &like, c->model, c->model_options, c->batch_size, err));
    Graph *g = s->network.graph;
    Arena *a = s->network.arena;
    const Task *task = &like.task;
    s->label = input(g, "label", I32,
                     task->per_step ? shape(2, c->batch_size, task_n_labels(task))
                                    : shape(1, c->batch_size));
    Node *loss = mean_loss(g, s);
    Node **weight = arena_new_array(a, Node *, s->network.n_layers);
    s->layers = arena_new_array(a, PlainLayer, s->network.n_layers);
    s->gradient = arena_new_array(a, Node *, s->network.n_layers);
    for (int i = 0; i < s->network.n_layers; i++) {
        const PlainLayer *l = &s->network.layers[i];
        if (!c->wants(c->owner, l)) continue;
        weight[s->n] = param_node(g, l->weight);
        s->layers[s->n++] = *l;
    }
    graph_grad(g, loss, NULL, weight, s->n, s->gradient);
    return graph_ok(g, err);
}

/* -- One group of layers: [first, first + n) */

typedef struct Group {
    int first, n;
    Plan *plan;
    float *sum; /* the layers', one after the other; NULL with one batch */
    size_t sum_bytes;
} Group;

static int64_t layer_bytes(const Gradients *s, int i)
{
    const int64_t copies = s->call->n_batches > 1 ? 2 : 1;
    return copies * (int64_t)sizeof(float) * s->layers[i].weight->n;
}

static Group next_group(const Gradients *s, int first)
{
    Group group = {.first = first};
    int64_t bytes = 0;
    for (int i = first; i < s->n; i++) {
        bytes += layer_bytes(s, i);
        if (i > first && bytes > s->call->memory) break;
        group.n++;
        if (s->call->n_batches > 1)
            group.sum_bytes += sizeof(float) * (size_t)s->layers[i].weight->n;
    }
    return group;
}

static bool group_open(const Gradients *s, Group *group, Error *err)
{
    PlanOutput *outputs = arena_new_array(s->network.arena, PlanOutput, group->n);
    for (int i = 0; i < group->n; i++) outputs[i].node = s->gradient[group->first + i];
    void *sum = NULL;
    if (!memory_map(&sum, group->sum_bytes, err)) return false;
    group->sum = sum;
    group->plan = plan_new(s->network.graph, outputs, group->n, NULL, err);
    if (!group->plan || !plan_allocate(group->plan, err)) return false;
    if (s->call->after_read) plan_after_read(group->plan, s->call->after_read, s->call->owner);
    return true;
}

static void group_close(Group *group)
{
    plan_free(group->plan);
    memory_unmap(group->sum, group->sum_bytes);
}

static void add_values(const Gradients *s, const Group *group)
{
    float *sum = group->sum;
    for (int i = 0; sum && i < group->n; i++) {
        const float *value = plan_value(group->plan, s->gradient[group->first + i]);
        const int64_t n = s->layers[group->first + i].weight->n;
        for (int64_t k = 0; k < n; k++) sum[k] += value[k];
        sum += n;
    }
}

static bool give(const Gradients *s, const Group *group, Error *err)
{
    const GradientCall *c = s->call;
    const float by = 1 / (float)c->n_batches;
    float *sum = group->sum;
    for (int i = group->first; i < group->first + group->n; i++) {
        const int64_t n = s->layers[i].weight->n;
        const float *value = sum ? sum : plan_value(group->plan, s->gradient[i]);
        for (int64_t k = 0; sum && k < n; k++) sum[k] *= by;
        TRY(c->take(c->owner, &s->layers[i], value, err));
        if (sum) sum += n;
    }
    return true;
}

static bool run_group(const Gradients *s, Group *group, Error *err)
{
    bool ok = group_open(s, group, err);
    for (int64_t i = 0; ok && i < s->call->n_batches; i++) {
        const Batch batch = loader_batch(s->loader, i);
        plan_bind(group->plan, s->network.x, batch.x);
        plan_bind(group->plan, s->label, batch.label);
        plan_run(group->plan, (uint64_t)i);
        add_values(s, group);
    }
    ok = ok && give(s, group, err);
    group_close(group);
    return ok;
}

bool gradient_each(const GradientCall *c, Error *err)
{
    Gradients s = {.call = c};
    const LoaderOptions options = {.split = SPLIT_TRAIN, .batch_size = c->batch_size};
    if (!c->data || c->data->split[SPLIT_TRAIN].n == 0)
        return fail(err, FAIL_DATA, NULL, "there are no training examples to take gradients of");
    s.loader = loader_new(c->data, &options, err);
    bool ok = s.loader && build(&s, err);
    for (int first = 0; ok && first < s.n;) {
        Group group = next_group(&s, first);
        ok = run_group(&s, &group, err);
        first += group.n;
    }
    if (s.network.arena) plain_network_free(&s.network);
    loader_free(s.loader);
    return ok;
}
