/* ops_conv -- 2-D convolution and its two gradients.
 *
 * The form t(x, w, dy) = sum(conv(x, w) * dy) is linear in each of its three arguments, and each of
 * the three ops is its derivative to one of them:
 *
 *   conv2d (x, w) = dt/d dy    conv2d_grad_x (dy, w) = dt/dx    conv2d_grad_w (x, dy) = dt/dw
 *
 * so they are each other's gradients, to any order. */
#include "cpu/cpu.h"
#include "graph/op.h"

static ConvShape conv_shape_of(const OpArgs *a, const Shape *x, const Shape *w, const Shape *y)
{
    return (ConvShape){
        .n = x->dim[0],
        .h = x->dim[1],
        .w = x->dim[2],
        .c = x->dim[3],
        .o = w->dim[0],
        .kh = w->dim[2],
        .kw = w->dim[3],
        .oh = y->dim[1],
        .ow = y->dim[2],
        .stride = {a->conv.stride[0],   a->conv.stride[1]  },
        .pad = {a->conv.pad[0],      a->conv.pad[1]     },
        .dilation = {a->conv.dilation[0], a->conv.dilation[1]},
        .groups = a->conv.groups,
    };
}

static ConvShape forward_shape(const Node *n)
{
    return conv_shape_of(&n->args, &n->src[0]->shape, &n->src[1]->shape, &n->shape);
}

static ConvShape grad_x_shape(const Node *n)
{
    return conv_shape_of(&n->args, &n->shape, &n->src[1]->shape, &n->src[0]->shape);
}

static ConvShape grad_w_shape(const Node *n)
{
    return conv_shape_of(&n->args, &n->src[0]->shape, &n->shape, &n->src[1]->shape);
}

static double conv_flops(const ConvShape *s)
{
    const int64_t products = s->c / s->groups * s->kh * s->kw; /* of one output */
    return 2 * (double)(s->n * s->oh * s->ow * s->o) * (double)products;
}

/* The three passes differ in which of the shapes is the result. */
#define CONV_COST(pass)                                                                            \
    static size_t pass##_scratch(const Node *n)                                                    \
    {                                                                                              \
        const ConvShape s = pass##_shape(n);                                                       \
        return cpu->conv_scratch(&s);                                                              \
    }                                                                                              \
    static double pass##_flops(const Node *n)                                                      \
    {                                                                                              \
        const ConvShape s = pass##_shape(n);                                                       \
        return conv_flops(&s);                                                                     \
    }

CONV_COST(forward)
CONV_COST(grad_x)
CONV_COST(grad_w)

static void forward_run(const Call *c)
{
    const ConvShape s = forward_shape(c->node);
    cpu->conv_forward(&s, c->src[0], c->src[1], c->out, c->scratch);
}

static void grad_x_run(const Call *c)
{
    const ConvShape s = grad_x_shape(c->node);
    cpu->conv_grad_x(&s, c->src[0], c->src[1], c->out, c->scratch);
}

static void grad_w_run(const Call *c)
{
    const ConvShape s = grad_w_shape(c->node);
    cpu->conv_grad_w(&s, c->src[0], c->src[1], c->out, c->scratch);
}

/* -- Builders and gradients */

static Node *conv_node(Graph *g, const Op *op, const Node *like, Node *a, Node *b, const Shape *to)
{
    Node *src[] = {a, b};
    return graph_node(g, op, src, 2, &like->args, to);
}

static void conv2d_grad(Graph *g, Node *y, Node *dy, const bool want[], Node *dx[])
{
    Node *x = y->src[0], *w = y->src[1];
    if (want[0]) dx[0] = conv_node(g, &op_conv2d_grad_x, y, dy, w, &x->shape);
    if (want[1]) dx[1] = conv_node(g, &op_conv2d_grad_w, y, x, dy, &w->shape);
}

