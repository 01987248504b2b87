/* run_find -- rundir_resolve: from what the user typed to a run folder. */
#include "run/rundir.h"

#include "base/text.h"
#include "io/file.h"

#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

enum { PATH_MAX_BYTES = 4096, DEPTH_MAX = 32, SHORTEST_PREFIX = 4, SHOWN = 4 };

static bool is_hex(const char *word)
{
    return *word && strspn(word, "0123456789abcdef") == strlen(word);
}

static bool is_run_folder(const char *path)
{
    char file[PATH_MAX_BYTES + 16];
    (void)snprintf(file, sizeof file, "%.4095s/run.json", path);
    if (file_exists(file)) return true;
    (void)snprintf(file, sizeof file, "%.4095s/config.yaml", path);
    return file_exists(file);
}

typedef struct Find {
    const char *prefix;
    char *out; /* the first that fits */
    int n;
    Text list; /* all that fit, for the message */
} Find;

static void take(Find *f, const char *path)
{
    if (f->n == 0) (void)snprintf(f->out, PATH_MAX_BYTES, "%s", path);
    if (f->n < SHOWN) text_addf(&f->list, "%s%s", f->n ? ", " : "", path);
    f->n++;
}

/* Descends where no run lies: 1,000 runs cost as many entries read, none opened. Links to folders
 * are not followed: they could lead in a circle. */
static void search_folder(Find *f, const char *folder, int depth)
{
    DIR *dir = depth < DEPTH_MAX ? opendir(folder) : NULL;
    if (!dir) return;
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        char path[PATH_MAX_BYTES];
        struct stat st;
        const char *name = entry->d_name;
        bool is_id = strlen(name) == EXPERIMENT_ID - 1 && is_hex(name);
        if (*name == '.') continue;
        if (is_id && strncmp(name, f->prefix, strlen(f->prefix)) != 0) continue;
        if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path) continue;
        if (entry->d_type != DT_DIR &&
            (entry->d_type != DT_UNKNOWN || lstat(path, &st) != 0 || !S_ISDIR(st.st_mode)))
            continue;
        if (!is_id)
            search_folder(f, path, depth + 1);
        else if (is_run_folder(path))
            take(f, path);
    }
    (void)closedir(dir);
}

/* The word names a folder, or a file in it. */
static bool as_path(const char *word, char out[PATH_MAX_BYTES])
{
    if (strlen(word) >= PATH_MAX_BYTES) return false;
    (void)snprintf(out, PATH_MAX_BYTES, "%s", word);
    size_t n = strlen(out);
    while (n > 1 && out[n - 1] == '/') out[--n] = '\0';
    if (is_run_folder(out)) return true;
    char *slash = strrchr(out, '/');
    if (!slash || !file_exists(out)) return false;
    if (strcmp(slash, "/config.yaml") != 0 && strcmp(slash, "/run.json") != 0) return false;
    *slash = '\0';
    return true;
}

bool rundir_resolve(const char *results, const char *word, char out[PATH_MAX_BYTES], Error *err)
{
    if (as_path(word, out)) return true;
    size_t n = strlen(word);
    if (!is_hex(word) || n >= EXPERIMENT_ID)
        return fail(err, FAIL_USAGE, NULL, "%.200s: is neither a run folder nor the id of one",
                    word);
    if (n < SHORTEST_PREFIX)
        return fail(err, FAIL_USAGE, NULL, "%s: give at least %d digits of a run's id", word,
                    SHORTEST_PREFIX);
    Find f = {.prefix = word, .out = out};
    search_folder(&f, results, 0);
    bool ok = f.n == 1;
    if (f.n == 0)
        (void)fail(err, FAIL_USAGE, NULL, "%s: no run under %s has an id that starts so", word,
                   results);
    else if (f.n > 1)
        (void)fail(err, FAIL_USAGE, NULL, "%s: %d runs have an id that starts so: %s%s", word, f.n,
                   f.list.data, f.n > SHOWN ? ", ..." : "");
    text_free(&f.list);
    return ok;
}
