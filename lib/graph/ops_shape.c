/* ops_shape -- reductions over a group of adjacent axes, and ops that only move numbers. */
#include "cpu/cpu.h"
#include "graph/op.h"

#include <string.h>

/* -- Reductions */

void reduce_view(const Node *n, int64_t *outer, int64_t *reduce, int64_t *inner)
{
    const Shape *s = &n->src[0]->shape;
    *outer = *reduce = *inner = 1;
    for (int i = 0; i < s->rank; i++) {
        int64_t *at = i < n->args.axis.axis                         ? outer
                      : i < n->args.axis.axis + n->args.axis.n_axes ? reduce
                                                                    : inner;
        *at *= s->dim[i];
    }
}

static bool reduce_shape(Graph *g, Node *n)
{
    const Shape *s = &n->src[0]->shape;
    int axis = n->args.axis.axis, n_axes = n->args.axis.n_axes;
    if (n_axes < 1 || axis < 0 || axis + n_axes > s->rank) {
        (void)graph_fail(g, "%s: axes out of range", n->op->name);
        return false;
    }
    n->shape.rank = 0;
    for (int i = 0; i < s->rank; i++)
        if (i < axis || i >= axis + n_axes) n->shape.dim[n->shape.rank++] = s->dim[i];
    return true;
}

/* dy with the reduced axes back, as size 1, then repeated along them. */
static Node *spread(Graph *g, const Node *y, Node *dy)
{
    const Shape *s = &y->src[0]->shape;
    Shape kept = *s;
    for (int i = 0; i < y->args.axis.n_axes; i++) kept.dim[y->args.axis.axis + i] = 1;
    return broadcast(g, reshape(g, dy, kept), *s);
}

static void reduce_sum_grad(Graph *g, Node *y, Node *dy, const bool want[], Node *dx[])
{
    (void)want;
    dx[0] = spread(g, y, dy);
}

static void reduce_max_grad(Graph *g, Node *y, Node *dy, const bool want[], Node *dx[])
{
    Node *hit = equal(g, y->src[0], spread(g, y, y));
    unsigned axes = ((1u << y->args.axis.n_axes) - 1) << y->args.axis.axis;
    Node *share = divide(g, dy, sum(g, hit, axes, false));
    (void)want;
    dx[0] = mul(g, hit, spread(g, y, share));
}

const Op op_reduce_sum = {.name = "reduce_sum",
                          .formula = "sum over axes",
                          .kind = OP_REDUCE,
                          .arity = 1,
                          .reduce = MAP_SUM,
                          .shape = reduce_shape,
                          .grad = reduce_sum_grad};
const Op op_reduce_max = {.name = "reduce_max",
                          .formula = "max over axes",
                          .kind = OP_REDUCE,
                          .arity = 1,
                          .reduce = MAP_MAX_REDUCE,
                          .shape = reduce_shape,
                          .grad = reduce_max_grad};

/* One node for each run of adjacent axes, the last run first, so that the others keep their places.
 */
static Node *reduce(Graph *g, const Op *op, Node *x, unsigned axes, bool keep)
{
    Shape kept = x->shape;
    axes &= (1u << x->shape.rank) - 1;
    for (int end = x->shape.rank; end > 0;) {
        if (!(axes >> (end - 1) & 1)) {
            end--;
            continue;
        }
        int start = end - 1;
        while (start > 0 && axes >> (start - 1) & 1) start--;
        OpArgs args = {
            .axis = {start, end - start}
        };
        x = graph_node(g, op, &x, 1, &args, NULL);
        for (int i = start; i < end; i++) kept.dim[i] = 1;
        end = start;
    }
    return keep ? reshape(g, x, kept) : x;
}

Node *sum(Graph *g, Node *x, unsigned axes, bool keep)
{
    return reduce(g, &op_reduce_sum, x, axes, keep);
}

Node *max_reduce(Graph *g, Node *x, unsigned axes, bool keep)
{
    return reduce(g, &op_reduce_max, x, axes, keep);
}

Node *mean(Graph *g, Node *x, unsigned axes, bool keep)
{
    int64_t n = 1;
    for (int i = 0; i < x->shape.rank; i++)
        if (axes >> i & 1) n *= x->shape.dim[i];
    return affine(g, sum(g, x, axes, keep), 1.0f / (float)n, 0);
}

/* -- Strided reads */

static void broadcast_grad(Graph *g, Node *y, Node *dy, const bool want[], Node *dx[])
{
    (void)want;
    dx[0] = sum_to(g, dy, y->src[0]->shape);
}
const Op op_broadcast = {.name = "broadcast",
                         .formula = "repeat along size-1 axes",
                         .kind = OP_REMAP,
                         .arity = 1,
                         .grad = broadcast_grad};

Node *broadcast(Graph *g, Node *x, Shape to)
{
    if (shape_equal(&x->shape, &to)) return x;
    bool ok = x->shape.rank <= to.rank;
    for (int i = 1; ok && i <= x->shape.rank; i++) {
        int64_t have = x->shape.dim[x->shape.rank - i];
        ok = have == 1 || have == to.dim[to.rank - i];
    }
    char a[96], b[96];
    if (!ok)
        return graph_fail(g, "broadcast: %s does not become %s", shape_text(&x->shape, a),
                          shape_text(&to, b));
    return graph_node(g, &op_broadcast, &x, 1, NULL, &to);
}

