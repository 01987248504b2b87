/* ops_seqconv -- convolutions along a sequence by transforms, and the real transform itself.
 *
 * The form t(u, k, dy) = sum(conv(u, k) * dy) is linear in each of its three arguments, and each of
 *
 *   long_conv (u, k) = dt/d dy    long_conv_grad_u (dy, k) = dt/du    long_conv_grad_k (u, dy) =
 * dt/dk
 *
 * is its derivative to one of them: they are each other's gradients, to any order; where both dt/du
 * and dt/dk are wanted they are one kernel, long_conv_grads. The skip d adds d[h] to lag 0, so its
 * gradient is what the kernel's lag 0 gets. rfft and irfft are linear, and
 * each other's transpose up to weights of the bins that stand for themselves alone. */
#include "cpu/cpu.h"
#include "graph/op.h"

/* -- Long convolution. Sources: u or dy (B, H, T); k (H, S) or (2, H, S); then d (H) and gate (B,
 * H, T) as the arguments say. */

_Static_assert((int)REACH_CAUSAL == LONG_CONV_CAUSAL && (int)REACH_CIRCULAR == LONG_CONV_CIRCULAR &&
                   (int)REACH_TWO_SIDED == LONG_CONV_TWO_SIDED,
               "the graph's names of what a kernel's are");

static LongConv long_conv_of(const OpArgs *a, const Shape *u, const Shape *k)
{
    return (LongConv){.batch = u->dim[0],
                      .channels = u->dim[1],
                      .t = u->dim[2],
                      .taps = k->dim[k->rank - 1],
                      .mode = (LongConvMode)a->long_conv.reach};
}

static LongConv conv_of(const Node *n)
{
    return long_conv_of(&n->args, &n->src[0]->shape, &n->src[1]->shape);
}

static LongConv grad_k_of(const Node *n)
{
    return long_conv_of(&n->args, &n->src[0]->shape, &n->shape);
}

static size_t conv_scratch(const Node *n)
{
    const LongConv s = conv_of(n);
    return cpu->long_conv_scratch(&s);
}

static size_t grad_k_scratch(const Node *n)
{
    const LongConv s = grad_k_of(n);
    return cpu->long_conv_scratch(&s);
}

/* The usual count for a transform of n reals: 2.5 n log2 n. */
static double transform_flops(int64_t n)
{
    double log2_n = 0;
    for (int64_t k = n; k > 1; k = (k + 1) / 2) log2_n++;
    return 2.5 * (double)n * log2_n;
}

/* Of the sum as written or of the transforms, two a row and one a channel, whichever is less. */
static double least_flops(const LongConv *s)
{
    const double rows = (double)(s->batch * s->channels), taps = (double)s->taps;
    const double t = (double)s->t, sides = s->mode == LONG_CONV_TWO_SIDED ? 2 : 1;
    const double reach = s->mode == LONG_CONV_CIRCULAR ? t : t - (taps - 1) / 2;
    const double sum = 2 * rows * sides * taps * reach;
    const double transforms = (2 * rows + (double)s->channels) * transform_flops(2 * s->t);
    return sum < transforms ? sum : transforms;
}

static double conv_flops(const Node *n)
{
    const LongConv s = conv_of(n);
    return least_flops(&s);
}

static double grad_k_flops(const Node *n)
{
    const LongConv s = grad_k_of(n);
    return least_flops(&s);
}

static void conv_run(const Call *c)
{
    const Node *n = c->node;
    const LongConv s = conv_of(n);
    const bool skip = n->args.long_conv.skip, gate = n->args.long_conv.gate;
    cpu->long_conv(&s, c->src[0], c->src[1], skip ? c->src[2] : NULL,
                   gate ? c->src[2 + skip] : NULL, c->out, c->scratch);
}

static void grad_u_run(const Call *c)
{
    const LongConv s = conv_of(c->node);
    cpu->long_conv_grad_u(&s, c->src[0], c->src[1], c->node->args.long_conv.skip ? c->src[2] : NULL,
                          c->out, c->scratch);
}

static void grad_k_run(const Call *c)
{
    const LongConv s = grad_k_of(c->node);
    cpu->long_conv_grad_k(&s, c->src[0], c->src[1], c->out, c->scratch);
}

/* a, k, [d] through long_conv or its gradient to u; a gate of the original is left out. */
static Node *through(Graph *g, const Op *op, const Node *like, Node *a, Node *k, Node *d)
{
    Node *src[] = {a, k, d};
    OpArgs args = like->args;
    args.long_conv.skip = d != NULL;
    args.long_conv.gate = false;
    return graph_node(g, op, src, d ? 3 : 2, &args, &a->shape);
}

