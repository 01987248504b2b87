/* yaml_load -- text to tree: libyaml's events, anchors, merge keys and `extends:`. */
#include "io/file.h"
#include "io/yaml.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

enum {
    TEXT_MAX = 16 << 20,
    NODES_MAX = 1000000,
    ANCHORS_MAX = 1000,
    EXTENDS_MAX = 16,
    KEYS_MAX = 4096 /* looking one up is linear */
};

typedef struct Loader {
    Arena *arena;
    yaml_parser_t parser;
    yaml_event_t event;
    const char *name;
    const char *text; /* a copy in the arena: excerpts outlive the caller's text */
    size_t n;
    const char **lines; /* start of each line of the text */
    int n_lines;
    int n_nodes;
    struct {
        const char *name;
        const Yaml *node;
    } anchors[ANCHORS_MAX];
    int n_anchors;
    Error *err;
} Loader;

static Place place_of(const Loader *l, yaml_mark_t start, yaml_mark_t end)
{
    int line = (int)start.line;
    Place at = {.file = l->name, .line = line + 1, .column = (int)start.column + 1};
    at.line_text = line < l->n_lines ? l->lines[line] : NULL;
    at.width =
        end.line == start.line && end.column > start.column ? (int)(end.column - start.column) : 1;
    return at;
}

/* Bytes that are not text are reported by their offset alone: the place has to be looked up. */
static Place place_of_byte(const Loader *l, size_t offset)
{
    yaml_mark_t mark = {0};
    if (offset > l->n) offset = l->n;
    while ((int)mark.line + 1 < l->n_lines && l->lines[mark.line + 1] <= l->text + offset)
        mark.line++;
    for (const char *c = l->lines[mark.line]; c < l->text + offset; c++)
        mark.column += (*c & 0xc0) != 0x80;
    return place_of(l, mark, mark);
}

/* Marks count characters, not bytes. */
static bool is_tab(const Loader *l, yaml_mark_t mark)
{
    if ((int)mark.line >= l->n_lines) return false;
    const char *c = l->lines[mark.line];
    for (size_t column = 0; *c && column < mark.column; column += (*c & 0xc0) != 0x80) c++;
    return *c == '\t';
}

static bool next_event(Loader *l)
{
    yaml_event_delete(&l->event);
    if (yaml_parser_parse(&l->parser, &l->event)) return true;
    const yaml_parser_t *p = &l->parser;
    yaml_mark_t mark = p->problem_mark;
    Place at = p->error == YAML_READER_ERROR ? place_of_byte(l, p->problem_offset)
                                             : place_of(l, mark, mark);
    if (p->error == YAML_SCANNER_ERROR && is_tab(l, mark))
        return fail(l->err, FAIL_CONFIG, &at, "a tab stands here; lines are indented by blanks");
    return fail(l->err, FAIL_CONFIG, &at, "not YAML: %s%s%s", p->problem ? p->problem : "bad input",
                p->context ? ", " : "", p->context ? p->context : "");
}

static Yaml *new_node(Loader *l, YamlKind kind)
{
    l->n_nodes++;
    Yaml *y = arena_new_array(l->arena, Yaml, 1);
    y->kind = kind;
    y->from = "";
    y->at = place_of(l, l->event.start_mark, l->event.end_mark);
    return y;
}

static bool too_large(Loader *l, const Place *at)
{
    if (l->n_nodes <= NODES_MAX) return false;
    (void)fail(l->err, FAIL_CONFIG, at, "too large: over %d nodes after its aliases are expanded",
               NODES_MAX);
    return true;
}

static bool remember_anchor(Loader *l, const char *anchor, const Yaml *node)
{
    if (!anchor) return true;
    if (l->n_anchors == ANCHORS_MAX) return yaml_fail(node, l->err, "over %d anchors", ANCHORS_MAX);
    l->anchors[l->n_anchors].name = arena_string(l->arena, anchor);
    l->anchors[l->n_anchors++].node = node;
    return true;
}

/* A tag would change what a value is; the schema alone says that. */
static bool no_tag(const Yaml *y, const yaml_char_t *tag, Error *err)
{
    if (!tag) return true;
    return yaml_fail(y, err, "the tag %.60s means nothing here; leave it out", (const char *)tag);
}

static int count_nodes(const Yaml *y)
{
    int n = 1;
    for (const Yaml *c = y->first; c; c = c->next) n += count_nodes(c);
    return n;
}

static bool read_node(Loader *l, int depth, Yaml **out);

