/* cholesky -- see cholesky.h. Row by row (Golub & Van Loan, Matrix Computations, 4.2), so that
 * every sum runs along two rows of L. */
#include "linalg/cholesky.h"

#include "linalg/jacobi.h"

#include <math.h>

bool cholesky(double *a, int64_t n, Error *err)
{
    for (int64_t i = 0; i < n; i++) {
        double *row = a + i * n;
        for (int64_t j = 0; j < i; j++)
            row[j] = (row[j] - jacobi_dot(row, a + j * n, j)) / a[j * n + j];
        const double pivot = row[i] - jacobi_dot(row, row, i);
        if (!(pivot > 0) || !isfinite(pivot))
            return fail(err, FAIL_RUN, NULL,
                        "the %lld x %lld matrix is not positive definite: pivot %lld is %g",
                        (long long)n, (long long)n, (long long)i, pivot);
        row[i] = sqrt(pivot);
        for (int64_t j = i + 1; j < n; j++) row[j] = 0;
    }
    return true;
}

/* row -= by * other */
static void subtract(double *row, const double *other, double by, int64_t n)
{
    for (int64_t j = 0; j < n; j++) row[j] -= by * other[j];
}

void cholesky_solve(const double *l, int64_t n, double *b, int64_t n_columns)
{
    for (int64_t i = 0; i < n; i++) { /* L Y = B */
        double *row = b + i * n_columns;
        for (int64_t k = 0; k < i; k++) subtract(row, b + k * n_columns, l[i * n + k], n_columns);
        for (int64_t j = 0; j < n_columns; j++) row[j] /= l[i * n + i];
    }
    for (int64_t i = n - 1; i >= 0; i--) { /* L^T X = Y */
        double *row = b + i * n_columns;
        for (int64_t j = 0; j < n_columns; j++) row[j] /= l[i * n + i];
        for (int64_t k = 0; k < i; k++) subtract(b + k * n_columns, row, l[i * n + k], n_columns);
    }
}
