/* access -- see access.h.
 *
 * The walk keeps, for each dim of the node it stands at, the domain's dim that feeds it and where
 * it starts: index[t] = start[t] + domain_index[from[t]]. A reshape that only adds or drops dims of
 * size 1 keeps that form; any other reshape keeps it only for the whole dense value ("flat"), of
 * which every reshape is again the whole. */
#include "graph/access.h"

typedef struct Walk {
    Shape shape; /* of the node where the walk stands */
    int from[MAX_RANK];
    int64_t start[MAX_RANK];
    bool flat; /* element i of the domain is element i here, whatever the shapes */
} Walk;

Node *node_root(Node *n)
{
    while (n->op->kind == OP_VIEW) n = n->src[0];
    return n;
}

/* Dims of size 1 apart, index t is the domain's index t. */
static bool is_whole(const Walk *w, const Shape *domain)
{
    int d = 0;
    if (w->flat) return true;
    for (int t = 0; t < w->shape.rank; t++) {
        if (w->shape.dim[t] == 1) continue;
        while (d < domain->rank && domain->dim[d] == 1) d++;
        if (d == domain->rank || w->from[t] != d || w->start[t] != 0) return false;
        if (w->shape.dim[t] != domain->dim[d++]) return false;
    }
    while (d < domain->rank && domain->dim[d] == 1) d++;
    return d == domain->rank;
}

static void become_identity(Walk *w, const Shape *domain)
{
    w->shape = *domain;
    w->flat = false;
    for (int t = 0; t < domain->rank; t++) {
        w->from[t] = t;
        w->start[t] = 0;
    }
}

/* A reshape that only adds or drops dims of size 1. */
static bool match_dims(Walk *w, const Shape *to)
{
    Walk next = {.shape = *to};
    int t = 0;
    if (w->flat) return false;
    for (int s = 0; s < to->rank; s++) {
        next.from[s] = -1;
        if (to->dim[s] == 1) continue;
        while (t < w->shape.rank && w->shape.dim[t] == 1) t++;
        if (t == w->shape.rank || w->shape.dim[t] != to->dim[s]) return false;
        next.from[s] = w->from[t];
        next.start[s] = w->start[t++];
    }
    while (t < w->shape.rank && w->shape.dim[t] == 1) t++;
    if (t < w->shape.rank) return false;
    *w = next;
    return true;
}

/* False when the reshape cannot be followed. */
static bool through_reshape(Walk *w, const Shape *to, const Shape *domain)
{
    if (match_dims(w, to)) return true;
    if (!is_whole(w, domain)) return false;
    w->flat = true;
    w->shape = *to;
    if (shape_equal(to, domain)) become_identity(w, domain);
    return true;
}

static void through_remap(Walk *w, const Node *n)
{
    const Shape *to = &n->src[0]->shape;
    Walk next = {.shape = *to};
    int extra = n->shape.rank - to->rank;
    for (int t = 0; t < n->shape.rank; t++) {
        int s = n->op == &op_permute ? n->args.permute.perm[t] : t - extra;
        if (s < 0) continue;
        bool repeated = n->op == &op_broadcast && to->dim[s] == 1 && n->shape.dim[t] != 1;
        next.from[s] = repeated ? -1 : w->from[t];
        next.start[s] = repeated ? 0 : w->start[t];
        if (n->op == &op_slice) next.start[s] += n->args.slice.start[s];
    }
    *w = next;
}

Access access_of(Node *n)
{
    const Shape *domain = &n->shape;
    Walk w;
    become_identity(&w, domain);
    for (;; n = n->src[0]) {
        if (n->op->kind == OP_VIEW) {
            const Shape *to = &n->src[0]->shape;
            if (!shape_equal(&n->shape, to) && !through_reshape(&w, to, domain)) break;
        } else if (n->op->kind == OP_REMAP && !w.flat) {
            through_remap(&w, n);
        } else {
            break;
        }
    }
    Access a = {.base = node_root(n)};
    int64_t dense[MAX_RANK];
    a.identity = is_whole(&w, domain) && shape_equal(&a.base->shape, domain);
    shape_strides(w.flat ? domain : &w.shape, w.flat ? a.stride : dense);
    for (int t = 0; t < w.shape.rank && !w.flat; t++) {
        a.offset += w.start[t] * dense[t];
        if (w.from[t] >= 0 && w.shape.dim[t] != 1) a.stride[w.from[t]] += dense[t];
    }
    return a;
}

int64_t access_touched(const Access *a, const Shape *domain)
{
    int64_t n = 1;
    for (int i = 0; i < domain->rank; i++)
        if (a->stride[i] != 0) n *= domain->dim[i];
    return n;
}
