/* hf -- the transformers of Hugging Face's folders against its own library: tiny random models of
 * tests/golden/hf, whose logits transformers computed (make.py beside them says which versions). */
#include "tests/hf.h"
#include "tests/model.h"
#include "tests/test.h"

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
