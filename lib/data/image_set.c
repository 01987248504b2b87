/* image_set -- see image_set.h.
 *
 * Grey, pooled and permuted images are made once, as bytes, when the set is opened; what is drawn
 * from them is then an image like any other, or a sequence whose memory is the same as an image's.
 * Pooling 28 x 28 to 14 x 14 and reading the pixels as a sequence of 196 is the usual small form of
 * sequential MNIST; the permuted one is Le, Jaitly & Hinton's (2015, arXiv:1504.00941). */
#include "data/image_set.h"

#include "base/pcg.h"
#include "data/jobs.h"
#include "data/train_split.h"

#include <string.h>

bool image_set_needs_train(const ImageOptions *o, unsigned splits)
{
    return splits & 1u << SPLIT_TRAIN || (splits & 1u << SPLIT_VALID && o->valid > 0);
}

bool image_set_needs_test(unsigned splits)
{
    return splits & 1u << SPLIT_TEST;
}

static bool set_normalisation(Dataset *d, const ImageOptions *o, const ImageSet *set, Error *err)
{
    enum { STANDARD, UNIT, IMAGENET };
    /* of the training images of ImageNet, as every published model of it has them */
    static const float imagenet_mean[] = {0.485F, 0.456F, 0.406F};
    static const float imagenet_std[] = {0.229F, 0.224F, 0.225F};
    if (o->normalize == IMAGENET && set->c != 3)
        return fail(err, FAIL_CONFIG, NULL,
                    "normalize = imagenet is for three colours; the images of %s have %lld channel",
                    d->kind->name, (long long)set->c);
    if (o->grey && o->normalize == STANDARD && set->std[0] == 0)
        return fail(err, FAIL_CONFIG, NULL,
                    "mean and std of grey images of %s are not published; set normalize = unit",
                    d->kind->name);
    for (int64_t i = 0; i < set->c; i++) {
        d->mean[i] = o->normalize == STANDARD ? set->mean[i] : 0;
        d->std[i] = o->normalize == STANDARD ? set->std[i] : 1;
        if (o->normalize != IMAGENET) continue;
        d->mean[i] = imagenet_mean[i];
        d->std[i] = imagenet_std[i];
    }
    return true;
}

/* -- Other images from those of the files */

enum { LAYOUT_IMAGE, LAYOUT_SEQUENCE, LAYOUT_PERMUTED, CHUNK = 500 };

typedef struct Remaking {
    int64_t h, w, c;             /* of the old images */
    int64_t new_h, new_w, new_c; /* of the new ones */
    int64_t pool, n;
    const int64_t *order; /* of the new pixels; NULL: as they are */
    const uint8_t *from;
    uint8_t *to;
} Remaking;

/* Rounded, as the images that others publish in grey are. */
static int grey_of(const uint8_t *rgb)
{
    return (299 * rgb[0] + 587 * rgb[1] + 114 * rgb[2] + 500) / 1000;
}

/* The mean over the square whose corner `pixel` is, rounded. */
static uint8_t pooled(const Remaking *r, const uint8_t *pixel, int64_t channel)
{
    const bool to_grey = r->new_c != r->c;
    int64_t sum = 0;
    const int64_t area = r->pool * r->pool;
    for (int64_t y = 0; y < r->pool; y++)
        for (int64_t x = 0; x < r->pool; x++) {
            const uint8_t *at = pixel + (y * r->w + x) * r->c;
            sum += to_grey ? grey_of(at) : at[channel];
        }
    return (uint8_t)((2 * sum + area) / (2 * area));
}