static Node *lags_of(Graph *g, const Node *like, Node *u, Node *dy, Node *k)
{
    Node *src[] = {u, dy};
    OpArgs args = like->args;
    args.long_conv.skip = args.long_conv.gate = false;
    return graph_node(g, &op_long_conv_grad_k, src, 2, &args, &k->shape);
}

/* -- Both gradients at once: u, dy, k, then d; du, and dk as a part. */

enum { BOTH_U, BOTH_DY, BOTH_K, BOTH_D };

static LongConv grads_of(const Node *n)
{
    return long_conv_of(&n->args, &n->src[BOTH_U]->shape, &n->src[BOTH_K]->shape);
}

static size_t grads_scratch(const Node *n)
{
    const LongConv s = grads_of(n);
    return cpu->long_conv_scratch(&s);
}

/* A sum each, or transforms: one a row more than of one of them, and one a channel. */
static double grads_flops(const Node *n)
{
    const LongConv s = grads_of(n);
    const double one = least_flops(&s), rows = (double)(s.batch * s.channels);
    const double both = one + (rows + (double)s.channels) * transform_flops(2 * s.t);
    return both < 2 * one ? both : 2 * one;
}

static void grads_run(const Call *c)
{
    const Node *n = c->node;
    const LongConv s = grads_of(n);
    const float *d = n->args.long_conv.skip ? c->src[BOTH_D] : NULL;
    const LongConvGrads g = {c->src[BOTH_U], c->src[BOTH_DY], c->src[BOTH_K], d,
                             c->out,         c->part[1]};
    if (g.dk)
        cpu->long_conv_grads(&s, &g, c->scratch);
    else
        cpu->long_conv_grad_u(&s, g.dy, g.k, d, g.du, c->scratch);
}

static Shape grads_part(const Node *n, int index)
{
    (void)index;
    return n->src[BOTH_K]->shape;
}

static Node *grads_expand(Graph *g, Node *y)
{
    return through(g, &op_long_conv_grad_u, y, y->src[BOTH_DY], y->src[BOTH_K],
                   y->args.long_conv.skip ? y->src[BOTH_D] : NULL);
}

static Node *grads_expand_part(Graph *g, Node *y, int index)
{
    (void)index;
    return lags_of(g, y, y->src[BOTH_U], y->src[BOTH_DY], y->src[BOTH_K]);
}

static Node *grads_node(Graph *g, const Node *like, Node *dy)
{
    const bool skip = like->args.long_conv.skip;
    Node *src[] = {like->src[0], dy, like->src[1], skip ? like->src[2] : NULL};
    OpArgs args = like->args;
    args.long_conv.gate = false;
    return graph_node(g, &op_long_conv_grads, src, skip ? 4 : 3, &args, &dy->shape);
}

/* -- Rules */

/* (H) from dk: lag 0 of the taps that look back. */
static Node *lag_zero(Graph *g, Node *dk)
{
    const int64_t channels = dk->shape.dim[dk->shape.rank - 2];
    Node *first = dk->shape.rank == 3 ? slice(g, dk, 0, 0, 1) : dk;
    return reshape(g, slice(g, first, first->shape.rank - 1, 0, 1), shape(1, channels));
}

static void long_conv_grad(Graph *g, Node *y, Node *dy, const bool want[], Node *dx[])
{
    const bool skip = y->args.long_conv.skip;
    Node *u = y->src[0], *k = y->src[1], *d = skip ? y->src[2] : NULL;
    const bool lags = want[1] || (skip && want[2]);
    if (y->args.long_conv.gate) {
        const int at = 2 + skip;
        if (want[at]) dx[at] = mul(g, dy, through(g, &op_long_conv, y, u, k, d));
        dy = mul(g, dy, y->src[at]);
    }
    if (want[0])
        dx[0] = lags ? grads_node(g, y, dy) : through(g, &op_long_conv_grad_u, y, dy, k, d);
    if (!lags) return;
    dx[1] = want[0] ? kernel_part(g, dx[0], 1) : lags_of(g, y, u, dy, k);
    if (skip && want[2]) dx[2] = lag_zero(g, dx[1]);
}

static void long_conv_grad_u_grad(Graph *g, Node *y, Node *v, const bool want[], Node *dx[])
{
    const bool skip = y->args.long_conv.skip;
    Node *dy = y->src[0], *k = y->src[1], *d = skip ? y->src[2] : NULL;
    if (want[0]) dx[0] = through(g, &op_long_conv, y, v, k, d);
    if (want[1] || (skip && want[2])) dx[1] = lags_of(g, y, v, dy, k);
    if (skip && want[2]) dx[2] = lag_zero(g, dx[1]);
}

