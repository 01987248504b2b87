/* report_section -- one experiment on the report's page: what was run and what came of it. */
#include "report/html.h"
#include "report/report.h"
#include "run/metric_lines.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

enum { NAMED_MAX = 20, OPEN_ROWS_MAX = 60, METRICS_MAX = 3, KEYS_MAX = 8, VALUES_SHOWN = 12 };

static void begin_table(Text *out, const char *caption)
{
    html_element(out, "<div class=\"wide\"><table class=\"list\">\n<caption>", caption,
                 "</caption>\n");
}

static void end_table(Text *out)
{
    text_add(out, "</tbody>\n</table></div>\n");
}

/* -- What is reproduced */

static void add_paper(const ReportExperiment *e, Text *out)
{
    const Yaml *paper = yaml_get(e->file, "paper");
    Arena *a = arena_new();
    html_element(out, "<p class=\"soft\">File <code>", e->path, "</code></p>\n");
    html_paragraphs(out, e->about);
    if (paper && paper->kind == YAML_MAP && paper->n > 0) {
        text_add(out, "<dl class=\"paper\">\n");
        for (const Yaml *y = paper->first; y; y = y->next) {
            const bool id = strcmp(y->key, "id") == 0;
            html_element(out, "<dt>", id ? "paper" : y->key, "</dt>");
            html_element(out, "<dd>", y->kind == YAML_SCALAR ? y->text : yaml_flow(a, y),
                         "</dd>\n");
        }
        text_add(out, "</dl>\n");
    }
    arena_free(a);
}

/* -- What was run */

static void add_settings(const ReportExperiment *e, Text *out)
{
    const Yaml *sweep = yaml_get(e->file, "sweep");
    if (!sweep || sweep->kind != YAML_MAP || sweep->n == 0) return;
    Arena *a = arena_new();
    begin_table(out, "Settings: every combination of these");
    text_add(out, "<thead><tr><th scope=\"col\">key</th><th "
                  "scope=\"col\">values</th></tr></thead>\n<tbody>\n");
    for (const Yaml *y = sweep->first; y; y = y->next) {
        html_element(out, "<tr><th scope=\"row\"><code>", y->key, "</code></th>");
        html_element(out, "<td><code>", yaml_flow(a, y), "</code></td></tr>\n");
    }
    end_table(out);
    arena_free(a);
}

/* "Failed: 7f3a... (NaN at 1412), ...": the first few by id, the table has all. */
static void add_named(const ReportExperiment *e, RunStatus status, const char *word, Text *out)
{
    int n = 0;
    if (e->n_status[status] == 0) return;
    html_element(out, "<p><b>", word, "</b>: ");
    for (int i = 0; i < e->n_runs && n < NAMED_MAX; i++) {
        const ReportRun *run = &e->runs[i];
        if (run->status != status) continue;
        html_element(out, n++ ? ", <code>" : "<code>", run->run->id, "</code>");
        if (status == RUN_FAILED && run->record.error)
            html_element(out, " (", run->record.error, ")");
    }
    if (n < e->n_status[status])
        text_addf(out, " and %d more, in the table of runs", e->n_status[status] - n);
    text_add(out, "</p>\n");
}

static void add_counts(const ReportExperiment *e, Text *out)
{
    static const char *const words[N_RUN_STATUSES] = {"Not started", "Queued", "Running",
                                                      "Done",        "Failed", "Stopped"};
    text_addf(out, "<p>%d run%s, %d done.</p>\n", e->n_runs, e->n_runs == 1 ? "" : "s",
              e->n_status[RUN_DONE]);
    add_named(e, RUN_FAILED, words[RUN_FAILED], out);
    for (int i = 0; i < N_RUN_STATUSES; i++)
        if (i != RUN_DONE && i != RUN_FAILED) add_named(e, (RunStatus)i, words[i], out);
}

static bool some_run_has(const ReportExperiment *e, const char *metric)
{
    double value;
    for (int i = 0; i < e->n_runs; i++) {
        const char *all = e->runs[i].record.final_metrics;
        if (e->runs[i].status == RUN_DONE && metric_line_number(all, strlen(all), metric, &value))
            return true;
    }
    return false;
}

/* The first table's metrics at the end of a run, as run.json holds them; without a table, the first
 * of the usual ones. */
static int shown_metrics(const ReportExperiment *e, TableMetric out[METRICS_MAX])
{
    static const char *const usual[] = {"test.top1", "valid.top1", "test.loss", "valid.loss",
                                        "train.loss"};
    int n = 0;
    for (int i = 0; e->tables.n > 0 && i < e->tables.specs[0].n_metrics && n < METRICS_MAX; i++) {
        const TableMetric *m = &e->tables.specs[0].metrics[i];
        if (m->at == AT_LAST && strncmp(m->name, "run.", 4) != 0) out[n++] = *m;
    }
    for (size_t i = 0; e->tables.n == 0 && i < sizeof usual / sizeof usual[0]; i++)
        if (n < METRICS_MAX && some_run_has(e, usual[i]))
            out[n++] = (TableMetric){.name = usual[i], .scale = 1, .digits = 4};
    return n;
}

