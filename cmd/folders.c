/* folders -- see folders.h. */
#include "cmd/folders.h"

#include <glob.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *from_environment(void)
{
    const char *path = getenv("SEQLAB_DATA");
    return path && *path ? path : NULL;
}

static bool has_recipe(const char *folder, Arena *a)
{
    glob_t found;
    bool any = glob(arena_printf(a, "%s/*.yaml", folder), GLOB_NOSORT, NULL, &found) == 0;
    if (any) globfree(&found);
    return any;
}

/* The folder that the running program is in, or NULL. */
static const char *program_folder(Arena *a)
{
    char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    if (n <= 0) return NULL;
    path[n] = '\0';
    char *slash = strrchr(path, '/');
    if (!slash) return NULL;
    *slash = '\0';
    return arena_string(a, path);
}

bool folder_of_recipes(Arena *a, const char **out, Error *err)
{
    const char *program = program_folder(a);
    const char *const candidates[] = {
        from_environment(),
        "data",
        program ? arena_printf(a, "%s/../share/seqlab/data", program) : NULL,
        program ? arena_printf(a, "%s/data", program) : NULL,
    };
    for (size_t i = 0; i < sizeof candidates / sizeof candidates[0]; i++) {
        if (!candidates[i] || !has_recipe(candidates[i], a)) continue;
        *out = candidates[i];
        return true;
    }
    return fail(err, FAIL_DATA, NULL,
                "no data/*.yaml here, in $SEQLAB_DATA, or where seqlab is installed: set "
                "SEQLAB_DATA to the folder that holds the recipes");
}
