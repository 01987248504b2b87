/* lottery -- iterative magnitude pruning: how many weights a level leaves, what they go back to,
 * and that a level is made from the one before. */
#include "tests/test.h"

#include "io/safetensors.h"
#include "methods/prune/mask.h"
#include "run/network.h"
#include "run/trainer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { STEPS = 8 };

typedef struct Case {
    Arena *arena;
    Error err;
    Experiment experiment;
    Dataset data;
    Network network;
    const char *base; /* model.safetensors of the level before, or "" */
} Case;

static void identify(Case *c, Experiment *e)
{
    if (e->base.experiment) identify(c, e->base.experiment);
    experiment_identify(e, c->arena, c->data.sha256);
}

static void load(Case *c, const char *blocks)
{
    char *text;
    *c = (Case){.arena = arena_new(), .base = ""};
    text = arena_printf(c->arena,
                        "name: a/b\n"
                        "data: {name: shapes, size: 28, n_train: 60, n_test: 10}\n"
                        "train: {steps: %d, batch_size: 10, eval_every: 4}\n%s",
                        STEPS, blocks);
    ASSERT_OK(experiment_parse(&c->experiment, c->arena, text, strlen(text), &c->err) &&
                  experiment_references(&c->experiment, c->arena, &c->err) &&
                  dataset_open(&c->data, c->experiment.dataset, c->experiment.dataset_options, ".",
                               SPLITS_ALL, c->arena, &c->err),
              &c->err);
    identify(c, &c->experiment);
}

static bool start(Case *c)
{
    const NetworkOptions o = {.task = c->data.task,
                              .train = true,
                              .total_steps = STEPS,
                              .steps_per_epoch = 6,
                              .data = &c->data};
    return network_new(&c->network, &c->experiment, &o, c->arena, &c->err) &&
           network_init(&c->network, NULL, c->base, &c->err);
}

static void finish(Case *c)
{
    network_free(&c->network);
    dataset_close(&c->data);
    arena_free(c->arena);
}

static int64_t left(const Case *c, const char *layer)
{
    int64_t n = 0;
    const Param *mask = params_find(c->network.params, arena_printf(c->arena, "%s_mask", layer));
    assert_non_null(mask);
    for (int64_t i = 0; i < mask->n; i++) n += mask->data[i] == 1;
    return n;
}

static const char *const layers[] = {"fc_layers.0.weight", "fc_layers.1.weight", "fc.weight"};

/* The paper's rates for LeNet-300-100; the counts are those of its rule with nothing off by one. */
TEST(lottery, a_level_leaves_the_counts_of_the_papers_rates)
{
    static const struct {
        int level;
        int64_t left[3];
    } cases[] = {
        {1, {188160, 24000, 900}},
        {2, {150528, 19200, 810}},
        {3, {120422, 15360, 729}},
        {5, {77070, 9830, 590}  },
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        Case c;
        char blocks[256];
        (void)snprintf(blocks, sizeof blocks,
                       "model: {name: lenet_300_100}\nmethods: [{name: lottery, level: %d, "
                       "rate_output: 0.1, control: one_shot}]\n",
                       cases[k].level);
        load(&c, blocks);
        ASSERT_OK(start(&c), &c.err);
        for (int i = 0; i < 3; i++) assert_int_equal(left(&c, layers[i]), cases[k].left[i]);
        finish(&c);
    }
}

TEST(lottery, global_pruning_can_leave_the_last_layer_whole)
{
    Case c;
    load(&c, "model: {name: lenet_300_100}\nmethods: [{name: lottery, level: 1, scope: global, "
             "rate_output: 0}]\n");
    ASSERT_OK(start(&c), &c.err);
    assert_int_equal(left(&c, layers[2]), 1000);
    assert_int_equal(left(&c, layers[0]) + left(&c, layers[1]), 265200 - 53040);
    finish(&c);
}

/* Level 1 of untrained weights: those that are left are the first values, bit for bit, and none of
 * them is smaller than one that went. */
