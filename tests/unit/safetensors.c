/* safetensors -- files of the reference writer, hostile headers, conversions, writing. The golden
 * bytes are by safetensors 0.8.0 (Python); what is written here was read back by it. */
#include "tests/test.h"

#include "base/text.h"
#include "io/safetensors.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* safetensors.numpy.save({'b': float32 [[1, 2], [3, 4.5]], 'a': int64 [7], 'c': bool [1, 0]},
 *                        {'format': 'np'}) */
static const char golden[] = "\xc8\0\0\0\0\0\0\0{\"__metadata__\":{\"format\":\"np\"},"
                             "\"a\":{\"dtype\":\"I64\",\"shape\":[1],\"data_offsets\":[0,8]},"
                             "\"b\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[8,24]},"
                             "\"c\":{\"dtype\":\"BOOL\",\"shape\":[2],\"data_offsets\":[24,26]}}   "
                             "\x07\0\0\0\0\0\0\0"
                             "\0\0\x80\x3f\0\0\0\x40\0\0\x40\x40\0\0\x90\x40"
                             "\x01\0";
enum { GOLDEN_BYTES = sizeof golden - 1 };

/* A file of this header and so many zero bytes of data. */
static unsigned char *file_of(const char *header, size_t data_bytes, size_t *n)
{
    size_t length = strlen(header);
    *n = 8 + length + data_bytes;
    unsigned char *file = calloc(1, *n);
    assert_non_null(file);
    for (int i = 0; i < 8; i++) file[i] = (unsigned char)((uint64_t)length >> 8 * i);
    memcpy(file + 8, header, length);
    return file;
}

static void refused_bytes(const void *data, size_t n, const char *message)
{
    Arena *a = arena_new();
    Safetensors s;
    Error err = {0};
    ASSERT_FAILS(safetensors_parse(&s, a, data, n, "f.safetensors", &err), &err, FAIL_DATA,
                 message);
    assert_int_equal(strncmp(err.items[0].text, "f.safetensors: ", 15), 0);
    arena_free(a);
}

static void refused(const char *header, size_t data_bytes, const char *message)
{
    size_t n;
    unsigned char *file = file_of(header, data_bytes, &n);
    refused_bytes(file, n, message);
    free(file);
}

static void accepted(const char *header, size_t data_bytes, int n_tensors)
{
    Arena *a = arena_new();
    Safetensors s;
    Error err = {0};
    size_t n;
    unsigned char *file = file_of(header, data_bytes, &n);
    ASSERT_OK(safetensors_parse(&s, a, file, n, "f.safetensors", &err), &err);
    assert_int_equal(s.n_tensors, n_tensors);
    free(file);
    arena_free(a);
}

/* -- Reading -- */

TEST(safetensors, reads_a_file_of_the_reference_writer)
{
    Arena *a = arena_new();
    Safetensors s;
    Error err = {0};
    ASSERT_OK(safetensors_parse(&s, a, golden, GOLDEN_BYTES, "golden", &err), &err);
    assert_int_equal(s.n_tensors, 3);
    assert_string_equal(safetensors_metadata(&s, "format"), "np");
    assert_null(safetensors_metadata(&s, "other"));
    const StTensor *b = safetensors_find(&s, "b");
    assert_non_null(b);
    assert_int_equal(b->dtype, ST_F32);
    assert_int_equal(b->rank, 2);
    assert_int_equal(b->dim[0] * 10 + b->dim[1], 22);
    assert_int_equal(b->n, 4);
    assert_int_equal(b->bytes, 16);
    float values[4];
    safetensors_to_float(b, values);
    assert_true(values[0] == 1 && values[1] == 2 && values[2] == 3 && values[3] == 4.5F);
    safetensors_to_float(safetensors_find(&s, "a"), values);
    assert_true(values[0] == 7);
    safetensors_to_float(safetensors_find(&s, "c"), values);
    assert_true(values[0] == 1 && values[1] == 0);
    assert_null(safetensors_find(&s, "d"));
    arena_free(a);
}

