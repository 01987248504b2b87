/* score -- importance of weights against hand-worked values, finite differences in double, and the
 * laws that they obey. */
#include "tests/model.h"
#include "tests/test.h"

#include "base/pcg.h"
#include "methods/prune/mask.h"
#include "methods/prune/score.h"
#include "tests/graph64.h"

#include <math.h>
#include <string.h>

typedef struct Scored {
    TestModel m;
    MethodCall call;
    Samples samples;
    ScoreCall score;
    int64_t n;
    float *at;
} Scored;

/* A model of 3 classes with first values, and `batches` of 6 examples. */
static void start(Scored *s, const char *model, const char *options, Shape sample, int64_t batches)
{
    enum { BATCH = 6 };
    s->m = test_model(model, options, sample, 3);
    s->m.build.architecture = s->m.model->architecture(s->m.options);
    test_model_init(&s->m, 2, 1);
    s->call = (MethodCall){.params = s->m.build.params,
                           .model = s->m.model,
                           .model_options = s->m.options,
                           .like = &s->m.build,
                           .seed = 1};
    const int64_t each = shape_count(&sample), n = BATCH * batches;
    float *x = arena_new_array(s->m.arena, float, n *each);
    int32_t *label = arena_new_array(s->m.arena, int32_t, n);
    Pcg rng = pcg_seed(3, 4);
    for (int64_t i = 0; i < n * each; i++) x[i] = (float)pcg_normal(&rng);
    for (int64_t i = 0; i < n; i++) label[i] = (int32_t)pcg_below(&rng, 3);
    s->samples = (Samples){.n = n,
                           .batch_size = BATCH,
                           .n_batches = batches,
                           .x = x,
                           .label = label,
                           .batch_bytes = sizeof(float) * (size_t)(BATCH * each)};
    s->score = (ScoreCall){.call = &s->call, .samples = &s->samples, .temperature = 200};
    s->n = score_count(s->call.params);
    s->at = arena_new_array(s->m.arena, float, s->n);
}

static void score(Scored *s, ScoreKind kind)
{
    Error err = {0};
    ASSERT_OK(score_weights(&s->score, kind, s->at, &err), &err);
}

static Param *get(const Scored *s, const char *name)
{
    Param *p = params_find(s->call.params, name);
    assert_non_null(p);
    return p;
}

static const float *scores_of(const Scored *s, const char *name)
{
    const int64_t first = score_offset(s->call.params, get(s, name));
    assert_true(first >= 0);
    return s->at + first;
}

static double sum_of(const Scored *s, const char *name)
{
    const float *at = scores_of(s, name);
    double sum = 0;
    for (int64_t i = 0; i < get(s, name)->n; i++) sum += (double)at[i];
    return sum;
}

/* -- SynFlow */

TEST(score, synflow_of_a_net_of_three_layers_of_units)
{
    static const float w1[] = {1, -2, 3, .5f}, w2[] = {2, -1};
    static const float want1[] = {2, 4, 3, .5f}, want2[] = {6, 3.5f};
    Scored s;
    s.m = test_model("mlp", "{hidden: [2]}", shape(1, INT64_C(2)), 1);
    s.m.build.architecture = NULL;
    test_model_init(&s.m, 2, 1);
    s.call = (MethodCall){.params = s.m.build.params,
                          .model = s.m.model,
                          .model_options = s.m.options,
                          .like = &s.m.build};
    s.score = (ScoreCall){.call = &s.call};
    s.at = arena_new_array(s.m.arena, float, 6);
    memset(get(&s, "fc_layers.0.bias")->data, 0, 2 * sizeof(float));
    memcpy(get(&s, "fc_layers.0.weight")->data, w1, sizeof w1);
    memcpy(get(&s, "fc.weight")->data, w2, sizeof w2);
    score(&s, SCORE_SYNFLOW);
    assert_memory_equal(scores_of(&s, "fc_layers.0.weight"), want1, sizeof want1);
    assert_memory_equal(scores_of(&s, "fc.weight"), want2, sizeof want2);
    assert_memory_equal(get(&s, "fc_layers.0.weight")->data, w1, sizeof w1); /* signs are back */
    test_model_free(&s.m);
}

