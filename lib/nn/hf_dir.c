/* hf_dir -- see hf_dir.h. This file: config.json. The tensors are in hf_weights.c. */
#include "nn/hf_dir.h"

#include "io/file.h"
#include "nn/hf_json.h"

#include <string.h>

/* Objects inside config.json whose keys are options too. */
static const char *const inner[] = {"rope_parameters", "rope_scaling", NULL};

/* Keys that the families have no option for, with the only value that they can serve. */
typedef struct Demand {
    const char *model, *key, *value;
} Demand;
static const Demand demands[] = {
    {"bert", "position_embedding_type", "absolute"},
    {"bert", "is_decoder",              "false"   },
    {"bert", "add_cross_attention",     "false"   },
    {"gpt2", "add_cross_attention",     "false"   },
    {NULL,   NULL,                      NULL      },
};

/* What a folder's `architectures` says and no key does. */
static const char *architecture_of(const Model *model, const Task *task)
{
    static const char *const name[][3] = {
        {"llama", "LlamaForCausalLM", "LlamaForSequenceClassification"},
        {"gpt2",  "GPT2LMHeadModel",  "GPT2ForSequenceClassification" },
        {"bert",  NULL,               "BertForSequenceClassification" },
        {"vit",   NULL,               "ViTForImageClassification"     },
        {"t5",    NULL,               "T5ForConditionalGeneration"    },
    };
    for (size_t i = 0; i < sizeof name / sizeof name[0]; i++)
        if (strcmp(name[i][0], model->name) == 0)
            return task->causal && name[i][1] ? name[i][1] : name[i][2];
    return NULL;
}

bool hf_dir_is(const char *folder)
{
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/config.json", folder);
    return file_exists(path);
}

static const json_t *find_key(const json_t *config, const char *key)
{
    const json_t *found = json_object_get(config, key);
    for (int i = 0; inner[i] && (!found || json_is_null(found)); i++) {
        const json_t *part = json_object_get(config, inner[i]);
        found = json_object_get(part, key);
        if (!found && strcmp(key, "rope_type") == 0) found = json_object_get(part, "type");
    }
    return found;
}

static bool check_demands(const char *path, const json_t *config, const Model *model, Arena *a,
                          Error *err)
{
    for (const Demand *d = demands; d->model; d++) {
        if (strcmp(d->model, model->name) != 0) continue;
        const char *value = hf_json_text(json_object_get(config, d->key), a);
        if (value && strcmp(value, d->value) != 0)
            return fail(err, FAIL_DATA, NULL, "%s: %s = %s: the model here has %s only", path,
                        d->key, value, d->value);
    }
    return true;
}

/* True when the sentence-transformers folder beside it asks for the mean of the steps. */
static bool wants_mean(const char *folder, Arena *a)
{
    json_t *j = NULL;
    const char *path = arena_printf(a, "%s/1_Pooling/config.json", folder);
    if (!file_exists(path) || !hf_json_read(path, &j, NULL)) return false;
    const bool mean = json_is_true(json_object_get(j, "pooling_mode_mean_tokens"));
    json_decref(j);
    return mean;
}

static void add_option(Arena *a, Yaml *map, const char *path, const char *key, const char *text)
{
    Yaml *y = yaml_new_scalar(a, text, false);
    y->at.file = y->key_at.file = path;
    yaml_append(a, map, key, y);
}

static bool read_config(const char *folder, const char *path, const json_t *config, Arena *a,
                        const Model **model, Yaml *map, Error *err)
{
    const char *type = json_string_value(json_object_get(config, "model_type"));
    if (!type) return fail(err, FAIL_DATA, NULL, "%s: 'model_type' is missing", path);
    *model = model_find(type);
    if (!*model)
        return fail(err, FAIL_DATA, NULL,
                    "%s: there is no model '%.80s'; 'seqlab list' shows "
                    "what there is",
                    path, type);
    TRY(check_demands(path, config, *model, a, err));
    for (int i = 0; i < (*model)->options.n; i++) {
        const Option *o = &(*model)->options.options[i];
        const char *text = hf_json_text(find_key(config, o->name), a);
        if (text && strcmp(o->name, "init") != 0) add_option(a, map, path, o->name, text);
    }
    if (strcmp(type, "bert") == 0) {
        const char *made =
            json_string_value(json_array_get(json_object_get(config, "architectures"), 0));
        if (made && strcmp(made, "BertForMaskedLM") == 0) add_option(a, map, path, "head", "mlm");
        if (wants_mean(folder, a)) add_option(a, map, path, "pooling", "mean");
    }
    return true;
}

bool hf_dir_config(const char *folder, Arena *a, const Model **model, Yaml **options, Error *err)
{
    const char *path = arena_printf(a, "%s/config.json", folder);
    json_t *config = NULL;
    TRY(hf_json_read(path, &config, err));
    *options = yaml_new_map(a);
    const bool ok = read_config(folder, path, config, a, model, *options, err);
    json_decref(config);
    return ok;
}

/* -- Writing */

