/* graph64 -- see graph64.h. */
#include "tests/graph64.h"

#include "base/pcg.h"
#include "graph/param.h"
#include "tests/graph64_eval.h"

#include <math.h>
#include <string.h>

struct Graph64 {
    Arena *arena;
    const Graph *g;
    uint64_t step;
    int n;
    const double **bound; /* by id */
    double **value;
    bool *known;
};

/* -- Elementwise */

static double gelu_tanh64(double x)
{
    return 0.5 * x * (1 + tanh(sqrt(2 / acos(-1.0)) * (x + 0.044715 * x * x * x)));
}

/* A view's further sources serve its gradient only. */
static int sources_of(const Node *n)
{
    return n->op->kind == OP_VIEW ? 1 : n->n_src;
}

/* a, b, c the sources; p, q the immediates. */
#define EACH(name, expression)                                                                     \
    static void name##64_eval(const Eval *e)                                                       \
    {                                                                                              \
        const double p = (double)e->n->args.map.p, q = (double)e->n->args.map.q;                   \
        const int n_src = sources_of(e->n);                                                        \
        for (int64_t i = 0; i < e->count; i++) {                                                   \
            const double a = e->src[0][i], b = n_src > 1 ? e->src[1][i] : 0,                       \
                         c = n_src > 2 ? e->src[2][i] : 0;                                         \
            (void)p, (void)q, (void)b, (void)c;                                                    \
            e->y[i] = expression;                                                                  \
        }                                                                                          \
    }

EACH(copy, a)
EACH(neg, -a)
EACH(abs, fabs(a))
EACH(sign, (a > 0) - (a < 0))
EACH(square, a *a)
EACH(sqrt, sqrt(a))
EACH(rsqrt, 1 / sqrt(a))
EACH(reciprocal, 1 / a)
EACH(exp, exp(a))
EACH(log, log(a))
EACH(sin, sin(a))
EACH(cos, cos(a))
EACH(tanh, tanh(a))
EACH(erf, erf(a))
EACH(sigmoid, sigmoid64(a))
EACH(relu, fmax(a, 0))
EACH(leaky_relu, a < 0 ? p * a : a)
EACH(gelu, a * 0.5 * erfc(-a / sqrt(2.0)))
EACH(gelu_tanh, gelu_tanh64(a))
EACH(silu, a *sigmoid64(a))
EACH(softplus, log1p(exp(a)))
EACH(clamp, fmin(fmax(a, p), q))
EACH(affine, p *a + q)
EACH(floor, floor(a))
EACH(round, rint(a))
EACH(add, a + b)
EACH(sub, a - b)
EACH(mul, a *b)
EACH(div, a / b)
EACH(max, fmax(a, b))
EACH(min, fmin(a, b))
EACH(less, a < b)
EACH(less_equal, a <= b)
EACH(equal, a == b)
EACH(where, a != 0 ? b : c)

/* -- Reductions and moves */

static void reduce64(const Eval *e, bool largest)
{
    const Shape *s = &e->n->src[0]->shape;
    const int axis = e->n->args.axis.axis, n_axes = e->n->args.axis.n_axes;
    for (int64_t i = 0; i < e->count; i++) e->y[i] = largest ? -HUGE_VAL : 0;
    for (int64_t i = 0; i < shape_count(s); i++) {
        int64_t at[MAX_RANK], kept[MAX_RANK] = {0};
        coordinates(s, i, at);
        for (int k = 0, j = 0; k < s->rank; k++)
            if (k < axis || k >= axis + n_axes) kept[j++] = at[k];
        double *y = e->y + place(&e->n->shape, kept);
        *y = largest ? fmax(*y, e->src[0][i]) : *y + e->src[0][i];
    }
}

static void reduce_sum64(const Eval *e)
{
    reduce64(e, false);
}

static void reduce_max64(const Eval *e)
{
    reduce64(e, true);
}