static void conv2d_grad_x_grad(Graph *g, Node *y, Node *v, const bool want[], Node *dx[])
{
    Node *dy = y->src[0], *w = y->src[1];
    if (want[0]) dx[0] = conv_node(g, &op_conv2d, y, v, w, &dy->shape);
    if (want[1]) dx[1] = conv_node(g, &op_conv2d_grad_w, y, v, dy, &w->shape);
}

static void conv2d_grad_w_grad(Graph *g, Node *y, Node *v, const bool want[], Node *dx[])
{
    Node *x = y->src[0], *dy = y->src[1];
    if (want[0]) dx[0] = conv_node(g, &op_conv2d_grad_x, y, dy, v, &x->shape);
    if (want[1]) dx[1] = conv_node(g, &op_conv2d, y, x, v, &dy->shape);
}

static bool conv2d_shape(Graph *g, Node *n)
{
    const Shape *x = &n->src[0]->shape, *w = &n->src[1]->shape;
    const int64_t groups = n->args.conv.groups;
    char text_x[96], text_w[96];
    if (n->src[0]->dtype != F32 || n->src[1]->dtype != F32 || x->rank != 4 || w->rank != 4 ||
        groups < 1 || x->dim[3] != w->dim[1] * groups || w->dim[0] % groups != 0) {
        (void)graph_fail(g, "conv2d: input %s does not fit weight %s in %lld group%s",
                         shape_text(x, text_x), shape_text(w, text_w), (long long)groups,
                         groups == 1 ? "" : "s");
        return false;
    }
    n->shape = shape(4, x->dim[0], (int64_t)0, (int64_t)0, w->dim[0]);
    for (int i = 0; i < 2; i++) {
        const int64_t stride = n->args.conv.stride[i], pad = n->args.conv.pad[i],
                      dilation = n->args.conv.dilation[i];
        const int64_t room = x->dim[1 + i] + 2 * pad - (w->dim[2 + i] - 1) * dilation - 1;
        if (stride < 1 || pad < 0 || dilation < 1 || w->dim[2 + i] < 1 || room < 0) {
            (void)graph_fail(g, "conv2d: weight %s is larger than input %s with its padding",
                             shape_text(w, text_w), shape_text(x, text_x));
            return false;
        }
        n->shape.dim[1 + i] = room / stride + 1;
    }
    return true;
}

const Op op_conv2d = {
    .name = "conv2d",
    .formula = "y[n,i,j,o] = sum x[n,i s+k,j s+l,c] w[o,c,k,l]",
    .kind = OP_KERNEL,
    .arity = 2,
    .shape = conv2d_shape,
    .grad = conv2d_grad,
    .run = forward_run,
    .scratch = forward_scratch,
    .flops = forward_flops,
};

const Op op_conv2d_grad_x = {
    .name = "conv2d_grad_x",
    .formula = "the x-gradient of sum(dy * conv2d(x, w))",
    .kind = OP_KERNEL,
    .arity = 2,
    .grad = conv2d_grad_x_grad,
    .run = grad_x_run,
    .scratch = grad_x_scratch,
    .flops = grad_x_flops,
};

const Op op_conv2d_grad_w = {
    .name = "conv2d_grad_w",
    .formula = "the w-gradient of sum(dy * conv2d(x, w))",
    .kind = OP_KERNEL,
    .arity = 2,
    .grad = conv2d_grad_w_grad,
    .run = grad_w_run,
    .scratch = grad_w_scratch,
    .flops = grad_w_flops,
};

Node *conv2d(Graph *g, Node *x, Node *w, Conv2d c)
{
    Node *src[] = {x, w};
    OpArgs args = {0};
    for (int i = 0; i < 2; i++) {
        args.conv.stride[i] = c.stride[i] ? c.stride[i] : 1;
        args.conv.pad[i] = c.pad[i];
        args.conv.dilation[i] = c.dilation[i] ? c.dilation[i] : 1;
    }
    args.conv.groups = c.groups ? c.groups : 1;
    return graph_node(g, &op_conv2d, src, 2, &args, NULL);
}
