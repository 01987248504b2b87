/* report_html -- the page around the experiments' sections: head, totals, contents, footer. */
#include "report/html.h"
#include "report/report.h"

#include <math.h>
#include <string.h>

const char *const verdict_class[N_VERDICTS] = {"holds", "weakly", "fails", "not-run"};

/* -- Costs and machines, for the page and for each experiment */

/* "2 h 05 min (2.08 h)": the hours are what papers state. */
static void add_time(Text *out, double seconds)
{
    char text[24];
    text_duration(text, seconds);
    text_addf(out, "%s (%.3g h)", text, seconds / 3600);
}

static void add_energy(Text *out, double wh)
{
    text_addf(out, wh >= 1000 ? "%.3g kWh" : "%.3g Wh", wh >= 1000 ? wh / 1000 : wh);
}

static void begin_row(Text *out, const char *header)
{
    text_addf(out, "<tr><th scope=\"row\">%s</th><td>", header);
}

void report_cost_table(const ReportCost *cost, const FactList *energy, Text *out)
{
    char bytes[16];
    text_bytes(bytes, (double)cost->peak_bytes);
    text_addf(out,
              "<div class=\"wide\"><table class=\"list\">\n<caption>Cost of %d run%s, all starts "
              "together</caption>\n<tbody>\n",
              cost->n, cost->n == 1 ? "" : "s");
    begin_row(out, "CPU time");
    add_time(out, cost->cpu_s);
    text_add(out, "</td></tr>\n");
    begin_row(out, "Wall time, summed over the runs");
    add_time(out, cost->wall_s);
    text_add(out, "</td></tr>\n");
    begin_row(out, "Energy");
    add_energy(out, cost->energy_wh);
    for (int i = 0; i < energy->n; i++) {
        html_element(out, " <small>(", energy->text[i], "");
        if (energy->n > 1) text_addf(out, ": %d runs", energy->count[i]);
        text_add(out, ")</small>");
    }
    text_add(out, "</td></tr>\n");
    begin_row(out, "Carbon, at the intensity that each run.json states");
    text_addf(out, "%.3g g CO2e</td></tr>\n", cost->carbon_g);
    begin_row(out, "Peak memory of the largest run");
    text_addf(out, "%s</td></tr>\n</tbody>\n</table></div>\n",
              cost->peak_bytes > 0 ? bytes : "not known");
}

void report_fact_table(const FactList facts[], int n_runs, Text *out)
{
    static const char *const headers[N_FACTS] = {
        "seqlab", "Hosts", "CPU", "Instruction set", "Threads", "Data (SHA-256)", NULL};
    text_add(out, "<div class=\"wide\"><table class=\"list\">\n<caption>Where the runs were made "
                  "(the last start of each)</caption>\n<tbody>\n");
    for (int k = 0; k < N_FACTS; k++) {
        const FactList *f = &facts[k];
        if (!headers[k] || f->n == 0) continue;
        begin_row(out, headers[k]);
        for (int i = 0; i < f->n; i++) {
            text_add(out, i ? "<br>" : "");
            html_element(out, k == FACT_DATA ? "<code>" : "", f->text[i],
                         k == FACT_DATA ? "</code>" : "");
            if (f->n > 1 || f->count[i] < n_runs)
                text_addf(out, " <small>(%d run%s)</small>", f->count[i],
                          f->count[i] == 1 ? "" : "s");
        }
        if (f->n_more > 0) text_addf(out, "<br><small>others: %d runs</small>", f->n_more);
        text_add(out, "</td></tr>\n");
    }
    text_add(out, "</tbody>\n</table></div>\n");
}

/* -- Totals */

static void begin_total(Text *out, const char *name)
{
    text_addf(out, "<div><dt>%s</dt><dd>", name);
}

static void end_total(Text *out)
{
    text_add(out, "</dd></div>\n");
}

