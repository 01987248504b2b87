/* panel -- one chart within its rectangle of a figure; between the files of the layout only. */
#ifndef SEQLAB_PLOT_PANEL_H
#define SEQLAB_PLOT_PANEL_H

#include "plot/canvas.h"
#include "plot/chart_axis.h"

enum { TITLE_SIZE = 15, LABEL_SIZE = 13, TICK_SIZE = 12, ROW = 18, PANEL_PAD = 10 };
#define MARKER_RADIUS 3.6

typedef struct LegendEntry {
    const ChartSeries *series; /* or */
    const ChartReference *reference;
    const char *text;
    double at; /* y of its place beside the axes */
} LegendEntry;

typedef struct Legend {
    LegendEntry *entries;
    int n;
    int left_out; /* entries for which there is no room */
    bool beside;  /* right of the axes, else below */
    int n_columns;
    double column_width, width, height; /* what it takes from the panel */
} Legend;

typedef struct Panel {
    Drawing *d;
    const Chart *chart;
    Box outer, axes; /* axes: the rectangle of the data */
    AxisMap x, y;
    Ticks x_ticks, y_ticks;
    bool upright; /* x labels run upwards */
    Legend legend;
    Box *taken; /* where notes may not stand */
    int n_taken, taken_capacity;
} Panel;

/* The height that suits a chart of this width. */
double panel_height(Drawing *d, const Chart *c, double width);
void panel_draw(Drawing *d, const Chart *c, Box outer);

/* Whether a place is within the axes, half a pixel of tolerance. */
bool panel_has(const Panel *p, double x, double y);
/* The title at the top; gives the y below it. */
double panel_title(Drawing *d, const char *title, Box outer);
void panel_heat(Panel *p);
void panel_images(Panel *p);
double images_height(const Chart *c, double width);
double heat_height(const Chart *c, double width);

/* legend.c: entries and size; then, when the axes stand, the places; then drawing. */
void legend_measure(Panel *p);
void legend_place(Panel *p);
void legend_draw(const Panel *p);

/* series.c */
void series_draw(Panel *p);
void series_sample(const Panel *p, const ChartSeries *s, double x, double y, double width);
Pen series_pen(const ChartSeries *s);
Pen reference_pen(void);

/* notes.c: marks a square of half side r as no place for notes; draws those that have one. */
void panel_take(Panel *p, double x, double y, double r);
void notes_draw(Panel *p);

#endif
