/* simd -- one float vector of the ISA being compiled: VL lanes of type vf.
 *
 * x86-64-v4: 16 lanes, x86-64-v3: 8, neon: 4. Lanes only ever hold independent outputs, so VL
 * cannot change the bits of a result. +, -, * and comparisons are the compiler's own operators on
 * vf; vf_fma is one rounding. The _n forms touch the first n lanes only (0 <= n <= VL): lanes not
 * loaded are zero, lanes not stored keep what memory holds. */
#ifndef SEQLAB_CPU_SIMD_H
#define SEQLAB_CPU_SIMD_H

#include <stdbool.h>
#include <stdint.h>

#define SIMD static inline __attribute__((always_inline))

#if defined(__AVX512F__)

#include <immintrin.h>

enum { VL = 16 };
typedef __m512 vf;

typedef __mmask16 vm;

SIMD vm vf_mask(int64_t n)
{
    return (vm)((1u << n) - 1u);
}

SIMD vf vf_set1(float x)
{
    return _mm512_set1_ps(x);
}

SIMD vf vf_load(const float *p)
{
    return _mm512_loadu_ps(p);
}

SIMD vf vf_load_m(const float *p, vm m)
{
    return _mm512_maskz_loadu_ps(m, p);
}

SIMD vf vf_load_n(const float *p, int64_t n)
{
    return vf_load_m(p, vf_mask(n));
}

SIMD void vf_store(float *p, vf x)
{
    _mm512_storeu_ps(p, x);
}

SIMD void vf_store_n(float *p, vf x, int64_t n)
{
    _mm512_mask_storeu_ps(p, vf_mask(n), x);
}

SIMD vf vf_fma(vf a, vf b, vf c)
{
    return _mm512_fmadd_ps(a, b, c);
}

/* a > b ? a : b, so that b comes out where one of them is NaN. */
SIMD vf vf_max(vf a, vf b)
{
    return _mm512_max_ps(a, b);
}

/* Past the caches, p aligned to the vector. The barrier at the end of a parallel region, an atomic
 * read-modify-write, is what makes it seen by other threads. */
SIMD void vf_stream(float *p, vf x)
{
    _mm512_stream_ps(p, x);
}

/* x < 0 ? 0 : x, so that NaN passes. */
SIMD vf vf_relu(vf x)
{
    return _mm512_mask_mov_ps(x, _mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_LT_OQ),
                              _mm512_setzero_ps());
}

/* table[low three bits of the lane], bits as they are. */
SIMD vf vf_pick8(const int32_t *table, vf lanes)
{
    const __m512i words = _mm512_broadcast_i32x8(_mm256_loadu_si256((const void *)table));
    return _mm512_castsi512_ps(_mm512_permutexvar_epi32(_mm512_castps_si512(lanes), words));
}

