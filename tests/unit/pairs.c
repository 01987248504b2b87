/* pairs -- the head over two sequences that share all weights. */
#include "tests/model.h"
#include "tests/test.h"

#include "graph/plan.h"
#include "nn/sequence.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 3, WIDTH = 4, CLASSES = 2, STEPS = 6, TOKENS = 7 };

/* -- The head by its formula */

typedef struct Head {
    Arena *arena;
    ModelBuild build;
    int n_features; /* 2: concat, 4: nli; each of WIDTH */
    float logits[BATCH * CLASSES];
} Head;

static void run_head(Head *h, const float *pooled)
{
    Error err = {0};
    h->build.graph = graph_new(h->arena);
    Node *x = input(h->build.graph, "x", F32, shape(2, (int64_t)2 * BATCH, (int64_t)WIDTH));
    const SequenceOptions o = {.pair = h->n_features == 2};
    Node *y = sequence_head(&h->build, &o, x);
    ASSERT_OK(graph_ok(h->build.graph, &err), &err);
    if (!h->build.params->allocated) {
        ASSERT_OK(params_allocate(h->build.params, &err), &err);
        params_init(h->build.params, 5);
    }
    Plan *plan = plan_new(h->build.graph, &(PlanOutput){.node = y, .to = h->logits}, 1, NULL, &err);
    ASSERT_OK(plan != NULL, &err);
    ASSERT_OK(plan_allocate(plan, &err), &err);
    plan_bind(plan, x, pooled);
    plan_run(plan, 0);
    plan_free(plan);
}

static Head head_new(int n_features)
{
    Head h = {.arena = arena_new(), .n_features = n_features};
    h.build.params = params_new(h.arena);
    h.build.task = (Task){.n_classes = CLASSES, .pair = true};
    return h;
}

static void head_free(Head *h)
{
    params_free(h->build.params);
    arena_free(h->arena);
}

static void fill(float x[2 * BATCH * WIDTH])
{
    for (int i = 0; i < 2 * BATCH * WIDTH; i++) x[i] = (float)((i * 37) % 23 - 11) / 8;
}

/* decoder(gelu(pair([a, b, a - b, a b]))) in double, with erf of libm. */
static void head_is_its_formula(int n_features)
{
    Head h = head_new(n_features);
    float x[2 * BATCH * WIDTH];
    fill(x);
    run_head(&h, x);
    const float *w = params_find(h.build.params, "pair.weight")->data;
    const float *bias = params_find(h.build.params, "pair.bias")->data;
    const float *v = params_find(h.build.params, "decoder.weight")->data;
    const float *c = params_find(h.build.params, "decoder.bias")->data;
    const int n = n_features * WIDTH;
    for (int i = 0; i < BATCH; i++) {
        double f[4 * WIDTH], hidden[WIDTH];
        for (int k = 0; k < WIDTH; k++) {
            const double a = (double)x[2 * i * WIDTH + k], b = (double)x[(2 * i + 1) * WIDTH + k];
            f[k] = a;
            f[WIDTH + k] = b;
            f[2 * WIDTH + k] = a - b;
            f[3 * WIDTH + k] = a * b;
        }
        for (int k = 0; k < WIDTH; k++) {
            double s = (double)bias[k];
            for (int j = 0; j < n; j++) s += (double)w[k * n + j] * f[j];
            hidden[k] = 0.5 * s * (1 + erf(s / sqrt(2)));
        }
        for (int k = 0; k < CLASSES; k++) {
            double s = (double)c[k];
            for (int j = 0; j < WIDTH; j++) s += (double)v[k * WIDTH + j] * hidden[j];
            /* some 20 float additions and products of numbers below 4 */
            assert_true(fabs(s - (double)h.logits[i * CLASSES + k]) < 20 * 4 * 6e-8);
        }
    }
    head_free(&h);
}

TEST(pairs, nli_features_are_a_b_their_difference_and_product)
{
    head_is_its_formula(4);
}

TEST(pairs, concat_features_are_a_and_b)
{
    head_is_its_formula(2);
}

/* head(b, a) by W = head(a, b) by W with its blocks of a and b exchanged and that of a - b negated.
 */
static void swapping_is_another_matrix(int n_features)
{
    Head h = head_new(n_features);
    float x[2 * BATCH * WIDTH], swapped[2 * BATCH * WIDTH], expected[BATCH * CLASSES];
    fill(x);
    for (int i = 0; i < 2 * BATCH * WIDTH; i++)
        swapped[i] = x[((i / WIDTH) ^ 1) * WIDTH + i % WIDTH];
    run_head(&h, swapped);
    memcpy(expected, h.logits, sizeof expected);
    run_head(&h, x);
    assert_true(fabsf(h.logits[0] - expected[0]) > 1e-3f); /* the order does matter */
    float *w = params_find(h.build.params, "pair.weight")->data;
    const int64_t n = (int64_t)n_features * WIDTH;
    for (int k = 0; k < WIDTH; k++, w += n)
        for (int j = 0; j < WIDTH; j++) {
            const float of_a = w[j];
            w[j] = w[WIDTH + j];
            w[WIDTH + j] = of_a;
            if (n_features == 4) w[2 * WIDTH + j] = -w[2 * WIDTH + j];
        }
    run_head(&h, x);
    for (int i = 0; i < BATCH * CLASSES; i++)
        assert_true(fabsf(h.logits[i] - expected[i]) < 20 * 4 * 6e-8f);
    head_free(&h);
}

