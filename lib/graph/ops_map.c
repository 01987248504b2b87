/* ops_map -- elementwise ops: one instruction of cpu/map.def each, with its gradient. */
#include "graph/op.h"

/* NOLINTBEGIN(bugprone-macro-parentheses): the arguments of the row macros are initialisers and
 * expressions that stand alone */

/* y = f(x): gradient d, an expression in x, y, dy. */
#define UNARY(c_name, text, formula_text, map_op, cost, low_, high_, kink_, d)                     \
    static void c_name##_grad(Graph *g, Node *y, Node *dy, const bool want[], Node *dx[])          \
    {                                                                                              \
        Node *x = y->src[0];                                                                       \
        (void)want, (void)x;                                                                       \
        dx[0] = d;                                                                                 \
    }                                                                                              \
    const Op op_##c_name = {                                                                       \
        .name = text,                                                                              \
        .formula = formula_text,                                                                   \
        .kind = OP_MAP,                                                                            \
        .arity = 1,                                                                                \
        .map = map_op,                                                                             \
        .grad = c_name##_grad,                                                                     \
        .flops_each = cost,                                                                        \
        .test = {.low = low_, .high = high_, .kink = kink_},                                       \
    }

#define CONSTANT_PIECES(c_name, text, formula_text, map_op, n)                                     \
    const Op op_##c_name = {                                                                       \
        .name = text,                                                                              \
        .formula = formula_text,                                                                   \
        .kind = OP_MAP,                                                                            \
        .arity = n,                                                                                \
        .map = map_op,                                                                             \
        .no_grad = "piecewise constant: the derivative is zero wherever there is one",             \
        .flops_each = 1,                                                                           \
        .test = {.low = -3, .high = 3, .kink = true},                                              \
    }

#define P y->args.map.p
#define Q y->args.map.q

/* 1 where a < b, or a <= b, as a constant of the differentiation. */
static Node *below(Graph *g, Node *a, float limit)
{
    return less(g, a, scalar(g, limit));
}

// clang-format off
UNARY(neg, "neg", "-x", MAP_NEG, 1, -3, 3, false, neg(g, dy));
UNARY(abs, "abs", "|x|", MAP_ABS, 1, -3, 3, true, mul(g, dy, sign(g, x)));
UNARY(square, "square", "x^2", MAP_SQUARE, 1, -3, 3, false, mul(g, dy, affine(g, x, 2, 0)));
UNARY(sqrt, "sqrt", "sqrt(x)", MAP_SQRT, 1, 0.2, 4, false, divide(g, affine(g, dy, 0.5f, 0), y));
UNARY(rsqrt, "rsqrt", "1 / sqrt(x)", MAP_RSQRT, 2, 0.2, 4, false,
      mul(g, affine(g, dy, -0.5f, 0), mul(g, y, square(g, y))));
UNARY(reciprocal, "reciprocal", "1 / x", MAP_RECIP, 1, 0.3, 3, false, neg(g, mul(g, dy, square(g, y))));
UNARY(exp, "exp", "e^x", MAP_EXP, 12, -3, 3, false, mul(g, dy, y));
UNARY(log, "log", "log(x)", MAP_LOG, 14, 0.2, 4, false, divide(g, dy, x));
UNARY(sin, "sin", "sin(x)", MAP_SIN, 16, -4, 4, false, mul(g, dy, cosine(g, x)));
UNARY(cos, "cos", "cos(x)", MAP_COS, 16, -4, 4, false, neg(g, mul(g, dy, sine(g, x))));
UNARY(tanh, "tanh", "tanh(x)", MAP_TANH, 22, -3, 3, false, mul(g, dy, affine(g, square(g, y), -1, 1)));
UNARY(erf, "erf", "2/sqrt(pi) int_0^x e^-t^2 dt", MAP_ERF, 30, -2, 2, false,
      mul(g, dy, affine(g, exponential(g, neg(g, square(g, x))), 1.1283791671f, 0)));
