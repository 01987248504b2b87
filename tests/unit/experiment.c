/* experiment -- what a file may say, how its mistakes read, the run id and the resolved text.
 * Places are counted by hand; the golden canonical text's SHA-256 is sha256sum's. */
#include "tests/test.h"

#include "base/hash.h"
#include "io/file.h"
#include "run/component.h"

#include <stdio.h>
#include <string.h>

#define SMALL "data: {name: shapes}\nmodel: {name: mlp}\ntrain: {steps: 10}\n"
static const char sha[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

static Experiment parse(Arena *a, const char *text)
{
    Experiment e;
    Error err = {0};
    ASSERT_OK(experiment_parse(&e, a, text, strlen(text), &err), &err);
    experiment_identify(&e, a, sha);
    return e;
}

static bool has_message(const Error *err, const char *text)
{
    for (int i = 0; i < err->n_items; i++)
        if (strstr(err->items[i].text, text)) return true;
    for (int i = 0; i < err->n_items; i++) print_error("%s\n", err->items[i].text);
    return false;
}

static void refused(const char *text, const char *message)
{
    Arena *a = arena_new();
    Experiment e;
    Error err = {0};
    assert_false(experiment_parse(&e, a, text, strlen(text), &err));
    assert_int_equal(err.kind, FAIL_CONFIG);
    assert_true(has_message(&err, message));
    arena_free(a);
}

static const char *write_file(Arena *a, const char *name, const char *text)
{
    Error err = {0};
    const char *path = arena_printf(a, "%s/%s", test_folder(), name);
    ASSERT_OK(file_replace(path, text, strlen(text), &err), &err);
    return path;
}

TEST(experiment, fills_the_choices)
{
    Arena *a = arena_new();
    Experiment e = parse(a, "name: a/b-1\ndata: {name: shapes}\nmodel: {name: resnet20}\n"
                            "methods: [{name: label_smoothing}, {name: magnitude_mask}]\n"
                            "optimizer: {name: sgd}\nschedule: {name: cosine}\n"
                            "train: {steps: 3ep, batch_size: 7, seed: 5}\n");
    assert_string_equal(e.run, "train");
    assert_string_equal(e.name, "a/b-1");
    assert_string_equal(e.dataset->name, "shapes");
    assert_string_equal(e.model->name, "resnet20");
    assert_int_equal(e.n_methods, 2);
    assert_string_equal(e.methods[1].method->name, "magnitude_mask");
    assert_string_equal(e.optimizer->name, "sgd");
    assert_string_equal(e.schedule->name, "cosine");
    assert_true(e.train.steps.epochs && e.train.steps.count == 3);
    assert_int_equal(e.train.batch_size, 7);
    assert_int_equal(e.train.seed, 5);
    assert_true(e.train.eval_every.epochs && e.train.eval_every.count == 1);
    arena_free(a);
}

TEST(experiment, absent_optimizer_and_schedule_are_adam_and_constant)
{
    Arena *a = arena_new();
    Experiment e = parse(a, SMALL);
    assert_string_equal(e.optimizer->name, "adam");
    assert_string_equal(e.schedule->name, "constant");
    assert_int_equal(e.n_methods, 0);
    arena_free(a);
}

TEST(experiment, unknown_option_names_the_nearest_with_a_caret)
{
    Arena *a = arena_new();
    Experiment e;
    Error err = {0};
    const char *text = SMALL "methods: [{name: magnitude_mask, sparcity: 0.9}]\n";
    ASSERT_FAILS(experiment_parse(&e, a, text, strlen(text), &err), &err, FAIL_CONFIG,
                 "<text>:4:34: unknown key 'sparcity' in method 'magnitude_mask'; did you mean "
                 "'sparsity'?");
    assert_string_equal(err.items[0].excerpt,
                        "    methods: [{name: magnitude_mask, sparcity: 0.9}]\n"
                        "                                     ^~~~~~~~");
    assert_int_equal(err.n_items, 1);
    arena_free(a);
}

TEST(experiment, unknown_top_key_names_the_nearest)
{
    refused(SMALL "optimiser: {name: sgd}\n",
            "<text>:4:1: unknown key 'optimiser'; did you mean 'optimizer'?");
}

TEST(experiment, options_that_do_not_go_together_are_refused)
{
    refused(SMALL "optimizer: {name: sgd, nesterov: true}\n",
            "<text>:4:12: optimizer 'sgd': nesterov needs a momentum above 0 and no dampening");
}

TEST(experiment, unknown_component_names_the_nearest_and_what_there_is)
{
    refused(
        "data: {name: shapes}\nmodel: {name: mlp}\ntrain: {steps: 1}\noptimizer: {name: adaam}\n",
        "<text>:4:19: unknown optimizer 'adaam'; did you mean 'adam'? There is: ");
}

TEST(experiment, unknown_component_without_a_near_one_lists_what_there_is)
{
    refused("data: {name: imaginary}\nmodel: {name: mlp}\ntrain: {steps: 1}\n",
            "<text>:1:14: unknown data set 'imaginary'; there is: ");
}

TEST(experiment, reports_all_mistakes_at_once)
{
    Arena *a = arena_new();
    Experiment e;
    Error err = {0};
    const char *text = "run: trian\n"
                       "name: ../up\n"
                       "data: {name: shapes, nosie: 0.1}\n"
                       "model: {name: mpl}\n"
                       "optimizer: {name: sgd, lr: fast}\n"
                       "train: {steps: 10, batch_size: 0}\n"
                       "tabel: {}\n"
                       "claims: {}\n";
    assert_false(experiment_parse(&e, a, text, strlen(text), &err));
    assert_int_equal(err.n_items, 8);
    assert_true(has_message(&err, "<text>:1:6: run = 'trian': expected train, prune, init, distill "
                                  "or eval; did you mean 'train'?"));
    assert_true(has_message(&err, "<text>:2:7: name = '../up': expected a relative path"));
    assert_true(has_message(&err, "<text>:3:22: unknown key 'nosie' in data 'shapes'; did you mean "
                                  "'noise'?"));
    assert_true(has_message(&err, "<text>:4:15: unknown model 'mpl'; did you mean 'mlp'?"));
    assert_true(has_message(&err, "<text>:5:28: expected a number, found the word 'fast'"));
    assert_true(has_message(&err, "<text>:6:32: batch_size = 0 is outside [1, "));
    assert_true(has_message(&err, "<text>:7:1: unknown key 'tabel'; did you mean 'table'?"));
    assert_true(has_message(&err, "<text>:8:9: claims: expected a list of maps"));
    arena_free(a);
}

TEST(experiment, missing_blocks_are_named)
{
    refused("name: x\n", "<text>: 'data' is missing: {name: ...}; there is: ");
    refused("name: x\n", "<text>: 'model' is missing: {name: ...}");
    refused("name: x\n", "<text>: 'train' is missing: {steps: ...} at least");
    refused("data: {name: shapes}\nmodel: {name: mlp}\ntrain: {seed: 1}\n",
            "<text>:3:1: train.steps is missing");
}

TEST(experiment, a_run_has_at_least_one_step)
{
    refused("data: {name: shapes}\nmodel: {name: mlp}\ntrain: {steps: 0}\n",
            "<text>:3:16: steps = 0: expected more than 0");
}

TEST(experiment, a_block_without_name_says_so)
{
    refused("data: {noise: 0}\nmodel: {name: mlp}\ntrain: {steps: 1}\n",
            "<text>:1:7: this data set has no name; there is: ");
    refused(SMALL "methods: [{sparsity: 0.5}]\n", "<text>:4:11: this method has no name; ");
}

TEST(experiment, a_block_that_is_a_word_gets_an_example)
{
    refused("data: shapes\nmodel: {name: mlp}\ntrain: {steps: 1}\n",
            "<text>:1:7: data: expected a map such as {name: shapes}");
    refused(SMALL "methods: magnitude_mask\n",
            "<text>:4:10: methods: expected a list such as [{name: magnitude_mask}]");
}

TEST(experiment, names_that_leave_the_results_folder_are_refused)
{
    static const char *const bad[] = {"/etc", "a/../b", "..",  "a//b",    "a/",  ".hidden",
                                      "-rf",  "a b",    "a;b", "\"\\n\"", "\"\""};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char text[256];
        (void)snprintf(text, sizeof text, SMALL "name: %s\n", bad[i]);
        refused(text, "expected a relative path such as pruning/shape");
    }
}

