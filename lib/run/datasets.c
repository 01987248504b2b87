/* datasets -- see datasets.h. */
#include "run/datasets.h"

#include "run/component.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* -- Where data are */

static bool is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* `path` as seen from the current folder, when it lies below: messages are easier to read. */
static const char *shorten(const char *path)
{
    char here[PATH_MAX];
    if (!getcwd(here, sizeof here)) return path;
    size_t n = strlen(here);
    return strncmp(path, here, n) == 0 && path[n] == '/' ? path + n + 1 : path;
}

const char *data_folder(Arena *a, const char *file)
{
    const char *chosen = getenv("SEQLAB_DATA");
    char path[PATH_MAX];
    if (chosen && *chosen) return chosen;
    if (!file || !realpath(file, path)) return "data";
    for (char *slash; (slash = strrchr(path, '/'));) {
        *slash = '\0';
        const char *data = arena_printf(a, "%s/data", path);
        if (is_folder(data)) return shorten(data);
    }
    return "data";
}

/* -- What is open */

struct DatasetsItem {
    DatasetsItem *next;
    const char *key; /* kind, options, folder, splits */
    Dataset data;
};

static const char *key_of(const Experiment *e, const char *folder, unsigned splits, Arena *a)
{
    Yaml *options = yaml_new_map(a);
    option_write(&e->dataset->options, e->dataset_options, true, a, options);
    return arena_printf(a, "%s %u %s %s", e->dataset->name, splits, folder, yaml_flow(a, options));
}

bool datasets_open(Datasets *d, const Experiment *e, unsigned splits, const Dataset **out,
                   Error *err)
{
    Arena *a = arena_new();
    const char *folder = data_folder(a, e->path), *key = key_of(e, folder, splits, a);
    DatasetsItem *item = d->first;
    while (item && strcmp(item->key, key) != 0) item = item->next;
    bool ok = true;
    if (!item) {
        item = arena_new_array(d->arena, DatasetsItem, 1);
        item->key = arena_string(d->arena, key);
        ok = dataset_open(&item->data, e->dataset, e->dataset_options,
                          arena_string(d->arena, folder), splits, d->arena, err);
        if (ok) {
            item->next = d->first;
            d->first = item;
            d->n++;
        }
    }
    arena_free(a);
    *out = ok ? &item->data : NULL;
    return ok;
}

bool datasets_identify(Datasets *d, Experiment *e, Arena *a, const Dataset **out, Error *err)
{
    const Dataset *of_reference;
    if (e->base.experiment) TRY(datasets_identify(d, e->base.experiment, a, &of_reference, err));
    if (e->teacher.experiment)
        TRY(datasets_identify(d, e->teacher.experiment, a, &of_reference, err));
    TRY(datasets_open(d, e, SPLITS_ALL, out, err));
    experiment_identify(e, a, (*out)->sha256);
    return true;
}

void datasets_close(Datasets *d)
{
    for (DatasetsItem *item = d->first; item; item = item->next) dataset_close(&item->data);
    d->first = NULL;
}
