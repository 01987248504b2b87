/* chart_axis -- limits, ticks and positions of a chart's axis. */
#ifndef SEQLAB_PLOT_CHART_AXIS_H
#define SEQLAB_PLOT_CHART_AXIS_H

#include "plot/chart.h"

enum { TICKS_MAX = 80, TICK_TEXT = 24 };

typedef struct Tick {
    double value;
    char text[TICK_TEXT]; /* "": a minor tick */
} Tick;

typedef struct Ticks {
    Tick at[TICKS_MAX];
    int n; /* in rising order */
} Ticks;

/* A value's place between two positions (pixels or dots). */
typedef struct AxisMap {
    bool is_log;
    double low, high; /* low < high, both > 0 when is_log */
    double from, to;  /* positions of low and high */
} AxisMap;

/* The smallest and largest value seen; starts as {INFINITY, -INFINITY}. */
typedef struct AxisRange {
    double low, high;
} AxisRange;
/* NaN, infinities and, on a log axis, values that are not above 0 are passed over. */
void axis_see(AxisRange *r, bool is_log, double value);

/* The axis' limits: the range, `pad` of its length wider at both ends, then what the axis itself
 * sets. Always low < high: nothing seen gives [0, 1] (log: [1, 10]), one value a range around it.
 */
AxisRange axis_limits(const ChartAxis *axis, AxisRange seen, double pad);

/* Round values within the limits, `about` labels or fewer, at least 2 where the limits allow it. A
 * log axis has whole decades, or 1-2-5 steps when these are fewer than two, and minor ticks. */
void axis_ticks(Ticks *t, AxisRange limits, bool is_log, int about, TickFormat format);

double axis_position(const AxisMap *m, double value);
/* Whether the value can be drawn: finite, and above 0 on a log axis. */
bool axis_has(const AxisMap *m, double value);

/* "0.25", "20k", "3e-5", "45%": three to four digits. */
void axis_value_text(char out[TICK_TEXT], double value, TickFormat format);

#endif
