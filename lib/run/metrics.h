/* metrics -- metrics.jsonl (no clock), times.jsonl and TensorBoard events of one run.
 *
 * A line is one JSON object, appended and flushed whole. On resume, lines past the checkpoint's
 * step are cut (and a torn last line), so that the file equals an uninterrupted run's byte for
 * byte. */
#ifndef SEQLAB_RUN_METRICS_H
#define SEQLAB_RUN_METRICS_H

#include "base/error.h"
#include "io/tfevents.h"

#include <stdint.h>

enum { METRICS_MAX = 44 };
typedef struct Metric {
    const char *name; /* "test.top1"; not owned */
    double value;     /* written as the shortest text of a double; NaN as "NaN" */
} Metric;

typedef struct MetricLine {
    int64_t step;
    double epoch;
    Metric at[METRICS_MAX];
    int n;
} MetricLine;
void metric_add(MetricLine *line, const char *name, double value);
/* {"step":200,"epoch":0.5,"train.loss":1.834}: no newline. */
void metric_json(const MetricLine *line, char out[2048]);

typedef struct MetricWriter {
    int fd, times_fd;
    TfEvents events;
} MetricWriter;
/* Opens for appending in `folder`, keeping only the lines up to and including `step` (-1: none).
 * Fails with FAIL_DATA when a damaged line stands before one that is to be kept. */
bool metrics_open(MetricWriter *m, const char *folder, int64_t step, Error *err) MUST_CHECK;
/* times.jsonl gets `times` (may be NULL): the same step with wall_s since the start, step_ms,
 * images_per_s, phase seconds. */
bool metrics_write(MetricWriter *m, const MetricLine *line, const MetricLine *times,
                   Error *err) MUST_CHECK;
/* For TensorBoard alone. */
bool metrics_image(MetricWriter *m, const char *tag, int64_t step, const TfImage *image,
                   Error *err) MUST_CHECK;
bool metrics_histogram(MetricWriter *m, const char *tag, int64_t step, const float *x, int64_t n,
                       Error *err) MUST_CHECK;
bool metrics_sync(MetricWriter *m,
                  Error *err) MUST_CHECK; /* fsync: before a checkpoint that claims this step */
/* The last line of a folder's metrics.jsonl, "" when there is none. */
bool metrics_last(const char *folder, char out[2048], Error *err) MUST_CHECK;
void metrics_close(MetricWriter *m);

#endif
