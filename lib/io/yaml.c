/* yaml -- the tree itself: finding, typed reads, building, overrides. Loading is in yaml_load.c,
 * writing in yaml_write.c. */
#include "io/yaml.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#undef yaml_fail /* the analyzer's macros, see yaml.h */
#undef yaml_fail_key

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
    bool ok = *word >= '0' && *word <= '9' && !*end && value < 1000000;
    *index = ok ? (int)value : -1;
    return ok;
}

static Yaml *child_of(const Yaml *y, const char *word)
{
    int index;
    if (y->kind == YAML_LIST && as_index(word, &index)) return yaml_item(y, index);
    return yaml_get(y, word);
}

Yaml *yaml_path(const Yaml *root, const char *dotted)
{
    char word[YAML_KEY_MAX + 1];
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

/* -- Failures */

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
        Place named = {.file = file, .line_text = at->line_text};
        named.column = at->column; /* without a line it is for the caret alone */
        named.width = at->width;
        return fail(err, FAIL_CONFIG, &named, "%s", text);
    }
    FailKind kind =
        place.file && strncmp(place.file, "command line:", 13) == 0 ? FAIL_USAGE : FAIL_CONFIG;
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
        return yaml_fail(y, err, "expected %s, found the %s '%.80s'", expected,
                         y->quoted ? "quoted text" : "word", y->text);
    }
}

/* -- Typed reads */

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
    static const char *const also[] = {"true", "false", "yes", "no", "on", "off", "y", "n"};
    if (y->kind == YAML_SCALAR && !y->quoted) {
        if (strcmp(y->text, "true") == 0 || strcmp(y->text, "false") == 0) {
            *out = y->text[0] == 't';
            return true;
        }
        for (size_t i = 0; i < sizeof also / sizeof also[0]; i++)
            if (strcasecmp(y->text, also[i]) == 0)
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

/* -- Building */

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

int yaml_height(const Yaml *y)
{
    int tallest = 0;
    for (const Yaml *c = y->first; c; c = c->next) {
        int height = 1 + yaml_height(c);
        if (height > tallest) tallest = height;
    }
    return tallest;
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

/* -- Overrides */

static void set_places(Yaml *y, const Place *at)
{
    y->at = y->key_at = *at;
    for (Yaml *c = y->first; c; c = c->next) set_places(c, at);
}

/* A place without a line is the command line. */
static FailKind kind_at(const Place *at)
{
    return at->line > 0 ? FAIL_CONFIG : FAIL_USAGE;
}

static bool replace_in(Arena *a, Yaml *parent, const char *word, Yaml *value, const Place *at,
                       Error *err)
{
    int index;
    if (parent->kind == YAML_MAP) {
        if (strlen(word) > YAML_KEY_MAX)
            return fail(err, kind_at(at), at, "a name of over %d bytes", YAML_KEY_MAX);
        yaml_set(a, parent, word, value);
        return true;
    }
    if (parent->kind != YAML_LIST)
        return fail(err, kind_at(at), at, "'%s' has no map to stand in", word);
    if (!as_index(word, &index))
        return fail(err, kind_at(at), at, "'%s' is not the number of a list's item", word);
    Yaml *old = yaml_item(parent, index);
    if (!old)
        return fail(err, kind_at(at), at, "item %d of a list of %d; the first is 0", index,
                    parent->n);
    Yaml **p = &parent->first;
    while (*p != old) p = &(*p)->next;
    value->next = old->next;
    *p = value;
    return true;
}

/* The parent of the path's last word, making maps on the way. */
static bool find_parent(Arena *a, Yaml *root, char *path, Yaml **parent, char **last,
                        const Place *at, Error *err)
{
    *parent = root;
    for (char *dot; (dot = strchr(path, '.')) != NULL; path = dot + 1) {
        *dot = '\0';
        if (!*path) return fail(err, kind_at(at), at, "an empty name in the path");
        Yaml *child = child_of(*parent, path);
        if (!child || child->kind == YAML_NULL) {
            child = yaml_new_map(a);
            child->at = child->key_at = *at;
            TRY(replace_in(a, *parent, path, child, at, err));
        }
        if (child->kind == YAML_SCALAR)
            return fail(err, kind_at(at), at, "'%s' is a value: nothing stands below it", path);
        *parent = child;
    }
    *last = path;
    if (!*path) return fail(err, kind_at(at), at, "an empty name in the path");
    return true;
}

/* The YAML after the '='; nothing there is the empty text. */
static bool read_override_value(Arena *a, const char *text, const Place *at, Yaml **value,
                                Error *err)
{
    Error inner = {0};
    if (!text[strspn(text, " \t\r\n")]) {
        *value = yaml_new_scalar(a, "", true);
        return true;
    }
    if (!yaml_parse(a, text, strlen(text), "value", value, &inner)) {
        const char *why = inner.n_items ? strstr(inner.items[0].text, ": ") : NULL;
        return fail(err, FAIL_USAGE, at, "the value is refused: %s", why ? why + 2 : "not YAML");
    }
    if ((*value)->kind == YAML_MAP && (*value)->n == 0 && text[strspn(text, " \t\r\n")] == '#')
        return fail(err, FAIL_USAGE, at, "'#' starts a comment; quote the value");
    return true;
}

bool yaml_override(Arena *a, Yaml *root, const char *word, Error *err)
{
    Place at = {.file = arena_printf(a, "command line: %s", word)};
    const char *equals = strchr(word, '=');
    if (!equals || equals == word) return fail(err, FAIL_USAGE, &at, "expected key=value");
    bool append = equals[-1] == '+';
    char *path = arena_string_n(a, word, (size_t)(equals - word) - append), *last = path;
    if (!yaml_is_text(path)) return fail(err, FAIL_USAGE, &at, "the path is not text");
    Yaml *value, *parent;
    TRY(read_override_value(a, equals + 1, &at, &value, err));
    int depth = 1 + append + yaml_height(value);
    for (const char *p = path; *p; p++) depth += *p == '.';
    if (depth > YAML_DEPTH_MAX)
        return fail(err, FAIL_USAGE, &at, "nested deeper than %d levels", YAML_DEPTH_MAX);
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

bool yaml_put(Arena *a, Yaml *root, const char *path, Yaml *value, Error *err)
{
    Yaml *parent;
    char *last, *words = arena_string(a, path);
    const Place at = value->at;
    int depth = 1 + yaml_height(value);
    for (const char *p = path; *p; p++) depth += *p == '.';
    if (depth > YAML_DEPTH_MAX)
        return fail(err, kind_at(&at), &at, "nested deeper than %d levels", YAML_DEPTH_MAX);
    TRY(find_parent(a, root, words, &parent, &last, &at, err));
    return replace_in(a, parent, last, value, &at, err);
}