static void long_conv_grad_k_grad(Graph *g, Node *y, Node *v, const bool want[], Node *dx[])
{
    if (want[0]) dx[0] = through(g, &op_long_conv_grad_u, y, y->src[1], v, NULL);
    if (want[1]) dx[1] = through(g, &op_long_conv, y, y->src[0], v, NULL);
}

static bool long_conv_shape(Graph *g, Node *n)
{
    const Shape *u = &n->src[0]->shape, *k = &n->src[1]->shape;
    const bool two = n->args.long_conv.reach == REACH_TWO_SIDED;
    const int rank = two ? 3 : 2;
    bool ok = u->rank == 3 && k->rank == rank && k->dim[rank - 2] == u->dim[1] &&
              (!two || k->dim[0] == 2) && k->dim[rank - 1] >= 1 && k->dim[rank - 1] <= u->dim[2];
    for (int i = 0; i < n->n_src; i++) ok = ok && n->src[i]->dtype == F32;
    if (!ok) {
        char text_u[96], text_k[96];
        (void)graph_fail(g,
                         "long_conv: kernel %s does not fit rows %s (batch, channels, time): it "
                         "is %s, with at most as many taps as there are steps",
                         shape_text(k, text_k), shape_text(u, text_u),
                         two ? "(2, channels, taps)" : "(channels, taps)");
        return false;
    }
    n->shape = *u;
    return true;
}

const Op op_long_conv = {
    .name = "long_conv",
    .formula = "y[b,h,t] = gate[b,h,t] (sum_s k[h,s] u[b,h,t-s] + d[h] u[b,h,t])",
    .kind = OP_KERNEL,
    .arity = -1,
    .shape = long_conv_shape,
    .grad = long_conv_grad,
    .run = conv_run,
    .scratch = conv_scratch,
    .flops = conv_flops,
};

const Op op_long_conv_grad_u = {
    .name = "long_conv_grad_u",
    .formula = "the u-gradient of sum(dy * long_conv(u, k, d))",
    .kind = OP_KERNEL,
    .arity = -1,
    .grad = long_conv_grad_u_grad,
    .run = grad_u_run,
    .scratch = conv_scratch,
    .flops = conv_flops,
};

const Op op_long_conv_grad_k = {
    .name = "long_conv_grad_k",
    .formula = "the k-gradient of sum(dy * long_conv(u, k))",
    .kind = OP_KERNEL,
    .arity = 2,
    .grad = long_conv_grad_k_grad,
    .run = grad_k_run,
    .scratch = grad_k_scratch,
    .flops = grad_k_flops,
};

const Op op_long_conv_grads = {
    .name = "long_conv_grads",
    .formula = "the gradients of sum(dy * long_conv(u, k, d)) to u and, as a part, to k",
    .kind = OP_KERNEL,
    .arity = -1,
    .expand = grads_expand,
    .part_shape = grads_part,
    .expand_part = grads_expand_part,
    .run = grads_run,
    .scratch = grads_scratch,
    .flops = grads_flops,
};

Node *long_conv(Graph *g, Node *u, Node *k, Node *d, Node *gate, LongConvReach reach)
{
    Node *src[4] = {u, k};
    int n = 2;
    const Shape per_channel = shape(1, u->shape.rank == 3 ? u->shape.dim[1] : 0);
    if (d && !shape_equal(&d->shape, &per_channel)) {
        char text[96];
        return graph_fail(g, "long_conv: the skip's shape is %s, not (channels)",
                          shape_text(&d->shape, text));
    }
    if (gate && !shape_equal(&gate->shape, &u->shape)) {
        char text[96];
        return graph_fail(g, "long_conv: the gate's shape is %s, not that of the rows",
                          shape_text(&gate->shape, text));
    }
    if (d) src[n++] = d;
    if (gate) src[n++] = gate;
    const OpArgs args = {
        .long_conv = {.reach = (int)reach, .skip = d != NULL, .gate = gate != NULL}
    };
    return graph_node(g, &op_long_conv, src, n, &args, NULL);
}

/* -- The real transform */

static int64_t rows_of(const Shape *s, int inner)
{
    int64_t rows = 1;
    for (int i = 0; i < s->rank - inner; i++) rows *= s->dim[i];
    return rows;
}

static void rfft_run(const Call *c)
{
    const Shape *x = &c->node->src[0]->shape;
    cpu->rfft(rows_of(x, 1), x->dim[x->rank - 1], c->src[0], c->out, c->scratch);
}

