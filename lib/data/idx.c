/* idx -- see idx.h. */
#include "data/idx.h"

enum { UBYTE = 8, MAX_DIMS = 3, MAX_SIDE = 1 << 14 };

static uint32_t big_endian(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* Checks the header of `rank` dimensions against the real size; dim[0] counts items. */
static bool parse_header(const uint8_t *bytes, size_t n, const char *path, int rank,
                         int64_t dim[MAX_DIMS], Error *err)
{
    const char *what = rank == 1 ? "labels" : "images";
    const size_t header = 4 + 4 * (size_t)rank;
    if (n < header)
        return fail(err, FAIL_DATA, NULL, "%s: %zu bytes; an IDX file of %s has at least %zu", path,
                    n, what, header);
    if (big_endian(bytes) != (UBYTE << 8 | (uint32_t)rank))
        return fail(err, FAIL_DATA, NULL,
                    "%s: begins with 0x%08x; an IDX file of %s begins with 0x%08x", path,
                    big_endian(bytes), what, (unsigned)(UBYTE << 8 | rank));
    uint64_t count = 1; /* below 2^32 * 2^14 * 2^14 */
    for (int i = 0; i < rank; i++) {
        dim[i] = big_endian(bytes + 4 + 4 * (size_t)i);
        if (i > 0 && (dim[i] < 1 || dim[i] > MAX_SIDE))
            return fail(err, FAIL_DATA, NULL, "%s: images of side %lld; expected 1 to %d", path,
                        (long long)dim[i], MAX_SIDE);
        count *= (uint64_t)dim[i];
    }
    if (count != n - header)
        return fail(err, FAIL_DATA, NULL,
                    "%s: the header announces %llu bytes of %s, the file has %zu", path,
                    (unsigned long long)count, what, n - header);
    if (dim[0] == 0) return fail(err, FAIL_DATA, NULL, "%s: holds no %s", path, what);
    return true;
}

bool idx_parse_images(const uint8_t *bytes, size_t n, const char *path, IdxImages *out, Error *err)
{
    int64_t dim[MAX_DIMS] = {0};
    TRY(parse_header(bytes, n, path, 3, dim, err));
    *out = (IdxImages){.n = dim[0], .h = dim[1], .w = dim[2], .pixels = bytes + 16};
    return true;
}

bool idx_parse_labels(const uint8_t *bytes, size_t n, const char *path, int n_classes,
                      IdxLabels *out, Error *err)
{
    int64_t dim[MAX_DIMS] = {0};
    TRY(parse_header(bytes, n, path, 1, dim, err));
    *out = (IdxLabels){.n = dim[0], .values = bytes + 8};
    for (int64_t i = 0; i < out->n; i++)
        if (out->values[i] >= n_classes)
            return fail(err, FAIL_DATA, NULL, "%s: label %d of item %lld; expected 0 to %d", path,
                        out->values[i], (long long)i, n_classes - 1);
    return true;
}
