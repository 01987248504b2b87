/* epilogue -- the steps of cpu.h's EpilogueStep over a tile of finished sums. */
#ifndef SEQLAB_CPU_EPILOGUE_H
#define SEQLAB_CPU_EPILOGUE_H

#include "cpu/gemm_tile.h"

/* Where a tile lies: rows m0.., columns n0.. of batch item `item`. */
typedef struct EpiloguePlace {
    int64_t item, m0, n0, rows, columns;
    int64_t ld; /* of the tile in memory, whole vectors */
} EpiloguePlace;

/* to = steps([base +] tile); the tile, (rows, ld) with rows 64-byte aligned, is overwritten.
 * base: row i at base + i * ldbase, or NULL. */
void K(epilogue)(const EpilogueStep *steps, int n_steps, const EpiloguePlace *at, float *tile,
                 const float *base, int64_t ldbase, float *to, int64_t ldto);

/* Whether epilogue_apply knows a step: those of one or two operations, which need no function. */
SIMD bool epilogue_is_cheap(MapOp op)
{
    return op == MAP_ADD || op == MAP_MUL || op == MAP_RELU || op == MAP_AFFINE;
}

SIMD vf epilogue_operand(const float *p, int64_t n)
{
    return n == VL ? vf_load(p) : vf_load_n(p, n);
}

/* n numbers; those of the step's operand are at `at` of it. */
SIMD vf epilogue_apply(const EpilogueStep *s, vf x, int64_t at, int64_t n)
{
    switch (s->op) {
    case MAP_ADD:
        return x + epilogue_operand(s->operand + at, n);
    case MAP_MUL:
        return x * epilogue_operand(s->operand + at, n);
    case MAP_AFFINE:
        return vf_fma(vf_set1(s->p), x, vf_set1(s->q));
    default:
        return vf_relu(x);
    }
}

#endif
