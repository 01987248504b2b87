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
 * convolution. Channels can be chosen by the names layer1 ... layer4, each the residual stream of a
 * stage (of a network of basic blocks the stem writes to layer1; else it is conv1), and
 * layer1.0.conv1 ... of the convolutions within a block; with residual: pad, by the last
 * convolution of each block in place of the streams. Blocks whose shortcut is the identity can
 * be left out. Initial values as torchvision's: He normal by fan-out, fc torch's default. */
#include "nn/layer.h"

typedef struct Resnet {
    ModelShape shape;
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

/* Where a block stands and what it is made of. */
typedef struct Block {
    const char *prefix, *stream;
    int64_t planes, stride;
    bool bottleneck, projects; /* the shortcut is a convolution */
} Block;

/* The channels between a block's convolutions. */
static int64_t inner_width(ModelBuild *b, const Block *k, int i)
{
    return model_width(b, model_name(b, "%s.conv%d", k->prefix, i), k->planes);
}

static Node *block(ModelBuild *b, const Block *k, Node *x)
{
    Graph *g = b->graph;
    const char *last = model_name(b, "%s.conv%d", k->prefix, k->bottleneck ? 3 : 2);
    if (!model_block(b, k->prefix, !k->projects)) return x;
    ConvLayer wide = {.out = inner_width(b, k, 1), .kernel = 3, .stride = k->stride, .pad = 1};
    Node *y = x, *through = x;
    int64_t out;
    if (k->bottleneck) {
        y = relu(g, block_conv(b, k->prefix, 1, y, (ConvLayer){.out = wide.out, .kernel = 1}));
        wide.out = inner_width(b, k, 2);
        y = relu(g, block_conv(b, k->prefix, 2, y, wide));
        out = model_stream(b, last, k->stream, 4 * k->planes);
        y = block_conv(b, k->prefix, 3, y, (ConvLayer){.out = out, .kernel = 1});
    } else {
        y = relu(g, block_conv(b, k->prefix, 1, y, wide));
        out = model_stream(b, last, k->stream, k->planes);
        y = block_conv(b, k->prefix, 2, y, (ConvLayer){.out = out, .kernel = 3, .pad = 1});
    }
    if (k->projects) {
        const char *conv = model_name(b, "%s.downsample.0", k->prefix);
        model_member(b, conv, model_stream_name(b, last, k->stream), out);
        through = conv_norm(b, conv, model_name(b, "%s.downsample.1", k->prefix), x,
                            (ConvLayer){.out = out, .kernel = 1, .stride = k->stride});
    }
    return model_block_output(b, k->prefix, relu(g, model_sum(b, y, through)));
}

static Node *stem(ModelBuild *b, const Resnet *o, Node *x, bool bottleneck)
{
    Graph *g = b->graph;
    const bool small = o->stem == 1;
    const ConvLayer c = {.out = bottleneck ? model_width(b, "conv1", 64)
                                           : model_stream(b, "conv1", "layer1", 64),
                         .kernel = small ? 3 : 7,
                         .stride = small ? 1 : 2,
                         .pad = small ? 1 : 3};
    x = relu(g, conv_norm(b, "conv1", "bn1", x, c));
    if (small) return x;
    return max_pool2d(g, x,
                      (Pool2d){
                          .kernel = {3, 3},
                            .stride = {2, 2},
                            .pad = {1, 1}
    });
}

static Node *resnet(ModelBuild *b, const Resnet *o, Node *x, const ResnetKind *kind)
{
    x = stem(b, o, x, kind->bottleneck);
    for (int stage = 0; stage < 4; stage++) {
        for (int i = 0; i < kind->blocks[stage]; i++) {
            const Block k = {.prefix = model_name(b, "layer%d.%d", stage + 1, i),
                             .stream = model_name(b, "layer%d", stage + 1),
                             .planes = INT64_C(64) << stage,
                             .stride = stage > 0 && i == 0 ? 2 : 1,
                             .bottleneck = kind->bottleneck,
                             .projects = i == 0 && (stage > 0 || kind->bottleneck)};
            x = block(b, &k, x);
        }
    }
    return layer_linear(b, "fc", global_avg_pool(b->graph, x), b->task.n_classes, true,
                        &layer_init_torch);
}

// clang-format off
static const Option resnet_options[] = {
    MODEL_SHAPE_OPTIONS,
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
        .architecture = model_common_architecture,                                                 \
    }

RESNET(18, "residual network of 18 layers, basic blocks");
RESNET(50, "residual network of 50 layers, bottleneck blocks");