/* 4 x 4 blocks within quarters of a vector, then the quarters, by shuffles with fixed patterns. */
SIMD void vf_transpose(vf r[VL])
{
    vf t[VL];
#pragma GCC unroll 8
    for (int i = 0; i < VL; i += 2) {
        t[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < VL; i += 4) {
        r[i] = _mm512_shuffle_ps(t[i], t[i + 2], 0x44);
        r[i + 1] = _mm512_shuffle_ps(t[i], t[i + 2], 0xee);
        r[i + 2] = _mm512_shuffle_ps(t[i + 1], t[i + 3], 0x44);
        r[i + 3] = _mm512_shuffle_ps(t[i + 1], t[i + 3], 0xee);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        const vf low = _mm512_shuffle_f32x4(r[i], r[i + 4], 0x88),
                 high = _mm512_shuffle_f32x4(r[i + 8], r[i + 12], 0x88);
        t[i] = _mm512_shuffle_f32x4(r[i], r[i + 4], 0xdd);
        t[i + 4] = _mm512_shuffle_f32x4(r[i + 8], r[i + 12], 0xdd);
        r[i] = _mm512_shuffle_f32x4(low, high, 0x88);
        r[i + 8] = _mm512_shuffle_f32x4(low, high, 0xdd);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        r[i + 4] = _mm512_shuffle_f32x4(t[i], t[i + 4], 0x88);
        r[i + 12] = _mm512_shuffle_f32x4(t[i], t[i + 4], 0xdd);
    }
}

#elif defined(__AVX2__)

#include <immintrin.h>

enum { VL = 8 };
typedef __m256 vf;

typedef __m256i vm;

SIMD vm vf_mask(int64_t n)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

SIMD vf vf_set1(float x)
{
    return _mm256_set1_ps(x);
}

SIMD vf vf_load(const float *p)
{
    return _mm256_loadu_ps(p);
}

SIMD vf vf_load_m(const float *p, vm m)
{
    return _mm256_maskload_ps(p, m);
}

SIMD vf vf_load_n(const float *p, int64_t n)
{
    return vf_load_m(p, vf_mask(n));
}

SIMD void vf_store(float *p, vf x)
{
    _mm256_storeu_ps(p, x);
}

SIMD void vf_store_n(float *p, vf x, int64_t n)
{
    _mm256_maskstore_ps(p, vf_mask(n), x);
}

SIMD vf vf_fma(vf a, vf b, vf c)
{
    return _mm256_fmadd_ps(a, b, c);
}

SIMD vf vf_max(vf a, vf b)
{
    return _mm256_max_ps(a, b);
}

SIMD void vf_stream(float *p, vf x)
{
    _mm256_stream_ps(p, x);
}

SIMD vf vf_relu(vf x)
{
    return _mm256_andnot_ps(_mm256_cmp_ps(x, _mm256_setzero_ps(), _CMP_LT_OQ), x);
}

SIMD vf vf_pick8(const int32_t *table, vf lanes)
{
    const __m256i words = _mm256_loadu_si256((const void *)table);
    return _mm256_castsi256_ps(_mm256_permutevar8x32_epi32(words, _mm256_castps_si256(lanes)));
}

SIMD void vf_transpose(vf r[VL])
{
    vf t[VL];
#pragma GCC unroll 4
    for (int i = 0; i < VL; i += 2) {
        t[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
        t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
    }
    vf q[VL];
#pragma GCC unroll 2
    for (int i = 0; i < VL; i += 4) {
        q[i] = _mm256_shuffle_ps(t[i], t[i + 2], 0x44);
        q[i + 1] = _mm256_shuffle_ps(t[i], t[i + 2], 0xee);
        q[i + 2] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0x44);
        q[i + 3] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0xee);
    }
#pragma GCC unroll 4
    for (int i = 0; i < VL / 2; i++) {
        r[i] = _mm256_permute2f128_ps(q[i], q[i + 4], 0x20);
        r[i + 4] = _mm256_permute2f128_ps(q[i], q[i + 4], 0x31);
    }
}

#elif defined(__ARM_NEON)

#include <arm_neon.h>

enum { VL = 4 };
typedef float32x4_t vf;
typedef int64_t vm;

SIMD vm vf_mask(int64_t n)
{
    return n;
}

SIMD vf vf_set1(float x)
{
    return vdupq_n_f32(x);
}

SIMD vf vf_load(const float *p)
{
    return vld1q_f32(p);
}

SIMD vf vf_load_n(const float *p, int64_t n)
{
    float lane[4] = {0};
    for (int64_t i = 0; i < n; i++) lane[i] = p[i];
    return vld1q_f32(lane);
}

SIMD vf vf_load_m(const float *p, vm m)
{
    return vf_load_n(p, m);
}

SIMD void vf_store(float *p, vf x)
{
    vst1q_f32(p, x);
}

SIMD void vf_stream(float *p, vf x) /* the ISA has no such store of one vector */
{
    vst1q_f32(p, x);
}

SIMD void vf_store_n(float *p, vf x, int64_t n)
{
    float lane[4];
    vst1q_f32(lane, x);
    for (int64_t i = 0; i < n; i++) p[i] = lane[i];
}

SIMD vf vf_fma(vf a, vf b, vf c)
{
    return vfmaq_f32(c, a, b);
}

