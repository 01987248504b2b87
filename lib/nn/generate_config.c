/* generate_config -- see generate_config.h. */
#include "nn/generate_config.h"

#include "base/text.h"
#include "io/file.h"
#include "nn/hf_json.h"

#include <string.h>

/* Keys that change what is generated, that there is no option for, and the values that ask for
 * nothing; "": null alone. */
static const struct {
    const char *key, *neutral;
} missing[] = {
    {"typical_p",                        "1"},
    {"epsilon_cutoff",                   "0"},
    {"eta_cutoff",                       "0"},
    {"top_h",                            "" },
    {"penalty_alpha",                    "0"},
    {"diversity_penalty",                "0"},
    {"num_beam_groups",                  "1"},
    {"encoder_repetition_penalty",       "1"},
    {"encoder_no_repeat_ngram_size",     "0"},
    {"min_length",                       "0"},
    {"guidance_scale",                   "1"},
    {"exponential_decay_length_penalty", "" },
    {"bad_words_ids",                    "" },
    {"force_words_ids",                  "" },
    {"sequence_bias",                    "" },
    {"suppress_tokens",                  "" },
    {"begin_suppress_tokens",            "" },
    {"forced_bos_token_id",              "" },
    {"forced_eos_token_id",              "" },
    {"stop_strings",                     "" },
    {"dola_layers",                      "" },
};

/* What the library's classes assume where config.json is silent. */
static const struct {
    const char *model, *key, *value;
} assumed[] = {
    {"llama", "bos_token_id",           "1"    },
    {"llama", "eos_token_id",           "2"    },
    {"gpt2",  "bos_token_id",           "50256"},
    {"gpt2",  "eos_token_id",           "50256"},
    {"t5",    "eos_token_id",           "1"    },
    {"t5",    "decoder_start_token_id", "0"    },
};

static const char *note_of(const json_t *config, const char *path, Arena *a)
{
    Text text = {0};
    for (size_t i = 0; i < sizeof missing / sizeof missing[0]; i++) {
        const json_t *j = json_object_get(config, missing[i].key);
        const char *value = hf_json_text(j, a);
        if (!j || json_is_null(j) || (value && strcmp(value, missing[i].neutral) == 0)) continue;
        text_addf(&text, "%s%s%s%s", text.data ? ", " : "", missing[i].key, value ? " = " : "",
                  value ? value : "");
    }
    if (!text.data) return NULL;
    const char *note = arena_printf(a, "%s: not done here: %s", path, text.data);
    text_free(&text);
    return note;
}

/* All keys of the table, or those of special tokens alone. */
static void add_options(Yaml *map, const json_t *config, const char *path, bool all, Arena *a)
{
    for (int i = 0; i < generate_option_table.n; i++) {
        const char *key = generate_option_table.options[i].name;
        Yaml *y = hf_json_yaml(json_object_get(config, key), path, a);
        if (!y || (!all && !strstr(key, "_token_id"))) continue;
        /* "never": what false does here */
        if (strcmp(key, "early_stopping") == 0 && y->quoted) continue;
        yaml_set(a, map, key, y);
    }
    /* the library's order of the two */
    const Yaml *max_new = yaml_get(map, "max_new_tokens");
    if (max_new) (void)yaml_remove(map, "max_length");
}

static bool read_file(const char *folder, const char *name, Arena *a, const char **path,
                      json_t **out, Error *err)
{
    *out = NULL;
    *path = arena_printf(a, "%s/%s", folder, name);
    return !file_exists(*path) || hf_json_read(*path, out, err);
}

bool generate_config(const char *folder, const Model *model, Arena *a, Yaml **options,
                     const char **note, Error *err)
{
    Yaml *map = *options = yaml_new_map(a);
    const char *path;
    json_t *config;
    *note = NULL;
    TRY(read_file(folder, "config.json", a, &path, &config, err));
    for (size_t i = 0; i < sizeof assumed / sizeof assumed[0]; i++)
        if (strcmp(assumed[i].model, model->name) == 0)
            yaml_set(a, map, assumed[i].key, yaml_new_scalar(a, assumed[i].value, false));
    if (config) add_options(map, config, path, false, a);
    json_decref(config);
    TRY(read_file(folder, "generation_config.json", a, &path, &config, err));
    if (config) {
        add_options(map, config, path, true, a);
        *note = note_of(config, path, a);
    }
    json_decref(config);
    return true;
}

bool generate_options(const Yaml *map, const char *const words[], int n_words, Arena *a,
                      GenerateOptions *out, Error *err)
{
    Yaml *own = yaml_new_map(a);
    Yaml *all = map ? yaml_copy(a, map) : yaml_new_map(a);
    for (int i = 0; i < n_words; i++) TRY(yaml_override(a, own, words[i], err));
    if (yaml_get(own, "max_new_tokens")) (void)yaml_remove(all, "max_length");
    for (const Yaml *y = own->first; y; y = y->next) yaml_set(a, all, y->key, yaml_copy(a, y));
    return option_read(&generate_option_table, all, NULL, "of generation", out, err);
}
