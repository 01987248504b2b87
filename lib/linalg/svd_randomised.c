/* svd_randomised -- see svd.h.
 *
 * X = normal (n, q); Y = A X = Q R; `iterations` times: A^T Q = P R, A P = Q R. At last A^T Q = P R
 * again, so that the projection Q Q^T A is Q R^T P^T, and only R^T (q, q) is left to decompose. A
 * QR after every product keeps the small directions, which powers of A would bury under the
 * rounding of the large ones. Q is rounded to float for the products alone, and multiplied with the
 * power of two that brings A's largest element near 1, so that no product over- or underflows. */
#include "cpu/cpu.h"
#include "linalg/jacobi.h"
#include "linalg/qr.h"
#include "linalg/svd.h"

#include <math.h>
#include <string.h>

enum { LINE = 64, EXPONENT_MAX = 96 };

typedef struct Work {
    int64_t q;
    float *in, *out;     /* (max(m, n), q): the sides of a product */
    double *left;        /* (m, q): Q */
    double *right;       /* (n, q): P */
    double *r, *u, *vt;  /* (q, q) */
    double *small, *s;   /* (q, q), (q) */
    double *column;      /* max(m, n) + q: for QR, then a column of U or V */
    void *jacobi, *gemm; /* scratch of the two */
    size_t bytes;
} Work;

/* The next `bytes` of the scratch, by lines; NULL while only counting. */
static void *take(Work *w, unsigned char *scratch, size_t bytes)
{
    void *at = scratch ? scratch + w->bytes : NULL;
    w->bytes += (bytes + LINE - 1) / LINE * LINE;
    return at;
}

/* out = A in (m, q), or A^T in (n, q). */
static Gemm product(const SvdTruncated *p, const Work *w, bool transposed)
{
    return (Gemm){.batch = 1,
                  .m = transposed ? p->n : p->m,
                  .n = w->q,
                  .k = transposed ? p->m : p->n,
                  .a = p->a,
                  .b = w->in,
                  .c = w->out,
                  .lda = p->n,
                  .ldb = w->q,
                  .ldc = w->q,
                  .trans_a = transposed};
}

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static Work cut(const SvdTruncated *p, void *scratch)
{
    Work w = {.q = smaller(p->rank + p->oversampling, smaller(p->m, p->n))};
    if (w.q < 1) w.q = 1;
    const int64_t tall = p->m > p->n ? p->m : p->n;
    const size_t side = (size_t)(tall * w.q), square = sizeof(double) * (size_t)(w.q * w.q);
    w.in = take(&w, scratch, sizeof(float) * side);
    w.out = take(&w, scratch, sizeof(float) * side);
    w.left = take(&w, scratch, sizeof(double) * (size_t)(p->m * w.q));
    w.right = take(&w, scratch, sizeof(double) * (size_t)(p->n * w.q));
    w.r = take(&w, scratch, square);
    w.u = take(&w, scratch, square);
    w.vt = take(&w, scratch, square);
    w.small = take(&w, scratch, square);
    w.s = take(&w, scratch, sizeof(double) * (size_t)w.q);
    w.column = take(&w, scratch, sizeof(double) * (size_t)(tall + w.q));
    w.jacobi = take(&w, scratch, svd_jacobi_scratch(w.q, w.q));
    const Gemm ahead = product(p, &w, false), back = product(p, &w, true);
    const size_t a = cpu->gemm_scratch(&ahead), b = cpu->gemm_scratch(&back);
    w.gemm = take(&w, scratch, a > b ? a : b);
    return w;
}

size_t svd_randomised_scratch(const SvdTruncated *p)
{
    return cut(p, NULL).bytes;
}

/* As jacobi_exponent, for floats: their sizes are ordered as their bits are. */
static bool find_exponent(const SvdTruncated *p, int *exponent, Error *err)
{
    int32_t largest = 0;
    float size;
    for (int64_t i = 0; i < p->m * p->n; i++) {
        int32_t bits;
        memcpy(&bits, p->a + i, sizeof bits);
        bits &= INT32_MAX;
        largest = bits > largest ? bits : largest;
    }
    memcpy(&size, &largest, sizeof size);
    if (!isfinite(size)) {
        int64_t i = 0;
        while (isfinite(p->a[i])) i++;
        return jacobi_not_finite((double)p->a[i], i, p->n, err);
    }
    (void)frexp((double)size, exponent);
    /* 2^-exponent times Q stays a normal float, and A times that does not overflow */
    if (*exponent < -EXPONENT_MAX) *exponent = -EXPONENT_MAX;
    if (*exponent > EXPONENT_MAX) *exponent = EXPONENT_MAX;
    return true;
}

/* `basis` (rows, q) to `result` = orthonormal basis of A basis or A^T basis; R in w->r. */
static void multiply(const SvdTruncated *p, const Work *w, bool transposed, double scale)
{
    const double *from = transposed ? w->left : w->right;
    double *to = transposed ? w->right : w->left;
    const Gemm g = product(p, w, transposed);
    for (int64_t i = 0; i < g.k * w->q; i++) w->in[i] = (float)(from[i] * scale);
    cpu->gemm(&g, w->gemm);
    for (int64_t i = 0; i < g.m * w->q; i++) to[i] = (double)w->out[i];
    qr_thin(to, g.m, w->q, w->r, w->column);
}

static void store(const SvdTruncated *p, const Work *w, int exponent)
{
    const int64_t q = w->q;
    for (int64_t i = 0; i < q; i++) /* the columns of R^T's left vectors as rows */
        for (int64_t j = 0; j < q; j++) w->r[j * q + i] = w->u[i * q + j];
    for (int64_t j = 0; j < p->rank; j++) {
        jacobi_expand(w->left, p->m, q, w->r + j * q, w->column);
        const double sign = jacobi_sign(w->column, p->m);
        for (int64_t i = 0; i < p->m; i++) p->u[i * p->rank + j] = (float)(sign * w->column[i]);
        jacobi_expand(w->right, p->n, q, w->vt + j * q, w->column);
        for (int64_t i = 0; i < p->n; i++) p->vt[j * p->n + i] = (float)(sign * w->column[i]);
        p->s[j] = ldexp(w->s[j], exponent);
    }
}

bool svd_randomised(const SvdTruncated *p, void *scratch, Error *err)
{
    const int64_t most = smaller(p->m, p->n);
    if (p->rank < 1 || p->rank > most)
        return fail(err, FAIL_CONFIG, NULL,
                    "rank %lld of a %lld x %lld matrix is outside [1, %lld]", (long long)p->rank,
                    (long long)p->m, (long long)p->n, (long long)most);
    int exponent = 0;
    TRY(find_exponent(p, &exponent, err));
    const double scale = ldexp(1, -exponent);
    const Work w = cut(p, scratch);
    Pcg rng = p->rng;
    for (int64_t i = 0; i < p->n * w.q; i++) w.right[i] = pcg_normal(&rng);
    multiply(p, &w, false, scale);
    for (int i = 0; i < p->iterations; i++) {
        multiply(p, &w, true, scale);
        multiply(p, &w, false, scale);
    }
    multiply(p, &w, true, scale);
    for (int64_t i = 0; i < w.q; i++)
        for (int64_t j = 0; j < w.q; j++) w.small[i * w.q + j] = w.r[j * w.q + i];
    const SvdThin thin = {.m = w.q, .n = w.q, .a = w.small, .u = w.u, .s = w.s, .vt = w.vt};
    TRY(svd_jacobi(&thin, w.jacobi, err));
    store(p, &w, exponent);
    return true;
}