static void irfft_run(const Call *c)
{
    const Shape *y = &c->node->shape;
    cpu->irfft(rows_of(y, 1), y->dim[y->rank - 1], c->src[0], c->out, c->scratch);
}

static size_t rfft_scratch(const Node *n)
{
    const Shape *x = n->op == &op_rfft ? &n->src[0]->shape : &n->shape;
    return cpu->rfft_scratch(rows_of(x, 1), x->dim[x->rank - 1]);
}

static double rfft_flops(const Node *n)
{
    const Shape *x = n->op == &op_rfft ? &n->src[0]->shape : &n->shape;
    return (double)rows_of(x, 1) * transform_flops(x->dim[x->rank - 1]);
}

/* x times `own` in the bins that are their own mirror image (0, and n / 2 when n is even), `other`
 * elsewhere. */
static Node *weigh_bins(Graph *g, Node *x, int64_t n, float own, float other)
{
    const int64_t bins = n / 2 + 1;
    float *w = arena_new_array(g->arena, float, bins);
    for (int64_t f = 0; f < bins; f++) w[f] = f == 0 || 2 * f == n ? own : other;
    return mul(g, x, constant(g, shape(2, bins, (int64_t)1), w));
}

/* dx[t] = Re sum over the bins of dX[f] e^(2 pi i f t / n), where irfft counts all but the own
 * mirror images twice and divides by n. */
static void rfft_grad(Graph *g, Node *y, Node *dy, const bool want[], Node *dx[])
{
    const Shape *x = &y->src[0]->shape;
    const int64_t n = x->dim[x->rank - 1];
    (void)want;
    dx[0] = irfft(g, weigh_bins(g, dy, n, (float)n, 0.5f * (float)n), n);
}

static void irfft_grad(Graph *g, Node *y, Node *dy, const bool want[], Node *dx[])
{
    const int64_t n = y->args.rfft.n;
    (void)want;
    dx[0] = weigh_bins(g, rfft(g, dy), n, 1.0f / (float)n, 2.0f / (float)n);
}

static bool rfft_shape(Graph *g, Node *n)
{
    const Shape *x = &n->src[0]->shape;
    if (n->src[0]->dtype != F32 || x->rank < 1 || x->rank >= MAX_RANK || x->dim[x->rank - 1] < 1) {
        char text[96];
        (void)graph_fail(g, "rfft: %s has no rows of reals, or too many axes", shape_text(x, text));
        return false;
    }
    n->shape = *x;
    n->shape.dim[x->rank - 1] = x->dim[x->rank - 1] / 2 + 1;
    n->shape.dim[n->shape.rank++] = 2;
    return true;
}

static bool irfft_shape(Graph *g, Node *n)
{
    const Shape *x = &n->src[0]->shape;
    const int64_t length = n->args.rfft.n, bins = length / 2 + 1;
    if (n->src[0]->dtype != F32 || x->rank < 2 || x->dim[x->rank - 1] != 2 || length < 1 ||
        x->dim[x->rank - 2] != bins) {
        char text[96];
        (void)graph_fail(g, "irfft: %s is not (..., %lld, 2), the spectrum of rows of %lld",
                         shape_text(x, text), (long long)bins, (long long)length);
        return false;
    }
    n->shape = *x;
    n->shape.dim[--n->shape.rank - 1] = length;
    return true;
}

const Op op_rfft = {
    .name = "rfft",
    .formula = "X[f] = sum_t x[t] e^(-2 pi i f t / n)",
    .kind = OP_KERNEL,
    .arity = 1,
    .shape = rfft_shape,
    .grad = rfft_grad,
    .run = rfft_run,
    .scratch = rfft_scratch,
    .flops = rfft_flops,
};

const Op op_irfft = {
    .name = "irfft",
    .formula = "x[t] = 1/n sum_{f < n} X[f] e^(2 pi i f t / n), X[n - f] = conj(X[f])",
    .kind = OP_KERNEL,
    .arity = 1,
    .shape = irfft_shape,
    .grad = irfft_grad,
    .run = irfft_run,
    .scratch = rfft_scratch,
    .flops = rfft_flops,
};

Node *rfft(Graph *g, Node *x)
{
    return graph_node(g, &op_rfft, &x, 1, NULL, NULL);
}

Node *irfft(Graph *g, Node *x, int64_t n)
{
    const OpArgs args = {.rfft = {n}};
    return graph_node(g, &op_irfft, &x, 1, &args, NULL);
}