TEST(pairs, swapping_with_nli_exchanges_blocks_and_one_sign)
{
    swapping_is_another_matrix(4);
}

TEST(pairs, swapping_with_concat_exchanges_blocks)
{
    swapping_is_another_matrix(2);
}

/* -- Whole models on pairs of tokens */

static void pair_logits(TestModel *m, int64_t steps, const int32_t *tokens, float out[CLASSES])
{
    Error err = {0};
    const bool first = !m->build.params->allocated;
    m->build.graph = graph_new(m->arena);
    m->build.task = (Task){.sample = shape(2, INT64_C(2), steps),
                           .dtype = I32,
                           .n_tokens = TOKENS,
                           .n_classes = CLASSES,
                           .pair = true};
    m->x = input(m->build.graph, "x", I32, shape(3, INT64_C(1), INT64_C(2), steps));
    m->logits = m->model->build(&m->build, m->options, m->x);
    ASSERT_OK(graph_ok(m->build.graph, &err), &err);
    if (first) {
        ASSERT_OK(params_allocate(m->build.params, &err), &err);
        params_init(m->build.params, 3);
    }
    Plan *plan =
        plan_new(m->build.graph, &(PlanOutput){.node = m->logits, .to = out}, 1, NULL, &err);
    ASSERT_OK(plan != NULL, &err);
    ASSERT_OK(plan_allocate(plan, &err), &err);
    plan_bind(plan, m->x, tokens);
    plan_run(plan, 0);
    plan_free(plan);
}

/* Two texts of 3 and of 6 steps give the same, however much padding follows; and the padding of one
 * is not that of the other. */
static void padding_is_each_texts_own(const char *model, const char *options)
{
    static const int32_t tight[2 * STEPS] = {1, 4, 2, 0, 0, 0, 3, 6, 5, 1, 1, 2};
    static const int32_t turned[2 * STEPS] = {3, 6, 5, 1, 1, 2, 1, 4, 2, 0, 0, 0};
    int32_t wide[4 * STEPS] = {0};
    float expected[CLASSES], got[CLASSES];
    for (int i = 0; i < 2 * STEPS; i++) wide[i / STEPS * 2 * STEPS + i % STEPS] = tight[i];
    TestModel m = test_model(model, options, shape(2, INT64_C(2), (int64_t)STEPS), CLASSES);
    pair_logits(&m, STEPS, tight, expected);
    pair_logits(&m, INT64_C(2) * STEPS, wide, got);
    for (int i = 0; i < CLASSES; i++) assert_true(fabsf(got[i] - expected[i]) < 2e-6f);
    pair_logits(&m, STEPS, turned, got);
    assert_true(fabsf(got[0] - expected[0]) > 1e-4f);
    test_model_free(&m);
}

TEST(pairs, of_longconv_have_their_own_padding)
{
    padding_is_each_texts_own("longconv", "{n_layers: 2, d_model: 8, norm: layer, kernel_length: "
                                          "6, bidirectional: true}");
}

TEST(pairs, of_s4d_have_their_own_padding)
{
    padding_is_each_texts_own("s4d", "{n_layers: 2, d_model: 8, norm: layer, d_state: 8, pool: "
                                     "last}");
}

TEST(pairs, of_a_transformer_have_their_own_padding)
{
    padding_is_each_texts_own("transformer", "{n_layers: 2, d_model: 8, n_heads: 2, pool: cls, "
                                             "positions: sinusoidal}");
}

TEST(pairs, of_an_lstm_have_their_own_padding)
{
    padding_is_each_texts_own("lstm_classifier", "{n_layers: 2, d_model: 8, pool: last}");
}

TEST(pairs, that_are_no_pairs_are_an_error)
{
    Error err = {0};
    TestModel m = test_model("lstm_classifier", "{}", shape(1, (int64_t)STEPS), CLASSES);
    m.build.task = (Task){.dtype = I32, .n_tokens = TOKENS, .n_classes = CLASSES, .pair = true};
    m.build.graph = graph_new(m.arena);
    (void)m.model->build(&m.build, m.options,
                         input(m.build.graph, "x", I32, shape(2, INT64_C(1), (int64_t)STEPS)));
    ASSERT_FAILS(graph_ok(m.build.graph, &err), &err, FAIL_CONFIG,
                 "a pair is two sequences of equal length");
    test_model_free(&m);
}