static void add_metric(const ReportRun *run, const TableMetric *m, Text *out)
{
    const char *all = run->record.final_metrics;
    double value;
    char number[64] = "";
    if (run->status == RUN_DONE && metric_line_number(all, strlen(all), m->name, &value))
        table_number(number, m, value * m->scale);
    html_element(out, "<td class=\"number\">", number, "</td>");
}

static const char *swept_value(const SweepRun *run, const char *key)
{
    for (int i = 0; i < run->n_values; i++)
        if (strcmp(run->values[i].key, key) == 0) return run->values[i].text;
    return "";
}

static void add_run(const ReportExperiment *e, const ReportRun *run, bool by_key,
                    const TableMetric metrics[], int n_metrics, Text *out)
{
    const RunRecord *r = &run->record;
    char text[24];
    html_element(out, "<tr><th scope=\"row\"><code>", run->run->id, "</code></th>");
    text_addf(out, "<td class=\"%s\">%s</td>", run_status_name[run->status],
              run->status == RUN_ABSENT ? "not started" : run_status_name[run->status]);
    if (by_key && run->run->asked)
        for (int k = 0; k < e->sweep.n_keys; k++)
            html_element(out, "<td>", swept_value(run->run, e->sweep.keys[k]), "</td>");
    else {
        text_addf(out, "<td colspan=\"%d\">", by_key ? e->sweep.n_keys : 1);
        html_element(out, run->run->asked ? "" : "needed by others: ", run->run->label, "</td>");
    }
    if (r->step >= 0 && r->total_steps > 0)
        text_addf(out, "<td class=\"number\">%" PRId64 " of %" PRId64 "</td>", r->step,
                  r->total_steps);
    else
        text_add(out, "<td></td>");
    for (int k = 0; k < n_metrics; k++) add_metric(run, &metrics[k], out);
    *text = '\0';
    if (r->wall_s >= 0) text_duration(text, r->wall_s);
    text_addf(out, "<td class=\"number\">%s</td>", text);
    *text = '\0';
    if (r->cpu_s >= 0) text_duration(text, r->cpu_s);
    text_addf(out, "<td class=\"number\">%s</td></tr>\n", text);
}

static void add_runs(const ReportExperiment *e, Text *out)
{
    TableMetric metrics[METRICS_MAX];
    const int n_metrics = shown_metrics(e, metrics);
    const bool by_key = e->sweep.n_keys > 0 && e->sweep.n_keys <= KEYS_MAX;
    text_addf(out, "<details%s><summary>All runs</summary>\n",
              e->n_runs <= OPEN_ROWS_MAX ? " open" : "");
    begin_table(out, "Runs: folder, state, setting, last evaluation, time");
    text_add(out, "<thead><tr><th scope=\"col\">id</th><th scope=\"col\">state</th>");
    for (int k = 0; by_key && k < e->sweep.n_keys; k++)
        html_element(out, "<th scope=\"col\">", e->sweep.keys[k], "</th>");
    text_add(out, by_key ? "" : "<th scope=\"col\">setting</th>");
    text_add(out, "<th scope=\"col\" class=\"number\">steps</th>");
    for (int k = 0; k < n_metrics; k++)
        html_element(out, "<th scope=\"col\" class=\"number\">",
                     metrics[k].label ? metrics[k].label : metrics[k].name, "</th>");
    text_add(out, "<th scope=\"col\" class=\"number\">wall</th>"
                  "<th scope=\"col\" class=\"number\">CPU</th></tr></thead>\n<tbody>\n");
    for (int i = 0; i < e->n_runs; i++) add_run(e, &e->runs[i], by_key, metrics, n_metrics, out);
    end_table(out);
    text_add(out, "</details>\n");
}

/* -- Results */

static void add_results(const ReportExperiment *e, Text *out)
{
    const TableStyle style = {.settings = true};
    for (int i = 0; i < e->tables.n; i++) {
        text_add(out, "<div class=\"wide\">\n");
        tables_html(&e->tables, i, &style, out);
        text_add(out, "</div>\n");
    }
}

static void add_plots(const ReportExperiment *e, Text *out)
{
    text_add(out, e->plots);
    if (*e->no_plots) html_element(out, "<p>No plots: ", e->no_plots, "</p>\n");
}

/* -- Configuration */

static bool is_swept(const ReportExperiment *e, const char *key)
{
    for (int i = 0; i < e->sweep.n_keys; i++)
        if (strcmp(e->sweep.keys[i], key) == 0) return true;
    return false;
}

