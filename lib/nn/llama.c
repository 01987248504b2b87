/* llama -- the decoder of Touvron et al. (arXiv 2302.13971, 2307.09288): also Mistral's and others.
 *
 *   x + o_proj(attention(norm(x))), x + down_proj(silu(gate_proj(y)) * up_proj(y)), y = norm(x);
 *   norm; lm_head
 *
 * Norms are RMS norms; no layer has a bias unless told so. Query head h reads key head h / (heads /
 * key heads). Rotary positions turn pairs (i, i + D / 2), as in the files of Hugging Face. */
#include "nn/hf_block.h"

typedef struct Llama {
    int init;
    int64_t vocab_size, hidden_size, intermediate_size, num_hidden_layers, num_attention_heads;
    int64_t num_key_value_heads, head_dim, max_position_embeddings, pad_token_id;
    int hidden_act;
    double rms_norm_eps, initializer_range, attention_dropout;
    bool attention_bias, mlp_bias, tie_word_embeddings;
    int rope_type;
    double rope_theta, factor, low_freq_factor, high_freq_factor;
    int64_t original_max_position_embeddings;
} Llama;

static int64_t head_width(const Llama *o)
{
    return o->head_dim ? o->head_dim : o->hidden_size / o->num_attention_heads;
}

static Node *self_attention(ModelBuild *b, const Llama *o, const char *layer, Node *x, Node *turns)
{
    static const char *const part[] = {"q_proj", "k_proj", "v_proj"};
    const int64_t heads = o->num_attention_heads;
    const int64_t shared = o->num_key_value_heads ? o->num_key_value_heads : heads;
    const int64_t width = head_width(o);
    const char *name = model_name(b, "%s.self_attn", layer);
    Node *qkv[3];
    for (int i = 0; i < 3; i++) {
        const int64_t n = i == 0 ? heads : shared;
        qkv[i] = hf_heads(b,
                          hf_linear(b, model_name(b, "%s.%s", name, part[i]), x, n * width,
                                    o->attention_bias, o->initializer_range),
                          n);
    }
    const Attend how = {.causal = true, .dropout = (float)o->attention_dropout};
    return hf_linear(b, model_name(b, "%s.o_proj", name), hf_attention(b, name, qkv, turns, how),
                     o->hidden_size, o->attention_bias, o->initializer_range);
}

static Node *mlp(ModelBuild *b, const Llama *o, const char *layer, Node *x)
{
    const double deviation = o->initializer_range;
    Node *gate = hf_linear(b, model_name(b, "%s.mlp.gate_proj", layer), x, o->intermediate_size,
                           o->mlp_bias, deviation);
    Node *up = hf_linear(b, model_name(b, "%s.mlp.up_proj", layer), x, o->intermediate_size,
                         o->mlp_bias, deviation);
    Node *y = mul(b->graph, hf_activation(b, o->hidden_act, gate), up);
    return hf_linear(b, model_name(b, "%s.mlp.down_proj", layer), y, o->hidden_size, o->mlp_bias,
                     deviation);
}

static bool check(ModelBuild *b, const Llama *o, const Node *x)
{
    const int64_t heads = o->num_attention_heads;
    const int64_t shared = o->num_key_value_heads ? o->num_key_value_heads : heads;
    if (o->head_dim == 0 && o->hidden_size % heads != 0)
        (void)graph_fail(b->graph,
                         "num_attention_heads is %lld, which does not divide hidden_size %lld",
                         (long long)heads, (long long)o->hidden_size);
    else if (heads % shared != 0)
        (void)graph_fail(b->graph,
                         "num_key_value_heads is %lld, which does not divide "
                         "num_attention_heads %lld",
                         (long long)shared, (long long)heads);
    else
        return hf_tokens(b, x, o->max_position_embeddings);
    return false;
}