static void broadcast64(const Eval *e)
{
    const Shape *s = &e->n->src[0]->shape, *to = &e->n->shape;
    for (int64_t i = 0; i < e->count; i++) {
        int64_t at[MAX_RANK], from[MAX_RANK] = {0};
        coordinates(to, i, at);
        for (int k = 0; k < s->rank; k++) from[k] = s->dim[k] == 1 ? 0 : at[k + to->rank - s->rank];
        e->y[i] = e->src[0][place(s, from)];
    }
}

static void permute64(const Eval *e)
{
    for (int64_t i = 0; i < e->count; i++) {
        int64_t at[MAX_RANK], from[MAX_RANK] = {0};
        coordinates(&e->n->shape, i, at);
        for (int k = 0; k < e->n->shape.rank; k++) from[e->n->args.permute.perm[k]] = at[k];
        e->y[i] = e->src[0][place(&e->n->src[0]->shape, from)];
    }
}

static void slice64(const Eval *e)
{
    for (int64_t i = 0; i < e->count; i++) {
        int64_t at[MAX_RANK] = {0};
        coordinates(&e->n->shape, i, at);
        for (int k = 0; k < e->n->shape.rank; k++) at[k] += e->n->args.slice.start[k];
        e->y[i] = e->src[0][place(&e->n->src[0]->shape, at)];
    }
}

static void put_box(const Eval *e, int k, const int64_t before[MAX_RANK])
{
    const Shape *s = &e->n->src[k]->shape;
    for (int64_t i = 0; i < shape_count(s); i++) {
        int64_t at[MAX_RANK] = {0};
        coordinates(s, i, at);
        for (int d = 0; d < s->rank; d++) at[d] += before[d];
        e->y[place(&e->n->shape, at)] = e->src[k][i];
    }
}

static void pad64(const Eval *e)
{
    clear(e);
    put_box(e, 0, e->n->args.pad.before);
}

static void concat64(const Eval *e)
{
    const int axis = e->n->args.axis.axis;
    int64_t before[MAX_RANK] = {0};
    for (int k = 0; k < e->n->n_src; k++) {
        put_box(e, k, before);
        before[axis] += e->n->src[k]->shape.dim[axis];
    }
}

/* -- Rows by index */

static void gather64(const Eval *e)
{
    const int64_t rows = shape_count(&e->n->src[1]->shape), width = e->count / (rows ? rows : 1);
    for (int64_t i = 0; i < e->count; i++)
        e->y[i] = e->src[0][(int64_t)e->src[1][i / width] * width + i % width];
}

static void scatter_add64(const Eval *e)
{
    const int64_t n = shape_count(&e->n->src[0]->shape), width = e->count / e->n->shape.dim[0];
    clear(e);
    for (int64_t i = 0; i < n; i++)
        e->y[(int64_t)e->src[1][i / width] * width + i % width] += e->src[0][i];
}

static void argmax64(const Eval *e)
{
    const int64_t n = last(&e->n->src[0]->shape);
    for (int64_t r = 0; r < e->count; r++) {
        const double *x = e->src[0] + r * n;
        int64_t best = 0;
        for (int64_t j = 1; j < n; j++)
            if (x[j] > x[best]) best = j;
        e->y[r] = (double)best;
    }
}

/* -- Products */

/* To 8 bits of significand, half to even, by C's own arithmetic. */
static double bf16(double x)
{
    int exponent;
    const double m = frexp(x, &exponent);
    return ldexp(nearbyint(m * 256), exponent - 8);
}

