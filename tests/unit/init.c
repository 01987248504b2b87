/* init -- first values of parameters: deviations and bounds by their formulas, orthogonality,
 * streams. Statistical bounds are five standard errors of the estimate at fixed seeds. */
#include "tests/model.h"
#include "tests/test.h"

#include "base/pcg.h"
#include "base/threads.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A parameter with storage of its own, initialised; freed by the caller. */
static Param filled(Shape s, Init init, uint64_t seed)
{
    Param p = {.name = "layer.weight", .shape = s, .init = init, .n = shape_count(&s)};
    p.data = calloc((size_t)p.n + 1, sizeof *p.data);
    assert_non_null(p.data);
    param_init(&p, seed);
    return p;
}

static double mean_of(const Param *p)
{
    double sum = 0;
    for (int64_t i = 0; i < p->n; i++) sum += (double)p->data[i];
    return sum / (double)p->n;
}

static double deviation_of(const Param *p)
{
    double sum = 0;
    for (int64_t i = 0; i < p->n; i++) sum += (double)p->data[i] * (double)p->data[i];
    return sqrt(sum / (double)p->n);
}

static double largest_of(const Param *p)
{
    double most = 0;
    for (int64_t i = 0; i < p->n; i++) most = fmax(most, fabs((double)p->data[i]));
    return most;
}

/* Mean 0 and the deviation, to 5 standard errors (of a normal's: the widest of the kinds here). */
static void spread_is(Shape s, Init init, double deviation)
{
    Param p = filled(s, init, 11);
    const double n = (double)p.n;
    assert_true(fabs(mean_of(&p)) < 5 * deviation / sqrt(n));
    assert_true(fabs(deviation_of(&p) / deviation - 1) < 5 / sqrt(2 * n));
    free(p.data);
}

static void bound_is(Shape s, Init init, double bound)
{
    Param p = filled(s, init, 12);
    const double largest = largest_of(&p);
    assert_true(largest <= bound * (1 + 1e-7));
    assert_true(largest > bound * (1 - 20 / (double)p.n)); /* missed with probability e^-20 */
    spread_is(s, init, bound / sqrt(3));
    free(p.data);
}

static const Shape MATRIX =
                       {
                           2, {150, 200}
},
                   KERNEL = {4, {64, 24, 3, 3}}; /* (out, in, ...) */

TEST(init, constants_fill)
{
    Param p = filled(MATRIX, (Init){.kind = INIT_CONSTANT, .a = 0.25}, 1);
    for (int64_t i = 0; i < p.n; i++) assert_true(p.data[i] == 0.25f);
    p.init.kind = INIT_ONES;
    param_init(&p, 1);
    for (int64_t i = 0; i < p.n; i++) assert_true(p.data[i] == 1);
    p.init.kind = INIT_ZEROS;
    param_init(&p, 1);
    for (int64_t i = 0; i < p.n; i++) assert_true(p.data[i] == 0);
    free(p.data);
}

TEST(init, normal_has_its_deviation)
{
    spread_is(MATRIX, (Init){.kind = INIT_NORMAL, .a = 0.02}, 0.02);
}

TEST(init, uniform_has_its_bound)
{
    bound_is(MATRIX, (Init){.kind = INIT_UNIFORM, .a = 0.3}, 0.3);
}

TEST(init, he_normal_takes_the_fan_in_of_a_kernel)
{
    spread_is(KERNEL, (Init){.kind = INIT_HE_NORMAL}, sqrt(2.0 / (24 * 9)));
}

TEST(init, he_normal_takes_a_given_fan)
{
    spread_is(KERNEL, (Init){.kind = INIT_HE_NORMAL, .fan_in = 64 * 9}, sqrt(2.0 / (64 * 9)));
}

TEST(init, he_uniform_has_its_bound)
{
    bound_is(MATRIX, (Init){.kind = INIT_HE_UNIFORM}, sqrt(6.0 / 200));
}

