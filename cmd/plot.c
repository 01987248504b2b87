/* plot -- `seqlab plot`: learning curves, sweeps, fronts, histograms and images of runs, as SVG or
 * PNG files or in the terminal. */
#include "cmd/command.h"

#include "base/progress.h"
#include "cmd/json_write.h"
#include "cmd/target.h"
#include "io/file.h"
#include "io/png_write.h"
#include "plot/plot_png.h"
#include "plot/plot_svg.h"
#include "plot/plot_terminal.h"
#include "report/plots.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { PNG_SCALE = 2 }; /* pixels a CSS pixel: sharp on screens of 200 dpi and in print */

static const Place place = {.file = "command line"};

/* -- What is asked for */

/* One FILE.yaml, or runs; then key=value words, which only a file takes. */
static bool read_words(PlotRequest *q, const Invocation *in, Error *err)
{
    const char **folders = arena_new_array(in->arena, const char *, in->n_words);
    const char **words = arena_new_array(in->arena, const char *, in->n_words);
    for (int i = 0; i < in->n_words; i++) {
        const char *word = in->words[i];
        if (target_is_file(word, in->arena)) {
            if (q->path)
                return fail(err, FAIL_USAGE, &place, "'%.60s' is a second experiment file", word);
            q->path = word;
        } else if (strchr(word, '=')) {
            words[q->n_words++] = word;
        } else {
            char *folder = arena_alloc(in->arena, 4096);
            TRY(rundir_resolve(in->flags.results, word, folder, err));
            folders[q->n_folders++] = folder;
        }
    }
    q->words = words;
    q->folders = folders;
    if (!q->path && q->n_folders == 0)
        return fail(err, FAIL_USAGE, &place, "FILE.yaml or RUN is missing");
    if (q->path && q->n_folders > 0)
        return fail(err, FAIL_USAGE, &place, "a file and runs cannot be plotted together");
    if (!q->path && q->n_words > 0)
        return fail(err, FAIL_USAGE, &place, "'%.60s': a run has its values already", q->words[0]);
    return true;
}

/* What --x means, when --kind does not say. */
static PlotKind kind_of(const Flags *f)
{
    if (f->kind >= 0) return (PlotKind)f->kind;
    if (f->tensor) return PLOT_HISTOGRAM;
    if (!f->x || strcmp(f->x, "step") == 0 || strcmp(f->x, "epoch") == 0) return PLOT_CURVE;
    return strncmp(f->x, "run.", 4) == 0 ? PLOT_PARETO : PLOT_SWEEP;
}

/* A plot that flags describe takes the place of the file's; NULL: none do. */
static bool read_flags(const PlotSpec **only, const Invocation *in, Error *err)
{
    const Flags *f = &in->flags;
    *only = NULL;
    if (f->kind < 0 && !f->metric && !f->x && !f->group && !f->tensor && !f->log_x && !f->log_y)
        return true;
    PlotSpec *spec = arena_new_array(in->arena, PlotSpec, 1);
    *spec = plot_spec_default(kind_of(f));
    spec->metric = f->metric;
    spec->x = f->x;
    spec->group = f->group;
    spec->tensor = f->tensor;
    spec->split = f->split;
    if (f->log_x) spec->x_scale = PLOT_LOG;
    if (f->log_y) spec->y_scale = PLOT_LOG;
    *only = spec;
    if (spec->kind == PLOT_SWEEP && !spec->x)
        return fail(err, FAIL_USAGE, &place, "--kind=sweep needs --x=KEY: a swept key");
    return true;
}

/* -- In the terminal */

static bool locale_is_utf8(void)
{
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    for (int i = 0; i < 3; i++) {
        const char *value = getenv(names[i]);
        if (!value || !*value) continue;
        return strcasestr(value, "utf-8") || strcasestr(value, "utf8");
    }
    return false;
}

