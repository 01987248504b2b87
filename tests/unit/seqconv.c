/* seqconv -- what the methods for long convolutions make of a kernel: worked examples, invariants
 * of the paper (arXiv 2302.06646), and gradients against central differences in double. */
#include "tests/graph_cases.h"
#include "tests/model.h"
#include "tests/test.h"

#include "graph/plan.h"
#include "methods/method.h"

#include <math.h>
#include <string.h>

enum { MAX_TAPS = 4096 };

/* A method over a kernel of its own, as the trainer calls it. */
static MethodCall call_of(Arena *a, const char *name, const char *options)
{
    MethodCall c = {.method = method_find(name), .seed = 4};
    assert_non_null(c.method);
    c.options = test_options(a, &c.method->options, options);
    return c;
}

static Node *effective(Graph *g, const MethodCall *c, const char *kernel, Node *k, bool training)
{
    const ModelBuild b = {.graph = g, .training = training};
    Param p = {.name = kernel, .shape = k->shape, .role = ROLE_KERNEL, .trainable = true};
    return c->method->parametrize(c, &b, &p, k);
}

/* The method on the kernel k (1, 1, n), at a step. */
static void apply(const char *method, const char *options, bool training, uint64_t step, int n,
                  const float *k, float *out)
{
    Error err = {0};
    Arena *a = arena_new();
    Graph *g = graph_new(a);
    const MethodCall c = call_of(a, method, options);
    Node *leaf = input(g, "k", F32, shape(3, INT64_C(1), INT64_C(1), (int64_t)n));
    Node *y = affine(g, effective(g, &c, "layers.0.kernel", leaf, training), 1, 0);
    ASSERT_OK(graph_ok(g, &err), &err);
    Plan *plan = plan_new(g, &(PlanOutput){.node = y, .to = out}, 1, NULL, &err);
    ASSERT_OK(plan != NULL, &err);
    ASSERT_OK(plan_allocate(plan, &err), &err);
    plan_bind(plan, leaf, k);
    plan_run(plan, step);
    plan_free(plan);
    arena_free(a);
}

static void taps_are(const char *method, const char *options, int n, const float *k,
                     const double *expected, double tolerance)
{
    float out[16];
    assert_true(n <= 16);
    apply(method, options, false, 0, n, k, out);
    for (int i = 0; i < n; i++) {
        const double off = fabs((double)out[i] - expected[i]);
        if (off > tolerance) print_error("tap %d: %.9g\n", i, (double)out[i]);
        assert_true(off <= tolerance);
    }
}

static const float worked[] = {0.005f, -0.004f, 0.001f, -0.003f, 0.01f, 0, -0.02f};

TEST(seqconv, squash_takes_lambda_from_every_size)
{
    taps_are("squash", "{lambda: 0.003}", 7, worked,
             (double[]){0.002, -0.001, 0, 0, 0.007, 0, -0.017}, 1e-9);
}

TEST(seqconv, squash_of_lambda_0_is_the_kernel)
{
    float out[7];
    apply("squash", "{lambda: 0}", true, 0, 7, worked, out);
    assert_memory_equal(out, worked, sizeof worked);
}

TEST(seqconv, squash_twice_is_squash_by_the_sum)
{
    float once[7], twice[7], sum[7];
    apply("squash", "{lambda: 0.001953125}", false, 0, 7, worked, once);
    apply("squash", "{lambda: 0.00390625}", false, 0, 7, once, twice);
    apply("squash", "{lambda: 0.005859375}", false, 0, 7, worked, sum);
    for (int i = 0; i < 7; i++) assert_true(fabs((double)twice[i] - (double)sum[i]) < 2e-9);
}

TEST(seqconv, squash_is_odd)
{
    float minus[7], of_minus[7], plain[7];
    for (int i = 0; i < 7; i++) minus[i] = -worked[i];
    apply("squash", "{}", false, 0, 7, minus, of_minus);
    apply("squash", "{}", false, 0, 7, worked, plain);
    for (int i = 0; i < 7; i++) assert_true(of_minus[i] == -plain[i]);
}

TEST(seqconv, smooth_averages_three_taps)
{
    taps_are("smooth", "{window: 3}", 7, worked,
             (double[]){0.00033333333, 0.00066666667, -0.002, 0.0026666667, 0.0023333333,
                        -0.0033333333, -0.0066666667},
             2e-9);
}

