/* tfevents -- the checksum's known values, and the records as bytes: framing by
 * tensorflow/core/lib/io/record_writer.h, fields by event.proto and summary.proto. What is written
 * here was read by TensorBoard 2.21 (EventAccumulator). */
#include "tests/test.h"

#include "io/file.h"
#include "io/tfevents.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

TEST(tfevents, crc32c_has_its_published_values)
{
    unsigned char bytes[32];
    assert_int_equal(crc32c("", 0), 0);
    assert_int_equal(crc32c("123456789", 9), 0xe3069283U);
    memset(bytes, 0, 32); /* RFC 3720, B.4 */
    assert_int_equal(crc32c(bytes, 32), 0x8a9136aaU);
    memset(bytes, 0xff, 32);
    assert_int_equal(crc32c(bytes, 32), 0x62a8ab43U);
    for (int i = 0; i < 32; i++) bytes[i] = (unsigned char)i;
    assert_int_equal(crc32c(bytes, 32), 0x46dd794eU);
}

/* The only file of the folder. */
static char *read_events(const char *folder, size_t *n, char name[256])
{
    Arena *a = arena_new();
    Error err = {0};
    char *data = NULL;
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        if (e->d_name[0] == '.') continue;
        assert_null(data);
        (void)snprintf(name, 256, "%s", e->d_name);
        ASSERT_OK(
            file_read(arena_printf(a, "%s/%s", folder, name), 1 << 20, &data, n, FAIL_DATA, &err),
            &err);
    }
    (void)closedir(dir);
    arena_free(a);
    assert_non_null(data);
    return data;
}

static uint32_t u32_at(const char *p)
{
    const unsigned char *b = (const unsigned char *)p;
    return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

static uint32_t masked(const void *data, size_t n)
{
    uint32_t crc = crc32c(data, n);
    return ((crc >> 15) | (crc << 17)) + 0xa282ead8U;
}

/* The record at *at is framed rightly and holds these bytes; moves on. */
static void record_is(const char **at, const void *bytes, size_t n)
{
    assert_int_equal(u32_at(*at), n);
    assert_int_equal(u32_at(*at + 4), 0);
    assert_int_equal(u32_at(*at + 8), masked(*at, 8));
    assert_memory_equal(*at + 12, bytes, n);
    assert_int_equal(u32_at(*at + 12 + n), masked(bytes, n));
    *at += 16 + n;
}

TEST(tfevents, a_file_is_a_version_and_its_scalars)
{
    /* 1: double 1.0; 3: "brain.Event:2" */
    static const char version[] = "\x09\0\0\0\0\0\0\xf0\x3f\x1a\x0d"
                                  "brain.Event:2";
    /* 1: double 2.0; 2: varint 300; 5: {1: {1: "loss", 2: float 0.5}} */
    static const char scalar[] =
        "\x09\0\0\0\0\0\0\0\x40\x10\xac\x02\x2a\x0d\x0a\x0b\x0a\x04loss\x15"
        "\0\0\0\x3f";
    const char *folder = test_folder();
    char name[256];
    size_t n;
    TfEvents t;
    Error err = {0};
    ASSERT_OK(tfevents_open(&t, folder, 1.0, &err), &err);
    ASSERT_OK(tfevents_scalar(&t, "loss", 300, 2.0, 0.5F, &err), &err);
    char *data = read_events(folder, &n, name); /* before the close: every record is flushed */
    const char *at = data;
    record_is(&at, version, sizeof version - 1);
    record_is(&at, scalar, sizeof scalar - 1);
    assert_ptr_equal(at, data + n);
    assert_int_equal(strncmp(name, "events.out.tfevents.0000000001.", 31), 0);
    tfevents_close(&t);
    tfevents_close(&t); /* harmless */
    free(data);
}

TEST(tfevents, opening_again_appends)
{
    const char *folder = test_folder();
    char name[256];
    size_t once, twice;
    TfEvents t;
    Error err = {0};
    ASSERT_OK(tfevents_open(&t, folder, 7.0, &err), &err);
    tfevents_close(&t);
    free(read_events(folder, &once, name));
    ASSERT_OK(tfevents_open(&t, folder, 7.0, &err), &err);
    tfevents_close(&t);
    free(read_events(folder, &twice, name));
    assert_int_equal(twice, 2 * once);
}

TEST(tfevents, long_tags_are_cut_between_characters)
{
    const char *folder = test_folder();
    char tag[402], name[256];
    size_t n;
    TfEvents t;
    Error err = {0};
    tag[0] = 'x';
    for (int i = 0; i < 200; i++) memcpy(tag + 1 + 2 * i, "\xc3\xa4", 2);
    tag[401] = '\0';
    ASSERT_OK(tfevents_open(&t, folder, 0, &err), &err);
    ASSERT_OK(tfevents_scalar(&t, tag, -1, 0, 0, &err), &err);
    char *data = read_events(folder, &n, name), *first = memchr(data, 'x', n);
    assert_non_null(first);
    assert_int_equal((unsigned char)first[-2], 0xc7); /* 200 bytes would end in half a character */
    assert_int_equal((unsigned char)first[-1], 1);    /* varint 199 = c7 01 */
    tfevents_close(&t);
    free(data);
}

TEST(tfevents, a_missing_folder_and_a_full_disk_are_errors)
{
    TfEvents t;
    Error err = {0};
    ASSERT_FAILS(tfevents_open(&t, "/nowhere", 0, &err), &err, FAIL_RUN,
                 "/nowhere/events.out.tfevents.0000000000.");
    assert_null(t.file);
    error_clear(&err);
    t.file = fopen("/dev/full", "wb");
    assert_non_null(t.file);
    ASSERT_FAILS(tfevents_scalar(&t, "x", 0, 0, 0, &err), &err, FAIL_RUN,
                 "TensorBoard events cannot be written: No space left on device");
    tfevents_close(&t);
}
