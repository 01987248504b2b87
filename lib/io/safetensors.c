/* safetensors -- see safetensors.h. */
#include "io/safetensors.h"

#include "base/text.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *const st_dtype_name[ST_N_DTYPES] = {"BOOL", "U8",  "I8",  "I16", "U16", "F16", "BF16",
                                                "I32",  "U32", "F32", "F64", "I64", "U64"};
const int st_dtype_bytes[ST_N_DTYPES] = {1, 1, 1, 2, 2, 2, 2, 4, 4, 4, 8, 8, 8};

static const uint64_t HEADER_MAX = 100000000; /* the reference reader's limit */

const char *st_shape_text(const StTensor *t, char text[ST_SHAPE_TEXT])
{
    int n = snprintf(text, ST_SHAPE_TEXT, "(");
    for (int i = 0; i < t->rank; i++)
        n += snprintf(text + n, (size_t)(ST_SHAPE_TEXT - n), "%s%lld", i ? ", " : "",
                      (long long)t->dim[i]);
    (void)snprintf(text + n, (size_t)(ST_SHAPE_TEXT - n), ")");
    return text;
}

static uint64_t read_u64(const unsigned char *p)
{
    uint64_t value = 0;
    for (int i = 7; i >= 0; i--) value = value << 8 | p[i];
    return value;
}

static bool read_dtype(const json_t *j, StDtype *out)
{
    const char *name = json_string_value(j);
    for (int i = 0; name && i < ST_N_DTYPES; i++)
        if (strcmp(st_dtype_name[i], name) == 0) {
            *out = (StDtype)i;
            return true;
        }
    return false;
}

static bool read_shape(const json_t *j, StTensor *t)
{
    if (!json_is_array(j) || json_array_size(j) > ST_MAX_RANK) return false;
    t->rank = (int)json_array_size(j);
    t->n = 1;
    for (int i = 0; i < t->rank; i++) {
        const json_t *d = json_array_get(j, (size_t)i);
        if (!json_is_integer(d) || json_integer_value(d) < 0) return false;
        t->dim[i] = json_integer_value(d);
        if (__builtin_mul_overflow(t->n, t->dim[i], &t->n)) return false;
    }
    return true;
}

static bool read_tensor(Arena *a, const char *file, const char *name, const json_t *j,
                        const unsigned char *base, uint64_t bytes, StTensor *t, Error *err)
{
    Place at = {.file = file};
    t->name = arena_string(a, name);
    if (!json_is_object(j))
        return fail(err, FAIL_DATA, &at, "tensor '%.100s': expected an object", name);
    if (!read_dtype(json_object_get(j, "dtype"), &t->dtype))
        return fail(err, FAIL_DATA, &at, "tensor '%.100s': unknown dtype", name);
    if (!read_shape(json_object_get(j, "shape"), t))
        return fail(
            err, FAIL_DATA, &at,
            "tensor '%.100s': bad shape; expected at most %d sizes >= 0 whose product fits 64 "
            "bits",
            name, ST_MAX_RANK);
    const json_t *offsets = json_object_get(j, "data_offsets");
    const json_t *first = json_array_get(offsets, 0), *last = json_array_get(offsets, 1);
    if (json_array_size(offsets) != 2 || !json_is_integer(first) || !json_is_integer(last) ||
        json_integer_value(first) < 0 || json_integer_value(last) < json_integer_value(first))
        return fail(err, FAIL_DATA, &at, "tensor '%.100s': bad data_offsets", name);
    uint64_t begin = (uint64_t)json_integer_value(first), end = (uint64_t)json_integer_value(last);
    if (end > bytes)
        return fail(
            err, FAIL_DATA, &at,
            "tensor '%.100s': its data end at byte %llu, the file holds %llu: it is truncated",
            name, (unsigned long long)end, (unsigned long long)bytes);
    int64_t expected;
    if (__builtin_mul_overflow(t->n, (int64_t)st_dtype_bytes[t->dtype], &expected) ||
        (uint64_t)expected != end - begin)
        return fail(err, FAIL_DATA, &at,
                    "tensor '%.100s': shape and dtype need another number of bytes than %llu", name,
                    (unsigned long long)(end - begin));
    t->bytes = (size_t)(end - begin);
    t->data = base ? base + begin : NULL;
    return true;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const StTensor *)a)->name, ((const StTensor *)b)->name);
}