static void remake_chunk(void *remaking, int chunk)
{
    const Remaking *r = remaking;
    const int64_t first = (int64_t)chunk * CHUNK, n_pixels = r->new_h * r->new_w;
    const int64_t end = first + CHUNK < r->n ? first + CHUNK : r->n;
    for (int64_t i = first; i < end; i++) {
        const uint8_t *from = r->from + i * r->h * r->w * r->c;
        uint8_t *to = r->to + i * n_pixels * r->new_c;
        for (int64_t t = 0; t < n_pixels; t++) {
            const int64_t at = r->order ? r->order[t] : t;
            const int64_t y = at / r->new_w * r->pool, x = at % r->new_w * r->pool;
            for (int64_t k = 0; k < r->new_c; k++)
                *to++ = pooled(r, from + (y * r->w + x) * r->c, k);
        }
    }
}

static bool remake_part(Dataset *d, Remaking *r, ImagePart *part, Error *err)
{
    void *images;
    if (part->n == 0) return true;
    TRY(dataset_memory(d, &images, (size_t)(part->n * r->new_h * r->new_w * r->new_c), err));
    r->n = part->n;
    r->from = part->images;
    r->to = images;
    jobs_run((int)((r->n + CHUNK - 1) / CHUNK), remake_chunk, r);
    part->images = images;
    return true;
}

/* Refuses options that do not go together, or with these images. */
static bool check_options(const Dataset *d, const ImageOptions *o, const ImageSet *set, Error *err)
{
    if (o->grey && set->c != 3)
        return fail(err, FAIL_CONFIG, NULL,
                    "grey is for three colours; the images of %s have %lld channel%s",
                    d->kind->name, (long long)set->c, set->c == 1 ? "" : "s");
    if (o->pool > set->h || o->pool > set->w)
        return fail(err, FAIL_CONFIG, NULL, "pool = %lld is larger than the images of %s",
                    (long long)o->pool, d->kind->name);
    if (o->layout == LAYOUT_PERMUTED && o->augment != 0)
        return fail(err, FAIL_CONFIG, NULL,
                    "augment changes images, and layout = permuted leaves none");
    return true;
}

/* Applies grey, pool and the permutation to the set's images. */
static bool remake(Dataset *d, const ImageOptions *o, ImageSet *set, Error *err)
{
    const bool permute = o->layout == LAYOUT_PERMUTED;
    void *order = NULL;
    TRY(check_options(d, o, set, err));
    if (!o->grey && o->pool == 1 && !permute) return true;
    Remaking r = {.h = set->h,
                  .w = set->w,
                  .c = set->c,
                  .new_h = set->h / o->pool,
                  .new_w = set->w / o->pool,
                  .new_c = o->grey ? 1 : set->c,
                  .pool = o->pool};
    const size_t order_bytes = (size_t)(r.new_h * r.new_w) * sizeof(int64_t);
    if (permute) {
        TRY(memory_map(&order, order_bytes, err));
        Pcg rng = pcg_stream(0, "permuted", 0, 0);
        pcg_permutation(&rng, order, r.new_h * r.new_w);
        r.order = order;
    }
    bool ok = remake_part(d, &r, &set->train, err) && remake_part(d, &r, &set->test, err);
    memory_unmap(order, order_bytes);
    set->h = r.new_h;
    set->w = r.new_w;
    if (o->grey) {
        set->c = 1;
        set->mean[0] = set->grey_mean;
        set->std[0] = set->grey_std;
    }
    return ok;
}

bool image_set_finish(Dataset *d, ImageSet *set, unsigned splits, Error *err)
{
    const ImageOptions *o = d->options;
    TRY(remake(d, o, set, err));
    d->image = d->task.sample = shape(3, set->h, set->w, set->c);
    if (o->layout != LAYOUT_IMAGE) d->task.sample = shape(2, set->h * set->w, set->c);
    d->task.dtype = F32;
    TRY(set_normalisation(d, o, set, err));
    const ImagePart *train = &set->train, *test = &set->test;
    const Split all = {.n = train->n, .images = train->images, .labels = train->labels};
    if (all.n > 0) TRY(train_split(d, &all, o->valid, o->train_limit, splits, err));
    d->split[SPLIT_TEST] = (Split){.n = test->n, .images = test->images, .labels = test->labels};
    return true;
}
