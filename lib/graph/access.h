/* access -- how a node's value is read over a domain: through views, broadcasts, permutations and
 * slices down to the value that is really stored or computed. Internal to the planner. */
#ifndef SEQLAB_GRAPH_ACCESS_H
#define SEQLAB_GRAPH_ACCESS_H

#include "graph/op.h"

typedef struct Access {
    Node *base;               /* neither a view nor, as a rule, a remap */
    bool identity;            /* base has the domain's shape and element i is element i */
    int64_t offset;           /* elements */
    int64_t stride[MAX_RANK]; /* over the dims of the domain, elements of base */
} Access;

/* Elements of base that the domain touches. */
int64_t access_touched(const Access *a, const Shape *domain);

/* The node whose bytes a view shows. */
Node *node_root(Node *n);

/* How n is read over the domain n->shape. When a reshape in between cannot be expressed by strides,
 * base is the remap below it, which must then be stored. */
Access access_of(Node *n);

#endif
