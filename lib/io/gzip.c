/* gzip -- see gzip_read in file.h. The output grows by doubling while data arrive: its size is
 * never taken from a field of the file. */
#include "io/file.h"

#include <string.h>
#include <zlib.h>

static bool grow(unsigned char **out, size_t n, size_t *mapped, size_t max_bytes, Error *err)
{
    size_t bytes = *mapped ? 2 * *mapped : (size_t)1 << 16;
    if (bytes > max_bytes + 1) bytes = max_bytes + 1;
    void *bigger;
    TRY(memory_map(&bigger, bytes, err));
    if (n > 0) memcpy(bigger, *out, n);
    memory_unmap(*out, *mapped);
    *out = bigger;
    *mapped = bytes;
    return true;
}

static bool inflate_all(z_stream *z, const char *path, size_t max_bytes, unsigned char **out,
                        size_t *n, size_t *mapped, const FileMap *map, Error *err)
{
    size_t left = map->bytes; /* avail_in has 32 bits */
    for (;;) {
        if (*n == *mapped) {
            if (*mapped > max_bytes)
                return fail(err, FAIL_DATA, NULL, "%s: inflates to more than %zu bytes", path,
                            max_bytes);
            TRY(grow(out, *n, mapped, max_bytes, err));
        }
        size_t room = *mapped - *n;
        uInt give = room > 1u << 30 ? 1u << 30 : (uInt)room;
        uInt feed = left > 1u << 30 ? 1u << 30 : (uInt)left;
        z->next_out = *out + *n;
        z->avail_out = give;
        z->avail_in = feed;
        int code = inflate(z, Z_NO_FLUSH);
        left -= feed - z->avail_in;
        *n += give - z->avail_out;
        size_t at = map->bytes - left;
        if (code == Z_STREAM_END) {
            if (left == 0) break;
            if (inflateReset(z) != Z_OK) return false;
        } else if (code == Z_BUF_ERROR || (code == Z_OK && left == 0 && z->avail_out > 0)) {
            return fail(err, FAIL_DATA, NULL,
                        "%s: the gzip stream ends early, at byte %zu: the file is truncated", path,
                        at);
        } else if (code != Z_OK) {
            return fail(err, FAIL_DATA, NULL, "%s: the gzip stream is damaged near byte %zu (%s)",
                        path, at, z->msg ? z->msg : "checksum");
        }
    }
    if (*n > max_bytes)
        return fail(err, FAIL_DATA, NULL, "%s: inflates to more than %zu bytes", path, max_bytes);
    return true;
}

bool gzip_read(const char *path, size_t max_bytes, unsigned char **out, size_t *n, size_t *n_mapped,
               Error *err)
{
    FileMap map;
    *out = NULL;
    *n = *n_mapped = 0;
    TRY(file_map(path, &map, FAIL_DATA, err));
    bool ok = true;
    if (map.bytes < 2 || map.data[0] != 0x1f || map.data[1] != 0x8b) {
        void *copy = NULL;
        ok = map.bytes <= max_bytes || fail(err, FAIL_DATA, NULL,
                                            "%s: %zu bytes; at most %zu are "
                                            "read here",
                                            path, map.bytes, max_bytes);
        ok = ok && memory_map(&copy, map.bytes, err);
        if (ok && map.bytes > 0) memcpy(copy, map.data, map.bytes);
        *out = copy;
        *n = *n_mapped = ok ? map.bytes : 0;
    } else {
        z_stream z = {.next_in = (z_const Bytef *)map.data};
        if (inflateInit2(&z, 15 + 16) != Z_OK) {
            file_unmap(&map);
            return fail(err, FAIL_RUN, NULL, "zlib could not start");
        }
        ok = inflate_all(&z, path, max_bytes, out, n, n_mapped, &map, err);
        (void)inflateEnd(&z);
    }
    file_unmap(&map);
    if (!ok) {
        memory_unmap(*out, *n_mapped);
        *out = NULL;
        *n = *n_mapped = 0;
    }
    return ok;
}
