/* nn -- models: sizes against the published ones, names and shapes against the published files,
 * and what is said of images that do not fit. */
#include "tests/model.h"
#include "tests/test.h"

#include "graph/op.h"
#include "io/safetensors.h"

#include <string.h>

static const Shape IMAGENET =
                       {
                           3, {224, 224, 3}
},
                   CIFAR = {3, {32, 32, 3}}, MNIST = {3, {28, 28, 1}};

static void count_is(const char *name, const char *options, Shape sample, int classes, int64_t n)
{
    Error err = {0};
    TestModel m = test_model(name, options, sample, classes);
    test_model_build(&m, 2, true);
    ASSERT_OK(graph_ok(m.build.graph, &err), &err);
    assert_int_equal(m.logits->shape.rank, 2);
    assert_int_equal(m.logits->shape.dim[0], 2);
    assert_int_equal(m.logits->shape.dim[1], classes);
    assert_int_equal(m.build.params->count, n);
    test_model_free(&m);
}

/* -- Sizes */

TEST(nn, lenet_300_100_has_266610_parameters)
{
    count_is("lenet_300_100", "{}", MNIST, 10, 266610);
}

TEST(nn, mlp_counts_by_its_widths)
{
    count_is("mlp", "{hidden: [20, 5], batch_norm: true}", shape(1, INT64_C(7)), 3,
             7 * 20 + 20 + 40 + 20 * 5 + 5 + 10 + 5 * 3 + 3);
}

TEST(nn, mlp_without_hidden_layers_is_linear)
{
    count_is("mlp", "{hidden: []}", MNIST, 10, 7850);
}

/* Frankle & Carbin's weights, 4 300 992, 2 425 024 and 2 261 184 at 32x32x3, and the biases. */
TEST(nn, conv2_has_the_weights_of_the_paper)
{
    count_is("conv2", "{}", CIFAR, 10, 4300992 + 64 + 64 + 256 + 256 + 10);
}

TEST(nn, conv4_has_the_weights_of_the_paper)
{
    count_is("conv4", "{}", CIFAR, 10, 2425024 + 2 * 64 + 2 * 128 + 256 + 256 + 10);
}

TEST(nn, conv6_has_the_weights_of_the_paper)
{
    count_is("conv6", "{}", CIFAR, 10, 2261184 + 2 * 64 + 2 * 128 + 2 * 256 + 256 + 256 + 10);
}

TEST(nn, conv4_takes_grey_28x28)
{
    count_is("conv4", "{}", MNIST, 10, 1932352 + 2 * 64 + 2 * 128 + 256 + 256 + 10);
}

/* He et al. 2015, table 6: 0.27M, 0.46M, 0.66M, 0.85M; the exact numbers are akamaster's. */
TEST(nn, resnet20_has_0_27_million_parameters)
{
    count_is("resnet20", "{}", CIFAR, 10, 269722);
}

TEST(nn, resnet32_has_0_46_million_parameters)
{
    count_is("resnet32", "{}", CIFAR, 10, 464154);
}

TEST(nn, resnet56_has_0_85_million_parameters)
{
    count_is("resnet56", "{}", CIFAR, 10, 853018);
}

/* Option B adds 16x32 and 32x64 weights and the gains and biases of two norms. */
TEST(nn, resnet8_with_projections_adds_their_weights)
{
    count_is("resnet8", "{shortcut: A}", CIFAR, 10, 75290);
    count_is("resnet8", "{shortcut: B}", CIFAR, 10, 75290 + 16 * 32 + 2 * 32 + 32 * 64 + 2 * 64);
}

static void weights_are(const char *name, const char *options, int64_t n)
{
    TestModel m = test_model(name, options, CIFAR, 10);
    test_model_build(&m, 2, true);
    for (const Param *p = m.build.params->first; p; p = p->next)
        if (p->role == ROLE_WEIGHT) n -= p->n;
    assert_int_equal(n, 0);
    test_model_free(&m);
}

/* As papers on pruning count: without biases and norms. */
TEST(nn, resnets_with_projections_have_the_weights_that_pruning_counts)
{
    weights_are("resnet8", "{shortcut: B}", 77360);
    weights_are("resnet20", "{shortcut: B}", 270896);
    weights_are("resnet32", "{shortcut: B}", 464432);
    weights_are("resnet56", "{shortcut: B}", 851504);
}

