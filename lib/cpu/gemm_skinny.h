/* gemm_skinny -- products with few rows or few columns, whose large operand is read once, where it
 * lies. Internal to gemm. */
#ifndef SEQLAB_CPU_GEMM_SKINNY_H
#define SEQLAB_CPU_GEMM_SKINNY_H

#include "cpu/gemm_pack.h"

/* Most rows or columns of a part. */
enum { SKINNY = TILE_ROWS_NARROW };

/* Whether a part of C is for gemm_skinny and faster so. */
bool K(gemm_is_skinny)(const Gemm *g, const TilePart *part);

void K(gemm_skinny)(const Gemm *g, const TilePart *part);

#endif
