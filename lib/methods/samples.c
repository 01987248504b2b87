/* samples -- see samples.h. */
#include "methods/samples.h"

#include "base/arena.h"
#include "base/pcg.h"

#include <string.h>

/* Walks through the split in the drawn order and keeps an example as long as its class has room. */
static void fill(Samples *s, const Dataset *d, int64_t per_class, const int64_t *order,
                 int64_t *taken)
{
    const size_t bytes = sizeof(float) * (size_t)shape_count(&d->task.sample);
    int64_t left = per_class * d->task.n_classes;
    s->n = 0;
    for (int64_t i = 0; i < d->split[SPLIT_TRAIN].n && left > 0; i++) {
        int32_t label;
        char *x = (char *)s->x + bytes * (size_t)s->n;
        dataset_example(d, SPLIT_TRAIN, order[i], false, 0, 0, x, &label);
        if (taken[label] == per_class) continue;
        taken[label]++;
        left--;
        s->label[s->n++] = label;
    }
}

bool samples_draw(Samples *s, const Dataset *d, int64_t per_class, int64_t batch_max, uint64_t seed,
                  Error *err)
{
    *s = (Samples){0};
    if (!d || d->split[SPLIT_TRAIN].n == 0)
        return fail(err, FAIL_DATA, NULL, "there are no training examples to look at");
    if (d->task.per_step)
        return fail(err, FAIL_CONFIG, NULL,
                    "examples of each class need data with one label an example");
    const int64_t n = d->split[SPLIT_TRAIN].n;
    const int64_t most = per_class * d->task.n_classes < n ? per_class * d->task.n_classes : n;
    const size_t example = sizeof(float) * (size_t)shape_count(&d->task.sample);
    s->x_bytes = example * (size_t)(most + 1); /* and one that is drawn and not kept */
    s->label_bytes = sizeof(int32_t) * (size_t)most;
    Arena *a = arena_new();
    bool ok = memory_map(&s->x, s->x_bytes, err);
    if (ok) {
        void *label = NULL;
        ok = memory_map(&label, s->label_bytes, err);
        s->label = label;
    }
    if (ok) {
        int64_t *order = arena_new_array(a, int64_t, n);
        Pcg rng = pcg_stream(seed, "samples", 0, 0);
        pcg_permutation(&rng, order, n);
        fill(s, d, per_class, order, arena_new_array(a, int64_t, d->task.n_classes));
        s->n_batches = (s->n + batch_max - 1) / batch_max;
        s->batch_size = s->n / s->n_batches;
        s->n = s->n_batches * s->batch_size;
        s->batch_bytes = example * (size_t)s->batch_size;
    } else {
        samples_free(s);
    }
    arena_free(a);
    return ok;
}

const void *samples_x(const Samples *s, int64_t batch)
{
    return (const char *)s->x + s->batch_bytes * (size_t)batch;
}

const int32_t *samples_label(const Samples *s, int64_t batch)
{
    return s->label + s->batch_size * batch;
}

void samples_free(Samples *s)
{
    memory_unmap(s->x, s->x_bytes);
    memory_unmap(s->label, s->label_bytes);
    *s = (Samples){0};
}
