/* example_cache -- see example_cache.h. */
#include "data/example_cache.h"

#include "data/jobs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Records with a hash of their own; and those that are made between two writes. */
enum { GROUP = 256, BATCH = 8 * GROUP, MAX_HEADER = 160, HEX = HASH_HEX - 1 };

typedef struct Work {
    const ExampleCache *c;
    int64_t first; /* of the records at `made`, or of all */
    uint8_t *made;
    const uint8_t *found;
    char (*hash)[HASH_HEX]; /* one a group, counted from the first record of all */
} Work;

static int64_t n_groups(const ExampleCache *c)
{
    return (c->n + GROUP - 1) / GROUP;
}

static int64_t group_end(const ExampleCache *c, int64_t first)
{
    return first + GROUP < c->n ? first + GROUP : c->n;
}

static int header_of(const ExampleCache *c, char out[MAX_HEADER])
{
    return snprintf(out, MAX_HEADER, "seqlab examples 1 %s %lld %lld\n", c->key, (long long)c->n,
                    (long long)c->record_bytes);
}

static void make_group(void *work, int group)
{
    const Work *w = work;
    const ExampleCache *c = w->c;
    const int64_t first = w->first + (int64_t)group * GROUP, end = group_end(c, first);
    uint8_t *to = w->made + (int64_t)group * GROUP * c->record_bytes;
    for (int64_t i = first; i < end; i++) c->make(c->owner, i, to + (i - first) * c->record_bytes);
    hash_bytes(to, (size_t)((end - first) * c->record_bytes), w->hash[first / GROUP]);
}

static void hash_group(void *work, int group)
{
    const Work *w = work;
    const int64_t first = (int64_t)group * GROUP, bytes = w->c->record_bytes;
    hash_bytes(w->found + first * bytes, (size_t)((group_end(w->c, first) - first) * bytes),
               w->hash[group]);
}

/* What follows the records: hashes, a line each; the hash of header and hashes last. */
static char *trailer_of(const ExampleCache *c, char (*hash)[HASH_HEX], Arena *a, size_t *n)
{
    const size_t groups = (size_t)n_groups(c);
    char header[MAX_HEADER], all[HASH_HEX];
    const size_t begin = (size_t)header_of(c, header), lines = groups * HASH_HEX;
    char *text = arena_new_array(a, char, begin + lines + HASH_HEX);
    memcpy(text, header, begin);
    for (size_t i = 0; i < groups; i++) {
        memcpy(text + begin + i * HASH_HEX, hash[i], HEX);
        text[begin + (i + 1) * HASH_HEX - 1] = '\n';
    }
    hash_bytes(text, begin + lines, all);
    memcpy(text + begin + lines, all, HEX);
    text[begin + lines + HEX] = '\n';
    *n = lines + HASH_HEX;
    return text + begin;
}

static bool write_records(Work *w, FileWriter *file, Error *err)
{
    const ExampleCache *c = w->c;
    for (w->first = 0; w->first < c->n; w->first += BATCH) {
        int64_t n = c->n - w->first;
        if (n > BATCH) n = BATCH;
        jobs_run((int)((n + GROUP - 1) / GROUP), make_group, w);
        TRY(file_writer_add(file, w->made, (size_t)(n * c->record_bytes), err));
    }
    return true;
}

static bool write_file(Work *w, Arena *a, Error *err)
{
    char header[MAX_HEADER];
    FileWriter file;
    size_t n_trailer;
    TRY(file_writer_open(&file, w->c->path, err));
    bool ok = file_writer_add(&file, header, (size_t)header_of(w->c, header), err) &&
              write_records(w, &file, err);
    if (ok) {
        const char *trailer = trailer_of(w->c, w->hash, a, &n_trailer);
        ok = file_writer_add(&file, trailer, n_trailer, err);
    }
    if (ok) return file_writer_commit(&file, err);
    file_writer_abandon(&file);
    return false;
}

static bool make_file(Work *w, Arena *a, Error *err)
{
    void *made;
    const size_t bytes = (size_t)(BATCH * w->c->record_bytes);
    TRY(memory_map(&made, bytes, err));
    w->made = made;
    bool ok = write_file(w, a, err);
    memory_unmap(made, bytes);
    return ok;
}

static bool check_file(Work *w, const FileMap *file, Arena *a, Error *err)
{
    const ExampleCache *c = w->c;
    char header[MAX_HEADER];
    size_t n_trailer;
    const size_t begin = (size_t)header_of(c, header), records = (size_t)(c->n * c->record_bytes);
    if (file->bytes < begin || memcmp(file->data, header, begin) != 0)
        return fail(err, FAIL_DATA, NULL,
                    "%s: is not the file of these examples; remove it, or name another one",
                    c->path);
    if (file->bytes != begin + records + (size_t)(n_groups(c) + 1) * HASH_HEX)
        return fail(err, FAIL_DATA, NULL,
                    "%s: %zu bytes are not what %lld examples take; remove it", c->path,
                    file->bytes, (long long)c->n);
    w->found = file->data + begin;
    jobs_run((int)n_groups(c), hash_group, w);
    const char *trailer = trailer_of(c, w->hash, a, &n_trailer);
    if (memcmp(w->found + records, trailer, n_trailer) != 0)
        return fail(err, FAIL_DATA, NULL,
                    "%s: sha256 is not what it was when the file was written: it is damaged; "
                    "remove it",
                    c->path);
    return true;
}

bool example_cache_open(const ExampleCache *c, FileMap *file, const uint8_t **records, Error *err)
{
    Arena *a = arena_new();
    Work w = {.c = c};
    w.hash = arena_alloc(a, (size_t)n_groups(c) * HASH_HEX);
    bool ok = file_exists(c->path) || make_file(&w, a, err);
    ok = ok && file_map(c->path, file, FAIL_DATA, err);
    if (ok && !check_file(&w, file, a, err)) {
        file_unmap(file);
        ok = false;
    }
    *records = w.found;
    arena_free(a);
    return ok;
}