static int by_address(const void *a, const void *b)
{
    const StTensor *x = a, *y = b;
    const char *p = x->data, *q = y->data;
    if (p != q) return p < q ? -1 : 1;
    return (x->bytes > y->bytes) - (x->bytes < y->bytes);
}

/* The data must tile the buffer: no overlap, no hole. */
static bool check_layout(Safetensors *s, const char *file, const unsigned char *base,
                         uint64_t bytes, Error *err)
{
    Place at = {.file = file};
    qsort(s->tensors, (size_t)s->n_tensors, sizeof *s->tensors, by_address);
    uint64_t end = 0;
    for (int i = 0; i < s->n_tensors; i++) {
        const StTensor *t = &s->tensors[i];
        uint64_t begin = (uint64_t)((const unsigned char *)t->data - base);
        if (begin < end)
            return fail(err, FAIL_DATA, &at, "tensor '%.100s' overlaps another one", t->name);
        if (begin > end)
            return fail(err, FAIL_DATA, &at, "a hole of %llu bytes before tensor '%.100s'",
                        (unsigned long long)(begin - end), t->name);
        end = begin + t->bytes;
    }
    if (end != bytes)
        return fail(err, FAIL_DATA, &at, "%llu bytes at the end belong to no tensor",
                    (unsigned long long)(bytes - end));
    qsort(s->tensors, (size_t)s->n_tensors, sizeof *s->tensors, by_name);
    return true;
}

static bool read_metadata(Safetensors *s, Arena *a, const char *file, const json_t *j, Error *err)
{
    Place at = {.file = file};
    const char *key;
    json_t *value;
    if (!json_is_object(j))
        return fail(err, FAIL_DATA, &at, "__metadata__: expected an object of strings");
    s->metadata = arena_alloc(a, sizeof *s->metadata * json_object_size(j));
    json_object_foreach((json_t *)(uintptr_t)j, key, value)
    {
        if (!json_is_string(value))
            return fail(err, FAIL_DATA, &at, "__metadata__.%.100s: expected a string", key);
        s->metadata[s->n_metadata][0] = arena_string(a, key);
        s->metadata[s->n_metadata++][1] = arena_string(a, json_string_value(value));
    }
    return true;
}

static bool read_header(Safetensors *s, Arena *a, const json_t *header, const char *file,
                        const unsigned char *base, uint64_t bytes, Error *err)
{
    Place at = {.file = file};
    const char *name;
    json_t *value;
    if (!json_is_object(header))
        return fail(err, FAIL_DATA, &at, "the header is not a JSON object");
    s->tensors = arena_new_array(a, StTensor, json_object_size(header));
    json_object_foreach((json_t *)(uintptr_t)header, name, value)
    {
        if (strcmp(name, "__metadata__") == 0)
            TRY(read_metadata(s, a, file, value, err));
        else
            TRY(read_tensor(a, file, name, value, base, bytes, &s->tensors[s->n_tensors++], err));
    }
    return check_layout(s, file, base, bytes, err);
}

bool safetensors_parse(Safetensors *s, Arena *a, const void *data, size_t n, const char *name,
                       Error *err)
{
    *s = (Safetensors){0};
    Place at = {.file = name};
    const unsigned char *p = data;
    if (n < 8) return fail(err, FAIL_DATA, &at, "%zu bytes: too short for a safetensors file", n);
    uint64_t length = read_u64(p);
    if (length > n - 8 || length > HEADER_MAX)
        return fail(err, FAIL_DATA, &at,
                    "header of %llu bytes in a file of %zu: not safetensors, or truncated",
                    (unsigned long long)length, n);
    json_error_t why;
    json_t *header = json_loadb((const char *)p + 8, (size_t)length, JSON_REJECT_DUPLICATES, &why);
    if (!header)
        return fail(err, FAIL_DATA, &at, "the header is not JSON: %s (at byte %d)", why.text,
                    why.position + 8);
    bool ok = read_header(s, a, header, name, p + 8 + length, n - 8 - length, err);
    json_decref(header);
    return ok;
}

