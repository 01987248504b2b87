/* plot_build -- from runs and a PlotSpec to a Chart: between the files of this room. */
#ifndef SEQLAB_REPORT_PLOT_BUILD_H
#define SEQLAB_REPORT_PLOT_BUILD_H

#include "report/plot_runs.h"

/* All memory is the runs' arena's. Each fails with FAIL_DATA (or at the spec's place) where there
 * is nothing to draw. plot_curves.c, plot_pareto.c, plot_pictures.c, plot_density.c. */
bool plot_curve(Chart *c, const PlotRuns *r, const PlotSpec *spec, Error *err) MUST_CHECK;
bool plot_sweep(Chart *c, const PlotRuns *r, const PlotSpec *spec, Error *err) MUST_CHECK;
bool plot_pareto(Chart *c, const PlotRuns *r, const PlotSpec *spec, Error *err) MUST_CHECK;
bool plot_histogram(Chart *c, const PlotRuns *r, const PlotSpec *spec, Error *err) MUST_CHECK;
bool plot_images(Chart *c, const PlotRuns *r, const PlotSpec *spec, Error *err) MUST_CHECK;
bool plot_confusion(Chart *c, const PlotRuns *r, const PlotSpec *spec, Error *err) MUST_CHECK;
bool plot_density(Chart *c, const PlotRuns *r, const PlotSpec *spec, Error *err) MUST_CHECK;
/* The run's value of the metric at the evaluation that the spec asks for. */
double plot_value(const PlotRuns *r, const PlotRun *run, const PlotSpec *spec, const char *metric);

/* Values that belong to one x, and what is drawn of them. */
typedef struct PlotPair {
    double x, y;
} PlotPair;
typedef struct PlotPoints {
    double *x, *y, *low, *high;
    int n;
    bool has_band;
} PlotPoints;
/* Sorts the pairs; those of equal x give one point. */
PlotPoints plot_points(Arena *a, PlotPair *pairs, int n, PlotBand band);

/* Grows; starts with an arena, the rest zero. What is not finite is passed over. */
typedef struct PlotPairs {
    PlotPair *at;
    int n, capacity;
    Arena *arena;
} PlotPairs;
void plot_pair_add(PlotPairs *p, double x, double y);

/* "train.loss (nats)"; top1 without a unit is written as a percentage. */
ChartAxis plot_metric_axis(Arena *a, const PlotSpec *spec, const char *metric);
/* Whether an axis of these values is logarithmic: asked for, or they span a factor of `span`. */
bool plot_is_log(int scale, const double *values, int n, double span);
/* The same for a metric's axis and all series drawn on it; accuracies are not by themselves. */
bool plot_metric_is_log(const PlotSpec *spec, const Chart *c);
enum { PLOT_X_SPAN = 30, PLOT_Y_SPAN = 50 };
/* The spec's, else the first that the runs have: test before valid, accuracy before loss. */
const char *plot_default_metric(const PlotRuns *r, const PlotSpec *spec);
void plot_references(Chart *c, const PlotSpec *spec);
const char *plot_last_part(const char *name); /* "listops" of "longconv/listops" */
/* Fails because no run has the metric or, where it must be, is done. */
bool plot_no_values(const PlotRuns *r, const PlotSpec *spec, const char *metric, bool done,
                    Error *err);
/* Fails at the spec's place, or without one. */
bool plot_fail(const PlotSpec *spec, Error *err, const char *text);

#endif
