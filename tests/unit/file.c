/* file -- whole reads, mappings, atomic replacement of files and folders, and what a failure or a
 * kill at any point leaves behind. */
#include "tests/test.h"

#include "base/arena.h"
#include "io/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *in(Arena *a, const char *folder, const char *name)
{
    return arena_printf(a, "%s/%s", folder, name);
}

static void put_file(const char *path, const char *text)
{
    Error err = {0};
    ASSERT_OK(file_replace(path, text, strlen(text), &err), &err);
}

static void holds(const char *path, const char *text)
{
    char *data;
    size_t n;
    Error err = {0};
    ASSERT_OK(file_read(path, 1 << 20, &data, &n, FAIL_DATA, &err), &err);
    assert_string_equal(data, text);
    assert_int_equal(n, strlen(text));
    free(data);
}

static int entries(const char *folder)
{
    int n = 0;
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    for (struct dirent *e; (e = readdir(dir)) != NULL;) n += e->d_name[0] != '.';
    (void)closedir(dir);
    return n;
}

/* -- Reading -- */

TEST(file, read_gives_all_and_a_zero_byte)
{
    Arena *a = arena_new();
    Error err = {0};
    char *data;
    size_t n;
    const char *path = in(a, test_folder(), "f");
    ASSERT_OK(file_replace(path, "a\0b", 3, &err), &err);
    ASSERT_OK(file_read(path, 3, &data, &n, FAIL_DATA, &err), &err);
    assert_int_equal(n, 3);
    assert_memory_equal(data, "a\0b\0", 4);
    free(data);
    put_file(path, "");
    ASSERT_OK(file_read(path, 0, &data, &n, FAIL_DATA, &err), &err);
    assert_int_equal(n, 0);
    assert_int_equal(*data, 0);
    free(data);
    arena_free(a);
}

TEST(file, read_refuses_what_is_too_long_missing_or_no_file)
{
    Arena *a = arena_new();
    Error err = {0};
    char *data;
    size_t n;
    const char *folder = test_folder(), *path = in(a, folder, "f"), *pipe = in(a, folder, "pipe");
    put_file(path, "four");
    ASSERT_FAILS(file_read(path, 3, &data, &n, FAIL_CONFIG, &err), &err, FAIL_CONFIG,
                 arena_printf(a, "%s: 4 bytes; at most 3 are read here", path));
    error_clear(&err);
    ASSERT_FAILS(file_read(in(a, folder, "none"), 3, &data, &n, FAIL_DATA, &err), &err, FAIL_DATA,
                 "none: cannot be read: No such file or directory");
    error_clear(&err);
    ASSERT_FAILS(file_read(folder, 3, &data, &n, FAIL_DATA, &err), &err, FAIL_DATA,
                 "is not a regular file");
    error_clear(&err);
    assert_int_equal(mkfifo(pipe, 0600), 0); /* opening it must not wait for a writer */
    ASSERT_FAILS(file_read(pipe, 3, &data, &n, FAIL_DATA, &err), &err, FAIL_DATA,
                 "pipe: is not a regular file");
    assert_null(data);
    arena_free(a);
}

TEST(file, map_gives_the_bytes_and_null_for_none)
{
    Arena *a = arena_new();
    Error err = {0};
    FileMap map;
    const char *folder = test_folder(), *path = in(a, folder, "f");
    put_file(path, "mapped");
    ASSERT_OK(file_map(path, &map, FAIL_DATA, &err), &err);
    assert_int_equal(map.bytes, 6);
    assert_memory_equal(map.data, "mapped", 6);
    put_file(path, "other text"); /* the mapping keeps the old file */
    assert_memory_equal(map.data, "mapped", 6);
    file_unmap(&map);
    assert_null(map.data);
    put_file(path, "");
    ASSERT_OK(file_map(path, &map, FAIL_DATA, &err), &err);
    assert_true(map.bytes == 0 && !map.data);
    file_unmap(&map);
    ASSERT_FAILS(file_map(in(a, folder, "none"), &map, FAIL_DATA, &err), &err, FAIL_DATA,
                 "none: cannot be read: No such file");
    arena_free(a);
}

/* -- Atomic replacement -- */

