/* peft_dir -- adapters that PEFT 0.21.2 wrote (tests/golden/peft, make.py beside them): what they
 * compute, and the same folders written here. */
#include "tests/test.h"

#include "methods/peft/peft_dir.h"
#include "run/network.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct Adapted {
    Arena *arena;
    Error err;
    Experiment experiment;
    Network network;
    Safetensors expected;
} Adapted;

static const char *golden(const char *name)
{
    static char path[512];
    (void)snprintf(path, sizeof path, "tests/golden/peft/%s", name);
    return path;
}

static void parse(Adapted *m, const char *folder, const char *more)
{
    const char *text = arena_printf(m->arena,
                                    "data: {name: selective_copying}\nbase: %s\n"
                                    "train: {steps: 10, batch_size: 2}\n%s",
                                    folder, more);
    ASSERT_OK(experiment_parse(&m->experiment, m->arena, text, strlen(text), &m->err), &m->err);
}

/* The network that `base: folder` stands for, with its first values. */
static Adapted *adapted(const char *name, const char *folder, const char *more)
{
    Arena *a = arena_new();
    Adapted *m = arena_new_array(a, Adapted, 1);
    m->arena = a;
    const char *path = arena_printf(a, "%s/expected.safetensors", golden(name));
    ASSERT_OK(safetensors_open(&m->expected, a, path, &m->err), &m->err);
    parse(m, folder, more);
    const StTensor *x = safetensors_find(&m->expected, "x");
    const StTensor *y = safetensors_find(&m->expected, "logits");
    NetworkOptions o = {.eval = true, .allocate = true, .total_steps = 10, .steps_per_epoch = 1};
    o.task = (Task){.sample = shape(1, x->dim[1]),
                    .dtype = I32,
                    .n_tokens = 40,
                    .n_classes = (int)y->dim[y->rank - 1],
                    .per_step = y->rank == 3,
                    .causal = y->rank == 3};
    ASSERT_OK(network_new(&m->network, &m->experiment, &o, a, &m->err), &m->err);
    ASSERT_OK(network_init(&m->network, NULL, m->experiment.base.folder, &m->err), &m->err);
    return m;
}

static void adapted_free(Adapted *m)
{
    network_free(&m->network);
    safetensors_close(&m->expected);
    arena_free(m->arena);
}

static void has_pefts_logits(const char *name, const char *more)
{
    Adapted *m = adapted(name, golden(name), more);
    const StTensor *y = safetensors_find(&m->expected, "logits");
    const Pass *pass = &m->network.eval;
    int32_t *label = arena_new_array(m->arena, int32_t, y->n);
    plan_bind(pass->plan, pass->x, safetensors_find(&m->expected, "x")->data);
    plan_bind(pass->plan, pass->label, label);
    plan_run(pass->plan, 0);
    const float *got = plan_value(pass->plan, pass->logits), *want = y->data;
    for (int64_t i = 0; i < y->n; i++) assert_true(fabs((double)got[i] - (double)want[i]) < 1e-4);
    adapted_free(m);
}

TEST(peft_dir, lora_with_a_module_saved_in_full_has_pefts_logits)
{
    has_pefts_logits("lora", "");
}

TEST(peft_dir, layers_of_a_regular_expression_have_pefts_logits)
{
    has_pefts_logits("regex", "");
}

TEST(peft_dir, dora_has_pefts_logits)
{
    has_pefts_logits("dora", "");
}

TEST(peft_dir, turned_layers_and_biases_have_pefts_logits)
{
    has_pefts_logits("conv1d", "");
}

TEST(peft_dir, adalora_has_pefts_logits)
{
    has_pefts_logits("adalora", "");
}

TEST(peft_dir, miss_has_pefts_logits)
{
    has_pefts_logits("miss", "");
}

TEST(peft_dir, bat_has_pefts_logits)
{
    has_pefts_logits("bat", "");
}

TEST(peft_dir, mini_has_pefts_logits)
{
    has_pefts_logits("mini", "");
}

TEST(peft_dir, classifier_with_biases_has_pefts_logits)
{
    has_pefts_logits("classes", "model: {sep_token_id: 2}\n");
}

TEST(peft_dir, file_can_choose_the_options_itself)
{
    has_pefts_logits("miss", "methods: [{name: bone, rank: 3, targets: [q_proj, up_proj]}]\n");
}

