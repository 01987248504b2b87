/* bert -- the encoder of Devlin et al. (arXiv 1810.04805): also MiniLM's and other sentence models.
 *
 *   x = norm(tokens + positions + types); x = norm(x + attention(x)), x = norm(x + mlp(x)) ...
 *   classifier(tanh(pooler(first step))), or of the mean of the steps; or a token for every step
 *
 * Steps up to the first separator are of type 0, all others of type 1: [CLS] a [SEP] b [SEP]. */
#include "nn/hf_block.h"
#include "nn/sequence.h"

typedef struct Bert {
    int init;
    int64_t vocab_size, hidden_size, num_hidden_layers, num_attention_heads, intermediate_size;
    int64_t max_position_embeddings, type_vocab_size, pad_token_id, sep_token_id;
    int hidden_act, head, pooling;
    double hidden_dropout_prob, attention_probs_dropout_prob, initializer_range, layer_norm_eps;
} Bert;

enum { HEAD_CLASSIFIER, HEAD_MLM };
enum { POOLING_CLS, POOLING_MEAN };

static Node *bert_linear(ModelBuild *b, const Bert *o, const char *name, Node *x, int64_t out)
{
    return hf_linear(b, name, x, out, true, o->initializer_range);
}

/* (B, T, 1): 1 behind the first separator. */
static Node *second_part(Graph *g, Node *x, int64_t separator)
{
    const int64_t batch = x->shape.dim[0], steps = x->shape.dim[1];
    Node *is = equal(g, to_float(g, x), scalar(g, (float)separator));
    is = reshape(g, is, shape(3, batch, steps, INT64_C(1)));
    Node *seen = sub(g, scan(g, full(g, shape(1, INT64_C(1)), 1), is, NULL, false), is);
    return minimum(g, seen, scalar(g, 1));
}

static Node *embedded(ModelBuild *b, const Bert *o, Node *table, Node *x)
{
    Graph *g = b->graph;
    const char *const name = "bert.embeddings";
    const int64_t width = o->hidden_size;
    const double deviation = o->initializer_range;
    Node *place = hf_table(b, model_name(b, "%s.position_embeddings", name),
                           o->max_position_embeddings, width, deviation);
    Node *types = hf_table(b, model_name(b, "%s.token_type_embeddings", name), o->type_vocab_size,
                           width, deviation);
    Node *first = slice(g, types, 0, 0, 1);
    Node *h = add(g, gather(g, table, x), first);
    if (o->type_vocab_size > 1 && o->sep_token_id >= 0) {
        Node *step = sub(g, slice(g, types, 0, 1, 1), first);
        h = add(g, h, mul(g, second_part(g, x, o->sep_token_id), step));
    }
    h = add(g, h, hf_positions(b, place, x->shape.dim[1]));
    h = hf_layer_norm(b, model_name(b, "%s.LayerNorm", name), h, o->layer_norm_eps);
    return layer_dropout(b, name, h, o->hidden_dropout_prob);
}

/* norm(x + dropout(dense(y))) */
static Node *output(ModelBuild *b, const Bert *o, const char *name, Node *y, Node *x)
{
    y = bert_linear(b, o, model_name(b, "%s.dense", name), y, o->hidden_size);
    y = add(b->graph, x, layer_dropout(b, name, y, o->hidden_dropout_prob));
    return hf_layer_norm(b, model_name(b, "%s.LayerNorm", name), y, o->layer_norm_eps);
}

static Node *bert_layer(ModelBuild *b, const Bert *o, const char *name, Node *x, Node *lengths)
{
    static const char *const part[] = {"query", "key", "value"};
    Node *qkv[3];
    for (int i = 0; i < 3; i++) {
        const char *part_name = model_name(b, "%s.attention.self.%s", name, part[i]);
        qkv[i] =
            hf_heads(b, bert_linear(b, o, part_name, x, o->hidden_size), o->num_attention_heads);
    }
    const Attend how = {.lengths = lengths, .dropout = (float)o->attention_probs_dropout_prob};
    Node *y = hf_attention(b, model_name(b, "%s.attention.self", name), qkv, NULL, how);
    x = output(b, o, model_name(b, "%s.attention.output", name), y, x);
    y = bert_linear(b, o, model_name(b, "%s.intermediate.dense", name), x, o->intermediate_size);
    y = hf_activation(b, o->hidden_act, y);
    return output(b, o, model_name(b, "%s.output", name), y, x);
}