static void add_run_totals(const Report *r, Text *out)
{
    bool any = false;
    int n_unknown = 0;
    begin_total(out, "Runs done");
    text_addf(out, "%d of %d", r->n_status[RUN_DONE], r->n_runs);
    for (int i = 0; i < N_RUN_STATUSES; i++) {
        if (i == RUN_DONE || r->n_status[i] == 0) continue;
        text_addf(out, "%s%d %s", any ? ", " : "<small>", r->n_status[i],
                  i == RUN_ABSENT ? "not started" : run_status_name[i]);
        any = true;
    }
    text_add(out, any ? "</small>" : "");
    for (int i = 0; i < r->n; i++) n_unknown += r->at[i].problem != NULL;
    if (n_unknown > 0)
        text_addf(out, "<small>%d experiment%s without data not counted</small>", n_unknown,
                  n_unknown == 1 ? "" : "s");
    end_total(out);
}

static void add_claim_totals(const Report *r, Text *out)
{
    const int *n = r->n_claims;
    const int all = n[CLAIM_HOLDS] + n[CLAIM_HOLDS_WEAKLY] + n[CLAIM_FAILS] + n[CLAIM_NOT_RUN];
    begin_total(out, "Claims that hold");
    text_addf(out, "%d of %d", n[CLAIM_HOLDS], all);
    if (all > 0)
        text_addf(out, "<small>%d weakly, %d fail, %d not run</small>", n[CLAIM_HOLDS_WEAKLY],
                  n[CLAIM_FAILS], n[CLAIM_NOT_RUN]);
    end_total(out);
}

static void add_totals(const Report *r, Text *out)
{
    char text[24];
    text_add(out, "<dl class=\"totals\">\n");
    begin_total(out, "Experiments");
    text_addf(out, "%d", r->n);
    end_total(out);
    add_run_totals(r, out);
    add_claim_totals(r, out);
    begin_total(out, "CPU time");
    text_duration(text, r->cost.cpu_s);
    text_addf(out, "%s<small>%.3g CPU hours</small>", text, r->cost.cpu_s / 3600);
    end_total(out);
    begin_total(out, "Wall time");
    text_duration(text, r->cost.wall_s);
    text_addf(out, "%s<small>summed over the runs</small>", text);
    end_total(out);
    begin_total(out, "Energy");
    add_energy(out, r->cost.energy_wh);
    const FactList *energy = &r->facts[FACT_ENERGY];
    if (energy->n > 0)
        html_element(out, "<small>", energy->n == 1 ? energy->text[0] : "see each experiment",
                     "</small>");
    end_total(out);
    begin_total(out, "Peak memory");
    char bytes[16];
    text_bytes(bytes, (double)r->cost.peak_bytes);
    text_add(out, r->cost.peak_bytes > 0 ? bytes : "not known");
    end_total(out);
    text_add(out, "</dl>\n");
}

/* A row an experiment: what was run of it and what came of its claims. */
static void add_overview(const Report *r, Text *out)
{
    text_add(out, "<div class=\"wide\"><table class=\"list\">\n<caption>Experiments</caption>\n"
                  "<thead><tr><th scope=\"col\">experiment</th>"
                  "<th scope=\"col\" class=\"number\">runs done</th>");
    for (int i = 0; i < N_VERDICTS; i++)
        html_element(out, "<th scope=\"col\" class=\"number\">", verdict_name[i], "</th>");
    text_add(out, "<th scope=\"col\" class=\"number\">CPU time</th></tr></thead>\n<tbody>\n");
    for (int i = 0; i < r->n; i++) {
        const ReportExperiment *e = &r->at[i];
        char time[24];
        text_duration(time, e->cost.cpu_s);
        text_addf(out, "<tr><th scope=\"row\"><a href=\"#e%d\">", i + 1);
        html_element(out, "", e->name, "</a></th>");
        if (e->problem)
            text_add(out, "<td class=\"number\">not known</td>");
        else
            text_addf(out, "<td class=\"number\">%d of %d</td>", e->n_status[RUN_DONE], e->n_runs);
        for (int k = 0; k < N_VERDICTS; k++)
            text_addf(out, "<td class=\"number\">%d</td>", tables_count(&e->tables, (Verdict)k));
        text_addf(out, "<td class=\"number\">%s</td></tr>\n", time);
    }
    text_add(out, "</tbody>\n</table></div>\n");
}

