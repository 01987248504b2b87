/* hf -- the transformers of Hugging Face's folders against its own library: tiny random models of
 * tests/golden/hf, whose logits transformers computed (make.py beside them says which versions). */
#include "tests/hf.h"
#include "tests/model.h"
#include "tests/test.h"

#include "base/text.h"
#include "io/file.h"
#include "io/safetensors.h"
#include "nn/hf_dir.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const Task LANGUAGE = {.per_step = true, .causal = true};

/* Sums of a few dozen products of numbers about 1 in another order. */
static void golden_is(const char *name, Task task, const char *override)
{
    TestHf m = test_hf(name, task, override);
    for (int64_t i = 0; i < m.expected->n; i++)
        assert_true(fabs((double)m.logits[i] - (double)m.expected_logits[i]) < 1e-4);
    test_hf_free(&m);
}

TEST(hf, llama_with_wide_heads_and_grouped_queries_has_the_librarys_logits)
{
    golden_is("llama", LANGUAGE, "{}");
}

TEST(hf, llama_tied_with_biases_and_llama3_positions_has_the_librarys_logits)
{
    golden_is("llama_tied", LANGUAGE, "{}");
}

TEST(hf, llama_classifies_by_the_last_token_with_linear_positions)
{
    golden_is("llama_class", (Task){0}, "{}");
}

TEST(hf, gpt2_has_the_librarys_logits)
{
    golden_is("gpt2", LANGUAGE, "{}");
}

TEST(hf, bert_classifies_padded_pairs_as_the_library)
{
    golden_is("bert", (Task){0}, "{sep_token_id: 2}");
}

TEST(hf, bert_gives_the_librarys_masked_tokens)
{
    golden_is("bert_mlm", (Task){.per_step = true}, "{sep_token_id: 2}");
}

TEST(hf, vit_has_the_librarys_logits)
{
    golden_is("vit", (Task){0}, "{}");
}

TEST(hf, t5_has_the_librarys_logits)
{
    golden_is("t5", (Task){.per_step = true, .causal = true, .source_steps = 14}, "{}");
}

TEST(hf, t5_gated_and_untied_has_the_librarys_logits)
{
    golden_is("t5_gated", (Task){.per_step = true, .causal = true, .source_steps = 14}, "{}");
}

/* sentence-transformers' mean over the steps: what an identity as classifier lets through. */
TEST(hf, minilm_pooled_by_the_mean_is_the_sentence_vector)
{
    TestHf m = test_hf("minilm", (Task){0}, "{sep_token_id: 2, pooling: mean}");
    Param *w = params_find(m.build.params, "classifier.weight");
    for (int64_t i = 0; i < w->n; i++) w->data[i] = i % 17 == 0 ? 1 : 0;
    plan_run(m.plan, 0);
    m.logits = plan_value(m.plan, m.output);
    for (int64_t i = 0; i < m.expected->n; i++)
        assert_true(fabs((double)m.logits[i] - (double)m.expected_logits[i]) < 1e-4);
    test_hf_free(&m);
}

/* -- Gradients, of half the sum of the squares of the logits, against torch's */

