/* optim -- update rules against torch 1.13 in float64; clipping, averages, resume, threads.
 *
 * The runs start at w = START with the gradients gradient(t, i), all exact in float. Their results
 * after four steps were printed by torch.optim.SGD, Adam and AdamW of the options shown. */
#include "tests/test.h"

#include "base/pcg.h"
#include "base/threads.h"
#include "cpu/cpu.h"
#include "optim/optimizer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N = 4, STEPS = 4 };
static const float START[N] = {0.5F, -0.25F, 1.0F, -0.75F};

static float gradient(int64_t t, int64_t i)
{
    return (float)((7 * t + 5 * i) % 13 - 6) / 8;
}

/* A parameter list of one tensor a role given; each has `each` elements and takes `each` rounded up
 * to 16 floats, as params_allocate lays them out. */
typedef struct Model {
    Arena *arena;
    Params params;
    Param param[8];
    OptimizerState state;
    Error err;
} Model;

static void *zeroed(int64_t n)
{
    void *memory;
    Error err = {0};
    ASSERT_OK(memory_map(&memory, (size_t)n * sizeof(float), &err), &err);
    return memory;
}

static void model_build(Model *m, int n_params, int64_t each, const ParamRole roles[])
{
    const int64_t room = (each + 15) / 16 * 16;
    memset(m, 0, sizeof *m);
    m->arena = arena_new();
    m->params = (Params){.arena = m->arena, .n = n_params, .n_trainable = n_params * room};
    m->params.allocated = true;
    m->params.weights = zeroed(n_params * room);
    m->params.grads = zeroed(n_params * room);
    for (int i = 0; i < n_params; i++) {
        Param *p = &m->param[i];
        *p = (Param){.name = "p",
                     .role = roles ? roles[i] : ROLE_WEIGHT,
                     .trainable = true,
                     .lr_multiplier = 1,
                     .weight_decay_multiplier = 1,
                     .n = each,
                     .offset = i * room};
        p->data = m->params.weights + p->offset;
        p->grad = m->params.grads + p->offset;
        p->next = i + 1 < n_params ? p + 1 : NULL;
        for (int64_t k = 0; k < each; k++) p->data[k] = START[k % N];
    }
    m->params.first = &m->param[0];
}

static bool model_start(Model *m, const char *name, const char *yaml)
{
    const Optimizer *o = optimizer_find(name);
    Yaml *y;
    ASSERT_OK(yaml_parse(m->arena, yaml, strlen(yaml), "<text>", &y, &m->err), &m->err);
    void *options = arena_alloc(m->arena, o->options.bytes);
    ASSERT_OK(option_read(&o->options, y, NULL, "in optimizer", options, &m->err), &m->err);
    return optimizer_start(&m->state, o, options, &m->params, m->arena, &m->err);
}

static void model_free(Model *m)
{
    optimizer_free(&m->state);
    memory_unmap(m->params.weights, 0);
    memory_unmap(m->params.grads, 0);
    arena_free(m->arena);
}

static double lr_of(const Model *m)
{
    return ((const OptimizerCommon *)m->state.options)->lr;
}

static void model_step(Model *m)
{
    for (Param *p = m->params.first; p; p = p->next)
        for (int64_t k = 0; k < p->n; k++) p->grad[k] = gradient(m->state.step + 1, k);
    assert_true(optimizer_step(&m->state, lr_of(m), NULL));
}

/* A step rounds a weight near 1 once or twice: 2^-24 each. Adam's constants are rounded to float,
 * which shifts a moment by up to 1.3e-5 of itself and an update of 0.05 by half of that. */
static void assert_weights(const float *w, const double want[N], double tolerance)
{
    for (int i = 0; i < N; i++)
        if (!(fabs((double)w[i] - want[i]) <= tolerance))
            print_error("w[%d] = %.9g, torch has %.9g\n", i, (double)w[i], want[i]);
    for (int i = 0; i < N; i++) assert_true(fabs((double)w[i] - want[i]) <= tolerance);
}

static void check_run(const char *name, const char *options, const double want[N])
{
    Model m;
    model_build(&m, 1, N, NULL);
    ASSERT_OK(model_start(&m, name, options), &m.err);
    for (int t = 0; t < STEPS; t++) model_step(&m);
    assert_weights(m.params.weights, want, *name == 's' ? 2.4e-7 : 1.5e-6);
    model_free(&m);
}

