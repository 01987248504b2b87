/* npy -- NumPy's .npy, version 1.0 to 3.0, C order; little-endian f4 f8 i4 i8 u1 (and b1). */
#ifndef SEQLAB_IO_NPY_H
#define SEQLAB_IO_NPY_H

#include "io/safetensors.h"

/* Fills a StTensor whose data point into `map` (unaligned, if the header is) and whose name is
 * `path`; Fortran order, big-endian, objects and other types are refused by name, and so are bytes
 * after the data. FAIL_DATA. */
bool npy_open(const char *path, FileMap *map, StTensor *out, Error *err) MUST_CHECK;
bool npy_parse(const void *data, size_t n, const char *name, StTensor *out, Error *err) MUST_CHECK;
bool npy_write(const char *path, const StTensor *t,
               Error *err) MUST_CHECK; /* version 1.0, header padded to 64 */

#endif
