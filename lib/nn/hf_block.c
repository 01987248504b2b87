/* hf_block -- see hf_block.h. */
#include "nn/hf_block.h"

#include "base/pcg.h"
#include "base/realmath.h"
#include "nn/sequence.h"

static const double TWO_PI = 6.283185307179586;

/* -- Layers */

Node *hf_activation(ModelBuild *b, int activation, Node *x)
{
    /* In the order of HF_ACTIVATIONS. */
    static Node *(*const builder[])(Graph *, Node *) = {silu,      gelu, gelu_tanh,
                                                        gelu_tanh, relu, tanh_node};
    return builder[activation](b->graph, x);
}

static LayerInit normal(double deviation)
{
    return (LayerInit){
        {.kind = INIT_NORMAL, .a = deviation},
        {.kind = INIT_ZEROS                  }
    };
}

Node *hf_linear(ModelBuild *b, const char *prefix, Node *x, int64_t out, bool bias,
                double deviation)
{
    const LayerInit init = normal(deviation);
    return layer_linear(b, prefix, x, out, bias, &init);
}

Node *hf_conv1d(ModelBuild *b, const char *prefix, Node *x, int64_t out, double deviation)
{
    const LayerInit init = normal(deviation);
    const int64_t in = x->shape.dim[x->shape.rank - 1];
    const char *name = model_name(b, "%s.weight", prefix);
    Node *w = model_turned_weight(b, name, shape(2, in, out), init.weight);
    Node *bias =
        model_param(b, model_name(b, "%s.bias", prefix), shape(1, out), ROLE_BIAS, init.bias);
    const LinearProduct l = {.p = params_find(b->params, name), .w = w, .turned = true, .x = x};
    return add(b->graph, model_product(b, &l), bias);
}

Node *hf_table(ModelBuild *b, const char *prefix, int64_t rows, int64_t width, double deviation)
{
    return model_param(b, model_name(b, "%s.weight", prefix), shape(2, rows, width), ROLE_EMBEDDING,
                       normal(deviation).weight);
}

static Node *gain_of(ModelBuild *b, const char *prefix, const Node *x)
{
    return model_param(b, model_name(b, "%s.weight", prefix),
                       shape(1, x->shape.dim[x->shape.rank - 1]), ROLE_NORM,
                       (Init){.kind = INIT_ONES});
}

Node *hf_layer_norm(ModelBuild *b, const char *prefix, Node *x, double eps)
{
    Node *gain = gain_of(b, prefix, x);
    Node *bias =
        model_param(b, model_name(b, "%s.bias", prefix), shape(1, x->shape.dim[x->shape.rank - 1]),
                    ROLE_NORM, (Init){.kind = INIT_ZEROS});
    return layer_norm(b->graph, x, gain, bias, (float)eps);
}

Node *hf_rms_norm(ModelBuild *b, const char *prefix, Node *x, double eps)
{
    return rms_norm(b->graph, x, gain_of(b, prefix, x), (float)eps);
}

/* -- Tokens */

bool hf_stepping(const ModelBuild *b)
{
    return b->cache && !b->cache->encode;
}

bool hf_tokens(ModelBuild *b, const Node *x, int64_t max_steps)
{
    Graph *g = b->graph;
    const int64_t steps = hf_stepping(b) ? b->cache->max_steps : x->shape.dim[x->shape.rank - 1];
    if (x->dtype != I32 || x->shape.rank != 2)
        (void)graph_fail(g, "the model reads one sequence of tokens%s",
                         b->task.pair ? ", not a pair" : "");
    else if (max_steps > 0 && steps > max_steps)
        (void)graph_fail(g, "a sequence of %lld steps, and positions for %lld", (long long)steps,
                         (long long)max_steps);
    else
        return true;
    return false;
}

int64_t hf_vocabulary(const ModelBuild *b, int64_t vocab_size)
{
    return vocab_size > 0 ? vocab_size : b->task.n_tokens;
}

