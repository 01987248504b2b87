/* layer -- see layer.h. */
#include "nn/layer.h"

#include "base/pcg.h"

static const float NORM_EPS = 1e-5f, NORM_MOMENTUM = 0.1f;

const LayerInit layer_init_torch = {{.kind = INIT_TORCH_DEFAULT}, {.kind = INIT_TORCH_DEFAULT}};

/* w's node; *p is the parameter behind it, whatever a method made of the node. */
static Node *layer_weight(ModelBuild *b, const char *prefix, Shape s, Init init, Param **p)
{
    const char *name = model_name(b, "%s.weight", prefix);
    Node *w = model_param(b, name, s, ROLE_WEIGHT, init);
    *p = params_find(b->params, name);
    return w;
}

static Node *layer_bias(ModelBuild *b, const char *prefix, int64_t n, int64_t fan_in, Init init)
{
    if (init.kind == INIT_TORCH_DEFAULT && init.fan_in == 0) init.fan_in = fan_in;
    return model_param(b, model_name(b, "%s.bias", prefix), shape(1, n), ROLE_BIAS, init);
}

static Node *observed(ModelBuild *b, const char *prefix, Param *weight, Node *y)
{
    if (b->observe) b->observe(b->observer, prefix, weight, y);
    return y;
}

Node *layer_linear(ModelBuild *b, const char *prefix, Node *x, int64_t out, bool bias,
                   const LayerInit *init)
{
    if (x->shape.rank < 1)
        return graph_fail(b->graph, "%s: linear needs at least one axis", prefix);
    const int64_t in = x->shape.dim[x->shape.rank - 1];
    Param *p;
    Node *w = layer_weight(b, prefix, shape(2, out, in), init->weight, &p);
    Node *shift = bias ? layer_bias(b, prefix, out, in, init->bias) : NULL;
    Node *y = model_product(b, &(LinearProduct){.p = p, .w = w, .x = x});
    return observed(b, prefix, p, shift ? add(b->graph, y, shift) : y);
}

Node *layer_conv(ModelBuild *b, const char *prefix, Node *x, ConvLayer c, const LayerInit *init)
{
    Graph *g = b->graph;
    const int64_t groups = c.groups ? c.groups : 1, stride = c.stride ? c.stride : 1;
    char text[96];
    if (x->shape.rank != 4)
        return graph_fail(g, "%s: a convolution needs images (height, width, channels), not %s",
                          prefix, shape_text(&b->task.sample, text));
    const int64_t channels = x->shape.dim[3] / groups;
    Param *p;
    Node *w =
        layer_weight(b, prefix, shape(4, c.out, channels, c.kernel, c.kernel), init->weight, &p);
    Node *y = conv2d(g, x, w,
                     (Conv2d){
                         .stride = {stride, stride},
                           .pad = {c.pad,  c.pad },
                           .groups = groups
    });
    if (c.bias)
        y = add(g, y, layer_bias(b, prefix, c.out, channels * c.kernel * c.kernel, init->bias));
    return observed(b, prefix, p, y);
}

/* running = (1 - momentum) running + momentum batch, written at the end of the step. */
static void move_statistic(Graph *g, Param *running, Node *batch)
{
    Node *kept = affine(g, param_node(g, running), 1 - NORM_MOMENTUM, 0);
    graph_update(g, running, add(g, kept, affine(g, batch, NORM_MOMENTUM, 0)));
}

Node *layer_batch_norm(ModelBuild *b, const char *prefix, Node *x)
{
    Graph *g = b->graph;
    if (x->shape.rank < 2) return graph_fail(g, "%s: batch norm needs a batch", prefix);
    const Init zeros = {.kind = INIT_ZEROS}, ones = {.kind = INIT_ONES};
    const Init scale = b->norm_uniform ? (Init){.kind = INIT_UNIFORM_POSITIVE, .a = 1} : ones;
    const int64_t channels = x->shape.dim[x->shape.rank - 1];
    const Shape s = shape(1, channels);
    Node *gain = model_param(b, model_name(b, "%s.weight", prefix), s, ROLE_NORM, scale);
    Node *bias = model_param(b, model_name(b, "%s.bias", prefix), s, ROLE_NORM, zeros);
    Param *running_mean = model_buffer(b, model_name(b, "%s.running_mean", prefix), s, zeros);
    Param *running_var = model_buffer(b, model_name(b, "%s.running_var", prefix), s, ones);
    Node *mean = param_node(g, running_mean), *variance = param_node(g, running_var);
    if (b->training) {
        const int64_t n = channels > 0 ? shape_count(&x->shape) / channels : 0;
        if (n < 2)
            return graph_fail(g, "%s: batch norm needs more than one value a channel in training",
                              prefix);
        batch_moments(g, x, &mean, &variance);
        move_statistic(g, running_mean, mean);
        move_statistic(g, running_var, affine(g, variance, (float)n / (float)(n - 1), 0));
    }
    Node *rstd = rsqrt(g, affine(g, variance, 1, NORM_EPS));
    return batch_norm(g, x, gain, bias, mean, rstd, b->training);
}

Node *layer_flatten(ModelBuild *b, Node *x)
{
    Graph *g = b->graph;
    if (x->shape.rank < 1) return graph_fail(g, "flatten needs a batch");
    const int64_t batch = x->shape.dim[0];
    if (x->shape.rank == 4) {
        static const int channels_first[] = {0, 3, 1, 2};
        const bool same_order = x->shape.dim[3] == 1 || x->shape.dim[1] * x->shape.dim[2] == 1;
        if (!same_order) x = permute(g, x, channels_first);
    }
    return x->shape.rank == 2 ? x : reshape(g, x, shape(2, batch, INT64_C(-1)));
}

static Node *leaky(Graph *g, Node *x)
{
    return leaky_relu(g, x, 0.01f); /* torch's default slope */
}

static Node *identity(Graph *g, Node *x)
{
    (void)g;
    return x;
}

Node *layer_activation(ModelBuild *b, int activation, Node *x)
{
    /* In the order of LAYER_ACTIVATIONS. */
    static Node *(*const builder[])(Graph *, Node *) = {relu, leaky, tanh_node, sigmoid,
                                                        gelu, silu,  softplus,  identity};
    return builder[activation](b->graph, x);
}

Node *layer_dropout(ModelBuild *b, const char *name, Node *x, double rate)
{
    return b->training && rate > 0 ? dropout(b->graph, x, (float)rate, b->seed, pcg_name(name)) : x;
}
