/* h3 -- the H3 language model with both state spaces replaced by long convolutions (Dao et al.,
 * arXiv 2212.14052, in the form of Fu et al., arXiv 2302.06646).
 *
 *   x + mix(norm(x)), x + mlp(norm(x)), n_layers times; norm; logits
 *
 *   mix: q, k, v = linear(u);  k' = K1 * k + D1 o k;  z = k' o v;
 *        y = q o (K2 * z + D2 o z);  linear(y)
 *
 * o is the product unit by unit, * the causal convolution. With head_dim n > 1 the units are H =
 * d_model / n heads of n: z is the outer product of a head's k' and v, (n, n) numbers which share
 * the head's K2 and D2, and y contracts it with q; unit i H + h is number i of head h. `first:
 * short` makes K1 a few taps, which is what the shift state space of H3 can be. They go through the
 * long convolution too, whose direct path reads time along the rows, so that nothing is transposed
 * and the gate is in the kernel. The layers of attention_layers have causal attention as their mix;
 * positions are never added. MLP: d_mlp units, GELU in its tanh form.
 *
 * First values are the language model's: 0.02 N for linear layers and the embedding, less by
 * sqrt(2 n_layers) for those whose result is added to the stream, zero biases, D standard normal;
 * the decoder is the embedding where tokens are asked for. Nothing sees a later step, so padding at
 * the end needs no mask before the head. */
#include "nn/kernel_param.h"
#include "nn/sequence.h"

#include "base/pcg.h"
#include "base/realmath.h"

typedef struct H3 {
    SequenceOptions sequence;
    LongKernel kernel;
    int first; /* 0: long, 1: short */
    int64_t short_length, head_dim, d_mlp, n_heads;
    IntList attention_layers;
    double embed_dropout;
    bool tie_embeddings;
} H3;

static const double SPREAD = 0.02;

/* Of linear layers; `added`: the result is added to the stream. */
static LayerInit linear_init(const H3 *o, bool added)
{
    const double depth = added ? real_sqrt(2 * (double)o->sequence.n_layers) : 1;
    return (LayerInit){
        {.kind = INIT_NORMAL, .a = SPREAD / depth},
        {.kind = INIT_ZEROS                  }
    };
}

static Node *observed(ModelBuild *b, const char *prefix, Node *y)
{
    if (b->observe)
        b->observe(b->observer, prefix, params_find(b->params, model_name(b, "%s.weight", prefix)),
                   y);
    return y;
}

/* `prefix` is a linear layer from u (B, T, d) to (B, out, T). */
static Node *rows_linear(ModelBuild *b, const H3 *o, const char *prefix, Node *u, int64_t out)
{
    const LayerInit init = linear_init(o, false);
    Node *w = model_param(b, model_name(b, "%s.weight", prefix), shape(2, out, u->shape.dim[2]),
                          ROLE_WEIGHT, init.weight);
    Node *bias =
        model_param(b, model_name(b, "%s.bias", prefix), shape(1, out), ROLE_BIAS, init.bias);
    Node *y = matmul(b->graph, w, u, false, true);
    return observed(b, prefix,
                    add(b->graph, y, reshape(b->graph, bias, shape(2, out, INT64_C(1)))));
}

/* And back: y (B, d, T) to (B, T, out). */
static Node *steps_linear(ModelBuild *b, const H3 *o, const char *prefix, Node *y, int64_t out)
{
    const LayerInit init = linear_init(o, true);
    Node *w = model_param(b, model_name(b, "%s.weight", prefix), shape(2, out, y->shape.dim[1]),
                          ROLE_WEIGHT, init.weight);
    Node *bias =
        model_param(b, model_name(b, "%s.bias", prefix), shape(1, out), ROLE_BIAS, init.bias);
    return observed(b, prefix, add(b->graph, matmul(b->graph, y, w, true, true), bias));
}

/* gate o (K * u + D o u) of u (B, H, T), with K (1, H, taps) or (H, taps). */
static Node *conv(ModelBuild *b, const char *prefix, Node *u, Node *k, Node *gate)
{
    const Init normal = {.kind = INIT_NORMAL, .a = 1};
    const int64_t width = u->shape.dim[1];
    if (k->shape.rank < 2) return u; /* a method's mistake is on record */
    Node *d = model_param(b, model_name(b, "%s.D", prefix), shape(1, width), ROLE_WEIGHT, normal);
    k = reshape(b->graph, k, shape(2, width, INT64_C(-1)));
    return long_conv(b->graph, u, k, d, gate, REACH_CAUSAL);
}