TEST(experiment, keys_of_other_commands_are_kept_unread)
{
    Arena *a = arena_new();
    Experiment plain = parse(a, SMALL);
    Experiment e = parse(a, SMALL "paper: {id: x}\nsweep: {train.seed: [1, 2]}\ntable: {rows: y}\n"
                                  "claims: [{say: z}]\nslurm: {time: 10}\nbase: other.yaml\n"
                                  "teacher: null\n");
    assert_string_equal(e.id, plain.id);
    assert_string_equal(yaml_get(yaml_get(e.root, "table"), "rows")->text, "y");
    arena_free(a);
}

TEST(experiment, seventeen_methods_are_too_many)
{
    char text[2048] = SMALL "methods:\n";
    for (int i = 0; i < 17; i++) strcat(text, "- {name: label_smoothing}\n");
    refused(text, "17 methods; at most 16 compose");
}

/* -- Files and the command line -- */

TEST(experiment, name_defaults_to_the_files)
{
    Arena *a = arena_new();
    Experiment e;
    Error err = {0};
    ASSERT_OK(experiment_load(&e, a, write_file(a, "my shape.yaml", SMALL), NULL, 0, &err), &err);
    assert_string_equal(e.name, "my_shape");
    arena_free(a);
}

TEST(experiment, words_apply_left_to_right)
{
    Arena *a = arena_new();
    Experiment e;
    Error err = {0};
    const char *const words[] = {"train.seed=3", "methods+={name: magnitude_mask}", "train.seed=4",
                                 "methods.0.sparsity=0.25", "optimizer.name=sgd"};
    ASSERT_OK(experiment_load(&e, a, write_file(a, "x.yaml", SMALL), words, 5, &err), &err);
    assert_int_equal(e.train.seed, 4);
    assert_string_equal(e.optimizer->name, "sgd");
    assert_non_null(strstr(experiment_canonical(&e, a, sha), "methods.0.sparsity = 0.25\n"));
    arena_free(a);
}

