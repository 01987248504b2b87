/* image_set -- see image_set.h. */
#include "data/image_set.h"

#include "base/pcg.h"

#include <math.h>
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
    for (int64_t i = 0; i < set->c; i++) {
        d->mean[i] = o->normalize == STANDARD ? set->mean[i] : 0;
        d->std[i] = o->normalize == STANDARD ? set->std[i] : 1;
        if (o->normalize != IMAGENET) continue;
        d->mean[i] = imagenet_mean[i];
        d->std[i] = imagenet_std[i];
    }
    return true;
}

static bool count_valid(const ImageOptions *o, int64_t n, int64_t *n_valid, Error *err)
{
    const double share = o->valid;
    *n_valid = (int64_t)(share < 1 ? floor(share * (double)n + 0.5) : share);
    if (share == 1 || (share > 1 && share != floor(share)))
        return fail(err, FAIL_CONFIG, NULL,
                    "valid = %g: expected a share below 1 or a whole number of examples above 1",
                    share);
    if (*n_valid >= n)
        return fail(err, FAIL_CONFIG, NULL, "valid = %g takes all of the %lld training examples",
                    share, (long long)n);
    return true;
}

/* Valid is the head of a permutation that depends on n alone; both splits keep the files' order. */
static bool split_train(Dataset *d, const ImageOptions *o, const ImagePart *part, unsigned splits,
                        Error *err)
{
    const int64_t n = part->n;
    int64_t n_valid;
    TRY(count_valid(o, n, &n_valid, err));
    Split base = {.n = n, .images = part->images, .labels = part->labels};
    Split *train = &d->split[SPLIT_TRAIN], *valid = &d->split[SPLIT_VALID];
    *train = *valid = base;
    valid->n = n_valid;
    train->n = n - n_valid;
    if (n_valid > 0) {
        void *index_, *order_, *taken_;
        TRY(dataset_memory(d, &index_, (size_t)n * sizeof(int64_t), err));
        TRY(memory_map(&order_, (size_t)n * (sizeof(int64_t) + 1), err));
        int64_t *index = index_, *order = order_;
        taken_ = order + n;
        bool *taken = taken_;
        Pcg rng = pcg_stream(0, "valid", 0, 0);
        pcg_permutation(&rng, order, n);
        for (int64_t i = 0; i < n_valid; i++) taken[order[i]] = true;
        int64_t at_valid = 0, at_train = n_valid;
        for (int64_t i = 0; i < n; i++) index[taken[i] ? at_valid++ : at_train++] = i;
        memory_unmap(order_, (size_t)n * (sizeof(int64_t) + 1));
        valid->index = index;
        train->index = index + n_valid;
    }
    if (o->train_limit > 0 && o->train_limit < train->n) train->n = o->train_limit;
    if (!(splits & 1u << SPLIT_TRAIN)) *train = (Split){0};
    if (!(splits & 1u << SPLIT_VALID)) *valid = (Split){0};
    return true;
}

bool image_set_finish(Dataset *d, const ImageSet *set, unsigned splits, Error *err)
{
    const ImageOptions *o = d->options;
    d->sample = shape(3, set->h, set->w, set->c);
    d->dtype = F32;
    TRY(set_normalisation(d, o, set, err));
    if (set->train.n > 0) TRY(split_train(d, o, &set->train, splits, err));
    const ImagePart *test = &set->test;
    d->split[SPLIT_TEST] = (Split){.n = test->n, .images = test->images, .labels = test->labels};
    return true;
}
