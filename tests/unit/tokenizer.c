/* Opening tokenizers: llama2.c's vocabulary, and what is wrong with a document. */
#include "tests/test.h"

#include "tokenizer/tokenizer.h"

#include <string.h>

static void refuses(const char *document, const char *message)
{
    Error err = {0};
    Tokenizer *t;
    ASSERT_FAILS(tokenizer_parse(&t, document, strlen(document), "t.json", &err), &err, FAIL_DATA,
                 message);
    assert_null(t);
}

/* The ids that llama2.c's own program gives for this text (MANIFEST, tinyllama_260k). */
TEST(tokenizer, llama2_c_vocabulary_gives_its_ids)
{
    static const char text[] = "Once upon a time, there was a little dog named Max. Max liked to "
                               "run in the park with his friend.";
    static const int32_t wanted[34] = {1,   403, 407, 261, 378, 432, 383, 286, 261, 376, 400, 428,
                                       395, 392, 412, 444, 426, 392, 412, 444, 397, 355, 267, 352,
                                       379, 322, 265, 282, 295, 433, 335, 345, 374, 426};
    const char *path = test_shared("data/tinyllama_260k/tok512.bin");
    if (!path) skip();
    Error err = {0};
    Tokenizer *t;
    TokenIds ids;
    ASSERT_OK(tokenizer_open(&t, path, &err), &err);
    TokenEncoder *e = token_encoder_new(t);
    ASSERT_OK(token_encode(e, text, strlen(text), true, &ids, &err), &err);
    assert_int_equal(ids.n, 34);
    assert_memory_equal(ids.ids, wanted, sizeof wanted);
    Arena *a = arena_new();
    size_t n;
    assert_string_equal(token_decode(t, a, ids.ids, ids.n, true, &n), text);
    arena_free(a);
    token_encoder_free(e);
    tokenizer_free(t);
}

TEST(tokenizer, a_damaged_llama2_c_vocabulary_names_the_byte)
{
    Error err = {0};
    Tokenizer *t;
    ASSERT_FAILS(tokenizer_parse(&t, "\7\0\0\0\0\0\0\0\377\377\377\177ab", 14, "t.bin", &err), &err,
                 FAIL_DATA,
                 "t.bin: this is neither JSON nor a llama2.c vocabulary: a length or score is not "
                 "one at byte 12");
}

TEST(tokenizer, truncated_json_names_line_and_column)
{
    refuses("{\"model\":\n{\"type\": \"BP", "t.json:2:12: premature end of input near");
}

TEST(tokenizer, other_json_is_no_tokenizer)
{
    refuses("{\"a\": 1}", "t.json: this is not a tokenizer.json: there is no object 'model' in it");
}

#define EMPTY_BPE "\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0}, \"merges\": []}"

TEST(tokenizer, unknown_regex_is_refused_and_the_known_are_named)
{
    refuses("{" EMPTY_BPE ", \"pre_tokenizer\": {\"type\": \"Split\", \"pattern\": {\"Regex\": "
            "\"[ab]+\"}, \"behavior\": \"Isolated\"}}",
            "t.json: Split: the regular expression '[ab]+' is not one of those known here (GPT-2, "
            "words, Llama 3, cl100k, Qwen 2, white space, two spaces or more)");
}

TEST(tokenizer, unknown_stage_is_refused)
{
    refuses("{" EMPTY_BPE ", \"normalizer\": {\"type\": \"Sequence\", \"normalizers\": [{\"type\": "
            "\"NFC\"}, {\"type\": \"Magic\"}]}}",
            "t.json: type 'Magic' is not known among normalizers");
}

TEST(tokenizer, merge_of_a_token_that_is_not_there_is_refused)
{
    refuses("{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0}, \"merges\": [\"a b\"]}}",
            "t.json: merge 0: 'b' is not in the vocabulary");
}

/* Ten stages that each make a text twice as long. */
TEST(tokenizer, stages_that_blow_a_text_up_are_refused)
{
    Arena *a = arena_new();
    const char *document =
        "{" EMPTY_BPE ", \"normalizer\": {\"type\": \"Sequence\", \"normalizers\": [";
    for (int i = 0; i < 10; i++)
        document = arena_printf(a,
                                "%s%s{\"type\": \"Replace\", \"pattern\": {\"String\": \"a\"}, "
                                "\"content\": \"aa\"}",
                                document, i ? ", " : "");
    refuses(arena_printf(a, "%s]}}", document),
            "t.json: normalizers can make a text more than 1000 times as long");
    arena_free(a);
}

/* A small file must not take memory for a huge id. */
TEST(tokenizer, huge_id_is_refused)
{
    refuses("{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 2000000000}, \"merges\": []}}",
            "t.json: model.vocab: token 'a' has no id, a double one or one above 65540");
}

TEST(tokenizer, unigram_without_unknown_token_names_the_character)
{
    static const char document[] =
        "{\"model\": {\"type\": \"Unigram\", \"unk_id\": null, \"vocab\": [[\"a\", -1.0]]}}";
    Error err = {0};
    Tokenizer *t;
    TokenIds ids;
    ASSERT_OK(tokenizer_parse(&t, document, strlen(document), "t.json", &err), &err);
    TokenEncoder *e = token_encoder_new(t);
    ASSERT_FAILS(token_encode(e, "aab", 3, true, &ids, &err), &err, FAIL_DATA,
                 "'b' is no token and the tokenizer has none for unknown characters");
    token_encoder_free(e);
    tokenizer_free(t);
}
