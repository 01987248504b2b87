/* npy -- files of NumPy 2.4 (headers as numpy.save wrote them), hostile headers, writing. What is
 * written here was read back by numpy.load. */
#include "tests/test.h"

#include "io/npy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_MAX = 8192 };

/* A version 1.0 file: the header as numpy pads it (blanks and \n to 64), then so many data bytes.
 */
static size_t file_of(unsigned char *file, const char *header, const void *data, size_t data_bytes)
{
    size_t n = strlen(header), total = (10 + n + 1 + 63) / 64 * 64;
    assert_true(total + data_bytes <= FILE_MAX);
    memcpy(file, "\x93NUMPY\x01\0", 8);
    file[8] = (unsigned char)(total - 10), file[9] = (unsigned char)((total - 10) >> 8);
    memset(file + 10, ' ', total - 11);
    memcpy(file + 10, header, n);
    file[total - 1] = '\n';
    if (data)
        memcpy(file + total, data, data_bytes);
    else
        memset(file + total, 0, data_bytes);
    return total + data_bytes;
}

/* Memory of exactly n bytes, so that a sanitizer sees a read past the end. */
static bool parse(const void *data, size_t n, StTensor *t, Error *err)
{
    unsigned char *exact = malloc(n ? n : 1);
    assert_non_null(exact);
    memcpy(exact, data, n);
    bool ok = npy_parse(exact, n, "x.npy", t, err);
    free(exact);
    return ok;
}

static void refused_bytes(const void *data, size_t n, const char *message)
{
    StTensor t;
    Error err = {0};
    ASSERT_FAILS(parse(data, n, &t, &err), &err, FAIL_DATA, message);
    assert_int_equal(strncmp(err.items[0].text, "x.npy: ", 7), 0);
}

static void refused(const char *header, size_t data_bytes, const char *message)
{
    unsigned char file[FILE_MAX];
    refused_bytes(file, file_of(file, header, NULL, data_bytes), message);
}

TEST(npy, reads_what_numpy_saves)
{
    static const struct {
        const char *header;
        StDtype dtype;
        int rank;
        int64_t n;
    } files[] = {
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }",      ST_F32,  2, 6  },
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (), }",          ST_F64,  0, 1  },
        {"{'descr': '<i4', 'fortran_order': False, 'shape': (5,), }",        ST_I32,  1, 5  },
        {"{'descr': '<i8', 'fortran_order': False, 'shape': (0, 3), }",      ST_I64,  2, 0  },
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (1, 28, 28), }", ST_U8,   3, 784},
        {"{'descr': '|b1', 'fortran_order': False, 'shape': (2,), }",        ST_BOOL, 1, 2  },
        {"{'shape': (2,), 'fortran_order': False, 'descr': \"<f4\"}",        ST_F32,  1, 2  }
    };
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        unsigned char file[FILE_MAX];
        StTensor t;
        Error err = {0};
        size_t data_bytes = (size_t)(files[i].n * st_dtype_bytes[files[i].dtype]);
        size_t n = file_of(file, files[i].header, NULL, data_bytes);
        ASSERT_OK(npy_parse(file, n, "x.npy", &t, &err), &err);
        assert_int_equal(t.dtype, files[i].dtype);
        assert_int_equal(t.rank, files[i].rank);
        assert_int_equal(t.n, files[i].n);
        assert_int_equal(t.bytes, data_bytes);
        assert_ptr_equal(t.data, file + n - data_bytes);
    }
}

