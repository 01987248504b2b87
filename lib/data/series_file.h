/* series_file -- labelled series of numbers, as the UCR archive has them (Dau et al. 2019).
 *
 *   .ts   lines that begin with # or @, the last of them @data; then a series a line, its values
 *         apart by commas, a colon and the label
 *   text  a series a line: the label, then its values, apart by blanks, tabs or commas
 *
 * NaN and ? at the end of a line fill it up to the longest and are no values; elsewhere they are
 * missing values, which are refused. Only one dimension is read. */
#ifndef SEQLAB_DATA_SERIES_FILE_H
#define SEQLAB_DATA_SERIES_FILE_H

#include "data/text_rows.h"

typedef struct SeriesFile {
    TextRows rows;        /* labels and lines */
    const int64_t *first; /* n + 1: where a series begins in `value`, and the end of the last */
    float *value;
    int64_t longest;
} SeriesFile;

/* Plain or .gz; in memory of d and of the arena. FAIL_DATA names the line. */
bool series_file_read(SeriesFile *f, Dataset *d, const char *path, Arena *a, Error *err) MUST_CHECK;

#endif
