/* lsuv -- unit variance layer after layer, and the statistics that batch norms keep. */
#include "tests/model.h"
#include "tests/test.h"

#include "base/pcg.h"
#include "graph/plan.h"

#include <math.h>
#include <string.h>

enum { MAX_LAYERS = 32 };
static const double TOLERANCE = 0.05;

typedef struct Seen {
    int n;
    PlanOutput output[MAX_LAYERS];
    const char *name[MAX_LAYERS];
    Param *weight[MAX_LAYERS];
} Seen;

static void see(void *owner, const char *layer, Param *weight, Node *output)
{
    Seen *s = owner;
    assert_true(s->n < MAX_LAYERS);
    s->name[s->n] = layer;
    s->weight[s->n] = weight;
    s->output[s->n++] = (PlanOutput){.node = output};
}

/* A batch of normals with mean 0.3 and deviation 2. */
static float *batch(TestModel *m, int64_t n)
{
    Pcg rng = pcg_stream(3, "test", 0, 0);
    const int64_t count = n * shape_count(&m->build.task.sample);
    float *x = arena_new_array(m->arena, float, count);
    for (int64_t i = 0; i < count; i++) x[i] = (float)(0.3 + 2 * pcg_normal(&rng));
    return x;
}

static double variance(const float *y, int64_t n)
{
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < n; i++) sum += (double)y[i], squares += (double)y[i] * (double)y[i];
    return squares / (double)n - sum / (double)n * (sum / (double)n);
}

/* Every layer's output, all in one plan, after LSUV. */
static void variances_are_one(const char *name, const char *options, int expected_layers)
{
    enum { BATCH = 16 };
    Error err = {0};
    Seen seen = {0};
    TestModel m = test_model(name, options, shape(3, INT64_C(8), INT64_C(8), INT64_C(3)), 10);
    test_model_init(&m, BATCH, 5);
    const float *x = batch(&m, BATCH);
    ASSERT_OK(lsuv_init(m.model, m.options, &m.build, x, BATCH, TOLERANCE, &err), &err);
    m.build.observe = see;
    m.build.observer = &seen;
    test_model_build(&m, BATCH, true);
    assert_int_equal(seen.n, expected_layers);
    Plan *plan = plan_new(m.build.graph, seen.output, seen.n, NULL, &err);
    ASSERT_OK(plan != NULL, &err);
    ASSERT_OK(plan_allocate(plan, &err), &err);
    plan_bind(plan, m.x, x);
    plan_run(plan, 0);
    for (int i = 0; i < seen.n; i++) {
        const Node *y = seen.output[i].node;
        const double v = variance(plan_value(plan, y), shape_count(&y->shape));
        if (fabs(v - 1) > TOLERANCE) print_error("%s: variance %g\n", seen.name[i], v);
        assert_true(fabs(v - 1) <= TOLERANCE + 1e-5);
    }
    plan_free(plan);
    test_model_free(&m);
}

TEST(lsuv, mlp_has_unit_variance_in_every_layer)
{
    variances_are_one("mlp", "{init: lsuv, hidden: [30, 20, 40], activation: tanh}", 4);
}

TEST(lsuv, conv4_has_unit_variance_in_every_layer)
{
    variances_are_one("conv4", "{init: lsuv}", 7);
}

TEST(lsuv, resnet8_with_batch_norm_has_unit_variance_in_every_layer)
{
    variances_are_one("resnet8", "{init: lsuv, shortcut: B}", 10);
}

TEST(lsuv, scales_orthogonal_weights_and_moves_no_statistic)
{
    Error err = {0};
    TestModel m =
        test_model("resnet8", "{init: lsuv}", shape(3, INT64_C(8), INT64_C(8), INT64_C(3)), 10);
    test_model_init(&m, 4, 5);
    const float *x = batch(&m, 4);
    ASSERT_OK(lsuv_init(m.model, m.options, &m.build, x, 4, TOLERANCE, &err), &err);
    const Param *w = params_find(m.build.params, "layer3.0.conv2.weight"); /* (64, 64 * 9) */
    double first = 0, dot = 0;
    for (int64_t i = 0; i < 576; i++) {
        first += (double)w->data[i] * (double)w->data[i];
        dot += (double)w->data[i] * (double)w->data[576 + i];
    }
    assert_true(fabs(dot) < 1e-6 * first);
    assert_true(fabs(first - 1) > 0.1); /* it was scaled */
    const Param *kept = params_find(m.build.params, "bn1.running_mean");
    for (int64_t i = 0; i < kept->n; i++) assert_true(kept->data[i] == 0);
    test_model_free(&m);
}

TEST(lsuv, batch_of_zeros_names_the_layer)
{
    Error err = {0};
    TestModel m =
        test_model("conv2", "{init: lsuv}", shape(3, INT64_C(8), INT64_C(8), INT64_C(3)), 10);
    test_model_init(&m, 2, 5);
    const float *x = arena_new_array(m.arena, float, 2 * 8 * 8 * 3);
    ASSERT_FAILS(lsuv_init(m.model, m.options, &m.build, x, 2, TOLERANCE, &err), &err, FAIL_RUN,
                 "init lsuv: the output of layer 'conv_layers.0' has variance 0 over the batch");
    test_model_free(&m);
}

/* torch's rule: running = 0.9 running + 0.1 batch, the variance with n - 1. */
TEST(batch_norm, running_statistics_move_as_torchs)
{
    enum { BATCH = 6, IN = 3 };
    Error err = {0};
    Seen seen = {0};
    TestModel m = test_model("mlp", "{hidden: [2], batch_norm: true}", shape(1, INT64_C(3)), 2);
    test_model_init(&m, BATCH, 5);
    const float *x = batch(&m, BATCH);
    m.build.observe = see;
    m.build.observer = &seen;
    test_model_build(&m, BATCH, true);
    Plan *plan = plan_new(m.build.graph, seen.output, seen.n, NULL, &err);
    ASSERT_OK(plan != NULL, &err);
    ASSERT_OK(plan_allocate(plan, &err), &err);
    plan_bind(plan, m.x, x);
    plan_run(plan, 0);
    const float *y = plan_value(plan, seen.output[0].node); /* (6, 2), what the norm sees */
    for (int c = 0; c < 2; c++) {
        double mean = 0, squares = 0;
        for (int i = 0; i < BATCH; i++) mean += (double)y[2 * i + c] / BATCH;
        for (int i = 0; i < BATCH; i++) {
            const double d = (double)y[2 * i + c] - mean;
            squares += d * d;
        }
        const Param *moved = params_find(m.build.params, "bn_layers.0.running_mean");
        assert_true(fabs((double)moved->data[c] - 0.1 * mean) < 1e-6);
        moved = params_find(m.build.params, "bn_layers.0.running_var");
        assert_true(fabs((double)moved->data[c] - (0.9 + 0.1 * squares / (BATCH - 1))) < 1e-5);
    }
    plan_free(plan);
    test_model_free(&m);
}
