/* Plans of whole training graphs: fusion, in-place reuse and epilogues change no bit; what is
 * fused; memory. */
#include "tests/graph_cases.h"
#include "tests/test.h"

#include "base/pcg.h"
#include "base/threads.h"
#include "cpu/cpu.h"
#include "graph/op.h"
#include "graph/plan.h"

#include <stdlib.h>
#include <string.h>

enum { BATCH = 4, MAX_PARAMS = 32 };

/* A model with its loss and gradients. */
typedef struct Trained {
    Arena *arena;
    Graph *graph;
    Params *params;
    Node *x, *label, *loss, *logits;
    Node *grad[MAX_PARAMS];
    float *x_data;
    int32_t label_data[BATCH];
} Trained;

static Node *weight(Trained *t, const char *name, Shape s)
{
    return param_node(t->graph, params_get(t->params, t->graph, name, s, ROLE_WEIGHT, true,
                                           (Init){.kind = INIT_ZEROS}));
}

static Node *conv_norm(Trained *t, const char *name, Node *x, int64_t out, int64_t stride)
{
    Graph *g = t->graph;
    char text[32];
    Node *mean, *variance, *y;
    Conv2d c = {
        .stride = {stride, stride},
          .pad = {1,      1     }
    };
    snprintf(text, sizeof text, "%s.w", name);
    y = conv2d(g, x, weight(t, text, shape(4, out, x->shape.dim[3], (int64_t)3, (int64_t)3)), c);
    batch_moments(g, y, &mean, &variance);
    snprintf(text, sizeof text, "%s.gain", name);
    Node *gain = weight(t, text, shape(1, out));
    snprintf(text, sizeof text, "%s.bias", name);
    Node *bias = weight(t, text, shape(1, out));
    snprintf(text, sizeof text, "%s.mean", name);
    Param *running = params_get(t->params, g, text, shape(1, out), ROLE_BUFFER, false,
                                (Init){.kind = INIT_ZEROS});
    graph_update(g, running,
                 add(g, affine(g, param_node(g, running), 0.9f, 0), affine(g, mean, 0.1f, 0)));
    return batch_norm(g, y, gain, bias, mean, rsqrt(g, affine(g, variance, 1, 1e-5f)), true);
}

static void finish(Trained *t, Node *logits)
{
    Graph *g = t->graph;
    Error err = {0};
    Node *wrt[MAX_PARAMS];
    int n = 0;
    t->logits = logits;
    t->loss = mean(g, cross_entropy(g, logits, t->label, 0.1f, -1), ALL_AXES, false);
    for (Param *p = t->params->first; p; p = p->next)
        if (p->trainable) wrt[n++] = param_node(g, p);
    graph_grad(g, t->loss, NULL, wrt, n, t->grad);
    ASSERT_OK(graph_ok(g, &err), &err);
    ASSERT_OK(params_allocate(t->params, &err), &err);
    t->x_data = arena_new_array(t->arena, float, shape_count(&t->x->shape));
    Pcg rng = pcg_seed(1, 2);
    for (int64_t i = 0; i < shape_count(&t->x->shape); i++) t->x_data[i] = (float)pcg_normal(&rng);
    for (int i = 0; i < BATCH; i++) t->label_data[i] = (int32_t)pcg_below(&rng, 10);
}

static void set_params(Trained *t)
{
    Pcg rng = pcg_seed(3, 4);
    for (Param *p = t->params->first; p; p = p->next)
        for (int64_t i = 0; i < p->n; i++) p->data[i] = 0.3f * (float)pcg_normal(&rng);
}

static Trained start(Shape sample)
{
    Trained t = {.arena = arena_new()};
    t.graph = graph_new(t.arena);
    t.params = params_new(t.arena);
    t.x = input(t.graph, "x", F32, sample);
    t.label = input(t.graph, "label", I32, shape(1, (int64_t)BATCH));
    return t;
}

static Trained mlp(void)
{
    Trained t = start(shape(2, (int64_t)BATCH, (int64_t)50));
    Node *h = t.x;
    h = relu(t.graph, linear(t.graph, h, weight(&t, "a", shape(2, (int64_t)30, (int64_t)50)),
                             weight(&t, "ab", shape(1, (int64_t)30))));
    h = gelu(t.graph, linear(t.graph, h, weight(&t, "b", shape(2, (int64_t)20, (int64_t)30)),
                             weight(&t, "bb", shape(1, (int64_t)20))));
    h = dropout(t.graph, h, 0.2f, 5, 6);
    finish(&t, linear(t.graph, h, weight(&t, "c", shape(2, (int64_t)10, (int64_t)20)), NULL));
    return t;
}

