/* ops_index -- rows by index. gather and scatter_add are linear in the rows and each other's
 * transpose, so each is the other's gradient; an index has none. */
#include "cpu/cpu.h"
#include "graph/op.h"

/* Elements of the dims from `first` on. */
static int64_t count_from(const Shape *s, int first)
{
    int64_t n = 1;
    for (int i = first; i < s->rank; i++) n *= s->dim[i];
    return n;
}

static bool gather_shape(Graph *g, Node *n)
{
    const Shape *table = &n->src[0]->shape, *index = &n->src[1]->shape;
    char text_t[96], text_i[96];
    if (n->src[0]->dtype != F32 || n->src[1]->dtype != I32 || table->rank < 1 ||
        index->rank + table->rank - 1 > MAX_RANK) {
        (void)graph_fail(g, "gather: rows of %s by index %s%s", shape_text(table, text_t),
                         shape_text(index, text_i),
                         n->src[1]->dtype == I32 ? "" : ", which is not of integers");
        return false;
    }
    n->shape = *index;
    for (int i = 1; i < table->rank; i++) n->shape.dim[n->shape.rank++] = table->dim[i];
    return true;
}

static void gather_run(const Call *c)
{
    const Shape *table = &c->node->src[0]->shape;
    cpu->gather_rows(shape_count(&c->node->src[1]->shape), table->dim[0], count_from(table, 1),
                     c->src[0], c->src[1], c->out);
}

static void gather_grad(Graph *g, Node *y, Node *dy, const bool want[], Node *dx[])
{
    if (want[0]) dx[0] = scatter_add(g, dy, y->src[1], y->src[0]->shape.dim[0]);
}

const Op op_gather = {
    .name = "gather",
    .formula = "y[i] = table[index[i]]",
    .kind = OP_KERNEL,
    .arity = 2,
    .shape = gather_shape,
    .grad = gather_grad,
    .run = gather_run,
};

Node *gather(Graph *g, Node *table, Node *index)
{
    Node *src[] = {table, index};
    return graph_node(g, &op_gather, src, 2, NULL, NULL);
}

static void scatter_add_run(const Call *c)
{
    const Shape *to = &c->node->shape;
    cpu->scatter_add_rows(shape_count(&c->node->src[1]->shape), to->dim[0], count_from(to, 1),
                          c->src[0], c->src[1], c->out);
}

static void scatter_add_grad(Graph *g, Node *y, Node *dy, const bool want[], Node *dx[])
{
    if (want[0]) dx[0] = gather(g, dy, y->src[1]);
}

static double scatter_add_flops(const Node *n)
{
    return (double)shape_count(&n->src[0]->shape);
}

const Op op_scatter_add = {
    .name = "scatter_add",
    .formula = "y = 0, y[index[i]] += x[i]",
    .kind = OP_KERNEL,
    .arity = 2,
    .grad = scatter_add_grad,
    .run = scatter_add_run,
    .flops = scatter_add_flops,
};

Node *scatter_add(Graph *g, Node *x, Node *index, int64_t n_rows)
{
    Node *src[] = {x, index};
    const Shape *s = &index->shape;
    char text_x[96], text_i[96];
    bool ok = x->dtype == F32 && index->dtype == I32 && x->shape.rank >= s->rank && n_rows >= 0 &&
              x->shape.rank - s->rank < MAX_RANK;
    for (int i = 0; ok && i < s->rank; i++) ok = x->shape.dim[i] == s->dim[i];
    if (!ok)
        return graph_fail(g, "scatter_add: rows %s do not fit index %s",
                          shape_text(&x->shape, text_x), shape_text(s, text_i));
    Shape to = {.rank = 1, .dim = {n_rows}};
    for (int i = s->rank; i < x->shape.rank; i++) to.dim[to.rank++] = x->shape.dim[i];
    return graph_node(g, &op_scatter_add, src, 2, NULL, &to);
}

static bool argmax_shape(Graph *g, Node *n)
{
    n->shape = n->src[0]->shape;
    if (n->shape.rank < 1 || n->src[0]->dtype != F32 || n->shape.dim[n->shape.rank - 1] < 1) {
        (void)graph_fail(g, "argmax: expected floats with a last axis that is not empty");
        return false;
    }
    n->shape.rank--;
    n->dtype = I32;
    return true;
}

static void argmax_run(const Call *c)
{
    const Shape *s = &c->node->src[0]->shape;
    cpu->argmax_rows(shape_count(&c->node->shape), s->dim[s->rank - 1], c->src[0], c->out);
}

static double argmax_flops(const Node *n)
{
    return (double)shape_count(&n->src[0]->shape);
}

const Op op_argmax = {
    .name = "argmax",
    .formula = "the first index of the row's largest number",
    .kind = OP_KERNEL,
    .arity = 1,
    .shape = argmax_shape,
    .no_grad = "an index",
    .run = argmax_run,
    .flops = argmax_flops,
};

Node *argmax(Graph *g, Node *x)
{
    return graph_node(g, &op_argmax, &x, 1, NULL, NULL);
}
