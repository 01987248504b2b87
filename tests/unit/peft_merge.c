/* peft_merge -- adapters in and out of weights: the adapters that PEFT wrote (tests/golden/peft) as
 * merged models, small cases by hand, and first values for a whole folder. */
#include "tests/hf.h"
#include "tests/test.h"

#include "cpu/cpu.h"
#include "methods/peft/peft_dir.h"
#include "methods/peft/peft_init_dir.h"
#include "methods/peft/peft_merge.h"
#include "methods/peft/peft_merge_dir.h"

#include <math.h>
#include <string.h>

static const Task LANGUAGE = {.per_step = true, .causal = true};

static const char *adapter_of(const char *name)
{
    static char path[512];
    (void)snprintf(path, sizeof path, "tests/golden/peft/%s", name);
    return path;
}

/* A merged model has the logits that PEFT's adapted one has. */
static void merged_has_pefts_logits(const char *name, const char *base, Task task,
                                    const char *override)
{
    Error err = {0};
    PeftMerged made;
    char path[600];
    const char *to = test_folder();
    ASSERT_OK(peft_merge_dir(test_hf_folder(base), adapter_of(name), to, false, NULL, &made, &err),
              &err);
    assert_true(made.n_layers > 0);
    TestHf m = test_hf_config(base, override);
    Safetensors expected;
    (void)snprintf(path, sizeof path, "%s/expected.safetensors", adapter_of(name));
    ASSERT_OK(safetensors_open(&expected, m.arena, path, &err), &err);
    const StTensor *y = safetensors_find(&expected, "logits");
    task.sample = shape(1, m.input->dim[1]);
    task.dtype = I32;
    task.n_classes = (int)y->dim[y->rank - 1];
    m.build.task = task;
    test_hf_run(&m, to);
    const float *want = y->data;
    for (int64_t i = 0; i < y->n; i++)
        assert_true(fabs((double)m.logits[i] - (double)want[i]) < 1e-4);
    safetensors_close(&expected);
    test_hf_free(&m);
}

TEST(peft_merge, lora_and_a_whole_module)
{
    merged_has_pefts_logits("lora", "llama", LANGUAGE, "{}");
}

TEST(peft_merge, dora)
{
    merged_has_pefts_logits("dora", "llama", LANGUAGE, "{}");
}

TEST(peft_merge, turned_layers_and_biases)
{
    merged_has_pefts_logits("conv1d", "gpt2", LANGUAGE, "{}");
}

TEST(peft_merge, adalora)
{
    merged_has_pefts_logits("adalora", "llama", LANGUAGE, "{}");
}

TEST(peft_merge, miss)
{
    merged_has_pefts_logits("miss", "llama", LANGUAGE, "{}");
}

TEST(peft_merge, bat)
{
    merged_has_pefts_logits("bat", "llama", LANGUAGE, "{}");
}

TEST(peft_merge, mini)
{
    merged_has_pefts_logits("mini", "llama", LANGUAGE, "{}");
}

TEST(peft_merge, classifier)
{
    merged_has_pefts_logits("classes", "bert", (Task){0}, "{sep_token_id: 2}");
}

/* Every tensor of two folders of one file, to rounding. */
static void same_tensors(const char *one, const char *other)
{
    Error err = {0};
    Arena *a = arena_new();
    Safetensors s[2];
    const char *folder[2] = {one, other};
    for (int i = 0; i < 2; i++)
        ASSERT_OK(
            safetensors_open(&s[i], a, arena_printf(a, "%s/model.safetensors", folder[i]), &err),
            &err);
    assert_int_equal(s[0].n_tensors, s[1].n_tensors);
    for (int k = 0; k < s[0].n_tensors; k++) {
        const float *x = s[0].tensors[k].data, *y = s[1].tensors[k].data;
        assert_string_equal(s[0].tensors[k].name, s[1].tensors[k].name);
        for (int64_t i = 0; i < s[0].tensors[k].n; i++)
            assert_true(fabs((double)x[i] - (double)y[i]) < 2e-6);
    }
    for (int i = 0; i < 2; i++) safetensors_close(&s[i]);
    arena_free(a);
}

/* In and out again. */
static void is_taken_out(const char *name)
{
    Error err = {0};
    PeftMerged made;
    char in[512], out[512];
    (void)snprintf(in, sizeof in, "%s", test_folder());
    (void)snprintf(out, sizeof out, "%s", test_folder());
    const char *base = test_hf_folder("llama");
    ASSERT_OK(peft_merge_dir(base, adapter_of(name), in, false, NULL, &made, &err), &err);
    ASSERT_OK(peft_merge_dir(in, adapter_of(name), out, true, NULL, &made, &err), &err);
    same_tensors(out, test_hf_folder("llama"));
}

