/* graph64 -- see graph64.h. */
#include "tests/graph64.h"

#include "base/pcg.h"
#include "graph/param.h"

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

/* What an op's reference sees. */
typedef struct Eval {
    const Node *n;
    const double *src[8];
    double *y;
    int64_t count; /* elements of y */
    uint64_t step;
} Eval;

/* -- Coordinates */

static void coordinates(const Shape *s, int64_t i, int64_t at[MAX_RANK])
{
    for (int k = s->rank - 1; k >= 0; k--) {
        at[k] = i % s->dim[k];
        i /= s->dim[k];
    }
}

static int64_t place(const Shape *s, const int64_t at[MAX_RANK])
{
    int64_t i = 0;
    for (int k = 0; k < s->rank; k++) i = i * s->dim[k] + at[k];
    return i;
}

static int64_t last(const Shape *s)
{
    return s->rank > 0 ? s->dim[s->rank - 1] : 1;
}

static void clear(const Eval *e)
{
    for (int64_t i = 0; i < e->count; i++) e->y[i] = 0;
}

/* -- Elementwise */

static double sigmoid64(double x)
{
    return 1 / (1 + exp(-x));
}

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
}

/* -- Attention, by its formula */

typedef struct Attention64 {
    const Node *n;
    const double *q, *k, *v, *bias, *slopes, *lengths, *dy;
    int64_t B, T, S, Hq, Hkv, D, group;
} Attention64;

static Attention64 attention_of(const Eval *e)
{
    const Shape *q = &e->n->src[0]->shape, *k = &e->n->src[1]->shape;
    const OpArgs *args = &e->n->args;
    Attention64 a = {.n = e->n, .q = e->src[0], .k = e->src[1], .v = e->src[2]};
    a.B = q->dim[0], a.T = q->dim[1], a.S = k->dim[1];
    a.Hq = q->dim[2], a.Hkv = k->dim[2], a.D = q->dim[3], a.group = a.Hq / a.Hkv;
    int at = 3;
    if (args->attention.bias) a.bias = e->src[at++];
    if (args->attention.slopes) a.slopes = e->src[at++];
    if (args->attention.lengths) a.lengths = e->src[at];
    a.dy = e->src[e->n->n_src - 1];
    return a;
}

static int64_t query64(const Attention64 *a, int64_t b, int64_t i, int64_t h)
{
    return ((b * a->T + i) * a->Hq + h) * a->D;
}

static int64_t key64(const Attention64 *a, int64_t b, int64_t j, int64_t h)
{
    return ((b * a->S + j) * a->Hkv + h / a->group) * a->D;
}

static double dot64(const double *x, const double *y, int64_t n)
{
    double s = 0;
    for (int64_t i = 0; i < n; i++) s += x[i] * y[i];
    return s;
}

/* -HUGE_VAL where query i does not see key j. *slope is the derivative of the cap times scale. */
static double score64(const Attention64 *a, int64_t b, int64_t h, int64_t i, int64_t j,
                      double *slope)
{
    const OpArgs *args = &a->n->args;
    const int64_t far = i + args->attention.offset - j, window = args->attention.window;
    const double scale = (double)args->attention.scale, cap = (double)args->attention.cap;
    double s = scale * dot64(a->q + query64(a, b, i, h), a->k + key64(a, b, j, h), a->D);
    *slope = scale;
    if (cap > 0) {
        *slope *= 1 - tanh(s / cap) * tanh(s / cap);
        s = cap * tanh(s / cap);
    }
    if (a->bias) s += a->bias[(h * a->T + i) * a->S + j];
    if (a->slopes) s -= a->slopes[h] * fabs((double)far);
    if ((args->attention.causal && far < 0) || (a->lengths && (double)j >= a->lengths[b]) ||
        (window > 0 && (far >= window || -far >= window)))
        return -HUGE_VAL;
    return s;
}

/* p[j], slope[j] of one query; returns the natural logarithm of the softmax's sum. */
static double weights64(const Attention64 *a, int64_t b, int64_t h, int64_t i, double p[64],
                        double slope[64])
{
    double most = -HUGE_VAL, total = 0;
    for (int64_t j = 0; j < a->S; j++) {
        p[j] = score64(a, b, h, i, j, &slope[j]);
        most = fmax(most, p[j]);
    }
    for (int64_t j = 0; j < a->S; j++) {
        p[j] = most == -HUGE_VAL ? 0 : exp(p[j] - most);
        total += p[j];
    }
    for (int64_t j = 0; j < a->S && total > 0; j++) p[j] /= total;
    return most + log(total);
}

