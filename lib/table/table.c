/* table -- rows, columns and cells out of observations; see table.h. */
#include "table/table.h"

#include "base/pcg.h"
#include "base/text.h"
#include "run/metric_lines.h"
#include "table/stats.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* -- Values and labels */

static bool as_number(const char *text, double *out)
{
    char *end;
    if (!*text || strspn(text, "+-0123456789.eE") != strlen(text)) return false;
    *out = strtod(text, &end);
    return !*end;
}

bool table_same_value(const char *a, const char *b)
{
    double x, y;
    if (strcmp(a, b) == 0) return true;
    return as_number(a, &x) && as_number(b, &y) && x == y;
}

static bool same_row(const TableRow *r, const char *const value[], int n, bool by_label)
{
    for (int k = 0; k < n; k++)
        if (!table_same_value(by_label ? r->label[k] : r->value[k], value[k])) return false;
    return true;
}

int table_find_row(const Table *t, const char *const value[], int n)
{
    if (n != t->spec->n_row_keys) return -1;
    for (int by_label = 0; by_label < 2; by_label++)
        for (int i = 0; i < t->n_rows; i++)
            if (same_row(&t->rows[i], value, n, by_label)) return i;
    return -1;
}

int table_find_column(const Table *t, const char *value)
{
    for (int j = 0; j < t->n_columns; j++)
        if (table_same_value(t->columns[j].value, value)) return j;
    for (int j = 0; j < t->n_columns; j++)
        if (table_same_value(t->columns[j].label, value)) return j;
    return -1;
}

Cell *table_cell(const Table *t, int row, int column)
{
    return &t->cells[(size_t)row * (size_t)t->n_columns + (size_t)column];
}

const char *table_row_text(const Table *t, int row, Arena *a)
{
    const TableRow *r = &t->rows[row];
    if (t->spec->n_row_keys == 1) return r->label[0];
    return arena_printf(a, "%s / %s", r->label[0], r->label[1]);
}

void table_number(char out[64], const TableMetric *m, double value)
{
    if (isnan(value))
        (void)snprintf(out, 64, "nan");
    else
        (void)snprintf(out, 64, "%.*f", fabs(value) < 1e15 ? (int)m->digits : 0, value);
    if (*out == '-' && strspn(out + 1, "0.") == strlen(out + 1)) /* -0.00 is 0.00 */
        memmove(out, out + 1, strlen(out));
}

/* What `labels:` says instead of a value or a key. */
static const char *label_of(const Table *t, const char *value)
{
    const Yaml *labels = t->spec->labels;
    for (const Yaml *y = labels ? labels->first : NULL; y; y = y->next)
        if (y->kind == YAML_SCALAR && table_same_value(y->key, value)) return y->text;
    return value;
}

/* "sparsity" for methods.0.sparsity; "schedule" for schedule.name, which says more. */
static const char *key_header(const Table *t, const char *key, Arena *a)
{
    const char *label = label_of(t, key);
    if (label != key) return label;
    const char *last = strrchr(key, '.');
    if (!last) return key;
    if (strcmp(last, ".name") != 0) return last + 1;
    size_t n = strcspn(key, ".");
    return arena_string_n(a, key, n);
}

/* -- Finding rows and columns by their text: a table of numbers, open addressing */

typedef struct Index {
    int *slot; /* number + 1, or 0 */
    size_t mask;
} Index;

static Index index_new(Arena *a, int n)
{
    size_t size = 16;
    while (size < 2 * (size_t)n + 2) size *= 2;
    return (Index){arena_new_array(a, int, size), size - 1};
}

/* The slot of the number whose texts these are, or of a free one. */
static int *index_slot(const Index *x, const Table *t, const char *const value[], int n)
{
    size_t at = 0;
    for (int k = 0; k < n; k++) at = at * 31 + (size_t)pcg_name(value[k]);
    for (;; at++) {
        int *slot = &x->slot[at & x->mask];
        if (*slot == 0) return slot;
        bool same = true;
        for (int k = 0; k < n; k++)
            if (strcmp(t->rows[*slot - 1].value[k], value[k]) != 0) same = false;
        if (same) return slot;
    }
}

