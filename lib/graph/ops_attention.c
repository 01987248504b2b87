/* ops_attention -- attention by blocks, and rotary positions.
 *
 * A kernel has one result; attention has two, y and the log-sum-exp of each row that the backward
 * pass needs. So attention_forward computes both side by side in one flat array, and attention is a
 * view of the first part, with the gradient rule: attention_grad computes dq, dk, dv and dbias side
 * by side, and these are cut out of it.
 *
 * Sources of all three are, in this order: [of attention: the forward node] q, k, v, then bias,
 * slopes, lengths and the table of rope where there are (args says which), then [of attention_grad:
 * the forward node, dy]. The second derivative goes through the same formulas in matrix products
 * and elementwise ops (expand), which hold T x S numbers. */
#include "base/pcg.h"
#include "base/realmath.h"
#include "cpu/cpu.h"
#include "graph/op.h"

#include <math.h>

/* -- Sources and sizes */

enum { MAX_SOURCES = 10 };

typedef struct Sources {
    Node *q, *k, *v, *bias, *slopes, *lengths, *rope;
    int bias_at;
} Sources;

static Sources sources_of(const Node *n)
{
    int at = n->op == &op_attention;
    Sources s = {.q = n->src[at], .k = n->src[at + 1], .v = n->src[at + 2]};
    at += 3;
    s.bias_at = at;
    if (n->args.attention.bias) s.bias = n->src[at++];
    if (n->args.attention.slopes) s.slopes = n->src[at++];
    if (n->args.attention.lengths) s.lengths = n->src[at++];
    if (n->args.attention.rope) s.rope = n->src[at];
    return s;
}

/* (B, Hq, T, S) with 1 where the bias is shared. */
static Shape bias_shape(const Node *bias)
{
    Shape s = shape(4, (int64_t)1, (int64_t)1, (int64_t)1, (int64_t)1);
    for (int i = 0; i < bias->shape.rank; i++) s.dim[4 - bias->shape.rank + i] = bias->shape.dim[i];
    return s;
}

/* What the kernel gives of the bias: every head, shared or not. */
static Shape bias_grad_shape(const Node *bias, int64_t heads)
{
    Shape s = bias_shape(bias);
    s.dim[1] = heads;
    return s;
}

static void set_bias_strides(const Node *bias, Attention *a)
{
    const Shape s = bias_shape(bias);
    a->bias_row = s.dim[2] > 1 ? s.dim[3] : 0;
    a->bias_head = s.dim[1] > 1 ? s.dim[2] * s.dim[3] : 0;
    a->bias_batch = s.dim[0] > 1 ? s.dim[1] * s.dim[2] * s.dim[3] : 0;
}

static Attention sizes_of(const Node *n)
{
    const Sources s = sources_of(n);
    const Shape *q = &s.q->shape, *k = &s.k->shape;
    Attention a = {.batch = q->dim[0],
                   .t = q->dim[1],
                   .s = k->dim[1],
                   .heads = q->dim[2],
                   .kv_heads = k->dim[2],
                   .d = q->dim[3],
                   .scale = n->args.attention.scale,
                   .cap = n->args.attention.cap,
                   .offset = n->args.attention.offset,
                   .window = n->args.attention.window,
                   .causal = n->args.attention.causal,
                   .rope_interleaved = n->args.attention.rope_interleaved,
                   .keys_turned = n->args.attention.keys_turned,
                   .keep = n->args.attention.keep};
    if (s.bias) set_bias_strides(s.bias, &a);
    if (s.rope) a.rope_dims = s.rope->shape.dim[1];
    return a;
}

