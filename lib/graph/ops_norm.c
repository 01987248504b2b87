/* ops_norm -- batch norm, layer norm, RMS norm.
 *
 * Batch norm over the n = N H W values of each channel, m the mean, r = 1 / sqrt(var + eps):
 *
 *   y = (x - m) r gain + bias
 *   dbias = sum(dy)   q = sum(dy (x - m))   dgain = r q
 *   dx = gain r (dy - dbias / n - (x - m) r^2 q / n)            (Ioffe & Szegedy 2015)
 *
 * The two sums run over the same numbers, so they are one pass; dx is another. dx is the total
 * derivative, through m and r too, so the rule gives m and r nothing. Its nodes use the nodes m and
 * r, which are ordinary functions of x (batch_moments): when dx is differentiated again, what x
 * does to it through m and r arrives by their own rules. Hence second derivatives are exact.
 *
 * Layer and RMS norm are kernels. Their gradients to x, gain and bias are one kernel, which is
 * differentiated through the same formulas in elementwise ops (expand, expand_part). */
#include "cpu/cpu.h"
#include "graph/op.h"

static unsigned all_but_last(const Node *x)
{
    return (1u << (x->shape.rank - 1)) - 1;
}

static int64_t last_dim(const Node *x)
{
    return x->shape.dim[x->shape.rank - 1];
}

static int64_t row_count(const Node *x)
{
    int64_t rows = 1;
    for (int i = 0; i < x->shape.rank - 1; i++) rows *= x->shape.dim[i];
    return rows;
}

/* -- Batch norm */

enum { BN_VALUE, BN_X, BN_MEAN, BN_RSTD, BN_OPTIONAL };

static void batch_norm_grad(Graph *g, Node *y, Node *dy, const bool want[], Node *dx[])
{
    Node *x = y->src[BN_X], *rstd = y->src[BN_RSTD];
    const bool has_gain = y->args.batch_norm.gain, has_bias = y->args.batch_norm.bias;
    const int gain = BN_OPTIONAL, bias = BN_OPTIONAL + has_gain;
    const unsigned axes = all_but_last(x);
    const float share = 1.0f / (float)row_count(x);
    Node *centered = sub(g, x, y->src[BN_MEAN]);
    Node *sum_dy = sum(g, dy, axes, false), *q = sum(g, mul(g, dy, centered), axes, false);
    if (has_bias && want[bias]) dx[bias] = sum_dy;
    if (has_gain && want[gain]) dx[gain] = mul(g, rstd, q);
    if (!want[BN_X]) return;
    Node *scale = has_gain ? mul(g, y->src[gain], rstd) : rstd;
    Node *slope = mul(g, square(g, rstd), affine(g, q, share, 0));
    Node *rest = sub(g, sub(g, dy, affine(g, sum_dy, share, 0)), mul(g, centered, slope));
    dx[BN_X] = mul(g, rest, scale);
}

const Op op_batch_norm = {
    .name = "batch_norm",
    .formula = "(x - mean) rstd gain + bias",
    .kind = OP_VIEW,
    .arity = -1,
    .grad = batch_norm_grad,
};

static bool is_channels(const Node *n, const Node *x)
{
    return !n || (n->shape.rank == 1 && n->shape.dim[0] == last_dim(x));
}

Node *batch_norm(Graph *g, Node *x, Node *gain, Node *bias, Node *mean, Node *rstd,
                 bool batch_statistics)
{
    char text[96];
    if (x->shape.rank < 2 || !is_channels(gain, x) || !is_channels(bias, x) ||
        !is_channels(mean, x) || !is_channels(rstd, x))
        return graph_fail(g, "batch_norm: input %s needs one number a channel",
                          shape_text(&x->shape, text));
    Node *value = mul(g, sub(g, x, mean), gain ? mul(g, gain, rstd) : rstd);
    if (bias) value = add(g, value, bias);
    if (!batch_statistics) return value;
    Node *src[BN_OPTIONAL + 2] = {value, x, mean, rstd};
    OpArgs args = {
        .batch_norm = {gain != NULL, bias != NULL}
    };
    int n_src = BN_OPTIONAL;
    if (gain) src[n_src++] = gain;
    if (bias) src[n_src++] = bias;
    return graph_node(g, &op_batch_norm, src, n_src, &args, NULL);
}

