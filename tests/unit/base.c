/* base -- errors, arena, hashes, threads, progress and colour. */
#include "tests/test.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/progress.h"
#include "base/threads.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* -- error */

static const char LINE[] = "methods: [{name: magnitude, sparcity: 0.9}]\nnext: 1\n";

TEST(error, shows_place_line_and_caret)
{
    Error err = {0};
    const Place at = {.file = "shape.yaml", .line_text = LINE, .line = 6, .column = 29, .width = 8};
    assert_false(fail(&err, FAIL_CONFIG, &at, "unknown key '%s'", "sparcity"));
    assert_string_equal(err.items[0].text, "shape.yaml:6:29: unknown key 'sparcity'");
    assert_string_equal(err.items[0].excerpt, "    methods: [{name: magnitude, sparcity: 0.9}]\n"
                                              "                                ^~~~~~~~");
}

TEST(error, leaves_out_what_it_does_not_know)
{
    Error err = {0};
    const Place word = {.file = "command line"}, line = {.file = "a.yaml", .line = 3};
    (void)fail(&err, FAIL_USAGE, &word, "one");
    (void)fail(&err, FAIL_USAGE, &line, "two");
    (void)fail(&err, FAIL_USAGE, NULL, "three");
    assert_string_equal(err.items[0].text, "command line: one");
    assert_string_equal(err.items[1].text, "a.yaml:3: two");
    assert_string_equal(err.items[2].text, "three");
    for (int i = 0; i < 3; i++) assert_string_equal(err.items[i].excerpt, "");
}

TEST(error, caret_follows_tabs_and_characters_of_several_bytes)
{
    Error err = {0};
    Place at = {.file = "a", .line_text = "\tname: x", .line = 1, .column = 8, .width = 5};
    (void)fail(&err, FAIL_CONFIG, &at, "x");
    assert_string_equal(err.items[0].excerpt, "    \tname: x\n    \t      ^");
    at.line_text = "caf\xc3\xa9: \xc3\xa9t\xc3\xa9!"; /* 10 characters, 13 bytes */
    at.column = 7, at.width = 3;
    (void)fail(&err, FAIL_CONFIG, &at, "x");
    assert_string_equal(err.items[1].excerpt, "    caf\xc3\xa9: \xc3\xa9t\xc3\xa9!\n          ^~~");
}

TEST(error, a_place_past_its_line_draws_no_caret)
{
    Error err = {0};
    const Place at = {.file = "a", .line_text = "short", .line = 1, .column = 7};
    (void)fail(&err, FAIL_CONFIG, &at, "x");
    assert_string_equal(err.items[0].excerpt, "");
}

TEST(error, collects_twenty_and_counts_the_rest)
{
    Error err = {0};
    for (int i = 0; i < 25; i++)
        (void)fail(&err, i == 0 ? FAIL_DATA : FAIL_CONFIG, NULL, "mistake %d", i);
    assert_int_equal(err.kind, FAIL_DATA);
    assert_int_equal(err.n_items, 20);
    assert_int_equal(err.n_dropped, 5);
    assert_string_equal(err.items[19].text, "mistake 19");
    error_clear(&err);
    assert_int_equal(err.kind, FAIL_NONE);
    assert_int_equal(err.n_items + err.n_dropped, 0);
}

TEST(error, a_note_belongs_to_the_last_failure)
{
    Error err = {0};
    error_note(&err, "no failure yet");
    (void)fail(&err, FAIL_RUN, NULL, "first");
    (void)fail(&err, FAIL_RUN, NULL, "second");
    error_note(&err, "in sweep point %d", 7);
    assert_string_equal(err.items[0].text, "first");
    assert_string_equal(err.items[1].text, "second; in sweep point 7");
}

TEST(error, a_note_on_a_dropped_failure_is_dropped)
{
    Error err = {0};
    for (int i = 0; i < ERROR_MAX + 1; i++) (void)fail(&err, FAIL_RUN, NULL, "mistake");
    error_note(&err, "of the one that was dropped");
    assert_string_equal(err.items[ERROR_MAX - 1].text, "mistake");
}

TEST(error, errno_is_named)
{
    Error err = {0};
    errno = ENOENT;
    (void)fail_errno(&err, FAIL_DATA, NULL, "%s: cannot be read", "x.bin");
    assert_string_equal(err.items[0].text, "x.bin: cannot be read: No such file or directory");
}

