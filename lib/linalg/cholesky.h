/* cholesky -- A = L L^T of a symmetric positive definite matrix and its systems, in double, one
 * thread, deterministic: for small matrices. */
#ifndef SEQLAB_LINALG_CHOLESKY_H
#define SEQLAB_LINALG_CHOLESKY_H

#include "base/error.h"

#include <stdint.h>

/* A (n, n) row-major, of which the lower triangle is read, becomes L, zero above its positive
 * diagonal. Fails with FAIL_RUN, naming the pivot, when A is not positive definite to working
 * precision or holds NaN or infinities; A is then undefined. */
bool cholesky(double *a, int64_t n, Error *err) MUST_CHECK;

/* B (n, n_columns) row-major becomes X of L L^T X = B. */
void cholesky_solve(const double *l, int64_t n, double *b, int64_t n_columns);

#endif
