/* tfevents -- append scalars, images and histograms to a TensorBoard event file (TFRecord framing,
 * masked CRC32C, protobuf by hand).
 *
 * Source: tensorflow/core/lib/io/record_writer and event.proto. No clock is read here: the caller
 * gives the time. */
#ifndef SEQLAB_IO_TFEVENTS_H
#define SEQLAB_IO_TFEVENTS_H

#include "base/error.h"

#include <stdint.h>
#include <stdio.h>

typedef struct TfEvents {
    FILE *file;
} TfEvents;
/* Creates events.out.tfevents.<wall_s>.<host> in the folder, or appends to it. */
bool tfevents_open(TfEvents *t, const char *folder, double wall_s, Error *err) MUST_CHECK;
/* A record is flushed at once. Tags are cut to 200 bytes. */
bool tfevents_scalar(TfEvents *t, const char *tag, int64_t step, double wall_s, float value,
                     Error *err) MUST_CHECK;
/* A PNG file of n bytes. */
typedef struct TfImage {
    int width, height, channels; /* 1 grey, 3 RGB */
    const void *png;
    size_t n;
} TfImage;
bool tfevents_image(TfEvents *t, const char *tag, int64_t step, double wall_s, const TfImage *image,
                    Error *err) MUST_CHECK;
/* Of the finite ones of n numbers, in 64 equal parts of their range. */
bool tfevents_histogram(TfEvents *t, const char *tag, int64_t step, double wall_s, const float *x,
                        int64_t n, Error *err) MUST_CHECK;
void tfevents_close(TfEvents *t); /* also after a failed open */

/* CRC-32C (Castagnoli), unmasked. */
uint32_t crc32c(const void *data, size_t n);

#endif
