/* architecture -- networks whose widths and blocks are not the published ones: what is built, and
 * what an experiment file may say. */
#include "tests/model.h"
#include "tests/test.h"

#include "run/experiment.h"
#include "run/network.h"

#include <string.h>

typedef struct Built {
    Arena *arena;
    const Method *method; /* of the experiment, or NULL */
    Experiment experiment;
    Network network;
    Error err;
} Built;

static void start(Built *b)
{
    *b = (Built){.arena = arena_new()};
}

/* A network for 32x32 colour images; not allocated. */
static bool build(Built *b, const char *model)
{
    char text[512];
    (void)snprintf(text, sizeof text,
                   "data: {name: shapes}\nmodel: {%s}\ntrain: {steps: 1, batch_size: 2}\n", model);
    const NetworkOptions o = {
        .task = {.sample = shape(3, INT64_C(32), INT64_C(32), INT64_C(3)), .n_classes = 10},
        .eval = true
    };
    b->err = (Error){0};
    if (!experiment_parse(&b->experiment, b->arena, text, strlen(text), &b->err)) return false;
    if (b->method) b->experiment.methods[b->experiment.n_methods++].method = b->method;
    return network_new(&b->network, &b->experiment, &o, b->arena, &b->err);
}

static void finish(Built *b)
{
    network_free(&b->network);
    arena_free(b->arena);
}

static void assert_dims(const Built *b, const char *name, int64_t d0, int64_t d1)
{
    const Param *p = params_find(b->network.params, name);
    assert_non_null(p);
    assert_int_equal(p->shape.dim[0], d0);
    assert_int_equal(p->shape.dim[1], d1);
}

static void assert_refused(const char *model, const char *text)
{
    Built b;
    start(&b);
    ASSERT_FAILS(build(&b, model), &b.err, FAIL_CONFIG, text);
    finish(&b);
}

TEST(architecture, a_stream_has_one_width_for_all_that_write_to_it)
{
    Built b;
    start(&b);
    ASSERT_OK(build(&b, "name: resnet8, shortcut: B, widths: {layer1: 6, layer2.0.conv1: 5}"),
              &b.err);
    assert_dims(&b, "conv1.weight", 6, 3);
    assert_dims(&b, "layer1.0.conv1.weight", 16, 6);
    assert_dims(&b, "layer1.0.conv2.weight", 6, 16);
    assert_dims(&b, "layer2.0.conv1.weight", 5, 6);
    assert_dims(&b, "layer2.0.conv2.weight", 32, 5);
    assert_dims(&b, "layer2.0.shortcut.0.weight", 32, 6);
    finish(&b);
}

/* Each of the two further convolutions of a block in stage 1 has 9 * 16^2 weights, each norm 32. */
TEST(architecture, a_block_that_is_left_out_takes_its_parameters_with_it)
{
    Built whole, less;
    start(&whole);
    start(&less);
    ASSERT_OK(build(&whole, "name: resnet20"), &whole.err);
    ASSERT_OK(build(&less, "name: resnet20, without: [layer1.1]"), &less.err);
    assert_int_equal(whole.network.params->count - less.network.params->count,
                     2 * (9 * 16 * 16 + 32));
    assert_null(params_find(less.network.params, "layer1.1.conv1.weight"));
    finish(&whole);
    finish(&less);
}

/* Shortcut A where a stage is narrower than the one before: a model that still runs. */
TEST(architecture, a_stage_may_be_narrower_than_the_one_before)
{
    Built b;
    start(&b);
    ASSERT_OK(build(&b, "name: resnet8, widths: {layer1: 16, layer2: 5}"), &b.err);
    assert_dims(&b, "layer3.0.conv1.weight", 64, 5);
    finish(&b);
}

TEST(architecture, bottlenecks_have_a_width_between_each_two_convolutions)
{
    Built b;
    start(&b);
    ASSERT_OK(build(&b, "name: resnet50, widths: {conv1: 8, layer1: 12, layer1.0.conv1: 3, "
                        "layer1.0.conv2: 5}"),
              &b.err);
    assert_dims(&b, "layer1.0.conv1.weight", 3, 8);
    assert_dims(&b, "layer1.0.conv2.weight", 5, 3);
    assert_dims(&b, "layer1.0.conv3.weight", 12, 5);
    assert_dims(&b, "layer1.0.downsample.0.weight", 12, 8);
    assert_dims(&b, "layer1.1.conv1.weight", 64, 12);
    finish(&b);
}

TEST(architecture, small_networks_have_a_width_a_layer)
{
    Built b;
    start(&b);
    ASSERT_OK(build(&b, "name: conv2, widths: {conv_layers.0: 3, fc_layers.1: 7}"), &b.err);
    assert_dims(&b, "conv_layers.1.weight", 64, 3);
    assert_dims(&b, "fc.weight", 10, 7);
    finish(&b);
    start(&b);
    ASSERT_OK(build(&b, "name: lenet_300_100, widths: {fc_layers.0: 29}"), &b.err);
    assert_dims(&b, "fc_layers.1.weight", 100, 29);
    finish(&b);
}

TEST(architecture, unknown_width_names_its_place_and_the_nearest)
{
    assert_refused("name: resnet20, widths: {layer1.0.conv: 9}",
                   "<text>:2:34: widths: model 'resnet20' has no 'layer1.0.conv'; did you mean "
                   "'layer1.0.conv1'?");
}