UNARY(sigmoid, "sigmoid", "1 / (1 + e^-x)", MAP_SIGMOID, 14, -4, 4, false,
      mul(g, dy, mul(g, y, affine(g, y, -1, 1))));
/* From the output, so that x need not be kept. */
UNARY(relu, "relu", "max(x, 0)", MAP_RELU, 1, -3, 3, true, where(g, less(g, scalar(g, 0), y), dy, scalar(g, 0)));
UNARY(leaky_relu, "leaky_relu", "x < 0 ? p x : x", MAP_LEAKY, 2, -3, 3, true,
      where(g, below(g, x, 0), affine(g, dy, P, 0), dy));
/* d = Phi(x) + x phi(x) */
UNARY(gelu, "gelu", "x Phi(x)", MAP_GELU, 34, -3, 3, false,
      mul(g, dy, add(g, affine(g, erf_node(g, affine(g, x, 0.70710678118f, 0)), 0.5f, 0.5f),
                     mul(g, x, affine(g, exponential(g, affine(g, square(g, x), -0.5f, 0)), 0.39894228040f, 0)))));
UNARY(silu, "silu", "x sigmoid(x)", MAP_SILU, 15, -4, 4, false,
      mul(g, dy, mul(g, sigmoid(g, x), affine(g, mul(g, x, affine(g, sigmoid(g, x), -1, 1)), 1, 1))));
UNARY(softplus, "softplus", "log(1 + e^x)", MAP_SOFTPLUS, 30, -4, 4, false, mul(g, dy, sigmoid(g, x)));
UNARY(clamp, "clamp", "min(max(x, p), q)", MAP_CLAMP, 2, -3, 3, true,
      where(g, below(g, x, P), scalar(g, 0), where(g, less(g, scalar(g, Q), x), scalar(g, 0), dy)));
UNARY(affine, "affine", "p x + q", MAP_AFFINE, 2, -3, 3, false, affine(g, dy, P, 0));
// clang-format on

/* y = x (1 + tanh u) / 2, u = c (x + 0.044715 x^3). */
static void gelu_tanh_grad(Graph *g, Node *y, Node *dy, const bool want[], Node *dx[])
{
    const float c = 0.79788456080f, a = 0.044715f;
    Node *x = y->src[0], *x2 = square(g, x);
    Node *t = tanh_node(g, mul(g, x, affine(g, x2, c * a, c)));
    Node *du = affine(g, x2, 3 * c * a, c);
    Node *slope = mul(g, mul(g, x, affine(g, square(g, t), -0.5f, 0.5f)), du);
    (void)want;
    dx[0] = mul(g, dy, add(g, affine(g, t, 0.5f, 0.5f), slope));
}
const Op op_gelu_tanh = {
    .name = "gelu_tanh",
    .formula = "x (1 + tanh(c (x + 0.044715 x^3))) / 2",
    .kind = OP_MAP,
    .arity = 1,
    .map = MAP_GELU_TANH,
    .grad = gelu_tanh_grad,
    .flops_each = 28,
    .test = {.low = -3, .high = 3}
};

CONSTANT_PIECES(sign, "sign", "(x > 0) - (x < 0)", MAP_SIGN, 1);
CONSTANT_PIECES(floor, "floor", "floor(x)", MAP_FLOOR, 1);
CONSTANT_PIECES(round, "round", "nearest integer, half to even", MAP_ROUND, 1);
CONSTANT_PIECES(less, "less", "a < b", MAP_LESS, 2);
CONSTANT_PIECES(less_equal, "less_equal", "a <= b", MAP_LESS_EQUAL, 2);
CONSTANT_PIECES(equal, "equal", "a == b", MAP_EQUAL, 2);

const Op op_to_float = {.name = "to_float",
                        .formula = "the number as a float",
                        .kind = OP_MAP,
                        .arity = 1,
                        .map = MAP_COPY,
                        .no_grad = "its source is an integer"};

