/* lora -- the adapters' effective weights, and what they leave alone. */
#include "tests/adapted.h"
#include "tests/test.h"

#include "graph/plan.h"
#include "methods/method.h"

#include <math.h>
#include <string.h>

static const Param *get(const AdaptedLayers *k, const char *name)
{
    const Param *p = params_find(k->m.build.params, name);
    assert_non_null(p);
    return p;
}

TEST(lora, freezes_all_but_the_factors)
{
    AdaptedLayers k;
    adapted_layers(&k, "lora", "{rank: 2}");
    for (const Param *p = k.m.build.params->first; p; p = p->next) {
        assert_int_equal(p->trainable, strstr(p->name, ".lora_") != NULL);
        assert_int_equal(p->grad != NULL, p->trainable);
    }
    /* A and B of both layers, each padded to 16 floats: 8 -> 16, 12 -> 16, 12 -> 16, 6 -> 16 */
    assert_int_equal(k.m.build.params->n_trainable, 64);
    test_model_free(&k.m);
}

TEST(lora, factors_have_the_shapes_and_first_values_of_the_paper)
{
    AdaptedLayers k;
    adapted_layers(&k, "lora", "{rank: 2, lr_ratio: 16}");
    const Param *a = get(&k, "fc_layers.0.lora_A.weight"),
                *b = get(&k, "fc_layers.0.lora_B.weight");
    assert_true(a->shape.dim[0] == 2 && a->shape.dim[1] == 4);
    assert_true(b->shape.dim[0] == 6 && b->shape.dim[1] == 2);
    float largest = 0;
    for (int64_t i = 0; i < a->n; i++) largest = fmaxf(largest, fabsf(a->data[i]));
    assert_true(largest > 0 && largest <= 0.5f); /* 1 / sqrt(4) */
    for (int64_t i = 0; i < b->n; i++) assert_true(b->data[i] == 0);
    assert_true(b->lr_multiplier == 16 && a->lr_multiplier == 1);
    test_model_free(&k.m);
}

TEST(lora, bias_says_which_biases_are_trained)
{
    AdaptedLayers k;
    adapted_layers(&k, "lora", "{targets: fc, bias: own}");
    assert_true(get(&k, "fc.bias")->trainable);
    assert_false(get(&k, "fc_layers.0.bias")->trainable);
    assert_null(params_find(k.m.build.params, "fc_layers.0.lora_A.weight"));
    test_model_free(&k.m);
    adapted_layers(&k, "lora", "{targets: fc, bias: all}");
    assert_true(get(&k, "fc_layers.0.bias")->trainable);
    test_model_free(&k.m);
}

/* The logits of test numbers, by the parameters as they are. */
static void logits(const TestModel *m, float out[6])
{
    Error err = {0};
    float x[8];
    for (int64_t i = 0; i < 8; i++) x[i] = test_number("x", i);
    const PlanOutput output = {m->logits, out};
    Plan *plan = plan_new(m->build.graph, &output, 1, NULL, &err);
    assert_non_null(plan);
    ASSERT_OK(plan_allocate(plan, &err), &err);
    plan_bind(plan, m->x, x);
    plan_run(plan, 0);
    plan_free(plan);
}

TEST(lora, leaves_the_first_logits_alone)
{
    AdaptedLayers k;
    TestModel plain = test_model("mlp", "{hidden: [6]}", shape(1, INT64_C(4)), 3);
    float want[6], got[6];
    adapted_layers(&k, "lora", "{rank: 2}");
    test_model_init(&plain, 2, 1);
    logits(&plain, want);
    logits(&k.m, got);
    for (int i = 0; i < 6; i++) assert_true(want[i] == got[i]);
    test_model_free(&plain);
    test_model_free(&k.m);
}

/* W + s B A in double, put in the place of W. */
static void merge(const AdaptedLayers *k, Params *into, const char *layer, double s)
{
    char name[64];
    (void)snprintf(name, sizeof name, "%s.lora_A.weight", layer);
    const Param *a = get(k, name);
    (void)snprintf(name, sizeof name, "%s.lora_B.weight", layer);
    const Param *b = get(k, name);
    (void)snprintf(name, sizeof name, "%s.weight", layer);
    const Param *w = get(k, name), *to = params_find(into, name);
    const int64_t in = a->shape.dim[1], rank = a->shape.dim[0];
    for (int64_t i = 0; i < w->n; i++) {
        double sum = 0;
        for (int64_t r = 0; r < rank; r++)
            sum += (double)b->data[i / in * rank + r] * (double)a->data[r * in + i % in];
        to->data[i] = (float)((double)w->data[i] + s * sum);
    }
}

static void check_merged(const char *options, double s)
{
    AdaptedLayers k;
    TestModel plain = test_model("mlp", "{hidden: [6]}", shape(1, INT64_C(4)), 3);
    float want[6], got[6];
    adapted_layers(&k, "lora", options);
    test_model_init(&plain, 2, 1);
    for (Param *p = k.m.build.params->first; p; p = p->next)
        for (int64_t i = 0; i < p->n && strstr(p->name, "lora_B"); i++)
            p->data[i] = test_number(p->name, i);
    logits(&plain, want);
    logits(&k.m, got);
    assert_true(fabsf(want[0] - got[0]) > 1e-3F);
    merge(&k, plain.build.params, "fc_layers.0", s);
    merge(&k, plain.build.params, "fc", s);
    logits(&plain, want);
    for (int i = 0; i < 6; i++) assert_true(fabsf(want[i] - got[i]) <= 1e-5F);
    test_model_free(&plain);
    test_model_free(&k.m);
}

TEST(lora, equals_the_merged_network)
{
    check_merged("{rank: 2, alpha: 6}", 3);
}

TEST(lora, rslora_divides_by_the_root_of_the_rank)
{
    check_merged("{rank: 2, alpha: 6, rslora: true}", 4.242640687119285);
}
