/* block_stats -- see block_stats.h. */
#include "methods/prune/block_stats.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

/* -- Rank */

static void swap(double *a, double *b)
{
    const double t = *a;
    *a = *b;
    *b = t;
}

/* Brings the largest element of a[k.., k..] to a[k][k] and returns its size. */
static double pivot(double *a, int64_t m, int64_t n, int64_t k)
{
    int64_t row = k, column = k;
    for (int64_t i = k; i < m; i++)
        for (int64_t j = k; j < n; j++)
            if (fabs(a[i * n + j]) > fabs(a[row * n + column])) {
                row = i;
                column = j;
            }
    for (int64_t j = 0; j < n; j++) swap(&a[row * n + j], &a[k * n + j]);
    for (int64_t i = 0; i < m; i++) swap(&a[i * n + column], &a[i * n + k]);
    return fabs(a[k * n + k]);
}

int64_t matrix_rank(double *a, int64_t m, int64_t n)
{
    const double small = ldexp((double)(m > n ? m : n), -23);
    double first = 0;
    int64_t k = 0;
    for (; k < m && k < n; k++) {
        const double size = pivot(a, m, n, k);
        if (k == 0) first = size;
        if (size == 0 || size <= small * first) break;
        for (int64_t i = k + 1; i < m; i++) {
            const double factor = a[i * n + k] / a[k * n + k];
            for (int64_t j = k; j < n; j++) a[i * n + j] -= factor * a[k * n + j];
        }
    }
    return k;
}

/* -- Likeness */

void centre_columns(double *x, int64_t n, int64_t m)
{
    for (int64_t j = 0; j < m; j++) {
        double mean = 0;
        for (int64_t i = 0; i < n; i++) mean += x[i * m + j];
        mean /= (double)n;
        for (int64_t i = 0; i < n; i++) x[i * m + j] -= mean;
    }
}

/* |x'y|^2 */
static double cross(const double *x, int64_t p, const double *y, int64_t q, int64_t n)
{
    double sum = 0;
    for (int64_t j = 0; j < p; j++)
        for (int64_t k = 0; k < q; k++) {
            double dot = 0;
            for (int64_t i = 0; i < n; i++) dot += x[i * p + j] * y[i * q + k];
            sum += dot * dot;
        }
    return sum;
}

double linear_cka(const double *x, int64_t p, const double *y, int64_t q, int64_t n)
{
    const double both = sqrt(cross(x, p, x, p, n)) * sqrt(cross(y, q, y, q, n));
    return both > 0 ? cross(x, p, y, q, n) / both : 0;
}

/* -- Partial least squares */

/* out = a v and a' u for a (n, m). */
static void times(const double *a, int64_t n, int64_t m, const double *v, double *out)
{
    for (int64_t i = 0; i < n; i++) {
        out[i] = 0;
        for (int64_t j = 0; j < m; j++) out[i] += a[i * m + j] * v[j];
    }
}

static void times_transposed(const double *a, int64_t n, int64_t m, const double *u, double *out)
{
    memset(out, 0, sizeof(double) * (size_t)m);
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < m; j++) out[j] += a[i * m + j] * u[i];
}

static double square(const double *v, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += v[i] * v[i];
    return sum;
}

static void scale(double *v, int64_t n, double by)
{
    for (int64_t i = 0; i < n; i++) v[i] *= by;
}

static void deflate(double *a, int64_t n, int64_t m, const double *t, const double *load)
{
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < m; j++) a[i * m + j] -= t[i] * load[j];
}

/* The column of y with the most variance. */
static void start_scores(const double *y, int64_t n, int64_t k, double *u)
{
    double most = -1;
    int64_t best = 0;
    for (int64_t c = 0; c < k; c++) {
        double sum = 0;
        for (int64_t i = 0; i < n; i++) sum += y[i * k + c] * y[i * k + c];
        if (sum > most) {
            most = sum;
            best = c;
        }
    }
    for (int64_t i = 0; i < n; i++) u[i] = y[i * k + best];
}

typedef struct Component {
    double *t, *u, *w, *load, *q; /* (n), (n), (m), (m), (k) */
} Component;

/* One component; false when nothing is left to explain. */
static bool component(const double *x, int64_t m, const double *y, int64_t k, int64_t n,
                      Component *c)
{
    enum { ROUNDS = 500 };
    double before = 0;
    start_scores(y, n, k, c->u);
    for (int round = 0; round < ROUNDS; round++) {
        times_transposed(x, n, m, c->u, c->w);
        const double length = sqrt(square(c->w, m));
        if (!(length > 1e-12)) return false;
        scale(c->w, m, 1 / length);
        times(x, n, m, c->w, c->t);
        const double size = square(c->t, n);
        if (!(size > 1e-24)) return false;
        times_transposed(y, n, k, c->t, c->q);
        scale(c->q, k, 1 / size);
        const double weight = square(c->q, k);
        if (!(weight > 0)) return false;
        times(y, n, k, c->q, c->u);
        scale(c->u, n, 1 / weight);
        if (round > 0 && fabs(size - before) <= 1e-14 * size) break;
        before = size;
    }
    return true;
}

void pls_vip(double *x, int64_t m, double *y, int64_t k, int64_t n, int components, double *scratch,
             double *vip)
{
    Component c = {.t = scratch, .u = scratch + n, .w = scratch + 2 * n};
    c.load = c.w + m;
    c.q = c.load + m;
    double total = 0;
    memset(vip, 0, sizeof(double) * (size_t)m);
    for (int a = 0; a < components && component(x, m, y, k, n, &c); a++) {
        const double size = square(c.t, n), explained = size * square(c.q, k);
        for (int64_t j = 0; j < m; j++) vip[j] += explained * c.w[j] * c.w[j];
        total += explained;
        times_transposed(x, n, m, c.t, c.load);
        scale(c.load, m, 1 / size);
        deflate(x, n, m, c.t, c.load);
        deflate(y, n, k, c.t, c.q);
    }
    for (int64_t j = 0; j < m && total > 0; j++) vip[j] = sqrt((double)m * vip[j] / total);
}
