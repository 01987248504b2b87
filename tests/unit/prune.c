/* prune -- masks at the start of a run: their counts, what they do to training, and that a run with
 * them survives a kill. */
#include "tests/case.h"
#include "tests/test.h"

#include "io/file.h"
#include "io/safetensors.h"
#include "methods/prune/account.h"
#include "methods/prune/mask.h"
#include "run/network.h"
#include "run/trainer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void load(Case *c, const char *blocks)
{
    char text[1024];
    (void)snprintf(text, sizeof text,
                   "name: a/b\n"
                   "data: {name: shapes, size: 8, n_train: 60, n_test: 10}\n"
                   "train: {steps: 8, batch_size: 10, eval_every: 4, checkpoint_every: 2}\n%s",
                   blocks);
    case_load(c, text);
}

static bool try_start(Case *c)
{
    const NetworkOptions o = {.task = c->data.task,
                              .train = true,
                              .total_steps = 8,
                              .steps_per_epoch = 6,
                              .data = &c->data};
    return network_new(&c->network, &c->experiment, &o, c->arena, &c->err) &&
           network_init(&c->network, NULL, "", &c->err);
}

static void start(Case *c, const char *method)
{
    char text[512];
    (void)snprintf(text, sizeof text, "model: {name: lenet_300_100}\nmethods: [%s]\n", method);
    load(c, text);
    ASSERT_OK(try_start(c), &c->err);
}

static int64_t kept(const Case *c, const char *name)
{
    int64_t n = 0;
    const Param *mask = params_find(c->network.params, name);
    assert_non_null(mask);
    for (int64_t i = 0; i < mask->n; i++) {
        assert_true(mask->data[i] == 0 || mask->data[i] == 1);
        n += mask->data[i] == 1;
    }
    return n;
}

static const char *const masks[] = {"fc_layers.0.weight_mask", "fc_layers.1.weight_mask",
                                    "fc.weight_mask"};

static int64_t all_kept(const Case *c)
{
    return kept(c, masks[0]) + kept(c, masks[1]) + kept(c, masks[2]);
}

static int64_t weights_of(const Case *c)
{
    int64_t n = 0;
    for (const Param *p = c->network.params->first; p; p = p->next)
        if (is_prunable(p)) n += p->n;
    return n;
}

TEST(prune, every_score_keeps_exactly_the_density)
{
    static const char *const scores[] = {"magnitude", "random", "snip", "grasp"};
    for (int i = 0; i < 4; i++) {
        Case c;
        char method[128];
        (void)snprintf(method, sizeof method,
                       "{name: prune, score: %s, density: 0.037, samples_per_class: 3}", scores[i]);
        start(&c, method);
        const int64_t n = weights_of(&c);
        assert_int_equal(all_kept(&c), n - (int64_t)floor(0.963 * (double)n + 0.5));
        case_free(&c);
    }
}

/* A hundred rounds: no layer of a plain network loses everything (Tanaka et al., theorem 3). */
TEST(prune, synflow_keeps_every_layer_alive)
{
    Case c;
    start(&c, "{name: prune, score: synflow, density: 0.002, iterations: 30}");
    const int64_t n = weights_of(&c);
    assert_int_equal(all_kept(&c), n - (int64_t)floor(0.998 * (double)n + 0.5));
    for (int i = 0; i < 3; i++) assert_true(kept(&c, masks[i]) > 0);
    case_free(&c);
}

TEST(prune, scope_layer_keeps_the_same_share_of_each)
{
    Case c;
    start(&c, "{name: prune, score: random, scope: layer, density: 0.25}");
    for (const Param *p = c.network.params->first; p; p = p->next) {
        if (!is_prunable(p)) continue;
        const Param *mask = mask_of(c.network.params, p);
        assert_int_equal(kept(&c, mask->name), p->n - (int64_t)floor(0.75 * (double)p->n + 0.5));
    }
    case_free(&c);
}

/* (in + out) / (in out): 0.0190 of 64 pixels, 0.0133, and 0.11 of ten classes or more of fewer. */
TEST(prune, scope_erk_keeps_by_shape)
{
    Case c;
    start(&c, "{name: prune, score: random, scope: erk, density: 0.1}");
    const Params *p = c.network.params;
    const double first = (double)kept(&c, masks[0]) / (double)params_find(p, masks[0])->n;
    const double second = (double)kept(&c, masks[1]) / (double)params_find(p, masks[1])->n;
    const double third = (double)kept(&c, masks[2]) / (double)params_find(p, masks[2])->n;
    assert_true(second < first && first < third);
    assert_true(llabs(all_kept(&c) - (int64_t)(0.1 * (double)weights_of(&c))) <= 2);
    case_free(&c);
}

