/* s4d -- diagonal state spaces (Gu et al., arXiv 2206.11893), by their convolution kernel:
 *
 *   K[l] = 2 Re sum_n C_n (exp(dt A_n) - 1) / A_n exp(dt A_n l),   n < N = d_state / 2
 *
 * or, the same numbers up to rounding, by the recurrence x_t = exp(dt A) x_(t-1) + u_t, whose
 * states are kept for every step. That is x' = A x + u, y = 2 Re C x under zero-order hold. A_n =
 * -exp(log_A_real) + i A_imag starts at
 *
 *   lin   -1/2 + i pi n
 *   inv   -1/2 + i (d_state / pi) (d_state / (2 n + 1) - 1)
 *
 * and dt at exp(U(ln 0.001, ln 0.1)); these three are kept relative to their start or middle, so
 * that zero is where they begin. C is complex normal with E|C|^2 = 1. A and dt, one a unit, learn
 * at state_lr times the optimizer's rate (the paper: 1e-3 beside 1e-2) and do not decay. */
#include "nn/conv_backbone.h"
#include "nn/kernel_param.h"

#include "base/realmath.h"

typedef struct S4d {
    ConvBackbone backbone;
    int64_t d_state;
    int start; /* 0: lin, 1: inv */
    double state_lr;
    int path; /* 0: kernel, 1: scan */
} S4d;

typedef struct Complex {
    Node *re, *im;
} Complex;

static const double PI = 3.141592653589793;

static Complex times(Graph *g, Complex a, Complex b)
{
    return (Complex){sub(g, mul(g, a.re, b.re), mul(g, a.im, b.im)),
                     add(g, mul(g, a.re, b.im), mul(g, a.im, b.re))};
}

/* exp(x), of a complex x. */
static Complex exponential_of(Graph *g, Complex x)
{
    Node *size = exponential(g, x.re);
    return (Complex){mul(g, size, cosine(g, x.im)), mul(g, size, sine(g, x.im))};
}

static Node *state_param(ModelBuild *b, const S4d *o, const char *name, Shape s, double spread)
{
    const Init uniform = {.kind = INIT_UNIFORM, .a = spread}, zeros = {.kind = INIT_ZEROS};
    return kernel_param(b, name, s, spread > 0 ? uniform : zeros, o->state_lr);
}

/* Im A at the start, (1, N). */
static Node *start_frequencies(Graph *g, const S4d *o)
{
    const int64_t n = o->d_state / 2;
    const double size = (double)o->d_state;
    float *w = arena_new_array(g->arena, float, n);
    for (int64_t i = 0; i < n; i++)
        w[i] =
            (float)(o->start == 0 ? PI * (double)i : size / PI * (size / (double)(2 * i + 1) - 1));
    return constant(g, shape(2, INT64_C(1), n), w);
}

/* dt A (H, N), and *a itself. */
static Complex state_of(ModelBuild *b, const S4d *o, const char *prefix, Complex *a)
{
    Graph *g = b->graph;
    const int64_t width = o->backbone.sequence.d_model, n = o->d_state / 2;
    const double low = real_log(0.001), high = real_log(0.1);
    Node *log_dt = state_param(b, o, model_name(b, "%s.kernel.log_dt", prefix),
                               shape(2, width, INT64_C(1)), (high - low) / 2);
    Node *dt = exponential(g, affine(g, log_dt, 1, (float)((high + low) / 2)));
    const Shape s = shape(2, width, n);
    Node *re = state_param(b, o, model_name(b, "%s.kernel.log_A_real", prefix), s, 0);
    Node *im = state_param(b, o, model_name(b, "%s.kernel.A_imag", prefix), s, 0);
    a->re = affine(g, exponential(g, re), -0.5f, 0);
    a->im = add(g, im, start_frequencies(g, o));
    return (Complex){mul(g, dt, a->re), mul(g, dt, a->im)};
}

