/* block_stats -- what is measured on activations: rank, likeness, and how much of the labels they
 * explain. Everything in double; matrices are row-major. */
#ifndef SEQLAB_METHODS_BLOCK_STATS_H
#define SEQLAB_METHODS_BLOCK_STATS_H

#include <stdint.h>

/* Rank of a (m, n), by elimination with complete pivoting, which destroys it: pivots count down to
 * max(m, n) 2^-23 times the first, numpy's rule for singular values of float32. */
int64_t matrix_rank(double *a, int64_t m, int64_t n);

/* Subtracts from each column its mean. */
void centre_columns(double *x, int64_t n, int64_t m);

/* Linear CKA of x (n, p) and y (n, q), both centred: |x'y|^2 / (|x'x| |y'y|), Frobenius norms
 * (Kornblith et al., arXiv 1905.00414). 0 where one of them is constant. */
double linear_cka(const double *x, int64_t p, const double *y, int64_t q, int64_t n);

/* Variable importance in projection of the columns of x (n, m) for y (n, k), both centred, by
 * `components` components of partial least squares (NIPALS):
 *   VIP_j = sqrt(m sum_a s_a w_aj^2 / sum_a s_a),  s_a = t_a't_a q_a'q_a,  |w_a| = 1
 * x and y are deflated. `scratch` holds 2 n + 2 m + k doubles. */
void pls_vip(double *x, int64_t m, double *y, int64_t k, int64_t n, int components, double *scratch,
             double *vip);

#endif
