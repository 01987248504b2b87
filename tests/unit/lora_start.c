/* lora_start -- lora's first values in a run: the network computes what it did before, its first
 * step is the best one of twice the rank, and what training makes of it can be told as a plain
 * adapter beside the first weights. */
#include "tests/case.h"
#include "tests/model.h"
#include "tests/test.h"

#include "methods/peft/gradient.h"
#include "methods/peft/lora_init.h"

#include <math.h>
#include <string.h>

/* GPT-2 stores its weights (in, out), Llama (out, in). */
static const char *const family[] = {
    "{name: gpt2, n_positions: 64, n_embd: 16, n_layer: 1, n_head: 2, initializer_range: 0.2, "
    "resid_pdrop: 0, embd_pdrop: 0, attn_pdrop: 0}",
    "{name: llama, hidden_size: 16, intermediate_size: 24, num_hidden_layers: 1, "
    "num_attention_heads: 2, max_position_embeddings: 64, initializer_range: 0.2}",
};
enum { GPT2, LLAMA, FAMILIES };

static bool try_start(Case *c, const char *model, const char *method)
{
    char text[1024];
    (void)snprintf(text, sizeof text,
                   "name: a/b\n"
                   "data: {name: selective_copying, length: 12, n_copied: 3, n_train: 32}\n"
                   "train: {steps: 6, batch_size: 4}\n"
                   "model: %s\nmethods: [%s]\n",
                   model, method);
    case_load(c, text);
    const NetworkOptions o = {
        .task = c->data.task, .train = true, .eval = true, .allocate = true, .data = &c->data};
    return network_new(&c->network, &c->experiment, &o, c->arena, &c->err) &&
           network_init(&c->network, NULL, "", &c->err);
}

static void start(Case *c, int model, const char *method)
{
    ASSERT_OK(try_start(c, family[model], method), &c->err);
}

static Param *get(const Case *c, const char *module, const char *suffix)
{
    Param *p = params_find(c->network.params, arena_printf(c->arena, "%s%s", module, suffix));
    if (!p) print_error("no parameter '%s%s'\n", module, suffix);
    assert_non_null(p);
    return p;
}

/* The first examples through a pass. */
static void run(const Case *c, const Pass *p)
{
    const int64_t steps = c->data.task.sample.dim[0], n_labels = task_n_labels(&c->data.task);
    int32_t *x = arena_new_array(c->arena, int32_t, p->batch_size * steps);
    int32_t *label = arena_new_array(c->arena, int32_t, p->batch_size * n_labels);
    for (int64_t i = 0; i < p->batch_size; i++)
        dataset_example(&c->data, SPLIT_TRAIN, i, false, 0, 0, x + i * steps, label + i * n_labels);
    plan_bind(p->plan, p->x, x);
    plan_bind(p->plan, p->label, label);
    plan_run(p->plan, 0);
}

static const float *logits(const Case *c, int64_t *n)
{
    const Pass *p = &c->network.eval;
    run(c, p);
    *n = shape_count(&p->logits->shape);
    return plan_value(p->plan, p->logits);
}

static void check_identity(int model, const char *method)
{
    Case plain, c;
    int64_t n;
    start(&plain, model, "");
    start(&c, model, method);
    const float *want = logits(&plain, &n), *got = logits(&c, &n);
    float largest = 0;
    for (int64_t i = 0; i < n; i++) largest = fmaxf(largest, fabsf(want[i]));
    for (int64_t i = 0; i < n; i++) {
        if (fabsf(want[i] - got[i]) <= 1e-5F * largest) continue;
        print_error("%s: %.8g, not %.8g\n", method, (double)got[i], (double)want[i]);
        assert_true(false);
    }
    case_free(&plain);
    case_free(&c);
}

TEST(lora_start, no_kind_changes_what_the_network_computes)
{
    static const char *const kind[] = {"gaussian", "pissa", "olora", "lora_ga", "stable_output"};
    for (int m = 0; m < FAMILIES; m++)
        for (int i = 0; i < 5; i++) {
            char method[128];
            (void)snprintf(method, sizeof method, "{name: lora, rank: 2, alpha: 4, init: %s}",
                           kind[i]);
            check_identity(m, method);
        }
}

