/* gemm_pack -- the operands of a product as its kernel reads them. Internal to gemm.
 *
 * B: columns tile by tile, to[gemm_tile_at(depth, j) + k * width + c]: a tile of `width` columns
 * (whole vectors, zero-padded) starts at column j. */
#ifndef SEQLAB_CPU_GEMM_PACK_H
#define SEQLAB_CPU_GEMM_PACK_H

#include "cpu/gemm_kernel.h"

/* The part of C that a thread owns, in one batch item. */
typedef struct TilePart {
    int64_t item, m0, m1, n0, n1;
} TilePart;

/* Rows k0..k0+depth of one batch item's inner dimension. */
typedef struct PackRange {
    const Gemm *g;
    int64_t item, k0, depth;
    float *rows; /* for dequantised rows of B: gemm_row_floats(depth) */
} PackRange;

/* Columns n0..n0+n of B, n0 a multiple of GEMM_COLS from where the block begins; to is the place of
 * column n0. */
void K(gemm_pack_b)(const PackRange *r, int64_t n0, int64_t n, float *to);
/* Rows m0..m1 of A, rounded to bfloat16 if they are to be, as strips of at most GEMM_ROWS;
 * to[strip][k] [row] when A is transposed, else to[strip][row][k]. */
void K(gemm_copy_a)(const PackRange *r, int64_t m0, int64_t m1, float *to);

/* Numbers first..first+n of row `row` of a quantised B. */
void K(gemm_dequantise)(const Gemm *g, int64_t row, int64_t first, int64_t n, float *to);

/* Columns of B in one block at most. */
enum { N_BLOCK = 512 };

/* Rows of a copied strip of a transposed A, of which the last store may run over the end. */
enum { STRIP_ROWS = 8 };

SIMD int64_t gemm_strip_floats(int64_t depth)
{
    return STRIP_ROWS * depth + CHUNK;
}

/* The first row of strip i of rows m0..m1; m1 for all i behind the last. */
SIMD int64_t gemm_strip_begin(int64_t m0, int64_t m1, int64_t i)
{
    const int64_t n_strips = ceil_div(m1 - m0, GEMM_ROWS);
    return m0 + part_begin(m1 - m0, n_strips, min64(i, n_strips));
}

SIMD int64_t gemm_row_floats(int64_t depth)
{
    return max64(N_BLOCK, GEMM_COLS * depth);
}

/* The place of the tile at column j, a multiple of GEMM_COLS; of the end for any j. Tiles are two
 * lines more apart than they are long: of a power of two, they would share their places in L1. */
SIMD int64_t gemm_tile_at(int64_t depth, int64_t j)
{
    return j * depth + ceil_div(j, GEMM_COLS) * 2 * CHUNK;
}

#endif
