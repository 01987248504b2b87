/* yaml -- the tree itself: finding, typed reads, building, overrides, writing. Loading is in
 * yaml_load.c. */
#include "io/yaml.h"

#include "base/text.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

Yaml *yaml_get(const Yaml *map, const char *key)
{
    if (!map || map->kind != YAML_MAP) return NULL;
    for (Yaml *c = map->first; c; c = c->next)
        if (strcmp(c->key, key) == 0) return c;
    return NULL;
}

Yaml *yaml_item(const Yaml *list, int i)
{
    if (!list || list->kind != YAML_LIST || i < 0) return NULL;
    Yaml *c = list->first;
    while (c && i-- > 0) c = c->next;
    return c;
}

static bool as_index(const char *word, int *index)
{
    char *end;
    long value = strtol(word, &end, 10);
    *index = (int)value;
    return *word >= '0' && *word <= '9' && !*end && value < 1000000;
}

static Yaml *child_of(const Yaml *y, const char *word)
{
    int index;
    if (y && y->kind == YAML_LIST && as_index(word, &index)) return yaml_item(y, index);
    return yaml_get(y, word);
}

Yaml *yaml_path(const Yaml *root, const char *dotted)
{
    char word[128];
    const Yaml *y = root;
    while (y && *dotted) {
        size_t n = strcspn(dotted, ".");
        if (n >= sizeof word) return NULL;
        memcpy(word, dotted, n);
        word[n] = '\0';
        y = child_of(y, word);
        dotted += n + (dotted[n] == '.');
    }
    return (Yaml *)(uintptr_t)y;
}

/* -- Failures
 * -----------------------------------------------------------------------------------------------------
 */

static bool fail_at(const Yaml *y, const Place *at, Error *err, const char *format, va_list args)
{
    char text[ERROR_TEXT];
    (void)vsnprintf(text, sizeof text, format, args);
    Place place = *at;
    char file[512];
    if (place.file && *y->from && place.line > 0) {
        /* resnet20.yaml:12:9 (from shape.yaml:4): ... */
        (void)snprintf(file, sizeof file, "%.300s:%d:%d%.150s", place.file, place.line,
                       place.column, y->from);
        Place named = {.file = file};
        return fail(err, FAIL_CONFIG, &named, "%s", text);
    }
    FailKind kind =
        place.file && strncmp(place.file, "command line", 12) == 0 ? FAIL_USAGE : FAIL_CONFIG;
    return fail(err, kind, &place, "%s", text);
}

bool yaml_fail(const Yaml *y, Error *err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)fail_at(y, &y->at, err, format, args);
    va_end(args);
    return false;
}

bool yaml_fail_key(const Yaml *y, Error *err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)fail_at(y, y->key_at.file ? &y->key_at : &y->at, err, format, args);
    va_end(args);
    return false;
}

static bool wrong_type(const Yaml *y, const char *expected, Error *err)
{
    switch (y->kind) {
    case YAML_NULL:
        return yaml_fail(y, err, "expected %s, found nothing", expected);
    case YAML_LIST:
        return yaml_fail(y, err, "expected %s, found a list", expected);
    case YAML_MAP:
        return yaml_fail(y, err, "expected %s, found a map", expected);
    default:
        return yaml_fail(y, err, "expected %s, found the word '%.80s'", expected, y->text);
    }
}

/* -- Typed reads
 * --------------------------------------------------------------------------------------------------
 */

/* Decimal only: no hex, no inf, no nan, no blanks. */
static bool parse_number(const char *text, double *out)
{
    if (!*text || strspn(text, "+-0123456789.eE") != strlen(text)) return false;
    if (!strpbrk(text, "0123456789")) return false;
    char *end;
    errno = 0;
    *out = strtod(text, &end);
    return !*end && isfinite(*out);
}

bool yaml_is_number(const Yaml *y)
{
    double value;
    return y->kind == YAML_SCALAR && !y->quoted && parse_number(y->text, &value);
}

bool yaml_real(const Yaml *y, double *out, Error *err)
{
    if (y->kind != YAML_SCALAR || y->quoted || !parse_number(y->text, out))
        return wrong_type(y, "a number", err);
    return true;
}

bool yaml_int(const Yaml *y, int64_t *out, Error *err)
{
    double value;
    if (y->kind != YAML_SCALAR || y->quoted || !parse_number(y->text, &value))
        return wrong_type(y, "an integer", err);
    if (strspn(y->text, "+-0123456789") == strlen(y->text)) {
        errno = 0;
        long long whole = strtoll(y->text, NULL, 10);
        if (errno == ERANGE) return yaml_fail(y, err, "%s does not fit 64 bits", y->text);
        *out = whole;
        return true;
    }
    if (value != floor(value) || fabs(value) > 0x1p53)
        return yaml_fail(y, err, "expected an integer, found %s", y->text);
    *out = (int64_t)value;
    return true;
}

