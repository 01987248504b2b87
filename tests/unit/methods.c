/* methods -- each technique through the hooks that the trainer calls. */
#include "tests/model.h"
#include "tests/test.h"

#include "graph/plan.h"
#include "methods/method.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* -- magnitude_mask */

/* A small network under one method, its weights set by hand where a test wants it. */
typedef struct Masked {
    TestModel m;
    MethodCall call;
} Masked;

static Node *parametrize(void *owner, const ModelBuild *b, Param *p, Node *w)
{
    const MethodCall *c = owner;
    return c->method->parametrize(c, b, p, w);
}

/* 6 x 4 and 3 x 6 weights. `at` is where the Masked lives: hooks keep its address. */
static void masked(Masked *at, const char *options)
{
    at->m = test_model("mlp", "{hidden: [6]}", shape(1, INT64_C(4)), 3);
    at->call = (MethodCall){.method = method_find("magnitude_mask"),
                            .params = at->m.build.params,
                            .total_steps = 100,
                            .steps_per_epoch = 10};
    at->call.options = test_options(at->m.arena, &at->call.method->options, options);
    at->m.build.parametrize = parametrize;
    at->m.build.owner = &at->call;
    test_model_init(&at->m, 2, 1);
}

static Param *get(const Masked *k, const char *name)
{
    Param *p = params_find(k->m.build.params, name);
    if (!p) print_error("no parameter '%s'\n", name);
    assert_non_null(p);
    return p;
}

static int64_t zeros(const Param *mask)
{
    int64_t n = 0;
    for (int64_t i = 0; i < mask->n; i++) {
        assert_true(mask->data[i] == 0 || mask->data[i] == 1);
        n += mask->data[i] == 0;
    }
    return n;
}

static void transform(Masked *k)
{
    Error err = {0};
    ASSERT_OK(k->call.method->transform(&k->call, &err), &err);
}

TEST(magnitude_mask, global_sparsity_is_exact)
{
    static const struct {
        const char *options;
        int64_t zeros; /* of 24 + 18 weights: round(42 sparsity) */
    } row[] = {
        {"{sparsity: 0.1}",      4 },
        {"{sparsity: 0.5}",      21},
        {"{sparsity: 0.9}",      38},
        {"{sparsity: 0.999999}", 42},
        {"{sparsity: 0.01}",     0 }
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        Masked k;
        masked(&k, row[i].options);
        transform(&k);
        assert_int_equal(zeros(get(&k, "fc_layers.0.weight_mask")) +
                             zeros(get(&k, "fc.weight_mask")),
                         row[i].zeros);
        test_model_free(&k.m);
    }
}

TEST(magnitude_mask, layer_sparsity_is_exact_in_each)
{
    Masked k;
    masked(&k, "{sparsity: 0.3, scope: layer}");
    transform(&k);
    assert_int_equal(zeros(get(&k, "fc_layers.0.weight_mask")), 7); /* 7.2 */
    assert_int_equal(zeros(get(&k, "fc.weight_mask")), 5);          /* 5.4 */
    test_model_free(&k.m);
}

TEST(magnitude_mask, every_kept_weight_is_at_least_every_masked_one)
{
    Masked k;
    masked(&k, "{sparsity: 0.6}");
    transform(&k);
    static const char *const names[][2] = {
        {"fc_layers.0.weight", "fc_layers.0.weight_mask"},
        {"fc.weight",          "fc.weight_mask"         }
    };
    float kept = INFINITY, gone = 0;
    for (int i = 0; i < 2; i++) {
        const Param *w = get(&k, names[i][0]), *mask = get(&k, names[i][1]);
        for (int64_t j = 0; j < w->n; j++)
            if (mask->data[j] != 0)
                kept = fminf(kept, fabsf(w->data[j]));
            else
                gone = fmaxf(gone, fabsf(w->data[j]));
    }
    assert_true(kept >= gone);
    test_model_free(&k.m);
}

/* Magnitudes that differ in one bit of each digit of the selection, one beside the other. */
TEST(magnitude_mask, neighbouring_floats_are_told_apart)
{
    Masked k;
    masked(&k, "{sparsity: 0.5, scope: layer}");
    Param *w = get(&k, "fc.weight");
    for (int64_t i = 0; i < w->n; i++) {
        const uint32_t bits = UINT32_C(0x3f800000) + ((uint32_t)i * 5 % 18);
        memcpy(&w->data[i], &bits, sizeof bits);
        if (i % 2) w->data[i] = -w->data[i];
    }
    transform(&k);
    const Param *mask = get(&k, "fc.weight_mask");
    for (int64_t i = 0; i < w->n; i++) assert_true((mask->data[i] == 0) == (i * 5 % 18 < 9));
    test_model_free(&k.m);
}

