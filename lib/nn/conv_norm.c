/* conv_norm -- see conv_norm.h. */
#include "nn/conv_norm.h"

#include <math.h>

LayerInit init_fan_out(ConvLayer c)
{
    return (LayerInit){
        .weight = {.kind = INIT_HE_NORMAL, .fan_in = c.out * c.kernel * c.kernel},
        .bias = {.kind = INIT_ZEROS                     }
    };
}

Node *conv_norm(ModelBuild *b, const char *prefix, int n, Node *x, ConvLayer c,
                const LayerInit *init)
{
    const LayerInit fan_out = init_fan_out(c);
    x = layer_conv(b, model_name(b, "%s.%d", prefix, n), x, c, init ? init : &fan_out);
    return layer_batch_norm(b, model_name(b, "%s.%d", prefix, n + 1), x);
}

Node *depthwise_norm(ModelBuild *b, const char *prefix, int n, Node *x, int64_t kernel,
                     int64_t stride, const LayerInit *init)
{
    const int64_t channels = x->shape.dim[3];
    const ConvLayer c = {
        .out = channels, .kernel = kernel, .stride = stride, .pad = kernel / 2, .groups = channels};
    return conv_norm(b, prefix, n, x, c, init);
}

Node *images_too_small(ModelBuild *b, const Node *x, int times)
{
    char text[96];
    const int64_t least = INT64_C(1) << times;
    if (x->shape.rank == 4 && x->shape.dim[1] >= least && x->shape.dim[2] >= least) return NULL;
    return graph_fail(b->graph,
                      "halving the image %d times needs images (height, width, channels) of at "
                      "least %dx%d, not %s",
                      times, (int)least, (int)least, shape_text(&b->task.sample, text));
}

int64_t channels_by_eight(double wanted)
{
    const double nearest = fmax(8, 8 * floor((wanted + 4) / 8));
    return (int64_t)(nearest < 0.9 * wanted ? nearest + 8 : nearest);
}
