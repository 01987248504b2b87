/* palette -- the colours of inks on light and on dark pages.
 *
 * Series take the colours of M. Okabe and K. Ito, "Color Universal Design" (2008), which stay apart
 * for all common kinds of colour blindness, without yellow, which white paper swallows, and in an
 * order of differing lightness; on dark pages lighter ones of the same hues. */
#ifndef SEQLAB_PLOT_PALETTE_H
#define SEQLAB_PLOT_PALETTE_H

#include "plot/canvas.h"

typedef struct Color {
    uint8_t r, g, b;
} Color;

typedef enum Scheme { SCHEME_LIGHT, SCHEME_DARK, N_SCHEMES } Scheme;
extern const Color palette[N_SCHEMES][N_INKS];

#endif
