/* smooth -- smoothed long-convolution kernels (Fu et al., arXiv 2302.06646).
 *
 *   time       k[j] = 1 / w  sum_{|d| <= p} K[j + d],   w = 2 p + 1, taps outside count as 0
 *   frequency  k = irfft(rfft(K) * g),  g[d] = exp(-d^2 / 2), |d| <= p, along the frequencies
 *
 * In time the divisor is w at the ends too; in frequency the weights are not divided by their sum
 * (2.507 for w = 7), and the bins outside count as 0: both as the authors' code does it. Where
 * squash is on as well it comes after, so list smooth first. */
#include "methods/seqconv/long_kernel.h"

#include "base/realmath.h"

typedef struct Smooth {
    int domain; /* 0: time, 1: frequency */
    int64_t window;
} Smooth;

/* Taps stand for the rows of one image and kernels for its channels, which pool side by side. */
static Node *smooth_time(Graph *g, Node *k, Shape s, int64_t window)
{
    const int64_t taps = s.dim[s.rank - 1], rows = shape_count(&s) / taps;
    Node *image = transpose(g, reshape(g, k, shape(2, rows, taps)));
    image = reshape(g, image, shape(4, INT64_C(1), taps, INT64_C(1), rows));
    const Pool2d pool = {
        .kernel = {window,     1},
          .stride = {1,          1},
          .pad = {window / 2, 0}
    };
    image = reshape(g, avg_pool2d(g, image, pool), shape(2, taps, rows));
    return reshape(g, transpose(g, image), s);
}

static Node *smooth_frequency(Graph *g, Node *k, Shape s, int64_t window)
{
    const int64_t taps = s.dim[s.rank - 1], half = window / 2;
    float *weights = arena_new_array(g->arena, float, window);
    for (int64_t i = 0; i < window; i++) {
        const double d = (double)(i - half);
        weights[i] = (float)real_exp(-0.5 * d * d);
    }
    Node *w = constant(g, shape(4, INT64_C(1), INT64_C(1), window, INT64_C(1)), weights);
    Node *bins = rfft(g, reshape(g, k, shape(2, INT64_C(-1), taps)));
    const int64_t rows = bins->shape.dim[0], n_bins = taps / 2 + 1;
    bins = reshape(g, bins, shape(4, rows, n_bins, INT64_C(2), INT64_C(1)));
    bins = conv2d(g, bins, w,
                  (Conv2d){
                      .pad = {half, 0}
    });
    bins = reshape(g, bins, shape(3, rows, n_bins, INT64_C(2)));
    return reshape(g, irfft(g, bins, taps), s);
}

static Node *smooth_parametrize(const MethodCall *c, const ModelBuild *b, Param *p, Node *w)
{
    const Smooth *o = c->options;
    if (!is_long_kernel(p)) return w;
    if (o->window % 2 == 0)
        return graph_fail(b->graph, "method 'smooth': window is %lld, not an odd number of taps",
                          (long long)o->window);
    if (o->domain == 0 && o->window == 1) return w;
    return o->domain == 0 ? smooth_time(b->graph, w, p->shape, o->window)
                          : smooth_frequency(b->graph, w, p->shape, o->window);
}

// clang-format off
static const Option smooth_options[] = {
    OPT_ENUM(Smooth, domain, "time|frequency", "time",
             "average neighbouring taps, or weigh neighbouring frequencies by a bell"),
    OPT_INT(Smooth, window, 7, 1, 1001, "taps or frequencies that are taken together, odd"),
};
// clang-format on

const Method method_smooth = {
    .name = "smooth",
    .family = "seqconv",
    .paper = "arXiv:2302.06646",
    .summary = "smooth the kernels of long convolutions in time or frequency",
    .revision = 1,
    .options = OPTION_TABLE(Smooth, smooth_options),
    .parametrize = smooth_parametrize,
    .transform = needs_long_kernel,
};