/* Calls `row` for every query. */
static void each_query64(const Eval *e,
                         void (*row)(const Eval *, const Attention64 *, const int64_t *))
{
    const Attention64 a = attention_of(e);
    for (int64_t b = 0; b < a.B; b++)
        for (int64_t h = 0; h < a.Hq; h++)
            for (int64_t i = 0; i < a.T; i++) row(e, &a, (int64_t[]){b, h, i});
}

static void forward_row64(const Eval *e, const Attention64 *a, const int64_t *at)
{
    const int64_t b = at[0], h = at[1], i = at[2];
    double p[64], slope[64], *y = e->y + query64(a, b, i, h);
    e->y[a->B * a->T * a->Hq * a->D + (b * a->Hq + h) * a->T + i] =
        weights64(a, b, h, i, p, slope) / log(2.0);
    for (int64_t j = 0; j < a->S; j++)
        for (int64_t c = 0; c < a->D; c++) y[c] += p[j] * a->v[key64(a, b, j, h) + c];
}

static void attention_forward64(const Eval *e)
{
    clear(e);
    each_query64(e, forward_row64);
}

/* By the Jacobian of the softmax, dp_j/ds_l = p_j (delta_jl - p_l). */
static void grad_row64(const Eval *e, const Attention64 *a, const int64_t *at)
{
    const int64_t b = at[0], h = at[1], i = at[2], n_q = a->B * a->T * a->Hq * a->D,
                  n_k = a->B * a->S * a->Hkv * a->D, row = query64(a, b, i, h);
    double p[64], slope[64], *dq = e->y + row, *dk = e->y + n_q, *dv = dk + n_k, *dbias = dv + n_k;
    (void)weights64(a, b, h, i, p, slope);
    for (int64_t l = 0; l < a->S; l++) {
        const int64_t key = key64(a, b, l, h);
        double ds = 0;
        for (int64_t j = 0; j < a->S; j++)
            ds += dot64(a->dy + row, a->v + key64(a, b, j, h), a->D) * p[j] * ((j == l) - p[l]);
        for (int64_t c = 0; c < a->D; c++) {
            dq[c] += ds * slope[l] * a->k[key + c];
            dk[key + c] += ds * slope[l] * a->q[row + c];
            dv[key + c] += p[l] * a->dy[row + c];
        }
        if (a->n->args.attention.bias_grad) dbias[(h * a->T + i) * a->S + l] += ds;
    }
}

static void attention_grad64(const Eval *e)
{
    clear(e);
    each_query64(e, grad_row64);
}

static void rope64(const Eval *e)
{
    const Shape *s = &e->n->shape;
    const int64_t dims = e->n->src[1]->shape.dim[1], half = dims / 2;
    const double sign = e->n->args.rope.inverse ? -1 : 1;
    for (int64_t i = 0; i < e->count; i++) {
        int64_t at[MAX_RANK];
        coordinates(s, i, at);
        const int64_t c = at[3], place = at[1] * dims;
        const bool near = e->n->args.rope.interleaved, second = near ? c % 2 : c >= half;
        const int64_t pair = near ? c / 2 : c % half, step = near ? 1 : half;
        e->y[i] = e->src[0][i];
        if (c >= dims) continue;
        e->y[i] *= e->src[1][place + pair];
        e->y[i] += sign * e->src[1][place + half + pair] *
                   (second ? e->src[0][i - step] : -e->src[0][i + step]);
    }
}

/* -- Over time */

static int64_t time64(const Eval *e, int64_t steps, int64_t s)
{
    return e->n->args.recurrent.reverse ? steps - 1 - s : s;
}

/* Number j of w (.., H) times a row of H. */
static double row_dot64(const double *w, const double *h, int64_t H, int64_t j)
{
    double s = 0;
    for (int64_t k = 0; k < H; k++) s += w[j * H + k] * h[k];
    return s;
}

