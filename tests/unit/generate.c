/* generate -- tokens from the tiny models of tests/golden/hf and from the imported 260k one,
 * against what transformers 5.24 generates; draws against their definition. */
#include "tests/hf.h"
#include "tests/test.h"

#include "nn/generate.h"
#include "tests/model.h"

#include <math.h>
#include <string.h>

enum { MAX_NEW = 16, ROWS_MAX = 4 };

typedef struct Made {
    int32_t tokens[ROWS_MAX * MAX_NEW];
    int64_t n[ROWS_MAX];
    double log_probability[ROWS_MAX];
} Made;

static const Task LANGUAGE = {.per_step = true, .causal = true};

/* What the model of a folder writes by the options, in `batch` sequences. */
static Made made_by(const char *name, Task task, const char *options, int64_t batch,
                    const int32_t *prompt, int64_t n)
{
    Error err = {0};
    Made made = {0};
    Decoder d;
    TestHf m = test_hf(name, task, "{}");
    const GenerateOptions *o = test_options(m.arena, &generate_option_table, options);
    ASSERT_OK(decoder_new(&d, m.model, m.options, &m.build, batch, 24, &err), &err);
    Prompt p[ROWS_MAX];
    for (int i = 0; i < ROWS_MAX; i++) p[i] = (Prompt){prompt, n};
    Generated out = {.tokens = made.tokens,
                     .n = made.n,
                     .room = o->max_new_tokens,
                     .log_probability = made.log_probability};
    ASSERT_OK(generate(&d, o, p, &out, &err), &err);
    decoder_free(&d);
    test_hf_free(&m);
    return made;
}

static void row_is(const Made *made, int64_t max, int64_t row, const int32_t *want, int64_t n)
{
    assert_int_equal(made->n[row], n);
    for (int64_t i = 0; i < n; i++) assert_int_equal(made->tokens[row * max + i], want[i]);
}

static const int32_t PROMPT[] = {5, 9, 3};

TEST(generate, greedy_llama_writes_what_the_library_writes)
{
    static const int32_t want[] = {2, 2, 2, 2, 2, 2, 8, 12};
    const Made m = made_by("llama", LANGUAGE, "{max_new_tokens: 8}", 1, PROMPT, 3);
    row_is(&m, 8, 0, want, 8);
}

TEST(generate, three_beams_of_gpt2_end_as_the_librarys)
{
    static const int32_t first[] = {25, 3}, second[] = {3}, third[] = {17, 3};
    const Made m = made_by("gpt2", LANGUAGE,
                           "{max_new_tokens: 6, num_beams: 3, length_penalty: 1.5, "
                           "eos_token_id: 3}",
                           3, PROMPT, 3);
    row_is(&m, 6, 0, first, 2);
    row_is(&m, 6, 1, second, 1);
    row_is(&m, 6, 2, third, 2);
}

TEST(generate, three_beams_of_gpt2_without_an_end_are_the_librarys)
{
    static const int32_t first[] = {3, 3, 3, 3, 3, 3}, second[] = {3, 3, 3, 3, 3, 18},
                         third[] = {3, 3, 18, 3, 3, 3};
    const Made m = made_by("gpt2", LANGUAGE,
                           "{max_new_tokens: 6, num_beams: 3, length_penalty: 1.5}", 3, PROMPT, 3);
    row_is(&m, 6, 0, first, 6);
    row_is(&m, 6, 1, second, 6);
    row_is(&m, 6, 2, third, 6);
}

TEST(generate, four_beams_of_llama_are_the_librarys)
{
    static const int32_t first[] = {2}, second[] = {34, 8, 8, 8, 12, 16, 27, 22},
                         third[] = {39, 27, 24, 8, 27, 27, 27, 27},
                         fourth[] = {34, 8, 8, 8, 12, 30, 28, 30};
    const Made m = made_by("llama", LANGUAGE, "{max_new_tokens: 8, num_beams: 4, eos_token_id: 2}",
                           4, PROMPT, 3);
    row_is(&m, 8, 0, first, 1);
    row_is(&m, 8, 1, second, 8);
    row_is(&m, 8, 2, third, 8);
    row_is(&m, 8, 3, fourth, 8);
}

/* -- Options of the library's logits processors */

TEST(generate, log_probability_is_the_models_own)
{
    const Made m = made_by("llama", LANGUAGE, "{max_new_tokens: 8, temperature: 3}", 1, PROMPT, 3);
    assert_true(fabs(m.log_probability[0] + 11.402874946594238) < 1e-4);
}