static Attention bound(const Call *c)
{
    const OpArgs *args = &c->node->args;
    Attention a = sizes_of(c->node);
    int at = 3;
    a.q = c->src[0];
    a.k = c->src[1];
    a.v = c->src[2];
    if (args->attention.bias) a.bias = c->src[at++];
    if (args->attention.slopes) a.slopes = c->src[at++];
    if (args->attention.lengths) a.length = c->src[at++];
    if (args->attention.rope) a.rope = c->src[at];
    if (a.keep != 0) {
        const Pcg rng =
            pcg_stream(args->attention.seed, "dropout", c->step, args->attention.stream);
        a.random_state = rng.state;
        a.random_inc = rng.inc;
    }
    return a;
}

/* The kernels ask for scratch before there are addresses: what matters is which are there. */
static Attention planned(const Node *n)
{
    static const float there;
    const Sources s = sources_of(n);
    Attention a = sizes_of(n);
    if (s.bias) a.bias = &there;
    if (s.rope) a.rope = &there;
    return a;
}

static int64_t query_numbers(const Attention *a)
{
    return a->batch * a->t * a->heads * a->d;
}

static int64_t key_numbers(const Attention *a)
{
    return a->batch * a->s * a->kv_heads * a->d;
}

/* Pairs of a query and a key that are computed, about. */
static double pairs(const Node *n)
{
    const Attention a = sizes_of(n);
    const double all = (double)(a.batch * a.heads * a.t) * (double)a.s;
    return a.causal && a.offset < a.s ? all / 2 : all;
}

/* -- Forward */

static void forward_run(const Call *c)
{
    const Attention a = bound(c);
    float *y = c->out;
    cpu->attention(&a, y, y + query_numbers(&a), c->scratch);
}

static size_t forward_scratch(const Node *n)
{
    const Attention a = planned(n);
    return cpu->attention_scratch(&a);
}

static double forward_flops(const Node *n)
{
    return pairs(n) * (4 * (double)n->src[0]->shape.dim[3] + 20);
}

const Op op_attention_forward = {
    .name = "attention_forward",
    .formula = "y = softmax(scale q k) v, then log2 of the sum of each softmax",
    .kind = OP_KERNEL,
    .arity = -1,
    .no_grad = "the rule is that of attention, which is a view of it",
    .run = forward_run,
    .scratch = forward_scratch,
    .flops = forward_flops,
};

/* `length` numbers of a flat node, from `start` on. */
static Node *piece(Graph *g, Node *flat, int64_t start, const Shape *to)
{
    return reshape(g, slice(g, flat, 0, start, shape_count(to)), *to);
}

static void attention_rule(Graph *g, Node *y, Node *dy, const bool want[], Node *dx[])
{
    const Sources s = sources_of(y);
    const Attention a = sizes_of(y);
    Node *src[MAX_SOURCES];
    int n = 0;
    for (int i = 1; i < y->n_src; i++) src[n++] = y->src[i];
    src[n++] = y->src[0];
    src[n++] = dy;
    const int64_t n_q = query_numbers(&a), n_k = key_numbers(&a);
    OpArgs args = y->args;
    const bool bias = s.bias && want[s.bias_at];
    args.attention.bias_grad = bias;
    const Shape dbias = bias ? bias_grad_shape(s.bias, a.heads) : shape(1, (int64_t)0);
    const Shape flat = shape(1, n_q + 2 * n_k + shape_count(&dbias));
    Node *all = graph_node(g, &op_attention_grad, src, n, &args, &flat);
    if (want[1]) dx[1] = piece(g, all, 0, &s.q->shape);
    if (want[2]) dx[2] = piece(g, all, n_q, &s.k->shape);
    if (want[3]) dx[3] = piece(g, all, n_q + n_k, &s.v->shape);
    if (bias) dx[s.bias_at] = sum_to(g, piece(g, all, n_q + 2 * n_k, &dbias), s.bias->shape);
}

const Op op_attention = {
    .name = "attention",
    .formula = "softmax(scale q k) v",
    .kind = OP_VIEW,
    .arity = -1,
    .grad = attention_rule,
};

/* -- Backward */

