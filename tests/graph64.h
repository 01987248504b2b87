/* graph64 -- a graph's values in double precision, by plain loops over coordinates: the reference
 * that kernels, gradients and plans are tested against. Slow, and written without looking at them.
 * Integers are doubles too. */
#ifndef SEQLAB_TESTS_GRAPH64_H
#define SEQLAB_TESTS_GRAPH64_H

#include "graph/op.h"

typedef struct Graph64 Graph64;

/* step names the random streams, as in plan_run. */
Graph64 *graph64_new(Arena *arena, const Graph *g, uint64_t step);
/* Storage of an input or a parameter, not copied; to be set before a value is asked for. */
void graph64_bind(Graph64 *v, const Node *leaf, const double *data);
/* Forgets all values, since bound storage changed. */
void graph64_reset(Graph64 *v);
/* Valid until the reset; nodes may have been added to the graph since graph64_new. */
const double *graph64_value(Graph64 *v, const Node *n);
/* Whether the reference knows the op. */
bool graph64_covers(const Op *op);

#endif
