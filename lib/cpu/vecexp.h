/* vecexp -- e^x in vectors: what softmax and its kin spend their time on.
 *
 * x = (n + j / 8 + f / 8) ln 2 with n whole, j in 0..7 and |f| <= 1/2; 2^(f/8) by a polynomial of
 * degree 3 that is 1 at 0 (fitted to the relative error, 2.6e-8); 2^(j/8) from a table in a
 * register, by a permutation; n from the low bits of the sum that rounded x. Relative error at most
 * 1.8e-7 + 1.4e-8 |x|, the second from log2(e) rounded to float. Six operations of the multipliers,
 * of which there are half as many as of the other units, where vm_exp has twelve: a row of logits
 * comes from memory faster than vm_exp can take it. */
#ifndef SEQLAB_CPU_VECEXP_H
#define SEQLAB_CPU_VECEXP_H

#include "cpu/simd.h"

/* Eighths of the exponent, plus 125 of them whole, are added to a float of which they are the low
 * bits: ten of them for results from 2^-125, below 2^3. */
#define EXP_START (0x1.8p23f + 8.0f * 125)
enum { EXP_BITS = 1023 };

typedef int32_t vi_bits __attribute__((vector_size(VL * sizeof(float))));

/* Eighths of the exponent in the low bits of s; the rest of x in f. */
typedef struct ExpParts {
    vf s, f;
} ExpParts;

SIMD ExpParts exp_split(vf x)
{
    const vf shift = vf_set1(EXP_START), eighths = vf_set1(8.0f * 1.44269504f);
    const vf s = vf_fma(x, eighths, shift);
    return (ExpParts){s, vf_fma(x, eighths, shift - s)};
}

/* The two factors of the result: 2^(f/8), 2^(n + j/8). */
SIMD vf exp_rest(ExpParts e)
{
    vf p = vf_fma(e.f, vf_set1(0x1.c69fe2p-14f), vf_set1(0x1.ec0c52p-9f));
    p = vf_fma(p, e.f, vf_set1(0x1.62e432p-4f));
    return vf_fma(p, e.f, vf_set1(1.0f));
}

SIMD vf exp_scale(ExpParts e)
{
    /* the bits of 2^(j/8) and two more powers of 2, less those of 1 and of j << 20, which the
     * shifted s brings with it */
    enum { TWO = 2 << 23 };
    static const int32_t powers[8] = {TWO,           TWO - 0x46a3e, TWO - 0x7c810, TWO - 0xa0129,
                                      TWO - 0xafb0d, TWO - 0xa98d6, TWO - 0x8bb03, TWO - 0x53f39};
    return (vf)(((vi_bits)e.s << 20) + (vi_bits)vf_pick8(powers, e.s));
}

/* x <= 88. Below -87.3, which e^x leaves float's normal numbers with, the result is some number
 * under 1.2e-38, and 0 from -88.03 on; NaN stays NaN. */
SIMD vf vf_exp_below(vf x)
{
    const ExpParts e = exp_split(vf_max(vf_set1(-88.03f), x));
    return exp_rest(e) * exp_scale(e);
}

#endif
