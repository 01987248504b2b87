/* plot_png -- a laid-out figure as pixels.
 *
 * Drawn with FreeType alone: its scan converter covers areas with 256 levels, its stroker makes
 * areas of lines. Linking it costs a start of the program 0.15 ms; cairo with what it needs costs
 * 1.1 ms, and a sweep starts the program once a run. */
#ifndef SEQLAB_PLOT_PNG_H
#define SEQLAB_PLOT_PNG_H

#include "plot/palette.h"

typedef struct Pixels {
    int width, height;
    uint8_t *rgb; /* malloc'ed: free it */
} Pixels;

/* `scale` pixels a CSS pixel, 1 to 8. Fails with FAIL_RUN: no memory, too many pixels, or no font
 * (DejaVu Sans or one as usual; all that was looked for is named). */
bool plot_pixels(const Drawing *d, Scheme scheme, int scale, Pixels *out, Error *err) MUST_CHECK;

#endif
