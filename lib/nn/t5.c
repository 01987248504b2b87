/* t5 -- the encoder and decoder of Raffel et al. (arXiv 1910.10683): a target, token by token, of a
 * source.
 *
 *   x + attention(norm(x)) [+ attention to the encoder's steps] + mlp(norm(x)), with RMS norms
 *
 * Places enter by a number for each head and bucket of distance that is added to the scores, one
 * table for all layers of a stack. Scores are not scaled; where the head is the token table, its
 * input is, by d_model^(-1/2). The first Task.source_steps of an example are the source, what
 * follows is what the decoder has been given: a start token, then the target but for its last. */
#include "nn/hf_block.h"

#include "base/realmath.h"

typedef struct T5 {
    int init;
    int64_t vocab_size, d_model, d_kv, d_ff, num_layers, num_decoder_layers, num_heads;
    int64_t relative_attention_num_buckets, relative_attention_max_distance, pad_token_id;
    int feed_forward_proj, scale_decoder_outputs;
    double dropout_rate, layer_norm_epsilon, initializer_factor;
    bool tie_word_embeddings;
} T5;

/* One of the two halves. */
typedef struct Stack {
    const char *name;
    bool decoder;
    int64_t n_layers;
    Node *lengths;   /* of its own steps; the encoder's */
    Node *source;    /* decoder: the encoder's steps */
    Node *distances; /* (H, T, T), after the first layer */
} Stack;

static Node *t5_linear(ModelBuild *b, const T5 *o, const char *name, Node *x, int64_t out,
                       double fan)
{
    return hf_linear(b, name, x, out, false, o->initializer_factor / real_sqrt(fan));
}

/* Half of the buckets for single distances, the others in equal steps of the logarithm up to the
 * largest one; both directions have their own where both are seen. */
static int32_t bucket_of(const T5 *o, bool decoder, int64_t distance)
{
    int64_t n = o->relative_attention_num_buckets, first = 0;
    if (!decoder) {
        n /= 2;
        if (distance > 0) first = n;
        if (distance < 0) distance = -distance;
    } else {
        distance = distance < 0 ? -distance : 0;
    }
    const int64_t single = n / 2;
    if (distance < single) return (int32_t)(first + distance);
    const double share = real_log((double)distance / (double)single) /
                         real_log((double)o->relative_attention_max_distance / (double)single);
    /* the library computes this in float: a whole number must not fall below itself */
    const int64_t far = single + (int64_t)(share * (double)(n - single) + 1e-6);
    return (int32_t)(first + (far < n ? far : n - 1));
}

static Node *distance_table(ModelBuild *b, const T5 *o, const Stack *s)
{
    const char *name =
        model_name(b, "%s.block.0.layer.0.SelfAttention.relative_attention_bias", s->name);
    return hf_table(b, name, o->relative_attention_num_buckets, o->num_heads,
                    o->initializer_factor / real_sqrt((double)o->d_model));
}

/* (H, T, T) to add to the scores of query i and key j. */
static Node *distances(ModelBuild *b, const T5 *o, const Stack *s, int64_t steps)
{
    static const int heads_first[] = {2, 0, 1};
    Graph *g = b->graph;
    Node *table = distance_table(b, o, s);
    int32_t *bucket = arena_new_array(g->arena, int32_t, steps * steps);
    for (int64_t i = 0; i < steps; i++)
        for (int64_t j = 0; j < steps; j++) bucket[i * steps + j] = bucket_of(o, s->decoder, j - i);
    return permute(g, gather(g, table, constant_index(g, shape(2, steps, steps), bucket)),
                   heads_first);
}

/* The same of the new step alone: (H, 1, max_steps). */
static Node *distances_back(ModelBuild *b, const T5 *o, const Stack *s)
{
    static const int heads_first[] = {1, 0};
    Graph *g = b->graph;
    const int64_t steps = b->cache->max_steps;
    int32_t *bucket = arena_new_array(g->arena, int32_t, steps);
    for (int64_t i = 0; i < steps; i++) bucket[i] = bucket_of(o, true, -i);
    Node *back = gather(g, distance_table(b, o, s), constant_index(g, shape(1, steps), bucket));
    back = permute(g, gather(g, back, b->cache->distances), heads_first);
    return reshape(g, back, shape(3, o->num_heads, INT64_C(1), steps));
}

/* Part 0, 1, 2: queries, keys or values (B, T, H, D). */
static Node *project(ModelBuild *b, const T5 *o, const char *name, int part, Node *x)
{
    static const char *const word[] = {"q", "k", "v"};
    const double fan = (double)o->d_model * (part == 0 ? (double)o->d_kv : 1);
    Node *y =
        t5_linear(b, o, model_name(b, "%s.%s", name, word[part]), x, o->num_heads * o->d_kv, fan);
    return hf_heads(b, y, o->num_heads);
}

static Node *attend(ModelBuild *b, const T5 *o, const char *name, Node *const qkv[3], Attend how)
{
    how.scale = 1;
    how.dropout = (float)o->dropout_rate;
    return hf_attention(b, name, qkv, NULL, how);
}

