/* fft_steps -- radix-2 steps on complex vectors in registers, and the passes made of them.
 *
 * Twiddles of a block of radix R are R / 2 complex numbers: of the 2^l nodes at step l every second
 * one has -i times its neighbour's, so step l > 0 has 2^(l-1), stored from 2^(l-1) on. They are the
 * same for all lanes (one complex number each), or, in a leaf's second half, vectors (16 real
 * parts, 16 imaginary parts). */
#ifndef SEQLAB_CPU_FFT_STEPS_H
#define SEQLAB_CPU_FFT_STEPS_H

#include "cpu/fft_right.h"

#define fft_pass_first   K(fft_pass_first)
#define fft_pass_forward K(fft_pass_forward)
#define fft_pass_inverse K(fft_pass_inverse)
#define fft_pass_end     K(fft_pass_end)

/* A pass over one block, whose first group is `first` and whose parts have `groups` groups each,
 * both ways. */
void fft_pass_forward(int radix, float *z, int64_t first, int64_t groups, const float *w);
void fft_pass_inverse(int radix, float *z, int64_t first, int64_t groups, const float *w);
/* The first pass, between reals and z: columns begin..end of each part. */
void fft_pass_first(int radix, const float *x, float *z, int64_t groups, const float *w,
                    int64_t begin, int64_t end);
void fft_pass_end(int radix, const float *z, float *re, float *im, int64_t groups, const float *w,
                  int64_t begin, int64_t end);

typedef struct Cv {
    vf re, im;
} Cv;

SIMD Cv cv_load(const float *z)
{
    return (Cv){vf_load(z), vf_load(z + FFT_GROUP)};
}

SIMD void cv_store(float *z, Cv x)
{
    vf_store(z, x.re);
    vf_store(z + FFT_GROUP, x.im);
}

SIMD Cv cv_twiddle(const float *w, int i, bool lanes)
{
    if (lanes) return cv_load(w + (int64_t)i * 2 * FFT_GROUP);
    return (Cv){vf_set1(w[2 * i]), vf_set1(w[2 * i + 1])};
}

/* a, b = a + w b, a - w b; with `turn`, -i w takes the place of w. */
SIMD void step_forward(Cv *a, Cv *b, Cv w, bool turn)
{
    const Cv x = *a;
    const vf re = vf_fma(w.re, b->re, -(w.im * b->im)), im = vf_fma(w.im, b->re, w.re * b->im);
    if (turn) {
        *a = (Cv){x.re + im, x.im - re};
        *b = (Cv){x.re - im, x.im + re};
    } else {
        *a = (Cv){x.re + re, x.im + im};
        *b = (Cv){x.re - re, x.im - im};
    }
}

/* Twice the inverse: a, b = a + b, conj(w) (a - b). */
SIMD void step_inverse(Cv *a, Cv *b, Cv w, bool turn)
{
    const vf re = a->re - b->re, im = a->im - b->im;
    *a = (Cv){a->re + b->re, a->im + b->im};
    if (turn)
        *b = (Cv){vf_fma(w.im, re, -(w.re * im)), vf_fma(w.re, re, w.im * im)};
    else
        *b = (Cv){vf_fma(w.re, re, w.im * im), vf_fma(w.re, im, -(w.im * re))};
}

/* Two steps from node j of `nodes` on: numbers x[0], x[d], x[2 d], x[3 d]. */
SIMD void quad_forward(Cv *x, int d, int nodes, int j, const float *w, bool lanes)
{
    const Cv first = cv_twiddle(w, nodes / 2 + j / 2, lanes);
    step_forward(&x[0], &x[2 * d], first, j & 1);
    step_forward(&x[d], &x[3 * d], first, j & 1);
    const Cv second = cv_twiddle(w, nodes + j, lanes);
    step_forward(&x[0], &x[d], second, false);
    step_forward(&x[2 * d], &x[3 * d], second, true);
}

SIMD void quad_inverse(Cv *x, int d, int nodes, int j, const float *w, bool lanes)
{
    const Cv second = cv_twiddle(w, nodes + j, lanes);
    step_inverse(&x[0], &x[d], second, false);
    step_inverse(&x[2 * d], &x[3 * d], second, true);
    const Cv first = cv_twiddle(w, nodes / 2 + j / 2, lanes);
    step_inverse(&x[0], &x[2 * d], first, j & 1);
    step_inverse(&x[d], &x[3 * d], first, j & 1);
}

/* Numbers a, a + d, .. of x, `count` of them, each at z + its index * part. */
SIMD void cv_load_every(Cv *x, int a, int d, int count, const float *z, int64_t part)
{
#pragma GCC unroll 4
    for (int i = 0; i < count; i++) x[a + i * d] = cv_load(z + (a + i * d) * part);
}

SIMD void cv_store_every(const Cv *x, int a, int d, int count, float *z, int64_t part)
{
#pragma GCC unroll 4
    for (int i = 0; i < count; i++) cv_store(z + (a + i * d) * part, x[a + i * d]);
}

/* A block of radix 4, 8 or 16 is two rounds: `begin`, the first two steps of radix / 4 fours that
 * lie radix / 4 apart, each loaded when its turn comes, then four times `rest`, what is left of
 * radix / 4 neighbours. With 16 registers a number then goes to the stack once between the rounds,
 * not once a step. Backwards: `rest_back`, then `finish`, which stores. */
SIMD void radix_begin(Cv *x, int radix, const float *z, int64_t part, const float *w, bool lanes)
{
#pragma GCC unroll 4
    for (int i = 0; i < radix / 4; i++) {
        cv_load_every(x, i, radix / 4, 4, z, part);
        quad_forward(x + i, radix / 4, 1, 0, w, lanes);
    }
}

SIMD void radix_finish(Cv *x, int radix, float *z, int64_t part, const float *w, bool lanes)
{
#pragma GCC unroll 4
    for (int i = 0; i < radix / 4; i++) {
        quad_inverse(x + i, radix / 4, 1, 0, w, lanes);
        cv_store_every(x, i, radix / 4, 4, z, part);
    }
}

/* Of neighbours j radix / 4 .. of x. */
SIMD void radix_rest(Cv *x, int radix, int j, const float *w, bool lanes)
{
    if (radix == 8) step_forward(&x[2 * j], &x[2 * j + 1], cv_twiddle(w, 2 + j / 2, lanes), j & 1);
    if (radix == 16) quad_forward(x + 4 * j, 1, 4, j, w, lanes);
}

SIMD void radix_rest_back(Cv *x, int radix, int j, const float *w, bool lanes)
{
    if (radix == 8) step_inverse(&x[2 * j], &x[2 * j + 1], cv_twiddle(w, 2 + j / 2, lanes), j & 1);
    if (radix == 16) quad_inverse(x + 4 * j, 1, 4, j, w, lanes);
}

#endif
