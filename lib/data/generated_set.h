/* generated_set -- what sets share whose examples are made when they are drawn: the number of
 * examples and the seed, and that example i is a function of (seed, split, i) and nothing else.
 *
 * So a set of any size takes no memory, two splits share an example only by chance, and more
 * examples leave those there were. The data are their recipe: Dataset.sha256 is the hash of the
 * kind's name, its revision and the options' values. */
#ifndef SEQLAB_DATA_GENERATED_SET_H
#define SEQLAB_DATA_GENERATED_SET_H

#include "base/pcg.h"
#include "data/dataset.h"

/* First in the options struct of such a kind. */
typedef struct GeneratedOptions {
    int64_t n_train, n_valid, n_test, seed;
} GeneratedOptions;

// clang-format off
#define GENERATED_OPTIONS(train, valid, test)                                                      \
    OPT_INT(GeneratedOptions, n_train, train, 1, 1000000000, "training examples"),                 \
    OPT_INT(GeneratedOptions, n_valid, valid, 0, 1000000000, "validation examples"),               \
    OPT_INT(GeneratedOptions, n_test, test, 0, 1000000000, "test examples"),                       \
    OPT_INT(GeneratedOptions, seed, 1, 0, 1e15, "which examples; not train.seed")
// clang-format on

/* Fills n of the wanted splits and sha256. */
void generated_set_finish(Dataset *d, unsigned splits, Arena *a);

/* The numbers that example `i` is made from. */
Pcg generated_stream(const Dataset *d, SplitId split, int64_t i);

#endif
