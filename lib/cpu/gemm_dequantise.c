/* gemm_dequantise -- numbers of a quantised weight, level * scale (cpu.h: WeightFormat). A product
 * makes them when it packs B, so a quantised product has the bits of the fp32 product with the
 * dequantised weight. */
#include "cpu/gemm_pack.h"

/* Quantiles of a normal distribution, scaled to [-1, 1], with an exact zero: Dettmers et al.,
 * QLoRA, arXiv:2305.14314, appendix E. */
static const float nf4_level[16] = {
    -1.0f,
    -0.6961928009986877f,
    -0.5250730514526367f,
    -0.39491748809814453f,
    -0.28444138169288635f,
    -0.18477343022823334f,
    -0.09105003625154495f,
    0.0f,
    0.07958029955625534f,
    0.16093020141124725f,
    0.24611230194568634f,
    0.33791524171829224f,
    0.44070982933044434f,
    0.5626170039176941f,
    0.7229568362236023f,
    1.0f,
};

static void from_q8(const uint8_t *codes, int64_t n, float scale, float *to)
{
    for (int64_t i = 0; i < n; i++) to[i] = (float)(int8_t)codes[i] * scale;
}

/* Numbers first..first+n of the weight as one row. */
static void from_nf4(const uint8_t *codes, int64_t first, int64_t n, float scale, float *to)
{
    for (int64_t i = 0; i < n; i++) {
        const int64_t at = first + i;
        to[i] = nf4_level[codes[at / 2] >> (at % 2 ? 0 : 4) & 15] * scale;
    }
}

void K(gemm_dequantise)(const Gemm *g, int64_t row, int64_t first, int64_t n, float *to)
{
    const float *scale = g->scale + row * (g->ldb / g->group);
    while (n > 0) {
        const int64_t run = min64(n, g->group - first % g->group), at = row * g->ldb + first;
        if (g->format == WEIGHT_Q8)
            from_q8(g->codes + at, run, scale[first / g->group], to);
        else
            from_nf4(g->codes, at, run, scale[first / g->group], to);
        first += run, to += run, n -= run;
    }
}
