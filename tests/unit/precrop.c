/* precrop -- densities to channels against closed forms and laws, and whole runs of the networks
 * that come out. */
#include "tests/case.h"
#include "tests/model.h"
#include "tests/test.h"

#include "base/pcg.h"
#include "io/file.h"
#include "io/safetensors.h"
#include "methods/prune/crop.h"
#include "run/checkpoint.h"
#include "run/network.h"
#include "run/trainer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* -- The problem by itself */

typedef struct Solved {
    TestModel m;
    LayerTable table;
    Crop crop;
} Solved;

static void solve(Solved *s, const char *model, const char *options, double density, unsigned fixed)
{
    Error err = {0};
    s->m = test_model(model, options, shape(3, INT64_C(28), INT64_C(28), INT64_C(1)), 10);
    ASSERT_OK(layer_table(s->m.model, s->m.options, &s->m.build,
                          s->m.model->architecture(s->m.options), s->m.arena, &s->table, &err),
              &err);
    crop_start(&s->crop, &s->table, density, fixed, s->m.arena);
}

static double ratio(const Solved *s, const char *name)
{
    for (int i = 0; i < s->crop.n; i++)
        if (strcmp(s->table.widths[s->crop.part[i]].name, name) == 0) return s->crop.ratio[i];
    print_error("no width %s\n", name);
    assert_true(false);
    return 0;
}

static void assert_ratio(const Solved *s, const char *name, double want, double tolerance)
{
    if (fabs(ratio(s, name) - want) > tolerance) print_error("%s: %.7f\n", name, ratio(s, name));
    assert_true(fabs(ratio(s, name) - want) <= tolerance);
}

/* 235200 a + 30000 a b + 1000 b = 26620 with b = 1. */
TEST(precrop, direct_widths_of_lenet)
{
    static const CropRounding how = {1, 1, 0.01};
    Solved s;
    int64_t width[2];
    solve(&s, "lenet_300_100", "{}", 0.1, 0);
    crop_solve(&s.crop, CROP_DIRECT, NULL);
    assert_ratio(&s, "fc_layers.0", (26620.0 - 1000) / 265200, 1e-9);
    assert_ratio(&s, "fc_layers.1", 1, 0);
    assert_true(crop_round(&s.crop, &how, width) == 26636);
    assert_true(width[0] == 29 && width[1] == 100);
    test_model_free(&s.m);
}

/* 30000 r^2 + 236200 r = 26620; 33 and 11 units are 1.03 % off, 33 and 12 within one. */
TEST(precrop, uniform_widths_of_lenet)
{
    static const CropRounding how = {1, 1, 0.01};
    static const double p[] = {0.1, 0.1, 0.1};
    Solved s;
    int64_t width[2];
    solve(&s, "lenet_300_100", "{}", 0.1, 0);
    crop_solve(&s.crop, CROP_SQRT, p);
    assert_ratio(&s, "fc_layers.0", sqrt(0.1), 1e-12);
    crop_scale(&s.crop);
    const double want = (sqrt(236200.0 * 236200 + 4 * 30000 * 26620.0) - 236200) / 60000;
    assert_ratio(&s, "fc_layers.0", want, 1e-9);
    assert_ratio(&s, "fc_layers.1", want, 1e-9);
    assert_true(crop_round(&s.crop, &how, width) == 26388);
    assert_true(width[0] == 33 && width[1] == 12);
    test_model_free(&s.m);
}

/* The streams stay; what is left after stem, shortcuts and classifier is shared by the blocks'
 * convolutions equally: (15414.4 - 144 - 512 - 2048 - 640) / 3. */
