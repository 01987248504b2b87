/* vit -- the vision transformer of Dosovitskiy et al. (arXiv 2010.11929).
 *
 *   steps: a learned one, then every patch by one linear layer, plus learned positions;
 *   x + attention(norm(x)), x + mlp(norm(x)); norm; classifier of the learned step */
#include "nn/hf_block.h"
#include "nn/sequence.h"

typedef struct Vit {
    int init;
    int64_t hidden_size, num_hidden_layers, num_attention_heads, intermediate_size;
    int64_t image_size, patch_size, num_channels;
    int hidden_act;
    double hidden_dropout_prob, attention_probs_dropout_prob, initializer_range, layer_norm_eps;
    bool qkv_bias;
} Vit;

static Init first_values(const Vit *o)
{
    return (Init){.kind = INIT_TRUNCATED_NORMAL, .a = o->initializer_range};
}

static Node *vit_linear(ModelBuild *b, const Vit *o, const char *name, Node *x, int64_t out,
                        bool bias)
{
    const LayerInit init = {first_values(o), {.kind = INIT_ZEROS}};
    return layer_linear(b, name, x, out, bias, &init);
}

static bool check(ModelBuild *b, const Vit *o, const Node *x)
{
    const Shape *s = &x->shape;
    char text[96];
    if (s->rank != 4 || x->dtype != F32) {
        (void)graph_fail(b->graph, "the model reads images (height, width, channels), not %s",
                         shape_text(&b->task.sample, text));
        return false;
    }
    if (s->dim[1] % o->patch_size != 0 || s->dim[2] % o->patch_size != 0 ||
        (o->image_size && (s->dim[1] != o->image_size || s->dim[2] != o->image_size)) ||
        (o->num_channels && s->dim[3] != o->num_channels)) {
        (void)graph_fail(b->graph,
                         "images %s do not fit image_size %lld, patch_size %lld, num_channels %lld",
                         shape_text(&b->task.sample, text), (long long)o->image_size,
                         (long long)o->patch_size, (long long)o->num_channels);
        return false;
    }
    if (o->hidden_size % o->num_attention_heads == 0) return true;
    (void)graph_fail(b->graph,
                     "num_attention_heads is %lld, which does not divide hidden_size %lld",
                     (long long)o->num_attention_heads, (long long)o->hidden_size);
    return false;
}

static Node *embedded(ModelBuild *b, const Vit *o, Node *x)
{
    Graph *g = b->graph;
    const int64_t batch = x->shape.dim[0], width = o->hidden_size, one = 1;
    const LayerInit init = {first_values(o), {.kind = INIT_ZEROS}};
    const ConvLayer patches = {
        .out = width, .kernel = o->patch_size, .stride = o->patch_size, .bias = true};
    Node *h = layer_conv(b, "vit.embeddings.patch_embeddings.projection", x, patches, &init);
    const int64_t n = h->shape.dim[1] * h->shape.dim[2];
    Node *cls = model_param(b, "vit.embeddings.cls_token", shape(3, one, one, width),
                            ROLE_EMBEDDING, first_values(o));
    Node *place = model_param(b, "vit.embeddings.position_embeddings", shape(3, one, n + 1, width),
                              ROLE_EMBEDDING, first_values(o));
    Node *parts[] = {broadcast(g, cls, shape(3, batch, one, width)),
                     reshape(g, h, shape(3, batch, n, width))};
    h = add(g, concat(g, parts, 2, 1), place);
    return layer_dropout(b, "vit.embeddings", h, o->hidden_dropout_prob);
}

