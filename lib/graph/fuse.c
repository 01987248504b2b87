/* fuse -- see fuse.h: epilogues and the choice of what is stored; programs and merging are in
 * fuse_merge.c. */
#include "graph/fuse_merge.h"

#include <string.h>

enum {
    WEIGHT_MAX = 24,  /* instructions that one root may expand to: room for merging is left */
    READS_MAX = 8,    /* inputs of one root */
    CHEAP_FLOPS = 12, /* an expansion worth repeating */
};

static void need(Fuser *f, Node *n, Node *reader)
{
    f->needed[n->id] = true;
    f->n_readers[n->id]++;
    f->reader[n->id] = reader;
}

/* What is reachable, and how many nodes read it. */
static void mark_needed(Fuser *f, const PlanOutput outputs[], int n_outputs)
{
    const Graph *g = f->graph;
    for (int i = 0; i < n_outputs; i++) need(f, outputs[i].node, NULL);
    for (int i = 0; i < g->n_updates; i++) need(f, g->updates[i].value, NULL);
    for (int id = g->n_nodes - 1; id >= 0; id--) {
        Node *n = g->nodes[id];
        if (!f->needed[id]) continue;
        const bool one = n->op->kind == OP_VIEW || n->op->kind == OP_PART;
        int n_src = one ? 1 : n->n_src;
        for (int i = 0; i < n_src; i++) need(f, n->src[i], n);
        if (n->op->kind == OP_KERNEL) f->kernel_of[id] = n;
    }
}

/* -- 1. Epilogues */

/* Whether `other` may be the second operand of a step over values of m's shape: one row for all, or
 * a value of the same shape that is stored anyway. Fills the strides. */
static bool is_operand(const Fuser *f, Node *other, const Node *m, Node **root, EpilogueStep *s)
{
    const Access a = access_of(other);
    const Node *base = a.base;
    const int last = m->shape.rank - 1;
    *root = a.base;
    if (a.offset != 0 || base->dtype != F32) return false;
    if (a.identity) {
        s->row_stride = m->shape.dim[last];
        s->batch_stride = m->shape.dim[last] * m->shape.dim[last - 1];
        return base->op->kind == OP_LEAF || base->op->kind == OP_REDUCE || f->kernel_of[base->id] ||
               (base->op->kind == OP_MAP && f->n_readers[base->id] > 1);
    }
    for (int i = 0; i < last; i++)
        if (a.stride[i] != 0 && m->shape.dim[i] != 1) return false;
    return (a.stride[last] == 1 || m->shape.dim[last] == 1) &&
           shape_count(&base->shape) == m->shape.dim[last];
}

/* Adds n, which reads `value`, a product with the epilogue so far; false when it does not go. */
static bool take_step(const Fuser *f, Node *n, const Node *value, Epilogue *e)
{
    EpilogueStep s = {.op = n->op->map, .p = n->args.map.p, .q = n->args.map.q};
    Node *root = NULL;
    if (n->op->kind != OP_MAP || e->n == EPILOGUE_MAX || n->n_src > 2) return false;
    if (f->kernel_of[n->id] || f->absorbed[n->id]) return false; /* another product has it */
    if (n->n_src == 2) {
        Node *other = n->src[0] == value ? n->src[1] : n->src[0];
        if ((s.op != MAP_ADD && s.op != MAP_MUL) || other == value) return false;
        if (!is_operand(f, other, value, &root, &s) || root == value) return false;
    }
    e->taken[e->n] = n;
    e->operand[e->n] = root;
    e->steps[e->n++] = s;
    return true;
}

/* Follows the single readers of m. No path leads from what is taken out and back, since nothing
 * else reads it; so an operand cannot depend on the product. */
static void take_epilogue(Fuser *f, Node *m)
{
    Node *result = m;
    Epilogue *e = arena_new_array(f->arena, Epilogue, 1);
    while (f->n_readers[result->id] == 1 && f->reader[result->id] &&
           take_step(f, f->reader[result->id], result, e)) {
        f->absorbed[result->id] = true;
        result = f->reader[result->id];
    }
    if (result == m) return;
    f->absorbed[result->id] = true;
    f->kernel_of[m->id] = NULL;
    f->kernel_of[result->id] = m;
    f->epilogue_of[m->id] = e;
}

