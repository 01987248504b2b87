/* train_split -- some of the training examples kept for validation: the same ones in every run,
 * since which ones is a function of their number alone. */
#ifndef SEQLAB_DATA_TRAIN_SPLIT_H
#define SEQLAB_DATA_TRAIN_SPLIT_H

#include "data/dataset.h"

/* Splits all of the files' training examples, `all` without an index, into d's train and valid;
 * both keep the files' order, and unwanted splits stay empty. valid: a count (> 1) or a share
 * (< 1), as the option of that name; train_limit: only the first n of train, 0: all. FAIL_CONFIG
 * when nothing would be left. */
bool train_split(Dataset *d, const Split *all, double valid, int64_t train_limit, unsigned splits,
                 Error *err) MUST_CHECK;

#endif