/* Number i of row r of a quantised weight (out, in). Codes: little-endian bytes of an I32. */
static double quantised64(const Eval *e, bool q8, int64_t r, int64_t i)
{
    /* appendix E of arXiv:2305.14314 */
    static const double nf4[] = {-1,
                                 -0.6961928009986877,
                                 -0.5250730514526367,
                                 -0.39491748809814453,
                                 -0.28444138169288635,
                                 -0.18477343022823334,
                                 -0.09105003625154495,
                                 0,
                                 0.07958029955625534,
                                 0.16093020141124725,
                                 0.24611230194568634,
                                 0.33791524171829224,
                                 0.44070982933044434,
                                 0.5626170039176941,
                                 0.7229568362236023,
                                 1};
    const Shape *codes = &e->n->src[1]->shape, *scale = &e->n->src[2]->shape;
    const int64_t each = q8 ? 4 : 8, in = codes->dim[1] * each, group = in / scale->dim[1];
    const uint32_t word = (uint32_t)(int32_t)e->src[1][r * codes->dim[1] + i / each];
    const uint32_t byte = word >> 8 * (q8 ? i % 4 : i % 8 / 2) & 255;
    const double level =
        q8 ? (double)byte - (byte > 127 ? 256 : 0) : nf4[i % 2 ? byte & 15 : byte >> 4];
    return level * e->src[2][r * scale->dim[1] + i / group];
}

static void quantised_matmul64(const Eval *e)
{
    const bool q8 = e->n->op == &op_matmul_q8, back = e->n->args.matmul.back;
    const int64_t N = e->n->shape.dim[e->n->shape.rank - 1],
                  K = e->n->src[0]->shape.dim[e->n->shape.rank - 1];
    for (int64_t i = 0; i < e->count; i++) {
        e->y[i] = 0;
        for (int64_t k = 0; k < K; k++)
            e->y[i] += e->src[0][i / N * K + k] *
                       (back ? quantised64(e, q8, k, i % N) : quantised64(e, q8, i % N, k));
    }
}

static void matmul64(const Eval *e)
{
    const Shape *a = &e->n->src[0]->shape, *b = &e->n->src[1]->shape, *y = &e->n->shape;
    const bool ta = e->n->args.matmul.trans_a, tb = e->n->args.matmul.trans_b;
    const int64_t M = y->dim[y->rank - 2], N = y->dim[y->rank - 1],
                  K = a->dim[a->rank - (ta ? 2 : 1)];
    for (int64_t i = 0; i < e->count; i++) {
        const int64_t n = i % N, m = i / N % M, item = i / (M * N);
        const double *A = e->src[0] + (a->rank > 2 ? item * M * K : 0),
                     *B = e->src[1] + (b->rank > 2 ? item * K * N : 0);
        e->y[i] = 0;
        for (int64_t k = 0; k < K; k++) {
            const double a_k = ta ? A[k * M + m] : A[m * K + k];
            const double b_k = tb ? B[n * K + k] : B[k * N + n];
            e->y[i] += e->n->args.matmul.bf16 ? bf16(a_k) * bf16(b_k) : a_k * b_k;
        }
    }
}

/* Every product x w y of the form sum(conv(x, w) y): the missing factor's place gets the other
 * two. */
typedef struct Form {
    const Shape *xs, *ws, *ys;
    const double *x, *w, *y; /* one of them NULL */
    double *out;
} Form;

static void form_term(const Form *f, int64_t ix, int64_t iw, int64_t iy)
{
    if (!f->y) f->out[iy] += f->x[ix] * f->w[iw];
    if (!f->x) f->out[ix] += f->w[iw] * f->y[iy];
    if (!f->w) f->out[iw] += f->x[ix] * f->y[iy];
}

static void form64(const Eval *e, const Form *f)
{
    const OpArgs *a = &e->n->args;
    const Shape *ys = f->ys, *ws = f->ws, *xs = f->xs;
    const int64_t per_group = ys->dim[3] / a->conv.groups, taps = shape_count(ws) / ws->dim[0];
    clear(e);
    for (int64_t i = 0; i < shape_count(ys); i++)
        for (int64_t t = 0; t < taps; t++) {
            int64_t y[MAX_RANK], w[MAX_RANK];
            coordinates(ys, i, y);
            coordinates(ws, y[3] * taps + t, w);
            const int64_t x[MAX_RANK] = {
                y[0], y[1] * a->conv.stride[0] - a->conv.pad[0] + w[2] * a->conv.dilation[0],
                y[2] * a->conv.stride[1] - a->conv.pad[1] + w[3] * a->conv.dilation[1],
                y[3] / per_group * ws->dim[1] + w[1]};
            if (x[1] >= 0 && x[1] < xs->dim[1] && x[2] >= 0 && x[2] < xs->dim[2])
                form_term(f, place(xs, x), y[3] * taps + t, i);
        }
}

