/* svd_jacobi -- see svd.h. One-sided Jacobi (Hestenes 1958) after a QR.
 *
 * The tall one T of A and A^T is Q R; rotations from the right make the columns of R orthogonal:
 * R V = W, then s are the lengths of W's columns and T = Q (W / s) diag(s) V^T. Householder's QR is
 * stable column by column and so are the rotations, hence the relative accuracy. W and V lie
 * transposed, so that a rotation runs along rows. In every pair the longer column goes first
 * (Nash, Computer J. 18, 1975), which sorts them and helps convergence. */
#include "linalg/jacobi.h"
#include "linalg/qr.h"
#include "linalg/svd.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* Squares of columns shorter than that, of a matrix of size 1, would leave the normal numbers. */
#define NOTHING 0x1p-980

typedef struct Work {
    int64_t tall, k;
    double *q;      /* (tall, k) */
    double *r, *wt; /* (k, k) */
    double *vt;     /* (k, k) */
    double *qr;     /* tall + k; later one column of U */
} Work;

static Work cut(int64_t m, int64_t n, void *scratch)
{
    Work w = {.tall = m > n ? m : n, .k = m > n ? n : m, .q = scratch};
    if (!scratch) return w;
    w.r = w.q + w.tall * w.k;
    w.wt = w.r + w.k * w.k;
    w.vt = w.wt + w.k * w.k;
    w.qr = w.vt + w.k * w.k;
    return w;
}

size_t svd_jacobi_scratch(int64_t m, int64_t n)
{
    const Work w = cut(m, n, NULL);
    return sizeof(double) * (size_t)(w.tall * w.k + 3 * w.k * w.k + w.tall + w.k);
}

static void load(const SvdThin *p, const Work *w, int exponent)
{
    for (int64_t i = 0; i < p->m; i++)
        for (int64_t j = 0; j < p->n; j++) {
            const double x = ldexp(p->a[i * p->n + j], -exponent);
            w->q[p->m >= p->n ? i * w->k + j : j * w->k + i] = x;
        }
}

/* How many pairs were turned. One pass over all, unless a turn moves columns past each other: so
 * only a pass without a turn has seen every pair. */
static int64_t sweep(const Work *w)
{
    const int64_t k = w->k;
    const double tolerance = sqrt((double)k) * DBL_EPSILON;
    int64_t n_turned = 0;
    for (int64_t i = 0; i < k - 1; i++)
        for (int64_t j = i + 1; j < k; j++) {
            double *x = w->wt + i * k, *y = w->wt + j * k;
            const double a = jacobi_dot(x, x, k), b = jacobi_dot(y, y, k), d = jacobi_dot(x, y, k);
            Rotation r = {1, 0, 0};
            const bool rotated =
                a > NOTHING && b > NOTHING && fabs(d) > tolerance * sqrt(a) * sqrt(b);
            if (rotated) r = jacobi_rotation(a, b, d);
            if (a < b) r = (Rotation){r.s, -r.c, 0}; /* and a quarter turn: y goes first */
            if (!rotated && a >= b) continue;
            n_turned++;
            jacobi_rotate(x, y, k, r.c, r.s);
            jacobi_rotate(w->vt + i * k, w->vt + j * k, k, r.c, r.s);
        }
    return n_turned;
}

/* Row `row` of x (k, k) becomes a unit vector orthogonal to the rows before it: the axis that these
 * cover least, made orthogonal twice (Giraud et al., Numer. Math. 101, 2005). */
static void complete(double *x, int64_t row, int64_t k)
{
    double *v = x + row * k, least = INFINITY;
    int64_t axis = 0;
    for (int64_t j = 0; j < k; j++) {
        double covered = 0;
        for (int64_t i = 0; i < row; i++) covered += x[i * k + j] * x[i * k + j];
        if (covered < least) least = covered, axis = j;
    }
    memset(v, 0, sizeof *v * (size_t)k);
    v[axis] = 1;
    for (int pass = 0; pass < 2; pass++)
        for (int64_t i = 0; i < row; i++) {
            const double along = jacobi_dot(x + i * k, v, k);
            for (int64_t j = 0; j < k; j++) v[j] -= along * x[i * k + j];
        }
    const double length = sqrt(jacobi_dot(v, v, k));
    for (int64_t j = 0; j < k; j++) v[j] /= length;
}

/* s and the rows of wt / s; rows of nothing come last, as rows are sorted. */
static void normalise(const Work *w, double *s)
{
    for (int64_t i = 0; i < w->k; i++) {
        double *row = w->wt + i * w->k;
        const double square = jacobi_dot(row, row, w->k);
        s[i] = square > NOTHING ? sqrt(square) : 0;
        if (s[i] == 0)
            complete(w->wt, i, w->k);
        else
            for (int64_t j = 0; j < w->k; j++) row[j] /= s[i];
    }
}

static void store(const SvdThin *p, const Work *w)
{
    const int64_t k = w->k;
    double *column = w->qr;
    for (int64_t j = 0; j < k; j++) {
        const double *v = w->vt + j * k;
        jacobi_expand(w->q, w->tall, k, w->wt + j * k, column);
        if (p->m >= p->n) {
            const double sign = jacobi_sign(column, p->m);
            for (int64_t i = 0; i < p->m; i++) p->u[i * k + j] = sign * column[i];
            for (int64_t i = 0; i < k; i++) p->vt[j * k + i] = sign * v[i];
        } else {
            const double sign = jacobi_sign(v, k);
            for (int64_t i = 0; i < k; i++) p->u[i * k + j] = sign * v[i];
            for (int64_t i = 0; i < p->n; i++) p->vt[j * p->n + i] = sign * column[i];
        }
    }
}

bool svd_jacobi(const SvdThin *p, void *scratch, Error *err)
{
    const Work w = cut(p->m, p->n, scratch);
    const int64_t k = w.k;
    const int max_sweeps = p->max_sweeps ? p->max_sweeps : JACOBI_SWEEPS;
    int exponent = 0, sweeps = 0;
    TRY(jacobi_exponent(p->a, p->m, p->n, &exponent, err));
    load(p, &w, exponent);
    qr_thin(w.q, w.tall, k, w.r, w.qr);
    memset(w.vt, 0, sizeof *w.vt * (size_t)(k * k));
    for (int64_t i = 0; i < k; i++) {
        w.vt[i * k + i] = 1;
        for (int64_t j = 0; j < k; j++) w.wt[i * k + j] = w.r[j * k + i];
    }
    while (sweep(&w) > 0)
        if (++sweeps == max_sweeps)
            return fail(err, FAIL_RUN, NULL,
                        "the SVD of a %lld x %lld matrix has not converged after %d sweeps",
                        (long long)p->m, (long long)p->n, max_sweeps);
    normalise(&w, p->s);
    store(p, &w);
    for (int64_t i = 0; i < k; i++) p->s[i] = ldexp(p->s[i], exponent);
    return true;
}