/* (n) constants: 0, 1, 2 ... from `first` */
static Node *count_up(Graph *g, int64_t n, int64_t first)
{
    float *place = arena_new_array(g->arena, float, n);
    for (int64_t i = 0; i < n; i++) place[i] = (float)(first + i);
    return constant(g, shape(1, n), place);
}

/* (B, T): 1 where there is a token. */
static Node *token_mask(Graph *g, Node *x, int64_t pad_token_id)
{
    return affine(g, equal(g, to_float(g, x), scalar(g, (float)pad_token_id)), -1, 1);
}

Node *hf_lengths(ModelBuild *b, Node *x, int64_t steps, int64_t pad_token_id)
{
    Graph *g = b->graph;
    if (pad_token_id < 0) return NULL;
    Node *mask = slice(g, token_mask(g, x, pad_token_id), 1, 0, steps);
    Node *place = mul(g, mask, count_up(g, steps, 1));
    Node *length = max_reduce(g, place, 1u << 1, true);
    /* as an integer: where 0, 1, 2 ... T equals it */
    return argmax(g, equal(g, length, count_up(g, steps + 1, 0)));
}

Node *hf_positions(ModelBuild *b, Node *table, int64_t steps)
{
    return hf_stepping(b) ? gather(b->graph, table, b->cache->position)
                          : slice(b->graph, table, 0, 0, steps);
}

/* -- Attention */

Node *hf_heads(ModelBuild *b, Node *x, int64_t heads)
{
    const Shape *s = &x->shape;
    return reshape(b->graph, x, shape(4, s->dim[0], s->dim[1], heads, s->dim[2] / heads));
}

/* Llama 3.1's stretching: long wavelengths by `factor`, short ones not, between the two a blend. */
static double stretched(const HfRope *r, double frequency)
{
    if (r->type == 1) return frequency / r->factor;
    if (r->type == 0) return frequency;
    const double wavelengths = (double)r->original_steps * frequency / TWO_PI;
    if (wavelengths > r->high_freq_factor) return frequency;
    if (wavelengths < r->low_freq_factor) return frequency / r->factor;
    const double smooth =
        (wavelengths - r->low_freq_factor) / (r->high_freq_factor - r->low_freq_factor);
    return (1 - smooth) * frequency / r->factor + smooth * frequency;
}

Node *hf_rope_table(ModelBuild *b, const HfRope *r, int64_t steps, int64_t dims)
{
    Graph *g = b->graph;
    if (dims % 2 != 0)
        return graph_fail(g, "rotary positions need heads of even width, not %lld",
                          (long long)dims);
    if (hf_stepping(b)) steps = b->cache->max_steps;
    const int64_t half = dims / 2;
    float *table = arena_new_array(g->arena, float, steps *dims);
    for (int64_t i = 0; i < half; i++) {
        const double frequency = stretched(r, real_pow(r->theta, -(double)i / (double)half));
        for (int64_t t = 0; t < steps; t++) {
            table[t * dims + i] = (float)real_cos_turns((double)t * frequency / TWO_PI);
            table[t * dims + half + i] = (float)real_sin_turns((double)t * frequency / TWO_PI);
        }
    }
    Node *all = constant(g, shape(2, steps, dims), table);
    return hf_stepping(b) ? gather(g, all, b->cache->position) : all;
}

/* x (B, 1, H, D) turned by a row (1, D) of the table: as rope() does, whose table is a constant. */
static Node *turned(Graph *g, Node *x, Node *row)
{
    const int64_t half = x->shape.dim[3] / 2;
    Node *c = slice(g, row, 1, 0, half), *s = slice(g, row, 1, half, half);
    Node *low = slice(g, x, 3, 0, half), *high = slice(g, x, 3, half, half);
    Node *both[] = {sub(g, mul(g, low, c), mul(g, high, s)),
                    add(g, mul(g, low, s), mul(g, high, c))};
    return concat(g, both, 2, 3);
}