static void conv2d64(const Eval *e)
{
    const Node *n = e->n;
    const Form f = {
        &n->src[0]->shape, &n->src[1]->shape, &n->shape, e->src[0], e->src[1], NULL, e->y};
    form64(e, &f);
}

static void conv2d_grad_x64(const Eval *e)
{
    const Node *n = e->n;
    const Form f = {&n->shape, &n->src[1]->shape, &n->src[0]->shape, NULL, e->src[1], e->src[0],
                    e->y};
    form64(e, &f);
}

static void conv2d_grad_w64(const Eval *e)
{
    const Node *n = e->n;
    const Form f = {&n->src[0]->shape, &n->shape, &n->src[1]->shape, e->src[0], NULL,
                    e->src[1],         e->y};
    form64(e, &f);
}

/* -- Pooling */

/* Pixels of the input in the window of output place i, as flat places of `in`; returns how many. */
static int window64(const OpArgs *a, const Shape *in, const Shape *out, int64_t i,
                    int64_t pixel[64])
{
    int64_t y[MAX_RANK];
    int n = 0;
    coordinates(out, i, y);
    for (int64_t k = 0; k < a->pool.kernel[0]; k++)
        for (int64_t l = 0; l < a->pool.kernel[1]; l++) {
            const int64_t x[MAX_RANK] = {y[0], y[1] * a->pool.stride[0] - a->pool.pad[0] + k,
                                         y[2] * a->pool.stride[1] - a->pool.pad[1] + l, y[3]};
            if (x[1] >= 0 && x[1] < in->dim[1] && x[2] >= 0 && x[2] < in->dim[2])
                pixel[n++] = place(in, x);
        }
    return n;
}

static void max_pool_index64(const Eval *e)
{
    const Shape *in = &e->n->src[0]->shape;
    for (int64_t i = 0; i < e->count; i++) {
        int64_t pixel[64], best;
        const int n = window64(&e->n->args, in, &e->n->shape, i, pixel);
        best = pixel[0];
        for (int k = 1; k < n; k++)
            if (e->src[0][pixel[k]] > e->src[0][best]) best = pixel[k];
        e->y[i] = (double)(best / in->dim[3] % (in->dim[1] * in->dim[2]));
    }
}

/* The place in the larger plane that output i of the smaller one reads. */
static int64_t winner(const Shape *in, const Shape *out, int64_t i, double index)
{
    int64_t y[MAX_RANK];
    coordinates(out, i, y);
    return (y[0] * in->dim[1] * in->dim[2] + (int64_t)index) * in->dim[3] + y[3];
}

static void pool_gather64(const Eval *e)
{
    const Shape *in = &e->n->src[0]->shape;
    for (int64_t i = 0; i < e->count; i++)
        e->y[i] = e->src[0][winner(in, &e->n->shape, i, e->src[1][i])];
}

static void pool_scatter64(const Eval *e)
{
    const Shape *out = &e->n->src[0]->shape;
    clear(e);
    for (int64_t i = 0; i < shape_count(out); i++)
        e->y[winner(&e->n->shape, out, i, e->src[1][i])] += e->src[0][i];
}

static double divisor64(const OpArgs *a, int n)
{
    return a->pool.count_pad ? (double)(a->pool.kernel[0] * a->pool.kernel[1]) : n;
}

static void avg_pool64(const Eval *e)
{
    for (int64_t i = 0; i < e->count; i++) {
        int64_t pixel[64];
        const int n = window64(&e->n->args, &e->n->src[0]->shape, &e->n->shape, i, pixel);
        e->y[i] = 0;
        for (int k = 0; k < n; k++) e->y[i] += e->src[0][pixel[k]] / divisor64(&e->n->args, n);
    }
}

