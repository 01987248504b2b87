/* files -- see files.h. */
#include "data/files.h"

#include "data/jobs.h"
#include "io/file.h"

#include <string.h>
#include <sys/stat.h>

typedef struct Reading {
    DataFile *files;
    Error *errors; /* one a file */
    bool *ok;
    bool *known; /* sha256 is set already */
} Reading;

const char *data_file_find(Arena *a, const char *folder, const char *name)
{
    size_t n = strlen(name);
    bool packed = n > 3 && strcmp(name + n - 3, ".gz") == 0;
    const char *path = arena_printf(a, "%s/%s", folder, name);
    if (file_exists(path)) return path;
    path = packed ? arena_string_n(a, path, strlen(path) - 3) : arena_printf(a, "%s.gz", path);
    return file_exists(path) ? path : NULL;
}

static const OfficialFile *official_of_size(const DataFile *f)
{
    struct stat st;
    if (!f->official || stat(f->path, &st) != 0) return NULL;
    const OfficialFile *o = f->official;
    while (o->packed_bytes > 0 && o->packed_bytes != st.st_size) o++;
    return o->packed_bytes > 0 ? o : NULL;
}

/* Even jobs inflate a file, odd ones hash it as it lies on the disk. */
static void read_or_hash(void *reading, int i)
{
    Reading *r = reading;
    DataFile *f = &r->files[i / 2];
    if (i % 2 == 0) {
        r->ok[i / 2] =
            gzip_read(f->path, f->max_bytes, &f->bytes, &f->n, &f->n_mapped, &r->errors[i / 2]);
        return;
    }
    char packed[HASH_HEX];
    const OfficialFile *o = official_of_size(f);
    if (!o || !hash_file(f->path, packed, NULL) || strcmp(packed, o->packed) != 0) return;
    memcpy(f->sha256, o->content, HASH_HEX);
    r->known[i / 2] = true;
}

static void hash_content(void *reading, int i)
{
    Reading *r = reading;
    if (!r->known[i]) hash_bytes(r->files[i].bytes, r->files[i].n, r->files[i].sha256);
}

bool data_files_read(DataFile *files, int n, Arena *a, Error *err)
{
    Reading r = {.files = files,
                 .errors = arena_new_array(a, Error, n),
                 .ok = arena_new_array(a, bool, n),
                 .known = arena_new_array(a, bool, n)};
    jobs_run(2 * n, read_or_hash, &r);
    for (int i = 0; i < n; i++) {
        if (r.ok[i]) continue;
        (void)fail(err, r.errors[i].kind, NULL, "%s", r.errors[i].items[0].text);
        data_files_free(files, n);
        return false;
    }
    jobs_run(n, hash_content, &r);
    return true;
}

void data_files_free(DataFile *files, int n)
{
    for (int i = 0; i < n; i++) {
        memory_unmap(files[i].bytes, files[i].n_mapped);
        files[i].bytes = NULL;
        files[i].n = files[i].n_mapped = 0;
    }
}

void data_files_hash(const DataFile *files, int n, char hex[HASH_HEX])
{
    enum { MAX_FILES = 64 };
    char all[MAX_FILES * HASH_HEX];
    size_t used = 0;
    for (int i = 0; i < n && i < MAX_FILES; i++) {
        memcpy(all + used, files[i].sha256, HASH_HEX - 1);
        used += HASH_HEX;
        all[used - 1] = '\n';
    }
    hash_bytes(all, used, hex);
}
