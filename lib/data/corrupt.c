/* corrupt -- the table of corruptions and their severities; see corrupt.h.
 *
 * Where the severities are those of the small pictures of Hendrycks & Dietterich's make_cifar_c.py
 * the row says "CIFAR-C"; the others are ours, chosen for pictures of some 30 pixels a side. */
#include "data/corrupt_inner.h"

#include <assert.h>
#include <math.h>

const char corruption_choices[] =
#define CORRUPTION(name, family, colour) "|" #name
#include "data/corrupt.def"
#undef CORRUPTION
    ;

typedef struct Row {
    CorruptFn *apply;
    double v[CORRUPT_SEVERITIES][2];
    const char *formula;
} Row;

// clang-format off
static const Row rows[N_CORRUPTIONS] = {
    [CORRUPT_gaussian_noise] = {corrupt_gaussian_noise, {{.04}, {.06}, {.08}, {.09}, {.10}},
        "x + N(0, s); CIFAR-C"},
    [CORRUPT_shot_noise] = {corrupt_shot_noise, {{500}, {250}, {100}, {75}, {50}},
        "Poisson(x r) / r; CIFAR-C"},
    [CORRUPT_impulse_noise] = {corrupt_impulse_noise, {{.01}, {.02}, {.03}, {.05}, {.07}},
        "a share of the values becomes 0 or 1, half each; CIFAR-C"},
    [CORRUPT_speckle_noise] = {corrupt_speckle_noise, {{.06}, {.10}, {.12}, {.16}, {.20}},
        "x + x N(0, s); CIFAR-C"},
    [CORRUPT_gaussian_blur] = {corrupt_gaussian_blur, {{.4}, {.6}, {.7}, {.8}, {1}},
        "Gaussian filter of s pixels; CIFAR-C"},
    [CORRUPT_defocus_blur] = {corrupt_defocus_blur, {{.75}, {1}, {1.25}, {1.5}, {2}},
        "mean over a disc of r pixels"},
    [CORRUPT_motion_blur] = {corrupt_motion_blur, {{2}, {3}, {4}, {5}, {6}},
        "mean along a line of n pixels at an angle from -45 to 45 degrees"},
    [CORRUPT_fog] = {corrupt_fog, {{.2, 3}, {.5, 3}, {.75, 2.5}, {1, 2}, {1.5, 1.75}},
        "(x + a fog) m / (m + a), m the largest x, fog a sum of octaves in [0, 1] that fall by b; a and b of CIFAR-C"},
    [CORRUPT_snow] = {corrupt_snow, {{.01, 1}, {.02, 1.5}, {.03, 2}, {.04, 2.5}, {.06, 3}},
        "x + (1 - x) flakes: n streaks for each pixel, of some pixels' length, at one angle"},
    [CORRUPT_brightness] = {corrupt_brightness, {{.05}, {.1}, {.15}, {.2}, {.3}},
        "x + b; in colour, of the value of HSV; CIFAR-C"},
    [CORRUPT_contrast] = {corrupt_contrast, {{.75}, {.5}, {.4}, {.3}, {.15}},
        "(x - mean) a + mean, the mean of each channel; CIFAR-C"},
    [CORRUPT_saturate] = {corrupt_saturate, {{.3, 0}, {.1, 0}, {1.5, 0}, {2, .1}, {2.5, .2}},
        "the saturation of HSV times a plus b; what is grey stays grey; CIFAR-C"},
    [CORRUPT_pixelate] = {corrupt_pixelate, {{.95}, {.9}, {.85}, {.75}, {.65}},
        "to a share of the side by means of boxes, and back by the nearest; CIFAR-C"},
    [CORRUPT_jpeg_compression] = {corrupt_jpeg_compression, {{80}, {65}, {58}, {50}, {40}},
        "quantised 8 x 8 DCT of luma and chroma at a quality, chroma at full size; qualities of CIFAR-C"},
    [CORRUPT_elastic_transform] = {corrupt_elastic_transform, {{.5, 2}, {.75, 2}, {1, 2}, {1.25, 2}, {1.5, 2}},
        "moved by a random field, smooth over s pixels, of d pixels' root mean square"},
};
// clang-format on

CorruptionInfo corruption_info(CorruptionId id)
{
    static const CorruptionInfo info[] = {
#define CORRUPTION(name, family, colour) {#name, family, colour, NULL},
#include "data/corrupt.def"
#undef CORRUPTION
    };
    CorruptionInfo out = info[id];
    out.formula = rows[id].formula;
    return out;
}

bool corrupt_takes(const Shape *image)
{
    return image->rank == 3 && shape_count(image) <= CORRUPT_MAX_FLOATS &&
           image->dim[0] <= CORRUPT_MAX_SIDE && image->dim[1] <= CORRUPT_MAX_SIDE &&
           (image->dim[2] == 1 || image->dim[2] == 3);
}

float picture_between(const float *x, const Picture *p, double row, double column, int64_t k)
{
    const double top = floor(row), left = floor(column);
    const double down = row - top, right = column - left;
    const int64_t i = (int64_t)top, j = (int64_t)left;
    const double upper = (1 - right) * (double)picture_at(x, p, i, j, k) +
                         right * (double)picture_at(x, p, i, j + 1, k);
    const double lower = (1 - right) * (double)picture_at(x, p, i + 1, j, k) +
                         right * (double)picture_at(x, p, i + 1, j + 1, k);
    return (float)((1 - down) * upper + down * lower);
}

void corrupt(const Corruption *c, const Shape *image, int64_t example, float *x)
{
    assert(c->severity >= 0 && c->severity <= CORRUPT_SEVERITIES && corrupt_takes(image));
    if (c->severity == 0) return;
    const Picture p = {image->dim[0], image->dim[1], image->dim[2], x};
    Pcg rng =
        pcg_stream(c->seed, corruption_info(c->id).name, (uint64_t)c->severity, (uint64_t)example);
    rows[c->id].apply(&p, rows[c->id].v[c->severity - 1], &rng);
    for (int64_t i = 0; i < picture_count(&p); i++) x[i] = x[i] < 0 ? 0 : x[i] > 1 ? 1 : x[i];
}
