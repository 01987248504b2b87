/* ops_quant -- products with a stored weight W (out, in) of 8 or 4 bits.
 *
 *   y = x W'   (forward)      dx = dy W   (back: the same op with args.matmul.back)
 *
 * each being the other's gradient to its first source. Codes and scales are constants of the
 * training: no gradient goes to them. */
#include "graph/op.h"

static int64_t last_dim(const Node *n)
{
    return n->shape.dim[n->shape.rank - 1];
}

/* Codes in an I32. */
static int64_t codes_each(const Node *n)
{
    return n->op == &op_matmul_q8 ? 4 : 8;
}

static bool quantised_shape(Graph *g, Node *n)
{
    const Node *x = n->src[0], *codes = n->src[1], *scale = n->src[2];
    bool ok = x->dtype == F32 && codes->dtype == I32 && scale->dtype == F32 && x->shape.rank >= 2 &&
              codes->shape.rank == 2 && scale->shape.rank == 2 &&
              codes->shape.dim[0] == scale->shape.dim[0];
    const int64_t out = ok ? codes->shape.dim[0] : 0, in = ok ? last_dim(codes) * codes_each(n) : 0;
    ok = ok && last_dim(scale) > 0 && in % last_dim(scale) == 0 &&
         last_dim(x) == (n->args.matmul.back ? out : in);
    if (!ok) {
        char text_x[96], text_codes[96], text_scale[96];
        (void)graph_fail(g, "%s: input %s, codes %s and scales %s do not go together", n->op->name,
                         shape_text(&x->shape, text_x), shape_text(&codes->shape, text_codes),
                         shape_text(&scale->shape, text_scale));
        return false;
    }
    n->shape = x->shape;
    n->shape.dim[n->shape.rank - 1] = n->args.matmul.back ? in : out;
    return true;
}

static Node *quantised(Graph *g, const Op *op, Node *const src[], bool back)
{
    const OpArgs args = {.matmul = {.back = back}};
    return graph_node(g, op, src, 3, &args, NULL);
}

static void quantised_grad(Graph *g, Node *y, Node *dy, const bool want[], Node *dx[])
{
    Node *src[] = {dy, y->src[1], y->src[2]};
    if (want[0]) dx[0] = quantised(g, y->op, src, !y->args.matmul.back);
}

static Gemm quantised_gemm(const Node *n)
{
    const int64_t in = last_dim(n->src[1]) * codes_each(n);
    return (Gemm){.batch = 1,
                  .m = shape_count(&n->shape) / (last_dim(n) > 0 ? last_dim(n) : 1),
                  .n = last_dim(n),
                  .k = last_dim(n->src[0]),
                  .lda = last_dim(n->src[0]),
                  .ldb = in,
                  .ldc = last_dim(n),
                  .trans_b = !n->args.matmul.back,
                  .format = n->op == &op_matmul_q8 ? WEIGHT_Q8 : WEIGHT_NF4,
                  .group = in / last_dim(n->src[2])};
}

static void quantised_run(const Call *c)
{
    Gemm p = quantised_gemm(c->node);
    p.a = c->src[0];
    p.codes = c->src[1];
    p.scale = c->src[2];
    p.c = c->out;
    p.steps = c->steps;
    p.n_steps = c->n_steps;
    cpu->gemm(&p, c->scratch);
}

static size_t quantised_scratch(const Node *n)
{
    const Gemm p = quantised_gemm(n);
    return cpu->gemm_scratch(&p);
}

static double quantised_flops(const Node *n)
{
    return 2 * (double)shape_count(&n->shape) * (double)last_dim(n->src[0]);
}

#define QUANTISED(c_name)                                                                          \
    const Op op_##c_name = {                                                                       \
        .name = #c_name,                                                                           \
        .formula = "x W', W = level[code] scale",                                                  \
        .kind = OP_KERNEL,                                                                         \
        .arity = 3,                                                                                \
        .shape = quantised_shape,                                                                  \
        .grad = quantised_grad,                                                                    \
        .run = quantised_run,                                                                      \
        .scratch = quantised_scratch,                                                              \
        .flops = quantised_flops,                                                                  \
        .takes_epilogue = true,                                                                    \
    }

QUANTISED(matmul_q8);
QUANTISED(matmul_nf4);

Node *matmul_q8(Graph *g, Node *x, Node *codes, Node *scale)
{
    Node *src[] = {x, codes, scale};
    return quantised(g, &op_matmul_q8, src, false);
}

Node *matmul_nf4(Graph *g, Node *x, Node *codes, Node *scale)
{
    Node *src[] = {x, codes, scale};
    return quantised(g, &op_matmul_nf4, src, false);
}
