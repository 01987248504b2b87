/* next_token -- penalties and filters against what the logits processors of transformers 5.24 make
 * of the same logits after the same tokens. */
#include "tests/test.h"

#include "nn/next_token.h"
#include "tests/model.h"

#include <math.h>

static const float LOGITS[] = {1.5f, -0.5f, 2.0f, 0.25f, -1.0f, 3.0f, 0.75f, -2.0f};
static const int32_t BEFORE[] = {5, 1, 2, 5, 1};
enum { N = 8, N_BEFORE = 5 };

/* `want` at a bit's place where it is set, NEVER where `never` is, else as it was. */
static void becomes(const char *options, int64_t n_new, const float want[N], unsigned never)
{
    float out[N];
    Arena *a = arena_new();
    const GenerateOptions *o = test_options(a, &generate_option_table, options);
    assert_true(token_adjusts(o));
    token_adjust(out, LOGITS, N, (TokenHistory){BEFORE, N_BEFORE, n_new}, o);
    for (int i = 0; i < N; i++) {
        if (never >> i & 1)
            assert_true(out[i] < -1e38f);
        else
            assert_true(fabsf(out[i] - want[i]) < 1e-6f);
    }
    arena_free(a);
}

TEST(next_token, repetition_penalty_takes_a_token_down_once)
{
    static const float want[] = {
        1.5f, -0.6499999761581421f, 1.5384615659713745f, 0.25f, -1.0f, 2.307692289352417f, 0.75f,
        -2.0f};
    becomes("{repetition_penalty: 1.3}", 0, want, 0);
}

TEST(next_token, no_two_tokens_in_a_row_come_again)
{
    becomes("{no_repeat_ngram_size: 2}", 0, LOGITS, 1 << 2);
}

TEST(next_token, no_three_tokens_in_a_row_come_again)
{
    becomes("{no_repeat_ngram_size: 3}", 0, LOGITS, 1 << 2);
}

TEST(next_token, no_token_comes_again)
{
    becomes("{no_repeat_ngram_size: 1}", 0, LOGITS, 1 << 1 | 1 << 2 | 1 << 5);
}

TEST(next_token, longer_rows_than_the_sequence_forbid_nothing)
{
    becomes("{no_repeat_ngram_size: 9}", 0, LOGITS, 0);
}

TEST(next_token, no_end_comes_before_its_time)
{
    becomes("{min_new_tokens: 3, eos_token_id: [0, 4, 99]}", 2, LOGITS, 1 << 0 | 1 << 4);
    becomes("{min_new_tokens: 3, eos_token_id: [0, 4]}", 3, LOGITS, 0);
}

/* The tokens that any draw gives. */
static unsigned drawn(const char *options)
{
    ScoredToken scratch[N];
    Arena *a = arena_new();
    const GenerateOptions *o = test_options(a, &generate_option_table, options);
    unsigned seen = 0;
    for (int i = 0; i < 4096; i++)
        seen |= 1U << token_draw(LOGITS, N, o, ((float)i + 0.5f) / 4096, scratch);
    arena_free(a);
    return seen;
}

TEST(next_token, min_p_keeps_what_the_library_keeps)
{
    assert_int_equal(drawn("{min_p: 0.05}"), 1 << 0 | 1 << 2 | 1 << 3 | 1 << 5 | 1 << 6);
    assert_int_equal(drawn("{min_p: 0.2}"), 1 << 0 | 1 << 2 | 1 << 5);
    assert_int_equal(drawn("{min_p: 0.5}"), 1 << 5);
}

TEST(next_token, min_p_acts_on_what_top_p_leaves)
{
    assert_int_equal(drawn("{top_p: 0.8}"), 1 << 0 | 1 << 2 | 1 << 5);
    assert_int_equal(drawn("{top_p: 0.8, min_p: 0.3}"), 1 << 2 | 1 << 5);
}

/* A few are found by insertion, many by sorting: the same tokens. */
TEST(next_token, few_of_many_are_the_first_of_all_sorted)
{
    enum { MANY = 999 };
    float logits[MANY];
    ScoredToken few[MANY], all[MANY];
    Arena *a = arena_new();
    const GenerateOptions *o = test_options(a, &generate_option_table, "{top_k: 20}");
    const GenerateOptions *p = test_options(a, &generate_option_table, "{top_k: 500}");
    for (int i = 0; i < MANY; i++) logits[i] = (float)(i * 7919 % 101) / 8;
    (void)token_draw(logits, MANY, o, 0.5f, few);
    (void)token_draw(logits, MANY, p, 0.5f, all);
    for (int i = 0; i < 20; i++) assert_int_equal(few[i].id, all[i].id);
    arena_free(a);
}