TEST(safetensors, opens_real_files_without_reading_the_data)
{
    static const struct {
        const char *file, *tensor;
        int64_t dim[4];
    } files[] = {
        {"data/resnet_cifar10/resnet20-12fca82f.safetensors", "conv1.weight", {16, 3, 3, 3}},
        {"data/resnet_cifar10/resnet56-4bfd9763.safetensors", "conv1.weight", {16, 3, 3, 3}}
    };
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        const char *path = test_shared(files[i].file);
        if (!path) skip();
        Arena *a = arena_new();
        Safetensors s;
        Error err = {0};
        ASSERT_OK(safetensors_open(&s, a, path, &err), &err);
        const StTensor *t = safetensors_find(&s, files[i].tensor);
        assert_non_null(t);
        assert_int_equal(t->rank, 4);
        for (int d = 0; d < 4; d++) assert_int_equal(t->dim[d], files[i].dim[d]);
        assert_true((const unsigned char *)t->data > s.map.data); /* into the mapping */
        safetensors_close(&s);
        assert_null(s.map.data);
        arena_free(a);
    }
}

TEST(safetensors, resnet20_has_the_values_that_torch_reads)
{
    const char *path = test_shared("data/resnet_cifar10/resnet20-12fca82f.safetensors");
    if (!path) skip();
    Arena *a = arena_new();
    Safetensors s;
    Error err = {0};
    ASSERT_OK(safetensors_open(&s, a, path, &err), &err);
    /* printed by safetensors.numpy.load_file (0.8.0) and numpy.sum in float64 */
    assert_int_equal(s.n_tensors, 97);
    const StTensor *t = safetensors_find(&s, "linear.weight");
    assert_non_null(t);
    float *values = calloc((size_t)t->n, sizeof *values);
    assert_non_null(values);
    safetensors_to_float(t, values);
    double sum = 0;
    for (int64_t i = 0; i < t->n; i++) sum += (double)values[i];
    assert_true(values[0] == -0x1.0f4fep+0F);
    assert_true(fabs(sum + 0.04562738863751292) < 1e-9);
    free(values);
    safetensors_close(&s);
    arena_free(a);
}

TEST(safetensors, tensors_need_no_order_and_may_be_empty)
{
    accepted("{}", 0, 0);
    accepted("{}      ", 0, 0);
    accepted("{\"__metadata__\":{}}", 0, 0);
    accepted("{\"z\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},"
             "\"a\":{\"dtype\":\"U8\",\"shape\":[0,9],\"data_offsets\":[2,2]},"
             "\"e\":{\"dtype\":\"F32\",\"shape\":[1,0],\"data_offsets\":[0,0]},"
             "\"m\":{\"dtype\":\"I16\",\"shape\":[],\"data_offsets\":[2,4]}}",
             4, 4);
}

/* -- Hostile files -- */

TEST(safetensors, headers_past_the_file_are_refused)
{
    refused_bytes("", 0, "0 bytes: too short for a safetensors file");
    refused_bytes("\x02\0\0\0\0\0\0", 7, "7 bytes: too short");
    refused_bytes("\x03\0\0\0\0\0\0\0{}", 10, "header of 3 bytes in a file of 10");
    refused_bytes("\xff\xff\xff\xff\xff\xff\xff\xff{}", 10,
                  "header of 18446744073709551615 bytes in a file of 10: not safetensors");
    refused_bytes("\0\0\0\0\0\0\0\0", 8, "the header is not JSON");
}

TEST(safetensors, headers_that_are_no_json_object_are_refused)
{
    refused("hello", 0, "the header is not JSON: ");
    refused("[]", 0, "the header is not a JSON object");
    refused("{\"a\":1}", 0, "tensor 'a': expected an object");
    refused("{}x", 0, "the header is not JSON: end of file expected");
    refused("{\"\xff\":{}}", 0, "the header is not JSON: unable to decode byte 0xff");
    refused("{\"a\\u0000b\":{}}", 0, "the header is not JSON: ");
    refused("{\"__metadata__\":[]}", 0, "__metadata__: expected an object of strings");
    refused("{\"__metadata__\":{\"step\":3}}", 0, "__metadata__.step: expected a string");
    Text deep = {0};
    text_add(&deep, "{\"a\":");
    for (int i = 0; i < 100000; i++) text_add(&deep, "[");
    refused(deep.data, 0, "the header is not JSON: maximum parsing depth reached");
    text_free(&deep);
}

TEST(safetensors, duplicate_names_are_refused)
{
    refused("{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
            "\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}}",
            2, "duplicate object key near '\"a\"'");
}

