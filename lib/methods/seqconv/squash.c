/* squash -- the soft threshold of long-convolution kernels (Fu et al., arXiv 2302.06646, section
 * 3).
 *
 *   k = sign(K) max(|K| - lambda, 0)
 *
 * at every use of the kernel K. The gradient is 1 where |K| > lambda and 0 elsewhere: a tap that
 * starts below lambda stays where it is unless something before the threshold (smooth) moves it. It
 * is built as K - clamp(K, -lambda, lambda), the same numbers. */
#include "methods/seqconv/long_kernel.h"

typedef struct Squash {
    double lambda;
} Squash;

static Node *squash_parametrize(const MethodCall *c, const ModelBuild *b, Param *p, Node *w)
{
    const Squash *o = c->options;
    const float lambda = (float)o->lambda;
    if (!is_long_kernel(p) || o->lambda == 0) return w;
    return sub(b->graph, w, clamp(b->graph, w, -lambda, lambda));
}

// clang-format off
static const Option squash_options[] = {
    OPT_REAL(Squash, lambda, 0.003, 0, 1, "threshold taken from the size of every tap"),
};
// clang-format on

const Method method_squash = {
    .name = "squash",
    .family = "seqconv",
    .paper = "arXiv:2302.06646",
    .summary = "soft-threshold the kernels of long convolutions",
    .revision = 1,
    .options = OPTION_TABLE(Squash, squash_options),
    .parametrize = squash_parametrize,
    .transform = needs_long_kernel,
};