static void gradients_are(const char *name, Task task)
{
    Error err = {0};
    TestHf m = test_hf(name, task, "{}");
    Graph *g = m.build.graph;
    Node *loss = affine(g, sum(g, square(g, m.output), ALL_AXES, false), 0.5f, 0);
    Node *wrt[8], *grad[8];
    const StTensor *want[8];
    PlanOutput out[8];
    int n = 0;
    for (int i = 0; i < m.file.n_tensors; i++) {
        const StTensor *t = &m.file.tensors[i];
        if (strncmp(t->name, "grad.", 5) != 0) continue;
        Param *p = params_find(m.build.params, t->name + 5);
        assert_non_null(p);
        want[n] = t;
        wrt[n++] = param_node(g, p);
    }
    assert_true(n >= 3);
    graph_grad(g, loss, NULL, wrt, n, grad);
    ASSERT_OK(graph_ok(g, &err), &err);
    for (int i = 0; i < n; i++) out[i] = (PlanOutput){grad[i], NULL};
    Plan *plan = plan_new(g, out, n, NULL, &err);
    ASSERT_OK(plan && plan_allocate(plan, &err), &err);
    plan_bind(plan, m.x, m.input->data);
    plan_run(plan, 0);
    for (int i = 0; i < n; i++) {
        const float *got = plan_value(plan, grad[i]), *torch = want[i]->data;
        double largest = 0;
        for (int64_t j = 0; j < want[i]->n; j++) largest = fmax(largest, fabs((double)torch[j]));
        for (int64_t j = 0; j < want[i]->n; j++)
            assert_true(fabs((double)got[j] - (double)torch[j]) < 2e-5 * largest);
    }
    plan_free(plan);
    test_hf_free(&m);
}

TEST(hf, llama_gradients_are_torchs)
{
    gradients_are("llama", LANGUAGE);
}

TEST(hf, t5_gradients_are_torchs)
{
    gradients_are("t5", (Task){.per_step = true, .causal = true, .source_steps = 14});
}

/* -- Sources */

TEST(hf, decoder_answers_for_what_follows_a_source)
{
    TestHf m = test_hf_config("llama", "{}");
    const int64_t steps = m.input->dim[1], classes = 40, asked = 5;
    m.build.task = (Task){.sample = shape(1, steps),
                          .per_step = true,
                          .causal = true,
                          .n_classes = (int)classes,
                          .source_steps = steps - asked};
    assert_int_equal(task_n_labels(&m.build.task), asked);
    test_hf_run(&m, test_hf_folder("llama"));
    assert_int_equal(shape_count(&m.output->shape), m.input->dim[0] * asked * classes);
    for (int64_t row = 0; row < m.input->dim[0]; row++)
        for (int64_t i = 0; i < asked * classes; i++)
            assert_true(fabs((double)m.logits[row * asked * classes + i] -
                             (double)m.expected_logits[((row + 1) * steps - asked) * classes + i]) <
                        1e-4);
    test_hf_free(&m);
}

/* -- Causality */

/* Another token at `step` leaves the logits before it alone, bit by bit, and changes those from it
 * on. */
static void sees_nothing_later(const char *name, Task task, int64_t step)
{
    TestHf m = test_hf(name, task, "{}");
    const int64_t all = m.input->dim[1], asked = m.expected->dim[1], width = m.expected->dim[2];
    const int64_t at = step - (all - asked);
    float *before = malloc(sizeof(float) * (size_t)m.expected->n);
    int32_t *x = malloc(m.input->bytes);
    assert_non_null(before);
    assert_non_null(x);
    memcpy(before, m.logits, sizeof(float) * (size_t)m.expected->n);
    memcpy(x, m.input->data, m.input->bytes);
    x[step] = x[step] == 7 ? 8 : 7;
    plan_bind(m.plan, m.x, x);
    plan_run(m.plan, 0);
    m.logits = plan_value(m.plan, m.output);
    assert_memory_equal(m.logits, before, sizeof(float) * (size_t)(at * width));
    assert_memory_not_equal(m.logits + at * width, before + at * width,
                            sizeof(float) * (size_t)width);
    assert_memory_not_equal(m.logits + (asked - 1) * width, before + (asked - 1) * width,
                            sizeof(float) * (size_t)width);
    free(before);
    free(x);
    test_hf_free(&m);
}

TEST(hf, decoders_see_no_later_step)
{
    sees_nothing_later("llama", LANGUAGE, 6);
    sees_nothing_later("gpt2", LANGUAGE, 6);
}

TEST(hf, t5_decoder_sees_no_later_step)
{
    sees_nothing_later("t5", (Task){.per_step = true, .causal = true, .source_steps = 14}, 18);
}

