/* svd -- singular value decompositions A = U diag(s) V^T, s descending and >= 0, U and V with
 * orthonormal columns, also where singular values are equal or zero.
 *
 * Sign: of every column of U the component of largest size is positive (the first of those within
 * 2^-20 of the largest), and the row of V^T turns with it. Bits depend on the input alone, neither
 * on threads nor on the ISA. Nothing is allocated; matrices are row-major without gaps. Both fail
 * with FAIL_RUN, naming the place, on NaN and infinities; then the outputs are undefined. */
#ifndef SEQLAB_LINALG_SVD_H
#define SEQLAB_LINALG_SVD_H

#include "base/error.h"
#include "base/pcg.h"

#include <stddef.h>
#include <stdint.h>

/* The whole thin decomposition; k = min(m, n) >= 1. */
typedef struct SvdThin {
    int64_t m, n;
    const double *a; /* (m, n) */
    double *u;       /* (m, k) out */
    double *s;       /* (k) out */
    double *vt;      /* (k, n) out */
    int max_sweeps;  /* 0: 40 */
} SvdThin;

/* QR, then one-sided Jacobi on R. For A = B D (m >= n) or D B (m < n), D diagonal, every singular
 * value has a relative error of about eps times the condition number of B, however small it is
 * (Demmel & Veselic, SIAM J. Matrix Anal. 13, 1992); below 2^-490 of the largest it may become 0.
 * About 4 m n^2 + 100 n^3 operations, m >= n: for n up to some hundreds.
 * Also fails with FAIL_RUN when max_sweeps were not enough.
 * scratch: svd_jacobi_scratch(m, n) bytes, aligned to 8. */
bool svd_jacobi(const SvdThin *p, void *scratch, Error *err) MUST_CHECK;
size_t svd_jacobi_scratch(int64_t m, int64_t n);

/* The leading `rank` triplets, approximately. */
typedef struct SvdTruncated {
    int64_t m, n, rank;
    int64_t oversampling; /* >= 0; the sketch has q = min(rank + oversampling, m, n) columns */
    int iterations;       /* >= 0 */
    const float *a;       /* (m, n) */
    float *u;             /* (m, rank) out */
    double *s;            /* (rank) out */
    float *vt;            /* (rank, n) out */
    Pcg rng;              /* draws of the sketch: 2 n q from here on */
} SvdTruncated;

/* Randomised subspace iteration (Halko, Martinsson & Tropp, SIAM Review 53, 2011, algorithms 4.4
 * and 5.1): products with A in float, everything else in double. The expected 2-norm of A - U S V^T
 * is, with l = q - rank >= 2, i iterations and t_j the singular values of A past the first `rank`,
 *   t_1 + ((1 + sqrt(rank / (l - 1))) t_1^d + exp(1) sqrt(q) / l |t^d|_2)^(1 / d),   d = 2 i + 1
 * (their theorem 9.3 and corollary 10.10), where the products' rounding adds some 1e-6 s[0].
 * Exact up to that rounding when q = min(m, n) or A has at most rank q. Any scale of A is safe.
 * 4 m n q (i + 1) operations in products, 8 (m + n) q^2 (i + 1) in QR on one thread.
 * Fails with FAIL_CONFIG when rank is not in 1..min(m, n).
 * scratch: svd_randomised_scratch(p) bytes, 64-byte aligned; p->rank need not be valid. */
bool svd_randomised(const SvdTruncated *p, void *scratch, Error *err) MUST_CHECK;
size_t svd_randomised_scratch(const SvdTruncated *p);

#endif