TEST(error, long_texts_are_cut_and_null_is_allowed)
{
    Error err = {0};
    char text[2000];
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    (void)fail(&err, FAIL_RUN, NULL, "%s", text);
    error_note(&err, "%s", text);
    assert_int_equal(strlen(err.items[0].text), ERROR_TEXT - 1);
    assert_false(fail(NULL, FAIL_RUN, NULL, "x"));
    assert_false(fail_errno(NULL, FAIL_RUN, NULL, "x"));
    error_note(NULL, "x");
}

/* What `write` puts on a stream, in `out`. */
static void printed(const Error *err, bool color, char *out, size_t capacity)
{
    FILE *f = tmpfile();
    assert_non_null(f);
    error_print(err, f, color);
    rewind(f);
    out[fread(out, 1, capacity - 1, f)] = '\0';
    (void)fclose(f);
}

TEST(error, prints_items_excerpts_and_the_rest)
{
    Error err = {0};
    char out[4096];
    const Place at = {.file = "a.yaml", .line_text = "k: 1", .line = 1, .column = 4};
    (void)fail(&err, FAIL_CONFIG, &at, "bad");
    (void)fail(&err, FAIL_CONFIG, NULL, "worse");
    err.n_dropped = 2;
    printed(&err, false, out, sizeof out);
    assert_string_equal(out, "a.yaml:1:4: bad\n    k: 1\n       ^\nworse\nand 2 more\n");
    printed(&err, true, out, sizeof out);
    assert_string_equal(out,
                        "\033[1ma.yaml:1:4:\033[0m bad\n    k: 1\n       ^\nworse\nand 2 more\n");
}

/* -- arena */

TEST(arena, memory_is_aligned_zeroed_and_apart)
{
    enum { N = 3000 };
    static unsigned char *at[N];
    Arena *a = arena_new();
    for (int i = 0; i < N; i++) {
        size_t bytes = (size_t)(i % 97);
        at[i] = arena_alloc(a, bytes);
        assert_int_equal((uintptr_t)at[i] % 16, 0);
        for (size_t k = 0; k < bytes; k++) assert_int_equal(at[i][k], 0);
        memset(at[i], i & 255, bytes);
    }
    for (int i = 0; i < N; i++)
        for (int k = 0; k < i % 97; k++) assert_int_equal(at[i][k], i & 255);
    arena_free(a);
}

TEST(arena, nothing_has_an_address_of_its_own)
{
    Arena *a = arena_new();
    assert_ptr_not_equal(arena_alloc(a, 0), arena_alloc(a, 0));
    arena_free(a);
    arena_free(NULL);
}

TEST(arena, a_large_piece_leaves_the_room_of_the_block)
{
    Arena *a = arena_new();
    char *small = arena_alloc(a, 16), *large = arena_alloc(a, 1 << 20);
    int64_t before = memory_count();
    memset(large, 1, 1 << 20);
    assert_ptr_equal(arena_alloc(a, 16), small + 16);
    assert_int_equal(memory_count(), before);
    arena_free(a);
}

TEST(arena, counts_what_it_takes_from_the_system)
{
    int64_t before = memory_count();
    Arena *a = arena_new();
    for (int i = 0; i < 100; i++) (void)arena_alloc(a, 64);
    assert_int_equal(memory_count() - before, 2); /* the arena and one block */
    arena_free(a);
}

TEST(arena, strings_are_copies)
{
    Arena *a = arena_new();
    char text[] = "lambda";
    char *whole = arena_string(a, text), *part = arena_string_n(a, text, 3);
    text[0] = 'L';
    assert_string_equal(whole, "lambda");
    assert_string_equal(part, "lam");
    assert_string_equal(arena_printf(a, "%d of %s", 3, whole), "3 of lambda");
    arena_free(a);
}

static jmp_buf exhausted;
static size_t exhausted_bytes;

static void on_exhausted(size_t bytes)
{
    exhausted_bytes = bytes;
    longjmp(exhausted, 1);
}

