/* conv_small -- Conv-2, Conv-4 and Conv-6 of Frankle & Carbin (arXiv 1803.03635, figure 2): small
 * relatives of VGG for CIFAR-10.
 *
 *   pairs of 3x3 convolutions (64, 128, 256 channels) with ReLU, a 2x2 maximum after each pair,
 *   then 256, 256 and n_classes units; Glorot normal weights, zero biases. */
#include "nn/conv_norm.h"

typedef struct ConvSmall {
    int init;
} ConvSmall;

static Node *conv_small(ModelBuild *b, Node *x, int depth)
{
    static const LayerInit glorot = {{.kind = INIT_XAVIER_NORMAL}, {.kind = INIT_ZEROS}};
    static const int64_t channels[] = {64, 64, 128, 128, 256, 256};
    Graph *g = b->graph;
    Node *small = images_too_small(b, x, depth / 2);
    if (small) return small;
    for (int i = 0; i < depth; i++) {
        const ConvLayer c = {.out = channels[i], .kernel = 3, .pad = 1, .bias = true};
        x = relu(g, layer_conv(b, model_name(b, "conv_layers.%d", i), x, c, &glorot));
        if (i % 2)
            x = max_pool2d(g, x,
                           (Pool2d){
                               .kernel = {2, 2}
            });
    }
    x = layer_flatten(b, x);
    for (int i = 0; i < 2; i++)
        x = relu(g, layer_linear(b, model_name(b, "fc_layers.%d", i), x, 256, true, &glorot));
    return layer_linear(b, "fc", x, b->task.n_classes, true, &glorot);
}

static const Option conv_small_options[] = {MODEL_OPTION_INIT(ConvSmall)};

#define CONV_SMALL(depth, text)                                                                    \
    static Node *build_##depth(ModelBuild *b, const void *options, Node *x)                        \
    {                                                                                              \
        (void)options;                                                                             \
        return conv_small(b, x, depth);                                                            \
    }                                                                                              \
    const Model model_conv##depth = {                                                              \
        .name = "conv" #depth,                                                                     \
        .summary = (text),                                                                         \
        .paper = "arXiv:1803.03635",                                                               \
        .revision = 1,                                                                             \
        .options = OPTION_TABLE(ConvSmall, conv_small_options),                                    \
        .build = build_##depth,                                                                    \
        .init = model_common_init,                                                                 \
    }

CONV_SMALL(2, "two convolutions and three linear layers, for CIFAR-10");
CONV_SMALL(4, "four convolutions and three linear layers, for CIFAR-10");
CONV_SMALL(6, "six convolutions and three linear layers, for CIFAR-10");
