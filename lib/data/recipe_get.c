/* recipe_get -- downloading by curl, checking, unpacking by tar.
 *
 * A file grows as NAME.part beside its place, so that a download that was cut goes on where it
 * stopped; it gets its name once size and SHA-256 are right. What does not check is removed, since
 * going on from it could never succeed. An archive is unpacked into a folder of its own first. */
#include "data/recipe.h"

#include "base/text.h"
#include "io/file.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { PATH_BYTES = 4096, MESSAGE_BYTES = 400, NOT_STARTED = -1 };

/* -- Running a program */

/* Runs argv[0] with the first bytes of its standard error in `message` (its first line). Returns
 * its exit code, or NOT_STARTED with errno set. */
static int run_program(char *const argv[], char message[MESSAGE_BYTES])
{
    int ends[2], status;
    pid_t child;
    posix_spawn_file_actions_t actions;
    message[0] = '\0';
    if (pipe2(ends, O_CLOEXEC) != 0) return NOT_STARTED;
    int failure = posix_spawn_file_actions_init(&actions);
    if (failure == 0) {
        (void)posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
        (void)posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
        (void)posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
        failure = posix_spawnp(&child, argv[0], &actions, NULL, argv, environ);
        (void)posix_spawn_file_actions_destroy(&actions);
    }
    (void)close(ends[1]);
    size_t n = 0;
    char rest[256];
    for (ssize_t got = 1; failure == 0 && got != 0;) {
        const bool room = n + 1 < MESSAGE_BYTES;
        got = room ? read(ends[0], message + n, MESSAGE_BYTES - 1 - n)
                   : read(ends[0], rest, sizeof rest);
        if (got < 0 && errno != EINTR) break;
        if (got > 0 && room) n += (size_t)got;
    }
    message[n] = '\0';
    message[strcspn(message, "\n")] = '\0';
    (void)close(ends[0]);
    if (failure != 0) {
        errno = failure;
        return NOT_STARTED;
    }
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR) return NOT_STARTED;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* -- One file */

typedef struct Getting {
    const Recipe *recipe;
    const RecipeFile *file;
    char folder[PATH_BYTES];         /* <data folder>/<set> */
    char part[PATH_BYTES + 300];     /* <folder>/<name>.part */
    char final[PATH_BYTES + 300];    /* <folder>/<name> */
    char unpacked[PATH_BYTES + 300]; /* <folder>/<name>.unpacked */
} Getting;

/* Exit codes of curl, from its manual: 6, 7 name or host not reached, 28 timeout, 35 TLS, 56
 * connection cut. */
static bool curl_failed(const Getting *g, int code, const char *message, Error *err)
{
    const char *url = g->file->url;
    if (code == NOT_STARTED && errno == ENOENT)
        return fail(err, FAIL_DATA, NULL,
                    "%s cannot be downloaded: curl is not installed (apt install curl)", url);
    if (code == NOT_STARTED) return fail_errno(err, FAIL_RUN, NULL, "curl cannot be started");
    if (code == 6 || code == 7 || code == 28 || code == 35 || code == 56)
        return fail(err, FAIL_DATA, NULL,
                    "%s cannot be downloaded: there is no network, or the host does not answer "
                    "(%s); run 'seqlab data get %s' again to go on",
                    url, *message ? message : "curl says nothing", g->recipe->name);
    return fail(err, FAIL_DATA, NULL, "%s cannot be downloaded: %s (curl exit code %d)", url,
                *message ? message : "curl says nothing", code);
}

static int64_t size_of(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? st.st_size : -1;
}

/* Brings NAME.part to its full length; *resumed when a piece of it was there before. */
static bool download(const Getting *g, bool *resumed, Error *err)
{
    enum { RANGE_ERROR = 33 };
    char message[MESSAGE_BYTES];
    const char *argv[] = {"curl",
                          "-fsSL",
                          "--proto",
                          "=http,https,file",
                          "--retry",
                          "2",
                          "--connect-timeout",
                          "20",
                          "--speed-limit",
                          "1000",
                          "--speed-time",
                          "60",
                          "-o",
                          g->part,
                          "-C",
                          "-",
                          "--url",
                          g->file->url,
                          NULL};
    int64_t size = size_of(g->part);
    if (size == 0 || (g->file->bytes > 0 && size > g->file->bytes)) (void)unlink(g->part);
    *resumed = size_of(g->part) > 0;
    if (*resumed && size == g->file->bytes) return true;
    int code = run_program((char *const *)(uintptr_t)argv, message);
    if (code == RANGE_ERROR && *resumed) { /* the server cannot go on: from the beginning */
        (void)unlink(g->part);
        *resumed = false;
        code = run_program((char *const *)(uintptr_t)argv, message);
    }
    return code == 0 || curl_failed(g, code, message, err);
}