Node *sum_to(Graph *g, Node *x, Shape to)
{
    unsigned axes = 0;
    int extra = x->shape.rank - to.rank;
    for (int i = 0; i < x->shape.rank; i++)
        if (i < extra || (to.dim[i - extra] == 1 && x->shape.dim[i] != 1)) axes |= 1u << i;
    return reshape(g, axes ? sum(g, x, axes, false) : x, to);
}

static void reshape_grad(Graph *g, Node *y, Node *dy, const bool want[], Node *dx[])
{
    (void)want;
    dx[0] = reshape(g, dy, y->src[0]->shape);
}
const Op op_reshape = {.name = "reshape",
                       .formula = "the same numbers in another shape",
                       .kind = OP_VIEW,
                       .arity = 1,
                       .grad = reshape_grad};

Node *reshape(Graph *g, Node *x, Shape to)
{
    int64_t known = 1, count = shape_count(&x->shape);
    int free_dim = -1;
    for (int i = 0; i < to.rank; i++) {
        if (to.dim[i] < 0)
            free_dim = i;
        else
            known *= to.dim[i];
    }
    if (free_dim >= 0) to.dim[free_dim] = known > 0 ? count / known : 0;
    char a[96], b[96];
    if (shape_count(&to) != count)
        return graph_fail(g, "reshape: %s does not hold as many numbers as %s",
                          shape_text(&x->shape, a), shape_text(&to, b));
    if (shape_equal(&x->shape, &to)) return x;
    Node *n = graph_node(g, &op_reshape, &x, 1, NULL, &to);
    n->dtype = x->dtype;
    return n;
}

static void permute_grad(Graph *g, Node *y, Node *dy, const bool want[], Node *dx[])
{
    int back[MAX_RANK];
    (void)want;
    for (int i = 0; i < y->shape.rank; i++) back[y->args.permute.perm[i]] = i;
    dx[0] = permute(g, dy, back);
}
const Op op_permute = {.name = "permute",
                       .formula = "axes in another order",
                       .kind = OP_REMAP,
                       .arity = 1,
                       .grad = permute_grad};

Node *permute(Graph *g, Node *x, const int perm[])
{
    OpArgs args = {0};
    Shape to = x->shape;
    unsigned seen = 0;
    bool same = true;
    for (int i = 0; i < to.rank; i++) {
        if (perm[i] < 0 || perm[i] >= to.rank || seen >> perm[i] & 1)
            return graph_fail(g, "permute: not a permutation");
        seen |= 1u << perm[i];
        args.permute.perm[i] = perm[i];
        to.dim[i] = x->shape.dim[perm[i]];
        same = same && perm[i] == i;
    }
    return same ? x : graph_node(g, &op_permute, &x, 1, &args, &to);
}

Node *transpose(Graph *g, Node *x)
{
    int perm[MAX_RANK] = {0, 1, 2, 3, 4}, r = x->shape.rank;
    if (r < 2) return graph_fail(g, "transpose: expected two axes or more");
    perm[r - 2] = r - 1;
    perm[r - 1] = r - 2;
    return permute(g, x, perm);
}

static Node *pad_box(Graph *g, Node *x, const int64_t before[], const Shape *to);

static Node *slice_box(Graph *g, Node *x, const int64_t start[], const Shape *to)
{
    OpArgs args = {0};
    for (int i = 0; i < to->rank; i++) args.slice.start[i] = start[i];
    return graph_node(g, &op_slice, &x, 1, &args, to);
}

static void slice_grad(Graph *g, Node *y, Node *dy, const bool want[], Node *dx[])
{
    (void)want;
    dx[0] = pad_box(g, dy, y->args.slice.start, &y->src[0]->shape);
}
const Op op_slice = {
    .name = "slice", .formula = "a box of x", .kind = OP_REMAP, .arity = 1, .grad = slice_grad};

Node *slice(Graph *g, Node *x, int axis, int64_t start, int64_t length)
{
    int64_t first[MAX_RANK] = {0};
    Shape to = x->shape;
    if (axis < 0 || axis >= to.rank || start < 0 || length < 0 || start + length > to.dim[axis])
        return graph_fail(g, "slice: axis %d from %lld, %lld long: outside", axis, (long long)start,
                          (long long)length);
    if (length == to.dim[axis]) return x;
    first[axis] = start;
    to.dim[axis] = length;
    return slice_box(g, x, first, &to);
}

/* -- Copies into a larger box */

static void place_box(const Node *x, const float *from, const Shape *whole, const int64_t at[],
                      float *to)
{
    int64_t from_stride[MAX_RANK], to_stride[MAX_RANK], offset = 0;
    shape_strides(&x->shape, from_stride);
    shape_strides(whole, to_stride);
    for (int i = 0; i < whole->rank; i++) offset += at[i] * to_stride[i];
    if (shape_count(&x->shape) > 0)
        cpu->copy_box(whole->rank, x->shape.dim, from, from_stride, to + offset, to_stride);
}

