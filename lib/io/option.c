/* option -- see option.h. */
#include "io/option.h"

#include "base/text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CHOICES_MAX = 32 };

const Option *option_find(const OptionTable *table, const char *name)
{
    for (int i = 0; i < table->n; i++)
        if (strcmp(table->options[i].name, name) == 0) return &table->options[i];
    return NULL;
}

int64_t steps_resolve(Steps s, int64_t steps_per_epoch)
{
    double steps = s.epochs ? floor(s.count * (double)steps_per_epoch + 0.5) : s.count;
    return steps < 0x1p62 ? (int64_t)steps : INT64_MAX;
}

const char *option_type_text(const Option *o)
{
    switch (o->type) {
    case OPTION_INT:
        return "integer";
    case OPTION_REAL:
        return "number";
    case OPTION_BOOL:
        return "true|false";
    case OPTION_ENUM:
    case OPTION_SET:
    case OPTION_TREE:
        return o->choices;
    case OPTION_STRING:
        return "text";
    case OPTION_INTS:
        return "list of integers";
    case OPTION_STEPS:
        return "steps (2000 or 10ep)";
    case OPTION_PATH:
        return o->max > 1 ? "path or list of paths" : "path";
    case OPTION_COUNTS:
        return "map of names and integers";
    case OPTION_NAMES:
        return "list of names";
    }
    return "";
}

/* Splits "a|b|c" in place of the copy `text`; returns how many. */
static int split_choices(const char *choices, char text[256], const char *words[CHOICES_MAX])
{
    int n = 0;
    (void)snprintf(text, 256, "%s", choices);
    for (char *at = text; at && n < CHOICES_MAX;) {
        words[n++] = at;
        at = strchr(at, '|');
        if (at) *at++ = '\0';
    }
    return n;
}

static bool range_ok(const Option *o, const Yaml *y, double value, Error *err)
{
    if (value >= o->min && value <= o->max) return true;
    return yaml_fail(y, err, "%s = %s is outside [%g, %g]; the default is %s", o->name, y->text,
                     o->min, o->max, o->value);
}