/* -- Kernels that run as one */

/* Marks what depends on the marked, in the order of the graph; true when that marked one of two
 * joined kernels, and so, by its other, perhaps something earlier. */
static bool mark_dependants(const Fuser *f, bool *marked)
{
    bool again = false;
    for (int id = 0; id < f->n; id++) {
        const Node *n = f->graph->nodes[id];
        const bool one = n->op->kind == OP_VIEW || n->op->kind == OP_PART;
        for (int i = 0; i < (one ? 1 : n->n_src); i++)
            if (marked[n->src[i]->id]) marked[id] = true;
        if (!marked[id] || !f->joined[id] || marked[f->joined[id]->id]) continue;
        marked[f->joined[id]->id] = again = true;
    }
    return again;
}

/* Whether a source of n, the first and the last apart, depends on `other`. */
static bool depends(const Fuser *f, const Node *n, const Node *other)
{
    bool *marked = arena_new_array(f->arena, bool, f->n);
    marked[other->id] = true;
    while (mark_dependants(f, marked)) continue;
    for (int i = 1; i < n->n_src - 1; i++)
        if (marked[n->src[i]->id]) return true;
    return false;
}

static void join_kernel(Fuser *f, Node *n)
{
    const Node *part = n->src[n->n_src - 1];
    if (part->op->kind != OP_PART) return;
    Node *other = part->src[0];
    if (f->joined[other->id] || n->src[0] != other->src[0] || depends(f, n, other)) return;
    f->joined[n->id] = other;
    f->joined[other->id] = n;
}

/* -- 2. What is stored */

static bool is_map(const Fuser *f, const Node *n)
{
    return n->op->kind == OP_MAP && !f->kernel_of[n->id] && !f->absorbed[n->id];
}

static bool is_cheap(const Fuser *f, int id)
{
    return f->full_reads[id] <= 1 && f->flops[id] <= CHEAP_FLOPS;
}

/* Whether the value that `a` reads will live in a register, as far as its readers tell. */
static bool inlinable(const Fuser *f, const Access *a)
{
    int b = a->base->id;
    return a->identity && is_map(f, a->base) && !f->stored[b] &&
           (f->n_readers[b] == 1 || is_cheap(f, b));
}

/* Sizes of what each elementwise node expands to; one that would grow too large gets its sources
 * stored. Counts from the leaves up. */
static void measure(Fuser *f)
{
    for (int id = 0; id < f->n; id++) {
        Node *n = f->graph->nodes[id];
        if (!f->needed[id] || !is_map(f, n)) continue;
        for (int cut = 0; cut < 2; cut++) {
            int weight = 1, reads = 0, full = 0;
            double flops = n->op->flops_each;
            for (int i = 0; i < n->n_src; i++) {
                Access a = access_of(n->src[i]);
                int b = a.base->id;
                bool inlined = inlinable(f, &a);
                if (inlined && cut) f->stored[b] = true;
                inlined = inlined && !cut;
                weight += inlined ? f->weight[b] : 0;
                reads += inlined ? f->reads[b] : 1;
                full += inlined ? f->full_reads[b]
                                : access_touched(&a, &n->shape) == shape_count(&n->shape);
                flops += inlined ? f->flops[b] : 0;
            }
            f->weight[id] = weight;
            f->reads[id] = reads;
            f->full_reads[id] = full;
            f->flops[id] = flops;
            if (weight <= WEIGHT_MAX && reads <= READS_MAX) break;
        }
    }
}

static void store(Fuser *f, Node *n)
{
    f->stored[node_root(n)->id] = true;
}

static void ask(Fuser *f, Node *n)
{
    f->asked[node_root(n)->id] = true;
    store(f, n);
}

