/* ops_pool -- 2-D pooling.
 *
 * The maximum is taken in two ops: which pixel wins (piecewise constant, no gradient), and reading
 * it. Reading is linear in x for fixed winners and its transpose is writing, so pool_gather and
 * pool_scatter are each other's gradient to any order; the average and its transpose likewise. */
#include "cpu/cpu.h"
#include "graph/op.h"

/* in: the shape of the larger plane, out: of the pooled one. */
static PoolShape pool_shape_of(const OpArgs *a, const Shape *in, const Shape *out)
{
    return (PoolShape){
        .n = in->dim[0],
        .h = in->dim[1],
        .w = in->dim[2],
        .c = in->dim[3],
        .kh = a->pool.kernel[0],
        .kw = a->pool.kernel[1],
        .oh = out->dim[1],
        .ow = out->dim[2],
        .stride = {a->pool.stride[0], a->pool.stride[1]},
        .pad = {a->pool.pad[0],    a->pool.pad[1]   },
        .count_pad = a->pool.count_pad,
    };
}

static PoolShape down_shape(const Node *n)
{
    return pool_shape_of(&n->args, &n->src[0]->shape, &n->shape);
}

static PoolShape up_shape(const Node *n)
{
    return pool_shape_of(&n->args, &n->shape, &n->src[0]->shape);
}

static void max_pool_index_run(const Call *c)
{
    const PoolShape s = down_shape(c->node);
    cpu->max_pool_index(&s, c->src[0], c->out);
}

static void pool_gather_run(const Call *c)
{
    const PoolShape s = down_shape(c->node);
    cpu->pool_gather(&s, c->src[0], c->src[1], c->out);
}

static void pool_scatter_run(const Call *c)
{
    const PoolShape s = up_shape(c->node);
    cpu->pool_scatter(&s, c->src[0], c->src[1], c->out);
}

static void avg_pool_run(const Call *c)
{
    const PoolShape s = down_shape(c->node);
    cpu->avg_pool(&s, c->src[0], c->out);
}

static void avg_pool_grad_run(const Call *c)
{
    const PoolShape s = up_shape(c->node);
    cpu->avg_pool_grad(&s, c->src[0], c->out);
}

/* Every number of a window is looked at once. */
static double window_flops(const Node *n)
{
    const Shape *pooled = n->shape.dim[1] < n->src[0]->shape.dim[1] ? &n->shape : &n->src[0]->shape;
    return (double)shape_count(pooled) * (double)(n->args.pool.kernel[0] * n->args.pool.kernel[1]);
}

/* -- Gradients */

static Node *like(Graph *g, const Op *op, const Node *y, Node *x, const Shape *to)
{
    Node *src[] = {x, y->n_src > 1 ? y->src[1] : NULL};
    return graph_node(g, op, src, y->n_src, &y->args, to);
}

#define TRANSPOSED(op, other)                                                                      \
    static void op##_rule(Graph *g, Node *y, Node *dy, const bool want[], Node *dx[])              \
    {                                                                                              \
        if (want[0]) dx[0] = like(g, &op_##other, y, dy, &y->src[0]->shape);                       \
    }

TRANSPOSED(pool_gather, pool_scatter)
TRANSPOSED(pool_scatter, pool_gather)
TRANSPOSED(avg_pool, avg_pool_grad)
TRANSPOSED(avg_pool_grad, avg_pool)

const Op op_max_pool_index = {
    .name = "max_pool_index",
    .formula = "the first pixel of the window's largest value",
    .kind = OP_KERNEL,
    .arity = 1,
    .no_grad = "an index",
    .run = max_pool_index_run,
    .flops = window_flops,
};
const Op op_pool_gather = {
    .name = "pool_gather",
    .formula = "y[o] = x[index[o]]",
    .kind = OP_KERNEL,
    .arity = 2,
    .grad = pool_gather_rule,
    .run = pool_gather_run,
};
const Op op_pool_scatter = {
    .name = "pool_scatter",
    .formula = "y = 0, y[index[o]] += x[o]",
    .kind = OP_KERNEL,
    .arity = 2,
    .grad = pool_scatter_rule,
    .run = pool_scatter_run,
    .flops_each = 1,
};
const Op op_avg_pool = {
    .name = "avg_pool",
    .formula = "mean over the window",
    .kind = OP_KERNEL,
    .arity = 1,
    .grad = avg_pool_rule,
    .run = avg_pool_run,
    .flops = window_flops,
};
const Op op_avg_pool_grad = {
    .name = "avg_pool_grad",
    .formula = "the transpose of avg_pool",
    .kind = OP_KERNEL,
    .arity = 1,
    .grad = avg_pool_grad_rule,
    .run = avg_pool_grad_run,
    .flops = window_flops,
};

/* -- Builders */

/* As torch (floor mode): a window starts inside the padded plane and lies in it wholly; the padding
 * is at most half a window, so that none lies in the padding alone. */
static bool pool_args(Graph *g, const Node *x, const Pool2d *p, OpArgs *args, Shape *to)
{
    char text[96];
    if (x->shape.rank != 4 || x->dtype != F32) {
        (void)graph_fail(g, "pooling: expected images (N, H, W, C), found %s",
                         shape_text(&x->shape, text));
        return false;
    }
    *args = (OpArgs){0};
    *to = x->shape;
    args->pool.count_pad = !p->exclude_pad;
    for (int i = 0; i < 2; i++) {
        const int64_t kernel = p->kernel[i], stride = p->stride[i] ? p->stride[i] : kernel,
                      pad = p->pad[i], room = x->shape.dim[1 + i] + 2 * pad - kernel;
        if (kernel < 1 || stride < 1 || pad < 0 || pad > kernel / 2 || room < 0) {
            (void)graph_fail(g, "pooling: window %lld, stride %lld, padding %lld over %s",
                             (long long)kernel, (long long)stride, (long long)pad,
                             shape_text(&x->shape, text));
            return false;
        }
        args->pool.kernel[i] = kernel;
        args->pool.stride[i] = stride;
        args->pool.pad[i] = pad;
        args->pool.size[i] = x->shape.dim[1 + i];
        to->dim[1 + i] = room / stride + 1;
    }
    return true;
}

Node *max_pool2d(Graph *g, Node *x, Pool2d p)
{
    OpArgs args;
    Shape to;
    if (!pool_args(g, x, &p, &args, &to)) return x;
    Node *index = graph_node(g, &op_max_pool_index, &x, 1, &args, &to);
    index->dtype = I32;
    Node *src[] = {x, index};
    return graph_node(g, &op_pool_gather, src, 2, &args, &to);
}

Node *avg_pool2d(Graph *g, Node *x, Pool2d p)
{
    OpArgs args;
    Shape to;
    if (!pool_args(g, x, &p, &args, &to)) return x;
    return graph_node(g, &op_avg_pool, &x, 1, &args, &to);
}

Node *global_avg_pool(Graph *g, Node *x)
{
    char text[96];
    if (x->shape.rank != 4)
        return graph_fail(g, "global_avg_pool: expected images (N, H, W, C), found %s",
                          shape_text(&x->shape, text));
    return mean(g, x, 1u << 1 | 1u << 2, false);
}
