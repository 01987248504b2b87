/* random -- PCG32 by counter: element i is draw i of the stream, whoever computes it.
 *
 * Sixteen generators leap-frog: lane l starts l draws in and steps 16 draws at a time, s -> s A + C
 * with A = a^16. */
#include "base/threads.h"
#include "cpu/kernel.h"
#include "cpu/lanes.h"

enum { BLOCK = 4096 };
static const uint64_t MULTIPLIER = UINT64_C(6364136223846793005); /* PCG32's */

/* Composes s -> s a + c `times` times (Brown 1994). */
static void leap(uint64_t inc, uint64_t times, uint64_t *a_out, uint64_t *c_out)
{
    uint64_t a = MULTIPLIER, c = inc, total_a = 1, total_c = 0;
    for (; times > 0; times >>= 1) {
        if (times & 1) total_a *= a, total_c = total_c * a + c;
        c = (a + 1) * c;
        a *= a;
    }
    *a_out = total_a;
    *c_out = total_c;
}

static inline uint32_t draw(uint64_t s)
{
    uint32_t shifted = (uint32_t)(((s >> 18) ^ s) >> 27), turn = (uint32_t)(s >> 59);
    return shifted >> turn | shifted << (-turn & 31);
}

/* n <= BLOCK draws from `state` on, as uniforms. */
static void uniform_block(int64_t n, uint64_t state, uint64_t inc, uint64_t a16, uint64_t c16,
                          float *y)
{
    uint64_t s[LANES];
    s[0] = state;
    for (int l = 1; l < LANES; l++) s[l] = s[l - 1] * MULTIPLIER + inc;
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int l = 0; l < LANES; l++) {
            y[i + l] = (float)(int32_t)(draw(s[l]) >> 8) * 0x1p-24f;
            s[l] = s[l] * a16 + c16;
        }
    for (int l = 0; i + l < n; l++) y[i + l] = (float)(int32_t)(draw(s[l]) >> 8) * 0x1p-24f;
}

static void uniform(int64_t n, uint64_t state, uint64_t inc, bool choose, float p, float value,
                    float *y)
{
    uint64_t a16, c16;
    leap(inc, LANES, &a16, &c16);
    const int64_t blocks = (n + BLOCK - 1) / BLOCK;
    ROWS_PARALLEL(4 * n, blocks)
    for (int64_t b = 0; b < blocks; b++) {
        uint64_t a, c;
        const int64_t lo = b * BLOCK, m = n - lo < BLOCK ? n - lo : BLOCK;
        leap(inc, (uint64_t)lo, &a, &c);
        uniform_block(m, state * a + c, inc, a16, c16, y + lo);
        if (choose)
            for (int64_t i = 0; i < m; i++) y[lo + i] = y[lo + i] < p ? value : 0.0f;
    }
}

void K(random_uniform)(int64_t n, uint64_t state, uint64_t inc, float *y)
{
    uniform(n, state, inc, false, 0, 0, y);
}

void K(random_bernoulli)(int64_t n, uint64_t state, uint64_t inc, float p, float value, float *y)
{
    uniform(n, state, inc, true, p, value, y);
}
