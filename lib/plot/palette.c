/* palette -- see palette.h. */
#include "plot/palette.h"

// clang-format off
const Color palette[N_SCHEMES][N_INKS] = {
    [SCHEME_LIGHT] = {
        [INK_TEXT]     = { 28,  28,  30}, [INK_MUTED]    = { 88,  90,  96}, [INK_GRID]     = {226, 228, 232},
        [INK_PAGE]     = {255, 255, 255}, [INK_HEAT]     = {  8,  69, 130},
        [INK_LOOK]     = {  0, 114, 178}, [INK_LOOK + 1] = {213,  94,   0}, [INK_LOOK + 2] = {  0, 158, 115},
        [INK_LOOK + 3] = {204, 121, 167}, [INK_LOOK + 4] = {  0,   0,   0}, [INK_LOOK + 5] = {230, 159,   0},
        [INK_LOOK + 6] = { 86, 180, 233},
    },
    [SCHEME_DARK] = {
        [INK_TEXT]     = {236, 236, 240}, [INK_MUTED]    = {165, 168, 176}, [INK_GRID]     = { 54,  57,  64},
        [INK_PAGE]     = { 22,  24,  28}, [INK_HEAT]     = {140, 200, 255},
        [INK_LOOK]     = { 70, 160, 225}, [INK_LOOK + 1] = {244, 126,  50}, [INK_LOOK + 2] = { 40, 196, 150},
        [INK_LOOK + 3] = {226, 156, 196}, [INK_LOOK + 4] = {255, 255, 255}, [INK_LOOK + 5] = {246, 190,  60},
        [INK_LOOK + 6] = {150, 212, 247},
    },
};
// clang-format on
