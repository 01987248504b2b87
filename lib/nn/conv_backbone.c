/* conv_backbone -- see conv_backbone.h. Between layers a sequence is (B, T, H); the convolution
 * takes (B, H, T), and the linear layer after it reads that as it lies. */
#include "nn/conv_backbone.h"

#include "nn/butterfly.h"

static Node *normed(ModelBuild *b, const ConvBackbone *o, const char *name, Node *x)
{
    return o->norm == 0 ? layer_batch_norm(b, name, x) : sequence_layer_norm(b, name, x);
}

/* (B, H, T) to (B, C H, T), index c H + h. */
static Node *repeated(Graph *g, Node *u, int64_t channels)
{
    Node **copy = arena_new_array(g->arena, Node *, channels);
    for (int64_t c = 0; c < channels; c++) copy[c] = u;
    return channels == 1 ? u : concat(g, copy, (int)channels, 1);
}

Node *conv_by_kernels(ModelBuild *b, const ConvBackbone *o, const char *prefix, Node *u, Node *k,
                      Node *d)
{
    Graph *g = b->graph;
    if (k->shape.rank != 3) return u; /* a method's mistake is on record */
    const int64_t rows = d->shape.dim[0], taps = k->shape.dim[2];
    k = reshape(g, k, o->bidirectional ? shape(3, INT64_C(2), rows, taps) : shape(2, rows, taps));
    if (o->transform == 0)
        return long_conv(g, repeated(g, u, o->channels), k, d, NULL,
                         o->bidirectional ? REACH_TWO_SIDED : REACH_CAUSAL);
    Node *y = butterfly_conv(b, prefix, u, k, o->bidirectional, o->butterfly_lr);
    const int64_t B = u->shape.dim[0], H = u->shape.dim[1], T = u->shape.dim[2], one = 1;
    Node *skip =
        mul(g, reshape(g, u, shape(4, B, one, H, T)), reshape(g, d, shape(3, o->channels, H, one)));
    return add(g, y, reshape(g, skip, y->shape));
}

/* y (B, C H, T) to (B, T, H). */
static Node *output_glu(ModelBuild *b, const SequenceOptions *o, const char *prefix, Node *y)
{
    Graph *g = b->graph;
    const int64_t in = y->shape.dim[1], width = o->d_model;
    const Init torch = {.kind = INIT_TORCH_DEFAULT, .fan_in = in};
    const LayerInit init = sequence_init(o, (LayerInit){torch, torch}, true);
    const char *name = model_name(b, "%s.output.weight", prefix);
    Node *w = model_param(b, name, shape(2, 2 * width, in), ROLE_WEIGHT, init.weight);
    Node *bias = model_param(b, model_name(b, "%s.output.bias", prefix), shape(1, 2 * width),
                             ROLE_BIAS, init.bias);
    y = add(g, matmul(g, y, w, true, true), bias);
    if (b->observe)
        b->observe(b->observer, model_name(b, "%s.output", prefix), params_find(b->params, name),
                   y);
    return mul(g, slice(g, y, 2, 0, width), sigmoid(g, slice(g, y, 2, width, width)));
}

static Node *layer(ModelBuild *b, const ConvBackbone *o, ConvMix *mix, const char *prefix,
                   Sequence s)
{
    Graph *g = b->graph;
    const int64_t width = s.x->shape.dim[2], rows = o->channels * width;
    const Init normal = {.kind = INIT_NORMAL, .a = 1};
    Node *d = model_param(b, model_name(b, "%s.D", prefix), shape(1, rows), ROLE_WEIGHT, normal);
    Node *y = mix(b, o, prefix, transpose(g, sequence_masked(b, s.x, s.mask)), d);
    y = sequence_dropout(b, model_name(b, "%s.inner", prefix), gelu(g, y), o->sequence.dropout,
                         o->tie_dropout ? 2 : -1);
    return output_glu(b, &o->sequence, prefix, y);
}

static Node *block(ModelBuild *b, const ConvBackbone *o, ConvMix *mix, int i, Sequence s)
{
    const char *prefix = model_name(b, "layers.%d", i);
    const char *norm = model_name(b, "layers.%d.norm", i);
    Node *x = s.x;
    if (o->order == 0) s.x = normed(b, o, norm, x);
    Node *y = layer(b, o, mix, prefix, s);
    y = sequence_dropout(b, prefix, y, o->sequence.dropout, o->tie_dropout ? 1 : -1);
    y = add(b->graph, x, y);
    return o->order == 0 ? y : normed(b, o, norm, y);
}

Node *conv_backbone(ModelBuild *b, const ConvBackbone *o, ConvMix *mix, Node *x)
{
    Sequence s = sequence_embed(b, &o->sequence, x);
    if (s.x->shape.rank != 3) return s.x; /* a mistake is on record */
    if (b->task.causal && o->bidirectional)
        return graph_fail(b->graph, "bidirectional kernels see the steps that are asked for");
    for (int i = 0; i < o->sequence.n_layers; i++) s.x = block(b, o, mix, i, s);
    if (o->order == 0) s.x = normed(b, o, "norm", s.x);
    return sequence_logits(b, &o->sequence, s);
}
