/* image_draw -- bytes to normalised floats, with augmentation: the inner loop of the loader. */
#ifndef SEQLAB_DATA_IMAGE_DRAW_H
#define SEQLAB_DATA_IMAGE_DRAW_H

#include "cpu/cpu.h"
#include "data/corrupt.h"
#include "data/dataset.h"

/* x = pixel * scale + shift, one pair a channel, repeated so that a vector loop can walk it. */
enum { DRAW_PERIOD = BYTES_PERIOD };
typedef struct ImageDraw {
    const Dataset *dataset;
    float scale[DRAW_PERIOD], shift[DRAW_PERIOD];
    Corruption corruption; /* of images without augmentation; severity 0: none */
    bool unit;             /* images without augmentation stay in [0, 1] */
} ImageDraw;

/* No corruption, normalised. */
void image_draw_prepare(ImageDraw *draw, const Dataset *d);

/* n values of [0, 1], beginning at channel 0, to x: the bits that image_draw gives for pixel / 255.
 * x may be v. */
void image_normalise(const ImageDraw *draw, int64_t n, const float *v, float *x);

/* dataset_example with what depends only on the dataset made ready before. */
void image_draw(const ImageDraw *draw, SplitId split, int64_t i, bool augment, uint64_t seed,
                int64_t epoch, float *x, int32_t *label);

/* Starts to bring example i into the cache: shuffled examples come from memory otherwise. */
void image_draw_fetch(const ImageDraw *draw, SplitId split, int64_t i);

#endif