/* (exp(dt A) - 1) / A = (exp(dt A) - 1) conj(A) / |A|^2 */
static Complex hold(Graph *g, Complex dt_a, Complex a)
{
    Complex top = exponential_of(g, dt_a);
    top.re = affine(g, top.re, 1, -1);
    top = times(g, top, (Complex){a.re, neg(g, a.im)});
    Node *size = add(g, square(g, a.re), square(g, a.im));
    return (Complex){divide(g, top.re, size), divide(g, top.im, size)};
}

/* exp(dt A l) for every lag, as (H, 2 N, L): real parts, then imaginary parts negated. */
static Node *powers(Graph *g, Complex dt_a, int64_t lags)
{
    const int64_t width = dt_a.re->shape.dim[0], n = dt_a.re->shape.dim[1];
    const Shape column = shape(3, width, n, INT64_C(1));
    float *l = arena_new_array(g->arena, float, lags);
    for (int64_t i = 0; i < lags; i++) l[i] = (float)i;
    Node *lag = constant(g, shape(1, lags), l);
    const Complex e = exponential_of(g, (Complex){mul(g, reshape(g, dt_a.re, column), lag),
                                                  mul(g, reshape(g, dt_a.im, column), lag)});
    Node *parts[] = {e.re, neg(g, e.im)};
    return concat(g, parts, 2, 1);
}

/* What a layer computes with: dt A (H, N), and C (exp(dt A) - 1) / A (H, R, N). */
typedef struct States {
    Complex dt_a, weight;
} States;

static States states_of(ModelBuild *b, const S4d *o, const char *prefix)
{
    Graph *g = b->graph;
    const int64_t width = o->backbone.sequence.d_model, n = o->d_state / 2;
    const int64_t rows = o->backbone.channels * (o->backbone.bidirectional ? 2 : 1);
    const Init half = {.kind = INIT_NORMAL, .a = 0.7071067811865476};
    Node *c = model_param(b, model_name(b, "%s.kernel.C", prefix),
                          shape(4, INT64_C(2), width, rows, n), ROLE_KERNEL, half);
    const Shape part = shape(3, width, rows, n), shared = shape(3, width, INT64_C(1), n);
    Complex a, dt_a = state_of(b, o, prefix, &a);
    const Complex held = hold(g, dt_a, a);
    const Complex weight = times(
        g, (Complex){reshape(g, held.re, shared), reshape(g, held.im, shared)},
        (Complex){reshape(g, slice(g, c, 0, 0, 1), part), reshape(g, slice(g, c, 0, 1, 1), part)});
    return (States){dt_a, weight};
}

/* (R, H, L) */
static Node *kernels(Graph *g, const States *s, int64_t lags)
{
    static const int rows_first[] = {1, 0, 2};
    Node *both[] = {s->weight.re, s->weight.im};
    Node *k = matmul(g, concat(g, both, 2, 2), powers(g, s->dt_a, lags), false, false);
    return permute(g, affine(g, k, 2, 0), rows_first);
}

/* The states that u (B, H, T) leads to, as (H, B T, 2 N): real parts, then imaginary parts. */
static Node *walk(Graph *g, const States *s, Node *u, bool reverse)
{
    static const int time_first[] = {0, 2, 1}, unit_first[] = {2, 0, 1, 3};
    const int64_t B = u->shape.dim[0], H = u->shape.dim[1], T = u->shape.dim[2];
    const int64_t N = s->dt_a.re->shape.dim[1];
    const Complex e = exponential_of(g, s->dt_a);
    Node *parts[] = {reshape(g, e.re, shape(2, INT64_C(1), H * N)),
                     reshape(g, e.im, shape(2, INT64_C(1), H * N))};
    Node *into = reshape(g, permute(g, u, time_first), shape(4, B, T, H, INT64_C(1)));
    into = reshape(g, broadcast(g, into, shape(4, B, T, H, N)), shape(4, B, T, INT64_C(1), H * N));
    Node *x = scan(g, concat(g, parts, 2, 0), pad_zero(g, into, 2, 0, 1), NULL, reverse);
    x = permute(g, reshape(g, x, shape(4, B * T, INT64_C(2), H, N)), unit_first);
    return reshape(g, x, shape(3, H, B * T, 2 * N));
}