TEST(architecture, unknown_block_names_its_place_and_the_nearest)
{
    assert_refused("name: resnet20, without: [layer1.1, layer2.5]",
                   "<text>:2:45: without: model 'resnet20' has no block 'layer2.5'; did you mean "
                   "'layer2.1'?");
}

TEST(architecture, a_block_that_changes_the_shape_stays)
{
    assert_refused("name: resnet20, without: layer2.0",
                   "<text>:2:34: without: 'layer2.0' cannot be left out: it changes the shape");
}

TEST(architecture, a_layer_must_agree_with_its_stream)
{
    assert_refused("name: resnet20, widths: {layer1.0.conv2: 9}",
                   "<text>:2:34: widths: 'layer1.0.conv2' = 9, but it is added to the stream "
                   "'layer1' of 16 channels: set that");
    Built b;
    start(&b);
    ASSERT_OK(build(&b, "name: resnet20, widths: {layer1.0.conv2: 9, layer1: 9}"), &b.err);
    finish(&b);
}

TEST(architecture, a_width_in_a_block_that_is_left_out_is_a_mistake)
{
    assert_refused("name: resnet20, widths: {layer1.1.conv1: 9}, without: [layer1.1]",
                   "<text>:2:34: widths: 'layer1.1.conv1' is in the block 'layer1.1' that is left "
                   "out");
}

TEST(architecture, widths_have_a_range)
{
    assert_refused("name: resnet20, widths: {layer1: 0}",
                   "<text>:2:42: widths: 'layer1' = 0 is outside [1, 65536]");
    assert_refused("name: resnet20, widths: {layer1: 70000}", "'layer1' = 70000 is outside");
    assert_refused("name: resnet20, widths: 8", "widths: expected a map such as {layer1: 16}");
    assert_refused("name: resnet20, without: [layer1.1, layer1.1]", "stands there twice");
}

static const char *canonical(Built *b, const char *model)
{
    ASSERT_OK(build(b, model), &b->err);
    network_free(&b->network);
    return experiment_canonical(&b->experiment, b->arena, "0");
}

TEST(architecture, the_id_covers_it_whatever_the_order_of_the_names)
{
    Built b;
    start(&b);
    const char *plain = canonical(&b, "name: resnet20");
    const char *one = canonical(&b, "name: resnet20, widths: {layer1: 8, layer2: 9}");
    const char *other = canonical(&b, "name: resnet20, widths: {layer2: 9, layer1: 8}");
    const char *empty = canonical(&b, "name: resnet20, widths: {}, without: []");
    assert_non_null(strstr(one, "model.widths = {\"layer1\": 8, \"layer2\": 9}\n"));
    assert_string_equal(one, other);
    assert_string_equal(plain, empty);
    finish(&b);
}

/* config.yaml gives the same id again. */
TEST(architecture, the_resolved_configuration_loads_again)
{
    Built b;
    start(&b);
    const char *before = canonical(
        &b, "name: resnet20, widths: {layer1: 8, layer2.0.conv1: 9}, without: [layer1.2]");
    const char *config = experiment_config(&b.experiment, b.arena);
    Experiment again;
    ASSERT_OK(experiment_parse(&again, b.arena, config, strlen(config), &b.err), &b.err);
    assert_string_equal(experiment_canonical(&again, b.arena, "0"), before);
    finish(&b);
}

/* -- Methods that choose */

/* Leaves the first removable block out, and marks a weight that stays. */
static bool leave_out(const MethodCall *c, Reshape *out, Error *err)
{
    Param *p = params_find(c->params, "layer3.1.conv1.weight");
    if (!p || !p->data) return fail(err, FAIL_RUN, NULL, "the network is not whole");
    p->data[7] = 42;
    return architecture_leave_out(&out->architecture, "layer1.0");
}

static bool leave_out_and_keep(const MethodCall *c, Reshape *out, Error *err)
{
    out->keep_weights = true;
    return leave_out(c, out, err);
}

static float value_at(const Built *b, const char *name, int64_t i)
{
    const Param *p = params_find(b->network.params, name);
    assert_non_null(p);
    return p->data[i];
}

static void choose(Built *b, const Method *method)
{
    start(b);
    b->method = method;
    ASSERT_OK(build(b, "name: resnet20"), &b->err);
    assert_true(b->network.reshaped);
    assert_null(params_find(b->network.params, "layer1.0.conv1.weight"));
    ASSERT_OK(network_init(&b->network, NULL, "", &b->err), &b->err);
}

TEST(architecture, a_chosen_network_starts_as_the_seed_says)
{
    static const Method method = {.name = "leave_out", .reshape = leave_out};
    Built plain, chosen;
    start(&plain);
    ASSERT_OK(build(&plain, "name: resnet20"), &plain.err);
    ASSERT_OK(network_init(&plain.network, NULL, "", &plain.err), &plain.err);
    choose(&chosen, &method);
    for (int64_t i = 0; i < 20; i++)
        assert_true(value_at(&chosen, "layer3.1.conv1.weight", i) ==
                    value_at(&plain, "layer3.1.conv1.weight", i));
    assert_string_equal(chosen.network.params->architecture, "{without: [layer1.0]}");
    finish(&plain);
    finish(&chosen);
}

TEST(architecture, a_method_may_keep_the_weights_that_it_saw)
{
    static const Method method = {.name = "leave_out", .reshape = leave_out_and_keep};
    Built b;
    choose(&b, &method);
    assert_true(value_at(&b, "layer3.1.conv1.weight", 7) == 42);
    assert_true(value_at(&b, "layer3.1.conv1.weight", 8) != 0);
    finish(&b);
}
