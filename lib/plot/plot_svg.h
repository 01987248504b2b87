/* plot_svg -- a laid-out figure as SVG text, the same bytes for the same figure.
 *
 * Colours are in a <style> with a second set for `@media (prefers-color-scheme: dark)`; they are
 * written out in classes, not as custom properties, because librsvg, Inkscape and what LaTeX uses
 * do not read those. A page that has a theme switch of its own gives the svg elements (class
 * "seqlab-plot") its colours by rules on the same classes, listed in plot_svg.c. */
#ifndef SEQLAB_PLOT_SVG_H
#define SEQLAB_PLOT_SVG_H

#include "base/text.h"
#include "plot/canvas.h"

/* A file of its own (XML header, a background that follows the scheme), or one <svg> element for an
 * HTML page, transparent and as wide as the page allows. */
typedef enum SvgUse { SVG_FILE, SVG_INLINE } SvgUse;

/* Appends to `out`. Fails with FAIL_RUN when memory ran out. */
bool plot_svg(const Drawing *d, SvgUse use, Text *out, Error *err) MUST_CHECK;

#endif