typedef struct Run {
    const char *options;
    double want[N];
} Run;

TEST(optim, sgd_equals_torch)
{
    // clang-format off
    static const Run runs[] = {
        {"{}", {0.575, -0.2625, 0.9, -0.775}},
        {"{weight_decay: 0.05}", {0.564762876875, -0.256792990781, 0.88033731, -0.759676495781}},
        {"{momentum: 0.9}", {0.6288875, -0.377925, 0.86535, -0.8473375}},
        {"{momentum: 0.9, weight_decay: 0.05}",
         {0.605939114375, -0.363699406406, 0.82044816, -0.812436211406}},
        {"{momentum: 0.9, dampening: 0.25}", {0.58591875, -0.410425, 0.92050625, -0.85524375}},
        {"{momentum: 0.9, dampening: 0.25, weight_decay: 0.05}",
         {0.56674596251, -0.398603222576, 0.882297702656, -0.82573956531}},
        {"{momentum: 0.9, nesterov: true}", {0.69099875, -0.3776325, 0.778815, -0.86260375}},
        {"{momentum: 0.9, nesterov: true, weight_decay: 0.05}",
         {0.659575704448, -0.356419792663, 0.719396537507, -0.814925584524}},
    };
    // clang-format on
    for (size_t i = 0; i < sizeof runs / sizeof runs[0]; i++)
        check_run("sgd", runs[i].options, runs[i].want);
}

TEST(optim, adam_equals_torch)
{
    // clang-format off
    static const Run runs[] = {
        {"{lr: 0.05}", {0.51344482895, -0.329121017775, 0.98939557747, -0.824210114927}},
        {"{lr: 0.05, weight_decay: 0.1}",
         {0.498702898332, -0.322326678629, 0.964614508291, -0.795355041049}},
        {"{lr: 0.05, beta1: 0.8, beta2: 0.95, eps: 1e-3, weight_decay: 0.02}",
         {0.513480366334, -0.31840120592, 0.978481698585, -0.814397515011}},
        {"{lr: 0.05, beta1: 0, beta2: 0.9}",
         {0.54443435378, -0.250825291278, 0.929697464044, -0.77611042277}},
    };
    // clang-format on
    for (size_t i = 0; i < sizeof runs / sizeof runs[0]; i++)
        check_run("adam", runs[i].options, runs[i].want);
}

TEST(optim, adamw_equals_torch)
{
    // clang-format off
    static const Run runs[] = {
        {"{lr: 0.05, weight_decay: 0}",
         {0.51344482895, -0.329121017775, 0.98939557747, -0.824210114927}},
        {"{lr: 0.05, weight_decay: 0.1}",
         {0.50391810758, -0.323099412072, 0.969074223413, -0.808500032969}},
        {"{lr: 0.05, beta1: 0.8, beta2: 0.95, eps: 1e-3, weight_decay: 0.02}",
         {0.514347961724, -0.318573107105, 0.979771711627, -0.816919421388}},
        {"{lr: 0.05, beta1: 0, beta2: 0.9, weight_decay: 0}",
         {0.54443435378, -0.250825291278, 0.929697464044, -0.77611042277}},
    };
    // clang-format on
    for (size_t i = 0; i < sizeof runs / sizeof runs[0]; i++)
        check_run("adamw", runs[i].options, runs[i].want);
}

/* With one constant gradient the corrected moments are g and g^2 at every step, so each step is
 * lr g / (|g| + eps): also at step 10,000, where powers of beta are down to 1e-458. */
TEST(optim, adam_steps_by_lr_under_a_constant_gradient)
{
    Model m;
    model_build(&m, 1, N, NULL);
    ASSERT_OK(model_start(&m, "adam", "{}"), &m.err);
    for (int t = 1; t <= 10000; t++) {
        float before = m.params.weights[1];
        m.params.grads[1] = 0.125F;
        assert_true(optimizer_step(&m.state, 0.0009765625, NULL));
        if (t < 20 || t > 9990)
            assert_float_equal(before - m.params.weights[1], 0.0009765625F, 1e-6F);
    }
    model_free(&m);
}

/* torch.nn.utils.clip_grad_norm_(w, 0.5) before each SGD step with lr 0.1 and momentum 0.9. */
TEST(optim, clip_norm_equals_torch)
{
    static const double want[N] = {0.565210051586, -0.327028638573, 0.933278969513,
                                   -0.807117253584};
    check_run("sgd", "{momentum: 0.9, clip_norm: 0.5}", want);
}

