/* random -- PCG32 by counter: element i is draw i of the stream, whoever computes it.
 *
 * Sixteen generators leap-frog: lane l starts l draws in and steps 16 draws at a time, s -> s A + C
 * with A = a^16. */
#include "base/threads.h"
#include "cpu/kernel.h"
#include "cpu/lanes.h"
#include "cpu/random_lanes.h"

#include <string.h>

enum { BLOCK = 4096, GROUPS = LANES / GROUP };

/* What becomes of a uniform: itself, or value where it is below p. */
typedef struct Choice {
    bool choose;
    float p, value;
} Choice;

/* n <= BLOCK draws from `state` on. */
static void uniform_block(int64_t n, uint64_t state, uint64_t inc, uint64_t a16, uint64_t c16,
                          Choice choice, float *y)
{
    uint64_t first[LANES];
    States s[GROUPS];
    first[0] = state;
    for (int l = 1; l < LANES; l++) first[l] = first[l - 1] * PCG_MULTIPLIER + inc;
    memcpy(s, first, sizeof s);
    for (int64_t i = 0; i < n; i += LANES) {
        Reals r[GROUPS];
#pragma GCC unroll 8
        for (int k = 0; k < GROUPS; k++) {
            const Reals u = random_reals(s[k]);
            r[k] = choice.choose ? random_chosen(u, choice.p, choice.value) : u;
            s[k] = s[k] * a16 + c16;
        }
        memcpy(y + i, r, sizeof(float) * (size_t)(n - i < LANES ? n - i : LANES));
    }
}

static void uniform(int64_t n, uint64_t state, uint64_t inc, Choice choice, float *y)
{
    uint64_t a16, c16;
    random_leap(inc, LANES, &a16, &c16);
    const int64_t blocks = (n + BLOCK - 1) / BLOCK;
    ROWS_PARALLEL(4 * n, blocks)
    for (int64_t b = 0; b < blocks; b++) {
        uint64_t a, c;
        const int64_t lo = b * BLOCK, m = n - lo < BLOCK ? n - lo : BLOCK;
        random_leap(inc, (uint64_t)lo, &a, &c);
        uniform_block(m, state * a + c, inc, a16, c16, choice, y + lo);
    }
}

void K(random_uniform)(int64_t n, uint64_t state, uint64_t inc, float *y)
{
    uniform(n, state, inc, (Choice){.choose = false}, y);
}

void K(random_bernoulli)(int64_t n, uint64_t state, uint64_t inc, float p, float value, float *y)
{
    uniform(n, state, inc, (Choice){true, p, value}, y);
}