static Trained resnet(void)
{
    Trained t = start(shape(4, (int64_t)BATCH, (int64_t)8, (int64_t)8, (int64_t)3));
    Graph *g = t.graph;
    Node *h = relu(g, conv_norm(&t, "stem", t.x, 16, 1));
    Node *r = conv_norm(&t, "b2", relu(g, conv_norm(&t, "b1", h, 16, 1)), 16, 1);
    h = relu(g, add(g, h, r));
    r = conv_norm(&t, "c2", relu(g, conv_norm(&t, "c1", h, 32, 2)), 32, 1);
    Node *half = h;
    Shape s = h->shape;
    half = reshape(
        g, half, shape(5, s.dim[0] * s.dim[1] / 2, (int64_t)2, s.dim[2] / 2, (int64_t)2, s.dim[3]));
    half = slice(g, slice(g, half, 1, 0, 1), 3, 0, 1);
    half = reshape(g, half, shape(4, s.dim[0], s.dim[1] / 2, s.dim[2] / 2, s.dim[3]));
    h = relu(g, add(g, pad_zero(g, half, 3, 8, 8), r));
    finish(&t,
           linear(g, global_avg_pool(g, h), weight(&t, "fc", shape(2, (int64_t)10, (int64_t)32)),
                  weight(&t, "fcb", shape(1, (int64_t)10))));
    return t;
}

/* Three runs; all gradients, the logits and the buffers of the last, one after another. */
static float *run_plan(Trained *t, const PlanOptions *o, int64_t *n, PlanCost *cost)
{
    Error err = {0};
    PlanOutput out[MAX_PARAMS + 2] = {
        {t->loss,   NULL},
        {t->logits, NULL}
    };
    int n_out = 2, k = 0;
    for (Param *p = t->params->first; p; p = p->next)
        if (p->trainable) out[n_out++] = (PlanOutput){t->grad[k++], p->grad};
    Plan *plan = plan_new(t->graph, out, n_out, o, &err);
    ASSERT_OK(plan != NULL, &err);
    ASSERT_OK(plan_allocate(plan, &err), &err);
    set_params(t);
    plan_bind(plan, t->x, t->x_data);
    plan_bind(plan, t->label, t->label_data);
    for (uint64_t step = 0; step < 3; step++) plan_run(plan, step);
    int64_t total = t->params->n_trainable + t->params->n_other + shape_count(&t->logits->shape);
    float *all = malloc(sizeof(float) * (size_t)total), *at = all;
    memcpy(at, t->params->grads, sizeof(float) * (size_t)t->params->n_trainable);
    at += t->params->n_trainable;
    if (t->params->n_other > 0)
        memcpy(at, t->params->others, sizeof(float) * (size_t)t->params->n_other);
    at += t->params->n_other;
    memcpy(at, plan_value(plan, t->logits), sizeof(float) * (size_t)shape_count(&t->logits->shape));
    *n = total;
    if (cost) *cost = plan_cost(plan);
    if (getenv("SEQLAB_TEST_PLAN")) {
        char *text = plan_text(plan);
        fputs(text, stderr);
        free(text);
    }
    plan_free(plan);
    return all;
}

static void end(Trained *t)
{
    params_free(t->params);
    arena_free(t->arena);
}

static void same_bits(Trained t)
{
    static const PlanOptions variants[] = {
        {.no_fuse = true, .no_reuse = true},
        {.no_fuse = true              },
        {.no_reuse = true}
    };
    int64_t n, m;
    float *fused = run_plan(&t, NULL, &n, NULL);
    for (size_t i = 0; i < sizeof variants / sizeof variants[0]; i++) {
        float *other = run_plan(&t, &variants[i], &m, NULL);
        assert_int_equal(n, m);
        for (int64_t k = 0; k < n; k++)
            if (memcmp(&fused[k], &other[k], sizeof(float)) != 0) {
                print_error("variant %zu: number %lld is %.9g, fused %.9g\n", i, (long long)k,
                            (double)other[k], (double)fused[k]);
                assert_true(false);
            }
        free(other);
    }
    int before = threads_count();
    threads_set(3);
    float *other = run_plan(&t, NULL, &m, NULL);
    threads_set(before);
    assert_memory_equal(fused, other, sizeof(float) * (size_t)n);
    free(other);
    free(fused);
    end(&t);
}

TEST(plan, mlp_has_the_same_bits_fused_and_not)
{
    same_bits(mlp());
}

TEST(plan, resnet_has_the_same_bits_fused_and_not)
{
    same_bits(resnet());
}

