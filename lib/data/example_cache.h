/* example_cache -- examples that are dear to make, kept in one file with their hashes.
 *
 *   seqlab examples 1 KEY N BYTES \n     key: 64 hex digits of the recipe
 *   N records of BYTES bytes
 *   a SHA-256 in hex for each 256 records, one a line
 *   the SHA-256 of all that stands before, header and hashes, without the records
 *
 * The file appears whole or not at all, and every record is checked before one is used, so a file
 * that another run, or a kill, or a bad disk left behind never shows in a result. */
#ifndef SEQLAB_DATA_EXAMPLE_CACHE_H
#define SEQLAB_DATA_EXAMPLE_CACHE_H

#include "base/hash.h"
#include "io/file.h"

typedef struct ExampleCache {
    const char *path;
    const char *key; /* of the recipe: a file of another one is refused */
    int64_t n, record_bytes;
    /* Writes record i; several threads call it. */
    void (*make)(void *owner, int64_t i, uint8_t *record);
    void *owner;
} ExampleCache;

/* Maps the file and checks it, or makes it first; *records points into *file, which the caller
 * unmaps. Another recipe's, a damaged or an unfinished file is FAIL_DATA and is left alone. */
bool example_cache_open(const ExampleCache *c, FileMap *file, const uint8_t **records,
                        Error *err) MUST_CHECK;

#endif
