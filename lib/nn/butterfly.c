/* butterfly -- see butterfly.h.
 *
 * The transform of N = 16 m numbers (Cooley & Tukey 1965, as blocks): with x as a matrix A (16, m),
 * row by row,
 *
 *   B = F_16 A;  B[b][a] *= exp(-2 pi i a b / N);  the same transform of every row of B, of m
 *   numbers, where F_m ends it when m <= 16
 *
 * F_s[j][k] = exp(-2 pi i j k / s). Learned: F_s + w_s, with w_s (2, s, s) a parameter of real and
 * imaginary parts that starts as 0, one for all levels and channels; the twiddles stay. The way
 * back is exact, by Re ifft. A kernel that looks ahead enters with its spectrum's conjugate, turned
 * by one step. Twice (T + S) numbers at least, so nothing wraps.
 *
 * What makes it fast: rows are the last axis, so a level is one product of its factor with a
 * matrix of many columns. Nothing is transposed in between: the frequencies stay in the order in
 * which the levels leave them (their digits reversed), which the product does not mind and the way
 * back undoes by walking the levels from the last to the first. A last factor of 2 or 4 would keep
 * the processor idle; it is multiplied out with the one before it. Of the first level only the
 * columns are used that zeros do not meet, and on the way back only the rows of steps that are
 * kept, and their real part. */
#include "nn/butterfly.h"

#include "base/realmath.h"

enum { BLOCK = 16, DENSE = 64, LEAST = 32 };

/* (P, n, R): P times R rows of n complex numbers; im is NULL where all are real. */
typedef struct Wave {
    Node *re, *im;
} Wave;

/* A transform's factors: NULL prefix for the exact one. */
typedef struct Transform {
    ModelBuild *b;
    const char *prefix;
    double lr;
} Transform;

/* exp(-2 pi i j k / n) over j < rows, k < columns. */
static Wave roots(Graph *g, int64_t rows, int64_t columns, int64_t n)
{
    float *re = arena_new_array(g->arena, float, rows *columns);
    float *im = arena_new_array(g->arena, float, rows *columns);
    for (int64_t j = 0; j < rows; j++)
        for (int64_t k = 0; k < columns; k++) {
            const double turns = (double)(j * k % n) / (double)n;
            re[j * columns + k] = (float)real_cos_turns(turns);
            im[j * columns + k] = (float)-real_sin_turns(turns);
        }
    const Shape s = shape(2, rows, columns);
    return (Wave){constant(g, s, re), constant(g, s, im)};
}

/* The frequency that the levels leave at place i of n. */
static int64_t frequency_at(int64_t i, int64_t n)
{
    int64_t f = 0, weight = 1;
    for (; n > BLOCK; n /= BLOCK, weight *= BLOCK) {
        f += i / (n / BLOCK) * weight;
        i %= n / BLOCK;
    }
    return f + i * weight;
}

/* exp(2 pi i f / n) in the order of the levels. */
static Wave one_step(Graph *g, int64_t n)
{
    float *re = arena_new_array(g->arena, float, n);
    float *im = arena_new_array(g->arena, float, n);
    for (int64_t i = 0; i < n; i++) {
        const double turns = (double)frequency_at(i, n) / (double)n;
        re[i] = (float)real_cos_turns(turns);
        im[i] = (float)real_sin_turns(turns);
    }
    const Shape s = shape(2, n, INT64_C(1));
    return (Wave){constant(g, s, re), constant(g, s, im)};
}

static Wave shaped(Graph *g, Wave x, Shape s)
{
    return (Wave){reshape(g, x.re, s), x.im ? reshape(g, x.im, s) : NULL};
}

static Wave conjugate(Graph *g, Wave x)
{
    return (Wave){x.re, neg(g, x.im)};
}

static Wave part_of(Graph *g, Wave x, int axis, int64_t n)
{
    if (x.re->shape.dim[axis] == n) return x;
    return (Wave){slice(g, x.re, axis, 0, n), slice(g, x.im, axis, 0, n)};
}

static Wave scaled(Graph *g, Wave x, int64_t n)
{
    return (Wave){affine(g, x.re, 1.0f / (float)n, 0), affine(g, x.im, 1.0f / (float)n, 0)};
}

