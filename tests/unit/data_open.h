/* data_open -- for the tests of lib/data: a dataset from its YAML options. */
#ifndef SEQLAB_TEST_DATA_OPEN_H
#define SEQLAB_TEST_DATA_OPEN_H

#include "data/dataset.h"

typedef struct Opened {
    Arena *arena;
    Error err;
    Dataset data;
    bool ok;
} Opened;

/* yaml: "{name: shapes, ...}"; data_folder as dataset_open takes it. Close with opened_free. */
Opened *opened_new(const char *yaml, const char *data_folder, unsigned splits);
void opened_free(Opened *o);

#endif
