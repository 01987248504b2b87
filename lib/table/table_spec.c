/* table_spec -- reads the block `table:`. */
#include "table/table.h"

#include "io/option.h"
#include "run/metric_lines.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* -- Metrics */

/* What stands in a metric's map. */
typedef struct MetricOptions {
    const char *name, *at, *unit, *label, *row;
    double scale, value;
    int64_t digits;
    int better;
} MetricOptions;

/* What stands in a table's map besides keys, metrics and values. */
typedef struct BlockOptions {
    const char *title;
    int better;
} BlockOptions;

// clang-format off
#define BETTER "auto|higher|lower|none" /* as TableBetter */
static const Option metric_rows[] = {
    OPT_STRING(MetricOptions, name, "", "a metric of metrics.jsonl (test.top1) or a field of run.json (run.step_ms)"),
    OPT_STRING(MetricOptions, at, "last", "which evaluation: last, best:METRIC (never a test metric), a step, or reach:METRIC: the first at which that metric is as good as value or row, else the last"),
    OPT_REAL(MetricOptions, value, 0, -1e300, 1e300, "of reach: what is to be reached"),
    OPT_STRING(MetricOptions, row, "", "of reach: the row whose mean last value is to be reached"),
    OPT_STRING(MetricOptions, unit, "", "shown in the header"),
    OPT_STRING(MetricOptions, label, "", "shown instead of the name"),
    OPT_REAL(MetricOptions, scale, 1, -1e30, 1e30, "values are multiplied by it"),
    OPT_INT(MetricOptions, digits, 3, 0, 12, "after the point"),
    OPT_ENUM(MetricOptions, better, BETTER, "auto", "what is bold"),
};
const OptionTable table_metric_options = OPTION_TABLE(MetricOptions, metric_rows);
static const Option block_rows[] = {
    OPT_STRING(BlockOptions, title, "", "above the table"),
    OPT_TREE(rows,    "key or list of keys", "", "the key whose values are the rows, or two: grouped; required"),
    OPT_TREE(columns, "key", "", "the key whose values are the columns; default: the metrics are"),
    OPT_TREE(over,    "key or list of keys", "train.seed", "what is averaged over"),
    OPT_TREE(metric,  "metric or map", "", "what a cell shows: a name such as test.top1, or the keys of table.metric"),
    OPT_TREE(metrics, "list of metrics or maps", "", "instead of metric and columns: a column each"),
    OPT_TREE(labels,  "map of values and texts", "", "shown instead of values and keys: {0.5: 50 %}"),
    OPT_TREE(paper,   "map of columns and rows", "", "the paper's values as printed: {step: {0.5: 91.7}}; by row where there is one column"),
    OPT_ENUM(BlockOptions, better, BETTER, "auto", "what is bold"),
};
const OptionTable table_block_options = OPTION_TABLE(BlockOptions, block_rows);
// clang-format on

static bool read_by(TableMetric *m, const char *by, const Yaml *y, Error *err)
{
    m->by = by;
    if (metric_is_test(by))
        return yaml_fail(y, err,
                         "at = '%.60s': the best step is never chosen by a test metric; choose by "
                         "a valid metric, such as best:valid.loss",
                         m->at_text);
    return *by ||
           yaml_fail(y, err, "at = '%s': by which metric? such as best:valid.loss", m->at_text);
}

static bool read_at(TableMetric *m, const Yaml *y, Error *err)
{
    static const char best[] = "best:", reach[] = "reach:";
    char *end;
    const char *text = m->at_text;
    if (strcmp(text, "last") == 0) return true;
    if (strncmp(text, best, sizeof best - 1) == 0) {
        m->at = AT_BEST;
        return read_by(m, text + sizeof best - 1, y, err);
    }
    if (strncmp(text, reach, sizeof reach - 1) == 0) {
        m->at = AT_REACH;
        return read_by(m, text + sizeof reach - 1, y, err);
    }
    double step = strtod(text, &end);
    if (end == text || *end || !(step >= 0 && step < 1e15) || step != (double)(int64_t)step)
        return yaml_fail(y, err, "at = '%.60s': expected last, best:METRIC, reach:METRIC or a step",
                         text);
    m->at = AT_STEP;
    m->step = (int64_t)step;
    return true;
}

/* What `reach` is to reach, which the map of the metric says. */
static bool read_target(TableMetric *m, const MetricOptions *o, const Yaml *y, Error *err)
{
    const Yaml *value = yaml_get(y, "value"), *row = yaml_get(y, "row");
    m->target = value ? o->value : (double)NAN;
    m->target_row = o->row;
    if (m->at != AT_REACH && (value || row))
        return yaml_fail_key(value ? value : row, err, "only at: reach:METRIC has a %s",
                             value ? "value" : "row");
    if (m->at == AT_REACH && !value == !o->row)
        return yaml_fail(y, err, "at: reach:METRIC needs either a value or a row");
    return true;
}