static Node *first_conv(ModelBuild *b, const H3 *o, const char *prefix, Node *k, Node *gate)
{
    const int64_t width = k->shape.dim[1], steps = k->shape.dim[2];
    const int64_t taps = o->short_length < steps ? o->short_length : steps;
    const char *name = model_name(b, "%s.k", prefix);
    if (o->first == 0)
        return conv(b, name, k, long_kernel(b, &o->kernel, name, 1, width, steps), gate);
    const Init torch = {.kind = INIT_TORCH_DEFAULT, .fan_in = taps};
    Node *w = kernel_param(b, model_name(b, "%s.taps", name), shape(2, width, taps), torch, 1);
    return conv(b, name, k, w, gate);
}

/* Heads of more than one unit: q, k, v (B, d, T) to (B, d, T). */
static Node *outer_product(ModelBuild *b, const H3 *o, const char *prefix, Node *const qkv[3])
{
    Graph *g = b->graph;
    const int64_t B = qkv[0]->shape.dim[0], T = qkv[0]->shape.dim[2], n = o->head_dim;
    const int64_t H = o->sequence.d_model / n, one = 1;
    Node *k = first_conv(b, o, prefix, qkv[1], NULL);
    Node *z = mul(g, reshape(g, k, shape(5, B, n, one, H, T)),
                  reshape(g, qkv[2], shape(5, B, one, n, H, T)));
    z = conv(b, prefix, reshape(g, z, shape(3, B * n * n, H, T)),
             long_kernel(b, &o->kernel, prefix, 1, H, T), NULL);
    z = mul(g, reshape(g, z, shape(5, B, n, n, H, T)),
            reshape(g, qkv[0], shape(5, B, n, one, H, T)));
    return reshape(g, sum(g, z, 1u << 1, false), shape(3, B, n * H, T));
}

static Node *mix(ModelBuild *b, const H3 *o, const char *prefix, Node *u)
{
    const int64_t width = u->shape.dim[2], steps = u->shape.dim[1];
    Node *all = rows_linear(b, o, model_name(b, "%s.qkv", prefix), u, 3 * width), *qkv[3], *y;
    for (int i = 0; i < 3; i++) qkv[i] = slice(b->graph, all, 1, i * width, width);
    if (o->head_dim == 1) {
        Node *z = first_conv(b, o, prefix, qkv[1], qkv[2]);
        y = conv(b, prefix, z, long_kernel(b, &o->kernel, prefix, 1, width, steps), qkv[0]);
    } else {
        y = outer_product(b, o, prefix, qkv);
    }
    return steps_linear(b, o, model_name(b, "%s.output", prefix), y, width);
}

static Node *attend(ModelBuild *b, const H3 *o, const char *prefix, Node *u)
{
    Graph *g = b->graph;
    const int64_t B = u->shape.dim[0], T = u->shape.dim[1], width = u->shape.dim[2];
    const LayerInit in = linear_init(o, false), out = linear_init(o, true);
    const char *name = model_name(b, "%s.attention", prefix);
    Node *all = layer_linear(b, model_name(b, "%s.qkv", name), u, 3 * width, true, &in), *qkv[3];
    for (int i = 0; i < 3; i++)
        qkv[i] = reshape(g, slice(g, all, 2, i * width, width),
                         shape(4, B, T, o->n_heads, width / o->n_heads));
    Node *y = attention(g, qkv[0], qkv[1], qkv[2], (Attend){.causal = true});
    return layer_linear(b, model_name(b, "%s.output", name), reshape(g, y, shape(3, B, T, width)),
                        width, true, &out);
}

static Node *mlp(ModelBuild *b, const H3 *o, const char *prefix, Node *u)
{
    const int64_t width = u->shape.dim[2], inner = o->d_mlp ? o->d_mlp : 4 * width;
    const LayerInit in = linear_init(o, false), out = linear_init(o, true);
    Node *y = layer_linear(b, model_name(b, "%s.mlp.0", prefix), u, inner, true, &in);
    return layer_linear(b, model_name(b, "%s.mlp.1", prefix), gelu_tanh(b->graph, y), width, true,
                        &out);
}

static bool has_attention(const H3 *o, int64_t layer)
{
    for (int i = 0; i < o->attention_layers.n; i++)
        if (o->attention_layers.at[i] == layer) return true;
    return false;
}

