/* hessian -- derivatives of derivatives of whole networks: Hessian-vector products and the gradient
 * through a gradient step, against central differences in double precision. */
#include "tests/graph_cases.h"
#include "tests/test.h"

#include <math.h>
#include <string.h>

static const double STEP = 1e-5;

typedef struct Network {
    Trial t;
    int n;
    Node *weight[TRIAL_LEAVES];
    double *data[TRIAL_LEAVES];
    Node *x, *label;
} Network;

static Shape dims(int64_t a, int64_t b, int64_t c, int64_t d)
{
    return shape(d ? 4 : c ? 3 : b ? 2 : 1, a, b, c, d);
}

static void add_weight(Network *net, Shape s)
{
    net->weight[net->n] = trial_real(&net->t, s);
    net->data[net->n++] = net->t.data[net->t.n - 1];
}

static Node *mean_loss(const Network *net, Node *logits)
{
    Graph *g = net->t.g;
    return mean(g, cross_entropy(g, logits, net->label, 0, -1), ALL_AXES, false);
}

/* -- Two-layer perceptron, 4 -> 6 -> 3 */

static Network perceptron(void)
{
    Network net = {.t = trial_empty(5)};
    net.x = trial_real(&net.t, dims(7, 4, 0, 0));
    net.label = trial_whole(&net.t, dims(7, 0, 0, 0), 3);
    net.t.low = -0.8, net.t.high = 0.8;
    add_weight(&net, dims(6, 4, 0, 0));
    add_weight(&net, dims(6, 0, 0, 0));
    add_weight(&net, dims(3, 6, 0, 0));
    add_weight(&net, dims(3, 0, 0, 0));
    return net;
}

static Node *perceptron_loss(const Network *net, Node *const w[])
{
    Graph *g = net->t.g;
    Node *hidden = gelu_tanh(g, linear(g, net->x, w[0], w[1]));
    return mean_loss(net, linear(g, hidden, w[2], w[3]));
}

/* -- Residual convolutional network with batch norm over batch statistics */

static Network conv_net(void)
{
    Network net = {.t = trial_empty(6)};
    net.x = trial_real(&net.t, dims(4, 6, 6, 2));
    net.label = trial_whole(&net.t, dims(4, 0, 0, 0), 3);
    net.t.low = -0.8, net.t.high = 0.8;
    add_weight(&net, dims(3, 2, 3, 3));
    add_weight(&net, dims(3, 0, 0, 0));
    add_weight(&net, dims(3, 0, 0, 0));
    add_weight(&net, dims(3, 3, 3, 3));
    add_weight(&net, dims(3, 0, 0, 0));
    add_weight(&net, dims(3, 0, 0, 0));
    add_weight(&net, dims(3, 3, 0, 0));
    add_weight(&net, dims(3, 0, 0, 0));
    return net;
}

static Node *normalised(Graph *g, Node *x, Node *gain, Node *bias)
{
    Node *m, *variance;
    batch_moments(g, x, &m, &variance);
    return batch_norm(g, x, gain, bias, m, rsqrt(g, affine(g, variance, 1, 1e-5f)), true);
}

static Node *conv_net_loss(const Network *net, Node *const w[])
{
    Graph *g = net->t.g;
    const Conv2d first =
                     {
                         .pad = {1, 1}
    },
                 second = {.pad = {1, 1}};
    Node *h = relu(g, normalised(g, conv2d(g, net->x, w[0], first), w[1], w[2]));
    h = max_pool2d(g, h,
                   (Pool2d){
                       .kernel = {2, 2}
    });
    Node *y = normalised(g, conv2d(g, h, w[3], second), w[4], w[5]);
    y = global_avg_pool(g, silu(g, add(g, y, h)));
    return mean_loss(net, linear(g, y, w[6], w[7]));
}

/* -- Checks */

static double *copy_value(Graph64 *v, const Network *net, const Node *n)
{
    const int64_t count = shape_count(&n->shape);
    double *copy = arena_new_array(net->t.arena, double, count);
    memcpy(copy, graph64_value(v, n), sizeof(double) * (size_t)count);
    return copy;
}