/* -- Folders */

static const char *written(const TestHf *m)
{
    Error err = {0};
    const char *folder = arena_printf(m->arena, "%s/model", test_folder());
    ASSERT_OK(hf_dir_write(folder, m->model, m->options, &m->build.task, m->build.params, &err),
              &err);
    return folder;
}

static char *tensors_of(Arena *a, const char *folder, size_t *n)
{
    Error err = {0};
    char *bytes;
    const char *path = arena_printf(a, "%s/model.safetensors", folder);
    ASSERT_OK(file_read(path, 1 << 20, &bytes, n, FAIL_DATA, &err), &err);
    return bytes;
}

static void bytes_are_equal(Arena *a, const char *one, const char *other)
{
    size_t n, k;
    char *x = tensors_of(a, one, &n), *y = tensors_of(a, other, &k);
    assert_int_equal(n, k);
    assert_memory_equal(x, y, n);
    free(x);
    free(y);
}

TEST(hf, tensors_are_written_as_the_library_writes_them)
{
    static const char *const name[] = {"llama", "llama_tied", "gpt2", "t5", "t5_gated"};
    for (size_t i = 0; i < sizeof name / sizeof name[0]; i++) {
        const bool source = name[i][0] == 't';
        const Task task = {.per_step = true, .causal = true, .source_steps = source ? 14 : 0};
        TestHf m = test_hf(name[i], task, "{}");
        bytes_are_equal(m.arena, written(&m), test_hf_folder(name[i]));
        test_hf_free(&m);
    }
}

TEST(hf, options_survive_the_folder)
{
    static const char *const name[] = {"llama_tied", "gpt2", "t5_gated"};
    for (size_t i = 0; i < sizeof name / sizeof name[0]; i++) {
        Error err = {0};
        const bool source = name[i][0] == 't';
        const Task task = {.per_step = true, .causal = true, .source_steps = source ? 14 : 0};
        TestHf m = test_hf(name[i], task, "{}");
        const Model *model;
        Yaml *y;
        ASSERT_OK(hf_dir_config(written(&m), m.arena, &model, &y, &err), &err);
        assert_ptr_equal(model, m.model);
        void *options = arena_alloc(m.arena, model->options.bytes);
        ASSERT_OK(option_read(&model->options, y, NULL, "here", options, &err), &err);
        Yaml *one = yaml_new_map(m.arena), *two = yaml_new_map(m.arena);
        option_write(&model->options, m.options, true, m.arena, one);
        option_write(&model->options, options, true, m.arena, two);
        assert_string_equal(yaml_flow(m.arena, one), yaml_flow(m.arena, two));
        test_hf_free(&m);
    }
}

/* Two shards and their index, as the library cuts a large model. */
TEST(hf, shards_are_read_by_their_index)
{
    Error err = {0};
    TestHf m = test_hf("llama", LANGUAGE, "{}");
    const char *folder = test_folder();
    StTensor t[2][64];
    int n[2] = {0};
    Text index = {0};
    text_add(&index, "{\"metadata\": {\"total_size\": 1}, \"weight_map\": {");
    for (const Param *p = m.build.params->first; p; p = p->next) {
        const int half = p->shape.rank == 1;
        StTensor *to = &t[half][n[half]++];
        *to = (StTensor){.name = p->name,
                         .dtype = ST_F32,
                         .rank = p->shape.rank,
                         .n = p->n,
                         .data = p->data,
                         .bytes = sizeof(float) * (size_t)p->n};
        memcpy(to->dim, p->shape.dim, sizeof p->shape.dim);
        text_addf(&index, "%s\"%s\": \"part-%d.safetensors\"",
                  p == m.build.params->first ? "" : ",", p->name, half);
    }
    text_add(&index, "}}");
    for (int i = 0; i < 2; i++)
        ASSERT_OK(safetensors_write(arena_printf(m.arena, "%s/part-%d.safetensors", folder, i),
                                    t[i], n[i], NULL, 0, &err),
                  &err);
    ASSERT_OK(file_replace(arena_printf(m.arena, "%s/model.safetensors.index.json", folder),
                           index.data, index.n, &err),
              &err);
    Param *p = params_find(m.build.params, "model.norm.weight");
    const float kept = p->data[3];
    p->data[3] = 77;
    ASSERT_OK(hf_dir_weights(folder, m.build.params, &err), &err);
    assert_true(p->data[3] == kept);
    text_free(&index);
    test_hf_free(&m);
}