/* rows: the trace of one sequence. */
static void lstm_sequence64(const Eval *e, int64_t b, int64_t T, int64_t H, double *rows)
{
    const double *h = e->src[2] + b * H, *c = e->src[3] + b * H;
    for (int64_t s = 0; s < T; s++) {
        const int64_t t = time64(e, T, s);
        const double *x = e->src[0] + (b * T + t) * 4 * H;
        double *y = rows + t * 6 * H;
        for (int64_t u = 0; u < H; u++) {
            double v[4];
            for (int g = 0; g < 4; g++) v[g] = x[g * H + u] + row_dot64(e->src[1], h, H, g * H + u);
            for (int g = 0; g < 4; g++) y[(2 + g) * H + u] = g == 2 ? tanh(v[g]) : sigmoid64(v[g]);
            y[H + u] = y[3 * H + u] * c[u] + y[2 * H + u] * y[4 * H + u];
            y[u] = y[5 * H + u] * tanh(y[H + u]);
        }
        h = y;
        c = y + H;
    }
    memcpy(rows + T * 6 * H, c, sizeof(double) * (size_t)H);
}

static void lstm_cells64(const Eval *e)
{
    const int64_t T = e->n->shape.dim[1] - 1, H = e->n->shape.dim[2] / 6;
    clear(e);
    for (int64_t b = 0; b < e->n->shape.dim[0]; b++)
        lstm_sequence64(e, b, T, H, e->y + b * (T + 1) * 6 * H);
}

/* By the chain rule through h and c; sources trace, w, c0, dy. */
static void lstm_grad64(const Eval *e)
{
    const Shape *dys = &e->n->src[3]->shape;
    const int64_t T = dys->dim[1] - 1, H = dys->dim[2], rows = e->n->shape.dim[1];
    clear(e);
    for (int64_t b = 0; b < dys->dim[0]; b++) {
        double dc[64], after[256] = {0};
        memcpy(dc, e->src[3] + (b * (T + 1) + T) * H, sizeof(double) * (size_t)H);
        for (int64_t s = T - 1; s >= 0; s--) {
            const int64_t t = time64(e, T, s);
            const double *v = e->src[0] + (b * (T + 1) + t) * 6 * H;
            const double *before =
                s == 0 ? e->src[2] + b * H
                       : e->src[0] + (b * (T + 1) + time64(e, T, s - 1)) * 6 * H + H;
            double *dx = e->y + (b * rows + t) * 4 * H;
            for (int64_t u = 0; u < H; u++) {
                const double in = v[2 * H + u], keep = v[3 * H + u], new = v[4 * H + u],
                             out = v[5 * H + u], tc = tanh(v[H + u]);
                double dh = e->src[3][(b * (T + 1) + t) * H + u];
                for (int64_t j = 0; j < 4 * H; j++) dh += after[j] * e->src[1][j * H + u];
                dc[u] += dh * out * (1 - tc * tc);
                dx[u] = dc[u] * new *in *(1 - in);
                dx[H + u] = dc[u] * before[u] * keep * (1 - keep);
                dx[2 * H + u] = dc[u] * in * (1 - new *new);
                dx[3 * H + u] = dh * tc * out * (1 - out);
                dc[u] *= keep;
            }
            memcpy(after, dx, sizeof(double) * (size_t)(4 * H));
        }
        if (rows > T) memcpy(e->y + (b * rows + T) * 4 * H, dc, sizeof(double) * (size_t)H);
    }
}

static void gru_cells64(const Eval *e)
{
    const int64_t T = e->n->shape.dim[1], H = e->n->shape.dim[2] / 5;
    for (int64_t b = 0; b < e->n->shape.dim[0]; b++) {
        const double *h = e->src[3] + b * H;
        for (int64_t s = 0; s < T; s++) {
            const int64_t t = time64(e, T, s);
            const double *x = e->src[0] + (b * T + t) * 3 * H;
            double *y = e->y + (b * T + t) * 5 * H;
            for (int64_t k = 0; k < H; k++) {
                double u[3];
                for (int g = 0; g < 3; g++)
                    u[g] = e->src[2][g * H + k] + row_dot64(e->src[1], h, H, g * H + k);
                const double r = sigmoid64(x[k] + u[0]), z = sigmoid64(x[H + k] + u[1]),
                             n = tanh(x[2 * H + k] + r * u[2]);
                y[k] = (1 - z) * n + z * h[k];
                y[H + k] = r, y[2 * H + k] = z, y[3 * H + k] = n, y[4 * H + k] = u[2];
            }
            h = y;
        }
    }
}

