/* qr -- thin Householder QR in double, one thread, deterministic: for orthogonal initialisation. */
#ifndef SEQLAB_LINALG_QR_H
#define SEQLAB_LINALG_QR_H

#include <stdint.h>

/* A (m, n), m >= n, row-major, overwritten by Q (m, n) with orthonormal columns; r (n, n) upper
 * triangular with a non-negative diagonal (the sign convention that makes the factorisation
 * unique), or NULL. scratch holds n + m doubles. */
void qr_thin(double *a, int64_t m, int64_t n, double *r, double *scratch);

#endif
