/* plots -- see plots.h. */
#include "report/plots.h"

#include "plot/plot_svg.h"
#include "report/plot_build.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULTS_MAX = 12, SWEEPS_MAX = 4 };

/* -- Which plots, when nobody says */

typedef struct SpecList {
    PlotSpec at[DEFAULTS_MAX];
    int n;
} SpecList;

static PlotSpec *add_spec(SpecList *list, PlotKind kind)
{
    PlotSpec *spec = &list->at[list->n++];
    *spec = plot_spec_default(kind);
    return spec;
}

/* Whether the runs' values of a swept key are numbers, two at least. */
static bool is_swept_number(const PlotRuns *r, const char *key)
{
    const char *first = NULL;
    bool differ = false;
    for (int i = 0; i < r->n; i++) {
        const char *text = plot_run_value(r, &r->at[i], key);
        char *end;
        if (!text) continue;
        (void)strtod(text, &end);
        if (end == text || *end) return false;
        if (first && strcmp(first, text) != 0) differ = true;
        if (!first) first = text;
    }
    return differ;
}

static bool sizes_differ(const PlotRuns *r)
{
    double first = (double)NAN;
    for (int i = 0; i < r->n; i++) {
        double v = plot_run_number(&r->at[i], "run.parameters");
        if (r->at[i].status != RUN_DONE || isnan(v)) continue;
        if (!isnan(first) && v != first) return true;
        first = v;
    }
    return false;
}

static void choose(SpecList *list, const PlotRuns *r)
{
    static const char *const curves[] = {"valid.loss", "test.loss", "valid.top1", "test.top1"};
    add_spec(list, PLOT_CURVE)->metric = "train.loss";
    for (int i = 0; i < 4; i += 2) {
        const char *metric = plot_runs_have(r, curves[i]) ? curves[i] : curves[i + 1];
        if (plot_runs_have(r, metric)) add_spec(list, PLOT_CURVE)->metric = metric;
    }
    if (r->n_done == 0) return;
    for (int i = 0, n = 0; i < r->n_swept && n < SWEEPS_MAX; i++) {
        if (strcmp(r->swept[i], "train.seed") == 0 || !is_swept_number(r, r->swept[i])) continue;
        add_spec(list, PLOT_SWEEP)->x = r->swept[i];
        n++;
    }
    if (sizes_differ(r)) add_spec(list, PLOT_PARETO);
}

/* -- Drawing them */

static bool build(Chart *c, const PlotRuns *r, const PlotSpec *spec, Error *err)
{
    static bool (*const builders[])(Chart *, const PlotRuns *, const PlotSpec *, Error *) = {
        [PLOT_CURVE] = plot_curve,     [PLOT_SWEEP] = plot_sweep,
        [PLOT_PARETO] = plot_pareto,   [PLOT_HISTOGRAM] = plot_histogram,
        [PLOT_IMAGES] = plot_images,   [PLOT_CONFUSION] = plot_confusion,
        [PLOT_DENSITY] = plot_density,
    };
    return builders[spec->kind](c, r, spec, err);
}

