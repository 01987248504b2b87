/* resnet_cifar -- the residual networks of He et al. 2015 (arXiv 1512.03385), section 4.2, for
 * small images: 6n + 2 layers.
 *
 *   conv 3x3, 16 channels; three stages of n blocks with 16, 32, 64 channels (or `width`, twice and
 *   four times that), the first block of the second and third halving the image; global average;
 *   linear.
 *   block: y = relu(shortcut(x) + bn2(conv2(relu(bn1(conv1(x))))))
 *
 * Channels can be chosen by the names layer1, layer2, layer3, each the residual stream of a stage
 * (the stem writes to layer1), and layer1.0.conv1 ..., between the two convolutions of a block;
 * with residual: pad, by conv1 and layer1.0.conv2 ... in place of the streams. Blocks but the first
 * of the second and third stage can be left out.
 *
 * Where a stage begins, shortcut A takes every second pixel and puts the new channels as zeros,
 * half of them before and half after the old ones (as the code does that the published weights come
 * from; the paper only says extra zeros), or drops as many where channels were chosen to shrink; B
 * is a 1x1 convolution of stride 2 with batch norm. Names and initial values (He normal by fan-in)
 * are those of akamaster/pytorch_resnet_cifar10. */
#include "nn/layer.h"

typedef struct ResnetCifar {
    ModelShape shape;
    int shortcut; /* 0: A, 1: B */
    int norm_init;
    int64_t width;
} ResnetCifar;

static const LayerInit he_init = {{.kind = INIT_HE_NORMAL}, {.kind = INIT_TORCH_DEFAULT}};

static Node *shortcut(ModelBuild *b, const ResnetCifar *o, const char *prefix, int stage, Node *x,
                      int64_t out)
{
    Graph *g = b->graph;
    const char *conv2 = model_name(b, "%s.conv2", prefix);
    const char *stream = model_name(b, "layer%d", stage + 1);
    if (o->shortcut == 1) {
        const ConvLayer c = {.out = out, .kernel = 1, .stride = 2};
        const char *name = model_name(b, "%s.shortcut.0", prefix);
        model_member(b, name, model_stream_name(b, conv2, stream), out);
        x = layer_conv(b, name, x, c, &he_init);
        return layer_batch_norm(b, model_name(b, "%s.shortcut.1", prefix), x);
    }
    const int64_t extra = out - x->shape.dim[3];
    model_centred(b, model_stream_name(b, conv2, stream), model_name(b, "layer%d", stage));
    x = avg_pool2d(g, x,
                   (Pool2d){
                       .kernel = {1, 1},
                         .stride = {2, 2}
    }); /* a mean of one pixel */
    if (extra < 0) return slice(g, x, 3, -extra / 2, out);
    return pad_zero(g, x, 3, extra / 2, extra - extra / 2);
}

/* A layer that writes to the residual stream of its stage. */
static ConvLayer to_stream(ModelBuild *b, const ResnetCifar *o, const char *layer, int stage)
{
    const char *stream = model_name(b, "layer%d", stage + 1);
    return (ConvLayer){.out = model_stream(b, layer, stream, o->width << stage),
                       .kernel = 3,
                       .stride = 1,
                       .pad = 1};
}

static Node *block(ModelBuild *b, const ResnetCifar *o, int stage, int i, Node *x)
{
    Graph *g = b->graph;
    const bool grows = stage > 0 && i == 0;
    const char *prefix = model_name(b, "layer%d.%d", stage + 1, i);
    const char *conv1 = model_name(b, "%s.conv1", prefix);
    const char *conv2 = model_name(b, "%s.conv2", prefix);
    if (!model_block(b, prefix, !grows)) return x;
    const ConvLayer first = {.out = model_width(b, conv1, o->width << stage),
                             .kernel = 3,
                             .stride = grows ? 2 : 1,
                             .pad = 1};
    const ConvLayer second = to_stream(b, o, conv2, stage);
    Node *y = layer_conv(b, conv1, x, first, &he_init);
    y = relu(g, layer_batch_norm(b, model_name(b, "%s.bn1", prefix), y));
    y = layer_conv(b, conv2, y, second, &he_init);
    y = layer_batch_norm(b, model_name(b, "%s.bn2", prefix), y);
    y = relu(g, model_sum(b, y, grows ? shortcut(b, o, prefix, stage, x, second.out) : x));
    return model_block_output(b, prefix, y);
}

static Node *resnet_cifar(ModelBuild *b, const ResnetCifar *o, Node *x, int depth)
{
    Graph *g = b->graph;
    b->norm_uniform = o->norm_init == 1;
    const ConvLayer stem = to_stream(b, o, "conv1", 0);
    x = relu(g, layer_batch_norm(b, "bn1", layer_conv(b, "conv1", x, stem, &he_init)));
    for (int stage = 0; stage < 3; stage++)
        for (int i = 0; i < (depth - 2) / 6; i++) x = block(b, o, stage, i, x);
    return layer_linear(b, "linear", global_avg_pool(g, x), b->task.n_classes, true, &he_init);
}

// clang-format off
static const Option resnet_cifar_options[] = {
    MODEL_SHAPE_OPTIONS,
    OPT_ENUM(ResnetCifar, shortcut, "A|B", "A",
             "where channels grow: A subsampling and zero channels, B a 1x1 convolution"),
    MODEL_OPTION_NORM_INIT(ResnetCifar),
    OPT_INT(ResnetCifar, width, 16, 1, 4096,
            "channels of the first stage; the others have twice and four times as many"),
};
// clang-format on

#define RESNET_CIFAR(depth)                                                                        \
    static Node *build_##depth(ModelBuild *b, const void *options, Node *x)                        \
    {                                                                                              \
        return resnet_cifar(b, options, x, depth);                                                 \
    }                                                                                              \
    const Model model_resnet##depth = {                                                            \
        .name = "resnet" #depth,                                                                   \
        .summary = "residual network of " #depth " layers for CIFAR-10",                           \
        .paper = "arXiv:1512.03385",                                                               \
        .revision = 1,                                                                             \
        .options = OPTION_TABLE(ResnetCifar, resnet_cifar_options),                                \
        .build = build_##depth,                                                                    \
        .init = model_common_init,                                                                 \
        .architecture = model_common_architecture,                                                 \
    }

RESNET_CIFAR(8);
RESNET_CIFAR(20);
RESNET_CIFAR(32);
RESNET_CIFAR(44);
RESNET_CIFAR(56);
