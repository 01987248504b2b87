/* plot_spec -- what a `plots:` block asks for.
 *
 *   plots:
 *     - {kind: curve, metric: valid.loss, smooth: 5}
 *     - {kind: sweep, x: optimizer.lr, metric: test.top1, group: optimizer.name}
 *     - {kind: pareto, x: run.parameters, metric: test.top1, paper: {ResNet-20: 0.9125}}
 *     - {kind: histogram, tensor: conv1.weight, y_scale: log}
 *     - {kind: images, n: 20}
 *     - {kind: confusion, split: test}
 *     - {kind: density, metric: channels} */
#ifndef SEQLAB_REPORT_PLOT_SPEC_H
#define SEQLAB_REPORT_PLOT_SPEC_H

#include "io/option.h"
#include "plot/chart.h"

typedef enum PlotKind {
    PLOT_CURVE,
    PLOT_SWEEP,
    PLOT_PARETO,
    PLOT_HISTOGRAM,
    PLOT_IMAGES,
    PLOT_CONFUSION,
    PLOT_DENSITY
} PlotKind;
extern const char plot_kinds[]; /* "curve|sweep|..." */

typedef enum PlotScale { PLOT_AUTO, PLOT_LINEAR, PLOT_LOG } PlotScale;
typedef enum PlotBand { PLOT_STD, PLOT_RANGE, PLOT_NO_BAND } PlotBand;

enum { PLOT_OVER = 16 };

typedef struct PlotSpec {
    int kind, x_scale, y_scale, band, split;
    const char *title, *metric, *x, *group, *tensor, *unit, *x_label; /* NULL: not given */
    const char *at_by;    /* the evaluation at which this is best; NULL: the last */
    const Yaml *x_values; /* NULL: the key's own */
    int64_t smooth, bins, n;
    double scale;
    const char *over[PLOT_OVER];
    int n_over;
    ChartReference *references; /* `paper:` */
    int n_references;
    const Yaml *where; /* NULL: not from a file */
} PlotSpec;

extern const OptionTable plot_spec_options;

/* All defaults, of one kind. */
PlotSpec plot_spec_default(PlotKind kind);

/* Reads the list (NULL: none). Every mistake is reported. */
bool plot_specs_read(PlotSpec **out, int *n, Arena *a, const Yaml *list, Error *err) MUST_CHECK;

#endif
