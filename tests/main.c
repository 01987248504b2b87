/* main -- collects the tests that TEST registered and hands them to cmocka. */
#include "tests/test.h"

#include "base/threads.h"
#include "cpu/cpu.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_TESTS = 2000, MAX_FOLDERS = 2048 };
static struct CMUnitTest tests[MAX_TESTS];
static size_t n_tests;
static char folders[MAX_FOLDERS][64];
static int n_folders;

void test_register(const char *name, CMUnitTestFunction function)
{
    if (n_tests == MAX_TESTS) return;
    tests[n_tests++] = (struct CMUnitTest){.name = name, .test_func = function};
}

void test_ok(bool ok, const Error *err, const char *file, int line)
{
    if (!ok) print_error("%s\n", err->n_items ? err->items[0].text : "failed without a message");
    _assert_true(ok, "call succeeds", file, line);
}

void test_fails(bool ok, const Error *err, FailKind kind, const char *text, const char *file,
                int line)
{
    _assert_true(!ok, "call fails", file, line);
    _assert_int_equal((uintmax_t)err->kind, (uintmax_t)kind, file, line);
    const char *got = err->n_items ? err->items[0].text : "";
    if (!strstr(got, text)) print_error("expected \"%s\" in \"%s\"\n", text, got);
    _assert_true(strstr(got, text) != NULL, "message contains the text", file, line);
}

const char *test_shared(const char *relative)
{
    static char path[4096];
    const char *root = getenv("SEQLAB_SHARED");
    snprintf(path, sizeof path, "%s/%s", root ? root : "../shared", relative);
    if (access(path, R_OK) == 0) return path;
    print_message("skipped: %s is not here\n", path);
    return NULL;
}

const char *test_folder(void)
{
    const char *root = getenv("TMPDIR");
    assert_true(n_folders < MAX_FOLDERS);
    char *path = folders[n_folders++];
    snprintf(path, sizeof folders[0], "%s/seqlab-test-XXXXXX", root ? root : "/tmp");
    assert_non_null(mkdtemp(path));
    return path;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

int main(int argc, char **argv)
{
    Error err = {0};
    threads_set(0);
    if (!cpu_select(NULL, &err)) {
        error_print(&err, stderr, false);
        return 2;
    }
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    int failed = _cmocka_run_group_tests("unit", tests, n_tests, NULL, NULL);
    for (int i = 0; i < n_folders; i++) nftw(folders[i], remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    return failed ? 1 : 0;
}
