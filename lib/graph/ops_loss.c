/* ops_loss -- softmax, log-softmax and cross-entropy over the last axis.
 *
 * p = softmax(x), v a gradient:
 *   softmax              dx = p (v - sum(v p))
 *   log_softmax          dx = v - e^y sum(v)
 *   cross_entropy        dx = (p - target) dloss, a kernel: cross_entropy_grad
 *   cross_entropy_grad   to x: keep dloss p (v - sum(v p)), the Hessian of the loss times v;
 *                        to dloss: sum(v (p - target) keep); keep = 0 in ignored rows, else 1 */
#include "cpu/cpu.h"
#include "graph/op.h"

static int64_t last_dim(const Shape *s)
{
    return s->rank > 0 ? s->dim[s->rank - 1] : 1;
}

static int64_t row_count(const Shape *s)
{
    int64_t rows = 1;
    for (int i = 0; i < s->rank - 1; i++) rows *= s->dim[i];
    return rows;
}

/* Sum over the last axis, which stays as size 1. */
static Node *row_sum(Graph *g, Node *x)
{
    return sum(g, x, 1u << (x->shape.rank - 1), true);
}

/* (...) -> (..., 1) */
static Node *column(Graph *g, Node *x)
{
    Shape to = x->shape;
    if (to.rank == MAX_RANK) return graph_fail(g, "cross_entropy: too many axes");
    to.dim[to.rank++] = 1;
    return reshape(g, x, to);
}

/* -- Softmax */

static bool rows_shape(Graph *g, Node *n)
{
    n->shape = n->src[0]->shape;
    if (n->shape.rank >= 1 && n->src[0]->dtype == F32) return true;
    (void)graph_fail(g, "%s: expected floats with one axis or more", n->op->name);
    return false;
}

static void softmax_run(const Call *c)
{
    const Shape *s = &c->node->shape;
    cpu->softmax(row_count(s), last_dim(s), c->src[0], c->out);
}

static void log_softmax_run(const Call *c)
{
    const Shape *s = &c->node->shape;
    cpu->log_softmax(row_count(s), last_dim(s), c->src[0], c->out);
}

static Node *softmax_back(Graph *g, Node *p, Node *v)
{
    return mul(g, p, sub(g, v, row_sum(g, mul(g, v, p))));
}

static void softmax_grad(Graph *g, Node *y, Node *dy, const bool want[], Node *dx[])
{
    (void)want;
    dx[0] = softmax_back(g, y, dy);
}

static void log_softmax_grad(Graph *g, Node *y, Node *dy, const bool want[], Node *dx[])
{
    (void)want;
    dx[0] = sub(g, dy, mul(g, exponential(g, y), row_sum(g, dy)));
}

const Op op_softmax = {
    .name = "softmax",
    .formula = "e^x / sum e^x",
    .kind = OP_KERNEL,
    .arity = 1,
    .shape = rows_shape,
    .grad = softmax_grad,
    .run = softmax_run,
    .flops_each = 16,
};
const Op op_log_softmax = {
    .name = "log_softmax",
    .formula = "x - log sum e^x",
    .kind = OP_KERNEL,
    .arity = 1,
    .shape = rows_shape,
    .grad = log_softmax_grad,
    .run = log_softmax_run,
    .flops_each = 16,
};

Node *softmax(Graph *g, Node *x)
{
    return graph_node(g, &op_softmax, &x, 1, NULL, NULL);
}

Node *log_softmax(Graph *g, Node *x)
{
    return graph_node(g, &op_log_softmax, &x, 1, NULL, NULL);
}

/* -- Cross-entropy: sources x, label; the gradient's x, label, dloss, statistics */

static bool cross_entropy_shape(Graph *g, Node *n)
{
    const Shape *x = &n->src[0]->shape;
    n->shape = *x;
    n->shape.rank--;
    char text_x[96], text_label[96];
    if (x->rank >= 1 && n->src[0]->dtype == F32 && n->src[1]->dtype == I32 &&
        shape_equal(&n->shape, &n->src[1]->shape))
        return true;
    (void)graph_fail(g, "cross_entropy: scores %s do not fit labels %s%s", shape_text(x, text_x),
                     shape_text(&n->src[1]->shape, text_label),
                     n->src[1]->dtype == I32 ? "" : ", which are not integers");
    return false;
}

