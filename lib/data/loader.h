/* loader -- batches in an order that is a function of (seed, epoch), made ready one ahead by a
 * thread.
 *
 * Batch number `step` (counted from 0 over the whole run) holds the examples at positions of the
 * permutation of (seed, "shuffle", epoch): so any step can be asked for, and a resumed run
 * continues with the very next batch. */
#ifndef SEQLAB_DATA_LOADER_H
#define SEQLAB_DATA_LOADER_H

#include "data/dataset.h"

typedef struct Loader Loader;

typedef struct LoaderOptions {
    SplitId split;
    int64_t batch_size;
    bool shuffle; /* also drops the last partial batch of an epoch; otherwise it comes padded */
    bool augment;
    uint64_t seed;
    bool prefetch;
} LoaderOptions;

typedef struct Batch {
    const float *x; /* (batch_size, sample...), 64-byte aligned; valid until the next call. Of a set
                       of tokens these are int32_t */
    const int32_t *label; /* (batch_size), or (batch_size, steps) of a Task that is per_step; -1 in
                             padded rows */
    int64_t n;            /* real examples */
    int64_t epoch;
} Batch;

/* The dataset must outlive the loader. Fails when the split is empty or smaller than one batch
 * (shuffle). */
Loader *loader_new(const Dataset *d, const LoaderOptions *o, Error *err);
int64_t loader_steps_per_epoch(const Loader *l);
int64_t loader_bytes(const Loader *l);      /* its two batches and the permutation */
int64_t loader_text_bytes(const Loader *l); /* the Split's */
/* No allocation. Not thread-safe. */
Batch loader_batch(Loader *l, int64_t step);
void loader_free(Loader *l);

#endif