static void grad_run(const Call *c)
{
    const int last = c->node->n_src - 1;
    AttentionGrad b = {.forward = bound(c)};
    const int64_t n_q = query_numbers(&b.forward), n_k = key_numbers(&b.forward);
    b.y = c->src[last - 1];
    b.lse = b.y + n_q;
    b.dy = c->src[last];
    b.dq = c->out;
    b.dk = b.dq + n_q;
    b.dv = b.dk + n_k;
    b.dbias = c->node->args.attention.bias_grad ? b.dv + n_k : NULL;
    cpu->attention_grad(&b, c->scratch);
}

static size_t grad_scratch(const Node *n)
{
    const Attention a = planned(n);
    return cpu->attention_grad_scratch(&a);
}

static double grad_flops(const Node *n)
{
    return pairs(n) * (10 * (double)n->src[0]->shape.dim[3] + 20);
}

/* -- The same by matrix products: everything as (B, Hq, T or S, D) */

/* (B, S, Hkv, D) with each head repeated for its group of query heads. */
static Node *heads_first(Graph *g, Node *x, int64_t heads)
{
    const int perm[] = {0, 2, 1, 3};
    const Shape s = x->shape;
    Node *y = permute(g, x, perm);
    if (s.dim[2] == heads) return y;
    const int64_t group = heads / s.dim[2];
    y = reshape(g, y, shape(5, s.dim[0], s.dim[2], (int64_t)1, s.dim[1], s.dim[3]));
    y = broadcast(g, y, shape(5, s.dim[0], s.dim[2], group, s.dim[1], s.dim[3]));
    return reshape(g, y, shape(4, s.dim[0], heads, s.dim[1], s.dim[3]));
}

/* Its transpose: the group's gradients are added. */
static Node *heads_back(Graph *g, Node *x, const Shape *to)
{
    const int perm[] = {0, 2, 1, 3};
    const Shape s = x->shape;
    if (to->dim[2] != s.dim[1]) {
        x = reshape(g, x,
                    shape(5, s.dim[0], to->dim[2], s.dim[1] / to->dim[2], s.dim[2], s.dim[3]));
        x = sum(g, x, 1u << 2, false);
    }
    return permute(g, x, perm);
}

/* 1 where query i sees key j by place, else 0; or the distance |i + offset - j|: (T, S). */
static Node *by_place(Graph *g, const Attention *a, bool distance)
{
    float *value = arena_new_array(g->arena, float, a->t * a->s);
    for (int64_t i = 0; i < a->t; i++)
        for (int64_t j = 0; j < a->s; j++) {
            const int64_t ahead = j - (i + a->offset), far = ahead < 0 ? -ahead : ahead;
            const bool sees = !(a->causal && ahead > 0) && !(a->window && far >= a->window);
            value[i * a->s + j] = distance ? (float)far : (float)sees;
        }
    return constant(g, shape(2, a->t, a->s), value);
}

static Node *visible(Graph *g, const Attention *a, Node *lengths)
{
    Node *seen = by_place(g, a, false);
    if (!lengths) return broadcast(g, seen, shape(4, a->batch, a->heads, a->t, a->s));
    float *place = arena_new_array(g->arena, float, a->s);
    for (int64_t j = 0; j < a->s; j++) place[j] = (float)j;
    Node *end =
        reshape(g, to_float(g, lengths), shape(4, a->batch, (int64_t)1, (int64_t)1, (int64_t)1));
    Node *real = less(g, constant(g, shape(1, a->s), place), end); /* (B, 1, 1, S) */
    return broadcast(g, mul(g, real, seen), shape(4, a->batch, a->heads, a->t, a->s));
}

static Node *flat_of(Graph *g, Node *x)
{
    return reshape(g, x, shape(1, shape_count(&x->shape)));
}

