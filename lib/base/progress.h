/* progress -- one redrawn line on a terminal, rare whole lines elsewhere; and colour rules. */
#ifndef SEQLAB_BASE_PROGRESS_H
#define SEQLAB_BASE_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

typedef enum ColorMode { COLOR_AUTO, COLOR_ALWAYS, COLOR_NEVER } ColorMode;

/* auto: `out` is a terminal, TERM is set and not "dumb", NO_COLOR is unset or empty. */
bool color_wanted(ColorMode mode, FILE *out);

typedef struct Progress {
    FILE *out;
    bool terminal; /* not "dumb": redraw with \r; otherwise progress_draw prints nothing */
    bool quiet;
    double start_s, last_draw_s;
    int width_drawn;
} Progress;

Progress progress_start(FILE *out, bool quiet);

/* Redraws "label  [#####.....]  62%  extra  ETA 4.0 s" at most 10 times a second. done may start
 * above 0 after a resume: `first` is the step at which this process began, so that the ETA is
 * right. */
void progress_draw(Progress *p, const char *label, int64_t first, int64_t done, int64_t total,
                   const char *extra);
/* Wipes the redrawn line so that a whole line can be printed. */
void progress_clear(Progress *p);

#endif