static Node *llama_build(ModelBuild *b, const void *options, Node *x)
{
    const Llama *o = options;
    Graph *g = b->graph;
    if (!check(b, o, x)) return x;
    const int64_t vocabulary = hf_vocabulary(b, o->vocab_size);
    Node *table =
        hf_table(b, "model.embed_tokens", vocabulary, o->hidden_size, o->initializer_range);
    const HfRope rope = {.type = o->rope_type,
                         .theta = o->rope_theta,
                         .factor = o->factor,
                         .low_freq_factor = o->low_freq_factor,
                         .high_freq_factor = o->high_freq_factor,
                         .original_steps = o->original_max_position_embeddings};
    Node *turns = hf_rope_table(b, &rope, x->shape.dim[1], head_width(o));
    Node *h = gather(g, table, x);
    for (int i = 0; i < o->num_hidden_layers; i++) {
        const char *layer = model_name(b, "model.layers.%d", i);
        Node *y = hf_rms_norm(b, model_name(b, "%s.input_layernorm", layer), h, o->rms_norm_eps);
        h = add(g, h, self_attention(b, o, layer, y, turns));
        y = hf_rms_norm(b, model_name(b, "%s.post_attention_layernorm", layer), h, o->rms_norm_eps);
        h = add(g, h, mlp(b, o, layer, y));
    }
    const HfHead head = {.tied = o->tie_word_embeddings ? table : NULL,
                         .vocab_size = vocabulary,
                         .pad_token_id = o->pad_token_id,
                         .token_head = "score",
                         .deviation = o->initializer_range};
    return hf_decoder_logits(b, x, hf_rms_norm(b, "model.norm", h, o->rms_norm_eps), &head);
}

// clang-format off
static const Option llama_options[] = {
    MODEL_OPTION_INIT(Llama),
    OPT_INT(Llama, vocab_size, 0, 0, 1e8, "rows of the token table; 0: the tokens of the data"),
    OPT_INT(Llama, hidden_size, 4096, 1, 1e6, "width of every step"),
    OPT_INT(Llama, intermediate_size, 11008, 1, 1e7, "inner width of the mlp"),
    OPT_INT(Llama, num_hidden_layers, 32, 1, HF_MAX_LAYERS, "number of layers"),
    OPT_INT(Llama, num_attention_heads, 32, 1, 4096, "heads of the queries"),
    OPT_INT(Llama, num_key_value_heads, 0, 0, 4096, "heads of keys and values, which divide those of the queries; 0: as many"),
    OPT_INT(Llama, head_dim, 0, 0, 256, "width of a head; 0: hidden_size / num_attention_heads"),
    OPT_INT(Llama, max_position_embeddings, 2048, 1, 1e8, "the longest sequence, in steps"),
    OPT_INT(Llama, pad_token_id, -1, -1, 1e8, "the id that is padding, at the end; -1: none"),
    OPT_ENUM(Llama, hidden_act, HF_ACTIVATIONS, "silu", "the nonlinearity of the mlp's gate"),
    OPT_REAL(Llama, rms_norm_eps, 1e-6, 0, 1, "added to the mean square in norms"),
    OPT_REAL(Llama, initializer_range, 0.02, 0, 10, "deviation of the first weights"),
    OPT_REAL(Llama, attention_dropout, 0, 0, 0.999, "share of attention weights dropped in training"),
    OPT_BOOL(Llama, attention_bias, false, "biases in the attention's projections"),
    OPT_BOOL(Llama, mlp_bias, false, "biases in the mlp"),
    OPT_BOOL(Llama, tie_word_embeddings, false, "the head's weights are the token table"),
    OPT_ENUM(Llama, rope_type, "default|linear|llama3", "default", "how rotary positions are stretched"),
    OPT_REAL(Llama, rope_theta, 10000, 1, 1e12, "base of the rotary wavelengths"),
    OPT_REAL(Llama, factor, 1, 1, 1e6, "of rope_type linear and llama3: by how much they are stretched"),
    OPT_REAL(Llama, low_freq_factor, 1, 0, 1e6, "of llama3: wavelengths above original_max_position_embeddings / this are stretched in full"),
    OPT_REAL(Llama, high_freq_factor, 4, 0, 1e6, "of llama3: and those below that / this are not"),
    OPT_INT(Llama, original_max_position_embeddings, 8192, 1, 1e8, "of llama3: steps of the training before the stretching"),
};
// clang-format on

const Model model_llama = {
    .name = "llama",
    .summary = "decoder with RMS norms, rotary positions, SwiGLU and grouped queries",
    .paper = "arXiv:2302.13971",
    .revision = 1,
    .options = OPTION_TABLE(Llama, llama_options),
    .build = llama_build,
    .init = model_common_init,
};