/* Part 1: of each row cpu.h's statistics, from which the gradient is one
 * pass. It is a function of x, but the gradient's own rule is that of the whole. */
static Shape cross_entropy_part(const Node *n, int index)
{
    Shape s = n->shape;
    (void)index;
    s.dim[s.rank++] = 2;
    return s;
}

static void cross_entropy_run(const Call *c)
{
    const Shape *s = &c->node->src[0]->shape;
    const OpArgs *a = &c->node->args;
    cpu->cross_entropy(row_count(s), last_dim(s), c->src[0], c->src[1], a->cross_entropy.smoothing,
                       a->cross_entropy.ignore, c->out, c->part[1]);
}

static void cross_entropy_grad_run(const Call *c)
{
    const Shape *s = &c->node->shape;
    const OpArgs *a = &c->node->args;
    if (c->part[0]) {
        const CrossEntropy both = {.rows = row_count(s),
                                   .n = last_dim(s),
                                   .x = c->src[0],
                                   .label = c->src[1],
                                   .smoothing = a->cross_entropy.smoothing,
                                   .ignore = a->cross_entropy.ignore,
                                   .dloss = c->src[2],
                                   .loss = c->part[0],
                                   .stats = c->part[1],
                                   .dx = c->out};
        cpu->cross_entropy_both(&both, c->scratch);
        return;
    }
    cpu->cross_entropy_grad(row_count(s), last_dim(s), c->src[0], c->src[1],
                            a->cross_entropy.smoothing, a->cross_entropy.ignore, c->src[3],
                            c->src[2], c->out);
}

static size_t cross_entropy_grad_scratch(const Node *n)
{
    return cpu->cross_entropy_scratch(row_count(&n->shape), last_dim(&n->shape));
}

static Node *cross_entropy_back(Graph *g, const Node *like, Node *dloss, Node *stats)
{
    Node *src[] = {like->src[0], like->src[1], dloss, stats};
    return graph_node(g, &op_cross_entropy_grad, src, 4, &like->args, NULL);
}

static void cross_entropy_rule(Graph *g, Node *y, Node *dy, const bool want[], Node *dx[])
{
    if (want[0]) dx[0] = cross_entropy_back(g, y, dy, kernel_part(g, y, 1));
}

static void cross_entropy_grad_rule(Graph *g, Node *y, Node *v, const bool want[], Node *dx[])
{
    Node *x = y->src[0], *label = y->src[1], *dloss = y->src[2];
    if (want[0]) {
        Node *ignored =
            equal(g, to_float(g, label), scalar(g, (float)y->args.cross_entropy.ignore));
        Node *weight = mul(g, dloss, affine(g, ignored, -1, 1));
        dx[0] = mul(g, column(g, weight), softmax_back(g, softmax(g, x), v));
    }
    if (want[2]) {
        Node *unit = cross_entropy_back(g, y, full(g, dloss->shape, 1), y->src[3]);
        dx[2] = sum(g, mul(g, v, unit), 1u << (x->shape.rank - 1), false);
    }
}

static double cross_entropy_flops(const Node *n)
{
    return 16 * (double)shape_count(&n->src[0]->shape);
}

const Op op_cross_entropy = {
    .name = "cross_entropy",
    .formula = "-sum_j target_j log_softmax(x)_j",
    .kind = OP_KERNEL,
    .arity = 2,
    .shape = cross_entropy_shape,
    .grad = cross_entropy_rule,
    .run = cross_entropy_run,
    .part_shape = cross_entropy_part,
    .flops = cross_entropy_flops,
};
const Op op_cross_entropy_grad = {
    .name = "cross_entropy_grad",
    .formula = "(softmax(x) - target) dloss",
    .kind = OP_KERNEL,
    .arity = 4,
    .grad = cross_entropy_grad_rule,
    .run = cross_entropy_grad_run,
    .scratch = cross_entropy_grad_scratch,
    .in_place = true,
    .joins_last = true,
    .flops = cross_entropy_flops,
};

Node *cross_entropy(Graph *g, Node *x, Node *label, float smoothing, int32_t ignore)
{
    Node *src[] = {x, label};
    OpArgs args = {
        .cross_entropy = {smoothing, ignore}
    };
    return graph_node(g, &op_cross_entropy, src, 2, &args, NULL);
}
