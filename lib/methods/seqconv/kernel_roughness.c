/* kernel_roughness -- how rough the kernels of long convolutions are along the frequencies (what Fu
 * et al., arXiv 2302.06646, blame for the poor results of plain kernels), and how sparse.
 *
 *   kernel.roughness  sum_f |K_f[f + 1] - K_f[f]| / sum_f |K_f[f]|,   K_f = rfft(K) over the taps,
 *                     mean over the channels and the layers; 0 for a kernel of zeros
 *   kernel.sparsity   share of the taps that are exactly 0
 *
 * Both are about the kernel as the methods before this one leave it in evaluation, so list it last;
 * they are reported with every evaluation, and training is as it was. */
#include "methods/seqconv/long_kernel.h"

static const float TINY = 1e-30f;

/* sum_f |x[f]| of x (rows, bins, 2), to (rows). */
static Node *size_of(Graph *g, Node *x)
{
    Node *squares = sum(g, square(g, x), 1u << 2, false);
    return sum(g, square_root(g, squares), 1u << 1, false);
}

static Node *roughness(Graph *g, Node *k, int64_t taps)
{
    Node *f = rfft(g, reshape(g, k, shape(2, INT64_C(-1), taps)));
    const int64_t steps = taps / 2;
    if (steps == 0) return scalar(g, 0); /* one frequency, so that there is no next one */
    Node *change = sub(g, slice(g, f, 1, 1, steps), slice(g, f, 1, 0, steps));
    Node *size = maximum(g, size_of(g, f), scalar(g, TINY));
    return mean(g, divide(g, size_of(g, change), size), ALL_AXES, false);
}

static Node *kernel_roughness_parametrize(const MethodCall *c, const ModelBuild *b, Param *p,
                                          Node *w)
{
    Graph *g = b->graph;
    (void)c;
    if (!is_long_kernel(p) || !b->metric || w->shape.rank < 1) return w;
    const int64_t taps = w->shape.dim[w->shape.rank - 1];
    model_metric(b, "kernel.roughness", roughness(g, w, taps));
    model_metric(b, "kernel.sparsity", mean(g, equal(g, w, scalar(g, 0)), ALL_AXES, false));
    return w;
}

const Method method_kernel_roughness = {
    .name = "kernel_roughness",
    .family = "seqconv",
    .paper = "arXiv:2302.06646",
    .summary = "report how rough and how sparse the kernels of long convolutions are",
    .revision = 1,
    .parametrize = kernel_roughness_parametrize,
    .transform = needs_long_kernel,
};