static Wave times(Graph *g, Wave a, Wave b)
{
    return (Wave){sub(g, mul(g, a.re, b.re), mul(g, a.im, b.im)),
                  add(g, mul(g, a.re, b.im), mul(g, a.im, b.re))};
}

/* F_s, plus what was learned of it. */
static Wave factor(Graph *g, const Transform *t, int64_t size)
{
    ModelBuild *b = t->b;
    Wave f = roots(g, size, size, size);
    if (!t->prefix) return f;
    const char *name = model_name(b, "%s.mat_%lld", t->prefix, (long long)size);
    Node *w = model_param(b, name, shape(3, INT64_C(2), size, size), ROLE_KERNEL,
                          (Init){.kind = INIT_ZEROS});
    Param *p = params_find(b->params, name);
    if (p) {
        p->lr_multiplier = (float)t->lr;
        p->weight_decay_multiplier = 0;
    }
    const Shape s = shape(2, size, size);
    return (Wave){add(g, f.re, reshape(g, slice(g, w, 0, 0, 1), s)),
                  add(g, f.im, reshape(g, slice(g, w, 0, 1, 1), s))};
}

/* The matrix of the transform of n <= DENSE numbers: its element of the frequency b + 16 c and the
 * step a m + d is F_16[b][a] exp(-2 pi i b d / n) F_m[c][d]. */
static Wave matrix(Graph *g, const Transform *t, int64_t n)
{
    const int64_t s = BLOCK, m = n / BLOCK, one = 1;
    if (n <= BLOCK) return factor(g, t, n);
    const Wave first = shaped(g, factor(g, t, s), shape(4, s, one, s, one));
    const Wave turn = shaped(g, roots(g, s, m, n), shape(4, s, one, one, m));
    const Wave last = shaped(g, factor(g, t, m), shape(4, one, m, one, m));
    return shaped(g, times(g, first, times(g, turn, last)), shape(2, n, n));
}

/* F x of every column of x (P, k, R), F (n, k). */
static Wave product(Graph *g, Wave f, Wave x)
{
    const Wave y = {matmul(g, f.re, x.re, false, false), matmul(g, f.im, x.re, false, false)};
    if (!x.im) return y;
    return (Wave){add(g, y.re, matmul(g, neg(g, f.im), x.im, false, false)),
                  add(g, y.im, matmul(g, f.re, x.im, false, false))};
}

/* The real part of F^H y of every column of y (P, n, R), F (n, k); and the imaginary one. */
static Node *real_adjoint(Graph *g, Wave f, Wave y)
{
    return add(g, matmul(g, f.re, y.re, true, false), matmul(g, f.im, y.im, true, false));
}

static Wave adjoint(Graph *g, Wave f, Wave y)
{
    return (Wave){real_adjoint(g, f, y), add(g, matmul(g, f.re, y.im, true, false),
                                             matmul(g, neg(g, f.im), y.re, true, false))};
}

/* The roots between a level's two halves, for (P, 16, m, R). */
static Wave twiddles(Graph *g, int64_t n)
{
    const int64_t m = n / BLOCK;
    return shaped(g, roots(g, BLOCK, m, n), shape(3, (int64_t)BLOCK, m, INT64_C(1)));
}

/* x (P, steps, R), followed by zeros up to n, a power of two; (P, n, R) in the order of the levels.
 * Only real ones may have fewer steps than n. */
static Wave transform(Graph *g, const Transform *t, Wave x, int64_t n)
{
    const int64_t P = x.re->shape.dim[0], steps = x.re->shape.dim[1], R = x.re->shape.dim[2];
    if (n <= DENSE) return product(g, part_of(g, matrix(g, t, n), 1, steps), x);
    const int64_t m = n / BLOCK, used = (steps + m - 1) / m;
    if (used * m > steps) x.re = pad_zero(g, x.re, 1, 0, used * m - steps);
    x = shaped(g, x, shape(3, P, used, m * R));
    x = product(g, part_of(g, factor(g, t, BLOCK), 1, used), x);
    x = times(g, shaped(g, x, shape(4, P, (int64_t)BLOCK, m, R)), twiddles(g, n));
    return shaped(g, transform(g, t, shaped(g, x, shape(3, P * BLOCK, m, R)), m),
                  shape(3, P, n, R));
}

static Wave back(Graph *g, Wave y, int64_t n);

