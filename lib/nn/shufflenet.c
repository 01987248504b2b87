/* shufflenet -- ShuffleNetV2 (Ma et al. 2018, arXiv 1807.11164, table 5) in torchvision's
 * structure, names and first values.
 *
 *   conv 3x3 of stride 2, 24 channels; 3x3 maximum of stride 2; three stages of 4, 8 and 4 units;
 *   conv 1x1; global average; linear.
 *   unit: the left half of the channels stays, the right half goes through 1x1, 3x3 a channel, 1x1
 *   (branch2); the first unit of a stage halves the image: both branches see all channels and end
 *   in half of the new number, the left by 3x3 a channel and 1x1 (branch1); the halves are put side
 *   by side and shuffled, c of the left and c of the right becoming neighbours.
 *
 * Every convolution has a batch norm, the 1x1 ones a ReLU. The stem for small images is a
 * convolution of stride 1 and no maximum, as kuangliu/pytorch-cifar has it.
 *
 * Channels can be chosen by the names conv1, conv5, stage2, stage3, stage4 (even numbers: both
 * halves together), and stage2.0.branch2.0 ..., within the right branch of a unit. Units that do
 * not halve the image can be left out. */
#include "nn/conv_norm.h"

#include <math.h>

enum { STAGES = 3 };

typedef struct Shufflenet {
    ModelShape shape;
    int stem; /* 0: imagenet, 1: cifar */
    double width_multiplier;
} Shufflenet;

typedef struct Widths {
    int stage[STAGES], last;
} Widths;

static int64_t scaled(const Shufflenet *o, int channels)
{
    return (int64_t)fmax(1, rint(channels * o->width_multiplier));
}

/* A 1x1 convolution, its norm and a ReLU. */
static Node *mixed(ModelBuild *b, const char *prefix, int n, Node *x, int64_t out)
{
    const ConvLayer c = {.out = out, .kernel = 1};
    return relu(b->graph, conv_norm(b, prefix, n, x, c, &layer_init_torch));
}

/* Of (N, H, W, 2, C / 2) the last two axes swapped: channels of both halves in turn. */
static Node *shuffled(Graph *g, Node *left, Node *right)
{
    Node *x = concat(g, (Node *[]){left, right}, 2, 3);
    const Shape s = x->shape;
    x = reshape(g, x, shape(5, s.dim[0], s.dim[1], s.dim[2], INT64_C(2), s.dim[3] / 2));
    return reshape(g, transpose(g, x), s);
}

/* `inner` channels of the published network, between the two 1x1 convolutions. */
static Node *branch2(ModelBuild *b, const char *prefix, Node *x, int64_t inner, int64_t half,
                     int64_t stride)
{
    const char *name = model_name(b, "%s.branch2", prefix);
    x = mixed(b, name, 0, x, model_width(b, model_name(b, "%s.0", name), inner));
    x = depthwise_norm(b, name, 3, x, 3, stride, &layer_init_torch);
    return mixed(b, name, 5, x, half);
}

static Node *unit(ModelBuild *b, const char *prefix, Node *x, int64_t inner, int64_t half,
                  bool halves)
{
    Graph *g = b->graph;
    if (!model_block(b, prefix, !halves)) return x;
    if (!halves) {
        Node *right = branch2(b, prefix, slice(g, x, 3, half, half), inner, half, 1);
        return model_block_output(b, prefix, shuffled(g, slice(g, x, 3, 0, half), right));
    }
    const char *name = model_name(b, "%s.branch1", prefix);
    Node *left = depthwise_norm(b, name, 0, x, 3, 2, &layer_init_torch);
    Node *right = branch2(b, prefix, x, inner, half, 2);
    return model_block_output(b, prefix, shuffled(g, mixed(b, name, 2, left, half), right));
}

static Node *shufflenet(ModelBuild *b, const Shufflenet *o, Node *x, const Widths *w)
{
    static const int units[STAGES] = {4, 8, 4};
    static const Pool2d third = {
        .kernel = {3, 3},
          .stride = {2, 2},
          .pad = {1, 1}
    };
    Graph *g = b->graph;
    const bool small = o->stem == 1;
    const ConvLayer first = {.out = model_width(b, "conv1", scaled(o, 24)),
                             .kernel = 3,
                             .stride = small ? 1 : 2,
                             .pad = 1};
    x = relu(g, conv_norm(b, "conv1", 0, x, first, &layer_init_torch));
    if (x->shape.rank != 4) return x; /* a mistake is on record */
    if (!small) x = max_pool2d(g, x, third);
    for (int stage = 0; stage < STAGES; stage++) {
        const int64_t wanted = scaled(o, w->stage[stage]);
        const int64_t out = model_width_multiple(b, model_name(b, "stage%d", stage + 2), wanted, 2);
        if (out % 2) return x; /* a mistake is on record */
        for (int i = 0; i < units[stage]; i++)
            x = unit(b, model_name(b, "stage%d.%d", stage + 2, i), x, wanted / 2, out / 2, i == 0);
    }
    const int64_t last = model_width(b, "conv5", scaled(o, w->last));
    x = global_avg_pool(g, mixed(b, "conv5", 0, x, last));
    return layer_linear(b, "fc", x, b->task.n_classes, true, &layer_init_torch);
}

// clang-format off
static const Option shufflenet_options[] = {
    MODEL_SHAPE_OPTIONS,
    OPT_ENUM(Shufflenet, stem, "imagenet|cifar", "imagenet",
             "imagenet: halve the image five times; cifar: three times, for images of about 32"),
    OPT_REAL(Shufflenet, width_multiplier, 1, 0.01, 16,
             "scales all channels; those of a stage must come out even"),
};

static const Widths widths_0_5 = {{48, 96, 192}, 1024};
static const Widths widths_1_0 = {{116, 232, 464}, 1024};
static const Widths widths_1_5 = {{176, 352, 704}, 1024};
static const Widths widths_2_0 = {{244, 488, 976}, 2048};
// clang-format on

#define SHUFFLENET(size, text)                                                                     \
    static Node *build_##size(ModelBuild *b, const void *options, Node *x)                         \
    {                                                                                              \
        return shufflenet(b, options, x, &widths_##size);                                          \
    }                                                                                              \
    const Model model_shufflenet_v2_x##size = {                                                    \
        .name = "shufflenet_v2_x" #size,                                                           \
        .summary = "channel split, depthwise convolutions and channel shuffle, size " text,        \
        .paper = "arXiv:1807.11164",                                                               \
        .revision = 1,                                                                             \
        .options = OPTION_TABLE(Shufflenet, shufflenet_options),                                   \
        .build = build_##size,                                                                     \
        .init = model_common_init,                                                                 \
        .architecture = model_common_architecture,                                                 \
    }

SHUFFLENET(0_5, "0.5");
SHUFFLENET(1_0, "1");
SHUFFLENET(1_5, "1.5");
SHUFFLENET(2_0, "2");