/* Sources trace, w, h0, dy. */
static void gru_grad64(const Eval *e)
{
    const Shape *dys = &e->n->src[3]->shape;
    const int64_t T = dys->dim[1], H = dys->dim[2], rows = e->n->shape.dim[1];
    clear(e);
    for (int64_t b = 0; b < dys->dim[0]; b++) {
        double direct[64] = {0}, after[192] = {0};
        for (int64_t s = T - 1; s >= 0; s--) {
            const int64_t t = time64(e, T, s);
            const double *v = e->src[0] + (b * T + t) * 5 * H;
            const double *before =
                s == 0 ? e->src[2] + b * H : e->src[0] + (b * T + time64(e, T, s - 1)) * 5 * H;
            double *dx = e->y + (b * rows + t) * 3 * H, du[192];
            for (int64_t k = 0; k < H; k++) {
                const double r = v[H + k], z = v[2 * H + k], n = v[3 * H + k];
                double dh = e->src[3][(b * T + t) * H + k] + direct[k];
                for (int64_t j = 0; j < 3 * H; j++) dh += after[j] * e->src[1][j * H + k];
                const double dn = dh * (1 - z) * (1 - n * n);
                dx[k] = du[k] = dn * v[4 * H + k] * r * (1 - r);
                dx[H + k] = du[H + k] = dh * (before[k] - n) * z * (1 - z);
                dx[2 * H + k] = dn;
                du[2 * H + k] = dn * r;
                direct[k] = dh * z;
            }
            memcpy(after, du, sizeof(double) * (size_t)(3 * H));
        }
        if (rows > T) memcpy(e->y + (b * rows + T) * 3 * H, direct, sizeof(double) * (size_t)H);
    }
}

typedef struct Scan64 {
    int64_t B, T, D, planes;
    bool constant, reverse;
} Scan64;

static Scan64 scan_of64(const Eval *e, const Shape *b)
{
    const bool complex = b->rank == 4;
    return (Scan64){b->dim[0],
                    b->dim[1],
                    last(b),
                    complex ? 2 : 1,
                    e->n->src[0]->shape.rank != b->rank,
                    e->n->args.scan.reverse};
}

/* Number (b, t, d) of rows as a pair; t < 0: of one row for all, or of the state of sequence b. */
static void pair64(const Scan64 *s, const double *x, int64_t b, int64_t t, int64_t d, double v[2])
{
    const int64_t at = ((t < 0 ? b : b * s->T + t) * s->planes) * s->D + d;
    v[0] = x[at];
    v[1] = s->planes == 2 ? x[at + s->D] : 0;
}

/* One channel of one sequence from `state`, values to y[step][2]. */
static void recur64(const Scan64 *s, const double *a, const double *from, const double *state,
                    bool lagged, const int64_t at[2], double (*y)[2])
{
    double before[2] = {0, 0};
    if (state) pair64(s, state, at[0], -1, at[1], before);
    for (int64_t k = 0; k < s->T; k++) {
        const int64_t t = s->reverse ? s->T - 1 - k : k;
        const int64_t t_a = !lagged ? t : s->reverse ? t + 1 : t - 1;
        double f[2] = {0, 0};
        pair64(s, from, at[0], t, at[1], y[t]);
        if (t_a >= 0 && t_a < s->T)
            pair64(s, a, s->constant ? 0 : at[0], s->constant ? -1 : t_a, at[1], f);
        if (lagged) f[1] = -f[1];
        y[t][0] += f[0] * before[0] - f[1] * before[1];
        y[t][1] += f[0] * before[1] + f[1] * before[0];
        before[0] = y[t][0], before[1] = y[t][1];
    }
}

static void scan64(const Eval *e)
{
    const Scan64 s = scan_of64(e, &e->n->shape);
    double y[64][2];
    for (int64_t b = 0; b < s.B; b++)
        for (int64_t d = 0; d < s.D; d++) {
            recur64(&s, e->src[0], e->src[1], e->n->n_src > 2 ? e->src[2] : NULL,
                    e->n->args.scan.lagged, (int64_t[]){b, d}, y);
            for (int64_t t = 0; t < s.T; t++)
                for (int64_t p = 0; p < s.planes; p++)
                    e->y[((b * s.T + t) * s.planes + p) * s.D + d] = y[t][p];
        }
}

