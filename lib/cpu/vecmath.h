/* vecmath -- exp, log, tanh, erf, sin, cos and what is made of them, one float at a time, without
 * branches, so that a loop over them vectorises. Only +, -, *, /, sqrt, fma and bit casts are used:
 * the bits are the same on every machine.
 *
 * At most 2 ulp (tests/unit/vecmath.c): exp, log, tanh, erf; sin and cos for |x| < 2^50 (larger
 * arguments: vm_sin_far, vm_cos_far). sigmoid, gelu_tanh and softplus are within 4 ulp of their
 * formulas' scale. Polynomials: Taylor series where they converge fast, least-squares fits at
 * Chebyshev points (tanh, erf) elsewhere. */
#ifndef SEQLAB_CPU_VECMATH_H
#define SEQLAB_CPU_VECMATH_H

#include <stdint.h>
#include <string.h>

static inline float vm_fma(float a, float b, float c)
{
    return __builtin_fmaf(a, b, c);
}

static inline uint32_t vm_bits(float x)
{
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}

static inline float vm_float(uint32_t u)
{
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}

static inline float vm_abs(float x)
{
    return vm_float(vm_bits(x) & 0x7fffffffu);
}

/* |magnitude| with the sign of `sign`. */
static inline float vm_copysign(float magnitude, float sign)
{
    return vm_float((vm_bits(magnitude) & 0x7fffffffu) | (vm_bits(sign) & 0x80000000u));
}

static inline float vm_sqrt(float x)
{
    return __builtin_sqrtf(x);
}

/* Half to even, by adding and taking away 1.5 * 2^23, which leaves no bits below 1. */
static inline float vm_round(float x)
{
    float y = (x + 0x1.8p23f) - 0x1.8p23f;
    return vm_abs(x) < 0x1p22f ? vm_copysign(y, x) : x;
}

static inline float vm_floor(float x)
{
    float big = vm_abs(x) < 0x1p23f ? x : 0.0f;
    float y = (float)(int32_t)big; /* towards zero */
    y = y > big ? y - 1.0f : y;
    return vm_abs(x) < 0x1p23f ? vm_copysign(y, x) : x;
}

/* x = n ln 2 + r; e^r by Taylor to r^7 (next term 5e-9), times 2^n in two steps, so that subnormals
 * come out right. */
static inline float vm_exp(float x)
{
    float c = x < 89.0f ? x : 89.0f; /* NaN too: it must not reach the conversion to int */
    c = c < -104.0f ? -104.0f : c;
    float n = vm_fma(c, 1.44269504f, 0x1.8p23f) - 0x1.8p23f;
    float r = vm_fma(n, -0x1.62e4p-1f, c);
    r = vm_fma(n, -0x1.7f7d1cp-20f, r);
    float p = vm_fma(r, 1.0f / 5040, 1.0f / 720);
    p = vm_fma(p, r, 1.0f / 120);
    p = vm_fma(p, r, 1.0f / 24);
    p = vm_fma(p, r, 1.0f / 6);
    p = vm_fma(p, r, 0.5f);
    p = vm_fma(p, r * r, r) + 1.0f;
    int32_t k = (int32_t)n, half = k >> 1;
    float low = vm_float((uint32_t)(half + 127) << 23);
    float high = vm_float((uint32_t)(k - half + 127) << 23);
    return p * low * high + (x != x ? x : 0.0f);
}

/* x = m 2^e, m in [sqrt(1/2), sqrt(2)), f = m - 1 (exact), s = f / (2 + f):
 * log m = f - (f^2/2 - s (f^2/2 + R)), R = 2/3 s^2 + 2/5 s^4 + ..., which rounds once in its
 * leading term. */
static inline float vm_log(float x)
{
    float scaled = x < 0x1p-126f ? x * 0x1p24f : x;
    float bias = x < 0x1p-126f ? 24.0f : 0.0f;
    uint32_t u = vm_bits(scaled) + (0x3f800000u - 0x3f3504f3u);
    float e = (float)((int32_t)(u >> 23) - 127) - bias;
    float f = vm_float((u & 0x007fffffu) + 0x3f3504f3u) - 1.0f;
    float s = f / (2.0f + f), z = s * s, half = 0.5f * f * f;
    float r = vm_fma(z, 2.0f / 11, 2.0f / 9);
    r = vm_fma(z, r, 2.0f / 7);
    r = vm_fma(z, r, 2.0f / 5);
    r = vm_fma(z, r, 2.0f / 3) * z;
    float small = vm_fma(s, half + r, e * 1.42860677e-06f);
    float y = vm_fma(e, 0.693145751953125f, f - (half - small));
    y = x == 0 ? -__builtin_inff() : y;
    y = x < 0 ? __builtin_nanf("") : y;
    return (x == __builtin_inff()) | (x != x) ? x : y;
}

/* Small arguments by an odd polynomial; the rest from e^(2|x|). */
static inline float vm_tanh(float x)
{
    float a = vm_abs(x), z = a * a;
    float p = vm_fma(z, 0x1.2ce4a6p-9f, -0x1.118190p-7f);
    p = vm_fma(p, z, 0x1.64ad6ep-6f);
    p = vm_fma(p, z, -0x1.ba090ap-5f);
    p = vm_fma(p, z, 0x1.1110eap-3f);
    p = vm_fma(p, z, -0x1.555556p-2f);
    float small = vm_fma(p * z, a, a);
    float c = a > 10.0f ? 10.0f : a; /* 1 - tanh(10) is below half an ulp */
    float large = 1.0f - 2.0f / (vm_exp(2.0f * c) + 1.0f);
    return x != x ? x : vm_copysign(a < 0.625f ? small : large, x); /* keeps -0 */
}