static bool read_alias(Loader *l, int depth, Yaml **out)
{
    const char *name = (const char *)l->event.data.alias.anchor;
    Place at = place_of(l, l->event.start_mark, l->event.end_mark);
    for (int i = l->n_anchors - 1; i >= 0; i--) {
        const Yaml *node = l->anchors[i].node;
        if (strcmp(l->anchors[i].name, name) != 0) continue;
        l->n_nodes += count_nodes(node);
        if (too_large(l, &at)) return false;
        if (depth + yaml_height(node) > YAML_DEPTH_MAX)
            return fail(l->err, FAIL_CONFIG, &at, "nested deeper than %d levels", YAML_DEPTH_MAX);
        *out = yaml_copy(l->arena, node);
        (*out)->key = NULL;
        (*out)->key_at = (Place){0};
        return true;
    }
    return fail(l->err, FAIL_CONFIG, &at, "alias *%.80s has no anchor &%.80s before it", name,
                name);
}

static bool read_scalar(Loader *l, Yaml **out)
{
    Yaml *y = *out = new_node(l, YAML_SCALAR);
    const char *value = (const char *)l->event.data.scalar.value;
    size_t n = l->event.data.scalar.length;
    y->quoted = l->event.data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    if (memchr(value, 0, n)) return yaml_fail(y, l->err, "a zero byte in text");
    TRY(no_tag(y, l->event.data.scalar.tag, l->err));
    y->text = arena_string_n(l->arena, value, n);
    if (!y->quoted && (n == 0 || strcmp(y->text, "~") == 0 || strcmp(y->text, "null") == 0))
        y->kind = YAML_NULL;
    return remember_anchor(l, (const char *)l->event.data.scalar.anchor, y);
}

static char *keep_anchor(Loader *l, const yaml_char_t *anchor)
{
    return anchor ? arena_string(l->arena, (const char *)anchor) : NULL;
}

static bool read_list(Loader *l, int depth, Yaml **out)
{
    Yaml *y = *out = new_node(l, YAML_LIST), **end = &y->first;
    y->at.width = 1;
    TRY(no_tag(y, l->event.data.sequence_start.tag, l->err));
    char *anchor = keep_anchor(l, l->event.data.sequence_start.anchor);
    for (;;) {
        TRY(next_event(l));
        if (l->event.type == YAML_SEQUENCE_END_EVENT) break;
        TRY(read_node(l, depth + 1, end));
        end = &(*end)->next;
        y->n++;
    }
    return remember_anchor(l, anchor, y);
}

/* Adds the keys of `value` (<<: *base, or a list of them) that `map` has not got itself; they move,
 * since `value` is a copy of its own. */
static bool merge_key(Loader *l, Yaml *map, Yaml ***end, Yaml *value)
{
    if (value->kind == YAML_LIST) {
        for (Yaml *item = value->first; item; item = item->next) TRY(merge_key(l, map, end, item));
        return true;
    }
    if (value->kind != YAML_MAP)
        return yaml_fail(value, l->err, "<<: expected a map or a list of maps");
    for (Yaml *c = value->first, *next; c; c = next) {
        next = c->next;
        if (yaml_get(map, c->key)) continue;
        if (map->n == KEYS_MAX) return yaml_fail(map, l->err, "over %d keys in one map", KEYS_MAX);
        c->next = NULL;
        **end = c;
        *end = &c->next;
        map->n++;
    }
    return true;
}

/* The event is a key of `map`; the scalar as it was read, for its text and place. */
static bool read_key(Loader *l, const Yaml *map, Yaml **key)
{
    Place at = place_of(l, l->event.start_mark, l->event.end_mark);
    if (l->event.type != YAML_SCALAR_EVENT)
        return fail(l->err, FAIL_CONFIG, &at, "a key must be a word");
    TRY(read_scalar(l, key));
    if (l->event.data.scalar.length > YAML_KEY_MAX)
        return yaml_fail(*key, l->err, "a key of %zu bytes; at most %d",
                         l->event.data.scalar.length, YAML_KEY_MAX);
    if (map->n == KEYS_MAX) return yaml_fail(*key, l->err, "over %d keys in one map", KEYS_MAX);
    const Yaml *twin = yaml_get(map, (*key)->text);
    if (twin)
        return yaml_fail(*key, l->err, "key '%s' stands twice; first in line %d", (*key)->text,
                         twin->key_at.line);
    return true;
}

