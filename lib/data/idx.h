/* idx -- MNIST's file format: a big-endian header, then bytes.
 *
 *   0 0 8 r   magic: two zeros, element type 8 (unsigned byte), number of dimensions r
 *   4 bytes   each of the r dimensions, big-endian
 *   bytes     their product, row-major, and nothing after
 *
 * Source: Y. LeCun, C. Cortes, C. Burges, "The MNIST database", section "File formats". Only the
 * byte type is in use. The parsed arrays point into the caller's bytes. */
#ifndef SEQLAB_DATA_IDX_H
#define SEQLAB_DATA_IDX_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

typedef struct IdxImages {
    int64_t n, h, w;
    const uint8_t *pixels; /* (n, h, w) */
} IdxImages;

typedef struct IdxLabels {
    int64_t n;
    const uint8_t *values;
} IdxLabels;

/* `path` is for messages. Both fail with FAIL_DATA when the header does not account for every byte,
 * or when there are no items; labels also when one is not in 0..n_classes-1. */
bool idx_parse_images(const uint8_t *bytes, size_t n, const char *path, IdxImages *out,
                      Error *err) MUST_CHECK;
bool idx_parse_labels(const uint8_t *bytes, size_t n, const char *path, int n_classes,
                      IdxLabels *out, Error *err) MUST_CHECK;

#endif