static void avg_pool_grad64(const Eval *e)
{
    const Shape *out = &e->n->src[0]->shape;
    clear(e);
    for (int64_t i = 0; i < shape_count(out); i++) {
        int64_t pixel[64];
        const int n = window64(&e->n->args, &e->n->shape, out, i, pixel);
        for (int k = 0; k < n; k++) e->y[pixel[k]] += e->src[0][i] / divisor64(&e->n->args, n);
    }
}

/* -- Rows: norms, softmax, losses */

/* Mean (0 unless centered) and 1 / sqrt(mean square + eps) of a row. */
static double row_scale64(const double *x, int64_t n, double eps, bool center, double *mean)
{
    double s = 0;
    *mean = 0;
    for (int64_t j = 0; center && j < n; j++) *mean += x[j] / (double)n;
    for (int64_t j = 0; j < n; j++) s += (x[j] - *mean) * (x[j] - *mean) / (double)n;
    return 1 / sqrt(s + eps);
}

static void norm64(const Eval *e, bool center)
{
    const int64_t n = last(&e->n->shape);
    for (int64_t i = 0; i < e->count; i++) {
        double mean;
        const double r =
            row_scale64(e->src[0] + i / n * n, n, (double)e->n->args.norm.eps, center, &mean);
        e->y[i] = (e->src[0][i] - mean) * r * (e->n->n_src > 1 ? e->src[1][i % n] : 1) +
                  (e->n->n_src > 2 ? e->src[2][i % n] : 0);
    }
}

static void layer_norm64(const Eval *e)
{
    norm64(e, true);
}

static void rms_norm64(const Eval *e)
{
    norm64(e, false);
}

/* By the Jacobian: dxhat_i/dx_j = r (delta_ij - c/n - xhat_i xhat_j / n), c = 1 when centered. */
static void norm_grad64(const Eval *e, bool center)
{
    const int64_t n = last(&e->n->shape);
    for (int64_t at = 0; at < e->count; at++) {
        const double *x = e->src[0] + at / n * n, *dy = e->src[1] + at / n * n;
        double mean;
        const double r = row_scale64(x, n, (double)e->n->args.norm.eps, center, &mean);
        e->y[at] = 0;
        for (int64_t i = 0; i < n; i++) {
            const double xi = (x[i] - mean) * r, xj = (x[at % n] - mean) * r;
            const double slope = r * ((i == at % n) - (center + xi * xj) / (double)n);
            e->y[at] += dy[i] * (e->n->n_src > 2 ? e->src[2][i] : 1) * slope;
        }
    }
}

static void layer_norm_grad64(const Eval *e)
{
    norm_grad64(e, true);
}

static void rms_norm_grad64(const Eval *e)
{
    norm_grad64(e, false);
}

static double log_sum_exp(const double *x, int64_t n)
{
    double m = x[0], s = 0;
    for (int64_t j = 0; j < n; j++) m = fmax(m, x[j]);
    for (int64_t j = 0; j < n; j++) s += exp(x[j] - m);
    return m + log(s);
}

static void log_softmax64(const Eval *e)
{
    const int64_t n = last(&e->n->shape);
    for (int64_t i = 0; i < e->count; i++)
        e->y[i] = e->src[0][i] - log_sum_exp(e->src[0] + i / n * n, n);
}

static void softmax64(const Eval *e)
{
    log_softmax64(e);
    for (int64_t i = 0; i < e->count; i++) e->y[i] = exp(e->y[i]);
}

static double target64(const Eval *e, int64_t row, int64_t j, int64_t n)
{
    const double smoothing = (double)e->n->args.cross_entropy.smoothing;
    return smoothing / (double)n + ((int64_t)e->src[1][row] == j ? 1 - smoothing : 0);
}

static bool ignored64(const Eval *e, int64_t row)
{
    return e->src[1][row] == e->n->args.cross_entropy.ignore;
}

