/* files -- the files of a data set: found plain or packed, read and hashed together.
 *
 * What counts is the content: x.bin and x.bin.gz are the same file, and a hash is that of the
 * uncompressed bytes. Hashing Fashion-MNIST's content takes 32 ms on one core, which would come
 * after the inflating; a set may therefore state for its official files which packed bytes hold
 * which content: the packed file is then hashed while another thread inflates it, and when it is
 * the official one, the hash of its content is known. */
#ifndef SEQLAB_DATA_FILES_H
#define SEQLAB_DATA_FILES_H

#include "base/arena.h"
#include "base/hash.h"

#include <stdint.h>

/* SHA-256 of a .gz file as published, and of what it inflates to. */
typedef struct OfficialFile {
    int64_t packed_bytes;
    const char *packed, *content;
} OfficialFile;

typedef struct DataFile {
    const char *path;
    size_t max_bytes;             /* of the content: more is refused */
    const OfficialFile *official; /* ends with packed_bytes = 0; or NULL */
    unsigned char *bytes;         /* memory_map memory */
    size_t n, n_mapped;
    char sha256[HASH_HEX]; /* of the content */
} DataFile;

/* <folder>/<name>, or the same with .gz added or taken away; NULL when neither is there. */
const char *data_file_find(Arena *a, const char *folder, const char *name);

/* Reads, inflates and hashes all, several at a time; large files are best named first. On failure
 * nothing is kept, and the error is that of the first bad file. */
bool data_files_read(DataFile *files, int n, Arena *a, Error *err) MUST_CHECK;
void data_files_free(DataFile *files, int n);

/* One hash over the hashes of all, in the given order. */
void data_files_hash(const DataFile *files, int n, char hex[HASH_HEX]);

#endif
