/* terminal_axes -- what the two files of the terminal back end share. */
#ifndef SEQLAB_PLOT_TERMINAL_AXES_H
#define SEQLAB_PLOT_TERMINAL_AXES_H

#include "plot/plot_terminal.h"

typedef struct Terminal {
    const TerminalStyle *style;
    Arena *arena;
    Text *out;
} Terminal;

/* Lines, points and steps on axes. */
void terminal_axes(const Terminal *t, const Chart *c);

/* Columns that a text takes: two for what is as wide as high (CJK). */
int terminal_columns(const char *s);
/* The text, cut to `width` columns and with blanks behind (or, right, before) up to it. */
void terminal_put(const Terminal *t, const char *s, int width, bool right);
void terminal_repeat(const Terminal *t, const char *s, int n);
/* Starts the colour of a look, or ends it (look < 0). */
void terminal_color(const Terminal *t, int look);

#endif
