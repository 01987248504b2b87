/* schema -- the JSON Schema (draft 2020-12) of experiment files, for editors.
 *
 * It takes what the loader takes, of one file: where a file extends another, nothing is required.
 * A component's keys are chosen by its name; without a name (a file that extends another) any
 * component's keys will do. Conditions are written as if/then, of which editors show the one
 * message that matters, where anyOf would show all. */
#include "manual/manual.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SCALAR "{\"type\": [\"string\", \"number\", \"boolean\", \"null\"]}"

/* Constant text, so that a failure is a mistake in this file or in forms.c. */
static json_t *parsed(const char *text)
{
    return json_loads(text, 0, NULL);
}

static json_t *reference(const char *name)
{
    return json_pack("{s: s+}", "$ref", "#/$defs/", name);
}

/* {if: {type: ...}, then: ..., else: ...} */
static json_t *by_type(const char *type, json_t *then, json_t *otherwise)
{
    return json_pack("{s: {s: s}, s: o, s: o}", "if", "type", type, "then", then, "else",
                     otherwise);
}

/* -- Options */

/* Whole numbers without a point. */
static json_t *number(double value)
{
    if (value == floor(value) && fabs(value) < 1e15) return json_integer((json_int_t)value);
    return json_real(value);
}

/* Calls `add_to` for each part of `text`. */
static void split(const char *text, char separator, void (*add_to)(json_t *, const char *),
                  json_t *to)
{
    const char ends[2] = {separator, '\0'};
    char word[256];
    for (const char *at = text; *at;) {
        const size_t n = strcspn(at, ends);
        (void)snprintf(word, sizeof word, "%.*s", (int)n, at);
        add_to(to, word);
        at += n + (at[n] != '\0');
    }
}

static void add_text(json_t *list, const char *word)
{
    (void)json_array_append_new(list, json_string(word));
}

/* A choice may look like a number or like a boolean to a YAML reader, who then gives that. */
static void add_choice(json_t *list, const char *word)
{
    json_error_t error;
    add_text(list, word);
    json_t *other = json_loads(word, JSON_DECODE_ANY, &error);
    if (other) (void)json_array_append_new(list, other);
}

static void add_number(json_t *list, const char *word)
{
    (void)json_array_append_new(list, number(strtod(word, NULL)));
}

static json_t *choices(const char *text)
{
    json_t *list = json_array();
    split(text, '|', add_choice, list);
    return json_pack("{s: o}", "enum", list);
}

static json_t *ranged(const char *type, const Option *o)
{
    json_t *j = json_pack("{s: s}", "type", type);
    if (isfinite(o->min)) (void)json_object_set_new(j, "minimum", number(o->min));
    if (isfinite(o->max)) (void)json_object_set_new(j, "maximum", number(o->max));
    return j;
}

static json_t *type_of(const Option *o)
{
    switch (o->type) {
    case OPTION_INT:
        return ranged("integer", o);
    case OPTION_REAL:
        return ranged("number", o);
    case OPTION_BOOL:
        return json_pack("{s: s}", "type", "boolean");
    case OPTION_ENUM:
        return choices(o->choices);
    case OPTION_SET: {
        json_t *one = choices(o->choices), *list = json_object_get(one, "enum");
        json_t *items = json_pack("{s: s, s: {s: O}}", "type", "array", "items", "enum", list);
        (void)json_array_append_new(list, json_null());
        add_text(list, "");
        return by_type("array", items, one);
    }
    case OPTION_INTS: {
        json_t *items = json_pack("{s: o, s: i}", "items", ranged("integer", o), "maxItems",
                                  (int)OPTION_LIST_MAX);
        return by_type("array", items, ranged("integer", o));
    }
    case OPTION_STEPS:
        return by_type("number", ranged("integer", o),
                       json_pack("{s: s, s: s}", "type", "string", "pattern",
                                 "^[0-9.]+([eE][+-]?[0-9]+)?(ep|it)?$"));
    case OPTION_PATH:
        return by_type(
            "array", json_pack("{s: o, s: o}", "items", parsed(SCALAR), "maxItems", number(o->max)),
            parsed(SCALAR));
    case OPTION_STRING:
        return parsed(SCALAR);
    case OPTION_COUNTS:
        return by_type("object",
                       json_pack("{s: o, s: i}", "additionalProperties", ranged("integer", o),
                                 "maxProperties", (int)COUNT_MAP_MAX),
                       parsed("{\"enum\": [\"\", null]}"));
    case OPTION_NAMES:
        return by_type(
            "array",
            json_pack("{s: o, s: i}", "items", parsed(SCALAR), "maxItems", (int)NAME_LIST_MAX),
            parsed(SCALAR));
    case OPTION_TREE: {
        const char *form = manual_form(o->choices);
        return form ? parsed(form) : NULL;
    }
    }
    return NULL;
}

