/* sequence_lm -- models of sequences asked at every step what comes next. */
#include "tests/model.h"
#include "tests/test.h"

#include "graph/plan.h"

#include <math.h>
#include <string.h>

enum { STEPS = 40, CHANGED = 23, BATCH = 2, TOKENS = 7, LOGITS = BATCH * STEPS * TOKENS };

typedef struct Asked {
    TestModel m;
    Plan *plan;
    float logits[LOGITS];
} Asked;

static void asked_open(Asked *a, const char *model, const char *options)
{
    Error err = {0};
    memset(a, 0, sizeof *a);
    a->m = test_model(model, options, shape(1, (int64_t)STEPS), TOKENS);
    ModelBuild *b = &a->m.build;
    b->graph = graph_new(a->m.arena);
    b->task.dtype = I32;
    b->task.n_tokens = TOKENS;
    b->task.per_step = b->task.causal = true;
    a->m.x = input(b->graph, "x", I32, shape(2, (int64_t)BATCH, (int64_t)STEPS));
    a->m.logits = a->m.model->build(b, a->m.options, a->m.x);
    ASSERT_OK(graph_ok(b->graph, &err), &err);
    ASSERT_OK(params_allocate(b->params, &err), &err);
    params_init(b->params, 3);
    const PlanOutput out = {.node = a->m.logits, .to = a->logits};
    a->plan = plan_new(b->graph, &out, 1, NULL, &err);
    ASSERT_OK(a->plan != NULL, &err);
    ASSERT_OK(plan_allocate(a->plan, &err), &err);
}

static void ask(Asked *a, const int32_t *tokens)
{
    plan_bind(a->plan, a->m.x, tokens);
    plan_run(a->plan, 0);
}

static void asked_close(Asked *a)
{
    plan_free(a->plan);
    test_model_free(&a->m);
}

static float difference(const float *x, const float *y, int64_t n)
{
    float most = 0;
    for (int64_t i = 0; i < n; i++) most = fmaxf(most, fabsf(x[i] - y[i]));
    return most;
}

/* Other tokens, or padding, from step CHANGED of the second row on change no logits before it, up
 * to the rounding of transforms over all steps, and none of the first row; but all after it. */
static void sees_no_later_step(const char *model, const char *options)
{
    static const int32_t others[] = {1, 0};
    int32_t tokens[BATCH * STEPS];
    float before[LOGITS];
    Asked a;
    asked_open(&a, model, options);
    for (int i = 0; i < BATCH * STEPS; i++) tokens[i] = 1 + i * i % (TOKENS - 1);
    ask(&a, tokens);
    memcpy(before, a.logits, sizeof before);
    for (int k = 0; k < 2; k++) {
        for (int t = CHANGED; t < STEPS; t++)
            tokens[STEPS + t] = others[k] ? 1 + (t + 3) * t * t % (TOKENS - 1) : 0;
        ask(&a, tokens);
        const int64_t row = (int64_t)STEPS * TOKENS, at = row + (int64_t)CHANGED * TOKENS;
        assert_true(difference(before, a.logits, at) < 1e-5f);
        assert_true(difference(before + at, a.logits + at, LOGITS - at) > 1e-2f);
        assert_true(fabsf(before[0] - before[row]) > 1e-3f); /* the rows do differ */
    }
    asked_close(&a);
}

TEST(sequence_lm, longconv_sees_no_later_step)
{
    sees_no_later_step("longconv", "{n_layers: 2, d_model: 8, norm: layer}");
}

TEST(sequence_lm, longconv_with_batch_norm_sees_no_later_step_in_evaluation)
{
    sees_no_later_step("longconv", "{n_layers: 2, d_model: 8, norm: batch, order: post}");
}

TEST(sequence_lm, learned_transforms_see_no_later_step)
{
    sees_no_later_step("longconv", "{n_layers: 1, d_model: 8, norm: layer, transform: butterfly}");
}

TEST(sequence_lm, s4d_sees_no_later_step)
{
    sees_no_later_step("s4d", "{n_layers: 2, d_model: 8, norm: layer, d_state: 8}");
}

TEST(sequence_lm, scanned_s4d_sees_no_later_step)
{
    sees_no_later_step("s4d", "{n_layers: 2, d_model: 8, norm: layer, d_state: 8, path: scan}");
}

TEST(sequence_lm, transformer_sees_no_later_step)
{
    sees_no_later_step("transformer", "{n_layers: 2, d_model: 8, n_heads: 2, tie: true}");
}

TEST(sequence_lm, lstm_sees_no_later_step)
{
    sees_no_later_step("lstm_classifier", "{n_layers: 2, d_model: 8}");
}

