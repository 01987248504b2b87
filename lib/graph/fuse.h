/* fuse -- which nodes become one kernel call. Internal to the planner.
 *
 * 1. Epilogues: a chain of functions of one argument, additions and products with a row or with a
 * stored value of the same shape goes into the matrix product that it alone reads.
 * A kernel that can do another's work in the same pass (op.h joins_last) is joined with it, unless
 * what else it reads depends on the other: cross-entropy's gradient and its loss.
 * 2. Inlining: an elementwise node read by one other elementwise node or reduction, over the same
 * domain, lives in a register; so does a cheap one that reads at most one full-size value, however
 * many read it (reading that value again costs less than storing the result). Broadcasts, permutes
 * and slices become strides.
 * Random numbers that are only read so are made in the programs that read them.
 * 3. Merging: what is left, one map program a stored value or reduction, is merged with programs
 * over the same domain that it reads from or shares an input with, as long as no path leads out of
 * the two and back. */
#ifndef SEQLAB_GRAPH_FUSE_H
#define SEQLAB_GRAPH_FUSE_H

#include "cpu/cpu.h"
#include "graph/access.h"
#include "graph/plan.h"

/* Elementwise nodes that a kernel applies to its result, in order. */
typedef struct Epilogue {
    int n;
    Node *taken[EPILOGUE_MAX];
    Node *operand[EPILOGUE_MAX];      /* a root, or NULL */
    EpilogueStep steps[EPILOGUE_MAX]; /* without the operands' addresses */
} Epilogue;

/* One kernel call: an op of its own (kernel set), or a map program. */
typedef struct Unit {
    Node *kernel;             /* the op that runs, or NULL */
    const Epilogue *epilogue; /* taken into the kernel, or NULL */
    int n_roots; /* values that this unit stores: of a kernel its result, that of a kernel joined to
                    it, then parts */
    Node *roots[MAP_MAX_OUTPUTS];

    MapProgram *program;
    Node *inputs[MAP_MAX_INPUTS];         /* the base of each input of the program */
    int64_t input_offset[MAP_MAX_INPUTS]; /* elements into the base */
} Unit;

typedef struct Fused {
    Unit *units; /* in the order in which they run */
    int n_units;
    int *unit_of; /* by node id: the unit that stores it, or -1 */
} Fused;

/* All memory is the arena's. */
Fused fuse(Graph *g, const PlanOutput outputs[], int n, bool no_fuse, Arena *arena);

#endif
