/* ops_random -- random numbers as values of the graph. The stream is (seed, "dropout", step,
 * tensor), so a run that is resumed at a step, on any number of threads, draws what it would have
 * drawn. */
#include "base/pcg.h"
#include "cpu/cpu.h"
#include "graph/op.h"

static void uniform_draw(const Node *n, uint64_t step, MapDraw *out)
{
    const OpArgs *a = &n->args;
    const Pcg rng = pcg_stream(a->random.seed, "dropout", step, a->random.stream);
    *out = (MapDraw){.state = rng.state, .inc = rng.inc};
}

static void bernoulli_draw(const Node *n, uint64_t step, MapDraw *out)
{
    uniform_draw(n, step, out);
    out->choose = true;
    out->p = n->args.random.p;
    out->value = n->args.random.value;
}

static void uniform_run(const Call *c)
{
    MapDraw d;
    uniform_draw(c->node, c->step, &d);
    cpu->random_uniform(shape_count(&c->node->shape), d.state, d.inc, c->out);
}

static void bernoulli_run(const Call *c)
{
    MapDraw d;
    bernoulli_draw(c->node, c->step, &d);
    cpu->random_bernoulli(shape_count(&c->node->shape), d.state, d.inc, d.p, d.value, c->out);
}

const Op op_random_uniform = {
    .name = "random_uniform",
    .formula = "U[0, 1)",
    .kind = OP_KERNEL,
    .arity = 0,
    .no_grad = "it depends on no value",
    .run = uniform_run,
    .draw = uniform_draw,
    .flops_each = 4,
};
const Op op_random_bernoulli = {
    .name = "random_bernoulli",
    .formula = "value with probability p, else 0",
    .kind = OP_KERNEL,
    .arity = 0,
    .no_grad = "it depends on no value",
    .run = bernoulli_run,
    .draw = bernoulli_draw,
    .flops_each = 5,
};

Node *random_uniform(Graph *g, Shape s, uint64_t seed, uint64_t stream)
{
    OpArgs args = {
        .random = {.seed = seed, .stream = stream}
    };
    return graph_node(g, &op_random_uniform, NULL, 0, &args, &s);
}

Node *random_bernoulli(Graph *g, Shape s, float p, float value, uint64_t seed, uint64_t stream)
{
    OpArgs args = {
        .random = {.seed = seed, .stream = stream, .p = p, .value = value}
    };
    return graph_node(g, &op_random_bernoulli, NULL, 0, &args, &s);
}

Node *dropout(Graph *g, Node *x, float rate, uint64_t seed, uint64_t stream)
{
    if (!(rate >= 0 && rate < 1))
        return graph_fail(g, "dropout: rate %g is outside [0, 1)", (double)rate);
    if (rate == 0) return x;
    const float keep = 1.0f - rate;
    return mul(g, x, random_bernoulli(g, x->shape, keep, 1.0f / keep, seed, stream));
}
