/* op -- one op is one row: name, formula, shape rule, gradient rule, kernel, cost, how it is
 * tested.
 *
 * ops.def holds one line OP(name) an op; included three times it makes the enum, the extern
 * declarations and op_table. Rows stand in ops_*.c, beside their gradient and shape rules.
 * tests/unit/ops.c walks the table: each op's forward against a float64 reference, gradient and
 * second derivative against central differences, bits across threads and ISAs. */
#ifndef SEQLAB_GRAPH_OP_H
#define SEQLAB_GRAPH_OP_H

#include "cpu/cpu.h"
#include "graph/graph.h"

enum { MAX_PARTS = 3 };

/* What a kernel call gets: resolved addresses, nothing else. */
typedef struct Call {
    const Node *node;
    const void *const *src; /* one address a source */
    void *out;
    void *scratch;
    uint64_t step;
    void *part[MAX_PARTS + 1]; /* by index: further results, NULL where nobody reads them; 0: the
                                * first result of a kernel that was joined to this one */
    const float *bias;         /* epilogue taken into this op by the planner, or NULL */
    int activation;            /* cpu.h Activation, ACT_NONE */
    const EpilogueStep *steps; /* taken into this op by the planner; operands resolved */
    int n_steps;
} Call;

typedef enum OpKind {
    OP_LEAF, /* input, parameter, constant */
    OP_MAP,  /* elementwise: .map gives the instruction */
    OP_VIEW, /* the bytes of src[0], or the first of them: reshape, stop_gradient, and values with a
              * gradient rule of their own  (straight_through, batch_norm), whose further sources
              * serve that rule only  and are not computed for it */
    OP_REMAP, /* a strided read (broadcast, permute, slice): fused into the consumer's map, else its
                 own copy */
    OP_REDUCE, /* sum or max over one group of adjacent axes: ends a map program */
    OP_KERNEL, /* has .run */
    OP_PART,   /* a further result of src[0], a kernel; its other sources serve the gradient only */
} OpKind;

struct Op {
    const char *name;
    const char *formula;
    OpKind kind;
    int arity;       /* -1: any */
    MapOp map;       /* OP_MAP */
    MapStore reduce; /* OP_REDUCE */

    /* Fills n->shape and n->dtype from n->src and n->args; false after graph_fail. NULL: shape of
     * src[0]. */
    bool (*shape)(Graph *g, Node *n);

    /* Emits dx[i], the gradient of sum(y * dy) to src[i] (NULL where there is none); only those
     * with want[i] are used. */
    void (*grad)(Graph *g, Node *y, Node *dy, const bool want[], Node *dx[]);
    /* For a fused op: the same value from ops that have gradients. An op without .grad is
     * differentiated through it, so a fused backward op is itself differentiable. */
    Node *(*expand)(Graph *g, Node *y);
    /* A kernel with further results: the shape of each, and its value by ops that have gradients
     * (NULL: the other rules give the total derivative). */
    Shape (*part_shape)(const Node *n, int index);
    Node *(*expand_part)(Graph *g, Node *y, int index);
    const char *no_grad; /* neither: the gradient stops here; this says why */

    void (*run)(const Call *c); /* OP_KERNEL */
    /* Random numbers of no source: the stream of a step. Where only map programs read them, element
     * by element, they are made there (cpu/map.h) and never stored. */
    void (*draw)(const Node *n, uint64_t step, MapDraw *out);
    size_t (*scratch)(const Node *n); /* bytes, or NULL */
    double (*flops)(const Node *n);   /* NULL: map ops count flops_each per element */
    double flops_each;
    bool in_place;       /* the kernel may write its first result over src[0] */
    bool takes_epilogue; /* applies Call.steps (matmul) */
    /* The last source is a part of a kernel that reads the same first source (the statistics of the
     * loss, for its gradient), and this kernel can do the work of that one in the same pass: its
     * result then goes to part[0], and its parts to their own places. */
    bool joins_last;

    struct {
        double low, high; /* range of the test's random inputs, for map ops; both 0: [-2, 2] */
        bool kink;        /* at 0, or where the arguments meet: the test keeps away from it */
    } test;
};

typedef enum OpId {
#define OP(name) OP_ID_##name,
#include "graph/ops.def"
#undef OP
    N_OPS
} OpId;

#define OP(name) extern const Op op_##name;
#include "graph/ops.def"
#undef OP

extern const Op *const op_table[N_OPS];

/* The builder under all builders: makes a node of `op` with the given shape, or by the op's shape
 * rule when `shape` is NULL. src is copied; args may be NULL. */
Node *graph_node(Graph *g, const Op *op, Node *const src[], int n_src, const OpArgs *args,
                 const Shape *shape);

/* Further result `index` (from 1) of a kernel's node. */
Node *kernel_part(Graph *g, Node *kernel, int index);

/* a + b. Of two pads of boxes side by side, what slices of one value send back, it makes one pad of
 * the boxes joined, or none when they fill it. */
Node *add_boxes(Graph *g, Node *a, Node *b);

/* The middle group that an OP_REDUCE node runs over, as (outer, reduce, inner) of its source. */
void reduce_view(const Node *n, int64_t *outer, int64_t *reduce, int64_t *inner);

/* Total FLOPs of a node (2 per multiply-add). */
double op_flops(const Node *n);

#endif