TEST(peft_merge, lora_is_taken_out_again)
{
    is_taken_out("regex");
}

TEST(peft_merge, adalora_is_taken_out_again)
{
    is_taken_out("adalora");
}

TEST(peft_merge, miss_is_taken_out_again)
{
    is_taken_out("miss");
}

TEST(peft_merge, bat_is_taken_out_again)
{
    is_taken_out("bat");
}

static void is_kept_in(const char *name, const char *base, const char *message)
{
    Error err = {0};
    PeftMerged made;
    ASSERT_FAILS(peft_merge_dir(test_hf_folder(base), adapter_of(name), test_folder(), true, NULL,
                                &made, &err),
                 &err, FAIL_DATA, message);
}

TEST(peft_merge, dora_cannot_be_taken_out)
{
    is_kept_in("dora", "llama", "DoRA cannot be taken out of a merged weight");
}

TEST(peft_merge, whole_tensors_cannot_be_taken_out)
{
    is_kept_in("lora", "llama", "'lm_head.weight' was trained in full: it cannot be taken out");
}

TEST(peft_merge, adapter_of_another_model_is_refused)
{
    Error err = {0};
    PeftMerged made;
    ASSERT_FAILS(peft_merge_dir(test_hf_folder("llama"), adapter_of("conv1d"), test_folder(), false,
                                NULL, &made, &err),
                 &err, FAIL_DATA, "the model has no parameter for tensor");
}

/* bone.md, (g) 4: W = [[1,2],[3,4]], B = [[0.1,0],[0,0.2]] gives [[1.2,2.4],[3.3,5.0]]. */
TEST(peft_merge, bat_of_two_by_two_by_hand)
{
    static const float block[] = {0.1F, 0, 0, 0.2F}, want[] = {1.2F, 2.4F, 3.3F, 5.0F};
    Error err = {0};
    float w[] = {1, 2, 3, 4};
    PeftConfig c = peft_config_defaults;
    c.type = PEFT_MISS;
    c.miss = MISS_BAT;
    c.rank = 2;
    const PeftLayer l = {.name = "l", .out = 2, .in = 2, .block = block};
    ASSERT_OK(peft_merge(&c, &l, w, false, &err), &err);
    for (int i = 0; i < 4; i++) assert_true(fabsf(w[i] - want[i]) < 1e-6F);
    ASSERT_OK(peft_merge(&c, &l, w, true, &err), &err);
    for (int i = 0; i < 4; i++) assert_true(fabsf(w[i] - (float)(i + 1)) < 1e-6F);
}

/* bone.md, (g) 2, where r does not divide the inputs; stored (in, out) as well. */
TEST(peft_merge, miss_tiles_the_inputs_by_hand)
{
    static const float block[] = {1, 2, 3, 4};
    static const float want[] = {1, 3, 1, 3, 1, 2, 4, 2, 4, 2};
    Error err = {0};
    float w[10] = {0}, turned[10] = {0};
    PeftConfig c = peft_config_defaults;
    c.type = PEFT_MISS;
    c.rank = 2;
    PeftLayer l = {.name = "l", .out = 2, .in = 5, .block = block};
    ASSERT_OK(peft_merge(&c, &l, w, false, &err), &err);
    l.turned = true;
    ASSERT_OK(peft_merge(&c, &l, turned, false, &err), &err);
    for (int i = 0; i < 10; i++) {
        assert_true(w[i] == want[i]);
        assert_true(turned[i % 5 * 2 + i / 5] == want[i]);
    }
}

TEST(peft_merge, block_without_an_inverse_is_refused)
{
    static const float block[] = {-1, 0, 0, 1};
    Error err = {0};
    float w[] = {1, 2, 3, 4};
    PeftConfig c = peft_config_defaults;
    c.type = PEFT_MISS;
    c.miss = MISS_BAT;
    c.rank = 2;
    const PeftLayer l = {.name = "l", .out = 2, .in = 2, .block = block};
    ASSERT_FAILS(peft_merge(&c, &l, w, true, &err), &err, FAIL_DATA,
                 "l: block 0 of the adapter cannot be inverted");
}

/* -- First values for a folder */

static PeftFirst first(LoraInitKind kind)
{
    PeftFirst o = {.config = peft_config_defaults, .seed = 1};
    o.config.rank = 2;
    o.first = (LoraInit){.kind = (int)kind, .gamma = 16, .niter = -1};
    return o;
}

