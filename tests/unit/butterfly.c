/* butterfly -- the learned transform at its start against sums in double, and its gradients, to the
 * factors too, against central differences. */
#include "tests/graph_cases.h"
#include "tests/model.h"
#include "tests/test.h"

#include "graph/plan.h"
#include "nn/butterfly.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static float number(int64_t i)
{
    return (float)((i * 7919 + i / 3) % 1009) / 1009 - 0.5f;
}

/* sum_s k0[s] u[t - s] + sum_s k1[s] u[t + 1 + s] */
static double sum_at(const float *u, const float *k0, const float *k1, int64_t taps, int64_t steps,
                     int64_t t)
{
    double y = 0;
    for (int64_t s = 0; s < taps; s++) {
        if (s <= t) y += (double)k0[s] * (double)u[t - s];
        if (k1 && t + 1 + s < steps) y += (double)k1[s] * (double)u[t + 1 + s];
    }
    return y;
}

/* Of two batches of three units with so many kernels each: row c H + h is unit h by kernel c H + h.
 * Sums of up to 2 T products below 1/4, through transforms in float: 1e-5 is a loose bound. */
static void equals_the_sum(int64_t channels, int64_t steps, int64_t taps, bool two_sided)
{
    const int64_t B = 2, H = 3, kernels = channels * H, sides = two_sided ? 2 : 1;
    Error err = {0};
    Arena *a = arena_new();
    ModelBuild b = {.graph = graph_new(a), .params = params_new(a)};
    Node *u = input(b.graph, "u", F32, shape(3, B, H, steps));
    Node *k = input(b.graph, "k", F32,
                    two_sided ? shape(3, sides, kernels, taps) : shape(2, kernels, taps));
    float *y = arena_new_array(a, float, B *kernels *steps);
    float *rows = arena_new_array(a, float, B *H *steps);
    float *kernel = arena_new_array(a, float, sides *kernels *taps);
    for (int64_t i = 0; i < B * H * steps; i++) rows[i] = number(i);
    for (int64_t i = 0; i < sides * kernels * taps; i++) kernel[i] = number(i + 500);
    Node *out = butterfly_conv(&b, "layer", u, k, two_sided, 1);
    ASSERT_OK(graph_ok(b.graph, &err), &err);
    ASSERT_OK(params_allocate(b.params, &err), &err);
    params_init(b.params, 1);
    Plan *plan = plan_new(b.graph, &(PlanOutput){.node = out, .to = y}, 1, NULL, &err);
    ASSERT_OK(plan != NULL, &err);
    ASSERT_OK(plan_allocate(plan, &err), &err);
    plan_bind(plan, u, rows);
    plan_bind(plan, k, kernel);
    plan_run(plan, 0);
    for (int64_t row = 0; row < B * kernels; row++)
        for (int64_t t = 0; t < steps; t++) {
            const float *unit = rows + (row / kernels * H + row % H) * steps;
            const float *k0 = kernel + row % kernels * taps;
            const float *k1 = two_sided ? k0 + kernels * taps : NULL;
            const double want = sum_at(unit, k0, k1, taps, steps, t);
            assert_true(fabs((double)y[row * steps + t] - want) < 1e-5);
        }
    plan_free(plan);
    params_free(b.params);
    arena_free(a);
}

TEST(butterfly, starts_as_the_causal_sum)
{
    equals_the_sum(1, 5, 5, false);     /* 32 = 16 2 */
    equals_the_sum(1, 61, 61, false);   /* 128 = 16 8 */
    equals_the_sum(1, 300, 37, false);  /* 512 = 16 16 2 */
    equals_the_sum(1, 513, 100, false); /* 1024 = 16 16 4 */
}

TEST(butterfly, starts_as_the_sum_both_ways)
{
    equals_the_sum(1, 5, 5, true);
    equals_the_sum(1, 128, 128, true); /* 256 = 16 16 */
    equals_the_sum(1, 100, 7, true);
}

TEST(butterfly, channels_share_the_units)
{
    equals_the_sum(2, 40, 40, false);
    equals_the_sum(3, 40, 9, true);
}

/* -- Gradients */

static const double STEP = 1e-5, TOLERANCE = 1e-7;

static void check_slope(Graph64 *v, const Node *loss, double *at, double got)
{
    const double keep = *at;
    *at = keep + STEP;
    graph64_reset(v);
    const double above = *graph64_value(v, loss);
    *at = keep - STEP;
    graph64_reset(v);
    const double below = *graph64_value(v, loss);
    *at = keep;
    const double want = (above - below) / (2 * STEP);
    if (fabs(got - want) > TOLERANCE * fmax(1, fabs(want)))
        print_error("%.12g, not %.12g\n", got, want);
    assert_true(fabs(got - want) <= TOLERANCE * fmax(1, fabs(want)));
}

