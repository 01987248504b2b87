/* image_draw -- bytes to normalised floats, with augmentation: the inner loop of the loader. */
#ifndef SEQLAB_DATA_IMAGE_DRAW_H
#define SEQLAB_DATA_IMAGE_DRAW_H

#include "data/dataset.h"

/* x = pixel * scale + shift, one pair a channel, repeated so that a vector loop can walk it: 48 is
 * a multiple of 1 to 4 channels and of every vector length. */
enum { DRAW_PERIOD = 48 };
typedef struct ImageDraw {
    const Dataset *dataset;
    float scale[DRAW_PERIOD], shift[DRAW_PERIOD];
} ImageDraw;

void image_draw_prepare(ImageDraw *draw, const Dataset *d);

/* dataset_example with what depends only on the dataset made ready before. */
void image_draw(const ImageDraw *draw, SplitId split, int64_t i, bool augment, uint64_t seed,
                int64_t epoch, float *x, int32_t *label);

/* Starts to bring example i into the cache: shuffled examples come from memory otherwise. */
void image_draw_fetch(const ImageDraw *draw, SplitId split, int64_t i);

#endif