/* The adapter at twice the rank changes nothing: A, A and B, -B. */
TEST(peft_init, twice_the_rank_leaves_the_model_as_it_is)
{
    Error err = {0};
    PeftMade made;
    PeftMerged merged;
    char adapter[512], to[512];
    (void)snprintf(adapter, sizeof adapter, "%s", test_folder());
    (void)snprintf(to, sizeof to, "%s", test_folder());
    const PeftFirst o = first(LORA_PISSA);
    ASSERT_OK(peft_init_dir(test_hf_folder("llama"), &o, adapter, NULL, &made, &err), &err);
    assert_int_equal(made.n_layers, 14);
    assert_int_equal(made.rank, 4);
    const char *base = test_hf_folder("llama");
    ASSERT_OK(peft_merge_dir(base, adapter, to, false, NULL, &merged, &err), &err);
    same_tensors(to, test_hf_folder("llama"));
}

/* pissa.md's equality in files: what is left of the weight and s B A are the weight. */
TEST(peft_init, changed_model_and_adapter_are_the_model)
{
    Error err = {0};
    PeftMade made;
    PeftMerged merged;
    char adapter[512], frozen[512], back[512];
    (void)snprintf(adapter, sizeof adapter, "%s", test_folder());
    (void)snprintf(frozen, sizeof frozen, "%s", test_folder());
    (void)snprintf(back, sizeof back, "%s", test_folder());
    PeftFirst o = first(LORA_OLORA);
    o.as_it_is = true;
    const char *base = test_hf_folder("gpt2");
    ASSERT_OK(peft_init_dir(base, &o, adapter, NULL, &made, &err), &err);
    assert_int_equal(made.rank, 2);
    ASSERT_OK(peft_merge_dir(base, adapter, frozen, true, NULL, &merged, &err), &err);
    ASSERT_OK(peft_merge_dir(frozen, adapter, back, false, NULL, &merged, &err), &err);
    same_tensors(back, test_hf_folder("gpt2"));
}

TEST(peft_init, names_and_shapes_are_pefts)
{
    Error err = {0};
    PeftMade made;
    Arena *a = arena_new();
    const char *adapter = arena_string(a, test_folder()),
               *targets[] = {"q_proj", "v_proj", "down_proj"};
    PeftFirst o = first(LORA_DEFAULT);
    o.config.rank = 3;
    o.config.targets = (PeftNames){targets, 3};
    ASSERT_OK(peft_init_dir(test_hf_folder("llama"), &o, adapter, NULL, &made, &err), &err);
    Safetensors mine, pefts;
    ASSERT_OK(safetensors_open(&mine, a, arena_printf(a, "%s/" PEFT_WEIGHTS, adapter), &err), &err);
    ASSERT_OK(
        safetensors_open(&pefts, a, arena_printf(a, "%s/" PEFT_WEIGHTS, adapter_of("lora")), &err),
        &err);
    int n = 0;
    for (int i = 0; i < mine.n_tensors; i++, n++) {
        const StTensor *t = safetensors_find(&pefts, mine.tensors[i].name);
        assert_non_null(t);
        assert_int_equal(t->dtype, mine.tensors[i].dtype);
        assert_int_equal(t->rank, mine.tensors[i].rank);
        assert_memory_equal(t->dim, mine.tensors[i].dim, sizeof t->dim);
    }
    assert_int_equal(n, pefts.n_tensors - 1); /* lm_head in full */
    assert_string_equal(safetensors_metadata(&mine, "format"), "pt");
    safetensors_close(&mine);
    safetensors_close(&pefts);
    arena_free(a);
}

TEST(peft_init, unknown_target_is_named)
{
    static const char *targets[] = {"q_prj"};
    Error err = {0};
    PeftMade made;
    PeftFirst o = first(LORA_DEFAULT);
    o.config.targets = (PeftNames){targets, 1};
    ASSERT_FAILS(peft_init_dir(test_hf_folder("llama"), &o, test_folder(), NULL, &made, &err), &err,
                 FAIL_USAGE, "targets: no linear layer is named 'q_prj'; did you mean 'q_proj'?");
}

TEST(peft_init, rank_above_the_weights_is_refused)
{
    Error err = {0};
    PeftMade made;
    PeftFirst o = first(LORA_PISSA);
    o.config.rank = 17;
    ASSERT_FAILS(peft_init_dir(test_hf_folder("llama"), &o, test_folder(), NULL, &made, &err), &err,
                 FAIL_CONFIG, "rank");
}
