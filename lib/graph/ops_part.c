/* ops_part -- further results of a kernel that makes several in one pass.
 *
 * A kernel's node is its first result; kernel_part(g, kernel, k) is result k, of the shape that the
 * op's part_shape says, with memory of its own. A kernel finds the address of a part that nobody
 * asked for NULL. src[0] is the kernel's node, the others are the kernel's own sources: the
 * gradient goes to those, through the same value in ops that have gradients (the op's expand_part),
 * or nowhere when the op's other rules give the total derivative (expand_part NULL). */
#include "graph/op.h"

static Node *part_expand(Graph *g, Node *y)
{
    Node *kernel = y->src[0];
    if (!kernel->op->expand_part) return stop_gradient(g, y);
    return kernel->op->expand_part(g, kernel, y->args.part.index);
}

const Op op_part = {
    .name = "part",
    .formula = "a further result of a kernel",
    .kind = OP_PART,
    .arity = -1,
    .expand = part_expand,
};

Node *kernel_part(Graph *g, Node *kernel, int index)
{
    const Shape shape = kernel->op->part_shape(kernel, index);
    Node **src = arena_new_array(g->arena, Node *, kernel->n_src + 1);
    OpArgs args = {.part = {index}};
    src[0] = kernel;
    for (int i = 0; i < kernel->n_src; i++) src[i + 1] = kernel->src[i];
    return graph_node(g, &op_part, src, kernel->n_src + 1, &args, &shape);
}
