/* trainer_events -- what --events=all adds to a run's TensorBoard file: some training images as the
 * network gets them, and histograms of the weights and of the last step's gradients. */
#include "io/png_write.h"
#include "run/training.h"

#include <math.h>
#include <stdlib.h>

enum { EXAMPLES = 8, SIDE_MAX = 1024 };

/* The range of the picture's own values becomes black to white. */
static void to_pixels(const float *x, int64_t n, uint8_t *out)
{
    float low = x[0], high = x[0];
    for (int64_t i = 0; i < n; i++) {
        low = fminf(low, x[i]);
        high = fmaxf(high, x[i]);
    }
    const float scale = high > low ? 255 / (high - low) : 0;
    for (int64_t i = 0; i < n; i++) out[i] = (uint8_t)lrintf((x[i] - low) * scale);
}

static bool write_image(Training *t, const float *x, const Shape *s, int i, Error *err)
{
    const int height = (int)s->dim[0], width = (int)s->dim[1], channels = (int)s->dim[2];
    char tag[64];
    void *png = NULL;
    size_t n;
    uint8_t *pixels = malloc((size_t)shape_count(s));
    if (!pixels)
        return fail(err, FAIL_RUN, NULL, "no memory for a picture of %dx%d", width, height);
    to_pixels(x, shape_count(s), pixels);
    (void)snprintf(tag, sizeof tag, "train/example/%d", i);
    bool ok = png_encode(tag, pixels, width, height, channels, &png, &n, err);
    if (ok) {
        const TfImage image = {width, height, channels, png, n};
        ok = metrics_image(&t->metrics, tag, t->state.step, &image, err);
    }
    free(png);
    free(pixels);
    return ok;
}

bool training_write_images(Training *t, const Batch *batch, Error *err)
{
    const Shape *s = &t->data->task.sample;
    const bool picture = s->rank == 3 && (s->dim[2] == 1 || s->dim[2] == 3) &&
                         s->dim[0] <= SIDE_MAX && s->dim[1] <= SIDE_MAX;
    if (!t->rich_events || !picture || t->data->task.dtype != F32) return true;
    for (int i = 0; i < EXAMPLES && i < batch->n; i++)
        TRY(write_image(t, batch->x + i * shape_count(s), s, i, err));
    return true;
}

bool training_write_histograms(Training *t, Error *err)
{
    char tag[256];
    if (!t->rich_events) return true;
    for (const Param *p = t->network.params->first; p; p = p->next) {
        if (!p->trainable) continue;
        (void)snprintf(tag, sizeof tag, "weights/%.200s", p->name);
        TRY(metrics_histogram(&t->metrics, tag, t->state.step, p->data, p->n, err));
        (void)snprintf(tag, sizeof tag, "gradients/%.200s", p->name);
        TRY(metrics_histogram(&t->metrics, tag, t->state.step, p->grad, p->n, err));
    }
    return true;
}
