/* rope -- the turning of one row, for rope.c and for attention, which turns as it loads. Every
 * output is two products and their sum, each rounded. */
#ifndef SEQLAB_CPU_ROPE_H
#define SEQLAB_CPU_ROPE_H

#include "cpu/simd.h"

#include <string.h>

SIMD void rope_halves(int64_t half, const float *restrict x, const float *restrict c,
                      const float *restrict s, float sign, float *restrict y)
{
    for (int64_t i = 0; i < half; i++) {
        const float sine = sign * s[i];
        y[i] = x[i] * c[i] - x[half + i] * sine;
        y[half + i] = x[i] * sine + x[half + i] * c[i];
    }
}

SIMD void rope_neighbours(int64_t half, const float *restrict x, const float *restrict c,
                          const float *restrict s, float sign, float *restrict y)
{
    for (int64_t i = 0; i < half; i++) {
        const float sine = sign * s[i];
        y[2 * i] = x[2 * i] * c[i] - x[2 * i + 1] * sine;
        y[2 * i + 1] = x[2 * i] * sine + x[2 * i + 1] * c[i];
    }
}

/* How rows are turned: cpu.h RopeShape. sign -1 turns back. */
typedef struct RopeTurn {
    int64_t d, dims;
    bool interleaved;
    float sign;
} RopeTurn;

/* y = x turned by the row of the table: dims / 2 cosines, then as many sines. Not in place. */
SIMD void rope_row(const RopeTurn *r, const float *x, const float *table, float *y)
{
    const int64_t half = r->dims / 2;
    if (r->interleaved)
        rope_neighbours(half, x, table, table + half, r->sign, y);
    else
        rope_halves(half, x, table, table + half, r->sign, y);
    if (r->dims < r->d) memcpy(y + r->dims, x + r->dims, (size_t)(r->d - r->dims) * sizeof *y);
}

#endif