TEST(experiment, bad_words_are_usage_errors_with_the_word)
{
    Arena *a = arena_new();
    Experiment e;
    Error err = {0};
    const char *const words[] = {"train.seed=three", "train.sede=1", "modle.name=mlp",
                                 "optimizer.lr=-1"};
    assert_false(experiment_load(&e, a, write_file(a, "x.yaml", SMALL), words, 4, &err));
    assert_int_equal(err.kind, FAIL_USAGE);
    assert_int_equal(err.n_items, 4);
    assert_true(has_message(&err, "command line: train.seed=three: expected an integer, found the "
                                  "word 'three'"));
    assert_true(has_message(&err,
                            "command line: train.sede=1: unknown key 'sede' in train; did you "
                            "mean 'seed'?"));
    assert_true(has_message(&err, "command line: modle.name=mlp: unknown key 'modle'; did you mean "
                                  "'model'?"));
    assert_true(has_message(&err, "command line: optimizer.lr=-1: lr = -1 is outside ["));
    arena_free(a);
}

TEST(experiment, a_mistake_in_a_base_file_names_both)
{
    Arena *a = arena_new();
    Experiment e;
    Error err = {0};
    const char *base = write_file(a, "base.yaml", SMALL "optimizer: {lrr: 1}\n");
    const char *path = write_file(a, "x.yaml", arena_printf(a, "extends: %s\n", base));
    ASSERT_FAILS(experiment_load(&e, a, path, NULL, 0, &err), &err, FAIL_CONFIG,
                 "base.yaml:4:13 (from ");
    assert_true(has_message(&err, "x.yaml:1): unknown key 'lrr' in optimizer 'adam'"));
    arena_free(a);
}

/* -- The id -- */

static const char golden_yaml[] = "name: golden\n"
                                  "paper: {id: x}\n"
                                  "train: {batch_size: 64, steps: 1e3, seed: 1, eval_every: 500}\n"
                                  "schedule: {warmup: 1ep, name: cosine}\n"
                                  "optimizer: {name: sgd, momentum: 0.90, lr: 1e-1}\n"
                                  "methods:\n"
                                  "  - {name: magnitude_mask, scope: layer, sparsity: 0.5}\n"
                                  "  - {name: label_smoothing, smoothing: 0.1}\n"
                                  "model: {hidden: [300, 100], name: mlp, activation: tanh}\n"
                                  "data: {name: shapes, augment: [flip, crop], noise: 0.1}\n";

/* Whoever changes this text changes every run's id: what a component means is changed by raising
 * its revision, and what all runs mean by raising the numerics' one. */
static const char golden_text[] =
    "numerics 2\n"
    "data shapes revision 1 sha256 "
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n"
    "data.augment = [\"crop\", \"flip\"]\n"
    "model mlp revision 1\n"
    "model.activation = \"tanh\"\n"
    "model.hidden = [300, 100]\n"
    "methods.0 magnitude_mask revision 1\n"
    "methods.0.scope = \"layer\"\n"
    "methods.0.sparsity = 0.5\n"
    "methods.1 label_smoothing revision 1\n"
    "optimizer sgd revision 1\n"
    "optimizer.momentum = 0.9\n"
    "schedule cosine revision 1\n"
    "schedule.warmup = 1ep\n"
    "train.batch_size = 64\n"
    "train.eval_every = 500\n"
    "train.steps = 1000\n";

TEST(experiment, canonical_text_is_this)
{
    Arena *a = arena_new();
    Experiment e = parse(a, golden_yaml);
    assert_string_equal(experiment_canonical(&e, a, sha), golden_text);
    arena_free(a);
}

TEST(experiment, id_is_the_start_of_the_sha256)
{
    Arena *a = arena_new();
    Experiment e = parse(a, golden_yaml);
    assert_string_equal(e.id, "076096702d7c");
    arena_free(a);
}

