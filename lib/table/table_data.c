/* table_data -- tables for programs: CSV (a line a cell) and JSON. Numbers are scaled and whole;
 * what is not known is empty in CSV and null in JSON. */
#include "table/table_write.h"

#include <math.h>
#include <string.h>

/* -- CSV, RFC 4180 with \n */

static void add_field(Text *out, const char *text, bool first)
{
    if (!first) text_add(out, ",");
    if (!strpbrk(text, ",\"\n\r")) {
        text_add(out, text);
        return;
    }
    text_add(out, "\"");
    for (const char *p = text; *p; p++) text_addf(out, *p == '"' ? "\"%c" : "%c", *p);
    text_add(out, "\"");
}

static void add_number(Text *out, double value)
{
    char text[32] = "";
    if (!isnan(value)) text_real(text, value);
    text_addf(out, ",%s", text);
}

static void csv_cell(const Table *t, int i, int j, Text *out)
{
    const Cell *c = table_cell(t, i, j);
    double nan = (double)NAN, paper = c->has_paper ? c->paper : nan;
    Text runs = {0};
    add_field(out, t->spec->title, true);
    for (int k = 0; k < TABLE_ROW_KEYS; k++)
        add_field(out, k < t->spec->n_row_keys ? t->rows[i].value[k] : "", false);
    add_field(out, t->spec->column_key ? t->columns[j].value : "", false);
    add_field(out, t->columns[j].metric->name, false);
    add_number(out, c->mean);
    add_number(out, c->std);
    add_number(out, c->low);
    add_number(out, c->high);
    text_addf(out, ",%d", c->n);
    add_number(out, paper);
    add_number(out, c->mean - paper);
    add_field(out, c->setting, false);
    for (int k = 0; k < c->n; k++) text_addf(&runs, "%s%s", k ? " " : "", c->runs[k]);
    add_field(out, runs.data ? runs.data : "", false);
    text_add(out, "\n");
    text_free(&runs);
}

void table_write_csv(const TableSet *t, Text *out)
{
    text_add(out, "table,row,row2,column,metric,mean,std,ci_low,ci_high,n,paper,difference,setting,"
                  "runs\n");
    for (int i = 0; i < t->n; i++)
        for (int r = 0; r < t->tables[i].n_rows; r++)
            for (int c = 0; c < t->tables[i].n_columns; c++) csv_cell(&t->tables[i], r, c, out);
}

/* -- JSON */

static void key(Text *out, const char *name)
{
    size_t n = out->n;
    if (n > 0 && out->data[n - 1] != '{' && out->data[n - 1] != '[') text_add(out, ",");
    if (!name) return;
    text_add_json(out, name);
    text_add(out, ":");
}

static void json_text(Text *out, const char *name, const char *value)
{
    key(out, name);
    if (value)
        text_add_json(out, value);
    else
        text_add(out, "null");
}

static void json_real(Text *out, const char *name, double value)
{
    char text[32] = "null";
    key(out, name);
    if (isfinite(value)) text_real(text, value);
    text_add(out, text);
}

static void json_bool(Text *out, const char *name, bool value)
{
    key(out, name);
    text_add(out, value ? "true" : "false");
}

static void json_open(Text *out, const char *name, const char *bracket)
{
    key(out, name);
    text_add(out, bracket);
}

static void json_list(Text *out, const char *name, const char *const texts[], int n)
{
    json_open(out, name, "[");
    for (int i = 0; i < n; i++) json_text(out, NULL, texts[i]);
    text_add(out, "]");
}

static void json_cell(const Table *t, int i, int j, Text *out)
{
    const Cell *c = table_cell(t, i, j);
    json_open(out, NULL, "{");
    json_list(out, "row", t->rows[i].value, t->spec->n_row_keys);
    json_text(out, "column", t->spec->column_key ? t->columns[j].value : NULL);
    json_text(out, "metric", t->columns[j].metric->name);
    json_real(out, "n", c->n);
    json_real(out, "n_asked", c->n_runs);
    json_real(out, "mean", c->mean);
    json_real(out, "std", c->std);
    json_real(out, "ci_low", c->low);
    json_real(out, "ci_high", c->high);
    json_real(out, "paper", c->has_paper ? c->paper : (double)NAN);
    json_real(out, "difference", c->has_paper ? c->mean - c->paper : (double)NAN);
    json_bool(out, "far_from_paper", c->is_far);
    json_bool(out, "best", c->best);
    json_text(out, "setting", *c->setting ? c->setting : NULL);
    json_list(out, "over", c->over, c->n);
    json_open(out, "values", "[");
    for (int k = 0; k < c->n; k++) json_real(out, NULL, c->values[k]);
    text_add(out, "]");
    json_list(out, "runs", c->runs, c->n);
    text_add(out, "}");
}

static void json_table(const Table *t, Text *out)
{
    const TableSpec *s = t->spec;
    json_open(out, NULL, "{");
    json_text(out, "title", s->title);
    json_list(out, "rows", s->row_keys, s->n_row_keys);
    json_text(out, "columns", s->column_key);
    json_list(out, "over", s->over, s->n_over);
    json_open(out, "metrics", "[");
    for (int i = 0; i < s->n_metrics; i++) {
        const TableMetric *m = &s->metrics[i];
        json_open(out, NULL, "{");
        json_text(out, "name", m->name);
        json_text(out, "at", m->at_text);
        json_real(out, "scale", m->scale);
        json_text(out, "unit", m->unit);
        text_add(out, "}");
    }
    text_add(out, "]");
    json_open(out, "cells", "[");
    for (int i = 0; i < t->n_rows; i++)
        for (int j = 0; j < t->n_columns; j++) json_cell(t, i, j, out);
    text_add(out, "]}");
}

static void json_claim(const Claim *c, Text *out)
{
    json_open(out, NULL, "{");
    json_real(out, "table", c->of + 1);
    json_text(out, "say", c->say);
    json_text(out, "test", c->test);
    json_text(out, "verdict", verdict_name[c->verdict]);
    json_text(out, "by", *c->by ? c->by : NULL);
    json_real(out, "p", c->p);
    json_text(out, "evidence", c->evidence);
    text_add(out, "}");
}

void table_write_json(const TableSet *t, Text *out)
{
    text_add(out, "{");
    json_text(out, "file", t->path);
    json_real(out, "runs", t->n_runs);
    json_real(out, "missing", t->n_missing);
    json_real(out, "failed", t->n_failed);
    json_text(out, "command", t->command);
    json_text(out, "source", t->source);
    json_open(out, "tables", "[");
    for (int i = 0; i < t->n; i++) json_table(&t->tables[i], out);
    text_add(out, "]");
    json_open(out, "claims", "[");
    for (int i = 0; i < t->n_claims; i++) json_claim(&t->claims[i], out);
    text_add(out, "]}\n");
}