TEST(init, gain_replaces_the_usual_one)
{
    bound_is(MATRIX, (Init){.kind = INIT_HE_UNIFORM, .gain = 1}, sqrt(3.0 / 200));
}

TEST(init, xavier_normal_takes_both_fans)
{
    spread_is(MATRIX, (Init){.kind = INIT_XAVIER_NORMAL}, sqrt(2.0 / (150 + 200)));
}

TEST(init, xavier_uniform_takes_both_fans_of_a_kernel)
{
    bound_is(KERNEL, (Init){.kind = INIT_XAVIER_UNIFORM}, sqrt(6.0 / ((24 + 64) * 9)));
}

TEST(init, torch_default_is_uniform_within_one_over_root_fan_in)
{
    bound_is(MATRIX, (Init){.kind = INIT_TORCH_DEFAULT}, 1 / sqrt(200.0));
}

/* A standard normal cut at 2 has the deviation 0.87962566. */
TEST(init, truncated_normal_stays_within_two_deviations)
{
    const Init init = {.kind = INIT_TRUNCATED_NORMAL, .a = 0.1};
    Param p = filled(MATRIX, init, 3);
    assert_true(largest_of(&p) <= 0.2 * (1 + 1e-7));
    assert_true(largest_of(&p) > 0.199);
    free(p.data);
    spread_is(MATRIX, init, 0.1 * 0.87962566);
}

/* Share of a standard normal beyond 1, 2 and 3: 0.317311, 0.0455003, 0.0026998. */
TEST(init, normal_tails_are_those_of_a_normal)
{
    static const double share[] = {0.3173105, 0.0455003, 0.0026998};
    Param p = filled(MATRIX, (Init){.kind = INIT_NORMAL, .a = 1}, 5);
    for (int k = 0; k < 3; k++) {
        int64_t beyond = 0;
        for (int64_t i = 0; i < p.n; i++) beyond += fabs((double)p.data[i]) > k + 1;
        const double expected = share[k] * (double)p.n;
        assert_true(fabs((double)beyond - expected) < 5 * sqrt(expected));
    }
    free(p.data);
}

/* Rows when wide, columns when tall, of length `gain`. */
static void orthogonal_within(Shape s, double gain)
{
    Param p = filled(s, (Init){.kind = INIT_ORTHOGONAL, .gain = gain}, 6);
    const int64_t out = s.dim[0], rest = p.n / out, n = out < rest ? out : rest;
    const int64_t m = p.n / n, step = out < rest ? 1 : rest, next = out < rest ? rest : 1;
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j <= i; j++) {
            double dot = 0;
            for (int64_t k = 0; k < m; k++)
                dot += (double)p.data[i * next + k * step] * (double)p.data[j * next + k * step];
            assert_true(fabs(dot - (i == j ? gain * gain : 0)) < 1e-6 * gain * gain);
        }
    free(p.data);
}

TEST(init, orthogonal_wide_has_orthonormal_rows)
{
    orthogonal_within(shape(2, INT64_C(20), INT64_C(50)), 1);
}

TEST(init, orthogonal_tall_has_orthonormal_columns)
{
    orthogonal_within(shape(2, INT64_C(50), INT64_C(20)), 1.5);
}

TEST(init, orthogonal_kernel_is_a_matrix_of_outputs)
{
    orthogonal_within(shape(4, INT64_C(16), INT64_C(8), INT64_C(3), INT64_C(3)), 1);
}

