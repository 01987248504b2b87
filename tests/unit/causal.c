/* causal -- models of sequences where every step is asked for what comes next: no step sees a later
 * one, and each sees its own. */
#include "tests/model.h"
#include "tests/test.h"

#include "graph/plan.h"

#include <math.h>
#include <string.h>

enum { STEPS = 20, CHANGED = 12, TOKENS = 6 };

/* Logits (STEPS, TOKENS) of one row, of evaluation. */
static void row_logits(TestModel *m, Plan *plan, const int32_t *row, float *out)
{
    plan_bind(plan, m->x, row);
    plan_run(plan, 0);
    memcpy(out, plan_value(plan, m->logits), sizeof(float) * STEPS * TOKENS);
}

static double largest_change(const float *a, const float *b, int from, int to)
{
    double most = 0;
    for (int i = from * TOKENS; i < to * TOKENS; i++)
        most = fmax(most, fabs((double)a[i] - (double)b[i]));
    return most;
}

/* Steps so few that convolutions are sums, in which what comes later has no part: not a bit of the
 * logits before the changed token moves. */
static void sees_no_later_step(const char *model, const char *options)
{
    Error err = {0};
    int32_t row[STEPS];
    float before[STEPS * TOKENS], after[STEPS * TOKENS];
    TestModel m = test_model(model, options, shape(1, (int64_t)STEPS), TOKENS);
    m.build.task.dtype = I32;
    m.build.task.n_tokens = TOKENS;
    m.build.task.per_step = m.build.task.causal = true;
    m.build.graph = graph_new(m.arena);
    m.x = input(m.build.graph, "x", I32, shape(2, INT64_C(1), (int64_t)STEPS));
    m.logits = m.model->build(&m.build, m.options, m.x);
    ASSERT_OK(graph_ok(m.build.graph, &err), &err);
    ASSERT_OK(params_allocate(m.build.params, &err), &err);
    params_init(m.build.params, 3);
    Plan *plan = plan_new(m.build.graph, &(PlanOutput){.node = m.logits}, 1, NULL, &err);
    ASSERT_OK(plan && plan_allocate(plan, &err), &err);
    for (int t = 0; t < STEPS; t++) row[t] = 1 + t * t % (TOKENS - 1);
    row_logits(&m, plan, row, before);
    row[CHANGED] = row[CHANGED] % (TOKENS - 1) + 1;
    row_logits(&m, plan, row, after);
    assert_memory_equal(before, after, sizeof(float) * CHANGED * TOKENS);
    assert_true(largest_change(before, after, CHANGED, CHANGED + 1) > 1e-4);
    assert_true(largest_change(before, after, CHANGED + 1, STEPS) > 1e-6);
    plan_free(plan);
    test_model_free(&m);
}

TEST(causal, longconv_sees_no_later_step)
{
    sees_no_later_step("longconv", "{n_layers: 2, d_model: 8}");
}

TEST(causal, s4d_sees_no_later_step)
{
    sees_no_later_step("s4d", "{n_layers: 2, d_model: 8, d_state: 8}");
}

TEST(causal, h3_sees_no_later_step)
{
    sees_no_later_step("h3", "{n_layers: 2, d_model: 8, kernel_init: double_exp}");
}

TEST(causal, h3_of_heads_and_short_kernels_sees_no_later_step)
{
    sees_no_later_step("h3", "{n_layers: 2, d_model: 8, head_dim: 4, first: short}");
}

TEST(causal, h3_with_attention_sees_no_later_step)
{
    sees_no_later_step("h3", "{n_layers: 2, d_model: 8, n_heads: 2, attention_layers: [0]}");
}

TEST(causal, transformer_sees_no_later_step)
{
    sees_no_later_step("transformer", "{n_layers: 2, d_model: 8, n_heads: 2}");
}

TEST(causal, lstm_sees_no_later_step)
{
    sees_no_later_step("lstm_classifier", "{n_layers: 2, d_model: 8}");
}

TEST(causal, cnn1d_sees_no_later_step)
{
    sees_no_later_step("cnn1d", "{n_layers: 3, d_model: 8, kernel_size: 4}");
}
