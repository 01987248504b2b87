/* run_values -- see run_values.h. */
#include "table/run_values.h"

#include "io/file.h"
#include "run/metric_lines.h"
#include "run/run_record.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { METRICS_BYTES_MAX = 1 << 30 };

/* The first evaluation with a value as good as the target, or the last one. */
static bool find_reached(const TableMetric *m, MetricLines rest, MetricLines *found)
{
    const double sign = metric_less_is_better(m->by) ? -1 : 1;
    double value;
    bool any = false;
    while (metric_lines_next(&rest, found)) {
        if (!metric_line_number(found->text, found->n, m->by, &value)) continue;
        any = true;
        if (sign * value >= sign * m->target) break;
    }
    return any;
}

/* The evaluation that a metric asks for; false when there is none. */
static bool find_line(const TableMetric *m, MetricLines rest, MetricLines *found)
{
    MetricLines line;
    if (m->at == AT_REACH) return find_reached(m, rest, found);
    double best = 0, value, sign = m->at == AT_BEST && metric_less_is_better(m->by) ? -1 : 1;
    bool any = false;
    while (metric_lines_next(&rest, &line)) {
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
    const MetricLines last = {record->final_metrics, strlen(record->final_metrics)};
    MetricLines all = {0};
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
        const bool unknown = m->target_row != NULL;
        MetricLines line = last;
        bool there;
        if (m->at != AT_LAST && !unknown && !find_line(m, all, &line))
            ok = fail_line(m, folder, err);
        if (!ok) break;
        if (is_run_field(m))
            there = run_record_number(record, m->name + 4, &values[i]) && !isnan(values[i]);
        else
            there = metric_line_number(line.text, line.n, unknown ? m->by : m->name, &values[i]);
        if (m->at == AT_REACH && !unknown && isnan(m->target)) there = false;
        if (!there) *absent |= UINT32_C(1) << i;
        if (i == 0 && by) {
            const MetricLines *at = m->at == AT_BEST ? &line : &last;
            (void)!metric_line_number(at->text, at->n, by, by_value);
        }
    }
    free(text);
    return ok;
}
