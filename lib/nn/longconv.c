/* longconv -- long convolutions whose kernels are parameters (Fu et al., arXiv 2302.06646).
 *
 * A layer's kernels are one parameter, `layers.i.kernel`, of (R, d_model, taps): what the methods
 * squash, smooth and kernel_dropout act on. First values, with N a standard normal, j the lag, L
 * the taps, i the unit, H = d_model:
 *
 *   random      0.002 N
 *   double_exp  0.02 N exp(-(j / L) floor(H / 2)^(i / H))   (the paper's Exp rows)
 *
 * They learn at their own rate, kernel_lr times the optimizer's (the paper: 1e-3 beside 1e-2), and
 * do not decay. */
#include "nn/conv_backbone.h"

typedef struct Longconv {
    ConvBackbone backbone;
    int kernel_init; /* 0: random, 1: double_exp */
    double kernel_lr;
    int64_t kernel_length;
} Longconv;

static Node *longconv_mix(ModelBuild *b, const ConvBackbone *o, const char *prefix, Node *u,
                          Node *d)
{
    static const Init first[] = {
        {.kind = INIT_NORMAL,          .a = 0.002},
        {.kind = INIT_DECAYING_NORMAL, .a = 0.02 }
    };
    const Longconv *own = (const Longconv *)o;
    const int64_t steps = u->shape.dim[2], most = own->kernel_length,
                  taps = most > 0 && most < steps ? most : steps;
    const int64_t rows = o->channels * (o->bidirectional ? 2 : 1);
    const char *name = model_name(b, "%s.kernel", prefix);
    Node *k = model_param(b, name, shape(3, rows, o->sequence.d_model, taps), ROLE_KERNEL,
                          first[own->kernel_init]);
    Param *p = params_find(b->params, name);
    if (p) {
        p->lr_multiplier = (float)own->kernel_lr;
        p->weight_decay_multiplier = 0;
    }
    return conv_by_kernels(b, o, prefix, u, k, d);
}

static Node *longconv_build(ModelBuild *b, const void *options, Node *x)
{
    const Longconv *o = options;
    return conv_backbone(b, &o->backbone, longconv_mix, x);
}

// clang-format off
static const Option longconv_options[] = {
    CONV_BACKBONE_OPTIONS(2),
    OPT_ENUM(Longconv, kernel_init, "random|double_exp", "random",
             "first values of the kernels: normals, or normals that decay sooner unit by unit"),
    OPT_REAL(Longconv, kernel_lr, 0.1, 0, 1000, "learning rate of the kernels, in those of the rest"),
    OPT_INT(Longconv, kernel_length, 0, 0, 1e9, "taps of a kernel, at most; 0: as many as steps"),
};
// clang-format on

const Model model_longconv = {
    .name = "longconv",
    .summary = "long convolutions with kernels as parameters, for sequences",
    .paper = "arXiv:2302.06646",
    .revision = 1,
    .options = OPTION_TABLE(Longconv, longconv_options),
    .build = longconv_build,
    .init = model_common_init,
};