SIMD vf vf_max(vf a, vf b)
{
    return vbslq_f32(vcgtq_f32(a, b), a, b);
}

SIMD vf vf_relu(vf x)
{
    return vbslq_f32(vcltq_f32(x, vdupq_n_f32(0)), vdupq_n_f32(0), x);
}

SIMD vf vf_pick8(const int32_t *table, vf lanes)
{
    const uint32x4_t i = vreinterpretq_u32_f32(lanes);
    const int32_t picked[4] = {table[vgetq_lane_u32(i, 0) & 7], table[vgetq_lane_u32(i, 1) & 7],
                               table[vgetq_lane_u32(i, 2) & 7], table[vgetq_lane_u32(i, 3) & 7]};
    return vreinterpretq_f32_s32(vld1q_s32(picked));
}

SIMD void vf_transpose(vf r[VL])
{
    const vf a = vtrn1q_f32(r[0], r[1]), b = vtrn2q_f32(r[0], r[1]);
    const vf c = vtrn1q_f32(r[2], r[3]), d = vtrn2q_f32(r[2], r[3]);
    r[0] = vcombine_f32(vget_low_f32(a), vget_low_f32(c));
    r[1] = vcombine_f32(vget_low_f32(b), vget_low_f32(d));
    r[2] = vcombine_f32(vget_high_f32(a), vget_high_f32(c));
    r[3] = vcombine_f32(vget_high_f32(b), vget_high_f32(d));
}

#else
#error "lib/cpu needs AVX-512, AVX2 with FMA, or NEON"
#endif

SIMD vf vf_zero(void)
{
    return vf_set1(0.0f);
}

/* Half a vector, of VH lanes, where one takes half the time of a whole one: with AVX-512 a core may
 * do one fused multiply-add of a whole vector each cycle or two of half of one. Elsewhere a whole
 * one. */
#if defined(__AVX512F__)
enum { VH = VL / 2 };
typedef __m256 vh;

SIMD vh vh_set1(float x)
{
    return _mm256_set1_ps(x);
}

SIMD vh vh_load(const float *p)
{
    return _mm256_loadu_ps(p);
}

SIMD void vh_store(float *p, vh x)
{
    _mm256_storeu_ps(p, x);
}

SIMD vh vh_fma(vh a, vh b, vh c)
{
    return _mm256_fmadd_ps(a, b, c);
}
#else
enum { VH = VL };
typedef vf vh;

SIMD vh vh_set1(float x)
{
    return vf_set1(x);
}

SIMD vh vh_load(const float *p)
{
    return vf_load(p);
}

SIMD void vh_store(float *p, vh x)
{
    vf_store(p, x);
}

SIMD vh vh_fma(vh a, vh b, vh c)
{
    return vf_fma(a, b, c);
}
#endif

/* Whether an output of so many floats is worth streaming: with its sources it fills the last cache,
 * so that plain stores first fetch lines that nobody reads, and it is not there itself when the
 * next kernel wants it. (12 MiB: norms of 4096 x 768 take half the time so, on 32 MiB of L3.) */
SIMD bool simd_streams(int64_t n)
{
    return n >= (int64_t)3 << 20;
}

/* Floats from p to the next place that a vector may be streamed to. */
SIMD int64_t simd_lead(const float *p)
{
    return (int64_t)(-((uintptr_t)p / sizeof *p) % VL);
}

/* Asks for n floats from p + offset to come to L2; may reach past the end of what p points into. */
SIMD void prefetch(const float *p, int64_t offset, int64_t n)
{
    const char *line = (const char *)((uintptr_t)p + (uintptr_t)offset * sizeof *p);
    for (int64_t i = 0; i < n * (int64_t)sizeof *p; i += 64) __builtin_prefetch(line + i, 0, 2);
}

/* The same, to L1. */
SIMD void prefetch_first(const float *p, int64_t offset, int64_t n)
{
    const char *line = (const char *)((uintptr_t)p + (uintptr_t)offset * sizeof *p);
    for (int64_t i = 0; i < n * (int64_t)sizeof *p; i += 64) __builtin_prefetch(line + i, 0, 3);
}

#endif
