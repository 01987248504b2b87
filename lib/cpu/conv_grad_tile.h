/* conv_grad_tile -- the register tile of a gradient to weights: p rows (channels) by nv vectors
 * (columns) of sums over outputs, one chain of fused multiply-adds each.
 *
 * A chain may stop and go on in a later call, so that what it walks through can be cut into blocks
 * that stay in the first caches. Rows of all these matrices are nv * VL floats long. */
#ifndef SEQLAB_CPU_CONV_GRAD_TILE_H
#define SEQLAB_CPU_CONV_GRAD_TILE_H

#include "cpu/gemm_tile.h"

#define conv_grad_tile       K(conv_grad_tile)
#define conv_grad_lines_tile K(conv_grad_lines_tile)

typedef struct GradTile {
    const float *a, *b; /* the rows of one output are contiguous in a, the columns in b */
    TileWalk walk;
    int64_t a_line;     /* lines tile: from the rows of one line to those of the next */
    const float *chain; /* the sums so far, or NULL: from zero */
    const float *base;  /* what they are added to at the end, or NULL */
    float *out;         /* may be chain or base */
    const float *ahead; /* what is asked for meanwhile, ahead_step floats with each output */
    int64_t ahead_step;
} GradTile;

typedef void ConvGradTile(const GradTile *t);

/* [nv - 1][p - 1] */
extern ConvGradTile *const conv_grad_tile[2][TILE_ROWS_NARROW];

/* The rows are those of several lines, as many in each; NULL where registers do not hold them. */
ConvGradTile *conv_grad_lines_tile(int64_t lines, int64_t rows, int nv);

#endif
