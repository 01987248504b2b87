/* plot_terminal -- a figure printed with characters: braille dots (2 by 4 a character) and box
 * lines, or plain ASCII.
 *
 * Its own layout, since a terminal has no fractions of a letter; axes, ticks and names are those of
 * the other back ends. Series have letters, so that colours only help. Bands are left out. */
#ifndef SEQLAB_PLOT_TERMINAL_H
#define SEQLAB_PLOT_TERMINAL_H

#include "base/text.h"
#include "plot/canvas.h"

typedef struct TerminalStyle {
    int width;  /* columns of the terminal; 0: 80 */
    int height; /* lines of one chart's data; 0: 16 */
    bool color; /* ANSI sequences */
    bool utf8;  /* else ASCII */
} TerminalStyle;

/* Appends the charts of the figure, one below the other. */
void plot_terminal(const Figure *f, const TerminalStyle *style, Arena *a, Text *out);

#endif