TEST(safetensors, unknown_dtypes_are_refused)
{
    refused("{\"a\":{\"dtype\":\"F4\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1,
            "tensor 'a': unknown dtype");
    refused("{\"a\":{\"dtype\":7,\"shape\":[1],\"data_offsets\":[0,1]}}", 1,
            "tensor 'a': unknown dtype");
    refused("{\"a\":{\"shape\":[1],\"data_offsets\":[0,1]}}", 1, "tensor 'a': unknown dtype");
}

TEST(safetensors, absurd_shapes_are_refused)
{
    static const char *const shapes[] = {"[-1]",
                                         "[1.0]",
                                         "[\"1\"]",
                                         "1",
                                         "null",
                                         "[1,1,1,1,1,1,1,1,1]",
                                         "[4294967296,4294967296]",
                                         "[9223372036854775807,2,0]"};
    Arena *a = arena_new();
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        refused(arena_printf(a, "{\"t\":{\"dtype\":\"U8\",\"shape\":%s,\"data_offsets\":[0,1]}}",
                             shapes[i]),
                1, "tensor 't': bad shape; expected at most 8 sizes >= 0");
    refused("{\"t\":{\"dtype\":\"U8\",\"shape\":[9223372036854775808],\"data_offsets\":[0,1]}}", 1,
            "the header is not JSON: too big integer");
    refused("{\"t\":{\"dtype\":\"F64\",\"shape\":[2305843009213693952],\"data_offsets\":[0,0]}}", 0,
            "tensor 't': shape and dtype need another number of bytes than 0"); /* * 8 = 2^64 */
    refused("{\"t\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}", 4,
            "tensor 't': shape and dtype need another number of bytes than 4");
    arena_free(a);
}

TEST(safetensors, bad_offsets_are_refused)
{
    static const char *const offsets[] = {"[1,0]",   "[-1,0]", "[0]", "[0,1,2]",
                                          "[0,1.0]", "3",      "{}"};
    Arena *a = arena_new();
    for (size_t i = 0; i < sizeof offsets / sizeof offsets[0]; i++)
        refused(arena_printf(a, "{\"t\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":%s}}",
                             offsets[i]),
                1, "tensor 't': bad data_offsets");
    refused("{\"t\":{\"dtype\":\"U8\",\"shape\":[9],\"data_offsets\":[0,9]}}", 8,
            "tensor 't': its data end at byte 9, the file holds 8: it is truncated");
    arena_free(a);
}

TEST(safetensors, overlaps_holes_and_left_over_bytes_are_refused)
{
    refused("{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},"
            "\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[3,7]}}",
            7, "tensor 'b' overlaps another one");
    refused("{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},"
            "\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}",
            4, "overlaps another one");
    refused("{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},"
            "\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[5,7]}}",
            7, "a hole of 3 bytes before tensor 'b'");
    refused("{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}}", 4,
            "2 bytes at the end belong to no tensor");
    refused("{}", 1, "1 bytes at the end belong to no tensor");
}

TEST(safetensors, every_truncation_of_a_good_file_is_refused)
{
    for (size_t n = 0; n < GOLDEN_BYTES; n++) {
        Arena *a = arena_new();
        Safetensors s;
        Error err = {0};
        char *cut = malloc(n + 1);
        assert_non_null(cut);
        memcpy(cut, golden, n);
        assert_false(safetensors_parse(&s, a, cut, n, "cut", &err));
        assert_int_equal(err.kind, FAIL_DATA);
        free(cut);
        arena_free(a);
    }
}

TEST(safetensors, a_file_that_fails_is_not_left_mapped)
{
    Arena *a = arena_new();
    Safetensors s;
    Error err = {0};
    const char *path = arena_printf(a, "%s/bad", test_folder());
    ASSERT_OK(file_replace(path, "hello world", 11, &err), &err);
    ASSERT_FAILS(safetensors_open(&s, a, path, &err), &err, FAIL_DATA, path);
    assert_null(s.map.data);
    error_clear(&err);
    ASSERT_FAILS(safetensors_open(&s, a, "/nowhere/m.safetensors", &err), &err, FAIL_DATA,
                 "/nowhere/m.safetensors: cannot be read: No such file");
    arena_free(a);
}

/* -- Conversion -- */