static Node *vit_attention(ModelBuild *b, const Vit *o, const char *layer, Node *x)
{
    static const char *const part[] = {"query", "key", "value"};
    const char *name = model_name(b, "%s.attention.attention", layer);
    Node *qkv[3];
    for (int i = 0; i < 3; i++)
        qkv[i] = hf_heads(
            b,
            vit_linear(b, o, model_name(b, "%s.%s", name, part[i]), x, o->hidden_size, o->qkv_bias),
            o->num_attention_heads);
    const Attend how = {.dropout = (float)o->attention_probs_dropout_prob};
    Node *y = hf_attention(b, name, qkv, NULL, how);
    y = vit_linear(b, o, model_name(b, "%s.attention.output.dense", layer), y, o->hidden_size,
                   true);
    return layer_dropout(b, name, y, o->hidden_dropout_prob);
}

static Node *vit_mlp(ModelBuild *b, const Vit *o, const char *layer, Node *x)
{
    Node *y = vit_linear(b, o, model_name(b, "%s.intermediate.dense", layer), x,
                         o->intermediate_size, true);
    y = vit_linear(b, o, model_name(b, "%s.output.dense", layer),
                   hf_activation(b, o->hidden_act, y), o->hidden_size, true);
    return layer_dropout(b, model_name(b, "%s.output", layer), y, o->hidden_dropout_prob);
}

static Node *vit_build(ModelBuild *b, const void *options, Node *x)
{
    const Vit *o = options;
    Graph *g = b->graph;
    if (!check(b, o, x)) return x;
    Node *h = embedded(b, o, x);
    for (int i = 0; i < o->num_hidden_layers; i++) {
        const char *layer = model_name(b, "vit.encoder.layer.%d", i);
        Node *y =
            hf_layer_norm(b, model_name(b, "%s.layernorm_before", layer), h, o->layer_norm_eps);
        h = add(g, h, vit_attention(b, o, layer, y));
        y = hf_layer_norm(b, model_name(b, "%s.layernorm_after", layer), h, o->layer_norm_eps);
        h = add(g, h, vit_mlp(b, o, layer, y));
    }
    h = hf_layer_norm(b, "vit.layernorm", h, o->layer_norm_eps);
    Node *first = sequence_pool(b, POOL_CLS, (Sequence){.x = h});
    return vit_linear(b, o, "classifier", first, b->task.n_classes, true);
}

// clang-format off
static const Option vit_options[] = {
    MODEL_OPTION_INIT(Vit),
    OPT_INT(Vit, hidden_size, 768, 1, 1e6, "width of every step"),
    OPT_INT(Vit, num_hidden_layers, 12, 1, HF_MAX_LAYERS, "number of layers"),
    OPT_INT(Vit, num_attention_heads, 12, 1, 4096, "attention heads"),
    OPT_INT(Vit, intermediate_size, 3072, 1, 1e7, "inner width of the mlp"),
    OPT_INT(Vit, image_size, 0, 0, 1e5, "side of the images, in pixels; 0: as the data"),
    OPT_INT(Vit, patch_size, 16, 1, 1e5, "side of a patch, in pixels"),
    OPT_INT(Vit, num_channels, 0, 0, 1e5, "colours of a pixel; 0: as the data"),
    OPT_ENUM(Vit, hidden_act, HF_ACTIVATIONS, "gelu", "the nonlinearity of the mlp"),
    OPT_REAL(Vit, hidden_dropout_prob, 0, 0, 0.999, "share dropped of what a layer adds, in training"),
    OPT_REAL(Vit, attention_probs_dropout_prob, 0, 0, 0.999, "share of attention weights dropped in training"),
    OPT_REAL(Vit, initializer_range, 0.02, 0, 10, "deviation of the first weights"),
    OPT_REAL(Vit, layer_norm_eps, 1e-12, 0, 1, "added to the variance in norms"),
    OPT_BOOL(Vit, qkv_bias, true, "biases in the projections to queries, keys and values"),
};
// clang-format on

const Model model_vit = {
    .name = "vit",
    .summary = "transformer over patches of an image",
    .paper = "arXiv:2010.11929",
    .revision = 1,
    .options = OPTION_TABLE(Vit, vit_options),
    .build = vit_build,
    .init = model_common_init,
};