/* In one pass, by moments about the first pixel a of each channel: with d = x - a,
 *   mean = a + mean(d),  variance = mean(d^2) - mean(d)^2,
 * the same for any a, so a counts as a constant of the differentiation. The relative error of the
 * variance grows by 1 + (a - mean)^2 / variance over that of two passes: a few units for data, and
 * never more than the number of pixels (Chan, Golub & LeVeque 1983). */
void batch_moments(Graph *g, Node *x, Node **mean_out, Node **variance)
{
    char text[96];
    if (x->shape.rank < 2) {
        *mean_out = *variance = graph_fail(g, "batch_moments: expected (..., C), found %s",
                                           shape_text(&x->shape, text));
        return;
    }
    Node *fixed = stop_gradient(g, x);
    Shape one = x->shape;
    OpArgs origin = {0};
    for (int i = 0; i < one.rank - 1; i++) one.dim[i] = 1;
    Node *first = graph_node(g, &op_slice, &fixed, 1, &origin, &one);
    Node *d = sub(g, x, first);
    Node *m1 = mean(g, d, all_but_last(x), false);
    Node *m2 = mean(g, square(g, d), all_but_last(x), false);
    *mean_out = add(g, reshape(g, first, m1->shape), m1);
    *variance = sub(g, m2, square(g, m1));
}

/* -- Layer norm, RMS norm: sources x, gain, bias; the gradients' x, dy, gain; their parts */

enum { DGAIN = 1, DBIAS };

static void layer_norm_run(const Call *c)
{
    const Node *n = c->node;
    cpu->layer_norm(row_count(n), last_dim(n), c->src[0], n->n_src > 1 ? c->src[1] : NULL,
                    n->n_src > 2 ? c->src[2] : NULL, n->args.norm.eps, c->out);
}

static void rms_norm_run(const Call *c)
{
    const Node *n = c->node;
    cpu->rms_norm(row_count(n), last_dim(n), c->src[0], n->n_src > 1 ? c->src[1] : NULL,
                  n->args.norm.eps, c->out);
}

static NormGrad norm_grad_call(const Call *c)
{
    return (NormGrad){.x = c->src[0],
                      .dy = c->src[1],
                      .gain = c->node->n_src > 2 ? c->src[2] : NULL,
                      .eps = c->node->args.norm.eps,
                      .dx = c->out,
                      .dgain = c->part[DGAIN],
                      .dbias = c->part[DBIAS]};
}

static void layer_norm_grad_run(const Call *c)
{
    const NormGrad a = norm_grad_call(c);
    cpu->layer_norm_grad(row_count(c->node), last_dim(c->node), &a, c->scratch);
}

static void rms_norm_grad_run(const Call *c)
{
    const NormGrad a = norm_grad_call(c);
    cpu->rms_norm_grad(row_count(c->node), last_dim(c->node), &a, c->scratch);
}

static size_t norm_grad_scratch(const Node *n)
{
    return cpu->norm_grad_scratch(row_count(n), last_dim(n));
}

static Shape norm_grad_part(const Node *n, int index)
{
    (void)index;
    return (Shape){.rank = 1, .dim = {last_dim(n)}};
}

static Node *norm_node(Graph *g, const Op *op, Node *src[3], float eps)
{
    OpArgs args = {.norm = {eps}};
    int n = 1;
    while (n < 3 && src[n]) n++;
    return graph_node(g, op, src, n, &args, NULL);
}

static void norm_rule(Graph *g, Node *y, Node *dy, const bool want[], Node *dx[], const Op *to_x)
{
    Node *x = y->src[0], *gain = y->n_src > 1 ? y->src[1] : NULL;
    Node *all = norm_node(g, to_x, (Node *[]){x, dy, gain}, y->args.norm.eps);
    dx[0] = all;
    if (gain && want[1]) dx[1] = kernel_part(g, all, DGAIN);
    if (y->n_src > 2 && want[2]) dx[2] = kernel_part(g, all, DBIAS);
}

static void layer_norm_rule(Graph *g, Node *y, Node *dy, const bool want[], Node *dx[])
{
    norm_rule(g, y, dy, want, dx, &op_layer_norm_grad);
}

static void rms_norm_rule(Graph *g, Node *y, Node *dy, const bool want[], Node *dx[])
{
    norm_rule(g, y, dy, want, dx, &op_rms_norm_grad);
}

