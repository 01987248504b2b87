/* corrupt_inner -- what the files of corrupt.h share: one function a corruption. */
#ifndef SEQLAB_DATA_CORRUPT_INNER_H
#define SEQLAB_DATA_CORRUPT_INNER_H

#include "base/pcg.h"
#include "data/corrupt.h"

typedef struct Picture {
    int64_t h, w, c;
    float *x; /* (h, w, c) */
} Picture;

static inline int64_t picture_count(const Picture *p)
{
    return p->h * p->w * p->c;
}

/* Beyond an edge the picture goes on as at the edge. */
static inline float picture_at(const float *x, const Picture *p, int64_t row, int64_t column,
                               int64_t k)
{
    row = row < 0 ? 0 : row >= p->h ? p->h - 1 : row;
    column = column < 0 ? 0 : column >= p->w ? p->w - 1 : column;
    return x[(row * p->w + column) * p->c + k];
}

/* Between four pixels. */
float picture_between(const float *x, const Picture *p, double row, double column, int64_t k);

/* Changes the picture; v is the severity's row of corrupt.c; values may leave [0, 1]. */
typedef void CorruptFn(const Picture *p, const double v[2], Pcg *rng);

/* corrupt_noise.c */
CorruptFn corrupt_gaussian_noise, corrupt_shot_noise, corrupt_impulse_noise, corrupt_speckle_noise;
/* corrupt_blur.c */
CorruptFn corrupt_gaussian_blur, corrupt_defocus_blur, corrupt_motion_blur,
    corrupt_elastic_transform;
/* corrupt_weather.c */
CorruptFn corrupt_fog, corrupt_snow, corrupt_brightness, corrupt_contrast, corrupt_saturate;
/* corrupt_digital.c */
CorruptFn corrupt_pixelate, corrupt_jpeg_compression;

/* Gaussian filter of one plane (h, w), in place; cut off at 4 sigma. */
void blur_plane(double *x, int64_t h, int64_t w, double sigma);

#endif
