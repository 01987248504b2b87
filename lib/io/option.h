/* option -- an option table: the one source for YAML validation, defaults, `seqlab list`, help and
 * ids.
 *
 * A component (method, model, optimizer, schedule, dataset, the train block) declares a plain
 * struct and one row an option. option_read fills the struct from a YAML map: unknown keys, wrong
 * types and values out of range are errors with place and nearest name; absent keys get the row's
 * default. */
#ifndef SEQLAB_IO_OPTION_H
#define SEQLAB_IO_OPTION_H

#include "io/yaml.h"

typedef enum OptionType {
    OPTION_INT,    /* int64_t */
    OPTION_REAL,   /* double */
    OPTION_BOOL,   /* bool */
    OPTION_ENUM,   /* int: index into choices */
    OPTION_SET,    /* unsigned: bit i for choice i; written as a list: [flip, crop] */
    OPTION_STRING, /* const char *, NULL when the default is "" */
    OPTION_INTS,   /* IntList: a list of integers, or one integer */
    OPTION_STEPS,  /* Steps: 2000 (steps), "10ep" or "500it" */
    OPTION_PATH,   /* PathList: a file or folder, or a list of them; never part of an id */
    OPTION_COUNTS, /* CountMap: a map from names to integers */
    OPTION_NAMES,  /* NameList: a list of names, or one */
    OPTION_TREE,   /* no field: read by the component itself; `choices` says what may stand there */
} OptionType;

enum { OPTION_LIST_MAX = 32 };
typedef struct IntList {
    int n;
    int64_t at[OPTION_LIST_MAX];
} IntList;

/* What names stand for is the component's to check, once it knows them: each has the node that it
 * was read from, for messages (NULL: not from a file). Written in the order of the names, so that
 * an id does not depend on the file's. The names are in the YAML arena. */
enum { COUNT_MAP_MAX = 192, NAME_LIST_MAX = 64 };
typedef struct NamedCount {
    const char *name;
    int64_t count;
    const Yaml *from;
} NamedCount;
typedef struct CountMap {
    int n;
    NamedCount at[COUNT_MAP_MAX];
} CountMap;
typedef struct NameList {
    int n;
    struct {
        const char *name;
        const Yaml *from;
    } at[NAME_LIST_MAX];
} NameList;
const NamedCount *count_map_find(const CountMap *map, const char *name); /* NULL if absent */

/* Paths made absolute as they are read: a relative one belongs to the folder of the YAML file it
 * stands in, or to the current folder when it came from the command line. What stands there enters
 * a run id by its content, so a path is not part of the canonical text. */
enum { PATH_LIST_BYTES = 8192 };
typedef struct PathList {
    int n;
    char text[PATH_LIST_BYTES]; /* n strings, one after the other, each with its 0 */
} PathList;
const char *path_list_at(const PathList *paths, int i); /* NULL when there are not so many */

/* A length of training: steps (optimizer updates) or epochs, resolved once the data are known. */
typedef struct Steps {
    double count;
    bool epochs;
} Steps;
int64_t steps_resolve(Steps s, int64_t steps_per_epoch);

typedef struct Option {
    const char *name;
    OptionType type;
    size_t offset;       /* in the options struct */
    const char *value;   /* the default, as YAML text */
    double min, max;     /* for numbers (and each list item), inclusive */
    const char *choices; /* OPTION_ENUM, OPTION_SET: "a|b|c"; OPTION_TREE: "key or list of keys" */
    const char *help;    /* one line, with the unit */
} Option;

#define OPT_INT(S, field, value, min, max, help)                                                   \
    {                                                                                              \
#field, OPTION_INT, offsetof(S, field), #value, min, max, NULL, help                       \
    }
#define OPT_REAL(S, field, value, min, max, help)                                                  \
    {                                                                                              \
#field, OPTION_REAL, offsetof(S, field), #value, min, max, NULL, help                      \
    }
#define OPT_BOOL(S, field, value, help)                                                            \
    {                                                                                              \
#field, OPTION_BOOL, offsetof(S, field), #value, 0, 1, NULL, help                          \
    }
#define OPT_ENUM(S, field, choices, value, help)                                                   \
    {                                                                                              \
#field, OPTION_ENUM, offsetof(S, field), value, 0, 0, choices, help                        \
    }
#define OPT_SET(S, field, choices, value, help)                                                    \
    {                                                                                              \
#field, OPTION_SET, offsetof(S, field), value, 0, 0, choices, help                         \
    }
#define OPT_STRING(S, field, value, help)                                                          \
    {                                                                                              \
#field, OPTION_STRING, offsetof(S, field), value, 0, 0, NULL, help                         \
    }
#define OPT_INTS(S, field, value, min, max, help)                                                  \
    {                                                                                              \
#field, OPTION_INTS, offsetof(S, field), value, min, max, NULL, help                       \
    }
#define OPT_STEPS(S, field, value, help)                                                           \
    {                                                                                              \
#field, OPTION_STEPS, offsetof(S, field), value, 0, 1e12, NULL, help                       \
    }

#define OPT_PATH(S, field, max_paths, help)                                                        \
    {                                                                                              \
#field, OPTION_PATH, offsetof(S, field), "", 0, max_paths, NULL, help                      \
    }

#define OPT_COUNTS(S, field, min, max, help)                                                       \
    {                                                                                              \
#field, OPTION_COUNTS, offsetof(S, field), "", min, max, NULL, help                        \
    }
#define OPT_NAMES(S, field, help)                                                                  \
    {                                                                                              \
#field, OPTION_NAMES, offsetof(S, field), "", 0, 0, NULL, help                             \
    }

/* In a table so that it is known: by name for the nearest one, and to help and manuals. `value` is
 * what absence means. */
#define OPT_TREE(name, form, value, help)                                                          \
    {                                                                                              \
#name, OPTION_TREE, 0, value, 0, 0, form, help                                             \
    }

typedef struct OptionTable {
    const Option *options; /* n rows */
    int n;
    size_t bytes; /* of the struct */
} OptionTable;

/* Of a table whose rows are all OPT_TREE. */
#define OPTION_TREE_TABLE(rows)                                                                    \
    {                                                                                              \
        rows, (int)(sizeof(rows) / sizeof((rows)[0])), 0                                           \
    }

#define OPTION_TABLE(S, rows)                                                                      \
    {                                                                                              \
        rows, (int)(sizeof(rows) / sizeof((rows)[0])), sizeof(S)                                   \
    }

/* Fills `out` (table.bytes) from map `y` (NULL or YAML_NULL: all defaults). Keys listed in `also`
 * (NULL- terminated, may be NULL: "name" and such) are allowed and skipped. `where` names the map
 * in messages ("in model 'mlp'"). Reports every mistake; false if there was one. Strings point into
 * the YAML arena. */
bool option_read(const OptionTable *table, const Yaml *y, const char *const also[],
                 const char *where, void *out, Error *err) MUST_CHECK;

/* Appends the value of every option to `map` (with_defaults) or only those that differ from their
 * default, in canonical text, sorted by name: config.yaml, and the text that the run id hashes.
 * Paths are written with_defaults only. */
void option_write(const OptionTable *table, const void *values, bool with_defaults, Arena *a,
                  Yaml *map);

/* One option's value in canonical text, "[64, 128]", "0.001", "adam"; NULL when there is none of
 * that name. */
const char *option_value_text(const OptionTable *table, const void *values, const char *name,
                              Arena *a);

const Option *option_find(const OptionTable *table, const char *name);

/* "integer", "number", "true|false", "a|b|c", ...: the type as help prints it. */
const char *option_type_text(const Option *o);

#endif
