/* jacobi -- see jacobi.h. */
#include "linalg/jacobi.h"

#include "base/threads.h"

#include <float.h>
#include <math.h>

enum { LANES = 8, ROWS_WORTH_A_THREAD = 1 << 15 };

double jacobi_dot(const double *x, const double *y, int64_t n)
{
    double sum[LANES] = {0};
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int l = 0; l < LANES; l++) sum[l] += x[i + l] * y[i + l];
    for (int l = 0; i + l < n; l++) sum[l] += x[i + l] * y[i + l];
    for (int width = LANES / 2; width > 0; width /= 2)
        for (int l = 0; l < width; l++) sum[l] += sum[l + width];
    return sum[0];
}

void jacobi_expand(const double *q, int64_t rows, int64_t k, const double *x, double *out)
{
#pragma omp parallel for schedule(static)                                                          \
    num_threads(threads_count()) if (rows * k > ROWS_WORTH_A_THREAD)
    for (int64_t i = 0; i < rows; i++) out[i] = jacobi_dot(q + i * k, x, k);
}

/* The smaller of the two angles (Rutishauser 1966; Golub & Van Loan, 8.5.2). */
Rotation jacobi_rotation(double a, double b, double d)
{
    const double zeta = (b - a) / (2 * d), size = fabs(zeta);
    /* past 2^60 the square adds nothing, and it must not overflow */
    const double t =
        copysign(size > 0x1p60 ? 0.5 / size : 1 / (size + sqrt(1 + zeta * zeta)), zeta);
    const double c = 1 / sqrt(1 + t * t);
    return (Rotation){c, c * t, t};
}

void jacobi_rotate(double *restrict x, double *restrict y, int64_t n, double c, double s)
{
    for (int64_t i = 0; i < n; i++) {
        const double u = x[i], v = y[i];
        x[i] = c * u - s * v;
        y[i] = s * u + c * v;
    }
}

double jacobi_sign(const double *x, int64_t n)
{
    double largest = 0;
    for (int64_t i = 0; i < n; i++) largest = fmax(largest, fabs(x[i]));
    int64_t first = 0;
    while (first < n - 1 && fabs(x[first]) < largest * (1 - 0x1p-20)) first++;
    return x[first] < 0 ? -1 : 1;
}

bool jacobi_not_finite(double value, int64_t i, int64_t n, Error *err)
{
    return fail(err, FAIL_RUN, NULL, "row %lld, column %lld of the matrix is %s",
                (long long)(i / n), (long long)(i % n),
                isnan(value) ? "NaN"
                : value > 0  ? "infinite"
                             : "-infinite");
}

bool jacobi_exponent(const double *a, int64_t m, int64_t n, int *exponent, Error *err)
{
    double largest = 0;
    for (int64_t i = 0; i < m * n; i++) {
        const double size = fabs(a[i]);
        if (!(size <= DBL_MAX)) return jacobi_not_finite(a[i], i, n, err);
        if (size > largest) largest = size;
    }
    (void)frexp(largest, exponent); /* 0 for 0 */
    return true;
}
