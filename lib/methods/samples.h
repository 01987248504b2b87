/* samples -- examples of the training split for hooks that look at data: as many of each class, as
 * they are, without augmentation. */
#ifndef SEQLAB_METHODS_SAMPLES_H
#define SEQLAB_METHODS_SAMPLES_H

#include "data/dataset.h"

typedef struct Samples {
    int64_t n; /* examples: n_batches * batch_size */
    int64_t batch_size, n_batches;
    void *x;        /* (n, Task.sample), of Task.dtype */
    int32_t *label; /* (n) */
    size_t x_bytes, label_bytes;
    size_t batch_bytes; /* of one batch's x */
} Samples;

/* The first `per_class` of each class in an order of the split that `seed` gives; of a class with
 * fewer, all. They are cut into batches of equal size, as few as it takes for at most `batch_max`
 * each; a remainder smaller than the number of batches is left out. Fails with FAIL_DATA when `d`
 * is NULL or has no training examples, FAIL_CONFIG when it has a label for every step, FAIL_RUN
 * when there is no memory. */
bool samples_draw(Samples *s, const Dataset *d, int64_t per_class, int64_t batch_max, uint64_t seed,
                  Error *err) MUST_CHECK;
const void *samples_x(const Samples *s, int64_t batch);
const int32_t *samples_label(const Samples *s, int64_t batch);
void samples_free(Samples *s);

#endif
