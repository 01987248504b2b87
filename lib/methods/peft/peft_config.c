/* peft_config -- see peft_config.h. Keys, types and defaults are those of the files that PEFT
 * 0.21.2 writes. */
#include "methods/peft/peft_config.h"

#include "base/text.h"
#include "io/file.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CONFIG_MAX = 1 << 24, NAMES_MAX = 4096 };
static const int64_t RANK_MAX = 65536;

const PeftConfig peft_config_defaults = {.rank = 8,
                                         .alpha = 8,
                                         .target_rank = 8,
                                         .interval = 1,
                                         .beta1 = 0.85,
                                         .beta2 = 0.85,
                                         .orthogonality = 0.5,
                                         .mini_rank = 1};

double peft_scaling(const PeftConfig *c)
{
    const double rank = (double)c->rank;
    /* AdaLoRA guards its own count of ranks against zero */
    if (c->type == PEFT_ADALORA) return (c->alpha > 0 ? c->alpha : rank) / (rank + 1e-5);
    return c->alpha / (c->rslora ? sqrt(rank) : rank);
}

/* -- Writing */

enum { IN_LORA = 1, IN_ADALORA = 2, IN_MISS = 4, IN_BOTH = 3, IN_ALL = 7 };

typedef struct Key {
    const char *name;
    const char *text; /* what stands there when nothing is chosen */
    int types;
    bool any; /* else an adapter that says something else than null, false or nothing is refused */
} Key;

// clang-format off
static const Key keys[] = {
    {"alora_invocation_tokens",  "null",             IN_BOTH,     false},
    {"alpha_pattern",            "{}",               IN_BOTH,     false},
    {"arrow_config",             "null",             IN_BOTH,     false},
    {"auto_mapping",             "null",             IN_ALL,      true},
    {"base_model_name_or_path",  "null",             IN_ALL,      true},
    {"beta1",                    "0.85",             IN_ADALORA,  true},
    {"beta2",                    "0.85",             IN_ADALORA,  true},
    {"bias",                     "\"none\"",         IN_ALL,      true},
    {"corda_config",             "null",             IN_BOTH,     true},
    {"deltaT",                   "1",                IN_ADALORA,  true},
    {"ensure_weight_tying",      "false",            IN_BOTH,     false},
    {"eva_config",               "null",             IN_BOTH,     true},
    {"exclude_modules",          "null",             IN_ALL,      true},
    {"fan_in_fan_out",           "false",            IN_BOTH,     true},
    {"inference_mode",           "true",             IN_ALL,      true},
    {"init_lora_weights",        "true",             IN_BOTH,     true},
    {"init_r",                   "12",               IN_ADALORA,  true},
    {"init_weights",             "true",             IN_MISS,     true},
    {"kasa_config",              "null",             IN_BOTH,     false},
    {"layer_replication",        "null",             IN_BOTH,     false},
    {"layers_pattern",           "null",             IN_ALL,      true},
    {"layers_to_transform",      "null",             IN_ALL,      true},
    {"loftq_config",             "{}",               IN_BOTH,     true},
    {"lora_alpha",               "8",                IN_BOTH,     true},
    {"lora_bias",                "false",            IN_BOTH,     false},
    {"lora_dropout",             "0.0",              IN_BOTH,     true},
    {"lora_ga_config",           "null",             IN_BOTH,     true},
    {"megatron_config",          "null",             IN_BOTH,     false},
    {"megatron_core",            "\"megatron.core\"",IN_BOTH,     true},
    {"mini_r",                   "1",                IN_MISS,     true},
    {"miss_dropout",             "0.0",              IN_MISS,     true},
    {"modules_to_save",          "null",             IN_ALL,      true},
    {"monteclora_config",        "null",             IN_BOTH,     false},
    {"orth_reg_weight",          "0.5",              IN_ADALORA,  true},
    {"peft_type",                "null",             IN_ALL,      true},
    {"peft_version",             "\"0.21.2\"",       IN_ALL,      true},
    {"qalora_group_size",        "16",               IN_BOTH,     true},
    {"r",                        "8",                IN_ALL,      true},
    {"rank_pattern",             "{}",               IN_LORA,     false},
    {"rank_pattern",             "null",             IN_ADALORA,  false},
    {"revision",                 "null",             IN_ALL,      true},
    {"target_modules",           "null",             IN_ALL,      true},
    {"target_parameters",        "null",             IN_BOTH,     false},
    {"target_r",                 "8",                IN_ADALORA,  true},
    {"task_type",                "null",             IN_ALL,      true},
    {"tfinal",                   "0",                IN_ADALORA,  true},
    {"tinit",                    "0",                IN_ADALORA,  true},
    {"total_step",               "null",             IN_ADALORA,  true},
    {"trainable_token_indices",  "null",             IN_BOTH,     false},
    {"use_bdlora",               "null",             IN_BOTH,     false},
    {"use_dora",                 "false",            IN_BOTH,     true},
    {"use_qalora",               "false",            IN_BOTH,     false},
    {"use_rslora",               "false",            IN_BOTH,     true},
    {"velora_config",            "null",             IN_BOTH,     false},
};
// clang-format on
enum { N_KEYS = sizeof keys / sizeof keys[0] };

