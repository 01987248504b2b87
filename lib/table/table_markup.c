/* table_markup -- tables as Markdown and as LaTeX. */
#include "table/table_write.h"

#include <string.h>

/* -- Markdown: a pipe table, as GitHub and pandoc read it */

static void md_escape(Text *out, const char *s)
{
    for (; *s; s++) text_addf(out, strchr("|*_`<\\[", *s) ? "\\%c" : "%c", *s);
}

static void md_cell(const CellText *c, Text *out)
{
    const char *bold = c->best ? "**" : "";
    text_addf(out, " %s%s", bold, c->mean);
    if (*c->spread) text_addf(out, " ± %s", c->spread);
    text_add(out, bold);
    if (*c->n) text_addf(out, " (%s)", c->n);
    if (*c->paper) text_addf(out, " \\[%s\\]", c->paper);
    if (*c->difference) text_addf(out, " %s", c->difference);
    text_add(out, c->is_far ? " \\* |" : " |");
}

static void md_runs(const Table *t, const TableStyle *style, Text *out)
{
    bool any = false;
    for (int i = 0; i < t->n_rows; i++)
        for (int j = 0; j < t->n_columns; j++) {
            Text runs = {0}, name = {0};
            if (cell_runs(t, i, j, style, &runs)) {
                cell_name(t, i, j, &name);
                text_add(out, any ? "- " : "\n- ");
                md_escape(out, name.data);
                text_addf(out, ": `%s`\n", runs.data);
                any = true;
            }
            text_free(&runs);
            text_free(&name);
        }
}

static void md_claims(const TableSet *t, int i, Text *out)
{
    bool any = false;
    for (int k = 0; k < t->n_claims; k++) {
        const Claim *c = &t->claims[k];
        if (c->of != i) continue;
        text_addf(out, "%s- **%s**: ", any ? "" : "\n", verdict_name[c->verdict]);
        any = true;
        md_escape(out, c->say);
        if (*c->evidence) {
            text_add(out, " (");
            md_escape(out, c->evidence);
            text_add(out, ")");
        }
        text_add(out, "\n");
    }
}

static void md_table(const TableSet *set, int i, const TableStyle *style, Text *out)
{
    const Table *t = &set->tables[i];
    char legend[160];
    if (*t->spec->title) {
        text_add(out, "**");
        md_escape(out, t->spec->title);
        text_add(out, "**\n\n");
    }
    for (int k = 0; k < t->spec->n_row_keys; k++) {
        text_add(out, "| ");
        md_escape(out, t->row_header[k]);
        text_add(out, " ");
    }
    text_add(out, "|");
    for (int j = 0; j < t->n_columns; j++) {
        text_add(out, " ");
        md_escape(out, t->columns[j].label);
        text_add(out, " |");
    }
    text_add(out, "\n|");
    for (int k = 0; k < t->spec->n_row_keys; k++) text_add(out, "---|");
    for (int j = 0; j < t->n_columns; j++) text_add(out, "---:|");
    text_add(out, "\n");
    for (int r = 0; r < t->n_rows; r++) {
        for (int k = 0; k < t->spec->n_row_keys; k++) {
            text_add(out, "| ");
            md_escape(out, t->rows[r].label[k]);
            text_add(out, " ");
        }
        text_add(out, "|");
        for (int j = 0; j < t->n_columns; j++) {
            CellText c = cell_text(t, r, j, style);
            md_cell(&c, out);
        }
        text_add(out, "\n");
    }
    if (*table_legend(t, style, legend) || t->has_far)
        text_addf(out, "\n%s%s%s\n", legend, *legend && t->has_far ? "; " : "",
                  t->has_far ? "\\* further than 2 std from the paper" : "");
    md_runs(t, style, out);
    md_claims(set, i, out);
}

void table_write_md(const TableSet *t, const TableStyle *style, Text *out)
{
    Text missing = {0};
    for (int i = 0; i < t->n; i++) {
        if (i > 0) text_add(out, "\n");
        md_table(t, i, style, out);
    }
    tables_missing(t, &missing);
    if (missing.n > 0)
        text_addf(out, "\n%.*s: `%s`\n", (int)(missing.n - strlen(t->command) - 2), missing.data,
                  t->command);
    if (*t->source) text_addf(out, "\n%s\n", t->source);
    text_free(&missing);
}

/* -- LaTeX: a table that needs no package */