bool safetensors_open(Safetensors *s, Arena *a, const char *path, Error *err)
{
    FileMap map;
    *s = (Safetensors){0};
    TRY(file_map(path, &map, FAIL_DATA, err));
    if (!safetensors_parse(s, a, map.data, map.bytes, path, err)) {
        file_unmap(&map);
        *s = (Safetensors){0};
        return false;
    }
    s->map = map;
    return true;
}

void safetensors_close(Safetensors *s)
{
    file_unmap(&s->map);
    *s = (Safetensors){0};
}

const StTensor *safetensors_find(const Safetensors *s, const char *name)
{
    StTensor key = {.name = name};
    if (s->n_tensors == 0) return NULL;
    return bsearch(&key, s->tensors, (size_t)s->n_tensors, sizeof *s->tensors, by_name);
}

const char *safetensors_metadata(const Safetensors *s, const char *key)
{
    for (int i = 0; i < s->n_metadata; i++)
        if (strcmp(s->metadata[i][0], key) == 0) return s->metadata[i][1];
    return NULL;
}

static float half_to_float(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = h >> 10 & 31, fraction = h & 1023,
             bits;
    float value;
    if (exponent == 0) {
        value = (float)fraction * 0x1p-24f;
        return sign ? -value : value;
    }
    bits = sign | (exponent == 31 ? 0x7f800000u : (exponent + 112) << 23) | fraction << 13;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* One element; data in a file need not be aligned. */
#define READ_AS(type) (*(type *)memcpy(&(type){0}, p, sizeof(type)))
static float element(StDtype dtype, const unsigned char *p)
{
    switch (dtype) {
    case ST_F32:
        return READ_AS(float);
    case ST_F64:
        return (float)READ_AS(double);
    case ST_F16:
        return half_to_float(READ_AS(uint16_t));
    case ST_BF16: {
        uint32_t bits = (uint32_t)READ_AS(uint16_t) << 16;
        float value;
        memcpy(&value, &bits, sizeof value);
        return value;
    }
    case ST_BOOL:
    case ST_U8:
        return *p;
    case ST_I8:
        return READ_AS(int8_t);
    case ST_I16:
        return READ_AS(int16_t);
    case ST_U16:
        return READ_AS(uint16_t);
    case ST_I32:
        return (float)READ_AS(int32_t);
    case ST_U32:
        return (float)READ_AS(uint32_t);
    case ST_I64:
        return (float)READ_AS(int64_t);
    case ST_U64:
        return (float)READ_AS(uint64_t);
    case ST_N_DTYPES:
        break;
    }
    return 0;
}

void safetensors_to_float(const StTensor *t, float *out)
{
    if (t->dtype == ST_F32) {
        if (t->bytes > 0) memcpy(out, t->data, t->bytes);
        return;
    }
    const unsigned char *p = t->data;
    int width = st_dtype_bytes[t->dtype];
    for (int64_t i = 0; i < t->n; i++) out[i] = element(t->dtype, p + i * width);
}

/* The upper half of the bits, the lower one rounded away; a NaN stays one. */
static uint16_t float_to_bfloat(uint32_t bits)
{
    if ((bits & 0x7fffffff) > 0x7f800000) return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static uint16_t float_to_half(float x, uint32_t bits)
{
    const uint32_t sign = bits >> 16 & 0x8000, size = bits & 0x7fffffff;
    if (size > 0x7f800000) return (uint16_t)(sign | 0x7e00);
    if (size >= 0x477ff000) return (uint16_t)(sign | 0x7c00); /* 65520 and more: infinite */
    if (size < 0x38800000) /* below 2^-14: whole multiples of 2^-24, by the rounding of a sum */
        return (uint16_t)(sign | (uint32_t)lrintf(fabsf(x) * 0x1p24F));
    return (uint16_t)(sign | (size + 0xfff + (size >> 13 & 1) - (112U << 23)) >> 13);
}

void safetensors_from_float(StDtype dtype, const float *x, int64_t n, void *out)
{
    unsigned char *to = out;
    if (dtype == ST_F32) {
        if (n > 0) memcpy(out, x, sizeof(float) * (size_t)n);
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &x[i], sizeof bits);
        const uint16_t half = dtype == ST_F16 ? float_to_half(x[i], bits) : float_to_bfloat(bits);
        const double wide = (double)x[i];
        if (dtype == ST_F64)
            memcpy(to + 8 * i, &wide, sizeof wide);
        else
            memcpy(to + 2 * i, &half, sizeof half);
    }
}

/* -- Writing */

/* From the last dtype of the list to the first, so the wider come first and every tensor is aligned
 * to its own width; then by name. */
static int write_order(const void *a, const void *b)
{
    const StTensor *x = a, *y = b;
    if (x->dtype != y->dtype) return (int)y->dtype - (int)x->dtype;
    return strcmp(x->name, y->name);
}

static void header_text(Text *out, const StTensor *order, int n, const char *(*metadata)[2],
                        int n_metadata)
{
    size_t offset = 0;
    text_add(out, "{");
    if (n_metadata > 0) {
        text_add(out, "\"__metadata__\":{");
        for (int i = 0; i < n_metadata; i++) {
            if (i > 0) text_add(out, ",");
            text_add_json(out, metadata[i][0]);
            text_add(out, ":");
            text_add_json(out, metadata[i][1]);
        }
        text_add(out, n > 0 ? "}," : "}");
    }
    for (int i = 0; i < n; i++) {
        const StTensor *t = &order[i];
        if (i > 0) text_add(out, ",");
        text_add_json(out, t->name);
        text_addf(out, ":{\"dtype\":\"%s\",\"shape\":[", st_dtype_name[t->dtype]);
        for (int d = 0; d < t->rank; d++)
            text_addf(out, "%s%lld", d ? "," : "", (long long)t->dim[d]);
        text_addf(out, "],\"data_offsets\":[%zu,%zu]}", offset, offset + t->bytes);
        offset += t->bytes;
    }
    text_add(out, "}");
    while (out->n % 8 != 0) text_add(out, " ");
}

bool safetensors_stream_open(SafetensorsStream *s, const char *path, StTensor *tensors, int n,
                             const char *(*metadata)[2], int n_metadata, Error *err)
{
    Text header = {0};
    unsigned char length[8];
    qsort(tensors, (size_t)n, sizeof *tensors, write_order);
    header_text(&header, tensors, n, metadata, n_metadata);
    for (int i = 0; i < 8; i++) length[i] = (unsigned char)((uint64_t)header.n >> 8 * i);
    s->missing = 0;
    for (int i = 0; i < n; i++) s->missing += tensors[i].bytes;
    bool ok = file_writer_open(&s->file, path, err);
    if (ok && !(file_writer_add(&s->file, length, 8, err) &&
                file_writer_add(&s->file, header.data, header.n, err))) {
        file_writer_abandon(&s->file);
        ok = false;
    }
    text_free(&header);
    return ok;
}

bool safetensors_stream_add(SafetensorsStream *s, const void *data, size_t bytes, Error *err)
{
    if (bytes > s->missing)
        return fail(err, FAIL_RUN, NULL, "%s: more bytes than its tensors have", s->file.path);
    s->missing -= bytes;
    return file_writer_add(&s->file, data, bytes, err);
}

bool safetensors_stream_commit(SafetensorsStream *s, Error *err)
{
    if (s->missing == 0) return file_writer_commit(&s->file, err);
    (void)fail(err, FAIL_RUN, NULL, "%s: %zu bytes of its tensors are missing", s->file.path,
               s->missing);
    file_writer_abandon(&s->file);
    return false;
}

void safetensors_stream_abandon(SafetensorsStream *s)
{
    file_writer_abandon(&s->file);
}

bool safetensors_write(const char *path, const StTensor *tensors, int n, const char *(*metadata)[2],
                       int n_metadata, Error *err)
{
    SafetensorsStream s;
    StTensor *order = calloc((size_t)n + 1, sizeof *order);
    if (!order) return fail(err, FAIL_RUN, NULL, "out of memory");
    if (n > 0) memcpy(order, tensors, sizeof *order * (size_t)n);
    bool ok = safetensors_stream_open(&s, path, order, n, metadata, n_metadata, err);
    if (ok) {
        for (int i = 0; ok && i < n; i++)
            ok = safetensors_stream_add(&s, order[i].data, order[i].bytes, err);
        if (ok)
            ok = safetensors_stream_commit(&s, err);
        else
            safetensors_stream_abandon(&s);
    }
    free(order);
    return ok;
}