TEST(precrop, direct_widths_of_resnet8)
{
    const double share = (15414.4 - 144 - 512 - 2048 - 640) / 3;
    Solved s;
    solve(&s, "resnet8", "{shortcut: B}", 0.2, 0);
    crop_solve(&s.crop, CROP_DIRECT, NULL);
    assert_ratio(&s, "layer1", 1, 1e-9);
    assert_ratio(&s, "layer2", 1, 1e-9);
    assert_ratio(&s, "layer3", 1, 1e-9);
    assert_ratio(&s, "layer1.0.conv1", share / 4608, 1e-9);
    assert_ratio(&s, "layer2.0.conv1", share / 13824, 1e-9);
    assert_ratio(&s, "layer3.0.conv1", share / 55296, 1e-9);
    assert_true(fabs(crop_weights(&s.crop) - 15414.4) < 1e-6);
    test_model_free(&s.m);
}

static double objective(const Crop *c)
{
    double sum = 0;
    for (int l = 0; l < c->n_layers; l++) {
        if (c->layers[l].out >= 0) sum += log(c->ratio[c->layers[l].out]);
        if (c->layers[l].in >= 0) sum += log(c->ratio[c->layers[l].in]);
    }
    return sum;
}

/* Of a concave function on a convex set: nothing near it, of the same budget, is better. */
TEST(precrop, direct_is_the_best_of_its_size)
{
    Solved s;
    Pcg rng = pcg_seed(1, 2);
    solve(&s, "resnet8", "{shortcut: B}", 0.1, 0);
    crop_solve(&s.crop, CROP_DIRECT, NULL);
    const double best = objective(&s.crop);
    double *found = arena_new_array(s.m.arena, double, s.crop.n);
    memcpy(found, s.crop.ratio, sizeof(double) * (size_t)s.crop.n);
    for (int i = 0; i < 200; i++) {
        for (int k = 0; k < s.crop.n; k++)
            s.crop.ratio[k] = fmin(1, found[k] * (1 + 0.1 * pcg_normal(&rng)));
        crop_scale(&s.crop);
        if (crop_weights(&s.crop) <= s.crop.budget * (1 + 1e-9))
            assert_true(objective(&s.crop) < best + 1e-6);
    }
    test_model_free(&s.m);
}

/* Densities that some widths have exactly are taken back to these widths. */
TEST(precrop, lsq_finds_widths_that_fit)
{
    Solved s;
    Pcg rng = pcg_seed(5, 6);
    solve(&s, "resnet8", "{shortcut: B}", 0.1, 0);
    Crop *c = &s.crop;
    double *want = arena_new_array(s.m.arena, double, c->n);
    double *p = arena_new_array(s.m.arena, double, c->n_layers);
    for (int k = 0; k < c->n; k++) want[k] = 0.05 + 0.9 * (double)pcg_uniform(&rng);
    for (int l = 0; l < c->n_layers; l++)
        p[l] = (c->layers[l].out < 0 ? 1 : want[c->layers[l].out]) *
               (c->layers[l].in < 0 ? 1 : want[c->layers[l].in]);
    crop_solve(c, CROP_LSQ, p);
    for (int k = 0; k < c->n; k++) assert_true(fabs(c->ratio[k] - want[k]) < 1e-9);
    test_model_free(&s.m);
}

/* Layers whose sides cannot both be met: no width grows past the network's own. */
TEST(precrop, lsq_keeps_widths_within_the_network)
{
    static const double p[] = {0.01, 1, 0.01};
    Solved s;
    solve(&s, "lenet_300_100", "{}", 0.1, 0);
    crop_solve(&s.crop, CROP_LSQ, p);
    /* 235200 (u - log .01) + 30000 u = 0 with the second width whole */
    assert_ratio(&s, "fc_layers.1", 1, 0);
    assert_ratio(&s, "fc_layers.0", exp(235200 * log(0.01) / 265200), 1e-9);
    test_model_free(&s.m);
}

