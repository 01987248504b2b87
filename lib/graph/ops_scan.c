/* ops_scan -- linear recurrences and short causal convolutions over time.
 *
 * Scans y_t = a_t y_(t-1) + b_t, t - 1 being the step walked before. The gradient to b is a scan of
 * dy in the other direction whose factor lags a step and is conjugated; the gradient of that is
 * again a scan of the first kind: the family (reverse, lagged) is closed, so derivatives of all
 * orders exist. scan_grad gives both gradients of the first kind in one pass.
 *
 * A short convolution, its transpose and its gradient to w are one trilinear form, and each is the
 * gradient of the others, as with conv2d (ops_conv.c). */
#include "cpu/cpu.h"
#include "graph/op.h"

/* -- Scan: sources a, b, [h0]; rows of D, or of 2 x D for complex numbers -- */

static bool is_constant(const Node *a, const Node *b)
{
    return a->shape.rank != b->shape.rank;
}

/* b gives the sizes. */
static ScanShape scan_shape_of(const Node *n, const Node *a, const Node *b)
{
    const Shape *s = &b->shape;
    return (ScanShape){.batch = s->dim[0],
                       .steps = s->dim[1],
                       .d = s->dim[s->rank - 1],
                       .complex = s->rank == 4,
                       .constant = is_constant(a, b),
                       .reverse = n->args.scan.reverse,
                       .lagged = n->args.scan.lagged};
}

static void scan_run(const Call *c)
{
    const Node *n = c->node;
    const ScanShape s = scan_shape_of(n, n->src[0], n->src[1]);
    cpu->scan(&s, c->src[0], c->src[1], n->n_src > 2 ? c->src[2] : NULL, c->out);
}

/* The value of scan_grad: g and da stacked, (2, B, T, ...); for constant a the sums of da over time
 * stand as one more step, (B, T + 1, ...). */
static void scan_grad_run(const Call *c)
{
    const Node *n = c->node;
    const ScanShape s = scan_shape_of(n, n->src[0], n->src[1]);
    const int64_t row = s.complex ? 2 * s.d : s.d, all = s.steps * row;
    float *g = c->out, *da = g + (s.constant ? all : s.batch * all);
    const int64_t stride = s.constant ? all + row : all;
    cpu->scan_grad(&s, c->src[0], c->src[1], c->src[2], n->n_src > 3 ? c->src[3] : NULL, g, stride,
                   da, stride);
}

static Node *scan_node(Graph *g, Node *a, Node *b, Node *h0, OpArgs args)
{
    Node *src[] = {a, b, h0};
    return graph_node(g, &op_scan, src, h0 ? 3 : 2, &args, &b->shape);
}

/* Other direction, and the other kind. */
static OpArgs adjoint(const Node *y)
{
    OpArgs args = y->args;
    args.scan.reverse = !args.scan.reverse;
    args.scan.lagged = !args.scan.lagged;
    return args;
}

/* Each step gets what stood at the step walked before; the first one `first`, or zeros. */
static Node *delayed(Graph *g, Node *x, Node *first, bool reverse)
{
    const int64_t T = x->shape.dim[1];
    Shape one = x->shape;
    one.dim[1] = 1;
    Node *begin = first ? reshape(g, first, one) : full(g, one, 0);
    if (T == 1) return begin;
    Node *rest = slice(g, x, 1, reverse ? 1 : 0, T - 1);
    Node *parts[] = {reverse ? rest : begin, reverse ? begin : rest};
    return concat(g, parts, 2, 1);
}

/* x conj(y); real numbers: x y. Axis 2 holds the parts. */
static Node *product_conj(Graph *g, Node *x, Node *y)
{
    if (x->shape.rank == 3) return mul(g, x, y);
    Node *u = slice(g, x, 2, 0, 1), *v = slice(g, x, 2, 1, 1), *p = slice(g, y, 2, 0, 1),
         *q = slice(g, y, 2, 1, 1);
    Node *parts[] = {add(g, mul(g, u, p), mul(g, v, q)), sub(g, mul(g, v, p), mul(g, u, q))};
    return concat(g, parts, 2, 2);
}

