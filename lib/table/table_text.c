/* table_text -- tables for a terminal or a log: aligned by their parts, claims below.
 *
 *   Table 2: test accuracy (%)            mean ± sample std, n seeds; paper in brackets, ...
 *   sparsity   step                           cosine
 *   0.5        91.4 ± 0.2 (5) [91.7] -0.3     92.1 ± 0.1 (5) [92.0] +0.1
 */
#include "table/table_write.h"

#include <string.h>

enum { GAP = 3, WIDE_GAP = 5 };

/* The widths of a column's parts over its cells; 0: no cell has the part. */
typedef struct Widths {
    int mean, spread, n, paper, difference, star;
    int all; /* of the column, with its header */
} Widths;

static void widen(int *width, const char *text)
{
    int n = text_columns(text);
    if (n > *width) *width = n;
}

/* Columns that the parts take together. */
static int parts_width(const Widths *w)
{
    int n = w->mean;
    if (w->spread) n += 3 + w->spread; /* " ± " */
    if (w->n) n += 3 + w->n;           /* " (5)" */
    if (w->paper) n += 3 + w->paper;   /* " [91.7]" */
    if (w->difference) n += 1 + w->difference;
    return n + w->star;
}

static Widths column_widths(const Table *t, int column, const TableStyle *style)
{
    Widths w = {0};
    for (int i = 0; i < t->n_rows; i++) {
        CellText c = cell_text(t, i, column, style);
        widen(&w.mean, c.mean);
        widen(&w.spread, c.spread);
        widen(&w.n, c.n);
        widen(&w.paper, c.paper);
        widen(&w.difference, c.difference);
        if (c.is_far) w.star = 2;
    }
    w.all = parts_width(&w);
    widen(&w.all, t->columns[column].label);
    return w;
}

static void pad(Text *out, int n)
{
    text_addf(out, "%*s", n > 0 ? n : 0, "");
}

/* " (5)": right in its width; blanks where the cell has none. */
static void add_part(Text *out, const char *before, const char *text, const char *after, int width)
{
    if (width == 0) return;
    int n = text_columns(text);
    pad(out, width - n);
    if (n > 0)
        text_addf(out, "%s%s%s", before, text, after);
    else
        pad(out, text_columns(before) + text_columns(after));
}

static void add_cell(const CellText *c, const Widths *w, bool bold, Text *out)
{
    bool shown = bold && c->best;
    if (strcmp(c->mean, "-") != 0) pad(out, w->mean - text_columns(c->mean));
    if (shown) text_add(out, "\033[1m");
    text_add(out, c->mean);
    if (strcmp(c->mean, "-") == 0) pad(out, w->mean - 1);
    if (w->spread) { /* aligned behind the sign */
        text_add(out, *c->spread ? " ± " : "   ");
        pad(out, w->spread - text_columns(c->spread));
        text_add(out, c->spread);
    }
    if (shown) text_add(out, "\033[0m");
    add_part(out, " (", c->n, ")", w->n);
    add_part(out, " [", c->paper, "]", w->paper);
    add_part(out, " ", c->difference, "", w->difference);
    if (w->star) text_add(out, c->is_far ? " *" : "  ");
}

/* Without the blanks at the line's end, which no reader wants. */
static void end_line(Text *out)
{
    while (out->n > 0 && out->data[out->n - 1] == ' ') out->data[--out->n] = '\0';
    text_add(out, "\n");
}

/* A table's widths. */
typedef struct Grid {
    int label[TABLE_ROW_KEYS];
    Widths *column;
    int all; /* of a line */
} Grid;

static Grid measure(const Table *t, const TableStyle *style, Arena *a)
{
    Grid g = {.column = arena_new_array(a, Widths, t->n_columns)};
    for (int k = 0; k < t->spec->n_row_keys; k++) {
        widen(&g.label[k], t->row_header[k]);
        for (int i = 0; i < t->n_rows; i++) widen(&g.label[k], t->rows[i].label[k]);
        g.all += g.label[k] + GAP;
    }
    for (int j = 0; j < t->n_columns; j++) {
        g.column[j] = column_widths(t, j, style);
        g.all += g.column[j].all + (j > 0 ? WIDE_GAP - g.column[j - 1].star : 0);
    }
    return g;
}

/* Before column j: a star takes of the gap. */
static void add_gap(const Grid *g, int j, Text *out)
{
    if (j > 0) pad(out, WIDE_GAP - g->column[j - 1].star);
}