/* 2 Re of the states x times the weights of `channels` rows from `row` on: (B, C, H, T). */
static Node *read_out(Graph *g, const States *s, Node *x, int64_t row, const Shape *to)
{
    static const int batch_first[] = {1, 3, 0, 2};
    Node *weight[] = {slice(g, s->weight.re, 1, row, to->dim[1]),
                      neg(g, slice(g, s->weight.im, 1, row, to->dim[1]))};
    Node *y = affine(g, matmul(g, x, concat(g, weight, 2, 2), false, true), 2, 0);
    y = reshape(g, y, shape(4, to->dim[2], to->dim[0], to->dim[3], to->dim[1]));
    return permute(g, y, batch_first);
}

static Node *scanned(Graph *g, const ConvBackbone *o, const States *s, Node *u, Node *d)
{
    const int64_t B = u->shape.dim[0], H = u->shape.dim[1], T = u->shape.dim[2], C = o->channels;
    const Shape to = shape(4, B, C, H, T);
    Node *skip = mul(g, reshape(g, u, shape(4, B, INT64_C(1), H, T)),
                     reshape(g, d, shape(3, C, H, INT64_C(1))));
    Node *y = add(g, read_out(g, s, walk(g, s, u, false), 0, &to), skip);
    if (o->bidirectional && T > 1) {
        Node *next = pad_zero(g, slice(g, u, 2, 1, T - 1), 2, 0, 1);
        y = add(g, y, read_out(g, s, walk(g, s, next, true), C, &to));
    }
    return reshape(g, y, shape(3, B, C * H, T));
}

static Node *s4d_mix(ModelBuild *b, const ConvBackbone *backbone, const char *prefix, Node *u,
                     Node *d)
{
    const S4d *o = (const S4d *)backbone;
    if (o->d_state % 2 != 0)
        return graph_fail(b->graph, "d_state is %lld; states come in conjugate pairs",
                          (long long)o->d_state);
    if (o->path == 1 && backbone->transform != 0)
        return graph_fail(b->graph, "path scan walks the states and has no transform to learn");
    const States s = states_of(b, o, prefix);
    if (o->path == 1) return scanned(b->graph, backbone, &s, u, d);
    return conv_by_kernels(b, backbone, prefix, u, kernels(b->graph, &s, u->shape.dim[2]), d);
}

static Node *s4d_build(ModelBuild *b, const void *options, Node *x)
{
    const S4d *o = options;
    return conv_backbone(b, &o->backbone, s4d_mix, x);
}

// clang-format off
static const Option s4d_options[] = {
    CONV_BACKBONE_OPTIONS(1),
    OPT_INT(S4d, d_state, 64, 2, 4096, "states a unit, even: conjugate pairs"),
    OPT_ENUM(S4d, start, "lin|inv", "lin", "frequencies that the states start with: S4D-Lin or S4D-Inv"),
    OPT_REAL(S4d, state_lr, 0.1, 0, 1000, "learning rate of A and the step sizes, in those of the rest"),
    OPT_ENUM(S4d, path, "kernel|scan", "kernel",
             "convolve with the kernel, or walk the states, which takes d_state times the memory"),
};
// clang-format on

const Model model_s4d = {
    .name = "s4d",
    .summary = "diagonal state spaces, S4D-Lin and S4D-Inv, for sequences",
    .paper = "arXiv:2206.11893",
    .revision = 1,
    .options = OPTION_TABLE(S4d, s4d_options),
    .build = s4d_build,
    .init = model_common_init,
};
