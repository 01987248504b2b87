/* longconv -- long convolutions whose kernels are parameters (Fu et al., arXiv 2302.06646): a
 * layer's are one, `layers.i.kernel`, of (R, d_model, taps). They learn at their own rate,
 * kernel_lr times the optimizer's (the paper: 1e-3 beside 1e-2), and do not decay. */
#include "nn/conv_backbone.h"
#include "nn/kernel_param.h"

typedef struct Longconv {
    ConvBackbone backbone;
    LongKernel kernel;
} Longconv;

static Node *longconv_mix(ModelBuild *b, const ConvBackbone *o, const char *prefix, Node *u,
                          Node *d)
{
    const Longconv *own = (const Longconv *)o;
    const int64_t rows = o->channels * (o->bidirectional ? 2 : 1);
    Node *k = long_kernel(b, &own->kernel, prefix, rows, o->sequence.d_model, u->shape.dim[2]);
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
    LONG_KERNEL_OPTIONS(Longconv, 0.1),
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