/* What flows into the network flows through each of its layers (Tanaka et al., theorem 1). */
TEST(score, synflow_is_conserved_from_layer_to_layer)
{
    static const char *const layers[] = {"fc_layers.1.weight", "fc_layers.2.weight", "fc.weight"};
    Scored s;
    start(&s, "mlp", "{hidden: [9, 7, 5]}", shape(1, INT64_C(4)), 1);
    for (Param *p = s.call.params->first; p; p = p->next)
        if (p->role == ROLE_BIAS) memset(p->data, 0, sizeof(float) * (size_t)p->n);
    score(&s, SCORE_SYNFLOW);
    const double flow = sum_of(&s, "fc_layers.0.weight");
    assert_true(flow > 0);
    for (int i = 0; i < 3; i++) assert_true(fabs(sum_of(&s, layers[i]) / flow - 1) < 1e-5);
    test_model_free(&s.m);
}

/* R of ResNet-56 is about 1e70, past the largest float; the stem and the classifier still carry the
 * same flow, with statistics that are not those of the start. */
TEST(score, synflow_of_a_deep_network_is_finite_and_conserved)
{
    Scored s;
    start(&s, "resnet56", "{}", shape(3, INT64_C(8), INT64_C(8), INT64_C(3)), 1);
    for (int64_t i = 0; i < 16; i++) get(&s, "bn1.running_mean")->data[i] = -3;
    score(&s, SCORE_SYNFLOW);
    const double flow = sum_of(&s, "conv1.weight");
    assert_true(flow > 0 && isfinite(flow));
    assert_true(fabs(sum_of(&s, "linear.weight") / flow - 1) < 1e-4);
    assert_true(get(&s, "bn1.running_mean")->data[3] == -3);
    test_model_free(&s.m);
}

/* ReLU6 lets nothing through where it saturates, which ones in and |w| lead to; scaled down, the
 * flow is that of a linear network. */
TEST(score, synflow_reaches_every_layer_past_relu6)
{
    Scored s;
    start(&s, "mobilenet_v2", "{stem: cifar, width_multiplier: 0.1}",
          shape(3, INT64_C(8), INT64_C(8), INT64_C(3)), 1);
    score(&s, SCORE_SYNFLOW);
    const double flow = sum_of(&s, "features.0.0.weight");
    assert_true(flow > 0);
    assert_true(fabs(sum_of(&s, "features.18.0.weight") / flow - 1) < 1e-4);
    assert_true(fabs(sum_of(&s, "classifier.1.weight") / flow - 1) < 1e-4);
    test_model_free(&s.m);
}

/* -- SNIP and GraSP against double precision */

/* The mean loss over the batches, of logits / T, at weights in double. */
typedef struct Reference {
    const Scored *s;
    ScoreGraph graph;
    Node *loss, **gradient;
    Graph64 *value;
    double **weight; /* one a prunable parameter */
} Reference;

static double *doubles(Arena *a, const float *x, int64_t n)
{
    double *out = arena_new_array(a, double, n);
    for (int64_t i = 0; i < n; i++) out[i] = (double)x[i];
    return out;
}

/* The graph of the samples' first batch. */
static void refer(Reference *r, const Scored *s, double temperature)
{
    Error err = {0};
    *r = (Reference){.s = s};
    ASSERT_OK(score_graph(&r->graph, &s->call, s->samples.batch_size, true, &err), &err);
    ScoreGraph *sg = &r->graph;
    Arena *a = sg->arena;
    Graph *g = sg->graph;
    Node *logits = affine(g, sg->logits, (float)(1 / temperature), 0);
    r->loss = mean(g, cross_entropy(g, logits, sg->label, 0, -1), ALL_AXES, false);
    r->gradient = arena_new_array(a, Node *, sg->n);
    graph_grad(g, r->loss, NULL, sg->weight, sg->n, r->gradient);
    r->value = graph64_new(a, g, 0);
    r->weight = arena_new_array(a, double *, sg->n);
    for (const Param *p = s->call.params->first; p; p = p->next)
        graph64_bind(r->value, param_node(g, (Param *)(uintptr_t)p), doubles(a, p->data, p->n));
    for (int i = 0; i < sg->n; i++) {
        r->weight[i] = doubles(a, sg->param[i]->data, sg->param[i]->n);
        graph64_bind(r->value, sg->weight[i], r->weight[i]);
    }
}