static float *run_chain(const Trial *t, bool no_fuse, int *n_kernels)
{
    Error err = {0};
    const PlanOutput out = {t->y, NULL};
    Plan *plan = plan_new(t->g, &out, 1, &(PlanOptions){.no_fuse = no_fuse}, &err);
    ASSERT_OK(plan != NULL && plan_allocate(plan, &err), &err);
    float *data[TRIAL_LEAVES];
    for (int i = 0; i < t->n; i++) {
        const int64_t n = shape_count(&t->leaf[i]->shape);
        data[i] = malloc(sizeof(float) * (size_t)n);
        for (int64_t k = 0; k < n; k++) data[i][k] = (float)t->data[i][k];
        plan_bind(plan, t->leaf[i], data[i]);
    }
    plan_run(plan, 1);
    const size_t bytes = sizeof(float) * (size_t)shape_count(&t->y->shape);
    float *y = malloc(bytes);
    memcpy(y, plan_value(plan, t->y), bytes);
    *n_kernels = plan_cost(plan).n_kernels;
    for (int i = 0; i < t->n; i++) free(data[i]);
    plan_free(plan);
    return y;
}

/* Rows within a tile, longer than one, and column sums of what was dropped: random numbers made in
 * the tile are those that were stored. */
TEST(plan, dropout_in_a_chain_is_one_pass_with_the_same_bits)
{
    static const int64_t rows[] = {37, 5, 300}, columns[] = {19, 2500, 1300};
    for (int i = 0; i < 3; i++)
        for (int summed = 0; summed < 2; summed++) {
            Trial t = trial_empty(60 + (uint64_t)i);
            Node *x = trial_real(&t, shape(2, rows[i], columns[i]));
            Node *residual = trial_real(&t, shape(2, rows[i], columns[i]));
            Node *y = add(t.g, residual, dropout(t.g, relu(t.g, x), 0.3f, 7, 8));
            t.y = summed ? sum(t.g, y, 1, false) : y;
            trial_check(&t);
            int fused, plain;
            float *a = run_chain(&t, false, &fused), *b = run_chain(&t, true, &plain);
            assert_int_equal(fused, 1);
            assert_true(plain >= 4);
            assert_memory_equal(a, b, sizeof(float) * (size_t)shape_count(&t.y->shape));
            free(a), free(b);
            trial_free(&t);
        }
}

/* One map reads the numbers, a product too: they are stored, once. */
TEST(plan, random_numbers_that_a_kernel_reads_are_stored)
{
    Trial t = trial_empty(63);
    Node *x = trial_real(&t, shape(2, (int64_t)6, (int64_t)5));
    Node *r = random_uniform(t.g, x->shape, 1, 2);
    t.y = matmul(t.g, r, mul(t.g, x, r), true, false);
    trial_check(&t);
    int fused, plain;
    float *a = run_chain(&t, false, &fused), *b = run_chain(&t, true, &plain);
    assert_int_equal(fused, 3);
    assert_memory_equal(a, b, sizeof(float) * (size_t)shape_count(&t.y->shape));
    free(a), free(b);
    trial_free(&t);
}

/* residual + gate * f(scale (x w) + bias), with a shared and with a batched right side. */
TEST(plan, a_chain_on_a_product_is_one_kernel_with_the_same_bits)
{
    static Node *(*const functions[])(Graph *, Node *) = {relu,    gelu,      gelu_tanh, silu,
                                                          sigmoid, tanh_node, softplus,  square};
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++)
        for (int batched = 0; batched < 2; batched++) {
            Trial t = trial_empty(40 + i);
            const int64_t m = 19, n = 35, k = 270;
            Node *x = trial_real(&t, shape(3, (int64_t)3, m, k));
            Node *w = trial_real(&t, batched ? shape(3, (int64_t)3, k, n) : shape(2, k, n));
            Node *bias = trial_real(&t, shape(1, n)), *gate = trial_real(&t, shape(1, n));
            Node *residual = trial_real(&t, shape(3, (int64_t)3, m, n));
            Node *y = add(t.g, affine(t.g, matmul(t.g, x, w, false, false), 0.1f, 0), bias);
            y = mul(t.g, gate, functions[i](t.g, y));
            t.y = add(t.g, residual, y);
            trial_check(&t);
            int fused, plain;
            float *a = run_chain(&t, false, &fused), *b = run_chain(&t, true, &plain);
            assert_int_equal(fused, 1);
            assert_true(plain >= 6);
            assert_memory_equal(a, b, sizeof(float) * (size_t)(3 * m * n));
            free(a), free(b);
            trial_free(&t);
        }
}

/* Each of two products is the other's operand, the sum of both feeds two readers, and a value that
 * a gradient needs is not taken. */