/* Widths 8, 16, 32: the stem, two convolutions a stage, the last layer. */
TEST(nn, resnet8_width_scales_every_stage)
{
    weights_are("resnet8", "{width: 8}",
                9 * (3 * 8 + 2 * 8 * 8 + 8 * 16 + 16 * 16 + 16 * 32 + 32 * 32) + 32 * 10);
}

/* torchvision's documentation of the two models (num_params). */
TEST(nn, resnet18_has_torchvisions_count)
{
    count_is("resnet18", "{}", IMAGENET, 1000, 11689512);
}

TEST(nn, resnet50_has_torchvisions_count)
{
    count_is("resnet50", "{}", IMAGENET, 1000, 25557032);
}

TEST(nn, resnet18_cifar_stem_differs_in_the_first_kernel)
{
    count_is("resnet18", "{stem: cifar}", CIFAR, 10,
             11689512 - 513000 + 5130 - 64 * 3 * 49 + 64 * 3 * 9);
}

/* -- Names */

static void shape_is(const Params *ps, const char *name, Shape s)
{
    const Param *p = params_find(ps, name);
    char a[96], b[96];
    if (!p) print_error("no parameter '%s'\n", name);
    assert_non_null(p);
    if (!shape_equal(&p->shape, &s))
        print_error("%s: %s, not %s\n", name, shape_text(&p->shape, a), shape_text(&s, b));
    assert_true(shape_equal(&p->shape, &s));
}

static void names_equal_file(const char *model, const char *file)
{
    const char *path = test_shared(file);
    if (!path) skip();
    Error err = {0};
    TestModel m = test_model(model, "{}", CIFAR, 10);
    Safetensors st;
    test_model_build(&m, 1, false);
    ASSERT_OK(safetensors_open(&st, m.arena, path, &err), &err);
    assert_int_equal(m.build.params->n, st.n_tensors);
    for (int i = 0; i < st.n_tensors; i++) {
        Shape s = {.rank = st.tensors[i].rank};
        for (int j = 0; j < s.rank; j++) s.dim[j] = st.tensors[i].dim[j];
        shape_is(m.build.params, st.tensors[i].name, s);
    }
    safetensors_close(&st);
    test_model_free(&m);
}

TEST(nn, resnet20_names_are_those_of_the_published_file)
{
    names_equal_file("resnet20", "data/resnet_cifar10/resnet20-12fca82f.safetensors");
}

TEST(nn, resnet44_names_are_those_of_the_published_file)
{
    names_equal_file("resnet44", "data/resnet_cifar10/resnet44-014dd654.safetensors");
}

TEST(nn, resnet56_names_are_those_of_the_published_file)
{
    names_equal_file("resnet56", "data/resnet_cifar10/resnet56-4bfd9763.safetensors");
}

/* A convolution of torchvision's state dict: name, (out, in, k, k); its norm's name has bn for conv
 * and downsample.1 for downsample.0. `times` stands for that many blocks from `block` on. */
typedef struct TorchConv {
    const char *layer;
    int block, times;
    const char *conv, *norm;
    int64_t out, in, k;
} TorchConv;

static int check_tensor(const Params *ps, const TorchConv *t, int block, const char *suffix,
                        bool norm)
{
    char name[96], prefix[48] = "";
    if (t->layer) (void)snprintf(prefix, sizeof prefix, "%s.%d.", t->layer, block);
    (void)snprintf(name, sizeof name, "%s%s%s", prefix, norm ? t->norm : t->conv, suffix);
    shape_is(ps, name, norm ? shape(1, t->out) : shape(4, t->out, t->in, t->k, t->k));
    return 1;
}

static void names_equal_torchvision(const char *model, const TorchConv *convs, int n_convs,
                                    int64_t features, int n_tensors)
{
    TestModel m = test_model(model, "{}", IMAGENET, 1000);
    const Params *ps = m.build.params;
    int n = 2;
    test_model_build(&m, 1, false);
    for (int c = 0; c < n_convs; c++)
        for (int i = 0; i < convs[c].times; i++) {
            const int block = convs[c].block + i;
            n += check_tensor(ps, &convs[c], block, ".weight", false);
            n += check_tensor(ps, &convs[c], block, ".weight", true);
            n += check_tensor(ps, &convs[c], block, ".bias", true);
            n += check_tensor(ps, &convs[c], block, ".running_mean", true);
            n += check_tensor(ps, &convs[c], block, ".running_var", true);
        }
    shape_is(ps, "fc.weight", shape(2, INT64_C(1000), features));
    shape_is(ps, "fc.bias", shape(1, INT64_C(1000)));
    assert_int_equal(n, n_tensors);
    assert_int_equal(ps->n, n_tensors);
    test_model_free(&m);
}

