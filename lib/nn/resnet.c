/* resnet -- ResNet-18 and ResNet-50 (He et al. 2015, arXiv 1512.03385, table 1), in torchvision's
 * structure and names.
 *
 *   stem; four stages of blocks with 64, 128, 256, 512 planes, the first block of the last three
 *   halving the image; global average; fc.
 *   basic       conv1 3x3, conv2 3x3                      as many channels as planes
 *   bottleneck  conv1 1x1, conv2 3x3 (strided), conv3 1x1     four times as many
 * each convolution with its batch norm, the last one before the sum with the shortcut and a ReLU.
 * Where shapes differ the shortcut is downsample.0 (1x1) and downsample.1 (batch norm). The stem is
 * a 7x7 convolution of stride 2 and a 3x3 maximum of stride 2 or, for small images, one 3x3
 * convolution. Initial values as torchvision's: He normal by fan-out, fc torch's default. */
#include "nn/layer.h"

typedef struct Resnet {
    int init;
    int stem; /* 0: imagenet, 1: cifar */
} Resnet;

typedef struct ResnetKind {
    int blocks[4];
    bool bottleneck;
} ResnetKind;

/* A convolution without bias and its batch norm. */
static Node *conv_norm(ModelBuild *b, const char *conv, const char *norm, Node *x, ConvLayer c)
{
    const LayerInit fan_out = {
        .weight = {.kind = INIT_HE_NORMAL, .fan_in = c.out * c.kernel * c.kernel}
    };
    return layer_batch_norm(b, norm, layer_conv(b, conv, x, c, &fan_out));
}

/* Convolution number i of a block. */
static Node *block_conv(ModelBuild *b, const char *prefix, int i, Node *x, ConvLayer c)
{
    return conv_norm(b, model_name(b, "%s.conv%d", prefix, i), model_name(b, "%s.bn%d", prefix, i),
                     x, c);
}

static Node *block(ModelBuild *b, const char *prefix, Node *x, int64_t planes, int64_t stride,
                   bool bottleneck)
{
    Graph *g = b->graph;
    const int64_t out = bottleneck ? 4 * planes : planes;
    const ConvLayer wide = {.out = planes, .kernel = 3, .stride = stride, .pad = 1};
    Node *y = x, *through = x;
    if (bottleneck) {
        y = relu(g, block_conv(b, prefix, 1, y, (ConvLayer){.out = planes, .kernel = 1}));
        y = relu(g, block_conv(b, prefix, 2, y, wide));
        y = block_conv(b, prefix, 3, y, (ConvLayer){.out = out, .kernel = 1});
    } else {
        y = relu(g, block_conv(b, prefix, 1, y, wide));
        y = block_conv(b, prefix, 2, y, (ConvLayer){.out = planes, .kernel = 3, .pad = 1});
    }
    if (stride != 1 || x->shape.dim[3] != out)
        through = conv_norm(b, model_name(b, "%s.downsample.0", prefix),
                            model_name(b, "%s.downsample.1", prefix), x,
                            (ConvLayer){.out = out, .kernel = 1, .stride = stride});
    return relu(g, add(g, y, through));
}

static Node *resnet(ModelBuild *b, const Resnet *o, Node *x, const ResnetKind *kind)
{
    Graph *g = b->graph;
    const ConvLayer small = {.out = 64, .kernel = 3, .pad = 1};
    const ConvLayer large = {.out = 64, .kernel = 7, .stride = 2, .pad = 3};
    x = relu(g, conv_norm(b, "conv1", "bn1", x, o->stem == 1 ? small : large));
    if (o->stem == 0)
        x = max_pool2d(g, x,
                       (Pool2d){
                           .kernel = {3, 3},
                             .stride = {2, 2},
                             .pad = {1, 1}
        });
    for (int stage = 0; stage < 4; stage++)
        for (int i = 0; i < kind->blocks[stage]; i++)
            x = block(b, model_name(b, "layer%d.%d", stage + 1, i), x, INT64_C(64) << stage,
                      stage > 0 && i == 0 ? 2 : 1, kind->bottleneck);
    return layer_linear(b, "fc", global_avg_pool(g, x), b->task.n_classes, true, &layer_init_torch);
}

// clang-format off
static const Option resnet_options[] = {
    MODEL_OPTION_INIT(Resnet),
    OPT_ENUM(Resnet, stem, "imagenet|cifar", "imagenet",
             "imagenet: 7x7 stride 2 and a maximum; cifar: 3x3 stride 1, for images of about 32"),
};

static const ResnetKind kind_18 = {{2, 2, 2, 2}, false};
static const ResnetKind kind_50 = {{3, 4, 6, 3}, true};
// clang-format on

#define RESNET(depth, text)                                                                        \
    static Node *build_##depth(ModelBuild *b, const void *options, Node *x)                        \
    {                                                                                              \
        return resnet(b, options, x, &kind_##depth);                                               \
    }                                                                                              \
    const Model model_resnet##depth = {                                                            \
        .name = "resnet" #depth,                                                                   \
        .summary = (text),                                                                         \
        .paper = "arXiv:1512.03385",                                                               \
        .revision = 1,                                                                             \
        .options = OPTION_TABLE(Resnet, resnet_options),                                           \
        .build = build_##depth,                                                                    \
        .init = model_common_init,                                                                 \
    }

RESNET(18, "residual network of 18 layers, basic blocks");
RESNET(50, "residual network of 50 layers, bottleneck blocks");