TEST(generate, repetition_penalty_gives_what_the_library_gives)
{
    static const int32_t llama[] = {2, 2, 8, 8, 12, 34, 26, 39},
                         gpt2[] = {17, 18, 25, 3, 3, 23, 32, 38};
    const Made m =
        made_by("llama", LANGUAGE, "{max_new_tokens: 8, repetition_penalty: 1.5}", 1, PROMPT, 3);
    row_is(&m, 8, 0, llama, 8);
    assert_true(fabs(m.log_probability[0] + 12.098832130432129) < 1e-4);
    const Made n =
        made_by("gpt2", LANGUAGE, "{max_new_tokens: 8, repetition_penalty: 1.5}", 1, PROMPT, 3);
    row_is(&n, 8, 0, gpt2, 8);
}

TEST(generate, no_repeat_gives_what_the_library_gives)
{
    static const int32_t llama[] = {2, 2, 8, 8, 12, 12, 2, 12},
                         gpt2[] = {17, 18, 25, 8, 38, 23, 32, 11};
    const Made m =
        made_by("llama", LANGUAGE, "{max_new_tokens: 8, no_repeat_ngram_size: 2}", 1, PROMPT, 3);
    row_is(&m, 8, 0, llama, 8);
    const Made n =
        made_by("gpt2", LANGUAGE, "{max_new_tokens: 8, no_repeat_ngram_size: 1}", 1, PROMPT, 3);
    row_is(&n, 8, 0, gpt2, 8);
}

TEST(generate, penalised_beams_are_the_librarys)
{
    static const int32_t first[] = {2, 2, 8, 8, 12, 12}, second[] = {2, 2, 2, 2, 2, 2},
                         third[] = {2, 2, 8, 8, 12, 34};
    const Made m =
        made_by("llama", LANGUAGE, "{max_new_tokens: 6, num_beams: 3, repetition_penalty: 1.2}", 3,
                PROMPT, 3);
    row_is(&m, 6, 0, first, 6);
    row_is(&m, 6, 1, second, 6);
    row_is(&m, 6, 2, third, 6);
    assert_true(fabs(m.log_probability[0] / 6 + 1.4773) < 1e-4);
}

TEST(generate, beams_without_repeats_are_the_librarys)
{
    static const int32_t first[] = {2, 2, 8, 8, 12, 12}, second[] = {2, 2, 8, 8, 12, 2},
                         third[] = {2, 2, 8, 8, 12, 34};
    const Made m =
        made_by("llama", LANGUAGE, "{max_new_tokens: 6, num_beams: 3, no_repeat_ngram_size: 2}", 3,
                PROMPT, 3);
    row_is(&m, 6, 0, first, 6);
    row_is(&m, 6, 1, second, 6);
    row_is(&m, 6, 2, third, 6);
}

TEST(generate, ends_come_as_the_library_lets_them)
{
    static const int32_t want[] = {17, 25, 25, 3};
    const Made m =
        made_by("gpt2", LANGUAGE, "{max_new_tokens: 8, eos_token_id: [3, 18], min_new_tokens: 3}",
                1, PROMPT, 3);
    row_is(&m, 8, 0, want, 4);
}

TEST(generate, max_length_counts_the_prompt)
{
    static const int32_t want[] = {3, 3, 3, 3};
    const Made m = made_by("gpt2", LANGUAGE, "{max_length: 7}", 1, PROMPT, 3);
    row_is(&m, 20, 0, want, 4);
}

/* Prompts of other lengths, side by side: each row is what the library writes of it alone. */
TEST(generate, prompts_of_all_lengths_go_side_by_side)
{
    static const int32_t one[] = {7}, five[] = {1, 4, 6, 8, 10};
    static const int32_t want[3][6] = {
        {16, 27, 31, 16, 27, 22},
        {2,  2,  2,  2,  2,  2 },
        {12, 27, 8,  28, 12, 12}
    };
    const Prompt prompt[] = {
        {one,    1},
        {PROMPT, 3},
        {five,   5}
    };
    Error err = {0};
    int32_t tokens[18];
    int64_t n[3];
    Decoder d;
    Generated out = {.tokens = tokens, .room = 6, .n = n};
    TestHf m = test_hf("llama", LANGUAGE, "{}");
    const GenerateOptions *o = test_options(m.arena, &generate_option_table, "{max_new_tokens: 6}");
    ASSERT_OK(decoder_new(&d, m.model, m.options, &m.build, 3, 10, &err), &err);
    ASSERT_OK(generate(&d, o, prompt, &out, &err), &err);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(n[i], 6);
        assert_memory_equal(tokens + 6 * i, want[i], sizeof want[i]);
    }
    decoder_free(&d);
    test_hf_free(&m);
}

