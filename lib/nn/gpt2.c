/* gpt2 -- the decoder of Radford et al. 2019 ("Language models are unsupervised multitask
 * learners"), as its published files have it.
 *
 *   x + c_proj(attention(ln_1(x))), x + c_proj(gelu(c_fc(ln_2(x)))); ln_f; the token table as head
 *
 * Positions are a table. All weights but the tables' are stored (in, out), as the files have them;
 * c_attn gives queries, keys and values side by side. */
#include "nn/hf_block.h"

#include "base/realmath.h"

typedef struct Gpt2 {
    int init;
    int64_t vocab_size, n_positions, n_embd, n_layer, n_head, n_inner, pad_token_id;
    int activation_function;
    double resid_pdrop, embd_pdrop, attn_pdrop, layer_norm_epsilon, initializer_range;
    bool scale_attn_weights, scale_attn_by_inverse_layer_idx, tie_word_embeddings;
} Gpt2;

/* The two projections that add to the residual start smaller the more layers there are. */
static double residual_deviation(const Gpt2 *o)
{
    return o->initializer_range / real_sqrt(2 * (double)o->n_layer);
}

static Node *self_attention(ModelBuild *b, const Gpt2 *o, int i, const char *layer, Node *x)
{
    const char *name = model_name(b, "%s.attn", layer);
    Node *all =
             hf_conv1d(b, model_name(b, "%s.c_attn", name), x, 3 * o->n_embd, o->initializer_range),
         *qkv[3];
    for (int j = 0; j < 3; j++)
        qkv[j] = hf_heads(b, slice(b->graph, all, 2, j * o->n_embd, o->n_embd), o->n_head);
    const int64_t width = o->n_embd / o->n_head;
    double scale = o->scale_attn_weights ? 1 / real_sqrt((double)width) : 1;
    if (o->scale_attn_by_inverse_layer_idx) scale /= i + 1;
    const Attend how = {.causal = true, .scale = (float)scale, .dropout = (float)o->attn_pdrop};
    Node *y = hf_attention(b, name, qkv, NULL, how);
    y = hf_conv1d(b, model_name(b, "%s.c_proj", name), y, o->n_embd, residual_deviation(o));
    return layer_dropout(b, name, y, o->resid_pdrop);
}

static Node *mlp(ModelBuild *b, const Gpt2 *o, const char *layer, Node *x)
{
    const char *name = model_name(b, "%s.mlp", layer);
    const int64_t inner = o->n_inner ? o->n_inner : 4 * o->n_embd;
    Node *y = hf_conv1d(b, model_name(b, "%s.c_fc", name), x, inner, o->initializer_range);
    y = hf_activation(b, o->activation_function, y);
    y = hf_conv1d(b, model_name(b, "%s.c_proj", name), y, o->n_embd, residual_deviation(o));
    return layer_dropout(b, name, y, o->resid_pdrop);
}

static Node *gpt2_build(ModelBuild *b, const void *options, Node *x)
{
    const Gpt2 *o = options;
    Graph *g = b->graph;
    if (!hf_tokens(b, x, o->n_positions)) return x;
    if (o->n_embd % o->n_head != 0)
        return graph_fail(g, "n_head is %lld, which does not divide n_embd %lld",
                          (long long)o->n_head, (long long)o->n_embd);
    const double deviation = o->initializer_range, eps = o->layer_norm_epsilon;
    const int64_t vocabulary = hf_vocabulary(b, o->vocab_size);
    Node *table = hf_table(b, "transformer.wte", vocabulary, o->n_embd, deviation);
    Node *place = hf_table(b, "transformer.wpe", o->n_positions, o->n_embd, deviation);
    Node *h = add(g, gather(g, table, x), hf_positions(b, place, x->shape.dim[1]));
    h = layer_dropout(b, "transformer.drop", h, o->embd_pdrop);
    for (int i = 0; i < o->n_layer; i++) {
        const char *layer = model_name(b, "transformer.h.%d", i);
        Node *y = hf_layer_norm(b, model_name(b, "%s.ln_1", layer), h, eps);
        h = add(g, h, self_attention(b, o, i, layer, y));
        y = hf_layer_norm(b, model_name(b, "%s.ln_2", layer), h, eps);
        h = add(g, h, mlp(b, o, layer, y));
    }
    const HfHead head = {.tied = o->tie_word_embeddings ? table : NULL,
                         .vocab_size = vocabulary,
                         .pad_token_id = o->pad_token_id,
                         .token_head = "classifier",
                         .deviation = deviation};
    return hf_decoder_logits(b, x, hf_layer_norm(b, "transformer.ln_f", h, eps), &head);
}

// clang-format off
static const Option gpt2_options[] = {
    MODEL_OPTION_INIT(Gpt2),
    OPT_INT(Gpt2, vocab_size, 0, 0, 1e8, "rows of the token table; 0: the tokens of the data"),
    OPT_INT(Gpt2, n_positions, 1024, 1, 1e8, "the longest sequence, in steps"),
    OPT_INT(Gpt2, n_embd, 768, 1, 1e6, "width of every step"),
    OPT_INT(Gpt2, n_layer, 12, 1, HF_MAX_LAYERS, "number of layers"),
    OPT_INT(Gpt2, n_head, 12, 1, 4096, "attention heads"),
    OPT_INT(Gpt2, n_inner, 0, 0, 1e7, "inner width of the mlp; 0: four times n_embd"),
    OPT_INT(Gpt2, pad_token_id, -1, -1, 1e8, "the id that is padding, at the end; -1: none"),
    OPT_ENUM(Gpt2, activation_function, HF_ACTIVATIONS, "gelu_new", "the nonlinearity of the mlp"),
    OPT_REAL(Gpt2, resid_pdrop, 0.1, 0, 0.999, "share dropped of what a layer adds, in training"),
    OPT_REAL(Gpt2, embd_pdrop, 0.1, 0, 0.999, "share dropped of the embedded steps, in training"),
    OPT_REAL(Gpt2, attn_pdrop, 0.1, 0, 0.999, "share of attention weights dropped in training"),
    OPT_REAL(Gpt2, layer_norm_epsilon, 1e-5, 0, 1, "added to the variance in norms"),
    OPT_REAL(Gpt2, initializer_range, 0.02, 0, 10, "deviation of the first weights"),
    OPT_BOOL(Gpt2, scale_attn_weights, true, "scores are divided by the root of a head's width"),
    OPT_BOOL(Gpt2, scale_attn_by_inverse_layer_idx, false, "and by the number of the layer, from 1"),
    OPT_BOOL(Gpt2, tie_word_embeddings, true, "the head's weights are the token table"),
};
// clang-format on

const Model model_gpt2 = {
    .name = "gpt2",
    .summary = "decoder with layer norms and learned positions",
    .revision = 1,
    .options = OPTION_TABLE(Gpt2, gpt2_options),
    .build = gpt2_build,
    .init = model_common_init,
};