/* The value by the definition of IEEE 754: sign, exponent, fraction; NaN apart. */
static double ieee_value(unsigned bits, int exponent_bits, int fraction_bits)
{
    int bias = (1 << (exponent_bits - 1)) - 1, top = (1 << exponent_bits) - 1;
    int exponent = (int)(bits >> fraction_bits) & top;
    double fraction = ldexp((double)(bits & ((1U << fraction_bits) - 1)), -fraction_bits);
    double magnitude = exponent == 0     ? ldexp(fraction, 1 - bias)
                       : exponent == top ? (fraction == 0 ? (double)INFINITY : (double)NAN)
                                         : ldexp(1 + fraction, exponent - bias);
    return bits >> (exponent_bits + fraction_bits) ? -magnitude : magnitude;
}

static void all_halves(StDtype dtype, int exponent_bits, int fraction_bits)
{
    enum { N = 65536 };
    uint16_t *bits = malloc(N * sizeof *bits);
    float *values = malloc(N * sizeof *values);
    assert_true(bits && values);
    for (unsigned i = 0; i < N; i++) bits[i] = (uint16_t)i;
    StTensor t = {.dtype = dtype, .rank = 1, .dim = {N}, .n = N, .data = bits, .bytes = N * 2};
    safetensors_to_float(&t, values);
    for (unsigned i = 0; i < N; i++) {
        double expected = ieee_value(i, exponent_bits, fraction_bits);
        if (isnan(expected))
            assert_true(isnan(values[i]));
        else
            assert_true((double)values[i] == expected);
        assert_int_equal(signbit(values[i]) != 0, i >> 15);
    }
    free(bits);
    free(values);
}

TEST(safetensors, every_f16_is_exact)
{
    all_halves(ST_F16, 5, 10);
}

TEST(safetensors, every_bf16_is_exact)
{
    all_halves(ST_BF16, 8, 7);
}