static Node *added(ModelBuild *b, const H3 *o, const char *name, Node *x, Node *branch)
{
    return add(b->graph, x, layer_dropout(b, name, branch, o->sequence.dropout));
}

static Node *block(ModelBuild *b, const H3 *o, int64_t i, Node *x)
{
    const char *name = model_name(b, "layers.%lld", (long long)i);
    Node *u = sequence_layer_norm(b, model_name(b, "%s.norm1", name), x);
    u = has_attention(o, i) ? attend(b, o, name, u) : mix(b, o, name, u);
    x = added(b, o, model_name(b, "%s.mix", name), x, u);
    u = mlp(b, o, name, sequence_layer_norm(b, model_name(b, "%s.norm2", name), x));
    return added(b, o, model_name(b, "%s.mlp", name), x, u);
}

/* False, on record, where numbers of the options do not go together. */
static bool options_fit(ModelBuild *b, const H3 *o)
{
    const int64_t width = o->sequence.d_model;
    const IntList *at = &o->attention_layers;
    for (int i = 0; i < at->n; i++)
        if (at->at[i] >= o->sequence.n_layers) {
            (void)graph_fail(b->graph, "attention_layers: there is no layer %lld of %lld from 0 on",
                             (long long)at->at[i], (long long)o->sequence.n_layers);
            return false;
        }
    const bool heads = at->n > 0 && width % o->n_heads != 0;
    if (!heads && width % o->head_dim == 0) return true;
    (void)graph_fail(b->graph, "%s is %lld, which does not divide d_model, %lld",
                     heads ? "n_heads" : "head_dim", (long long)(heads ? o->n_heads : o->head_dim),
                     (long long)width);
    return false;
}

static Node *logits(ModelBuild *b, const H3 *o, Node *table, Sequence s)
{
    const LayerInit init = linear_init(o, false);
    if (!b->task.per_step) return sequence_logits(b, &o->sequence, s);
    if (table && o->tie_embeddings && b->task.n_classes == b->task.n_tokens)
        return linear(b->graph, s.x, table, NULL);
    return layer_linear(b, "decoder", s.x, b->task.n_classes, true, &init);
}

static Node *h3_build(ModelBuild *b, const void *options, Node *x)
{
    const H3 *o = options;
    const Init small = {.kind = INIT_NORMAL, .a = SPREAD};
    Node *table = NULL;
    if (!options_fit(b, o)) return x;
    if (x->dtype == I32) /* before sequence_embed, which finds it with these first values */
        table = model_param(b, "encoder.weight", shape(2, b->task.n_tokens, o->sequence.d_model),
                            ROLE_EMBEDDING, small);
    Sequence s = sequence_embed(b, &o->sequence, x);
    if (s.x->shape.rank != 3) return s.x; /* a mistake is on record */
    s.x = layer_dropout(b, "encoder", s.x, o->embed_dropout);
    for (int64_t i = 0; i < o->sequence.n_layers; i++) s.x = block(b, o, i, s.x);
    s.x = sequence_layer_norm(b, "norm", s.x);
    return logits(b, o, table, s);
}

// clang-format off
static const Option h3_options[] = {
    SEQUENCE_OPTIONS(12, 768, "mean|last"),
    LONG_KERNEL_OPTIONS(H3, 1),
    OPT_ENUM(H3, first, "long|short", "long", "the convolution of k: as long as the second one, or of a few taps"),
    OPT_INT(H3, short_length, 4, 1, 1024, "taps of a short first convolution"),
    OPT_INT(H3, head_dim, 1, 1, 64, "units of a head; n of them take n^2 convolutions"),
    OPT_INT(H3, d_mlp, 0, 0, 1e6, "inner width of the mlp; 0: four times d_model"),
    OPT_INTS(H3, attention_layers, "", 0, 999, "layers, from 0 on, that attend in place of the convolutions"),
    OPT_INT(H3, n_heads, 12, 1, 1024, "heads of the layers that attend"),
    OPT_REAL(H3, embed_dropout, 0, 0, 0.999, "share of units dropped in training where the layers begin"),
    OPT_BOOL(H3, tie_embeddings, true, "where every step asks for a token, the decoder is the embedding"),
};
// clang-format on

const Model model_h3 = {
    .name = "h3",
    .summary = "H3 language model with long convolutions, for sequences",
    .paper = "arXiv:2302.06646",
    .revision = 1,
    .options = OPTION_TABLE(H3, h3_options),
    .build = h3_build,
    .init = model_common_init,
};