TEST(file, writer_adds_pieces_of_any_size)
{
    enum { N = 300000 };
    static const size_t sizes[] = {1, 0, 65535, 1, 65536, 7, 65537, 103363, 20};
    Arena *a = arena_new();
    Error err = {0};
    FileWriter w;
    const char *path = in(a, test_folder(), "f");
    unsigned char *data = malloc(N);
    char *back;
    size_t n = 0;
    assert_non_null(data);
    for (size_t i = 0; i < N; i++) data[i] = (unsigned char)(i * 2654435761U >> 24);
    ASSERT_OK(file_writer_open(&w, path, &err), &err);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; n += sizes[i++])
        ASSERT_OK(file_writer_add(&w, data + n, sizes[i], &err), &err);
    assert_false(file_exists(path)); /* not before the commit */
    ASSERT_OK(file_writer_commit(&w, &err), &err);
    assert_int_equal(n, N);
    ASSERT_OK(file_read(path, N, &back, &n, FAIL_DATA, &err), &err);
    assert_int_equal(n, N);
    assert_memory_equal(back, data, N);
    free(back);
    free(data);
    arena_free(a);
}

TEST(file, abandon_keeps_the_old_file_and_leaves_nothing)
{
    Arena *a = arena_new();
    Error err = {0};
    FileWriter w;
    const char *folder = test_folder(), *path = in(a, folder, "f");
    put_file(path, "old");
    ASSERT_OK(file_writer_open(&w, path, &err), &err);
    ASSERT_OK(file_writer_add(&w, "new", 3, &err), &err);
    assert_int_equal(entries(folder), 2);
    file_writer_abandon(&w);
    file_writer_abandon(&w); /* harmless */
    holds(path, "old");
    assert_int_equal(entries(folder), 1);
    arena_free(a);
}

/* A limit on the size of files stands for a full disk: write() is short, then fails. */
TEST(file, a_full_disk_at_any_byte_keeps_the_old_file)
{
    enum { N = 200000 };
    static const rlim_t limits[] = {3, 4, 65535, 65536, 65537, 131072, 199999};
    Arena *a = arena_new();
    const char *folder = test_folder(), *path = in(a, folder, "f");
    char *data = calloc(1, N);
    struct rlimit old, tight;
    assert_non_null(data);
    put_file(path, "old");
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        Error err = {0};
        tight = (struct rlimit){limits[i], old.rlim_max};
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
        bool ok = file_replace(path, data, N, &err);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
        ASSERT_FAILS(ok, &err, FAIL_RUN,
                     arena_printf(a, "%s: cannot be written: File too large", path));
        assert_int_equal(err.n_items, 1);
        holds(path, "old");
        assert_int_equal(entries(folder), 1);
    }
    (void)signal(SIGXFSZ, handler);
    free(data);
    arena_free(a);
}

TEST(file, a_commit_after_a_failed_add_fails_and_cleans_up)
{
    Arena *a = arena_new();
    Error err = {0};
    FileWriter w;
    const char *folder = test_folder(), *path = in(a, folder, "f");
    ASSERT_OK(file_writer_open(&w, path, &err), &err);
    (void)close(w.fd);
    w.fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    assert_true(w.fd >= 0);
    ASSERT_OK(file_writer_add(&w, "x", 1, &err), &err); /* buffered */
    ASSERT_FAILS(file_writer_commit(&w, &err), &err, FAIL_RUN,
                 "cannot be written: No space left on device");
    assert_int_equal(entries(folder), 0);
    arena_free(a);
}

/* Runs `replace` as a user who may not write to the folder; its exit code. */
static int as_nobody(const char *folder, const char *path, bool *denied)
{
    if (chmod(folder, 0555) != 0) return -1;
    pid_t child = fork();
    if (child == 0) {
        Error err = {0};
        if (geteuid() == 0 && setuid(65534) != 0) _exit(2);
        bool ok = file_replace(path, "new", 3, &err);
        _exit(!ok && err.kind == FAIL_RUN &&
                      strstr(err.items[0].text, "f: cannot be written: Permission denied")
                  ? 0
                  : 1);
    }
    int status = -1;
    (void)waitpid(child, &status, 0);
    (void)chmod(folder, 0755);
    *denied = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    return status;
}

TEST(file, an_unwritable_folder_keeps_the_old_file)
{
    Arena *a = arena_new();
    const char *folder = test_folder(), *path = in(a, folder, "f");
    bool denied = false;
    put_file(path, "old");
    assert_int_not_equal(as_nobody(folder, path, &denied), -1);
    assert_true(denied);
    holds(path, "old");
    assert_int_equal(entries(folder), 1);
    arena_free(a);
}

