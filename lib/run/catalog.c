/* catalog -- see catalog.h. */
#include "run/catalog.h"

#include "base/text.h"
#include "io/file.h"
#include "run/run_lock.h"

#include <dirent.h>
#include <fnmatch.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { DEPTH_MAX = 32, RECORD_MAX = 1 << 20 };

/* -- Finding */

static bool is_id(const char *name)
{
    return strlen(name) == EXPERIMENT_ID - 1 &&
           strspn(name, "0123456789abcdef") == EXPERIMENT_ID - 1;
}

static bool is_folder(const char *path, const struct dirent *entry)
{
    struct stat st;
    if (entry->d_type != DT_UNKNOWN) return entry->d_type == DT_DIR;
    return lstat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

typedef struct Finder {
    Catalog *catalog;
    int n_allocated;
} Finder;

static CatalogRun *next_run(Finder *f)
{
    Catalog *c = f->catalog;
    if (c->n == f->n_allocated) {
        f->n_allocated = f->n_allocated ? 2 * f->n_allocated : 256;
        CatalogRun *more = arena_new_array(c->arena, CatalogRun, f->n_allocated);
        if (c->n > 0) memcpy(more, c->runs, sizeof(CatalogRun) * (size_t)c->n);
        c->runs = more;
    }
    return &c->runs[c->n++];
}

/* Links to folders are not followed: they could lead in a circle. */
static void search(Finder *f, const char *folder, const char *name, int depth)
{
    Arena *a = f->catalog->arena;
    DIR *dir = depth < DEPTH_MAX ? opendir(folder) : NULL;
    if (!dir) return;
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        if (*entry->d_name == '.') continue;
        const char *path = arena_printf(a, "%s/%s", folder, entry->d_name);
        if (!is_folder(path, entry)) continue;
        if (is_id(entry->d_name) && *name) {
            CatalogRun *run = next_run(f);
            *run = (CatalogRun){.folder = path, .name = name, .id = arena_string(a, entry->d_name)};
            run->status = rundir_status(path, &run->record, a);
        } else {
            search(f, path,
                   *name ? arena_printf(a, "%s/%s", name, entry->d_name)
                         : arena_string(a, entry->d_name),
                   depth + 1);
        }
    }
    (void)closedir(dir);
}

static int by_folder(const void *a, const void *b)
{
    return strcmp(((const CatalogRun *)a)->folder, ((const CatalogRun *)b)->folder);
}

bool catalog_read(Catalog *c, Arena *a, const char *results, Error *err)
{
    struct stat st;
    *c = (Catalog){.arena = a};
    Finder f = {.catalog = c};
    if (stat(results, &st) == 0 && !S_ISDIR(st.st_mode))
        return fail(err, FAIL_USAGE, NULL, "%s: is no folder", results);
    search(&f, results, "", 0);
    if (c->n > 0) qsort(c->runs, (size_t)c->n, sizeof(CatalogRun), by_folder);
    return true;
}

/* -- Reading */

const Yaml *catalog_config(Catalog *c, int i)
{
    CatalogRun *run = &c->runs[i];
    if (!run->config_was_read &&
        !yaml_load(c->arena, arena_printf(c->arena, "%s/config.yaml", run->folder), &run->config,
                   NULL))
        run->config = NULL;
    run->config_was_read = true;
    return run->config;
}

static const char *json_text(const json_t *j, Arena *a)
{
    char number[32];
    if (json_is_string(j)) return arena_string(a, json_string_value(j));
    if (!json_is_number(j)) return NULL;
    text_real(number, json_number_value(j));
    return arena_string(a, number);
}

static const char *from_metrics(const CatalogRun *run, const char *key, Arena *a)
{
    json_t *metrics = json_loads(run->record.final_metrics, 0, NULL);
    const char *text = json_text(json_object_get(metrics, key), a);
    json_decref(metrics);
    return text;
}

static const char *from_record(const CatalogRun *run, const char *field, Arena *a)
{
    char *text;
    size_t n;
    if (!file_read(arena_printf(a, "%s/run.json", run->folder), RECORD_MAX, &text, &n, FAIL_RUN,
                   NULL))
        return NULL;
    json_t *record = json_loadb(text, n, 0, NULL);
    const char *value = json_text(json_object_get(record, field), a);
    json_decref(record);
    free(text);
    return value;
}

