/* metric_log -- columns of numbers from a run's metrics.jsonl, also while the run is writing it.
 *
 * One pass over the mapped file; only the wanted names are converted. A last line without its
 * newline is left out: it is being written. */
#ifndef SEQLAB_REPORT_METRIC_LOG_H
#define SEQLAB_REPORT_METRIC_LOG_H

#include "base/arena.h"

#include <stdint.h>

enum { METRIC_LOG_NAMES = 8 };

typedef struct MetricLog {
    int n;                            /* lines */
    double *column[METRIC_LOG_NAMES]; /* of each name; NaN where a line does not have it */
} MetricLog;

/* Reads `folder`/metrics.jsonl; that there is none gives n = 0. Fails with FAIL_DATA where the file
 * cannot be read. Columns are the arena's. */
bool metric_log_read(MetricLog *log, Arena *a, const char *folder, const char *const names[],
                     int n_names, Error *err) MUST_CHECK;

#endif