TEST(lora_start, no_direction_or_scale_does)
{
    static const char *const direction[] = {"ArB2r", "A2rBr", "ArBr", "random"};
    static const char *const scale[] = {"stable", "gd", "unit", "weightS"};
    for (int i = 0; i < 4; i++) {
        char method[256];
        (void)snprintf(method, sizeof method,
                       "{name: lora, rank: 2, rslora: true, init: lora_ga, direction: %s, scale: "
                       "%s, gradient_batches: 1}",
                       direction[i], scale[i]);
        check_identity(i % FAMILIES, method);
    }
}

TEST(lora_start, dora_starts_where_any_kind_left_the_network)
{
    check_identity(GPT2, "{name: lora, rank: 2, dora: true, init: pissa}");
    check_identity(LLAMA, "{name: lora, rank: 2, dora: true, init: lora_ga}");
}

static const char *const module[] = {"transformer.h.0.mlp.c_fc", "model.layers.0.mlp.down_proj"};

TEST(lora_start, weight_and_first_factors_add_up_to_the_weight_before)
{
    for (int m = 0; m < FAMILIES; m++) {
        Case plain, c;
        start(&plain, m, "");
        start(&c, m, "{name: lora, rank: 2, alpha: 4, init: pissa}"); /* s = 2 */
        const Param *w = get(&c, module[m], ".weight"), *was = get(&plain, module[m], ".weight");
        const Param *a = get(&c, module[m], ".lora_A_first"),
                    *b = get(&c, module[m], ".lora_B_first");
        const int64_t in = a->shape.dim[1], out = b->shape.dim[0];
        assert_memory_equal(a->data, get(&c, module[m], ".lora_A.weight")->data,
                            sizeof(float) * (size_t)a->n);
        double moved = 0;
        for (int64_t o = 0; o < out; o++)
            for (int64_t i = 0; i < in; i++) {
                const int64_t at = m == GPT2 ? i * out + o : o * in + i;
                const double ba = (double)b->data[o * 2] * (double)a->data[i] +
                                  (double)b->data[o * 2 + 1] * (double)a->data[in + i];
                assert_true(fabs((double)w->data[at] + 2 * ba - (double)was->data[at]) <= 1e-6);
                moved += fabs(ba);
            }
        assert_true(moved > 1);
        case_free(&plain);
        case_free(&c);
    }
}

/* W + s [B, -B_first] [A; A_first] in the place of W. */
TEST(lora_start, trained_factors_are_an_adapter_of_twice_the_rank_beside_the_first_weights)
{
    Case plain, c;
    int64_t n;
    start(&plain, LLAMA, "");
    start(&c, LLAMA, "{name: lora, rank: 2, alpha: 4, init: lora_ga, targets: down_proj}");
    Param *a = get(&c, module[LLAMA], ".lora_A.weight"),
          *b = get(&c, module[LLAMA], ".lora_B.weight");
    const Param *a0 = get(&c, module[LLAMA], ".lora_A_first"),
                *b0 = get(&c, module[LLAMA], ".lora_B_first");
    Param *w = get(&plain, module[LLAMA], ".weight");
    const int64_t in = a->shape.dim[1];
    for (int64_t i = 0; i < a->n; i++) a->data[i] += test_number("a", i);
    for (int64_t i = 0; i < b->n; i++) b->data[i] += test_number("b", i);
    for (int64_t i = 0; i < w->n; i++)
        for (int64_t k = 0; k < 2; k++)
            w->data[i] += 2 * (b->data[i / in * 2 + k] * a->data[k * in + i % in] -
                               b0->data[i / in * 2 + k] * a0->data[k * in + i % in]);
    const float *want = logits(&c, &n), *got = logits(&plain, &n);
    for (int64_t i = 0; i < n; i++) assert_true(fabsf(want[i] - got[i]) <= 1e-5F);
    case_free(&plain);
    case_free(&c);
}

/* -- The first step */

typedef struct Kept {
    const char *name;
    float *gradient;
} Kept;

static bool is_kept(void *owner, const PlainLayer *l)
{
    const Kept *k = owner;
    return strcmp(l->weight->name, k->name) == 0;
}

static bool keep(void *owner, const PlainLayer *l, const float *gradient, Error *err)
{
    (void)err;
    const Kept *k = owner;
    memcpy(k->gradient, gradient, sizeof(float) * (size_t)l->weight->n);
    return true;
}

/* |s (B dA + dB A) - s^2 c^2 G_2r| / |s^2 c^2 G_2r|, dA and dB by the training pass; the best
 * approximation by pissa, which is one. */
