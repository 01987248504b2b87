/* layout -- see layout.h. */
#include "graph/layout.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGN = 64 };

/* A piece of the arena, held by one value after another (in place) or by scratch. */
typedef struct Buffer {
    int64_t bytes, offset;
    int from, to; /* first and last unit during which it is held */
} Buffer;

typedef struct Liveness {
    Graph *graph;
    const Fused *fused;
    Layout *out;
    int *last_read; /* by node id */
    int *buffer_of; /* by node id, or -1 */
    Buffer *buffers;
    int n_buffers;
} Liveness;

static int64_t bytes_of(const Node *n)
{
    return (int64_t)sizeof(float) * shape_count(&n->shape);
}

static void read_at(Liveness *l, Node *n, int unit)
{
    int id = node_root(n)->id;
    if (unit > l->last_read[id]) l->last_read[id] = unit;
}

static void find_last_reads(Liveness *l, const PlanOutput outputs[], int n_outputs)
{
    for (int u = 0; u < l->fused->n_units; u++) {
        const Unit *unit = &l->fused->units[u];
        if (unit->kernel) {
            for (int i = 0; i < unit->kernel->n_src; i++) read_at(l, unit->kernel->src[i], u);
            for (int i = 0; unit->epilogue && i < unit->epilogue->n; i++)
                if (unit->epilogue->operand[i]) read_at(l, unit->epilogue->operand[i], u);
        } else {
            for (int i = 0; i < unit->program->n_inputs; i++) read_at(l, unit->inputs[i], u);
        }
    }
    for (int i = 0; i < n_outputs; i++) read_at(l, outputs[i].node, INT_MAX);
    for (int i = 0; i < l->graph->n_updates; i++) read_at(l, l->graph->updates[i].value, INT_MAX);
}

static int add_buffer(Liveness *l, int64_t bytes, int from, int to)
{
    l->buffers[l->n_buffers] = (Buffer){(bytes + ALIGN - 1) / ALIGN * ALIGN, -1, from, to};
    return l->n_buffers++;
}

/* Whether input i is the whole domain in its own order, and no other input shows the same memory.
 */
static bool replaceable(const Liveness *l, const Unit *unit, int i, int u)
{
    const MapProgram *p = unit->program;
    const Node *base = unit->inputs[i];
    int64_t expected = 1, count = 1;
    if (l->buffer_of[base->id] < 0 || l->last_read[base->id] != u || base->dtype != F32)
        return false;
    if (unit->input_offset[i] != 0) return false;
    for (int k = p->rank - 1; k >= 0; k--) {
        if (p->dim[k] != 1 && p->inputs[i].stride[k] != expected) return false;
        expected *= p->dim[k];
        count *= p->dim[k];
    }
    if (count != shape_count(&base->shape)) return false;
    for (int k = 0; k < p->n_inputs; k++)
        if (k != i && l->buffer_of[unit->inputs[k]->id] == l->buffer_of[base->id]) return false;
    return true;
}

/* The same for a kernel that may write over its first source. */
static int inherited_by_kernel(const Liveness *l, const Unit *unit, const Node *root, int u)
{
    const Node *kernel = unit->kernel;
    if (!kernel->op->in_place || root != unit->roots[0]) return -1;
    const Node *base = node_root(kernel->src[0]);
    const int buffer = l->buffer_of[base->id];
    if (buffer < 0 || l->last_read[base->id] != u || l->buffers[buffer].to > u) return -1;
    for (int i = 1; i < kernel->n_src; i++)
        if (l->buffer_of[node_root(kernel->src[i])->id] == buffer) return -1;
    return bytes_of(root) == bytes_of(base) ? buffer : -1;
}

/* The buffer of a dying input that root can take over, or -1. */
static int inherited(const Liveness *l, const Unit *unit, const Node *root, int u)
{
    if (unit->kernel) return inherited_by_kernel(l, unit, root, u);
    if (root->op->kind == OP_REDUCE) return -1;
    for (int i = 0; i < unit->program->n_inputs; i++) {
        int buffer = l->buffer_of[unit->inputs[i]->id];
        if (!replaceable(l, unit, i, u) || l->buffers[buffer].to > u) continue;
        return buffer;
    }
    return -1;
}

