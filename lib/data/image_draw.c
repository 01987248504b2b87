/* image_draw -- see image_draw.h.
 *
 * x = (pixel / 255 - mean) / std is computed as pixel * scale + shift with both rounded from
 * double: two rounded operations, never fused, so the same bits on every machine. Padding is the
 * pixel 0, as in the usual recipes that pad before they normalise; cutout writes x = 0, the mean.
 */
#include "data/image_draw.h"

#include "base/pcg.h"

#include <string.h>

enum { CROP = 1 << 0, FLIP = 1 << 1, CUTOUT = 1 << 2 };

void image_draw_prepare(ImageDraw *draw, const Dataset *d)
{
    *draw = (ImageDraw){.dataset = d};
    for (int64_t i = 0; i < DRAW_PERIOD; i++) {
        const int64_t channel = i % d->image.dim[2];
        const double std = (double)d->std[channel];
        draw->scale[i] = (float)(1 / (255 * std));
        draw->shift[i] = (float)(-(double)d->mean[channel] / std);
    }
}

/* n pixels times channels; `pixel` begins at channel 0. */
static void to_floats(const ImageDraw *draw, const uint8_t *pixel, int64_t n, float *x)
{
    cpu->bytes_affine(n, pixel, draw->scale, draw->shift, x);
}

/* (p / 255) * 255 is p again for every byte p. */
void image_normalise(const ImageDraw *draw, int64_t n, const float *v, float *x)
{
    for (int64_t i = 0; i < n; i++)
        x[i] = v[i] * 255 * draw->scale[i % DRAW_PERIOD] + draw->shift[i % DRAW_PERIOD];
}

/* The image in [0, 1], corrupted where asked, normalised unless it is to stay so. */
static void by_unit(const ImageDraw *draw, const uint8_t *pixel, int64_t at, float *x)
{
    const Shape *image = &draw->dataset->image;
    const int64_t n = shape_count(image);
    for (int64_t i = 0; i < n; i++) x[i] = (float)pixel[i] / 255;
    if (draw->corruption.severity > 0) corrupt(&draw->corruption, image, at, x);
    if (!draw->unit) image_normalise(draw, n, x, x);
}

/* n pixels times channels of black. */
static void black(const ImageDraw *draw, int64_t n, float *x)
{
    for (; n > 0; n -= DRAW_PERIOD, x += DRAW_PERIOD)
        memcpy(x, draw->shift, (size_t)(n < DRAW_PERIOD ? n : DRAW_PERIOD) * sizeof *x);
}

static void flip_row(float *x, int64_t w, int64_t c)
{
    for (int64_t left = 0, right = w - 1; left < right; left++, right--)
        for (int64_t k = 0; k < c; k++) {
            float keep = x[left * c + k];
            x[left * c + k] = x[right * c + k];
            x[right * c + k] = keep;
        }
}

/* The image moved by (dy, dx): out[y, x] = in[y + dy, x + dx], black outside. */
static void shifted(const ImageDraw *draw, const uint8_t *pixel, int64_t dy, int64_t dx, float *x)
{
    const int64_t *dim = draw->dataset->image.dim;
    const int64_t h = dim[0], w = dim[1], c = dim[2];
    int64_t begin = dx < 0 ? -dx : 0, end = dx > 0 ? w - dx : w;
    if (begin > w) begin = w;
    if (end < begin) end = begin;
    for (int64_t y = 0; y < h; y++, x += w * c) {
        if (y + dy < 0 || y + dy >= h || begin == end) {
            black(draw, w * c, x);
            continue;
        }
        black(draw, begin * c, x);
        to_floats(draw, pixel + ((y + dy) * w + begin + dx) * c, (end - begin) * c, x + begin * c);
        black(draw, (w - end) * c, x + end * c);
    }
}

static void cut_out(const Shape *s, int64_t size, Pcg *rng, float *x)
{
    const int64_t h = s->dim[0], w = s->dim[1], c = s->dim[2];
    int64_t top = (int64_t)pcg_below(rng, (uint32_t)h) - size / 2;
    int64_t left = (int64_t)pcg_below(rng, (uint32_t)w) - size / 2;
    int64_t bottom = top + size < h ? top + size : h, right = left + size < w ? left + size : w;
    if (top < 0) top = 0;
    if (left < 0) left = 0;
    for (int64_t y = top; y < bottom && left < right; y++)
        memset(x + (y * w + left) * c, 0, (size_t)((right - left) * c) * sizeof *x);
}

void image_draw(const ImageDraw *draw, SplitId split, int64_t i, bool augment, uint64_t seed,
                int64_t epoch, float *x, int32_t *label)
{
    const Dataset *d = draw->dataset;
    const Split *s = &d->split[split];
    const ImageOptions *o = d->options;
    const int64_t h = d->image.dim[0], w = d->image.dim[1], c = d->image.dim[2];
    const int64_t at = s->index ? s->index[i] : i;
    const uint8_t *pixel = s->images + at * h * w * c;
    *label = s->labels[at];
    if (!augment && (draw->unit || draw->corruption.severity > 0)) {
        by_unit(draw, pixel, at, x);
        return;
    }
    if (!augment || o->augment == 0) {
        to_floats(draw, pixel, h * w * c, x);
        return;
    }
    Pcg rng = pcg_stream(seed, "augment", (uint64_t)epoch, (uint64_t)at);
    int64_t dy = 0, dx = 0;
    if (o->augment & CROP) {
        const uint32_t places = (uint32_t)(2 * o->crop_pad + 1);
        dy = (int64_t)pcg_below(&rng, places) - o->crop_pad;
        dx = (int64_t)pcg_below(&rng, places) - o->crop_pad;
    }
    if (dy == 0 && dx == 0)
        to_floats(draw, pixel, h * w * c, x);
    else
        shifted(draw, pixel, dy, dx, x);
    if (o->augment & FLIP && pcg_next(&rng) >> 31)
        for (int64_t y = 0; y < h; y++) flip_row(x + y * w * c, w, c);
    if (o->augment & CUTOUT) cut_out(&d->image, o->cutout_size, &rng, x);
}

void image_draw_fetch(const ImageDraw *draw, SplitId split, int64_t i)
{
    enum { LINE = 64, MOST = 64 * LINE };
    const Split *s = &draw->dataset->split[split];
    const int64_t bytes = shape_count(&draw->dataset->image);
    const int64_t at = s->index ? s->index[i] : i;
    for (int64_t k = 0; k < bytes && k < MOST; k += LINE)
        __builtin_prefetch(s->images + at * bytes + k);
}

void dataset_example(const Dataset *d, SplitId split, int64_t i, bool augment, uint64_t seed,
                     int64_t epoch, void *x, int32_t *label)
{
    ImageDraw draw;
    if (augment && split == SPLIT_TRAIN && d->kind->draw_augmented) {
        d->kind->draw_augmented(d, i, seed, epoch, x, label);
        return;
    }
    if (d->kind->draw) {
        d->kind->draw(d, split, i, x, label);
        return;
    }
    image_draw_prepare(&draw, d);
    image_draw(&draw, split, i, augment, seed, epoch, x, label);
}
