/* json_write -- see json_write.h. */
#include "cmd/json_write.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static void begin(Json *j, const char *key)
{
    if (j->comma) text_add(&j->text, ",");
    if (key) {
        text_add_json(&j->text, key);
        text_add(&j->text, ":");
    }
    j->comma = true;
}

void json_begin(Json *j, const char *key, char bracket)
{
    begin(j, key);
    text_addf(&j->text, "%c", bracket);
    j->comma = false;
}

void json_end(Json *j, char bracket)
{
    text_addf(&j->text, "%c", bracket);
    j->comma = true;
}

void json_add_text(Json *j, const char *key, const char *value)
{
    begin(j, key);
    if (value)
        text_add_json(&j->text, value);
    else
        text_add(&j->text, "null");
}

void json_add_int(Json *j, const char *key, int64_t value)
{
    begin(j, key);
    text_addf(&j->text, "%" PRId64, value);
}

void json_add_real(Json *j, const char *key, double value)
{
    char text[32];
    begin(j, key);
    text_real(text, value);
    text_addf(&j->text, isfinite(value) ? "%s" : "\"%s\"", text);
}

void json_add_bool(Json *j, const char *key, bool value)
{
    json_add_raw(j, key, value ? "true" : "false");
}

void json_add_raw(Json *j, const char *key, const char *value)
{
    begin(j, key);
    text_add(&j->text, value && *value ? value : "null");
}

/* A number as JSON takes it: YAML allows more, such as .5 and +1. */
static void add_number(Json *j, const char *key, const Yaml *y)
{
    double value;
    int64_t whole;
    if (yaml_int(y, &whole, NULL))
        json_add_int(j, key, whole);
    else if (yaml_real(y, &value, NULL))
        json_add_real(j, key, value);
    else
        json_add_text(j, key, y->text);
}

void json_add_yaml(Json *j, const char *key, const Yaml *value)
{
    switch (value->kind) {
    case YAML_NULL:
        json_add_raw(j, key, "null");
        break;
    case YAML_SCALAR:
        if (!value->quoted && yaml_is_number(value))
            add_number(j, key, value);
        else if (!value->quoted &&
                 (strcmp(value->text, "true") == 0 || strcmp(value->text, "false") == 0))
            json_add_raw(j, key, value->text);
        else
            json_add_text(j, key, value->text);
        break;
    case YAML_LIST:
    case YAML_MAP:
        json_begin(j, key, value->kind == YAML_MAP ? '{' : '[');
        for (const Yaml *y = value->first; y; y = y->next)
            json_add_yaml(j, value->kind == YAML_MAP ? y->key : NULL, y);
        json_end(j, value->kind == YAML_MAP ? '}' : ']');
        break;
    }
}

void json_print(Json *j)
{
    if (j->text.data) (void)puts(j->text.data);
    text_free(&j->text);
    j->comma = false;
}
