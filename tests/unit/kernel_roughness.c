/* kernel_roughness -- what is reported of kernels against closed forms of their spectra, and how a
 * reported number comes from a graph into an evaluation. */
#include "tests/model.h"
#include "tests/test.h"

#include "base/pcg.h"
#include "graph/plan.h"
#include "methods/method.h"
#include "run/evaluate.h"

#include <math.h>
#include <string.h>

enum { MOST = 4 };

/* The last value under each name. */
typedef struct Reported {
    const char *name[MOST];
    Node *value[MOST];
    int n;
} Reported;

static void report(void *metrics, const char *name, Node *value)
{
    Reported *r = metrics;
    assert_true(r->n < MOST);
    r->name[r->n] = name;
    r->value[r->n++] = value;
}

typedef struct Rough {
    double roughness, sparsity;
} Rough;

/* Of `rows` kernels of n taps. */
static Rough measure(int64_t rows, int64_t n, const float *k)
{
    Error err = {0};
    float out[2];
    Reported r = {0};
    Arena *a = arena_new();
    Graph *g = graph_new(a);
    const Shape s = shape(3, INT64_C(1), rows, n);
    const MethodCall c = {.method = method_find("kernel_roughness")};
    const ModelBuild b = {.graph = g, .metric = report, .metrics = &r};
    Param p = {.name = "layers.0.kernel", .shape = s, .role = ROLE_KERNEL};
    Node *leaf = input(g, "k", F32, s);
    assert_ptr_equal(c.method->parametrize(&c, &b, &p, leaf), leaf);
    assert_int_equal(r.n, 2);
    assert_string_equal(r.name[0], "kernel.roughness");
    assert_string_equal(r.name[1], "kernel.sparsity");
    ASSERT_OK(graph_ok(g, &err), &err);
    const PlanOutput outputs[] = {
        {r.value[0], &out[0]},
        {r.value[1], &out[1]}
    };
    Plan *plan = plan_new(g, outputs, 2, NULL, &err);
    ASSERT_OK(plan && plan_allocate(plan, &err), &err);
    plan_bind(plan, leaf, k);
    plan_run(plan, 0);
    plan_free(plan);
    arena_free(a);
    return (Rough){(double)out[0], (double)out[1]};
}

static void roughness_is(int64_t rows, int64_t n, const float *k, double expected)
{
    const double got = measure(rows, n, k).roughness;
    if (fabs(got - expected) > 1e-5) print_error("%.9g, not %.9g\n", got, expected);
    assert_true(fabs(got - expected) <= 1e-5);
}

/* -- Closed forms */

TEST(kernel_roughness, impulse_now_is_smooth)
{
    const float k[12] = {-3};
    roughness_is(1, 12, k, 0);
}

/* |e^(-i w (f + 1)) - e^(-i w f)| = 2 sin(w / 2) at w = 2 pi p / n, for n / 2 pairs of n / 2 + 1.
 */
static double of_delay(int64_t p, int64_t n)
{
    const int64_t pairs = n / 2;
    return 2 * sin(acos(-1) * (double)p / (double)n) * (double)pairs / (double)(pairs + 1);
}

TEST(kernel_roughness, delayed_impulse_is_a_sine)
{
    for (int64_t n = 15; n <= 16; n++)
        for (int64_t p = 1; p < n; p += 3) {
            float k[16] = {0};
            k[p] = 0.01f;
            roughness_is(1, n, k, of_delay(p, n));
        }
}

TEST(kernel_roughness, channels_are_averaged)
{
    float k[3 * 16] = {0};
    k[0] = 5;
    k[16 + 3] = -1e-3f;
    roughness_is(3, 16, k, of_delay(3, 16) / 3); /* a kernel of zeros counts as smooth */
}

TEST(kernel_roughness, one_tap_is_smooth)
{
    const float k[2] = {3, 4};
    roughness_is(2, 1, k, 0);
}

TEST(kernel_roughness, decay_is_smoother_than_noise)
{
    enum { TAPS = 128 };
    float noise[TAPS], decay[TAPS];
    Pcg rng = pcg_seed(3, 1);
    for (int i = 0; i < TAPS; i++) {
        noise[i] = pcg_uniform(&rng) - 0.5f;
        decay[i] = noise[i] * (float)exp(-i / 8.0);
    }
    assert_true(measure(1, TAPS, decay).roughness < 0.5 * measure(1, TAPS, noise).roughness);
}

TEST(kernel_roughness, sparsity_counts_exact_zeros)
{
    const float k[2 * 8] = {1, 0, -0.0f, 1e-30f, 0, 2, 3, 4, 0, 0, 0, 0, 5, 6, 7, 8};
    assert_true(measure(2, 8, k).sparsity == 7 / 16.0);
}

/* -- In a network */

typedef struct Case {
    Arena *arena;
    Experiment experiment;
    Dataset data;
    Network network;
    Loader *loader;
    Error err;
} Case;

/* Longconv with these methods, or `model`, whose options are `int init`. */
static bool build(Case *c, const char *methods, const Model *model)
{
    static const char form[] = "data: {name: delay, length: 12, delay: 3, n_symbols: 6}\n"
                               "model: {name: longconv, n_layers: 3, d_model: 4}\n"
                               "methods: %s\n"
                               "train: {steps: 10, batch_size: 5}\n";
    memset(c, 0, sizeof *c);
    c->arena = arena_new();
    Experiment *e = &c->experiment;
    const char *text = arena_printf(c->arena, form, methods);
    ASSERT_OK(experiment_parse(e, c->arena, text, strlen(text), &c->err), &c->err);
    if (model) {
        e->model = model;
        e->model_options = arena_new_array(c->arena, int, 1);
    }
    ASSERT_OK(dataset_open(&c->data, e->dataset, e->dataset_options, "data", SPLITS_ALL, c->arena,
                           &c->err),
              &c->err);
    const NetworkOptions o = {.task = c->data.task,
                              .train = true,
                              .eval = true,
                              .allocate = true,
                              .total_steps = 10,
                              .steps_per_epoch = 5};
    return network_new(&c->network, e, &o, c->arena, &c->err);
}