/* Of each step, the logits behind a cache against those of the whole sequence at once. */
static void cache_changes_nothing(const char *name)
{
    Error err = {0};
    Decoder d;
    TestHf m = test_hf(name, LANGUAGE, "{}");
    const int32_t *x = m.input->data;
    const int64_t batch = m.input->dim[0], steps = m.input->dim[1];
    ASSERT_OK(decoder_new(&d, m.model, m.options, &m.build, batch, steps + 5, &err), &err);
    decoder_start(&d, NULL);
    for (int64_t t = 0; t < steps; t++) {
        int32_t token[8];
        for (int64_t i = 0; i < batch; i++) token[i] = x[i * steps + t];
        const float *logits = decoder_step(&d, token);
        for (int64_t i = 0; i < batch; i++)
            for (int64_t k = 0; k < d.vocabulary; k++)
                assert_true(fabs((double)logits[i * d.vocabulary + k] -
                                 (double)m.logits[(i * steps + t) * d.vocabulary + k]) < 1e-4);
    }
    decoder_free(&d);
    test_hf_free(&m);
}

TEST(generate, cache_of_llama_gives_the_logits_of_whole_sequences)
{
    cache_changes_nothing("llama");
    cache_changes_nothing("llama_tied");
}

TEST(generate, cache_of_gpt2_gives_the_logits_of_whole_sequences)
{
    cache_changes_nothing("gpt2");
}

/* -- Draws */

static int32_t draw(const char *options, const float *logits, int64_t n, float uniform)
{
    ScoredToken scratch[8];
    Arena *a = arena_new();
    const GenerateOptions *o = test_options(a, &generate_option_table, options);
    const int32_t id = token_draw(logits, n, o, uniform, scratch);
    arena_free(a);
    return id;
}

/* Probabilities 1/8, 1/2, 1/4, 1/8 at temperature 1: logits are their logarithms. */
static const float EIGHTHS[] = {-2.0794415f, -0.6931472f, -1.3862944f, -2.0794415f};

TEST(generate, draws_have_the_softmaxs_probabilities)
{
    static const int32_t want[] = {1, 1, 1, 1, 2, 2, 0, 3};
    for (int i = 0; i < 8; i++)
        assert_int_equal(draw("{}", EIGHTHS, 4, ((float)i + 0.5f) / 8), want[i]);
}

TEST(generate, temperature_sharpens_the_probabilities)
{
    /* squares: 1, 16, 4, 1 of 22 */
    assert_int_equal(draw("{temperature: 0.5}", EIGHTHS, 4, 15.9f / 22), 1);
    assert_int_equal(draw("{temperature: 0.5}", EIGHTHS, 4, 16.1f / 22), 2);
    assert_int_equal(draw("{temperature: 0.5}", EIGHTHS, 4, 20.1f / 22), 0);
}

TEST(generate, top_k_keeps_so_many)
{
    assert_int_equal(draw("{top_k: 2}", EIGHTHS, 4, 0.65f), 1);
    assert_int_equal(draw("{top_k: 2}", EIGHTHS, 4, 0.999f), 2);
    assert_int_equal(draw("{top_k: 1}", EIGHTHS, 4, 0.999f), 1);
}

TEST(generate, top_p_keeps_the_smallest_set_that_reaches_it)
{
    assert_int_equal(draw("{top_p: 0.6}", EIGHTHS, 4, 0.999f), 2);
    assert_int_equal(draw("{top_p: 0.8}", EIGHTHS, 4, 0.999f), 0);
    assert_int_equal(draw("{top_p: 0.3}", EIGHTHS, 4, 0.999f), 1);
}

TEST(generate, draws_are_of_the_seed_and_the_row)
{
    const char *const options = "{max_new_tokens: 16, do_sample: true, temperature: 2, seed: 3}";
    const Made a = made_by("llama", LANGUAGE, options, 2, PROMPT, 3);
    const Made b = made_by("llama", LANGUAGE, options, 2, PROMPT, 3);
    assert_memory_equal(a.tokens, b.tokens, sizeof a.tokens);
    assert_memory_not_equal(a.tokens, a.tokens + 16, 16 * sizeof(int32_t));
    const Made c = made_by("llama", LANGUAGE,
                           "{max_new_tokens: 16, do_sample: true, "
                           "temperature: 2, seed: 4}",
                           2, PROMPT, 3);
    assert_memory_not_equal(a.tokens, c.tokens, 16 * sizeof(int32_t));
}

/* -- Mistakes */

