/* Tokenizers made from a text: equal to Hugging Face's where that is promised, and whole. */
#include "tests/test.h"

#include "tokenizer/tokenizer_train.h"

#include "base/pcg.h"

#include <math.h>
#include <string.h>

static Tokenizer *trained(const TokenTraining *how, const char *text)
{
    Error err = {0};
    Tokenizer *t;
    ASSERT_OK(tokenizer_train(&t, how, text, strlen(text), &err), &err);
    return t;
}

/* What BpeTrainer of tokenizers 0.23.3 makes of this text (vocab_size 264, ByteLevel's alphabet,
 * no special tokens): merges in order. "lowest newest widest" tie often: ids decide. */
TEST(tokenizer_train, byte_bpe_merges_as_hugging_face_does)
{
    static const char *const merges[][2] = {
        {"o",        "w"  },
        {"e",        "r"  },
        {"e",        "s"  },
        {"i",        "d"  },
        {"l",        "ow" },
        {"w",        "id" },
        {"\xC4\xA0", "wid"},
        {"es",       "t"  }
    };
    Tokenizer *t = trained(&(TokenTraining){.family = TOKENS_BYTE_BPE, .n_ids = 264},
                           "low lower lowest newer newest wider widest widow");
    const json_t *made = json_object_get(json_object_get(tokenizer_document(t), "model"), "merges");
    assert_int_equal(json_array_size(made), 8);
    for (size_t i = 0; i < 8; i++)
        for (size_t k = 0; k < 2; k++)
            assert_string_equal(json_string_value(json_array_get(json_array_get(made, i), k)),
                                merges[i][k]);
    tokenizer_free(t);
}

TEST(tokenizer_train, byte_bpe_gives_any_bytes_back)
{
    Error err = {0};
    Tokenizer *t = trained(&(TokenTraining){.family = TOKENS_BYTE_BPE, .n_ids = 300},
                           "the cat sat on the mat and the dog sat on the cat");
    TokenEncoder *e = token_encoder_new(t);
    Arena *a = arena_new();
    Pcg r = pcg_seed(1, 2);
    for (int length = 0; length < 400; length += 7) {
        char text[400];
        for (int i = 0; i < length; i++) text[i] = (char)pcg_next(&r);
        TokenIds ids;
        size_t n;
        ASSERT_OK(token_encode(e, text, (size_t)length, true, &ids, &err), &err);
        const char *back = token_decode(t, a, ids.ids, ids.n, false, &n);
        assert_int_equal(n, length);
        assert_memory_equal(back, text, n);
    }
    arena_free(a);
    token_encoder_free(e);
    tokenizer_free(t);
}

/* "ab" stands 3 times at the end of words, "cd" twice, and U+2581 with "e" too, but its
 * id is larger: counted by hand. */
TEST(tokenizer_train, metaspace_bpe_takes_the_most_frequent_pair)
{
    Tokenizer *t =
        trained(&(TokenTraining){.family = TOKENS_METASPACE_BPE, .n_ids = 3 + 256 + 9 + 2},
                "eab fab\ngab\necd hcd\n");
    const json_t *made = json_object_get(json_object_get(tokenizer_document(t), "model"), "merges");
    static const char *const wanted[2][2] = {
        {"a", "b"},
        {"c", "d"}
    };
    assert_int_equal(json_array_size(made), 2);
    for (size_t i = 0; i < 2; i++)
        for (size_t k = 0; k < 2; k++)
            assert_string_equal(json_string_value(json_array_get(json_array_get(made, i), k)),
                                wanted[i][k]);
    tokenizer_free(t);
}

/* Words of one character, 6 "a" and 2 "b". The first step of EM gives the mark, "a" and "b" alone
 * so few uses (6/229, 2/77, and their sum) that they go; in the second every word has one
 * segmentation and uses are counts. A score is digamma(uses) - digamma(sum), where digamma(n) is
 * the harmonic number of n - 1 less Euler's constant: 2.015641477955609 for 8. */
TEST(tokenizer_train, unigram_scores_of_unambiguous_words)
{
    TokenTraining how = {.family = TOKENS_UNIGRAM, .n_ids = 8, .coverage = 1};
    Tokenizer *t = trained(&how, "a a a b\na a a b\n");
    const json_t *vocabulary =
        json_object_get(json_object_get(tokenizer_document(t), "model"), "vocab");
    const double digamma[2] = {1.7061176684318006, 0.42278433509846725};
    const char *const token[2] = {"\xE2\x96\x81"
                                  "a",
                                  "\xE2\x96\x81"
                                  "b"};
    for (int i = 0; i < 2; i++) {
        const int32_t id = tokenizer_id(t, token[i], 4);
        assert_true(id >= 0);
        const double score =
            json_number_value(json_array_get(json_array_get(vocabulary, (size_t)id), 1));
        assert_true(fabs(score - (digamma[i] - 2.015641477955609)) < 1e-12);
    }
    tokenizer_free(t);
}

TEST(tokenizer_train, unigram_has_as_many_ids_as_were_wanted_and_gives_the_text_back)
{
    static const char text[] = "the cat sat on the mat and the other cat sat on the other mat\n"
                               "then the cats and the mats were sitting on other mats and cats\n";
    TokenTraining how = {.family = TOKENS_UNIGRAM, .n_ids = 24, .coverage = 1};
    Tokenizer *t = trained(&how, text);
    assert_int_equal(tokenizer_n_ids(t), 24);
    TokenEncoder *e = token_encoder_new(t);
    Arena *a = arena_new();
    Error err = {0};
    TokenIds ids;
    size_t n;
    ASSERT_OK(token_encode(e, "the cat sat on mats", 19, true, &ids, &err), &err);
    assert_true(ids.n < 12); /* 19 characters and a mark when nothing was learnt */
    assert_string_equal(token_decode(t, a, ids.ids, ids.n, false, &n), "the cat sat on mats");
    arena_free(a);
    token_encoder_free(e);
    tokenizer_free(t);
}

TEST(tokenizer_train, special_tokens_come_first_and_are_found_in_texts)
{
    static const char *const special[] = {"<|end|>"};
    Tokenizer *t = trained(&(TokenTraining){.family = TOKENS_BYTE_BPE,
                                            .n_ids = 260,
                                            .split = "Llama 3",
                                            .special = special,
                                            .n_special = 1},
                           "one two one two");
    TokenEncoder *e = token_encoder_new(t);
    Error err = {0};
    TokenIds ids;
    ASSERT_OK(token_encode(e, "one<|end|>", 10, false, &ids, &err), &err);
    assert_int_equal(ids.ids[ids.n - 1], 0);
    assert_true(tokenizer_is_special(t, 0));
    token_encoder_free(e);
    tokenizer_free(t);
}

TEST(tokenizer_train, too_few_ids_are_refused)
{
    Error err = {0};
    Tokenizer *t;
    TokenTraining how = {.family = TOKENS_BYTE_BPE, .n_ids = 100};
    ASSERT_FAILS(
        tokenizer_train(&t, &how, "abc", 3, &err), &err, FAIL_CONFIG,
        "a vocabulary of 100 ids is too small: special tokens, bytes and characters are 256");
}

TEST(tokenizer_train, a_text_without_words_is_refused)
{
    Error err = {0};
    Tokenizer *t;
    TokenTraining how = {.family = TOKENS_UNIGRAM, .n_ids = 100};
    ASSERT_FAILS(tokenizer_train(&t, &how, "", 0, &err), &err, FAIL_DATA,
                 "there are no words in the text");
}
