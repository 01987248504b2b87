/* hash -- see hash.h. */
#include "base/hash.h"

#include <nettle/sha2.h>
#include <string.h>

static void finish(struct sha256_ctx *sha, char hex[HASH_HEX])
{
    uint8_t digest[SHA256_DIGEST_SIZE];
    sha256_digest(sha, sizeof digest, digest);
    for (size_t i = 0; i < sizeof digest; i++) (void)snprintf(hex + 2 * i, 3, "%02x", digest[i]);
}

void hash_bytes(const void *data, size_t n, char hex[HASH_HEX])
{
    struct sha256_ctx sha;
    sha256_init(&sha);
    sha256_update(&sha, n, data);
    finish(&sha, hex);
}

bool hash_file(const char *path, char hex[HASH_HEX], Error *err)
{
    FILE *f = fopen(path, "rb");
    if (!f) return fail_errno(err, FAIL_DATA, NULL, "%s: cannot be read", path);
    struct sha256_ctx sha;
    sha256_init(&sha);
    uint8_t buffer[1 << 16];
    size_t n;
    while ((n = fread(buffer, 1, sizeof buffer, f)) > 0) sha256_update(&sha, n, buffer);
    if (ferror(f)) (void)fail_errno(err, FAIL_DATA, NULL, "%s: cannot be read", path);
    bool whole = !ferror(f);
    (void)fclose(f);
    if (!whole) return false;
    finish(&sha, hex);
    return true;
}
