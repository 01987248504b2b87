/* A small tokenizer of every family beside Hugging Face's library: ids, types of pairs and decoded
 * texts equal those in tests/golden/tokenizer, which its make.py had from `tokenizers` 0.23.3. */
#include "tests/test.h"

#include "tokenizer/tokenizer.h"

#include <string.h>

typedef struct Golden {
    Arena *arena;
    Tokenizer *tokenizer;
    TokenEncoder *encoder;
    json_t *cases;
} Golden;

static Golden golden_open(const char *name)
{
    Golden g = {.arena = arena_new()};
    Error err = {0};
    const char *path = arena_printf(g.arena, "tests/golden/tokenizer/%s.json", name);
    ASSERT_OK(tokenizer_open(&g.tokenizer, path, &err), &err);
    g.encoder = token_encoder_new(g.tokenizer);
    path = arena_printf(g.arena, "tests/golden/tokenizer/%s.cases.json", name);
    g.cases = json_load_file(path, JSON_ALLOW_NUL, NULL);
    assert_true(json_array_size(g.cases) > 20);
    return g;
}

static void golden_close(Golden *g)
{
    json_decref(g->cases);
    token_encoder_free(g->encoder);
    tokenizer_free(g->tokenizer);
    arena_free(g->arena);
}

static void same_ids(const json_t *wanted, const TokenIds *have)
{
    assert_int_equal(have->n, json_array_size(wanted));
    for (int64_t i = 0; i < have->n; i++)
        assert_int_equal(have->ids[i], json_integer_value(json_array_get(wanted, (size_t)i)));
}

static void check_ids(Golden *g, const json_t *one)
{
    const json_t *text = json_object_get(one, "text"), *second = json_object_get(one, "second");
    const json_t *types = json_object_get(one, "types");
    const char *const texts[2] = {json_string_value(text), json_string_value(second)};
    const size_t n[2] = {json_string_length(text), json_string_length(second)};
    Error err = {0};
    TokenIds ids;
    ASSERT_OK(token_encode_pair(g->encoder, texts, n, false, &ids, &err), &err);
    same_ids(json_object_get(one, "plain"), &ids);
    ASSERT_OK(token_encode_pair(g->encoder, texts, n, true, &ids, &err), &err);
    same_ids(json_object_get(one, "ids"), &ids);
    for (size_t i = 0; i < json_array_size(types); i++)
        assert_int_equal(ids.types[i], json_integer_value(json_array_get(types, i)));
}

/* Cases whose bytes are no text are left out: ours gives the bytes, the library U+FFFD. */
static void check_text(Golden *g, const json_t *one, const char *key, bool skip_special)
{
    const json_t *wanted = json_object_get(one, key), *json = json_object_get(one, "ids");
    if (!wanted || strstr(json_string_value(wanted), "\xEF\xBF\xBD")) return;
    int32_t *ids = arena_new_array(g->arena, int32_t, json_array_size(json));
    for (size_t i = 0; i < json_array_size(json); i++)
        ids[i] = (int32_t)json_integer_value(json_array_get(json, i));
    size_t n;
    const char *text =
        token_decode(g->tokenizer, g->arena, ids, (int64_t)json_array_size(json), skip_special, &n);
    assert_string_equal(text, json_string_value(wanted));
    assert_int_equal(n, json_string_length(wanted));
}

static void golden_check(const char *name)
{
    Golden g = golden_open(name);
    for (size_t i = 0; i < json_array_size(g.cases); i++) {
        const json_t *one = json_array_get(g.cases, i);
        check_ids(&g, one);
        check_text(&g, one, "decoded", false);
        check_text(&g, one, "skipped", true);
    }
    golden_close(&g);
}

#define GOLDEN(name)                                                                               \
    TEST(tokenizer_golden, name)                                                                   \
    {                                                                                              \
        golden_check(#name);                                                                       \
    }

// clang-format off
GOLDEN(gpt2)
GOLDEN(llama3)
GOLDEN(qwen2)
GOLDEN(roberta)
GOLDEN(llama2)
GOLDEN(metaspace)
GOLDEN(bert)
GOLDEN(bert_cased)
GOLDEN(t5)
GOLDEN(unigram_bytes)
GOLDEN(words)
GOLDEN(clip)
GOLDEN(split_ways)
// clang-format on

TEST(tokenizer_golden, a_saved_tokenizer_is_the_same)
{
    Golden g = golden_open("llama2");
    Error err = {0};
    const char *path = arena_printf(g.arena, "%s/tokenizer.json", test_folder());
    ASSERT_OK(tokenizer_save(g.tokenizer, path, &err), &err);
    Tokenizer *again;
    ASSERT_OK(tokenizer_open(&again, path, &err), &err);
    assert_true(json_equal(tokenizer_document(again), tokenizer_document(g.tokenizer)));
    tokenizer_free(again);
    golden_close(&g);
}