TEST(optim, clip_norm_reports_the_norm_before_clipping)
{
    Model m;
    double norm = 0;
    model_build(&m, 2, N, NULL);
    ASSERT_OK(model_start(&m, "sgd", "{clip_norm: 1}"), &m.err);
    m.param[0].grad[1] = 3;
    m.param[1].grad[3] = -4; /* in the other parameter: one norm over both */
    assert_true(optimizer_step(&m.state, 1, &norm));
    assert_true(norm == 5);
    assert_float_equal(m.param[0].data[1], START[1] - 0.6F, 1e-6F);
    assert_float_equal(m.param[1].data[3], START[3] + 0.8F, 1e-6F);
    model_free(&m);
}

TEST(optim, clip_norm_leaves_a_short_gradient_alone)
{
    Model m;
    model_build(&m, 1, N, NULL);
    ASSERT_OK(model_start(&m, "sgd", "{clip_norm: 10}"), &m.err);
    m.params.grads[0] = 0.1F;
    assert_true(optimizer_step(&m.state, 1, NULL));
    assert_true(m.params.grads[0] == 0.1F);
    model_free(&m);
}

/* 3e30 squared is past the largest float; the clipped gradient is (0.6, 0.8) all the same. */
TEST(optim, clip_norm_holds_where_squares_overflow)
{
    Model m;
    double norm = 0;
    model_build(&m, 1, N, NULL);
    ASSERT_OK(model_start(&m, "sgd", "{clip_norm: 1}"), &m.err);
    m.params.grads[0] = 3e30F;
    m.params.grads[1] = 4e30F;
    assert_true(optimizer_step(&m.state, 1, &norm));
    assert_true(fabs(norm / 5e30 - 1) < 1e-6);
    assert_float_equal(m.params.weights[0], START[0] - 0.6F, 1e-6F);
    assert_float_equal(m.params.weights[1], START[1] - 0.8F, 1e-6F);
    model_free(&m);
}

TEST(optim, clip_value_bounds_each_gradient)
{
    Model m;
    double norm = 0;
    model_build(&m, 1, N, NULL);
    ASSERT_OK(model_start(&m, "sgd", "{clip_value: 0.25}"), &m.err);
    m.params.grads[0] = 2;
    m.params.grads[1] = -3;
    m.params.grads[2] = 0.125F;
    assert_true(optimizer_step(&m.state, 1, &norm));
    assert_true(isnan(norm));
    assert_true(m.params.weights[0] == START[0] - 0.25F);
    assert_true(m.params.weights[1] == START[1] + 0.25F);
    assert_true(m.params.weights[2] == START[2] - 0.125F);
    model_free(&m);
}

static void check_refuses(const char *options, float bad)
{
    Model m;
    float weights[N], grads[N], slot[N], ema[N];
    model_build(&m, 1, N, NULL);
    ASSERT_OK(model_start(&m, "adam", options), &m.err);
    model_step(&m);
    for (int i = 0; i < N; i++) m.params.grads[i] = i == 2 ? bad : 1;
    memcpy(weights, m.params.weights, sizeof weights);
    memcpy(grads, m.params.grads, sizeof grads);
    memcpy(slot, m.state.slots[1], sizeof slot);
    memcpy(ema, m.state.ema, sizeof ema);
    double norm = 0;
    assert_false(optimizer_step(&m.state, 0.1, &norm));
    assert_true(isnan(norm));
    assert_int_equal(m.state.step, 1);
    assert_memory_equal(weights, m.params.weights, sizeof weights);
    assert_memory_equal(grads, m.params.grads, sizeof grads);
    assert_memory_equal(slot, m.state.slots[1], sizeof slot);
    assert_memory_equal(ema, m.state.ema, sizeof ema);
    model_free(&m);
}

TEST(optim, a_gradient_that_is_not_finite_changes_nothing)
{
    const float bad[] = {NAN, INFINITY, -INFINITY};
    for (int i = 0; i < 3; i++) {
        check_refuses("{ema_decay: 0.9}", bad[i]);
        check_refuses("{ema_decay: 0.9, clip_norm: 1}", bad[i]);
        check_refuses("{ema_decay: 0.9, clip_value: 1}", bad[i]);
    }
}

