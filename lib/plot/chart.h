/* chart -- what a figure shows, as data: axes and series, a matrix, or a grid of small images.
 *
 * Nothing here knows where the numbers come from, and nothing is copied: arrays and texts must live
 * as long as the Figure is used. figure_draw (canvas.h) lays a figure out for the SVG and PNG back
 * ends; plot_terminal (plot_terminal.h) prints it with characters. */
#ifndef SEQLAB_PLOT_CHART_H
#define SEQLAB_PLOT_CHART_H

#include <stdbool.h>
#include <stdint.h>

typedef enum TickFormat {
    TICKS_AUTO,    /* 0.25, 20k, 3e-5 */
    TICKS_PERCENT, /* the value times 100 and % */
    N_TICK_FORMATS
} TickFormat;

typedef struct ChartAxis {
    const char *label; /* with its unit: "loss (nats)"; NULL for none */
    bool is_log;       /* values of 0 and below are left out */
    bool has_low, has_high;
    double low, high; /* else from the data */
    TickFormat format;
    const char *const *names; /* categories at 0, 1, ... instead of numbers; or NULL */
    int n_names;
} ChartAxis;

typedef enum SeriesKind {
    SERIES_LINE,   /* a band between low and high where they are given */
    SERIES_POINTS, /* error bars between low and high where they are given */
    SERIES_BARS,   /* one a category (x = 0, 1, ...), beside those of other series */
    SERIES_STEPS   /* a histogram: n heights between n + 1 edges in x */
} SeriesKind;

/* NaN leaves a gap. The look is a number: colour, dash and marker together, so that two series are
 * told apart without colours too. */
typedef struct ChartSeries {
    SeriesKind kind;
    const char *name; /* in the legend; NULL: not there */
    int n;
    const double *x, *y;
    const double *low, *high; /* both or neither */
    const char *const *tips;  /* a text a point, shown when the mouse is over it; or NULL */
    int look;                 /* 0, 1, ... */
    bool plain;               /* a line without markers, solid */
} ChartSeries;

/* A horizontal line, such as the value that the paper printed. */
typedef struct ChartReference {
    double y;
    const char *label;
} ChartReference;

/* A text beside a point; left out where it would stand on something else. */
typedef struct ChartNote {
    double x, y;
    const char *text;
} ChartNote;

typedef struct ChartTile {
    int width, height, channels; /* 1 or 3 */
    const uint8_t *pixels;       /* (height, width, channels) from the top */
    const char *caption;         /* or NULL */
} ChartTile;

typedef enum ChartKind { CHART_AXES, CHART_HEAT, CHART_IMAGES } ChartKind;

typedef struct Chart {
    ChartKind kind;
    const char *title;
    ChartAxis x, y; /* of CHART_HEAT: labels and names of columns and rows */
    const ChartSeries *series;
    int n_series;
    const ChartReference *references;
    int n_references;
    const ChartNote *notes;
    int n_notes;
    const double *cells; /* CHART_HEAT: (y.n_names, x.n_names); NaN is an empty cell */
    const double *texts; /* CHART_HEAT: the numbers to print when not the cells themselves */
    const ChartTile *tiles;
    int n_tiles;
} Chart;

/* Panels from left to right, then down. */
typedef struct Figure {
    const char *title; /* above all panels when there are several; the name for screen readers */
    const Chart *charts;
    int n_charts;
    int n_columns;     /* of panels; 0: chosen */
    int width, height; /* of the whole in CSS pixels; 0: chosen */
} Figure;

#endif
