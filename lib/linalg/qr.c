/* qr -- see qr.h. Householder's method (Golub & Van Loan, Matrix Computations, 5.1 and 5.2).
 *
 * Column k is reflected by H = I - tau v v^T, v[k] = 1, tau = 2 / v^T v. The rest of v lies below
 * the diagonal of A until Q is formed from the last reflection to the first; tau is computed again
 * from v, so that H is orthogonal to the last bit and nothing else has to be kept. Both products
 * with A run along its rows. */
#include "linalg/qr.h"

#include <math.h>
#include <string.h>

/* rows (m, n of stride) -= tau v (v^T rows); w holds n doubles. */
static void reflect(double *rows, int64_t m, int64_t n, int64_t stride, const double *v, double *w)
{
    double squares = 0;
    memset(w, 0, (size_t)n * sizeof *w);
    for (int64_t i = 0; i < m; i++) {
        const double *row = rows + i * stride;
        squares += v[i] * v[i];
        for (int64_t j = 0; j < n; j++) w[j] += v[i] * row[j];
    }
    const double tau = 2 / squares;
    for (int64_t i = 0; i < m; i++) {
        double *row = rows + i * stride;
        const double by = tau * v[i];
        for (int64_t j = 0; j < n; j++) row[j] -= by * w[j];
    }
}

/* v for the column x of m elements, v[0] = 1; returns what x[0] becomes. The opposite sign of x[0]
 * avoids cancellation. A column of zeros is reflected on its first axis. */
static double reflector(const double *x, int64_t stride, int64_t m, double *v)
{
    double largest = 0, squares = 0;
    for (int64_t i = 0; i < m; i++) largest = fmax(largest, fabs(x[i * stride]));
    memset(v, 0, (size_t)m * sizeof *v);
    v[0] = 1;
    if (largest == 0) return 0;
    for (int64_t i = 0; i < m; i++) {
        const double y = x[i * stride] / largest; /* no square over- or underflows */
        squares += y * y;
    }
    const double norm = largest * sqrt(squares), pivot = x[0] + copysign(norm, x[0]);
    for (int64_t i = 1; i < m; i++) v[i] = x[i * stride] / pivot;
    return -copysign(norm, x[0]);
}

/* The upper triangle, each row with the sign that makes its diagonal >= 0. */
static void copy_r(const double *a, int64_t n, double *r)
{
    for (int64_t k = 0; k < n; k++)
        for (int64_t j = 0; j < n; j++) {
            const double x = a[k * n + j];
            r[k * n + j] = j < k ? 0 : a[k * n + k] < 0 ? -x : x;
        }
}

void qr_thin(double *a, int64_t m, int64_t n, double *r, double *scratch)
{
    double *v = scratch, *w = scratch + m;
    for (int64_t k = 0; k < n; k++) {
        double *corner = a + k * n + k;
        const double diagonal = reflector(corner, n, m - k, v);
        reflect(corner + 1, m - k, n - k - 1, n, v, w);
        corner[0] = diagonal;
        for (int64_t i = 1; i < m - k; i++) corner[i * n] = v[i];
    }
    if (r) copy_r(a, n, r);
    for (int64_t k = n - 1; k >= 0; k--) {
        double *corner = a + k * n + k;
        const double sign = corner[0] < 0 ? -1 : 1;
        v[0] = 1;
        for (int64_t i = 1; i < m - k; i++) v[i] = corner[i * n];
        /* column k is still the unit vector, but for the sign */
        corner[0] = sign;
        for (int64_t i = 1; i < m - k; i++) corner[i * n] = 0;
        for (int64_t i = 0; i < k; i++) a[i * n + k] = 0;
        reflect(corner, m - k, n - k, n, v, w);
    }
}