/* dh0 = conj(a) db at the first step walked. */
static Node *start_grad(Graph *g, const Node *y, Node *db)
{
    Node *a = y->src[0];
    const int64_t first = y->args.scan.reverse ? db->shape.dim[1] - 1 : 0;
    Shape one = db->shape;
    one.dim[1] = 1;
    Node *factor = is_constant(a, db) ? broadcast(g, a, one) : slice(g, a, 1, first, 1);
    Node *d = product_conj(g, slice(g, db, 1, first, 1), factor);
    return reshape(g, d, y->src[2]->shape);
}

static Node *scan_grad_node(Graph *g, Node *y, Node *dy)
{
    Node *src[] = {y->src[0], dy, y, y->n_src > 2 ? y->src[2] : NULL};
    Shape to = y->shape;
    if (is_constant(y->src[0], y)) {
        to.dim[1]++;
    } else {
        for (int i = to.rank++; i > 0; i--) to.dim[i] = to.dim[i - 1];
        to.dim[0] = 2;
    }
    return graph_node(g, &op_scan_grad, src, y->n_src + 1, &y->args, &to);
}

static void scan_rule(Graph *g, Node *y, Node *dy, const bool want[], Node *dx[])
{
    Node *a = y->src[0];
    const bool constant = is_constant(a, y), lagged = y->args.scan.lagged;
    const int64_t T = y->shape.dim[1];
    if (want[0] && !lagged) {
        Node *both = scan_grad_node(g, y, dy);
        dx[1] = constant ? slice(g, both, 1, 0, T) : reshape(g, slice(g, both, 0, 0, 1), y->shape);
        dx[0] = constant ? sum(g, slice(g, both, 1, T, 1), 1u << 0 | 1u << 1, false)
                         : reshape(g, slice(g, both, 0, 1, 1), y->shape);
    } else {
        dx[1] = scan_node(g, a, dy, NULL, adjoint(y));
    }
    if (want[0] && lagged)
        dx[0] =
            sum_to(g, product_conj(g, y, delayed(g, dx[1], NULL, !y->args.scan.reverse)), a->shape);
    if (y->n_src > 2 && want[2]) dx[2] = start_grad(g, y, dx[1]);
}

static Node *scan_grad_expand(Graph *g, Node *n)
{
    Node *a = n->src[0], *y = n->src[2], *h0 = n->n_src > 3 ? n->src[3] : NULL;
    Node *db = scan_node(g, a, n->src[1], NULL, adjoint(n));
    Node *da = product_conj(g, db, delayed(g, y, h0, n->args.scan.reverse));
    if (is_constant(a, y)) {
        Node *parts[] = {db, sum(g, da, 1u << 1, true)};
        return concat(g, parts, 2, 1);
    }
    Shape one = n->shape;
    one.dim[0] = 1;
    Node *parts[] = {reshape(g, db, one), reshape(g, da, one)};
    return concat(g, parts, 2, 0);
}

static double scan_flops(const Node *n)
{
    const double numbers = (double)shape_count(&n->src[1]->shape);
    return numbers * (n->src[1]->shape.rank == 4 ? 4 : 2) * (n->op == &op_scan_grad ? 2 : 1);
}

const Op op_scan = {
    .name = "scan",
    .formula = "y_t = a_t y_(t-1) + b_t",
    .kind = OP_KERNEL,
    .arity = -1,
    .grad = scan_rule,
    .run = scan_run,
    .flops = scan_flops,
};
const Op op_scan_grad = {
    .name = "scan_grad",
    .formula = "db_t = dy_t + a_(t+1) db_(t+1), da_t = db_t y_(t-1)",
    .kind = OP_KERNEL,
    .arity = -1,
    .expand = scan_grad_expand,
    .run = scan_grad_run,
    .flops = scan_flops,
};

