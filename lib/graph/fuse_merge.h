/* fuse_merge -- map programs from stored values, and their merging. Shared by fuse.c and
 * fuse_merge.c alone. */
#ifndef SEQLAB_GRAPH_FUSE_MERGE_H
#define SEQLAB_GRAPH_FUSE_MERGE_H

#include "graph/fuse.h"

/* All arrays by node id. */
typedef struct Fuser {
    Graph *graph;
    Arena *arena;
    int n;                            /* nodes */
    bool *needed;                     /* reachable from an output or an update */
    bool *asked;                      /* an output or an update */
    bool draws;                       /* random numbers are made where they are read, if they can */
    bool *stored;                     /* has memory of its own */
    bool *absorbed;                   /* lives in another node's epilogue */
    int *n_readers;                   /* nodes that name it as a source; outputs count too */
    Node **reader;                    /* the last of them, NULL for an output */
    int *uses;                        /* registers that it is read into */
    int *weight, *reads, *full_reads; /* instructions, inputs, full-size inputs when expanded */
    double *flops;
    Node **kernel_of;       /* of a kernel's result: the op that runs */
    Epilogue **epilogue_of; /* by the kernel's own id, or NULL */
    Node **joined;          /* of two kernels that run as one: the other, or NULL */
} Fuser;

Fused fuse_units(Fuser *f, bool no_merge);

#endif