static json_t *default_of(const Option *o)
{
    json_t *list = json_array();
    if (o->type == OPTION_INTS) split(o->value, ',', add_number, list);
    if (o->type == OPTION_SET) split(o->value, ',', add_text, list);
    if (o->type == OPTION_INTS || o->type == OPTION_SET || o->type == OPTION_NAMES) return list;
    json_decref(list);
    if (o->type == OPTION_COUNTS) return json_object();
    if (o->type == OPTION_BOOL) return json_boolean(strcmp(o->value, "true") == 0);
    char *end;
    const double value = strtod(o->value, &end);
    const bool numeric = o->type == OPTION_INT || o->type == OPTION_REAL || o->type == OPTION_STEPS;
    if (numeric && *o->value && !*end) return number(value);
    return *o->value ? json_string(o->value) : NULL;
}

static bool add_options(json_t *properties, const OptionTable *table, const char *owner, Error *err)
{
    for (int i = 0; i < table->n; i++) {
        const Option *o = &table->options[i];
        json_t *j = type_of(o), *value = default_of(o);
        if (!j)
            return fail(err, FAIL_RUN, NULL, "%s.%s: '%s' is no form of forms.c", owner, o->name,
                        o->choices);
        (void)json_object_set_new(j, "description", json_string(o->help));
        if (value) (void)json_object_set_new(j, "default", value);
        (void)json_object_set_new(properties, o->name, j);
    }
    return true;
}

/* -- Components */

/* {if: {the name is this}, then: {these keys}} */
static bool add_component(json_t *rules, json_t *all, const Component *c, Error *err)
{
    json_t *properties = json_pack("{s: b}", "name", 1);
    const bool ok = add_options(properties, c->options, c->name, err);
    for (int i = 0; i < c->options->n; i++) add_text(all, c->options->options[i].name);
    json_t *then = json_pack("{s: o, s: b}", "properties", properties, "additionalProperties", 0);
    json_t *rule = json_pack("{s: {s: {s: {s: s}}, s: [s]}, s: o}", "if", "properties", "name",
                             "const", c->name, "required", "name", "then", then);
    (void)json_array_append_new(rules, rule);
    return ok;
}

static json_t *component(ComponentKind kind, Error *err)
{
    Component c;
    const bool has_default = kind == COMPONENT_OPTIMIZER || kind == COMPONENT_SCHEDULE;
    json_t *names = json_array(), *rules = json_array(), *all = json_array();
    bool ok = true;
    add_text(all, "name");
    for (int i = 0; component_at(kind, i, &c); i++) {
        add_text(names, c.name);
        ok &= add_component(rules, all, &c, err);
    }
    if (has_default) (void)json_array_append_new(names, json_null());
    json_t *unnamed =
        json_pack("{s: {s: {s: {s: s}}, s: [s]}, s: {s: {s: o}}}", "if", "properties", "name",
                  "type", "string", "required", "name", "else", "propertyNames", "enum", all);
    (void)json_array_append_new(rules, unnamed);
    /* model: null takes back what an extended file says, where the base has the model */
    const bool may_be_null = has_default || kind == COMPONENT_MODEL;
    json_t *types = may_be_null ? json_pack("[s, s]", "object", "null") : json_string("object");
    json_t *name =
        json_pack("{s: o, s: s+}", "enum", names, "description", "which ", component_word[kind]);
    json_t *j = json_pack("{s: o, s: {s: o}, s: o}", "type", types, "properties", "name", name,
                          "allOf", rules);
    if (ok) return j;
    json_decref(j);
    return NULL;
}

/* -- Blocks */