bool yaml_bool(const Yaml *y, bool *out, Error *err)
{
    static const char *const also[] = {"yes",   "no",   "on",    "off", "True",
                                       "False", "TRUE", "FALSE", "y",   "n"};
    if (y->kind == YAML_SCALAR && !y->quoted) {
        if (strcmp(y->text, "true") == 0 || strcmp(y->text, "false") == 0) {
            *out = y->text[0] == 't';
            return true;
        }
        for (size_t i = 0; i < sizeof also / sizeof also[0]; i++)
            if (strcmp(y->text, also[i]) == 0)
                return yaml_fail(y, err, "expected true or false; '%s' is a word here", y->text);
    }
    return wrong_type(y, "true or false", err);
}

bool yaml_string(const Yaml *y, const char **out, Error *err)
{
    if (y->kind != YAML_SCALAR) return wrong_type(y, "a word", err);
    *out = y->text;
    return true;
}

/* -- Building
 * -----------------------------------------------------------------------------------------------------
 */

static Yaml *new_of(Arena *a, YamlKind kind)
{
    Yaml *y = arena_new_array(a, Yaml, 1);
    y->kind = kind;
    y->from = "";
    return y;
}

Yaml *yaml_new_map(Arena *a)
{
    return new_of(a, YAML_MAP);
}

Yaml *yaml_new_list(Arena *a)
{
    return new_of(a, YAML_LIST);
}

Yaml *yaml_new_scalar(Arena *a, const char *text, bool quoted)
{
    Yaml *y = new_of(a, YAML_SCALAR);
    y->text = arena_string(a, text);
    y->quoted = quoted;
    return y;
}

void yaml_append(Arena *a, Yaml *parent, const char *key, Yaml *child)
{
    Yaml **end = &parent->first;
    while (*end) end = &(*end)->next;
    *end = child;
    child->next = NULL;
    if (key) child->key = arena_string(a, key);
    parent->n++;
}

void yaml_set(Arena *a, Yaml *map, const char *key, Yaml *child)
{
    for (Yaml **at = &map->first; *at; at = &(*at)->next) {
        if (strcmp((*at)->key, key) != 0) continue;
        child->key = (*at)->key;
        if (!child->key_at.file) child->key_at = (*at)->key_at;
        child->next = (*at)->next;
        *at = child;
        return;
    }
    yaml_append(a, map, key, child);
}

bool yaml_remove(Yaml *map, const char *key)
{
    for (Yaml **at = &map->first; *at; at = &(*at)->next) {
        if (strcmp((*at)->key, key) != 0) continue;
        *at = (*at)->next;
        map->n--;
        return true;
    }
    return false;
}

Yaml *yaml_copy(Arena *a, const Yaml *y)
{
    Yaml *copy = arena_new_array(a, Yaml, 1);
    *copy = *y;
    copy->next = NULL;
    Yaml **end = &copy->first;
    for (const Yaml *c = y->first; c; c = c->next) {
        *end = yaml_copy(a, c);
        end = &(*end)->next;
    }
    return copy;
}

/* -- Overrides
 * ------------------------------------------------------------------------------------------------------
 */

static void set_places(Yaml *y, const Place *at)
{
    y->at = y->key_at = *at;
    for (Yaml *c = y->first; c; c = c->next) set_places(c, at);
}

static bool replace_in(Arena *a, Yaml *parent, const char *word, Yaml *value, const Place *at,
                       Error *err)
{
    int index;
    if (parent->kind == YAML_MAP) {
        yaml_set(a, parent, word, value);
        return true;
    }
    Yaml *old = as_index(word, &index) ? yaml_item(parent, index) : NULL;
    if (parent->kind != YAML_LIST || !old)
        return fail(err, FAIL_USAGE, at, "'%s' is not in a %s", word,
                    parent->kind == YAML_LIST ? "list of that length" : "map");
    for (Yaml **p = &parent->first; *p; p = &(*p)->next) {
        if (*p != old) continue;
        value->next = old->next;
        *p = value;
        return true;
    }
    return true;
}

/* The parent of the path's last word, making maps on the way. */
static bool find_parent(Arena *a, Yaml *root, char *path, Yaml **parent, char **last,
                        const Place *at, Error *err)
{
    *parent = root;
    for (char *dot; (dot = strchr(path, '.')) != NULL; path = dot + 1) {
        *dot = '\0';
        Yaml *child = child_of(*parent, path);
        if (!child || child->kind == YAML_NULL) {
            child = yaml_new_map(a);
            child->at = child->key_at = *at;
            TRY(replace_in(a, *parent, path, child, at, err));
        }
        if (child->kind == YAML_SCALAR)
            return fail(err, FAIL_USAGE, at, "'%s' is a value: nothing stands below it", path);
        *parent = child;
    }
    *last = path;
    if (!*path) return fail(err, FAIL_USAGE, at, "an empty name in the path");
    return true;
}

