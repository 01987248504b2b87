/* key_names -- the names of all keys that make a run, for the nearest one of a slip. */
#include "base/text.h"
#include "run/component.h"

#include <string.h>

enum { NAMES_MAX = 2048 };

typedef struct Names {
    const char *at[NAMES_MAX];
    int n;
} Names;

static void add_names(Names *names, const OptionTable *table)
{
    for (int i = 0; i < table->n && names->n < NAMES_MAX; i++)
        names->at[names->n++] = table->options[i].name;
}

const char *experiment_nearest_key(const char *key)
{
    Component c;
    Names names = {.n = 0};
    const char *dot = strrchr(key, '.'), *last = dot ? dot + 1 : key;
    for (const TopKey *k = experiment_keys; k->name && names.n < NAMES_MAX; k++)
        names.at[names.n++] = k->name;
    for (const ExperimentBlock *b = experiment_blocks; b->name; b++) add_names(&names, b->options);
    for (int kind = 0; kind < N_COMPONENT_KINDS; kind++)
        for (int i = 0; component_at((ComponentKind)kind, i, &c); i++) add_names(&names, c.options);
    const char *near = text_nearest(last, names.at, names.n);
    return near && strcmp(near, last) == 0 ? NULL : near;
}
