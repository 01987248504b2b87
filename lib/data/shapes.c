/* shapes -- ten kinds of figures drawn by rule: a set of images that needs no file.
 *
 * Every image has a figure at a random place, size and angle, light on dark or dark on light, and
 * noise. Image i of a part is a function of (seed, part, i) and of nothing in libm, so the bytes
 * are the same on every machine. A linear model does not get far, since all classes share their
 * mean; a small convolutional network does. */
#include "base/pcg.h"
#include "base/realmath.h"
#include "data/image_set.h"
#include "data/jobs.h"

#include <math.h>
#include <string.h>

enum { N_CLASSES = 10, MAX_CHANNELS = 3, CHUNK = 250, SAMPLES = 2 };

typedef struct ShapesOptions {
    ImageOptions image;
    int64_t size, channels, n_train, n_test, seed;
    double noise;
} ShapesOptions;

static const Option options[] = {
    IMAGE_OPTIONS,
    OPT_INT(ShapesOptions, size, 28, 8, 256, "side of the images, in pixels"),
    OPT_INT(ShapesOptions, channels, 1, 1, MAX_CHANNELS, "colours of a pixel"),
    OPT_INT(ShapesOptions, n_train, 10000, 10, 1000000, "training images"),
    OPT_INT(ShapesOptions, n_test, 2000, 10, 1000000, "test images"),
    OPT_INT(ShapesOptions, seed, 1, 0, 1e15, "which images; not train.seed"),
    OPT_REAL(ShapesOptions, noise, 0.1, 0, 1, "standard deviation of the noise; white is 1"),
};

/* Whether (u, v) lies in figure `class`; all figures lie in the unit disc. */
static bool inside(int class, double u, double v)
{
    const double x = fabs(u), y = fabs(v), r2 = u * u + v * v;
    const double sqrt3 = 1.7320508075688772, larger = x > y ? x : y;
    switch (class) {
    case 0: /* disc */
        return r2 < 0.8;
    case 1: /* ring */
        return r2 > 0.4 && r2 < 1;
    case 2: /* square */
        return larger < 0.7;
    case 3: /* frame */
        return larger < 0.7 && larger > 0.4;
    case 4: /* triangle */
        return v > -0.5 && v < 1 - sqrt3 * x;
    case 5: /* cross */
        return (x < 0.25 && y < 0.95) || (y < 0.25 && x < 0.95);
    case 6: /* bar */
        return x < 0.95 && y < 0.25;
    case 7: /* two bars */
        return x < 0.7 && y > 0.3 && y < 0.7;
    case 8: /* crescent */
        return r2 < 1 && (u - 0.5) * (u - 0.5) + y * y > 0.6;
    default: /* two squares that touch at a corner */
        return larger < 0.7 && u * v > 0;
    }
}

typedef struct Figure {
    int class;
    double y, x, radius; /* in pixels */
    double cosine, sine; /* of the angle, over the radius */
} Figure;

/* The share of pixel (y, x) that the figure covers, from SAMPLES^2 points. */
static double coverage(const Figure *f, int64_t y, int64_t x)
{
    const double to_y = (double)y + 0.5 - f->y, to_x = (double)x + 0.5 - f->x;
    int hits = 0;
    if (to_y * to_y + to_x * to_x > (f->radius + 1) * (f->radius + 1)) return 0;
    for (int i = 0; i < SAMPLES * SAMPLES; i++) {
        const int row = i / SAMPLES, column = i % SAMPLES;
        double dy = (double)y + (row + 0.5) / SAMPLES - f->y;
        double dx = (double)x + (column + 0.5) / SAMPLES - f->x;
        double u = f->cosine * dx + f->sine * dy, v = f->cosine * dy - f->sine * dx;
        hits += u * u + v * v < 1 && inside(f->class, u, v);
    }
    return hits / (double)(SAMPLES * SAMPLES);
}

/* Four bytes of one draw, added: near normal, mean 0 and variance 1 once scaled. */
static double cheap_normal(Pcg *rng)
{
    uint32_t bits = pcg_next(rng);
    uint32_t sum = (bits & 255) + (bits >> 8 & 255) + (bits >> 16 & 255) + (bits >> 24);
    return ((double)sum - 510) * (1 / 147.8); /* sqrt(4 (256^2 - 1) / 12) */
}