static double first_step_error(const Case *c, const float *g, double s, double c2)
{
    Error err = {0};
    LoraInitResult result;
    const Param *a = get(c, module[LLAMA], ".lora_A.weight"),
                *b = get(c, module[LLAMA], ".lora_B.weight");
    const int64_t r = a->shape.dim[0], in = a->shape.dim[1], out = b->shape.dim[0];
    const LoraLayer best = {.name = "best",
                            .out = out,
                            .in = in,
                            .rank = 2 * r,
                            .scaling = 1,
                            .w = g,
                            .a = arena_new_array(c->arena, float, 2 * r * in),
                            .b = arena_new_array(c->arena, float, 2 * r * out)};
    ASSERT_OK(lora_init(&(LoraInit){.kind = LORA_PISSA, .niter = -1}, &best, 1, &result, &err),
              &err);
    double missed = 0, size = 0;
    for (int64_t o = 0; o < out; o++)
        for (int64_t i = 0; i < in; i++) {
            double step = 0, want = 0;
            for (int64_t k = 0; k < r; k++)
                step += s * ((double)b->data[o * r + k] * (double)a->grad[k * in + i] +
                             (double)b->grad[o * r + k] * (double)a->data[k * in + i]);
            for (int64_t k = 0; k < 2 * r; k++)
                want += s * s * c2 * (double)best.b[o * 2 * r + k] * (double)best.a[k * in + i];
            missed += (step - want) * (step - want);
            size += want * want;
        }
    assert_true(size > 0);
    return sqrt(missed / size);
}

TEST(lora_start, first_step_is_the_best_one_of_twice_the_rank)
{
    Case plain, c;
    start(&plain, LLAMA, "");
    start(&c, LLAMA,
          "{name: lora, rank: 3, alpha: 6, init: lora_ga, gamma: 16, gradient_batches: 1, "
          "gradient_batch_size: 4}"); /* s = 2; out = 16: c^2 = 1 / 4 */
    const Param *w = get(&plain, module[LLAMA], ".weight");
    Kept k = {.name = w->name, .gradient = arena_new_array(c.arena, float, w->n)};
    const GradientCall call = {.model = plain.experiment.model,
                               .model_options = plain.experiment.model_options,
                               .like = &plain.network.like,
                               .data = &plain.data,
                               .batch_size = 4,
                               .n_batches = 1,
                               .wants = is_kept,
                               .take = keep,
                               .owner = &k};
    ASSERT_OK(gradient_each(&call, &plain.err), &plain.err);
    run(&c, &c.network.train);
    const double error = first_step_error(&c, k.gradient, 2, 0.25);
    if (error > 1e-4) print_error("relative error %g\n", error);
    assert_true(error <= 1e-4);
    case_free(&plain);
    case_free(&c);
}

/* -- Else */

TEST(lora_start, default_keeps_no_first_factors)
{
    Case c;
    start(&c, LLAMA, "{name: lora, rank: 2}");
    for (const Param *p = c.network.params->first; p; p = p->next)
        assert_null(strstr(p->name, "_first"));
    case_free(&c);
}

TEST(lora_start, memory_for_gradients_changes_no_bit)
{
    Case one, all;
    start(&one, GPT2, "{name: lora, rank: 2, init: lora_ga, gradient_memory: 0}");
    start(&all, GPT2, "{name: lora, rank: 2, init: lora_ga, gradient_memory: 1024}");
    const Param *q = all.network.params->first;
    for (const Param *p = one.network.params->first; p; p = p->next, q = q->next)
        assert_memory_equal(p->data, q->data, sizeof(float) * (size_t)p->n);
    case_free(&one);
    case_free(&all);
}

TEST(lora_start, gradients_of_zero_are_noted)
{
    Case c;
    ASSERT_OK(try_start(&c,
                        "{name: gpt2, n_positions: 64, n_embd: 16, n_layer: 1, n_head: 2, "
                        "initializer_range: 0}",
                        "{name: lora, rank: 2, init: lora_ga, gradient_batches: 1}"),
              &c.err);
    assert_string_equal(c.network.notes[0],
                        "warning: the gradient of transformer.h.0.attn.c_attn and 3 more is zero: "
                        "A is random and B = 0 there, as with init: default");
    case_free(&c);
}

TEST(lora_start, rank_that_is_too_large_is_found_while_building)
{
    Case c;
    ASSERT_FAILS(try_start(&c, family[LLAMA], "{name: lora, rank: 9, init: lora_ga}"), &c.err,
                 FAIL_CONFIG,
                 "method 'lora': rank 9 is too large for init of model.layers.0.self_attn.q_proj, "
                 "which is 16 x 16: at most 8");
    case_free(&c);
}