/* -- Mistakes */

TEST(hf, tensor_without_a_parameter_is_named)
{
    Error err = {0};
    TestHf m = test_hf("gpt2", LANGUAGE, "{}");
    Params *other = params_new(m.arena);
    ModelBuild b = m.build;
    b.params = other;
    b.graph = graph_new(m.arena);
    void *options = test_options(m.arena, &m.model->options,
                                 "{n_embd: 16, n_head: 4, n_layer: 1, n_positions: 32}");
    b.task.n_tokens = 40;
    (void)m.model->build(&b, options, input(b.graph, "x", I32, shape(2, (int64_t)1, (int64_t)4)));
    ASSERT_OK(params_allocate(other, &err), &err);
    ASSERT_FAILS(
        hf_dir_weights(test_hf_folder("gpt2"), other, &err), &err, FAIL_DATA,
        "gpt2: the model has no parameter for tensor 'transformer.h.1.attn.c_attn.weight'");
    params_free(other);
    test_hf_free(&m);
}

static void config_fails(const char *json, const char *text)
{
    Error err = {0};
    Arena *a = arena_new();
    const Model *model;
    Yaml *y;
    const char *folder = test_folder(), *path = arena_printf(a, "%s/config.json", folder);
    ASSERT_OK(file_replace(path, json, strlen(json), &err), &err);
    ASSERT_FAILS(hf_dir_config(folder, a, &model, &y, &err), &err, FAIL_DATA, text);
    arena_free(a);
}

TEST(hf, unknown_model_type_is_named)
{
    config_fails("{\"model_type\": \"rwkv\"}", "config.json: there is no model 'rwkv'");
    config_fails("{}", "config.json: 'model_type' is missing");
    config_fails("[1", "config.json: is no JSON object");
}

TEST(hf, config_that_asks_for_what_is_not_there_is_refused)
{
    config_fails("{\"model_type\": \"bert\", \"is_decoder\": true}",
                 "config.json: is_decoder = true: the model here has false only");
}

TEST(hf, images_that_do_not_fit_are_named)
{
    Error err = {0};
    TestModel m = test_model("vit", "{patch_size: 5, image_size: 28}",
                             shape(3, (int64_t)28, (int64_t)28, (int64_t)1), 10);
    test_model_build(&m, 2, false);
    ASSERT_FAILS(graph_ok(m.build.graph, &err), &err, FAIL_CONFIG,
                 "images (28, 28, 1) do not fit image_size 28, patch_size 5, num_channels 0");
    test_model_free(&m);
}

TEST(hf, tokens_past_the_positions_are_refused)
{
    Error err = {0};
    TestHf m = test_hf_config("gpt2", "{n_positions: 11}");
    m.build.params = params_new(m.arena);
    m.build.graph = graph_new(m.arena);
    m.build.task = (Task){.per_step = true, .causal = true, .n_classes = 40};
    (void)m.model->build(&m.build, m.options,
                         input(m.build.graph, "x", I32, shape(2, (int64_t)1, (int64_t)12)));
    ASSERT_FAILS(graph_ok(m.build.graph, &err), &err, FAIL_CONFIG,
                 "a sequence of 12 steps, and positions for 11");
    test_hf_free(&m);
}