TEST(optim, ema_follows_its_formula)
{
    Model m;
    double want[N];
    model_build(&m, 1, N, NULL);
    ASSERT_OK(model_start(&m, "sgd", "{ema_decay: 0.75}"), &m.err);
    for (int i = 0; i < N; i++) want[i] = (double)START[i];
    for (int t = 0; t < STEPS; t++) {
        model_step(&m);
        for (int i = 0; i < N; i++) want[i] = 0.75 * want[i] + 0.25 * (double)m.params.weights[i];
    }
    assert_weights(m.state.ema, want, 2.4e-7);
    model_free(&m);
}

TEST(optim, ema_of_a_constant_does_not_drift)
{
    Model m;
    model_build(&m, 1, N, NULL);
    ASSERT_OK(model_start(&m, "sgd", "{ema_decay: 0.9999}"), &m.err);
    for (int t = 0; t < 20000; t++) assert_true(optimizer_step(&m.state, 0.1, NULL));
    for (int i = 0; i < N; i++) assert_float_equal(m.state.ema[i], START[i], 1e-6F);
    model_free(&m);
}

TEST(optim, swap_ema_is_its_own_inverse)
{
    Model m;
    float weights[N], ema[N];
    model_build(&m, 1, N, NULL);
    ASSERT_OK(model_start(&m, "sgd", "{ema_decay: 0.5}"), &m.err);
    model_step(&m);
    memcpy(weights, m.params.weights, sizeof weights);
    memcpy(ema, m.state.ema, sizeof ema);
    optimizer_swap_ema(&m.state);
    assert_memory_equal(m.params.weights, ema, sizeof ema);
    optimizer_swap_ema(&m.state);
    assert_memory_equal(m.params.weights, weights, sizeof weights);
    model_free(&m);
}

TEST(optim, decay_on_weights_leaves_biases_and_norms)
{
    static const ParamRole roles[] = {ROLE_WEIGHT, ROLE_BIAS, ROLE_NORM, ROLE_EMBEDDING};
    Model m;
    model_build(&m, 4, N, roles);
    ASSERT_OK(model_start(&m, "sgd", "{weight_decay: 0.5, decay_on: weights}"), &m.err);
    assert_int_equal(m.state.n_spans, 3); /* bias and norm share theirs */
    assert_true(optimizer_step(&m.state, 1, NULL));
    for (int i = 0; i < 4; i++) assert_true(m.param[i].data[2] == (i == 0 || i == 3 ? 0.5F : 1.0F));
    model_free(&m);
}

TEST(optim, multipliers_scale_rate_and_decay)
{
    Model m;
    model_build(&m, 3, N, NULL);
    m.param[1].lr_multiplier = 0.5F;
    m.param[2].weight_decay_multiplier = 0;
    ASSERT_OK(model_start(&m, "sgd", "{weight_decay: 0.5}"), &m.err);
    for (int i = 0; i < 3; i++) m.param[i].grad[2] = 0.25F;
    assert_true(optimizer_step(&m.state, 1, NULL));
    assert_true(m.param[0].data[2] == 1 - 0.75F);
    assert_true(m.param[1].data[2] == 1 - 0.375F);
    assert_true(m.param[2].data[2] == 1 - 0.25F);
    model_free(&m);
}

TEST(optim, parameters_alike_share_one_span_with_their_padding)
{
    Model m;
    model_build(&m, 5, 7, NULL);
    ASSERT_OK(model_start(&m, "adamw", "{}"), &m.err);
    assert_int_equal(m.state.n_spans, 1);
    assert_int_equal(m.state.spans[0].n, m.params.n_trainable);
    for (int t = 0; t < STEPS; t++) model_step(&m);
    for (int i = 7; i < 16; i++) assert_true(m.params.weights[i] == 0);
    model_free(&m);
}

/* -- Muon: the formula of optim/muon.c in float64, by a script of ten lines of torch; AdamW is
 * torch.optim.AdamW. Two tensors of 25 floats or less, of which the last is not Muon's. */

enum { MUON_SHOWN = 5 };
static const int muon_shown[MUON_SHOWN] = {0, 5, 11, 17, 23};

static void muon_start(Model *m, int64_t rows, int64_t columns, const char *options)
{
    model_build(m, 2, rows * columns, NULL);
    for (int i = 0; i < 2; i++)
        m->param[i].shape = (Shape){
            2, {rows, columns}
        };
    ASSERT_OK(model_start(m, "muon", options), &m->err);
}