static void show_batch(Reference *r, int64_t batch)
{
    const Samples *samples = &r->s->samples;
    double *label = arena_new_array(r->graph.arena, double, samples->batch_size);
    for (int64_t i = 0; i < samples->batch_size; i++) label[i] = samples_label(samples, batch)[i];
    graph64_bind(
        r->value, r->graph.x,
        doubles(r->graph.arena, samples_x(samples, batch), shape_count(&r->graph.x->shape)));
    graph64_bind(r->value, r->graph.label, label);
    graph64_reset(r->value);
}

static double mean_loss(Reference *r)
{
    double sum = 0;
    for (int64_t b = 0; b < r->s->samples.n_batches; b++) {
        show_batch(r, b);
        sum += *graph64_value(r->value, r->loss);
    }
    return sum / (double)r->s->samples.n_batches;
}

/* The mean gradient times `factor`, added to out. */
static void add_gradient(Reference *r, double factor, double *out)
{
    for (int64_t b = 0; b < r->s->samples.n_batches; b++) {
        show_batch(r, b);
        double *at = out;
        for (int i = 0; i < r->graph.n; i++) {
            const double *value = graph64_value(r->value, r->gradient[i]);
            for (int64_t k = 0; k < r->graph.param[i]->n; k++)
                *at++ += factor * value[k] / (double)r->s->samples.n_batches;
        }
    }
}

static void move(Reference *r, double step, const double *along)
{
    for (int i = 0; i < r->graph.n; i++)
        for (int64_t k = 0; k < r->graph.param[i]->n; k++) r->weight[i][k] += step * *along++;
}

/* Relative to the largest: a float32 network of a few layers is good to about 1e-6 of it. */
static void assert_scores(const Scored *s, const double *want, double tolerance)
{
    double most = 0;
    for (int64_t i = 0; i < s->n; i++) most = fmax(most, fabs(want[i]));
    assert_true(most > 0);
    for (int64_t i = 0; i < s->n; i++) {
        if (fabs((double)s->at[i] - want[i]) > tolerance * most)
            print_error("%lld: %.9g, not %.9g\n", (long long)i, (double)s->at[i], want[i]);
        assert_true(fabs((double)s->at[i] - want[i]) <= tolerance * most);
    }
}

static void start_small(Scored *s)
{
    start(s, "mlp", "{hidden: [5, 4], activation: tanh, batch_norm: true}", shape(1, INT64_C(4)),
          2);
}

TEST(score, snip_is_the_weight_times_central_differences_of_the_loss)
{
    const double step = 1e-5;
    Scored s;
    Reference r;
    start_small(&s);
    refer(&r, &s, 1);
    double *want = arena_new_array(s.m.arena, double, s.n), *at = want;
    for (int i = 0; i < r.graph.n; i++) {
        for (int64_t k = 0; k < r.graph.param[i]->n; k++) {
            double *w = &r.weight[i][k];
            const double before = *w;
            *w = before + step;
            const double up = mean_loss(&r);
            *w = before - step;
            const double down = mean_loss(&r);
            *w = before;
            *at++ = before * (up - down) / (2 * step);
        }
    }
    score(&s, SCORE_SIGNED_SNIP);
    assert_scores(&s, want, 2e-6);
    score(&s, SCORE_SNIP);
    for (int64_t i = 0; i < s.n; i++) want[i] = fabs(want[i]);
    assert_scores(&s, want, 2e-6);
    score_graph_free(&r.graph);
    test_model_free(&s.m);
}