TEST(generate, more_tokens_than_room_are_refused)
{
    Error err = {0};
    Decoder d;
    int32_t tokens[64];
    int64_t n;
    const Prompt prompt = {PROMPT, 3};
    Generated out = {.tokens = tokens, .n = &n, .room = 64};
    TestHf m = test_hf("gpt2", LANGUAGE, "{}");
    const GenerateOptions *o = test_options(m.arena, &generate_option_table, "{max_new_tokens: 9}");
    ASSERT_OK(decoder_new(&d, m.model, m.options, &m.build, 1, 10, &err), &err);
    ASSERT_FAILS(generate(&d, o, &prompt, &out, &err), &err, FAIL_RUN,
                 "9 tokens after 3: there is room for 10");
    decoder_free(&d);
    test_hf_free(&m);
}

TEST(generate, encoder_does_not_go_token_by_token)
{
    Error err = {0};
    Decoder d;
    TestHf m = test_hf("bert_mlm", (Task){.per_step = true}, "{}");
    ASSERT_FAILS(decoder_new(&d, m.model, m.options, &m.build, 1, 10, &err), &err, FAIL_CONFIG,
                 "an encoder sees later steps");
    test_hf_free(&m);
}

/* The source that make.py drew, first row. */
static const int32_t SOURCE[] = {15, 32, 3, 13, 11, 23, 24, 21, 25, 27, 3, 37, 30, 15};
static const Task TRANSLATION = {.per_step = true, .causal = true, .source_steps = 14};

TEST(generate, greedy_t5_writes_what_the_library_writes)
{
    static const int32_t want[] = {24, 38, 24, 6, 6, 6, 6, 6};
    const Made m = made_by("t5", TRANSLATION, "{max_new_tokens: 8}", 1, SOURCE, 14);
    row_is(&m, 8, 0, want, 8);
}

TEST(generate, three_beams_of_t5_are_the_librarys)
{
    static const int32_t first[] = {24, 6, 6, 6, 6, 6, 6, 6}, second[] = {24, 6, 6, 6, 6, 6, 6, 24},
                         third[] = {24, 6, 6, 6, 6, 6, 6, 7};
    const Made m = made_by("t5", TRANSLATION, "{max_new_tokens: 8, num_beams: 3, eos_token_id: 1}",
                           3, SOURCE, 14);
    row_is(&m, 8, 0, first, 8);
    row_is(&m, 8, 1, second, 8);
    row_is(&m, 8, 2, third, 8);
}

/* The second example, whose source ends in padding. */
TEST(generate, cache_of_t5_gives_the_logits_of_whole_sequences)
{
    Error err = {0};
    Decoder d;
    TestHf m = test_hf("t5_gated", TRANSLATION, "{}");
    const int64_t all = m.input->dim[1], steps = m.expected->dim[1];
    const int32_t *x = (const int32_t *)m.input->data + all;
    ASSERT_OK(decoder_new(&d, m.model, m.options, &m.build, 1, steps, &err), &err);
    decoder_start(&d, x);
    for (int64_t t = 0; t < steps; t++) {
        const float *logits = decoder_step(&d, x + d.source_steps + t);
        for (int64_t k = 0; k < d.vocabulary; k++)
            assert_true(fabs((double)logits[k] - (double)m.logits[(steps + t) * d.vocabulary + k]) <
                        1e-4);
    }
    decoder_free(&d);
    test_hf_free(&m);
}

TEST(generate, prompt_of_unknown_tokens_is_refused)
{
    static const int32_t tokens[] = {5, 40};
    const Prompt prompt = {tokens, 2};
    Error err = {0};
    Decoder d;
    int32_t written[8];
    int64_t n;
    Generated out = {.tokens = written, .n = &n, .room = 8};
    TestHf m = test_hf("gpt2", LANGUAGE, "{}");
    const GenerateOptions *o = test_options(m.arena, &generate_option_table, "{max_new_tokens: 2}");
    ASSERT_OK(decoder_new(&d, m.model, m.options, &m.build, 1, 10, &err), &err);
    ASSERT_FAILS(generate(&d, o, &prompt, &out, &err), &err, FAIL_RUN,
                 "token 40: the model has 40, from 0");
    decoder_free(&d);
    test_hf_free(&m);
}

TEST(generate, room_past_the_positions_is_refused)
{
    Error err = {0};
    Decoder d;
    TestHf m = test_hf("gpt2", LANGUAGE, "{}");
    ASSERT_FAILS(decoder_new(&d, m.model, m.options, &m.build, 1, 33, &err), &err, FAIL_CONFIG,
                 "a sequence of 33 steps, and positions for 32");
    test_hf_free(&m);
}
