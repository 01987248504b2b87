/* map_program -- how a map program's domain is cut into units of work; shared by map.c and
 * map_scratch. */
#ifndef SEQLAB_CPU_MAP_PROGRAM_H
#define SEQLAB_CPU_MAP_PROGRAM_H

#include "cpu/map.h"

enum { MAP_TILE = 1024, MAP_UNIT = 8192 };

/* Reductions: partial results, one a block; n_blocks and block depend on (outer, reduce, inner)
 * alone. */
typedef struct MapBlocks {
    int64_t block;    /* reduce indices in one block */
    int64_t n_blocks; /* 1: no partials, results go straight to the output */
} MapBlocks;

static inline bool map_reduces(const MapProgram *p)
{
    for (int i = 0; i < p->n_outputs; i++)
        if (p->outputs[i].kind != MAP_STORE) return true;
    return false;
}

static inline MapBlocks map_blocks(const MapProgram *p)
{
    int64_t block = MAP_BLOCK;
    if (p->inner > 1) {
        block = p->inner >= 1024 ? 64 : MAP_UNIT / p->inner;
        block = block < 64 ? 64 : block;
    }
    return (MapBlocks){block, (p->reduce + block - 1) / block};
}

#endif
