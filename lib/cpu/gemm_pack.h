/* gemm_pack -- the operands of a product as the register tiles read them. Internal to gemm.
 *
 * B: columns tile by tile, to[j * depth + k * width + c]: a tile of `width` columns (one or two
 * vectors, zero-padded) starts at column j. A: strip[segment][row][k] in segments of CHUNK k, or
 * strip[k][row] when A is transposed. */
#ifndef SEQLAB_CPU_GEMM_PACK_H
#define SEQLAB_CPU_GEMM_PACK_H

#include "cpu/gemm_tile.h"

/* Columns n0..n0+n of rows k0..k0+depth of B of batch item `item`. */
void K(gemm_pack_b)(const Gemm *g, int64_t item, int64_t k0, int64_t depth, int64_t n0, int64_t n,
                    float *to);
/* Rows m0..m0+rows of A; CHUNK * depth floats, depth rounded up to CHUNK. */
void K(gemm_pack_a)(const Gemm *g, int64_t item, int64_t k0, int64_t depth, int64_t m0,
                    int64_t rows, float *strip);

#endif
