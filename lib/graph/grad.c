/* grad -- reverse accumulation over node ids, which are a topological order. Rules emit nodes, so
 * the result can be differentiated again. */
#include "graph/op.h"

#include <string.h>

typedef struct Reverse {
    Graph *g;
    bool *needs; /* by id: depends on one of wrt */
    bool *is_wrt;
    Node **grad; /* by id: what has been gathered so far */
    int n;
} Reverse;

static void pass_on(Graph *g, Node *y, Node *dy, const bool want[], Node *dx[]);

static void mark(Reverse *r, Node *const wrt[], int n, bool stop_at_wrt)
{
    for (int i = 0; i < n; i++)
        if (wrt[i]->id < r->n) r->is_wrt[wrt[i]->id] = r->needs[wrt[i]->id] = true;
    for (int id = 0; id < r->n; id++) {
        const Node *y = r->g->nodes[id];
        if (r->is_wrt[id] && stop_at_wrt) continue;
        if (y->op->no_grad) continue;
        for (int i = 0; i < y->n_src; i++)
            if (r->needs[y->src[i]->id]) r->needs[id] = true;
    }
}

static void gather_into(Reverse *r, const Node *src, Node *dx)
{
    Node **at = &r->grad[src->id];
    *at = *at ? add_boxes(r->g, *at, dx) : dx;
}

static void reverse(Graph *g, Node *y, Node *seed, Node *const wrt[], int n, Node *out[],
                    bool stop_at_wrt)
{
    Reverse r = {.g = g, .n = y->id + 1};
    r.needs = arena_new_array(g->arena, bool, r.n);
    r.is_wrt = arena_new_array(g->arena, bool, r.n);
    r.grad = arena_new_array(g->arena, Node *, r.n);
    mark(&r, wrt, n, stop_at_wrt);
    r.grad[y->id] = seed;
    for (int id = y->id; id >= 0 && !g->error; id--) {
        Node *node = g->nodes[id];
        if (!r.grad[id] || !r.needs[id] || (r.is_wrt[id] && stop_at_wrt)) continue;
        if (node->op->kind == OP_LEAF || node->op->no_grad) continue;
        Node **dx = arena_new_array(g->arena, Node *, node->n_src);
        bool *want = arena_new_array(g->arena, bool, node->n_src);
        for (int i = 0; i < node->n_src; i++) want[i] = r.needs[node->src[i]->id];
        pass_on(g, node, r.grad[id], want, dx);
        for (int i = 0; i < node->n_src; i++)
            if (want[i] && dx[i]) gather_into(&r, node->src[i], dx[i]);
    }
    for (int i = 0; i < n; i++) {
        out[i] = wrt[i]->id < r.n ? r.grad[wrt[i]->id] : NULL;
        if (!out[i] && !stop_at_wrt) out[i] = full(g, wrt[i]->shape, 0);
    }
}

/* By the op's own rule, or through the same value in ops that have one: partial derivatives, so the
 * walk stops at y's sources even where one of them depends on another. */
static void pass_on(Graph *g, Node *y, Node *dy, const bool want[], Node *dx[])
{
    if (y->op->grad) {
        y->op->grad(g, y, dy, want, dx);
        return;
    }
    if (!y->op->expand) {
        (void)graph_fail(g, "%s has no gradient", y->op->name);
        return;
    }
    Node *expanded = y->op->expand(g, y);
    Node **sources = arena_new_array(g->arena, Node *, y->n_src),
         **found = arena_new_array(g->arena, Node *, y->n_src);
    int n = 0;
    for (int i = 0; i < y->n_src; i++)
        if (want[i]) sources[n++] = y->src[i];
    reverse(g, expanded, dy, sources, n, found, true);
    for (int i = 0, k = 0; i < y->n_src; i++)
        if (want[i]) dx[i] = found[k++];
}

void graph_grad(Graph *g, Node *y, Node *seed, Node *const wrt[], int n, Node *out[])
{
    if (!seed && shape_count(&y->shape) != 1) {
        char text[96];
        Node *bad = graph_fail(g, "gradient of a value of shape %s; expected one number",
                               shape_text(&y->shape, text));
        for (int i = 0; i < n; i++) out[i] = bad;
        return;
    }
    reverse(g, y, seed ? seed : full(g, y->shape, 1), wrt, n, out, false);
}
