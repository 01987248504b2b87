/* conv_nets -- VGG, MobileNetV2, ShuffleNetV2 and EfficientNet-B0: sizes and costs against the
 * published ones, names against torch's, gradients, random skips and first values.
 *
 * What they compute is compared with torch in forward.c. */
#include "tests/model.h"
#include "tests/test.h"

#include "graph/op.h"
#include "graph/plan.h"

#include <math.h>
#include <string.h>
#include <zlib.h>

static const Shape IMAGENET =
                       {
                           3, {224, 224, 3}
},
                   CIFAR = {3, {32, 32, 3}};

static TestModel built(const char *name, const char *options, Shape sample, int classes,
                       bool training)
{
    Error err = {0};
    TestModel m = test_model(name, options, sample, classes);
    test_model_build(&m, 2, training);
    ASSERT_OK(graph_ok(m.build.graph, &err), &err);
    assert_int_equal(m.logits->shape.rank, 2);
    assert_int_equal(m.logits->shape.dim[0], 2);
    assert_int_equal(m.logits->shape.dim[1], classes);
    return m;
}

/* -- Sizes */

static void count_is(const char *name, const char *options, Shape sample, int classes, int64_t n)
{
    TestModel m = built(name, options, sample, classes, true);
    assert_int_equal(m.build.params->count, n);
    test_model_free(&m);
}

/* torchvision's num_params. */
TEST(conv_nets, mobilenet_v2_has_torchvisions_count)
{
    count_is("mobilenet_v2", "{}", IMAGENET, 1000, 3504872);
}

TEST(conv_nets, efficientnet_b0_has_torchvisions_count)
{
    count_is("efficientnet_b0", "{}", IMAGENET, 1000, 5288548);
}

TEST(conv_nets, shufflenets_have_torchvisions_counts)
{
    count_is("shufflenet_v2_x0_5", "{}", IMAGENET, 1000, 1366792);
    count_is("shufflenet_v2_x1_0", "{}", IMAGENET, 1000, 2278604);
    count_is("shufflenet_v2_x1_5", "{}", IMAGENET, 1000, 3503624);
    count_is("shufflenet_v2_x2_0", "{}", IMAGENET, 1000, 7393996);
}

/* torchvision's vgg11_bn, vgg16_bn and vgg19_bn hold 132868840, 138365992 and 143678248; their
 * heads are 25088-4096-4096-1000, ours 512-10. */
TEST(conv_nets, vggs_have_torchvisions_counts_up_to_the_head)
{
    const int64_t wide = 4096, theirs = (25088 + 1) * wide + (wide + 1) * wide + (wide + 1) * 1000;
    const int64_t ours = 512 * 10 + 10;
    count_is("vgg11", "{}", CIFAR, 10, 132868840 - theirs + ours);
    count_is("vgg16", "{}", CIFAR, 10, 138365992 - theirs + ours);
    count_is("vgg19", "{}", CIFAR, 10, 143678248 - theirs + ours);
}

/* Four poolings and the average: a stage of 8 w channels at the end. */
TEST(conv_nets, vgg_width_scales_every_stage)
{
    const int64_t in[] = {3, 4, 8, 16, 16, 32, 32, 32}, out[] = {4, 8, 16, 16, 32, 32, 32, 32};
    int64_t n = 32 * 10 + 10;
    for (int i = 0; i < 8; i++) n += 9 * in[i] * out[i] + 3 * out[i]; /* bias, gain, shift */
    count_is("vgg11", "{width: 4}", CIFAR, 10, n);
}

/* Counts of the modules built in torch 1.13 with torchvision's rounding; the 1280 channels of
 * MobileNetV2 grow and do not shrink. */
TEST(conv_nets, width_multipliers_round_channels_as_torchvision_does)
{
    count_is("mobilenet_v2", "{width_multiplier: 0.35}", IMAGENET, 1000, 1677128);
    count_is("mobilenet_v2", "{width_multiplier: 0.75}", IMAGENET, 1000, 2636424);
    count_is("mobilenet_v2", "{width_multiplier: 1.4}", IMAGENET, 1000, 6108776);
    count_is("efficientnet_b0", "{width_multiplier: 0.5}", IMAGENET, 1000, 1712522);
}

