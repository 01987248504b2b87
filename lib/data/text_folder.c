/* text_folder -- see text_rows.h: a folder a class, as the IMDB reviews come (Maas et al., ACL
 * 2011).
 *
 * All texts are put into one piece of memory, and hashed there; the hash also covers the labels and
 * the lengths, but no names of files, only their order. */
#include "data/text_rows.h"

#include "base/text.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

typedef struct Names {
    char **at;
    int64_t n, room;
} Names;

/* What a folder's texts come to, before they are read. */
typedef struct Listing {
    const char **path;
    int64_t *bytes;
    TextSpan *label;
    int64_t n, room, total;
    Arena *arena;
} Listing;

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Doubles an array of the arena when it is full. */
static void *grown(Arena *a, void *old, int64_t n, int64_t room, size_t item)
{
    void *bigger = arena_alloc(a, (size_t)room * item);
    if (n > 0) memcpy(bigger, old, (size_t)n * item);
    return bigger;
}

/* What stands in a folder, sorted; what begins with a dot is hidden. */
static bool list_names(const char *folder, Names *names, Arena *a, Error *err)
{
    DIR *dir = opendir(folder);
    if (!dir) return fail_errno(err, FAIL_DATA, NULL, "%s", folder);
    // NOLINTNEXTLINE(concurrency-mt-unsafe): a DIR of our own
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        if (entry->d_name[0] == '.') continue;
        if (names->n == names->room) {
            names->room = names->room ? 2 * names->room : 64;
            names->at = grown(a, names->at, names->n, names->room, sizeof *names->at);
        }
        names->at[names->n++] = arena_string(a, entry->d_name);
    }
    (void)closedir(dir);
    if (names->n > 0) qsort(names->at, (size_t)names->n, sizeof *names->at, by_bytes);
    return true;
}

static void add_text(Listing *l, const char *path, int64_t bytes, const char *label)
{
    if (l->n == l->room) {
        l->room = l->room ? 2 * l->room : 1024;
        l->path = grown(l->arena, l->path, l->n, l->room, sizeof *l->path);
        l->bytes = grown(l->arena, l->bytes, l->n, l->room, sizeof *l->bytes);
        l->label = grown(l->arena, l->label, l->n, l->room, sizeof *l->label);
    }
    l->path[l->n] = path;
    l->bytes[l->n] = bytes;
    l->label[l->n++] = (TextSpan){(const uint8_t *)label, (int64_t)strlen(label)};
    l->total += bytes;
}

static bool list_class(Listing *l, const char *folder, const char *label, Error *err)
{
    Names names = {.n = 0};
    TRY(list_names(folder, &names, l->arena, err));
    for (int64_t i = 0; i < names.n; i++) {
        struct stat st;
        const char *path = arena_printf(l->arena, "%s/%s", folder, names.at[i]);
        const size_t n = strlen(path);
        if (stat(path, &st) != 0) return fail_errno(err, FAIL_DATA, NULL, "%s", path);
        if (!S_ISREG(st.st_mode))
            return fail(err, FAIL_DATA, NULL, "%s: is no file; a class's folder holds its texts",
                        path);
        if (strcmp(path + n - 3, ".gz") == 0)
            return fail(err, FAIL_DATA, NULL, "%s: texts of a folder are not packed", path);
        add_text(l, path, st.st_size, label);
    }
    return true;
}

/* The folders of `folder`; files beside them are left alone. */
static bool list_classes(Listing *l, const char *folder, const TextColumns *c, Error *err)
{
    Names names = {.n = 0};
    TRY(list_names(folder, &names, l->arena, err));
    for (int64_t i = 0; i < names.n; i++) {
        struct stat st;
        const char *label = names.at[i], *path = arena_printf(l->arena, "%s/%s", folder, label);
        const TextSpan word = {(const uint8_t *)label, (int64_t)strlen(label)};
        if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode)) continue;
        if (!text_is_skipped(c->skip_labels, word)) TRY(list_class(l, path, label, err));
    }
    if (l->n > 0) return true;
    return fail(err, FAIL_DATA, NULL, "%s: has no folders with texts; expected one a class",
                folder);
}

static bool read_text(const char *path, int64_t bytes, uint8_t *to, Error *err)
{
    char *content;
    size_t n;
    TRY(file_read(path, (size_t)bytes, &content, &n, FAIL_DATA, err));
    memcpy(to, content, n);
    free(content);
    if (n == (size_t)bytes) return true;
    return fail(err, FAIL_DATA, NULL, "%s: became shorter while it was read", path);
}

bool text_folder_read(TextRows *rows, Dataset *d, const TextColumns *c, Arena *a, Error *err)
{
    Listing l = {.arena = a};
    void *row_, *bytes_;
    TRY(list_classes(&l, rows->path, c, err));
    TRY(dataset_memory(d, &row_, (size_t)l.n * sizeof(TextRow), err));
    TRY(dataset_memory(d, &bytes_, (size_t)l.total + 1, err));
    TextRow *row = row_;
    uint8_t *at = bytes_;
    Text content = {0};
    bool ok = true;
    for (int64_t i = 0; i < l.n && ok; i++) {
        ok = read_text(l.path[i], l.bytes[i], at, err);
        row[i] = (TextRow){.text = {{at, l.bytes[i]}}, .label = l.label[i]};
        text_addf(&content, "%s %lld\n", (const char *)l.label[i].at, (long long)l.bytes[i]);
        at += l.bytes[i];
    }
    if (ok) {
        hash_bytes(bytes_, (size_t)l.total, rows->sha256);
        text_addf(&content, "%s\n", rows->sha256);
        hash_bytes(content.data, content.n, rows->sha256);
    }
    text_free(&content);
    rows->row = row;
    rows->n = l.n;
    return ok;
}
