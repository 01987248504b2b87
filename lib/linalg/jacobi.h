/* jacobi -- what the Jacobi methods and their callers share: plane rotations, sums in a fixed
 * order, the sign of a vector. Internal to lib/linalg. */
#ifndef SEQLAB_LINALG_JACOBI_H
#define SEQLAB_LINALG_JACOBI_H

#include "base/error.h"

#include <stdint.h>

/* Sweeps after which a matrix counts as one that does not converge; 5 to 10 are usual. */
enum { JACOBI_SWEEPS = 40 };

/* x' = c x - s y, y' = s x + c y makes [[a, d], [d, b]] diagonal, |t| = |s / c| <= 1; d != 0. The
 * diagonal becomes a - t d, b + t d. */
typedef struct Rotation {
    double c, s, t;
} Rotation;
Rotation jacobi_rotation(double a, double b, double d);
void jacobi_rotate(double *x, double *y, int64_t n, double c, double s);

/* Eight sums over i modulo 8, each ascending, then halved as a tree. */
double jacobi_dot(const double *x, const double *y, int64_t n);

/* out[i] = (row i of q (rows, k)) . x, over threads. */
void jacobi_expand(const double *q, int64_t rows, int64_t k, const double *x, double *out);

/* -1 if x is to be turned so that its component of largest size is positive, else 1; of those
 * within 2^-20 of the largest the first decides, so that rounding does not. */
double jacobi_sign(const double *x, int64_t n);

/* *exponent such that 2^-exponent brings the largest |a[i]| of (m, n) into [1/2, 1), 0 for zeros.
 * Fails with FAIL_RUN on NaN or an infinity and names its place. */
bool jacobi_exponent(const double *a, int64_t m, int64_t n, int *exponent, Error *err) MUST_CHECK;
/* Says that element i of a matrix of n columns is not finite; false, always. */
bool jacobi_not_finite(double value, int64_t i, int64_t n, Error *err);

#endif