TEST(safetensors, other_dtypes_round_to_nearest)
{
    static const struct {
        StDtype dtype;
        unsigned char bytes[8];
        double value;
    } cases[] = {
        {ST_I8,   {0x80},                                           -128    },
        {ST_U8,   {0x80},                                           128     },
        {ST_BOOL, {1},                                              1       },
        {ST_I16,  {0xff, 0xff},                                     -1      },
        {ST_U16,  {0xff, 0xff},                                     65535   },
        {ST_I32,  {0, 0, 0, 0x80},                                  -0x1p31 },
        {ST_U32,  {0, 0, 0, 0x80},                                  0x1p31  },
        {ST_I64,  {0, 0, 0, 0, 0, 0, 0, 0x80},                      -0x1p63 },
        {ST_U64,  {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, 0x1p64  },
        {ST_I32,  {1, 0, 0, 1},                                     0x1p24  }, /* 2^24 + 1: tie to even */
        {ST_F64,  {0, 0, 0, 0, 0, 0, 0xf8, 0x3f},                   1.5     },
        {ST_F64,  {1, 0, 0, 0, 0, 0, 0xf0, 0x3f},                   1       }, /* 1 + 2^-52 */
        {ST_F32,  {1, 0, 0, 0},                                     0x1p-149}
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        unsigned char shifted[9] = {0}; /* data of a file need not be aligned */
        memcpy(shifted + 1, cases[i].bytes, 8);
        StTensor t = {.dtype = cases[i].dtype, .rank = 0, .n = 1, .data = shifted + 1};
        t.bytes = (size_t)st_dtype_bytes[t.dtype];
        float value;
        safetensors_to_float(&t, &value);
        assert_true((double)value == cases[i].value);
    }
}

/* -- Writing -- */

static char *written(const StTensor *tensors, int n, const char *(*metadata)[2], int n_metadata,
                     size_t *bytes)
{
    char path[128], *data;
    Error err = {0};
    (void)snprintf(path, sizeof path, "%s/w.safetensors", test_folder());
    ASSERT_OK(safetensors_write(path, tensors, n, metadata, n_metadata, &err), &err);
    ASSERT_OK(file_read(path, 1 << 20, &data, bytes, FAIL_DATA, &err), &err);
    return data;
}

TEST(safetensors, writes_the_bytes_of_the_reference_writer)
{
    static const float b[] = {1, 2, 3, 4.5F};
    static const int64_t a[] = {7};
    static const uint8_t c[] = {1, 0};
    const StTensor tensors[] = {
        {.name = "c", .dtype = ST_BOOL, .rank = 1, .dim = {2},    .n = 2, .data = c, .bytes = 2 },
        {.name = "b", .dtype = ST_F32,  .rank = 2, .dim = {2, 2}, .n = 4, .data = b, .bytes = 16},
        {.name = "a", .dtype = ST_I64,  .rank = 1, .dim = {1},    .n = 1, .data = a, .bytes = 8 }
    };
    const char *metadata[][2] = {
        {"format", "np"}
    };
    size_t n;
    char *data = written(tensors, 3, metadata, 1, &n);
    assert_int_equal(n, GOLDEN_BYTES);
    assert_memory_equal(data, golden, n);
    free(data);
}

TEST(safetensors, dtypes_are_stored_in_the_order_of_the_reference_writer)
{
    /* the order that safetensors 0.8.0 gave a file of all of these, names set against it */
    static const StDtype order[] = {ST_U64, ST_I64, ST_F64, ST_F32, ST_U32, ST_I32, ST_BF16,
                                    ST_F16, ST_U16, ST_I16, ST_I8,  ST_U8,  ST_BOOL};
    static const char zeros[8];
    StTensor tensors[ST_N_DTYPES] = {0};
    char names[ST_N_DTYPES][2];
    for (int i = 0; i < ST_N_DTYPES; i++) {
        names[i][0] = (char)('z' - i), names[i][1] = 0;
        tensors[i] = (StTensor){.name = names[i], .dtype = order[i], .n = 1, .data = zeros};
        tensors[i].bytes = (size_t)st_dtype_bytes[order[i]];
    }
    size_t n;
    char *data = written(tensors, ST_N_DTYPES, NULL, 0, &n);
    const char *last = data + 8;
    for (int i = 0; i < ST_N_DTYPES; i++) {
        char key[32];
        (void)snprintf(key, sizeof key, "\"%s\":{", names[i]);
        const char *at = strstr(data + 8, key);
        assert_true(at && at > last);
        last = at;
    }
    free(data);
}

TEST(safetensors, no_tensors_give_the_reference_s_16_bytes)
{
    size_t n;
    char *data = written(NULL, 0, NULL, 0, &n);
    assert_int_equal(n, 16);
    assert_memory_equal(data, "\x08\0\0\0\0\0\0\0{}      ", 16);
    free(data);
}

TEST(safetensors, odd_names_and_empty_tensors_come_back)
{
    static const float one[] = {0x1p-149F};
    const StTensor tensors[] = {
        {.name = "q\"\\\n\xc3\xa4", .dtype = ST_F32, .n = 1,    .data = one,                             .bytes = 4},
        {.name = "",                         .dtype = ST_F16,                               .rank = 8, .dim = {1, 2, 3, 4, 5, 6, 7, 0}}
    };
    const char *metadata[][2] = {
        {"k\t", "v\x01"},
        {"",    ""     }
    };
    size_t n;
    char *data = written(tensors, 2, metadata, 2, &n);
    assert_int_equal(data[0] & 7, 0); /* the header is padded, so that the data are aligned */
    Arena *a = arena_new();
    Safetensors s;
    Error err = {0};
    ASSERT_OK(safetensors_parse(&s, a, data, n, "back", &err), &err);
    assert_int_equal(s.n_tensors, 2);
    const StTensor *t = safetensors_find(&s, tensors[0].name);
    assert_true(t && *(const float *)t->data == one[0] && t->rank == 0);
    t = safetensors_find(&s, "");
    assert_true(t && t->rank == 8 && t->dim[6] == 7 && t->n == 0);
    assert_string_equal(safetensors_metadata(&s, "k\t"), "v\x01");
    assert_string_equal(safetensors_metadata(&s, ""), "");
    free(data);
    arena_free(a);
}

TEST(safetensors, a_write_that_fails_leaves_the_old_file)
{
    Arena *a = arena_new();
    Error err = {0};
    const char *path = arena_printf(a, "%s/absent/m.safetensors", test_folder());
    ASSERT_FAILS(safetensors_write(path, NULL, 0, NULL, 0, &err), &err, FAIL_RUN,
                 "absent/m.safetensors: cannot be written: No such file or directory");
    arena_free(a);
}

/* -- Tensors as they come, and narrower numbers */

static void is_narrowed(StDtype dtype, float x, uint16_t want)
{
    uint16_t got;
    safetensors_from_float(dtype, &x, 1, &got);
    assert_int_equal(got, want);
}

/* Halves between two numbers go to the even one; numpy.float16 and torch.bfloat16 say the same. */
TEST(safetensors, rounds_to_the_nearest_and_ties_to_even)
{
    is_narrowed(ST_BF16, 1.00390625F, 0x3f80);
    is_narrowed(ST_BF16, 1.01171875F, 0x3f82);
    is_narrowed(ST_BF16, 3.4e38F, 0x7f80);
    is_narrowed(ST_BF16, NAN, 0x7fc0);
    is_narrowed(ST_F16, 1 + 0x1p-11F, 0x3c00);
    is_narrowed(ST_F16, 1 + 3 * 0x1p-11F, 0x3c02);
    is_narrowed(ST_F16, 65519.99F, 0x7bff);
    is_narrowed(ST_F16, -65520, 0xfc00);
    is_narrowed(ST_F16, 0x1p-25F, 0);
    is_narrowed(ST_F16, 0x1.01p-25F, 1);
    is_narrowed(ST_F16, 0x1.ff8p-15F, 0x03ff);
    is_narrowed(ST_F16, 0x1.ffcp-15F, 0x0400);
    is_narrowed(ST_F16, -0.0F, 0x8000);
}

TEST(safetensors, every_half_comes_back)
{
    for (uint32_t i = 0; i < 65536; i++) {
        const uint16_t half = (uint16_t)i;
        const StTensor t = {.dtype = ST_F16, .rank = 1, .dim = {1}, .n = 1, .data = &half};
        float x;
        uint16_t back;
        safetensors_to_float(&t, &x);
        if (isnan(x)) continue;
        safetensors_from_float(ST_F16, &x, 1, &back);
        assert_int_equal(back, half);
    }
}

/* b before a, in pieces that are not tensors: the bytes of safetensors_write. */
TEST(safetensors, stream_gives_the_bytes_of_a_write)
{
    static const float a[] = {1, 2, 3}, b[] = {4, 5};
    static const char *const metadata[1][2] = {
        {"format", "pt"}
    };
    StTensor t[] = {
        {.name = "b", .dtype = ST_F32, .rank = 1, .dim = {2}, .n = 2, .data = b, .bytes = 8 },
        {.name = "a", .dtype = ST_F32, .rank = 1, .dim = {3}, .n = 3, .data = a, .bytes = 12},
    };
    Error err = {0};
    SafetensorsStream s;
    Arena *arena = arena_new();
    const char *folder = arena_string(arena, test_folder());
    const char *one = arena_printf(arena, "%s/one", folder);
    const char *other = arena_printf(arena, "%s/other", folder);
    const char *(*more)[2] = (const char *(*)[2])(uintptr_t)metadata;
    ASSERT_OK(safetensors_write(one, t, 2, more, 1, &err), &err);
    ASSERT_OK(safetensors_stream_open(&s, other, t, 2, more, 1, &err), &err);
    assert_string_equal(t[0].name, "a");
    ASSERT_OK(safetensors_stream_add(&s, a, 4, &err), &err);
    ASSERT_OK(safetensors_stream_add(&s, a + 1, 8, &err), &err);
    ASSERT_OK(safetensors_stream_add(&s, b, 8, &err), &err);
    ASSERT_OK(safetensors_stream_commit(&s, &err), &err);
    char *bytes[2];
    size_t n[2];
    ASSERT_OK(file_read(one, 1000, &bytes[0], &n[0], FAIL_DATA, &err), &err);
    ASSERT_OK(file_read(other, 1000, &bytes[1], &n[1], FAIL_DATA, &err), &err);
    assert_int_equal(n[0], n[1]);
    assert_memory_equal(bytes[0], bytes[1], n[0]);
    free(bytes[0]);
    free(bytes[1]);
    arena_free(arena);
}

TEST(safetensors, stream_that_lacks_bytes_leaves_no_file)
{
    static const float a[] = {1, 2, 3, 4};
    StTensor t = {.name = "a", .dtype = ST_F32, .rank = 1, .dim = {3}, .n = 3, .bytes = 12};
    Error err = {0};
    SafetensorsStream s;
    char path[600];
    (void)snprintf(path, sizeof path, "%s/one", test_folder());
    ASSERT_OK(safetensors_stream_open(&s, path, &t, 1, NULL, 0, &err), &err);
    ASSERT_FAILS(safetensors_stream_add(&s, a, 16, &err), &err, FAIL_RUN,
                 "more bytes than its tensors have");
    error_clear(&err);
    ASSERT_OK(safetensors_stream_add(&s, a, 8, &err), &err);
    ASSERT_FAILS(safetensors_stream_commit(&s, &err), &err, FAIL_RUN,
                 "4 bytes of its tensors are missing");
    assert_false(file_exists(path));
}