/* Small arguments by an odd polynomial; the rest as 1 - e^L(|x|), L fitted to log(erfc). */
static inline float vm_erf(float x)
{
    float a = vm_abs(x), z = a * a;
    float p = vm_fma(z, -0x1.5a9d2ep-17f, 0x1.e0e048p-14f);
    p = vm_fma(p, z, -0x1.be0972p-11f);
    p = vm_fma(p, z, 0x1.56412ap-8f);
    p = vm_fma(p, z, -0x1.b82b78p-6f);
    p = vm_fma(p, z, 0x1.ce2f18p-4f);
    p = vm_fma(p, z, -0x1.812746p-2f);
    p = vm_fma(p, z, 0x1.06eba8p-3f);
    float small = vm_fma(p, a, a);
    float c = a > 4.0f ? 4.0f : a; /* 1 - erf(4) is below half an ulp */
    float q = vm_fma(c, 0x1.829bfcp-21f, -0x1.89dd02p-17f);
    q = vm_fma(q, c, 0x1.027604p-14f);
    q = vm_fma(q, c, 0x1.b17cb4p-14f);
    q = vm_fma(q, c, -0x1.b5d806p-9f);
    q = vm_fma(q, c, 0x1.8559c8p-6f);
    q = vm_fma(q, c, -0x1.b59dc2p-4f);
    q = vm_fma(q, c, -0x1.44c420p-1f);
    q = vm_fma(q, c, -0x1.210fdap+0f);
    q = vm_fma(q, c, 0x1.dd37e2p-14f);
    float large = 1.0f - vm_exp(q);
    return x != x ? x : vm_copysign(a < 0.92f ? small : large, x);
}

/* sin(r + quarter pi / 2), |r| <= pi/4 or a little more: Taylor in double, error below 1e-9
 * relative. */
static inline float vm_sin_octant(double r, int64_t quarter)
{
    double z = r * r;
    double s = r + r * z * (-1.0 / 6 + z * (1.0 / 120 + z * (-1.0 / 5040 + z * (1.0 / 362880))));
    double c =
        1 +
        z * (-0.5 + z * (1.0 / 24 + z * (-1.0 / 720 + z * (1.0 / 40320 + z * (-1.0 / 3628800)))));
    double v = quarter & 1 ? c : s;
    return (float)(quarter & 2 ? -v : v);
}

/* x - n pi/2 with pi/2 in two doubles: good to |x| = 2^50. */
static inline float vm_sin_shifted(float x, int64_t shift)
{
    double d = (double)x;
    double big = d * 0.63661977236758134 + 0x1.8p52, n = big - 0x1.8p52;
    int64_t quarter;
    memcpy(&quarter, &big, sizeof quarter); /* the low bits of n */
    double r = __builtin_fma(n, -1.5707963267948966, d);
    r = __builtin_fma(n, -6.123233995736766e-17, r);
    return vm_sin_octant(r, quarter + shift);
}

static inline float vm_sin(float x)
{
    float y = vm_sin_shifted(x, 0);
    return x == 0 ? x : y; /* keeps -0 */
}

static inline float vm_cos(float x)
{
    return vm_sin_shifted(x, 1);
}

/* For |x| >= 2^50: m 2^e times the bits of 2/pi from the place where they count modulo 4 (Payne &
 * Hanek 1983). */
static inline float vm_sin_far(float x, int64_t shift)
{
    static const uint32_t two_over_pi[9] = {0xA2F9836Eu, 0x4E441529u, 0xFC2757D1u,
                                            0xF534DDC0u, 0xDB629599u, 0x3C439041u,
                                            0xFE5163ABu, 0xDEBBC561u, 0xB7246E3Au};
    uint32_t u = vm_bits(x);
    int e = (int)(u >> 23 & 255) - 150, offset = e - 2; /* the first bit of 2/pi that matters */
    if (e > 104) return __builtin_nanf("");             /* infinity, NaN */
    unsigned __int128 window = 0;
    for (int i = 0; i < 5; i++) {
        int word = offset / 32 + i, place = 128 - 32 * (i + 1) + offset % 32;
        unsigned __int128 bits = two_over_pi[word];
        window |= place >= 0 ? bits << place : bits >> -place;
    }
    unsigned __int128 turns = window * ((u & 0x7fffffu) | 0x800000u); /* 2^126 is a quarter turn */
    if (u >> 31) turns = -turns;
    int64_t quarter = (int64_t)((turns + ((unsigned __int128)1 << 125)) >> 126);
    __int128 rest = (__int128)(turns - ((unsigned __int128)(uint64_t)quarter << 126));
    double r = (double)(int64_t)(rest >> 64) * 0x1p-62 * 1.5707963267948966;
    return vm_sin_octant(r, quarter + shift);
}

static inline float vm_sigmoid(float x)
{
    float t = vm_exp(-vm_abs(x)), d = 1.0f / (1.0f + t);
    return x < 0 ? t * d : d;
}

/* max(x, 0) + log(1 + e^-|x|); log1p by its correction term. */
static inline float vm_softplus(float x)
{
    float t = vm_exp(-vm_abs(x)), u = 1.0f + t;
    float tail = t - (u - 1.0f); /* what the sum lost */
    return (x > 0 ? x : 0.0f) + (vm_log(u) + tail / u) + (x != x ? x : 0.0f);
}

/* 0.5 x (1 + tanh u), u = sqrt(2/pi) (x + 0.044715 x^3) (Hendrycks & Gimpel 2016), which is
 * x / (1 + e^(-2 u)): one exponential, and nothing cancels. */
static inline float vm_gelu_tanh(float x)
{
    const float c = 1.59576912160573071f; /* 2 sqrt(2/pi) */
    return x / (1.0f + vm_exp(x * vm_fma(x * x, -0.044715f * c, -c)));
}

#endif
