/* random -- PCG32 by counter: element i is draw i of the stream, whoever computes it.
 *
 * Sixteen generators leap-frog: lane l starts l draws in and steps 16 draws at a time, s -> s A + C
 * with A = a^16. */
#include "base/threads.h"
#include "cpu/kernel.h"
#include "cpu/lanes.h"
#include "cpu/simd.h"

#include <string.h>

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

enum { GROUP = VL / 2, GROUPS = LANES / GROUP }; /* one vector of 64-bit states */
typedef uint64_t States __attribute__((vector_size(GROUP * sizeof(uint64_t))));
typedef uint32_t Words __attribute__((vector_size(GROUP * sizeof(uint32_t))));
typedef int32_t Wholes __attribute__((vector_size(GROUP * sizeof(int32_t))));
typedef float Reals __attribute__((vector_size(GROUP * sizeof(float))));

/* PCG32's output, of which the upper 24 bits become a uniform. */
static inline __attribute__((always_inline)) Reals draw(States s)
{
    const States shifted = (((s >> 18) ^ s) >> 27) & UINT32_MAX, turn = s >> 59;
    const States turned = shifted >> turn | shifted << (32 - turn);
    const Words w = __builtin_convertvector(turned, Words) >> 8;
    return __builtin_convertvector((Wholes)w, Reals) * 0x1p-24f;
}

/* What becomes of a uniform: itself, or value where it is below p. */
typedef struct Choice {
    bool choose;
    float p, value;
} Choice;

static inline __attribute__((always_inline)) Reals chosen(Reals u, const Choice *c)
{
    const Reals value = (Reals){0} + c->value;
    return c->choose ? (Reals)((u < c->p) & (Wholes)value) : u;
}

/* n <= BLOCK draws from `state` on. */
static void uniform_block(int64_t n, uint64_t state, uint64_t inc, uint64_t a16, uint64_t c16,
                          Choice choice, float *y)
{
    uint64_t first[LANES];
    States s[GROUPS];
    first[0] = state;
    for (int l = 1; l < LANES; l++) first[l] = first[l - 1] * MULTIPLIER + inc;
    memcpy(s, first, sizeof s);
    for (int64_t i = 0; i < n; i += LANES) {
        Reals r[GROUPS];
#pragma GCC unroll 8
        for (int k = 0; k < GROUPS; k++) {
            r[k] = chosen(draw(s[k]), &choice);
            s[k] = s[k] * a16 + c16;
        }
        memcpy(y + i, r, sizeof(float) * (size_t)(n - i < LANES ? n - i : LANES));
    }
}

static void uniform(int64_t n, uint64_t state, uint64_t inc, Choice choice, float *y)
{
    uint64_t a16, c16;
    leap(inc, LANES, &a16, &c16);
    const int64_t blocks = (n + BLOCK - 1) / BLOCK;
    ROWS_PARALLEL(4 * n, blocks)
    for (int64_t b = 0; b < blocks; b++) {
        uint64_t a, c;
        const int64_t lo = b * BLOCK, m = n - lo < BLOCK ? n - lo : BLOCK;
        leap(inc, (uint64_t)lo, &a, &c);
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
