/* search -- `search:`, which setting of the swept keys is the best one, and how it is found.
 *
 *   search: {by: valid.top1, over: [optimizer.lr, optimizer.weight_decay], eta: 3, min_steps: 200}
 *
 * Settings of the keys in `over` compete within each setting of the other swept keys; runs that
 * differ in train.seed alone are one competitor, by their mean. `by` is never a test metric. A
 * table shows the winner of each cell; `seqlab sweep --asha` does not finish the losers
 * (halving.h). */
#ifndef SEQLAB_SWEEP_SEARCH_H
#define SEQLAB_SWEEP_SEARCH_H

#include "io/option.h"

enum { SEARCH_KEYS = 16 };

typedef struct Search {
    const char *by; /* NULL: there is no search */
    const char *over[SEARCH_KEYS];
    int n_over;
    int64_t eta;       /* one in eta goes on from each round */
    int64_t min_steps; /* length of the first round, in steps; 0: total / eta^3 or so */
    const Yaml *where;
} Search;

/* What may stand in `search:`. */
extern const OptionTable search_options;

/* NULL and null mean none. Every mistake is reported. */
bool search_read(Search *search, const Yaml *y, Error *err) MUST_CHECK;

/* `key` is in over. */
bool search_has(const Search *search, const char *key);

#endif