const char *catalog_value(Catalog *c, int i, const char *key)
{
    const CatalogRun *run = &c->runs[i];
    if (strcmp(key, "status") == 0) return run_status_name[run->status];
    if (strcmp(key, "name") == 0) return run->name;
    if (strcmp(key, "id") == 0) return run->id;
    if (strncmp(key, "run.", 4) == 0) return from_record(run, key + 4, c->arena);
    const char *metric = from_metrics(run, key, c->arena);
    if (metric) return metric;
    const Yaml *config = catalog_config(c, i), *y = config ? yaml_path(config, key) : NULL;
    if (!y) return NULL;
    return y->kind == YAML_SCALAR ? y->text : yaml_flow(c->arena, y);
}

/* -- Choosing */

bool catalog_filter_read(CatalogFilter *f, Arena *a, const char *word, Error *err)
{
    static const Place place = {.file = "command line"};
    const size_t n = strcspn(word, "=<>!");
    const char *op = word + n;
    const bool equal = *op && op[1] == '=';
    if (n == 0 || !*op || (*op == '!' && !equal))
        return fail(err, FAIL_USAGE, &place,
                    "'%.60s' is no condition such as status=done or optimizer.lr<0.01", word);
    *f = (CatalogFilter){.key = arena_string_n(a, word, n),
                         .value = op + 1 + (equal && *op != '='),
                         .op = *op == '='   ? FILTER_EQUAL
                               : *op == '!' ? FILTER_UNEQUAL
                               : *op == '<' ? (equal ? FILTER_AT_MOST : FILTER_LESS)
                                            : (equal ? FILTER_AT_LEAST : FILTER_MORE)};
    return true;
}

static bool as_number(const char *text, double *out)
{
    char *end;
    *out = strtod(text, &end);
    return end != text && *end == '\0';
}

bool catalog_matches(Catalog *c, int i, const CatalogFilter *f)
{
    const char *text = catalog_value(c, i, f->key);
    double x, y;
    if (!text) return f->op == FILTER_UNEQUAL;
    const bool numbers = as_number(text, &x) && as_number(f->value, &y);
    const bool equal = numbers ? x == y : fnmatch(f->value, text, 0) == 0;
    if (f->op == FILTER_EQUAL) return equal;
    if (f->op == FILTER_UNEQUAL) return !equal;
    if (!numbers) return false;
    switch (f->op) {
    case FILTER_LESS:
        return x < y;
    case FILTER_MORE:
        return x > y;
    case FILTER_AT_MOST:
        return x <= y;
    default:
        return x >= y;
    }
}

/* -- Orphans */

const char *catalog_orphan(Catalog *c, int i)
{
    const CatalogRun *run = &c->runs[i];
    const char *path = arena_printf(c->arena, "%s/config.yaml", run->folder), *why = NULL;
    Experiment *e = arena_new_array(c->arena, Experiment, 1);
    Error err = {0};
    if (!file_exists(path)) return "no config.yaml";
    if (!experiment_load(e, c->arena, path, NULL, 0, &err))
        why = arena_printf(c->arena, "config.yaml is refused: %s", err.items[0].text);
    else if (yaml_get(e->root, "base") || yaml_get(e->root, "teacher"))
        return NULL; /* its id covers the ids of others */
    else if (!run->record.data_sha256[0])
        why = run->status == RUN_ABSENT ? "run.json is missing or damaged" : NULL;
    else
        experiment_identify(e, c->arena, run->record.data_sha256);
    if (!why && e->id[0] && strcmp(e->id, run->id) != 0)
        why = arena_printf(c->arena, "its configuration has the id %s with this version", e->id);
    return why;
}

bool catalog_remove(const CatalogRun *run, Error *err)
{
    if (run_lock_held(run->folder))
        return fail(err, FAIL_RUN, NULL, "%s: is being run; nothing was removed", run->folder);
    return folder_remove(run->folder, err);
}
