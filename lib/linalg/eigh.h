/* eigh -- eigenvalues and eigenvectors of a symmetric matrix, one thread, deterministic. */
#ifndef SEQLAB_LINALG_EIGH_H
#define SEQLAB_LINALG_EIGH_H

#include "base/error.h"

#include <stdint.h>

/* A (n, n), n >= 1, row-major, of which the lower triangle is read; all of it is overwritten.
 * values (n) ascend, as LAPACK's; column j of vectors (n, n) belongs to values[j], has length 1 and
 * its component of largest size positive (the first of those within 2^-20 of the largest). Cyclic
 * Jacobi: errors of about eps |A|_2; of a positive definite matrix D B D, D diagonal, each value's
 * relative error is about eps times the condition number of B (Demmel & Veselic 1992). Some 60 n^3
 * operations. Fails with FAIL_RUN on NaN, infinities (naming the place) and when it does not
 * converge. */
bool eigh_jacobi(double *a, int64_t n, double *values, double *vectors, Error *err) MUST_CHECK;

#endif
