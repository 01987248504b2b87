/* efficientnet -- EfficientNet-B0 (Tan & Le 2019, arXiv 1905.11946, table 1) in torchvision's
 * structure, names and first values.
 *
 *   conv 3x3, 32 channels; seven stages of blocks; conv 1x1, four times the last stage's channels;
 *   global average; dropout; linear.
 *   block: widen by a 1x1 convolution (left out at factor 1), 3x3 or 5x5 a channel,
 *   squeeze-excitation, narrow by a 1x1 convolution with no nonlinearity after it; plus the input
 *   where shapes agree.
 *   squeeze-excitation: x times a gate a channel, sigmoid(fc2(silu(fc1(mean of x over pixels)))),
 *   with a quarter of the block's input channels between fc1 and fc2.
 *
 * Every convolution but these two has a batch norm, SiLU after all but the narrowing ones.
 * Stochastic depth (Huang et al. 2016, arXiv 1603.09382): in training, block i of n is skipped for
 * an example with probability i / n of `stochastic_depth`, else its branch is scaled up so that the
 * expectation stays. `width_multiplier` scales all channels, rounded to multiples of 8. The stem
 * for small images keeps stride 1 in the first convolution, as kuangliu/pytorch-cifar does.
 * Channels can be chosen by the names stage1 ... stage7, the residual stream of a stage,
 * features.0, features.8, features.2.0.block.0 ..., between the widening and the narrowing of a
 * block, and features.1.0.block.1.fc1 ..., between the two of a squeeze-excitation; with residual:
 * pad, by features.2.0.block.3.0 ..., the narrowing ones, in place of the streams. Blocks that add
 * their input can be left out. */
#include "nn/conv_norm.h"

#include "base/pcg.h"

#include <math.h>

typedef struct EfficientnetB0 {
    ModelShape shape;
    int stem; /* 0: imagenet, 1: cifar */
    double width_multiplier, dropout, stochastic_depth;
} EfficientnetB0;

typedef struct Stage {
    int factor, kernel, stride, channels, blocks;
} Stage;

enum { STAGES = 7, BLOCKS = 16 };
// clang-format off
static const Stage stages[STAGES] = {
    {1, 3, 1, 16, 1}, {6, 3, 2, 24, 2}, {6, 5, 2, 40, 2}, {6, 3, 2, 80, 3}, {6, 5, 1, 112, 3},
    {6, 5, 2, 192, 4}, {6, 3, 1, 320, 1},
};
// clang-format on

/* The widths and the rest of one block. */
typedef struct Block {
    const char *name, *stream; /* features.S.I: S from 1, I from 0; what it writes to */
    int64_t hidden;            /* of the published network; 0: nothing is widened */
    int64_t squeezed, out, kernel, stride;
    bool adds;      /* the input to the output */
    double skipped; /* probability */
} Block;

static int64_t scaled(const EfficientnetB0 *o, int channels)
{
    return channels_by_eight(channels * o->width_multiplier);
}

static Node *squeeze_excitation(ModelBuild *b, const char *prefix, Node *x, int64_t squeezed)
{
    Graph *g = b->graph;
    const char *name = model_name(b, "%s.fc1", prefix);
    const ConvLayer fc1 = {.out = model_width(b, name, squeezed), .kernel = 1, .bias = true};
    const ConvLayer fc2 = {.out = x->shape.dim[3], .kernel = 1, .bias = true};
    const LayerInit init1 = init_fan_out(fc1), init2 = init_fan_out(fc2);
    Node *gate = mean(g, x, 1u << 1 | 1u << 2, true);
    gate = layer_conv(b, name, gate, fc1, &init1);
    gate = layer_conv(b, model_name(b, "%s.fc2", prefix), silu(g, gate), fc2, &init2);
    return mul(g, x, sigmoid(g, gate));
}

/* y or, with probability `skipped` for each example, 0. */
static Node *skipped_at_random(ModelBuild *b, const char *prefix, Node *y, double skipped)
{
    if (!b->training || skipped == 0) return y;
    const float keep = 1 - (float)skipped;
    const Shape one = {
        .rank = 4, .dim = {y->shape.dim[0], 1, 1, 1}
    };
    return mul(b->graph, y,
               random_bernoulli(b->graph, one, keep, 1 / keep, b->seed, pcg_name(prefix)));
}

