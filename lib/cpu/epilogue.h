/* epilogue -- the steps of cpu.h's EpilogueStep over a tile of finished sums. */
#ifndef SEQLAB_CPU_EPILOGUE_H
#define SEQLAB_CPU_EPILOGUE_H

#include "cpu/gemm_tile.h"

/* Where a tile lies: rows m0.., columns n0.. of batch item `item`. */
typedef struct EpiloguePlace {
    int64_t item, m0, n0, rows, columns;
} EpiloguePlace;

/* to = steps([base +] tile); the tile, (rows, TILE_COLS) with rows 64-byte aligned, is overwritten.
 * base: row i at base + i * ldbase, or NULL. */
void K(epilogue)(const EpilogueStep *steps, int n_steps, const EpiloguePlace *at, float *tile,
                 const float *base, int64_t ldbase, float *to, int64_t ldto);

#endif
