/* experiment_reference -- `base:` and `teacher:`: the other experiments that one needs. */
#include "base/text.h"
#include "run/experiment.h"

#include <string.h>

/* A chain of them ends; one that does not is a circle. */
enum { CHAIN_MAX = 8 };

static const char *const keys[] = {"file", "set", "same", "checkpoint"};
enum { N_KEYS = sizeof keys / sizeof keys[0] };

static bool check_keys(const Yaml *map, Error *err)
{
    bool ok = true;
    for (const Yaml *y = map->first; y; y = y->next) {
        int i = 0;
        while (i < N_KEYS && strcmp(keys[i], y->key) != 0) i++;
        if (i < N_KEYS) continue;
        const char *near = text_nearest(y->key, keys, N_KEYS);
        ok = yaml_fail_key(y, err, "unknown key '%.80s' in %s%s%s%s", y->key, map->key,
                           near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
    }
    return ok;
}

/* A relative path belongs to the folder of the file that it stands in. */
static bool read_file(const Yaml *y, Arena *a, const char **path, Error *err)
{
    TRY(yaml_string(y, path, err));
    const char *slash = y->at.line > 0 ? strrchr(y->at.file, '/') : NULL;
    if (slash && **path != '/')
        *path = arena_printf(a, "%.*s%s", (int)(slash + 1 - y->at.file), y->at.file, *path);
    return true;
}

static bool read_checkpoint(const Yaml *y, bool *best, Error *err)
{
    const char *word = "last";
    if (y) TRY(yaml_string(y, &word, err));
    *best = strcmp(word, "best") == 0;
    return *best || strcmp(word, "last") == 0 ||
           yaml_fail(y, err, "checkpoint = '%.60s': expected last or best", word);
}

static bool put(Reference *out, Arena *a, Yaml *root, const char *key, const Yaml *value,
                Error *err)
{
    out->words[out->n_words++] = arena_printf(a, "%s=%s", key, yaml_flow(a, value));
    return yaml_put(a, root, key, yaml_copy(a, value), err);
}

/* Puts what `set` and `same` say into the other experiment's tree. */
static bool apply(const Experiment *e, const Yaml *y, Arena *a, Yaml *root, Reference *out,
                  Error *err)
{
    const Yaml *set = yaml_get(y, "set"), *same = yaml_get(y, "same");
    if (set && set->kind != YAML_MAP)
        return yaml_fail(set, err, "set: expected a map such as {train.seed: 1}");
    if (same && same->kind != YAML_LIST)
        return yaml_fail(same, err, "same: expected a list such as [train.seed]");
    out->words = arena_new_array(a, const char *, (set ? set->n : 0) + (same ? same->n : 0) + 1);
    for (const Yaml *c = set ? set->first : NULL; c; c = c->next)
        TRY(put(out, a, root, c->key, c, err));
    for (const Yaml *c = same ? same->first : NULL; c; c = c->next) {
        const char *key;
        TRY(yaml_string(c, &key, err));
        const Yaml *own = yaml_path(e->root, key);
        if (!own) return yaml_fail(c, err, "same: '%.80s' is not set in this experiment", key);
        TRY(put(out, a, root, key, own, err));
    }
    return true;
}

static bool read_reference(const Experiment *e, const char *word, int depth, Arena *a,
                           Reference *out, Error *err);

static bool read_references(Experiment *e, int depth, Arena *a, Error *err)
{
    return read_reference(e, "base", depth, a, &e->base, err) &&
           read_reference(e, "teacher", depth, a, &e->teacher, err);
}

static bool read_reference(const Experiment *e, const char *word, int depth, Arena *a,
                           Reference *out, Error *err)
{
    const Yaml *y = yaml_get(e->root, word), *file = y;
    if (!y || y->kind == YAML_NULL) return true;
    if (depth == CHAIN_MAX)
        return yaml_fail(y, err, "%s: over %d experiments, each needing the next; is it a circle?",
                         word, CHAIN_MAX);
    if (y->kind == YAML_MAP) {
        TRY(check_keys(y, err));
        file = yaml_get(y, "file");
        TRY(read_checkpoint(yaml_get(y, "checkpoint"), &out->best, err));
    }
    if (!file) return yaml_fail(y, err, "%s: 'file' is missing: the other experiment's file", word);
    TRY(read_file(file, a, &out->file, err));
    Yaml *root;
    Experiment *other = arena_new_array(a, Experiment, 1);
    bool ok = yaml_load_experiment(a, out->file, &root, err) && apply(e, y, a, root, out, err) &&
              experiment_from_tree(other, a, out->file, root, err) &&
              read_references(other, depth + 1, a, err);
    if (!ok) {
        error_note(err, "needed as %s by %s", word, e->path);
        return false;
    }
    out->experiment = other;
    return true;
}

bool experiment_references(Experiment *e, Arena *a, Error *err)
{
    return read_references(e, 0, a, err);
}