/* A stem changes strides alone. */
TEST(conv_nets, cifar_stem_has_the_same_parameters)
{
    count_is("mobilenet_v2", "{stem: cifar}", CIFAR, 1000, 3504872);
    count_is("efficientnet_b0", "{stem: cifar}", CIFAR, 1000, 5288548);
    count_is("shufflenet_v2_x1_0", "{stem: cifar}", CIFAR, 1000, 2278604);
}

/* -- Costs */

/* Multiply-adds of one image, in millions. */
static double macs(const char *name, Shape sample, int classes)
{
    TestModel m = built(name, "{}", sample, classes, false);
    double flops = 0;
    for (int i = 0; i < m.build.graph->n_nodes; i++) {
        const Node *n = m.build.graph->nodes[i];
        if (!strcmp(n->op->name, "conv2d") || !strcmp(n->op->name, "matmul")) flops += op_flops(n);
    }
    test_model_free(&m);
    return flops / 2 / 2 / 1e6;
}

/* torchvision's _ops, thousands of millions to three digits after the point. */
TEST(conv_nets, multiply_adds_are_torchvisions)
{
    assert_true(fabs(macs("mobilenet_v2", IMAGENET, 1000) - 301) <= 0.5);
    assert_true(fabs(macs("efficientnet_b0", IMAGENET, 1000) - 386) <= 0.5);
    assert_true(fabs(macs("shufflenet_v2_x0_5", IMAGENET, 1000) - 40) <= 0.5);
    assert_true(fabs(macs("shufflenet_v2_x1_0", IMAGENET, 1000) - 145) <= 0.5);
    assert_true(fabs(macs("shufflenet_v2_x1_5", IMAGENET, 1000) - 296) <= 0.5);
    assert_true(fabs(macs("shufflenet_v2_x2_0", IMAGENET, 1000) - 583) <= 0.5);
}

/* Li et al. 2017 (arXiv 1608.08710), table 1: 3.13e8. */
TEST(conv_nets, vgg16_needs_313_million_multiply_adds_on_cifar)
{
    assert_true(fabs(macs("vgg16", CIFAR, 10) - 313) <= 0.5);
}

/* -- Names */

/* The sum of the CRC-32 of each "name (d, d, ...)", which no order changes. */
static void names_are(const char *name, const char *options, Shape sample, int classes,
                      int n_tensors, uint32_t sum)
{
    TestModel m = built(name, options, sample, classes, false);
    uint32_t found = 0;
    for (const Param *p = m.build.params->first; p; p = p->next) {
        char line[256], text[96];
        const int n = snprintf(line, sizeof line, "%s %s", p->name, shape_text(&p->shape, text));
        found += (uint32_t)crc32(0, (const unsigned char *)line, (unsigned)n);
    }
    assert_int_equal(m.build.params->n, n_tensors);
    assert_int_equal(found, sum);
    test_model_free(&m);
}

/* Of the state dicts of modules built in torch 1.13 as torchvision nests them, without
 * num_batches_tracked. */
TEST(conv_nets, names_and_shapes_are_torchs)
{
    names_are("vgg11", "{}", CIFAR, 10, 50, 0x8f6642e8);
    names_are("vgg16", "{}", CIFAR, 10, 80, 0x5d7f7310);
    names_are("vgg19", "{}", CIFAR, 10, 98, 0xe0e11e2e);
    names_are("mobilenet_v2", "{}", IMAGENET, 1000, 262, 0x11157404);
    names_are("mobilenet_v2", "{width_multiplier: 0.5}", IMAGENET, 1000, 262, 0xd2bd146b);
    names_are("efficientnet_b0", "{}", IMAGENET, 1000, 311, 0x15d1de70);
    names_are("shufflenet_v2_x0_5", "{}", IMAGENET, 1000, 282, 0xfc4b4ac4);
    names_are("shufflenet_v2_x1_0", "{}", IMAGENET, 1000, 282, 0x24341ca1);
    names_are("shufflenet_v2_x1_5", "{}", IMAGENET, 1000, 282, 0x9c3b1292);
    names_are("shufflenet_v2_x2_0", "{}", IMAGENET, 1000, 282, 0x59a1b243);
}