static Node *self_attention(ModelBuild *b, const T5 *o, const Stack *s, const char *name, Node *x)
{
    Node *qkv[3];
    for (int i = 0; i < 3; i++) qkv[i] = project(b, o, name, i, x);
    const Attend how = {
        .causal = s->decoder, .lengths = s->decoder ? NULL : s->lengths, .bias = s->distances};
    return attend(b, o, name, qkv, how);
}

/* What the new step reads of the source was computed before: see KvCache. */
static Node *attend_kept(ModelBuild *b, const T5 *o, Node *q, Attend how)
{
    Graph *g = b->graph;
    KvCache *c = b->cache;
    const int64_t batch = q->shape.dim[0];
    const Shape all = shape(4, batch, b->task.source_steps, o->num_heads, o->d_kv);
    KvLayer *l = &c->cross[c->n_cross];
    l->k_old = input(g, model_name(b, "source.%d.k", c->n_cross), F32, all);
    l->v_old = input(g, model_name(b, "source.%d.v", c->n_cross), F32, all);
    c->n_cross++;
    how.scale = 1;
    return reshape(g, attention(g, q, l->k_old, l->v_old, how),
                   shape(3, batch, INT64_C(1), o->num_heads * o->d_kv));
}

static Node *cross_attention(ModelBuild *b, const T5 *o, const Stack *s, const char *name, Node *x)
{
    const Attend how = {.lengths = s->lengths};
    Node *q = project(b, o, name, 0, x);
    if (hf_stepping(b)) return attend_kept(b, o, q, how);
    Node *qkv[3] = {q, project(b, o, name, 1, s->source), project(b, o, name, 2, s->source)};
    return attend(b, o, name, qkv, how);
}

/* To the stack's own steps, or to those of the source. */
static Node *t5_attention(ModelBuild *b, const T5 *o, const Stack *s, const char *layer, bool own,
                          Node *x)
{
    const char *name = model_name(b, own ? "%s.SelfAttention" : "%s.EncDecAttention", layer);
    Node *y = own ? self_attention(b, o, s, name, x) : cross_attention(b, o, s, name, x);
    return t5_linear(b, o, model_name(b, "%s.o", name), y, o->d_model,
                     (double)(o->num_heads * o->d_kv));
}

/* In the order of feed_forward_proj: the last three are gated. A gated gelu is the tanh one. */
static Node *mlp(ModelBuild *b, const T5 *o, const char *name, Node *x)
{
    static Node *(*const activation[])(Graph *, Node *) = {relu, gelu, silu, relu, gelu_tanh, silu};
    const bool gated = o->feed_forward_proj >= 3;
    const double width = (double)o->d_model;
    Node *y = t5_linear(b, o, model_name(b, gated ? "%s.wi_0" : "%s.wi", name), x, o->d_ff, width);
    y = activation[o->feed_forward_proj](b->graph, y);
    if (gated)
        y = mul(b->graph, y, t5_linear(b, o, model_name(b, "%s.wi_1", name), x, o->d_ff, width));
    y = layer_dropout(b, name, y, o->dropout_rate);
    return t5_linear(b, o, model_name(b, "%s.wo", name), y, o->d_model, (double)o->d_ff);
}

static Node *plus(ModelBuild *b, const T5 *o, const char *name, Node *x, Node *y)
{
    return add(b->graph, x, layer_dropout(b, model_name(b, "%s.sum", name), y, o->dropout_rate));
}

static Node *block(ModelBuild *b, const T5 *o, const Stack *s, int i, Node *x)
{
    const double eps = o->layer_norm_epsilon;
    int part = 0;
    const char *name = model_name(b, "%s.block.%d.layer.%d", s->name, i, part++);
    Node *y = hf_rms_norm(b, model_name(b, "%s.layer_norm", name), x, eps);
    x = plus(b, o, name, x, t5_attention(b, o, s, name, true, y));
    if (s->decoder) {
        name = model_name(b, "%s.block.%d.layer.%d", s->name, i, part++);
        y = hf_rms_norm(b, model_name(b, "%s.layer_norm", name), x, eps);
        x = plus(b, o, name, x, t5_attention(b, o, s, name, false, y));
    }
    name = model_name(b, "%s.block.%d.layer.%d", s->name, i, part);
    y = hf_rms_norm(b, model_name(b, "%s.layer_norm", name), x, eps);
    return plus(b, o, name, x, mlp(b, o, model_name(b, "%s.DenseReluDense", name), y));
}

static Node *stack(ModelBuild *b, const T5 *o, Stack *s, Node *x)
{
    x = layer_dropout(b, model_name(b, "%s.embedded", s->name), x, o->dropout_rate);
    s->distances = hf_stepping(b) ? distances_back(b, o, s) : distances(b, o, s, x->shape.dim[1]);
    for (int i = 0; i < s->n_layers; i++) x = block(b, o, s, i, x);
    x = hf_rms_norm(b, model_name(b, "%s.final_layer_norm", s->name), x, o->layer_norm_epsilon);
    return layer_dropout(b, model_name(b, "%s.out", s->name), x, o->dropout_rate);
}

