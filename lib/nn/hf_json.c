/* hf_json -- see hf_json.h. */
#include "nn/hf_json.h"

#include "base/text.h"
#include "io/file.h"

#include <stdlib.h>

enum { CONFIG_MAX = 1 << 24 };

bool hf_json_read(const char *path, json_t **out, Error *err)
{
    char *text;
    size_t n;
    json_error_t why;
    TRY(file_read(path, CONFIG_MAX, &text, &n, FAIL_DATA, err));
    *out = json_loadb(text, n, 0, &why);
    free(text);
    if (json_is_object(*out)) return true;
    json_decref(*out);
    return fail(err, FAIL_DATA, NULL, "%s: is no JSON object%s%s", path, *out ? "" : ": ",
                *out ? "" : why.text);
}

const char *hf_json_text(const json_t *j, Arena *a)
{
    char number[32];
    if (json_is_string(j)) return arena_string(a, json_string_value(j));
    if (json_is_boolean(j)) return json_is_true(j) ? "true" : "false";
    if (json_is_integer(j)) return arena_printf(a, "%lld", (long long)json_integer_value(j));
    if (!json_is_real(j)) return NULL;
    text_real(number, json_real_value(j));
    return arena_string(a, number);
}

static Yaml *scalar_of(const json_t *j, const char *path, Arena *a)
{
    const char *text = hf_json_text(j, a);
    if (!text) return NULL;
    Yaml *y = yaml_new_scalar(a, text, json_is_string(j));
    y->at.file = y->key_at.file = path;
    return y;
}

Yaml *hf_json_yaml(const json_t *j, const char *path, Arena *a)
{
    if (!json_is_array(j)) return scalar_of(j, path, a);
    Yaml *list = yaml_new_list(a);
    list->at.file = list->key_at.file = path;
    for (size_t i = 0; i < json_array_size(j); i++) {
        Yaml *item = scalar_of(json_array_get(j, i), path, a);
        if (!item) return NULL;
        yaml_append(a, list, NULL, item);
    }
    return list;
}