TEST(precrop, inner_leaves_the_streams_alone)
{
    Solved s;
    solve(&s, "resnet20", "{}", 0.3, FIXED_STREAMS);
    crop_solve(&s.crop, CROP_DIRECT, NULL);
    assert_int_equal(s.crop.n, 9);
    for (int i = 0; i < s.crop.n; i++)
        assert_non_null(strstr(s.table.widths[s.crop.part[i]].name, ".conv1"));
    test_model_free(&s.m);
}

TEST(precrop, widths_are_multiples_and_no_smaller_than_asked)
{
    static const CropRounding how = {4, 4, 0.01};
    Solved s;
    int64_t width[16];
    solve(&s, "resnet20", "{}", 0.1, 0);
    crop_solve(&s.crop, CROP_DIRECT, NULL);
    (void)crop_round(&s.crop, &how, width);
    for (int i = 0; i < s.crop.n; i++) assert_true(width[i] % 4 == 0 && width[i] >= 4);
    test_model_free(&s.m);
}

TEST(precrop, families_come_within_the_tolerance)
{
    static const CropRounding how = {1, 1, 0.01};
    static const char *const families[][2] = {
        {"vgg11",              "{}"           },
        {"resnet18",           "{}"           },
        {"mobilenet_v2",       "{stem: cifar}"},
        {"shufflenet_v2_x0_5", "{stem: cifar}"},
        {"efficientnet_b0",    "{stem: cifar}"},
    };
    for (size_t f = 0; f < sizeof families / sizeof families[0]; f++) {
        Solved s;
        int64_t width[COUNT_MAP_MAX];
        solve(&s, families[f][0], families[f][1], 0.3, 0);
        crop_solve(&s.crop, CROP_DIRECT, NULL);
        crop_scale(&s.crop);
        const double weights = crop_round(&s.crop, &how, width);
        assert_true(fabs(weights - s.crop.budget) <= 0.01 * s.crop.budget);
        for (int i = 0; i < s.crop.n; i++) {
            const ModelPart *part = &s.table.widths[s.crop.part[i]];
            assert_true(width[i] % part->multiple == 0 && width[i] <= part->width);
        }
        test_model_free(&s.m);
    }
}

/* More weights, at equal multiply-adds, where early layers are dear and late ones cheap. */
TEST(precrop, reshaping_at_equal_macs_keeps_both_budgets)
{
    Solved s;
    bool grown = false;
    solve(&s, "resnet8", "{shortcut: B}", 0.8, 0);
    s.crop.most = 2;
    s.crop.flops = (double)s.table.macs;
    crop_solve(&s.crop, CROP_DIRECT, NULL);
    assert_true(crop_macs(&s.crop) <= s.crop.flops * (1 + 1e-6));
    assert_true(crop_weights(&s.crop) <= s.crop.budget * (1 + 1e-6));
    for (int i = 0; i < s.crop.n; i++) grown = grown || s.crop.ratio[i] > 1.01;
    assert_true(grown);
    test_model_free(&s.m);
}

/* -- The method */

static void load(Case *c, const char *model, const char *method)
{
    char text[1024];
    (void)snprintf(text, sizeof text,
                   "name: a/b\n"
                   "data: {name: shapes, size: 8, n_train: 60, n_test: 10}\n"
                   "train: {steps: 6, batch_size: 10, eval_every: 3}\n"
                   "model: {%s}\nmethods: [%s]\n",
                   model, method);
    case_load(c, text);
}

static bool build(Case *c)
{
    const NetworkOptions o = {.task = c->data.task, .eval = true, .data = &c->data};
    return network_new(&c->network, &c->experiment, &o, c->arena, &c->err);
}

static int64_t weights_of(const Case *c)
{
    int64_t n = 0;
    for (const Param *p = c->network.params->first; p; p = p->next)
        if (p->role == ROLE_WEIGHT) n += p->n;
    return n;
}

static int64_t cropped(const char *model, const char *method)
{
    Case c;
    load(&c, model, method);
    ASSERT_OK(build(&c), &c.err);
    const int64_t n = weights_of(&c);
    case_free(&c);
    return n;
}