static void check_muon(int64_t rows, int64_t columns, const char *options,
                       const double want[MUON_SHOWN])
{
    Model m;
    muon_start(&m, rows, columns, options);
    for (int t = 0; t < STEPS; t++) model_step(&m);
    /* five steps of the polynomial make 3.4445^5 = 485 times of a rounding along a singular vector
     * that the gradient hardly has: 3e-5 of an update of 0.02 at most, four times */
    for (int i = 0; i < MUON_SHOWN; i++)
        assert_true(fabs((double)m.param[0].data[muon_shown[i]] - want[i]) <= 2.4e-6);
    model_free(&m);
}

TEST(optim, muon_agrees_with_float64)
{
    static const double tall[] = {0.5295109424, -0.2148075928, -0.76476824, -0.239333839,
                                  -0.7689647798};
    static const double wide[] = {0.4972484381, -0.231358845, -0.7494922767, -0.2378333283,
                                  -0.7475091947};
    static const double square[] = {0.5133402986, -0.2317985739, -0.7679368938, -0.2344895965,
                                    -0.7635908799};
    check_muon(6, 4, "{}", tall);
    check_muon(4, 6, "{nesterov: false, scale: rms, weight_decay: 0.1}", wide);
    check_muon(5, 5, "{momentum: 0.5, clip_value: 0.5}", square);
}

TEST(optim, muon_leaves_the_last_matrix_to_adamw)
{
    static const double want[] = {0.5000775953, -0.2494439192, -0.7506878473, -0.2493529719,
                                  -0.749992126};
    Model m;
    muon_start(&m, 6, 4, "{}");
    for (int t = 0; t < STEPS; t++) model_step(&m);
    for (int i = 0; i < MUON_SHOWN; i++)
        assert_true(fabs((double)m.param[1].data[muon_shown[i]] - want[i]) <= 2.4e-7);
    model_free(&m);
    muon_start(&m, 6, 4, "{last: muon}");
    for (int t = 0; t < STEPS; t++) model_step(&m);
    assert_memory_equal(m.param[0].data, m.param[1].data, 24 * sizeof(float));
    model_free(&m);
}

TEST(optim, muon_has_the_same_bits_for_any_number_of_threads_and_takes_no_memory)
{
    enum { ROWS = 150, COLUMNS = 90, ALL = ROWS * COLUMNS };
    static float first[ALL];
    for (int threads = 1; threads <= 3; threads++) {
        Model m;
        threads_set(threads);
        muon_start(&m, ROWS, COLUMNS, "{ema_decay: 0.9}");
        const int64_t before = memory_count();
        for (int t = 0; t < STEPS; t++) model_step(&m);
        assert_int_equal(memory_count(), before);
        if (threads == 1) memcpy(first, m.param[0].data, sizeof first);
        assert_memory_equal(first, m.param[0].data, sizeof first);
        model_free(&m);
    }
    threads_set(0);
}

TEST(optim, a_model_without_trainable_parameters_can_step)
{
    Model m;
    model_build(&m, 1, N, NULL);
    m.param[0].trainable = false;
    m.params.n_trainable = 0;
    ASSERT_OK(model_start(&m, "adam", "{clip_norm: 1, ema_decay: 0.9}"), &m.err);
    assert_true(optimizer_step(&m.state, 0.1, NULL));
    assert_true(m.params.weights[0] == START[0]);
    model_free(&m);
}

/* As a checkpoint does: weights, slots, ema and step go into a fresh state. */
static void copy_state(Model *to, const Model *from)
{
    const size_t bytes = (size_t)from->params.n_trainable * sizeof(float);
    memcpy(to->params.weights, from->params.weights, bytes);
    for (int k = 0; k < from->state.optimizer->n_slots; k++)
        memcpy(to->state.slots[k], from->state.slots[k], bytes);
    memcpy(to->state.ema, from->state.ema, bytes);
    to->state.step = from->state.step;
}

