/* mobilenet -- MobileNetV2 (Sandler et al. 2018, arXiv 1801.04381, table 2) in torchvision's
 * structure, names and first values.
 *
 *   conv 3x3, 32 channels; seven stages of inverted residuals; conv 1x1, 1280 channels; global
 *   average; dropout; linear.
 *   inverted residual: widen by a 1x1 convolution (left out at factor 1), 3x3 a channel, narrow by
 *   a 1x1 convolution with no nonlinearity after it; plus the input where shapes agree.
 *
 * Every convolution has a batch norm, ReLU6 after all but the narrowing ones. `width_multiplier`
 * scales all channels, rounded to multiples of 8; 1280 does not shrink. The stem for small images
 * keeps stride 1 in the first convolution and in the second stage, as kuangliu/pytorch-cifar does:
 * 32x32 images end at 4x4. Channels can be chosen by the names stage1 ... stage7, the residual
 * stream of a stage, features.0, features.18, and features.2.conv.0 ..., between the widening and
 * the narrowing of a block; with residual: pad, by features.2.conv.2 ..., the narrowing ones, in
 * place of the streams. Blocks that add their input can be left out. */
#include "nn/conv_norm.h"

#include <math.h>

typedef struct MobilenetV2 {
    ModelShape shape;
    int stem; /* 0: imagenet, 1: cifar */
    double width_multiplier, dropout;
} MobilenetV2;

typedef struct Stage {
    int factor, channels, blocks, stride;
} Stage;

enum { STAGES = 7 };
// clang-format off
static const Stage stages[STAGES] = {
    {1, 16, 1, 1}, {6, 24, 2, 2}, {6, 32, 3, 2}, {6, 64, 4, 2}, {6, 96, 3, 1}, {6, 160, 3, 2},
    {6, 320, 1, 1},
};
// clang-format on

static Node *relu6(Graph *g, Node *x)
{
    return clamp(g, x, 0, 6);
}

static int64_t scaled(const MobilenetV2 *o, int channels)
{
    return channels_by_eight(channels * o->width_multiplier);
}

/* Where a block stands, and its widths. */
typedef struct Block {
    const char *name, *stream; /* features.N; what it writes to */
    int64_t hidden;            /* of the published network; 0: nothing is widened */
    int64_t out, stride;
    bool adds; /* the input to the output */
} Block;

static Node *inverted_residual(ModelBuild *b, const Block *k, Node *x)
{
    Graph *g = b->graph;
    const char *narrowing = model_name(b, "%s.conv.%d", k->name, k->hidden ? 2 : 1);
    if (!model_block(b, k->name, k->adds)) return x;
    Node *y = x;
    int place = 0;
    if (k->hidden) {
        const char *name = model_name(b, "%s.conv.%d", k->name, place++);
        const ConvLayer widen = {.out = model_width(b, name, k->hidden), .kernel = 1};
        y = relu6(g, conv_norm(b, name, 0, y, widen, NULL));
    }
    y = relu6(g, depthwise_norm(b, model_name(b, "%s.conv.%d", k->name, place++), 0, y, 3,
                                k->stride, NULL));
    const ConvLayer narrow = {.out = model_stream(b, narrowing, k->stream, k->out), .kernel = 1};
    y = conv_norm(b, model_name(b, "%s.conv", k->name), place, y, narrow, NULL);
    return model_block_output(b, k->name, k->adds ? model_sum(b, x, y) : y);
}

static Node *build(ModelBuild *b, const void *options, Node *x)
{
    static const LayerInit head = {
        {.kind = INIT_NORMAL, .a = 0.01},
        {.kind = INIT_ZEROS                  }
    };
    const MobilenetV2 *o = options;
    Graph *g = b->graph;
    const bool small = o->stem == 1;
    int64_t in = scaled(o, 32); /* of the published network */
    const ConvLayer first = {
        .out = model_width(b, "features.0", in), .kernel = 3, .stride = small ? 1 : 2, .pad = 1};
    const char *stream = "features.0";
    x = relu6(g, conv_norm(b, "features.0", 0, x, first, NULL));
    if (x->shape.rank != 4) return x; /* a mistake is on record */
    int place = 1;
    for (int stage = 0; stage < STAGES; stage++) {
        const Stage *s = &stages[stage];
        for (int i = 0; i < s->blocks; i++, place++) {
            Block k = {.name = model_name(b, "features.%d", place),
                       .hidden = s->factor == 1 ? 0 : s->factor * in,
                       .out = scaled(o, s->channels),
                       .stride = i > 0 || (small && stage == 1) ? 1 : s->stride};
            k.adds = k.stride == 1 && in == k.out;
            if (!k.adds) stream = model_name(b, "stage%d", stage + 1);
            k.stream = stream;
            x = inverted_residual(b, &k, x);
            in = k.out;
        }
    }
    const char *name = model_name(b, "features.%d", place);
    const int64_t channels = channels_by_eight(1280 * fmax(1, o->width_multiplier));
    const ConvLayer last = {.out = model_width(b, name, channels), .kernel = 1};
    x = relu6(g, conv_norm(b, name, 0, x, last, NULL));
    x = layer_dropout(b, "classifier.0", global_avg_pool(g, x), o->dropout);
    return layer_linear(b, "classifier.1", x, b->task.n_classes, true, &head);
}

// clang-format off
static const Option mobilenet_v2_options[] = {
    MODEL_SHAPE_OPTIONS,
    OPT_ENUM(MobilenetV2, stem, "imagenet|cifar", "imagenet",
             "imagenet: halve the image five times; cifar: three times, for images of about 32"),
    OPT_REAL(MobilenetV2, width_multiplier, 1, 0.01, 16,
             "scales all channels, then rounded to multiples of 8"),
    OPT_REAL(MobilenetV2, dropout, 0.2, 0, 0.99, "share of the last features that is dropped"),
};
// clang-format on

const Model model_mobilenet_v2 = {
    .name = "mobilenet_v2",
    .summary = "inverted residuals of depthwise convolutions",
    .paper = "arXiv:1801.04381",
    .revision = 1,
    .options = OPTION_TABLE(MobilenetV2, mobilenet_v2_options),
    .build = build,
    .init = model_common_init,
    .architecture = model_common_architecture,
};