/* x turned by the rows of the table from `place` on, or back. */
static Node *turn(Graph *g, Node *x, const Sources *s, const Attention *a, int64_t place, bool back)
{
    const int64_t n = x->shape.dim[1], dims = s->rope->shape.dim[1];
    const float *rows = (const float *)s->rope->data + place * dims;
    Node *src[] = {x, constant(g, shape(2, n, dims), rows)};
    OpArgs args = {
        .rope = {.interleaved = a->rope_interleaved, .inverse = back}
    };
    return graph_node(g, &op_rope, src, 2, &args, NULL);
}

static Node *grad_expand(Graph *g, Node *n)
{
    const Sources s = sources_of(n);
    const Attention a = sizes_of(n);
    const unsigned last = 1u << 3;
    const bool turn_q = s.rope != NULL, turn_k = s.rope && !a.keys_turned;
    Node *q = heads_first(g, turn_q ? turn(g, s.q, &s, &a, a.offset, false) : s.q, a.heads),
         *k = heads_first(g, turn_k ? turn(g, s.k, &s, &a, 0, false) : s.k, a.heads),
         *v = heads_first(g, s.v, a.heads), *dy = heads_first(g, n->src[n->n_src - 1], a.heads);
    Node *score = affine(g, matmul(g, q, k, false, true), a.scale, 0), *slope = NULL;
    if (a.cap != 0) {
        Node *t = tanh_node(g, affine(g, score, 1.0f / a.cap, 0));
        slope = affine(g, square(g, t), -1, 1);
        score = affine(g, t, a.cap, 0);
    }
    if (s.bias) score = add(g, score, s.bias);
    if (s.slopes)
        score = sub(g, score,
                    mul(g, by_place(g, &a, true),
                        reshape(g, s.slopes, shape(3, a.heads, (int64_t)1, (int64_t)1))));
    Node *seen = visible(g, &a, s.lengths);
    Node *p = mul(g, softmax(g, where(g, seen, score, full(g, score->shape, -1e30f))), seen);
    Node *dp = matmul(g, dy, v, false, true), *used = p;
    if (a.keep != 0) {
        Node *kept = random_bernoulli(g, p->shape, a.keep, 1.0f / a.keep, n->args.attention.seed,
                                      n->args.attention.stream);
        used = mul(g, p, kept);
        dp = mul(g, dp, kept);
    }
    Node *dv = matmul(g, used, dy, true, false);
    Node *ds = mul(g, p, sub(g, dp, sum(g, mul(g, dp, p), last, true)));
    Node *inner = affine(g, slope ? mul(g, ds, slope) : ds, a.scale, 0);
    Node *dq = matmul(g, inner, k, false, false), *dk = matmul(g, inner, q, true, false);
    dq = heads_back(g, dq, &s.q->shape);
    dk = heads_back(g, dk, &s.k->shape);
    if (turn_q) dq = turn(g, dq, &s, &a, a.offset, true);
    if (turn_k) dk = turn(g, dk, &s, &a, 0, true);
    Node *part[4] = {flat_of(g, dq), flat_of(g, dk), flat_of(g, heads_back(g, dv, &s.v->shape))};
    const bool bias = n->args.attention.bias_grad;
    if (bias) part[3] = flat_of(g, sum_to(g, ds, bias_grad_shape(s.bias, a.heads)));
    return concat(g, part, bias ? 4 : 3, 0);
}

const Op op_attention_grad = {
    .name = "attention_grad",
    .formula = "dq, dk, dv and dbias of sum(dy attention), side by side",
    .kind = OP_KERNEL,
    .arity = -1,
    .expand = grad_expand,
    .run = grad_run,
    .scratch = grad_scratch,
    .flops = grad_flops,
};

/* -- Builder */

