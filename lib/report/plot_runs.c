/* plot_runs -- see plot_runs.h. */
#include "report/plot_runs.h"

#include "base/text.h"
#include "run/metric_lines.h"
#include "run/run_record.h"

#include <math.h>
#include <string.h>

void plot_runs_of_sweep(PlotRuns *r, Arena *a, const Sweep *s, const char *const keys[], int n_keys)
{
    *r = (PlotRuns){.arena = a,
                    .at = arena_new_array(a, PlotRun, s->n_runs),
                    .name = s->n_runs > 0 ? s->runs[s->n_runs - 1].name : "",
                    .keys = keys,
                    .n_keys = n_keys,
                    .swept = s->keys,
                    .n_swept = s->n_keys,
                    .sweep = s};
    for (int i = 0; i < s->n_runs; i++) {
        const SweepRun *run = &s->runs[i];
        char folder[4096];
        if (!run->asked || run->twin >= 0) continue;
        sweep_folder(s, i, folder);
        PlotRun *p = &r->at[r->n++];
        *p = (PlotRun){.folder = arena_string(a, folder),
                       .label = run->label,
                       .values = run->values,
                       .n_values = run->n_values,
                       .wanted = run->wanted};
        p->status = rundir_status(folder, &p->record, a);
        r->n_done += p->status == RUN_DONE;
        r->name = run->name;
    }
}

bool plot_runs_of_folders(PlotRuns *r, Arena *a, const char *const folders[], int n,
                          const char *const keys[], int n_keys, Error *err)
{
    *r = (PlotRuns){.arena = a,
                    .at = arena_new_array(a, PlotRun, n),
                    .name = "",
                    .keys = keys,
                    .n_keys = n_keys};
    for (int i = 0; i < n; i++) {
        PlotRun *p = &r->at[r->n++];
        Yaml *config;
        TRY(yaml_load(a, arena_printf(a, "%s/config.yaml", folders[i]), &config, err));
        const Yaml *name = yaml_get(config, "name");
        const char *slash = strrchr(folders[i], '/'), *id = slash ? slash + 1 : folders[i];
        if (name && name->text) r->name = name->text;
        const char *last = strrchr(r->name, '/');
        *p = (PlotRun){.folder = folders[i],
                       .label = arena_printf(a, "%s %.8s", last ? last + 1 : r->name, id),
                       .config = config};
        p->status = rundir_status(folders[i], &p->record, a);
        r->n_done += p->status == RUN_DONE;
    }
    return true;
}

const char *plot_run_value(const PlotRuns *r, const PlotRun *run, const char *key)
{
    if (run->config) {
        const Yaml *y = yaml_path(run->config, key);
        return y && y->kind == YAML_SCALAR ? y->text : NULL;
    }
    for (int i = 0; i < run->n_values; i++)
        if (strcmp(run->values[i].key, key) == 0) return run->values[i].text;
    for (int i = 0; i < r->n_keys && run->wanted; i++)
        if (strcmp(r->keys[i], key) == 0) return run->wanted[i];
    return NULL;
}

/* "lr" of optimizer.lr, "schedule" of schedule.name: what a person would say. */
const char *plot_short_key(const char *key, Arena *a)
{
    const char *dot = strrchr(key, '.');
    if (!dot) return key;
    if (strcmp(dot, ".name") != 0) return dot + 1;
    return plot_short_key(arena_string_n(a, key, (size_t)(dot - key)), a);
}

static bool is_averaged(const PlotSpec *spec, const char *key)
{
    for (int i = 0; i < spec->n_over; i++)
        if (strcmp(spec->over[i], key) == 0) return true;
    return spec->kind == PLOT_SWEEP && spec->x && strcmp(spec->x, key) == 0;
}

const char *plot_run_setting(const PlotRuns *r, const PlotRun *run, const PlotSpec *spec)
{
    if (spec->group) {
        const char *value = plot_run_value(r, run, spec->group);
        return arena_printf(r->arena, "%s=%s", plot_short_key(spec->group, r->arena),
                            value ? value : "none");
    }
    if (run->config) return run->label;
    Text text = {0};
    for (int i = 0; i < run->n_values; i++) {
        const SweepValue *v = &run->values[i];
        if (is_averaged(spec, v->key)) continue;
        text_addf(&text, "%s%s=%s", text.n ? " " : "", plot_short_key(v->key, r->arena), v->text);
    }
    const char *copy = arena_string(r->arena, text.data ? text.data : "");
    text_free(&text);
    return copy;
}

PlotSettings plot_settings(const PlotRuns *r, const PlotSpec *spec, bool done_only)
{
    PlotSettings s = {.names = arena_new_array(r->arena, const char *, r->n),
                      .of_run = arena_new_array(r->arena, int, r->n)};
    for (int i = 0; i < r->n; i++) {
        s.of_run[i] = -1;
        if (r->at[i].status == RUN_ABSENT || (done_only && r->at[i].status != RUN_DONE)) continue;
        const char *name = plot_run_setting(r, &r->at[i], spec);
        int k = 0;
        while (k < s.n && strcmp(s.names[k], name) != 0) k++;
        if (k == s.n) s.names[s.n++] = name;
        s.of_run[i] = k;
    }
    return s;
}

double plot_run_number(const PlotRun *run, const char *metric)
{
    double value;
    if (strncmp(metric, "run.", 4) == 0)
        return run_record_number(&run->record, metric + 4, &value) ? value : (double)NAN;
    const char *text = run->record.final_metrics;
    return metric_line_number(text, strlen(text), metric, &value) ? value : (double)NAN;
}

bool plot_runs_have(const PlotRuns *r, const char *metric)
{
    for (int i = 0; i < r->n; i++)
        if (r->at[i].status != RUN_ABSENT && !isnan(plot_run_number(&r->at[i], metric)))
            return true;
    return false;
}