/* A name alone, or a map. */
static bool read_metric(TableMetric *m, const Yaml *y, int better, Error *err)
{
    MetricOptions o;
    bool alone = y->kind == YAML_SCALAR;
    if (!alone && y->kind != YAML_MAP)
        return yaml_fail(y, err, "expected a metric such as test.top1, or {name: test.top1, ...}");
    TRY(option_read(&table_metric_options, alone ? NULL : y, NULL, "in metric", &o, err));
    if (alone) TRY(yaml_string(y, &o.name, err));
    if (!o.name) return yaml_fail(y, err, "this metric has no name: {name: test.top1}");
    *m = (TableMetric){.name = o.name,
                       .at_text = o.at ? o.at : "last",
                       .unit = o.unit,
                       .label = o.label,
                       .scale = o.scale,
                       .digits = o.digits,
                       .better = o.better != BETTER_AUTO ? o.better : better,
                       .where = alone ? y : yaml_get(y, "name")};
    if (m->better == BETTER_AUTO)
        m->better = metric_less_is_better(m->name) ? BETTER_LOWER : BETTER_HIGHER;
    const Yaml *at = yaml_get(y, "at");
    TRY(read_at(m, at ? at : y, err) && read_target(m, &o, alone ? NULL : y, err));
    if (strncmp(m->name, "run.", 4) == 0 && m->at != AT_LAST)
        return yaml_fail(at, err, "%.60s is known at the end of a run only: expected at: last",
                         m->name);
    return true;
}

static bool read_metrics(TableSpec *spec, const Yaml *y, int better, Error *err)
{
    const Yaml *one = yaml_get(y, "metric"), *many = yaml_get(y, "metrics");
    bool ok = true;
    if (one && many) return yaml_fail_key(many, err, "metrics: there is a metric already");
    if (one) {
        spec->n_metrics = 1;
        return read_metric(&spec->metrics[0], one, better, err);
    }
    if (!many) return yaml_fail(y, err, "'metric' is missing: {name: test.top1}");
    if (spec->column_key)
        return yaml_fail_key(many, err, "metrics: with columns there is one metric");
    if (many->kind != YAML_LIST || many->n == 0)
        return yaml_fail(many, err, "metrics: expected a list such as [test.top1, test.loss]");
    if (many->n > TABLE_METRICS) return yaml_fail(many, err, "metrics: at most %d", TABLE_METRICS);
    for (const Yaml *m = many->first; m; m = m->next)
        if (!read_metric(&spec->metrics[spec->n_metrics++], m, better, err)) ok = false;
    return ok;
}

/* -- Keys */

/* A dotted key or a list of them. */
static bool read_keys(const Yaml *y, const char *what, int most, const char *out[], int *n,
                      Error *err)
{
    *n = 0;
    if (y->kind == YAML_SCALAR) {
        *n = 1;
        return yaml_string(y, &out[0], err);
    }
    if (y->kind != YAML_LIST || y->n == 0)
        return yaml_fail(y, err, "%s: expected a key such as optimizer.lr, or a list of them",
                         what);
    if (y->n > most) return yaml_fail(y, err, "%s: at most %d keys", what, most);
    for (const Yaml *k = y->first; k; k = k->next) TRY(yaml_string(k, &out[(*n)++], err));
    return true;
}

static bool read_axes(TableSpec *spec, const Yaml *y, Error *err)
{
    bool ok = true;
    spec->rows_at = yaml_get(y, "rows");
    spec->columns_at = yaml_get(y, "columns");
    spec->over_at = yaml_get(y, "over");
    if (!spec->rows_at)
        ok = yaml_fail(y, err, "'rows' is missing: the key whose values are the rows");
    else
        ok = read_keys(spec->rows_at, "rows", TABLE_ROW_KEYS, spec->row_keys, &spec->n_row_keys,
                       err);
    if (spec->columns_at) ok &= yaml_string(spec->columns_at, &spec->column_key, err);
    spec->over[0] = "train.seed";
    spec->n_over = 1;
    if (spec->over_at)
        ok &= read_keys(spec->over_at, "over", TABLE_KEYS, spec->over, &spec->n_over, err);
    return ok;
}

static bool check_map(const Yaml *y, const char *what, Error *err)
{
    return !y || y->kind == YAML_MAP || yaml_fail(y, err, "%s: expected a map", what);
}

bool table_spec_read(TableSpec *spec, Arena *a, const Yaml *y, Error *err)
{
    BlockOptions o;
    *spec = (TableSpec){.where = y, .title = ""};
    if (y->kind != YAML_MAP) return yaml_fail(y, err, "table: expected a map, or a list of maps");
    bool ok = option_read(&table_block_options, y, NULL, "in table", &o, err);
    ok &= read_axes(spec, y, err);
    ok &= read_metrics(spec, y, o.better, err);
    spec->labels = yaml_get(y, "labels");
    spec->paper = yaml_get(y, "paper");
    ok &= check_map(spec->labels, "labels", err);
    ok &= check_map(spec->paper, "paper", err);
    if (!ok) return false;
    const TableMetric *m = &spec->metrics[0];
    if (m->target_row && spec->column_key)
        return yaml_fail(m->where, err, "row: not in a table with columns; give a value");
    spec->title = o.title               ? o.title
                  : spec->n_metrics > 1 ? ""
                  : m->unit             ? arena_printf(a, "%s (%s)", m->name, m->unit)
                                        : m->name;
    return true;
}