/* Factors away from their start, so that nothing is symmetric by chance; some elements of each. */
static void gradients_are_differences(int64_t steps, int64_t taps, bool two_sided)
{
    enum { MOST = 2 + 4 };
    Trial t = trial_empty(8);
    ModelBuild b = {.graph = t.g, .params = params_new(t.arena)};
    Node *wrt[MOST], *grad[MOST];
    double *data[MOST];
    const Shape s = two_sided ? shape(3, INT64_C(2), INT64_C(2), taps) : shape(2, INT64_C(2), taps);
    wrt[0] = trial_real(&t, shape(3, INT64_C(1), INT64_C(2), steps));
    wrt[1] = trial_real(&t, s);
    for (int i = 0; i < 2; i++) data[i] = t.data[i];
    Node *y = butterfly_conv(&b, "layer", wrt[0], wrt[1], two_sided, 1);
    Node *loss = trial_mix(&t, square(t.g, y));
    int n = 2;
    for (Param *p = b.params->first; p; p = p->next) {
        assert_true(n < MOST);
        data[n] = arena_new_array(t.arena, double, p->n);
        for (int64_t i = 0; i < p->n; i++) data[n][i] = 0.25 * (double)number(i);
        wrt[n++] = param_node(t.g, p);
    }
    assert_int_equal(n, MOST); /* two factors for u, two for k */
    graph_grad(t.g, loss, NULL, wrt, n, grad);
    trial_check(&t);
    Graph64 *v = trial_reference(&t);
    for (int k = 2; k < n; k++) graph64_bind(v, wrt[k], data[k]);
    for (int k = 0; k < n; k++) {
        const int64_t count = shape_count(&wrt[k]->shape), step = count / 7 + 1;
        double *got = arena_new_array(t.arena, double, count);
        graph64_reset(v);
        memcpy(got, graph64_value(v, grad[k]), sizeof(double) * (size_t)count);
        for (int64_t i = 0; i < count; i += step) check_slope(v, loss, &data[k][i], got[i]);
    }
    trial_free(&t);
}

TEST(butterfly, causal_gradients_are_central_differences)
{
    gradients_are_differences(11, 9, false); /* 32 = 16 2 */
}

TEST(butterfly, gradients_both_ways_are_central_differences)
{
    gradients_are_differences(11, 9, true);
}

TEST(butterfly, gradients_through_two_levels_are_central_differences)
{
    gradients_are_differences(37, 20, true); /* 64 = 16 4 */
}

/* -- In a model */

static void first_logits(const char *options, float out[6])
{
    Error err = {0};
    float x[2 * 40];
    TestModel m = test_model("longconv", options, shape(2, INT64_C(40), INT64_C(1)), 3);
    test_model_init(&m, 2, 5);
    Plan *plan = plan_new(m.build.graph, &(PlanOutput){.node = m.logits, .to = out}, 1, NULL, &err);
    ASSERT_OK(plan != NULL, &err);
    ASSERT_OK(plan_allocate(plan, &err), &err);
    for (int i = 0; i < 80; i++) x[i] = number(i);
    plan_bind(plan, m.x, x);
    plan_run(plan, 0);
    plan_free(plan);
    test_model_free(&m);
}

TEST(butterfly, model_starts_with_the_exact_logits)
{
    float exact[6], learned[6];
    first_logits("{n_layers: 2, d_model: 8, kernel_init: double_exp}", exact);
    first_logits("{n_layers: 2, d_model: 8, kernel_init: double_exp, transform: butterfly}",
                 learned);
    for (int i = 0; i < 6; i++) assert_true(fabsf(exact[i] - learned[i]) < 2e-6f);
}

TEST(butterfly, factors_learn_at_their_own_rate_and_do_not_decay)
{
    TestModel m =
        test_model("longconv", "{n_layers: 1, d_model: 4, transform: butterfly, butterfly_lr: 0.5}",
                   shape(2, INT64_C(40), INT64_C(1)), 3);
    test_model_build(&m, 2, true);
    const Param *p = params_find(m.build.params, "layers.0.fft_u.mat_16");
    assert_non_null(p);
    assert_true(p->lr_multiplier == 0.5f && p->weight_decay_multiplier == 0);
    assert_non_null(params_find(m.build.params, "layers.0.fft_k.mat_8"));
    test_model_free(&m);
}
