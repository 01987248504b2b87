/* file -- see file.h. */
#include "io/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BUFFER = 1 << 16, FOLDER_DEPTH_MAX = 32 };

bool file_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

static bool open_regular(const char *path, int *fd, size_t *bytes, FailKind kind, Error *err)
{
    struct stat st;
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe must not hold us up */
    if (*fd < 0) return fail_errno(err, kind, NULL, "%s: cannot be read", path);
    if (fstat(*fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        (void)close(*fd);
        return fail(err, kind, NULL, "%s: is not a regular file", path);
    }
    *bytes = (size_t)st.st_size;
    return true;
}

bool file_read(const char *path, size_t max_bytes, char **out, size_t *n, FailKind kind, Error *err)
{
    int fd;
    size_t bytes, done = 0;
    *out = NULL;
    TRY(open_regular(path, &fd, &bytes, kind, err));
    if (bytes > max_bytes) {
        (void)close(fd);
        return fail(err, kind, NULL, "%s: %zu bytes; at most %zu are read here", path, bytes,
                    max_bytes);
    }
    char *data = malloc(bytes + 1);
    ssize_t got = data ? 1 : -1;
    while (done < bytes && got > 0) {
        got = read(fd, data + done, bytes - done);
        if (got < 0 && errno == EINTR)
            got = 1;
        else if (got > 0)
            done += (size_t)got;
    }
    if (got < 0) {
        (void)fail_errno(err, kind, NULL, "%s: cannot be read", path);
        (void)close(fd);
        free(data);
        return false;
    }
    (void)close(fd);
    data[done] = '\0';
    *out = data;
    *n = done;
    return true;
}

bool file_map(const char *path, FileMap *out, FailKind kind, Error *err)
{
    int fd;
    *out = (FileMap){0};
    TRY(open_regular(path, &fd, &out->bytes, kind, err));
    if (out->bytes > 0) {
        void *data = mmap(NULL, out->bytes, PROT_READ, MAP_PRIVATE, fd, 0);
        if (data == MAP_FAILED) {
            (void)fail_errno(err, kind, NULL, "%s: cannot be mapped", path);
            (void)close(fd);
            *out = (FileMap){0};
            return false;
        }
        out->data = data;
    }
    (void)close(fd);
    return true;
}

void file_unmap(FileMap *map)
{
    if (map->data) (void)munmap((void *)(uintptr_t)map->data, map->bytes);
    *map = (FileMap){0};
}

void file_map_release(const void *at, size_t bytes)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    const uintptr_t first = (uintptr_t)at / page * page, end = (uintptr_t)at + bytes;
    if (bytes > 0) (void)madvise((void *)first, end - first, MADV_DONTNEED);
}

/* SEQLAB_FAULT=write:N makes the N-th write to disk fail as a full disk does: tests walk through
 * all of them. */
static bool fault_now(void)
{
    static atomic_int calls;
    const char *fault = getenv("SEQLAB_FAULT");
    if (!fault || strncmp(fault, "write:", 6) != 0) return false;
    if (atomic_fetch_add(&calls, 1) + 1 != atoi(fault + 6)) return false;
    errno = ENOSPC;
    return true;
}

static bool flush_buffer(FileWriter *w, const char *data, size_t n, Error *err)
{
    while (n > 0) {
        ssize_t done = fault_now() ? -1 : write(w->fd, data, n);
        if (done < 0 && errno == EINTR) continue;
        if (done < 0) {
            w->failed = true;
            return fail_errno(err, FAIL_RUN, NULL, "%s: cannot be written", w->path);
        }
        data += done;
        n -= (size_t)done;
    }
    return true;
}