TEST(lottery, survivors_are_the_largest_and_go_back_to_their_first_values)
{
    Case dense, ticket;
    load(&dense, "model: {name: lenet_300_100}\n");
    load(&ticket, "model: {name: lenet_300_100}\nmethods: [{name: lottery, level: 1}]\n");
    ASSERT_OK(start(&dense), &dense.err);
    ASSERT_OK(start(&ticket), &ticket.err);
    for (int k = 0; k < 3; k++) {
        const Param *first = params_find(dense.network.params, layers[k]);
        const Param *w = params_find(ticket.network.params, layers[k]);
        const Param *mask = mask_of(ticket.network.params, w);
        float least = INFINITY, most = 0;
        for (int64_t i = 0; i < w->n; i++) {
            assert_true(w->data[i] == (mask->data[i] == 1 ? first->data[i] : 0));
            if (mask->data[i] == 1)
                least = fminf(least, fabsf(first->data[i]));
            else
                most = fmaxf(most, fabsf(first->data[i]));
        }
        assert_true(least >= most);
    }
    finish(&dense);
    finish(&ticket);
}

/* -- Through runs */

static const char small_model[] =
    "model: {name: resnet8, width: 4}\n"
    "optimizer: {name: sgd, lr: 0.1, momentum: 0.9, weight_decay: 0.01}\n";

static void train(Case *c, Experiment *e, const char *results)
{
    TrainFlags flags = {.results = results};
    TrainReport report = {0};
    TrainOutcome outcome;
    RunRecord record = {0};
    if (e->base.experiment) train(c, e->base.experiment, results);
    ASSERT_OK(train_run(e, &c->data, &flags, &report, &outcome, &record, &c->err), &c->err);
}

static void train_levels(Case *c, const char *results, const char *method)
{
    char text[1024];
    (void)snprintf(text, sizeof text, "%smethods: [%s]\n", small_model, method);
    load(c, text);
    train(c, &c->experiment, results);
}

static Safetensors model_of(Case *c, const Experiment *e, const char *results)
{
    char folder[4096];
    Safetensors model;
    ASSERT_OK(rundir_path(results, e, folder, &c->err), &c->err);
    const char *path = arena_printf(c->arena, "%s/checkpoint/model.safetensors", folder);
    ASSERT_OK(safetensors_open(&model, c->arena, path, &c->err), &c->err);
    return model;
}

static const float *tensor(const Safetensors *model, const char *name, int64_t *n)
{
    const StTensor *found = safetensors_find(model, name);
    assert_non_null(found);
    *n = found->n;
    return found->data;
}

TEST(lottery, level_0_is_the_dense_run)
{
    Case dense, zero;
    const char *results = test_folder();
    int64_t n;
    train_levels(&dense, results, "");
    train_levels(&zero, results, "{name: lottery, level: 0}");
    Safetensors a = model_of(&dense, &dense.experiment, results),
                b = model_of(&zero, &zero.experiment, results);
    assert_int_equal(a.n_tensors, b.n_tensors);
    for (int i = 0; i < a.n_tensors; i++)
        assert_memory_equal(a.tensors[i].data, tensor(&b, a.tensors[i].name, &n),
                            sizeof(float) * (size_t)a.tensors[i].n);
    safetensors_close(&a);
    safetensors_close(&b);
    finish(&dense);
    finish(&zero);
}