static int terminal_width(void)
{
    struct winsize size = {0};
    const char *columns = getenv("COLUMNS");
    if (columns && atoi(columns) > 0) return atoi(columns);
    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

static void show(const Figure *f, const Invocation *in)
{
    TerminalStyle style = {.width = terminal_width(),
                           .utf8 = locale_is_utf8(),
                           .color = color_wanted((ColorMode)in->flags.color, stdout)};
    Text out = {0};
    plot_terminal(f, &style, in->arena, &out);
    if (out.data) (void)fputs(out.data, stdout);
    text_free(&out);
}

/* -- Into files */

static bool ends_with(const char *path, const char *end)
{
    size_t n = strlen(path), m = strlen(end);
    return n > m && strcmp(path + n - m, end) == 0;
}

static bool write_png(const Drawing *d, const char *path, bool dark, Error *err)
{
    Pixels p;
    TRY(plot_pixels(d, dark ? SCHEME_DARK : SCHEME_LIGHT, PNG_SCALE, &p, err));
    bool ok = png_write_rgb(path, p.rgb, p.width, p.height, err);
    free(p.rgb);
    return ok;
}

static bool write_figure(const Figure *f, const char *path, const Invocation *in, Error *err)
{
    Drawing d;
    Text svg = {0};
    TRY(figure_draw(&d, in->arena, f, err));
    if (ends_with(path, ".png")) return write_png(&d, path, in->flags.dark, err);
    bool ok = plot_svg(&d, SVG_FILE, &svg, err);
    if (ok && strcmp(path, "-") == 0)
        (void)fputs(svg.data, stdout);
    else
        ok = ok && file_replace(path, svg.data, svg.n, err);
    text_free(&svg);
    return ok;
}

/* A file a plot, below the experiment's or the run's folder. */
static bool write_files(const Plots *p, const PlotRequest *q, const Invocation *in, Error *err)
{
    const char *folder = q->n_folders > 0
                             ? arena_printf(in->arena, "%s/plots", q->folders[0])
                             : arena_printf(in->arena, "%s/%s/plots", in->flags.results, p->name);
    Json j = {0};
    TRY(folder_make(folder, err));
    if (in->flags.json) json_begin(&j, NULL, '[');
    for (int i = 0; i < p->n; i++) {
        const char *end = in->flags.png ? "png" : "svg";
        const char *path = arena_printf(in->arena, "%s/%s.%s", folder, p->at[i].stem, end);
        TRY(write_figure(&(Figure){.charts = &p->at[i].chart, .n_charts = 1}, path, in, err));
        if (in->flags.json)
            json_add_text(&j, NULL, path);
        else
            (void)puts(path);
    }
    if (!in->flags.json) return true;
    json_end(&j, ']');
    json_print(&j);
    return true;
}

/* All plots as panels. */
static Figure figure_of(const Plots *p, Arena *a)
{
    Chart *charts = arena_new_array(a, Chart, p->n);
    for (int i = 0; i < p->n; i++) charts[i] = p->at[i].chart;
    return (Figure){.title = p->name, .charts = charts, .n_charts = p->n};
}

static void say_missing(const Plots *p, const PlotRequest *q, const Invocation *in)
{
    if (in->flags.quiet || p->n_done == p->n_runs) return;
    (void)fprintf(stderr, "%d of %d runs are not done", p->n_runs - p->n_done, p->n_runs);
    if (q->path) (void)fprintf(stderr, ": seqlab sweep %s", q->path);
    (void)fputc('\n', stderr);
}

static bool plot(const Invocation *in, Error *err)
{
    const Flags *f = &in->flags;
    PlotRequest q = {.results = f->results};
    Plots plots;
    if (f->output && strcmp(f->output, "-") != 0 && !ends_with(f->output, ".svg") &&
        !ends_with(f->output, ".png"))
        return fail(err, FAIL_USAGE, &place, "--output=%.60s: expected X.svg or X.png", f->output);
    TRY(read_flags(&q.only, in, err));
    TRY(read_words(&q, in, err));
    TRY(plots_open(&plots, in->arena, &q, err));
    Figure all = figure_of(&plots, in->arena);
    bool is_shown = f->show || (!f->output && !f->png && !f->json && isatty(STDOUT_FILENO));
    if (is_shown) show(&all, in);
    if (f->output)
        TRY(write_figure(&all, f->output, in, err));
    else if (!is_shown)
        TRY(write_files(&plots, &q, in, err));
    if (plots.n > 0 && !(q.only && q.only->kind == PLOT_IMAGES)) say_missing(&plots, &q, in);
    return true;
}

const Command command_plot = {
    .name = "plot",
    .summary = "Draw learning curves, sweeps and other plots of runs: SVG, PNG or in the terminal",
    .usage = "FILE.yaml|RUN... [key=value ...]",
    .flags =
        "kind metric x group tensor log-x log-y split show output png dark results threads json",
    .help =
        "Draws what the file's `plots:` block lists; without one, learning curves, a metric\n"
        "against each swept number, and accuracy against size. Flags such as --kind describe one\n"
        "plot in place of these. On a terminal the plots are shown there; otherwise a file each\n"
        "is written to <results>/<name>/plots/ and its name printed. -o puts all into one file;\n"
        "-o - writes SVG to stdout.\n",
    .computes = true,
    .run = plot,
};
