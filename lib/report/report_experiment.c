/* report_experiment -- what one experiment file and its runs' folders say, for the report. */
#include "report/report.h"

#include "io/file.h"
#include "report/plots.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_MAX_BYTES = 16 << 20 };

/* -- What the file says of itself */

/* The comment that the file begins with, without its signs; a line of # alone ends a paragraph. */
static const char *first_comment(const char *path, Arena *a)
{
    char *text;
    size_t n;
    Text out = {0};
    if (!file_read(path, FILE_MAX_BYTES, &text, &n, FAIL_CONFIG, NULL)) return "";
    for (const char *line = text; *line == '#';) {
        size_t length = strcspn(line, "\n");
        size_t skip = 1 + strspn(line + 1, " \t");
        if (skip > length) skip = length;
        text_addf(&out, "%s%.*s", out.n ? "\n" : "", (int)(length - skip), line + skip);
        line += length + (line[length] == '\n');
    }
    const char *comment = arena_string(a, out.data ? out.data : "");
    text_free(&out);
    free(text);
    return comment;
}

/* -- Runs */

static void add_fact(FactList *f, const char *text)
{
    int i = 0;
    if (!text || !*text) return;
    while (i < f->n && strcmp(f->text[i], text) != 0) i++;
    if (i == FACTS_MAX) {
        f->n_more++;
        return;
    }
    if (i == f->n) f->text[f->n++] = text;
    f->count[i]++;
}

/* "shapes 4d1f..."; where the name is not known it is taken from a run on the same data. */
static const char *data_text(const FactList *known, const RunRecord *r, const char *name, Arena *a)
{
    if (!*r->data_sha256) return NULL;
    for (int i = 0; !name && i < known->n; i++)
        if (strstr(known->text[i], r->data_sha256)) return known->text[i];
    return name ? arena_printf(a, "%s %s", name, r->data_sha256) : arena_string(a, r->data_sha256);
}

void report_count(ReportCost *cost, FactList facts[], const ReportRun *run, const char *data,
                  Arena *a)
{
    const RunRecord *r = &run->record;
    if (run->status == RUN_ABSENT) return;
    cost->n++;
    if (r->wall_s > 0) cost->wall_s += r->wall_s;
    if (r->cpu_s > 0) cost->cpu_s += r->cpu_s;
    if (r->energy_wh > 0) cost->energy_wh += r->energy_wh;
    if (r->carbon_g > 0) cost->carbon_g += r->carbon_g;
    if (r->peak_bytes > cost->peak_bytes) cost->peak_bytes = r->peak_bytes;
    add_fact(&facts[FACT_VERSION], r->version);
    add_fact(&facts[FACT_HOST], r->host);
    add_fact(&facts[FACT_CPU], r->cpu);
    add_fact(&facts[FACT_ISA], r->isa);
    if (r->threads > 0) add_fact(&facts[FACT_THREADS], arena_printf(a, "%d", r->threads));
    add_fact(&facts[FACT_DATA], data_text(&facts[FACT_DATA], r, data, a));
    add_fact(&facts[FACT_ENERGY], r->energy_source);
}

static void read_runs(ReportExperiment *e, Arena *a)
{
    const Sweep *s = &e->sweep;
    char folder[4096];
    e->runs = arena_new_array(a, ReportRun, s->n_runs);
    for (int i = 0; i < s->n_runs; i++) {
        if (s->runs[i].twin >= 0) continue;
        ReportRun *run = &e->runs[e->n_runs++];
        sweep_folder(s, i, folder);
        run->run = &s->runs[i];
        run->folder = arena_string(a, folder);
        run->status = rundir_status(folder, &run->record, a);
        e->n_status[run->status]++;
    }
    for (int asked = 1; asked >= 0; asked--) /* the file's own first: their data have a name */
        for (int i = 0; i < e->n_runs; i++) {
            const SweepRun *run = e->runs[i].run;
            if (run->asked == (bool)asked)
                report_count(&e->cost, e->facts, &e->runs[i], asked ? run->wanted[0] : NULL, a);
        }
}

/* -- Configurations */

static void copy_id(const Reference *r, const Sweep *s, const SweepRun *run, int need)
{
    if (r->experiment) memcpy(r->experiment->id, s->runs[run->needs[need]].id, EXPERIMENT_ID);
}