/* What outputs, updates and kernels read is stored, whatever else is chosen. */
static void store_sources(Fuser *f, const PlanOutput outputs[], int n_outputs)
{
    const Graph *g = f->graph;
    for (int i = 0; i < n_outputs; i++) ask(f, outputs[i].node);
    for (int i = 0; i < g->n_updates; i++) ask(f, g->updates[i].value);
    for (int id = 0; id < f->n; id++) {
        Node *kernel = f->kernel_of[id];
        if (!f->needed[id]) continue;
        if (f->graph->nodes[id]->op->kind == OP_PART) f->stored[id] = true;
        if (!kernel) continue;
        if (!f->draws || !kernel->op->draw) f->stored[id] = true;
        for (int i = 0; i < kernel->n_src; i++) store(f, kernel->src[i]);
        const Epilogue *e = f->epilogue_of[kernel->id];
        for (int i = 0; e && i < e->n; i++)
            if (e->operand[i]) store(f, e->operand[i]);
    }
}

static void read_over(Fuser *f, Node *n, int times)
{
    Access a = access_of(n);
    if (a.identity && is_map(f, a.base))
        f->uses[a.base->id] += times;
    else if (!a.identity || !a.base->op->draw)
        store(f, a.base);
}

static void choose_map(Fuser *f, Node *n, bool no_fuse)
{
    int id = n->id;
    if (f->uses[id] == 0 && !f->stored[id]) return;
    if (no_fuse || (f->uses[id] > 1 && !is_cheap(f, id))) f->stored[id] = true;
    for (int i = 0; i < n->n_src; i++) read_over(f, n->src[i], f->stored[id] ? 1 : f->uses[id]);
}

/* From the outputs down, so that all readers of a node have been seen. */
static void choose_stored(Fuser *f, bool no_fuse)
{
    for (int id = f->n - 1; id >= 0; id--) {
        Node *n = f->graph->nodes[id];
        if (!f->needed[id] || f->absorbed[id] || f->kernel_of[id]) continue;
        if (n->op->kind == OP_REDUCE) {
            f->stored[id] = true;
            read_over(f, n->src[0], 1);
        } else if (n->op->kind == OP_REMAP && f->stored[id]) {
            store(f, access_of(n).base);
        } else if (n->op->kind == OP_MAP) {
            choose_map(f, n, no_fuse);
        }
    }
}

Fused fuse(Graph *g, const PlanOutput outputs[], int n, bool no_fuse, Arena *arena)
{
    Fuser f = {.graph = g, .arena = arena, .n = g->n_nodes, .draws = !no_fuse};
    f.needed = arena_new_array(arena, bool, f.n);
    f.asked = arena_new_array(arena, bool, f.n);
    f.stored = arena_new_array(arena, bool, f.n);
    f.absorbed = arena_new_array(arena, bool, f.n);
    f.n_readers = arena_new_array(arena, int, f.n);
    f.uses = arena_new_array(arena, int, f.n);
    f.weight = arena_new_array(arena, int, f.n);
    f.reads = arena_new_array(arena, int, f.n);
    f.full_reads = arena_new_array(arena, int, f.n);
    f.flops = arena_new_array(arena, double, f.n);
    f.reader = arena_new_array(arena, Node *, f.n);
    f.kernel_of = arena_new_array(arena, Node *, f.n);
    f.epilogue_of = arena_new_array(arena, Epilogue *, f.n);
    f.joined = arena_new_array(arena, Node *, f.n);
    mark_needed(&f, outputs, n);
    for (int id = 0; id < f.n && !no_fuse; id++)
        if (f.needed[id] && g->nodes[id]->op->joins_last) join_kernel(&f, g->nodes[id]);
    for (int id = 0; id < f.n && !no_fuse; id++)
        if (f.needed[id] && g->nodes[id]->op->takes_epilogue) take_epilogue(&f, g->nodes[id]);
    store_sources(&f, outputs, n);
    measure(&f);
    choose_stored(&f, no_fuse);
    return fuse_units(&f, no_fuse);
}
