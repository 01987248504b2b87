/* adalora -- its layer, its regulariser and the dealing out of ranks against PEFT, and that what it
 * remembers survives a stop. */
#include "tests/adapted.h"
#include "tests/case.h"
#include "tests/model.h"
#include "tests/test.h"

#include "io/file.h"
#include "io/safetensors.h"
#include "run/trainer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* PEFT 0.21.2, AdaLoraConfig(init_r=3, lora_alpha=6), out 4, in 5. */
TEST(adalora, equals_peft)
{
    static const double y[] = {-0.0572636424, -0.00602156741, 0.162912817,  0.170449682,
                               -0.214789111,  -0.329659689,   0.266620833,  -0.105201927,
                               0.304209964,   0.218169186,    -0.115279376, -0.177058753};
    static const double a[] = {-0.00837407287, 0.00667158285,  -0.0367691879,  0.0197785356,
                               0.0209894855,   0.00615303633,  -0.00265642967, 0.0203296754,
                               -0.00383699215, -0.00295091663, 0.00509341146,  0.0111804983,
                               -0.0052217952,  0.0295014299,   0.0360288283};
    static const double b[] = {-0.000173665023, 0.0336323194,  0.0391824619,   -0.101148934,
                               0.0137128039,    0.0352223747,  -0.0860509675,  -0.00196863293,
                               0.0124499747,    -0.0797772143, -0.00937667679, 0.0106641349};
    static const double e[] = {-0.0829373456, -0.0849427522, -0.0218249197};
    static const Expected expected[] = {
        {"y",         y},
        {"fc.lora_A", a},
        {"fc.lora_B", b},
        {"fc.lora_E", e}
    };
    Adapted k;
    adapted(&k, "adalora", "{rank: 3, target_rank: 2, alpha: 6}", 4, 5, false);
    adapted_matches(&k, expected, 4);
    adapted_free(&k);
}

TEST(adalora, gradients_are_central_differences)
{
    for (int turned = 0; turned < 2; turned++) {
        Adapted k;
        adapted(&k, "adalora", "{rank: 2, target_rank: 1}", 4, 5, turned);
        adapted_gradients(&k);
        adapted_free(&k);
    }
}

TEST(adalora, starts_without_values_and_leaves_the_output)
{
    float x[15], want[12], got[12];
    double squares = 0;
    Adapted plain, k;
    for (int i = 0; i < 15; i++) x[i] = test_number("x", i);
    adapted(&plain, "freeze", "{}", 4, 5, false);
    adapted(&k, "adalora", "{rank: 400}", 4, 5, false);
    adapted_run(&plain, x, want);
    adapted_run(&k, x, got);
    for (int i = 0; i < 12; i++) assert_true(want[i] == got[i]);
    const Param *a = adapted_param(&k, "fc.lora_A");
    for (int64_t i = 0; i < a->n; i++) squares += (double)a->data[i] * (double)a->data[i];
    /* of 2000 draws with deviation 0.02; the standard error of a deviation is 1.6 % */
    assert_true(fabs(sqrt(squares / 2000) / 0.02 - 1) < 0.06);
    adapted_free(&plain);
    adapted_free(&k);
}

/* -- Two layers: 6 x 4 and 3 x 6 */

/* "1" where E is not 0. */
static void shown(const AdaptedLayers *k, const char *name, char out[8])
{
    const Param *e = params_find(k->m.build.params, name);
    assert_non_null(e);
    for (int64_t i = 0; i < e->n; i++) out[i] = e->data[i] == 0 ? '0' : '1';
    out[e->n] = '\0';
}

/* Numbers for the factors and their gradients, new ones for each step. */
static void set_factors(const AdaptedLayers *k, int64_t step)
{
    char name[96];
    for (Param *p = k->m.build.params->first; p; p = p->next) {
        if (!p->trainable || !strstr(p->name, ".lora_")) continue;
        (void)snprintf(name, sizeof name, "%s@%d", p->name, (int)step);
        for (int64_t i = 0; i < p->n; i++) p->data[i] = test_number(name, i);
        (void)snprintf(name, sizeof name, "%s!%d", p->name, (int)step);
        for (int64_t i = 0; i < p->n; i++) p->grad[i] = test_number(name, i);
    }
}