/* As config.yaml has it, also of a run that was never started. */
static bool add_config(ReportExperiment *e, const SweepRun *run, Arena *a, Error *err)
{
    Experiment x;
    Yaml *root = yaml_copy(a, e->sweep.root), *config;
    for (int k = 0; k < run->n_values; k++) {
        const SweepValue *v = &run->values[k];
        TRY(yaml_override(a, root, arena_printf(a, "%s=%s", v->key, v->text), err));
    }
    TRY(experiment_from_tree(&x, a, e->path, root, err) && experiment_references(&x, a, err));
    copy_id(&x.base, &e->sweep, run, 0);
    copy_id(&x.teacher, &e->sweep, run, x.base.experiment ? 1 : 0);
    const char *text = experiment_config(&x, a);
    /* the first one stays */
    Arena *owner = e->configs.n_runs == 0 ? e->configs.arena : a;
    TRY(yaml_parse(owner, text, strlen(text), "config.yaml", &config, err));
    config_diff_add(&e->configs, config);
    return true;
}

static bool read_configs(ReportExperiment *e, Arena *a, Error *err)
{
    e->configs.arena = a;
    for (int i = 0; i < e->sweep.n_runs; i++) {
        const SweepRun *run = &e->sweep.runs[i];
        if (!run->asked || (run->twin >= 0 && e->sweep.runs[run->twin].asked)) continue;
        Arena *scratch = arena_new();
        bool ok = add_config(e, run, scratch, err);
        arena_free(scratch);
        if (!ok) return false;
    }
    return true;
}

/* -- Plots, and all of it */

static bool draw(ReportExperiment *e, Arena *a, const ReportRequest *q, Error *err)
{
    Text plots = {0};
    Error own = {0};
    e->plots = e->no_plots = "";
    if (plots_html(a, e->path, q->words, q->n_words, q->results, &plots, &own))
        e->plots = arena_string(a, plots.data ? plots.data : "");
    else if (own.kind == FAIL_DATA)
        e->no_plots = arena_string(a, own.items[0].text);
    else
        *err = own;
    text_free(&plots);
    return *e->plots || *e->no_plots || own.kind == FAIL_NONE;
}

static bool read_blocks(ReportExperiment *e, Arena *a, const ReportRequest *q, Error *err)
{
    Yaml *file;
    bool ok = true;
    TRY(yaml_load_experiment(a, e->path, &file, err));
    for (int i = 0; i < q->n_words; i++) ok &= yaml_override(a, file, q->words[i], err);
    e->file = file;
    return ok && tables_read(&e->tables, a, file, err);
}

/* What experiment_load takes where the file gives no name. */
static const char *name_of(const ReportExperiment *e, Arena *a)
{
    const Yaml *name = yaml_get(e->file, "name");
    const char *slash = strrchr(e->path, '/'), *file = slash ? slash + 1 : e->path;
    const char *dot = strrchr(file, '.');
    if (name && name->text) return name->text;
    return dot ? arena_string_n(a, file, (size_t)(dot - file)) : file;
}

/* Without the data a run has no id: what the file claims was then not run, as far as one can see.
 */
static bool without_runs(ReportExperiment *e, Arena *a, const Error *why)
{
    e->problem = arena_string(a, why->items[0].text);
    e->name = name_of(e, a);
    e->tables.n = 0;
    for (int i = 0; i < e->tables.n_claims; i++) {
        e->tables.claims[i].verdict = CLAIM_NOT_RUN;
        e->tables.claims[i].evidence = "";
    }
    return true;
}

bool report_experiment(ReportExperiment *e, Arena *a, const char *path, const ReportRequest *q,
                       Error *err)
{
    SweepOptions o = {.results = q->results, .data_may_be_absent = true};
    Error own = {0};
    *e = (ReportExperiment){.path = path, .about = first_comment(path, a)};
    TRY(read_blocks(e, a, q, err));
    e->command = tables_command(a, path, q->words, q->n_words, q->results);
    o.wanted = tables_wanted(&e->tables, a, &o.n_wanted);
    if (!sweep_open(&e->sweep, a, path, q->words, q->n_words, &o, &own)) {
        if (own.kind == FAIL_DATA) return without_runs(e, a, &own);
        *err = own;
        return false;
    }
    read_runs(e, a);
    bool ok = tables_collect(&e->tables, a, &e->sweep, err) && read_configs(e, a, err);
    sweep_close(&e->sweep);
    e->tables.command = e->command;
    for (int i = 0; i < e->sweep.n_runs && !e->name; i++)
        if (e->sweep.runs[i].asked) e->name = e->sweep.runs[i].name;
    return ok && draw(e, a, q, err);
}
