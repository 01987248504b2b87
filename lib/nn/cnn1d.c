/* cnn1d -- residual convolutions along time: the temporal convolutional network (Bai et al., arXiv
 * 1803.01271), with the norms and the pooled head of the residual networks for time series (Wang et
 * al., arXiv 1611.06455).
 *
 *   block i: relu(x + f(f(x))),  f(x) = dropout(relu(norm(conv(x))))
 *
 * kernel_size taps, 2^(i mod dilation_cycle) steps apart. Where no step may see a later one all
 * taps look back, otherwise to both sides. Padding is zeroed before every convolution, as what lies
 * beyond the ends is. Weights are torch's Conv1d's, (out, in, taps), without a bias, since a norm
 * follows. */
#include "nn/sequence.h"

typedef struct Cnn1d {
    SequenceOptions sequence;
    int64_t kernel_size, dilation_cycle;
    int norm; /* 0: batch, 1: layer */
} Cnn1d;

/* `prefix`.weight (C, C, kernel_size) over x (B, T, C). */
static Node *conv(ModelBuild *b, const char *prefix, Node *x, int64_t taps, int64_t dilation)
{
    Graph *g = b->graph;
    const int64_t B = x->shape.dim[0], T = x->shape.dim[1], C = x->shape.dim[2];
    const int64_t reach = (taps - 1) * dilation, before = b->task.causal ? reach : reach / 2;
    const char *name = model_name(b, "%s.weight", prefix);
    Node *w =
        model_param(b, name, shape(3, C, C, taps), ROLE_WEIGHT, (Init){.kind = INIT_HE_NORMAL});
    if (reach > 0) x = pad_zero(g, x, 1, before, reach - before);
    Node *y = conv2d(g, reshape(g, x, shape(4, B, INT64_C(1), T + reach, C)),
                     reshape(g, w, shape(4, C, C, INT64_C(1), taps)),
                     (Conv2d){
                         .dilation = {1, dilation}
    });
    y = reshape(g, y, shape(3, B, T, C));
    if (b->observe) b->observe(b->observer, prefix, params_find(b->params, name), y);
    return y;
}

static Node *block(ModelBuild *b, const Cnn1d *o, int64_t i, Sequence s)
{
    Node *y = s.x;
    const int64_t dilation = INT64_C(1) << (i % o->dilation_cycle);
    for (int half = 1; half <= 2; half++) {
        const char *name = model_name(b, "layers.%lld.conv%d", (long long)i, half);
        const char *norm = model_name(b, "layers.%lld.norm%d", (long long)i, half);
        y = conv(b, name, sequence_masked(b, y, s.mask), o->kernel_size, dilation);
        y = o->norm == 0 ? layer_batch_norm(b, norm, y) : sequence_layer_norm(b, norm, y);
        y = layer_dropout(b, name, relu(b->graph, y), o->sequence.dropout);
    }
    return relu(b->graph, add(b->graph, s.x, y));
}

static Node *cnn1d_build(ModelBuild *b, const void *options, Node *x)
{
    const Cnn1d *o = options;
    Sequence s = sequence_embed(b, &o->sequence, x);
    if (s.x->shape.rank != 3) return s.x; /* a mistake is on record */
    for (int64_t i = 0; i < o->sequence.n_layers; i++) s.x = block(b, o, i, s);
    return sequence_logits(b, &o->sequence, s);
}

// clang-format off
static const Option cnn1d_options[] = {
    SEQUENCE_OPTIONS(6, 128, "mean|last"),
    OPT_INT(Cnn1d, kernel_size, 3, 1, 64, "taps of every convolution"),
    OPT_INT(Cnn1d, dilation_cycle, 10, 1, 16,
            "blocks after which the taps, twice as far apart in each next one, are neighbours again; 1: always are"),
    OPT_ENUM(Cnn1d, norm, "batch|layer", "batch", "the norm after every convolution"),
};
// clang-format on

const Model model_cnn1d = {
    .name = "cnn1d",
    .summary = "residual convolutions along time, for sequences",
    .paper = "arXiv:1803.01271",
    .revision = 1,
    .options = OPTION_TABLE(Cnn1d, cnn1d_options),
    .build = cnn1d_build,
    .init = model_common_init,
};
