/* table_html -- a table and its claims as a fragment of HTML, for `table --format html` and for the
 * report's page. Text is escaped; there is no script, no style attribute and no link. */
#include "table/table_write.h"

#include <string.h>

/* Light and dark, and readable in black and white: what colour says, a word or a sign says too. */
const char tables_css[] =
    "table.cells{border-collapse:collapse;font-variant-numeric:tabular-nums}\n"
    "table.cells caption{text-align:left;font-weight:600;padding:.3em 0}\n"
    "table.cells caption small{font-weight:400;opacity:.75;margin-left:1em}\n"
    "table.cells th,table.cells td{padding:.2em .8em;text-align:right;white-space:nowrap;"
    "border-bottom:1px solid #8884}\n"
    "table.cells th[scope=row],table.cells thead th.key{text-align:left;font-weight:400}\n"
    "table.cells thead th{border-bottom:2px solid #8888}\n"
    "table.cells td.best .mean{font-weight:700}\n"
    "table.cells .paper,table.cells .n{opacity:.75}\n"
    "table.cells td.none{opacity:.5}\n"
    "ul.claims{list-style:none;padding:0}\n"
    "ul.claims b{display:inline-block;min-width:7em}\n"
    "ul.claims .holds b{color:#177245}\nul.claims .fails b{color:#b3261e}\n"
    "ul.claims small,ul.runs{opacity:.8}\n"
    "@media(prefers-color-scheme:dark){ul.claims .holds b{color:#6fcf97}"
    "ul.claims .fails b{color:#ff8a80}}\n";

static void escape(Text *out, const char *s)
{
    for (; *s; s++) switch (*s) {
        case '&':
            text_add(out, "&amp;");
            break;
        case '<':
            text_add(out, "&lt;");
            break;
        case '>':
            text_add(out, "&gt;");
            break;
        case '"':
            text_add(out, "&quot;");
            break;
        default:
            text_addf(out, "%c", *s);
        }
}

static void element(Text *out, const char *open, const char *text, const char *close)
{
    text_add(out, open);
    escape(out, text);
    text_add(out, close);
}

static void add_cell(const Table *t, int i, int j, const TableStyle *style, Text *out)
{
    CellText c = cell_text(t, i, j, style);
    bool none = strcmp(c.mean, "-") == 0;
    text_addf(out, "<td%s><span class=\"mean\">%s",
              c.best ? " class=\"best\""
              : none ? " class=\"none\""
                     : "",
              none ? "&ndash;" : c.mean);
    if (*c.spread) text_addf(out, " &plusmn; %s", c.spread);
    text_add(out, "</span>");
    if (*c.n) text_addf(out, " <span class=\"n\">(%s)</span>", c.n);
    if (*c.paper) text_addf(out, " <span class=\"paper\">[%s]</span>", c.paper);
    if (*c.difference) text_addf(out, " <span class=\"difference\">%s</span>", c.difference);
    text_add(out, c.is_far ? " <span title=\"further than 2 std from the paper\">*</span></td>"
                           : "</td>");
}

/* How many rows from i on have the first key's value of row i. */
static int rows_alike(const Table *t, int i)
{
    int n = 1;
    while (i + n < t->n_rows && strcmp(t->rows[i].value[0], t->rows[i + n].value[0]) == 0) n++;
    return n;
}

static void add_row(const Table *t, int i, const TableStyle *style, Text *out)
{
    bool grouped = t->spec->n_row_keys > 1;
    text_add(out, "<tr>");
    for (int k = 0; k < t->spec->n_row_keys; k++) {
        bool first = grouped && k == 0;
        if (first && i > 0 && strcmp(t->rows[i - 1].value[0], t->rows[i].value[0]) == 0) continue;
        if (first)
            text_addf(out, "<th scope=\"row\" rowspan=\"%d\">", rows_alike(t, i));
        else
            text_add(out, "<th scope=\"row\">");
        element(out, "", t->rows[i].label[k], "</th>");
    }
    for (int j = 0; j < t->n_columns; j++) add_cell(t, i, j, style, out);
    text_add(out, "</tr>\n");
}

static void add_claims(const TableSet *set, int i, Text *out)
{
    static const char *const classes[N_VERDICTS] = {"holds", "weakly", "fails", "not-run"};
    bool any = false;
    for (int k = 0; k < set->n_claims; k++) {
        const Claim *c = &set->claims[k];
        if (c->of != i) continue;
        if (!any) text_add(out, "<ul class=\"claims\">\n");
        any = true;
        text_addf(out, "<li class=\"%s\"><b>%s</b> ", classes[c->verdict],
                  verdict_name[c->verdict]);
        escape(out, c->say);
        if (*c->evidence) element(out, " <small>(", c->evidence, ")</small>");
        element(out, " <code>", c->test, "</code></li>\n");
    }
    if (any) text_add(out, "</ul>\n");
}

static void add_runs(const Table *t, const TableStyle *style, Text *out)
{
    bool any = false;
    for (int i = 0; i < t->n_rows; i++)
        for (int j = 0; j < t->n_columns; j++) {
            Text runs = {0}, name = {0};
            if (cell_runs(t, i, j, style, &runs)) {
                cell_name(t, i, j, &name);
                text_add(out, any ? "" : "<ul class=\"runs\">\n");
                element(out, "<li>", name.data, ": ");
                element(out, "<code>", runs.data, "</code></li>\n");
                any = true;
            }
            text_free(&runs);
            text_free(&name);
        }
    if (any) text_add(out, "</ul>\n");
}

void tables_html(const TableSet *set, int i, const TableStyle *style, Text *out)
{
    const Table *t = &set->tables[i];
    char legend[160];
    text_add(out, "<table class=\"cells\">\n");
    element(out, "<caption>", t->spec->title, "");
    if (*table_legend(t, style, legend)) element(out, " <small>", legend, "</small>");
    text_add(out, "</caption>\n<thead><tr>");
    for (int k = 0; k < t->spec->n_row_keys; k++)
        element(out, "<th scope=\"col\" class=\"key\">", t->row_header[k], "</th>");
    for (int j = 0; j < t->n_columns; j++)
        element(out, "<th scope=\"col\">", t->columns[j].label, "</th>");
    text_add(out, "</tr></thead>\n<tbody>\n");
    for (int r = 0; r < t->n_rows; r++) add_row(t, r, style, out);
    text_add(out, "</tbody>\n</table>\n");
    if (t->has_far) text_add(out, "<p><small>* further than 2 std from the paper</small></p>\n");
    add_runs(t, style, out);
    add_claims(set, i, out);
    if (i < set->n - 1) return;
    Text missing = {0};
    tables_missing(set, &missing);
    if (missing.n > 0) element(out, "<p>", missing.data, "</p>\n");
    if (*set->source) element(out, "<p><small>", set->source, "</small></p>\n");
    text_free(&missing);
}
