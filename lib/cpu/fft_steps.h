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

/* Step with `nodes` nodes on 2 d nodes numbers. */
SIMD void steps_forward(Cv *x, int nodes, int d, const float *w, bool lanes)
{
#pragma GCC unroll 8
    for (int j = 0; j < nodes; j++) {
        const Cv wj = cv_twiddle(w, nodes / 2 + j / 2, lanes);
#pragma GCC unroll 8
        for (int i = 0; i < d; i++)
            step_forward(&x[2 * d * j + i], &x[2 * d * j + i + d], wj, j & 1);
    }
}

SIMD void steps_inverse(Cv *x, int nodes, int d, const float *w, bool lanes)
{
#pragma GCC unroll 8
    for (int j = 0; j < nodes; j++) {
        const Cv wj = cv_twiddle(w, nodes / 2 + j / 2, lanes);
#pragma GCC unroll 8
        for (int i = 0; i < d; i++)
            step_inverse(&x[2 * d * j + i], &x[2 * d * j + i + d], wj, j & 1);
    }
}

/* The steps after `done` nodes (1 or 2) of a radix-R block. */
SIMD void radix_forward(Cv *x, int radix, int nodes, const float *w, bool lanes)
{
    if (nodes == 1) steps_forward(x, 1, radix / 2, w, lanes);
    if (radix > 2) steps_forward(x, 2, radix / 4, w, lanes);
    if (radix > 4) steps_forward(x, 4, radix / 8, w, lanes);
    if (radix > 8) steps_forward(x, 8, radix / 16, w, lanes);
}

SIMD void radix_inverse(Cv *x, int radix, int nodes, const float *w, bool lanes)
{
    if (radix > 8) steps_inverse(x, 8, radix / 16, w, lanes);
    if (radix > 4) steps_inverse(x, 4, radix / 8, w, lanes);
    if (radix > 2) steps_inverse(x, 2, radix / 4, w, lanes);
    if (nodes == 1) steps_inverse(x, 1, radix / 2, w, lanes);
}

#endif