bool file_writer_open(FileWriter *w, const char *path, Error *err)
{
    *w = (FileWriter){.fd = -1};
    if (strlen(path) + 16 > sizeof w->path)
        return fail(err, FAIL_RUN, NULL, "%.60s...: path too long", path);
    (void)snprintf(w->path, sizeof w->path, "%s", path);
    (void)snprintf(w->temporary, sizeof w->temporary, "%.4080s.tmp%d", path, (int)getpid());
    w->buffer = malloc(BUFFER);
    if (!w->buffer) return fail(err, FAIL_RUN, NULL, "out of memory");
    (void)unlink(w->temporary); /* a dead process may have had our pid */
    w->fd = open(w->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (w->fd >= 0) return true;
    (void)fail_errno(err, FAIL_RUN, NULL, "%s: cannot be written", path);
    free(w->buffer);
    w->buffer = NULL;
    return false;
}

bool file_writer_add(FileWriter *w, const void *data, size_t n, Error *err)
{
    if (w->n_buffered + n > BUFFER) {
        size_t buffered = w->n_buffered;
        w->n_buffered = 0;
        TRY(flush_buffer(w, w->buffer, buffered, err));
    }
    if (n > BUFFER) return flush_buffer(w, data, n, err);
    if (n > 0) memcpy(w->buffer + w->n_buffered, data, n);
    w->n_buffered += n;
    return true;
}

static bool sync_folder_of(const char *path)
{
    char folder[4096];
    (void)snprintf(folder, sizeof folder, "%s", path);
    char *slash = strrchr(folder, '/');
    if (slash) slash[slash == folder] = '\0';
    int fd = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return false;
    bool ok = fsync(fd) == 0;
    (void)close(fd);
    return ok;
}

bool file_writer_commit(FileWriter *w, Error *err)
{
    size_t n = w->n_buffered;
    w->n_buffered = 0;
    bool ok = !w->failed && flush_buffer(w, w->buffer, n, err);
    if (ok && fsync(w->fd) != 0)
        ok = fail_errno(err, FAIL_RUN, NULL, "%s: cannot be written", w->path);
    if (close(w->fd) != 0 && ok)
        ok = fail_errno(err, FAIL_RUN, NULL, "%s: cannot be written", w->path);
    w->fd = -1;
    if (ok && rename(w->temporary, w->path) != 0)
        ok = fail_errno(err, FAIL_RUN, NULL, "%s: cannot be replaced", w->path);
    if (ok) (void)sync_folder_of(w->path);
    if (!ok) (void)unlink(w->temporary);
    free(w->buffer);
    w->buffer = NULL;
    return ok;
}

void file_writer_abandon(FileWriter *w)
{
    if (w->fd >= 0) {
        (void)close(w->fd);
        (void)unlink(w->temporary);
    }
    free(w->buffer);
    *w = (FileWriter){.fd = -1};
}

bool file_replace(const char *path, const void *data, size_t n, Error *err)
{
    FileWriter w;
    TRY(file_writer_open(&w, path, err));
    if (!file_writer_add(&w, data, n, err)) {
        file_writer_abandon(&w);
        return false;
    }
    return file_writer_commit(&w, err);
}

bool folder_make(const char *path, Error *err)
{
    char part[4096];
    if (!*path) return fail(err, FAIL_RUN, NULL, "a folder without a name cannot be made");
    if (strlen(path) >= sizeof part)
        return fail(err, FAIL_RUN, NULL, "%.60s...: path too long", path);
    (void)snprintf(part, sizeof part, "%s", path);
    for (char *at = part + 1;; at++) {
        if (*at != '/' && *at != '\0') continue;
        char keep = *at;
        *at = '\0';
        if (mkdir(part, 0777) != 0 && errno != EEXIST)
            return fail_errno(err, FAIL_RUN, NULL, "%s: cannot be made", part);
        *at = keep;
        if (keep == '\0') break;
    }
    struct stat st;
    if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode))
        return fail(err, FAIL_RUN, NULL, "%s: is not a folder", path);
    return true;
}

/* Removes `name` in the folder `parent`; a symlink goes, not what it points to. */
static bool remove_entry(int parent, const char *name, int depth)
{
    if (unlinkat(parent, name, 0) == 0) return true;
    if (errno != EISDIR && errno != EPERM) return false;
    if (depth == FOLDER_DEPTH_MAX) {
        errno = ELOOP;
        return false;
    }
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return false;
    DIR *dir = fdopendir(fd);
    bool ok = dir != NULL;
    for (struct dirent *e; ok && (e = readdir(dir)) != NULL;) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
        ok = remove_entry(fd, e->d_name, depth + 1);
    }
    int number = errno;
    if (dir)
        (void)closedir(dir);
    else
        (void)close(fd);
    errno = number;
    return ok && unlinkat(parent, name, AT_REMOVEDIR) == 0;
}

bool folder_remove(const char *path, Error *err)
{
    if (remove_entry(AT_FDCWD, path, 0) || errno == ENOENT) return true;
    if (errno == ELOOP)
        return fail(err, FAIL_RUN, NULL, "%s: cannot be removed: over %d folders deep", path,
                    FOLDER_DEPTH_MAX);
    return fail_errno(err, FAIL_RUN, NULL, "%s: cannot be removed", path);
}

bool folder_replace(const char *from, const char *to, Error *err)
{
    char old[4096];
    if (snprintf(old, sizeof old, "%s.old", to) >= (int)sizeof old)
        return fail(err, FAIL_RUN, NULL, "%.60s...: path too long", to);
    bool moved = file_exists(to);
    if (moved) {
        TRY(folder_remove(old, err));
        if (rename(to, old) != 0)
            return fail_errno(err, FAIL_RUN, NULL, "%s: cannot be replaced", to);
    }
    if (rename(from, to) != 0) {
        (void)fail_errno(err, FAIL_RUN, NULL, "%s: cannot be replaced by %s", to, from);
        if (moved && rename(old, to) != 0) error_note(err, "the old one is %s now", old);
        return false;
    }
    (void)sync_folder_of(to);
    return folder_remove(old, err);
}

bool folder_recover(const char *to, Error *err)
{
    char old[4096];
    if (snprintf(old, sizeof old, "%s.old", to) >= (int)sizeof old) return true;
    if (!file_exists(old)) return true;
    if (file_exists(to)) return folder_remove(old, err);
    if (rename(old, to) != 0) return fail_errno(err, FAIL_RUN, NULL, "%s: cannot be put back", to);
    return true;
}