TEST(prune, rounds_only_ever_take_away)
{
    Case one, more;
    start(&one, "{name: prune, density: 0.5, iterations: 1}");
    start(&more, "{name: prune, density: 0.1, iterations: 7, schedule: linear}");
    for (int i = 0; i < 3; i++) {
        const Param *a = params_find(one.network.params, masks[i]);
        const Param *b = params_find(more.network.params, masks[i]);
        for (int64_t k = 0; k < a->n; k++) assert_true(b->data[k] <= a->data[k]);
    }
    case_free(&one);
    case_free(&more);
}

TEST(prune, shuffling_keeps_the_sum_of_each_layer)
{
    Case plain, shuffled;
    int64_t differ = 0;
    start(&plain, "{name: prune, density: 0.2}");
    start(&shuffled, "{name: prune, density: 0.2, shuffle: true}");
    for (int i = 0; i < 3; i++) {
        const Param *a = params_find(plain.network.params, masks[i]);
        const Param *b = params_find(shuffled.network.params, masks[i]);
        assert_int_equal(kept(&plain, masks[i]), kept(&shuffled, masks[i]));
        for (int64_t k = 0; k < a->n; k++) differ += a->data[k] != b->data[k];
    }
    assert_true(differ > 1000);
    case_free(&plain);
    case_free(&shuffled);
}

TEST(prune, reinit_keeps_the_mask_and_draws_new_weights)
{
    Case plain, again;
    int64_t equal = 0;
    start(&plain, "{name: prune, density: 0.2}");
    start(&again, "{name: prune, density: 0.2, reinit: true}");
    const Param *a = params_find(plain.network.params, "fc.weight");
    const Param *b = params_find(again.network.params, "fc.weight");
    const Param *mask = params_find(plain.network.params, "fc.weight_mask");
    assert_memory_equal(mask->data, params_find(again.network.params, "fc.weight_mask")->data,
                        sizeof(float) * (size_t)mask->n);
    for (int64_t i = 0; i < a->n; i++) {
        assert_true((b->data[i] == 0) == (mask->data[i] == 0));
        equal += mask->data[i] != 0 && a->data[i] == b->data[i];
    }
    assert_int_equal(equal, 0);
    case_free(&plain);
    case_free(&again);
}

TEST(prune, the_account_counts_what_is_kept)
{
    Case c;
    Account out;
    start(&c, "{name: prune, density: 0.1}");
    const Experiment *e = &c.experiment;
    ASSERT_OK(account(e->model, e->model_options, &c.network.like, c.network.architecture, NULL,
                      c.network.params, c.arena, &out, &c.err),
              &c.err);
    assert_int_equal(out.n_rows, 3);
    assert_int_equal(out.kept, all_kept(&c));
    assert_int_equal(out.rows[1].kept, kept(&c, masks[1]));
    assert_true(fabs(out.sparse_macs - (double)out.kept) < 1e-6); /* of linear layers */
    assert_int_equal(out.after.macs, weights_of(&c));
    case_free(&c);
}

TEST(prune, scores_of_data_say_when_there_are_none)
{
    Case c;
    load(&c, "model: {name: lenet_300_100}\nmethods: [{name: prune, score: snip}]\n");
    const NetworkOptions o = {.task = c.data.task, .train = true};
    ASSERT_OK(network_new(&c.network, &c.experiment, &o, c.arena, &c.err), &c.err);
    ASSERT_FAILS(network_init(&c.network, NULL, "", &c.err), &c.err, FAIL_DATA,
                 "there are no training examples to look at; in method 'prune'");
    case_free(&c);
}

/* -- Whole runs */

typedef struct Trained {
    char folder[4096];
    Safetensors model;
} Trained;

static void train(Case *c, const char *results, int64_t pause_at)
{
    TrainFlags flags = {.results = results, .pause_at = pause_at};
    TrainReport report = {0};
    TrainOutcome outcome;
    RunRecord record;
    ASSERT_OK(train_run(&c->experiment, &c->data, &flags, &report, &outcome, &record, &c->err),
              &c->err);
    assert_int_equal(outcome, pause_at ? TRAIN_PAUSED : TRAIN_DONE);
}

