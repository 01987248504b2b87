/* Readers of lib/data and the gzip reader below them: what is right is read, what is wrong is
 * named. */
#include "data/cifar.h"
#include "data/idx.h"
#include "io/file.h"
#include "tests/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/* -- IDX */

/* Two images of 1 x 3. */
static const uint8_t two_images[] = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0,
                                     1, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6};
static const uint8_t three_labels[] = {0, 0, 8, 1, 0, 0, 0, 3, 9, 0, 4};

TEST(idx, images_point_into_the_bytes)
{
    Error err = {0};
    IdxImages x;
    ASSERT_OK(idx_parse_images(two_images, sizeof two_images, "f", &x, &err), &err);
    assert_int_equal(x.n, 2);
    assert_int_equal(x.h, 1);
    assert_int_equal(x.w, 3);
    assert_ptr_equal(x.pixels, two_images + 16);
}

TEST(idx, labels_are_read)
{
    Error err = {0};
    IdxLabels y;
    ASSERT_OK(idx_parse_labels(three_labels, sizeof three_labels, "f", 10, &y, &err), &err);
    assert_int_equal(y.n, 3);
    assert_int_equal(y.values[0], 9);
    assert_int_equal(y.values[2], 4);
}

/* Every wrong header fails as data, with its path and its reason. */
static void images_fail(size_t n, size_t at, uint8_t byte, const char *text)
{
    Error err = {0};
    IdxImages x;
    uint8_t bytes[sizeof two_images + 1] = {0};
    memcpy(bytes, two_images, sizeof two_images);
    bytes[at] = byte;
    ASSERT_FAILS(idx_parse_images(bytes, n, "dir/f", &x, &err), &err, FAIL_DATA, text);
    assert_non_null(strstr(err.items[0].text, "dir/f: "));
}

TEST(idx, wrong_magic_is_named)
{
    images_fail(sizeof two_images, 3, 1,
                "begins with 0x00000801; an IDX file of images begins with 0x00000803");
}

TEST(idx, other_element_types_are_refused)
{
    images_fail(sizeof two_images, 2, 13, "begins with 0x00000d03");
}

TEST(idx, a_truncated_file_is_named)
{
    images_fail(sizeof two_images - 1, 0, 0,
                "the header announces 6 bytes of images, the file has 5");
}

TEST(idx, trailing_bytes_are_refused)
{
    images_fail(sizeof two_images + 1, 0, 0,
                "the header announces 6 bytes of images, the file has 7");
}

TEST(idx, a_short_header_is_named)
{
    images_fail(15, 0, 0, "15 bytes; an IDX file of images has at least 16");
}

TEST(idx, absurd_sides_are_refused)
{
    images_fail(sizeof two_images, 8, 255, "images of side 4278190081; expected 1 to 16384");
}

TEST(idx, no_images_are_refused)
{
    images_fail(16, 7, 0, "holds no images");
}

TEST(idx, a_label_out_of_range_is_named)
{
    Error err = {0};
    IdxLabels y;
    ASSERT_FAILS(idx_parse_labels(three_labels, sizeof three_labels, "f", 9, &y, &err), &err,
                 FAIL_DATA, "f: label 9 of item 0; expected 0 to 8");
}

/* -- CIFAR */

enum { RECORD = 3073, RECORD_100 = 3074 };

TEST(cifar, planes_become_pixels)
{
    Error err = {0};
    static uint8_t bytes[2 * RECORD], images[2 * CIFAR_PIXELS];
    int32_t label[2];
    int64_t n;
    bytes[RECORD] = 7;
    bytes[RECORD + 1 + 33] = 10;        /* red of line 1, column 1 */
    bytes[RECORD + 1 + 1024 + 33] = 20; /* green */
    bytes[RECORD + 1 + 2048 + 33] = 30; /* blue */
    ASSERT_OK(cifar_check(bytes, sizeof bytes, "f", CIFAR_10, &n, &err), &err);
    assert_int_equal(n, 2);
    cifar_unpack(bytes, n, CIFAR_10, images, label);
    assert_int_equal(label[1], 7);
    const uint8_t *pixel = images + CIFAR_PIXELS + (1 * 32 + 1) * 3;
    assert_int_equal(pixel[0], 10);
    assert_int_equal(pixel[1], 20);
    assert_int_equal(pixel[2], 30);
}

TEST(cifar, a_hundred_has_two_labels)
{
    Error err = {0};
    static uint8_t bytes[RECORD_100] = {11, 78}, images[CIFAR_PIXELS];
    int32_t label;
    int64_t n;
    ASSERT_OK(cifar_check(bytes, sizeof bytes, "f", CIFAR_100_FINE, &n, &err), &err);
    cifar_unpack(bytes, 1, CIFAR_100_FINE, images, &label);
    assert_int_equal(label, 78);
    cifar_unpack(bytes, 1, CIFAR_100_COARSE, images, &label);
    assert_int_equal(label, 11);
}

static void cifar_fails(uint8_t first, size_t n, CifarLabels labels, const char *text)
{
    Error err = {0};
    static uint8_t bytes[2 * RECORD_100];
    int64_t n_images;
    bytes[0] = first;
    ASSERT_FAILS(cifar_check(bytes, n, "f", labels, &n_images, &err), &err, FAIL_DATA, text);
}