static const char schedule[] =
    "{rank: 4, target_rank: 2, tinit: 2, tfinal: 3, delta_t: 2, alpha: 6}";

/* PEFT 0.21.2, AdaLoraConfig(init_r=4, target_r=2, tinit=2, tfinal=3, deltaT=2, total_step=12) and
 * update_and_allocate(t) for t = 1 ... 12 on the same numbers, in float64: budgets 8 8 6 5 4 4 4 4
 * 4 4 4 4, of which those of steps 4, 6, 8 and 9 are dealt out. */
TEST(adalora, deals_out_ranks_as_peft_does)
{
    static const char *const first[] = {"1111", "1111", "1111", "1011", "1111", "1001",
                                        "1111", "1001", "1001", "1001", "1001", "1001"};
    static const char *const second[] = {"1111", "1111", "1111", "1001", "1111", "1010",
                                         "1111", "1010", "1010", "1010", "1010", "1010"};
    char got[8];
    AdaptedLayers k;
    adapted_layers(&k, "adalora", schedule);
    for (k.call.step = 1; k.call.step <= 12; k.call.step++) {
        set_factors(&k, k.call.step);
        k.call.method->after_step(&k.call);
        shown(&k, "fc_layers.0.lora_E", got);
        assert_string_equal(got, first[k.call.step - 1]);
        shown(&k, "fc.lora_E", got);
        assert_string_equal(got, second[k.call.step - 1]);
    }
    test_model_free(&k.m);
}

TEST(adalora, after_step_allocates_nothing)
{
    AdaptedLayers k;
    adapted_layers(&k, "adalora", schedule);
    set_factors(&k, 4);
    const int64_t before = memory_count();
    k.call.step = 4;
    k.call.method->after_step(&k.call);
    assert_int_equal(memory_count(), before);
    test_model_free(&k.m);
}

/* Scores that are all equal fall together, as with PEFT's "<=": here zeros, of zero gradients. */
TEST(adalora, equal_scores_fall_together)
{
    char got[8];
    AdaptedLayers k;
    adapted_layers(&k, "adalora", schedule);
    set_factors(&k, 4);
    for (Param *p = k.m.build.params->first; p; p = p->next)
        for (int64_t i = 0; p->grad && i < p->n; i++) p->grad[i] = 0;
    k.call.step = 4;
    k.call.method->after_step(&k.call);
    shown(&k, "fc.lora_E", got);
    assert_string_equal(got, "0000");
    test_model_free(&k.m);
}

/* The same numbers in PEFT 0.21.2's AdaLoraModel.forward with orth_reg_weight=0.5: 0.71020824. */
TEST(adalora, regulariser_equals_peft)
{
    Error err = {0};
    AdaptedLayers k;
    adapted_layers(&k, "adalora", schedule);
    Graph *g = k.m.build.graph;
    const LossCall l = {.graph = g, .training = true};
    Node *loss = k.call.method->loss(&k.call, &l, scalar(g, 1));
    ASSERT_OK(graph_ok(g, &err), &err);
    Graph64 *v = graph64_new(k.m.arena, g, 0);
    for (Param *p = k.m.build.params->first; p; p = p->next) {
        double *data = arena_new_array(k.m.arena, double, p->n);
        for (int64_t i = 0; i < p->n; i++) data[i] = (double)test_number(p->name, i);
        graph64_bind(v, param_node(g, p), data);
    }
    assert_true(fabs(*graph64_value(v, loss) - 1 - 0.7102082410672985) <= 1e-12);
    test_model_free(&k.m);
}

/* -- The configuration */