static const char *const type_name[] = {"LORA", "ADALORA", "MISS"};
static const char *const bias_name[] = {"none", "all", "lora_only"};

/* What is chosen, as JSON, by the places of `keys`. */
typedef struct Values {
    Arena *arena;
    const char *at[N_KEYS];
    int types;
} Values;

static void set(Values *v, const char *name, const char *text)
{
    for (int i = 0; i < N_KEYS; i++)
        if ((keys[i].types & v->types) && strcmp(keys[i].name, name) == 0) v->at[i] = text;
}

static void set_text(Values *v, const char *name, const char *text)
{
    Text t = {0};
    if (!text) return;
    text_add_json(&t, text);
    set(v, name, arena_string(v->arena, t.data));
    text_free(&t);
}

static void set_int(Values *v, const char *name, int64_t value)
{
    set(v, name, arena_printf(v->arena, "%lld", (long long)value));
}

/* As Python prints a float; an alpha that is whole is an int there. */
static void set_real(Values *v, const char *name, double value, bool whole)
{
    char number[32];
    text_real(number, value);
    set(v, name,
        arena_printf(v->arena, "%s%s", number, whole || strpbrk(number, ".e") ? "" : ".0"));
}

static void set_bool(Values *v, const char *name, bool value)
{
    set(v, name, value ? "true" : "false");
}

static void set_names(Values *v, const char *name, const PeftNames *names)
{
    Text t = {0};
    if (names->n == 0) return;
    text_add(&t, "[");
    for (int i = 0; i < names->n; i++) {
        text_add(&t, i ? ",\n    " : "\n    ");
        text_add_json(&t, names->at[i]);
    }
    text_add(&t, "\n  ]");
    set(v, name, arena_string(v->arena, t.data));
    text_free(&t);
}

static void set_adalora(Values *v, const PeftConfig *c)
{
    set_int(v, "init_r", c->rank);
    set_int(v, "target_r", c->target_rank);
    set_int(v, "tinit", c->tinit);
    set_int(v, "tfinal", c->tfinal);
    set_int(v, "deltaT", c->interval);
    set_real(v, "beta1", c->beta1, false);
    set_real(v, "beta2", c->beta2, false);
    set_real(v, "orth_reg_weight", c->orthogonality, false);
    if (c->total_steps > 0) set_int(v, "total_step", c->total_steps);
}

char *peft_config_text(const PeftConfig *c, Arena *a)
{
    Values v = {.arena = a, .types = 1 << c->type};
    Text t = {0};
    set_text(&v, "peft_type", type_name[c->type]);
    set_text(&v, "base_model_name_or_path", c->base);
    set_text(&v, "task_type", c->task);
    set_text(&v, "bias",
             c->type == PEFT_MISS && c->bias == ADAPTER_BIAS_OWN ? "MiSS_only"
                                                                 : bias_name[c->bias]);
    set_bool(&v, "fan_in_fan_out", c->fan_in_fan_out);
    set_bool(&v, "use_rslora", c->rslora);
    set_bool(&v, "use_dora", c->dora);
    set_real(&v, "lora_alpha", c->alpha, true);
    set_real(&v, c->type == PEFT_MISS ? "miss_dropout" : "lora_dropout", c->dropout, false);
    set_names(&v, "modules_to_save", &c->saved);
    set_names(&v, "target_modules", &c->targets);
    set_text(&v, "target_modules", c->pattern);
    if (c->type != PEFT_ADALORA) set_int(&v, "r", c->rank);
    if (c->type == PEFT_ADALORA) set_adalora(&v, c);
    if (c->type == PEFT_MISS) set_int(&v, "mini_r", c->mini_rank);
    if (c->type == PEFT_MISS && c->miss != MISS_PLAIN)
        set_text(&v, "init_weights", c->miss == MISS_BAT ? "bat" : "mini");
    text_add(&t, "{");
    for (int i = 0, n = 0; i < N_KEYS; i++)
        if (keys[i].types & v.types)
            text_addf(&t, "%s\n  \"%s\": %s", n++ ? "," : "", keys[i].name,
                      v.at[i] ? v.at[i] : keys[i].text);
    text_add(&t, "\n}");
    char *text = arena_string(a, t.data);
    text_free(&t);
    return text;
}

