/* ops_linear -- matrix products.
 *
 * C = op(A) op(B), op(X) = X or its transpose. The gradients are products of the same kind, so
 * nothing is ever transposed by a copy:
 *
 *   dA = dC op(B)'   dA' = op(B) dC'   dB = op(A)' dC   dB' = dC' op(A)
 *
 * where the primed left sides belong to an operand that is read transposed. An operand without
 * leading dims is shared by the whole batch and gets the sum of its gradients. For A (..., M, K)
 * times a shared B, the layer of every model, the leading dims and M are one long M: one product
 * forward, and one product over the long M for dB in which the sum happens by itself. */
#include "graph/op.h"

/* The last two dims as (rows, columns) after the transposition. */
static void matrix_dims(const Shape *s, bool trans, int64_t *rows, int64_t *columns)
{
    *rows = s->dim[s->rank - (trans ? 1 : 2)];
    *columns = s->dim[s->rank - (trans ? 2 : 1)];
}

static bool same_leading(const Shape *a, const Shape *b)
{
    if (a->rank != b->rank) return false;
    for (int i = 0; i < a->rank - 2; i++)
        if (a->dim[i] != b->dim[i]) return false;
    return true;
}

static bool matmul_shape(Graph *g, Node *n)
{
    const Shape *a = &n->src[0]->shape, *b = &n->src[1]->shape;
    const bool ta = n->args.matmul.trans_a, tb = n->args.matmul.trans_b;
    int64_t rows, columns, inner_a = 0, inner_b = 0;
    bool ok = n->src[0]->dtype == F32 && n->src[1]->dtype == F32 && a->rank >= 2 && b->rank >= 2 &&
              (a->rank == 2 || b->rank == 2 || same_leading(a, b));
    if (ok) {
        matrix_dims(a, ta, &rows, &inner_a);
        matrix_dims(b, tb, &inner_b, &columns);
        ok = inner_a == inner_b;
    }
    if (!ok) {
        char text_a[96], text_b[96];
        (void)graph_fail(g, "matmul: %s%s and %s%s do not go together", shape_text(a, text_a),
                         ta ? " transposed" : "", shape_text(b, text_b), tb ? " transposed" : "");
        return false;
    }
    n->shape = a->rank >= b->rank ? *a : *b;
    n->shape.dim[n->shape.rank - 2] = rows;
    n->shape.dim[n->shape.rank - 1] = columns;
    return true;
}

static Node *product(Graph *g, Node *a, Node *b, bool trans_a, bool trans_b, bool bf16)
{
    Node *src[] = {a, b};
    OpArgs args = {
        .matmul = {trans_a, trans_b, .bf16 = bf16 || g->bf16}
    };
    return graph_node(g, &op_matmul, src, 2, &args, NULL);
}

/* All leading dims and M as one. */
static Node *flat(Graph *g, Node *x)
{
    return reshape(g, x, shape(2, (int64_t)-1, x->shape.dim[x->shape.rank - 1]));
}

/* The sum over leading dims that a shared operand's gradient takes. */
static Node *sum_leading(Graph *g, Node *dx, const Node *x)
{
    const int extra = dx->shape.rank - x->shape.rank;
    return extra > 0 ? sum(g, dx, (1u << extra) - 1, false) : dx;
}

static void matmul_grad(Graph *g, Node *y, Node *dy, const bool want[], Node *dx[])
{
    Node *a = y->src[0], *b = y->src[1];
    const bool ta = y->args.matmul.trans_a, tb = y->args.matmul.trans_b;
    const bool half = y->args.matmul.bf16;
    if (want[0]) {
        Node *da = ta ? product(g, b, dy, tb, true, half) : product(g, dy, b, false, !tb, half);
        dx[0] = sum_leading(g, da, a);
    }
    if (want[1]) {
        const bool one = b->shape.rank == 2 && a->shape.rank > 2 && !ta;
        Node *left = one ? flat(g, a) : a, *right = one ? flat(g, dy) : dy;
        Node *db = tb ? product(g, right, left, true, ta, half)
                      : product(g, left, right, !ta, false, half);
        dx[1] = sum_leading(g, db, b);
    }
}

static Gemm matmul_gemm(const Node *n)
{
    const Shape *a = &n->src[0]->shape, *b = &n->src[1]->shape;
    const bool ta = n->args.matmul.trans_a, tb = n->args.matmul.trans_b;
    Gemm p = {.batch = 1, .trans_a = ta, .trans_b = tb, .bf16 = n->args.matmul.bf16};
    matrix_dims(a, ta, &p.m, &p.k);
    p.n = n->shape.dim[n->shape.rank - 1];
    p.lda = a->dim[a->rank - 1];
    p.ldb = b->dim[b->rank - 1];
    p.ldc = p.n;
    for (int i = 0; i < n->shape.rank - 2; i++) p.batch *= n->shape.dim[i];
    p.stride_a = a->rank > 2 ? p.m * p.k : 0;
    p.stride_b = b->rank > 2 ? p.k * p.n : 0;
    p.stride_c = p.m * p.n;
    if (b->rank == 2 && !ta) {
        p.m *= p.batch;
        p.batch = 1;
    }
    return p;
}

static void matmul_run(const Call *c)
{
    Gemm p = matmul_gemm(c->node);
    p.a = c->src[0];
    p.b = c->src[1];
    p.c = c->out;
    p.steps = c->steps;
    p.n_steps = c->n_steps;
    cpu->gemm(&p, c->scratch);
}

static size_t matmul_scratch(const Node *n)
{
    const Gemm p = matmul_gemm(n);
    return cpu->gemm_scratch(&p);
}

static double matmul_flops(const Node *n)
{
    const Gemm p = matmul_gemm(n);
    return 2 * (double)shape_count(&n->shape) * (double)p.k;
}

const Op op_matmul = {
    .name = "matmul",
    .formula = "op(a) op(b)",
    .kind = OP_KERNEL,
    .arity = 2,
    .shape = matmul_shape,
    .grad = matmul_grad,
    .run = matmul_run,
    .scratch = matmul_scratch,
    .flops = matmul_flops,
    .takes_epilogue = true,
};

Node *matmul(Graph *g, Node *a, Node *b, bool trans_a, bool trans_b)
{
    return product(g, a, b, trans_a, trans_b, false);
}

Node *matmul_bf16(Graph *g, Node *a, Node *b, bool trans_a, bool trans_b)
{
    return product(g, a, b, trans_a, trans_b, true);
}

Node *linear(Graph *g, Node *x, Node *w, Node *bias)
{
    char text_x[96], text_w[96];
    const int rank = x->shape.rank;
    if (rank < 1 || w->shape.rank != 2 || x->shape.dim[rank - 1] != w->shape.dim[1])
        return graph_fail(g, "linear: input %s does not fit weight %s",
                          shape_text(&x->shape, text_x), shape_text(&w->shape, text_w));
    Shape to = x->shape;
    to.dim[rank - 1] = w->shape.dim[0];
    Node *rows = rank == 1 ? reshape(g, x, shape(2, (int64_t)1, x->shape.dim[0])) : x;
    Node *y = product(g, rows, w, false, true, false);
    return reshape(g, bias ? add(g, y, bias) : y, to);
}
