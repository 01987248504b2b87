/* network -- see network.h. */
#include "run/network.h"

#include "graph/op.h"
#include "methods/peft/peft_dir.h"
#include "nn/hf_dir.h"
#include "nn/init.h"
#include "run/checkpoint.h"

#include <string.h>

static const double LSUV_TOLERANCE = 0.05;

/* The methods that have something to say about a parameter, in the order of the file. */
static Node *parametrize(void *owner, const ModelBuild *b, Param *p, Node *w)
{
    const Network *n = owner;
    for (int i = 0; i < n->experiment->n_methods; i++) {
        const MethodCall *c = &n->calls[i];
        if (c->method->parametrize) w = c->method->parametrize(c, b, p, w);
    }
    return w;
}

static Node *product(void *owner, const ModelBuild *b, const LinearProduct *l, Node *y)
{
    const Network *n = owner;
    for (int i = 0; i < n->experiment->n_methods; i++) {
        const MethodCall *c = &n->calls[i];
        if (c->method->product) y = c->method->product(c, b, l, y);
    }
    return y;
}

static ModelBuild start_build(Network *n, Graph *g, const NetworkOptions *o, bool training)
{
    const Experiment *e = n->experiment;
    return (ModelBuild){.graph = g,
                        .params = n->params,
                        .training = training,
                        .architecture = n->architecture,
                        .seed = (uint64_t)e->train.seed,
                        .task = o->task,
                        .init = e->model->init(e->model_options),
                        .parametrize = parametrize,
                        .product = product,
                        .owner = n};
}

static void collect_metric(void *metrics, const char *name, Node *value)
{
    Pass *pass = metrics;
    Graph *g = pass->graph;
    int i = 0;
    while (i < pass->n_metrics && strcmp(pass->metrics[i].name, name) != 0) i++;
    PassMetric *m = &pass->metrics[i];
    if (i == PASS_METRICS_MAX || shape_count(&value->shape) != 1) {
        (void)graph_fail(
            g, i == PASS_METRICS_MAX ? "metric %s is one too many" : "metric %s is not one number",
            name);
        return;
    }
    value = reshape(g, value, shape(0));
    if (i == pass->n_metrics)
        pass->metrics[pass->n_metrics++] = (PassMetric){name, value, 1};
    else
        *m = (PassMetric){name, add(g, m->value, value), m->n + 1};
}

static void average_metrics(Pass *pass)
{
    for (int i = 0; i < pass->n_metrics; i++) {
        PassMetric *m = &pass->metrics[i];
        if (m->n > 1) m->value = divide(pass->graph, m->value, scalar(pass->graph, (float)m->n));
    }
}

static Shape batch_shape(const Shape *sample, int64_t batch)
{
    Shape s = {.rank = sample->rank + 1, .dim = {batch}};
    for (int i = 0; i < sample->rank && i + 1 < MAX_RANK; i++) s.dim[i + 1] = sample->dim[i];
    return s;
}

/* A table that the tokens index must have a row for each of them. */
static void check_tables(Graph *g, const Node *x, int64_t n_tokens)
{
    for (int i = 0; i < g->n_nodes; i++) {
        const Node *n = g->nodes[i];
        if (n->op != &op_gather || n->src[1] != x || n->src[0]->shape.dim[0] >= n_tokens) continue;
        (void)graph_fail(g, "a table of %lld rows for data of %lld tokens",
                         (long long)n->src[0]->shape.dim[0], (long long)n_tokens);
        return;
    }
}

/* Over the labels that there are. */
static Node *mean_loss(Graph *g, const Pass *pass, bool per_step)
{
    if (!per_step) return mean(g, pass->loss, ALL_AXES, false);
    Node *asked = less_equal(g, scalar(g, 0), to_float(g, pass->label));
    Node *count = maximum(g, sum(g, asked, ALL_AXES, false), scalar(g, 1));
    return divide(g, sum(g, pass->loss, ALL_AXES, false), count);
}

