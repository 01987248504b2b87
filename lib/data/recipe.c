/* recipe -- see recipe.h. Downloading is in recipe_get.c. */
#include "data/recipe.h"

#include "data/files.h"

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