/* Uniform over the orthogonal matrices: the mean of one entry over seeds is 0, its square 1/n. */
TEST(init, orthogonal_is_uniform_over_rotations)
{
    enum { SEEDS = 400, N = 4 };
    double sum = 0, squares = 0;
    for (int seed = 0; seed < SEEDS; seed++) {
        Param p = filled(shape(2, INT64_C(4), INT64_C(4)), (Init){.kind = INIT_ORTHOGONAL},
                         (uint64_t)seed);
        sum += (double)p.data[0];
        squares += (double)p.data[0] * (double)p.data[0];
        free(p.data);
    }
    assert_true(fabs(sum / SEEDS) < 5 * 0.5 / sqrt(SEEDS));
    /* the square of an entry has variance 2 (n - 1) / (n^2 (n + 2)) = 1 / 16 */
    assert_true(fabs(squares / SEEDS - 1.0 / N) < 5 * 0.25 / sqrt(SEEDS));
}

TEST(init, stream_is_named_by_seed_and_tensor)
{
    const Init init = {.kind = INIT_NORMAL, .a = 1};
    Param a = filled(MATRIX, init, 7), b = filled(MATRIX, init, 7), c = filled(MATRIX, init, 8);
    assert_memory_equal(a.data, b.data, sizeof(float) * (size_t)a.n);
    assert_memory_not_equal(a.data, c.data, sizeof(float) * (size_t)a.n);
    b.name = "other.weight";
    param_init(&b, 7);
    assert_memory_not_equal(a.data, b.data, sizeof(float) * (size_t)a.n);
    free(a.data), free(b.data), free(c.data);
}

TEST(init, normal_is_the_stream_in_order_whatever_the_threads)
{
    const Init init = {.kind = INIT_NORMAL, .a = 1};
    Pcg rng = pcg_stream(7, "init", 0, pcg_name("layer.weight"));
    for (int threads = 1; threads <= 3; threads += 2) {
        threads_set(threads);
        Param p = filled(MATRIX, init, 7);
        Pcg draw = rng;
        for (int64_t i = 0; i < p.n; i++) assert_true(p.data[i] == (float)pcg_normal(&draw));
        free(p.data);
    }
    threads_set(0);
}

/* -- What models ask for */

static double root_mean_square(const Params *ps, const char *name)
{
    const Param *p = params_find(ps, name);
    assert_non_null(p);
    return deviation_of(p);
}

static void close_to(double got, double expected, double relative)
{
    if (!(fabs(got / expected - 1) < relative)) print_error("%g, not %g\n", got, expected);
    assert_true(fabs(got / expected - 1) < relative);
}

TEST(init, resnet20_starts_as_its_source_does)
{
    TestModel m = test_model("resnet20", "{}", shape(3, INT64_C(8), INT64_C(8), INT64_C(3)), 10);
    test_model_init(&m, 1, 1);
    const Params *ps = m.build.params;
    close_to(root_mean_square(ps, "layer3.2.conv2.weight"), sqrt(2.0 / (64 * 9)), 0.02);
    close_to(root_mean_square(ps, "linear.weight"), sqrt(2.0 / 64), 0.15);
    assert_true(largest_of(params_find(ps, "linear.bias")) <= 1 / sqrt(64.0));
    assert_true(largest_of(params_find(ps, "linear.bias")) > 0);
    assert_true(mean_of(params_find(ps, "layer1.0.bn1.weight")) == 1);
    assert_true(largest_of(params_find(ps, "layer1.0.bn1.bias")) == 0);
    assert_true(mean_of(params_find(ps, "bn1.running_var")) == 1);
    assert_true(largest_of(params_find(ps, "bn1.running_mean")) == 0);
    test_model_free(&m);
}

TEST(init, lenet_starts_with_glorot_and_zero_biases)
{
    TestModel m = test_model("lenet_300_100", "{}", shape(1, INT64_C(784)), 10);
    test_model_init(&m, 1, 1);
    const Params *ps = m.build.params;
    close_to(root_mean_square(ps, "fc_layers.1.weight"), sqrt(2.0 / 400), 0.02);
    assert_true(largest_of(params_find(ps, "fc_layers.1.bias")) == 0);
    test_model_free(&m);
}