/* The graph from x to the logits and the loss. */
static bool build_pass(Network *n, Pass *pass, const NetworkOptions *o, bool training, Error *err)
{
    const Experiment *e = n->experiment;
    Graph *g = pass->graph = graph_new(n->arena);
    g->bf16 = e->train.compute == COMPUTE_BF16;
    ModelBuild b = start_build(n, g, o, training);
    n->parts = (ModelParts){.arena = n->arena};
    b.parts = &n->parts;
    if (!training) {
        b.metric = collect_metric;
        b.metrics = pass;
    }
    pass->x = input(g, "x", o->task.dtype, batch_shape(&o->task.sample, pass->batch_size));
    pass->label = input(g, "label", I32,
                        o->task.per_step ? shape(2, pass->batch_size, task_n_labels(&o->task))
                                         : shape(1, pass->batch_size));
    pass->logits = e->model->build(&b, e->model_options, pass->x);
    for (int i = 0; i < e->n_methods; i++)
        if (n->calls[i].method->buffers) n->calls[i].method->buffers(&n->calls[i], g);
    average_metrics(pass);
    if (o->task.dtype == I32) check_tables(g, pass->x, o->task.n_tokens);
    pass->loss = cross_entropy(g, pass->logits, pass->label, 0, -1);
    if (training) {
        LossCall l = {.graph = g, .logits = pass->logits, .label = pass->label, .training = true};
        pass->loss = mean_loss(g, pass, o->task.per_step);
        for (int i = 0; i < e->n_methods; i++)
            if (n->calls[i].method->loss)
                pass->loss = n->calls[i].method->loss(&n->calls[i], &l, pass->loss);
    }
    if (graph_ok(g, err)) return model_parts_check(&n->parts, n->architecture, e->model->name, err);
    error_note(err, "in model '%s'%s", e->model->name,
               o->task.dtype == I32 ? ", whose data are tokens" : "");
    return false;
}

static bool plan_pass(Network *n, Pass *pass, bool training, bool allocate, Error *err)
{
    const Params *ps = n->params;
    PlanOutput *outputs = arena_new_array(n->arena, PlanOutput, ps->n + 2 + PASS_METRICS_MAX);
    Node **wrt = arena_new_array(n->arena, Node *, ps->n);
    Node **grad = arena_new_array(n->arena, Node *, ps->n);
    int n_outputs = 0, n_wrt = 0;
    outputs[n_outputs++] = (PlanOutput){pass->loss, NULL};
    outputs[n_outputs++] = (PlanOutput){pass->logits, NULL};
    for (int i = 0; i < pass->n_metrics; i++)
        outputs[n_outputs++] = (PlanOutput){pass->metrics[i].value, NULL};
    if (training) {
        for (Param *p = ps->first; p; p = p->next)
            if (p->trainable) wrt[n_wrt++] = param_node(pass->graph, p);
        graph_grad(pass->graph, pass->loss, NULL, wrt, n_wrt, grad);
        for (int i = 0; i < n_wrt; i++)
            outputs[n_outputs++] = (PlanOutput){grad[i], wrt[i]->param->grad};
    }
    const PlanOptions options = {.no_fuse = n->options.keep_values,
                                 .no_reuse = n->options.keep_values};
    pass->plan = plan_new(pass->graph, outputs, n_outputs, &options, err);
    return pass->plan && (!allocate || plan_allocate(pass->plan, err));
}

static bool build_and_plan(Network *n, const NetworkOptions *o, Error *err)
{
    if (o->train) TRY(build_pass(n, &n->train, o, true, err));
    if (o->eval) TRY(build_pass(n, &n->eval, o, false, err));
    TRY(params_allocate(n->params, err));
    if (o->params_only) return true;
    if (o->train) TRY(plan_pass(n, &n->train, true, o->allocate, err));
    if (o->eval) TRY(plan_pass(n, &n->eval, false, o->allocate, err));
    return true;
}

/* What the file says, or the methods made of it. */
static bool choose_architecture(Network *n, Error *err)
{
    const Experiment *e = n->experiment;
    if (e->model->architecture) n->architecture = e->model->architecture(e->model_options);
    if (n->options.architecture)
        n->architecture = n->options.architecture;
    else if (!n->options.params_only)
        TRY(network_reshape(n, err));
    const Architecture *a = n->architecture;
    const bool chosen = n->reshaped || n->options.architecture;
    if (a && (chosen || a->widths.n + a->without.n > 0))
        n->params->architecture = architecture_text(a, n->arena);
    return true;
}