/* numpy 1.24: the seven weights over rfft(k) with three zeros on both sides, and irfft. */
TEST(seqconv, smooth_of_frequencies_equals_numpy)
{
    static const float k[] = {0.5f, -0.4f, 0.1f, -0.3f, 1, 0, -2, 0.25f};
    taps_are("smooth", "{domain: frequency}", 7, k,
             (double[]){0.8245587, -0.051275897, -0.016620517, 0.10815748, 0.17016518, -0.16959725,
                        -2.7503879},
             1e-6);
    taps_are("smooth", "{domain: frequency}", 8, k,
             (double[]){1.2328707, -0.79493297, 0.17442771, -0.087882966, -0.014610057, 0.019072128,
                        -1.6413682, 0.47689781},
             1e-6);
}

TEST(seqconv, even_window_is_an_error)
{
    Error err = {0};
    Arena *a = arena_new();
    Graph *g = graph_new(a);
    const MethodCall c = call_of(a, "smooth", "{window: 4}");
    Node *k = input(g, "k", F32, shape(3, INT64_C(1), INT64_C(2), INT64_C(9)));
    (void)effective(g, &c, "layers.0.kernel", k, true);
    ASSERT_FAILS(graph_ok(g, &err), &err, FAIL_CONFIG,
                 "method 'smooth': window is 4, not an odd number of taps");
    arena_free(a);
}

/* Share of zeros within five standard errors of the rate; what is kept is divided by 1 - rate. */
TEST(seqconv, kernel_dropout_drops_its_share_in_training)
{
    static float k[MAX_TAPS], out[MAX_TAPS];
    int zeros = 0;
    for (int i = 0; i < MAX_TAPS; i++) k[i] = 3;
    apply("kernel_dropout", "{rate: 0.25}", true, 0, MAX_TAPS, k, out);
    for (int i = 0; i < MAX_TAPS; i++) {
        assert_true(out[i] == 0 || out[i] == 4);
        zeros += out[i] == 0;
    }
    assert_true(fabs(zeros / (double)MAX_TAPS - 0.25) < 5 * sqrt(0.25 * 0.75 / MAX_TAPS));
}

TEST(seqconv, kernel_dropout_draws_anew_every_step)
{
    static float k[MAX_TAPS], one[MAX_TAPS], two[MAX_TAPS];
    for (int i = 0; i < MAX_TAPS; i++) k[i] = 1;
    apply("kernel_dropout", "{}", true, 1, MAX_TAPS, k, one);
    apply("kernel_dropout", "{}", true, 2, MAX_TAPS, k, two);
    assert_true(memcmp(one, two, sizeof one) != 0);
    apply("kernel_dropout", "{}", true, 1, MAX_TAPS, k, two);
    assert_memory_equal(one, two, sizeof one);
}

TEST(seqconv, kernel_dropout_leaves_evaluation_alone)
{
    float out[7];
    apply("kernel_dropout", "{rate: 0.9}", false, 0, 7, worked, out);
    assert_memory_equal(out, worked, sizeof worked);
}

/* -- Gradients */

/* Differences with this step: cancellation about 1e-10; and the transform's 1 / n is a float, 6e-8.
 */
static const double STEP = 1e-5, TOLERANCE = 1e-7;

/* d(mix of the effective taps) / d(each tap), by the graph and by differences. Taps lie in (-1, 1);
 * lambda keeps 1e-3 away from each of them. */
static void gradient_is_a_difference(const char *method, const char *options, int64_t taps)
{
    Trial t = trial_empty(21);
    const MethodCall c = call_of(t.arena, method, options);
    Node *k = trial_real(&t, shape(3, INT64_C(2), INT64_C(3), taps)), *grad;
    for (int64_t i = 0; i < 6 * taps; i++)
        if (fabs(fabs(t.data[0][i]) - 0.25) < 1e-3) t.data[0][i] = 0.5;
    double *data = t.data[0];
    Node *loss = trial_mix(&t, square(t.g, effective(t.g, &c, "layers.0.kernel", k, true)));
    graph_grad(t.g, loss, NULL, &k, 1, &grad);
    trial_check(&t);
    Graph64 *v = trial_reference(&t);
    double got[6 * 16];
    assert_true(taps <= 16);
    memcpy(got, graph64_value(v, grad), sizeof(double) * 6 * (size_t)taps);
    for (int64_t i = 0; i < 6 * taps; i++) {
        const double keep = data[i];
        data[i] = keep + STEP;
        graph64_reset(v);
        const double above = *graph64_value(v, loss);
        data[i] = keep - STEP;
        graph64_reset(v);
        const double below = *graph64_value(v, loss);
        data[i] = keep;
        const double want = (above - below) / (2 * STEP);
        assert_true(fabs(got[i] - want) <= TOLERANCE * fmax(1, fabs(want)));
    }
    trial_free(&t);
}