static void find_rows(Table *t, Arena *a, const Observation *at, int n, int row_of[])
{
    Index index = index_new(a, n);
    int n_keys = t->spec->n_row_keys;
    t->rows = arena_new_array(a, TableRow, n);
    for (int i = 0; i < n; i++) {
        int *slot = index_slot(&index, t, at[i].row, n_keys);
        if (*slot == 0) {
            TableRow *r = &t->rows[t->n_rows++];
            for (int k = 0; k < n_keys; k++) {
                r->value[k] = at[i].row[k];
                r->label[k] = label_of(t, r->value[k]);
            }
            *slot = t->n_rows;
        }
        row_of[i] = *slot - 1;
    }
}

static void metric_columns(Table *t, Arena *a)
{
    const TableSpec *spec = t->spec;
    t->n_columns = spec->n_metrics;
    t->columns = arena_new_array(a, TableColumn, spec->n_metrics);
    for (int i = 0; i < spec->n_metrics; i++) {
        const TableMetric *m = &spec->metrics[i];
        const char *label = m->label ? m->label : label_of(t, m->name);
        if (m->unit && spec->n_metrics > 1) label = arena_printf(a, "%s (%s)", label, m->unit);
        t->columns[i] = (TableColumn){m->name, label, m};
    }
}

/* There are few columns, and runs of one come together or in turn. */
static void find_columns(Table *t, Arena *a, const Observation *at, int n, int column_of[])
{
    int room = 16;
    t->columns = arena_new_array(a, TableColumn, room);
    for (int i = 0; i < n; i++) {
        int j = 0;
        while (j < t->n_columns && strcmp(t->columns[j].value, at[i].column) != 0) j++;
        column_of[i] = j;
        if (j < t->n_columns) continue;
        if (t->n_columns == room) {
            TableColumn *wider = arena_new_array(a, TableColumn, 2 * room);
            memcpy(wider, t->columns, sizeof *wider * (size_t)room);
            t->columns = wider;
            room *= 2;
        }
        t->columns[t->n_columns++] =
            (TableColumn){at[i].column, label_of(t, at[i].column), &t->spec->metrics[0]};
    }
}

/* -- Cells */

/* The observations of one place in the table, in the sweep's order. */
typedef struct Group {
    const Observation **at;
    int n;
} Group;

/* Two settings can mean the same run, which counts once. Two runs that differ in nothing the table
 * knows would be averaged as if they were seeds. */
static bool check_distinct(const Table *t, Group *g, Error *err)
{
    int n = 0;
    for (int i = 0; i < g->n; i++) {
        const Observation *x = g->at[i];
        bool again = false;
        for (int j = 0; j < n && !again; j++) {
            const Observation *y = g->at[j];
            if (strcmp(x->over, y->over) != 0 || strcmp(x->setting, y->setting) != 0) continue;
            again = strcmp(x->run, y->run) == 0;
            if (again) continue;
            return yaml_fail(t->spec->rows_at, err,
                             "the runs '%.120s' and '%.120s' belong to one cell and differ in "
                             "nothing that is averaged over: name the key that they differ in "
                             "under rows, columns, over or search.over",
                             y->label, x->label);
        }
        if (!again) g->at[n++] = x;
    }
    g->n = n;
    return true;
}

/* The setting whose mean of the search's metric is best, among those with the most done runs. */
static const char *choose_setting(const Table *t, const Group *g)
{
    const char *best = NULL;
    int best_n = 0;
    double best_mean = 0, sign = metric_less_is_better(t->search->by) ? -1 : 1;
    for (int i = 0; i < g->n; i++) {
        const char *setting = g->at[i]->setting;
        double sum = 0;
        int n = 0, first = -1;
        for (int j = 0; j < g->n; j++) {
            if (strcmp(g->at[j]->setting, setting) != 0) continue;
            if (first < 0) first = j;
            if (g->at[j]->done) sum += sign * g->at[j]->by, n++;
        }
        if (first < i || n == 0) continue; /* looked at already, or nothing to look at */
        double mean = sum / n;
        if (isnan(mean)) mean = -HUGE_VAL;
        if (n > best_n || (n == best_n && mean > best_mean))
            best = setting, best_n = n, best_mean = mean;
    }
    return best;
}

/* Keeps what has the setting. */
static void keep_setting(Group *g, const char *setting)
{
    int n = 0;
    for (int i = 0; i < g->n; i++)
        if (strcmp(g->at[i]->setting, setting) == 0) g->at[n++] = g->at[i];
    g->n = n;
}