static void cross_entropy64(const Eval *e)
{
    const int64_t n = last(&e->n->src[0]->shape);
    for (int64_t r = 0; r < e->count; r++) {
        const double *x = e->src[0] + r * n;
        e->y[r] = 0;
        for (int64_t j = 0; j < n && !ignored64(e, r); j++)
            e->y[r] -= target64(e, r, j, n) * (x[j] - log_sum_exp(x, n));
    }
}

static void cross_entropy_grad64(const Eval *e)
{
    const int64_t n = last(&e->n->shape);
    for (int64_t i = 0; i < e->count; i++) {
        const double *x = e->src[0] + i / n * n;
        const double p = exp(x[i % n] - log_sum_exp(x, n));
        e->y[i] = ignored64(e, i / n) ? 0 : (p - target64(e, i / n, i % n, n)) * e->src[2][i / n];
    }
}

/* Parts: e.n's sources are the kernel's node, then its own sources. */
static void norm_part64(const Eval *e, bool center)
{
    const int64_t n = e->count, rows = shape_count(&e->n->src[1]->shape) / n;
    const Node *kernel = e->n->src[0];
    clear(e);
    for (int64_t i = 0; i < rows; i++) {
        const double *x = e->src[1] + i * n, *dy = e->src[2] + i * n;
        double mean;
        const double r = row_scale64(x, n, (double)kernel->args.norm.eps, center, &mean);
        for (int64_t j = 0; j < n; j++)
            e->y[j] += dy[j] * (e->n->args.part.index == 1 ? (x[j] - mean) * r : 1);
    }
}

/* The statistics of the rows of cross_entropy. */
static void cross_entropy_part64(const Eval *e)
{
    const int64_t n = last(&e->n->src[1]->shape);
    for (int64_t r = 0; r < e->count / 2; r++) {
        const double *x = e->src[1] + r * n;
        e->y[2 * r] = x[0];
        for (int64_t j = 1; j < n; j++) e->y[2 * r] = fmax(e->y[2 * r], x[j]);
        e->y[2 * r + 1] = exp(e->y[2 * r] - log_sum_exp(x, n));
    }
}

static void part64(const Eval *e)
{
    const Op *op = e->n->src[0]->op;
    if (op == &op_layer_norm_grad || op == &op_rms_norm_grad)
        norm_part64(e, op == &op_layer_norm_grad);
    if (op == &op_cross_entropy) cross_entropy_part64(e);
    if (op == &op_long_conv_grads) long_conv_grads_part64(e);
}

/* -- Random */

static void random_uniform64(const Eval *e)
{
    const OpArgs *a = &e->n->args;
    Pcg rng = pcg_stream(a->random.seed, "dropout", e->step, a->random.stream);
    for (int64_t i = 0; i < e->count; i++) e->y[i] = (double)pcg_uniform(&rng);
}

static void random_bernoulli64(const Eval *e)
{
    random_uniform64(e);
    for (int64_t i = 0; i < e->count; i++)
        e->y[i] = e->y[i] < (double)e->n->args.random.p ? (double)e->n->args.random.value : 0;
}

/* -- The table */

