/* gemm_thin -- products whose inner dimension is short, such as the second half of a low-rank one:
 * C and what the epilogue reads are most of what there is to move. Internal to gemm. */
#ifndef SEQLAB_CPU_GEMM_THIN_H
#define SEQLAB_CPU_GEMM_THIN_H

#include "cpu/gemm_pack.h"

/* Most k: within one panel, and what is packed of B for a block of columns within L2. */
enum { THIN_DEPTH = 60 };

/* The part of C; operands of floats that are not rounded, k > 0, and A is read where it lies; b:
 * columns n0..n1 of B as gemm_pack_b leaves them. */
void K(gemm_thin)(const Gemm *g, const TilePart *part, const float *b);

#endif
