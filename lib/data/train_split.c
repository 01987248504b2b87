/* train_split -- see train_split.h. */
#include "data/train_split.h"

#include "base/pcg.h"

#include <math.h>

static bool count_valid(double share, int64_t n, int64_t *n_valid, Error *err)
{
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

/* Valid is the head of a permutation that depends on n alone. */
bool train_split(Dataset *d, const Split *all, double valid_share, int64_t train_limit,
                 unsigned splits, Error *err)
{
    const int64_t n = all->n;
    int64_t n_valid;
    TRY(count_valid(valid_share, n, &n_valid, err));
    Split *train = &d->split[SPLIT_TRAIN], *valid = &d->split[SPLIT_VALID];
    *train = *valid = *all;
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
    if (train_limit > 0 && train_limit < train->n) train->n = train_limit;
    if (!(splits & 1u << SPLIT_TRAIN)) *train = (Split){0};
    if (!(splits & 1u << SPLIT_VALID)) *valid = (Split){0};
    return true;
}