static Node *answer(ModelBuild *b, const T5 *o, Node *table, Node *h)
{
    const bool scaled =
        o->scale_decoder_outputs == 0 ? o->tie_word_embeddings : o->scale_decoder_outputs == 1;
    if (scaled) h = affine(b->graph, h, (float)(1 / real_sqrt((double)o->d_model)), 0);
    if (!o->tie_word_embeddings)
        table = model_param(b, "lm_head.weight", table->shape, ROLE_WEIGHT,
                            (Init){.kind = INIT_NORMAL, .a = o->initializer_factor});
    return hf_token_logits(b, h, table, NULL);
}

/* For the steps that follow, the decoder's keys and values of the source. */
static Node *keep_source(ModelBuild *b, const T5 *o, const Stack *decoder)
{
    KvCache *c = b->cache;
    c->source_lengths = decoder->lengths;
    for (int i = 0; i < decoder->n_layers; i++) {
        const char *name = model_name(b, "decoder.block.%d.layer.1.EncDecAttention", i);
        c->cross[c->n_cross++] = (KvLayer){.k_new = project(b, o, name, 1, decoder->source),
                                           .v_new = project(b, o, name, 2, decoder->source)};
    }
    return decoder->source;
}

static Node *t5_build(ModelBuild *b, const void *options, Node *x)
{
    const T5 *o = options;
    Graph *g = b->graph;
    const int64_t source = b->task.source_steps;
    if (!hf_tokens(b, x, 0)) return x;
    if (!b->task.per_step || source < 1 || (!b->cache && source >= x->shape.dim[1]))
        return graph_fail(g, "the model makes a target of a source; the data have no target");
    Node *table =
        hf_table(b, "shared", hf_vocabulary(b, o->vocab_size), o->d_model, o->initializer_factor);
    Node *all = gather(g, table, x);
    Stack decoder = {.name = "decoder",
                     .decoder = true,
                     .n_layers = o->num_decoder_layers ? o->num_decoder_layers : o->num_layers};
    if (hf_stepping(b)) {
        decoder.lengths = b->cache->source_lengths;
        return answer(b, o, table, stack(b, o, &decoder, all));
    }
    decoder.lengths = hf_lengths(b, x, source, o->pad_token_id);
    Stack encoder = {.name = "encoder", .n_layers = o->num_layers, .lengths = decoder.lengths};
    decoder.source = stack(b, o, &encoder, slice(g, all, 1, 0, source));
    if (b->cache) return keep_source(b, o, &decoder);
    all = slice(g, all, 1, source, x->shape.dim[1] - source);
    return answer(b, o, table, stack(b, o, &decoder, all));
}

// clang-format off
static const Option t5_options[] = {
    MODEL_OPTION_INIT(T5),
    OPT_INT(T5, vocab_size, 0, 0, 1e8, "rows of the token table; 0: the tokens of the data"),
    OPT_INT(T5, d_model, 512, 1, 1e6, "width of every step"),
    OPT_INT(T5, d_kv, 64, 1, 256, "width of an attention head"),
    OPT_INT(T5, d_ff, 2048, 1, 1e7, "inner width of the mlp"),
    OPT_INT(T5, num_layers, 6, 1, HF_MAX_LAYERS, "layers of the encoder"),
    OPT_INT(T5, num_decoder_layers, 0, 0, HF_MAX_LAYERS, "layers of the decoder; 0: num_layers"),
    OPT_INT(T5, num_heads, 8, 1, 4096, "attention heads"),
    OPT_INT(T5, relative_attention_num_buckets, 32, 4, 100000, "classes of distance between two steps"),
    OPT_INT(T5, relative_attention_max_distance, 128, 2, 1e8, "from this distance on all are of one class"),
    OPT_INT(T5, pad_token_id, 0, -1, 1e8, "the id that is padding at the end of the source; -1: none"),
    OPT_ENUM(T5, feed_forward_proj, "relu|gelu|silu|gated-relu|gated-gelu|gated-silu", "relu", "the mlp's nonlinearity"),
    OPT_ENUM(T5, scale_decoder_outputs, "tied|true|false", "tied", "the head's input is divided by the root of d_model; tied: where tie_word_embeddings is"),
    OPT_REAL(T5, dropout_rate, 0.1, 0, 0.999, "share of units, and of attention weights, dropped in training"),
    OPT_REAL(T5, layer_norm_epsilon, 1e-6, 0, 1, "added to the mean square in norms"),
    OPT_REAL(T5, initializer_factor, 1, 0, 100, "of the first weights' deviations"),
    OPT_BOOL(T5, tie_word_embeddings, true, "the head's weights are the token table"),
};
// clang-format on

const Model model_t5 = {
    .name = "t5",
    .summary = "encoder and decoder with relative positions: a target of a source",
    .paper = "arXiv:1910.10683",
    .revision = 1,
    .options = OPTION_TABLE(T5, t5_options),
    .build = t5_build,
    .init = model_common_init,
};
