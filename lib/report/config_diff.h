/* config_diff -- the resolved configurations of many runs: what they share, and where they differ.
 *
 * A configuration is taken apart into dotted keys ("optimizer.lr", "methods.0.name"; a list of
 * scalars is one value). Memory is the arena's. */
#ifndef SEQLAB_REPORT_CONFIG_DIFF_H
#define SEQLAB_REPORT_CONFIG_DIFF_H

#include "io/yaml.h"

enum { CONFIG_VALUES = 32 }; /* distinct values of a key that are kept */

typedef struct ConfigKey {
    const char *key;
    const char *value[CONFIG_VALUES]; /* as YAML in one line */
    int count[CONFIG_VALUES];         /* runs that have it */
    int n_values;
    int n_runs; /* runs that have the key, also with values past CONFIG_VALUES */
} ConfigKey;

typedef struct ConfigDiff {
    Arena *arena;
    ConfigKey **keys;
    int n_keys, n_allocated;
    const Yaml *first; /* of the configurations; not owned */
    int n_runs;
} ConfigDiff;

/* Starts with an arena, the rest zero. The first one's tree must stay. */
void config_diff_add(ConfigDiff *d, const Yaml *config);
/* Whether all runs have the key with the same value. */
bool config_key_is_common(const ConfigDiff *d, const ConfigKey *k);
int config_diff_count(const ConfigDiff *d); /* keys that are not common */
/* What all share, as YAML; "" when that is nothing. */
const char *config_diff_common(const ConfigDiff *d);

#endif