/* s without n axes from `axis` on. */
static Shape without_axis(const Shape *s, int axis, int n)
{
    Shape to = *s;
    to.rank -= n;
    for (int i = axis; i < to.rank; i++) to.dim[i] = s->dim[i + n];
    return to;
}

Node *scan(Graph *g, Node *a, Node *b, Node *h0, bool reverse)
{
    char text_a[96], text_b[96];
    const Shape *s = &b->shape;
    bool ok = a->dtype == F32 && b->dtype == F32 && (s->rank == 3 || s->rank == 4) &&
              (s->rank == 3 || s->dim[2] == 2) && shape_count(s) > 0;
    if (ok) {
        const Shape row = without_axis(s, 0, 2), state = without_axis(s, 1, 1);
        ok = (shape_equal(&a->shape, s) || shape_equal(&a->shape, &row)) &&
             (!h0 || (h0->dtype == F32 && shape_equal(&h0->shape, &state)));
    }
    if (!ok)
        return graph_fail(g,
                          "scan: factor %s for %s; expected (B, T, D) or (B, T, 2, D), a factor of "
                          "that shape or one row of it, and states without T",
                          shape_text(&a->shape, text_a), shape_text(s, text_b));
    const OpArgs args = {
        .scan = {reverse, false}
    };
    return scan_node(g, a, b, h0, args);
}

/* -- Short convolution: x (B, T, C), w (C, K), y (B, T, C) -- */

static ShortConvShape conv_of(const Node *x, int64_t taps)
{
    return (ShortConvShape){x->shape.dim[0], x->shape.dim[1], x->shape.dim[2], taps};
}

static ShortConvShape short_conv_of(const Node *n)
{
    const int64_t taps = n->op == &op_short_conv_grad_w ? n->shape.dim[1] : n->src[1]->shape.dim[1];
    return conv_of(n->src[0], taps);
}

static void short_conv_run(const Call *c)
{
    const ShortConvShape s = short_conv_of(c->node);
    cpu->short_conv(&s, c->src[0], c->src[1], c->node->n_src > 2 ? c->src[2] : NULL,
                    c->node->args.short_conv.silu, c->out, c->scratch);
}

static void short_conv_grad_x_run(const Call *c)
{
    const ShortConvShape s = short_conv_of(c->node);
    cpu->short_conv_grad_x(&s, c->src[0], c->src[1], c->out, c->scratch);
}

static void short_conv_grad_w_run(const Call *c)
{
    const ShortConvShape s = short_conv_of(c->node);
    cpu->short_conv_grad_w(&s, c->src[0], c->src[1], c->out, c->scratch);
}

static size_t short_conv_scratch(const Node *n)
{
    const ShortConvShape s = short_conv_of(n);
    return cpu->short_conv_scratch(&s);
}

static double short_conv_flops(const Node *n)
{
    const ShortConvShape s = short_conv_of(n);
    const double outputs = (double)(s.batch * s.steps * s.channels);
    return outputs * (2 * (double)s.taps + (n->args.short_conv.silu ? 18 : 0));
}

static Node *conv_node(Graph *g, Node *x, Node *w)
{
    Node *src[] = {x, w};
    return graph_node(g, &op_short_conv, src, 2, NULL, &x->shape);
}

static Node *conv_back(Graph *g, Node *dy, Node *w)
{
    Node *src[] = {dy, w};
    return graph_node(g, &op_short_conv_grad_x, src, 2, NULL, &dy->shape);
}

static Node *conv_weight(Graph *g, Node *x, Node *dy, int64_t taps)
{
    Node *src[] = {x, dy};
    const Shape to = shape(2, x->shape.dim[2], taps);
    return graph_node(g, &op_short_conv_grad_w, src, 2, NULL, &to);
}