static void add_header(const Table *t, const Grid *g, Text *out)
{
    for (int k = 0; k < t->spec->n_row_keys; k++) {
        text_add(out, t->row_header[k]);
        pad(out, g->label[k] + GAP - text_columns(t->row_header[k]));
    }
    for (int j = 0; j < t->n_columns; j++) {
        add_gap(g, j, out);
        text_add(out, t->columns[j].label);
        pad(out, g->column[j].all - text_columns(t->columns[j].label));
    }
    end_line(out);
}

/* Of grouped rows the first key is written where it changes. */
static void add_row(const Table *t, const Grid *g, int i, const TableStyle *style, Text *out)
{
    const TableRow *r = &t->rows[i];
    for (int k = 0; k < t->spec->n_row_keys; k++) {
        bool again = k == 0 && t->spec->n_row_keys > 1 && i > 0 &&
                     strcmp(t->rows[i - 1].value[0], r->value[0]) == 0;
        const char *label = again ? "" : r->label[k];
        text_add(out, label);
        pad(out, g->label[k] + GAP - text_columns(label));
    }
    for (int j = 0; j < t->n_columns; j++) {
        CellText c = cell_text(t, i, j, style);
        add_gap(g, j, out);
        add_cell(&c, &g->column[j], style->bold, out);
        pad(out, g->column[j].all - parts_width(&g->column[j]));
    }
    end_line(out);
}

static void add_title(const Table *t, const TableStyle *style, int width, Text *out)
{
    char legend[160];
    (void)table_legend(t, style, legend);
    if (!*legend && !*t->spec->title) return;
    int between = width - text_columns(t->spec->title) - text_columns(legend);
    text_add(out, t->spec->title);
    if (*t->spec->title) pad(out, between > 4 ? between : 4);
    text_add(out, legend);
    end_line(out);
}

static void add_runs(const Table *t, const TableStyle *style, Text *out)
{
    for (int i = 0; i < t->n_rows; i++)
        for (int j = 0; j < t->n_columns; j++) {
            Text runs = {0};
            if (cell_runs(t, i, j, style, &runs)) {
                cell_name(t, i, j, out);
                text_addf(out, ": %s\n", runs.data);
            }
            text_free(&runs);
        }
}

/* "* further than 2 std from the paper     1 run of 40 missing: ..."; the missing runs are named
 * once, below the last table. */
static void add_notes(const TableSet *t, int i, Text *out)
{
    bool far = t->tables[i].has_far, last = i == t->n - 1 && t->n_missing > 0;
    if (far) text_add(out, "* further than 2 std from the paper");
    if (far && last) pad(out, WIDE_GAP);
    if (last) tables_missing(t, out);
    if (far || last) text_add(out, "\n");
}

/* Returns the columns that the last claim's line takes; 0: there was none. */
static int add_claims(const TableSet *t, int i, Text *out)
{
    int verdict = 0, say = 0, width = 0;
    for (int k = 0; k < t->n_claims; k++) {
        if (t->claims[k].of != i) continue;
        widen(&verdict, verdict_name[t->claims[k].verdict]);
        widen(&say, t->claims[k].say);
    }
    for (int k = 0; k < t->n_claims; k++) {
        const Claim *c = &t->claims[k];
        if (c->of != i) continue;
        if (width > 0) end_line(out);
        size_t start = out->n;
        text_add(out, verdict_name[c->verdict]);
        pad(out, verdict + GAP - text_columns(verdict_name[c->verdict]));
        text_add(out, c->say);
        if (*c->evidence) {
            pad(out, say + GAP - text_columns(c->say));
            text_addf(out, "(%s)", c->evidence);
        }
        width = text_columns(out->data + start);
    }
    return width;
}

void table_write_text(const TableSet *t, const TableStyle *style, Text *out)
{
    Arena *a = arena_new();
    int line = 0, width = 0;
    for (int i = 0; i < t->n; i++) {
        const Table *table = &t->tables[i];
        Grid g = measure(table, style, a);
        if (i > 0) text_add(out, line > 0 ? "\n\n" : "\n");
        add_title(table, style, g.all, out);
        add_header(table, &g, out);
        for (int r = 0; r < table->n_rows; r++) add_row(table, &g, r, style, out);
        add_runs(table, style, out);
        add_notes(t, i, out);
        line = add_claims(t, i, out);
        width = g.all;
    }
    /* on the last claim's line, at the table's right edge where there is room */
    int between = width - line - text_columns(t->source);
    if (*t->source && line > 0) pad(out, between > WIDE_GAP ? between : WIDE_GAP);
    text_add(out, t->source);
    if (*t->source || line > 0) end_line(out);
    arena_free(a);
}
