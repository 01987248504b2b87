/* hash -- SHA-256 (by nettle): data files, run ids, configuration. One hash for all of them. */
#ifndef SEQLAB_BASE_HASH_H
#define SEQLAB_BASE_HASH_H

#include "base/error.h"

#include <stddef.h>

enum { HASH_HEX = 65 }; /* 64 lower-case hex digits and the 0 */

void hash_bytes(const void *data, size_t n, char hex[HASH_HEX]);

/* Streams the file; fails with FAIL_DATA. */
bool hash_file(const char *path, char hex[HASH_HEX], Error *err) MUST_CHECK;

#endif