TEST(npy, reads_whole_files_of_numpy_bit_for_bit)
{
    /* numpy.save(f, numpy.array([[1.5, -2], [0, 1e-45]], '<f4')), 144 bytes */
    static const char one[] = "\x93NUMPY\x01\0v\0"
                              "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }"
                              "                                                          \n"
                              "\0\0\xc0\x3f\0\0\0\xc0\0\0\0\0\x01\0\0\0";
    /* numpy.lib.format.write_array(f, numpy.array([1, -2, 3], '<i4'), version=(2, 0)) */
    static const char two[] = "\x93NUMPY\x02\0t\0\0\0"
                              "{'descr': '<i4', 'fortran_order': False, 'shape': (3,), }"
                              "                                                          \n"
                              "\x01\0\0\0\xfe\xff\xff\xff\x03\0\0\0";
    StTensor t;
    Error err = {0};
    float values[4];
    ASSERT_OK(npy_parse(one, sizeof one - 1, "one", &t, &err), &err);
    assert_string_equal(t.name, "one");
    assert_int_equal(t.dim[0] * 10 + t.dim[1], 22);
    safetensors_to_float(&t, values);
    assert_true(values[0] == 1.5F && values[1] == -2 && values[2] == 0 && values[3] == 0x1p-149F);
    ASSERT_OK(npy_parse(two, sizeof two - 1, "two", &t, &err), &err);
    assert_int_equal(t.n, 3);
    safetensors_to_float(&t, values);
    assert_true(values[0] == 1 && values[1] == -2 && values[2] == 3);
}

TEST(npy, fortran_order_is_refused)
{
    refused("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }", 24,
            "Fortran order; expected C order");
    refused("{'descr': '<f4', 'fortran_order': 1, 'shape': (2, 3), }", 24, "Fortran order");
}

TEST(npy, other_dtypes_are_refused_by_name)
{
    refused("{'descr': '>f4', 'fortran_order': False, 'shape': (1,), }", 4,
            "npy dtype '>f4'; expected <f4 <f8 <i4 <i8 |u1 or |b1");
    refused("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", 8, "npy dtype '|O',");
    refused("{'descr': '<f2', 'fortran_order': False, 'shape': (1,), }", 2, "npy dtype '<f2'");
    refused("{'descr': '<f44', 'fortran_order': False, 'shape': (1,), }", 4, "npy dtype '<f44");
    refused("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", 4,
            "npy dtype [(");
    refused("{'descr': x<f4x, 'fortran_order': False, 'shape': (1,), }", 4, "npy dtype x<f4x");
}

TEST(npy, lying_headers_are_refused)
{
    refused("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", 23,
            "the header asks for 6 elements, 23 bytes follow: truncated or damaged");
    refused("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", 25,
            "the header asks for 6 elements, 25 bytes follow");
    refused("{'descr': '<f8', 'fortran_order': False, 'shape': (2305843009213693952,), }", 0,
            "the header asks for 2305843009213693952 elements, 0 bytes follow"); /* * 8 = 2^64 */
    refused("{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296), }", 0,
            "bad shape in npy header");
    refused("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }", 0,
            "bad shape in npy header");
    refused("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }", 0, "bad shape");
    refused("{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1), }", 4,
            "bad shape");
    refused("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3", 24, "bad shape");
    refused("{'descr': '<f4', 'fortran_order': False, 'shape': [2], }", 8, "bad shape");
    refused("{'descr': '<f4', 'fortran_order': False}", 0, "bad shape");
    refused("{'descr': '<f4'}", 0, "npy header without descr or fortran_order");
}

TEST(npy, files_that_are_no_npy_are_refused)
{
    unsigned char file[FILE_MAX];
    size_t n = file_of(file, "{'descr': '<f4', 'fortran_order': False, 'shape': (), }", NULL, 4);
    refused_bytes("", 0, "not an npy file");
    refused_bytes("\x93NUMPY\x01\0\0\0", 10, "not an npy file");
    refused_bytes("PK\x03\x04 a zip file", 15, "not an npy file");
    file[6] = 4;
    refused_bytes(file, n, "npy version 4; expected 1 to 3");
    file[6] = 0;
    refused_bytes(file, n, "npy version 0");
    file[6] = 1;
    for (size_t cut = 12; cut < n; cut++) refused_bytes(file, cut, "");
    file[9] = 0xff;
    refused_bytes(file, n, "npy header longer than the file or 4096");
    memcpy(file + 6, "\x02\0\xff\xff\xff\xff", 6);
    refused_bytes(file, n, "npy header longer than the file or 4096");
}

