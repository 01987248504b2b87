/* eigh -- see eigh.h. Cyclic Jacobi by rows (Golub & Van Loan, Matrix Computations, 8.5).
 *
 * A stays whole, so that a rotation runs along two rows; the two columns are copied from them. The
 * vectors lie as rows until the end. */
#include "linalg/eigh.h"

#include "linalg/jacobi.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* Of a matrix of size 1: far below any eigenvalue's error, and squares stay normal numbers. */
#define NOTHING 0x1p-490

static void swap_rows(double *x, double *y, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        const double keep = x[i];
        x[i] = y[i];
        y[i] = keep;
    }
}

/* Both triangles are the lower one times 2^-exponent. */
static bool load(double *a, int64_t n, int *exponent, Error *err)
{
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < i; j++) a[j * n + i] = a[i * n + j];
    /* a bad number of the lower triangle may be found at its mirror first */
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j <= i; j++)
            if (!isfinite(a[i * n + j])) return jacobi_not_finite(a[i * n + j], i * n + j, n, err);
    TRY(jacobi_exponent(a, n, n, exponent, err));
    for (int64_t i = 0; i < n * n; i++) a[i] = ldexp(a[i], -*exponent);
    return true;
}

static void rotate(double *a, int64_t n, int64_t i, int64_t j, const Rotation *r)
{
    double *x = a + i * n, *y = a + j * n;
    const double shift = r->t * x[j], first = x[i] - shift, last = y[j] + shift;
    jacobi_rotate(x, y, n, r->c, r->s);
    for (int64_t k = 0; k < n; k++) a[k * n + i] = x[k], a[k * n + j] = y[k];
    x[i] = first, y[j] = last;
    x[j] = y[i] = 0;
}

/* All pairs once; how many were rotated. */
static int64_t sweep(double *a, int64_t n, double *vectors)
{
    int64_t n_rotated = 0;
    for (int64_t i = 0; i < n - 1; i++)
        for (int64_t j = i + 1; j < n; j++) {
            const double p = a[i * n + i], q = a[j * n + j], off = a[i * n + j];
            if (fabs(off) <= DBL_EPSILON * sqrt(fabs(p)) * sqrt(fabs(q)) || fabs(off) < NOTHING)
                continue;
            const Rotation r = jacobi_rotation(p, q, off);
            rotate(a, n, i, j, &r);
            jacobi_rotate(vectors + i * n, vectors + j * n, n, r.c, r.s);
            n_rotated++;
        }
    return n_rotated;
}

/* Values ascending, rows of vectors with them, signs, and the rows become columns. */
static void finish(int64_t n, double *values, double *vectors)
{
    for (int64_t i = 0; i < n; i++) {
        int64_t least = i;
        for (int64_t j = i + 1; j < n; j++)
            if (values[j] < values[least]) least = j;
        double *row = vectors + i * n;
        if (least != i) {
            swap_rows(values + i, values + least, 1);
            swap_rows(row, vectors + least * n, n);
        }
        const double sign = jacobi_sign(row, n);
        for (int64_t j = 0; j < n; j++) row[j] *= sign;
    }
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < i; j++) swap_rows(vectors + i * n + j, vectors + j * n + i, 1);
}

bool eigh_jacobi(double *a, int64_t n, double *values, double *vectors, Error *err)
{
    int exponent = 0, sweeps = 0;
    TRY(load(a, n, &exponent, err));
    memset(vectors, 0, sizeof *vectors * (size_t)(n * n));
    for (int64_t i = 0; i < n; i++) vectors[i * n + i] = 1;
    while (sweep(a, n, vectors) > 0)
        if (++sweeps == JACOBI_SWEEPS)
            return fail(
                err, FAIL_RUN, NULL,
                "the eigenvalues of a %lld x %lld matrix have not converged after %d sweeps",
                (long long)n, (long long)n, sweeps);
    for (int64_t i = 0; i < n; i++) values[i] = ldexp(a[i * n + i], exponent);
    finish(n, values, vectors);
    return true;
}
