/* tables -- from an experiment file and its runs to tables and verdicts; see tables.h. */
#include "table/tables.h"

#include "base/text.h"
#include "run/metric_lines.h"
#include "run/run_record.h"
#include "table/run_values.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { FACTS = 16, NAMES = 128 };

/* -- The blocks of the file */

static bool unknown_field(const TableMetric *m, Error *err)
{
    const char *names[NAMES], *name = m->name + strlen("run.");
    int n = 0;
    for (; n < NAMES && run_record_name(n); n++) names[n] = run_record_name(n);
    const char *near = text_nearest(name, names, n);
    return yaml_fail(m->where, err, "run.json has no number '%.60s'%s%s%s", name,
                     near ? "; did you mean 'run." : "", near ? near : "", near ? "'?" : "");
}

static bool read_table(TableSet *t, Arena *a, const Yaml *y, Error *err)
{
    RunRecord unknown = run_record_unknown();
    double value;
    TableSpec *spec = &t->specs[t->n++];
    TRY(table_spec_read(spec, a, y, err));
    bool ok = true;
    for (int i = 0; i < spec->n_metrics; i++) {
        const TableMetric *m = &spec->metrics[i];
        if (strncmp(m->name, "run.", 4) == 0 && !run_record_number(&unknown, m->name + 4, &value))
            ok = unknown_field(m, err);
    }
    return ok;
}

