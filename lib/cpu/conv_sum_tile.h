/* conv_sum_tile -- the register tile of a sum over a ConvGrid: p outputs of one row by nv vectors
 * of columns, out[i][j] = sum_k a(i, k) b(k, j), one chain of fused multiply-adds from zero, k
 * ascending. As tile_rows (gemm_tile.h), but outputs may be any distance apart in a, and with each
 * segment a little of what comes next is asked for from memory. */
#ifndef SEQLAB_CPU_CONV_SUM_TILE_H
#define SEQLAB_CPU_CONV_SUM_TILE_H

#include "cpu/gemm_tile.h"

#define conv_sum_tile   K(conv_sum_tile)
#define conv_lines_tile K(conv_lines_tile)

typedef struct SumTile {
    const float *a;
    int64_t a_output; /* floats from the inputs of one output to those of the next */
    const TileSegment *segment;
    int64_t n_segments;
    const float *b; /* rows of nv * VL floats */
    float *out;
    int64_t ldo;
    const float *ahead; /* what is asked for, ahead_step floats with each segment */
    int64_t ahead_step;
} SumTile;

typedef void ConvSumTile(const SumTile *t);

/* [kind][p - 1]; the first with outputs CHUNK apart. Kind 2 nv - 1 is of nv vectors, 2 nv - 2 of
 * as many but for the last, of which only the lower half is computed and written. */
enum { SUM_KINDS = 4 };
extern ConvSumTile *const conv_sum_tile[SUM_KINDS][TILE_ROWS_NARROW];
extern ConvSumTile *const conv_lines_tile[SUM_KINDS][TILE_ROWS_NARROW];

/* For the first of `columns` columns. */
SIMD int conv_sum_kind(int64_t columns)
{
    const int64_t vectors = tile_vectors(columns, 0);
    return (int)(2 * vectors - (columns - (vectors - 1) * VL > VL / 2 ? 1 : 2));
}

#endif
