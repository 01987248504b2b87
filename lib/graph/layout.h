/* layout -- where every stored value lives: liveness, in-place reuse, fixed offsets in one arena.
 * Internal to the planner. */
#ifndef SEQLAB_GRAPH_LAYOUT_H
#define SEQLAB_GRAPH_LAYOUT_H

#include "graph/fuse.h"

typedef struct Layout {
    int64_t *offset;  /* by node id: bytes into the arena, or -1 */
    void **external;  /* by node id: the caller's memory that the value is computed into, or NULL */
    int64_t *scratch; /* by unit: bytes into the arena, or -1 */
    int64_t bytes;    /* of the arena */
} Layout;

/* A value lives from the unit that stores it to the last that reads it; values for outputs and
 * updates to the end. A map may write over an input that dies there, if it reads that input densely
 * and in no other way. Offsets: largest first, each at the lowest place where nothing alive at the
 * same time lies. */
Layout layout_values(Graph *g, const Fused *fused, const PlanOutput outputs[], int n, bool no_reuse,
                     Arena *arena);

#endif
