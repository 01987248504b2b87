/* absent_data -- the SHA-256 of data that are not here, from the runs that were made with them.
 *
 * A run's id covers its data. Where results were copied to a machine without the data, the runs
 * themselves say what they were made with. */
#ifndef SEQLAB_SWEEP_ABSENT_DATA_H
#define SEQLAB_SWEEP_ABSENT_DATA_H

#include "run/experiment.h"

typedef struct AbsentDataItem AbsentDataItem;
/* Starts with an arena, the rest zero. */
typedef struct AbsentData {
    Arena *arena;
    AbsentDataItem *first;
} AbsentData;

/* What absent_data_add found earlier for this experiment's name and data set, or NULL. */
const char *absent_data_find(const AbsentData *d, const Experiment *e);
/* Looks through <results>/<name>/: NULL unless all finished runs there agree. */
const char *absent_data_add(AbsentData *d, const char *results, const Experiment *e);

#endif