static void assign_buffers(Liveness *l, bool no_reuse)
{
    for (int u = 0; u < l->fused->n_units; u++) {
        const Unit *unit = &l->fused->units[u];
        for (int i = 0; i < unit->n_roots; i++) {
            Node *root = unit->roots[i];
            int to = no_reuse ? INT_MAX : l->last_read[root->id];
            if (l->out->external[root->id]) continue;
            if (to < u) to = u;
            int buffer = no_reuse ? -1 : inherited(l, unit, root, u);
            if (buffer < 0)
                buffer = add_buffer(l, bytes_of(root), u, to);
            else
                l->buffers[buffer].to = to > u ? to : u + 1; /* taken: no second heir */
            l->buffer_of[root->id] = buffer;
        }
    }
}

static int by_size(const void *a, const void *b)
{
    const Buffer *x = *(Buffer *const *)a, *y = *(Buffer *const *)b;
    if (x->bytes != y->bytes) return x->bytes < y->bytes ? 1 : -1;
    return x < y ? -1 : 1;
}

static int by_offset(const void *a, const void *b)
{
    const Buffer *x = *(Buffer *const *)a, *y = *(Buffer *const *)b;
    if (x->offset != y->offset) return x->offset < y->offset ? -1 : 1;
    return x < y ? -1 : 1;
}

static void place_buffers(Liveness *l, Arena *arena)
{
    Buffer **order = arena_new_array(arena, Buffer *, l->n_buffers);
    Buffer **near = arena_new_array(arena, Buffer *, l->n_buffers);
    for (int i = 0; i < l->n_buffers; i++) order[i] = &l->buffers[i];
    qsort(order, (size_t)l->n_buffers, sizeof(Buffer *), by_size);
    for (int i = 0; i < l->n_buffers; i++) {
        Buffer *b = order[i];
        int n_near = 0;
        for (int k = 0; k < i; k++)
            if (order[k]->from <= b->to && b->from <= order[k]->to) near[n_near++] = order[k];
        qsort(near, (size_t)n_near, sizeof(Buffer *), by_offset);
        int64_t at = 0;
        for (int k = 0; k < n_near && near[k]->offset < at + b->bytes; k++)
            if (near[k]->offset + near[k]->bytes > at) at = near[k]->offset + near[k]->bytes;
        b->offset = at;
        if (at + b->bytes > l->out->bytes) l->out->bytes = at + b->bytes;
    }
}

static size_t unit_scratch(const Unit *unit)
{
    if (!unit->kernel) return map_scratch(unit->program);
    return unit->kernel->op->scratch ? unit->kernel->op->scratch(unit->kernel) : 0;
}

/* Outputs that a unit can compute straight into the caller's memory: the first for each value. */
static void choose_external(Liveness *l, const PlanOutput outputs[], int n)
{
    for (int i = 0; i < n; i++) {
        const Node *root = node_root(outputs[i].node);
        const int id = root->id;
        if (bytes_of(root) != bytes_of(outputs[i].node)) continue; /* a view of its first numbers */
        if (outputs[i].to && l->fused->unit_of[id] >= 0 && !l->out->external[id])
            l->out->external[id] = outputs[i].to;
    }
}

Layout layout_values(Graph *g, const Fused *fused, const PlanOutput outputs[], int n, bool no_reuse,
                     Arena *arena)
{
    Layout out = {.offset = arena_new_array(arena, int64_t, g->n_nodes),
                  .external = arena_new_array(arena, void *, g->n_nodes),
                  .scratch = arena_new_array(arena, int64_t, fused->n_units)};
    Liveness l = {.graph = g, .fused = fused, .out = &out};
    int *scratch = arena_new_array(arena, int, fused->n_units), n_values = 0;
    for (int u = 0; u < fused->n_units; u++) n_values += fused->units[u].n_roots;
    l.buffers = arena_new_array(arena, Buffer, n_values + fused->n_units);
    l.last_read = arena_new_array(arena, int, g->n_nodes);
    l.buffer_of = arena_new_array(arena, int, g->n_nodes);
    for (int id = 0; id < g->n_nodes; id++) l.last_read[id] = l.buffer_of[id] = -1;
    choose_external(&l, outputs, n);
    find_last_reads(&l, outputs, n);
    assign_buffers(&l, no_reuse);
    for (int u = 0; u < fused->n_units; u++) {
        size_t bytes = unit_scratch(&fused->units[u]);
        scratch[u] = bytes > 0 ? add_buffer(&l, (int64_t)bytes, u, u) : -1;
    }
    place_buffers(&l, arena);
    for (int id = 0; id < g->n_nodes; id++)
        out.offset[id] = l.buffer_of[id] < 0 ? -1 : l.buffers[l.buffer_of[id]].offset;
    for (int u = 0; u < fused->n_units; u++)
        out.scratch[u] = scratch[u] < 0 ? -1 : l.buffers[scratch[u]].offset;
    return out;
}
