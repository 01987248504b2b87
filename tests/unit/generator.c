/* generator -- folders and prompts; the published 260k-parameter model writes the reference
 * program's text (expected_greedy.txt beside the data). */
#include "tests/test.h"

#include "io/file.h"
#include "nn/llama2c.h"
#include "run/generator.h"
#include "tests/hf.h"
#include "tests/model.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_TEXTS = 4, MAX_TOKENS = 16 };

typedef struct Written {
    int n;
    int64_t n_tokens[MAX_TEXTS], prompt[MAX_TEXTS], sequence[MAX_TEXTS];
    int32_t tokens[MAX_TEXTS][MAX_TOKENS];
    bool ended[MAX_TEXTS];
} Written;

static void keep(void *owner, const GeneratedText *t)
{
    Written *w = owner;
    assert_true(w->n < MAX_TEXTS && t->n <= MAX_TOKENS);
    w->n_tokens[w->n] = t->n;
    w->prompt[w->n] = t->prompt;
    w->sequence[w->n] = t->sequence;
    w->ended[w->n] = t->ended;
    memcpy(w->tokens[w->n++], t->tokens, sizeof(int32_t) * (size_t)t->n);
}

static const int32_t ONE[] = {7}, THREE[] = {5, 9, 3}, FIVE[] = {1, 4, 6, 8, 10};
static const Prompt PROMPTS[] = {
    {ONE,   1},
    {THREE, 3},
    {FIVE,  5}
};

static Written written_by(const char *name, const char *options, int64_t n, int64_t side_by_side)
{
    Written w = {0};
    Error err = {0};
    Generator g;
    Arena *a = arena_new();
    const GeneratorSink sink = {.owner = &w, .text = keep};
    const GenerateOptions *o = test_options(a, &generate_option_table, options);
    ASSERT_OK(generator_of_folder(&g, test_hf_folder(name), a, &err), &err);
    ASSERT_OK(generator_run(&g, o, PROMPTS, n, side_by_side, &sink, &err), &err);
    generator_free(&g);
    arena_free(a);
    return w;
}

TEST(generator, texts_do_not_depend_on_how_many_go_side_by_side)
{
    const char *const options = "{max_new_tokens: 6, do_sample: true, temperature: 2}";
    const Written one = written_by("llama", options, 3, 1),
                  two = written_by("llama", options, 3, 2);
    assert_int_equal(one.n, 3);
    assert_memory_equal(&one, &two, sizeof one);
}

TEST(generator, texts_of_one_prompt_come_together)
{
    const Written w =
        written_by("llama", "{max_new_tokens: 6, do_sample: true, num_return_sequences: 2}", 2, 3);
    assert_int_equal(w.n, 4);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(w.prompt[i], i / 2);
        assert_int_equal(w.sequence[i], i % 2);
    }
    assert_memory_not_equal(w.tokens[2], w.tokens[3], sizeof w.tokens[2]);
}

/* Padding at a source's end changes nothing: the encoder takes lengths. */
TEST(generator, shorter_source_writes_what_it_writes_alone)
{
    const Written both = written_by("t5", "{max_new_tokens: 6}", 3, 8),
                  alone = written_by("t5", "{max_new_tokens: 6}", 1, 8);
    assert_int_equal(both.n, 3);
    assert_int_equal(both.n_tokens[0], 6);
    assert_memory_equal(both.tokens[0], alone.tokens[0], sizeof both.tokens[0]);
}

TEST(generator, end_is_told)
{
    const Written w = written_by("llama", "{max_new_tokens: 6, eos_token_id: 8}", 3, 3);
    assert_true(!w.ended[1] && w.n_tokens[1] == 6);
    assert_true(w.ended[2] && w.n_tokens[2] == 3);
}

