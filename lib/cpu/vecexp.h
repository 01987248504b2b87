/* vecexp -- e^x for x <= 0 in vectors: what softmax and its kin spend their time on.
 *
 * x = (n + f) ln 2 with n whole and |f| <= 1/2; 2^f by a polynomial of degree 5 that is 1 at 0
 * (fitted to the relative error, 9e-8); 2^n from the low bits of the sum that rounded x. Relative
 * error at most 1.7e-7 + 1.4e-8 |x|, the second from log2(e) rounded to float. Below -88.1, which
 * e^x leaves float's normal numbers with, the result is 0; NaN stays NaN. Eight operations of the
 * multipliers where vm_exp has twelve: a row of logits comes from memory faster than vm_exp can
 * take it. */
#ifndef SEQLAB_CPU_VECEXP_H
#define SEQLAB_CPU_VECEXP_H

#include "cpu/simd.h"

typedef int32_t vi_bits __attribute__((vector_size(VL * sizeof(float))));

SIMD vf vf_exp_below(vf x)
{
    const vf shift = vf_set1(0x1.8p23f + 127.0f), log2e = vf_set1(1.44269504f);
    x = vf_max(vf_set1(-88.1f), x);
    const vf sum = vf_fma(x, log2e, shift); /* n + 127 in its low bits, 0 at the least */
    const vf f = vf_fma(x, log2e, shift - sum);
    vf p = vf_fma(f, vf_set1(0x1.5bb92ap-10f), vf_set1(0x1.3ceb6cp-7f));
    p = vf_fma(p, f, vf_set1(0x1.c6b75ap-5f));
    p = vf_fma(p, f, vf_set1(0x1.ebf9bap-3f));
    p = vf_fma(p, f, vf_set1(0x1.62e42ap-1f));
    p = vf_fma(p, f, vf_set1(1.0f));
    return p * (vf)((vi_bits)sum << 23);
}

#endif