/* -- Reading */

typedef struct Reader {
    const json_t *file;
    const char *name;
    Arena *arena;
    Error *err;
} Reader;

/* False and as if the key was not there: "it says nothing". */
static bool says_nothing(const json_t *j)
{
    return !j || json_is_null(j) || json_is_false(j) ||
           (json_is_array(j) && json_array_size(j) == 0) ||
           (json_is_object(j) && json_object_size(j) == 0);
}

static const json_t *find(const Reader *r, const char *key)
{
    const json_t *j = json_object_get(r->file, key);
    return json_is_null(j) ? NULL : j;
}

static bool wrong(const Reader *r, const char *key, const char *expected)
{
    return fail(r->err, FAIL_DATA, NULL, "%s: %s: expected %s", r->name, key, expected);
}

static bool read_int(const Reader *r, const char *key, int64_t low, int64_t high, int64_t *out)
{
    const json_t *j = find(r, key);
    if (!j) return true;
    const json_int_t value = json_integer_value(j);
    if (!json_is_integer(j) || value < low || value > high)
        return wrong(r, key,
                     arena_printf(r->arena, "an integer from %lld to %lld", (long long)low,
                                  (long long)high));
    *out = value;
    return true;
}

static bool read_real(const Reader *r, const char *key, double *out)
{
    const json_t *j = find(r, key);
    if (!j) return true;
    if (!json_is_number(j) || !(fabs(json_number_value(j)) <= 1e9))
        return wrong(r, key, "a number");
    *out = json_number_value(j);
    return true;
}

static bool read_bool(const Reader *r, const char *key, bool *out)
{
    const json_t *j = find(r, key);
    if (!j) return true;
    if (!json_is_boolean(j)) return wrong(r, key, "true or false");
    *out = json_is_true(j);
    return true;
}

static bool read_text(const Reader *r, const char *key, const char **out)
{
    const json_t *j = find(r, key);
    if (!j) return true;
    if (!json_is_string(j)) return wrong(r, key, "a word");
    *out = arena_string(r->arena, json_string_value(j));
    return true;
}

static bool read_names(const Reader *r, const char *key, PeftNames *out)
{
    const json_t *j = find(r, key);
    if (!j) return true;
    const size_t n = json_array_size(j);
    if (!json_is_array(j) || n > NAMES_MAX) return wrong(r, key, "a list of names");
    out->at = arena_new_array(r->arena, const char *, n);
    for (size_t i = 0; i < n; i++) {
        const char *name = json_string_value(json_array_get(j, i));
        if (!name || !*name) return wrong(r, key, "a list of names");
        out->at[out->n++] = arena_string(r->arena, name);
    }
    return true;
}

static bool read_type(const Reader *r, PeftConfig *c)
{
    const char *word = NULL;
    TRY(read_text(r, "peft_type", &word));
    if (!word) return wrong(r, "peft_type", "LORA, ADALORA, MISS or BONE; the key is missing");
    for (int i = 0; i < 3; i++)
        if (strcmp(word, type_name[i]) == 0) {
            c->type = (PeftType)i;
            return true;
        }
    c->type = PEFT_MISS;
    if (strcmp(word, "BONE") == 0) return true;
    return fail(r->err, FAIL_DATA, NULL,
                "%s: an adapter of type '%.40s'; LORA, ADALORA, MISS and BONE are read", r->name,
                word);
}

static bool read_bias(const Reader *r, PeftConfig *c)
{
    const char *word = "none";
    TRY(read_text(r, "bias", &word));
    for (int i = 0; i < 2; i++)
        if (strcmp(word, bias_name[i]) == 0) {
            c->bias = i;
            return true;
        }
    c->bias = ADAPTER_BIAS_OWN;
    const size_t n = strlen(word);
    return (n > 5 && strcmp(word + n - 5, "_only") == 0) ||
           wrong(r, "bias", "none, all or lora_only");
}

/* Such an adapter belongs to a base whose weights have been changed, which is not the one it
 * names. */