/* Which table a claim is about: its number from 1, or its title. */
static bool find_table(const TableSet *t, Claim *c, Error *err)
{
    const Yaml *y = c->table;
    int64_t number;
    if (!y && t->n == 1) return true;
    if (!y)
        return yaml_fail(c->where, err, "there are %d tables: say which, such as table: 1", t->n);
    if (yaml_is_number(y)) {
        TRY(yaml_int(y, &number, err));
        if (number < 1 || number > t->n)
            return yaml_fail(y, err, "table = %s: expected 1 to %d", y->text, t->n);
        c->of = (int)number - 1;
        return true;
    }
    const char *title, *titles[NAMES];
    TRY(yaml_string(y, &title, err));
    int n = t->n < NAMES ? t->n : NAMES;
    for (int i = 0; i < n; i++) {
        titles[i] = t->specs[i].title;
        if (strcmp(titles[i], title) != 0) continue;
        c->of = i;
        return true;
    }
    const char *near = text_nearest(title, titles, n);
    return yaml_fail(y, err, "no table is called '%.80s'%s%s%s", title,
                     near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

static bool read_claims(TableSet *t, Arena *a, const Yaml *list, Error *err)
{
    bool ok = true;
    if (!list || list->kind == YAML_NULL) return true;
    if (list->kind != YAML_LIST)
        return yaml_fail(list, err, "claims: expected a list such as [{say: ..., test: ...}]");
    if (t->n == 0) return yaml_fail_key(list, err, "claims: without a table there is no cell");
    t->claims = arena_new_array(a, Claim, list->n);
    for (const Yaml *y = list->first; y; y = y->next) {
        Claim *c = &t->claims[t->n_claims++];
        if (!claim_read(c, a, y, err) || !find_table(t, c, err)) ok = false;
    }
    return ok;
}

bool tables_read(TableSet *t, Arena *a, const Yaml *file, Error *err)
{
    const Yaml *y = yaml_get(file, "table");
    bool ok = true;
    *t = (TableSet){.source = "", .command = ""};
    if (y && y->kind != YAML_NULL) {
        bool many = y->kind == YAML_LIST;
        t->specs = arena_new_array(a, TableSpec, many ? y->n : 1);
        for (const Yaml *one = many ? y->first : y; one; one = many ? one->next : NULL)
            ok &= read_table(t, a, one, err);
    }
    ok &= search_read(&t->search, yaml_get(file, "search"), err);
    return read_claims(t, a, yaml_get(file, "claims"), err) && ok;
}

/* -- What the sweep shall say of each run */

typedef struct Keys {
    const char **at;
    int n;
} Keys;

static int key_number(const Keys *k, const char *key)
{
    int i = 0;
    while (i < k->n && strcmp(k->at[i], key) != 0) i++;
    return i;
}

static void add_keys(Keys *k, const char *const keys[], int n)
{
    for (int i = 0; i < n; i++) {
        int at = key_number(k, keys[i]);
        k->at[at] = keys[i];
        if (at == k->n) k->n++;
    }
}

static Keys wanted_keys(const TableSet *t, Arena *a)
{
    static const char *const data[] = {"data.name"};
    int most = 1 + TABLE_KEYS + t->n * (TABLE_ROW_KEYS + 1 + TABLE_KEYS);
    Keys k = {arena_new_array(a, const char *, most), 0};
    add_keys(&k, data, 1);
    for (int i = 0; i < t->n; i++) {
        const TableSpec *s = &t->specs[i];
        add_keys(&k, s->row_keys, s->n_row_keys);
        if (s->column_key) add_keys(&k, &s->column_key, 1);
        add_keys(&k, s->over, s->n_over);
    }
    add_keys(&k, t->search.over, t->search.n_over);
    return k;
}

const char *const *tables_wanted(const TableSet *t, Arena *a, int *n)
{
    Keys k = wanted_keys(t, a);
    *n = k.n;
    return k.at;
}

/* -- Observations */

/* What is gathered while the runs are read. */
typedef struct Collector {
    TableSet *set;
    Arena *arena;
    const Sweep *sweep;
    Keys keys;
    Observation **at; /* of each table, one a run */
    int n;
    const char *fact[3][FACTS]; /* versions, data, hosts: distinct ones */
    int n_facts[3];
    uint32_t *found; /* of each table: metrics that some run has */
    bool found_by;
    int n_done;
    const char *names[NAMES]; /* of some run's metrics */
    int n_names;
} Collector;

static void add_fact(Collector *c, int kind, const char *text)
{
    int i = 0;
    if (!text || !*text) return;
    while (i < c->n_facts[kind] && strcmp(c->fact[kind][i], text) != 0) i++;
    if (i == c->n_facts[kind] && i < FACTS) c->fact[kind][c->n_facts[kind]++] = text;
}

static const char *value_of(const Collector *c, const SweepRun *run, const char *key)
{
    const char *text = run->wanted[key_number(&c->keys, key)];
    return text ? text : "none";
}

/* "1", or "1 2" of several keys; with `names` "lr=0.1 width=4". */
static const char *values_of(const Collector *c, const SweepRun *run, const char *const keys[],
                             int n, bool names)
{
    const char *text = "";
    for (int i = 0; i < n; i++) {
        const char *value = value_of(c, run, keys[i]), *dot = strrchr(keys[i], '.');
        if (n == 1 && !names) return value;
        text = arena_printf(c->arena, "%s%s%s%s%s", text, i ? " " : "",
                            !names ? ""
                            : dot  ? dot + 1
                                   : keys[i],
                            names ? "=" : "", value);
    }
    return text;
}

static bool observe(Collector *c, const SweepRun *run, int i_table, const char *folder,
                    const RunRecord *record, Error *err)
{
    const TableSpec *s = &c->set->specs[i_table];
    const Search *search = &c->set->search;
    double *values = arena_new_array(c->arena, double, s->n_metrics);
    Observation *o = &c->at[i_table][c->n];
    *o = (Observation){.run = run->id,
                       .label = run->label,
                       .done = record->status == RUN_DONE,
                       .by = (double)NAN,
                       .values = values};
    for (int k = 0; k < s->n_row_keys; k++) o->row[k] = value_of(c, run, s->row_keys[k]);
    if (s->column_key) o->column = value_of(c, run, s->column_key);
    o->over = values_of(c, run, s->over, s->n_over, false);
    o->setting = values_of(c, run, search->over, search->n_over, true);
    if (!o->done) return true;
    TRY(run_values(s, search->by, folder, record, values, &o->absent, &o->by, err));
    c->found[i_table] |= ~o->absent;
    c->found_by |= !isnan(o->by);
    return true;
}

static void learn(Collector *c, const SweepRun *run, const RunRecord *record)
{
    Arena *a = c->arena;
    add_fact(c, 0, record->version);
    add_fact(c, 1,
             arena_printf(a, "%s %.4s...", value_of(c, run, "data.name"), record->data_sha256));
    add_fact(c, 2, record->host);
    if (c->n_done++ == 0)
        c->n_names =
            metric_names(record->final_metrics, strlen(record->final_metrics), c->names, NAMES, a);
}

static bool read_runs(Collector *c, Error *err)
{
    TableSet *t = c->set;
    char folder[4096];
    /* what run.json holds is looked at and let go: the texts that stay are in c->arena */
    Arena *scratch = arena_new();
    bool ok = true;
    for (int i = 0; i < c->sweep->n_runs && ok; i++) {
        const SweepRun *run = &c->sweep->runs[i];
        RunRecord record;
        if (!run->asked) continue;
        sweep_folder(c->sweep, i, folder);
        (void)rundir_status(folder, &record, scratch);
        if (run->twin < 0) {
            t->n_runs++;
            t->n_missing += record.status != RUN_DONE;
            t->n_failed += record.status == RUN_FAILED;
        }
        if (record.status == RUN_DONE) {
            record.version = record.version ? arena_string(c->arena, record.version) : NULL;
            record.host = record.host ? arena_string(c->arena, record.host) : NULL;
            learn(c, run, &record);
        }
        for (int k = 0; k < t->n && ok; k++) ok = observe(c, run, k, folder, &record, err);
        c->n++;
    }
    arena_free(scratch);
    return ok;
}

/* -- Names that nothing has */

static bool check_key(const Collector *c, const Yaml *where, const char *key, Error *err)
{
    int at = key_number(&c->keys, key);
    for (int i = 0; i < c->sweep->n_runs; i++)
        if (c->sweep->runs[i].asked && c->sweep->runs[i].wanted[at]) return true;
    const char *near = text_nearest(key, c->sweep->keys, c->sweep->n_keys);
    if (!near) near = experiment_nearest_key(key);
    return yaml_fail(where, err, "no run has a key '%.80s'%s%s%s", key,
                     near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

static bool check_keys(const Collector *c, Error *err)
{
    const Search *search = &c->set->search;
    bool ok = true;
    for (int i = 0; i < c->set->n; i++) {
        const TableSpec *s = &c->set->specs[i];
        for (int k = 0; k < s->n_row_keys; k++) ok &= check_key(c, s->rows_at, s->row_keys[k], err);
        if (s->column_key) ok &= check_key(c, s->columns_at, s->column_key, err);
        for (int k = 0; s->over_at && k < s->n_over; k++)
            ok &= check_key(c, s->over_at, s->over[k], err);
    }
    for (int k = 0; k < search->n_over; k++)
        ok &= check_key(c, yaml_get(search->where, "over"), search->over[k], err);
    return ok;
}

static bool no_metric(const Collector *c, const Yaml *where, const char *name, Error *err)
{
    const char *near = text_nearest(name, c->names, c->n_names);
    return yaml_fail(where, err, "no finished run has a metric '%.60s'%s%s%s", name,
                     near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

static bool check_metrics(const Collector *c, Error *err)
{
    const Search *search = &c->set->search;
    bool ok = true;
    for (int i = 0; i < c->set->n && c->n_done > 0; i++)
        for (int m = 0; m < c->set->specs[i].n_metrics; m++) {
            const TableMetric *metric = &c->set->specs[i].metrics[m];
            const char *name = metric->at == AT_REACH ? metric->by : metric->name;
            if (!(c->found[i] >> m & 1) && strncmp(metric->name, "run.", 4) != 0)
                ok = no_metric(c, metric->where, name, err);
        }
    if (search->by && c->n_done > 0 && c->set->n > 0 && !c->found_by)
        ok = no_metric(c, yaml_get(search->where, "by"), search->by, err);
    return ok;
}

/* -- The footer */

const char *tables_command(Arena *a, const char *path, const char *const words[], int n_words,
                           const char *results)
{
    Text text = {0};
    text_add(&text, "seqlab sweep ");
    text_add_shell(&text, path);
    for (int i = 0; i < n_words; i++) {
        text_add(&text, " ");
        text_add_shell(&text, words[i]);
    }
    if (strcmp(results, "results") != 0) {
        text_add(&text, " --results ");
        text_add_shell(&text, results);
    }
    const char *copy = arena_string(a, text.data);
    text_free(&text);
    return copy;
}

static const char *source_text(const Collector *c)
{
    Text text = {0};
    if (c->n_done == 0) return "";
    for (int kind = 0; kind < 2; kind++)
        for (int i = 0; i < c->n_facts[kind]; i++)
            text_addf(&text, "%s%s%s", text.n ? ", " : "", kind == 0 ? "seqlab " : "",
                      c->fact[kind][i]);
    int n = c->n_facts[2];
    if (n > 0) text_addf(&text, ", %d%s host%s", n, n == FACTS ? "+" : "", n > 1 ? "s" : "");
    const char *out = arena_string(c->arena, text.data ? text.data : "");
    text_free(&text);
    return out;
}

/* -- All of it */

/* Reads the runs and builds the tables. */
static bool collect(Collector *c, Error *err)
{
    TableSet *t = c->set;
    Arena *a = c->arena;
    bool ok = true;
    t->n_runs = t->n_missing = t->n_failed = 0;
    c->at = arena_new_array(a, Observation *, t->n);
    c->found = arena_new_array(a, uint32_t, t->n);
    for (int i = 0; i < t->n; i++) c->at[i] = arena_new_array(a, Observation, c->sweep->n_runs);
    TRY(check_keys(c, err) && read_runs(c, err));
    for (int i = 0; i < t->n; i++)
        ok &= table_build(&t->tables[i], a, &t->specs[i], &t->search, c->at[i], c->n, err);
    return ok;
}

/* What is to be reached where it is a row's last value: the built table has that in its place. */
static bool find_targets(TableSet *t, bool *any, Error *err)
{
    for (int i = 0; i < t->n; i++)
        for (int m = 0; m < t->specs[i].n_metrics; m++) {
            TableMetric *metric = &t->specs[i].metrics[m];
            if (!metric->target_row) continue;
            const int row = table_find_row(&t->tables[i], &metric->target_row, 1);
            if (row < 0)
                return yaml_fail(metric->where, err, "row: no row is called '%.60s'",
                                 metric->target_row);
            metric->target = table_cell(&t->tables[i], row, m)->mean / metric->scale;
            metric->target_row = NULL;
            *any = true;
        }
    return true;
}

bool tables_collect(TableSet *t, Arena *a, const Sweep *sweep, Error *err)
{
    const Collector start = {.set = t, .arena = a, .sweep = sweep, .keys = wanted_keys(t, a)};
    Collector c = start;
    bool ok = true, again = false;
    t->path = sweep->path;
    t->tables = arena_new_array(a, Table, t->n);
    TRY(collect(&c, err) && check_metrics(&c, err) && find_targets(t, &again, err));
    if (again) {
        c = start;
        TRY(collect(&c, err));
    }
    for (int i = 0; i < t->n_claims && ok; i++)
        if (!claim_evaluate(&t->claims[i], &t->tables[t->claims[i].of], a, err)) ok = false;
    t->source = source_text(&c);
    return ok;
}

bool tables_open(TableSet *t, Arena *a, const char *path, const char *const words[], int n_words,
                 const char *results, Error *err)
{
    SweepOptions o = {.results = results, .data_may_be_absent = true};
    Yaml *file;
    Sweep sweep;
    bool ok = true;
    TRY(yaml_load_experiment(a, path, &file, err));
    for (int i = 0; i < n_words; i++) ok &= yaml_override(a, file, words[i], err);
    if (!ok || !tables_read(t, a, file, err)) return false;
    o.wanted = tables_wanted(t, a, &o.n_wanted);
    TRY(sweep_open(&sweep, a, path, words, n_words, &o, err));
    ok = tables_collect(t, a, &sweep, err);
    t->command = tables_command(a, path, words, n_words, results);
    sweep_close(&sweep);
    return ok;
}

int tables_count(const TableSet *t, Verdict verdict)
{
    int n = 0;
    for (int i = 0; i < t->n_claims; i++) n += t->claims[i].verdict == verdict;
    return n;
}