TEST(file, a_kill_before_the_commit_keeps_the_old_file)
{
    Arena *a = arena_new();
    const char *path = in(a, test_folder(), "f");
    put_file(path, "old");
    pid_t child = fork();
    if (child == 0) {
        FileWriter w;
        static const char data[100000];
        if (file_writer_open(&w, path, NULL) && file_writer_add(&w, data, sizeof data, NULL))
            (void)raise(SIGKILL);
        _exit(1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    holds(path, "old");
    put_file(path, "new");
    holds(path, "new");
    arena_free(a);
}

TEST(file, a_symlink_is_replaced_and_a_planted_temporary_is_not_followed)
{
    Arena *a = arena_new();
    struct stat st;
    const char *folder = test_folder(), *victim = in(a, folder, "victim"),
               *path = in(a, folder, "f");
    put_file(victim, "mine");
    assert_int_equal(symlink(victim, path), 0);
    assert_int_equal(symlink(victim, arena_printf(a, "%s.tmp%d", path, (int)getpid())), 0);
    put_file(path, "new");
    holds(victim, "mine");
    holds(path, "new");
    assert_true(lstat(path, &st) == 0 && S_ISREG(st.st_mode));
    assert_int_equal(entries(folder), 2);
    arena_free(a);
}

TEST(file, paths_that_are_too_long_are_refused)
{
    char path[5000];
    Error err = {0};
    memset(path, 'x', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    ASSERT_FAILS(file_replace(path, "", 0, &err), &err, FAIL_RUN, "xxx...: path too long");
    error_clear(&err);
    ASSERT_FAILS(folder_make(path, &err), &err, FAIL_RUN, "xxx...: path too long");
    error_clear(&err);
    ASSERT_FAILS(folder_replace("a", path, &err), &err, FAIL_RUN, "xxx...: path too long");
}

/* -- Folders -- */

TEST(folder, make_makes_all_of_a_path)
{
    Arena *a = arena_new();
    Error err = {0};
    struct stat st;
    const char *folder = test_folder(), *path = in(a, folder, "a/b//c/");
    ASSERT_OK(folder_make(path, &err), &err);
    ASSERT_OK(folder_make(path, &err), &err);
    assert_true(stat(path, &st) == 0 && S_ISDIR(st.st_mode));
    put_file(in(a, folder, "file"), "");
    ASSERT_FAILS(folder_make(in(a, folder, "file"), &err), &err, FAIL_RUN, "file: is not a folder");
    error_clear(&err);
    ASSERT_FAILS(folder_make(in(a, folder, "file/x"), &err), &err, FAIL_RUN,
                 "file/x: cannot be made: Not a directory");
    error_clear(&err);
    ASSERT_FAILS(folder_make("", &err), &err, FAIL_RUN, "a folder without a name");
    arena_free(a);
}

TEST(folder, remove_takes_all_but_follows_no_symlink)
{
    Arena *a = arena_new();
    Error err = {0};
    const char *folder = test_folder(), *gone = in(a, folder, "gone");
    ASSERT_OK(folder_make(in(a, gone, "x/y"), &err), &err);
    ASSERT_OK(folder_make(in(a, folder, "kept"), &err), &err);
    put_file(in(a, folder, "kept/file"), "kept");
    put_file(in(a, gone, "x/y/file"), "");
    assert_int_equal(symlink(in(a, folder, "kept"), in(a, gone, "link")), 0);
    ASSERT_OK(folder_remove(gone, &err), &err);
    assert_false(file_exists(gone));
    holds(in(a, folder, "kept/file"), "kept");
    assert_int_equal(symlink(in(a, folder, "kept"), gone), 0); /* itself a symlink */
    ASSERT_OK(folder_remove(gone, &err), &err);
    holds(in(a, folder, "kept/file"), "kept");
    assert_int_equal(entries(folder), 1);
    ASSERT_OK(folder_remove(in(a, folder, "never"), &err), &err);
    arena_free(a);
}

TEST(folder, remove_stops_at_32_levels)
{
    Arena *a = arena_new();
    Error err = {0};
    char path[512];
    const char *folder = test_folder();
    int n = snprintf(path, sizeof path, "%s/d", folder);
    for (int i = 1; i < 32; i++) n += snprintf(path + n, sizeof path - (size_t)n, "/d");
    ASSERT_OK(folder_make(path, &err), &err);
    ASSERT_OK(folder_remove(in(a, folder, "d"), &err), &err);
    (void)snprintf(path + n, sizeof path - (size_t)n, "/d");
    ASSERT_OK(folder_make(path, &err), &err);
    ASSERT_FAILS(folder_remove(in(a, folder, "d"), &err), &err, FAIL_RUN,
                 "d: cannot be removed: over 32 folders deep");
    arena_free(a);
}

/* A folder `name` with a file that says which it is. */
static void make_version(Arena *a, const char *folder, const char *name, const char *text)
{
    Error err = {0};
    ASSERT_OK(folder_make(in(a, folder, name), &err), &err);
    put_file(in(a, in(a, folder, name), "which"), text);
}

TEST(folder, replace_swaps_the_new_one_in)
{
    Arena *a = arena_new();
    Error err = {0};
    const char *folder = test_folder(), *to = in(a, folder, "c");
    make_version(a, folder, "new", "1");
    ASSERT_OK(folder_replace(in(a, folder, "new"), to, &err), &err); /* none there before */
    holds(in(a, to, "which"), "1");
    make_version(a, folder, "new", "2");
    make_version(a, folder, "c.old", "0"); /* left over */
    ASSERT_OK(folder_replace(in(a, folder, "new"), to, &err), &err);
    holds(in(a, to, "which"), "2");
    assert_int_equal(entries(folder), 1);
    arena_free(a);
}

TEST(folder, a_replace_that_fails_puts_the_old_one_back)
{
    Arena *a = arena_new();
    Error err = {0};
    const char *folder = test_folder(), *to = in(a, folder, "c");
    make_version(a, folder, "c", "old");
    ASSERT_FAILS(folder_replace(in(a, folder, "absent"), to, &err), &err, FAIL_RUN,
                 arena_printf(a, "%s: cannot be replaced by %s/absent: No such file", to, folder));
    holds(in(a, to, "which"), "old");
    assert_int_equal(entries(folder), 1);
    arena_free(a);
}

/* What a kill leaves after each system call of folder_replace, made by hand. */
static void recovers(const char *to_text, const char *old_text, const char *expected)
{
    Arena *a = arena_new();
    Error err = {0};
    const char *folder = test_folder(), *to = in(a, folder, "c");
    if (to_text) make_version(a, folder, "c", to_text);
    if (old_text) make_version(a, folder, "c.old", old_text);
    ASSERT_OK(folder_recover(to, &err), &err);
    assert_false(file_exists(in(a, folder, "c.old")));
    assert_int_equal(file_exists(to), expected != NULL);
    if (expected) holds(in(a, to, "which"), expected);
    ASSERT_OK(folder_recover(to, &err), &err); /* again: nothing more to do */
    assert_int_equal(file_exists(to), expected != NULL);
    arena_free(a);
}

TEST(folder, recover_after_each_kill_point)
{
    recovers(NULL, NULL, NULL);
    recovers("old", NULL, "old");  /* before the first rename */
    recovers(NULL, "old", "old");  /* between the two */
    recovers("new", "old", "new"); /* after both */
    recovers("new", NULL, "new");  /* after the removal */
}

TEST(folder, recover_ends_a_removal_that_was_cut_short)
{
    Arena *a = arena_new();
    Error err = {0};
    const char *folder = test_folder();
    make_version(a, folder, "c", "new");
    ASSERT_OK(folder_make(in(a, folder, "c.old"), &err), &err); /* its files are gone already */
    ASSERT_OK(folder_recover(in(a, folder, "c"), &err), &err);
    holds(in(a, folder, "c/which"), "new");
    assert_int_equal(entries(folder), 1);
    arena_free(a);
}

TEST(folder, replace_without_recover_also_ends_well)
{
    Arena *a = arena_new();
    Error err = {0};
    const char *folder = test_folder(), *to = in(a, folder, "c");
    make_version(a, folder, "c.old", "old"); /* killed between the renames */
    make_version(a, folder, "new", "new");
    ASSERT_OK(folder_replace(in(a, folder, "new"), to, &err), &err);
    holds(in(a, to, "which"), "new");
    assert_int_equal(entries(folder), 1);
    arena_free(a);
}