static void draw_image(const ShapesOptions *o, int class, Pcg *rng, uint8_t *pixel)
{
    const double side = (double)o->size;
    double ground[MAX_CHANNELS], contrast[MAX_CHANNELS];
    Figure f = {.class = class};
    f.radius = side * (0.22 + 0.2 * (double)pcg_uniform(rng));
    f.y = f.radius * 0.9 + (side - 1.8 * f.radius) * (double)pcg_uniform(rng);
    f.x = f.radius * 0.9 + (side - 1.8 * f.radius) * (double)pcg_uniform(rng);
    const double turns = (double)pcg_uniform(rng);
    f.cosine = real_cos_turns(turns) / f.radius;
    f.sine = real_sin_turns(turns) / f.radius;
    for (int64_t k = 0; k < o->channels; k++) {
        contrast[k] = 0.25 + 0.35 * (double)pcg_uniform(rng);
        ground[k] = (1 - contrast[k]) * (double)pcg_uniform(rng);
        if (pcg_next(rng) >> 31) {
            ground[k] += contrast[k];
            contrast[k] = -contrast[k];
        }
    }
    for (int64_t y = 0; y < o->size; y++)
        for (int64_t x = 0; x < o->size; x++) {
            const double covered = coverage(&f, y, x);
            for (int64_t k = 0; k < o->channels; k++) {
                double level = ground[k] + contrast[k] * covered + o->noise * cheap_normal(rng);
                level = level < 0 ? 0 : level > 1 ? 1 : level;
                *pixel++ = (uint8_t)(level * 255 + 0.5);
            }
        }
}

typedef struct Drawing {
    const ShapesOptions *o;
    int64_t n;
    uint64_t part;
    uint8_t *images;
    int32_t *labels;
} Drawing;

static void draw_chunk(void *drawing, int chunk)
{
    const Drawing *d = drawing;
    const int64_t image_bytes = d->o->size * d->o->size * d->o->channels;
    const int64_t first = (int64_t)chunk * CHUNK;
    const int64_t end = first + CHUNK < d->n ? first + CHUNK : d->n;
    for (int64_t i = first; i < end; i++) {
        Pcg rng = pcg_stream((uint64_t)d->o->seed, "shapes", d->part, (uint64_t)i);
        d->labels[i] = (int32_t)(i % N_CLASSES);
        draw_image(d->o, d->labels[i], &rng, d->images + i * image_bytes);
    }
}

/* Draws one part and adds its hash to `text`. */
static bool draw_part(Dataset *d, uint64_t part, int64_t n, ImagePart *out, char hex[HASH_HEX],
                      Error *err)
{
    const ShapesOptions *o = d->options;
    const size_t bytes = (size_t)(n * o->size * o->size * o->channels);
    void *images, *labels;
    TRY(dataset_memory(d, &images, bytes, err));
    TRY(dataset_memory(d, &labels, (size_t)n * sizeof(int32_t), err));
    Drawing drawing = {.o = o, .n = n, .part = part, .images = images, .labels = labels};
    jobs_run((int)((n + CHUNK - 1) / CHUNK), draw_chunk, &drawing);
    hash_bytes(images, bytes, hex);
    *out = (ImagePart){.n = n, .images = images, .labels = labels};
    return true;
}

static bool open_shapes(Dataset *d, const void *options_, const char *data_folder, unsigned splits,
                        Arena *a, Error *err)
{
    (void)data_folder, (void)a;
    static const char *const names[N_CLASSES] = {"disc",     "ring",   "square", "frame",
                                                 "triangle", "cross",  "bar",    "two bars",
                                                 "crescent", "corners"};
    const ShapesOptions *o = options_;
    enum { HEX = HASH_HEX - 1 };
    char hex[2 * HASH_HEX] = ""; /* of the two parts, one after the other */
    ImageSet set = {.h = o->size, .w = o->size, .c = o->channels};
    for (int64_t k = 0; k < o->channels; k++) { /* measured, rounded */
        set.mean[k] = 0.5F;
        set.std[k] = 0.28F;
    }
    if (image_set_needs_train(&o->image, splits))
        TRY(draw_part(d, SPLIT_TRAIN, o->n_train, &set.train, hex, err));
    if (image_set_needs_test(splits))
        TRY(draw_part(d, SPLIT_TEST, o->n_test, &set.test, hex + (*hex ? HEX : 0), err));
    hash_bytes(hex, strlen(hex), d->sha256);
    d->task.n_classes = N_CLASSES;
    d->class_names = names;
    return image_set_finish(d, &set, splits, err);
}

const DatasetKind dataset_shapes = {
    .name = "shapes",
    .summary = "drawn figures of ten kinds; needs no files",
    .revision = 1,
    .options = OPTION_TABLE(ShapesOptions, options),
    .open = open_shapes,
};
