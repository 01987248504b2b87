/* layer_lottery, filter_prune -- networks from which blocks or filters are gone, against the same
 * networks with these set to zero. */
#include "tests/case.h"
#include "tests/test.h"

#include "data/loader.h"
#include "methods/prune/block_score.h"
#include "run/network.h"
#include "run/trainer.h"

#include <math.h>
#include <string.h>

enum { BATCH = 10, CLASSES = 10 };

static void load(Case *c, const char *of, const char *method)
{
    char text[1024];
    (void)snprintf(text, sizeof text,
                   "name: a/b\n"
                   "data: {name: shapes, size: 8, n_train: 60, n_test: 10}\n"
                   "train: {steps: 6, batch_size: 10, eval_every: 6}\n"
                   "model: {%s}\nmethods: [%s]\n",
                   of, method);
    case_load(c, text);
}

static bool build(Case *c, const char *base)
{
    const NetworkOptions o = {.task = c->data.task,
                              .train = true,
                              .eval = true,
                              .allocate = true,
                              .data = &c->data,
                              .base = base};
    return network_new(&c->network, &c->experiment, &o, c->arena, &c->err) &&
           network_init(&c->network, NULL, base, &c->err);
}

static void start(Case *c, const char *of, const char *method, const char *base)
{
    load(c, of, method);
    ASSERT_OK(build(c, base), &c->err);
}

static Param *get(const Case *c, const char *name)
{
    Param *p = params_find(c->network.params, name);
    if (!p) print_error("no parameter '%s'\n", name);
    assert_non_null(p);
    return p;
}

/* Weights that some steps have moved, running statistics too: a file. */
static const char *trained(const char *of, char path[4200])
{
    Case c;
    char folder[4096];
    const char *results = test_folder();
    TrainFlags flags = {.results = results};
    TrainReport report = {0};
    TrainOutcome outcome;
    RunRecord record;
    load(&c, of, "");
    ASSERT_OK(train_run(&c.experiment, &c.data, &flags, &report, &outcome, &record, &c.err),
              &c.err);
    ASSERT_OK(rundir_path(results, &c.experiment, folder, &c.err), &c.err);
    (void)snprintf(path, 4200, "%s/checkpoint/model.safetensors", folder);
    case_free(&c);
    return path;
}

/* What the network says of the test images. */
static void say(Case *c, float out[BATCH * CLASSES])
{
    const LoaderOptions o = {.split = SPLIT_TEST, .batch_size = BATCH};
    Loader *loader = loader_new(&c->data, &o, &c->err);
    ASSERT_OK(loader != NULL, &c->err);
    const Batch b = loader_batch(loader, 0);
    Pass *pass = &c->network.eval;
    plan_bind(pass->plan, pass->x, b.x);
    plan_bind(pass->plan, pass->label, b.label);
    plan_run(pass->plan, 0);
    memcpy(out, plan_value(pass->plan, pass->logits), sizeof(float) * BATCH * CLASSES);
    loader_free(loader);
}

static void assert_say_the_same(Case *a, Case *b)
{
    float x[BATCH * CLASSES], y[BATCH * CLASSES];
    say(a, x);
    say(b, y);
    for (int i = 0; i < BATCH * CLASSES; i++) assert_true(fabsf(x[i] - y[i]) < 1e-5F);
}

static void silence(const Case *c, const char *block, const char *norm, int64_t channel)
{
    const char *ends[] = {"weight", "bias"};
    for (int i = 0; i < 2; i++) {
        Param *p = get(c, arena_printf(c->arena, "%s.%s.%s", block, norm, ends[i]));
        for (int64_t k = 0; k < p->n; k++)
            if (channel < 0 || k == channel) p->data[k] = 0;
    }
}

static const char model[] = "name: resnet20, shortcut: B, width: 4";

/* -- Blocks */

