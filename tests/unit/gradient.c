/* gradient -- mean gradients by layer, against a training pass over the same examples at once and
 * against differences of the loss; the memory that is allowed changes no bit. */
#include "tests/case.h"
#include "tests/test.h"

#include "graph/plan.h"
#include "methods/peft/gradient.h"
#include "nn/hf_dir.h"
#include "run/network.h"

#include <math.h>
#include <string.h>

#define GPT2                                                                                       \
    "{name: gpt2, n_positions: 64, n_embd: 16, n_layer: 2, n_head: 2, initializer_range: 0.2, "    \
    "resid_pdrop: %s, embd_pdrop: 0, attn_pdrop: 0}"
#define LLAMA                                                                                      \
    "{name: llama, hidden_size: 16, intermediate_size: 24, num_hidden_layers: 1, "                 \
    "num_attention_heads: 2, max_position_embeddings: 64}"

static void start(Case *c, const char *model, int batch)
{
    char text[1024];
    (void)snprintf(text, sizeof text,
                   "name: a/b\n"
                   "data: {name: selective_copying, length: 12, n_copied: 3, n_train: 32}\n"
                   "train: {steps: 6, batch_size: %d}\n"
                   "model: %s\n",
                   batch, model);
    case_load(c, text);
    const NetworkOptions o = {
        .task = c->data.task, .train = true, .allocate = true, .data = &c->data};
    ASSERT_OK(network_new(&c->network, &c->experiment, &o, c->arena, &c->err), &c->err);
    ASSERT_OK(network_init(&c->network, NULL, "", &c->err), &c->err);
}

static void start_gpt2(Case *c, const char *dropout, int batch)
{
    char model[512];
    (void)snprintf(model, sizeof model, GPT2, dropout);
    start(c, model, batch);
}

/* What gradient_each gave, by layer. */
enum { LAYERS_MAX = 16 };
typedef struct Taken {
    Arena *arena;
    PlainLayer layer[LAYERS_MAX];
    float *gradient[LAYERS_MAX];
    int n, n_reads;
    bool refuse;
} Taken;

static bool all(void *owner, const PlainLayer *l)
{
    (void)owner;
    return strstr(l->weight->name, "classifier") == NULL &&
           strstr(l->weight->name, "score") == NULL;
}

static bool take(void *owner, const PlainLayer *l, const float *gradient, Error *err)
{
    Taken *t = owner;
    if (t->refuse) return fail(err, FAIL_RUN, NULL, "no more");
    assert_true(t->n < LAYERS_MAX);
    float *copy = arena_new_array(t->arena, float, l->weight->n);
    memcpy(copy, gradient, sizeof *copy * (size_t)l->weight->n);
    t->layer[t->n] = *l;
    t->gradient[t->n++] = copy;
    return true;
}

static void count_read(void *owner, const Param *p)
{
    Taken *t = owner;
    assert_non_null(p->data);
    t->n_reads++;
}

static GradientCall call_of(const Case *c, Taken *t, int64_t size, int64_t n, int64_t memory)
{
    return (GradientCall){.model = c->experiment.model,
                          .model_options = c->experiment.model_options,
                          .like = &c->network.like,
                          .data = &c->data,
                          .batch_size = size,
                          .n_batches = n,
                          .memory = memory,
                          .wants = all,
                          .take = take,
                          .owner = t};
}

static Taken gathered(Case *c, int64_t size, int64_t n, int64_t memory)
{
    Taken t = {.arena = c->arena};
    const GradientCall call = call_of(c, &t, size, n, memory);
    ASSERT_OK(gradient_each(&call, &c->err), &c->err);
    return t;
}

/* A training step's gradients of the first examples, in Param.grad. */
static void train_pass(Case *c, int64_t n)
{
    Pass *p = &c->network.train;
    const int64_t steps = shape_count(&c->data.task.sample);
    int32_t *x = arena_new_array(c->arena, int32_t, n * steps);
    int32_t *label = arena_new_array(c->arena, int32_t, n * steps);
    const int64_t n_labels = task_n_labels(&c->data.task);
    for (int64_t i = 0; i < n; i++)
        dataset_example(&c->data, SPLIT_TRAIN, i, false, 0, 0, x + i * steps, label + i * n_labels);
    plan_bind(p->plan, p->x, x);
    plan_bind(p->plan, p->label, label);
    plan_run(p->plan, 0);
}

static void check_close(const Taken *t)
{
    for (int i = 0; i < t->n; i++) {
        const Param *p = t->layer[i].weight;
        float largest = 0;
        for (int64_t k = 0; k < p->n; k++) largest = fmaxf(largest, fabsf(p->grad[k]));
        assert_true(largest > 0);
        for (int64_t k = 0; k < p->n; k++)
            assert_true(fabsf(t->gradient[i][k] - p->grad[k]) <= 1e-5F * largest);
    }
}

TEST(gradient, one_batch_is_a_training_step)
{
    Case c;
    start_gpt2(&c, "0.1", 4); /* the same numbers are dropped: of step 0 */
    const Taken t = gathered(&c, 4, 1, 1 << 30);
    assert_int_equal(t.n, 8);
    train_pass(&c, 4);
    check_close(&t);
    case_free(&c);
}

/* Every example asks as many labels, so the mean of means is the mean. */
TEST(gradient, batches_of_two_give_the_mean_over_eight)
{
    Case c;
    start_gpt2(&c, "0", 8);
    const Taken t = gathered(&c, 2, 4, 1 << 30);
    train_pass(&c, 8);
    check_close(&t);
    case_free(&c);
}

