/* Byte-pair encoding, beside a plain Python program that recounts all pairs for every merge. */
#include "data/text_bpe.h"
#include "data/text_units.h"
#include "io/file.h"
#include "tests/test.h"

#include <stdlib.h>
#include <string.h>

typedef struct Learned {
    Arena *arena;
    TextBpe *bpe;
} Learned;

static Learned learn(const char *text, size_t n, int64_t n_tokens)
{
    Learned l = {.arena = arena_new()};
    l.bpe = text_bpe_learn((const unsigned char *)text, n, n_tokens, l.arena);
    return l;
}

static int64_t encode(const Learned *l, const char *text, uint16_t *token)
{
    return text_bpe_encode(l->bpe, (const unsigned char *)text, strlen(text), token);
}

/* The words of Sennrich et al., section 3.2, which merges e s, es t, l o, lo w (there with a sign
 * for the end of a word); here as many pairs as there are tie, and (e, s) is before (s, t). */
TEST(text_bpe, merges_the_most_frequent_pair_first)
{
    static const char text[] = "low\nlow\nlow\nlow\nlow\nlower\nlower\n"
                               "newest\nnewest\nnewest\nnewest\nnewest\nnewest\n"
                               "widest\nwidest\nwidest\n";
    uint16_t token[16];
    Learned l = learn(text, sizeof text - 1, BPE_BYTES + 4);
    assert_int_equal(text_bpe_n_tokens(l.bpe), BPE_BYTES + 4);
    assert_int_equal(encode(&l, "lowest", token), 2); /* low est */
    assert_int_equal(token[0], BPE_BYTES + 3);
    assert_int_equal(token[1], BPE_BYTES + 1);
    assert_int_equal(text_bpe_bytes(l.bpe, token[0]), 3);
    assert_int_equal(encode(&l, "newer", token), 5);
    assert_int_equal(encode(&l, "low est", token), 3); /* the space is the second word's */
    assert_int_equal(token[1], ' ' + 1);
    arena_free(l.arena);
}

TEST(text_bpe, stops_when_no_pair_occurs_twice)
{
    Learned l = learn("ab ab", 5, 1000);
    assert_int_equal(text_bpe_n_tokens(l.bpe), BPE_BYTES + 1); /* a b; space ab is there once */
    arena_free(l.arena);
}

static void same_as_python(size_t n, int64_t n_tokens, int64_t got_tokens, int64_t length,
                           uint64_t hash)
{
    const char *path = test_shared("data/tinyshakespeare/input.txt.gz");
    if (!path) skip();
    Error err = {0};
    unsigned char *text;
    size_t all, mapped;
    ASSERT_OK(gzip_read(path, 1 << 24, &text, &all, &mapped, &err), &err);
    uint16_t *token = malloc(n * sizeof *token);
    assert_non_null(token);
    Learned l = learn((const char *)text, n, n_tokens);
    assert_int_equal(text_bpe_n_tokens(l.bpe), got_tokens);
    assert_int_equal(text_bpe_encode(l.bpe, text, n, token), length);
    uint64_t h = 0;
    int64_t bytes = 0;
    for (int64_t i = 0; i < length; i++) {
        h = (h * 31 + token[i]) % 4294967291U;
        bytes += text_bpe_bytes(l.bpe, token[i]);
    }
    assert_true(h == hash);
    assert_int_equal(bytes, n);
    free(token);
    arena_free(l.arena);
    memory_unmap(text, mapped);
}

TEST(text_bpe, plays_become_the_tokens_that_python_finds)
{
    same_as_python(60000, 500, 500, 29534, 777954660);
}

TEST(text_bpe, a_short_text_is_merged_to_the_end_as_in_python)
{
    same_as_python(3000, 2000, 540, 1150, 4201525957);
}

TEST(text_bpe, any_bytes_come_back)
{
    unsigned char text[4000];
    uint16_t token[4000];
    uint32_t x = 1;
    for (size_t i = 0; i < sizeof text; i++) {
        x = x * 1664525 + 1013904223; /* Numerical Recipes' generator */
        text[i] = i % 3 ? (unsigned char)(x >> 24) : 'z';
    }
    memset(text + 1000, 'q', 300); /* longer than a word may be */
    Learned l = learn((const char *)text, sizeof text, 400);
    const int64_t n = text_bpe_encode(l.bpe, text, sizeof text, token);
    int64_t bytes = 0;
    for (int64_t i = 0; i < n; i++) {
        if (token[i] < BPE_BYTES) assert_int_equal(text[bytes] + 1, token[i]);
        bytes += text_bpe_bytes(l.bpe, token[i]);
    }
    assert_int_equal(bytes, sizeof text);
    assert_true(n < 3800);
    arena_free(l.arena);
}