static bool read_map(Loader *l, int depth, Yaml **out)
{
    Yaml *y = *out = new_node(l, YAML_MAP), **end = &y->first, *merge = NULL;
    y->at.width = 1;
    TRY(no_tag(y, l->event.data.mapping_start.tag, l->err));
    char *anchor = keep_anchor(l, l->event.data.mapping_start.anchor);
    for (;;) {
        Yaml *key, *value = NULL;
        TRY(next_event(l));
        if (l->event.type == YAML_MAPPING_END_EVENT) break;
        TRY(read_key(l, y, &key));
        bool merges = !key->quoted && strcmp(key->text, "<<") == 0;
        if (merges && merge)
            return yaml_fail(key, l->err, "<< stands twice; name the maps in one list");
        TRY(next_event(l));
        TRY(read_node(l, depth + 1, &value));
        value->key = key->text;
        value->key_at = key->at;
        if (merges) {
            merge = value;
        } else {
            *end = value;
            end = &value->next;
            y->n++;
        }
    }
    if (merge) TRY(merge_key(l, y, &end, merge));
    return remember_anchor(l, anchor, y);
}

static bool read_node(Loader *l, int depth, Yaml **out)
{
    Place at = place_of(l, l->event.start_mark, l->event.end_mark);
    if (depth > YAML_DEPTH_MAX)
        return fail(l->err, FAIL_CONFIG, &at, "nested deeper than %d levels", YAML_DEPTH_MAX);
    bool ok;
    switch (l->event.type) {
    case YAML_ALIAS_EVENT:
        ok = read_alias(l, depth, out);
        break;
    case YAML_SCALAR_EVENT:
        ok = read_scalar(l, out);
        break;
    case YAML_SEQUENCE_START_EVENT:
        ok = read_list(l, depth, out);
        break;
    case YAML_MAPPING_START_EVENT:
        ok = read_map(l, depth, out);
        break;
    default:
        return fail(l->err, FAIL_CONFIG, &at, "not YAML here");
    }
    return ok && !too_large(l, &at);
}

static bool read_document(Loader *l, Yaml **out)
{
    do {
        TRY(next_event(l));
        if (l->event.type == YAML_STREAM_END_EVENT) {
            *out = yaml_new_map(l->arena); /* an empty file is an empty map */
            (*out)->at = (Place){.file = l->name, .line = 1, .column = 1};
            return true;
        }
    } while (l->event.type != YAML_DOCUMENT_START_EVENT);
    TRY(next_event(l));
    TRY(read_node(l, 0, out));
    TRY(next_event(l)); /* document end */
    TRY(next_event(l));
    if (l->event.type == YAML_STREAM_END_EVENT) return true;
    Place at = place_of(l, l->event.start_mark, l->event.end_mark);
    return fail(l->err, FAIL_CONFIG, &at, "a second document; expected one");
}

/* Bytes of the line break at `p`, or 0: the breaks that libyaml counts, or the lines would differ
 * (YAML 1.1: \n, \r, \r\n, NEL, LS, PS). */
static size_t line_break(const char *p)
{
    if (*p == '\n') return 1;
    if (*p == '\r') return p[1] == '\n' ? 2 : 1;
    if (strncmp(p, "\xc2\x85", 2) == 0) return 2;
    return strncmp(p, "\xe2\x80\xa8", 3) == 0 || strncmp(p, "\xe2\x80\xa9", 3) == 0 ? 3 : 0;
}

static void index_lines(Loader *l)
{
    const char *end = l->text + l->n;
    size_t width;
    l->n_lines = 1;
    for (const char *p = l->text; p < end; p += width ? width : 1)
        l->n_lines += (width = line_break(p)) != 0;
    l->lines = arena_new_array(l->arena, const char *, l->n_lines);
    l->lines[0] = l->text;
    int i = 1;
    for (const char *p = l->text; p < end; p += width ? width : 1)
        if ((width = line_break(p)) != 0) l->lines[i++] = p + width;
}

bool yaml_parse(Arena *a, const char *text, size_t n, const char *name, Yaml **out, Error *err)
{
    Place at = {.file = name};
    if (n > TEXT_MAX) return fail(err, FAIL_CONFIG, &at, "over %d MiB of YAML", TEXT_MAX >> 20);
    if (n >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) text += 3, n -= 3; /* byte order mark */
    Loader *l = arena_new_array(a, Loader, 1);
    l->arena = a;
    l->name = arena_string(a, name);
    l->text = arena_string_n(a, text, n);
    l->n = n;
    l->err = err;
    index_lines(l);
    if (!yaml_parser_initialize(&l->parser))
        return fail(err, FAIL_RUN, &at, "libyaml could not start");
    yaml_parser_set_encoding(&l->parser, YAML_UTF8_ENCODING); /* no guessing at UTF-16 */
    yaml_parser_set_input_string(&l->parser, (const unsigned char *)l->text, n);
    bool ok = read_document(l, out);
    yaml_event_delete(&l->event);
    yaml_parser_delete(&l->parser);
    return ok;
}