/* H g as the difference of the gradients a little up and down along g. */
TEST(score, grasp_is_the_weight_times_central_differences_of_the_gradient)
{
    Scored s;
    Reference r;
    start_small(&s);
    refer(&r, &s, 200);
    double *g = arena_new_array(s.m.arena, double, s.n);
    double *want = arena_new_array(s.m.arena, double, s.n), norm = 0;
    add_gradient(&r, 1, g);
    for (int64_t i = 0; i < s.n; i++) norm += g[i] * g[i];
    const double step = 1e-4 / sqrt(norm);
    move(&r, step, g);
    add_gradient(&r, 1 / (2 * step), want);
    move(&r, -2 * step, g);
    add_gradient(&r, -1 / (2 * step), want);
    move(&r, step, g);
    double *at = want;
    for (int i = 0; i < r.graph.n; i++)
        for (int64_t k = 0; k < r.graph.param[i]->n; k++) *at++ *= r.weight[i][k];
    score(&s, SCORE_GRASP);
    assert_scores(&s, want, 1e-5);
    score_graph_free(&r.graph);
    test_model_free(&s.m);
}

/* A filter in front of a batch norm can be scaled: sum w g = 0 and sum w (H g) = -|g|^2 over it,
 * but for the norm's eps. */
TEST(score, a_filter_before_a_batch_norm_obeys_its_laws)
{
    Scored s;
    start(&s, "resnet8",
          "{widths: {layer1: 4, layer2: 4, layer3: 4, layer1.0.conv1: 5, layer2.0.conv1: 4, "
          "layer3.0.conv1: 4}}",
          shape(3, INT64_C(8), INT64_C(8), INT64_C(2)), 1);
    const Param *w = get(&s, "layer1.0.conv1.weight");
    const int64_t each = w->n / 5;
    float *g = arena_new_array(s.m.arena, float, s.n);
    Error err = {0};
    s.score.temperature = 1;
    ASSERT_OK(score_loss(&s.score, false, g, &err), &err);
    g += score_offset(s.call.params, w);
    score(&s, SCORE_GRASP);
    const float *grasp = scores_of(&s, "layer1.0.conv1.weight");
    for (int64_t f = 0; f < 5; f++) {
        double product = 0, size = 0, square = 0, sum = 0;
        for (int64_t i = f * each; i < (f + 1) * each; i++) {
            product += (double)w->data[i] * (double)g[i];
            size += fabs((double)w->data[i] * (double)g[i]);
            square += (double)g[i] * (double)g[i];
            sum += (double)grasp[i];
        }
        assert_true(fabs(product) < 1e-3 * size);
        assert_true(fabs(sum + square) < 1e-3 * square);
    }
    test_model_free(&s.m);
}

/* Gradients and scores leave the network as it is, running statistics too. */
TEST(score, scoring_changes_no_parameter)
{
    Scored s;
    start(&s, "resnet8", "{widths: {layer1: 4, layer2: 4, layer3: 4}}",
          shape(3, INT64_C(8), INT64_C(8), INT64_C(2)), 1);
    const Params *p = s.call.params;
    const size_t weights = sizeof(float) * (size_t)p->n_trainable;
    const size_t others = sizeof(float) * (size_t)p->n_other;
    void *w = arena_alloc(s.m.arena, weights), *o = arena_alloc(s.m.arena, others);
    memcpy(w, p->weights, weights);
    memcpy(o, p->others, others);
    for (int kind = SCORE_MAGNITUDE; kind <= SCORE_SYNFLOW; kind++) {
        score(&s, (ScoreKind)kind);
        assert_memory_equal(w, p->weights, weights);
        assert_memory_equal(o, p->others, others);
    }
    test_model_free(&s.m);
}

TEST(score, a_weight_that_is_not_finite_is_named)
{
    Scored s;
    Error err = {0};
    start_small(&s);
    get(&s, "fc_layers.1.weight")->data[3] = NAN;
    ASSERT_FAILS(score_weights(&s.score, SCORE_MAGNITUDE, s.at, &err), &err, FAIL_RUN,
                 "the score of fc_layers.1.weight is NaN at element 3");
    test_model_free(&s.m);
}