TEST(init, resnet18_convolutions_start_by_fan_out)
{
    TestModel m =
        test_model("resnet18", "{stem: cifar}", shape(3, INT64_C(8), INT64_C(8), INT64_C(3)), 10);
    test_model_build(&m, 1, false);
    Param p = *params_find(m.build.params, "layer2.0.conv1.weight"); /* (128, 64, 3, 3) */
    p.data = malloc(sizeof(float) * (size_t)p.n);
    assert_non_null(p.data);
    param_init(&p, 1);
    close_to(deviation_of(&p), sqrt(2.0 / (128 * 9)), 0.02);
    free(p.data);
    test_model_free(&m);
}

TEST(init, option_overrides_weights_and_leaves_biases)
{
    TestModel m = test_model("mlp", "{init: he_normal, hidden: [400]}", shape(1, INT64_C(300)), 10);
    test_model_init(&m, 1, 1);
    const Params *ps = m.build.params;
    close_to(root_mean_square(ps, "fc_layers.0.weight"), sqrt(2.0 / 300), 0.02);
    assert_true(largest_of(params_find(ps, "fc_layers.0.bias")) <= 1 / sqrt(300.0));
    assert_true(largest_of(params_find(ps, "fc_layers.0.bias")) > 0.9 / sqrt(300.0));
    test_model_free(&m);
}

TEST(init, lsuv_choice_starts_orthogonal)
{
    TestModel m = test_model("mlp", "{init: lsuv}", shape(1, INT64_C(30)), 10);
    assert_int_equal(m.build.init, INIT_ORTHOGONAL);
    assert_true(model_wants_lsuv(m.options));
    test_model_free(&m);
    m = test_model("mlp", "{init: orthogonal}", shape(1, INT64_C(30)), 10);
    assert_int_equal(m.build.init, INIT_ORTHOGONAL);
    assert_false(model_wants_lsuv(m.options));
    test_model_free(&m);
}

/* Mean a / 2, variance a^2 / 12, nothing below 0 or at a. */
TEST(init, uniform_positive_is_between_0_and_a)
{
    enum { N = 20000 };
    Param p = filled(shape(1, (int64_t)N), (Init){.kind = INIT_UNIFORM_POSITIVE, .a = 3}, 5);
    double squares = 0;
    for (int64_t i = 0; i < N; i++) {
        assert_true(p.data[i] >= 0 && p.data[i] < 3);
        squares += ((double)p.data[i] - 1.5) * ((double)p.data[i] - 1.5);
    }
    assert_true(fabs(mean_of(&p) - 1.5) < 5 * 3 / sqrt(12.0 * N));
    assert_true(fabs(squares / N / 0.75 - 1) < 0.03);
    free(p.data);
}

/* All scales of the norms, and nothing else: open_lth's batchnorm_init. */
TEST(init, norm_init_uniform_is_for_the_scales_of_norms)
{
    static const char *const models[] = {"resnet8", "vgg11"};
    for (int k = 0; k < 2; k++) {
        const Shape image = shape(3, INT64_C(16), INT64_C(16), INT64_C(3));
        TestModel ones = test_model(models[k], "{width: 4}", image, 10);
        TestModel uniform = test_model(models[k], "{width: 4, norm_init: uniform}", image, 10);
        int n = 0;
        test_model_init(&ones, 2, 1);
        test_model_init(&uniform, 2, 1);
        for (const Param *p = uniform.build.params->first; p; p = p->next) {
            const Param *q = params_find(ones.build.params, p->name);
            if (p->role == ROLE_NORM && q->data[0] == 1) {
                for (int64_t i = 0; i < p->n; i++) assert_true(p->data[i] >= 0 && p->data[i] < 1);
                assert_true(p->data[0] != p->data[1]);
                n++;
            } else {
                assert_memory_equal(p->data, q->data, sizeof(float) * (size_t)p->n);
            }
        }
        assert_true(n >= 7);
        test_model_free(&ones);
        test_model_free(&uniform);
    }
}