static json_t *value_of(const Option *o, const Yaml *y)
{
    double real;
    if (o->type == OPTION_REAL && yaml_real(y, &real, NULL)) return json_real(real);
    if (y->quoted) return json_string(y->text);
    if (strcmp(y->text, "true") == 0) return json_true();
    if (strcmp(y->text, "false") == 0) return json_false();
    int64_t whole;
    return yaml_int(y, &whole, NULL) ? json_integer(whole) : json_string(y->text);
}

static void add_labels(json_t *config, int n_classes)
{
    json_t *label_of = json_object(), *id_of = json_object();
    for (int i = 0; i < n_classes; i++) {
        char id[16], label[32];
        (void)snprintf(id, sizeof id, "%d", i);
        (void)snprintf(label, sizeof label, "LABEL_%d", i);
        json_object_set_new(label_of, id, json_string(label));
        json_object_set_new(id_of, label, json_integer(i));
    }
    json_object_set_new(config, "id2label", label_of);
    json_object_set_new(config, "label2id", id_of);
}

/* Rotary positions stand in an object of their own. */
static void move_rope(json_t *config)
{
    static const char *const key[] = {"rope_type",        "rope_theta",
                                      "factor",           "low_freq_factor",
                                      "high_freq_factor", "original_max_position_embeddings"};
    const char *type = json_string_value(json_object_get(config, "rope_type"));
    if (!type) return;
    const int n_kept = strcmp(type, "default") == 0 ? 2 : strcmp(type, "linear") == 0 ? 3 : 6;
    json_t *rope = json_object();
    for (int i = 0; i < 6; i++) {
        if (i < n_kept) json_object_set(rope, key[i], json_object_get(config, key[i]));
        json_object_del(config, key[i]);
    }
    json_object_set_new(config, "rope_parameters", rope);
}

/* 0 and -1 where they mean another number: the library writes the number, or null. */
static void settle(json_t *config, const Task *task)
{
    static const char *const none[] = {"pad_token_id",      "n_inner",    "num_key_value_heads",
                                       "head_dim",          "image_size", "num_channels",
                                       "num_decoder_layers"};
    json_t *vocabulary = json_object_get(config, "vocab_size");
    if (vocabulary && json_integer_value(vocabulary) == 0)
        json_object_set_new(config, "vocab_size", json_integer(task->n_tokens));
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        const json_t *j = json_object_get(config, none[i]);
        if (!j || json_integer_value(j) > (i == 0 ? -1 : 0)) continue;
        if (strcmp(none[i], "image_size") == 0)
            json_object_set_new(config, none[i], json_integer(task->sample.dim[0]));
        else if (strcmp(none[i], "num_channels") == 0)
            json_object_set_new(config, none[i], json_integer(task->sample.dim[2]));
        else if (i == 0 || strcmp(none[i], "n_inner") == 0)
            json_object_set_new(config, none[i], json_null());
        else
            json_object_del(config, none[i]);
    }
    const char *scaled = json_string_value(json_object_get(config, "scale_decoder_outputs"));
    if (!scaled) return;
    if (strcmp(scaled, "tied") == 0)
        json_object_del(config, "scale_decoder_outputs");
    else
        json_object_set_new(config, "scale_decoder_outputs",
                            json_boolean(strcmp(scaled, "true") == 0));
}

static json_t *config_of(const Model *model, const void *options, const Task *task, Arena *a)
{
    json_t *config = json_object(), *made = json_array();
    Yaml *map = yaml_new_map(a);
    option_write(&model->options, options, true, a, map);
    const Yaml *head = yaml_get(map, "head");
    const bool mlm = head && strcmp(head->text, "mlm") == 0;
    const char *architecture = mlm ? "BertForMaskedLM" : architecture_of(model, task);
    (void)yaml_remove(map, "init");
    (void)yaml_remove(map, "head");
    (void)yaml_remove(map, "pooling");
    for (const Yaml *y = map->first; y; y = y->next)
        json_object_set_new(config, y->key, value_of(option_find(&model->options, y->key), y));
    json_object_set_new(config, "model_type", json_string(model->name));
    json_object_set_new(config, "dtype", json_string("float32"));
    if (architecture) json_array_append_new(made, json_string(architecture));
    json_object_set_new(config, "architectures", made);
    settle(config, task);
    move_rope(config);
    if (!task->per_step) add_labels(config, task->n_classes);
    return config;
}

bool hf_dir_write(const char *folder, const Model *model, const void *options, const Task *task,
                  const Params *params, Error *err)
{
    Arena *a = arena_new();
    bool ok = folder_make(folder, err);
    json_t *config = config_of(model, options, task, a);
    char *text = json_dumps(config, JSON_INDENT(2) | JSON_SORT_KEYS | JSON_REAL_PRECISION(15));
    if (ok && !text) ok = fail(err, FAIL_RUN, NULL, "%s: no memory for config.json", folder);
    ok = ok && hf_dir_write_weights(folder, params, err);
    ok = ok && file_replace(arena_printf(a, "%s/config.json", folder), text, strlen(text), err);
    free(text);
    json_decref(config);
    arena_free(a);
    return ok;
}
