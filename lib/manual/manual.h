/* manual -- the reference of experiment files, made from the tables that read them.
 *
 * manual_walk visits every key of every block once; help, the Markdown list, the manual page and
 * completion are such visits. The JSON Schema (schema.c) follows the same blocks. Nothing here
 * repeats a key: a block is a row with a pointer to its option table. */
#ifndef SEQLAB_MANUAL_MANUAL_H
#define SEQLAB_MANUAL_MANUAL_H

#include "base/text.h"
#include "run/component.h"

/* One key as it is documented. Texts are static or the arena's. */
typedef struct ManualKey {
    const char *block; /* what stands before the dot: "train", "sweep.KEY"; "" at the file's top */
    const char *owner; /* "model mlp", "train" */
    const char *name;
    const char *type;
    const char *value; /* default; "" when there is none */
    const char *range; /* "[0, 1]", ">= 0"; "" */
    const char *help;
    const char *choices; /* "a|b|c" when these are all values, else NULL */
} ManualKey;

/* Any of them may be NULL. */
typedef struct ManualVisitor {
    void *self;
    void (*block)(void *self, const char *name, const char *help);
    /* n components that have the same keys, which follow */
    void (*components)(void *self, ComponentKind kind, const Component c[], int n);
    void (*key)(void *self, const ManualKey *key);
} ManualVisitor;

void manual_walk(const ManualVisitor *visitor, Arena *a);

/* `seqlab help KEY`: type, default, range, meaning and owner of every key that the dotted key (or
 * its last part) can mean, e.g. "optimizer.lr", "slurm.time", "sparsity". Text in the arena, or
 * NULL when there is none; *nearest then gets the nearest known key or NULL. */
char *manual_key_help(Arena *a, const char *key, const char **nearest);

/* The reference as Markdown (experiments/KEYS.md) and as seqlab-experiment(5) in man macros. */
void manual_markdown(Text *out);
void manual_page(Text *out);
/* A JSON Schema (draft 2020-12) that takes what the loader takes. */
bool manual_schema(Text *out, Error *err) MUST_CHECK;

/* Appends `s` as troff reads it literally: \ - ' . escaped. */
void manual_troff(Text *out, const char *s);

/* A block that no component owns: its options, and what may stand beside them. */
typedef struct ManualBlock {
    const char *name; /* "table.metric" is what stands for metric: in table: */
    const char *help;
    const OptionTable *options;
    const char *form; /* what stands for keys that are no options (forms.h); NULL: there are none */
} ManualBlock;
extern const ManualBlock manual_blocks[]; /* ends with a NULL name */

/* The JSON Schema of what an OPTION_TREE row calls its form; NULL: no such form. */
const char *manual_form(const char *form);

#endif