TEST(precrop, every_source_comes_within_the_tolerance)
{
    static const char *const sources[] = {"uniform",   "er",     "erk",    "synexp",
                                          "magnitude", "random", "synflow"};
    const double budget = 0.2 * (double)cropped("name: resnet8, shortcut: B", "");
    for (size_t i = 0; i < sizeof sources / sizeof sources[0]; i++) {
        char method[128];
        (void)snprintf(method, sizeof method,
                       "{name: precrop, density: 0.2, source: %s, iterations: 2}", sources[i]);
        const double n = (double)cropped("name: resnet8, shortcut: B", method);
        if (fabs(n - budget) > 0.01 * budget) print_error("%s: %.0f\n", sources[i], n);
        assert_true(fabs(n - budget) <= 0.01 * budget);
    }
}

TEST(precrop, sources_that_look_at_data_get_them)
{
    const double budget = 0.3 * (double)cropped("name: lenet_300_100", "");
    static const char *const sources[] = {"snip", "grasp"};
    for (int i = 0; i < 2; i++) {
        char method[128];
        (void)snprintf(method, sizeof method,
                       "{name: precrop, density: 0.3, source: %s, samples_per_class: 2}",
                       sources[i]);
        assert_true(fabs((double)cropped("name: lenet_300_100", method) - budget) <= 0.01 * budget);
    }
}

TEST(precrop, density_1_is_the_network_itself)
{
    Case c;
    load(&c, "name: resnet20", "{name: precrop, density: 1}");
    ASSERT_OK(build(&c), &c.err);
    assert_int_equal(c.network.architecture->widths.n, 0);
    case_free(&c);
}

/* Widths of a network with the density; of that order are the rows of the table. */
TEST(precrop, a_larger_budget_makes_no_width_smaller)
{
    static const char *const methods[] = {"source: synexp", "source: uniform, mode: sqrt"};
    for (int m = 0; m < 2; m++) {
        Case before = {0}, now;
        for (int percent = 20; percent <= 80; percent += 30) {
            char method[128];
            (void)snprintf(method, sizeof method, "{name: precrop, density: %g, %s}",
                           percent / 100.0, methods[m]);
            load(&now, "name: resnet8", method);
            ASSERT_OK(build(&now), &now.err);
            for (int i = 0; percent > 20 && i < now.network.parts.n; i++)
                assert_true(now.network.parts.at[i].width >= before.network.parts.at[i].width);
            if (percent > 20) case_free(&before);
            before = now;
        }
        case_free(&before);
    }
}

TEST(precrop, a_model_without_widths_says_so)
{
    Case c;
    load(&c, "name: longconv", "{name: precrop}");
    ASSERT_FAILS(build(&c), &c.err, FAIL_CONFIG,
                 "method 'precrop': model 'longconv' has no widths or blocks to choose");
    case_free(&c);
}

TEST(precrop, options_that_exclude_each_other_are_named)
{
    Case c;
    load(&c, "name: resnet8", "{name: precrop, source: erk, mode: direct}");
    ASSERT_FAILS(build(&c), &c.err, FAIL_CONFIG,
                 "mode: direct looks at no densities: source must be synexp; in method 'precrop'");
    case_free(&c);
    load(&c, "name: resnet8", "{name: precrop, source: erk, expand: 2}");
    ASSERT_FAILS(build(&c), &c.err, FAIL_CONFIG,
                 "expand > 1 needs source: synexp and mode: direct");
    case_free(&c);
    load(&c, "name: resnet8", "{name: precrop, skip_aware: true, mode: direct}");
    ASSERT_FAILS(build(&c), &c.err, FAIL_CONFIG,
                 "skip_aware needs source: synexp, and a mode that looks at densities");
    case_free(&c);
    load(&c, "name: resnet8", "{name: precrop, keep: norm, residual: pad}");
    ASSERT_FAILS(build(&c), &c.err, FAIL_CONFIG,
                 "keep has no channels to choose with residual: pad");
    case_free(&c);
}