static void start(Case *c, const char *methods, const Model *model)
{
    const LoaderOptions l = {.split = SPLIT_TEST, .batch_size = 5};
    ASSERT_OK(build(c, methods, model), &c->err);
    ASSERT_OK(network_init(&c->network, NULL, "", &c->err), &c->err);
    c->loader = loader_new(&c->data, &l, &c->err);
    ASSERT_OK(c->loader != NULL, &c->err);
}

static void end(Case *c)
{
    loader_free(c->loader);
    network_free(&c->network);
    dataset_close(&c->data);
    arena_free(c->arena);
}

/* Zeros among the taps of the three layers once lambda is taken. */
TEST(kernel_roughness, network_averages_layers_as_squash_leaves_them)
{
    Case c;
    Evaluation e = {0};
    int64_t zeros = 0, taps = 0;
    start(&c, "[{name: squash, lambda: 0.002}, {name: kernel_dropout}, {name: kernel_roughness}]",
          NULL);
    ASSERT_OK(evaluate(&c.network, c.loader, &e, &c.err), &c.err);
    for (const Param *p = c.network.params->first; p; p = p->next)
        for (int64_t i = 0; p->role == ROLE_KERNEL && i < p->n; i++, taps++)
            zeros += fabsf(p->data[i]) <= 0.002f;
    assert_true(zeros > 0 && zeros < taps);
    assert_int_equal(c.network.eval.n_metrics, 2);
    assert_string_equal(c.network.eval.metrics[1].name, "kernel.sparsity");
    assert_true(fabs(e.metric[1] - (double)zeros / (double)taps) < 1e-6);
    assert_true(e.metric[0] > 0.1 && e.metric[0] < 3);
    end(&c);
}

TEST(kernel_roughness, training_does_not_measure)
{
    Case with, without;
    start(&with, "[{name: squash}, {name: kernel_roughness}]", NULL);
    start(&without, "[{name: squash}]", NULL);
    assert_int_equal(with.network.train.n_metrics, 0);
    assert_int_equal(with.network.train.graph->n_nodes, without.network.train.graph->n_nodes);
    assert_int_equal(without.network.eval.n_metrics, 0);
    end(&with);
    end(&without);
}

/* -- Any number */

/* A class for everything; reports the mean token, in two parts. */
static Node *plain_build(ModelBuild *b, const void *options, Node *x)
{
    Graph *g = b->graph;
    const Init zeros = {.kind = INIT_ZEROS};
    Node *bias = model_param(b, "bias", shape(1, b->task.n_classes), ROLE_BIAS, zeros);
    Node *token = mean(g, to_float(g, x), ALL_AXES, true);
    (void)options;
    model_metric(b, "token", affine(g, token, 2, 1));
    model_metric(b, "token", scalar(g, -1));
    return broadcast(g, bias, shape(2, x->shape.dim[0], b->task.n_classes));
}

static const Option plain_options[] = {
    {"init", OPTION_INT, 0, "0", 0, 0, NULL, "none"}
};

static const Model plain = {
    .name = "plain",
    .summary = "of these tests",
    .revision = 1,
    .options = OPTION_TABLE(int, plain_options),
    .build = plain_build,
    .init = model_common_init,
};

TEST(model_metric, is_the_mean_over_the_batches)
{
    Case c;
    Evaluation e = {0};
    double sum = 0;
    start(&c, "[]", &plain);
    ASSERT_OK(evaluate(&c.network, c.loader, &e, &c.err), &c.err);
    const int64_t steps = loader_steps_per_epoch(c.loader), batch = 5 * 12;
    for (int64_t step = 0; step < steps; step++) {
        const int32_t *x = (const int32_t *)loader_batch(c.loader, step).x;
        for (int64_t i = 0; i < batch; i++) sum += x[i];
    }
    assert_true(steps > 1);
    assert_int_equal(c.network.eval.n_metrics, 1);
    assert_true(fabs(e.metric[0] - sum / (double)(steps * batch)) < 1e-5);
    end(&c);
}

static void network_fails(const Model *model, const char *text)
{
    Case c;
    ASSERT_FAILS(build(&c, "[]", model), &c.err, FAIL_CONFIG, text);
    dataset_close(&c.data);
    arena_free(c.arena);
}

static Node *vector_build(ModelBuild *b, const void *options, Node *x)
{
    model_metric(b, "tokens", to_float(b->graph, x));
    return plain_build(b, options, x);
}

TEST(model_metric, of_a_vector_is_an_error)
{
    Model model = plain;
    model.build = vector_build;
    network_fails(&model, "metric tokens is not one number");
}

static Node *many_build(ModelBuild *b, const void *options, Node *x)
{
    for (int i = 0; i < PASS_METRICS_MAX; i++)
        model_metric(b, model_name(b, "number.%d", i), scalar(b->graph, 1));
    return plain_build(b, options, x);
}

TEST(model_metric, one_too_many_is_an_error)
{
    Model model = plain;
    model.build = many_build;
    network_fails(&model, "metric token is one too many");
}