/* The header's last byte is its last known key: nothing past it may be looked at. */
TEST(npy, a_header_that_ends_at_its_key_is_refused)
{
    static unsigned char file[10 + 4095];
    memcpy(file, "\x93NUMPY\x01\0\xff\x0f", 10);
    memset(file + 10, ' ', 4095);
    memcpy(file + 10, "{'fortran_order': False", 23);
    memcpy(file + sizeof file - 8, "'descr':", 8);
    refused_bytes(file, sizeof file, "npy dtype ; expected");
    memcpy(file + sizeof file - 12, "'descr': '<f", 12);
    refused_bytes(file, sizeof file, "npy dtype '<f; expected");
}

TEST(npy, open_maps_the_file_and_a_failure_unmaps_it)
{
    Arena *a = arena_new();
    Error err = {0};
    FileMap map;
    StTensor t;
    unsigned char file[FILE_MAX];
    const char *path = arena_printf(a, "%s/x.npy", test_folder());
    size_t n = file_of(file, "{'descr': '|u1', 'fortran_order': False, 'shape': (3,), }", "abc", 3);
    ASSERT_OK(file_replace(path, file, n, &err), &err);
    ASSERT_OK(npy_open(path, &map, &t, &err), &err);
    assert_ptr_equal(t.data, map.data + n - 3);
    assert_memory_equal(t.data, "abc", 3);
    file_unmap(&map);
    ASSERT_OK(file_replace(path, file, n - 1, &err), &err);
    ASSERT_FAILS(npy_open(path, &map, &t, &err), &err, FAIL_DATA, "x.npy: the header asks for 3");
    assert_null(map.data);
    arena_free(a);
}

TEST(npy, writes_the_bytes_that_numpy_saves)
{
    static const float data[] = {1.5F, -2, 0, 0x1p-149F};
    static const struct {
        int rank;
        int64_t dim[8], n;
        const char *shape; /* as numpy prints a tuple */
    } cases[] = {
        {2, {2, 2},                   4, "(2, 2)"                  },
        {1, {4},                      4, "(4,)"                    },
        {0, {0},                      1, "()"                      },
        {3, {0, 7, 1},                0, "(0, 7, 1)"               },
        {8, {1, 1, 1, 2, 1, 1, 1, 2}, 4, "(1, 1, 1, 2, 1, 1, 1, 2)"}
    };
    Arena *a = arena_new();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        Error err = {0};
        unsigned char expected[FILE_MAX];
        char *got;
        size_t n_got;
        StTensor t = {.dtype = ST_F32, .rank = cases[i].rank, .n = cases[i].n, .data = data};
        memcpy(t.dim, cases[i].dim, sizeof t.dim);
        t.bytes = (size_t)t.n * 4;
        const char *path = arena_printf(a, "%s/w.npy", test_folder());
        ASSERT_OK(npy_write(path, &t, &err), &err);
        ASSERT_OK(file_read(path, FILE_MAX, &got, &n_got, FAIL_DATA, &err), &err);
        size_t n =
            file_of(expected,
                    arena_printf(a, "{'descr': '<f4', 'fortran_order': False, 'shape': %s, }",
                                 cases[i].shape),
                    data, t.bytes);
        assert_int_equal(n_got, n);
        assert_memory_equal(got, expected, n);
        free(got);
    }
    arena_free(a);
}

TEST(npy, types_that_it_does_not_hold_are_not_written)
{
    Error err = {0};
    StTensor t = {.dtype = ST_BF16, .n = 1};
    ASSERT_FAILS(npy_write("/tmp/never.npy", &t, &err), &err, FAIL_RUN,
                 "/tmp/never.npy: npy does not hold BF16");
}