TEST(magnitude_mask, ties_fall_in_the_order_of_parameters_and_index)
{
    Masked k;
    masked(&k, "{sparsity: 0.75}"); /* round(31.5) = 32: all of the first, 8 of the second */
    Param *first = get(&k, "fc_layers.0.weight"), *second = get(&k, "fc.weight");
    for (int64_t i = 0; i < first->n; i++) first->data[i] = i % 2 ? 0.5f : -0.5f;
    for (int64_t i = 0; i < second->n; i++) second->data[i] = i % 3 ? 0.5f : -0.5f;
    transform(&k);
    assert_int_equal(zeros(get(&k, "fc_layers.0.weight_mask")), 24);
    for (int64_t i = 0; i < second->n; i++)
        assert_true(get(&k, "fc.weight_mask")->data[i] == (i < 8 ? 0 : 1));
    test_model_free(&k.m);
}

TEST(magnitude_mask, mask_is_ones_until_its_step)
{
    Masked k;
    masked(&k, "{sparsity: 0.5, at: 3ep}");
    transform(&k);
    for (k.call.step = 1; k.call.step < 30; k.call.step++) k.call.method->after_step(&k.call);
    assert_int_equal(zeros(get(&k, "fc.weight_mask")), 0);
    k.call.method->after_step(&k.call);
    assert_int_equal(zeros(get(&k, "fc_layers.0.weight_mask")) + zeros(get(&k, "fc.weight_mask")),
                     21);
    test_model_free(&k.m);
}

TEST(magnitude_mask, taking_it_in_a_step_allocates_nothing)
{
    Masked k;
    masked(&k, "{sparsity: 0.5, at: 1}");
    const int64_t before = memory_count();
    k.call.step = 1;
    k.call.method->after_step(&k.call);
    assert_int_equal(memory_count(), before);
    test_model_free(&k.m);
}

TEST(magnitude_mask, second_mask_keeps_what_the_first_took)
{
    Masked k;
    masked(&k, "{sparsity: 0.4, at: 1}");
    k.call.step = 1;
    k.call.method->after_step(&k.call);
    Param *w = get(&k, "fc.weight"), *mask = get(&k, "fc.weight_mask");
    float before[18];
    assert_int_equal(mask->n, 18);
    memcpy(before, mask->data, sizeof before);
    for (int64_t i = 0; i < w->n; i++)
        if (before[i] == 0) w->data[i] = 10; /* grown under the mask */
    k.call.method->after_step(&k.call);
    for (int64_t i = 0; i < w->n; i++) assert_true(mask->data[i] <= before[i]);
    test_model_free(&k.m);
}

TEST(magnitude_mask, biases_and_norms_have_no_mask)
{
    Masked k;
    masked(&k, "{sparsity: 0.5}");
    assert_null(params_find(k.m.build.params, "fc.bias_mask"));
    assert_non_null(params_find(k.m.build.params, "fc.weight_mask"));
    assert_int_equal(get(&k, "fc.weight_mask")->role, ROLE_BUFFER);
    test_model_free(&k.m);
}

TEST(magnitude_mask, sparsity_0_builds_the_dense_graph)
{
    Masked k;
    masked(&k, "{sparsity: 0}");
    TestModel dense = test_model("mlp", "{hidden: [6]}", shape(1, INT64_C(4)), 3);
    test_model_build(&dense, 2, false);
    assert_int_equal(k.m.build.graph->n_nodes, dense.build.graph->n_nodes);
    assert_int_equal(k.m.build.params->n, dense.build.params->n);
    transform(&k);
    test_model_free(&k.m);
    test_model_free(&dense);
}

TEST(magnitude_mask, step_after_the_end_is_an_error)
{
    Masked k;
    Error err = {0};
    masked(&k, "{sparsity: 0.5, at: 11ep}");
    ASSERT_FAILS(k.call.method->transform(&k.call, &err), &err, FAIL_CONFIG,
                 "method 'magnitude_mask': at is step 110, after the last step (100)");
    test_model_free(&k.m);
}

/* A step's worth: loss sum(logits^2) and the gradients of all trainable parameters, as masked. */
static double gradients(Masked *k)
{
    enum { MAX_PARAMS = 16 };
    static const float x[] = {1, -2, 0.5f, 3, -1, 0.25f, 2, -0.75f};
    Error err = {0};
    Graph *g = k->m.build.graph;
    Node *wrt[MAX_PARAMS], *dw[MAX_PARAMS];
    PlanOutput out[MAX_PARAMS + 1];
    int n = 0;
    Node *loss = sum(g, square(g, k->m.logits), ALL_AXES, false);
    for (Param *p = k->m.build.params->first; p; p = p->next)
        if (p->trainable) {
            out[n].to = p->grad;
            wrt[n++] = param_node(g, p);
        }
    graph_grad(g, loss, NULL, wrt, n, dw);
    for (int i = 0; i < n; i++) out[i].node = dw[i];
    out[n] = (PlanOutput){.node = loss};
    Plan *plan = plan_new(g, out, n + 1, NULL, &err);
    ASSERT_OK(plan != NULL, &err);
    ASSERT_OK(plan_allocate(plan, &err), &err);
    plan_bind(plan, k->m.x, x);
    plan_run(plan, 0);
    const double value = (double)*(const float *)plan_value(plan, loss);
    plan_free(plan);
    return value;
}

