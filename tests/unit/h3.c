/* h3 -- the H3 language model: gradients against central differences in double with the methods of
 * its kernels at work, its first values, and what is said of options that do not fit. That its
 * logits are those of the formulas is in forward.c, that no step sees a later one in causal.c. */
#include "tests/graph_cases.h"
#include "tests/model.h"
#include "tests/test.h"

#include "methods/method.h"

#include <math.h>
#include <string.h>

enum { BATCH = 2, STEPS = 7, TOKENS = 5, N_METHODS = 2 };

static Node *parametrize(void *owner, const ModelBuild *b, Param *p, Node *w)
{
    const MethodCall *calls = owner;
    for (int i = 0; i < N_METHODS; i++) w = calls[i].method->parametrize(&calls[i], b, p, w);
    return w;
}

static MethodCall call_of(Arena *a, const char *name, const char *options)
{
    MethodCall c = {.method = method_find(name), .seed = 4};
    assert_non_null(c.method);
    c.options = test_options(a, &c.method->options, options);
    return c;
}

static ModelBuild language_model(Graph *g)
{
    return (ModelBuild){
        .graph = g,
        .params = params_new(g->arena),
        .training = true,
        .task = {.sample = shape(1, (int64_t)STEPS),
                 .dtype = I32,
                 .n_tokens = TOKENS,
                 .n_classes = TOKENS,
                 .per_step = true,
                 .causal = true}
    };
}

/* -- Gradients */

/* Cancellation of the differences; the methods' constants and 1 / n of a mean are floats. */
static const double STEP = 1e-5, TOLERANCE = 1e-7;

static double loss_at(Graph64 *v, const Node *loss, double *at, double value)
{
    const double keep = *at;
    *at = value;
    graph64_reset(v);
    const double y = *graph64_value(v, loss);
    *at = keep;
    return y;
}

/* Numbers of (-0.5, 0.5) for a parameter, none within 1e-3 of the threshold 0.25. */
static double *numbers(Trial *t, int64_t n)
{
    double *x = arena_new_array(t->arena, double, n);
    for (int64_t i = 0; i < n; i++) {
        x[i] = (double)pcg_uniform(&t->rng) - 0.5;
        if (fabs(fabs(x[i]) - 0.25) < 1e-3) x[i] = 0.125;
    }
    return x;
}

/* Of every parameter, under squash and kernel dropout. */
static void gradients_are_differences(const char *options)
{
    enum { MOST = 48 };
    Trial t = trial_empty(5);
    const Model *model = model_find("h3");
    MethodCall calls[N_METHODS] = {call_of(t.arena, "squash", "{lambda: 0.25}"),
                                   call_of(t.arena, "kernel_dropout", "{rate: 0.25}")};
    ModelBuild b = language_model(t.g);
    b.parametrize = parametrize;
    b.owner = calls;
    Node *x = trial_whole(&t, shape(2, (int64_t)BATCH, (int64_t)STEPS), TOKENS), *wrt[MOST];
    Node *grad[MOST];
    double *data[MOST];
    int n = 0;
    Node *loss =
        trial_mix(&t, model->build(&b, test_options(t.arena, &model->options, options), x));
    for (Param *p = b.params->first; p; p = p->next) {
        assert_true(n < MOST);
        data[n] = numbers(&t, p->n);
        wrt[n++] = param_node(t.g, p);
    }
    graph_grad(t.g, loss, NULL, wrt, n, grad);
    trial_check(&t);
    Graph64 *v = trial_reference(&t);
    for (int k = 0; k < n; k++) graph64_bind(v, wrt[k], data[k]);
    for (int k = 0; k < n; k++) {
        const int64_t count = shape_count(&wrt[k]->shape), step = count / 3 + 1;
        double *got = arena_new_array(t.arena, double, count);
        graph64_reset(v);
        memcpy(got, graph64_value(v, grad[k]), sizeof(double) * (size_t)count);
        for (int64_t i = 0; i < count; i += step) {
            double *at = &data[k][i];
            const double above = loss_at(v, loss, at, *at + STEP);
            const double want = (above - loss_at(v, loss, at, *at - STEP)) / (2 * STEP);
            const bool ok = fabs(got[i] - want) <= TOLERANCE * fmax(1, fabs(want));
            if (!ok) print_error("%s: %.12g, not %.12g\n", wrt[k]->name, got[i], want);
            assert_true(ok);
        }
    }
    trial_free(&t);
}

TEST(h3, gradients_are_central_differences)
{
    gradients_are_differences("{n_layers: 1, d_model: 4, d_mlp: 3}");
}

TEST(h3, gradients_of_heads_are_central_differences)
{
    gradients_are_differences("{n_layers: 1, d_model: 4, d_mlp: 3, head_dim: 2, first: short, "
                              "tie_embeddings: false}");
}

