/* bone -- block-affine adaptation (Kang & Yin 2024, arXiv 2409.15371; its later versions call the
 * first form MiSS): one matrix, shared by all shards of the inputs of a linear layer.
 *
 *   miss  dW[o, j] = D[j mod r, o],            D (r, out)
 *   mini  dW[o, j] = D[j mod r, o mod m],      D (r, m), m = mini_rank
 *   bat   W'_IJ = W_IJ (I + B_I) + B_I,        B (out / r, r, r), over blocks of r x r
 *
 * with r the rank and W (out, in). There is no scale. For miss and mini, x is cut into shards of r
 * inputs, the last one filled up with zeros, and y = x W^T + S D, S their sum: dW is never made. An
 * input of fewer than r numbers is one shard. bat needs r to divide both sides of W. Zeros change
 * nothing at the start; `random` draws uniformly in (-1, 1) / sqrt(out), as PEFT does with
 * init_weights: false. */
#include "methods/peft/adapter.h"

typedef enum BoneForm { FORM_MISS, FORM_BAT, FORM_MINI } BoneForm;
typedef enum BoneFirst { FIRST_ZEROS, FIRST_RANDOM } BoneFirst;

typedef struct Bone {
    AdapterSite site;
    int64_t rank, mini_rank;
    int form;  /* BoneForm */
    int first; /* BoneFirst */
} Bone;

static Node *block(const MethodCall *c, const ModelBuild *b, const LinearProduct *l, Shape s)
{
    const Bone *o = c->options;
    const Init init = {.kind = o->first == FIRST_RANDOM ? INIT_TORCH_DEFAULT : INIT_ZEROS};
    return param_node(b->graph, adapter_param(c, b, l, ".miss_block", s, init));
}

/* w (out, in) lies in memory as (out / r, r in / r, r): of block row I, every row of every W_IJ. */
static Node *guided(const MethodCall *c, const ModelBuild *b, const LinearProduct *l)
{
    const Bone *o = c->options;
    const int64_t out = adapter_out(l), in = adapter_in(l), r = o->rank, rows = out / r;
    Graph *g = b->graph;
    if (out % r != 0 || in % r != 0)
        return graph_fail(g,
                          "method 'bone': rank is %lld, which does not divide both sides of %s "
                          "(%lld, %lld), as form: bat needs it",
                          (long long)r, l->p->name, (long long)out, (long long)in);
    Node *guide = block(c, b, l, shape(3, rows, r, r));
    Node *w = l->turned ? transpose(g, l->w) : l->w;
    w = reshape(g, w, shape(3, rows, r * (in / r), r));
    w = add(g, w, matmul(g, w, guide, false, false));
    w = add(g, reshape(g, w, shape(4, rows, r, in / r, r)),
            reshape(g, guide, shape(4, rows, r, INT64_C(1), r)));
    w = reshape(g, w, shape(2, out, in));
    return l->turned ? transpose(g, w) : w;
}

static Node *bone_parametrize(const MethodCall *c, const ModelBuild *b, Param *p, Node *w)
{
    const Bone *o = c->options;
    adapter_freeze(c, &o->site, p);
    if (o->form != FORM_BAT || !adapter_is_target(&o->site, p)) return w;
    return guided(c, b, &(LinearProduct){.p = p, .w = w, .turned = p->turned});
}

/* (N, r): the sum of the shards of x. */
static Node *shard_sum(Graph *g, Node *x, int64_t r)
{
    const int64_t in = x->shape.dim[x->shape.rank - 1], shards = (in + r - 1) / r;
    const int64_t n = shape_count(&x->shape) / in;
    x = reshape(g, x, shape(2, n, in));
    if (shards * r > in) x = pad_zero(g, x, 1, 0, shards * r - in);
    return sum(g, reshape(g, x, shape(3, n, shards, r)), 1u << 1, false);
}

static Node *bone_product(const MethodCall *c, const ModelBuild *b, const LinearProduct *l, Node *y)
{
    const Bone *o = c->options;
    if (o->form == FORM_BAT || !adapter_is_target(&o->site, l->p)) return y;
    Graph *g = b->graph;
    const int64_t out = adapter_out(l), width = o->form == FORM_MINI ? o->mini_rank : out;
    if (out % width != 0)
        return graph_fail(
            g,
            "method 'bone': mini_rank is %lld, which does not divide the %lld outputs "
            "of %s",
            (long long)width, (long long)out, l->p->name);
    Node *d = block(c, b, l, shape(2, o->rank, width));
    Node *more = matmul(g, shard_sum(g, adapter_input(&o->site, b, l), o->rank), d, false, false);
    const int64_t n = more->shape.dim[0];
    Node *parts = reshape(g, y, shape(3, n, out / width, width));
    parts = add(g, parts, reshape(g, more, shape(3, n, INT64_C(1), width)));
    return reshape(g, parts, y->shape);
}

static void bone_buffers(const MethodCall *c, Graph *g)
{
    const Bone *o = c->options;
    adapter_check(c, &o->site, g);
    if (o->form == FORM_BAT) adapter_check_no_dropout(c, &o->site, g, "form: bat");
}

// clang-format off
static const Option bone_options[] = {
    ADAPTER_OPTIONS,
    OPT_INT(Bone, rank, 64, 1, 65536, "inputs of a shard; bat: side of a block"),
    OPT_ENUM(Bone, form, "miss|bat|mini", "miss", "one row an output; blocks that guide the weight; or rows that outputs share"),
    OPT_INT(Bone, mini_rank, 1, 1, 65536, "outputs that have a row of their own, with form: mini"),
    OPT_ENUM(Bone, first, "zeros|random", "zeros", "first values; random ones change the network at once"),
};
// clang-format on

const Method method_bone = {
    .name = "bone",
    .family = "peft",
    .paper = "arXiv:2409.15371",
    .summary = "train one matrix that all shards of a layer's inputs share, beside frozen weights",
    .revision = 1,
    .options = OPTION_TABLE(Bone, bone_options),
    .buffers = bone_buffers,
    .parametrize = bone_parametrize,
    .product = bone_product,
};