/* Each criterion, so that each has been through a network. */
TEST(layer_lottery, a_network_without_blocks_is_the_one_where_their_branches_are_zero)
{
    static const char *const criteria[] = {"grasp", "snip", "signed_snip", "l1",  "random",
                                           "kl",    "cka",  "expect_abs",  "pls", "hrank"};
    char path[4200];
    (void)trained(model, path);
    for (size_t i = 0; i < sizeof criteria / sizeof criteria[0]; i++) {
        Case dense, ticket;
        char method[128];
        (void)snprintf(method, sizeof method,
                       "{name: layer_lottery, criterion: %s, p: 2, samples_per_class: 2}",
                       criteria[i]);
        start(&dense, model, "", path);
        start(&ticket, model, method, path);
        const NameList *without = &ticket.network.architecture->without;
        assert_int_equal(without->n, 2);
        for (int k = 0; k < without->n; k++) silence(&dense, without->at[k].name, "bn2", -1);
        assert_say_the_same(&dense, &ticket);
        case_free(&dense);
        case_free(&ticket);
    }
}

static double score_of(const Blocks *blocks, const char *name)
{
    for (int i = 0; i < blocks->n; i++)
        if (strcmp(blocks->at[i].name, name) == 0) return blocks->at[i].score;
    assert_true(false);
    return 0;
}

/* A block that gives what it got: nothing is said otherwise without it, and whatever is measured on
 * its output is that of the block before. */
TEST(layer_lottery, a_block_that_does_nothing_has_the_scores_of_nothing)
{
    Case c;
    LayerTable table;
    char path[4200];
    start(&c, model, "", trained(model, path));
    silence(&c, "layer1.2", "bn2", -1);
    const MethodCall call = {.params = c.network.params,
                             .model = c.experiment.model,
                             .model_options = c.experiment.model_options,
                             .like = &c.network.like,
                             .data = &c.data,
                             .seed = 1};
    ASSERT_OK(layer_table(call.model, call.model_options, call.like, c.network.architecture,
                          c.arena, &table, &c.err),
              &c.err);
    for (int criterion = BLOCK_EXPECT_ABS; criterion <= BLOCK_PLS; criterion++) {
        const BlockScoring o = {.criterion = criterion,
                                .samples_per_class = 4,
                                .batch_size = 16,
                                .components = 2,
                                .temperature = 200};
        Blocks blocks;
        blocks_find(&table, c.arena, &blocks);
        ASSERT_OK(block_scores(&call, &o, &blocks, &c.err), &c.err);
        const double score = score_of(&blocks, "layer1.2");
        const bool ablates = criterion == BLOCK_KL || criterion == BLOCK_CKA;
        assert_true(fabs(score - (ablates ? 0 : score_of(&blocks, "layer1.1"))) < 1e-9);
        assert_true(score_of(&blocks, "layer3.1") > 1e-9);
    }
    case_free(&c);
}

TEST(layer_lottery, weights_go_back_to_the_seeds_first_values_or_to_others)
{
    char path[4200];
    Case fresh, first, reinit;
    (void)trained(model, path);
    start(&fresh, model, "", "");
    start(&first, model, "{name: layer_lottery, criterion: l1, weights: first}", path);
    start(&reinit, model, "{name: layer_lottery, criterion: l1, weights: reinit}", path);
    for (const Param *p = first.network.params->first; p; p = p->next)
        assert_memory_equal(p->data, get(&fresh, p->name)->data, sizeof(float) * (size_t)p->n);
    const Param *w = get(&reinit, "layer3.2.conv1.weight");
    assert_true(w->data[0] != get(&fresh, w->name)->data[0]);
    assert_true(w->data[0] != 0);
    case_free(&fresh);
    case_free(&first);
    case_free(&reinit);
}

TEST(layer_lottery, the_guard_is_named)
{
    Case c;
    load(&c, model, "{name: layer_lottery, criterion: random, p: 4}");
    ASSERT_FAILS(build(&c, ""), &c.err, FAIL_CONFIG,
                 "4 blocks are to go, but only 3 may: 2 stay in each stage; in method "
                 "'layer_lottery'");
    case_free(&c);
}

TEST(layer_lottery, first_values_that_depend_on_data_are_not_drawn_again)
{
    Case c;
    load(&c, "name: resnet20, init: lsuv",
         "{name: layer_lottery, criterion: random, weights: first}");
    ASSERT_FAILS(build(&c, ""), &c.err, FAIL_CONFIG, "first values by lsuv depend on data");
    case_free(&c);
}

/* -- Filters */

