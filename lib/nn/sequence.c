/* sequence -- see sequence.h. */
#include "nn/sequence.h"

#include "base/pcg.h"

#include <math.h>

static const float NORM_EPS = 1e-5f;
static const double GPT2_DEVIATION = 0.02;

LayerInit sequence_init(const SequenceOptions *o, LayerInit own, bool residual)
{
    if (!o->gpt2_init) return own;
    const double shrink = residual ? sqrt(2 * (double)o->n_layers) : 1;
    return (LayerInit){
        {.kind = INIT_NORMAL, .a = GPT2_DEVIATION / shrink},
        {.kind = INIT_ZEROS                  }
    };
}

static Node *linear_of(ModelBuild *b, const SequenceOptions *o, const char *name, Node *x,
                       int64_t out)
{
    const LayerInit init = sequence_init(o, layer_init_torch, false);
    return layer_linear(b, name, x, out, true, &init);
}

/* (n_tokens, d_model) */
static Node *token_table(ModelBuild *b, const SequenceOptions *o)
{
    const double tied = 1 / sqrt((double)o->d_model);
    const Init normal = {.kind = INIT_NORMAL,
                         .a = o->gpt2_init ? GPT2_DEVIATION
                              : o->tie     ? tied
                                           : 1};
    return model_param(b, "encoder.weight", shape(2, b->task.n_tokens, o->d_model), ROLE_EMBEDDING,
                       normal);
}

/* (B, T, C) of anything that the data give as reals. */
static Node *steps_of(Graph *g, Node *x)
{
    const Shape *s = &x->shape;
    if (s->rank == 2) return reshape(g, x, shape(3, s->dim[0], s->dim[1], INT64_C(1)));
    if (s->rank == 4) return reshape(g, x, shape(3, s->dim[0], s->dim[1] * s->dim[2], s->dim[3]));
    return x;
}

static Sequence embed_tokens(ModelBuild *b, const SequenceOptions *o, Node *x)
{
    Graph *g = b->graph;
    Sequence s = {.x = x};
    if (x->shape.rank != 2) {
        s.x = graph_fail(g, "a sequence of tokens has one axis");
        return s;
    }
    s.x = gather(g, token_table(b, o), x);
    if (o->pad_id >= 0 && !(b->task.causal && b->task.per_step)) {
        Node *pad = equal(g, to_float(g, x), scalar(g, (float)o->pad_id));
        s.mask = affine(g, pad, -1, 1);
    }
    return s;
}

/* (B, 2, ...) to (2B, ...). */
static Node *side_by_side(Graph *g, Node *x)
{
    Shape s = {.rank = x->shape.rank - 1, .dim = {2 * x->shape.dim[0]}};
    if (x->shape.rank < 3 || x->shape.dim[1] != 2)
        return graph_fail(g, "a pair is two sequences of equal length");
    for (int i = 1; i < s.rank; i++) s.dim[i] = x->shape.dim[i + 1];
    return reshape(g, x, s);
}

Sequence sequence_embed(ModelBuild *b, const SequenceOptions *o, Node *x)
{
    if (b->task.pair) x = side_by_side(b->graph, x);
    if (x->dtype == I32) return embed_tokens(b, o, x);
    char text[96];
    const Sequence nothing = {.x = x};
    x = steps_of(b->graph, x);
    if (x->shape.rank != 3) {
        (void)graph_fail(b->graph, "a sequence is (steps, numbers), an image or tokens, not %s",
                         shape_text(&b->task.sample, text));
        return nothing;
    }
    return (Sequence){.x = linear_of(b, o, "encoder", x, o->d_model)};
}

/* (B, T, 1) */
static Node *column(Graph *g, const Node *mask)
{
    const Shape *s = &mask->shape;
    return reshape(g, (Node *)mask, shape(3, s->dim[0], s->dim[1], INT64_C(1)));
}

Node *sequence_masked(ModelBuild *b, Node *x, const Node *mask)
{
    return mask ? mul(b->graph, x, column(b->graph, mask)) : x;
}