TEST(adalora, says_when_no_steps_are_left_for_dealing)
{
    Error err = {0};
    AdaptedLayers k;
    adapted_layers(&k, "adalora", "{tinit: 2ep, tfinal: 4}");
    ASSERT_FAILS(k.call.method->transform(&k.call, &err), &err, FAIL_CONFIG,
                 "method 'adalora': tinit (8) and tfinal (4) leave none of 12 steps in which ranks "
                 "are dealt out");
    test_model_free(&k.m);
}

TEST(adalora, says_when_the_target_is_above_the_start)
{
    Error err = {0};
    Adapted k;
    adapted_build(&k, "adalora", "{rank: 4, target_rank: 5}", 4, 5, false);
    ASSERT_FAILS(graph_ok(k.build.graph, &err), &err, FAIL_CONFIG,
                 "method 'adalora': target_rank is 5, above rank 4");
    adapted_free(&k);
}

/* -- Whole runs */

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

static char *model_file(Case *c, const char *results, size_t *n)
{
    char folder[4096], *bytes;
    ASSERT_OK(rundir_path(results, &c->experiment, folder, &c->err), &c->err);
    const char *path = arena_printf(c->arena, "%s/checkpoint/model.safetensors", folder);
    ASSERT_OK(file_read(path, 1 << 22, &bytes, n, FAIL_DATA, &c->err), &c->err);
    return bytes;
}

/* Update 5 is the last to deal out: stops before it, and after it. */
TEST(adalora, a_resumed_run_keeps_its_bits)
{
    static const char text[] =
        "name: a/b\n"
        "data: {name: shapes, size: 8, n_train: 60, n_test: 10}\n"
        "model: {name: mlp, hidden: [16, 8]}\n"
        "methods: [{name: adalora, rank: 4, target_rank: 2, tinit: 1, tfinal: 3, delta_t: 2}]\n"
        "optimizer: {name: adamw, lr: 0.01}\n"
        "train: {steps: 8, batch_size: 10, eval_every: 4, checkpoint_every: 1}\n";
    Case whole, parts;
    size_t n, m;
    const char *results = test_folder();
    case_load(&whole, text);
    train(&whole, results, 0);
    char *want = model_file(&whole, results, &n);
    case_load(&parts, text);
    const char *elsewhere = test_folder();
    train(&parts, elsewhere, 3);
    train(&parts, elsewhere, 6);
    train(&parts, elsewhere, 0);
    char *got = model_file(&parts, elsewhere, &m);
    assert_int_equal(n, m);
    assert_memory_equal(want, got, n);
    free(want);
    free(got);
    case_free(&whole);
    case_free(&parts);
}

/* Of 3 layers: 6 values are left, and what is left has moved. */
TEST(adalora, a_run_ends_with_the_target_of_its_ranks)
{
    Case c;
    Safetensors file;
    char folder[4096];
    int64_t left = 0;
    const char *results = test_folder();
    case_load(&c, "name: a/b\n"
                  "data: {name: shapes, size: 8, n_train: 60, n_test: 10}\n"
                  "model: {name: mlp, hidden: [16, 8]}\n"
                  "methods: [{name: adalora, rank: 4, target_rank: 2, tinit: 2, tfinal: 2}]\n"
                  "optimizer: {name: adamw, lr: 0.01}\n"
                  "train: {steps: 10, batch_size: 10, eval_every: 10}\n");
    train(&c, results, 0);
    ASSERT_OK(rundir_path(results, &c.experiment, folder, &c.err), &c.err);
    const char *path = arena_printf(c.arena, "%s/checkpoint/model.safetensors", folder);
    ASSERT_OK(safetensors_open(&file, c.arena, path, &c.err), &c.err);
    for (int i = 0; i < file.n_tensors; i++) {
        const StTensor *t = &file.tensors[i];
        const float *e = t->data;
        for (int64_t j = 0; strstr(t->name, ".lora_E") && t->rank == 2 && j < t->n; j++)
            left += !strstr(t->name, "_E_") && e[j] != 0;
    }
    assert_int_equal(left, 6);
    safetensors_close(&file);
    case_free(&c);
}