static bool check_init(const Reader *r)
{
    static const char *const changes[] = {"pissa", "olora", "corda", "loftq", "lora_ga", NULL};
    const char *word = json_string_value(json_object_get(r->file, "init_lora_weights"));
    for (int i = 0; word && changes[i]; i++)
        if (strncmp(word, changes[i], strlen(changes[i])) == 0)
            return fail(r->err, FAIL_DATA, NULL,
                        "%s: init_lora_weights = %.40s: the adapter belongs to a base that was "
                        "changed; save it with path_initial_model_for_weight_conversion",
                        r->name, word);
    return true;
}

static bool check_demands(const Reader *r, const PeftConfig *c)
{
    for (int i = 0; i < N_KEYS; i++) {
        const json_t *j = json_object_get(r->file, keys[i].name);
        if (keys[i].any || !(keys[i].types & 1 << c->type) || says_nothing(j)) continue;
        char *text = json_dumps(j, JSON_COMPACT | JSON_ENCODE_ANY);
        (void)fail(r->err, FAIL_DATA, NULL, "%s: %s = %.60s: adapters with that are not read",
                   r->name, keys[i].name, text ? text : "?");
        free(text);
        return false;
    }
    return check_init(r);
}

static bool read_miss(const Reader *r, PeftConfig *c)
{
    const json_t *j = find(r, "init_weights");
    const char *word = json_string_value(j);
    c->rank = 64;
    TRY(read_int(r, "r", 1, RANK_MAX, &c->rank));
    TRY(read_int(r, "mini_r", 1, RANK_MAX, &c->mini_rank));
    c->miss = !word ? MISS_PLAIN : strcmp(word, "bat") == 0 ? MISS_BAT : MISS_MINI;
    return !word || c->miss == MISS_BAT || strcmp(word, "mini") == 0 ||
           wrong(r, "init_weights", "true, false, bat or mini");
}

static bool read_adalora(const Reader *r, PeftConfig *c)
{
    const int64_t steps = INT64_C(1) << 52;
    c->rank = 12;
    return read_int(r, "init_r", 1, RANK_MAX, &c->rank) &&
           read_int(r, "target_r", 1, RANK_MAX, &c->target_rank) &&
           read_int(r, "tinit", 0, steps, &c->tinit) &&
           read_int(r, "tfinal", 0, steps, &c->tfinal) &&
           read_int(r, "deltaT", 1, steps, &c->interval) &&
           read_int(r, "total_step", 1, steps, &c->total_steps) &&
           read_real(r, "beta1", &c->beta1) && read_real(r, "beta2", &c->beta2) &&
           read_real(r, "orth_reg_weight", &c->orthogonality);
}

static bool read_config(const Reader *r, PeftConfig *c)
{
    *c = peft_config_defaults;
    TRY(read_type(r, c) && read_bias(r, c) && check_demands(r, c));
    TRY(read_text(r, "base_model_name_or_path", &c->base));
    TRY(read_text(r, "task_type", &c->task));
    TRY(read_names(r, "modules_to_save", &c->saved));
    if (json_is_string(find(r, "target_modules")))
        TRY(read_text(r, "target_modules", &c->pattern));
    else
        TRY(read_names(r, "target_modules", &c->targets));
    TRY(read_real(r, c->type == PEFT_MISS ? "miss_dropout" : "lora_dropout", &c->dropout));
    if (c->type == PEFT_MISS) return read_miss(r, c);
    TRY(read_real(r, "lora_alpha", &c->alpha));
    TRY(read_bool(r, "use_rslora", &c->rslora) && read_bool(r, "use_dora", &c->dora));
    TRY(read_bool(r, "fan_in_fan_out", &c->fan_in_fan_out));
    return c->type == PEFT_ADALORA ? read_adalora(r, c) : read_int(r, "r", 1, RANK_MAX, &c->rank);
}

bool peft_config_parse(const char *text, size_t n, const char *name, Arena *a, PeftConfig *out,
                       Error *err)
{
    json_error_t why;
    json_t *file = json_loadb(text, n, 0, &why);
    const Reader r = {.file = file, .name = name, .arena = a, .err = err};
    bool ok = json_is_object(file);
    if (!ok)
        (void)fail(err, FAIL_DATA, NULL, "%s: is no JSON object%s%s", name, file ? "" : ": ",
                   file ? "" : why.text);
    ok = ok && read_config(&r, out);
    json_decref(file);
    return ok;
}

bool peft_config_read(const char *folder, Arena *a, PeftConfig *out, Error *err)
{
    char *text;
    size_t n;
    const char *path = arena_printf(a, "%s/adapter_config.json", folder);
    TRY(file_read(path, CONFIG_MAX, &text, &n, FAIL_DATA, err));
    const bool ok = peft_config_parse(text, n, path, a, out, err);
    free(text);
    return ok;
}