TEST(lottery, levels_nest_and_go_back_to_the_rewind_step)
{
    enum { REWIND = 3 };
    Case c;
    const char *results = test_folder();
    int64_t n, gone = 0;
    train_levels(&c, results, "{name: lottery, level: 2, scope: global, rewind: 3}");
    const Experiment *one = c.experiment.base.experiment, *zero = one->base.experiment;
    assert_non_null(zero);
    Safetensors first = model_of(&c, zero, results), before = model_of(&c, one, results),
                last = model_of(&c, &c.experiment, results);
    const char *weight = "layer2.0.conv2.weight";
    const float *m1 = tensor(&before, "layer2.0.conv2.weight_mask", &n);
    const float *m2 = tensor(&last, "layer2.0.conv2.weight_mask", &n);
    const float *w = tensor(&last, weight, &n);
    for (int64_t i = 0; i < n; i++) {
        assert_true(m2[i] <= m1[i] && (m2[i] == 1 || w[i] == 0));
        gone += m2[i] < m1[i];
    }
    assert_true(gone > 0);
    /* as the third level starts: level 0's weights of step 3, which are neither the first ones nor
     * the last */
    c.base = arena_printf(c.arena, "%s/a/b/%s/checkpoint/model.safetensors", results, one->id);
    ASSERT_OK(start(&c), &c.err);
    const Param *p = params_find(c.network.params, weight);
    const float *saved = tensor(&first, "layer2.0.conv2.weight_rewind", &n);
    const float *end = tensor(&first, weight, &n);
    for (int64_t i = 0; i < n; i++) {
        assert_true(p->data[i] == saved[i] * m2[i]);
        assert_true(saved[i] != end[i]);
    }
    const Param *mean = params_find(c.network.params, "bn1.running_mean");
    const float *saved_mean = tensor(&first, "bn1.running_mean_rewind", &n);
    assert_memory_equal(mean->data, saved_mean, sizeof(float) * (size_t)n);
    assert_int_equal(network_first_step(&c.network), REWIND);
    safetensors_close(&first);
    safetensors_close(&before);
    safetensors_close(&last);
    finish(&c);
}

TEST(lottery, controls_share_the_tickets_mask_or_its_counts)
{
    static const char *const controls[] = {"none", "reinit", "random_mask"};
    Safetensors model[3];
    Case c[3];
    int64_t n, count[3] = {0};
    const char *results = test_folder();
    for (int k = 0; k < 3; k++) {
        char method[96];
        (void)snprintf(method, sizeof method, "{name: lottery, level: 2, control: %s}",
                       controls[k]);
        train_levels(&c[k], results, method);
        model[k] = model_of(&c[k], &c[k].experiment, results);
        const float *mask = tensor(&model[k], "layer3.0.conv1.weight_mask", &n);
        for (int64_t i = 0; i < n; i++) count[k] += mask[i] == 1;
    }
    const float *ticket = tensor(&model[0], "layer3.0.conv1.weight_mask", &n);
    const float *reinit = tensor(&model[1], "layer3.0.conv1.weight_mask", &n);
    const float *dealt = tensor(&model[2], "layer3.0.conv1.weight_mask", &n);
    assert_memory_equal(ticket, reinit, sizeof(float) * (size_t)n);
    assert_memory_not_equal(ticket, dealt, sizeof(float) * (size_t)n);
    assert_int_equal(count[0], count[2]);
    for (int k = 0; k < 3; k++) {
        safetensors_close(&model[k]);
        finish(&c[k]);
    }
}

TEST(lottery, mistakes_say_what_is_wrong)
{
    Case c;
    char text[1024];
    (void)snprintf(text, sizeof text, "%smethods: [%s]\n", small_model,
                   "{name: lottery, level: 1, rewind: 8}");
    load(&c, text);
    ASSERT_FAILS(start(&c), &c.err, FAIL_CONFIG, "rewind is step 8, and the run has 8 steps");
    finish(&c);
    load(&c, "model: {name: lenet_300_100, init: lsuv}\nmethods: [{name: lottery, level: 0}]\n");
    const NetworkOptions o = {.task = c.data.task,
                              .train = true,
                              .allocate = true,
                              .total_steps = STEPS,
                              .steps_per_epoch = 6,
                              .data = &c.data};
    float *x = calloc(10 * 28 * 28, sizeof *x);
    for (int i = 0; i < 10 * 28 * 28; i++) x[i] = (float)(i % 7);
    ASSERT_OK(network_new(&c.network, &c.experiment, &o, c.arena, &c.err), &c.err);
    ASSERT_FAILS(network_init(&c.network, x, "", &c.err), &c.err, FAIL_CONFIG,
                 "first values by lsuv depend on data");
    free(x);
    finish(&c);
}