/* "sweep-lr-test.top1"; a number behind where another one has that name. */
static const char *stem_of(const Plots *p, const PlotRuns *r, const PlotSpec *spec)
{
    static const char *const kinds[] = {"curve",  "sweep",     "pareto", "histogram",
                                        "images", "confusion", "density"};
    Arena *a = r->arena;
    const char *what = spec->kind == PLOT_HISTOGRAM ? spec->tensor : spec->metric;
    const char *x = spec->kind == PLOT_SWEEP ? plot_short_key(spec->x, a) : NULL;
    char *stem = arena_printf(a, "%s%s%s%s%s", kinds[spec->kind], x ? "-" : "", x ? x : "",
                              what ? "-" : "", what ? what : "");
    for (char *at = stem; *at; at++) {
        bool plain = (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') ||
                     (*at >= '0' && *at <= '9') || *at == '.' || *at == '-' || *at == '_';
        if (!plain) *at = '_';
    }
    const char *own = stem;
    for (int i = 0, number = 2; i < p->n; i++) {
        if (strcmp(p->at[i].stem, own) != 0) continue;
        own = arena_printf(a, "%s-%d", stem, number++);
        i = -1; /* that one may be taken too */
    }
    return own;
}

static bool build_all(Plots *p, const PlotRuns *r, const PlotSpec *specs, int n, bool asked,
                      Error *err)
{
    p->at = arena_new_array(r->arena, Plot, n);
    p->name = r->name;
    p->n_runs = r->n;
    p->n_done = r->n_done;
    p->skipped = "";
    for (int i = 0; i < n; i++) {
        Error own = {0};
        Plot *plot = &p->at[p->n];
        bool ok = build(&plot->chart, r, &specs[i], asked ? err : &own);
        if (!ok && asked) return false;
        if (!ok) {
            p->skipped = arena_string(r->arena, own.items[0].text);
            continue;
        }
        plot->stem = stem_of(p, r, &specs[i]);
        p->n++;
    }
    if (p->n > 0) return true;
    return fail(err, FAIL_DATA, NULL, "%s", *p->skipped ? p->skipped : "there is nothing to plot");
}

static bool build_from(Plots *p, const PlotRuns *r, const PlotRequest *request,
                       const PlotSpec *specs, int n, Error *err)
{
    if (n > 0) return build_all(p, r, specs, n, true, err);
    if (request->only) return build_all(p, r, request->only, 1, true, err);
    SpecList list = {.n = 0};
    choose(&list, r);
    return build_all(p, r, list.at, list.n, false, err);
}

/* -- From the request */

static void want(const char **keys, int *n, const char *key)
{
    if (!key) return;
    for (int i = 0; i < *n; i++)
        if (strcmp(keys[i], key) == 0) return;
    keys[(*n)++] = key;
}

static const char *const *wanted_keys(Arena *a, const PlotSpec *specs, int n, int *n_keys)
{
    const char **keys = arena_new_array(a, const char *, 2 * n + 1);
    *n_keys = 0;
    for (int i = 0; i < n; i++) {
        want(keys, n_keys, specs[i].group);
        if (specs[i].kind == PLOT_SWEEP) want(keys, n_keys, specs[i].x);
    }
    return keys;
}

/* The block alone, so that its mistakes are told before the runs are expanded. */
static bool read_block(PlotSpec **specs, int *n, Arena *a, const PlotRequest *q, Error *err)
{
    Yaml *root;
    bool ok = true;
    *n = 0;
    if (q->only) return true;
    TRY(yaml_load_experiment(a, q->path, &root, err));
    for (int i = 0; i < q->n_words; i++) ok &= yaml_override(a, root, q->words[i], err);
    return ok && plot_specs_read(specs, n, a, yaml_get(root, "plots"), err);
}

static bool open_file(Plots *p, Arena *a, const PlotRequest *q, Error *err)
{
    PlotSpec *specs = NULL;
    PlotRuns runs;
    Sweep sweep;
    int n = 0, n_keys;
    TRY(read_block(&specs, &n, a, q, err));
    const char *const *keys = wanted_keys(a, q->only ? q->only : specs, q->only ? 1 : n, &n_keys);
    SweepOptions options = {
        .results = q->results, .wanted = keys, .n_wanted = n_keys, .data_may_be_absent = true};
    TRY(sweep_open(&sweep, a, q->path, q->words, q->n_words, &options, err));
    plot_runs_of_sweep(&runs, a, &sweep, keys, n_keys);
    bool ok = build_from(p, &runs, q, specs, n, err);
    sweep_close(&sweep);
    return ok;
}

/* Examples and confusions of a named run need its experiment. */
static bool needs_experiment(const PlotSpec *spec)
{
    return spec && (spec->kind == PLOT_IMAGES || spec->kind == PLOT_CONFUSION);
}

static bool open_folders(Plots *p, Arena *a, const PlotRequest *q, Error *err)
{
    PlotRuns runs;
    int n_keys;
    const char *const *keys = wanted_keys(a, q->only, q->only ? 1 : 0, &n_keys);
    TRY(plot_runs_of_folders(&runs, a, q->folders, q->n_folders, keys, n_keys, err));
    return build_from(p, &runs, q, NULL, 0, err);
}

/* <results> of <results>/<name>/<id>. */
static const char *results_of(Arena *a, const char *folder, const char *name, const char *otherwise)
{
    const char *id = strrchr(folder, '/');
    size_t n = id ? (size_t)(id - folder) : 0, m = strlen(name);
    if (n <= m + 1 || strncmp(folder + n - m, name, m) != 0) return otherwise;
    return arena_string_n(a, folder, n - m - 1);
}

bool plots_open(Plots *p, Arena *a, const PlotRequest *request, Error *err)
{
    *p = (Plots){0};
    if (request->path) return open_file(p, a, request, err);
    if (!needs_experiment(request->only)) return open_folders(p, a, request, err);
    PlotRequest by_config = *request;
    Yaml *config;
    by_config.path = arena_printf(a, "%s/config.yaml", request->folders[0]);
    TRY(yaml_load(a, by_config.path, &config, err));
    const Yaml *name = yaml_get(config, "name");
    if (name && name->text)
        by_config.results = results_of(a, request->folders[0], name->text, request->results);
    return open_file(p, a, &by_config, err);
}

bool plots_html(Arena *a, const char *path, const char *const words[], int n_words,
                const char *results, Text *out, Error *err)
{
    Plots p;
    PlotRequest request = {.path = path, .words = words, .n_words = n_words, .results = results};
    TRY(plots_open(&p, a, &request, err));
    for (int i = 0; i < p.n; i++) {
        Figure f = {.charts = &p.at[i].chart, .n_charts = 1};
        Drawing d;
        TRY(figure_draw(&d, a, &f, err));
        text_add(out, "<figure class=\"plot\">\n");
        TRY(plot_svg(&d, SVG_INLINE, out, err));
        text_add(out, "</figure>\n");
    }
    return true;
}
