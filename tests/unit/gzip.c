/* gzip -- gzip_read against files made by Python's gzip module (bytes below) and by zlib. */
#include "tests/test.h"

#include "io/file.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/* gzip.compress(b'hello hello hello\n', mtime=0) of Python 3.11 */
static const unsigned char hello[] = {0x1f, 0x8b, 8,    0,    0,    0,    0,    0,    2,    0x03,
                                      0xcb, 0x48, 0xcd, 0xc9, 0xc9, 0x57, 0xc8, 0x40, 0x90, 0x5c,
                                      0x00, 0x3b, 0x7c, 0x8a, 0xdf, 0x12, 0x00, 0x00, 0x00};
static const char hello_text[] = "hello hello hello\n";
enum { HELLO_N = sizeof hello_text - 1 };

static const char *put(Arena *a, const void *data, size_t n)
{
    Error err = {0};
    const char *path = arena_printf(a, "%s/f.gz", test_folder());
    ASSERT_OK(file_replace(path, data, n, &err), &err);
    return path;
}

static void gives(const void *file, size_t file_n, const void *expected, size_t expected_n)
{
    Arena *a = arena_new();
    Error err = {0};
    unsigned char *out;
    size_t n, mapped;
    ASSERT_OK(gzip_read(put(a, file, file_n), 1 << 20, &out, &n, &mapped, &err), &err);
    assert_int_equal(n, expected_n);
    if (n > 0) assert_memory_equal(out, expected, n);
    memory_unmap(out, mapped);
    arena_free(a);
}

static void refused(const void *file, size_t file_n, size_t max_bytes, const char *message)
{
    Arena *a = arena_new();
    Error err = {0};
    unsigned char *out;
    size_t n, mapped;
    const char *path = put(a, file, file_n);
    ASSERT_FAILS(gzip_read(path, max_bytes, &out, &n, &mapped, &err), &err, FAIL_DATA, message);
    assert_int_equal(strncmp(err.items[0].text, path, strlen(path)), 0);
    assert_null(out);
    arena_free(a);
}

TEST(gzip, inflates_what_python_compressed)
{
    gives(hello, sizeof hello, hello_text, HELLO_N);
}

TEST(gzip, plain_files_are_read_as_they_are)
{
    gives("plain", 5, "plain", 5);
    gives("", 0, "", 0);
    gives("\x1f", 1, "\x1f", 1);
}

TEST(gzip, members_follow_one_another)
{
    unsigned char two[2 * sizeof hello]; /* RFC 1952, 2.2: a file is a series of members */
    char text[2 * HELLO_N];
    memcpy(two, hello, sizeof hello);
    memcpy(two + sizeof hello, hello, sizeof hello);
    memcpy(text, hello_text, HELLO_N);
    memcpy(text + HELLO_N, hello_text, HELLO_N);
    gives(two, sizeof two, text, sizeof text);
}

TEST(gzip, a_long_text_comes_back)
{
    enum { N = 1 << 20 };
    unsigned char *text = malloc(N), *file = malloc(2 * N);
    assert_true(text && file);
    for (size_t i = 0; i < N; i++) text[i] = (unsigned char)((i >> 4) * 2654435761U >> 25);
    z_stream z = {.next_in = text, .avail_in = N, .next_out = file, .avail_out = 2 * N};
    assert_int_equal(deflateInit2(&z, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    gives(file, z.total_out, text, N);
    refused(file, z.total_out, N - 1, "inflates to more than 1048575 bytes");
    assert_int_equal(deflateEnd(&z), Z_OK);
    free(text);
    free(file);
}

TEST(gzip, every_truncation_is_refused)
{
    for (size_t n = 2; n < sizeof hello; n++) refused(hello, n, 1 << 20, "");
    refused(hello, sizeof hello - 5, 1 << 20, "truncated");
}

TEST(gzip, wrong_checksums_and_lengths_are_refused)
{
    unsigned char bad[sizeof hello];
    for (size_t i = sizeof hello - 8; i < sizeof hello; i++) {
        memcpy(bad, hello, sizeof hello);
        bad[i] ^= 1;
        refused(bad, sizeof bad, 1 << 20, "damaged");
    }
}

TEST(gzip, limits_hold_for_both_kinds)
{
    refused(hello, sizeof hello, HELLO_N - 1, "inflates to more than 17 bytes");
    refused("plain", 5, 4, "5 bytes; at most 4");
}

TEST(gzip, a_missing_file_is_named)
{
    Error err = {0};
    unsigned char *out;
    size_t n, mapped;
    ASSERT_FAILS(gzip_read("/nowhere/f.gz", 1, &out, &n, &mapped, &err), &err, FAIL_DATA,
                 "/nowhere/f.gz: cannot be read: No such file or directory");
}
