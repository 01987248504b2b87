/* runs -- `seqlab runs`: the runs that there are: listed, chosen, compared, exported, removed. */
#include "cmd/command.h"

#include "base/text.h"
#include "cmd/json_write.h"
#include "run/catalog.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

static const Place place = {.file = "command line"};

/* The runs that the command line's conditions leave. */
typedef struct Chosen {
    Catalog catalog;
    int *at;
    const char **orphan; /* why, one a chosen run; NULL: it is none */
    int n;
} Chosen;

static bool choose(Chosen *c, const Invocation *in, Error *err)
{
    Arena *a = in->arena;
    CatalogFilter *filters = arena_new_array(a, CatalogFilter, in->n_words + 1);
    for (int k = 0; k < in->n_words; k++)
        TRY(catalog_filter_read(&filters[k], a, in->words[k], err));
    TRY(catalog_read(&c->catalog, a, in->flags.results, err));
    c->at = arena_new_array(a, int, c->catalog.n + 1);
    c->orphan = arena_new_array(a, const char *, c->catalog.n + 1);
    for (int i = 0; i < c->catalog.n; i++) {
        bool match = true;
        for (int k = 0; match && k < in->n_words; k++)
            match = catalog_matches(&c->catalog, i, &filters[k]);
        if (!match) continue;
        const char *why = in->flags.orphans ? catalog_orphan(&c->catalog, i) : NULL;
        if (in->flags.orphans && !why) continue;
        c->orphan[c->n] = why;
        c->at[c->n++] = i;
    }
    return true;
}

/* -- Listing */

/* The first that the last evaluation has. */
static const char *main_metric(Catalog *c, int i, char out[64])
{
    static const char *const names[] = {"test.top1", "valid.top1", "test.loss", "valid.loss",
                                        "train.loss"};
    for (size_t k = 0; k < sizeof names / sizeof names[0]; k++) {
        const char *value = catalog_value(c, i, names[k]);
        if (!value) continue;
        (void)snprintf(out, 64, "%s %.6s", names[k], value);
        return out;
    }
    return "";
}

static void print_list(Chosen *c)
{
    int n[N_RUN_STATUSES] = {0};
    for (int k = 0; k < c->n; k++) {
        const CatalogRun *run = &c->catalog.runs[c->at[k]];
        char steps[48] = "", took[24] = "", metric[64];
        n[run->status]++;
        if (run->record.step >= 0)
            (void)snprintf(steps, sizeof steps, "%" PRId64 "/%" PRId64, run->record.step,
                           run->record.total_steps);
        if (isfinite(run->record.wall_s) && run->record.wall_s >= 0)
            text_duration(took, run->record.wall_s);
        (void)printf("%s  %-8s %13s  %12s  %-18s %s%s%s\n", run->id,
                     run->status == RUN_ABSENT ? "-" : run_status_name[run->status], steps, took,
                     main_metric(&c->catalog, c->at[k], metric), run->name,
                     c->orphan[k] ? ": " : "", c->orphan[k] ? c->orphan[k] : "");
    }
    (void)printf("%d run%s", c->n, c->n == 1 ? "" : "s");
    for (int s = RUN_QUEUED; s < N_RUN_STATUSES; s++)
        if (n[s]) (void)printf(", %d %s", n[s], run_status_name[s]);
    (void)putchar('\n');
}

static void json_run(Json *j, Chosen *c, int k)
{
    const int i = c->at[k];
    const CatalogRun *run = &c->catalog.runs[i];
    const Yaml *config = catalog_config(&c->catalog, i);
    json_begin(j, NULL, '{');
    json_add_text(j, "id", run->id);
    json_add_text(j, "name", run->name);
    json_add_text(j, "folder", run->folder);
    json_add_text(j, "status", run_status_name[run->status]);
    if (c->orphan[k]) json_add_text(j, "orphan", c->orphan[k]);
    json_add_int(j, "step", run->record.step);
    json_add_int(j, "total_steps", run->record.total_steps);
    json_add_int(j, "parameters", run->record.n_parameters);
    json_add_real(j, "wall_s", run->record.wall_s);
    json_add_real(j, "cpu_s", run->record.cpu_s);
    json_add_text(j, "error", run->record.error);
    json_add_raw(j, "metrics", run->record.final_metrics);
    if (config) json_add_yaml(j, "config", config);
    json_end(j, '}');
}

/* One array, or (--export) an object a line. */
static void print_json(Chosen *c, bool lines)
{
    Json j = {0};
    if (!lines) json_begin(&j, NULL, '[');
    for (int k = 0; k < c->n; k++) {
        json_run(&j, c, k);
        if (!lines) continue;
        json_print(&j);
        j = (Json){0};
    }
    if (lines) return;
    json_end(&j, ']');
    json_print(&j);
}

