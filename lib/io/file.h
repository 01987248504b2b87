/* file -- whole-file reads, atomic replacement, gzip. */
#ifndef SEQLAB_IO_FILE_H
#define SEQLAB_IO_FILE_H

#include "base/arena.h"
#include "base/error.h"

#include <stdint.h>

/* Reads all of a regular file of at most max_bytes into malloc'ed memory, with a 0 byte after it;
 * `kind` is the kind of a failure. */
bool file_read(const char *path, size_t max_bytes, char **out, size_t *n, FailKind kind,
               Error *err) MUST_CHECK;

/* A read-only mapping of a file. bytes = 0 gives data = NULL. */
typedef struct FileMap {
    const unsigned char *data;
    size_t bytes;
} FileMap;
bool file_map(const char *path, FileMap *out, FailKind kind, Error *err) MUST_CHECK;
void file_unmap(FileMap *map);
/* The pages that hold [at, at + bytes) of a mapping leave this process's memory; the next read
 * brings them back from the file. */
void file_map_release(const void *at, size_t bytes);

/* Atomic replacement: write beside (PATH.tmp<pid>), fsync, rename, fsync the folder. Until commit
 * the old file stays. After an open that succeeded call commit or, when an add failed, abandon: a
 * commit that fails and abandon remove the temporary file. Errors are FAIL_RUN with path and errno.
 * A symlink at `path` is replaced, not followed. */
typedef struct FileWriter {
    int fd;
    bool failed;
    size_t n_buffered;
    char *buffer;
    char path[4096], temporary[4096];
} FileWriter;
bool file_writer_open(FileWriter *w, const char *path, Error *err) MUST_CHECK;
bool file_writer_add(FileWriter *w, const void *data, size_t n, Error *err) MUST_CHECK;
bool file_writer_commit(FileWriter *w, Error *err) MUST_CHECK;
void file_writer_abandon(FileWriter *w);
bool file_replace(const char *path, const void *data, size_t n, Error *err) MUST_CHECK;

/* mkdir -p. FAIL_RUN. */
bool folder_make(const char *path, Error *err) MUST_CHECK;
/* Removes a folder and what is in it, 32 levels deep; symlinks are removed, not followed. That
 * there is none is a success. */
bool folder_remove(const char *path, Error *err) MUST_CHECK;
/* Renames folder `from` over folder `to` so that a reader sees the old or the new one whole (or,
 * after a kill between two renames, none but `to`.old). On failure the old one is put back. */
bool folder_replace(const char *from, const char *to, Error *err) MUST_CHECK;
/* After a kill: puts `to`.old back when there is no `to`, and removes it otherwise. */
bool folder_recover(const char *to, Error *err) MUST_CHECK;
bool file_exists(const char *path);

/* Inflates a .gz file (or reads a plain one: told apart by its magic) of at most max_bytes into
 * memory_map memory. Truncated or corrupt input fails with FAIL_DATA and the byte at which the gzip
 * member starts. Several members are read one after the other. Free with memory_unmap(*out,
 * *n_mapped). Safe in several threads. */
bool gzip_read(const char *path, size_t max_bytes, unsigned char **out, size_t *n, size_t *n_mapped,
               Error *err) MUST_CHECK;

#endif