bool network_new(Network *n, const Experiment *e, const NetworkOptions *o, Arena *a, Error *err)
{
    *n = (Network){.experiment = e, .arena = a, .params = params_new(a), .options = *o};
    n->train.batch_size = e->train.batch_size;
    n->eval.batch_size = e->train.eval_batch_size ? e->train.eval_batch_size : e->train.batch_size;
    for (int i = 0; i < e->n_methods; i++)
        n->calls[i] = (MethodCall){.method = e->methods[i].method,
                                   .options = e->methods[i].options,
                                   .params = n->params,
                                   .model = e->model,
                                   .model_options = e->model_options,
                                   .like = &n->like,
                                   .data = o->data,
                                   .note = &n->notes[i],
                                   .seed = (uint64_t)e->train.seed,
                                   .total_steps = o->total_steps,
                                   .steps_per_epoch = o->steps_per_epoch};
    bool ok = choose_architecture(n, err);
    n->like = start_build(n, NULL, o, true);
    if (ok && build_and_plan(n, o, err)) return true;
    network_free(n);
    return false;
}

/* What the network before had under the same name in the same shape. */
static void inherit(Network *n)
{
    for (Param *p = n->params->first; p; p = p->next) {
        const Param *from = params_find(n->inherited, p->name);
        if (from && shape_equal(&from->shape, &p->shape))
            memcpy(p->data, from->data, sizeof(float) * (size_t)p->n);
    }
}

bool network_first_values(Network *n, const float *x, const char *base, Error *err)
{
    const Experiment *e = n->experiment;
    params_init(n->params, (uint64_t)e->train.seed);
    if (*base && !n->reshaped) {
        TRY(hf_dir_is(base) ? hf_dir_weights(base, n->params, err)
                            : checkpoint_load_weights(base, n->params, err));
        if (e->base.adapter) TRY(peft_dir_weights(e->base.adapter, n->params, err));
    } else if (model_wants_lsuv(e->model_options)) {
        ModelBuild like = start_build(n, n->train.graph, &n->options, true);
        TRY(lsuv_init(e->model, e->model_options, &like, x, n->train.batch_size, LSUV_TOLERANCE,
                      err));
    }
    if (n->inherited) inherit(n);
    return true;
}

bool network_init(Network *n, const float *x, const char *base, Error *err)
{
    const Experiment *e = n->experiment;
    TRY(network_first_values(n, x, base, err));
    for (int i = 0; i < e->n_methods; i++) {
        const MethodCall *c = &n->calls[i];
        if (c->method->transform) TRY(c->method->transform(c, err));
    }
    return true;
}

int64_t network_first_step(const Network *n)
{
    int64_t first = 0;
    for (int i = 0; i < n->experiment->n_methods; i++) {
        const MethodCall *c = &n->calls[i];
        const int64_t step = c->method->first_step ? c->method->first_step(c) : 0;
        if (step > first) first = step;
    }
    return first;
}

void network_after_step(Network *n, int64_t step)
{
    for (int i = 0; i < n->experiment->n_methods; i++) {
        MethodCall *c = &n->calls[i];
        c->step = step;
        if (c->method->after_step) c->method->after_step(c);
    }
}

bool network_input_pass(Network *n, Pass *pass, Node **dx, Error *err)
{
    *pass = (Pass){.batch_size = n->eval.batch_size};
    TRY(build_pass(n, pass, &n->options, false, err));
    Graph *g = pass->graph;
    graph_grad(g, sum(g, pass->loss, ALL_AXES, false), NULL, &pass->x, 1, dx);
    const PlanOutput outputs[] = {
        {*dx,        NULL},
        {pass->loss, NULL}
    };
    const PlanOptions options = {0};
    pass->plan = plan_new(g, outputs, 2, &options, err);
    if (pass->plan && plan_allocate(pass->plan, err)) return true;
    plan_free(pass->plan);
    pass->plan = NULL;
    return false;
}

void network_free(Network *n)
{
    plan_free(n->train.plan);
    plan_free(n->eval.plan);
    if (n->params) params_free(n->params);
    if (n->inherited) params_free(n->inherited);
    *n = (Network){0};
}