/* Standard input, read once and kept to the end of the process: a sweep loads its file again for
 * every run, also in the processes that it forks. */
static bool read_standard_input(const char **text, size_t *n, Error *err)
{
    static char *kept;
    static size_t kept_bytes;
    if (!kept) {
        char *data = malloc(TEXT_MAX + 1);
        size_t got = data ? fread(data, 1, TEXT_MAX + 1, stdin) : 0;
        if (!data || ferror(stdin) || got > TEXT_MAX) {
            free(data);
            return fail(err, FAIL_CONFIG, NULL, "standard input: %s",
                        got > TEXT_MAX ? "too long for an experiment" : "cannot be read");
        }
        kept = data;
        kept_bytes = got;
    }
    *text = kept;
    *n = kept_bytes;
    return true;
}

bool yaml_load(Arena *a, const char *path, Yaml **out, Error *err)
{
    char *text;
    size_t n;
    if (strcmp(path, "-") == 0) {
        const char *input = NULL;
        n = 0;
        TRY(read_standard_input(&input, &n, err));
        return yaml_parse(a, input, n, "<stdin>", out, err);
    }
    TRY(file_read(path, TEXT_MAX, &text, &n, FAIL_CONFIG, err));
    bool ok = yaml_parse(a, text, n, path, out, err);
    free(text);
    return ok;
}

/* `over` wins over `base`, which is changed in place: maps key by key, all else replaced. */
static void compose(Arena *a, Yaml *base, const Yaml *over)
{
    for (const Yaml *c = over->first; c; c = c->next) {
        Yaml *old = yaml_get(base, c->key);
        if (old && old->kind == YAML_MAP && c->kind == YAML_MAP)
            compose(a, old, c);
        else
            yaml_set(a, base, c->key, yaml_copy(a, c));
    }
}

static void mark_from(Yaml *y, const char *from)
{
    if (!*y->from) y->from = from;
    for (Yaml *c = y->first; c; c = c->next) mark_from(c, from);
}

static bool load_extending(Arena *a, const char *path, const char *chain[], int depth, Yaml **out,
                           Error *err);

static bool load_one_base(Arena *a, const char *path, const Yaml *entry, const char *chain[],
                          int depth, Yaml *into, Error *err)
{
    const char *relative;
    TRY(yaml_string(entry, &relative, err));
    const char *slash = strrchr(path, '/');
    const char *full = slash && relative[0] != '/'
                           ? arena_printf(a, "%.*s/%s", (int)(slash - path), path, relative)
                           : arena_string(a, relative);
    char real[PATH_MAX];
    const char *canonical = realpath(full, real) ? arena_string(a, real) : full;
    for (int i = 0; i < depth; i++)
        if (strcmp(chain[i], canonical) == 0)
            return yaml_fail(entry, err, "extends goes in a circle: %s is already being read",
                             relative);
    if (depth == EXTENDS_MAX)
        return yaml_fail(entry, err, "extends is deeper than %d files", EXTENDS_MAX);
    if (!file_exists(full)) return yaml_fail(entry, err, "extends: %s is not there", full);
    Yaml *base;
    chain[depth] = canonical;
    TRY(load_extending(a, full, chain, depth + 1, &base, err));
    mark_from(base, arena_printf(a, " (from %s:%d)", entry->at.file, entry->at.line));
    compose(a, into, base);
    return true;
}

static bool load_extending(Arena *a, const char *path, const char *chain[], int depth, Yaml **out,
                           Error *err)
{
    Yaml *own;
    TRY(yaml_load(a, path, &own, err));
    if (own->kind != YAML_MAP) return yaml_fail(own, err, "expected a map of keys at the top");
    const Yaml *extends = yaml_get(own, "extends");
    if (!extends) {
        *out = own;
        return true;
    }
    Yaml *whole = yaml_new_map(a);
    whole->at = own->at;
    if (extends->kind == YAML_LIST) {
        for (const Yaml *e = extends->first; e; e = e->next)
            TRY(load_one_base(a, path, e, chain, depth, whole, err));
    } else {
        TRY(load_one_base(a, path, extends, chain, depth, whole, err));
    }
    (void)yaml_remove(own, "extends");
    compose(a, whole, own);
    *out = whole;
    return true;
}

bool yaml_load_experiment(Arena *a, const char *path, Yaml **out, Error *err)
{
    const char *chain[EXTENDS_MAX + 1];
    char real[PATH_MAX];
    chain[0] = realpath(path, real) ? arena_string(a, real) : path;
    return load_extending(a, path, chain, 1, out, err);
}
