/* transformer -- the encoder with a class at its end that the Long Range Arena compares with (Tay
 * et al., arXiv 2011.04006; Vaswani et al., arXiv 1706.03762).
 *
 *   x + attention(norm(x)), x + mlp(norm(x)), n_layers times; norm; pool;
 *   logits = decoder(relu(head(pooled))), or decoder(step) where the data ask about every step
 *
 * Positions are added to the embedded steps: parameters, or sines and cosines of position /
 * 10000^(2i / d_model). With pool cls a learned step stands in front and the head reads that one.
 * Projections of the attention have no bias, as there; d_head times n_heads need not be d_model. */
#include "nn/sequence.h"

#include "base/pcg.h"
#include "base/realmath.h"

typedef struct Transformer {
    SequenceOptions sequence;
    int64_t n_heads, d_attention, d_mlp;
    double attention_dropout;
    int positions; /* 0: learned, 1: sinusoidal */
} Transformer;

static const double TWO_PI = 6.283185307179586;
static const LayerInit xavier = {{.kind = INIT_XAVIER_UNIFORM}, {.kind = INIT_ZEROS}};

static Node *sinusoids(Graph *g, int64_t steps, int64_t width)
{
    float *table = arena_new_array(g->arena, float, steps *width);
    const int64_t half = (width + 1) / 2;
    for (int64_t i = 0; i < half; i++) {
        const double rate = real_pow(10000, -2 * (double)i / (double)width) / TWO_PI;
        for (int64_t t = 0; t < steps; t++) {
            table[t * width + i] = (float)real_sin_turns((double)t * rate);
            if (half + i < width)
                table[t * width + half + i] = (float)real_cos_turns((double)t * rate);
        }
    }
    return constant(g, shape(2, steps, width), table);
}

static Sequence with_positions(ModelBuild *b, const Transformer *o, Sequence s)
{
    Graph *g = b->graph;
    const Init small = {.kind = INIT_NORMAL, .a = 0.02}, zeros = {.kind = INIT_ZEROS};
    const int64_t batch = s.x->shape.dim[0], width = o->sequence.d_model;
    if (o->sequence.pool == POOL_CLS) {
        Node *cls = model_param(b, "cls", shape(1, width), ROLE_EMBEDDING, zeros);
        Node *parts[] = {broadcast(g, cls, shape(3, batch, INT64_C(1), width)), s.x};
        s.x = concat(g, parts, 2, 1);
        if (s.mask) {
            Node *mask[] = {full(g, shape(2, batch, INT64_C(1)), 1), s.mask};
            s.mask = concat(g, mask, 2, 1);
        }
    }
    const int64_t steps = s.x->shape.dim[1];
    Node *place = o->positions == 1 ? sinusoids(g, steps, width)
                                    : model_param(b, "positions.weight", shape(2, steps, width),
                                                  ROLE_EMBEDDING, small);
    s.x = layer_dropout(b, "positions", add(g, s.x, place), o->sequence.dropout);
    return s;
}

/* (B, 1, 1, T) to add to the scores: nothing for a step, far below all scores for padding. */
static Node *padding_bias(Graph *g, const Sequence *s)
{
    static const float FAR = 1e9f;
    if (!s->mask) return NULL;
    const Shape *m = &s->mask->shape;
    return reshape(g, affine(g, s->mask, FAR, -FAR),
                   shape(4, m->dim[0], INT64_C(1), INT64_C(1), m->dim[1]));
}

static Node *self_attention(ModelBuild *b, const Transformer *o, const char *prefix, Node *x,
                            Node *bias)
{
    Graph *g = b->graph;
    const int64_t B = x->shape.dim[0], T = x->shape.dim[1], width = x->shape.dim[2];
    const int64_t all = o->d_attention ? o->d_attention : width, heads = o->n_heads;
    if (all % heads != 0)
        return graph_fail(g, "n_heads is %lld, which does not divide the attention's width %lld",
                          (long long)heads, (long long)all);
    const Init part = {.kind = INIT_XAVIER_UNIFORM, .fan_out = all};
    const LayerInit init = sequence_init(&o->sequence, (LayerInit){part, part}, false);
    const LayerInit last = sequence_init(&o->sequence, xavier, true);
    const char *name = model_name(b, "%s.attention", prefix);
    Node *qkv = layer_linear(b, model_name(b, "%s.qkv", name), x, 3 * all, false, &init), *q[3];
    for (int i = 0; i < 3; i++)
        q[i] = reshape(g, slice(g, qkv, 2, i * all, all), shape(4, B, T, heads, all / heads));
    const Attend how = {.causal = b->task.causal,
                        .bias = bias,
                        .dropout = b->training ? (float)o->attention_dropout : 0,
                        .seed = b->seed,
                        .stream = pcg_name(name)};
    Node *y = reshape(g, attention(g, q[0], q[1], q[2], how), shape(3, B, T, all));
    return layer_linear(b, model_name(b, "%s.output", name), y, width, false, &last);
}

