/* rope -- rotary position encoding: turns pairs (a, b) into (a c - b s, a s + b c), one pass; the
 * arithmetic is in rope.h. Threads split over (batch, place). */
#include "cpu/rope.h"
#include "base/threads.h"
#include "cpu/kernel.h"
#include "cpu/lanes.h"

void K(rope)(const RopeShape *r, const float *x, const float *table, float *y)
{
    const int64_t width = r->heads * r->d, n_rows = r->batch * r->t;
    const RopeTurn turn = {r->d, r->dims, r->interleaved, r->inverse ? -1.0f : 1.0f};
    ROWS_PARALLEL(n_rows * width, n_rows)
    for (int64_t row = 0; row < n_rows; row++) {
        const float *at = table + row % r->t * r->dims;
        for (int64_t h = 0; h < r->heads; h++)
            rope_row(&turn, x + row * width + h * r->d, at, y + row * width + h * r->d);
    }
}
