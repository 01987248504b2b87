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
 * What makes it fast is that a level is one batch of real products, and that nothing else touches
 * the data. Level l has 16^l blocks, one for every value of the digits that are done; a digit's
 * value is b. The twiddles, taken apart by digits, go into the factors: block q of a level of size
 * s has the matrix W[b][a] = F_s[b][a] exp(-2 pi i q a / (16^l s)), as real numbers
 *
 *   (b, re)   Re W[b]  -Im W[b]        of (re, a)
 *   (b, im)   Im W[b]   Re W[b]           (im, a)
 *
 * and rows are the last axis, so what a level leaves, (blocks, b, part, a', R), lies as the next
 * one reads it, (16 blocks, part, a', R). Nothing is transposed: the frequencies stay in the order
 * in which the levels leave them (their digits reversed), which the product of spectra does not
 * mind. The inverse's real part is the adjoint of a real transform, so the way back is the same
 * matrices transposed, from the last level to the first. Of the first level only the columns are
 * used that zeros do not meet. A last factor of 2 is multiplied out with the one before it. */
#include "nn/butterfly.h"

#include "base/realmath.h"
#include "nn/kernel_param.h"

enum { BLOCK = 16, LARGEST = 32, LEAST = 32, MAX_LEVELS = 16 };

/* Complex numbers. */
typedef struct Wave {
    Node *re, *im;
} Wave;

/* A transform's factors: NULL prefix for the exact one. */
typedef struct Factors {
    ModelBuild *b;
    const char *prefix;
    double lr;
} Factors;

/* A transform of n numbers, of which all but the first `used` times n / size[0] are zeros. */
typedef struct Transform {
    Graph *g;
    int64_t n, used;
    int n_levels;
    int64_t size[MAX_LEVELS];
    Node *level[MAX_LEVELS]; /* (blocks, 2 size, 2 size); all but the last */
    Wave last;               /* (blocks, size, 2 size) each: the rows of either part */
} Transform;

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

/* exp(-2 pi i f k / n) over j < rows, k < columns, with f = j, or the frequency at place j. */
static Wave roots(Graph *g, int64_t rows, int64_t columns, int64_t n, bool places)
{
    float *re = arena_new_array(g->arena, float, rows *columns);
    float *im = arena_new_array(g->arena, float, rows *columns);
    for (int64_t j = 0; j < rows; j++) {
        const int64_t f = places ? frequency_at(j, rows) : j;
        for (int64_t k = 0; k < columns; k++) {
            const double turns = (double)(f * k % n) / (double)n;
            re[j * columns + k] = (float)real_cos_turns(turns);
            im[j * columns + k] = (float)-real_sin_turns(turns);
        }
    }
    const Shape s = shape(2, rows, columns);
    return (Wave){constant(g, s, re), constant(g, s, im)};
}

static Wave shaped(Graph *g, Wave x, Shape s)
{
    return (Wave){reshape(g, x.re, s), reshape(g, x.im, s)};
}

static Wave part_of(Graph *g, Wave x, int axis, int64_t first, int64_t n)
{
    if (x.re->shape.dim[axis] == n) return x;
    return (Wave){slice(g, x.re, axis, first, n), slice(g, x.im, axis, first, n)};
}

static Wave times(Graph *g, Wave a, Wave b)
{
    return (Wave){sub(g, mul(g, a.re, b.re), mul(g, a.im, b.im)),
                  add(g, mul(g, a.re, b.im), mul(g, a.im, b.re))};
}

/* -- Matrices */

/* F_s, plus what was learned of it. */
static Wave factor(Graph *g, const Factors *t, int64_t size)
{
    ModelBuild *b = t->b;
    Wave f = roots(g, size, size, size, false);
    if (!t->prefix) return f;
    const char *name = model_name(b, "%s.mat_%lld", t->prefix, (long long)size);
    Node *w =
        kernel_param(b, name, shape(3, INT64_C(2), size, size), (Init){.kind = INIT_ZEROS}, t->lr);
    const Shape s = shape(2, size, size);
    return (Wave){add(g, f.re, reshape(g, slice(g, w, 0, 0, 1), s)),
                  add(g, f.im, reshape(g, slice(g, w, 0, 1, 1), s))};
}

/* F_s, or for s = 32 two levels in one: its element of the frequency b + 16 c and the step 2 a + d
 * is F_16[b][a] exp(-2 pi i b d / 32) F_2[c][d]. */
static Wave block(Graph *g, const Factors *t, int64_t size)
{
    const int64_t s = BLOCK, m = size / BLOCK, one = 1;
    if (size <= BLOCK) return factor(g, t, size);
    const Wave first = shaped(g, factor(g, t, s), shape(4, s, one, s, one));
    const Wave turn = shaped(g, roots(g, s, m, size, false), shape(4, s, one, one, m));
    const Wave last = shaped(g, factor(g, t, m), shape(4, one, m, one, m));
    return shaped(g, times(g, first, times(g, turn, last)), shape(2, size, size));
}

/* Rows (b, part) of a level, by part. Only the first level has real columns. */
static Wave rows_by_part(const Transform *t, const Factors *f, int64_t blocks, int64_t size)
{
    Graph *g = t->g;
    Wave w = block(g, f, size);
    if (blocks == 1)
        return shaped(g, part_of(g, w, 1, 0, t->used), shape(3, INT64_C(1), size, t->used));
    const Wave turn = roots(g, blocks, size, blocks * size, true);
    w = times(g, w, shaped(g, turn, shape(3, blocks, INT64_C(1), size)));
    return (Wave){concat(g, (Node *[]){w.re, neg(g, w.im)}, 2, 2),
                  concat(g, (Node *[]){w.im, w.re}, 2, 2)};
}

static Node *both_parts(Graph *g, Wave w)
{
    const int64_t blocks = w.re->shape.dim[0], size = w.re->shape.dim[1];
    const int64_t columns = w.re->shape.dim[2];
    w = shaped(g, w, shape(4, blocks, size, INT64_C(1), columns));
    return reshape(g, concat(g, (Node *[]){w.re, w.im}, 2, 2), shape(3, blocks, 2 * size, columns));
}

/* Of n numbers, a power of two, whose first `steps` are not zero. */
static Transform transform_of(Graph *g, const Factors *f, int64_t n, int64_t steps)
{
    Transform t = {.g = g, .n = n};
    int64_t rest = n, blocks = 1;
    for (; rest > LARGEST; rest /= BLOCK) t.size[t.n_levels++] = BLOCK;
    t.size[t.n_levels++] = rest;
    const int64_t m = n / t.size[0];
    t.used = (steps + m - 1) / m;
    for (int l = 0; l < t.n_levels; l++, blocks *= BLOCK) {
        t.last = rows_by_part(&t, f, blocks, t.size[l]);
        if (l < t.n_levels - 1) t.level[l] = both_parts(g, t.last);
    }
    return t;
}

/* -- Data */

/* x (steps, R) to (n, R), in the order of the levels. */
static Wave forward(const Transform *t, Node *x)
{
    Graph *g = t->g;
    const int64_t steps = x->shape.dim[0], R = x->shape.dim[1], all = -1;
    const int64_t padded = t->used * (t->n / t->size[0]);
    if (padded > steps) x = pad_zero(g, x, 0, 0, padded - steps);
    int64_t blocks = 1;
    for (int l = 0;; l++, blocks *= BLOCK) {
        x = reshape(g, x, shape(3, blocks, l == 0 ? t->used : 2 * t->size[l], all));
        if (l == t->n_levels - 1) break;
        x = matmul(g, t->level[l], x, false, false);
    }
    const Wave y = {matmul(g, t->last.re, x, false, false), matmul(g, t->last.im, x, false, false)};
    return shaped(g, y, shape(2, t->n, R));
}

/* The adjoint: y (n, R) to (steps, R); of the exact transform n times the inverse's real part. */
static Node *backward(const Transform *t, Wave y, int64_t steps)
{
    Graph *g = t->g;
    const int64_t R = y.re->shape.dim[1], all = -1;
    int64_t blocks = t->n / t->size[t->n_levels - 1];
    y = shaped(g, y, shape(3, blocks, t->size[t->n_levels - 1], R));
    Node *x =
        add(g, matmul(g, t->last.re, y.re, true, false), matmul(g, t->last.im, y.im, true, false));
    for (int l = t->n_levels - 2; l >= 0; l--) {
        blocks /= BLOCK;
        x = reshape(g, x, shape(3, blocks, 2 * t->size[l], all));
        x = matmul(g, t->level[l], x, true, false);
    }
    return slice(g, reshape(g, x, shape(2, all, R)), 0, 0, steps);
}

/* k (H, S), or (2, H, S): (n, H). */
static Wave kernel_spectrum(Graph *g, const Factors *f, Node *k, int64_t n, bool two_sided)
{
    const int64_t taps = k->shape.dim[k->shape.rank - 1];
    Node *x = transpose(g, reshape(g, k, shape(2, INT64_C(-1), taps)));
    const Transform t = transform_of(g, f, n, taps);
    const Wave s = forward(&t, x);
    if (!two_sided) return s;
    const int64_t half = x->shape.dim[1] / 2;
    const Wave behind = part_of(g, s, 1, 0, half), ahead = part_of(g, s, 1, half, half);
    /* the conjugate of exp(-2 pi i f / n) times what lies ahead */
    const Wave moved = times(g, ahead, part_of(g, roots(g, n, 2, n, true), 1, 1, 1));
    return (Wave){add(g, behind.re, moved.re), sub(g, behind.im, moved.im)};
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
    const Factors of_u = {b, model_name(b, "%s.fft_u", prefix), lr};
    const Factors of_k = {b, model_name(b, "%s.fft_k", prefix), lr}, exact = {0};
    const Transform there = transform_of(g, &of_u, n, T), back = transform_of(g, &exact, n, T);
    const Wave x = forward(&there, reshape(g, permute(g, u, steps_first), shape(2, T, B * H)));
    const Wave y =
        times(g, shaped(g, x, shape(4, n, one, B, H)),
              shaped(g, kernel_spectrum(g, &of_k, k, n, two_sided), shape(4, n, C, one, H)));
    Node *out = backward(&back, shaped(g, y, shape(2, n, C * B * H)), T);
    out = permute(g, reshape(g, out, shape(4, T, C, B, H)), steps_last);
    return affine(g, reshape(g, out, shape(3, B, rows, T)), 1.0f / (float)n, 0);
}
