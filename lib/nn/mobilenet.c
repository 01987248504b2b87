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
 * 32x32 images end at 4x4. */
#include "nn/conv_norm.h"

#include <math.h>

typedef struct MobilenetV2 {
    int init;
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

/* hidden 0: nothing is widened. */
static Node *inverted_residual(ModelBuild *b, const char *prefix, Node *x, int64_t hidden,
                               int64_t out, int64_t stride)
{
    Graph *g = b->graph;
    const int64_t in = x->shape.dim[3];
    const ConvLayer widen = {.out = hidden, .kernel = 1}, narrow = {.out = out, .kernel = 1};
    Node *y = x;
    int place = 0;
    if (hidden)
        y = relu6(g, conv_norm(b, model_name(b, "%s.conv.%d", prefix, place++), 0, y, widen, NULL));
    y = relu6(
        g, depthwise_norm(b, model_name(b, "%s.conv.%d", prefix, place++), 0, y, 3, stride, NULL));
    y = conv_norm(b, model_name(b, "%s.conv", prefix), place, y, narrow, NULL);
    return stride == 1 && in == out ? add(g, x, y) : y;
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
    const ConvLayer first = {.out = scaled(o, 32), .kernel = 3, .stride = small ? 1 : 2, .pad = 1};
    const ConvLayer last = {.out = channels_by_eight(1280 * fmax(1, o->width_multiplier)),
                            .kernel = 1};
    x = relu6(g, conv_norm(b, "features.0", 0, x, first, NULL));
    if (x->shape.rank != 4) return x; /* a mistake is on record */
    int place = 1;
    for (int stage = 0; stage < STAGES; stage++) {
        const Stage *s = &stages[stage];
        const int64_t stride = small && stage == 1 ? 1 : s->stride;
        for (int i = 0; i < s->blocks; i++, place++) {
            const int64_t hidden = s->factor == 1 ? 0 : s->factor * x->shape.dim[3];
            x = inverted_residual(b, model_name(b, "features.%d", place), x, hidden,
                                  scaled(o, s->channels), i == 0 ? stride : 1);
        }
    }
    x = relu6(g, conv_norm(b, model_name(b, "features.%d", place), 0, x, last, NULL));
    x = layer_dropout(b, "classifier.0", global_avg_pool(g, x), o->dropout);
    return layer_linear(b, "classifier.1", x, b->task.n_classes, true, &head);
}

// clang-format off
static const Option mobilenet_v2_options[] = {
    MODEL_OPTION_INIT(MobilenetV2),
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
};