/* F32, (B, Hq, T, S) or 1 or left out for all but S. */
static bool bias_fits(Graph *g, const Node *bias, const Shape *full)
{
    char text_is[96], text_full[96];
    bool fits = bias->dtype == F32 && bias->shape.rank >= 1 && bias->shape.rank <= 4;
    if (fits) {
        const Shape s = bias_shape(bias);
        fits = s.dim[3] == full->dim[3];
        for (int i = 0; i < 3; i++) fits = fits && (s.dim[i] == 1 || s.dim[i] == full->dim[i]);
    }
    if (!fits)
        (void)graph_fail(g, "attention: bias %s, expected %s, where all but the last may be 1",
                         shape_text(&bias->shape, text_is), shape_text(full, text_full));
    return fits;
}

static bool rope_fits(Graph *g, const Attend *how, int64_t t, int64_t s, int64_t d)
{
    char text[96];
    const Shape *table = &how->rope->shape;
    const int64_t last = how->offset + t;
    const bool fits = how->rope->op == &op_constant && table->rank == 2 && table->dim[1] <= d &&
                      how->offset >= 0 && table->dim[0] >= last &&
                      (how->keys_turned || table->dim[0] >= s);
    if (!fits)
        (void)graph_fail(g,
                         "attention: table %s with offset %lld does not reach over %lld queries "
                         "and %lld keys of %lld numbers",
                         shape_text(table, text), (long long)how->offset, (long long)t,
                         (long long)s, (long long)d);
    return fits;
}

static bool attention_fits(Graph *g, const Node *q, const Node *k, const Node *v, const Attend *how)
{
    char text_q[96], text_k[96], text_v[96];
    const Shape *sq = &q->shape, *sk = &k->shape;
    const bool floats = q->dtype == F32 && k->dtype == F32 && v->dtype == F32;
    if (!floats || sq->rank != 4 || sk->rank != 4 || !shape_equal(sk, &v->shape) ||
        sq->dim[0] != sk->dim[0] || sq->dim[3] != sk->dim[3] || sk->dim[2] < 1 || sq->dim[2] < 1 ||
        sq->dim[2] % sk->dim[2] != 0) {
        (void)graph_fail(g, "attention: queries %s do not go with keys %s and values %s",
                         shape_text(sq, text_q), shape_text(sk, text_k),
                         shape_text(&v->shape, text_v));
        return false;
    }
    const int64_t batch = sq->dim[0], t = sq->dim[1], heads = sq->dim[2], d = sq->dim[3];
    const Shape bias = shape(4, batch, heads, t, sk->dim[1]), lengths = shape(1, batch);
    if (d < 1 || d > 256)
        (void)graph_fail(g, "attention: heads of %lld numbers; 1 to 256 are possible",
                         (long long)d);
    else if (how->window < 0 || !(how->cap >= 0) || !isfinite(how->scale))
        (void)graph_fail(g,
                         "attention: window %lld, cap %g and scale %g: expected >= 0, >= 0 and a "
                         "finite number",
                         (long long)how->window, (double)how->cap, (double)how->scale);
    else if (!(how->dropout >= 0 && how->dropout < 1))
        (void)graph_fail(g, "attention: dropout %g is outside [0, 1)", (double)how->dropout);
    else if (how->lengths &&
             (how->lengths->dtype != I32 || !shape_equal(&how->lengths->shape, &lengths)))
        (void)graph_fail(g, "attention: lengths %s, expected integers %s",
                         shape_text(&how->lengths->shape, text_q), shape_text(&lengths, text_k));
    else
        return (!how->bias || bias_fits(g, how->bias, &bias)) &&
               (!how->rope || rope_fits(g, how, t, sk->dim[1], d));
    return false;
}