static void run_fails(const char *options, const char *text)
{
    Written w = {0};
    Error err = {0};
    Generator g;
    Arena *a = arena_new();
    const GeneratorSink sink = {.owner = &w, .text = keep};
    const GenerateOptions *o = test_options(a, &generate_option_table, options);
    ASSERT_OK(generator_of_folder(&g, test_hf_folder("llama"), a, &err), &err);
    ASSERT_FAILS(generator_run(&g, o, PROMPTS, 3, 8, &sink, &err), &err, FAIL_CONFIG, text);
    generator_free(&g);
    arena_free(a);
}

TEST(generator, more_texts_than_beams_are_refused)
{
    run_fails("{num_beams: 2, num_return_sequences: 3}",
              "num_return_sequences = 3 of num_beams = 2");
}

TEST(generator, equal_texts_are_refused)
{
    run_fails("{num_return_sequences: 3}", "without do_sample or beams: all would be the same");
}

TEST(generator, drawn_beams_are_refused)
{
    run_fails("{num_beams: 2, do_sample: true}", "do_sample with num_beams = 2");
}

TEST(generator, text_for_a_folder_without_a_tokenizer_is_refused)
{
    Error err = {0};
    Generator g;
    Prompt p;
    Arena *a = arena_new();
    const GenerateOptions *o = test_options(a, &generate_option_table, "{}");
    ASSERT_OK(generator_of_folder(&g, test_hf_folder("gpt2"), a, &err), &err);
    ASSERT_FAILS(generator_prompt(&g, "x", 1, o, &p, &err), &err, FAIL_DATA,
                 "there is no tokenizer.json");
    generator_free(&g);
    arena_free(a);
}

TEST(generator, folder_of_images_is_refused)
{
    Error err = {0};
    Generator g;
    Arena *a = arena_new();
    ASSERT_FAILS(generator_of_folder(&g, test_hf_folder("vit"), a, &err), &err, FAIL_DATA,
                 "'vit' is no model of language");
    arena_free(a);
}

typedef struct Story {
    const Generator *g;
    Arena *arena;
    char *text;
    size_t n;
} Story;

static void keep_story(void *owner, const GeneratedText *t)
{
    Story *s = owner;
    s->text = text_units_decode(s->g->text, s->arena, t->tokens, t->n, &s->n);
}

TEST(generator, imported_model_writes_the_reference_programs_story)
{
    static const char *const data[] = {"data/tinyllama_260k/stories260K.bin",
                                       "data/tinyllama_260k/tok512.bin",
                                       "data/tinyllama_260k/expected_greedy.txt"};
    char folder[512], path[3][512], *want;
    size_t n_want;
    Error err = {0};
    Generator g;
    Prompt p;
    for (int i = 0; i < 3; i++) {
        const char *found = test_shared(data[i]);
        if (!found) skip();
        (void)snprintf(path[i], sizeof path[i], "%s", found ? found : "");
    }
    (void)snprintf(folder, sizeof folder, "%s/story", test_folder());
    ASSERT_OK(llama2c_convert(path[0], folder, &err), &err);
    ASSERT_OK(llama2c_tokenizer(path[1], folder, &err), &err);
    ASSERT_OK(file_read(path[2], 1 << 16, &want, &n_want, FAIL_DATA, &err), &err);
    Arena *a = arena_new();
    Story story = {.g = &g, .arena = a};
    const GeneratorSink sink = {.owner = &story, .text = keep_story};
    ASSERT_OK(generator_of_folder(&g, folder, a, &err), &err);
    GenerateOptions o;
    const char *const word = "max_new_tokens=256";
    ASSERT_OK(generate_options(g.defaults, &word, 1, a, &o, &err), &err);
    ASSERT_OK(generator_prompt(&g, "", 0, &o, &p, &err), &err);
    assert_int_equal(p.n, 1);
    ASSERT_OK(generator_run(&g, &o, &p, 1, 1, &sink, &err), &err);
    assert_int_equal(story.n + 1, n_want); /* the file ends its last line */
    assert_memory_equal(story.text, want, story.n);
    generator_free(&g);
    arena_free(a);
    free(want);
}
