/* recipe -- data/NAME.yaml: where a data set comes from, how large it is, its SHA-256 and licence.
 *
 *   name, summary, licence, citation, debian: {package, folder}
 *   files: [{name, url, bytes, sha256, unpack: tar.gz|none}]
 * `seqlab data get` runs curl (Debian's package) with resume; what arrives is verified before it
 * gets its name. */
#ifndef SEQLAB_DATA_RECIPE_H
#define SEQLAB_DATA_RECIPE_H

#include "base/hash.h"
#include "io/yaml.h"

enum { RECIPE_MAX_FILES = 16 };
typedef struct RecipeFile {
    const char *name, *url, *sha256, *unpack;
    int64_t bytes;
} RecipeFile;

typedef struct Recipe {
    const char *name, *summary, *licence, *citation;
    const char *debian_package, *debian_folder; /* or NULL */
    RecipeFile files[RECIPE_MAX_FILES];
    int n_files;
} Recipe;

/* All recipes in `folder`, sorted by name. */
bool recipe_load_all(Arena *a, const char *folder, Recipe **out, int *n, Error *err) MUST_CHECK;

typedef enum RecipeState {
    RECIPE_ABSENT,
    RECIPE_PARTIAL,
    RECIPE_PRESENT,
    RECIPE_DEBIAN
} RecipeState;
RecipeState recipe_state(const Recipe *r, const char *folder);

/* Path of file `name` of set `set`: <folder>/<set>/<name>, else Debian's folder, else FAIL_DATA
 * saying what to run. */
bool recipe_find_file(Arena *a, const char *folder, const char *set, const char *debian_folder,
                      const char *name, const char **out, Error *err) MUST_CHECK;

/* Checks sizes and SHA-256 of what is there; reports every bad file. */
bool recipe_verify(const Recipe *r, const char *folder, Error *err) MUST_CHECK;
/* Downloads what is missing (resuming a partial file), verifies, unpacks. `report` gets one line a
 * file. */
bool recipe_get(const Recipe *r, const char *folder, void (*report)(void *, const char *),
                void *owner, Error *err) MUST_CHECK;

#endif