TEST(h3, gradients_beside_attention_are_central_differences)
{
    gradients_are_differences("{n_layers: 2, d_model: 4, d_mlp: 3, n_heads: 2, "
                              "attention_layers: [1]}");
}

/* -- Parameters */

static Arena *built(ModelBuild *b, const char *options)
{
    Error err = {0};
    Arena *a = arena_new();
    const Model *model = model_find("h3");
    *b = language_model(graph_new(a));
    Node *x = input(b->graph, "x", I32, shape(2, (int64_t)BATCH, (int64_t)STEPS));
    Node *y = model->build(b, test_options(a, &model->options, options), x);
    ASSERT_OK(graph_ok(b->graph, &err), &err);
    assert_int_equal(y->shape.dim[1], STEPS);
    assert_int_equal(y->shape.dim[2], TOKENS);
    return a;
}

/* GPT-2's count of a layer, 12 d^2 + 13 d, with 2 d STEPS taps and 2 d of D more; the embedding is
 * there once. */
TEST(h3, counts_as_gpt2_and_its_kernels)
{
    enum { D = 8, LAYERS = 2 };
    ModelBuild b;
    Arena *a = built(&b, "{n_layers: 2, d_model: 8}");
    int64_t n = 0;
    for (const Param *p = b.params->first; p; p = p->next) n += p->n;
    assert_int_equal(n,
                     TOKENS * D + 2 * D + LAYERS * (12 * D * D + 13 * D + 2 * D * STEPS + 2 * D));
    arena_free(a);
}

TEST(h3, both_kernels_learn_at_their_rate_and_do_not_decay)
{
    static const char *const names[] = {"layers.0.k.kernel", "layers.0.kernel"};
    ModelBuild b;
    Arena *a = built(&b, "{n_layers: 1, d_model: 4, kernel_lr: 0.5, kernel_init: double_exp}");
    for (int i = 0; i < 2; i++) {
        const Param *p = params_find(b.params, names[i]);
        assert_non_null(p);
        assert_int_equal(p->role, ROLE_KERNEL);
        assert_int_equal(p->init.kind, INIT_DECAYING_NORMAL);
        assert_true(p->lr_multiplier == 0.5f && p->weight_decay_multiplier == 0);
    }
    arena_free(a);
}

TEST(h3, short_first_convolution_has_taps_of_its_own)
{
    ModelBuild b;
    Arena *a = built(&b, "{n_layers: 1, d_model: 4, first: short, short_length: 3}");
    assert_null(params_find(b.params, "layers.0.k.kernel"));
    const Param *p = params_find(b.params, "layers.0.k.taps");
    assert_non_null(p);
    assert_int_equal(p->shape.dim[1], 3);
    assert_true(p->weight_decay_multiplier == 0);
    arena_free(a);
}

/* The language model's first values: 0.02, and less by sqrt(2 layers) where the stream adds up. */
TEST(h3, what_the_stream_adds_starts_smaller)
{
    ModelBuild b;
    Arena *a = built(&b, "{n_layers: 8, d_model: 4, n_heads: 2, attention_layers: [3]}");
    static const char *const plain[] = {"encoder.weight", "layers.0.qkv.weight",
                                        "layers.7.mlp.0.weight", "layers.3.attention.qkv.weight"};
    static const char *const added[] = {"layers.0.output.weight", "layers.7.mlp.1.weight",
                                        "layers.3.attention.output.weight"};
    for (int i = 0; i < 4; i++) assert_true(params_find(b.params, plain[i])->init.a == 0.02);
    for (int i = 0; i < 3; i++)
        assert_true(fabs(params_find(b.params, added[i])->init.a - 0.005) < 1e-15);
    arena_free(a);
}

/* -- Options that do not fit */

static void build_fails(const char *options, const char *text)
{
    Error err = {0};
    Arena *a = arena_new();
    const Model *model = model_find("h3");
    ModelBuild b = language_model(graph_new(a));
    Node *x = input(b.graph, "x", I32, shape(2, (int64_t)BATCH, (int64_t)STEPS));
    (void)model->build(&b, test_options(a, &model->options, options), x);
    ASSERT_FAILS(graph_ok(b.graph, &err), &err, FAIL_CONFIG, text);
    arena_free(a);
}

TEST(h3, attention_in_a_layer_that_is_not_there_is_an_error)
{
    build_fails("{n_layers: 4, d_model: 12, attention_layers: [1, 4]}",
                "attention_layers: there is no layer 4 of 4 from 0 on");
}

TEST(h3, heads_that_do_not_divide_the_width_are_an_error)
{
    build_fails("{n_layers: 1, d_model: 8, head_dim: 3}",
                "head_dim is 3, which does not divide d_model, 8");
    build_fails("{n_layers: 1, d_model: 8, n_heads: 3, attention_layers: 0}",
                "n_heads is 3, which does not divide d_model, 8");
}
