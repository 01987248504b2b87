/* table_write -- the parts of a table's text that all formats share, and which writer is whose. */
#include "table/table_write.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

int text_columns(const char *s)
{
    int n = 0;
    for (; *s; s++) n += (*s & 0xc0) != 0x80; /* bytes that begin a character */
    return n;
}

CellText cell_text(const Table *t, int row, int column, const TableStyle *style)
{
    const Cell *c = table_cell(t, row, column);
    const TableMetric *m = t->columns[column].metric;
    CellText text = {.mean = "-", .is_far = c->is_far, .best = c->best};
    if (c->has_paper) table_number(text.paper, m, c->paper);
    if (c->n == 0) return text;
    table_number(text.mean, m, c->mean);
    if (c->n > 1) table_number(text.spread, m, style->interval ? (c->high - c->low) / 2 : c->std);
    if (t->has_spread) (void)snprintf(text.n, sizeof text.n, "%d", c->n);
    if (!c->has_paper) return text;
    char size[64];
    table_number(size, m, fabs(c->mean - c->paper));
    bool zero = strspn(size, "0.") == strlen(size);
    (void)snprintf(text.difference, sizeof text.difference, "%c%.60s",
                   c->mean < c->paper && !zero ? '-' : '+', size);
    return text;
}

const char *table_legend(const Table *t, const TableStyle *style, char out[160])
{
    const TableSpec *s = t->spec;
    const char *noun = s->n_over == 1 && strstr(s->over[0], "seed") ? "seeds" : "runs";
    bool spread = t->has_spread, paper = t->has_paper;
    (void)snprintf(out, 160, "%s%s%s%s%s", spread ? "mean ± " : "",
                   !spread           ? ""
                   : style->interval ? "half the 95 % interval, n "
                                     : "sample std, n ",
                   spread ? noun : "", spread && paper ? "; " : "",
                   paper ? "paper in brackets, difference after it" : "");
    return out;
}

void tables_missing(const TableSet *t, Text *out)
{
    if (t->n_missing == 0) return;
    text_addf(out, "%d run%s of %d missing", t->n_missing, t->n_missing > 1 ? "s" : "", t->n_runs);
    if (t->n_failed > 0) text_addf(out, " (%d failed)", t->n_failed);
    text_addf(out, ": %s", t->command);
}

void cell_name(const Table *t, int row, int column, Text *out)
{
    for (int k = 0; k < t->spec->n_row_keys; k++) text_addf(out, "%s, ", t->rows[row].label[k]);
    text_add(out, t->columns[column].label);
}

bool cell_runs(const Table *t, int row, int column, const TableStyle *style, Text *out)
{
    const Cell *c = table_cell(t, row, column);
    bool setting = (style->settings || style->runs) && *c->setting, runs = style->runs && c->n > 0;
    if (setting) text_addf(out, "%s%s", c->setting, runs ? ":" : "");
    for (int i = 0; runs && i < c->n; i++)
        text_addf(out, "%s%s", setting || i > 0 ? " " : "", c->runs[i]);
    return setting || runs;
}

void tables_write(const TableSet *t, TableFormat format, const TableStyle *style, Text *out)
{
    switch (format) {
    case FORMAT_TEXT:
        table_write_text(t, style, out);
        break;
    case FORMAT_MD:
        table_write_md(t, style, out);
        break;
    case FORMAT_CSV:
        table_write_csv(t, out);
        break;
    case FORMAT_JSON:
        table_write_json(t, out);
        break;
    case FORMAT_LATEX:
        table_write_latex(t, style, out);
        break;
    case FORMAT_HTML:
        for (int i = 0; i < t->n; i++) tables_html(t, i, style, out);
        break;
    }
}