static void has(const Params *ps, const char *name, Shape s)
{
    const Param *p = params_find(ps, name);
    if (!p) print_error("no parameter '%s'\n", name);
    assert_non_null(p);
    assert_true(shape_equal(&p->shape, &s));
}

static Shape conv_shape(int64_t out, int64_t in, int64_t k)
{
    return shape(4, out, in, k, k);
}

/* Names of torchvision's files that a reader can check by eye. */
TEST(conv_nets, mobilenet_v2_puts_its_convolutions_where_torchvision_does)
{
    TestModel m = built("mobilenet_v2", "{}", IMAGENET, 1000, false);
    has(m.build.params, "features.1.conv.0.0.weight", conv_shape(32, 1, 3));
    has(m.build.params, "features.1.conv.1.weight", conv_shape(16, 32, 1));
    has(m.build.params, "features.17.conv.1.0.weight", conv_shape(960, 1, 3));
    has(m.build.params, "features.17.conv.3.running_var", shape(1, INT64_C(320)));
    has(m.build.params, "features.18.0.weight", conv_shape(1280, 320, 1));
    test_model_free(&m);
}

TEST(conv_nets, efficientnet_b0_puts_its_convolutions_where_torchvision_does)
{
    TestModel m = built("efficientnet_b0", "{}", IMAGENET, 1000, false);
    has(m.build.params, "features.1.0.block.1.fc1.weight", conv_shape(8, 32, 1));
    has(m.build.params, "features.3.1.block.1.0.weight", conv_shape(240, 1, 5));
    has(m.build.params, "features.7.0.block.2.fc2.bias", shape(1, INT64_C(1152)));
    has(m.build.params, "features.8.1.weight", shape(1, INT64_C(1280)));
    test_model_free(&m);
}

TEST(conv_nets, shufflenet_v2_puts_its_convolutions_where_torchvision_does)
{
    TestModel m = built("shufflenet_v2_x1_0", "{}", IMAGENET, 1000, false);
    has(m.build.params, "stage2.0.branch1.2.weight", conv_shape(58, 24, 1));
    has(m.build.params, "stage3.7.branch2.3.weight", conv_shape(116, 1, 3));
    has(m.build.params, "conv5.0.weight", conv_shape(1024, 464, 1));
    test_model_free(&m);
}

/* -- Gradients */

/* The sum of squares of all logits of four images, with the batch's statistics, differentiated to
 * every trainable parameter. */
typedef struct Backward {
    TestModel m;
    Plan *plan;
    Node *loss, **wrt, **dw;
    int n;
} Backward;

static Backward backward(const char *name, const char *options)
{
    Error err = {0};
    Backward b = {.m = test_model(name, options, CIFAR, 10)};
    test_model_build(&b.m, 4, true);
    Graph *g = b.m.build.graph;
    const Params *ps = b.m.build.params;
    PlanOutput *outputs = arena_new_array(b.m.arena, PlanOutput, ps->n + 1);
    b.wrt = arena_new_array(b.m.arena, Node *, ps->n);
    b.dw = arena_new_array(b.m.arena, Node *, ps->n);
    for (Param *p = ps->first; p; p = p->next)
        if (p->trainable) b.wrt[b.n++] = param_node(g, p);
    b.loss = sum(g, square(g, b.m.logits), ALL_AXES, false);
    graph_grad(g, b.loss, NULL, b.wrt, b.n, b.dw);
    ASSERT_OK(graph_ok(g, &err), &err);
    for (int i = 0; i < b.n; i++) outputs[i].node = b.dw[i];
    outputs[b.n].node = b.loss;
    b.plan = plan_new(g, outputs, b.n + 1, NULL, &err);
    ASSERT_OK(b.plan != NULL, &err);
    return b;
}