/* Sources a, dy, y, [h0]. */
static void scan_grad64(const Eval *e)
{
    const Scan64 s = scan_of64(e, &e->n->src[1]->shape);
    Scan64 back = s;
    const int64_t row = s.planes * s.D, rows = s.constant ? s.T + 1 : s.T;
    double g[64][2];
    back.reverse = !s.reverse;
    clear(e);
    for (int64_t b = 0; b < s.B; b++)
        for (int64_t d = 0; d < s.D; d++) {
            recur64(&back, e->src[0], e->src[1], NULL, true, (int64_t[]){b, d}, g);
            double *db = e->y + b * rows * row + d, *da = db + s.T * row;
            if (!s.constant) da = db + s.B * s.T * row;
            for (int64_t t = 0; t < s.T; t++, da += s.constant ? 0 : row) {
                const int64_t from = s.reverse ? t + 1 : t - 1;
                double y[2] = {0, 0};
                if (from >= 0 && from < s.T)
                    pair64(&s, e->src[2], b, from, d, y);
                else if (e->n->n_src > 3)
                    pair64(&s, e->src[3], b, -1, d, y);
                const double product[2] = {g[t][0] * y[0] + g[t][1] * y[1],
                                           g[t][1] * y[0] - g[t][0] * y[1]};
                for (int64_t p = 0; p < s.planes; p++) {
                    db[t * row + p * s.D] = g[t][p];
                    da[p * s.D] += product[p];
                }
            }
        }
}

/* x w y of the trilinear form sum y[b, t, c] w[c, K - 1 - j] x[b, t - j, c]; the NULL one is out.
 */
static void short_form64(const Eval *e, const double *x, const double *w, const double *y,
                         const Shape *s, int64_t K)
{
    const int64_t T = s->dim[1], C = s->dim[2];
    clear(e);
    for (int64_t i = 0; i < shape_count(s); i++)
        for (int64_t j = 0; j < K && j <= i / C % T; j++) {
            const int64_t at_w = i % C * K + K - 1 - j, at_x = i - j * C;
            if (!y) e->y[i] += w[at_w] * x[at_x];
            if (!x) e->y[at_x] += w[at_w] * y[i];
            if (!w) e->y[at_w] += x[at_x] * y[i];
        }
}

static void short_conv64(const Eval *e)
{
    const int64_t C = last(&e->n->shape);
    short_form64(e, e->src[0], e->src[1], NULL, &e->n->shape, last(&e->n->src[1]->shape));
    for (int64_t i = 0; i < e->count; i++) {
        if (e->n->n_src > 2) e->y[i] += e->src[2][i % C];
        if (e->n->args.short_conv.silu) e->y[i] *= sigmoid64(e->y[i]);
    }
}

static void short_conv_grad_x64(const Eval *e)
{
    short_form64(e, NULL, e->src[1], e->src[0], &e->n->shape, last(&e->n->src[1]->shape));
}

static void short_conv_grad_w64(const Eval *e)
{
    short_form64(e, e->src[0], NULL, e->src[1], &e->n->src[0]->shape, last(&e->n->shape));
}

/* -- Long convolutions and the real transform */

/* A tap of channel h that joins row place u to row place y, and how far back it looks. */
typedef struct RowForm {
    const Shape *us, *ks;
    const double *u, *k, *y; /* one of them NULL */
    double *out;
    int reach;
} RowForm;

static void row_term(const RowForm *f, int64_t u, int64_t k, int64_t y)
{
    if (!f->y) f->out[y] += f->u[u] * f->k[k];
    if (!f->u) f->out[u] += f->k[k] * f->y[y];
    if (!f->k) f->out[k] += f->u[u] * f->y[y];
}

static void rows64(const Eval *e, const RowForm *f)
{
    const int64_t T = f->us->dim[2], H = f->us->dim[1], taps = shape_count(f->ks);
    const int64_t S = f->ks->dim[f->ks->rank - 1];
    clear(e);
    for (int64_t y = 0; y < shape_count(f->us); y++)
        for (int64_t k = 0; k < taps; k++) {
            const int64_t back = k >= H * S ? -1 - k % S : k % S, t = y % T;
            int64_t from = t - back;
            if (k / S % H != y / T % H) continue;
            if (f->reach == REACH_CIRCULAR) from = (from + T) % T;
            if (from >= 0 && from < T) row_term(f, y - t + from, k, y);
        }
}