/* dx = r (v - mean(v) - xhat mean(v xhat)), v = dy gain; without the means when not centered. */
static Node *norm_grad_expand(Graph *g, const Node *y, bool center)
{
    Node *x = y->src[0], *v = y->src[1];
    const unsigned last = 1u << (x->shape.rank - 1);
    if (y->n_src > 2) v = mul(g, v, y->src[2]);
    if (center) x = sub(g, x, mean(g, x, last, true));
    Node *r = rsqrt(g, affine(g, mean(g, square(g, x), last, true), 1, y->args.norm.eps));
    Node *xhat = mul(g, x, r);
    Node *along = mul(g, xhat, mean(g, mul(g, v, xhat), last, true));
    if (center) v = sub(g, v, mean(g, v, last, true));
    return mul(g, r, sub(g, v, along));
}

static Node *layer_norm_grad_expand_part(Graph *g, Node *y, int index)
{
    Node *xhat = norm_node(g, &op_layer_norm, (Node *[]){y->src[0], NULL, NULL}, y->args.norm.eps);
    Node *terms = index == DGAIN ? mul(g, y->src[1], xhat) : y->src[1];
    return sum(g, terms, all_but_last(y), false);
}

static Node *rms_norm_grad_expand_part(Graph *g, Node *y, int index)
{
    Node *xhat = norm_node(g, &op_rms_norm, (Node *[]){y->src[0], NULL, NULL}, y->args.norm.eps);
    (void)index; /* there is no bias */
    return sum(g, mul(g, y->src[1], xhat), all_but_last(y), false);
}

static Node *layer_norm_grad_expand(Graph *g, Node *y)
{
    return norm_grad_expand(g, y, true);
}

static Node *rms_norm_grad_expand(Graph *g, Node *y)
{
    return norm_grad_expand(g, y, false);
}

const Op op_layer_norm = {
    .name = "layer_norm",
    .formula = "(x - mean) / sqrt(var + eps) gain + bias, over the last axis",
    .kind = OP_KERNEL,
    .arity = -1,
    .grad = layer_norm_rule,
    .run = layer_norm_run,
    .flops_each = 8,
};
const Op op_layer_norm_grad = {
    .name = "layer_norm_grad",
    .formula = "r (v - mean(v) - xhat mean(v xhat)), v = dy gain",
    .kind = OP_KERNEL,
    .arity = -1,
    .expand = layer_norm_grad_expand,
    .run = layer_norm_grad_run,
    .scratch = norm_grad_scratch,
    .part_shape = norm_grad_part,
    .expand_part = layer_norm_grad_expand_part,
    .in_place = true,
    .flops_each = 14,
};
const Op op_rms_norm = {
    .name = "rms_norm",
    .formula = "x / sqrt(mean(x^2) + eps) gain, over the last axis",
    .kind = OP_KERNEL,
    .arity = -1,
    .grad = rms_norm_rule,
    .run = rms_norm_run,
    .flops_each = 5,
};
const Op op_rms_norm_grad = {
    .name = "rms_norm_grad",
    .formula = "r (v - xhat mean(v xhat)), v = dy gain",
    .kind = OP_KERNEL,
    .arity = -1,
    .expand = rms_norm_grad_expand,
    .run = rms_norm_grad_run,
    .scratch = norm_grad_scratch,
    .part_shape = norm_grad_part,
    .expand_part = rms_norm_grad_expand_part,
    .in_place = true,
    .flops_each = 10,
};

static bool norm_fits(Graph *g, const char *name, const Node *x, const Node *gain, const Node *bias)
{
    char text[96];
    if (x->dtype == F32 && x->shape.rank >= 1 && is_channels(gain, x) && is_channels(bias, x))
        return true;
    (void)graph_fail(g, "%s: input %s needs gain and bias of its last axis", name,
                     shape_text(&x->shape, text));
    return false;
}

Node *layer_norm(Graph *g, Node *x, Node *gain, Node *bias, float eps)
{
    if (!norm_fits(g, "layer_norm", x, gain, bias)) return x;
    if (!gain && bias) return add(g, layer_norm(g, x, NULL, NULL, eps), bias);
    return norm_node(g, &op_layer_norm, (Node *[]){x, gain, bias}, eps);
}

Node *rms_norm(Graph *g, Node *x, Node *gain, float eps)
{
    if (!norm_fits(g, "rms_norm", x, gain, NULL)) return x;
    return norm_node(g, &op_rms_norm, (Node *[]){x, gain, NULL}, eps);
}
