/* vgg -- VGG with batch norm (Simonyan & Zisserman 2014, arXiv 1409.1556, configurations A, D and
 * E) in the form that CIFAR and pruning use.
 *
 *   five stages of 3x3 convolutions with 64, 128, 256, 512, 512 channels (or `width`, twice, four
 *   and eight times that), each with a bias, its batch norm and a ReLU; a 2x2 maximum between
 *   stages; global average; linear.
 *
 * Up to the average, names and first values are torchvision's vgg11_bn, vgg16_bn and vgg19_bn,
 * whose convolutions fit as they are. The head is Frankle & Carbin's (arXiv 1803.03635): one linear
 * layer, `classifier`, in place of three, which hold 124 of torchvision's 133 to 144 million
 * parameters; the maximum after the last stage is left to the average. Each convolution's channels
 * can be chosen by its name, features.0 and so on. */
#include "nn/conv_norm.h"

enum { STAGES = 5 };

typedef struct Vgg {
    ModelShape shape;
    int64_t width;
    int norm_init;
} Vgg;

static int64_t stage_channels(const Vgg *o, int stage)
{
    return o->width << (stage < STAGES - 1 ? stage : STAGES - 2);
}

static Node *vgg(ModelBuild *b, const Vgg *o, Node *x, const int convs[STAGES])
{
    static const LayerInit head = {
        {.kind = INIT_NORMAL, .a = 0.01},
        {.kind = INIT_ZEROS                  }
    };
    Graph *g = b->graph;
    int place = 0; /* in torchvision's sequence of modules, which counts ReLUs and maxima */
    b->norm_uniform = o->norm_init == 1;
    Node *small = images_too_small(b, x, STAGES - 1);
    if (small) return small;
    for (int stage = 0; stage < STAGES; stage++) {
        if (stage > 0) {
            x = max_pool2d(g, x,
                           (Pool2d){
                               .kernel = {2, 2}
            });
            place++;
        }
        for (int i = 0; i < convs[stage]; i++, place += 3) {
            const ConvLayer c = {.out = model_width(b, model_name(b, "features.%d", place),
                                                    stage_channels(o, stage)),
                                 .kernel = 3,
                                 .pad = 1,
                                 .bias = true};
            x = relu(g, conv_norm(b, "features", place, x, c, NULL));
        }
    }
    return layer_linear(b, "classifier", global_avg_pool(g, x), b->task.n_classes, true, &head);
}

// clang-format off
static const Option vgg_options[] = {
    MODEL_SHAPE_OPTIONS,
    OPT_INT(Vgg, width, 64, 1, 4096,
            "channels of the first stage; the others have 2, 4, 8 and 8 times as many"),
    MODEL_OPTION_NORM_INIT(Vgg),
};

static const int convs_11[STAGES] = {1, 1, 2, 2, 2};
static const int convs_16[STAGES] = {2, 2, 3, 3, 3};
static const int convs_19[STAGES] = {2, 2, 4, 4, 4};
// clang-format on

#define VGG(depth)                                                                                 \
    static Node *build_##depth(ModelBuild *b, const void *options, Node *x)                        \
    {                                                                                              \
        return vgg(b, options, x, convs_##depth);                                                  \
    }                                                                                              \
    const Model model_vgg##depth = {                                                               \
        .name = "vgg" #depth,                                                                      \
        .summary = "VGG-" #depth " with batch norm and one linear layer, for CIFAR-10",            \
        .paper = "arXiv:1409.1556",                                                                \
        .revision = 1,                                                                             \
        .options = OPTION_TABLE(Vgg, vgg_options),                                                 \
        .build = build_##depth,                                                                    \
        .init = model_common_init,                                                                 \
        .architecture = model_common_architecture,                                                 \
    }

VGG(11);
VGG(16);
VGG(19);
