/* random_lanes -- PCG32 in vectors: GROUP generators side by side, for random.c and for what draws
 * inside another kernel (dropout in attention). */
#ifndef SEQLAB_CPU_RANDOM_LANES_H
#define SEQLAB_CPU_RANDOM_LANES_H

#include "base/pcg.h"
#include "cpu/kernel.h"
#include "cpu/simd.h"

enum { GROUP = VL / 2 }; /* one vector of 64-bit states */
typedef uint64_t States __attribute__((vector_size(GROUP * sizeof(uint64_t))));
typedef uint32_t Words __attribute__((vector_size(GROUP * sizeof(uint32_t))));
typedef int32_t Wholes __attribute__((vector_size(GROUP * sizeof(int32_t))));
typedef float Reals __attribute__((vector_size(GROUP * sizeof(float))));

/* s -> s a + c is what s -> s PCG_MULTIPLIER + inc comes to when done `times` times (Brown 1994).
 */
SIMD void random_leap(uint64_t inc, uint64_t times, uint64_t *a_out, uint64_t *c_out)
{
    uint64_t a = PCG_MULTIPLIER, c = inc, total_a = 1, total_c = 0;
    for (; times > 0; times >>= 1) {
        if (times & 1) total_a *= a, total_c = total_c * a + c;
        c = (a + 1) * c;
        a *= a;
    }
    *a_out = total_a;
    *c_out = total_c;
}

enum { RANDOM_BLOCK = 4096 };
/* Draws first..first+n of d, n <= RANDOM_BLOCK. */
void K(random_block)(const MapDraw *d, int64_t first, int64_t n, float *y);

/* PCG32's output, of which the upper 24 bits become a uniform. */
SIMD Reals random_reals(States s)
{
    const States shifted = (((s >> 18) ^ s) >> 27) & UINT32_MAX, turn = s >> 59;
    const States turned = shifted >> turn | shifted << (32 - turn);
    const Words w = __builtin_convertvector(turned, Words) >> 8;
    return __builtin_convertvector((Wholes)w, Reals) * 0x1p-24f;
}

/* value where u < p, else 0. */
SIMD Reals random_chosen(Reals u, float p, float value)
{
    return (Reals)((u < p) & (Wholes)((Reals){0} + value));
}

#endif