bool yaml_override(Arena *a, Yaml *root, const char *word, Error *err)
{
    Place at = {.file = arena_printf(a, "command line: %s", word)};
    const char *equals = strchr(word, '=');
    if (!equals || equals == word) return fail(err, FAIL_USAGE, &at, "expected key=value");
    bool append = equals[-1] == '+';
    char *path = arena_string_n(a, word, (size_t)(equals - word) - append), *last = path;
    Yaml *value, *parent;
    Error inner = {0};
    if (!yaml_parse(a, equals + 1, strlen(equals + 1), "value", &value, &inner))
        return fail(err, FAIL_USAGE, &at, "the value is %s",
                    inner.n_items ? inner.items[0].text : "not YAML");
    if (!equals[1]) value = yaml_new_scalar(a, "", true);
    set_places(value, &at);
    TRY(find_parent(a, root, path, &parent, &last, &at, err));
    if (!append) return replace_in(a, parent, last, value, &at, err);
    Yaml *list = child_of(parent, last);
    if (!list || list->kind == YAML_NULL) {
        list = yaml_new_list(a);
        list->at = list->key_at = at;
        TRY(replace_in(a, parent, last, list, &at, err));
    }
    if (list->kind != YAML_LIST) return fail(err, FAIL_USAGE, &at, "'%s' is not a list", last);
    yaml_append(a, list, NULL, value);
    return true;
}

/* -- Writing
 * --------------------------------------------------------------------------------------------------------
 */

static bool plain_is_safe(const Yaml *y)
{
    const char *t = y->text;
    if (!*t || strpbrk(t, ":#{}[]&*!|>'\"%@`,\n\r\t\\") || *t == ' ' || t[strlen(t) - 1] == ' ')
        return false;
    if (strchr("-?~", *t) && !(*t == '-' && t[1] >= '0' && t[1] <= '9')) return false;
    for (const char *p = t; *p; p++)
        if ((unsigned char)*p < 0x20 || (unsigned char)*p > 0x7e) return false;
    if (!y->quoted) return true;
    double number;
    return !parse_number(t, &number) && strcmp(t, "null") != 0 && strcmp(t, "true") != 0 &&
           strcmp(t, "false") != 0 && strcmp(t, "<<") != 0;
}

static void write_scalar(Text *out, const Yaml *y)
{
    if (y->kind == YAML_NULL)
        text_add(out, "null");
    else if (plain_is_safe(y))
        text_add(out, y->text);
    else
        text_add_json(out, y->text); /* a JSON string is a YAML double-quoted one */
}

static bool is_flat_list(const Yaml *y)
{
    if (y->kind != YAML_LIST) return false;
    for (const Yaml *c = y->first; c; c = c->next)
        if (c->n > 0) return false;
    return true;
}

static void write_value(Text *out, const Yaml *y, int indent);

static void write_children(Text *out, const Yaml *y, int indent)
{
    for (const Yaml *c = y->first; c; c = c->next) {
        text_addf(out, "%*s", 2 * indent, "");
        if (y->kind == YAML_MAP) {
            Yaml key = {.kind = YAML_SCALAR, .text = c->key, .quoted = true};
            write_scalar(out, &key);
            text_add(out, ":");
        } else {
            text_add(out, "-");
        }
        write_value(out, c, indent + 1);
    }
}

static void write_value(Text *out, const Yaml *y, int indent)
{
    if (y->kind == YAML_SCALAR || y->kind == YAML_NULL) {
        text_add(out, " ");
        write_scalar(out, y);
        text_add(out, "\n");
    } else if (y->n == 0) {
        text_add(out, y->kind == YAML_MAP ? " {}\n" : " []\n");
    } else if (is_flat_list(y)) {
        text_add(out, " [");
        for (const Yaml *c = y->first; c; c = c->next) {
            if (c->kind == YAML_MAP || c->kind == YAML_LIST)
                text_add(out, c->kind == YAML_MAP ? "{}" : "[]");
            else
                write_scalar(out, c);
            if (c->next) text_add(out, ", ");
        }
        text_add(out, "]\n");
    } else {
        text_add(out, "\n");
        write_children(out, y, indent);
    }
}

char *yaml_write(Arena *a, const Yaml *y)
{
    Text out = {0};
    if (y->kind == YAML_MAP && y->n > 0)
        write_children(&out, y, 0);
    else
        write_value(&out, y, 0);
    char *text = arena_string(a, out.data ? out.data : "");
    text_free(&out);
    return text;
}