TEST(gradient, memory_changes_no_bit)
{
    Case c;
    start_gpt2(&c, "0.1", 4);
    const Taken whole = gathered(&c, 2, 3, 1 << 30);
    static const int64_t memory[] = {0, 10000};
    for (int m = 0; m < 2; m++) {
        const Taken t = gathered(&c, 2, 3, memory[m]);
        assert_int_equal(t.n, whole.n);
        for (int i = 0; i < t.n; i++) {
            assert_ptr_equal(t.layer[i].weight, whole.layer[i].weight);
            assert_memory_equal(t.gradient[i], whole.gradient[i],
                                sizeof(float) * (size_t)t.layer[i].weight->n);
        }
    }
    case_free(&c);
}

/* Differences of the loss, of float precision, in the direction of the gradient: its slope is the
 * gradient's length. */
TEST(gradient, is_the_slope_of_the_loss)
{
    Case c;
    start_gpt2(&c, "0", 4);
    const Taken t = gathered(&c, 4, 1, 0);
    for (int i = 0; i < t.n; i++) {
        Param *p = t.layer[i].weight;
        double squares = 0, loss[2];
        for (int64_t k = 0; k < p->n; k++)
            squares += (double)t.gradient[i][k] * (double)t.gradient[i][k];
        const float by = (float)(0.02 / sqrt(squares));
        for (int side = 0; side < 2; side++) {
            for (int64_t k = 0; k < p->n; k++)
                p->data[k] += (side == 0 ? 1.0f : -2.0f) * by * t.gradient[i][k];
            train_pass(&c, 4);
            loss[side] =
                (double)*(const float *)plan_value(c.network.train.plan, c.network.train.loss);
        }
        for (int64_t k = 0; k < p->n; k++) p->data[k] += by * t.gradient[i][k];
        assert_true(fabs((loss[0] - loss[1]) / 0.04 / sqrt(squares) - 1) <= 0.01);
    }
    case_free(&c);
}

TEST(gradient, says_which_way_a_weight_is_stored)
{
    Case c;
    start_gpt2(&c, "0", 4);
    Taken t = gathered(&c, 4, 1, 0);
    for (int i = 0; i < t.n; i++) {
        assert_true(t.layer[i].turned);
        if (!strstr(t.layer[i].weight->name, "h.0.mlp.c_fc")) continue;
        assert_int_equal(plain_layer_out(&t.layer[i]), 64);
        assert_int_equal(plain_layer_in(&t.layer[i]), 16);
        assert_string_equal(plain_layer_name(&t.layer[i], c.arena), "transformer.h.0.mlp.c_fc");
    }
    case_free(&c);
    start(&c, LLAMA, 4);
    t = gathered(&c, 4, 1, 0);
    assert_int_equal(t.n, 7);
    for (int i = 0; i < t.n; i++) assert_false(t.layer[i].turned);
    case_free(&c);
}

static void release(void *owner, const Param *p)
{
    (void)owner;
    hf_map_release(NULL, p);
}

/* As a model that is larger than the memory is looked at: nothing of it is copied. */
TEST(gradient, of_weights_that_stay_in_their_file_is_the_same)
{
    Case c;
    PlainNetwork n;
    HfMap map;
    start(&c, LLAMA, 4);
    const Taken want = gathered(&c, 2, 2, 0);
    const char *folder = arena_string(c.arena, test_folder());
    ASSERT_OK(hf_dir_write_weights(folder, c.network.params, &c.err), &c.err);
    ModelBuild like = c.network.like;
    like.params = params_new(c.arena);
    ASSERT_OK(plain_network(&n, &like, c.experiment.model, c.experiment.model_options, 1, &c.err),
              &c.err);
    for (Param *p = like.params->first; p; p = p->next) params_freeze(like.params, p);
    ASSERT_OK(hf_dir_map(folder, like.params, 1, &map, &c.err), &c.err);
    assert_int_equal(like.params->n_other, 0);
    Taken got = {.arena = c.arena};
    GradientCall call = call_of(&c, &got, 2, 2, 0);
    call.like = &like;
    call.after_read = release;
    ASSERT_OK(gradient_each(&call, &c.err), &c.err);
    assert_int_equal(got.n, want.n);
    for (int i = 0; i < got.n; i++)
        assert_memory_equal(got.gradient[i], want.gradient[i],
                            sizeof(float) * (size_t)got.layer[i].weight->n);
    plain_network_free(&n);
    hf_map_close(&map);
    case_free(&c);
}

TEST(gradient, tells_what_was_read)
{
    Case c;
    start(&c, LLAMA, 4);
    Taken t = {.arena = c.arena};
    GradientCall call = call_of(&c, &t, 2, 1, 1 << 30);
    call.after_read = count_read;
    ASSERT_OK(gradient_each(&call, &c.err), &c.err);
    assert_true(t.n_reads >= 2 * 7); /* each linear weight on the way there and back */
    case_free(&c);
}

TEST(gradient, ends_when_a_layer_is_refused)
{
    Case c;
    start(&c, LLAMA, 4);
    Taken t = {.arena = c.arena, .refuse = true};
    const GradientCall call = call_of(&c, &t, 2, 1, 0);
    ASSERT_FAILS(gradient_each(&call, &c.err), &c.err, FAIL_RUN, "no more");
    assert_int_equal(c.err.n_items, 1);
    case_free(&c);
}

TEST(gradient, needs_training_examples)
{
    Case c;
    start(&c, LLAMA, 4);
    Taken t = {.arena = c.arena};
    GradientCall call = call_of(&c, &t, 2, 1, 0);
    call.data = NULL;
    ASSERT_FAILS(gradient_each(&call, &c.err), &c.err, FAIL_DATA,
                 "there are no training examples to take gradients of");
    case_free(&c);
}