TEST(peft_dir, regular_expression_becomes_ends_of_names)
{
    Arena *a = arena_new();
    Adapted m = {.arena = a};
    parse(&m, golden("regex"), "");
    assert_string_equal(experiment_value(&m.experiment, a, "methods.0.targets"),
                        "[\"1.mlp.down_proj\", \"1.mlp.up_proj\"]");
    arena_free(a);
}

/* -- Writing */

static char *text_of(Arena *a, const char *folder, const char *file, size_t *n)
{
    Error err = {0};
    char *text;
    const char *path = arena_printf(a, "%s/%s", folder, file);
    ASSERT_OK(file_read(path, 1 << 20, &text, n, FAIL_DATA, &err), &err);
    char *copy = arena_string_n(a, text, *n);
    free(text);
    return copy;
}

static void is_written_as_read(const char *name, const char *folder, const char *file)
{
    size_t n_want, n_got;
    Arena *a = arena_new();
    const char *want = text_of(a, golden(name), file, &n_want);
    const char *got = text_of(a, folder, file, &n_got);
    assert_int_equal(n_got, n_want);
    assert_memory_equal(got, want, n_want);
    arena_free(a);
}

/* Read, written again: every byte is PEFT's. */
static void comes_back(const char *name)
{
    Adapted *m = adapted(name, golden(name), "");
    const char *folder = arena_printf(m->arena, "%s/adapter", test_folder());
    const NetworkOptions *o = &m->network.options;
    Error *err = &m->err;
    PeftConfig c;
    ASSERT_OK(peft_config_read(golden(name), m->arena, &c, err), err);
    ASSERT_OK(peft_dir_write(folder, &m->network.calls[0], &o->task, c.base, err), err);
    is_written_as_read(name, folder, "adapter_config.json");
    is_written_as_read(name, folder, PEFT_WEIGHTS);
    adapted_free(m);
}

TEST(peft_dir, lora_comes_back_byte_for_byte)
{
    comes_back("lora");
}

TEST(peft_dir, dora_comes_back_byte_for_byte)
{
    comes_back("dora");
}

TEST(peft_dir, adalora_comes_back_byte_for_byte)
{
    comes_back("adalora");
}

TEST(peft_dir, miss_comes_back_byte_for_byte)
{
    comes_back("miss");
}

TEST(peft_dir, bat_comes_back_byte_for_byte)
{
    comes_back("bat");
}

TEST(peft_dir, mini_comes_back_byte_for_byte)
{
    comes_back("mini");
}

/* Whose target_modules have another form. */
static void tensors_come_back(const char *name, const char *more)
{
    Adapted *m = adapted(name, golden(name), more);
    const char *folder = arena_printf(m->arena, "%s/adapter", test_folder());
    const NetworkOptions *o = &m->network.options;
    ASSERT_OK(peft_dir_write(folder, &m->network.calls[0], &o->task, NULL, &m->err), &m->err);
    is_written_as_read(name, folder, PEFT_WEIGHTS);
    adapted_free(m);
}

TEST(peft_dir, tensors_of_turned_layers_and_biases_come_back)
{
    tensors_come_back("conv1d", "");
}

TEST(peft_dir, tensors_of_a_classifier_come_back)
{
    tensors_come_back("classes", "model: {sep_token_id: 2}\n");
}

/* Text that is read and written is PEFT's own, for each kind of file. */
static void text_comes_back(const char *name)
{
    Error err = {0};
    Arena *a = arena_new();
    PeftConfig c;
    size_t n;
    const char *want = text_of(a, golden(name), "adapter_config.json", &n);
    ASSERT_OK(peft_config_parse(want, n, "c", a, &c, &err), &err);
    assert_string_equal(peft_config_text(&c, a), want);
    arena_free(a);
}

TEST(peft_config, regular_expression_comes_back)
{
    text_comes_back("regex");
}

TEST(peft_config, turned_layers_come_back)
{
    text_comes_back("conv1d");
}

static PeftConfig parsed(Arena *a, const char *text)
{
    Error err = {0};
    PeftConfig c;
    ASSERT_OK(peft_config_parse(text, strlen(text), "c.json", a, &c, &err), &err);
    return c;
}

