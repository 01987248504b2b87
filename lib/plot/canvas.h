/* canvas -- a laid-out figure as a list of marks (lines, areas, texts): what layout writes and the
 * back ends read.
 *
 * Lengths are CSS pixels, y grows downwards. A mark has an ink, not a colour: each back end has a
 * light and a dark set. Text is measured with the widths of DejaVu Sans, which is wider than what
 * browsers usually take for sans-serif, so a layout that fits here fits there. */
#ifndef SEQLAB_PLOT_CANVAS_H
#define SEQLAB_PLOT_CANVAS_H

#include "base/arena.h"
#include "plot/chart.h"

typedef enum Ink {
    INK_TEXT,
    INK_MUTED, /* axes, tick labels */
    INK_GRID,
    INK_PAGE, /* the background */
    INK_HEAT, /* full cells of a heat map, ticks of its scale */
    INK_LOOK, /* + look % N_LOOKS: series */
    N_LOOKS = 7,
    N_INKS = INK_LOOK + N_LOOKS
} Ink;

typedef enum Dash {
    DASH_NONE,
    DASH_LONG,
    DASH_DOT,
    DASH_LONG_DOT,
    DASH_SHORT,
    DASH_LONG_DOT_DOT,
    N_DASHES
} Dash;
/* Lengths of lines and gaps by turns, 0 ends; in units of the line's width. */
extern const double dash_pattern[N_DASHES][7];

typedef struct Point {
    double x, y;
} Point;

typedef enum MarkKind { MARK_LINE, MARK_AREA, MARK_DOT, MARK_TEXT, MARK_IMAGE } MarkKind;

typedef struct Mark {
    MarkKind kind;
    Ink ink;
    double alpha;
    const char *tip; /* shown when the mouse is over it, or NULL */
    const Point *xy; /* LINE, AREA: n points */
    int n;
    Dash dash;
    double stroke;     /* LINE: width; DOT: of its outline, 0: filled */
    double x, y, w, h; /* DOT: centre, radius w; IMAGE: its rectangle; TEXT: where it is aligned */
    const char *text;
    double size;  /* of letters */
    double align; /* share of the text's length that stands before x: 0, 0.5 or 1 */
    bool bold;
    bool upwards; /* turned to run from below to above; then align is along y */
    const ChartTile *image;
} Mark;

typedef struct Drawing {
    Arena *arena;
    const char *title; /* for screen readers; clean text */
    double width, height;
    Mark *marks;
    int n, capacity;
} Drawing;

typedef struct Pen {
    Ink ink;
    double alpha, width;
    Dash dash;
    const char *tip;
} Pen;

typedef struct Lettering {
    Ink ink;
    double size, align;
    bool bold, upwards;
} Lettering;

/* Points are copied. Text is cleaned by text_clean; y is its baseline. */
void draw_line(Drawing *d, const Pen *pen, const Point *xy, int n);
void draw_area(Drawing *d, const Pen *pen, const Point *xy, int n);
void draw_rectangle(Drawing *d, const Pen *pen, double x, double y, double w, double h);
void draw_dot(Drawing *d, const Pen *pen, double x, double y, double radius);
void draw_text(Drawing *d, const Lettering *l, double x, double y, const char *text);
void draw_image(Drawing *d, const ChartTile *image, double x, double y, double w, double h);

/* One character of `s`; *n gets its bytes. Bytes that are no UTF-8 give U+FFFD, one at a time. */
uint32_t text_character(const char *s, int *n);
/* The text without control characters (blanks for them), what is no UTF-8 or no XML replaced. */
const char *text_clean(Arena *a, const char *s);
double text_width(const char *s, double size);
/* The text, or as much of it as stands in `width` with "..." after it. */
const char *text_fit(Arena *a, const char *s, double size, double width);

typedef struct Box {
    double left, top, right, bottom;
} Box;
/* What a text covers, without its side bearings. */
Box text_box(const Mark *s);
bool boxes_meet(Box a, Box b);

/* Lays the figure out; all memory is the drawing's arena's. Fails with FAIL_RUN for a figure that
 * has no chart or is too large. */
bool figure_draw(Drawing *d, Arena *a, const Figure *f, Error *err) MUST_CHECK;

#endif
