/* account -- what pruning leaves of a network, layer by layer: before, in its own architecture, and
 * after, in a smaller one or under masks. */
#ifndef SEQLAB_METHODS_ACCOUNT_H
#define SEQLAB_METHODS_ACCOUNT_H

#include "nn/layer_table.h"

typedef struct AccountRow {
    const LayerRow *before, *after; /* after: NULL where the layer's block is left out */
    int64_t kept;                   /* weights after, without those that are masked */
    double density;                 /* kept / weights before */
} AccountRow;

typedef struct Account {
    LayerTable before, after;
    AccountRow *rows; /* one a row of `before` */
    int n_rows;
    int64_t kept; /* over all rows */
    /* Multiply-adds if masked weights cost nothing; those that are done are after.macs. */
    double sparse_macs;
} Account;

/* `after` may be NULL: the same. masks: the parameters whose `<name>_mask` say what is kept, with
 * their values; NULL: nothing is masked. Memory is `a`'s. */
bool account(const Model *model, const void *options, const ModelBuild *like,
             const Architecture *before, const Architecture *after, const Params *masks, Arena *a,
             Account *out, Error *err) MUST_CHECK;

#endif