TEST(cifar, a_broken_record_is_named)
{
    cifar_fails(0, RECORD + 1, CIFAR_10,
                "f: 3074 bytes; expected whole records of 3073 bytes (1 label, 3072 pixels)");
}

TEST(cifar, an_empty_file_is_refused)
{
    cifar_fails(0, 0, CIFAR_10, "f: holds no images");
}

TEST(cifar, a_label_out_of_range_is_named)
{
    cifar_fails(10, RECORD, CIFAR_10, "f: label 10 of image 0; expected 0 to 9");
}

TEST(cifar, a_coarse_label_out_of_range_is_named)
{
    cifar_fails(20, RECORD_100, CIFAR_100_FINE, "f: label 20 of image 0; expected 0 to 19");
}

/* -- gzip (packed here by zlib, read by libdeflate) */

/* One gzip member of `n` bytes i * 7 % 251; returns its length. */
static size_t pack(size_t n, uint8_t *out, size_t room)
{
    uint8_t *plain = malloc(n + 1);
    assert_non_null(plain);
    for (size_t i = 0; i < n; i++) plain[i] = (uint8_t)(i * 7 % 251);
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = plain;
    z.avail_in = (uInt)n;
    z.next_out = out;
    z.avail_out = (uInt)room;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    size_t length = z.total_out;
    (void)deflateEnd(&z);
    free(plain);
    return length;
}

/* Writes `bytes` to a file and reads it back. */
static bool read_back(const uint8_t *bytes, size_t length, size_t max_bytes, unsigned char **out,
                      size_t *n, size_t *mapped, Error *err)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/f.gz", test_folder());
    ASSERT_OK(file_replace(path, bytes, length, err), err);
    return gzip_read(path, max_bytes, out, n, mapped, err);
}

static void gzip_fails(const uint8_t *bytes, size_t length, size_t max_bytes, const char *text)
{
    Error err = {0};
    unsigned char *out;
    size_t n, mapped;
    ASSERT_FAILS(read_back(bytes, length, max_bytes, &out, &n, &mapped, &err), &err, FAIL_DATA,
                 text);
}

static uint8_t packed[1 << 16];

TEST(gzip, members_are_read_one_after_the_other)
{
    Error err = {0};
    unsigned char *out;
    size_t n, mapped, length = pack(200000, packed, sizeof packed);
    length += pack(0, packed + length, sizeof packed - length);
    length += pack(3, packed + length, sizeof packed - length);
    ASSERT_OK(read_back(packed, length, 1 << 20, &out, &n, &mapped, &err), &err);
    assert_int_equal(n, 200003);
    assert_int_equal(out[199999], 199999 * 7 % 251);
    assert_int_equal(out[200002], 14);
    memory_unmap(out, mapped);
}

TEST(gzip, a_plain_file_is_read_as_it_is)
{
    Error err = {0};
    unsigned char *out;
    size_t n, mapped;
    ASSERT_OK(read_back((const uint8_t *)"abc", 3, 3, &out, &n, &mapped, &err), &err);
    assert_int_equal(n, 3);
    assert_memory_equal(out, "abc", 3);
    memory_unmap(out, mapped);
}

TEST(gzip, an_empty_member_gives_nothing)
{
    Error err = {0};
    unsigned char *out;
    size_t n, mapped, length = pack(0, packed, sizeof packed);
    ASSERT_OK(read_back(packed, length, 100, &out, &n, &mapped, &err), &err);
    assert_int_equal(n, 0);
    memory_unmap(out, mapped);
}

TEST(gzip, every_truncation_fails)
{
    size_t length = pack(1000, packed, sizeof packed);
    for (size_t n = 2; n < length; n += 13) gzip_fails(packed, n, 1 << 20, "truncated or damaged");
    gzip_fails(packed, length - 1, 1 << 20, "truncated or damaged (member at byte 0 of");
}

TEST(gzip, a_changed_byte_fails)
{
    size_t length = pack(1000, packed, sizeof packed);
    packed[length / 2] ^= 16;
    gzip_fails(packed, length, 1 << 20, "truncated or damaged");
}

TEST(gzip, a_trailer_that_lies_fails)
{
    size_t length = pack(1000, packed, sizeof packed);
    packed[length - 4] = 7; /* states fewer bytes: the guess is too small, then the check fails */
    gzip_fails(packed, length, 1 << 20, "truncated or damaged");
    packed[length - 1] = 255; /* states 4 GiB */
    gzip_fails(packed, length, 1 << 20, "truncated or damaged");
}

TEST(gzip, more_than_asked_for_is_refused)
{
    size_t length = pack(1001, packed, sizeof packed);
    gzip_fails(packed, length, 1000, "inflates to more than 1000 bytes");
}

TEST(gzip, bytes_after_the_stream_are_refused)
{
    size_t length = pack(1000, packed, sizeof packed);
    packed[length] = 0;
    gzip_fails(packed, length + 1, 1 << 20, "are not gzip");
}