Node *sequence_layer_norm(ModelBuild *b, const char *prefix, Node *x)
{
    if (x->shape.rank < 1) return graph_fail(b->graph, "%s: layer norm of a number", prefix);
    const Shape s = shape(1, x->shape.dim[x->shape.rank - 1]);
    const Init ones = {.kind = INIT_ONES}, zeros = {.kind = INIT_ZEROS};
    Node *gain = model_param(b, model_name(b, "%s.weight", prefix), s, ROLE_NORM, ones);
    Node *bias = model_param(b, model_name(b, "%s.bias", prefix), s, ROLE_NORM, zeros);
    return layer_norm(b->graph, x, gain, bias, NORM_EPS);
}

/* 1 at each row's last step: padding is at the end. */
static Node *last_of(Graph *g, Node *mask)
{
    const int64_t steps = mask->shape.dim[1];
    if (steps == 1) return mask;
    Node *next = pad_zero(g, slice(g, mask, 1, 1, steps - 1), 1, 0, 1);
    return sub(g, mask, next);
}

Node *sequence_pool(ModelBuild *b, int pool, Sequence s)
{
    Graph *g = b->graph;
    if (s.x->shape.rank != 3) return s.x; /* a mistake is on record */
    const int64_t batch = s.x->shape.dim[0], steps = s.x->shape.dim[1], width = s.x->shape.dim[2];
    const unsigned time = 1u << 1;
    if (pool == POOL_MEAN) {
        if (!s.mask) return mean(g, s.x, time, false);
        Node *count = maximum(g, sum(g, s.mask, time, true), scalar(g, 1));
        return divide(g, sum(g, sequence_masked(b, s.x, s.mask), time, false), count);
    }
    if (pool == POOL_LAST && s.mask)
        return sum(g, sequence_masked(b, s.x, last_of(g, s.mask)), time, false);
    const int64_t at = pool == POOL_CLS ? 0 : steps - 1;
    return reshape(g, slice(g, s.x, 1, at, 1), shape(2, batch, width));
}

/* (2B, width) to (B, width), by Tay et al.: a linear layer over what two vectors have in common. */
static Node *pair_of(ModelBuild *b, const SequenceOptions *o, Node *pooled)
{
    Graph *g = b->graph;
    const int64_t n = pooled->shape.dim[0] / 2, width = pooled->shape.dim[1];
    Node *both = reshape(g, pooled, shape(2, n, 2 * width));
    if (o->pair == 0) {
        Node *left = slice(g, both, 1, 0, width), *right = slice(g, both, 1, width, width);
        Node *all[] = {both, sub(g, left, right), mul(g, left, right)};
        both = concat(g, all, 3, 1);
    }
    return gelu(g, linear_of(b, o, "pair", both, width));
}

static Node *decoded(ModelBuild *b, const SequenceOptions *o, Node *x)
{
    const Task *t = &b->task;
    if (!o->tie) return linear_of(b, o, "decoder", x, t->n_classes);
    if (t->dtype != I32 || t->n_classes != t->n_tokens || x->shape.rank < 1 ||
        x->shape.dim[x->shape.rank - 1] != o->d_model)
        return graph_fail(b->graph,
                          "tie: the data's labels are not the tokens that they are made of");
    return linear(b->graph, x, token_table(b, o), NULL);
}

Node *sequence_head(ModelBuild *b, const SequenceOptions *o, Node *pooled)
{
    if (b->task.pair && pooled->shape.rank == 2) pooled = pair_of(b, o, pooled);
    return decoded(b, o, pooled);
}

Node *sequence_logits(ModelBuild *b, const SequenceOptions *o, Sequence s)
{
    if (b->task.per_step) return decoded(b, o, s.x);
    return sequence_head(b, o, sequence_pool(b, o->pool, s));
}

Node *sequence_dropout(ModelBuild *b, const char *name, Node *x, double rate, int axis)
{
    if (!b->training || rate == 0) return x;
    const float keep = 1 - (float)rate;
    Shape s = x->shape;
    if (axis >= 0 && axis < s.rank) s.dim[axis] = 1;
    return mul(b->graph, x, random_bernoulli(b->graph, s, keep, 1 / keep, b->seed, pcg_name(name)));
}