/* -- Two and three arguments; the builders make the shapes equal first */

#define BINARY(c_name, text, formula_text, map_op, kink_, da, db)                                  \
    static void c_name##_grad(Graph *g, Node *y, Node *dy, const bool want[], Node *dx[])          \
    {                                                                                              \
        Node *a = y->src[0], *b = y->src[1];                                                       \
        (void)g, (void)a, (void)b;                                                                 \
        if (want[0]) dx[0] = da;                                                                   \
        if (want[1]) dx[1] = db;                                                                   \
    }                                                                                              \
    const Op op_##c_name = {                                                                       \
        .name = text,                                                                              \
        .formula = formula_text,                                                                   \
        .kind = OP_MAP,                                                                            \
        .arity = 2,                                                                                \
        .map = map_op,                                                                             \
        .grad = c_name##_grad,                                                                     \
        .flops_each = 1,                                                                           \
        .test = {.low = 0.3, .high = 2, .kink = kink_},                                            \
    }

// clang-format off
BINARY(add, "add", "a + b", MAP_ADD, false, dy, dy);
BINARY(sub, "sub", "a - b", MAP_SUB, false, dy, neg(g, dy));
BINARY(mul, "mul", "a b", MAP_MUL, false, mul(g, dy, b), mul(g, dy, a));
BINARY(div, "div", "a / b", MAP_DIV, false, divide(g, dy, b), neg(g, divide(g, mul(g, dy, y), b)));
BINARY(max, "max", "max(a, b)", MAP_MAX, true, where(g, less(g, a, b), scalar(g, 0), dy),
       where(g, less(g, a, b), dy, scalar(g, 0)));
BINARY(min, "min", "min(a, b)", MAP_MIN, true, where(g, less(g, b, a), scalar(g, 0), dy),
       where(g, less(g, b, a), dy, scalar(g, 0)));
// clang-format on

/* NOLINTEND(bugprone-macro-parentheses) */

static void where_grad(Graph *g, Node *y, Node *dy, const bool want[], Node *dx[])
{
    Node *zero = scalar(g, 0);
    if (want[1]) dx[1] = where(g, y->src[0], dy, zero);
    if (want[2]) dx[2] = where(g, y->src[0], zero, dy);
}
const Op op_where = {.name = "where",
                     .formula = "c != 0 ? a : b",
                     .kind = OP_MAP,
                     .arity = 3,
                     .map = MAP_WHERE,
                     .grad = where_grad,
                     .flops_each = 1};

static void straight_through_grad(Graph *g, Node *y, Node *dy, const bool want[], Node *dx[])
{
    (void)g, (void)y, (void)want;
    dx[1] = dy;
}
const Op op_straight_through = {.name = "straight_through",
                                .formula = "value of a, gradient of b",
                                .kind = OP_VIEW,
                                .arity = 2,
                                .grad = straight_through_grad};
const Op op_stop_gradient = {.name = "stop_gradient",
                             .formula = "x",
                             .kind = OP_VIEW,
                             .arity = 1,
                             .no_grad = "that is what it is for"};

/* -- Builders */

static Node *unary(Graph *g, const Op *op, Node *x, float p, float q)
{
    OpArgs args = {
        .map = {p, q}
    };
    if (x->dtype != F32) return graph_fail(g, "%s: expected floats, found integers", op->name);
    return graph_node(g, op, &x, 1, &args, NULL);
}

