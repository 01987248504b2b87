/* rope -- rotary position encoding: turns pairs (a, b) into (a c - b s, a s + b c), one pass. Every
 * output is two products and their sum, each rounded; threads split over (batch, place). */
#include "base/threads.h"
#include "cpu/kernel.h"
#include "cpu/lanes.h"

#include <string.h>

static void turn_halves(int64_t half, const float *restrict x, const float *restrict c,
                        const float *restrict s, float sign, float *restrict y)
{
    for (int64_t i = 0; i < half; i++) {
        const float sine = sign * s[i];
        y[i] = x[i] * c[i] - x[half + i] * sine;
        y[half + i] = x[i] * sine + x[half + i] * c[i];
    }
}

static void turn_neighbours(int64_t half, const float *restrict x, const float *restrict c,
                            const float *restrict s, float sign, float *restrict y)
{
    for (int64_t i = 0; i < half; i++) {
        const float sine = sign * s[i];
        y[2 * i] = x[2 * i] * c[i] - x[2 * i + 1] * sine;
        y[2 * i + 1] = x[2 * i] * sine + x[2 * i + 1] * c[i];
    }
}

void K(rope)(const RopeShape *r, const float *x, const float *table, float *y)
{
    const int64_t half = r->dims / 2, width = r->heads * r->d, n_rows = r->batch * r->t;
    const float sign = r->inverse ? -1.0f : 1.0f;
    ROWS_PARALLEL(n_rows * width, n_rows)
    for (int64_t row = 0; row < n_rows; row++) {
        const float *c = table + row % r->t * r->dims, *s = c + half;
        for (int64_t h = 0; h < r->heads; h++) {
            const float *from = x + row * width + h * r->d;
            float *to = y + row * width + h * r->d;
            if (r->interleaved)
                turn_neighbours(half, from, c, s, sign, to);
            else
                turn_halves(half, from, c, s, sign, to);
            if (r->dims < r->d)
                memcpy(to + r->dims, from + r->dims, (size_t)(r->d - r->dims) * sizeof *to);
        }
    }
}
