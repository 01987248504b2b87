/* safetensors -- read (mmap) and write the Hugging Face tensor file.
 *
 * Layout: u64 little-endian header length, JSON header {"name": {"dtype","shape","data_offsets"},
 * "__metadata__": {string: string}}, then the bytes. Readers reject, with FAIL_DATA and the
 * tensor's name: a header longer than the file or 100 MB, offsets that overlap, leave holes, or
 * pass the end, shapes whose product overflows or does not match the bytes, unknown dtypes,
 * duplicate names. Source: the format's README, huggingface/safetensors. */
#ifndef SEQLAB_IO_SAFETENSORS_H
#define SEQLAB_IO_SAFETENSORS_H

#include "base/arena.h"
#include "base/error.h"
#include "io/file.h"

#include <stdint.h>

typedef enum StDtype {
    ST_BOOL,
    ST_U8,
    ST_I8,
    ST_I16,
    ST_U16,
    ST_F16,
    ST_BF16,
    ST_I32,
    ST_U32,
    ST_F32,
    ST_F64,
    ST_I64,
    ST_U64,
    ST_N_DTYPES
} StDtype;
extern const char *const st_dtype_name[ST_N_DTYPES];
extern const int st_dtype_bytes[ST_N_DTYPES];

enum { ST_MAX_RANK = 8 };

typedef struct StTensor {
    const char *name;
    StDtype dtype;
    int rank;
    int64_t dim[ST_MAX_RANK];
    int64_t n;        /* elements */
    const void *data; /* into the mapping when read; the caller's when written */
    size_t bytes;
} StTensor;

/* "(3, 4)", for messages. */
enum { ST_SHAPE_TEXT = 200 };
const char *st_shape_text(const StTensor *t, char text[ST_SHAPE_TEXT]);

typedef struct Safetensors {
    FileMap map;
    StTensor *tensors; /* sorted by name; arena's */
    int n_tensors;
    const char *(*metadata)[2]; /* key, value; arena's */
    int n_metadata;
} Safetensors;

bool safetensors_open(Safetensors *s, Arena *a, const char *path, Error *err) MUST_CHECK;
/* As open, over bytes in memory (not copied): for tests and fuzzing. `name` is used in messages. */
bool safetensors_parse(Safetensors *s, Arena *a, const void *data, size_t n, const char *name,
                       Error *err) MUST_CHECK;
void safetensors_close(Safetensors *s);
const StTensor *safetensors_find(const Safetensors *s, const char *name);
const char *safetensors_metadata(const Safetensors *s, const char *key); /* NULL if absent */

/* Elements converted to float (F32, F16, BF16, F64, and the integer types). out holds t->n. */
void safetensors_to_float(const StTensor *t, float *out);
/* The other way, to F32, F16, BF16 or F64, to the nearest, ties to even; out holds n elements of
 * that width and need not be aligned. */
void safetensors_from_float(StDtype dtype, const float *x, int64_t n, void *out);

/* Writes atomically. Tensors are stored in the order (dtype, widest first, then name) that the
 * reference writer uses, so equal content gives equal bytes; the header is padded with blanks to 8
 * bytes. Names must differ. metadata may be NULL. */
bool safetensors_write(const char *path, const StTensor *tensors, int n, const char *(*metadata)[2],
                       int n_metadata, Error *err) MUST_CHECK;

/* The same file, tensor by tensor, for what does not fit into memory: the bytes of tensors[0], then
 * those of tensors[1], ..., in any pieces. Opening puts the tensors, whose `data` are not read,
 * into the file's order. As FileWriter: commit or abandon after an open that succeeded; a commit
 * before all bytes have come fails. */
typedef struct SafetensorsStream {
    FileWriter file;
    size_t missing; /* bytes that have not come yet */
} SafetensorsStream;
bool safetensors_stream_open(SafetensorsStream *s, const char *path, StTensor *tensors, int n,
                             const char *(*metadata)[2], int n_metadata, Error *err) MUST_CHECK;
bool safetensors_stream_add(SafetensorsStream *s, const void *data, size_t bytes,
                            Error *err) MUST_CHECK;
bool safetensors_stream_commit(SafetensorsStream *s, Error *err) MUST_CHECK;
void safetensors_stream_abandon(SafetensorsStream *s);

#endif