/* The rows of `from` that `to` does not have; those that it has stand in the same order. */
static int missing_rows(const Param *to, const Param *from, int64_t out[])
{
    const int64_t each = from->n / from->shape.dim[0];
    int64_t k = 0;
    int n = 0;
    for (int64_t i = 0; i < from->shape.dim[0]; i++) {
        if (k < to->shape.dim[0] &&
            memcmp(to->data + k * each, from->data + i * each, sizeof(float) * (size_t)each) == 0)
            k++;
        else
            out[n++] = i;
    }
    assert_int_equal(k, to->shape.dim[0]);
    return n;
}

TEST(filter_prune, a_network_without_filters_is_the_one_where_they_are_zero)
{
    static const char *const criteria[] = {"grasp", "snip", "signed_snip", "l1", "random"};
    char path[4200];
    (void)trained(model, path);
    for (size_t i = 0; i < sizeof criteria / sizeof criteria[0]; i++) {
        Case dense, thin;
        char method[128];
        int gone = 0;
        (void)snprintf(method, sizeof method,
                       "{name: filter_prune, criterion: %s, filters: 25, samples_per_class: 2}",
                       criteria[i]);
        start(&dense, model, "", path);
        start(&thin, model, method, path);
        for (int block = 0; block < 9; block++) {
            int64_t rows[16];
            const char *name = arena_printf(dense.arena, "layer%d.%d", block / 3 + 1, block % 3);
            const char *conv = arena_printf(dense.arena, "%s.conv1.weight", name);
            const int n = missing_rows(get(&thin, conv), get(&dense, conv), rows);
            for (int k = 0; k < n; k++) silence(&dense, name, "bn1", rows[k]);
            gone += n;
        }
        assert_int_equal(gone, 25);
        assert_say_the_same(&dense, &thin);
        case_free(&dense);
        case_free(&thin);
    }
}

static int64_t filters_of(Case *c)
{
    int64_t n = 0;
    for (const Param *p = c->network.params->first; p; p = p->next)
        if (p->shape.rank == 4) n += p->shape.dim[0];
    return n;
}

TEST(filter_prune, as_many_filters_stay_as_without_so_many_blocks)
{
    Case layers, filters;
    start(&layers, model, "{name: layer_lottery, criterion: snip, p: 3, samples_per_class: 2}", "");
    start(&filters, model,
          "{name: filter_prune, criterion: snip, match_blocks: 3, samples_per_class: 2}", "");
    assert_int_equal(filters_of(&layers), 196 - 2 * (4 + 8 + 16));
    assert_int_equal(filters_of(&filters), filters_of(&layers));
    case_free(&layers);
    case_free(&filters);
}

/* As few multiply-adds, and by one filter more: the network's own, which layer_table counts. */
TEST(filter_prune, as_few_multiply_adds_as_without_so_many_blocks)
{
    Case layers, filters;
    LayerTable fewer, thin;
    start(&layers, model, "{name: layer_lottery, criterion: l1, p: 2}", "");
    start(&filters, model, "{name: filter_prune, criterion: l1, match_blocks: 2, match: macs}", "");
    const Case *cases[] = {&layers, &filters};
    LayerTable *tables[] = {&fewer, &thin};
    for (int i = 0; i < 2; i++) {
        Error err = {0};
        ASSERT_OK(layer_table(cases[i]->experiment.model, cases[i]->experiment.model_options,
                              &cases[i]->network.like, cases[i]->network.architecture,
                              cases[i]->arena, tables[i], &err),
                  &err);
    }
    assert_true(thin.macs <= fewer.macs);
    assert_true((double)thin.macs > 0.97 * (double)fewer.macs);
    case_free(&layers);
    case_free(&filters);
}

TEST(filter_prune, a_layer_keeps_one_filter)
{
    Case c;
    load(&c, model, "{name: filter_prune, criterion: l1, filters: 76}");
    ASSERT_FAILS(build(&c, ""), &c.err, FAIL_CONFIG,
                 "76 filters are to go, but only 75 within blocks may: a layer keeps one");
    case_free(&c);
    load(&c, model, "{name: filter_prune, filters: 3, match_blocks: 1}");
    ASSERT_FAILS(build(&c, ""), &c.err, FAIL_CONFIG,
                 "filters and match_blocks both say how many filters go; in method 'filter_prune'");
    case_free(&c);
}
