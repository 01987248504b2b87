/* run_values -- see run_values.h. */
#include "table/run_values.h"

#include "io/file.h"
#include "run/run_record.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { METRICS_BYTES_MAX = 1 << 30 };

/* -- One line: {"step":200,"epoch":0.5,"train.loss":1.834,"test.loss":"NaN"} */

/* What text_real writes, or a number of JSON; read within the line. */
static double number_at(const char *at, size_t n)
{
    char text[40];
    size_t length = 0;
    if (n > 0 && *at == '"') at++, n--;
    while (length < n && length + 1 < sizeof text && !strchr(",}\"", at[length])) length++;
    memcpy(text, at, length);
    text[length] = '\0';
    return strtod(text, NULL); /* takes NaN and Infinity too */
}

bool metric_line_number(const char *line, size_t n, const char *name, double *out)
{
    size_t length = strlen(name);
    const char *end = line + n, *at = line;
    while ((at = memchr(at, '"', (size_t)(end - at))) != NULL) {
        at++;
        if ((size_t)(end - at) < length + 2) return false;
        if (memcmp(at, name, length) != 0 || at[length] != '"' || at[length + 1] != ':') continue;
        at += length + 2;
        while (at < end && *at == ' ') at++;
        *out = number_at(at, (size_t)(end - at));
        return true;
    }
    return false;
}

int run_metric_names(const RunRecord *record, const char *names[], int most, Arena *a)
{
    int n = 0;
    const char *at = record->final_metrics;
    while (n < most && (at = strchr(at, '"')) != NULL) {
        const char *end = strchr(++at, '"');
        if (!end) break;
        if (end[1] == ':') names[n++] = arena_string_n(a, at, (size_t)(end - at));
        at = end + 1;
    }
    return n;
}

/* -- All lines */

typedef struct Lines {
    const char *text;
    size_t n;
} Lines;

static bool next_line(Lines *rest, Lines *line)
{
    const char *newline = rest->n ? memchr(rest->text, '\n', rest->n) : NULL;
    if (!newline) return false; /* a torn last line is none */
    *line = (Lines){rest->text, (size_t)(newline - rest->text)};
    rest->text = newline + 1;
    rest->n -= line->n + 1;
    return true;
}

/* The evaluation that a metric asks for; false when there is none. */
static bool find_line(const TableMetric *m, Lines rest, Lines *found)
{
    Lines line;
    double best = 0, value, sign = m->at == AT_BEST && table_less_is_better(m->by) ? -1 : 1;
    bool any = false;
    while (next_line(&rest, &line)) {
        if (m->at == AT_LAST) {
            *found = line;
            any = true;
        } else if (m->at == AT_STEP) {
            if (!metric_line_number(line.text, line.n, "step", &value)) continue;
            if (value != (double)m->step) continue;
            *found = line;
            return true;
        } else if (metric_line_number(line.text, line.n, m->by, &value) && !isnan(value) &&
                   (!any || sign * value > best)) {
            *found = line; /* the first of equals */
            best = sign * value;
            any = true;
        }
    }
    return any;
}

static bool fail_line(const TableMetric *m, const char *folder, Error *err)
{
    const char *id = strrchr(folder, '/') ? strrchr(folder, '/') + 1 : folder;
    if (m->at == AT_STEP)
        return yaml_fail(m->where, err, "run %s has no evaluation at step %lld", id,
                         (long long)m->step);
    return yaml_fail(m->where, err, "run %s has no metric '%.60s' to find its best step by", id,
                     m->by);
}

static bool is_run_field(const TableMetric *m)
{
    return strncmp(m->name, "run.", 4) == 0;
}

static bool needs_lines(const TableSpec *spec)
{
    for (int i = 0; i < spec->n_metrics; i++)
        if (spec->metrics[i].at != AT_LAST) return true;
    return false;
}

bool run_values(const TableSpec *spec, const char *by, const char *folder, const RunRecord *record,
                double values[], uint32_t *absent, double *by_value, Error *err)
{
    const Lines last = {record->final_metrics, strlen(record->final_metrics)};
    Lines all = {0};
    char path[4096 + 32], *text = NULL;
    bool ok = true;
    *absent = 0;
    *by_value = (double)NAN;
    (void)snprintf(path, sizeof path, "%.4095s/metrics.jsonl", folder);
    if (needs_lines(spec)) {
        TRY(file_read(path, METRICS_BYTES_MAX, &text, &all.n, FAIL_DATA, err));
        all.text = text;
    }
    for (int i = 0; i < spec->n_metrics && ok; i++) {
        const TableMetric *m = &spec->metrics[i];
        Lines line = last;
        bool there;
        if (m->at != AT_LAST && !find_line(m, all, &line)) ok = fail_line(m, folder, err);
        if (!ok) break;
        if (is_run_field(m))
            there = run_record_number(record, m->name + 4, &values[i]) && !isnan(values[i]);
        else
            there = metric_line_number(line.text, line.n, m->name, &values[i]);
        if (!there) *absent |= UINT32_C(1) << i;
        if (i == 0 && by) (void)!metric_line_number(line.text, line.n, by, by_value);
    }
    free(text);
    return ok;
}