static bool download_checked(const Getting *g, Error *err)
{
    const RecipeItem item = {
        .name = g->file->name, .sha256 = g->file->sha256, .bytes = g->file->bytes};
    for (int attempt = 0;; attempt++) {
        bool resumed;
        Error inner = {0};
        TRY(download(g, &resumed, err));
        if (recipe_check_item(&item, g->part, &inner)) break;
        (void)unlink(g->part);
        if (attempt == 0 && resumed) continue; /* the piece was of something else */
        return fail(err, inner.kind, NULL, "%s", inner.items[0].text);
    }
    if (rename(g->part, g->final) == 0) return true;
    return fail_errno(err, FAIL_RUN, NULL, "%s: cannot be written", g->final);
}

static bool unpack_checked(const Getting *g, Error *err)
{
    char message[MESSAGE_BYTES], from[PATH_BYTES + 600], to[PATH_BYTES + 300];
    TRY(folder_remove(g->unpacked, err));
    TRY(folder_make(g->unpacked, err));
    const char *argv[] = {
        "tar", "--no-same-owner", "--strip-components=1", "-xzf", g->final, "-C", g->unpacked,
        NULL};
    int code = run_program((char *const *)(uintptr_t)argv, message);
    if (code == NOT_STARTED) return fail_errno(err, FAIL_RUN, NULL, "tar cannot be started");
    if (code != 0)
        return fail(err, FAIL_DATA, NULL, "%s: cannot be unpacked: %s (tar exit code %d)", g->final,
                    message, code);
    for (int i = 0; i < g->file->n_held; i++) {
        const RecipeItem *item = &g->file->held[i];
        (void)snprintf(from, sizeof from, "%s/%.250s", g->unpacked, item->name);
        TRY(recipe_check_item(item, from, err));
    }
    for (int i = 0; i < g->file->n_held; i++) {
        const RecipeItem *item = &g->file->held[i];
        (void)snprintf(from, sizeof from, "%s/%.250s", g->unpacked, item->name);
        (void)snprintf(to, sizeof to, "%s/%.250s", g->folder, item->name);
        if (rename(from, to) != 0)
            return fail_errno(err, FAIL_RUN, NULL, "%s: cannot be written", to);
    }
    (void)unlink(g->final);
    return folder_remove(g->unpacked, err);
}

static bool all_there(const Getting *g)
{
    RecipeItem items[RECIPE_MAX_HELD];
    const int n = recipe_items(g->file, items);
    for (int i = 0; i < n; i++) {
        char path[PATH_BYTES + 300];
        (void)snprintf(path, sizeof path, "%s/%.250s", g->folder, items[i].name);
        int64_t size = size_of(path);
        if (size < 0 || (items[i].bytes > 0 && size != items[i].bytes)) return false;
    }
    return true;
}

static bool get_file(const Getting *g, void (*report)(void *, const char *), void *owner,
                     Error *err)
{
    char line[PATH_BYTES], size[16] = "";
    const RecipeFile *f = g->file;
    const bool there = all_there(g);
    text_bytes(size, (double)f->bytes);
    if (there)
        (void)snprintf(line, sizeof line, "%s/%s: is there", g->recipe->name, f->name);
    else if (f->bytes > 0)
        (void)snprintf(line, sizeof line, "%s/%s: %s from %s", g->recipe->name, f->name, size,
                       f->url);
    else
        (void)snprintf(line, sizeof line, "%s/%s: from %s", g->recipe->name, f->name, f->url);
    if (report) report(owner, line);
    if (there) return true;
    TRY(download_checked(g, err));
    return !f->unpack || unpack_checked(g, err);
}

bool recipe_get(const Recipe *r, const char *folder, void (*report)(void *, const char *),
                void *owner, Error *err)
{
    Getting g = {.recipe = r};
    if (snprintf(g.folder, sizeof g.folder, "%s/%s", folder, r->name) >= (int)sizeof g.folder)
        return fail(err, FAIL_USAGE, NULL, "%.60s...: path too long", folder);
    TRY(folder_make(g.folder, err));
    for (int i = 0; i < r->n_files; i++) {
        g.file = &r->files[i];
        const char *name = g.file->name;
        (void)snprintf(g.part, sizeof g.part, "%s/%.250s.part", g.folder, name);
        (void)snprintf(g.final, sizeof g.final, "%s/%.250s", g.folder, name);
        (void)snprintf(g.unpacked, sizeof g.unpacked, "%s/%.250s.unpacked", g.folder, name);
        TRY(get_file(&g, report, owner, err));
    }
    return true;
}
