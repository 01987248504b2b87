/* sequence -- what the models of sequences make of tokens, padding and their options. */
#include "tests/model.h"
#include "tests/test.h"

#include "graph/plan.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

enum { SHORT = 5, LONG = 9, CLASSES = 3, BATCH = 2, PAD = 0, TOKENS = 6 };

/* Logits of two rows of tokens, by parameters that both lengths share. */
static void token_logits(TestModel *m, int64_t steps, const int32_t *tokens,
                         float out[BATCH * CLASSES])
{
    Error err = {0};
    const bool first = !m->build.params->allocated;
    m->build.graph = graph_new(m->arena);
    m->build.task.sample = shape(1, steps);
    m->build.task.dtype = I32;
    m->build.task.n_tokens = TOKENS;
    m->x = input(m->build.graph, "x", I32, shape(2, (int64_t)BATCH, steps));
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

/* The same rows with padding at their end have the same class; the sums of the short and the long
 * form differ in their rounding. */
static void padding_changes_nothing(const char *model, const char *options)
{
    static const int32_t rows[BATCH * SHORT] = {1, 4, 2, 2, 3, 5, 1, 3, 4, 2};
    int32_t padded[BATCH * LONG];
    float expected[BATCH * CLASSES], got[BATCH * CLASSES];
    for (int i = 0; i < BATCH * LONG; i++)
        padded[i] = i % LONG < SHORT ? rows[i / LONG * SHORT + i % LONG] : PAD;
    TestModel m = test_model(model, options, shape(1, (int64_t)SHORT), CLASSES);
    token_logits(&m, SHORT, rows, expected);
    token_logits(&m, LONG, padded, got);
    assert_true(fabsf(got[0] - got[CLASSES]) > 1e-3f); /* the rows do differ */
    for (int i = 0; i < BATCH * CLASSES; i++) assert_true(fabsf(got[i] - expected[i]) < 2e-6f);
    test_model_free(&m);
}

TEST(sequence, padding_changes_no_mean_of_longconv)
{
    padding_changes_nothing("longconv", "{n_layers: 2, d_model: 8, norm: layer, kernel_length: 5, "
                                        "bidirectional: true}");
}

TEST(sequence, padding_changes_no_last_step_of_longconv)
{
    padding_changes_nothing("longconv", "{n_layers: 2, d_model: 8, norm: layer, kernel_length: 5, "
                                        "pool: last}");
}

TEST(sequence, padding_changes_no_s4d)
{
    padding_changes_nothing("s4d", "{n_layers: 1, d_model: 8, norm: layer, order: post, "
                                   "d_state: 8}");
}

TEST(sequence, padding_changes_no_mean_of_a_transformer)
{
    padding_changes_nothing("transformer", "{n_layers: 2, d_model: 8, n_heads: 2, positions: "
                                           "sinusoidal}");
}

TEST(sequence, padding_changes_no_class_step_of_a_transformer)
{
    padding_changes_nothing("transformer", "{n_layers: 2, d_model: 8, n_heads: 2, pool: cls, "
                                           "positions: sinusoidal}");
}

TEST(sequence, padding_changes_no_last_step_of_an_lstm)
{
    padding_changes_nothing("lstm_classifier", "{d_model: 8, pool: last}");
}

TEST(sequence, padding_changes_no_mean_of_h3)
{
    padding_changes_nothing("h3", "{n_layers: 2, d_model: 8, n_heads: 2, attention_layers: [1], "
                                  "kernel_length: 5}");
}

TEST(sequence, padding_changes_no_cnn1d)
{
    padding_changes_nothing("cnn1d", "{n_layers: 3, d_model: 8, norm: layer}");
    padding_changes_nothing("cnn1d", "{n_layers: 2, d_model: 8, norm: layer, kernel_size: 4, "
                                     "pool: last}");
}

TEST(sequence, without_a_pad_id_padding_counts)
{
    static const int32_t rows[BATCH * SHORT] = {1, 4, 2, 0, 0, 3, 5, 1, 0, 0};
    float with[BATCH * CLASSES], without[BATCH * CLASSES];
    TestModel m = test_model("lstm_classifier", "{d_model: 8}", shape(1, (int64_t)SHORT), CLASSES);
    token_logits(&m, SHORT, rows, with);
    test_model_free(&m);
    m = test_model("lstm_classifier", "{d_model: 8, pad_id: -1}", shape(1, (int64_t)SHORT),
                   CLASSES);
    token_logits(&m, SHORT, rows, without);
    assert_int_equal(params_find(m.build.params, "encoder.weight")->shape.dim[0], TOKENS);
    assert_true(fabsf(with[0] - without[0]) > 1e-4f);
    test_model_free(&m);
}

/* -- Options */

static void build_fails(const char *model, const char *options, DType dtype, Shape sample,
                        const char *text)
{
    Error err = {0};
    TestModel m = test_model(model, options, sample, CLASSES);
    Shape s = {.rank = sample.rank + 1, .dim = {BATCH}};
    for (int i = 0; i < sample.rank; i++) s.dim[i + 1] = sample.dim[i];
    m.build.graph = graph_new(m.arena);
    (void)m.model->build(&m.build, m.options, input(m.build.graph, "x", dtype, s));
    ASSERT_FAILS(graph_ok(m.build.graph, &err), &err, FAIL_CONFIG, text);
    test_model_free(&m);
}

static const Shape STEPS = {
    2, {SHORT, 1}
};

TEST(sequence, pairs_of_token_rows_are_an_error)
{
    build_fails("lstm_classifier", "{}", I32, shape(2, INT64_C(2), (int64_t)SHORT),
                "a sequence of tokens has one axis");
}

TEST(sequence, video_is_an_error)
{
    build_fails("longconv", "{}", F32, shape(4, INT64_C(2), INT64_C(3), INT64_C(3), INT64_C(1)),
                "a sequence is (steps, numbers), an image or tokens, not (2, 3, 3, 1)");
}

TEST(sequence, heads_that_do_not_divide_the_width_are_an_error)
{
    build_fails("transformer", "{d_model: 10, n_heads: 4}", F32, STEPS,
                "n_heads is 4, which does not divide the attention's width 10");
}

TEST(sequence, odd_number_of_states_is_an_error)
{
    build_fails("s4d", "{d_model: 4, d_state: 7}", F32, STEPS,
                "d_state is 7; states come in conjugate pairs");
}

TEST(sequence, scan_with_a_learned_transform_is_an_error)
{
    build_fails("s4d", "{d_model: 4, path: scan, transform: butterfly}", F32, STEPS,
                "path scan walks the states and has no transform to learn");
}

static Param *built(TestModel *m, const char *options, const char *name)
{
    *m = test_model("longconv", options, STEPS, CLASSES);
    test_model_build(m, BATCH, true);
    Param *p = params_find(m->build.params, name);
    assert_non_null(p);
    return p;
}

TEST(sequence, kernels_learn_at_their_own_rate_and_do_not_decay)
{
    TestModel m;
    const Param *k = built(&m, "{n_layers: 1, d_model: 4, kernel_lr: 0.05}", "layers.0.kernel");
    assert_true(k->lr_multiplier == 0.05f);
    assert_true(k->weight_decay_multiplier == 0);
    assert_int_equal(k->role, ROLE_KERNEL);
    const Param *w = params_find(m.build.params, "layers.0.output.weight");
    assert_true(w->lr_multiplier == 1 && w->weight_decay_multiplier == 1);
    test_model_free(&m);
}

TEST(sequence, option_init_leaves_kernels_alone)
{
    TestModel m;
    const Param *k =
        built(&m, "{n_layers: 1, d_model: 4, init: orthogonal, kernel_init: double_exp}",
              "layers.0.kernel");
    assert_int_equal(k->init.kind, INIT_DECAYING_NORMAL);
    assert_int_equal(params_find(m.build.params, "layers.0.output.weight")->init.kind,
                     INIT_ORTHOGONAL);
    test_model_free(&m);
}

static int draws(const TestModel *m, int64_t n)
{
    int found = 0;
    for (int i = 0; i < m->build.graph->n_nodes; i++) {
        const Node *node = m->build.graph->nodes[i];
        found += node->n_src == 0 && shape_count(&node->shape) == n;
    }
    return found;
}

/* A draw for each unit of each example where it is tied, else one at each step too. */
TEST(sequence, tied_dropout_draws_once_a_sequence)
{
    TestModel m;
    (void)built(&m, "{n_layers: 1, d_model: 7, channels: 1, dropout: 0.5}", "layers.0.kernel");
    const int tied = draws(&m, (int64_t)BATCH * 7),
              free_draws = draws(&m, (int64_t)BATCH * 7 * SHORT);
    test_model_free(&m);
    (void)built(&m, "{n_layers: 1, d_model: 7, channels: 1, dropout: 0.5, tie_dropout: false}",
                "layers.0.kernel");
    assert_int_equal(draws(&m, (int64_t)BATCH * 7), tied - 2);
    assert_int_equal(draws(&m, (int64_t)BATCH * 7 * SHORT), free_draws + 2);
    test_model_free(&m);
}

/* -- First values */

static float *first_values(Shape s, InitKind kind)
{
    Param p = {.name = "layers.0.kernel", .shape = s, .n = shape_count(&s)};
    p.init = (Init){.kind = kind, .a = 0.02};
    p.data = calloc((size_t)p.n, sizeof *p.data);
    assert_non_null(p.data);
    param_init(&p, 9);
    return p.data;
}

/* The normals of the same stream times exp(-(j / L) floor(H / 2)^(i / H)). */
TEST(sequence, decaying_normals_have_the_papers_envelope)
{
    enum { ROWS = 2, H = 7, L = 30 };
    const Shape s = shape(3, (int64_t)ROWS, (int64_t)H, (int64_t)L);
    float *decaying = first_values(s, INIT_DECAYING_NORMAL), *plain = first_values(s, INIT_NORMAL);
    for (int i = 0; i < ROWS * H * L; i++) {
        const double j = i % L, unit = i / L % H;
        const double expected = (double)plain[i] * exp(-(j / L) * pow(3, unit / H));
        assert_true(fabs((double)decaying[i] - expected) <= 1e-6 * fabs(expected) + 1e-12);
    }
    free(decaying);
    free(plain);
}