TEST(seqconv, squash_gradient_is_a_central_difference)
{
    gradient_is_a_difference("squash", "{lambda: 0.25}", 11);
}

TEST(seqconv, smooth_gradient_is_a_central_difference)
{
    gradient_is_a_difference("smooth", "{window: 5}", 11);
}

TEST(seqconv, smooth_gradient_of_frequencies_is_a_central_difference)
{
    gradient_is_a_difference("smooth", "{domain: frequency}", 10);
    gradient_is_a_difference("smooth", "{domain: frequency}", 11);
}

TEST(seqconv, kernel_dropout_gradient_is_a_central_difference)
{
    gradient_is_a_difference("kernel_dropout", "{rate: 0.5}", 11);
}

/* -- In a model */

typedef struct Squashed {
    TestModel m;
    MethodCall call;
} Squashed;

static Node *parametrize(void *owner, const ModelBuild *b, Param *p, Node *w)
{
    const MethodCall *c = owner;
    return c->method->parametrize(c, b, p, w);
}

static void squashed(Squashed *s, const char *model, const char *options, const char *method)
{
    s->m = test_model(model, options, shape(2, INT64_C(12), INT64_C(1)), 3);
    s->call = call_of(s->m.arena, "squash", method);
    s->call.params = s->m.build.params;
    s->m.build.parametrize = parametrize;
    s->m.build.owner = &s->call;
    test_model_init(&s->m, 2, 1);
}

/* d sum(logits^2) / dw of the parameter `name`, at its place in the gradients. */
static void gradient_of(Squashed *s, const char *name)
{
    Error err = {0};
    float x[24];
    Graph *g = s->m.build.graph;
    Param *p = params_find(s->m.build.params, name);
    assert_non_null(p);
    Node *w = param_node(g, p), *dw;
    graph_grad(g, sum(g, square(g, s->m.logits), ALL_AXES, false), NULL, &w, 1, &dw);
    Plan *plan = plan_new(g, &(PlanOutput){.node = dw, .to = p->grad}, 1, NULL, &err);
    ASSERT_OK(plan != NULL, &err);
    ASSERT_OK(plan_allocate(plan, &err), &err);
    for (int i = 0; i < 24; i++) x[i] = (float)((i * 7) % 11) / 4 - 1;
    plan_bind(plan, s->m.x, x);
    plan_run(plan, 0);
    plan_free(plan);
}

static const char SMALL[] = "{n_layers: 1, d_model: 4, norm: layer}";

/* Taps below the threshold never move, whatever comes after them. */
TEST(seqconv, taps_below_lambda_get_no_gradient)
{
    Squashed s;
    squashed(&s, "longconv", SMALL, "{lambda: 0.002}");
    gradient_of(&s, "layers.0.kernel");
    const Param *k = params_find(s.m.build.params, "layers.0.kernel");
    int moving = 0;
    for (int64_t i = 0; i < k->n; i++)
        if (fabsf(k->data[i]) <= 0.002f)
            assert_true(k->grad[i] == 0);
        else
            moving += k->grad[i] != 0;
    assert_true(moving > 0 && moving < k->n);
    test_model_free(&s.m);
}

TEST(seqconv, nothing_but_kernels_is_squashed)
{
    Squashed s;
    TestModel plain = test_model("longconv", SMALL, shape(2, INT64_C(12), INT64_C(1)), 3);
    squashed(&s, "longconv", SMALL, "{}");
    test_model_build(&plain, 2, false);
    assert_int_equal(s.m.build.graph->n_nodes, plain.build.graph->n_nodes + 2);
    test_model_free(&s.m);
    test_model_free(&plain);
}

TEST(seqconv, model_without_kernels_is_an_error)
{
    Squashed s;
    Error err = {0};
    squashed(&s, "lstm_classifier", "{d_model: 4}", "{}");
    ASSERT_FAILS(s.call.method->transform(&s.call, &err), &err, FAIL_CONFIG,
                 "method 'squash': the model has no long-convolution kernels");
    test_model_free(&s.m);
    squashed(&s, "s4d", SMALL, "{}");
    Error again = {0};
    ASSERT_FAILS(s.call.method->transform(&s.call, &again), &again, FAIL_CONFIG,
                 "method 'squash': the model has no long-convolution kernels");
    test_model_free(&s.m);
}

TEST(seqconv, model_with_kernels_is_none)
{
    Squashed s;
    Error err = {0};
    squashed(&s, "longconv", SMALL, "{}");
    ASSERT_OK(s.call.method->transform(&s.call, &err), &err);
    test_model_free(&s.m);
}
