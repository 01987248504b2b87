/* corrupt -- common corruptions of images at five severities, to measure what accuracy is left.
 *
 * After the idea of Hendrycks & Dietterich (2019, arXiv:1903.12261): noise, blur, weather and
 * digital artefacts that a network was not trained with. All of it is computed here, so it exists
 * for every set of images. Images hold values in [0, 1], (H, W, C) with 1 or 3 channels; what comes
 * out is clipped to [0, 1] and not rounded to bytes. A result is a function of (seed, corruption,
 * severity, example) alone and the same on every machine. */
#ifndef SEQLAB_DATA_CORRUPT_H
#define SEQLAB_DATA_CORRUPT_H

#include "graph/tensor.h"

enum { CORRUPT_SEVERITIES = 5, CORRUPT_MAX_SIDE = 256, CORRUPT_MAX_FLOATS = 64 * 64 * 4 };

typedef enum CorruptionId {
#define CORRUPTION(name, family, colour) CORRUPT_##name,
#include "data/corrupt.def"
#undef CORRUPTION
    N_CORRUPTIONS
} CorruptionId;

typedef struct CorruptionInfo {
    const char *name, *family; /* family: noise, blur, weather, digital */
    bool only_colour;          /* leaves grey images as they are */
    const char *formula;
} CorruptionInfo;
CorruptionInfo corruption_info(CorruptionId id);

/* "gaussian_noise|shot_noise|...", for option tables: &corruption_choices[1]. */
extern const char corruption_choices[];

/* What corrupt() can work on: 1 or 3 channels, sides of at most CORRUPT_MAX_SIDE pixels and at most
 * CORRUPT_MAX_FLOATS values. */
bool corrupt_takes(const Shape *image);

typedef struct Corruption {
    CorruptionId id;
    int severity; /* 1 to CORRUPT_SEVERITIES; 0 leaves an image alone */
    uint64_t seed;
} Corruption;

/* Changes image x in place. */
void corrupt(const Corruption *c, const Shape *image, int64_t example, float *x);

#endif