TEST(peft_config, keys_that_are_missing_have_pefts_defaults)
{
    Arena *a = arena_new();
    const PeftConfig c = parsed(a, "{\"peft_type\": \"LORA\", \"new_key\": [1]}");
    assert_int_equal(c.rank, 8);
    assert_true(c.alpha == 8 && !c.rslora && !c.base && c.bias == ADAPTER_BIAS_NONE);
    assert_int_equal(parsed(a, "{\"peft_type\": \"ADALORA\"}").rank, 12);
    arena_free(a);
}

TEST(peft_config, dropout_comes_back)
{
    Arena *a = arena_new();
    const PeftConfig lora = parsed(a, "{\"peft_type\": \"LORA\", \"lora_dropout\": 0.05}");
    const PeftConfig bone = parsed(a, "{\"peft_type\": \"MISS\", \"miss_dropout\": 0.1}");
    assert_non_null(strstr(peft_config_text(&lora, a), "\"lora_dropout\": 0.05,"));
    assert_non_null(strstr(peft_config_text(&bone, a), "\"miss_dropout\": 0.1,"));
    arena_free(a);
}

TEST(peft_config, bone_is_miss)
{
    Arena *a = arena_new();
    const PeftConfig c =
        parsed(a, "{\"peft_type\": \"BONE\", \"init_weights\": \"bat\", \"bias\": \"bone_only\"}");
    assert_int_equal(c.type, PEFT_MISS);
    assert_int_equal(c.miss, MISS_BAT);
    assert_int_equal(c.rank, 64);
    assert_int_equal(c.bias, ADAPTER_BIAS_OWN);
    arena_free(a);
}

static void is_refused(const char *text, const char *message)
{
    Error err = {0};
    Arena *a = arena_new();
    PeftConfig c;
    ASSERT_FAILS(peft_config_parse(text, strlen(text), "c.json", a, &c, &err), &err, FAIL_DATA,
                 message);
    arena_free(a);
}

TEST(peft_config, other_methods_are_named)
{
    is_refused("{\"peft_type\": \"IA3\"}",
               "c.json: an adapter of type 'IA3'; LORA, ADALORA, MISS and BONE are read");
}

TEST(peft_config, ranks_of_their_own_are_refused)
{
    is_refused("{\"peft_type\": \"LORA\", \"rank_pattern\": {\"q\": 4}}",
               "c.json: rank_pattern = {\"q\":4}: adapters with that are not read");
    is_refused("{\"peft_type\": \"LORA\", \"alpha_pattern\": {\"q\": 4}}", "alpha_pattern");
}

TEST(peft_config, adapter_of_a_changed_base_is_refused)
{
    is_refused("{\"peft_type\": \"LORA\", \"init_lora_weights\": \"pissa_niter_4\"}",
               "init_lora_weights = pissa_niter_4: the adapter belongs to a base that was changed");
}

TEST(peft_config, values_of_wrong_types_are_named)
{
    is_refused("{\"peft_type\": \"LORA\", \"r\": 0}", "c.json: r: expected an integer from 1 to");
    is_refused("{\"peft_type\": \"LORA\", \"use_dora\": 1}", "use_dora: expected true or false");
    is_refused("{\"peft_type\": \"LORA\", \"lora_alpha\": \"8\"}", "lora_alpha: expected a number");
    is_refused("{\"peft_type\": \"LORA\", \"target_modules\": [3]}",
               "target_modules: expected a list of names");
    is_refused("{\"peft_type\": \"LORA\", \"bias\": \"some\"}",
               "bias: expected none, all or lora_only");
    is_refused("{\"peft_type\": \"MISS\", \"init_weights\": \"x\"}",
               "init_weights: expected true, false, bat or mini");
    is_refused("[1]", "c.json: is no JSON object");
    is_refused("{}", "peft_type: expected LORA, ADALORA, MISS or BONE; the key is missing");
}

/* -- Folders that do not fit */

TEST(peft_dir, base_that_is_not_there_is_named)
{
    static const char text[] = "{\"peft_type\": \"LORA\", \"base_model_name_or_path\": \"no/x\"}";
    Error err = {0};
    Arena *a = arena_new();
    const char *folder = arena_string(a, test_folder()), *base;
    ASSERT_OK(file_replace(arena_printf(a, "%s/adapter_config.json", folder), text, sizeof text - 1,
                           &err),
              &err);
    ASSERT_FAILS(peft_dir_base(folder, a, &base, &err), &err, FAIL_DATA,
                 "base_model_name_or_path = no/x: there is no such folder");
    arena_free(a);
}

