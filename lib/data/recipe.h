/* recipe -- data/NAME.yaml: where a data set comes from, how large it is, its SHA-256 and licence.
 *
 *   name, summary, licence, citation, debian: {package, folder}
 *   files: [{name, url, bytes, sha256, unpack: tar.gz|none, holds: [{name, bytes, sha256}]}]
 * An archive is unpacked without its top folder; what it `holds` then stands beside where it stood,
 * and the archive goes. `seqlab data get` runs curl (Debian's package) with resume; what arrives is
 * verified before it gets its name. */
#ifndef SEQLAB_DATA_RECIPE_H
#define SEQLAB_DATA_RECIPE_H

#include "base/hash.h"
#include "io/yaml.h"

enum { RECIPE_MAX_FILES = 16, RECIPE_MAX_HELD = 16 };

/* A file as it lies in the data folder. */
typedef struct RecipeItem {
    const char *name, *sha256; /* sha256 may be NULL: then only the size is checked */
    int64_t bytes;
} RecipeItem;

typedef struct RecipeFile {
    const char *name, *url, *sha256, *unpack; /* unpack: "tar.gz" or NULL */
    int64_t bytes;
    RecipeItem held[RECIPE_MAX_HELD]; /* of an archive */
    int n_held;
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
 * saying what to run. A file counts with .gz added or taken away as well. */
bool recipe_find_file(Arena *a, const char *folder, const char *set, const char *debian_folder,
                      const char *name, const char **out, Error *err) MUST_CHECK;

/* Checks sizes and SHA-256 of what is there; reports every bad or missing file. Files of Debian's
 * package are Debian's to check. */
bool recipe_verify(const Recipe *r, const char *folder, Error *err) MUST_CHECK;
/* Downloads what is missing (resuming a partial file), verifies, unpacks. `report` gets one line a
 * file, before the wait. */
bool recipe_get(const Recipe *r, const char *folder, void (*report)(void *, const char *),
                void *owner, Error *err) MUST_CHECK;

/* The files of an entry as they lie in the data folder: what an archive holds, or the file itself.
 */
int recipe_items(const RecipeFile *f, RecipeItem items[RECIPE_MAX_HELD]);
/* Size and SHA-256 of the file at `path`. */
bool recipe_check_item(const RecipeItem *item, const char *path, Error *err) MUST_CHECK;

#endif