static void tex_escape(Text *out, const char *s)
{
    static const char special[] = "&%$#_{}";
    for (; *s; s++) {
        if (*s == '\\')
            text_add(out, "\\textbackslash{}");
        else if (*s == '~' || *s == '^')
            text_addf(out, "\\%c{}", *s);
        else if (*s == '<' || *s == '>')
            text_addf(out, "$%c$", *s);
        else if (*s == '[' || *s == '*') /* else after \\ an argument of it */
            text_addf(out, "{%c}", *s);
        else if (strncmp(s, "±", strlen("±")) == 0)
            text_add(out, "$\\pm$"), s += strlen("±") - 1;
        else
            text_addf(out, strchr(special, *s) ? "\\%c" : "%c", *s);
    }
}

static void tex_cell(const CellText *c, Text *out)
{
    if (strcmp(c->mean, "-") == 0)
        text_add(out, "--");
    else
        text_addf(out, c->best ? "$\\mathbf{%s%s%s}$" : "$%s%s%s$", c->mean,
                  *c->spread ? " \\pm " : "", c->spread);
    if (*c->n) text_addf(out, " (%s)", c->n);
    if (*c->paper) text_addf(out, " [%s]", c->paper);
    if (*c->difference) text_addf(out, " $%s$", c->difference);
    if (c->is_far) text_add(out, "$^*$");
}

static void tex_rows(const Table *t, const TableStyle *style, Text *out)
{
    for (int k = 0; k < t->spec->n_row_keys; k++) {
        if (k > 0) text_add(out, " & ");
        tex_escape(out, t->row_header[k]);
    }
    for (int j = 0; j < t->n_columns; j++) {
        text_add(out, " & ");
        tex_escape(out, t->columns[j].label);
    }
    text_add(out, " \\\\\n\\hline\n");
    for (int r = 0; r < t->n_rows; r++) {
        for (int k = 0; k < t->spec->n_row_keys; k++) {
            if (k > 0) text_add(out, " & ");
            tex_escape(out, t->rows[r].label[k]);
        }
        for (int j = 0; j < t->n_columns; j++) {
            CellText c = cell_text(t, r, j, style);
            text_add(out, " & ");
            tex_cell(&c, out);
        }
        text_add(out, " \\\\\n");
    }
}

/* In comments: they are for the writer of the paper. */
static void tex_notes(const TableSet *set, int i, const TableStyle *style, Text *out)
{
    const Table *t = &set->tables[i];
    for (int k = 0; k < set->n_claims; k++) {
        const Claim *c = &set->claims[k];
        if (c->of != i) continue;
        text_addf(out, "%% %s: %s", verdict_name[c->verdict], c->say);
        if (*c->evidence) text_addf(out, " (%s)", c->evidence);
        text_add(out, "\n");
    }
    for (int r = 0; r < t->n_rows; r++)
        for (int j = 0; j < t->n_columns; j++) {
            Text runs = {0};
            if (cell_runs(t, r, j, style, &runs)) {
                text_add(out, "% ");
                cell_name(t, r, j, out);
                text_addf(out, ": %s\n", runs.data);
            }
            text_free(&runs);
        }
}

static void tex_table(const TableSet *set, int i, const TableStyle *style, Text *out)
{
    const Table *t = &set->tables[i];
    char legend[160];
    text_add(out, "\\begin{table}\n\\centering\n\\caption{");
    tex_escape(out, t->spec->title);
    if (*table_legend(t, style, legend)) {
        text_add(out, *t->spec->title ? ": " : "");
        tex_escape(out, legend);
    }
    text_add(out, "}\n\\begin{tabular}{");
    for (int k = 0; k < t->spec->n_row_keys; k++) text_add(out, "l");
    for (int j = 0; j < t->n_columns; j++) text_add(out, "r");
    text_add(out, "}\n\\hline\n");
    tex_rows(t, style, out);
    text_add(out, "\\hline\n\\end{tabular}\n\\end{table}\n");
    tex_notes(set, i, style, out);
}

void table_write_latex(const TableSet *t, const TableStyle *style, Text *out)
{
    Text missing = {0};
    for (int i = 0; i < t->n; i++) {
        if (i > 0) text_add(out, "\n");
        tex_table(t, i, style, out);
    }
    tables_missing(t, &missing);
    if (missing.n > 0) text_addf(out, "%% %s\n", missing.data);
    if (*t->source) text_addf(out, "%% %s\n", t->source);
    text_free(&missing);
}