static bool read_choice(const Option *o, const Yaml *y, int *out, Error *err)
{
    char text[256];
    const char *words[CHOICES_MAX], *word;
    int n = split_choices(o->choices, text, words);
    TRY(yaml_string(y, &word, err));
    for (int i = 0; i < n; i++) {
        if (strcmp(words[i], word) != 0) continue;
        *out = i;
        return true;
    }
    const char *near = text_nearest(word, words, n);
    return yaml_fail(y, err, "%s = '%.60s': expected %s%s%s%s", o->name, word, o->choices,
                     near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

static bool read_ints(const Option *o, const Yaml *y, IntList *out, Error *err)
{
    *out = (IntList){0};
    if (y->kind != YAML_LIST) {
        TRY(yaml_int(y, &out->at[0], err));
        out->n = 1;
        return range_ok(o, y, (double)out->at[0], err);
    }
    if (y->n > OPTION_LIST_MAX)
        return yaml_fail(y, err, "%s: at most %d numbers", o->name, OPTION_LIST_MAX);
    for (const Yaml *c = y->first; c; c = c->next) {
        TRY(yaml_int(c, &out->at[out->n], err));
        TRY(range_ok(o, c, (double)out->at[out->n], err));
        out->n++;
    }
    return true;
}

static bool read_set(const Option *o, const Yaml *y, unsigned *out, Error *err)
{
    *out = 0;
    if (y->kind == YAML_NULL) return true;
    if (y->kind == YAML_SCALAR && !*y->text) return true;
    int i = 0;
    if (y->kind != YAML_LIST) {
        TRY(read_choice(o, y, &i, err));
        *out = 1u << i;
        return true;
    }
    for (const Yaml *c = y->first; c; c = c->next) {
        TRY(read_choice(o, c, &i, err));
        *out |= 1u << i;
    }
    return true;
}

/* 2000, "500it" or "10ep". */
static bool read_steps(const Option *o, const Yaml *y, Steps *out, Error *err)
{
    const char *text;
    TRY(yaml_string(y, &text, err));
    size_t n = strspn(text, "0123456789.");
    if (n > 0 && (text[n] == 'e' || text[n] == 'E')) { /* 1e4, 1e+04; the ep of 10ep is none */
        size_t sign = text[n + 1] == '+' || text[n + 1] == '-';
        size_t digits = strspn(text + n + 1 + sign, "0123456789");
        if (digits > 0) n += 1 + sign + digits;
    }
    char *end;
    out->count = strtod(text, &end);
    out->epochs = strcmp(text + n, "ep") == 0;
    bool known = out->epochs || !text[n] || strcmp(text + n, "it") == 0;
    if (n == 0 || !known || end != text + n)
        return yaml_fail(y, err, "%s = '%.60s': expected a number of steps, or epochs such as 10ep",
                         o->name, text);
    if (!out->epochs && out->count != floor(out->count))
        return yaml_fail(y, err, "%s = %s: expected a whole number of steps", o->name, text);
    return range_ok(o, y, out->count, err);
}

const char *path_list_at(const PathList *paths, int i)
{
    if (i < 0 || i >= paths->n) return NULL;
    const char *at = paths->text;
    while (i-- > 0) at += strlen(at) + 1;
    return at;
}

/* The folder that a relative path in `y` starts from, with a slash at its end or "". */
static bool folder_of(const Yaml *y, char folder[PATH_LIST_BYTES])
{
    const char *file = y->at.file ? y->at.file : "";
    const char *slash = strncmp(file, "command line", 12) == 0 ? NULL : strrchr(file, '/');
    size_t n = slash ? (size_t)(slash - file) + 1 : 0, used = 0;
    if (*file != '/' || !slash) {
        if (!getcwd(folder, PATH_LIST_BYTES - 1)) return false;
        used = strlen(folder);
        folder[used++] = '/';
    }
    if (used + n >= PATH_LIST_BYTES) return false;
    memcpy(folder + used, file, n);
    folder[used + n] = '\0';
    return true;
}

static bool add_path(const Option *o, const Yaml *y, PathList *out, size_t *used, Error *err)
{
    const char *text;
    char folder[PATH_LIST_BYTES] = "";
    TRY(yaml_string(y, &text, err));
    if (!*text) return true;
    if (out->n >= (int)o->max)
        return yaml_fail(y, err, "%s: at most %d path%s", o->name, (int)o->max,
                         o->max > 1 ? "s" : "");
    if (*text != '/' && !folder_of(y, folder))
        return yaml_fail(y, err, "%s: the folder of '%.60s' is not known", o->name, text);
    while (strncmp(text, "./", 2) == 0) text += 2;
    size_t room = sizeof out->text - *used;
    int n = snprintf(out->text + *used, room, "%s%s", folder, text);
    if (n < 0 || (size_t)n >= room)
        return yaml_fail(y, err, "%s: more than %d characters of paths", o->name, PATH_LIST_BYTES);
    *used += (size_t)n + 1;
    out->n++;
    return true;
}

static bool read_paths(const Option *o, const Yaml *y, PathList *out, Error *err)
{
    size_t used = 0;
    out->n = 0;
    if (y->kind == YAML_NULL) return true;
    if (y->kind != YAML_LIST) return add_path(o, y, out, &used, err);
    for (const Yaml *c = y->first; c; c = c->next) TRY(add_path(o, c, out, &used, err));
    return true;
}

const NamedCount *count_map_find(const CountMap *map, const char *name)
{
    for (int i = 0; i < map->n; i++)
        if (strcmp(map->at[i].name, name) == 0) return &map->at[i];
    return NULL;
}

/* "" is the default's text: nothing. */
static bool is_empty(const Yaml *y)
{
    return y->kind == YAML_NULL || (y->kind == YAML_SCALAR && !*y->text);
}

static bool read_counts(const Option *o, const Yaml *y, CountMap *out, Error *err)
{
    out->n = 0;
    if (is_empty(y)) return true;
    if (y->kind != YAML_MAP)
        return yaml_fail(y, err, "%s: expected a map such as {layer1: 16}", o->name);
    if (y->n > COUNT_MAP_MAX)
        return yaml_fail(y, err, "%s: at most %d names", o->name, COUNT_MAP_MAX);
    for (const Yaml *c = y->first; c; c = c->next) {
        NamedCount *row = &out->at[out->n];
        *row = (NamedCount){.name = c->key, .from = c};
        TRY(yaml_int(c, &row->count, err));
        if ((double)row->count < o->min || (double)row->count > o->max)
            return yaml_fail(c, err, "%s: '%.80s' = %s is outside [%g, %g]", o->name, c->key,
                             c->text, o->min, o->max);
        out->n++;
    }
    return true;
}

static bool add_to_names(const Option *o, const Yaml *y, NameList *out, Error *err)
{
    if (out->n == NAME_LIST_MAX)
        return yaml_fail(y, err, "%s: at most %d names", o->name, NAME_LIST_MAX);
    TRY(yaml_string(y, &out->at[out->n].name, err));
    out->at[out->n].from = y;
    for (int i = 0; i < out->n; i++)
        if (strcmp(out->at[i].name, out->at[out->n].name) == 0)
            return yaml_fail(y, err, "%s: '%.80s' stands there twice", o->name, out->at[i].name);
    out->n++;
    return true;
}

static bool read_names(const Option *o, const Yaml *y, NameList *out, Error *err)
{
    out->n = 0;
    if (is_empty(y)) return true;
    if (y->kind != YAML_LIST) return add_to_names(o, y, out, err);
    for (const Yaml *c = y->first; c; c = c->next) TRY(add_to_names(o, c, out, err));
    return true;
}

static bool read_value(const Option *o, const Yaml *y, void *out, Error *err)
{
    bool ok = false;
    switch (o->type) {
    case OPTION_INT:
        ok = yaml_int(y, out, err) && range_ok(o, y, (double)*(int64_t *)out, err);
        break;
    case OPTION_REAL:
        ok = yaml_real(y, out, err) && range_ok(o, y, *(double *)out, err);
        break;
    case OPTION_BOOL:
        ok = yaml_bool(y, out, err);
        break;
    case OPTION_ENUM:
        ok = read_choice(o, y, out, err);
        break;
    case OPTION_SET:
        ok = read_set(o, y, out, err);
        break;
    case OPTION_STRING:
        ok = y->kind == YAML_NULL || yaml_string(y, out, err);
        if (ok && (y->kind == YAML_NULL || !**(const char **)out)) *(const char **)out = NULL;
        break;
    case OPTION_INTS:
        ok = read_ints(o, y, out, err);
        break;
    case OPTION_STEPS:
        ok = read_steps(o, y, out, err);
        break;
    case OPTION_PATH:
        ok = read_paths(o, y, out, err);
        break;
    case OPTION_COUNTS:
        ok = read_counts(o, y, out, err);
        break;
    case OPTION_NAMES:
        ok = read_names(o, y, out, err);
        break;
    case OPTION_TREE:
        ok = true;
        break;
    }
    return ok;
}

/* The default's text goes through the same reader; that it is valid is a test (unit/registry).
 * Lists are written with commas: "300,100". */
static bool read_default(const Option *o, void *out, Error *err)
{
    Yaml item[OPTION_LIST_MAX], y = {.kind = YAML_SCALAR, .text = o->value, .from = ""};
    char text[256], *at = text;
    y.at.file = o->name;
    /* of maps and lists of names: nothing, which `out` is already */
    if (o->type == OPTION_TREE || o->type == OPTION_COUNTS || o->type == OPTION_NAMES) return true;
    if (o->type != OPTION_INTS && o->type != OPTION_SET) return read_value(o, &y, out, err);
    (void)snprintf(text, sizeof text, "%s", o->value);
    y.kind = YAML_LIST;
    for (; at && *at && y.n < OPTION_LIST_MAX; y.n++) {
        item[y.n] = (Yaml){.kind = YAML_SCALAR, .text = at, .from = "", .at = y.at};
        if (y.n > 0) item[y.n - 1].next = &item[y.n];
        at = strchr(at, ',');
        if (at) *at++ = '\0';
    }
    y.first = y.n ? item : NULL;
    return read_value(o, &y, out, err);
}

static bool listed(const char *const names[], const char *name)
{
    for (int i = 0; names && names[i]; i++)
        if (strcmp(names[i], name) == 0) return true;
    return false;
}

static bool unknown_key(const OptionTable *table, const Yaml *key, const char *const also[],
                        const char *where, Error *err)
{
    enum { NAMES_MAX = 128 };
    const char *names[NAMES_MAX];
    int n = 0;
    for (; n < table->n && n < NAMES_MAX; n++) names[n] = table->options[n].name;
    for (int i = 0; also && also[i] && n < NAMES_MAX; i++) names[n++] = also[i];
    const char *near = text_nearest(key->key, names, n);
    return yaml_fail_key(key, err, "unknown key '%.80s' %s%s%s%s", key->key, where,
                         near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

bool option_read(const OptionTable *table, const Yaml *y, const char *const also[],
                 const char *where, void *out, Error *err)
{
    bool ok = true;
    memset(out, 0, table->bytes);
    for (int i = 0; i < table->n; i++) {
        const Option *o = &table->options[i];
        if (!read_default(o, (char *)out + o->offset, err)) ok = false;
    }
    if (!y || y->kind == YAML_NULL) return ok;
    if (y->kind != YAML_MAP) return yaml_fail(y, err, "expected a map of options %s", where);
    for (const Yaml *c = y->first; c; c = c->next) {
        if (listed(also, c->key)) continue;
        const Option *o = option_find(table, c->key);
        if (!o)
            ok = unknown_key(table, c, also, where, err);
        else if (!read_value(o, c, (char *)out + o->offset, err))
            ok = false;
    }
    return ok;
}

static Yaml *number(Arena *a, double value)
{
    char text[32];
    text_real(text, value);
    return yaml_new_scalar(a, text, false);
}

static Yaml *choices_written(const Option *o, unsigned set, Arena *a)
{
    char text[256];
    const char *words[CHOICES_MAX];
    int n = split_choices(o->choices, text, words);
    Yaml *list = yaml_new_list(a);
    for (int i = 0; i < n; i++)
        if (set >> i & 1) yaml_append(a, list, NULL, yaml_new_scalar(a, words[i], true));
    return list;
}

static Yaml *paths_written(const Option *o, const PathList *paths, Arena *a)
{
    if (o->max <= 1) return yaml_new_scalar(a, paths->n ? paths->text : "", true);
    Yaml *list = yaml_new_list(a);
    for (int i = 0; i < paths->n; i++)
        yaml_append(a, list, NULL, yaml_new_scalar(a, path_list_at(paths, i), true));
    return list;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static Yaml *counts_written(const CountMap *counts, Arena *a)
{
    const char **names = arena_new_array(a, const char *, counts->n);
    Yaml *map = yaml_new_map(a);
    for (int i = 0; i < counts->n; i++) names[i] = counts->at[i].name;
    qsort(names, (size_t)counts->n, sizeof names[0], by_text);
    for (int i = 0; i < counts->n; i++) {
        const int64_t count = count_map_find(counts, names[i])->count;
        yaml_append(a, map, names[i],
                    yaml_new_scalar(a, arena_printf(a, "%lld", (long long)count), false));
    }
    return map;
}

static Yaml *names_written(const NameList *list, Arena *a)
{
    const char **names = arena_new_array(a, const char *, list->n);
    Yaml *out = yaml_new_list(a);
    for (int i = 0; i < list->n; i++) names[i] = list->at[i].name;
    qsort(names, (size_t)list->n, sizeof names[0], by_text);
    for (int i = 0; i < list->n; i++) yaml_append(a, out, NULL, yaml_new_scalar(a, names[i], true));
    return out;
}

static Yaml *written(const Option *o, const void *value, Arena *a)
{
    char text[256];
    const char *words[CHOICES_MAX];
    switch (o->type) {
    case OPTION_INT:
        return yaml_new_scalar(a, arena_printf(a, "%lld", (long long)*(const int64_t *)value),
                               false);
    case OPTION_REAL:
        return number(a, *(const double *)value);
    case OPTION_BOOL:
        return yaml_new_scalar(a, *(const bool *)value ? "true" : "false", false);
    case OPTION_ENUM:
        (void)split_choices(o->choices, text, words);
        return yaml_new_scalar(a, words[*(const int *)value], true);
    case OPTION_SET:
        return choices_written(o, *(const unsigned *)value, a);
    case OPTION_STRING: {
        const char *s = *(const char *const *)value;
        return yaml_new_scalar(a, s ? s : "", true);
    }
    case OPTION_STEPS: {
        const Steps *s = value;
        text_real(text, s->count);
        if (!s->epochs) (void)snprintf(text, sizeof text, "%.0f", s->count);
        return yaml_new_scalar(a, arena_printf(a, "%s%s", text, s->epochs ? "ep" : ""), false);
    }
    case OPTION_PATH:
        return paths_written(o, value, a);
    case OPTION_COUNTS:
        return counts_written(value, a);
    case OPTION_NAMES:
        return names_written(value, a);
    case OPTION_INTS:
    case OPTION_TREE: /* has no value to write: option_write leaves it out */
        break;
    }
    const IntList *ints = value;
    Yaml *list = yaml_new_list(a);
    for (int i = 0; i < ints->n; i++)
        yaml_append(a, list, NULL,
                    yaml_new_scalar(a, arena_printf(a, "%lld", (long long)ints->at[i]), false));
    return list;
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(const Option *const *)a)->name, (*(const Option *const *)b)->name);
}

void option_write(const OptionTable *table, const void *values, bool with_defaults, Arena *a,
                  Yaml *map)
{
    const Option **sorted = arena_new_array(a, const Option *, table->n);
    for (int i = 0; i < table->n; i++) sorted[i] = &table->options[i];
    qsort(sorted, (size_t)table->n, sizeof(void *), by_name);
    union {
        int64_t whole;
        double real;
        bool flag;
        int choice;
        const char *text;
        IntList ints;
        Steps steps;
        CountMap counts;
        NameList names;
    } standard;
    for (int i = 0; i < table->n; i++) {
        const Option *o = sorted[i];
        if (o->type == OPTION_TREE || (o->type == OPTION_PATH && !with_defaults)) continue;
        Yaml *value = written(o, (const char *)values + o->offset, a);
        if (!with_defaults) {
            memset(&standard, 0, sizeof standard);
            if (read_default(o, &standard, NULL) &&
                strcmp(yaml_write(a, written(o, &standard, a)), yaml_write(a, value)) == 0)
                continue;
        }
        yaml_append(a, map, o->name, value);
    }
}

const char *option_value_text(const OptionTable *table, const void *values, const char *name,
                              Arena *a)
{
    const Option *o = option_find(table, name);
    if (!o || o->type == OPTION_TREE) return NULL;
    const Yaml *y = written(o, (const char *)values + o->offset, a);
    return y->kind == YAML_SCALAR ? y->text : yaml_flow(a, y);
}