static Params *no_parameters(Arena *a)
{
    Error err = {0};
    Params *params = params_new(a);
    ASSERT_OK(params_allocate(params, &err), &err);
    return params;
}

TEST(peft_dir, tensor_without_a_parameter_is_named)
{
    Error err = {0};
    Arena *a = arena_new();
    ASSERT_FAILS(peft_dir_weights(golden("regex"), no_parameters(a), &err), &err, FAIL_DATA,
                 "adapter_model.safetensors: the model has no parameter for tensor "
                 "'base_model.model.model.layers.1.mlp.down_proj.lora_A.weight'");
    arena_free(a);
}

TEST(peft_dir, another_rank_than_the_files_is_refused)
{
    Arena *a = arena_new();
    Adapted m = {.arena = a};
    parse(&m, golden("miss"), "methods: [{name: bone, rank: 2, targets: [q_proj, up_proj]}]\n");
    NetworkOptions o = {.eval = true, .allocate = true, .total_steps = 10, .steps_per_epoch = 1};
    o.task = (Task){.sample = shape(1, INT64_C(12)),
                    .dtype = I32,
                    .n_tokens = 40,
                    .n_classes = 40,
                    .per_step = true,
                    .causal = true};
    ASSERT_OK(network_new(&m.network, &m.experiment, &o, a, &m.err), &m.err);
    ASSERT_FAILS(network_init(&m.network, NULL, m.experiment.base.folder, &m.err), &m.err,
                 FAIL_DATA, "up_proj.miss_block' is (3, 24), the model's is (2, 24)");
    network_free(&m.network);
    arena_free(a);
}

/* -- Adapters that were taken from the base's weights */

/* The logits of the network that starts from `folder` equal those of `m` on the same input. */
static void same_logits(Adapted *m, Adapted *other)
{
    const float *logits[2];
    const StTensor *y = safetensors_find(&m->expected, "logits");
    int32_t *label = arena_new_array(m->arena, int32_t, y->n);
    for (int i = 0; i < 2; i++) {
        const Pass *pass = &(i ? other : m)->network.eval;
        plan_bind(pass->plan, pass->x, safetensors_find(&m->expected, "x")->data);
        plan_bind(pass->plan, pass->label, label);
        plan_run(pass->plan, 0);
        logits[i] = plan_value(pass->plan, pass->logits);
    }
    for (int64_t i = 0; i < y->n; i++)
        assert_true(fabs((double)logits[0][i] - (double)logits[1][i]) < 2e-5);
}

/* A network whose lora starts in that way, its factors moved as by training; then written, and
 * read beside the base as it was. */
static void is_converted(const char *options)
{
    Arena *a = arena_new();
    const char *methods = arena_printf(
        a, "methods: [{name: lora, rank: 2, alpha: 3, targets: [q_proj, up_proj], %s}]\n", options);
    Adapted *m = adapted("lora", "tests/golden/hf/llama", methods);
    float size = 0;
    for (Param *p = m->network.params->first; p; p = p->next)
        for (int64_t i = 0; p->trainable && i < p->n; i++) {
            p->data[i] += 0.1F * (float)((i * 7 + 3) % 11 - 5) / 5;
            size += fabsf(p->data[i]);
        }
    assert_true(size > 1);
    const char *folder = arena_printf(a, "%s/adapter", test_folder());
    const char *base = m->experiment.base.folder;
    const NetworkOptions *o = &m->network.options;
    ASSERT_OK(peft_dir_write(folder, &m->network.calls[0], &o->task, base, &m->err), &m->err);
    PeftConfig c;
    ASSERT_OK(peft_config_read(folder, a, &c, &m->err), &m->err);
    assert_int_equal(c.rank, 4);
    Adapted *other = adapted("lora", folder, "");
    same_logits(m, other);
    adapted_free(other);
    adapted_free(m);
    arena_free(a);
}

TEST(peft_dir, pissa_is_written_for_the_base_as_it_was)
{
    is_converted("init: pissa");
}

TEST(peft_dir, olora_under_rslora_is_written_for_the_base_as_it_was)
{
    is_converted("init: olora, rslora: true");
}