static json_t *block(const ManualBlock *b, Error *err)
{
    json_t *properties = json_object(), *rest = b->form ? NULL : json_false();
    if (b->form && manual_form(b->form)) rest = parsed(manual_form(b->form));
    bool ok = add_options(properties, b->options, b->name, err);
    if (!rest) ok = fail(err, FAIL_RUN, NULL, "%s: '%s' is no form of forms.c", b->name, b->form);
    json_t *j = json_pack("{s: [s, s], s: s, s: o, s: o*}", "type", "object", "null", "description",
                          b->help, "properties", properties, "additionalProperties", rest);
    if (ok) return j;
    json_decref(j);
    return NULL;
}

static const ManualBlock *find_block(const char *name)
{
    for (const ManualBlock *b = manual_blocks; b->name; b++)
        if (strcmp(b->name, name) == 0) return b;
    return NULL;
}

static json_t *list_of(json_t *items)
{
    return json_pack("{s: [s, s], s: o}", "type", "array", "null", "items", items);
}

static bool is_component(const char *name)
{
    for (int kind = 0; kind < N_COMPONENT_KINDS; kind++)
        if (strcmp(component_block[kind], name) == 0) return true;
    return false;
}

/* What stands for a key at the top. */
static json_t *top(const TopKey *k)
{
    if (strcmp(k->name, "run") == 0) {
        json_t *list = json_array();
        for (int i = 0; experiment_runs[i]; i++) add_text(list, experiment_runs[i]);
        (void)json_array_append_new(list, json_null());
        return json_pack("{s: o}", "enum", list);
    }
    if (k->kinds == MAYBE_WORD) return parsed(SCALAR);
    if (k->kinds == 0) return by_type("array", json_object(), parsed("{\"type\": \"string\"}"));
    if (!is_component(k->name) && !find_block(k->name)) /* kept as it is */
        return parsed("{\"type\": [\"object\", \"null\"]}");
    if (k->kinds == MAYBE_LIST) return list_of(reference(k->name));
    if (k->kinds & MAYBE_LIST)
        return by_type("array", list_of(reference(k->name)), reference(k->name));
    if (k->kinds & MAYBE_WORD) return by_type("string", json_object(), reference(k->name));
    return reference(k->name);
}

/* An experiment that extends no other is whole; a folder that is its base has the model. */
static json_t *required(void)
{
    return parsed("{\"required\": [\"data\", \"train\"], \"properties\": {"
                  "\"data\": {\"required\": [\"name\"]}, \"train\": {\"required\": [\"steps\"]}}, "
                  "\"anyOf\": [{\"required\": [\"base\"]}, {\"required\": [\"model\"], "
                  "\"properties\": {\"model\": {\"required\": [\"name\"]}}}]}");
}

static bool add_definitions(json_t *defs, Error *err)
{
    bool ok = true;
    for (int kind = 0; kind < N_COMPONENT_KINDS; kind++) {
        json_t *j = component((ComponentKind)kind, err);
        if (j) (void)json_object_set_new(defs, component_block[kind], j);
        ok &= j != NULL;
    }
    for (const ManualBlock *b = manual_blocks; b->name; b++) {
        json_t *j = block(b, err);
        if (j) (void)json_object_set_new(defs, b->name, j);
        ok &= j != NULL;
    }
    return ok;
}

bool manual_schema(Text *out, Error *err)
{
    json_t *defs = json_object(), *properties = json_object();
    const bool ok = add_definitions(defs, err);
    for (const TopKey *k = experiment_keys; k->name; k++) {
        json_t *j = top(k);
        (void)json_object_set_new(j, "description", json_string(k->help));
        (void)json_object_set_new(properties, k->name, j);
    }
    json_t *whole =
        json_pack("{s: s, s: s, s: s, s: o, s: b, s: {s: [s]}, s: {}, s: o, s: o}", "$schema",
                  "https://json-schema.org/draft/2020-12/schema", "title", "seqlab experiment",
                  "type", "object", "properties", properties, "additionalProperties", 0, "if",
                  "required", "extends", "then", "else", required(), "$defs", defs);
    char *text = json_dumps(whole, JSON_INDENT(2) | JSON_REAL_PRECISION(15));
    if (ok && text) text_addf(out, "%s\n", text);
    free(text);
    json_decref(whole);
    return ok && (text || fail(err, FAIL_RUN, NULL, "the schema could not be written"));
}
