/* ops_random -- random numbers as values of the graph. The stream is (seed, "dropout", step,
 * tensor), so a run that is resumed at a step, on any number of threads, draws what it would have
 * drawn. */
#include "base/pcg.h"
#include "cpu/cpu.h"
#include "graph/op.h"

static Pcg stream_of(const Call *c)
{
    const OpArgs *a = &c->node->args;
    return pcg_stream(a->random.seed, "dropout", c->step, a->random.stream);
}

static void uniform_run(const Call *c)
{
    const Pcg rng = stream_of(c);
    cpu->random_uniform(shape_count(&c->node->shape), rng.state, rng.inc, c->out);
}

static void bernoulli_run(const Call *c)
{
    const Pcg rng = stream_of(c);
    cpu->random_bernoulli(shape_count(&c->node->shape), rng.state, rng.inc, c->node->args.random.p,
                          c->node->args.random.value, c->out);
}

const Op op_random_uniform = {
    .name = "random_uniform",
    .formula = "U[0, 1)",
    .kind = OP_KERNEL,
    .arity = 0,
    .no_grad = "it depends on no value",
    .run = uniform_run,
    .flops_each = 4,
};
const Op op_random_bernoulli = {
    .name = "random_bernoulli",
    .formula = "value with probability p, else 0",
    .kind = OP_KERNEL,
    .arity = 0,
    .no_grad = "it depends on no value",
    .run = bernoulli_run,
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
