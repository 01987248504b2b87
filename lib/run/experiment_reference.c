/* experiment_reference -- `base:` and `teacher:`: the other experiments that one needs, or the
 * pretrained model. */
#include "methods/peft/peft_dir.h"
#include "nn/hf_dir.h"
#include "run/experiment.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* A chain of them ends; one that does not is a circle. */
enum { CHAIN_MAX = 64 };

typedef struct ReferenceOptions {
    int checkpoint; /* 1: best */
} ReferenceOptions;

// clang-format off
static const Option rows[] = {
    OPT_TREE(file, "path", "", "the other experiment; a relative path belongs to this file's folder; required"),
    OPT_TREE(set, "map of keys and values", "", "keys of the other experiment that are given other values"),
    OPT_TREE(same, "list of keys", "", "keys that take this experiment's own values, such as train.seed"),
    OPT_ENUM(ReferenceOptions, checkpoint, "last|best", "last", "which of its weights"),
};
// clang-format on
const OptionTable reference_option_table = OPTION_TABLE(ReferenceOptions, rows);

/* A relative path belongs to the folder of the file that it stands in. */
static bool read_file(const Yaml *y, Arena *a, const char **path, Error *err)
{
    TRY(yaml_string(y, path, err));
    const char *slash = y->at.line > 0 ? strrchr(y->at.file, '/') : NULL;
    if (slash && **path != '/')
        *path = arena_printf(a, "%.*s%s", (int)(slash + 1 - y->at.file), y->at.file, *path);
    return true;
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
static bool read_references(Experiment *e, int depth, Arena *a, Error *err);

/* The base that the i-th method asks for: this experiment, with n of the method's options set. */
static bool follow_method(const Experiment *e, int i, const MethodSetting set[], int n, int depth,
                          Arena *a, Reference *out, Error *err)
{
    Yaml *root = yaml_copy(a, e->root);
    Experiment *before = arena_new_array(a, Experiment, 1);
    out->words = arena_new_array(a, const char *, e->n_words + n);
    for (int k = 0; k < e->n_words; k++) out->words[out->n_words++] = e->words[k];
    for (int k = 0; k < n; k++) {
        const char *word = arena_printf(a, "methods.%d.%s=%s", i, set[k].option, set[k].value);
        out->words[out->n_words++] = word;
        TRY(yaml_override(a, root, word, err));
    }
    TRY(experiment_from_tree(before, a, e->path, root, err));
    before->words = out->words;
    before->n_words = out->n_words;
    out->file = e->path;
    out->experiment = before;
    return read_references(before, depth + 1, a, err);
}

/* A base that the file names, as a run's own config.yaml does, must be the one the method means. */
static bool is_meant(const Experiment *e, int i, const MethodSetting set[], int n, Arena *a,
                     Error *err)
{
    const Experiment *base = e->base.experiment; /* NULL: a folder */
    const Method *method = e->methods[i].method;
    for (int k = 0; k < n; k++) {
        const char *key = arena_printf(a, "methods.%d.%s", i, set[k].option);
        const char *value = base && i < base->n_methods && base->methods[i].method == method
                                ? experiment_value(base, a, key)
                                : NULL;
        if (!value || strcmp(value, set[k].value) != 0)
            return yaml_fail(yaml_get(e->root, "base"), err,
                             "base: method '%s' starts from this experiment with its %s = %s; "
                             "leave base out",
                             method->name, set[k].option, set[k].value);
    }
    return true;
}

static bool read_base(Experiment *e, int depth, Arena *a, Error *err)
{
    TRY(read_reference(e, "base", depth, a, &e->base, err));
    for (int i = 0; i < e->n_methods; i++) {
        MethodSetting set[2];
        const Method *m = e->methods[i].method;
        const int n = m->predecessor ? m->predecessor(e->methods[i].options, a, set) : 0;
        if (n == 0) continue;
        return e->base.experiment || e->base.folder
                   ? is_meant(e, i, set, n, a, err)
                   : follow_method(e, i, set, n, depth, a, &e->base, err);
    }
    return true;
}

static bool read_references(Experiment *e, int depth, Arena *a, Error *err)
{
    return read_base(e, depth, a, err) && read_reference(e, "teacher", depth, a, &e->teacher, err);
}

static bool read_reference(const Experiment *e, const char *word, int depth, Arena *a,
                           Reference *out, Error *err)
{
    const Yaml *y = yaml_get(e->root, word), *file = y;
    if (!y || y->kind == YAML_NULL || out->folder) return true;
    if (depth == CHAIN_MAX)
        return yaml_fail(y, err, "%s: over %d experiments, each needing the next; is it a circle?",
                         word, CHAIN_MAX);
    if (y->kind == YAML_MAP) {
        ReferenceOptions o;
        const char *where = arena_printf(a, "in %s", word);
        TRY(option_read(&reference_option_table, y, NULL, where, &o, err));
        out->best = o.checkpoint == 1;
        file = yaml_get(y, "file");
    }
    if (!file) return yaml_fail(y, err, "%s: 'file' is missing: the other experiment's file", word);
    TRY(read_file(file, a, &out->file, err));
    Yaml *root;
    Experiment *other = arena_new_array(a, Experiment, 1);
    bool ok = yaml_load_experiment(a, out->file, &root, err) && apply(e, y, a, root, out, err) &&
              experiment_from_tree(other, a, out->file, root, err);
    other->words = out->words;
    other->n_words = out->n_words;
    ok = ok && read_references(other, depth + 1, a, err);
    if (!ok) {
        error_note(err, "needed as %s by %s", word, e->path);
        return false;
    }
    out->experiment = other;
    return true;
}

/* -- A pretrained model */

/* What the folder says, then what the file says: later keys win. */
static bool merge_model(Experiment *e, Arena *a, Error *err)
{
    const Model *model;
    Yaml *map, *own = yaml_get(e->root, "model");
    const Yaml *name = yaml_get(own, "name");
    TRY(hf_dir_config(e->base.folder, a, &model, &map, err));
    if (own && own->kind == YAML_SCALAR) return true; /* a mistake that is found later */
    if (name && name->kind == YAML_SCALAR && strcmp(name->text, model->name) != 0)
        return yaml_fail(name, err, "model '%.80s': base %s is a '%s'", name->text, e->base.folder,
                         model->name);
    Yaml *word = yaml_new_scalar(a, model->name, false);
    word->at.file = word->key_at.file = arena_printf(a, "%s/config.json", e->base.folder);
    yaml_set(a, map, "name", word);
    for (const Yaml *y = own ? own->first : NULL; y; y = y->next)
        if (y->kind != YAML_NULL) yaml_set(a, map, y->key, yaml_copy(a, y));
    if (own) map->at = own->at;
    yaml_set(a, e->root, "model", map);
    return true;
}

/* The adapter's method in front, unless the file has one that trains the model in such a way. */
static bool merge_method(Experiment *e, Arena *a, Error *err)
{
    Yaml *map, *list = yaml_new_list(a), *own = yaml_get(e->root, "methods");
    if (own && own->kind != YAML_NULL && own->kind != YAML_LIST) return true; /* found later */
    for (const Yaml *y = own ? own->first : NULL; y; y = y->next) {
        const Yaml *name = yaml_get(y, "name");
        const Method *m = name && name->text ? method_find(name->text) : NULL;
        if (m && peft_dir_holds(m)) return true;
    }
    TRY(peft_dir_method(e->base.adapter, e->base.folder, a, &map, err));
    yaml_append(a, list, NULL, map);
    for (const Yaml *y = own ? own->first : NULL; y; y = y->next)
        yaml_append(a, list, NULL, yaml_copy(a, y));
    if (own) list->at = own->at;
    yaml_set(a, e->root, "methods", list);
    return true;
}

static const char *whole_path(const char *path, Arena *a)
{
    char whole[PATH_MAX];
    return realpath(path, whole) ? arena_string(a, whole) : path;
}

/* Puts what the folder says into the data set, where it has such an option and the file no value.
 */
static void merge_data(const Experiment *e, const char *option, const char *value, Arena *a)
{
    Yaml *data = yaml_get(e->root, "data");
    const Yaml *name = yaml_get(data, "name");
    const DatasetKind *kind = name && name->kind == YAML_SCALAR ? dataset_find(name->text) : NULL;
    if (!kind || !option_find(&kind->options, option) || yaml_get(data, option)) return;
    Yaml *word = yaml_new_scalar(a, value, false);
    word->at.file = word->key_at.file = arena_printf(a, "%s/config.json", e->base.folder);
    yaml_set(a, data, option, word);
}

/* Text is read by the model's own tokenizer, and its answers are among the model's tokens. */
static void merge_tokens(const Experiment *e, Arena *a)
{
    const char *path = arena_printf(a, "%s/tokenizer.json", e->base.folder);
    const Yaml *vocabulary = yaml_get(yaml_get(e->root, "model"), "vocab_size");
    if (file_exists(path)) merge_data(e, "tokenizer", path, a);
    if (vocabulary && vocabulary->kind == YAML_SCALAR)
        merge_data(e, "vocab_size", vocabulary->text, a);
}

bool experiment_pretrained(Experiment *e, Arena *a, Error *err)
{
    const Yaml *y = yaml_get(e->root, "base");
    const char *path;
    if (!y || y->kind != YAML_SCALAR || !read_file(y, a, &path, NULL)) return true;
    const bool adapter = peft_dir_is(path);
    if (!adapter && !hf_dir_is(path)) return true;
    e->base.file = path;
    if (adapter) {
        e->base.adapter = whole_path(path, a);
        TRY(peft_dir_base(path, a, &path, err));
    }
    e->base.folder = whole_path(path, a);
    TRY(merge_model(e, a, err));
    merge_tokens(e, a);
    return !adapter || merge_method(e, a, err);
}

bool experiment_references(Experiment *e, Arena *a, Error *err)
{
    if (e->base.folder) TRY(hf_dir_hash(e->base.folder, e->base.sha256, err));
    if (e->base.adapter) TRY(peft_dir_hash(e->base.adapter, e->base.adapter_sha256, err));
    return read_references(e, 0, a, err);
}
