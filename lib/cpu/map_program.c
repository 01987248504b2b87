/* map_program -- the part of map that does not depend on the instruction set. */
#include "cpu/map_program.h"

size_t map_scratch(const MapProgram *p)
{
    MapBlocks blocks = map_blocks(p);
    if (!map_reduces(p) || blocks.n_blocks == 1) return 0;
    size_t floats = 0;
    for (int i = 0; i < p->n_outputs; i++)
        if (p->outputs[i].kind != MAP_STORE)
            floats += (size_t)(p->outer * blocks.n_blocks * p->inner);
    return floats * sizeof(float);
}