/* With silu, what it was taken of is made again: one pass instead of the memory. */
static void short_conv_rule(Graph *g, Node *y, Node *dy, const bool want[], Node *dx[])
{
    Node *x = y->src[0], *w = y->src[1];
    if (y->args.short_conv.silu) {
        Node *u = graph_node(g, &op_short_conv, y->src, y->n_src, NULL, &y->shape);
        Node *s = sigmoid(g, u); /* d(u s)/du = s (1 + u (1 - s)) */
        dy = mul(g, dy, mul(g, s, affine(g, mul(g, u, affine(g, s, -1, 1)), 1, 1)));
    }
    if (want[0]) dx[0] = conv_back(g, dy, w);
    if (want[1]) dx[1] = conv_weight(g, x, dy, w->shape.dim[1]);
    if (y->n_src > 2 && want[2]) dx[2] = sum(g, dy, 1u << 0 | 1u << 1, false);
}

static void short_conv_grad_x_rule(Graph *g, Node *y, Node *dy, const bool want[], Node *dx[])
{
    if (want[0]) dx[0] = conv_node(g, dy, y->src[1]);
    if (want[1]) dx[1] = conv_weight(g, dy, y->src[0], y->src[1]->shape.dim[1]);
}

static void short_conv_grad_w_rule(Graph *g, Node *y, Node *dy, const bool want[], Node *dx[])
{
    if (want[0]) dx[0] = conv_back(g, y->src[1], dy);
    if (want[1]) dx[1] = conv_node(g, y->src[0], dy);
}

const Op op_short_conv = {
    .name = "short_conv",
    .formula = "y[t, c] = bias[c] + sum_j w[c, K - 1 - j] x[t - j, c], then silu",
    .kind = OP_KERNEL,
    .arity = -1,
    .grad = short_conv_rule,
    .run = short_conv_run,
    .scratch = short_conv_scratch,
    .flops = short_conv_flops,
};
const Op op_short_conv_grad_x = {
    .name = "short_conv_grad_x",
    .formula = "dx[t, c] = sum_j w[c, K - 1 - j] dy[t + j, c]",
    .kind = OP_KERNEL,
    .arity = 2,
    .grad = short_conv_grad_x_rule,
    .run = short_conv_grad_x_run,
    .scratch = short_conv_scratch,
    .flops = short_conv_flops,
};
const Op op_short_conv_grad_w = {
    .name = "short_conv_grad_w",
    .formula = "dw[c, K - 1 - j] = sum_t dy[t, c] x[t - j, c]",
    .kind = OP_KERNEL,
    .arity = 2,
    .grad = short_conv_grad_w_rule,
    .run = short_conv_grad_w_run,
    .scratch = short_conv_scratch,
    .flops = short_conv_flops,
};

Node *short_conv(Graph *g, Node *x, Node *w, Node *bias, bool with_silu)
{
    enum { MOST_TAPS = 16 };
    char text_x[96], text_w[96];
    const Shape *xs = &x->shape, *ws = &w->shape;
    const bool ok = x->dtype == F32 && xs->rank == 3 && shape_count(xs) > 0 && ws->rank == 2 &&
                    ws->dim[0] == xs->dim[2] && ws->dim[1] >= 1 && ws->dim[1] <= MOST_TAPS &&
                    (!bias || (bias->shape.rank == 1 && bias->shape.dim[0] == xs->dim[2]));
    if (!ok)
        return graph_fail(g,
                          "short_conv: input %s with weights %s; expected (B, T, C) and (C, K), "
                          "K <= %d, and biases (C)",
                          shape_text(xs, text_x), shape_text(ws, text_w), MOST_TAPS);
    Node *src[] = {x, w, bias};
    const OpArgs args = {.short_conv = {with_silu}};
    return graph_node(g, &op_short_conv, src, bias ? 3 : 2, &args, xs);
}
