/* plots -- the plots of an experiment file, or of named runs, as charts and as SVG for a page.
 *
 * Which ones: the file's `plots:` block; without one, learning curves and, where the file has a
 * sweep, a metric against each swept number and against the number of parameters. Runs that are not
 * there are left out and counted. */
#ifndef SEQLAB_REPORT_PLOTS_H
#define SEQLAB_REPORT_PLOTS_H

#include "base/text.h"
#include "plot/chart.h"
#include "report/plot_spec.h"

typedef struct PlotRequest {
    const char *path; /* experiment file, with the command line's words; or NULL and */
    const char *const *words;
    int n_words;
    const char *const *folders; /* of runs */
    int n_folders;
    const char *results;
    const PlotSpec *only; /* this one in place of the file's; or NULL */
} PlotRequest;

typedef struct Plot {
    const char *stem; /* "curve-train.loss": a file's name, different for each */
    Chart chart;
} Plot;

typedef struct Plots {
    Plot *at;
    int n;
    const char *name; /* of the experiment: "longconv/listops" */
    int n_runs, n_done;
    const char *skipped; /* why defaults were left out, "" */
} Plots;

/* All memory is the arena's. Fails where nothing is to be drawn, or the file's block is wrong. */
bool plots_open(Plots *p, Arena *a, const PlotRequest *request, Error *err) MUST_CHECK;

/* Appends one <figure class="plot"> with an inline <svg> for each plot of an experiment file, for
 * an HTML page (plot_svg.h says which colours it takes from the page). */
bool plots_html(Arena *a, const char *path, const char *const words[], int n_words,
                const char *results, Text *out, Error *err) MUST_CHECK;

#endif
