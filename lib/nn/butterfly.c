/* butterfly -- see butterfly.h.
 *
 * The transform of N = m n numbers, m = 16 (Cooley & Tukey 1965, as blocks): with x as a matrix A
 * (m, n), row by row,
 *
 *   B = F_m A;  B[b][a] *= exp(-2 pi i a b / N);  the same transform of every row of B, of n
 *   numbers, where F_n ends it when n <= 16;  the result is read column by column.
 *
 * F_s[j][k] = exp(-2 pi i j k / s). Learned: F_s + w_s, with w_s (2, s, s) a parameter of real and
 * imaginary parts that starts as 0, one for all levels and channels; the twiddles stay. The way
 * back is exact, by Re ifft(y) = Re fft(conj y) / N. A kernel that looks ahead enters with its
 * spectrum's conjugate, turned by one step. Twice (T + S) numbers at least, so nothing wraps. */
#include "nn/butterfly.h"

#include "base/realmath.h"
#include "nn/kernel_param.h"

enum { BLOCK = 16, LEAST = 32 };

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

/* F_s, plus what was learned of it. */
static Wave factor(const Transform *t, int64_t size)
{
    ModelBuild *b = t->b;
    Graph *g = b->graph;
    Wave f = roots(g, size, size, size);
    if (!t->prefix) return f;
    const char *name = model_name(b, "%s.mat_%lld", t->prefix, (long long)size);
    Node *w =
        kernel_param(b, name, shape(3, INT64_C(2), size, size), (Init){.kind = INIT_ZEROS}, t->lr);
    const Shape s = shape(2, size, size);
    return (Wave){add(g, f.re, reshape(g, slice(g, w, 0, 0, 1), s)),
                  add(g, f.im, reshape(g, slice(g, w, 0, 1, 1), s))};
}

static Wave times(Graph *g, Wave a, Wave b)
{
    if (!a.im) return (Wave){mul(g, a.re, b.re), mul(g, a.re, b.im)};
    return (Wave){sub(g, mul(g, a.re, b.re), mul(g, a.im, b.im)),
                  add(g, mul(g, a.re, b.im), mul(g, a.im, b.re))};
}

/* F x of every row of x (..., s): one product of tall matrices. */
static Wave product(Graph *g, Wave f, Wave x)
{
    const Wave y = {matmul(g, x.re, f.re, false, true), matmul(g, x.re, f.im, false, true)};
    if (!x.im) return y;
    return (Wave){sub(g, y.re, matmul(g, x.im, f.im, false, true)),
                  add(g, y.im, matmul(g, x.im, f.re, false, true))};
}

static Wave turned(Graph *g, Wave x)
{
    return (Wave){transpose(g, x.re), x.im ? transpose(g, x.im) : NULL};
}

static Wave shaped(Graph *g, Wave x, Shape s)
{
    return (Wave){reshape(g, x.re, s), x.im ? reshape(g, x.im, s) : NULL};
}

/* x (R, n), n a power of two. */
static Wave transform(const Transform *t, Wave x, int64_t n)
{
    Graph *g = t->b->graph;
    if (n <= BLOCK) return product(g, factor(t, n), x);
    const int64_t rows = x.re->shape.dim[0], rest = n / BLOCK;
    x = turned(g, shaped(g, x, shape(3, rows, (int64_t)BLOCK, rest)));
    x = times(g, product(g, factor(t, BLOCK), x), roots(g, rest, BLOCK, n));
    x = transform(t, shaped(g, turned(g, x), shape(2, rows * BLOCK, rest)), rest);
    x = turned(g, shaped(g, x, shape(3, rows, (int64_t)BLOCK, rest)));
    return shaped(g, x, shape(2, rows, n));
}

/* The spectrum of the rows of x (..., T), followed by zeros: (rows, n). */
static Wave spectrum(const Transform *t, Node *x, int64_t n)
{
    Graph *g = t->b->graph;
    const int64_t steps = x->shape.dim[x->shape.rank - 1];
    x = reshape(g, x, shape(2, INT64_C(-1), steps));
    return transform(t, (Wave){pad_zero(g, x, 1, 0, n - steps), NULL}, n);
}

static Wave kernel_spectrum(const Transform *t, Node *k, int64_t n, bool two_sided)
{
    Graph *g = t->b->graph;
    Wave s = spectrum(t, k, n);
    if (!two_sided) return s;
    const int64_t half = s.re->shape.dim[0] / 2;
    const Wave ahead = {slice(g, s.re, 0, half, half), neg(g, slice(g, s.im, 0, half, half))};
    Wave turn = roots(g, 2, n, n);
    turn = (Wave){slice(g, turn.re, 0, 1, 1), neg(g, slice(g, turn.im, 0, 1, 1))};
    const Wave moved = times(g, ahead, turn);
    return (Wave){add(g, slice(g, s.re, 0, 0, half), moved.re),
                  add(g, slice(g, s.im, 0, 0, half), moved.im)};
}

Node *butterfly_conv(ModelBuild *b, const char *prefix, Node *u, Node *k, bool two_sided, double lr)
{
    Graph *g = b->graph;
    if (u->shape.rank != 3 || k->shape.rank != (two_sided ? 3 : 2)) return u; /* on record */
    const int64_t B = u->shape.dim[0], H = u->shape.dim[1], T = u->shape.dim[2];
    int64_t n = LEAST;
    while (n < T + k->shape.dim[k->shape.rank - 1]) n *= 2;
    const Transform of_u = {b, model_name(b, "%s.fft_u", prefix), lr};
    const Transform of_k = {b, model_name(b, "%s.fft_k", prefix), lr};
    const Transform exact = {b, NULL, 0};
    const Wave x = shaped(g, spectrum(&of_u, u, n), shape(3, B, H, n));
    Wave y = times(g, x, kernel_spectrum(&of_k, k, n, two_sided));
    y = shaped(g, (Wave){y.re, neg(g, y.im)}, shape(2, B * H, n));
    Node *back = affine(g, transform(&exact, y, n).re, 1.0f / (float)n, 0);
    return reshape(g, slice(g, back, 1, 0, T), u->shape);
}