/* The old rows with the new one put at its place. */
static Node *extended(Graph *g, const KvCache *c, Node *old, Node *new)
{
    Node *place =
        reshape(g, count_up(g, c->max_steps, 0), shape(3, c->max_steps, INT64_C(1), INT64_C(1)));
    return where(g, equal(g, place, to_float(g, c->position)), new, old);
}

static Node *cached_attention(ModelBuild *b, Node *const qkv[3], Node *turns, Attend how)
{
    Graph *g = b->graph;
    KvCache *c = b->cache;
    Node *q = qkv[0], *k = qkv[1];
    const Shape *s = &k->shape;
    if (c->n_layers == HF_MAX_LAYERS || s->dim[1] != 1)
        return graph_fail(g, "a cache of keys takes one step at a time, and at most %d layers",
                          HF_MAX_LAYERS);
    if (turns) {
        q = turned(g, q, turns);
        k = turned(g, k, turns);
    }
    const Shape all = shape(4, s->dim[0], c->max_steps, s->dim[2], s->dim[3]);
    KvLayer *layer = &c->layer[c->n_layers];
    *layer = (KvLayer){
        .k_old = input(g, model_name(b, "cache.%d.k", c->n_layers), F32, all),
        .v_old = input(g, model_name(b, "cache.%d.v", c->n_layers), F32, all),
        .k_new = k,
        .v_new = qkv[2],
    };
    c->n_layers++;
    how.causal = false;
    how.lengths = c->lengths;
    return attention(g, q, extended(g, c, layer->k_old, k), extended(g, c, layer->v_old, qkv[2]),
                     how);
}

Node *hf_attention(ModelBuild *b, const char *name, Node *const qkv[3], Node *turns, Attend how)
{
    Graph *g = b->graph;
    const Shape *s = &qkv[0]->shape;
    const Shape joined = shape(3, s->dim[0], s->dim[1], s->dim[2] * s->dim[3]);
    if (!b->training) how.dropout = 0;
    how.seed = b->seed;
    how.stream = pcg_name(name);
    if (hf_stepping(b)) return reshape(g, cached_attention(b, qkv, turns, how), joined);
    how.rope = turns;
    return reshape(g, attention(g, qkv[0], qkv[1], qkv[2], how), joined);
}

/* -- Heads */

Node *hf_token_logits(ModelBuild *b, Node *hidden, Node *table, Node *bias)
{
    Graph *g = b->graph;
    const int64_t classes = b->task.n_classes, rows = table->shape.dim[0];
    if (classes > rows)
        return graph_fail(g, "the data ask for one of %lld tokens; vocab_size is %lld",
                          (long long)classes, (long long)rows);
    if (classes < rows) {
        table = slice(g, table, 0, 0, classes);
        if (bias) bias = slice(g, bias, 0, 0, classes);
    }
    return linear(g, hidden, table, bias);
}

Node *hf_decoder_logits(ModelBuild *b, Node *ids, Node *hidden, const HfHead *head)
{
    Graph *g = b->graph;
    const int64_t batch = hidden->shape.dim[0], steps = hidden->shape.dim[1],
                  width = hidden->shape.dim[2], source = b->task.source_steps;
    if (b->task.per_step) {
        if (source > 0 && !hf_stepping(b)) hidden = slice(g, hidden, 1, source, steps - source);
        if (!b->task.causal)
            return hf_linear(b, head->token_head, hidden, b->task.n_classes, true, head->deviation);
        Node *table = head->tied
                          ? head->tied
                          : model_param(b, "lm_head.weight", shape(2, head->vocab_size, width),
                                        ROLE_WEIGHT, normal(head->deviation).weight);
        return hf_token_logits(b, hidden, table, NULL);
    }
    const Sequence s = {.x = hidden,
                        .mask =
                            head->pad_token_id < 0 ? NULL : token_mask(g, ids, head->pad_token_id)};
    Node *last = sequence_pool(b, POOL_LAST, s);
    return hf_linear(b, "score", reshape(g, last, shape(2, batch, width)), b->task.n_classes, false,
                     head->deviation);
}
