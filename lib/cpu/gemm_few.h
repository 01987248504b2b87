/* gemm_few -- products of a few rows with a transposed B, the rows of which are read once, as dot
 * products are: no packing. Internal to gemm. */
#ifndef SEQLAB_CPU_GEMM_FEW_H
#define SEQLAB_CPU_GEMM_FEW_H

#include "cpu/gemm_pack.h"

enum { FEW_ROWS = 4 };

/* Rows m0..m1, at most FEW_ROWS, and columns n0..n1 of one batch item; B transposed, of floats that
 * are not rounded. Panels of k have `panel` numbers, a multiple of VL. */
void K(gemm_few)(const Gemm *g, const TilePart *part, int64_t panel);

#endif
