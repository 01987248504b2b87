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
 * What makes it fast: nothing is transposed, since the frequencies stay in the order in which the
 * levels leave them (their digits reversed), which the product does not mind and the way back
 * undoes by walking the levels from the last to the first. The last two levels are multiplied out
 * to one matrix of at most DENSE rows, which costs the same and keeps the processor busier. Of the
 * first level only the columns are used that zeros do not meet, and on the way back only the rows
 * of steps that are kept, and their real part. */
#include "nn/butterfly.h"

#include "base/realmath.h"

enum { BLOCK = 16, DENSE = 128, LEAST = 32 };

/* Rows of complex numbers; im is NULL where all are real. */
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
    return (Wave){constant(g, shape(1, n), re), constant(g, shape(1, n), im)};
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

/* F x of every row of x (R, k), F (n, k). */
static Wave of_rows(Graph *g, Wave f, Wave x)
{
    const Wave y = {matmul(g, x.re, f.re, false, true), matmul(g, x.re, f.im, false, true)};
    if (!x.im) return y;
    return (Wave){add(g, y.re, matmul(g, x.im, neg(g, f.im), false, true)),
                  add(g, y.im, matmul(g, x.im, f.re, false, true))};
}

/* F x of every column of x (R, k, m), F (n, k). */
static Wave of_columns(Graph *g, Wave f, Wave x)
{
    const Wave y = {matmul(g, f.re, x.re, false, false), matmul(g, f.im, x.re, false, false)};
    if (!x.im) return y;
    return (Wave){add(g, y.re, matmul(g, neg(g, f.im), x.im, false, false)),
                  add(g, y.im, matmul(g, f.re, x.im, false, false))};
}

/* x (R, steps), followed by zeros up to n, a power of two; (R, n) in the order of the levels. */
static Wave transform(Graph *g, const Transform *t, Wave x, int64_t n)
{
    const int64_t rows = x.re->shape.dim[0], steps = x.re->shape.dim[1], m = n / BLOCK;
    if (n <= DENSE) return of_rows(g, part_of(g, matrix(g, t, n), 1, steps), x);
    const int64_t used = (steps + m - 1) / m;
    if (used * m > steps)
        x.re = pad_zero(g, x.re, 1, 0, used * m - steps); /* real: the first level */
    x = shaped(g, x, shape(3, rows, used, m));
    x = of_columns(g, part_of(g, factor(g, t, BLOCK), 1, used), x);
    x = times(g, x, roots(g, BLOCK, m, n));
    return shaped(g, transform(g, t, shaped(g, x, shape(2, rows * BLOCK, m)), m),
                  shape(2, rows, n));
}

/* From the order of the levels to n steps, n times as large. */
static Wave back(Graph *g, Wave y, int64_t n)
{
    const Transform exact = {.b = NULL};
    const int64_t rows = y.re->shape.dim[0], m = n / BLOCK;
    if (n <= DENSE) {
        const Wave f = matrix(g, &exact, n);
        return (Wave){
            add(g, matmul(g, y.re, f.re, false, false), matmul(g, y.im, f.im, false, false)),
            sub(g, matmul(g, y.im, f.re, false, false), matmul(g, y.re, f.im, false, false))};
    }
    y = back(g, shaped(g, y, shape(2, rows * BLOCK, m)), m);
    y = times(g, shaped(g, y, shape(3, rows, (int64_t)BLOCK, m)),
              conjugate(g, roots(g, BLOCK, m, n)));
    return shaped(g, of_columns(g, conjugate(g, factor(g, &exact, BLOCK)), y), shape(2, rows, n));
}

/* The real part of the first steps of the inverse: (R, steps). */
static Node *inverse(Graph *g, Wave y, int64_t n, int64_t steps)
{
    const Transform exact = {.b = NULL};
    const int64_t rows = y.re->shape.dim[0], m = n / BLOCK, used = (steps + m - 1) / m;
    if (n <= DENSE) {
        const Wave f = scaled(g, part_of(g, matrix(g, &exact, n), 1, steps), n);
        return add(g, matmul(g, y.re, f.re, false, false), matmul(g, y.im, f.im, false, false));
    }
    const Wave f = scaled(g, part_of(g, factor(g, &exact, BLOCK), 0, used), n);
    y = back(g, shaped(g, y, shape(2, rows * BLOCK, m)), m);
    y = times(g, shaped(g, y, shape(3, rows, (int64_t)BLOCK, m)),
              conjugate(g, roots(g, BLOCK, m, n)));
    Node *x = add(g, matmul(g, f.re, y.re, false, false), matmul(g, f.im, y.im, false, false));
    return slice(g, reshape(g, x, shape(2, rows, used * m)), 1, 0, steps);
}

static Wave kernel_spectrum(const Transform *t, Node *k, int64_t n, bool two_sided)
{
    Graph *g = t->b->graph;
    const Shape rows = shape(2, INT64_C(-1), k->shape.dim[k->shape.rank - 1]);
    const Wave s = transform(g, t, (Wave){reshape(g, k, rows), NULL}, n);
    if (!two_sided) return s;
    const int64_t half = s.re->shape.dim[0] / 2;
    const Wave behind = {slice(g, s.re, 0, 0, half), slice(g, s.im, 0, 0, half)};
    const Wave ahead = {slice(g, s.re, 0, half, half), neg(g, slice(g, s.im, 0, half, half))};
    const Wave moved = times(g, ahead, one_step(g, n));
    return (Wave){add(g, behind.re, moved.re), add(g, behind.im, moved.im)};
}

Node *butterfly_conv(ModelBuild *b, const char *prefix, Node *u, Node *k, bool two_sided, double lr)
{
    Graph *g = b->graph;
    if (u->shape.rank != 3 || k->shape.rank != (two_sided ? 3 : 2)) return u; /* on record */
    const int64_t B = u->shape.dim[0], H = u->shape.dim[1], T = u->shape.dim[2];
    const int64_t rows = k->shape.dim[k->shape.rank - 2], C = rows / H, one = 1;
    int64_t n = LEAST;
    while (n < T + k->shape.dim[k->shape.rank - 1]) n *= 2;
    const Transform of_u = {b, model_name(b, "%s.fft_u", prefix), lr};
    const Transform of_k = {b, model_name(b, "%s.fft_k", prefix), lr};
    Wave x = transform(g, &of_u, (Wave){reshape(g, u, shape(2, B * H, T)), NULL}, n);
    x = times(g, shaped(g, x, shape(4, B, one, H, n)),
              shaped(g, kernel_spectrum(&of_k, k, n, two_sided), shape(3, C, H, n)));
    return reshape(g, inverse(g, shaped(g, x, shape(2, B * rows, n)), n, T), shape(3, B, rows, T));
}
