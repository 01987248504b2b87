/* gemm_kernel -- the register tile of a matrix product: up to GEMM_ROWS rows by GEMM_VECTORS
 * vectors of C, one chain of fused multiply-adds from zero for each element, k ascending.
 *
 * Few rows and many columns: the rows of A are read where they lie, as so many streams, and those
 * of C do not drive each other out of L1 when they are a power of two apart. On a Zen 4, 6 x 64
 * reaches 97 to 98 % of the peak however A, B and C lie; 14 x 32 falls from 98 to 94 % where rows
 * of C are 4 KB apart and to 92 % where A and B are not packed. Internal to gemm. */
#ifndef SEQLAB_CPU_GEMM_KERNEL_H
#define SEQLAB_CPU_GEMM_KERNEL_H

#include "cpu/epilogue.h"

#define gemm_kernel K(gemm_kernel)

/* As many sums as the registers hold beside a row of B. */
#if defined(__AVX512F__) || defined(__ARM_NEON)
enum { GEMM_ROWS = 6, GEMM_VECTORS = 4 };
#else
enum { GEMM_ROWS = 6, GEMM_VECTORS = 2 };
#endif
enum { GEMM_COLS = GEMM_VECTORS * VL };

/* out(i, j) = steps([base(i, j) +] sum over k of a(i, k) b(k, j)). */
typedef struct GemmTile {
    const float *a; /* a(i, k) is at a + i * a_row + k * a_step */
    int64_t a_row, a_step;
    const float *b; /* row k is at b + k * ldb, whole vectors */
    int64_t ldb, depth;
    const float *base; /* or NULL */
    int64_t ldbase;
    float *out;
    int64_t ldo;
    const EpilogueStep *steps; /* cheap ones */
    int n_steps;
    const EpiloguePlace *at;
} GemmTile;

typedef void GemmKernel(const GemmTile *t);
/* [vectors - 1][rows - 1] */
extern GemmKernel *const gemm_kernel[GEMM_VECTORS][GEMM_ROWS];

/* How many vectors a tile has that starts at column j of n. */
SIMD int gemm_vectors(int64_t n, int64_t j)
{
    return (int)min64(GEMM_VECTORS, ceil_div(n - j, VL));
}

#endif
