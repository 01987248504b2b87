/* Tokenizers made from a text: equal to Hugging Face's where that is promised, and whole. */
#include "tests/test.h"

#include "tokenizer/tokenizer_train.h"

#include "base/pcg.h"

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
