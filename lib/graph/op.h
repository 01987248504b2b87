/* op -- one op is one row: name, formula, shape rule, gradient rule, kernel, cost, how it is tested.
 *
 * ops.def holds one line OP(name) an op; included three times it makes the enum, the extern declarations and op_table.
 * Rows stand in ops_*.c, beside their gradient and shape rules. tests/unit/ops.c walks the table: each op's forward
 * against a float64 reference, gradient and second derivative against central differences, bits across threads and ISAs. */
#ifndef SEQLAB_GRAPH_OP_H
#define SEQLAB_GRAPH_OP_H

#include "cpu/map.h"
#include "graph/graph.h"

/* What a kernel call gets: resolved addresses, nothing else. */
typedef struct Call {
    const Node *node;
    const void *src[8];
    const void *const *more; /* all sources when there are over 8 (concat); else src */
    void *out;
    void *scratch;
    uint64_t step;
    const float *bias;   /* epilogue taken into this op by the planner, or NULL */
    int activation;      /* cpu.h Activation, ACT_NONE */
} Call;

typedef enum OpKind {
    OP_LEAF,   /* input, parameter, constant */
    OP_MAP,    /* elementwise: .map gives the instruction */
    OP_VIEW,   /* the bytes of src[0]: reshape, stop_gradient, and values with a gradient rule of their own
                * (straight_through, batch_norm), whose further sources serve that rule only and are not computed for it */
    OP_REMAP,  /* a strided read (broadcast, permute, slice): fused into the consumer's map, else its own copy */
    OP_REDUCE, /* sum or max over one group of adjacent axes: ends a map program */
    OP_KERNEL, /* has .run */
} OpKind;

struct Op {
    const char *name;
    const char *formula;
    OpKind kind;
    int arity; /* -1: any */
    MapOp map;       /* OP_MAP */
    MapStore reduce; /* OP_REDUCE */

    /* Fills n->shape and n->dtype from n->src and n->args; false after graph_fail. NULL: shape of src[0]. */
    bool (*shape)(Graph *g, Node *n);

    /* Emits dx[i], the gradient of sum(y * dy) to src[i] (NULL where there is none); only those with want[i] are used. */
    void (*grad)(Graph *g, Node *y, Node *dy, const bool want[], Node *dx[]);
    /* For a fused op: the same value from ops that have gradients. An op without .grad is differentiated through it,
     * so a fused backward op is itself differentiable. */
    Node *(*expand)(Graph *g, Node *y);
    const char *no_grad; /* the reason, when there is neither */

    void (*run)(const Call *c);              /* OP_KERNEL */
    size_t (*scratch)(const Node *n);        /* bytes, or NULL */
    double (*flops)(const Node *n);          /* NULL: map ops count flops_each per element */
    double flops_each;
    bool takes_epilogue; /* can apply Call.bias and Call.activation (matmul) */

    struct {
        double low, high; /* range of the test's random inputs */
        double tolerance; /* of the forward value, in units of eps * the reference's magnitude bound */
        double margin;    /* keep inputs this far from kinks (integers for floor, 0 for relu) */
        const char *skip; /* this row is covered elsewhere: where */
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

/* The builder under all builders: makes a node of `op`, runs its shape rule. src is copied. */
Node *graph_node(Graph *g, const Op *op, Node *const src[], int n_src, const OpArgs *args);

/* Total FLOPs of a node (2 per multiply-add). */
double op_flops(const Node *n);

#endif