TEST(arena, an_impossible_size_calls_the_handler)
{
    Arena *a = arena_new();
    arena_on_exhausted(on_exhausted);
    if (setjmp(exhausted) == 0) (void)arena_alloc(a, SIZE_MAX - 7);
    arena_on_exhausted(NULL);
    assert_true(exhausted_bytes == SIZE_MAX - 7);
    arena_free(a);
}

TEST(memory, is_aligned_and_zeroed)
{
    static const size_t sizes[] = {4, 4096, 5 << 20};
    for (int i = 0; i < 3; i++) {
        Error err = {0};
        void *out;
        ASSERT_OK(memory_map(&out, sizes[i], &err), &err);
        assert_int_equal((uintptr_t)out % (sizes[i] >= 2 << 20 ? 2 << 20 : 64), 0);
        for (size_t k = 0; k < sizes[i]; k += 997) assert_int_equal(((char *)out)[k], 0);
        memory_unmap(out, sizes[i]);
    }
}

TEST(memory, nothing_is_null)
{
    Error err = {0};
    void *out = &err;
    ASSERT_OK(memory_map(&out, 0, &err), &err);
    assert_null(out);
    memory_unmap(out, 0);
}

TEST(memory, too_much_is_an_error_with_the_size)
{
    Error err = {0};
    void *out;
    ASSERT_FAILS(memory_map(&out, SIZE_MAX / 2, &err), &err, FAIL_RUN,
                 "out of memory: 9223372036854775807 bytes could not be had");
    assert_null(out);
}

/* -- hash */

