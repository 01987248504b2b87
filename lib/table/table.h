/* table -- what a `table:` block asks for, and the cells that runs give it.
 *
 *   table:                        # or a list of such maps
 *     title: "Table 2: test accuracy (%)"
 *     rows: methods.0.sparsity    # a dotted key, or a list of two: grouped
 *     columns: schedule.name      # or `metrics: [...]`: a column each
 *     over: train.seed            # mean and sample standard deviation over it; or a list
 *     metric: {name: test.top1, at: last, scale: 100, digits: 1, unit: "%"}
 *     better: higher              # what is bold; default: by the metric's name
 *     labels: {0.5: "50 %", schedule.name: schedule}    # instead of values and keys
 *     paper:                      # as printed, by column and row; by row when there is one column
 *       step: {0.5: 91.7}
 *
 * A metric is one of metrics.jsonl (test.top1) or a field of run.json (run.step_ms). `at` is
 * `last`, `best:valid.loss` (the evaluation at which that metric is best; never a test metric), a
 * step or `reach:train.loss`: the first evaluation at which that metric is as good as `value`, or
 * as the mean of the last ones of the row `row`; a run that never gets there has its last
 * evaluation. So {name: step, at: reach:train.loss, row: lora} is how many steps LoRA's loss takes.
 *
 * The cells are built from observations, one a run and in the sweep's order: this header knows
 * nothing of run folders (table/tables.h does). All memory is the arena's. */
#ifndef SEQLAB_TABLE_TABLE_H
#define SEQLAB_TABLE_TABLE_H

#include "io/option.h"
#include "sweep/search.h"

enum { TABLE_ROW_KEYS = 2, TABLE_KEYS = 16, TABLE_METRICS = 32 };

/* Which of two values is the better one. */
typedef enum TableBetter { BETTER_AUTO, BETTER_HIGHER, BETTER_LOWER, BETTER_NONE } TableBetter;

typedef enum TableAt { AT_LAST, AT_BEST, AT_STEP, AT_REACH } TableAt;

typedef struct TableMetric {
    const char *name;
    const char *at_text;      /* as written */
    const char *unit, *label; /* or NULL */
    double scale;             /* values are multiplied by it */
    int64_t digits;           /* after the point */
    int better;               /* TableBetter, never BETTER_AUTO once read */
    TableAt at;
    const char *by;         /* of AT_BEST and AT_REACH */
    int64_t step;           /* of AT_STEP */
    double target;          /* of AT_REACH; NaN: a row's that has no runs */
    const char *target_row; /* until its value is known; as long, a run's value is that of `by` */
    const Yaml *where;
} TableMetric;

typedef struct TableSpec {
    const char *title; /* never NULL */
    const char *row_keys[TABLE_ROW_KEYS];
    int n_row_keys;
    const char *column_key; /* NULL: the metrics are the columns */
    const char *over[TABLE_KEYS];
    int n_over;
    TableMetric metrics[TABLE_METRICS];
    int n_metrics;
    const Yaml *where, *rows_at, *columns_at, *over_at, *labels, *paper;
} TableSpec;

/* What may stand in `table:` and in its `metric:`. */
extern const OptionTable table_block_options, table_metric_options;

/* Reads one map of `table:`. Every mistake is reported. */
bool table_spec_read(TableSpec *spec, Arena *a, const Yaml *y, Error *err) MUST_CHECK;

/* What one run says for one table. Texts stay the caller's and must outlive the table. */
typedef struct Observation {
    const char *row[TABLE_ROW_KEYS];
    const char *column;  /* value of the column key; NULL: the metrics are the columns */
    const char *over;    /* values of the keys averaged over: runs of equal ones are paired */
    const char *setting; /* "lr=0.1": of the searched keys; "" */
    const char *label;   /* names the run to a person: "lr=0.1 seed=3" */
    const char *run;     /* its id */
    bool done;
    double by;            /* the search's metric */
    const double *values; /* of every metric, as recorded; only when done */
    uint32_t absent;      /* bit i: the run has no metric i */
} Observation;

/* A cell without runs has n = 0. Numbers are scaled. */
typedef struct Cell {
    int n;      /* done runs behind it */
    int n_runs; /* runs that the sweep has for it */
    const double *values;
    const char *const *over; /* of each value */
    const char *const *runs; /* ids */
    double mean, std;        /* std: NaN for n = 1 */
    double low, high;        /* 95 % interval of the mean by Student's t; NaN for n = 1 */
    bool has_paper, is_far;  /* is_far: further than 2 std from the paper */
    double paper;
    bool best;           /* of its column; ties of what is printed are all best */
    const char *setting; /* what a search chose, "" */
} Cell;

typedef struct TableRow {
    const char *value[TABLE_ROW_KEYS], *label[TABLE_ROW_KEYS];
} TableRow;

typedef struct TableColumn {
    const char *value, *label;
    const TableMetric *metric;
} TableColumn;

typedef struct Table {
    const TableSpec *spec;
    const Search *search;
    const char *row_header[TABLE_ROW_KEYS];
    TableRow *rows;
    TableColumn *columns;
    int n_rows, n_columns;
    Cell *cells; /* by row, then column */
    /* any cell: stands for several runs; has a paper's value; is further than 2 std from it */
    bool has_spread, has_paper, has_far;
} Table;

/* Fails where two runs differ in nothing that the table shows or averages over, and on paper's
 * values and labels that belong to no cell. */
bool table_build(Table *t, Arena *a, const TableSpec *spec, const Search *search,
                 const Observation *at, int n, Error *err) MUST_CHECK;

Cell *table_cell(const Table *t, int row, int column);
/* By value (numbers as numbers: 1e-3 is 0.001), else by label; -1 when there is none. */
int table_find_row(const Table *t, const char *const value[], int n);
int table_find_column(const Table *t, const char *value);
bool table_same_value(const char *a, const char *b);
/* "step", "0.9", "resnet20 / 0.9": a row's label in one text. */
const char *table_row_text(const Table *t, int row, Arena *a);
/* "91.4": in the metric's digits. */
void table_number(char out[64], const TableMetric *m, double value);

#endif