TEST(precrop, skips_and_kept_channels_come_within_the_tolerance)
{
    static const char *const methods[] = {"skip_aware: true", "skip_aware: true, residual: pad",
                                          "keep: random", "keep: norm, residual: inner"};
    const double budget = 0.5 * (double)cropped("name: resnet8", "");
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        char method[128];
        (void)snprintf(method, sizeof method, "{name: precrop, density: 0.5, %s}", methods[i]);
        const double n = (double)cropped("name: resnet8", method);
        if (fabs(n - budget) > 0.01 * budget) print_error("%s: %.0f\n", methods[i], n);
        assert_true(fabs(n - budget) <= 0.01 * budget);
    }
}

/* The budget is of 300 * 64 + 100 * 300 weights; the classifier's 10 rows come on top. */
TEST(precrop, the_classifier_need_not_count)
{
    static const char *const sources[] = {"synexp", "magnitude", "erk"};
    for (int i = 0; i < 3; i++) {
        Case c;
        char method[128];
        (void)snprintf(method, sizeof method,
                       "{name: precrop, density: 0.2, source: %s, include_classifier: false}",
                       sources[i]);
        load(&c, "name: lenet_300_100", method);
        ASSERT_OK(build(&c), &c.err);
        const Param *first = params_find(c.network.params, "fc_layers.0.weight");
        const Param *second = params_find(c.network.params, "fc_layers.1.weight");
        const double budget = 0.2 * (double)(300 * first->shape.dim[1] + 300 * 100);
        assert_true(fabs((double)(first->n + second->n) - budget) <= 0.01 * budget);
        case_free(&c);
    }
}

/* Rows of the network's own first values, in ascending order, and not simply the first ones. */
TEST(precrop, channels_by_chance_are_the_networks_own)
{
    Case dense, c;
    load(&dense, "name: lenet_300_100", "");
    load(&c, "name: lenet_300_100", "{name: precrop, density: 0.3, keep: random}");
    ASSERT_OK(build(&dense), &dense.err);
    ASSERT_OK(build(&c), &c.err);
    ASSERT_OK(network_init(&dense.network, NULL, "", &dense.err), &dense.err);
    ASSERT_OK(network_init(&c.network, NULL, "", &c.err), &c.err);
    const Param *whole = params_find(dense.network.params, "fc_layers.0.weight");
    const Param *some = params_find(c.network.params, "fc_layers.0.weight");
    const int64_t columns = whole->shape.dim[1];
    int64_t row = 0, skipped = 0;
    assert_true(some->shape.dim[0] < 300);
    for (int64_t i = 0; i < some->shape.dim[0]; i++, row++)
        while (memcmp(whole->data + row * columns, some->data + i * columns,
                      sizeof(float) * (size_t)columns) != 0) {
            row++;
            skipped++;
            assert_true(row < 300);
        }
    assert_true(skipped > 10);
    case_free(&dense);
    case_free(&c);
}

/* -- Whole runs */

static void train(Case *c, const char *results, int64_t pause_at, char folder[4096])
{
    TrainFlags flags = {.results = results, .pause_at = pause_at};
    TrainReport report = {0};
    TrainOutcome outcome;
    RunRecord record;
    ASSERT_OK(train_run(&c->experiment, &c->data, &flags, &report, &outcome, &record, &c->err),
              &c->err);
    assert_int_equal(outcome, pause_at ? TRAIN_PAUSED : TRAIN_DONE);
    ASSERT_OK(rundir_path(results, &c->experiment, folder, &c->err), &c->err);
}

static char *content(Case *c, const char *folder, const char *name, size_t *n)
{
    char *text;
    ASSERT_OK(file_read(arena_printf(c->arena, "%s/%s", folder, name), 1 << 22, &text, n, FAIL_DATA,
                        &c->err),
              &c->err);
    return text;
}