// clang-format off
static void (*const evals[N_OPS])(const Eval *) = {
#define MAP_ROW(name) [OP_ID_##name] = name##64_eval
#define ROW(name) [OP_ID_##name] = name##64
    MAP_ROW(neg), MAP_ROW(abs), MAP_ROW(sign), MAP_ROW(square), MAP_ROW(sqrt), MAP_ROW(rsqrt),
    MAP_ROW(reciprocal), MAP_ROW(exp), MAP_ROW(log), MAP_ROW(sin), MAP_ROW(cos), MAP_ROW(tanh),
    MAP_ROW(erf), MAP_ROW(sigmoid), MAP_ROW(relu), MAP_ROW(leaky_relu), MAP_ROW(gelu),
    MAP_ROW(gelu_tanh), MAP_ROW(silu), MAP_ROW(softplus), MAP_ROW(clamp), MAP_ROW(affine),
    MAP_ROW(floor), MAP_ROW(round), MAP_ROW(add), MAP_ROW(sub), MAP_ROW(mul), MAP_ROW(div),
    MAP_ROW(max), MAP_ROW(min), MAP_ROW(less), MAP_ROW(less_equal), MAP_ROW(equal), MAP_ROW(where),
    [OP_ID_to_float] = copy64_eval, [OP_ID_stop_gradient] = copy64_eval,
    [OP_ID_straight_through] = copy64_eval, [OP_ID_reshape] = copy64_eval,
    [OP_ID_matmul_q8] = quantised_matmul64, [OP_ID_matmul_nf4] = quantised_matmul64,
    [OP_ID_batch_norm] = copy64_eval, [OP_ID_attention] = copy64_eval,
    ROW(reduce_sum), ROW(reduce_max), ROW(broadcast), ROW(permute), ROW(slice), ROW(pad),
    ROW(concat), ROW(gather), ROW(scatter_add), ROW(argmax), ROW(matmul), ROW(conv2d),
    ROW(conv2d_grad_x), ROW(conv2d_grad_w), ROW(max_pool_index), ROW(pool_gather),
    ROW(pool_scatter), ROW(avg_pool), ROW(avg_pool_grad), ROW(layer_norm), ROW(layer_norm_grad),
    ROW(rms_norm), ROW(rms_norm_grad), ROW(softmax), ROW(log_softmax), ROW(cross_entropy),
    ROW(cross_entropy_grad), ROW(random_uniform), ROW(random_bernoulli), ROW(part),
    [OP_ID_lstm] = copy64_eval, [OP_ID_gru] = copy64_eval,
#define LISTED(name) ROW(name),
    GRAPH64_SEQUENCE(LISTED)
};
// clang-format on

static int id_of(const Op *op)
{
    for (int i = 0; i < N_OPS; i++)
        if (op_table[i] == op) return i;
    return -1;
}

bool graph64_covers(const Op *op)
{
    return op->kind == OP_LEAF || evals[id_of(op)];
}

Graph64 *graph64_new(Arena *arena, const Graph *g, uint64_t step)
{
    Graph64 *v = arena_new_array(arena, Graph64, 1);
    v->arena = arena;
    v->g = g;
    v->step = step;
    return v;
}

/* Room for the nodes that were added since. */
static void grow(Graph64 *v)
{
    if (v->n >= v->g->n_nodes) return;
    const size_t n = (size_t)v->n;
    const double **bound = arena_new_array(v->arena, const double *, v->g->n_nodes);
    double **value = arena_new_array(v->arena, double *, v->g->n_nodes);
    bool *known = arena_new_array(v->arena, bool, v->g->n_nodes);
    if (n > 0) {
        memcpy(bound, v->bound, n * sizeof(double *));
        memcpy(value, v->value, n * sizeof(double *));
        memcpy(known, v->known, n * sizeof(bool));
    }
    v->bound = bound;
    v->value = value;
    v->known = known;
    v->n = v->g->n_nodes;
}

void graph64_bind(Graph64 *v, const Node *leaf, const double *data)
{
    grow(v);
    v->bound[leaf->id] = data;
}

void graph64_reset(Graph64 *v)
{
    if (v->n > 0) memset(v->known, 0, (size_t)v->n * sizeof *v->known);
}

const double *graph64_value(Graph64 *v, const Node *n)
{
    grow(v);
    if (v->bound[n->id]) return v->bound[n->id];
    if (v->known[n->id]) return v->value[n->id];
    const int64_t count = shape_count(&n->shape);
    if (!v->value[n->id]) v->value[n->id] = arena_new_array(v->arena, double, count);
    Eval e = {.n = n, .y = v->value[n->id], .count = count, .step = v->step};
    v->known[n->id] = true;
    if (n->op == &op_constant) {
        for (int64_t i = 0; i < count; i++) e.y[i] = (double)((const float *)n->data)[i];
        return e.y;
    }
    for (int i = 0; i < sources_of(n); i++) e.src[i] = graph64_value(v, n->src[i]);
    evals[id_of(n->op)](&e);
    return e.y;
}
