/* Text as tokens: whatever the unit, the tokens account for every byte. */
#include "data/text_units.h"
#include "tests/test.h"

#include <string.h>

enum { BYTES = 4000 };

static void noise(unsigned char text[BYTES])
{
    uint32_t x = 1;
    for (size_t i = 0; i < BYTES; i++) {
        x = x * 1664525 + 1013904223; /* Numerical Recipes' generator */
        text[i] = i % 3 ? (unsigned char)(x >> 24) : 'z';
    }
    memset(text + 1000, 'q', 300);
}

static void accounts_for_all(TextUnit unit, int64_t most)
{
    unsigned char text[BYTES];
    uint16_t token[BYTES];
    int64_t n;
    Error err = {0};
    Arena *a = arena_new();
    TextUnits u;
    noise(text);
    ASSERT_OK(text_units_learn(&u, unit, 400, text, BYTES, a, &err), &err);
    ASSERT_OK(text_units_encode(&u, text, BYTES, token, &n, &err), &err);
    assert_in_range(n, 1, most);
    for (int64_t i = 0; i < n; i++) assert_in_range(token[i], 1, u.n_tokens - 1);
    assert_int_equal(text_units_bytes(&u, text, token, n), BYTES);
    text_units_free(&u);
    arena_free(a);
}

static void comes_back(TextUnit unit, const char *text, const char *want)
{
    uint16_t packed[64];
    int32_t token[64];
    int64_t n;
    size_t bytes;
    Error err = {0};
    Arena *a = arena_new();
    TextUnits u;
    const unsigned char *from = (const unsigned char *)text;
    const char learnt[] = "the cat sat on the mat, the cat sat \xC3\xA9t\xC3\xA9 the mat";
    ASSERT_OK(
        text_units_learn(&u, unit, 280, (const unsigned char *)learnt, sizeof learnt - 1, a, &err),
        &err);
    ASSERT_OK(text_units_encode(&u, from, strlen(text), packed, &n, &err), &err);
    for (int64_t i = 0; i < n; i++) token[i] = packed[i];
    token[n] = 0; /* padding, which is no text */
    assert_string_equal(text_units_decode(&u, a, token, n + 1, &bytes), want);
    assert_int_equal(bytes, strlen(want));
    text_units_free(&u);
    arena_free(a);
}

TEST(text_units, tokens_become_their_text_again)
{
    const char *const text = "the mat \xC3\xA9 sat";
    comes_back(UNIT_BYTE, text, text);
    comes_back(UNIT_CHAR, text, text);
    comes_back(UNIT_BPE, text, text);
}

TEST(text_units, character_that_was_not_learnt_comes_back_as_unknown)
{
    comes_back(UNIT_CHAR, "the Z", "the \xEF\xBF\xBD");
}

TEST(text_units, bytes_stand_for_themselves)
{
    accounts_for_all(UNIT_BYTE, BYTES);
}

TEST(text_units, pieces_stand_for_as_many_bytes_as_there_are)
{
    accounts_for_all(UNIT_BPE, 3800);
}
