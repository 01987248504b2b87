/* mlp -- fully connected networks: any list of widths, and LeNet-300-100.
 *
 * LeNet-300-100 is LeCun et al. 1998 as Frankle & Carbin (arXiv 1803.03635, figure 2) train it: two
 * hidden layers of 300 and 100 units with ReLU, Glorot normal weights, zero biases. Names follow
 * open_lth: fc_layers.0, fc_layers.1, fc. */
#include "nn/layer.h"

typedef struct Mlp {
    int init;
    IntList hidden;
    int activation;
    double dropout;
    bool batch_norm;
} Mlp;

static Node *stack(ModelBuild *b, const Mlp *o, Node *x, const LayerInit *init)
{
    x = layer_flatten(b, x);
    for (int i = 0; i < o->hidden.n; i++) {
        x = layer_linear(b, model_name(b, "fc_layers.%d", i), x, o->hidden.at[i], true, init);
        if (o->batch_norm) x = layer_batch_norm(b, model_name(b, "bn_layers.%d", i), x);
        x = layer_activation(b, o->activation, x);
        x = layer_dropout(b, model_name(b, "fc_layers.%d", i), x, o->dropout);
    }
    return layer_linear(b, "fc", x, b->task.n_classes, true, init);
}

static Node *mlp_build(ModelBuild *b, const void *options, Node *x)
{
    return stack(b, options, x, &layer_init_torch);
}

// clang-format off
static const Option mlp_options[] = {
    MODEL_OPTION_INIT(Mlp),
    OPT_INTS(Mlp, hidden, "256,256", 1, 1e6, "widths of the hidden layers, in units"),
    OPT_ENUM(Mlp, activation, LAYER_ACTIVATIONS, "relu", "nonlinearity after every hidden layer"),
    OPT_REAL(Mlp, dropout, 0, 0, 0.999, "share of hidden units dropped in training"),
    OPT_BOOL(Mlp, batch_norm, false, "batch norm before every nonlinearity"),
};
// clang-format on

const Model model_mlp = {
    .name = "mlp",
    .summary = "fully connected layers of any widths",
    .revision = 1,
    .options = OPTION_TABLE(Mlp, mlp_options),
    .build = mlp_build,
    .init = model_common_init,
};

typedef struct Lenet {
    int init;
} Lenet;

static Node *lenet_build(ModelBuild *b, const void *options, Node *x)
{
    static const Mlp layers = {
        .hidden = {.n = 2, .at = {300, 100}}
    };
    static const LayerInit glorot = {{.kind = INIT_XAVIER_NORMAL}, {.kind = INIT_ZEROS}};
    (void)options;
    return stack(b, &layers, x, &glorot);
}

static const Option lenet_options[] = {MODEL_OPTION_INIT(Lenet)};

const Model model_lenet_300_100 = {
    .name = "lenet_300_100",
    .summary = "two hidden layers of 300 and 100 units, for MNIST",
    .paper = "arXiv:1803.03635",
    .revision = 1,
    .options = OPTION_TABLE(Lenet, lenet_options),
    .build = lenet_build,
    .init = model_common_init,
};