static Node *block(ModelBuild *b, const Block *k, Node *x)
{
    Graph *g = b->graph;
    const char *prefix = model_name(b, "%s.block", k->name);
    if (!model_block(b, k->name, k->adds)) return x;
    Node *y = x;
    int place = 0;
    if (k->hidden) {
        const char *name = model_name(b, "%s.%d", prefix, place++);
        const ConvLayer widen = {.out = model_width(b, name, k->hidden), .kernel = 1};
        y = silu(g, conv_norm(b, name, 0, y, widen, NULL));
    }
    y = silu(g, depthwise_norm(b, model_name(b, "%s.%d", prefix, place++), 0, y, k->kernel,
                               k->stride, NULL));
    y = squeeze_excitation(b, model_name(b, "%s.%d", prefix, place++), y, k->squeezed);
    const char *narrowing = model_name(b, "%s.%d", prefix, place);
    const ConvLayer narrow = {
        .out = model_stream(b, model_name(b, "%s.0", narrowing), k->stream, k->out), .kernel = 1};
    y = conv_norm(b, narrowing, 0, y, narrow, NULL);
    if (k->adds) y = model_sum(b, x, skipped_at_random(b, prefix, y, k->skipped));
    return model_block_output(b, k->name, y);
}

/* How far the building has come. */
typedef struct Progress {
    int64_t in;         /* channels of the published network */
    const char *stream; /* what the last block wrote to */
    int done;           /* blocks */
} Progress;

static Node *stage(ModelBuild *b, const EfficientnetB0 *o, int number, Node *x, Progress *at)
{
    const Stage *s = &stages[number];
    for (int i = 0; i < s->blocks; i++, at->done++) {
        Block k = {
            .name = model_name(b, "features.%d.%d", number + 1, i),
            .hidden = s->factor == 1 ? 0 : s->factor * at->in,
            .squeezed = at->in < 4 ? 1 : at->in / 4,
            .out = scaled(o, s->channels),
            .kernel = s->kernel,
            .stride = i == 0 ? s->stride : 1,
            .skipped = o->stochastic_depth * at->done / BLOCKS,
        };
        k.adds = k.stride == 1 && at->in == k.out;
        if (!k.adds) at->stream = model_name(b, "stage%d", number + 1);
        k.stream = at->stream;
        x = block(b, &k, x);
        at->in = k.out;
    }
    return x;
}

static Node *build(ModelBuild *b, const void *options, Node *x)
{
    const EfficientnetB0 *o = options;
    Graph *g = b->graph;
    const LayerInit head = {
        {.kind = INIT_UNIFORM, .a = 1 / sqrt((double)b->task.n_classes)},
        {.kind = INIT_ZEROS                   }
    };
    Progress at = {.in = scaled(o, 32), .stream = "features.0"};
    const ConvLayer first = {.out = model_width(b, "features.0", at.in),
                             .kernel = 3,
                             .stride = o->stem == 1 ? 1 : 2,
                             .pad = 1};
    x = silu(g, conv_norm(b, "features.0", 0, x, first, NULL));
    if (x->shape.rank != 4) return x; /* a mistake is on record */
    for (int i = 0; i < STAGES; i++) x = stage(b, o, i, x, &at);
    const ConvLayer last = {.out = model_width(b, "features.8", 4 * at.in), .kernel = 1};
    x = silu(g, conv_norm(b, "features.8", 0, x, last, NULL));
    x = layer_dropout(b, "classifier.0", global_avg_pool(g, x), o->dropout);
    return layer_linear(b, "classifier.1", x, b->task.n_classes, true, &head);
}

// clang-format off
static const Option efficientnet_b0_options[] = {
    MODEL_SHAPE_OPTIONS,
    OPT_ENUM(EfficientnetB0, stem, "imagenet|cifar", "imagenet",
             "imagenet: halve the image five times; cifar: four times, for images of about 32"),
    OPT_REAL(EfficientnetB0, width_multiplier, 1, 0.01, 16,
             "scales all channels, then rounded to multiples of 8"),
    OPT_REAL(EfficientnetB0, dropout, 0.2, 0, 0.99, "share of the last features that is dropped"),
    OPT_REAL(EfficientnetB0, stochastic_depth, 0.2, 0, 0.99,
             "how often the last block is skipped in training; earlier ones in proportion"),
};
// clang-format on

const Model model_efficientnet_b0 = {
    .name = "efficientnet_b0",
    .summary = "inverted residuals with squeeze-excitation, scaled to balance depth and width",
    .paper = "arXiv:1905.11946",
    .revision = 1,
    .options = OPTION_TABLE(EfficientnetB0, efficientnet_b0_options),
    .build = build,
    .init = model_common_init,
    .architecture = model_common_architecture,
};
