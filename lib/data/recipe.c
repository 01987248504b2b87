/* recipe -- see recipe.h. Downloading is in recipe_get.c. */
#include "data/recipe.h"

#include "data/files.h"
#include "io/file.h"
#include "io/option.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MAX_RECIPES = 64, PATH_BYTES = 4096 };

/* -- Loading */

#define MAX_FILE_BYTES 1e15

static const Option item_options[] = {
    OPT_STRING(RecipeItem, name, "", "file name"),
    OPT_STRING(RecipeItem, sha256, "", "SHA-256 in hexadecimal"),
    OPT_INT(RecipeItem, bytes, 0, 0, MAX_FILE_BYTES, "size"),
};
static const OptionTable item_table = OPTION_TABLE(RecipeItem, item_options);

static const Option file_options[] = {
    OPT_STRING(RecipeFile, name, "", "file name"),
    OPT_STRING(RecipeFile, url, "", "where it comes from"),
    OPT_STRING(RecipeFile, sha256, "", "SHA-256 in hexadecimal"),
    OPT_STRING(RecipeFile, unpack, "none", "tar.gz or none"),
    OPT_INT(RecipeFile, bytes, 0, 0, MAX_FILE_BYTES, "size"),
};
static const OptionTable file_table = OPTION_TABLE(RecipeFile, file_options);

static const Option recipe_options[] = {
    OPT_STRING(Recipe, name, "", "of the data set"),
    OPT_STRING(Recipe, summary, "", "one line"),
    OPT_STRING(Recipe, licence, "", "as its authors state it"),
    OPT_STRING(Recipe, citation, "", "what to cite"),
};
static const OptionTable recipe_table = OPTION_TABLE(Recipe, recipe_options);

/* A name must stay in its folder. */
static bool check_name(const Yaml *y, const char *name, Error *err)
{
    if (name && *name != '.' && !strchr(name, '/')) return true;
    return yaml_fail(y, err, "expected a plain file name in 'name', found '%.60s'",
                     name ? name : "");
}

static bool check_sha256(const Yaml *y, const char *sha256, Error *err)
{
    if (!sha256) return true;
    if (strlen(sha256) == HASH_HEX - 1 && strspn(sha256, "0123456789abcdef") == HASH_HEX - 1)
        return true;
    return yaml_fail(y, err, "sha256: expected 64 lower-case hexadecimal digits");
}

static bool read_held(const Yaml *list, RecipeFile *f, Error *err)
{
    for (const Yaml *c = list ? list->first : NULL; c; c = c->next) {
        if (f->n_held == RECIPE_MAX_HELD)
            return yaml_fail(c, err, "an archive holds at most %d files", RECIPE_MAX_HELD);
        RecipeItem *item = &f->held[f->n_held++];
        TRY(option_read(&item_table, c, NULL, "in holds", item, err));
        TRY(check_name(c, item->name, err));
        TRY(check_sha256(c, item->sha256, err));
    }
    return true;
}

static bool read_file(const Yaml *y, RecipeFile *f, Error *err)
{
    static const char *const also[] = {"holds", NULL};
    TRY(option_read(&file_table, y, also, "in files", f, err));
    TRY(check_name(y, f->name, err));
    TRY(check_sha256(y, f->sha256, err));
    if (!f->url) return yaml_fail(y, err, "'%s' has no url", f->name);
    if (f->unpack && strcmp(f->unpack, "none") == 0) f->unpack = NULL;
    if (f->unpack && strcmp(f->unpack, "tar.gz") != 0)
        return yaml_fail(y, err, "unpack = '%.60s': expected tar.gz or none", f->unpack);
    TRY(read_held(yaml_get(y, "holds"), f, err));
    if (!f->unpack != !f->n_held)
        return yaml_fail(y, err, "'%s': unpack and holds go together", f->name);
    return true;
}

static bool read_debian(const Yaml *y, Recipe *r, Error *err)
{
    const Yaml *package = yaml_get(y, "package"), *folder = yaml_get(y, "folder");
    if (!y) return true;
    if (!package || !folder) return yaml_fail(y, err, "debian: expected {package, folder}");
    TRY(yaml_string(package, &r->debian_package, err));
    return yaml_string(folder, &r->debian_folder, err);
}

static bool read_recipe(Arena *a, const char *path, Recipe *r, Error *err)
{
    static const char *const also[] = {"files", "debian", NULL};
    Yaml *y;
    TRY(yaml_load(a, path, &y, err));
    TRY(option_read(&recipe_table, y, also, "in a data recipe", r, err));
    TRY(check_name(y, r->name, err));
    TRY(read_debian(yaml_get(y, "debian"), r, err));
    const Yaml *files = yaml_get(y, "files");
    if (!files || files->kind != YAML_LIST || files->n < 1 || files->n > RECIPE_MAX_FILES)
        return yaml_fail(y, err, "expected a list of 1 to %d files", RECIPE_MAX_FILES);
    for (const Yaml *c = files->first; c; c = c->next)
        TRY(read_file(c, &r->files[r->n_files++], err));
    return true;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const Recipe *)a)->name, ((const Recipe *)b)->name);
}