/* Adds d u and multiplies by the gate where the node has them. */
static void skip_and_gate(const Eval *e)
{
    const OpArgs *a = &e->n->args;
    const int64_t T = e->n->shape.dim[2], H = e->n->shape.dim[1];
    for (int64_t i = 0; i < e->count; i++) {
        if (a->long_conv.skip) e->y[i] += e->src[2][i / T % H] * e->src[0][i];
        if (a->long_conv.gate) e->y[i] *= e->src[2 + a->long_conv.skip][i];
    }
}

static void long_conv64(const Eval *e)
{
    const Node *n = e->n;
    const RowForm f = {.us = &n->shape,
                       .ks = &n->src[1]->shape,
                       .u = e->src[0],
                       .k = e->src[1],
                       .out = e->y,
                       .reach = n->args.long_conv.reach};
    rows64(e, &f);
    skip_and_gate(e);
}

static void long_conv_grad_u64(const Eval *e)
{
    const Node *n = e->n;
    const RowForm f = {.us = &n->shape,
                       .ks = &n->src[1]->shape,
                       .y = e->src[0],
                       .k = e->src[1],
                       .out = e->y,
                       .reach = n->args.long_conv.reach};
    rows64(e, &f);
    skip_and_gate(e);
}

static void long_conv_grad_k64(const Eval *e)
{
    const Node *n = e->n;
    const RowForm f = {.us = &n->src[0]->shape,
                       .ks = &n->shape,
                       .u = e->src[0],
                       .y = e->src[1],
                       .out = e->y,
                       .reach = n->args.long_conv.reach};
    rows64(e, &f);
}

static void rfft64(const Eval *e)
{
    const int64_t n = last(&e->n->src[0]->shape), bins = n / 2 + 1;
    for (int64_t i = 0; i < e->count; i++) {
        const double *x = e->src[0] + i / (2 * bins) * n;
        const double turn = 2 * acos(-1.0) * (double)(i / 2 % bins) / (double)n;
        e->y[i] = 0;
        for (int64_t t = 0; t < n; t++)
            e->y[i] += x[t] * (i % 2 == 0 ? cos(turn * (double)t) : -sin(turn * (double)t));
    }
}

static void irfft64(const Eval *e)
{
    const int64_t n = last(&e->n->shape), bins = n / 2 + 1;
    for (int64_t i = 0; i < e->count; i++) {
        const double *x = e->src[0] + i / n * 2 * bins;
        e->y[i] = 0;
        for (int64_t f = 0; f < n; f++) {
            const int64_t bin = f < bins ? f : n - f;
            const double turn = 2 * acos(-1.0) * (double)(f * (i % n) % n) / (double)n;
            const double im = f == 0 || 2 * f == n ? 0
                              : f < bins           ? x[2 * bin + 1]
                                                   : -x[2 * bin + 1];
            e->y[i] += (x[2 * bin] * cos(turn) - im * sin(turn)) / (double)n;
        }
    }
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
    ROW(attention_forward), ROW(attention_grad), ROW(rope),
    ROW(reduce_sum), ROW(reduce_max), ROW(broadcast), ROW(permute), ROW(slice), ROW(pad),
    ROW(concat), ROW(gather), ROW(scatter_add), ROW(argmax), ROW(matmul), ROW(conv2d),
    ROW(conv2d_grad_x), ROW(conv2d_grad_w), ROW(max_pool_index), ROW(pool_gather),
    ROW(pool_scatter), ROW(avg_pool), ROW(avg_pool_grad), ROW(layer_norm), ROW(layer_norm_grad),
    ROW(rms_norm), ROW(rms_norm_grad), ROW(softmax), ROW(log_softmax), ROW(cross_entropy),
    ROW(cross_entropy_grad), ROW(random_uniform), ROW(random_bernoulli), ROW(part),
    [OP_ID_lstm] = copy64_eval, ROW(lstm_cells), ROW(lstm_grad), [OP_ID_gru] = copy64_eval,
    ROW(gru_cells), ROW(gru_grad), ROW(scan), ROW(scan_grad), ROW(short_conv),
    ROW(short_conv_grad_x), ROW(short_conv_grad_w),
    ROW(long_conv), ROW(long_conv_grad_u), ROW(long_conv_grad_k), ROW(rfft), ROW(irfft),
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