static Node *mlp(ModelBuild *b, const Transformer *o, const char *prefix, Node *x)
{
    const double rate = o->sequence.dropout;
    const int64_t width = o->sequence.d_model, inner = o->d_mlp ? o->d_mlp : 4 * width;
    const LayerInit first = sequence_init(&o->sequence, xavier, false);
    const LayerInit last = sequence_init(&o->sequence, xavier, true);
    Node *y = layer_linear(b, model_name(b, "%s.mlp.0", prefix), x, inner, true, &first);
    y = layer_dropout(b, model_name(b, "%s.mlp.0", prefix), gelu(b->graph, y), rate);
    y = layer_linear(b, model_name(b, "%s.mlp.1", prefix), y, width, true, &last);
    return layer_dropout(b, model_name(b, "%s.mlp.1", prefix), y, rate);
}

static Node *transformer_build(ModelBuild *b, const void *options, Node *x)
{
    const Transformer *o = options;
    Graph *g = b->graph;
    Sequence s = sequence_embed(b, &o->sequence, x);
    if (s.x->shape.rank != 3) return s.x; /* a mistake is on record */
    s = with_positions(b, o, s);
    Node *bias = padding_bias(g, &s);
    for (int i = 0; i < o->sequence.n_layers; i++) {
        const char *name = model_name(b, "layers.%d", i);
        Node *in = sequence_layer_norm(b, model_name(b, "%s.norm1", name), s.x);
        Node *y = self_attention(b, o, name, in, bias);
        s.x = add(g, s.x, layer_dropout(b, name, y, o->sequence.dropout));
        in = sequence_layer_norm(b, model_name(b, "%s.norm2", name), s.x);
        s.x = add(g, s.x, mlp(b, o, name, in));
    }
    s.x = sequence_layer_norm(b, "norm", s.x);
    if (b->task.per_step) {
        if (o->sequence.pool == POOL_CLS)
            return graph_fail(g, "pool: cls gives one vector; the data ask about every step");
        return sequence_logits(b, &o->sequence, s);
    }
    Node *pooled = sequence_pool(b, o->sequence.pool, s);
    const int64_t inner = o->d_mlp ? o->d_mlp : 4 * o->sequence.d_model;
    const LayerInit init = sequence_init(&o->sequence, xavier, false);
    return sequence_head(b, &o->sequence,
                         relu(g, layer_linear(b, "head", pooled, inner, true, &init)));
}

// clang-format off
static const Option transformer_options[] = {
    SEQUENCE_OPTIONS(4, 128, "mean|last|cls"),
    SEQUENCE_LM_OPTIONS,
    OPT_INT(Transformer, n_heads, 4, 1, 1024, "attention heads"),
    OPT_INT(Transformer, d_attention, 0, 0, 1e6, "width of all heads together; 0: d_model"),
    OPT_INT(Transformer, d_mlp, 0, 0, 1e6, "inner width of the mlp and of the head; 0: four times d_model"),
    OPT_REAL(Transformer, attention_dropout, 0, 0, 0.999, "share of attention weights dropped in training"),
    OPT_ENUM(Transformer, positions, "learned|sinusoidal", "learned", "what is added to the steps"),
};
// clang-format on

const Model model_transformer = {
    .name = "transformer",
    .summary = "pre-norm encoder with a classifier, for sequences",
    .paper = "arXiv:2011.04006",
    .revision = 1,
    .options = OPTION_TABLE(Transformer, transformer_options),
    .build = transformer_build,
    .init = model_common_init,
};