/* The loss, the gradient to all parameters along the direction that the numbers "d NAME" give, and
 * its length, against torch 1.13 in float64; what batch norms in float32 lose is a part in 1e5. */
static void gradient_is(const char *name, const char *options, double loss, double along,
                        double length)
{
    Error err = {0};
    Backward b = backward(name, options);
    ASSERT_OK(params_allocate(b.m.build.params, &err), &err);
    ASSERT_OK(plan_allocate(b.plan, &err), &err);
    test_fill(b.m.build.params, 1);
    const int64_t n_x = shape_count(&b.m.x->shape);
    float *x = arena_new_array(b.m.arena, float, n_x);
    for (int64_t i = 0; i < n_x; i++) x[i] = 2 * test_number("x", i);
    plan_bind(b.plan, b.m.x, x);
    plan_run(b.plan, 0);
    double found = 0, squares = 0;
    for (int i = 0; i < b.n; i++) {
        const float *d = plan_value(b.plan, b.dw[i]);
        const char *direction = arena_printf(b.m.arena, "d %s", b.wrt[i]->param->name);
        assert_true(shape_equal(&b.dw[i]->shape, &b.wrt[i]->shape));
        for (int64_t j = 0; j < shape_count(&b.dw[i]->shape); j++) {
            found += (double)d[j] * (double)test_number(direction, j);
            squares += (double)d[j] * (double)d[j];
        }
    }
    const double found_loss = (double)*(const float *)plan_value(b.plan, b.loss);
    assert_true(fabs(found_loss / loss - 1) < 5e-5);
    assert_true(fabs(found - along) < 5e-5 * length);
    assert_true(fabs(sqrt(squares) / length - 1) < 5e-5);
    plan_free(b.plan);
    test_model_free(&b.m);
}

TEST(conv_nets, gradient_of_vgg11_equals_torch)
{
    gradient_is("vgg11", "{width: 8}", 9.1431967, -49.661427, 121.87113);
}

TEST(conv_nets, gradient_of_mobilenet_v2_equals_torch)
{
    gradient_is("mobilenet_v2", "{stem: cifar, width_multiplier: 0.1, dropout: 0}", 5.2336474,
                -4.1192567, 294.5948);
}

TEST(conv_nets, gradient_of_shufflenet_v2_equals_torch)
{
    gradient_is("shufflenet_v2_x0_5", "{stem: cifar, width_multiplier: 0.5}", 11.511219, -51.119906,
                276.52235);
}

TEST(conv_nets, gradient_of_efficientnet_b0_equals_torch)
{
    gradient_is("efficientnet_b0",
                "{stem: cifar, width_multiplier: 0.1, dropout: 0, stochastic_depth: 0}", 5.2364243,
                -107.02629, 313.70581);
}

/* -- Random skips */

/* Into keep[], the probabilities of the random numbers with one value an example, in order. */
static int skips(const char *options, bool training, double keep[16])
{
    TestModel m = built("efficientnet_b0", options, CIFAR, 10, training);
    int n = 0;
    for (int i = 0; i < m.build.graph->n_nodes; i++) {
        const Node *r = m.build.graph->nodes[i];
        if (strcmp(r->op->name, "random_bernoulli") != 0 || r->shape.rank != 4) continue;
        assert_int_equal(shape_count(&r->shape), 2);
        assert_true(fabs((double)(r->args.random.p * r->args.random.value) - 1) < 1e-6);
        keep[n++] = (double)r->args.random.p;
    }
    test_model_free(&m);
    return n;
}

/* Of 16 blocks the first of each stage have no shortcut: 9 may be skipped, block i with probability
 * 0.2 i / 16 (torchvision's rule); the first of the nine is block 2, the last block 14. */
TEST(conv_nets, efficientnet_b0_skips_later_blocks_more_often)
{
    double keep[16];
    assert_int_equal(skips("{}", true, keep), 9);
    assert_true(fabs(keep[0] - (1 - 0.2 * 2 / 16)) < 1e-6);
    assert_true(fabs(keep[8] - (1 - 0.2 * 14 / 16)) < 1e-6);
}