static void open_result(Case *c, const char *results, Trained *t)
{
    ASSERT_OK(rundir_path(results, &c->experiment, t->folder, &c->err), &c->err);
    const char *path = arena_printf(c->arena, "%s/checkpoint/model.safetensors", t->folder);
    ASSERT_OK(safetensors_open(&t->model, c->arena, path, &c->err), &c->err);
}

static const float *tensor(const Trained *t, const char *name, int64_t *n)
{
    const StTensor *found = safetensors_find(&t->model, name);
    assert_non_null(found);
    *n = found->n;
    return found->data;
}

static const char small_model[] =
    "model: {name: resnet8, widths: {layer1: 4, layer2: 4, layer3: 4, layer1.0.conv1: 4, "
    "layer2.0.conv1: 4, layer3.0.conv1: 4}}\n"
    "optimizer: {name: sgd, lr: 0.1, momentum: 0.9, weight_decay: 0.01}\n";

static const char *blocks(Arena *a, const char *method)
{
    return arena_printf(a, "%smethods: [%s]\n", small_model, method);
}

static void train_small(Case *c, const char *method, const char *results, Trained *t)
{
    Arena *a = arena_new();
    load(c, blocks(a, method));
    train(c, results, 0);
    open_result(c, results, t);
    arena_free(a);
}

TEST(prune, masked_weights_are_zero_after_momentum_and_decay)
{
    Case c;
    Trained t;
    int64_t n, zeros = 0, moved = 0;
    train_small(&c, "{name: prune, score: snip, density: 0.3, samples_per_class: 2}", test_folder(),
                &t);
    const float *w = tensor(&t, "layer2.0.conv2.weight", &n);
    const float *mask = tensor(&t, "layer2.0.conv2.weight_mask", &n);
    for (int64_t i = 0; i < n; i++) {
        zeros += mask[i] == 0;
        moved += w[i] != 0;
        assert_true(mask[i] == 1 || w[i] == 0);
    }
    assert_true(zeros > 0 && moved > 0);
    safetensors_close(&t.model);
    case_free(&c);
}

/* Of 1000 weights, none is a millionth. */
TEST(prune, a_mask_of_ones_trains_to_the_bits_of_the_dense_run)
{
    static const char *const names[] = {"conv1.weight", "layer3.0.conv2.weight", "linear.weight",
                                        "layer3.0.bn2.running_var"};
    Case dense, ones;
    Trained a, b;
    int64_t n;
    const char *results = test_folder();
    train_small(&dense, "", results, &a);
    train_small(&ones, "{name: prune, density: 0.999999}", results, &b);
    for (int i = 0; i < 4; i++) {
        const float *x = tensor(&a, names[i], &n), *y = tensor(&b, names[i], &n);
        assert_memory_equal(x, y, sizeof(float) * (size_t)n);
    }
    const float *mask = tensor(&b, "linear.weight_mask", &n);
    for (int64_t i = 0; i < n; i++) assert_true(mask[i] == 1);
    safetensors_close(&a.model);
    safetensors_close(&b.model);
    case_free(&dense);
    case_free(&ones);
}

static void assert_same_file(Case *c, const Trained *a, const Trained *b, const char *name)
{
    char *x, *y;
    size_t n, m;
    ASSERT_OK(file_read(arena_printf(c->arena, "%s/%s", a->folder, name), 1 << 22, &x, &n,
                        FAIL_DATA, &c->err),
              &c->err);
    ASSERT_OK(file_read(arena_printf(c->arena, "%s/%s", b->folder, name), 1 << 22, &y, &m,
                        FAIL_DATA, &c->err),
              &c->err);
    assert_int_equal(n, m);
    assert_memory_equal(x, y, n);
    free(x);
    free(y);
}

TEST(prune, a_resumed_run_keeps_its_masks_and_its_bits)
{
    static const char method[] = "{name: prune, score: grasp, density: 0.3, samples_per_class: 2}";
    Case whole, parts;
    Trained a, b;
    const char *results = test_folder();
    train_small(&whole, method, results, &a);
    load(&parts, blocks(whole.arena, method));
    const char *elsewhere = test_folder();
    train(&parts, elsewhere, 3);
    train(&parts, elsewhere, 0);
    open_result(&parts, elsewhere, &b);
    assert_same_file(&whole, &a, &b, "checkpoint/model.safetensors");
    assert_same_file(&whole, &a, &b, "metrics.jsonl");
    safetensors_close(&a.model);
    safetensors_close(&b.model);
    case_free(&whole);
    case_free(&parts);
}