TEST(magnitude_mask, masked_weight_counts_as_zero_and_gets_no_gradient)
{
    Masked k, zeroed;
    masked(&k, "{sparsity: 0.5}");
    masked(&zeroed, "{sparsity: 0}");
    transform(&k);
    const Param *mask = get(&k, "fc.weight_mask"), *first = get(&k, "fc_layers.0.weight_mask");
    for (int64_t i = 0; i < mask->n; i++) get(&zeroed, "fc.weight")->data[i] *= mask->data[i];
    for (int64_t i = 0; i < first->n; i++)
        get(&zeroed, "fc_layers.0.weight")->data[i] *= first->data[i];
    assert_true(gradients(&k) == gradients(&zeroed));
    const Param *w = get(&k, "fc.weight"), *dense = get(&zeroed, "fc.weight");
    for (int64_t i = 0; i < w->n; i++)
        assert_true(w->grad[i] == (mask->data[i] == 0 ? 0 : dense->grad[i]));
    test_model_free(&k.m);
    test_model_free(&zeroed.m);
}

TEST(magnitude_mask, mask_of_ones_gives_the_dense_bits)
{
    Masked k, dense;
    masked(&k, "{sparsity: 0.5, at: 50}");
    masked(&dense, "{sparsity: 0}");
    assert_true(gradients(&k) == gradients(&dense));
    const Params *a = k.m.build.params, *b = dense.m.build.params;
    assert_int_equal(a->n_trainable, b->n_trainable);
    assert_memory_equal(a->grads, b->grads, sizeof(float) * (size_t)a->n_trainable);
    test_model_free(&k.m);
    test_model_free(&dense.m);
}

/* -- label_smoothing */

/* The method's loss over three rows of logits, the second of them ignored, and its gradient. */
static double smoothed(const char *options, bool training, float gradient[12])
{
    static const float x[] = {1, -2, 0.5f, 0, 0, 3, -1, 2, 0.25f, 0.5f, -0.75f, 1};
    static const int32_t label[] = {2, -1, 0};
    Error err = {0};
    Arena *a = arena_new();
    Graph *g = graph_new(a);
    MethodCall c = {.method = method_find("label_smoothing")};
    c.options = test_options(a, &c.method->options, options);
    LossCall l = {.graph = g,
                  .logits = input(g, "x", F32, shape(2, INT64_C(3), INT64_C(4))),
                  .label = input(g, "label", I32, shape(1, INT64_C(3))),
                  .training = training};
    Node *rows = cross_entropy(g, l.logits, l.label, 0, -1);
    Node *loss = c.method->loss(&c, &l, affine(g, sum(g, rows, ALL_AXES, false), 0.5f, 0));
    Node *dx;
    graph_grad(g, loss, NULL, &l.logits, 1, &dx);
    const PlanOutput out[] = {
        {.node = loss   },
        { .node = dx, .to = gradient}
    };
    Plan *plan = plan_new(g, out, 2, NULL, &err);
    ASSERT_OK(plan != NULL, &err);
    ASSERT_OK(plan_allocate(plan, &err), &err);
    plan_bind(plan, l.logits, x);
    plan_bind(plan, l.label, label);
    plan_run(plan, 0);
    const double value = (double)*(const float *)plan_value(plan, loss);
    plan_free(plan);
    arena_free(a);
    return value;
}

/* torch 1.13, float64: cross_entropy(x, y, ignore_index=-1, label_smoothing=0.1) */
TEST(label_smoothing, loss_is_torchs)
{
    float dx[12];
    assert_true(fabs(smoothed("{smoothing: 0.1}", true, dx) - 1.4148949273978344) < 1e-6);
    assert_true(fabs(smoothed("{smoothing: 1}", true, dx) - 1.6961449273978344) < 1e-6);
}

/* (softmax - q') / 2 for the two rows that count, q' of Szegedy et al., section 7. */
TEST(label_smoothing, gradient_is_softmax_less_the_mixed_target)
{
    static const double x[2][4] = {
        {1,    -2,  0.5,   0},
        {0.25, 0.5, -0.75, 1}
    };
    static const int row[] = {0, 2}, label[] = {2, 0};
    float dx[12];
    (void)smoothed("{smoothing: 0.2}", true, dx);
    for (int r = 0; r < 2; r++) {
        double total = 0;
        for (int j = 0; j < 4; j++) total += exp(x[r][j]);
        for (int j = 0; j < 4; j++) {
            const double target = 0.8 * (j == label[r]) + 0.05;
            const double expected = (exp(x[r][j]) / total - target) / 2;
            assert_true(fabs((double)dx[4 * row[r] + j] - expected) < 1e-6);
        }
    }
    for (int j = 4; j < 8; j++) assert_true(dx[j] == 0);
}

TEST(label_smoothing, evaluation_and_0_keep_the_plain_loss)
{
    float dx[12];
    assert_true(fabs(smoothed("{smoothing: 0.1}", false, dx) - 1.3836449273978344) < 1e-6);
    assert_true(fabs(smoothed("{smoothing: 0}", true, dx) - 1.3836449273978344) < 1e-6);
}

TEST(methods, unknown_name_is_not_found)
{
    assert_null(method_find("magnitude"));
}
