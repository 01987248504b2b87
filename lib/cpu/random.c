/* random -- PCG32 by counter: element i is draw i of the stream, whoever computes it.
 *
 * Sixteen generators leap-frog: lane l starts l draws in and steps 16 draws at a time, s -> s A + C
 * with A = a^16. */
#include "base/threads.h"
#include "cpu/kernel.h"
#include "cpu/lanes.h"
#include "cpu/random_lanes.h"

#include <string.h>

enum { GROUPS = LANES / GROUP };

void K(random_block)(const MapDraw *d, int64_t first, int64_t n, float *y)
{
    uint64_t state[LANES], a, c;
    States s[GROUPS];
    random_leap(d->inc, (uint64_t)first, &a, &c);
    state[0] = d->state * a + c;
    for (int l = 1; l < LANES; l++) state[l] = state[l - 1] * PCG_MULTIPLIER + d->inc;
    memcpy(s, state, sizeof s);
    random_leap(d->inc, LANES, &a, &c);
    for (int64_t i = 0; i < n; i += LANES) {
        Reals r[GROUPS];
#pragma GCC unroll 8
        for (int k = 0; k < GROUPS; k++) {
            const Reals u = random_reals(s[k]);
            r[k] = d->choose ? random_chosen(u, d->p, d->value) : u;
            s[k] = s[k] * a + c;
        }
        memcpy(y + i, r, sizeof(float) * (size_t)(n - i < LANES ? n - i : LANES));
    }
}

static void draw(int64_t n, MapDraw d, float *y)
{
    const int64_t blocks = (n + RANDOM_BLOCK - 1) / RANDOM_BLOCK;
    ROWS_PARALLEL(4 * n, blocks)
    for (int64_t b = 0; b < blocks; b++) {
        const int64_t lo = b * RANDOM_BLOCK, m = n - lo < RANDOM_BLOCK ? n - lo : RANDOM_BLOCK;
        K(random_block)(&d, lo, m, y + lo);
    }
}

void K(random_uniform)(int64_t n, uint64_t state, uint64_t inc, float *y)
{
    draw(n, (MapDraw){.state = state, .inc = inc}, y);
}

void K(random_bernoulli)(int64_t n, uint64_t state, uint64_t inc, float p, float value, float *y)
{
    draw(n, (MapDraw){state, inc, true, p, value}, y);
}
