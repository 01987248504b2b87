/* metric_lines -- reading metrics.jsonl fast: lines such as
 * {"step":200,"epoch":0.5,"train.loss":1.834,"test.loss":"NaN"}, and what a metric's name means. */
#ifndef SEQLAB_RUN_METRIC_LINES_H
#define SEQLAB_RUN_METRIC_LINES_H

#include "base/arena.h"

/* A part of a file's text, or one line without its newline. */
typedef struct MetricLines {
    const char *text;
    size_t n;
} MetricLines;

/* Takes the first line off; false at the end. A torn last line is none. */
bool metric_lines_next(MetricLines *rest, MetricLines *line);

/* The number called `name` in one line; false where there is none. */
bool metric_line_number(const char *line, size_t n, const char *name, double *out);

/* The names in a line or in run.json's last evaluation, up to `most`; the arena's. */
int metric_names(const char *text, size_t n, const char *names[], int most, Arena *a);

/* Whether less is better, by the words in a metric's name: loss, perplexity, bits per byte, error,
 * times, bytes.
 */
bool metric_less_is_better(const char *metric);
/* A metric of the test split, which nothing may be chosen by. */
bool metric_is_test(const char *metric);

#endif