// clang-format off
static const TorchConv resnet18_convs[] = {
    {NULL, 0, 1, "conv1", "bn1", 64, 3, 7},
    {"layer1", 0, 2, "conv1", "bn1", 64, 64, 3},   {"layer1", 0, 2, "conv2", "bn2", 64, 64, 3},
    {"layer2", 0, 1, "conv1", "bn1", 128, 64, 3},  {"layer2", 1, 1, "conv1", "bn1", 128, 128, 3},
    {"layer2", 0, 2, "conv2", "bn2", 128, 128, 3},
    {"layer2", 0, 1, "downsample.0", "downsample.1", 128, 64, 1},
    {"layer3", 0, 1, "conv1", "bn1", 256, 128, 3}, {"layer3", 1, 1, "conv1", "bn1", 256, 256, 3},
    {"layer3", 0, 2, "conv2", "bn2", 256, 256, 3},
    {"layer3", 0, 1, "downsample.0", "downsample.1", 256, 128, 1},
    {"layer4", 0, 1, "conv1", "bn1", 512, 256, 3}, {"layer4", 1, 1, "conv1", "bn1", 512, 512, 3},
    {"layer4", 0, 2, "conv2", "bn2", 512, 512, 3},
    {"layer4", 0, 1, "downsample.0", "downsample.1", 512, 256, 1},
};

static const TorchConv resnet50_convs[] = {
    {NULL, 0, 1, "conv1", "bn1", 64, 3, 7},
    {"layer1", 0, 1, "conv1", "bn1", 64, 64, 1},     {"layer1", 1, 2, "conv1", "bn1", 64, 256, 1},
    {"layer1", 0, 3, "conv2", "bn2", 64, 64, 3},     {"layer1", 0, 3, "conv3", "bn3", 256, 64, 1},
    {"layer1", 0, 1, "downsample.0", "downsample.1", 256, 64, 1},
    {"layer2", 0, 1, "conv1", "bn1", 128, 256, 1},   {"layer2", 1, 3, "conv1", "bn1", 128, 512, 1},
    {"layer2", 0, 4, "conv2", "bn2", 128, 128, 3},   {"layer2", 0, 4, "conv3", "bn3", 512, 128, 1},
    {"layer2", 0, 1, "downsample.0", "downsample.1", 512, 256, 1},
    {"layer3", 0, 1, "conv1", "bn1", 256, 512, 1},   {"layer3", 1, 5, "conv1", "bn1", 256, 1024, 1},
    {"layer3", 0, 6, "conv2", "bn2", 256, 256, 3},   {"layer3", 0, 6, "conv3", "bn3", 1024, 256, 1},
    {"layer3", 0, 1, "downsample.0", "downsample.1", 1024, 512, 1},
    {"layer4", 0, 1, "conv1", "bn1", 512, 1024, 1},  {"layer4", 1, 2, "conv1", "bn1", 512, 2048, 1},
    {"layer4", 0, 3, "conv2", "bn2", 512, 512, 3},   {"layer4", 0, 3, "conv3", "bn3", 2048, 512, 1},
    {"layer4", 0, 1, "downsample.0", "downsample.1", 2048, 1024, 1},
};
// clang-format on

/* 122 and 320 entries of the state dicts, less one num_batches_tracked a norm (20 and 53). */
TEST(nn, resnet18_names_are_torchvisions)
{
    names_equal_torchvision("resnet18", resnet18_convs,
                            sizeof resnet18_convs / sizeof resnet18_convs[0], 512, 122 - 20);
}

TEST(nn, resnet50_names_are_torchvisions)
{
    names_equal_torchvision("resnet50", resnet50_convs,
                            sizeof resnet50_convs / sizeof resnet50_convs[0], 2048, 320 - 53);
}