TEST(sequence_lm, kernels_of_both_directions_are_an_error)
{
    Error err = {0};
    TestModel m = test_model("longconv", "{n_layers: 1, d_model: 8, bidirectional: true}",
                             shape(1, (int64_t)STEPS), TOKENS);
    m.build.graph = graph_new(m.arena);
    m.build.task.n_tokens = TOKENS;
    m.build.task.causal = m.build.task.per_step = true;
    Node *x = input(m.build.graph, "x", I32, shape(2, (int64_t)BATCH, (int64_t)STEPS));
    (void)m.model->build(&m.build, m.options, x);
    ASSERT_FAILS(graph_ok(m.build.graph, &err), &err, FAIL_CONFIG,
                 "bidirectional kernels see the steps that are asked for");
    test_model_free(&m);
}

/* -- Tied decoder */

/* As a decoder of its own with the table's rows and no bias. */
TEST(sequence_lm, tied_decoder_is_the_table_of_tokens)
{
    int32_t tokens[BATCH * STEPS];
    float tied[LOGITS];
    Asked a;
    for (int i = 0; i < BATCH * STEPS; i++) tokens[i] = 1 + i * i % (TOKENS - 1);
    asked_open(&a, "lstm_classifier", "{d_model: 8, tie: true}");
    assert_null(params_find(a.m.build.params, "decoder.weight"));
    ask(&a, tokens);
    memcpy(tied, a.logits, sizeof tied);
    float table[TOKENS * 8];
    memcpy(table, params_find(a.m.build.params, "encoder.weight")->data, sizeof table);
    asked_close(&a);
    asked_open(&a, "lstm_classifier", "{d_model: 8}");
    const Params *ps = a.m.build.params;
    memcpy(params_find(ps, "encoder.weight")->data, table, sizeof table);
    memcpy(params_find(ps, "decoder.weight")->data, table, sizeof table);
    memset(params_find(ps, "decoder.bias")->data, 0, TOKENS * sizeof(float));
    ask(&a, tokens);
    assert_true(difference(tied, a.logits, LOGITS) < 1e-6f);
    assert_true(fabsf(tied[0]) > 1e-3f);
    asked_close(&a);
}

TEST(sequence_lm, tie_without_tokens_as_labels_is_an_error)
{
    Error err = {0};
    TestModel m = test_model("lstm_classifier", "{tie: true}", shape(1, (int64_t)STEPS), 3);
    m.build.graph = graph_new(m.arena);
    m.build.task.dtype = I32;
    m.build.task.n_tokens = TOKENS;
    Node *x = input(m.build.graph, "x", I32, shape(2, (int64_t)BATCH, (int64_t)STEPS));
    (void)m.model->build(&m.build, m.options, x);
    ASSERT_FAILS(graph_ok(m.build.graph, &err), &err, FAIL_CONFIG,
                 "tie: the data's labels are not the tokens that they are made of");
    test_model_free(&m);
}

/* -- First values of language models */

static void deviation_is(const Asked *a, const char *name, double expected)
{
    const Param *p = params_find(a->m.build.params, name);
    assert_non_null(p);
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < p->n; i++) {
        sum += (double)p->data[i];
        squares += (double)p->data[i] * (double)p->data[i];
    }
    const double n = (double)p->n, error = 5 / sqrt(2 * n); /* relative, of a sample's deviation */
    assert_true(fabs(sqrt(squares / n) - expected) <= error * expected);
    assert_true(fabs(sum / n) <= 5 * expected / sqrt(n));
}

/* 0.02 and, with two layers, 0.02 / sqrt(4). */
TEST(sequence_lm, gpt2_init_of_a_transformer)
{
    Asked a;
    asked_open(&a, "transformer",
               "{n_layers: 2, d_model: 24, n_heads: 2, tie: true, gpt2_init: true}");
    deviation_is(&a, "encoder.weight", 0.02);
    deviation_is(&a, "positions.weight", 0.02);
    deviation_is(&a, "layers.1.attention.qkv.weight", 0.02);
    deviation_is(&a, "layers.1.attention.output.weight", 0.01);
    deviation_is(&a, "layers.0.mlp.0.weight", 0.02);
    deviation_is(&a, "layers.0.mlp.1.weight", 0.01);
    deviation_is(&a, "layers.0.mlp.1.bias", 0);
    asked_close(&a);
}

TEST(sequence_lm, gpt2_init_of_longconv)
{
    Asked a;
    asked_open(&a, "longconv", "{n_layers: 2, d_model: 24, norm: layer, gpt2_init: true}");
    deviation_is(&a, "encoder.weight", 0.02);
    deviation_is(&a, "layers.0.D", 1);
    deviation_is(&a, "layers.1.kernel", 0.002);
    deviation_is(&a, "layers.1.output.weight", 0.01);
    deviation_is(&a, "layers.1.output.bias", 0);
    deviation_is(&a, "decoder.weight", 0.02);
    deviation_is(&a, "decoder.bias", 0);
    asked_close(&a);
}

TEST(sequence_lm, tied_tables_start_at_the_width)
{
    Asked a;
    asked_open(&a, "lstm_classifier", "{d_model: 16, tie: true}");
    deviation_is(&a, "encoder.weight", 0.25);
    asked_close(&a);
    asked_open(&a, "lstm_classifier", "{d_model: 16}");
    deviation_is(&a, "encoder.weight", 1);
    asked_close(&a);
}