#define UNARY_BUILDER(function, row)                                                               \
    Node *function(Graph *g, Node *x)                                                              \
    {                                                                                              \
        return unary(g, &op_##row, x, 0, 0);                                                       \
    }

UNARY_BUILDER(neg, neg)
UNARY_BUILDER(absolute, abs)
UNARY_BUILDER(sign, sign)
UNARY_BUILDER(square, square)
UNARY_BUILDER(square_root, sqrt)
UNARY_BUILDER(rsqrt, rsqrt)
UNARY_BUILDER(reciprocal, reciprocal)
UNARY_BUILDER(exponential, exp)
UNARY_BUILDER(logarithm, log)
UNARY_BUILDER(sine, sin)
UNARY_BUILDER(cosine, cos)
UNARY_BUILDER(tanh_node, tanh)
UNARY_BUILDER(erf_node, erf)
UNARY_BUILDER(sigmoid, sigmoid)
UNARY_BUILDER(relu, relu)
UNARY_BUILDER(gelu, gelu)
UNARY_BUILDER(gelu_tanh, gelu_tanh)
UNARY_BUILDER(silu, silu)
UNARY_BUILDER(softplus, softplus)
UNARY_BUILDER(floor_node, floor)
UNARY_BUILDER(round_node, round)

Node *leaky_relu(Graph *g, Node *x, float slope)
{
    return unary(g, &op_leaky_relu, x, slope, 0);
}

Node *clamp(Graph *g, Node *x, float low, float high)
{
    return unary(g, &op_clamp, x, low, high);
}

Node *affine(Graph *g, Node *x, float scale, float shift)
{
    return scale == 1 && shift == 0 ? x : unary(g, &op_affine, x, scale, shift);
}

Node *to_float(Graph *g, Node *x)
{
    return x->dtype == F32 ? x : graph_node(g, &op_to_float, &x, 1, NULL, NULL);
}

Node *stop_gradient(Graph *g, Node *x)
{
    return graph_node(g, &op_stop_gradient, &x, 1, NULL, NULL);
}

Node *straight_through(Graph *g, Node *hard, Node *soft)
{
    Node *src[] = {hard, soft};
    if (!shape_equal(&hard->shape, &soft->shape))
        return graph_fail(g, "straight_through: the shapes differ");
    return graph_node(g, &op_straight_through, src, 2, NULL, NULL);
}

/* NumPy's rule for two shapes; false when they do not fit. */
static bool common_shape(const Shape *a, const Shape *b, Shape *out)
{
    out->rank = a->rank > b->rank ? a->rank : b->rank;
    for (int i = 1; i <= out->rank; i++) {
        int64_t x = i <= a->rank ? a->dim[a->rank - i] : 1,
                y = i <= b->rank ? b->dim[b->rank - i] : 1;
        if (x != y && x != 1 && y != 1) return false;
        out->dim[out->rank - i] = x == 1 ? y : x;
    }
    return true;
}

static Node *broadcasting(Graph *g, const Op *op, Node *src[], int n)
{
    Shape to = src[0]->shape;
    for (int i = 0; i < n; i++) {
        char a[96], b[96];
        Shape before = to;
        if (src[i]->dtype != F32)
            return graph_fail(g, "%s: expected floats, found integers", op->name);
        if (!common_shape(&before, &src[i]->shape, &to))
            return graph_fail(g, "%s: shapes %s and %s do not go together", op->name,
                              shape_text(&before, a), shape_text(&src[i]->shape, b));
    }
    for (int i = 0; i < n; i++) src[i] = broadcast(g, src[i], to);
    return graph_node(g, op, src, n, NULL, &to);
}

#define BINARY_BUILDER(function, row)                                                              \
    Node *function(Graph *g, Node *a, Node *b)                                                     \
    {                                                                                              \
        Node *src[] = {a, b};                                                                      \
        return broadcasting(g, &op_##row, src, 2);                                                 \
    }

BINARY_BUILDER(add, add)
BINARY_BUILDER(sub, sub)
BINARY_BUILDER(mul, mul)
BINARY_BUILDER(divide, div)
BINARY_BUILDER(maximum, max)
BINARY_BUILDER(minimum, min)
BINARY_BUILDER(less, less)
BINARY_BUILDER(less_equal, less_equal)
BINARY_BUILDER(equal, equal)

Node *where(Graph *g, Node *condition, Node *a, Node *b)
{
    Node *src[] = {condition, a, b};
    return broadcasting(g, &op_where, src, 3);
}