/* The token that belongs at each step: the masked language model's head. */
static Node *mlm_logits(ModelBuild *b, const Bert *o, Node *table, Node *h)
{
    const char *const name = "cls.predictions";
    if (!b->task.per_step)
        return graph_fail(b->graph, "head: mlm gives a token for every step; the data ask about "
                                    "the whole");
    h = bert_linear(b, o, model_name(b, "%s.transform.dense", name), h, o->hidden_size);
    h = hf_layer_norm(b, model_name(b, "%s.transform.LayerNorm", name),
                      hf_activation(b, o->hidden_act, h), o->layer_norm_eps);
    Node *bias = model_param(b, model_name(b, "%s.bias", name), shape(1, table->shape.dim[0]),
                             ROLE_BIAS, (Init){.kind = INIT_ZEROS});
    return hf_token_logits(b, h, table, bias);
}

static Node *pooled(ModelBuild *b, const Bert *o, Node *x, Node *h)
{
    Graph *g = b->graph;
    if (o->pooling == POOLING_MEAN) {
        Node *pad = equal(g, to_float(g, x), scalar(g, (float)o->pad_token_id));
        return sequence_pool(b, POOL_MEAN, (Sequence){.x = h, .mask = affine(g, pad, -1, 1)});
    }
    Node *first = sequence_pool(b, POOL_CLS, (Sequence){.x = h});
    return tanh_node(g, bert_linear(b, o, "bert.pooler.dense", first, o->hidden_size));
}

static Node *bert_build(ModelBuild *b, const void *options, Node *x)
{
    const Bert *o = options;
    Graph *g = b->graph;
    if (!hf_tokens(b, x, o->max_position_embeddings)) return x;
    if (o->hidden_size % o->num_attention_heads != 0)
        return graph_fail(g, "num_attention_heads is %lld, which does not divide hidden_size %lld",
                          (long long)o->num_attention_heads, (long long)o->hidden_size);
    if (b->task.causal || b->cache)
        return graph_fail(g, "an encoder sees later steps; the data ask what comes next");
    Node *table = hf_table(b, "bert.embeddings.word_embeddings", hf_vocabulary(b, o->vocab_size),
                           o->hidden_size, o->initializer_range);
    Node *lengths = hf_lengths(b, x, x->shape.dim[1], o->pad_token_id);
    Node *h = embedded(b, o, table, x);
    for (int i = 0; i < o->num_hidden_layers; i++)
        h = bert_layer(b, o, model_name(b, "bert.encoder.layer.%d", i), h, lengths);
    if (o->head == HEAD_MLM) return mlm_logits(b, o, table, h);
    if (!b->task.per_step) h = pooled(b, o, x, h);
    h = layer_dropout(b, "classifier", h, o->hidden_dropout_prob);
    return bert_linear(b, o, "classifier", h, b->task.n_classes);
}

// clang-format off
static const Option bert_options[] = {
    MODEL_OPTION_INIT(Bert),
    OPT_INT(Bert, vocab_size, 0, 0, 1e8, "rows of the token table; 0: the tokens of the data"),
    OPT_INT(Bert, hidden_size, 768, 1, 1e6, "width of every step"),
    OPT_INT(Bert, num_hidden_layers, 12, 1, HF_MAX_LAYERS, "number of layers"),
    OPT_INT(Bert, num_attention_heads, 12, 1, 4096, "attention heads"),
    OPT_INT(Bert, intermediate_size, 3072, 1, 1e7, "inner width of the mlp"),
    OPT_INT(Bert, max_position_embeddings, 512, 1, 1e8, "the longest sequence, in steps"),
    OPT_INT(Bert, type_vocab_size, 2, 1, 1000, "rows of the table of types"),
    OPT_INT(Bert, pad_token_id, 0, -1, 1e8, "the id that is padding, at the end; -1: none"),
    OPT_INT(Bert, sep_token_id, 102, -1, 1e8, "the id behind whose first place steps are of type 1; -1: none"),
    OPT_ENUM(Bert, hidden_act, HF_ACTIVATIONS, "gelu", "the nonlinearity of the mlp"),
    OPT_ENUM(Bert, head, "classifier|mlm", "classifier", "classes, of the whole or of every step, or mlm: tokens"),
    OPT_ENUM(Bert, pooling, "cls|mean", "cls", "what stands for the whole: the pooler of the first step, or the mean of all"),
    OPT_REAL(Bert, hidden_dropout_prob, 0.1, 0, 0.999, "share dropped of what a layer adds, in training"),
    OPT_REAL(Bert, attention_probs_dropout_prob, 0.1, 0, 0.999, "share of attention weights dropped in training"),
    OPT_REAL(Bert, initializer_range, 0.02, 0, 10, "deviation of the first weights"),
    OPT_REAL(Bert, layer_norm_eps, 1e-12, 0, 1, "added to the variance in norms"),
};
// clang-format on

const Model model_bert = {
    .name = "bert",
    .summary = "post-norm encoder with a classifier or a masked language model's head",
    .paper = "arXiv:1810.04805",
    .revision = 1,
    .options = OPTION_TABLE(Bert, bert_options),
    .build = bert_build,
    .init = model_common_init,
};
