/* generate_config -- generation_config.json and config.json as options; defaults and their order
 * are those of transformers' GenerationConfig. */
#include "tests/test.h"

#include "io/file.h"
#include "nn/generate_config.h"

#include <string.h>

typedef struct Read {
    Arena *arena;
    Yaml *map;
    const char *note;
    GenerateOptions options;
    Error err;
    bool ok;
} Read;

static void put(const char *folder, const char *name, const char *text)
{
    char path[600];
    Error err = {0};
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    ASSERT_OK(file_replace(path, text, strlen(text), &err), &err);
}

/* Of the files' texts (NULL: not there) and one word or NULL. */
static Read read_of(const char *model, const char *config, const char *generation, const char *word)
{
    char folder[512];
    Read r = {.arena = arena_new()};
    (void)snprintf(folder, sizeof folder, "%s/%p", test_folder(), (const void *)r.arena);
    ASSERT_OK(folder_make(folder, &r.err), &r.err);
    if (config) put(folder, "config.json", config);
    if (generation) put(folder, "generation_config.json", generation);
    r.ok = generate_config(folder, model_find(model), r.arena, &r.map, &r.note, &r.err) &&
           generate_options(r.map, &word, word ? 1 : 0, r.arena, &r.options, &r.err);
    return r;
}

static Read good(const char *model, const char *config, const char *generation, const char *word)
{
    Read r = read_of(model, config, generation, word);
    ASSERT_OK(r.ok, &r.err);
    return r;
}

TEST(generate_config, silence_is_what_the_class_assumes)
{
    Read r = good("gpt2", "{}", NULL, NULL);
    assert_int_equal(r.options.eos_token_id.n, 1);
    assert_int_equal(r.options.eos_token_id.at[0], 50256);
    assert_int_equal(r.options.bos_token_id, 50256);
    assert_int_equal(r.options.max_new_tokens, 20);
    assert_null(r.note);
    arena_free(r.arena);
}

TEST(generate_config, special_tokens_of_the_model_stand_where_generation_is_silent)
{
    Read r = good("llama", "{\"eos_token_id\": 7, \"top_k\": 3, \"bos_token_id\": null}",
                  "{\"temperature\": 0.5}", NULL);
    assert_int_equal(r.options.eos_token_id.at[0], 7);
    assert_int_equal(r.options.bos_token_id, 1);
    assert_int_equal(r.options.top_k, 50);
    assert_true(r.options.temperature == 0.5);
    arena_free(r.arena);
}

TEST(generate_config, several_ends_are_read)
{
    Read r = good("llama", "{\"eos_token_id\": 7}", "{\"eos_token_id\": [128001, 128009]}", NULL);
    assert_int_equal(r.options.eos_token_id.n, 2);
    assert_int_equal(r.options.eos_token_id.at[1], 128009);
    arena_free(r.arena);
}

TEST(generate_config, max_new_tokens_goes_before_max_length)
{
    Read r = good("t5", "{}", "{\"max_length\": 30, \"max_new_tokens\": 8}", NULL);
    assert_int_equal(r.options.max_length, 0);
    assert_int_equal(r.options.max_new_tokens, 8);
    arena_free(r.arena);
}

TEST(generate_config, word_that_sets_max_new_tokens_sets_max_length_aside)
{
    Read r = good("t5", "{}", "{\"max_length\": 30}", NULL);
    assert_int_equal(r.options.max_length, 30);
    arena_free(r.arena);
    r = good("t5", "{}", "{\"max_length\": 30}", "max_new_tokens=5");
    assert_int_equal(r.options.max_length, 0);
    assert_int_equal(r.options.max_new_tokens, 5);
    arena_free(r.arena);
}

TEST(generate_config, what_is_not_done_is_said)
{
    Read r = good("gpt2", "{}",
                  "{\"typical_p\": 0.9, \"bad_words_ids\": [[1]], \"guidance_scale\": null, "
                  "\"diversity_penalty\": 0.0, \"early_stopping\": \"never\"}",
                  NULL);
    assert_non_null(strstr(r.note, "not done here: typical_p = 0.9, bad_words_ids"));
    assert_null(strstr(r.note, "diversity_penalty"));
    arena_free(r.arena);
}

TEST(generate_config, value_out_of_range_is_refused_with_the_files_name)
{
    Read r = read_of("gpt2", "{}", "{\"temperature\": -1}", NULL);
    ASSERT_FAILS(r.ok, &r.err, FAIL_CONFIG, "generation_config.json");
    arena_free(r.arena);
}

TEST(generate_config, file_that_is_no_object_is_refused)
{
    Read r = read_of("gpt2", "{}", "[1]", NULL);
    ASSERT_FAILS(r.ok, &r.err, FAIL_DATA, "generation_config.json: is no JSON object");
    arena_free(r.arena);
}

TEST(generate_config, unknown_word_is_refused_with_the_nearest)
{
    Read r = read_of("gpt2", "{}", NULL, "temprature=2");
    ASSERT_FAILS(r.ok, &r.err, FAIL_USAGE,
                 "unknown key 'temprature' of generation; did you mean 'temperature'?");
    arena_free(r.arena);
}
