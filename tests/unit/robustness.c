/* robustness -- the eval: block: reading it, the id, what a run's last evaluation says. */
#include "run/robustness.h"
#include "tests/test.h"

#include "io/file.h"
#include "run/metric_lines.h"
#include "run/trainer.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define START                                                                                      \
    "name: a/b\ndata: {name: shapes, size: 8, n_train: 60, n_test: 30}\n"                          \
    "model: {name: mlp, hidden: [8]}\ntrain: {steps: 4, batch_size: 10, eval_every: 2}\n"

static bool parse(const char *text, Experiment *e, Arena *a, Error *err)
{
    return experiment_parse(e, a, text, strlen(text), err);
}

static void refused(const char *eval, const char *message)
{
    Arena *a = arena_new();
    Error err = {0};
    Experiment e;
    const char *text = arena_printf(a, START "eval: %s\n", eval);
    ASSERT_FAILS(parse(text, &e, a, &err), &err, FAIL_CONFIG, message);
    arena_free(a);
}

TEST(robustness, mistakes_in_the_block_have_a_place)
{
    refused("{corruptions: [fogg]}", "<text>:5:22: corruptions = 'fogg'");
    refused("{severities: [0]}", "<text>:5:21: severities = 0");
    refused("{fgsm: [1]}", "unknown key 'fgsm' in eval");
    refused("{ood: mnits}", "<text>:5:13: unknown data set 'mnits'");
    refused("{fgsm_eps: [1, 2, 3, 4, 5, 6, 7, 8, 9]}", "at most 6 numbers");
}

static const char *id_of(const char *text, Arena *a)
{
    Error err = {0};
    Experiment e;
    ASSERT_OK(parse(text, &e, a, &err), &err);
    experiment_identify(&e, a, "00");
    return arena_string(a, e.id);
}

TEST(robustness, eval_is_in_the_id_and_energy_is_not)
{
    Arena *a = arena_new();
    const char *plain = id_of(START, a);
    assert_string_equal(plain, id_of(START "eval: {examples: 1000}\n", a));
    assert_string_equal(plain, id_of(START "energy: {core_power_w: 20}\n", a));
    assert_string_not_equal(plain, id_of(START "eval: {corruptions: [fog]}\n", a));
    assert_string_not_equal(plain, id_of(START "eval: {fgsm_eps: 8}\n", a));
    arena_free(a);
}

TEST(robustness, resolved_configuration_gives_the_same_id)
{
    Arena *a = arena_new();
    Error err = {0};
    Experiment e;
    ASSERT_OK(parse(START "eval: {corruptions: [fog, snow], severities: [2], pgd_eps: [4, 8]}\n"
                          "energy: {carbon_g_per_kwh: 30}\n",
                    &e, a, &err),
              &err);
    experiment_identify(&e, a, "00");
    const char *config = experiment_config(&e, a);
    assert_non_null(strstr(config, "carbon_g_per_kwh: 30"));
    assert_string_equal(e.id, id_of(config, a));
    arena_free(a);
}

typedef struct Run {
    Arena *arena;
    Error err;
    Experiment experiment;
    Dataset data;
    const char *results;
    RunRecord record;
    bool ok;
} Run;

static Run *run(const char *text)
{
    Arena *a = arena_new();
    Run *r = arena_new_array(a, Run, 1);
    Experiment *e = &r->experiment;
    r->arena = a;
    ASSERT_OK(parse(text, e, a, &r->err), &r->err);
    ASSERT_OK(dataset_open(&r->data, e->dataset, e->dataset_options, ".", SPLITS_ALL, a, &r->err),
              &r->err);
    experiment_identify(e, a, r->data.sha256);
    r->results = test_folder();
    const TrainFlags flags = {.results = r->results};
    const TrainReport report = {0};
    TrainOutcome outcome;
    r->ok = train_run(e, &r->data, &flags, &report, &outcome, &r->record, &r->err);
    return r;
}

static void run_done(Run *r)
{
    dataset_close(&r->data);
    arena_free(r->arena);
}

static char *content(Run *r, const char *name)
{
    char *text;
    size_t n;
    ASSERT_OK(file_read(arena_printf(r->arena, "%s/a/b/%s/%s", r->results, r->experiment.id, name),
                        1 << 20, &text, &n, FAIL_RUN, &r->err),
              &r->err);
    char *kept = arena_string_n(r->arena, text, n);
    free(text);
    return kept;
}

TEST(robustness, last_evaluation_of_a_run_has_what_eval_asks)
{
    Run *r = run(START "eval: {corruptions: [fog, contrast], severities: [1, 5], fgsm_eps: [4],\n"
                       "       pgd_eps: [4], pgd_steps: 3, examples: 20}\n");
    ASSERT_OK(r->ok, &r->err);
    static const char *const names[] = {"test.corrupted.top1", "test.corrupted.severity_1.top1",
                                        "test.corrupted.severity_5.top1", "test.fgsm_4.top1",
                                        "test.pgd_4.top1"};
    const char *metrics = content(r, "metrics.jsonl"), *last = strstr(metrics, "{\"step\":4");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        double value;
        assert_true(metric_line_number(last, strlen(last), names[i], &value));
        assert_true(value >= 0 && value <= 1 && fabs(value * 80 - round(value * 80)) < 1e-9);
        assert_false(metric_line_number(metrics, (size_t)(last - metrics), names[i], &value));
        assert_true(metric_line_number(r->record.final_metrics, strlen(r->record.final_metrics),
                                       names[i], &value));
    }
    json_t *j = json_loads(content(r, "robustness.json"), 0, NULL);
    assert_int_equal(json_integer_value(json_object_get(j, "n")), 20);
    assert_int_equal(json_array_size(json_object_get(j, "corruptions")), 4);
    assert_int_equal(json_array_size(json_object_get(j, "fgsm")), 1);
    assert_true(json_is_null(json_object_get(j, "ood")));
    json_decref(j);
    run_done(r);
}