static void fill_cell(Cell *c, Arena *a, const Group *g, const TableMetric *m, int i_metric)
{
    double *values = arena_new_array(a, double, g->n);
    const char **over = arena_new_array(a, const char *, g->n);
    const char **runs = arena_new_array(a, const char *, g->n);
    c->n_runs = g->n;
    for (int i = 0; i < g->n; i++) {
        const Observation *o = g->at[i];
        if (!o->done || (o->absent >> i_metric & 1)) continue;
        values[c->n] = o->values[i_metric] * m->scale;
        over[c->n] = o->over;
        runs[c->n++] = o->run;
    }
    c->values = values;
    c->over = over;
    c->runs = runs;
    c->mean = c->std = c->low = c->high = (double)NAN;
    if (c->n == 0) return;
    Summary s = stat_summary(values, c->n);
    c->mean = s.mean;
    c->std = s.std;
}

/* Student's t for the cells' intervals: most cells have the same n. */
static void set_intervals(Table *t)
{
    int n_known = 0;
    double quantile = 0;
    for (int i = 0; i < t->n_rows * t->n_columns; i++) {
        Cell *c = &t->cells[i];
        if (c->n < 2) continue;
        if (c->n != n_known) quantile = stat_t_quantile(0.025, c->n - 1);
        n_known = c->n;
        double half = quantile * c->std / sqrt(c->n);
        c->low = c->mean - half;
        c->high = c->mean + half;
    }
}

static bool fill_row(Table *t, Arena *a, int row, Group groups[], Error *err)
{
    bool by_metric = !t->spec->column_key;
    for (int j = 0; j < (by_metric ? 1 : t->n_columns); j++) {
        Group *g = &groups[j];
        const char *setting = "";
        TRY(check_distinct(t, g, err));
        if (t->search && t->search->by) {
            setting = choose_setting(t, g);
            if (setting) keep_setting(g, setting);
        }
        for (int m = 0; m < t->spec->n_metrics; m++) {
            int column = by_metric ? m : j;
            Cell *c = table_cell(t, row, column);
            fill_cell(c, a, g, t->columns[column].metric, m);
            c->setting = setting ? setting : "";
        }
    }
    return true;
}

/* Counting sort of the observations by cell; then a row at a time. */
static bool fill_cells(Table *t, Arena *a, const Observation *at, int n, const int row_of[],
                       const int column_of[], Error *err)
{
    int n_groups = t->spec->column_key ? t->n_columns : 1;
    size_t n_all = (size_t)t->n_rows * (size_t)n_groups;
    Group *groups = arena_new_array(a, Group, n_all);
    const Observation **sorted = arena_new_array(a, const Observation *, n);
    for (int i = 0; i < n; i++) groups[row_of[i] * n_groups + column_of[i]].n++;
    for (size_t g = 0; g < n_all; g++) {
        groups[g].at = sorted;
        sorted += groups[g].n;
        groups[g].n = 0;
    }
    for (int i = 0; i < n; i++) {
        Group *g = &groups[row_of[i] * n_groups + column_of[i]];
        g->at[g->n++] = &at[i];
    }
    t->cells = arena_new_array(a, Cell, (size_t)t->n_rows * (size_t)t->n_columns);
    for (int i = 0; i < t->n_rows; i++)
        TRY(fill_row(t, a, i, groups + (size_t)i * (size_t)n_groups, err));
    set_intervals(t);
    return true;
}

/* The best of each column, where there is something to compare. Two that are printed alike are
 * equally good. */
static void mark_best(Table *t)
{
    for (int j = 0; j < t->n_columns; j++) {
        const TableMetric *m = t->columns[j].metric;
        double sign = m->better == BETTER_LOWER ? -1 : 1;
        int best = -1, n = 0;
        for (int i = 0; i < t->n_rows; i++) {
            const Cell *c = table_cell(t, i, j);
            if (c->n == 0 || isnan(c->mean)) continue;
            n++;
            if (best < 0 || sign * c->mean > sign * table_cell(t, best, j)->mean) best = i;
        }
        if (n < 2 || m->better == BETTER_NONE) continue;
        char text[64], best_text[64];
        table_number(best_text, m, table_cell(t, best, j)->mean);
        for (int i = 0; i < t->n_rows; i++) {
            Cell *c = table_cell(t, i, j);
            table_number(text, m, c->mean);
            c->best = c->n > 0 && strcmp(text, best_text) == 0;
        }
    }
}