bool recipe_load_all(Arena *a, const char *folder, Recipe **out, int *n, Error *err)
{
    DIR *dir = opendir(folder);
    *n = 0;
    if (!dir) return fail_errno(err, FAIL_DATA, NULL, "%s: no folder of data recipes", folder);
    *out = arena_new_array(a, Recipe, MAX_RECIPES);
    bool ok = true;
    for (struct dirent *e; ok && *n < MAX_RECIPES && (e = readdir(dir)) != NULL;) {
        size_t length = strlen(e->d_name);
        if (*e->d_name == '.' || length < 6 || strcmp(e->d_name + length - 5, ".yaml") != 0)
            continue;
        ok = read_recipe(a, arena_printf(a, "%s/%s", folder, e->d_name), &(*out)[(*n)++], err);
    }
    (void)closedir(dir);
    if (ok) qsort(*out, (size_t)*n, sizeof **out, by_name);
    return ok;
}

/* -- What is there */

int recipe_items(const RecipeFile *f, RecipeItem items[RECIPE_MAX_HELD])
{
    if (f->n_held == 0) {
        items[0] = (RecipeItem){.name = f->name, .sha256 = f->sha256, .bytes = f->bytes};
        return 1;
    }
    memcpy(items, f->held, (size_t)f->n_held * sizeof *items);
    return f->n_held;
}

bool recipe_find_file(Arena *a, const char *folder, const char *set, const char *debian_folder,
                      const char *name, const char **out, Error *err)
{
    *out = data_file_find(a, arena_printf(a, "%s/%s", folder, set), name);
    if (!*out && debian_folder) *out = data_file_find(a, debian_folder, name);
    return *out || fail(err, FAIL_DATA, NULL,
                        "%s is not in %s/: %s/%s is missing; run 'seqlab data get %s' on a machine "
                        "with a network",
                        set, folder, set, name, set);
}

/* How many of the recipe's items lie in `folder`, packed or not. */
static int count_in(const Recipe *r, const char *folder, int *n_items)
{
    Arena *a = arena_new();
    RecipeItem items[RECIPE_MAX_HELD];
    int found = 0;
    *n_items = 0;
    for (int i = 0; i < r->n_files; i++) {
        int n = recipe_items(&r->files[i], items);
        *n_items += n;
        for (int j = 0; j < n; j++) found += data_file_find(a, folder, items[j].name) != NULL;
    }
    arena_free(a);
    return found;
}

RecipeState recipe_state(const Recipe *r, const char *folder)
{
    char set[PATH_BYTES];
    int n;
    (void)snprintf(set, sizeof set, "%s/%s", folder, r->name);
    int found = count_in(r, set, &n);
    if (found == n) return RECIPE_PRESENT;
    if (r->debian_folder && count_in(r, r->debian_folder, &n) == n) return RECIPE_DEBIAN;
    for (int i = 0; i < r->n_files && found == 0; i++) {
        char part[PATH_BYTES + 64];
        (void)snprintf(part, sizeof part, "%s/%.40s.part", set, r->files[i].name);
        found = file_exists(part);
    }
    return found ? RECIPE_PARTIAL : RECIPE_ABSENT;
}

bool recipe_check_item(const RecipeItem *item, const char *path, Error *err)
{
    struct stat st;
    char hex[HASH_HEX];
    if (stat(path, &st) != 0) return fail_errno(err, FAIL_DATA, NULL, "%s: cannot be read", path);
    if (item->bytes > 0 && st.st_size != item->bytes)
        return fail(err, FAIL_DATA, NULL,
                    "%s: %lld bytes, the recipe says %lld: the download is damaged or the source "
                    "changed",
                    path, (long long)st.st_size, (long long)item->bytes);
    if (!item->sha256) return true;
    TRY(hash_file(path, hex, err));
    if (strcmp(hex, item->sha256) == 0) return true;
    return fail(err, FAIL_DATA, NULL,
                "%s: sha256 is %.12s..., the recipe says %.12s...: the download is damaged or the "
                "source changed",
                path, hex, item->sha256);
}

bool recipe_verify(const Recipe *r, const char *folder, Error *err)
{
    RecipeItem items[RECIPE_MAX_HELD];
    bool ok = true;
    RecipeState state = recipe_state(r, folder);
    if (state == RECIPE_DEBIAN) return true;
    for (int i = 0; i < r->n_files; i++) {
        int n = recipe_items(&r->files[i], items);
        for (int j = 0; j < n; j++) {
            char path[PATH_BYTES];
            (void)snprintf(path, sizeof path, "%s/%s/%s", folder, r->name, items[j].name);
            if (!file_exists(path) && state == RECIPE_PRESENT) continue; /* packed otherwise */
            if (!file_exists(path))
                ok = fail(err, FAIL_DATA, NULL, "%s: is missing; run 'seqlab data get %s'", path,
                          r->name);
            else if (!recipe_check_item(&items[j], path, err))
                ok = false;
        }
    }
    return ok;
}