TEST(robustness, a_foreign_set_of_another_size_is_refused_before_the_first_step)
{
    Run *r = run(START "eval: {ood: shapes}\n");
    ASSERT_FAILS(r->ok, &r->err, FAIL_CONFIG,
                 "eval.ood: images of shapes are (28, 28, 1), those of shapes (8, 8, 1)");
    assert_false(file_exists(
        arena_printf(r->arena, "%s/a/b/%s/metrics.jsonl", r->results, r->experiment.id)));
    run_done(r);
}

TEST(robustness, grey_images_leave_saturate_out)
{
    Run *r = run(START "eval: {corruptions: [saturate, fog], severities: [1]}\n");
    ASSERT_OK(r->ok, &r->err);
    assert_null(strstr(content(r, "robustness.json"), "saturate"));
    run_done(r);
}

/* -- Means */

TEST(robustness, means_are_over_what_was_done)
{
    static Robustness r;
    r.corrupted[CORRUPT_fog][0] = (RobustCell){true, 0.5, 1};
    r.corrupted[CORRUPT_fog][4] = (RobustCell){true, 0.25, 1};
    r.corrupted[CORRUPT_snow][4] = (RobustCell){true, 0.75, 1};
    assert_true(robustness_corrupted(&r, -1, 0) == 0.5);
    assert_true(robustness_corrupted(&r, -1, 5) == 0.5);
    assert_true(robustness_corrupted(&r, CORRUPT_fog, 0) == 0.375);
    assert_true(isnan(robustness_corrupted(&r, CORRUPT_contrast, 0)));
}

/* The fullest line of metrics that can be asked for must fit into run.json's 2047 bytes. */
TEST(robustness, the_fullest_line_of_metrics_fits)
{
    static Robustness r = {
        .split = "test", .ood = {{.n_in = 1}, {.n_in = 1}}
    };
    static char text[2048];
    Arena *a = arena_new();
    MetricLine line = {.step = INT64_MAX, .epoch = 1 / 3.0};
    static const char *const usual[] = {"train.loss",
                                        "train.top1",
                                        "lr",
                                        "valid.loss",
                                        "valid.perplexity",
                                        "valid.top1",
                                        "valid.top5",
                                        "test.loss",
                                        "test.top1",
                                        "test.perplexity",
                                        "test.top5",
                                        "reported.by.a.method.1",
                                        "reported.by.a.method.2",
                                        "reported.by.a.method.3",
                                        "reported.by.a.method.4",
                                        "reported.by.a.method.5",
                                        "reported.by.a.method.6",
                                        "reported.by.a.method.7",
                                        "reported.by.a.method.8"};
    for (size_t i = 0; i < sizeof usual / sizeof usual[0]; i++)
        metric_add(&line, usual[i], -1.2345678901234567e-100);
    for (int s = 0; s < CORRUPT_SEVERITIES; s++)
        r.corrupted[CORRUPT_fog][s] = (RobustCell){true, 0.12345678901234567, 1};
    r.asked.fgsm_eps.n = r.asked.pgd_eps.n = EVAL_MAX_EPS;
    for (int i = 0; i < EVAL_MAX_EPS; i++) {
        r.asked.fgsm_eps.at[i] = r.asked.pgd_eps.at[i] = 200 + i;
        r.fgsm[i] = r.pgd[i] = (RobustCell){true, 0.012345678901234567, 1};
    }
    for (int s = 0; s < N_OOD_SCORES; s++) r.ood[s].auroc = r.ood[s].fpr95 = 0.012345678901234567;
    robustness_metrics(&r, a, &line);
    metric_json(&line, text);
    json_t *j = json_loads(text, 0, NULL);
    assert_int_equal(json_object_size(j), line.n + 2);
    json_decref(j);
    arena_free(a);
}

TEST(energy, carbon_is_energy_times_intensity)
{
    assert_true(fabs(energy_carbon_g(2000, 475) - 950) < 1e-12);
}

/* Without RAPL the estimate is CPU time at the stated power; with it the text says so. */
TEST(energy, assumption_is_stated)
{
    Energy one, two;
    energy_start(&one, 10);
    energy_start(&two, 25);
    if (one.n_packages > 0) {
        assert_string_equal(one.source, "RAPL, whole packages");
        return;
    }
    assert_string_equal(one.source, "estimate: 10 W times CPU seconds");
    assert_string_equal(two.source, "estimate: 25 W times CPU seconds");
    one.cpu_start_s = two.cpu_start_s -= 3600; /* an hour ago */
    assert_true(fabs(energy_wh(&one) - 10) < 0.01 && fabs(energy_wh(&two) - 25) < 0.01);
}