static void move(const Network *net, double *const direction[], double by)
{
    for (int k = 0; k < net->n; k++)
        for (int64_t i = 0; i < shape_count(&net->weight[k]->shape); i++)
            net->data[k][i] += by * direction[k][i];
}

/* H v, the gradient of <gradient, v>, is how the gradient changes along v. */
static void check_hessian_vector_product(Network *net, Node *loss)
{
    Trial *t = &net->t;
    Node *grad[TRIAL_LEAVES], *hv[TRIAL_LEAVES], *total = scalar(t->g, 0);
    double *direction[TRIAL_LEAVES], *got[TRIAL_LEAVES], *above[TRIAL_LEAVES];
    graph_grad(t->g, loss, NULL, net->weight, net->n, grad);
    for (int k = 0; k < net->n; k++) {
        total = add(t->g, total, trial_mix(t, grad[k]));
        direction[k] = t->data[t->n - 1];
    }
    graph_grad(t->g, total, NULL, net->weight, net->n, hv);
    trial_check(t);

    Graph64 *v = trial_reference(t);
    for (int k = 0; k < net->n; k++) got[k] = copy_value(v, net, hv[k]);
    move(net, direction, STEP);
    graph64_reset(v);
    for (int k = 0; k < net->n; k++) above[k] = copy_value(v, net, grad[k]);
    move(net, direction, -2 * STEP);
    graph64_reset(v);
    for (int k = 0; k < net->n; k++) {
        const double *below = graph64_value(v, grad[k]);
        double largest = 0;
        for (int64_t i = 0; i < shape_count(&net->weight[k]->shape); i++) {
            const double want = (above[k][i] - below[i]) / (2 * STEP);
            largest = fmax(largest, fabs(want));
            /* the rules' immediates are floats: some 6e-8 of terms of size 1 */
            if (!(fabs(got[k][i] - want) <= 2e-6))
                print_message("weight %d element %d: %.9g, by differences %.9g\n", k, (int)i,
                              got[k][i], want);
            assert_true(fabs(got[k][i] - want) <= 2e-6);
        }
        assert_true(largest > 1e-3); /* there is something to see */
    }
}

TEST(hessian, vector_product_of_a_perceptron)
{
    Network net = perceptron();
    check_hessian_vector_product(&net, perceptron_loss(&net, net.weight));
    trial_free(&net.t);
}

TEST(hessian, vector_product_of_a_conv_net_with_batch_norm)
{
    Network net = conv_net();
    check_hessian_vector_product(&net, conv_net_loss(&net, net.weight));
    trial_free(&net.t);
}

/* d/dw loss(w - lr grad(w)): what bilevel methods and MAML need. */
static void check_gradient_through_a_step(Network *net,
                                          Node *(*loss)(const Network *, Node *const[]))
{
    Trial *t = &net->t;
    Node *grad[TRIAL_LEAVES], *moved[TRIAL_LEAVES];
    graph_grad(t->g, loss(net, net->weight), NULL, net->weight, net->n, grad);
    for (int k = 0; k < net->n; k++)
        moved[k] = sub(t->g, net->weight[k], affine(t->g, grad[k], 0.5f, 0));
    Node *after = loss(net, moved);
    graph_grad(t->g, after, NULL, net->weight, net->n, grad);
    trial_check(t);

    Graph64 *v = trial_reference(t);
    for (int k = 0; k < net->n; k++) {
        const int64_t i = shape_count(&net->weight[k]->shape) / 2; /* one element of each */
        graph64_reset(v);
        const double got = graph64_value(v, grad[k])[i];
        double value[2];
        for (int side = 0; side < 2; side++) {
            net->data[k][i] += side ? -2 * STEP : STEP;
            graph64_reset(v);
            value[side] = graph64_value(v, after)[0];
        }
        net->data[k][i] += STEP;
        assert_true(fabs(got - (value[0] - value[1]) / (2 * STEP)) <= 2e-6);
    }
}

TEST(hessian, gradient_through_a_step_of_a_perceptron)
{
    Network net = perceptron();
    check_gradient_through_a_step(&net, perceptron_loss);
    trial_free(&net.t);
}

TEST(hessian, gradient_through_a_step_of_a_conv_net)
{
    Network net = conv_net();
    check_gradient_through_a_step(&net, conv_net_loss);
    trial_free(&net.t);
}