Node *attention(Graph *g, Node *q, Node *k, Node *v, Attend how)
{
    if (!attention_fits(g, q, k, v, &how)) return q;
    const float width = (float)q->shape.dim[3];
    OpArgs args = {
        .attention = {.scale = how.scale != 0 ? how.scale : 1.0f / sqrtf(width),
                      .cap = how.cap,
                      .offset = how.offset,
                      .window = how.window,
                      .causal = how.causal,
                      .bias = how.bias != NULL,
                      .slopes = how.slopes != NULL,
                      .lengths = how.lengths != NULL,
                      .rope = how.rope != NULL,
                      .rope_interleaved = how.rope_interleaved,
                      .keys_turned = how.keys_turned,
                      .keep = how.dropout > 0 ? 1.0f - how.dropout : 0,
                      .seed = how.seed,
                      .stream = how.stream}
    };
    Node *src[MAX_SOURCES] = {NULL, q, k, v};
    int n = 4;
    if (how.bias) src[n++] = how.bias;
    if (how.slopes) src[n++] = constant(g, shape(1, q->shape.dim[2]), how.slopes);
    if (how.lengths) src[n++] = how.lengths;
    if (how.rope) src[n++] = how.rope;
    const Shape flat = shape(1, shape_count(&q->shape) / q->shape.dim[3] * (q->shape.dim[3] + 1));
    src[0] = graph_node(g, &op_attention_forward, src + 1, n - 1, &args, &flat);
    return graph_node(g, &op_attention, src, n, &args, &q->shape);
}

/* -- Rotary positions */

static void rope_run(const Call *c)
{
    const Node *n = c->node;
    const Shape *s = &n->shape;
    const RopeShape r = {.batch = s->dim[0],
                         .t = s->dim[1],
                         .heads = s->dim[2],
                         .d = s->dim[3],
                         .dims = n->src[1]->shape.dim[1],
                         .interleaved = n->args.rope.interleaved,
                         .inverse = n->args.rope.inverse};
    cpu->rope(&r, c->src[0], c->src[1], c->out);
}

/* Turning is orthogonal: the transpose turns back. Tables are constants. */
static void rope_rule(Graph *g, Node *y, Node *dy, const bool want[], Node *dx[])
{
    Node *src[] = {dy, y->src[1]};
    OpArgs args = y->args;
    args.rope.inverse = !args.rope.inverse;
    if (want[0]) dx[0] = graph_node(g, &op_rope, src, 2, &args, NULL);
}

const Op op_rope = {
    .name = "rope",
    .formula = "pairs of x turned by the table's angles",
    .kind = OP_KERNEL,
    .arity = 2,
    .grad = rope_rule,
    .run = rope_run,
    .flops_each = 3,
};

Node *rope_table(Graph *g, int64_t n, int64_t dims, int64_t offset, double theta, double factor)
{
    if (n < 0 || dims < 2 || dims % 2 != 0 || dims > 256 || !(theta > 0) || !(factor > 0))
        return graph_fail(g,
                          "rope: %lld places of %lld numbers, theta %g, factor %g: expected an "
                          "even number of 2 to 256, and both above 0",
                          (long long)n, (long long)dims, theta, factor);
    const int64_t half = dims / 2;
    float *table = arena_new_array(g->arena, float, n *dims);
    for (int64_t i = 0; i < half; i++) {
        const double frequency = real_pow(theta, -(double)i / (double)half) / factor;
        for (int64_t place = 0; place < n; place++) {
            const double turns = (double)(offset + place) * frequency * 0.15915494309189535;
            table[place * dims + i] = (float)real_cos_turns(turns);
            table[place * dims + half + i] = (float)real_sin_turns(turns);
        }
    }
    return constant(g, shape(2, n, dims), table);
}

Node *rope(Graph *g, Node *x, Node *table, bool interleaved)
{
    char text_x[96], text_table[96];
    Node *src[] = {x, table};
    const Shape *s = &x->shape, *t = &table->shape;
    OpArgs args = {.rope = {.interleaved = interleaved}};
    if (x->dtype != F32 || s->rank != 4 || table->op != &op_constant || t->rank != 2 ||
        t->dim[0] != s->dim[1] || t->dim[1] > s->dim[3])
        return graph_fail(g, "rope: input %s does not fit a table %s", shape_text(s, text_x),
                          shape_text(t, text_table));
    return graph_node(g, &op_rope, src, 2, &args, NULL);
}