/* -- The paper's values */

static bool fail_value(const Table *t, const Yaml *y, const char *what, bool rows, int key,
                       Error *err)
{
    enum { NAMES = 128 };
    const char *names[NAMES];
    int n = 0;
    for (int i = 0; i < (rows ? t->n_rows : t->n_columns) && n < NAMES; i++)
        names[n++] = rows ? t->rows[i].value[key] : t->columns[i].value;
    const char *near = text_nearest(y->key, names, n);
    return yaml_fail_key(y, err, "%s: no %s of the table is '%.60s'%s%s%s", what,
                         rows ? "row" : "column", y->key, near ? "; did you mean '" : "",
                         near ? near : "", near ? "'?" : "");
}

static bool paper_rows(Table *t, const Yaml *map, int column, const char *value[], int depth,
                       Error *err)
{
    bool ok = true;
    if (map->kind == YAML_NULL) return true;
    if (map->kind != YAML_MAP)
        return yaml_fail(map, err, "paper: expected a map of %s",
                         depth ? "rows" : "the table's rows");
    for (const Yaml *y = map->first; y; y = y->next) {
        value[depth] = y->key;
        if (depth + 1 < t->spec->n_row_keys) {
            ok &= paper_rows(t, y, column, value, depth + 1, err);
            continue;
        }
        int row = table_find_row(t, value, depth + 1);
        if (row < 0) {
            ok = fail_value(t, y, "paper", true, depth, err);
            continue;
        }
        if (y->kind == YAML_NULL) continue; /* not printed */
        Cell *c = table_cell(t, row, column);
        if (!yaml_real(y, &c->paper, err)) ok = false;
        c->has_paper = ok;
        c->is_far = c->n > 1 && fabs(c->mean - c->paper) > 2 * c->std;
    }
    return ok;
}

static bool read_paper(Table *t, Error *err)
{
    const Yaml *paper = t->spec->paper;
    const char *value[TABLE_ROW_KEYS] = {0};
    bool ok = true;
    if (!paper) return true;
    if (!t->spec->column_key && t->n_columns == 1) return paper_rows(t, paper, 0, value, 0, err);
    for (const Yaml *y = paper->first; y; y = y->next) {
        int column = table_find_column(t, y->key);
        if (column < 0)
            ok = fail_value(t, y, "paper", false, 0, err);
        else
            ok &= paper_rows(t, y, column, value, 0, err);
    }
    return ok;
}

/* A label that names no value and no key is a slip. */
static bool check_labels(const Table *t, Error *err)
{
    const TableSpec *s = t->spec;
    bool ok = true;
    for (const Yaml *y = s->labels ? s->labels->first : NULL; y; y = y->next) {
        bool used = table_find_column(t, y->key) >= 0;
        for (int k = 0; k < s->n_row_keys; k++) used |= strcmp(s->row_keys[k], y->key) == 0;
        for (int i = 0; i < t->n_rows && !used; i++)
            for (int k = 0; k < s->n_row_keys; k++)
                used |= table_same_value(t->rows[i].value[k], y->key);
        if (y->kind != YAML_SCALAR)
            ok = yaml_fail(y, err, "labels: expected the text of '%.60s'", y->key);
        else if (!used)
            ok = fail_value(t, y, "labels", true, 0, err);
    }
    return ok;
}

bool table_build(Table *t, Arena *a, const TableSpec *spec, const Search *search,
                 const Observation *at, int n, Error *err)
{
    int *row_of = arena_new_array(a, int, n), *column_of = arena_new_array(a, int, n);
    *t = (Table){.spec = spec, .search = search};
    for (int k = 0; k < spec->n_row_keys; k++)
        t->row_header[k] = key_header(t, spec->row_keys[k], a);
    find_rows(t, a, at, n, row_of);
    if (spec->column_key)
        find_columns(t, a, at, n, column_of);
    else
        metric_columns(t, a);
    TRY(fill_cells(t, a, at, n, row_of, column_of, err));
    mark_best(t);
    bool ok = check_labels(t, err);
    if (!read_paper(t, err)) ok = false;
    for (int i = 0; i < t->n_rows * t->n_columns; i++) {
        t->has_spread |= t->cells[i].n_runs > 1;
        t->has_paper |= t->cells[i].has_paper;
        t->has_far |= t->cells[i].is_far;
    }
    return ok;
}