static void pad_run(const Call *c)
{
    const Node *n = c->node;
    memset(c->out, 0, sizeof(float) * (size_t)shape_count(&n->shape));
    place_box(n->src[0], c->src[0], &n->shape, n->args.pad.before, c->out);
}

static void pad_grad(Graph *g, Node *y, Node *dy, const bool want[], Node *dx[])
{
    (void)want;
    dx[0] = slice_box(g, dy, y->args.pad.before, &y->src[0]->shape);
}
const Op op_pad = {.name = "pad",
                   .formula = "zeros around x",
                   .kind = OP_KERNEL,
                   .arity = 1,
                   .grad = pad_grad,
                   .run = pad_run};

static Node *pad_box(Graph *g, Node *x, const int64_t before[], const Shape *to)
{
    OpArgs args = {0};
    for (int i = 0; i < to->rank; i++) args.pad.before[i] = before[i];
    return graph_node(g, &op_pad, &x, 1, &args, to);
}

Node *pad_zero(Graph *g, Node *x, int axis, int64_t before, int64_t after)
{
    int64_t first[MAX_RANK] = {0};
    Shape to = x->shape;
    if (axis < 0 || axis >= to.rank || before < 0 || after < 0)
        return graph_fail(g, "pad: bad axis or sizes");
    if (before + after == 0) return x;
    first[axis] = before;
    to.dim[axis] += before + after;
    return pad_box(g, x, first, &to);
}

static void concat_run(const Call *c)
{
    const Node *n = c->node;
    int64_t at[MAX_RANK] = {0};
    for (int i = 0; i < n->n_src; i++) {
        place_box(n->src[i], c->src[i], &n->shape, at, c->out);
        at[n->args.axis.axis] += n->src[i]->shape.dim[n->args.axis.axis];
    }
}

static void concat_grad(Graph *g, Node *y, Node *dy, const bool want[], Node *dx[])
{
    int axis = y->args.axis.axis;
    int64_t at = 0;
    for (int i = 0; i < y->n_src; i++) {
        int64_t length = y->src[i]->shape.dim[axis];
        if (want[i]) dx[i] = slice(g, dy, axis, at, length);
        at += length;
    }
}
const Op op_concat = {.name = "concat",
                      .formula = "one after another along an axis",
                      .kind = OP_KERNEL,
                      .arity = -1,
                      .grad = concat_grad,
                      .run = concat_run};

Node *concat(Graph *g, Node *const x[], int n, int axis)
{
    OpArgs args = {
        .axis = {axis, 1}
    };
    if (n < 1 || axis < 0 || axis >= x[0]->shape.rank) return graph_fail(g, "concat: bad axis");
    Shape to = x[0]->shape;
    to.dim[axis] = 0;
    for (int i = 0; i < n; i++) {
        Shape s = x[i]->shape;
        int64_t length = s.rank == to.rank ? s.dim[axis] : 0;
        s.dim[axis] = to.dim[axis];
        if (!shape_equal(&s, &to)) return graph_fail(g, "concat: the other axes differ in size");
        to.dim[axis] += length;
    }
    return n == 1 ? x[0] : graph_node(g, &op_concat, x, n, &args, &to);
}

/* Whether two pads hold boxes side by side along one axis, a's first. */
static bool is_before(const Node *a, const Node *b, int *axis)
{
    int n_apart = 0;
    if (a->op != &op_pad || b->op != &op_pad || !shape_equal(&a->shape, &b->shape)) return false;
    for (int i = 0; i < a->shape.rank; i++) {
        const int64_t from = a->args.pad.before[i], length = a->src[0]->shape.dim[i];
        if (b->args.pad.before[i] == from && b->src[0]->shape.dim[i] == length) continue;
        if (b->args.pad.before[i] != from + length) return false;
        *axis = i;
        n_apart++;
    }
    return n_apart == 1;
}

/* x, or what it is a concatenation of, into parts[n]; the new n. */
static int add_parts(Node *x, int axis, Node *parts[], int n)
{
    const bool whole = x->op != &op_concat || x->args.axis.axis != axis;
    const int count = whole ? 1 : x->n_src;
    for (int i = 0; i < count; i++) parts[n + i] = whole ? x : x->src[i];
    return n + count;
}

Node *add_boxes(Graph *g, Node *a, Node *b)
{
    int axis, n;
    if (is_before(b, a, &axis)) return add_boxes(g, b, a);
    if (!is_before(a, b, &axis)) return add(g, a, b);
    Node **parts = arena_new_array(g->arena, Node *, a->src[0]->n_src + b->src[0]->n_src + 2);
    n = add_parts(a->src[0], axis, parts, 0);
    n = add_parts(b->src[0], axis, parts, n);
    Node *joined = concat(g, parts, n, axis);
    const bool fills = shape_equal(&joined->shape, &a->shape);
    return fills ? joined : pad_box(g, joined, a->args.pad.before, &a->shape);
}
