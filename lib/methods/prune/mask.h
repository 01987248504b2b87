/* mask -- which weights are pruned: a buffer `<name>_mask` of zeros and ones beside each weight,
 * and taking exactly n of them away, the least important first.
 *
 * Weights are numbered through in the order of the parameters ("flat index"); equals go in that
 * order. Nothing is sorted and nothing allocated: the place where the n-th lies is found by three
 * passes of counting over the 32 bits of the keys. */
#ifndef SEQLAB_METHODS_MASK_H
#define SEQLAB_METHODS_MASK_H

#include "methods/method.h"

/* Weights of convolutions and linear layers, frozen ones too; never a bias or a norm, nor what an
 * adapter trains beside a weight. */
bool is_prunable(const Param *p);
/* The mask of p, which must be prunable: created, as ones, while the graph is built. */
Param *mask_create(const MethodCall *c, const ModelBuild *b, const Param *p);
/* NULL where p has none. */
Param *mask_of(const Params *params, const Param *p);

/* The parameters from `first` up to `end` (not included): pruned together. */
typedef struct MaskGroup {
    const Params *params;
    Param *first, *end;
} MaskGroup;

/* How the group's weights are ordered: lower keys go first. `flat` counts from the group's first
 * weight. */
typedef struct MaskOrder {
    uint32_t (*key)(const void *owner, const Param *p, const Param *mask, int64_t i, int64_t flat);
    const void *owner;
} MaskOrder;

/* Weights in the group that have a mask. */
int64_t mask_group_count(const MaskGroup *group);
/* Masks the n lowest, and no others. */
void mask_lowest(const MaskGroup *group, const MaskOrder *order, int64_t n);
/* round((1 - density) n): how many of n weights go. */
int64_t mask_n_pruned(double density, int64_t n);

/* The order of |w m|; owner is not read. */
uint32_t mask_key_magnitude(const void *owner, const Param *p, const Param *mask, int64_t i,
                            int64_t flat);
/* The order of the scores: owner is a float a weight. What is masked already stays so. */
uint32_t mask_key_score(const void *owner, const Param *p, const Param *mask, int64_t i,
                        int64_t flat);

/* Sets the weights that are masked to 0. */
void mask_apply(const Params *params);

/* Deals each layer's mask anew among its weights, by seed: the sanity check of Su et al. 2020 and
 * Frankle et al. 2021. */
void mask_shuffle(const Params *params, uint64_t seed);

#endif