TEST(conv_nets, efficientnet_b0_skips_nothing_in_evaluation)
{
    double keep[16];
    assert_int_equal(skips("{}", false, keep), 0);
    assert_int_equal(skips("{stochastic_depth: 0}", true, keep), 0);
}

/* -- First values */

static double deviation(const TestModel *m, const char *name)
{
    const Param *p = params_find(m->build.params, name);
    double squares = 0;
    assert_non_null(p);
    for (int64_t i = 0; i < p->n; i++) squares += (double)p->data[i] * (double)p->data[i];
    return sqrt(squares / (double)p->n);
}

static void deviation_is(const TestModel *m, const char *name, double expected)
{
    const double found = deviation(m, name);
    if (fabs(found / expected - 1) > 0.05) print_error("%s: %g, not %g\n", name, found, expected);
    assert_true(fabs(found / expected - 1) <= 0.05);
}

/* torch's kaiming_normal_(mode='fan_out') takes all outputs for a convolution in groups. */
TEST(conv_nets, mobilenet_v2_starts_as_torchvisions)
{
    TestModel m = test_model("mobilenet_v2", "{}", CIFAR, 10);
    test_model_init(&m, 2, 1);
    deviation_is(&m, "features.18.0.weight", sqrt(2.0 / 1280));
    deviation_is(&m, "features.17.conv.1.0.weight", sqrt(2.0 / (960 * 9)));
    deviation_is(&m, "classifier.1.weight", 0.01);
    test_model_free(&m);
}

TEST(conv_nets, vgg_starts_as_torchvisions)
{
    TestModel m = test_model("vgg11", "{width: 16}", CIFAR, 10);
    test_model_init(&m, 2, 1);
    deviation_is(&m, "features.11.weight", sqrt(2.0 / (64 * 9)));
    assert_true(deviation(&m, "features.11.bias") == 0);
    test_model_free(&m);
}

TEST(conv_nets, shufflenet_v2_starts_as_torchs_default)
{
    TestModel m = test_model("shufflenet_v2_x0_5", "{}", CIFAR, 10);
    test_model_init(&m, 2, 1);
    deviation_is(&m, "conv5.0.weight", 1 / sqrt(3.0 * 192));
    deviation_is(&m, "stage4.0.branch1.0.weight", 1 / sqrt(3.0 * 9));
    test_model_free(&m);
}

TEST(conv_nets, efficientnet_b0_starts_as_torchvisions)
{
    TestModel m = test_model("efficientnet_b0", "{width_multiplier: 0.5}", CIFAR, 10);
    test_model_init(&m, 2, 1);
    deviation_is(&m, "features.7.0.block.2.fc1.weight", sqrt(2.0 / 24));
    deviation_is(&m, "classifier.1.weight", 1 / sqrt(3.0 * 10));
    test_model_free(&m);
}

/* -- Mistakes */

static void build_fails(const char *name, const char *options, Shape sample, const char *text)
{
    Error err = {0};
    TestModel m = test_model(name, options, sample, 10);
    test_model_build(&m, 2, true);
    ASSERT_FAILS(graph_ok(m.build.graph, &err), &err, FAIL_CONFIG, text);
    test_model_free(&m);
}

TEST(conv_nets, small_image_for_vgg_says_the_least_size)
{
    build_fails("vgg16", "{}", shape(3, INT64_C(15), INT64_C(16), INT64_C(3)),
                "halving the image 4 times needs images (height, width, channels) of at least "
                "16x16, not (15, 16, 3)");
}

TEST(conv_nets, odd_channels_of_shufflenet_cannot_be_split)
{
    build_fails("shufflenet_v2_x1_0", "{width_multiplier: 0.25}", CIFAR,
                "stage2: 29 channels cannot be split into two halves");
}

TEST(conv_nets, vectors_are_no_images)
{
    const char *const names[] = {"mobilenet_v2", "efficientnet_b0", "shufflenet_v2_x1_0"};
    for (int i = 0; i < 3; i++)
        build_fails(names[i], "{}", shape(1, INT64_C(140)),
                    "a convolution needs images (height, width, channels), not (140)");
}