/* -- Comparing */

/* Every key of the two trees whose values differ, and where one lacks it. */
static void diff_trees(const Yaml *x, const Yaml *y, const char *prefix, Arena *a)
{
    if (x && y && x->kind == YAML_MAP && y->kind == YAML_MAP) {
        for (const Yaml *c = x->first; c; c = c->next)
            diff_trees(c, yaml_get(y, c->key),
                       *prefix ? arena_printf(a, "%s.%s", prefix, c->key) : c->key, a);
        for (const Yaml *c = y->first; c; c = c->next)
            if (!yaml_get(x, c->key))
                diff_trees(NULL, c, *prefix ? arena_printf(a, "%s.%s", prefix, c->key) : c->key, a);
        return;
    }
    const char *left = x ? yaml_flow(a, x) : "-", *right = y ? yaml_flow(a, y) : "-";
    if (strcmp(left, right) != 0) (void)printf("%-32s %-24s %s\n", prefix, left, right);
}

static bool diff(const Invocation *in, Error *err)
{
    static const char *const metrics[] = {"train.loss", "train.top1", "valid.loss", "valid.top1",
                                          "test.loss",  "test.top1",  "run.wall_s", "run.step_ms"};
    Catalog c = {.arena = in->arena, .n = 2};
    TRY(command_word_count(in, 2, 2, err));
    c.runs = arena_new_array(in->arena, CatalogRun, 2);
    for (int k = 0; k < 2; k++) {
        char folder[4096];
        TRY(rundir_resolve(in->flags.results, in->words[k], folder, err));
        CatalogRun *run = &c.runs[k];
        run->folder = arena_string(in->arena, folder);
        run->status = rundir_status(folder, &run->record, in->arena);
        run->id = strrchr(run->folder, '/') ? strrchr(run->folder, '/') + 1 : run->folder;
        run->name = "";
        if (!catalog_config(&c, k))
            return fail(err, FAIL_CONFIG, NULL, "%s/config.yaml: cannot be read", folder);
    }
    (void)printf("%-32s %-24s %s\n", "", c.runs[0].id, c.runs[1].id);
    diff_trees(c.runs[0].config, c.runs[1].config, "", in->arena);
    (void)printf("%-32s %-24s %s\n", "status", run_status_name[c.runs[0].status],
                 run_status_name[c.runs[1].status]);
    for (size_t k = 0; k < sizeof metrics / sizeof metrics[0]; k++) {
        const char *x = catalog_value(&c, 0, metrics[k]), *y = catalog_value(&c, 1, metrics[k]);
        if (x || y) (void)printf("%-32s %-24s %s\n", metrics[k], x ? x : "-", y ? y : "-");
    }
    return true;
}

/* -- Removing */

static bool remove_chosen(const Chosen *c, const Flags *flags, Error *err)
{
    bool ok = true;
    if (!flags->yes) {
        (void)fprintf(stderr, "nothing was removed: --remove --yes removes these %d runs\n", c->n);
        return true;
    }
    int n = 0;
    for (int k = 0; k < c->n; k++) {
        if (catalog_remove(&c->catalog.runs[c->at[k]], err))
            n++;
        else
            ok = false;
    }
    if (!flags->quiet) (void)fprintf(stderr, "%d runs removed\n", n);
    return ok;
}

static bool runs(const Invocation *in, Error *err)
{
    const Flags *f = &in->flags;
    Chosen chosen = {0};
    if (f->diff) return diff(in, err);
    if (f->yes && !f->remove) return fail(err, FAIL_USAGE, &place, "--yes goes with --remove");
    if (f->remove && in->n_words == 0 && !f->orphans)
        return fail(err, FAIL_USAGE, &place,
                    "--remove wants conditions, such as status=failed, or --orphans");
    TRY(choose(&chosen, in, err));
    if (f->json || f->export)
        print_json(&chosen, f->export);
    else
        print_list(&chosen);
    return !f->remove || remove_chosen(&chosen, f, err);
}

const Command command_runs = {
    .name = "runs",
    .summary = "List, choose, compare, export and remove the runs that there are",
    .usage = "[KEY=VALUE ...] | --diff RUN RUN",
    .flags = "diff export orphans remove yes results json",
    .help =
        "Conditions choose runs: status=done, name=quickstart/*, model.d_model=128,\n"
        "optimizer.lr<0.01, test.top1>=0.9, run.wall_s>60; all must hold. --diff shows where two\n"
        "runs' configurations and results differ. --export prints a JSON object a line, with the\n"
        "whole configuration. --orphans chooses runs to which no experiment leads any more: their\n"
        "configuration is damaged or has another id with this version. --remove says what it\n"
        "would remove, and with --yes does it; a run that a live process owns is never removed.\n",
    .run = runs,
};
