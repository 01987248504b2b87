/* npy -- NumPy's .npy, version 1.0 to 3.0, C order; little-endian f4 f8 i4 i8 u1 (and b1). */
#ifndef SEQLAB_IO_NPY_H
#define SEQLAB_IO_NPY_H

#include "io/safetensors.h"

/* Fills a StTensor whose data points into `map`; Fortran order, objects and unknown types are
 * refused by name. */
bool npy_open(const char *path, FileMap *map, StTensor *out, Error *err) MUST_CHECK;
bool npy_parse(const void *data, size_t n, const char *name, StTensor *out, Error *err) MUST_CHECK;
bool npy_write(const char *path, const StTensor *t,
               Error *err) MUST_CHECK; /* version 1.0, header padded to 64 */

#endif
