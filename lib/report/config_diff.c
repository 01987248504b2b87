/* config_diff -- see config_diff.h. */
#include "report/config_diff.h"

#include <string.h>

static ConfigKey *add_key(ConfigDiff *d, const char *key)
{
    if (d->n_keys == d->n_allocated) {
        d->n_allocated = d->n_allocated ? 2 * d->n_allocated : 64;
        ConfigKey **more = arena_new_array(d->arena, ConfigKey *, d->n_allocated);
        if (d->n_keys > 0) memcpy(more, d->keys, sizeof(ConfigKey *) * (size_t)d->n_keys);
        d->keys = more;
    }
    ConfigKey *k = arena_new_array(d->arena, ConfigKey, 1);
    k->key = arena_string(d->arena, key);
    return d->keys[d->n_keys++] = k;
}

/* Configurations mostly have the same keys in the same order: `at`, the one after the last found,
 * is looked at first. */
static ConfigKey *find_key(const ConfigDiff *d, const char *key, int *at)
{
    if (*at < d->n_keys && strcmp(d->keys[*at]->key, key) == 0) return d->keys[(*at)++];
    for (int i = 0; i < d->n_keys; i++) {
        if (strcmp(d->keys[i]->key, key) != 0) continue;
        *at = i + 1;
        return d->keys[i];
    }
    return NULL;
}

static void count_value(ConfigDiff *d, ConfigKey *k, const char *text)
{
    int i = 0;
    k->n_runs++;
    while (i < k->n_values && strcmp(k->value[i], text) != 0) i++;
    if (i == CONFIG_VALUES) return;
    if (i == k->n_values) k->value[k->n_values++] = arena_string(d->arena, text);
    k->count[i]++;
}

static bool is_branch(const Yaml *y)
{
    return y->n > 0 &&
           (y->kind == YAML_MAP || (y->kind == YAML_LIST && y->first->kind == YAML_MAP));
}

/* "methods" and the i-th child -> "methods.0"; of a map the child's key. */
static const char *child_key(Arena *a, const char *key, const Yaml *child, int i)
{
    const char *dot = *key ? "." : "";
    if (child->key) return arena_printf(a, "%s%s%s", key, dot, child->key);
    return arena_printf(a, "%s%s%d", key, dot, i);
}

static void walk(ConfigDiff *d, const Yaml *y, const char *key, int *at, Arena *scratch)
{
    if (is_branch(y)) {
        int i = 0;
        for (const Yaml *child = y->first; child; child = child->next)
            walk(d, child, child_key(scratch, key, child, i++), at, scratch);
        return;
    }
    ConfigKey *k = find_key(d, key, at);
    if (!k) k = add_key(d, key);
    count_value(d, k, yaml_flow(scratch, y));
}

void config_diff_add(ConfigDiff *d, const Yaml *config)
{
    Arena *scratch = arena_new();
    int at = 0;
    walk(d, config, "", &at, scratch);
    arena_free(scratch);
    if (!d->first) d->first = config;
    d->n_runs++;
}

bool config_key_is_common(const ConfigDiff *d, const ConfigKey *k)
{
    return k->n_runs == d->n_runs && k->count[0] == d->n_runs;
}

int config_diff_count(const ConfigDiff *d)
{
    int n = 0;
    for (int i = 0; i < d->n_keys; i++) n += !config_key_is_common(d, d->keys[i]);
    return n;
}

/* The common part of a tree; NULL: nothing of it is. */
static Yaml *common_part(const ConfigDiff *d, const Yaml *y, const char *key, int *at)
{
    Arena *a = d->arena;
    if (!is_branch(y)) {
        const ConfigKey *k = find_key(d, key, at);
        return k && config_key_is_common(d, k) ? yaml_copy(a, y) : NULL;
    }
    Yaml *out = y->kind == YAML_MAP ? yaml_new_map(a) : yaml_new_list(a);
    int i = 0;
    for (const Yaml *child = y->first; child; child = child->next) {
        Yaml *part = common_part(d, child, child_key(a, key, child, i++), at);
        if (part) yaml_append(a, out, child->key, part);
    }
    return out->n > 0 ? out : NULL;
}

const char *config_diff_common(const ConfigDiff *d)
{
    int at = 0;
    const Yaml *common = d->first ? common_part(d, d->first, "", &at) : NULL;
    return common ? yaml_write(d->arena, common) : "";
}