static void id_stays(const char *extra, bool stays)
{
    Arena *a = arena_new();
    Experiment one = parse(a, "data: {name: shapes}\nmodel: {name: mlp}\ntrain:\n  steps: 10\n");
    char text[512];
    (void)snprintf(text, sizeof text,
                   "data: {name: shapes}\nmodel: {name: mlp}\ntrain:\n  steps: 10\n%s", extra);
    Experiment two = parse(a, text);
    if (stays)
        assert_string_equal(one.id, two.id);
    else
        assert_string_not_equal(one.id, two.id);
    arena_free(a);
}

TEST(experiment, id_ignores_how_a_run_is_computed)
{
    id_stays("  eval_batch_size: 100\n", true);
    id_stays("  checkpoint_every: 5\n", true);
    id_stays("  best_by: valid.loss\n", true);
    id_stays("name: other\n", true);
    id_stays("run: prune\n", true);
    id_stays("  compute: f32\n", true);
    id_stays("optimizer: {name: adam}\nschedule: {name: constant}\nmethods: []\n", true);
}

TEST(experiment, id_sees_what_a_run_computes)
{
    id_stays("  seed: 2\n", false);
    id_stays("  batch_size: 5\n", false);
    id_stays("  eval_every: 5\n", false);
    id_stays("  compute: bf16\n", false);
    id_stays("optimizer: {name: adamw}\n", false);
    id_stays("optimizer: {weight_decay: 0.1}\n", false);
    id_stays("methods: [{name: label_smoothing}]\n", false);
}

TEST(experiment, id_sees_the_data)
{
    Arena *a = arena_new();
    Experiment e = parse(a, SMALL);
    char before[EXPERIMENT_ID];
    memcpy(before, e.id, sizeof before);
    experiment_identify(&e, a, "f123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef");
    assert_string_not_equal(e.id, before);
    arena_free(a);
}

/* -- The resolved text -- */

TEST(experiment, config_reloads_to_the_same_id_and_text)
{
    Arena *a = arena_new();
    Experiment e = parse(a, golden_yaml);
    const char *config = experiment_config(&e, a);
    Experiment again = parse(a, config);
    assert_string_equal(again.id, e.id);
    assert_string_equal(again.name, e.name);
    assert_string_equal(experiment_config(&again, a), config);
    arena_free(a);
}

TEST(experiment, config_holds_every_option)
{
    Arena *a = arena_new();
    Experiment e = parse(a, golden_yaml);
    Yaml *y;
    Error err = {0};
    const char *config = experiment_config(&e, a);
    ASSERT_OK(yaml_parse(a, config, strlen(config), "config", &y, &err), &err);
    for (int kind = 0; kind < N_COMPONENT_KINDS; kind++) {
        Component c;
        const void *options;
        const Yaml *block = yaml_get(y, component_block[kind]);
        for (int i = 0; component_chosen(&e, (ComponentKind)kind, i, &c, &options); i++) {
            const Yaml *map = kind == COMPONENT_METHOD ? yaml_item(block, i) : block;
            for (int k = 0; k < c.options->n; k++)
                assert_non_null(yaml_get(map, c.options->options[k].name));
        }
    }
    for (int k = 0; k < train_option_table.n; k++)
        assert_non_null(yaml_get(yaml_get(y, "train"), train_option_table.options[k].name));
    arena_free(a);
}

/* The line of `text` that starts with `start` ends with `end`. */
static void line_ends(const char *text, const char *start, const char *end)
{
    const char *line = strstr(text, start);
    assert_non_null(line);
    size_t n = strcspn(line, "\n"), n_end = strlen(end);
    assert_true(n >= n_end);
    if (strncmp(line + n - n_end, end, n_end) != 0) print_error("%.*s\n", (int)n, line);
    assert_memory_equal(line + n - n_end, end, n_end);
}

TEST(experiment, sources_say_where_each_value_came_from)
{
    Arena *a = arena_new();
    Experiment e;
    Error err = {0};
    const char *const words[] = {"train.seed=9"};
    const char *path = write_file(a, "x.yaml", SMALL "methods: [{name: magnitude_mask}]\n");
    ASSERT_OK(experiment_load(&e, a, path, words, 1, &err), &err);
    const char *text = experiment_config_sources(&e, a);
    line_ends(text, "  steps: 10 ", "x.yaml:3");
    line_ends(text, "  seed: 9 ", " # command line");
    line_ends(text, "  batch_size: 128 ", " # default");
    line_ends(text, "  - name: magnitude_mask ", "x.yaml:4");
    line_ends(text, "name: x ", " # default");
    Experiment again = parse(a, text); /* comments and all, it is still the same file */
    experiment_identify(&e, a, sha);
    assert_string_equal(again.id, e.id);
    arena_free(a);
}
