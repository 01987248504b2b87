/* kernel_dropout -- dropout on the taps of long-convolution kernels (Fu et al., arXiv 2302.06646).
 *
 *   k = K m / (1 - rate),   m = 0 with probability rate, drawn anew every step
 *
 * one mask for the whole batch, in training only. It belongs after squash: dropped taps are zero
 * whatever the threshold was. */
#include "methods/seqconv/long_kernel.h"

#include "base/pcg.h"

typedef struct KernelDropout {
    double rate;
} KernelDropout;

static Node *kernel_dropout_parametrize(const MethodCall *c, const ModelBuild *b, Param *p, Node *w)
{
    const KernelDropout *o = c->options;
    if (!is_long_kernel(p) || !b->training) return w;
    return dropout(b->graph, w, (float)o->rate, c->seed,
                   pcg_name(model_name(b, "%s_dropout", p->name)));
}

// clang-format off
static const Option kernel_dropout_options[] = {
    OPT_REAL(KernelDropout, rate, 0.2, 0, 0.999, "share of the taps dropped in a step"),
};
// clang-format on

const Method method_kernel_dropout = {
    .name = "kernel_dropout",
    .family = "seqconv",
    .paper = "arXiv:2302.06646",
    .summary = "drop taps of the kernels of long convolutions in training",
    .revision = 1,
    .options = OPTION_TABLE(KernelDropout, kernel_dropout_options),
    .parametrize = kernel_dropout_parametrize,
    .transform = needs_long_kernel,
};