/* The examples of FIPS 180-4 (NIST's "SHA256.pdf"), the empty text, and a million times "a". */
TEST(hash, gives_the_published_digests)
{
    char hex[HASH_HEX];
    hash_bytes("", 0, hex);
    assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    hash_bytes("abc", 3, hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    hash_bytes("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56, hex);
    assert_string_equal(hex, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

TEST(hash, of_a_file_is_that_of_its_bytes)
{
    char path[256], hex[HASH_HEX], text[1000];
    Error err = {0};
    snprintf(path, sizeof path, "%s/a", test_folder());
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    memset(text, 'a', sizeof text);
    for (int i = 0; i < 1000; i++) assert_int_equal(fwrite(text, 1, sizeof text, f), sizeof text);
    assert_int_equal(fclose(f), 0);
    ASSERT_OK(hash_file(path, hex, &err), &err);
    assert_string_equal(hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(hash, of_no_file_or_a_folder_fails)
{
    char hex[HASH_HEX];
    Error err = {0};
    ASSERT_FAILS(hash_file("/nowhere/x", hex, &err), &err, FAIL_DATA,
                 "/nowhere/x: cannot be read: No such file or directory");
    error_clear(&err);
    ASSERT_FAILS(hash_file("/tmp", hex, &err), &err, FAIL_DATA,
                 "/tmp: cannot be read: Is a directory");
}

/* -- clock, threads, progress */

TEST(clock, times_go_forward)
{
    double start = clock_s();
    assert_true(clock_s() >= start);
    assert_true(clock_cpu_s() >= 0);
    double age = clock_process_s();
    assert_true(age > 0 && age < 3600); /* of this test program */
    assert_true(clock_peak_bytes() > 1 << 20);
}

TEST(clock, iso_has_its_form)
{
    char text[32];
    int year, month, day, hour, minute, second, n = 0;
    clock_iso(text);
    assert_int_equal(sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2dZ%n", &year, &month, &day, &hour, &minute,
                            &second, &n),
                     6);
    assert_int_equal(n, 20);
    assert_true(year >= 2020);
}

TEST(threads, the_flag_wins_then_the_environment_in_order)
{
    char *omp = getenv("OMP_NUM_THREADS"), keep[64];
    snprintf(keep, sizeof keep, "%s", omp ? omp : "");
    setenv("SLURM_CPUS_ON_NODE", "7", 1);
    unsetenv("OMP_NUM_THREADS");
    threads_set(0);
    assert_int_equal(threads_count(), 7);
    setenv("SLURM_CPUS_PER_TASK", "6", 1);
    threads_set(0);
    assert_int_equal(threads_count(), 6);
    setenv("OMP_NUM_THREADS", "5", 1);
    threads_set(0);
    assert_int_equal(threads_count(), 5);
    threads_set(4);
    assert_int_equal(threads_count(), 4);
    setenv("OMP_NUM_THREADS", "none", 1); /* not a number: the next one counts */
    threads_set(0);
    assert_int_equal(threads_count(), 6);
    unsetenv("SLURM_CPUS_ON_NODE");
    unsetenv("SLURM_CPUS_PER_TASK");
    omp ? setenv("OMP_NUM_THREADS", keep, 1) : unsetenv("OMP_NUM_THREADS");
    threads_set(0);
    assert_true(threads_count() >= 1);
}

/* A pseudo-terminal: what is written to *out comes back from the returned descriptor. */
static int open_terminal(FILE **out)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    if (master < 0 || grantpt(master) != 0 || unlockpt(master) != 0) return -1;
    *out = fopen(ptsname(master), "w");
    return *out ? master : -1;
}

typedef struct Environment {
    char term[64], no_color[64];
} Environment;

static Environment set_terminal(const char *term, const char *no_color)
{
    Environment before;
    const char *t = getenv("TERM"), *n = getenv("NO_COLOR");
    snprintf(before.term, sizeof before.term, "%s", t ? t : "");
    snprintf(before.no_color, sizeof before.no_color, "%s", n ? n : "");
    setenv("TERM", term, 1);
    setenv("NO_COLOR", no_color, 1);
    return before;
}

TEST(color, follows_terminal_TERM_and_NO_COLOR)
{
    FILE *tty, *file = tmpfile();
    int master = open_terminal(&tty);
    if (master < 0) skip();
    Environment before = set_terminal("xterm", "");
    assert_true(color_wanted(COLOR_AUTO, tty));
    assert_false(color_wanted(COLOR_AUTO, file));
    assert_true(color_wanted(COLOR_ALWAYS, file));
    assert_false(color_wanted(COLOR_NEVER, tty));
    setenv("NO_COLOR", "1", 1);
    assert_false(color_wanted(COLOR_AUTO, tty));
    setenv("NO_COLOR", "", 1);
    setenv("TERM", "dumb", 1);
    assert_false(color_wanted(COLOR_AUTO, tty));
    unsetenv("TERM");
    assert_false(color_wanted(COLOR_AUTO, tty));
    (void)set_terminal(before.term, before.no_color);
    (void)fclose(tty);
    (void)fclose(file);
    (void)close(master);
}

/* Reads up to the `~` that was written last: a terminal hands over its bytes in pieces, later. */
static void read_terminal(int master, char *out, size_t capacity)
{
    size_t n = 0;
    while (n < capacity - 1) {
        ssize_t more = read(master, out + n, 1);
        assert_int_equal(more, 1);
        if (out[n] == '~') break;
        n++;
    }
    out[n] = '\0';
}

TEST(progress, redraws_one_line_on_a_terminal)
{
    FILE *tty;
    char out[1024];
    int master = open_terminal(&tty);
    if (master < 0) skip();
    Environment before = set_terminal("xterm", "");
    Progress p = progress_start(tty, false);
    progress_draw(&p, "run", 0, 5, 10, "loss 1.5");
    p.last_draw_s = clock_s() + 3600; /* however slow this machine is now */
    progress_draw(&p, "run", 0, 6, 10, "too soon");
    progress_draw(&p, "run", 0, 10, 10, "done"); /* the last is always drawn */
    progress_clear(&p);
    (void)fprintf(tty, "~");
    (void)fflush(tty);
    read_terminal(master, out, sizeof out);
    static const char first[] = "\rrun [##########..........]  50%  loss 1.5";
    assert_int_equal(strncmp(out, first, sizeof first - 1), 0);
    assert_null(strstr(out, "too soon"));
    assert_non_null(strstr(out, "\rrun [####################] 100%  done"));
    assert_null(strchr(out, '\n'));
    assert_int_equal(out[strlen(out) - 1], '\r');
    (void)set_terminal(before.term, before.no_color);
    (void)fclose(tty);
    (void)close(master);
}

TEST(progress, is_silent_elsewhere)
{
    FILE *f = tmpfile();
    Progress p = progress_start(f, false);
    progress_draw(&p, "run", 0, 10, 10, "done");
    progress_clear(&p);
    assert_int_equal(ftell(f), 0);
    (void)fclose(f);
}