static void assert_same_file(Case *c, const char *a, const char *b, const char *name)
{
    size_t n, m;
    char *x = content(c, a, name, &n), *y = content(c, b, name, &m);
    assert_int_equal(n, m);
    assert_memory_equal(x, y, n);
    free(x);
    free(y);
}

static const char method_snip[] =
    "{name: precrop, density: 0.3, source: snip, samples_per_class: 2}";

TEST(precrop, a_resumed_run_has_the_bits_of_a_whole_one)
{
    Case c;
    char whole[4096], parts[4096];
    load(&c, "name: lenet_300_100", method_snip);
    train(&c, test_folder(), 0, whole);
    const char *results = test_folder();
    train(&c, results, 2, parts);
    train(&c, results, 0, parts);
    assert_same_file(&c, whole, parts, "checkpoint/model.safetensors");
    assert_same_file(&c, whole, parts, "metrics.jsonl");
    assert_same_file(&c, whole, parts, "architecture.yaml");
    case_free(&c);
}

/* A checkpoint that lost its state, or its tensors: the run begins again, as it began. */
TEST(precrop, a_damaged_checkpoint_starts_the_same_run_again)
{
    static const char *const damaged[] = {"state.json", "model.safetensors"};
    for (int i = 0; i < 2; i++) {
        Case c;
        char whole[4096], parts[4096];
        load(&c, "name: lenet_300_100", method_snip);
        train(&c, test_folder(), 0, whole);
        const char *results = test_folder();
        train(&c, results, 2, parts);
        const char *path = arena_printf(c.arena, "%s/checkpoint/%s", parts, damaged[i]);
        ASSERT_OK(file_replace(path, "{}", 2, &c.err), &c.err);
        train(&c, results, 0, parts);
        assert_same_file(&c, whole, parts, "checkpoint/model.safetensors");
        assert_same_file(&c, whole, parts, "architecture.yaml");
        case_free(&c);
    }
}

/* With the data gone from sight: the hook would fail. */
TEST(precrop, the_checkpoint_says_what_was_chosen)
{
    Case c;
    char folder[4096];
    const Architecture *chosen = NULL;
    load(&c, "name: lenet_300_100", method_snip);
    train(&c, test_folder(), 0, folder);
    ASSERT_OK(architecture_of_checkpoint(arena_printf(c.arena, "%s/checkpoint", folder), c.arena,
                                         &chosen, &c.err),
              &c.err);
    assert_non_null(chosen);
    assert_true(chosen->widths.n > 0);
    const NetworkOptions o = {.task = c.data.task, .eval = true, .architecture = chosen};
    ASSERT_OK(network_new(&c.network, &c.experiment, &o, c.arena, &c.err), &c.err);
    ASSERT_OK(
        checkpoint_load_weights(arena_printf(c.arena, "%s/checkpoint/model.safetensors", folder),
                                c.network.params, &c.err),
        &c.err);
    case_free(&c);
}

/* architecture.yaml, extended, is a dense network that trains to the same bits: first values depend
 * on the seed, the names and the shapes alone. */
TEST(precrop, the_architecture_file_makes_the_same_network)
{
    Case c, again;
    char folder[4096], other[4096];
    size_t n;
    load(&c, "name: lenet_300_100", method_snip);
    train(&c, test_folder(), 0, folder);
    char *text = content(&c, folder, "architecture.yaml", &n);
    Yaml *tree;
    ASSERT_OK(yaml_parse(c.arena, text, n, "architecture.yaml", &tree, &c.err), &c.err);
    free(text);
    char *model = yaml_flow(c.arena, yaml_get(tree, "model"));
    model[strlen(model) - 1] = '\0';
    load(&again, model + 1, "");
    train(&again, test_folder(), 0, other);
    assert_same_file(&c, folder, other, "metrics.jsonl");
    case_free(&again);
    case_free(&c);
}