TEST(optim, a_resumed_state_continues_with_the_same_bits)
{
    static const char *const options = "{weight_decay: 0.1, clip_norm: 0.7, ema_decay: 0.9}";
    for (int i = 0; optimizer_registry[i]; i++) {
        Model whole, half;
        model_build(&whole, 2, 33, NULL);
        model_build(&half, 2, 33, NULL);
        ASSERT_OK(model_start(&whole, optimizer_registry[i]->name, options), &whole.err);
        ASSERT_OK(model_start(&half, optimizer_registry[i]->name, options), &half.err);
        for (int t = 0; t < 7; t++) model_step(&whole);
        copy_state(&half, &whole);
        for (int t = 0; t < 9; t++) model_step(&whole);
        for (int t = 0; t < 9; t++) model_step(&half);
        const size_t bytes = (size_t)whole.params.n_trainable * sizeof(float);
        assert_memory_equal(whole.params.weights, half.params.weights, bytes);
        assert_memory_equal(whole.state.ema, half.state.ema, bytes);
        model_free(&whole);
        model_free(&half);
    }
}

static void train_long(const char *name, float *weights, int64_t n, int threads)
{
    Model m;
    Pcg rng = pcg_seed(1, 2);
    threads_set(threads);
    model_build(&m, 1, n, NULL);
    ASSERT_OK(model_start(&m, name, "{weight_decay: 0.1, clip_norm: 0.7}"), &m.err);
    for (int t = 0; t < 3; t++) {
        for (int64_t i = 0; i < n; i++) m.params.grads[i] = pcg_uniform(&rng) - 0.5F;
        assert_true(optimizer_step(&m.state, 0.01, NULL));
    }
    memcpy(weights, m.params.weights, (size_t)n * sizeof *weights);
    model_free(&m);
    threads_set(0);
}

TEST(optim, bits_do_not_depend_on_threads)
{
    enum { MANY = 100003 };
    float *one = malloc(MANY * sizeof *one), *more = malloc(MANY * sizeof *more);
    assert_true(one && more);
    for (int i = 0; optimizer_registry[i]; i++) {
        train_long(optimizer_registry[i]->name, one, MANY, 1);
        for (int threads = 2; threads <= 3; threads++) {
            train_long(optimizer_registry[i]->name, more, MANY, threads);
            assert_memory_equal(one, more, MANY * sizeof *one);
        }
    }
    free(one);
    free(more);
}

TEST(optim, a_step_takes_no_memory)
{
    Model m;
    model_build(&m, 2, 100, NULL);
    ASSERT_OK(model_start(&m, "adamw", "{clip_norm: 0.1, clip_value: 1, ema_decay: 0.9}"), &m.err);
    int64_t before = memory_count();
    for (int t = 0; t < STEPS; t++) model_step(&m);
    assert_int_equal(memory_count(), before);
    model_free(&m);
}

TEST(optim, nesterov_without_momentum_is_refused)
{
    static const char *const options[] = {"{nesterov: true}",
                                          "{nesterov: true, momentum: 0.9, dampening: 0.1}"};
    for (int i = 0; i < 2; i++) {
        Model m;
        model_build(&m, 1, N, NULL);
        ASSERT_FAILS(model_start(&m, "sgd", options[i]), &m.err, FAIL_CONFIG,
                     "optimizer sgd: nesterov needs a momentum above 0 and no dampening");
        model_free(&m);
    }
}

TEST(optim, a_learning_rate_of_zero_or_above_ten_is_refused)
{
    static const char *const texts[] = {"{lr: 0}", "{lr: 11}"};
    for (int i = 0; i < 2; i++) {
        Arena *a = arena_new();
        Error err = {0};
        Yaml *y;
        ASSERT_OK(yaml_parse(a, texts[i], strlen(texts[i]), "<text>", &y, &err), &err);
        const OptionTable *table = &optimizer_find("adam")->options;
        ASSERT_FAILS(
            option_read(table, y, NULL, "in optimizer", arena_alloc(a, table->bytes), &err), &err,
            FAIL_CONFIG, "is outside [1e-10, 10]; the default is 1e-3");
        arena_free(a);
    }
}

TEST(optim, every_optimizer_is_found_and_described)
{
    for (int i = 0; optimizer_registry[i]; i++) {
        const Optimizer *o = optimizer_registry[i];
        assert_ptr_equal(optimizer_find(o->name), o);
        assert_true(o->summary[0] && o->paper[0] && o->revision >= 1 && o->n_slots >= 1);
        for (int k = 0; k < o->n_slots; k++) assert_true(o->slot_name[k][0]);
        for (int k = 0; k < o->options.n; k++) assert_true(o->options.options[k].help[0]);
    }
    assert_null(optimizer_find("adamm"));
}
