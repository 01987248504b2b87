/* yaml -- a tree over libyaml in which every node knows its file, line and column.
 *
 * Anchors, aliases and merge keys (<<) are resolved at load: what came by an alias has the place of
 * its anchor. `extends: other.yaml` is composed by yaml_load_experiment; overrides `a.b.0=value` by
 * yaml_override. A duplicate key is an error, and so are tags (!!str) and a second document. An
 * empty text is an empty map.
 *
 * Input is bounded: 16 MiB of UTF-8, depth 64, 1,000,000 nodes after alias expansion, 4096 keys a
 * map, 1000 anchors. All memory is the arena's. */
#ifndef SEQLAB_IO_YAML_H
#define SEQLAB_IO_YAML_H

#include "base/arena.h"
#include "base/error.h"

#include <stdint.h>

enum {
    YAML_DEPTH_MAX = 64, /* of a node below the root */
    YAML_KEY_MAX = 127   /* bytes of a key: libyaml reads no key of over 1024 characters, escaped */
};

typedef enum YamlKind { YAML_NULL, YAML_SCALAR, YAML_LIST, YAML_MAP } YamlKind;

typedef struct Yaml Yaml;
struct Yaml {
    YamlKind kind;
    int n;              /* number of children */
    Place at;           /* of the value */
    Place key_at;       /* of its key, when it stands in a map */
    const char *from;   /* " (from shape.yaml:4)" when it came by extends, else "" */
    const char *key;    /* in a map, else NULL */
    const char *text;   /* scalar text, unquoted */
    bool quoted;        /* a quoted scalar is always a string */
    Yaml *first, *next; /* children in order */
};

/* `name` is how messages call the source. Fails with FAIL_CONFIG. */
bool yaml_parse(Arena *a, const char *text, size_t n, const char *name, Yaml **out,
                Error *err) MUST_CHECK;
/* The path "-" is standard input, which keeps its text: it can be loaded again. */
bool yaml_load(Arena *a, const char *path, Yaml **out, Error *err) MUST_CHECK;

/* As yaml_load, then composes `extends:` (a path relative to the file, or a list of them, later
 * ones winning; maps merge key by key, lists and scalars replace; cycles are an error) and drops
 * the key. */
bool yaml_load_experiment(Arena *a, const char *path, Yaml **out, Error *err) MUST_CHECK;

/* Applies one command-line word `a.b.0=value` (value is YAML, nothing is the empty text) or
 * `a+=value` (append to a list) in place. Keys of the path may be new in the tree: whether they are
 * known is the schema's business; but a path through a scalar or past a list's end fails with
 * FAIL_USAGE, place "command line: word". */
bool yaml_override(Arena *a, Yaml *root, const char *word, Error *err) MUST_CHECK;

/* Puts `value`, whose places stay, at a dotted path below root, as an override does; fails at the
 * value's place. */
bool yaml_put(Arena *a, Yaml *root, const char *path, Yaml *value, Error *err) MUST_CHECK;

Yaml *yaml_get(const Yaml *map, const char *key); /* NULL if absent or not a map */
Yaml *yaml_path(const Yaml *root, const char *dotted);
Yaml *yaml_item(const Yaml *list, int i);

/* Typed reads; each fails at the node's place, with FAIL_CONFIG (FAIL_USAGE for what an override
 * brought): "expected a number, found the word 'adam'". Only true/false are booleans; 'yes', 'no',
 * 'on', 'off' are named as such in the message. 1e-3 is a number; nan and inf are not. Integers may
 * be written 1e6 when exact. */
bool yaml_real(const Yaml *y, double *out, Error *err) MUST_CHECK;
bool yaml_int(const Yaml *y, int64_t *out, Error *err) MUST_CHECK;
bool yaml_bool(const Yaml *y, bool *out, Error *err) MUST_CHECK;
bool yaml_string(const Yaml *y, const char **out, Error *err) MUST_CHECK;

/* True when the scalar would be read as that type (unquoted). */
bool yaml_is_number(const Yaml *y);

/* fail() at the node's place, with its `from` note. Returns false. */
bool yaml_fail(const Yaml *y, Error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
bool yaml_fail_key(const Yaml *y, Error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
#ifdef __clang_analyzer__ /* see base/error.h */
#define yaml_fail(...)     ((void)(yaml_fail)(__VA_ARGS__), false)
#define yaml_fail_key(...) ((void)(yaml_fail_key)(__VA_ARGS__), false)
#endif

/* Building and writing trees (for config.yaml). yaml_write gives block style, scalars quoted when a
 * reader would take them for another type; what it writes, yaml_parse reads back equal. */
Yaml *yaml_new_map(Arena *a);
Yaml *yaml_new_list(Arena *a);
Yaml *yaml_new_scalar(Arena *a, const char *text, bool quoted);
void yaml_append(Arena *a, Yaml *parent, const char *key, Yaml *child); /* key NULL for a list */
void yaml_set(Arena *a, Yaml *map, const char *key, Yaml *child);       /* replaces or appends */
bool yaml_remove(Yaml *map, const char *key);
Yaml *yaml_copy(Arena *a, const Yaml *y);
int yaml_height(const Yaml *y); /* levels below the node: 0 for a scalar */
char *yaml_write(Arena *a, const Yaml *y);
/* In one line, "[64, 128]" or "{name: ema, decay: 0.9}": as it stands after key= on a command
 * line. */
char *yaml_flow(Arena *a, const Yaml *y);

/* Valid UTF-8 without control characters. */
bool yaml_is_text(const char *s);

#endif
