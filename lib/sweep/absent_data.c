/* absent_data -- see absent_data.h. */
#include "sweep/absent_data.h"

#include "run/rundir.h"

#include <dirent.h>
#include <string.h>

struct AbsentDataItem {
    AbsentDataItem *next;
    const char *name;
    const DatasetKind *kind;
    char sha256[HASH_HEX];
};

const char *absent_data_find(const AbsentData *d, const Experiment *e)
{
    const AbsentDataItem *item = d->first;
    while (item && (item->kind != e->dataset || strcmp(item->name, e->name) != 0))
        item = item->next;
    return item ? item->sha256 : NULL;
}

/* False when another run of the folder was made with other data. */
static bool agree(const char *folder, char sha[HASH_HEX], Arena *a)
{
    RunRecord record;
    if (rundir_status(folder, &record, a) != RUN_DONE || !record.data_sha256[0]) return true;
    if (*sha && strcmp(sha, record.data_sha256) != 0) return false;
    memcpy(sha, record.data_sha256, HASH_HEX);
    return true;
}

const char *absent_data_add(AbsentData *d, const char *results, const Experiment *e)
{
    char sha[HASH_HEX] = "";
    bool ok = true;
    Arena *a = arena_new();
    const char *folder = arena_printf(a, "%s/%s", results, e->name);
    DIR *dir = opendir(folder);
    for (const struct dirent *entry; dir && ok && (entry = readdir(dir)) != NULL;)
        if (strlen(entry->d_name) == EXPERIMENT_ID - 1)
            ok = agree(arena_printf(a, "%s/%s", folder, entry->d_name), sha, a);
    if (dir) (void)closedir(dir);
    arena_free(a);
    if (!ok || !*sha) return NULL;
    AbsentDataItem *item = arena_new_array(d->arena, AbsentDataItem, 1);
    *item = (AbsentDataItem){
        .next = d->first, .name = arena_string(d->arena, e->name), .kind = e->dataset};
    memcpy(item->sha256, sha, sizeof sha);
    d->first = item;
    return item->sha256;
}