/* -- Shapes */

TEST(nn, resnet_halves_odd_images_upwards)
{
    count_is("resnet8", "{}", shape(3, INT64_C(7), INT64_C(5), INT64_C(1)), 4,
             75290 - 2 * 9 * 16 - 6 * 65);
}

static void build_fails(const char *name, Shape sample, bool training, int64_t batch,
                        const char *text)
{
    Error err = {0};
    TestModel m = test_model(name, "{}", sample, 10);
    test_model_build(&m, batch, training);
    ASSERT_FAILS(graph_ok(m.build.graph, &err), &err, FAIL_CONFIG, text);
    test_model_free(&m);
}

TEST(nn, small_image_for_conv6_says_the_least_size)
{
    build_fails("conv6", shape(3, INT64_C(7), INT64_C(9), INT64_C(3)), true, 2,
                "halving the image 3 times needs images (height, width, channels) of at least 8x8, "
                "not (7, 9, 3)");
}

TEST(nn, conv2_of_a_vector_says_the_least_size)
{
    build_fails("conv2", shape(1, INT64_C(140)), true, 2, "of at least 2x2, not (140)");
}

TEST(nn, resnet20_of_a_vector_asks_for_images)
{
    build_fails("resnet20", shape(1, INT64_C(140)), true, 2,
                "conv1: a convolution needs images (height, width, channels), not (140)");
}

TEST(nn, resnet50_of_a_vector_asks_for_images)
{
    build_fails("resnet50", shape(2, INT64_C(14), INT64_C(10)), false, 2,
                "needs images (height, width, channels), not (14, 10)");
}

TEST(nn, batch_norm_of_one_value_cannot_train)
{
    build_fails("resnet18", shape(3, INT64_C(2), INT64_C(2), INT64_C(3)), true, 1,
                "batch norm needs more than one value a channel in training");
}

/* -- Hooks and names */

static Node *count_weights(void *owner, const ModelBuild *b, Param *p, Node *w)
{
    int *n = owner;
    assert_true(p->trainable);
    assert_ptr_equal(w->param, p);
    (void)b;
    n[p->role]++;
    return w;
}

TEST(nn, every_trainable_parameter_passes_the_hook)
{
    int n[ROLE_BUFFER + 1] = {0};
    TestModel m = test_model("resnet20", "{}", CIFAR, 10);
    m.build.parametrize = count_weights;
    m.build.owner = n;
    test_model_build(&m, 1, false);
    assert_int_equal(n[ROLE_WEIGHT], 20);
    assert_int_equal(n[ROLE_BIAS], 1);
    assert_int_equal(n[ROLE_NORM], 2 * 19);
    assert_int_equal(n[ROLE_BUFFER], 0);
    test_model_free(&m);
}

TEST(nn, training_moves_two_statistics_a_norm_and_evaluation_none)
{
    TestModel m = test_model("resnet20", "{}", CIFAR, 10);
    test_model_build(&m, 2, true);
    assert_int_equal(m.build.graph->n_updates, 2 * 19);
    test_model_build(&m, 2, false);
    assert_int_equal(m.build.graph->n_updates, 0);
    test_model_free(&m);
}

static int count_op(const Graph *g, const char *op)
{
    int n = 0;
    for (int i = 0; i < g->n_nodes; i++) n += !strcmp(g->nodes[i]->op->name, op);
    return n;
}

TEST(nn, mlp_drops_units_in_training_only)
{
    TestModel m = test_model("mlp", "{hidden: [6, 5], dropout: 0.5}", MNIST, 10);
    test_model_build(&m, 2, true);
    assert_int_equal(count_op(m.build.graph, "random_bernoulli"), 2);
    test_model_build(&m, 2, false);
    assert_int_equal(count_op(m.build.graph, "random_bernoulli"), 0);
    test_model_free(&m);
}

TEST(nn, evaluation_finds_the_parameters_of_training)
{
    TestModel m = test_model("conv4", "{}", CIFAR, 10);
    test_model_build(&m, 2, true);
    const int n = m.build.params->n;
    test_model_build(&m, 5, false);
    assert_int_equal(m.build.params->n, n);
    test_model_free(&m);
}

TEST(nn, unknown_model_is_not_found)
{
    assert_null(model_find("resnet21"));
}