TEST(plan, an_epilogue_leaves_what_others_read)
{
    Trial t = trial_empty(3);
    Node *x = trial_real(&t, shape(2, (int64_t)7, (int64_t)9));
    Node *v = trial_real(&t, shape(2, (int64_t)9, (int64_t)5)),
         *w = trial_real(&t, shape(2, (int64_t)9, (int64_t)5));
    Node *both = add(t.g, matmul(t.g, x, v, false, false), matmul(t.g, x, w, false, false));
    t.y = mul(t.g, gelu(t.g, both), tanh_node(t.g, both));
    trial_check(&t);
    int fused, plain;
    float *a = run_chain(&t, false, &fused), *b = run_chain(&t, true, &plain);
    assert_int_equal(fused, 3);
    assert_memory_equal(a, b, sizeof(float) * 35);
    free(a), free(b);
    trial_free(&t);
}

/* Two losses over the same scores and what weighs them: their mean; each weighed by the other; the
 * square of the first. Returns how many kernels there are of cross-entropy; the gradient to x is
 * that of no fusion. */
typedef enum Weighing { BY_MEAN, BY_OTHER, BY_ITSELF } Weighing;

static int loss_kernels(Weighing weighing)
{
    enum { ROWS = 6, N = 40 };
    Arena *arena = arena_new();
    Graph *g = graph_new(arena);
    Error err = {0};
    float x_data[ROWS * N], got[2][ROWS * N] = {{0}};
    int32_t label_data[ROWS];
    int found = 0;
    Pcg rng = pcg_seed(31, 2);
    for (int i = 0; i < ROWS * N; i++) x_data[i] = (float)pcg_normal(&rng);
    for (int i = 0; i < ROWS; i++) label_data[i] = i * 7 % N;
    Node *x = input(g, "x", F32, shape(2, (int64_t)ROWS, (int64_t)N)), *dx;
    Node *label = input(g, "label", I32, shape(1, (int64_t)ROWS));
    Node *a = cross_entropy(g, x, label, 0.1f, -1), *y = a;
    Node *b = cross_entropy(g, affine(g, x, 2, 0), label, 0, -1);
    if (weighing == BY_MEAN) y = add(g, a, b);
    if (weighing == BY_OTHER) y = mul(g, a, b);
    if (weighing == BY_ITSELF) y = mul(g, a, a);
    graph_grad(g, mean(g, y, ALL_AXES, false), NULL, &x, 1, &dx);
    for (int k = 0; k < 2; k++) {
        PlanOutput out[] = {
            {dx, got[k]}
        };
        Plan *plan = plan_new(g, out, 1, &(PlanOptions){.no_fuse = k == 1}, &err);
        ASSERT_OK(plan && plan_allocate(plan, &err), &err);
        plan_bind(plan, x, x_data);
        plan_bind(plan, label, label_data);
        plan_run(plan, 0);
        for (int i = 0; k == 0 && i < plan_cost(plan).n_kernels; i++)
            found += strncmp(plan_step(plan, i).name, "cross_entropy", 13) == 0;
        plan_free(plan);
    }
    assert_memory_equal(got[0], got[1], sizeof got[0]);
    arena_free(arena);
    return found;
}

TEST(plan, a_loss_is_made_by_its_gradient_unless_that_is_weighed_by_it)
{
    assert_int_equal(loss_kernels(BY_MEAN), 2);
    assert_int_equal(loss_kernels(BY_OTHER), 3); /* not both: each would wait for the other */
    assert_int_equal(loss_kernels(BY_ITSELF), 2);
}

TEST(plan, fusion_and_reuse_save_kernels_and_memory)
{
    Trained t = resnet();
    int64_t n;
    PlanCost plain, fused;
    free(run_plan(&t, &(PlanOptions){.no_fuse = true, .no_reuse = true}, &n, &plain));
    free(run_plan(&t, NULL, &n, &fused));
    print_message("kernels %d -> %d, arena %lld -> %lld, bytes %.0f -> %.0f\n", plain.n_kernels,
                  fused.n_kernels, (long long)plain.arena_bytes, (long long)fused.arena_bytes,
                  plain.bytes, fused.bytes);
    assert_true(fused.n_kernels * 2 < plain.n_kernels);
    assert_true(fused.arena_bytes * 2 < plain.arena_bytes);
    end(&t);
}

TEST(plan, a_run_takes_no_memory)
{
    Trained t = resnet();
    Error err = {0};
    PlanOutput out = {t.loss, NULL};
    Plan *plan = plan_new(t.graph, &out, 1, NULL, &err);
    ASSERT_OK(plan != NULL && plan_allocate(plan, &err), &err);
    plan_bind(plan, t.x, t.x_data);
    plan_bind(plan, t.label, t.label_data);
    plan_run(plan, 0);
    int64_t before = memory_count();
    plan_run(plan, 1);
    assert_int_equal(memory_count(), before);
    plan_free(plan);
    end(&t);
}