static void add_claims(const Report *r, Text *out)
{
    bool any = false;
    for (int i = 0; i < r->n; i++)
        for (int k = 0; k < r->at[i].tables.n_claims; k++) {
            const Claim *c = &r->at[i].tables.claims[k];
            if (!any) text_add(out, "<h3>Claims</h3>\n<ul class=\"claims\">\n");
            any = true;
            text_addf(out, "<li class=\"%s\"><b>%s</b> ", verdict_class[c->verdict],
                      verdict_name[c->verdict]);
            html_text(out, c->say);
            if (*c->evidence) html_element(out, " <small>(", c->evidence, ")</small>");
            if (r->n > 1) {
                text_addf(out, " <a href=\"#e%d\">", i + 1);
                html_element(out, "", r->at[i].name, "</a>");
            }
            text_add(out, "</li>\n");
        }
    text_add(out, any ? "</ul>\n<p class=\"soft\">A claim holds when it is true of the means and "
                        "p &lt; 0.05, one-sided, over the seeds; it holds weakly when it is true "
                        "of the means only.</p>\n"
                      : "<p>The files make no claims.</p>\n");
}

static void add_summary(const Report *r, Text *out)
{
    text_add(out, "<section id=\"summary\" aria-labelledby=\"summary-title\">\n"
                  "<h2 id=\"summary-title\">Summary</h2>\n");
    add_totals(r, out);
    if (r->n > 1) add_overview(r, out);
    add_claims(r, out);
    text_add(out, "<h3>To repeat it</h3>\n<pre class=\"command\"><code>");
    for (int i = 0; i < r->n; i++) html_element(out, "", r->at[i].command, "\n");
    html_element(out, "", r->command, "</code></pre>\n");
    for (int i = 0; i < r->n_parts; i++)
        html_element(
            out,
            i ? ", <code>"
              : "<p class=\"soft\">Parts of other files, no experiments of their own: <code>",
            r->parts[i], "</code>");
    text_add(out, r->n_parts > 0 ? "</p>\n</section>\n" : "</section>\n");
}

/* -- The page */

static void add_head(const Report *r, Text *out)
{
    /* the policy lets a browser fetch nothing, whatever a text might smuggle in; the empty icon
     * keeps it from asking for favicon.ico */
    text_add(out, "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                  "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                  "<meta name=\"color-scheme\" content=\"light dark\">\n"
                  "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
                  "style-src 'unsafe-inline'; img-src data:\">\n"
                  "<link rel=\"icon\" href=\"data:,\">\n");
    html_element(out, "<title>", r->title, " - seqlab report</title>\n<style>\n");
    text_add(out, tables_css);
    text_add(out, report_css);
    text_add(out, "</style>\n</head>\n");
}

static void add_contents(const Report *r, Text *out)
{
    text_add(out, "<nav aria-labelledby=\"contents-title\">\n<h2 id=\"contents-title\">Contents"
                  "</h2>\n<ol>\n<li><a href=\"#summary\">Summary</a></li>\n");
    for (int i = 0; i < r->n; i++) {
        text_addf(out, "<li><a href=\"#e%d\">", i + 1);
        html_element(out, "", r->at[i].name, "</a>\n");
        report_contents(&r->at[i], i + 1, out);
        text_add(out, "</li>\n");
    }
    text_add(out, "</ol>\n</nav>\n");
}

void report_html(const Report *r, Text *out)
{
    add_head(r, out);
    text_add(out, "<body>\n<a class=\"skip\" href=\"#main\">To the results</a>\n<header>\n");
    html_element(out, "<h1>", r->title, "</h1>\n</header>\n");
    add_contents(r, out);
    text_add(out, "<main id=\"main\">\n");
    add_summary(r, out);
    for (int i = 0; i < r->n; i++) report_section(&r->at[i], i + 1, out);
    text_add(out, "</main>\n<footer>Written by seqlab " SEQLAB_VERSION
                  " from the experiment files and the runs' folders.</footer>\n</body>\n</html>\n");
}
