/* graph -- nodes, names, updates, and the first mistake of the building code. */
#include "graph/graph.h"

#include "graph/op.h"

#include <stdarg.h>
#include <string.h>

static const int64_t MAX_ELEMENTS = (int64_t)1 << 40;

Graph *graph_new(Arena *arena)
{
    Graph *g = arena_new_array(arena, Graph, 1);
    g->arena = arena;
    return g;
}

bool graph_ok(const Graph *g, Error *err)
{
    if (!g->error) return true;
    return fail(err, FAIL_CONFIG, NULL, "%s", g->error->items[0].text);
}

/* A scalar zero that later builders can take without harm. */
static Node *harmless(Graph *g)
{
    static const float zero = 0;
    return constant(g, (Shape){0}, &zero);
}

Node *graph_fail(Graph *g, const char *format, ...)
{
    if (!g->error) {
        char text[ERROR_TEXT];
        va_list args;
        va_start(args, format);
        (void)vsnprintf(text, sizeof text, format, args);
        va_end(args);
        g->error = arena_new_array(g->arena, Error, 1);
        (void)fail(g->error, FAIL_CONFIG, NULL, "%s", text);
    }
    return harmless(g);
}

void graph_name(Node *n, const char *name)
{
    n->name = name;
}

void graph_update(Graph *g, Param *param, Node *value)
{
    if (g->n_updates == g->update_capacity) {
        int capacity = g->update_capacity ? 2 * g->update_capacity : 64;
        Update *bigger = arena_new_array(g->arena, Update, capacity);
        if (g->n_updates > 0) memcpy(bigger, g->updates, sizeof *bigger * (size_t)g->n_updates);
        g->updates = bigger;
        g->update_capacity = capacity;
    }
    g->updates[g->n_updates++] = (Update){param, value};
}

static void append_node(Graph *g, Node *n)
{
    if (g->n_nodes == g->capacity) {
        int capacity = g->capacity ? 2 * g->capacity : 256;
        Node **bigger = arena_new_array(g->arena, Node *, capacity);
        if (g->n_nodes > 0) memcpy(bigger, g->nodes, sizeof(Node *) * (size_t)g->n_nodes);
        g->nodes = bigger;
        g->capacity = capacity;
    }
    n->id = g->n_nodes;
    g->nodes[g->n_nodes++] = n;
}

static bool shape_possible(const Shape *s)
{
    int64_t n = 1;
    if (s->rank < 0 || s->rank > MAX_RANK) return false;
    for (int i = 0; i < s->rank; i++)
        if (s->dim[i] < 0 || __builtin_mul_overflow(n, s->dim[i], &n) || n > MAX_ELEMENTS)
            return false;
    return true;
}

Node *graph_node(Graph *g, const Op *op, Node *const src[], int n_src, const OpArgs *args,
                 const Shape *shape)
{
    Node *n = arena_new_array(g->arena, Node, 1);
    n->op = op;
    n->dtype = F32;
    n->n_src = n_src;
    n->src = arena_new_array(g->arena, Node *, n_src);
    for (int i = 0; i < n_src; i++) n->src[i] = src[i];
    if (args) n->args = *args;
    if (shape)
        n->shape = *shape;
    else if (op->shape && !op->shape(g, n))
        return harmless(g);
    else if (!op->shape)
        n->shape = src[0]->shape;
    if (!shape_possible(&n->shape)) {
        char text[96];
        return graph_fail(g, "%s: shape %s is not possible", op->name, shape_text(&n->shape, text));
    }
    append_node(g, n);
    return n;
}

double op_flops(const Node *n)
{
    if (n->op->flops) return n->op->flops(n);
    if (n->op->kind == OP_REDUCE) return (double)shape_count(&n->src[0]->shape);
    return n->op->flops_each * (double)shape_count(&n->shape);
}

/* -- Leaves */

const Op op_input = {.name = "input", .formula = "bound by the caller", .kind = OP_LEAF};
const Op op_param = {.name = "param", .formula = "a parameter", .kind = OP_LEAF};
const Op op_constant = {
    .name = "constant", .formula = "numbers fixed while building", .kind = OP_LEAF};

Node *input(Graph *g, const char *name, DType dtype, Shape s)
{
    Node *n = graph_node(g, &op_input, NULL, 0, NULL, &s);
    n->dtype = dtype;
    n->name = arena_string(g->arena, name);
    return n;
}

Node *param_node(Graph *g, Param *p)
{
    for (int i = 0; i < g->n_nodes; i++)
        if (g->nodes[i]->param == p && g->nodes[i]->op == &op_param) return g->nodes[i];
    Shape s = param_shape(p);
    Node *n = graph_node(g, &op_param, NULL, 0, NULL, &s);
    n->param = p;
    n->name = param_name(p);
    return n;
}

static Node *constant_of(Graph *g, DType dtype, const Shape *s, const void *data)
{
    Node *n = graph_node(g, &op_constant, NULL, 0, NULL, s);
    size_t bytes = sizeof(float) * (size_t)shape_count(&n->shape);
    void *copy = arena_alloc(g->arena, bytes);
    if (bytes > 0) memcpy(copy, data, bytes);
    n->data = copy;
    n->dtype = dtype;
    return n;
}

Node *constant(Graph *g, Shape s, const float *data)
{
    return constant_of(g, F32, &s, data);
}

Node *constant_index(Graph *g, Shape s, const int32_t *data)
{
    return constant_of(g, I32, &s, data);
}

Node *scalar(Graph *g, float value)
{
    return constant(g, (Shape){0}, &value);
}

Node *full(Graph *g, Shape s, float value)
{
    return broadcast(g, scalar(g, value), s);
}
