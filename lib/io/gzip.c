/* gzip -- see gzip_read in file.h. Inflated by libdeflate, which works on whole buffers and is
 * three times as fast as zlib on images.
 *
 * A member's trailer states its size modulo 2^32. The last member's is the first guess for the
 * output, bounded by max_bytes and by what deflate can reach (1032 : 1); when the guess is too
 * small (several members, or a trailer that lies) the output grows by doubling. That a trailer
 * agrees with what was inflated, its CRC-32 included, is checked by libdeflate. */
#include "io/file.h"

#include <libdeflate.h>
#include <string.h>

enum { TRAILER = 8, SMALLEST = 64, MAX_RATIO = 1032 };

typedef struct Output {
    unsigned char *data;
    size_t n, mapped, max_bytes;
} Output;

static bool is_gzip(const unsigned char *data, size_t n)
{
    return n >= 2 && data[0] == 0x1f && data[1] == 0x8b;
}

/* Makes room for `bytes`, keeping what is there. */
static bool output_resize(Output *out, size_t bytes, Error *err)
{
    void *bigger;
    TRY(memory_map(&bigger, bytes, err));
    if (out->n > 0) memcpy(bigger, out->data, out->n);
    memory_unmap(out->data, out->mapped);
    out->data = bigger;
    out->mapped = bytes;
    return true;
}

static bool output_grow(Output *out, const char *path, Error *err)
{
    if (out->mapped >= out->max_bytes)
        return fail(err, FAIL_DATA, NULL, "%s: inflates to more than %zu bytes", path,
                    out->max_bytes);
    size_t bytes = out->mapped > out->max_bytes / 2 ? out->max_bytes : 2 * out->mapped;
    return output_resize(out, bytes, err);
}

static size_t first_guess(const FileMap *map, size_t max_bytes)
{
    size_t stated = 0, reachable = map->bytes * MAX_RATIO;
    if (map->bytes > TRAILER)
        for (int i = 1; i <= 4; i++) stated = stated << 8 | map->data[map->bytes - (size_t)i];
    size_t guess = stated < reachable ? stated : reachable;
    if (guess < SMALLEST) guess = SMALLEST;
    return guess < max_bytes ? guess : max_bytes;
}

static bool inflate_members(struct libdeflate_decompressor *inflater, const char *path,
                            const FileMap *map, Output *out, Error *err)
{
    TRY(output_resize(out, first_guess(map, out->max_bytes), err));
    size_t at = 0;
    while (at < map->bytes) {
        size_t taken = 0, given = 0;
        const unsigned char *member = map->data + at;
        if (!is_gzip(member, map->bytes - at))
            return fail(err, FAIL_DATA, NULL,
                        "%s: bytes from %zu on are not gzip: expected the file's end or another "
                        "gzip member",
                        path, at);
        enum libdeflate_result code =
            libdeflate_gzip_decompress_ex(inflater, member, map->bytes - at, out->data + out->n,
                                          out->mapped - out->n, &taken, &given);
        if (code == LIBDEFLATE_INSUFFICIENT_SPACE) {
            TRY(output_grow(out, path, err)); /* and inflate this member again */
            continue;
        }
        if (code != LIBDEFLATE_SUCCESS)
            return fail(err, FAIL_DATA, NULL,
                        "%s: the gzip stream is truncated or damaged (member at byte %zu of %zu)",
                        path, at, map->bytes);
        at += taken;
        out->n += given;
    }
    return true;
}

static bool copy_plain(const char *path, const FileMap *map, Output *out, Error *err)
{
    if (map->bytes > out->max_bytes)
        return fail(err, FAIL_DATA, NULL, "%s: %zu bytes; at most %zu are read here", path,
                    map->bytes, out->max_bytes);
    TRY(output_resize(out, map->bytes, err));
    if (map->bytes > 0) memcpy(out->data, map->data, map->bytes);
    out->n = map->bytes;
    return true;
}

bool gzip_read(const char *path, size_t max_bytes, unsigned char **data, size_t *n,
               size_t *n_mapped, Error *err)
{
    FileMap map;
    Output out = {.max_bytes = max_bytes};
    *data = NULL;
    *n = *n_mapped = 0;
    TRY(file_map(path, &map, FAIL_DATA, err));
    bool ok;
    if (is_gzip(map.data, map.bytes)) {
        struct libdeflate_decompressor *inflater = libdeflate_alloc_decompressor();
        ok = inflater ? inflate_members(inflater, path, &map, &out, err)
                      : fail(err, FAIL_RUN, NULL, "out of memory");
        libdeflate_free_decompressor(inflater);
    } else {
        ok = copy_plain(path, &map, &out, err);
    }
    file_unmap(&map);
    if (!ok) {
        memory_unmap(out.data, out.mapped);
        return false;
    }
    *data = out.data;
    *n = out.n;
    *n_mapped = out.mapped;
    return true;
}
