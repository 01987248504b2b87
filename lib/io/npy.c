/* npy -- see npy.h. The header is a Python dict literal of three known keys; it is read by a small
 * scanner. */
#include "io/npy.h"

#include <string.h>

static const struct {
    const char *code;
    StDtype dtype;
} codes[] = {
    {"<f4", ST_F32 },
    {"<f8", ST_F64 },
    {"<i4", ST_I32 },
    {"<i8", ST_I64 },
    {"|u1", ST_U8  },
    {"|b1", ST_BOOL}
};
enum { N_CODES = sizeof codes / sizeof codes[0], HEADER_MAX = 4096 };

/* After "'key':" and blanks. */
static const char *find_key(const char *header, const char *key)
{
    const char *at = strstr(header, key);
    if (!at) return NULL;
    at += strlen(key);
    at += strspn(at, " :");
    return at;
}

static bool read_shape(const char *at, StTensor *t)
{
    if (!at || *at++ != '(') return false;
    t->rank = 0;
    t->n = 1;
    for (;;) {
        at += strspn(at, " ,");
        if (*at == ')') return true;
        if (*at < '0' || *at > '9' || t->rank == ST_MAX_RANK) return false;
        int64_t d = 0;
        for (; *at >= '0' && *at <= '9'; at++)
            if (__builtin_mul_overflow(d, (int64_t)10, &d) ||
                __builtin_add_overflow(d, (int64_t)(*at - '0'), &d))
                return false;
        t->dim[t->rank++] = d;
        if (__builtin_mul_overflow(t->n, d, &t->n)) return false;
    }
}

/* A quoted code of three characters at `at`. */
static bool read_dtype(const char *at, StDtype *out)
{
    if (strnlen(at, 5) < 5 || (*at != '\'' && *at != '"') || at[4] != *at) return false;
    for (int i = 0; i < N_CODES; i++) {
        if (strncmp(at + 1, codes[i].code, 3) != 0) continue;
        *out = codes[i].dtype;
        return true;
    }
    return false;
}

static bool read_header(const char *header, const char *name, StTensor *t, Error *err)
{
    Place at = {.file = name};
    const char *descr = find_key(header, "'descr'"), *order = find_key(header, "'fortran_order'");
    if (!descr || !order)
        return fail(err, FAIL_DATA, &at, "npy header without descr or fortran_order");
    if (strncmp(order, "False", 5) != 0)
        return fail(err, FAIL_DATA, &at, "Fortran order; expected C order");
    if (!read_dtype(descr, &t->dtype))
        return fail(err, FAIL_DATA, &at, "npy dtype %.*s; expected <f4 <f8 <i4 <i8 |u1 or |b1",
                    (int)strnlen(descr, 5), descr);
    if (!read_shape(find_key(header, "'shape'"), t))
        return fail(err, FAIL_DATA, &at, "bad shape in npy header");
    return true;
}

bool npy_parse(const void *data, size_t n, const char *name, StTensor *out, Error *err)
{
    *out = (StTensor){.name = name};
    Place at = {.file = name};
    const unsigned char *p = data;
    if (n < 12 || memcmp(p, "\x93NUMPY", 6) != 0)
        return fail(err, FAIL_DATA, &at, "not an npy file");
    if (p[6] < 1 || p[6] > 3)
        return fail(err, FAIL_DATA, &at, "npy version %d; expected 1 to 3", p[6]);
    size_t start = p[6] == 1 ? 10 : 12;
    size_t length =
        p[6] == 1 ? (size_t)(p[8] | p[9] << 8)
                  : (size_t)p[8] | (size_t)p[9] << 8 | (size_t)p[10] << 16 | (size_t)p[11] << 24;
    if (length >= HEADER_MAX || length > n - start)
        return fail(err, FAIL_DATA, &at, "npy header longer than the file or %d", HEADER_MAX);
    char header[HEADER_MAX];
    memcpy(header, p + start, length);
    header[length] = '\0';
    TRY(read_header(header, name, out, err));
    int64_t bytes;
    size_t have = n - start - length;
    if (__builtin_mul_overflow(out->n, (int64_t)st_dtype_bytes[out->dtype], &bytes) ||
        (uint64_t)bytes != have)
        return fail(err, FAIL_DATA, &at,
                    "the header asks for %lld elements, %zu bytes follow: truncated or damaged",
                    (long long)out->n, have);
    out->bytes = have;
    out->data = p + start + length;
    return true;
}

bool npy_open(const char *path, FileMap *map, StTensor *out, Error *err)
{
    TRY(file_map(path, map, FAIL_DATA, err));
    if (npy_parse(map->data, map->bytes, path, out, err)) return true;
    file_unmap(map);
    return false;
}

bool npy_write(const char *path, const StTensor *t, Error *err)
{
    const char *code = NULL;
    for (int i = 0; i < N_CODES; i++)
        if (codes[i].dtype == t->dtype) code = codes[i].code;
    if (!code)
        return fail(err, FAIL_RUN, NULL, "%s: npy does not hold %s", path, st_dtype_name[t->dtype]);
    char header[512];
    int n =
        snprintf(header, sizeof header, "{'descr': '%s', 'fortran_order': False, 'shape': (", code);
    for (int i = 0; i < t->rank; i++)
        n += snprintf(header + n, sizeof header - (size_t)n,
                      i + 1 < t->rank ? "%lld, "
                      : t->rank == 1  ? "%lld,"
                                      : "%lld",
                      (long long)t->dim[i]);
    n += snprintf(header + n, sizeof header - (size_t)n, "), }");
    int total = (10 + n + 1 + 63) / 64 * 64;
    unsigned char start[10] = "\x93NUMPY\x01";
    start[8] = (unsigned char)((total - 10) & 255);
    start[9] = (unsigned char)((total - 10) >> 8);
    for (; n < total - 11; n++) header[n] = ' ';
    header[n++] = '\n';
    FileWriter w;
    TRY(file_writer_open(&w, path, err));
    if (file_writer_add(&w, start, sizeof start, err) &&
        file_writer_add(&w, header, (size_t)n, err) && file_writer_add(&w, t->data, t->bytes, err))
        return file_writer_commit(&w, err);
    file_writer_abandon(&w);
    return false;
}
