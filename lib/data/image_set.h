/* image_set -- what every set of images does once its bytes are in memory: the options they share,
 * normalisation, and the split of train into train and valid. */
#ifndef SEQLAB_DATA_IMAGE_SET_H
#define SEQLAB_DATA_IMAGE_SET_H

#include "data/dataset.h"

/* The first rows of an option table whose struct begins with ImageOptions. */
// clang-format off
#define IMAGE_OPTIONS                                                                              \
    OPT_SET(ImageOptions, augment, "crop|flip|cutout", "", "random changes to training images"),   \
    OPT_INT(ImageOptions, crop_pad, 4, 0, 64, "crop: pixels of black padding on every side"),      \
    OPT_INT(ImageOptions, cutout_size, 16, 0, 1024, "cutout: side of the square, in pixels"),      \
    OPT_ENUM(ImageOptions, normalize, "standard|unit|imagenet", "standard",                        \
             "the set's published mean and std, none ([0, 1]), or ImageNet's"),                    \
    OPT_REAL(ImageOptions, valid, 0, 0, 1e9,                                                       \
             "examples taken from train for validation: a count (> 1) or a share (< 1)"),          \
    OPT_INT(ImageOptions, train_limit, 0, 0, 1000000000,                                           \
            "use only the first n training examples after the split; 0: all"),                     \
    OPT_ENUM(ImageOptions, layout, "image|sequence|permuted", "image",                             \
             "(H, W, C); pixels line by line (H W, C); or these in a fixed random order"),         \
    OPT_BOOL(ImageOptions, grey, false, "colours become grey by the weights of ITU-R BT.601"),     \
    OPT_INT(ImageOptions, pool, 1, 1, 64, "side of the squares whose mean becomes one pixel")
// clang-format on

/* Images and labels of one part of the set, owned by the dataset; n = 0 when it was not wanted. */
typedef struct ImagePart {
    int64_t n;
    const uint8_t *images; /* (n, h, w, c) */
    const int32_t *labels;
} ImagePart;

typedef struct ImageSet {
    int64_t h, w, c;
    ImagePart train, test;
    float mean[4], std[4];     /* published, per channel, of pixels in [0, 1] */
    float grey_mean, grey_std; /* the same of the grey images; 0: not known */
} ImageSet;

/* Which parts must be read for the wanted splits. */
bool image_set_needs_train(const ImageOptions *o, unsigned splits);
bool image_set_needs_test(unsigned splits);

/* Fills sample, image, mean, std and the wanted splits of d. Fails with FAIL_CONFIG when an option
 * does not suit the set. */
bool image_set_finish(Dataset *d, ImageSet *set, unsigned splits, Error *err) MUST_CHECK;

#endif