static void add_key(const ReportExperiment *e, const ConfigKey *k, Text *out)
{
    const int absent = e->configs.n_runs - k->n_runs;
    int others = k->n_runs;
    html_element(out, "<tr><th scope=\"row\"><code>", k->key, "</code></th><td>");
    for (int i = 0; i < k->n_values && i < VALUES_SHOWN; i++) {
        html_element(out, i ? ", <code>" : "<code>", k->value[i], "</code>");
        text_addf(out, " <small>(%d)</small>", k->count[i]);
        others -= k->count[i];
    }
    if (others > 0) text_addf(out, ", other values <small>(%d)</small>", others);
    if (absent > 0) text_addf(out, ", not there <small>(%d)</small>", absent);
    text_addf(out, "</td><td>%s</td></tr>\n",
              is_swept(e, k->key) ? "swept" : "follows from a swept key");
}

static void add_configuration(const ReportExperiment *e, Text *out)
{
    const ConfigDiff *d = &e->configs;
    const int n = config_diff_count(d);
    if (n > 0) {
        begin_table(out, "Where the runs differ: each value, and the number of runs that have it");
        text_add(out, "<thead><tr><th scope=\"col\">key</th><th scope=\"col\">values (runs)</th>"
                      "<th scope=\"col\">why</th></tr></thead>\n<tbody>\n");
        for (int i = 0; i < d->n_keys; i++)
            if (!config_key_is_common(d, d->keys[i])) add_key(e, d->keys[i], out);
        end_table(out);
    }
    html_element(out,
                 n > 0 ? "<p>What all of them share, resolved:</p>\n<pre tabindex=\"0\"><code>"
                       : "<pre tabindex=\"0\"><code>",
                 config_diff_common(d), "</code></pre>\n");
}

/* -- To repeat it */

static void add_commands(const ReportExperiment *e, Text *out)
{
    const char *rest = e->command + strlen("seqlab sweep");
    const FactList *versions = &e->facts[FACT_VERSION];
    text_add(out, "<p>In the folder that the paths start from");
    for (int i = 0; i < versions->n; i++)
        html_element(out, i ? ", " : ", with seqlab ", versions->text[i], "");
    text_add(out, ":</p>\n<pre class=\"command\"><code>");
    html_element(out, "", e->command, "\n");
    if (e->tables.n > 0) html_element(out, "seqlab table", rest, "\n");
    html_element(out, "seqlab report", rest, "</code></pre>\n");
}

/* -- The section, a row a part */

static void add_what(const ReportExperiment *e, Text *out)
{
    add_settings(e, out);
    if (e->problem) {
        html_element(out, "<p class=\"problem\">Not run here: ", e->problem, "</p>\n");
        return;
    }
    add_counts(e, out);
    add_runs(e, out);
}

static void add_environment(const ReportExperiment *e, Text *out)
{
    report_fact_table(e->facts, e->cost.n, out);
}

static void add_cost(const ReportExperiment *e, Text *out)
{
    report_cost_table(&e->cost, &e->facts[FACT_ENERGY], out);
}

static bool always(const ReportExperiment *e)
{
    (void)e;
    return true;
}

static bool is_known(const ReportExperiment *e)
{
    return !e->problem;
}

static bool has_table(const ReportExperiment *e)
{
    return e->tables.n > 0;
}

static bool has_started(const ReportExperiment *e)
{
    return e->cost.n > 0;
}

typedef struct Part {
    const char *id, *title;
    bool (*is_there)(const ReportExperiment *e);
    void (*add)(const ReportExperiment *e, Text *out);
} Part;

// clang-format off
static const Part parts[] = {
    {"runs",          "What was run",  always,      add_what},
    {"results",       "Results",       has_table,   add_results},
    {"plots",         "Plots",         is_known,    add_plots},
    {"configuration", "Configuration", is_known,    add_configuration},
    {"environment",   "Environment",   has_started, add_environment},
    {"cost",          "Cost",          has_started, add_cost},
    {"repeat",        "To repeat it",  always,      add_commands},
};
// clang-format on
enum { N_PARTS = sizeof parts / sizeof parts[0] };

void report_contents(const ReportExperiment *e, int number, Text *out)
{
    text_add(out, "<ul>\n");
    for (int i = 0; i < N_PARTS; i++)
        if (parts[i].is_there(e))
            text_addf(out, "<li><a href=\"#e%d-%s\">%s</a></li>\n", number, parts[i].id,
                      parts[i].title);
    text_add(out, "</ul>\n");
}

void report_section(const ReportExperiment *e, int number, Text *out)
{
    text_addf(out, "<section id=\"e%d\" aria-labelledby=\"e%d-title\">\n<h2 id=\"e%d-title\">",
              number, number, number);
    html_element(out, "", e->name, "</h2>\n");
    add_paper(e, out);
    for (int i = 0; i < N_PARTS; i++) {
        if (!parts[i].is_there(e)) continue;
        text_addf(out, "<h3 id=\"e%d-%s\">%s</h3>\n", number, parts[i].id, parts[i].title);
        parts[i].add(e, out);
    }
    text_add(out, "</section>\n");
}