/* All levels but the first, of y (P, n, R): (P, 16, m R). */
static Wave back_to_first(Graph *g, Wave y, int64_t n)
{
    const int64_t P = y.re->shape.dim[0], R = y.re->shape.dim[2], m = n / BLOCK;
    y = back(g, shaped(g, y, shape(3, P * BLOCK, m, R)), m);
    y = times(g, shaped(g, y, shape(4, P, (int64_t)BLOCK, m, R)), conjugate(g, twiddles(g, n)));
    return shaped(g, y, shape(3, P, (int64_t)BLOCK, m * R));
}

/* y (P, n, R) from the order of the levels to n steps, n times as large. */
static Wave back(Graph *g, Wave y, int64_t n)
{
    const Transform exact = {.b = NULL};
    const Shape s = y.re->shape;
    if (n <= DENSE) return adjoint(g, matrix(g, &exact, n), y);
    return shaped(g, adjoint(g, factor(g, &exact, BLOCK), back_to_first(g, y, n)), s);
}

/* The real part of the first steps of the inverse of y (1, n, R): (steps, R). */
static Node *inverse(Graph *g, Wave y, int64_t n, int64_t steps)
{
    const Transform exact = {.b = NULL};
    const int64_t R = y.re->shape.dim[2], m = n / BLOCK, used = (steps + m - 1) / m;
    if (n <= DENSE) {
        const Wave f = scaled(g, part_of(g, matrix(g, &exact, n), 1, steps), n);
        return reshape(g, real_adjoint(g, f, y), shape(2, steps, R));
    }
    const Wave f = scaled(g, part_of(g, factor(g, &exact, BLOCK), 1, used), n);
    Node *x = reshape(g, real_adjoint(g, f, back_to_first(g, y, n)), shape(2, used * m, R));
    return slice(g, x, 0, 0, steps);
}

/* k (H, S), or (2, H, S): (1, n, H). */
static Wave kernel_spectrum(const Transform *t, Node *k, int64_t n, bool two_sided)
{
    Graph *g = t->b->graph;
    const int64_t taps = k->shape.dim[k->shape.rank - 1], one = 1;
    Node *x = transpose(g, reshape(g, k, shape(2, INT64_C(-1), taps)));
    const int64_t rows = x->shape.dim[1], half = rows / 2;
    const Wave s = transform(g, t, (Wave){reshape(g, x, shape(3, one, taps, rows)), NULL}, n);
    if (!two_sided) return s;
    const Wave behind = {slice(g, s.re, 2, 0, half), slice(g, s.im, 2, 0, half)};
    const Wave ahead = {slice(g, s.re, 2, half, half), neg(g, slice(g, s.im, 2, half, half))};
    const Wave moved = times(g, ahead, one_step(g, n));
    return (Wave){add(g, behind.re, moved.re), add(g, behind.im, moved.im)};
}

Node *butterfly_conv(ModelBuild *b, const char *prefix, Node *u, Node *k, bool two_sided, double lr)
{
    static const int steps_first[] = {2, 0, 1}, steps_last[] = {2, 1, 3, 0};
    Graph *g = b->graph;
    if (u->shape.rank != 3 || k->shape.rank != (two_sided ? 3 : 2)) return u; /* on record */
    const int64_t B = u->shape.dim[0], H = u->shape.dim[1], T = u->shape.dim[2];
    const int64_t rows = k->shape.dim[k->shape.rank - 2], C = rows / H, one = 1;
    int64_t n = LEAST;
    while (n < T + k->shape.dim[k->shape.rank - 1]) n *= 2;
    const Transform of_u = {b, model_name(b, "%s.fft_u", prefix), lr};
    const Transform of_k = {b, model_name(b, "%s.fft_k", prefix), lr};
    Node *x = reshape(g, permute(g, u, steps_first), shape(3, one, T, B * H));
    Wave y = times(g, shaped(g, transform(g, &of_u, (Wave){x, NULL}, n), shape(4, n, one, B, H)),
                   shaped(g, kernel_spectrum(&of_k, k, n, two_sided), shape(4, n, C, one, H)));
    Node *out = inverse(g, shaped(g, y, shape(3, one, n, C * B * H)), n, T);
    out = permute(g, reshape(g, out, shape(4, T, C, B, H)), steps_last);
    return reshape(g, out, shape(3, B, rows, T));
}
