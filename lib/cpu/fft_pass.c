/* fft_pass -- passes of radix 2 to 16 over a block's columns (fft_right.h says what they compute,
 * fft_steps.h how). The first pass and its reverse work on reals at half the cost, and know radix
 * 1, 3 and 5 as plain sums: x_r = sum_a c_r^a x_a. */
#include "cpu/fft_steps.h"

SIMD void block_forward(int radix, float *z, int64_t part, const float *w)
{
    Cv x[16];
    if (radix == 2) {
        cv_load_every(x, 0, 1, 2, z, part);
        step_forward(&x[0], &x[1], cv_twiddle(w, 0, false), false);
        cv_store_every(x, 0, 1, 2, z, part);
        return;
    }
    radix_begin(x, radix, z, part, w, false);
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++) {
        radix_rest(x, radix, j, w, false);
        cv_store_every(x, j * radix / 4, 1, radix / 4, z, part);
    }
}

SIMD void block_inverse(int radix, float *z, int64_t part, const float *w)
{
    Cv x[16];
    if (radix == 2) {
        cv_load_every(x, 0, 1, 2, z, part);
        step_inverse(&x[0], &x[1], cv_twiddle(w, 0, false), false);
        cv_store_every(x, 0, 1, 2, z, part);
        return;
    }
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++) {
        cv_load_every(x, j * radix / 4, 1, radix / 4, z, part);
        radix_rest_back(x, radix, j, w, false);
    }
    radix_finish(x, radix, z, part, w, false);
}

SIMD void pass_forward(int radix, float *z, int64_t first, int64_t groups, const float *w)
{
    const int64_t part = fft_place(groups);
    z += fft_place(first);
    for (int64_t q = 0; q < groups; q++)
        for (int v = 0; v < FFT_GROUP; v += VL) block_forward(radix, z + fft_place(q) + v, part, w);
}

SIMD void pass_inverse(int radix, float *z, int64_t first, int64_t groups, const float *w)
{
    const int64_t part = fft_place(groups);
    z += fft_place(first);
    for (int64_t q = 0; q < groups; q++)
        for (int v = 0; v < FFT_GROUP; v += VL) block_inverse(radix, z + fft_place(q) + v, part, w);
}

/* Reals a, b to a + w b, a - w b. */
SIMD void step_first(Cv *a, Cv *b, Cv w)
{
    const vf x = a->re, y = b->re, im = w.im * y;
    *a = (Cv){vf_fma(w.re, y, x), im};
    *b = (Cv){vf_fma(-w.re, y, x), -im};
}

/* The first step of reals a and a + radix / 2. */
SIMD void pair_first(Cv *x, int a, int radix, const float *from, int64_t part, const float *w)
{
    const Cv first = cv_twiddle(w, 0, false);
    x[a].re = vf_load(from + a * part);
    x[a + radix / 2].re = vf_load(from + (a + radix / 2) * part);
    step_first(&x[a], &x[a + radix / 2], first);
}

SIMD void block_first(int radix, const float *from, int64_t from_part, float *z, int64_t part,
                      const float *w)
{
    Cv x[16];
    if (radix == 2) {
        pair_first(x, 0, 2, from, from_part, w);
        cv_store_every(x, 0, 1, 2, z, part);
        return;
    }
#pragma GCC unroll 4
    for (int i = 0; i < radix / 4; i++) {
        const int d = radix / 4;
        pair_first(x, i, radix, from, from_part, w);
        pair_first(x, i + d, radix, from, from_part, w);
        const Cv second = cv_twiddle(w, 1, false);
        step_forward(&x[i], &x[i + d], second, false);
        step_forward(&x[i + 2 * d], &x[i + 3 * d], second, true);
    }
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++) {
        radix_rest(x, radix, j, w, false);
        cv_store_every(x, j * radix / 4, 1, radix / 4, z, part);
    }
}

SIMD void pass_first(int radix, const float *x, float *z, int64_t groups, const float *w,
                     int64_t begin, int64_t end)
{
    for (int64_t q = begin; q < end; q++)
        for (int v = 0; v < FFT_GROUP; v += VL)
            block_first(radix, x + q * FFT_GROUP + v, groups * FFT_GROUP, z + fft_place(q) + v,
                        fft_place(groups), w);
}

/* What comes back: real parts and, unless NULL, imaginary parts, `part` floats apart. */
typedef struct Reals {
    float *re, *im;
    int64_t part;
} Reals;

SIMD void put_reals(const Cv *x, int a, int d, int count, Reals to)
{
#pragma GCC unroll 4
    for (int i = 0; i < count; i++) {
        const int64_t at = (a + i * d) * to.part;
        vf_store(to.re + at, x[a + i * d].re);
        if (to.im) vf_store(to.im + at, x[a + i * d].im);
    }
}

SIMD void block_end(int radix, const float *z, int64_t part, Reals to, const float *w)
{
    Cv x[16];
    if (radix == 2) {
        cv_load_every(x, 0, 1, 2, z, part);
        step_inverse(&x[0], &x[1], cv_twiddle(w, 0, false), false);
        put_reals(x, 0, 1, 2, to);
        return;
    }
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++) {
        cv_load_every(x, j * radix / 4, 1, radix / 4, z, part);
        radix_rest_back(x, radix, j, w, false);
    }
#pragma GCC unroll 4
    for (int i = 0; i < radix / 4; i++) {
        quad_inverse(x + i, radix / 4, 1, 0, w, false);
        put_reals(x, i, radix / 4, 4, to);
    }
}

SIMD void pass_end_columns(int radix, const float *z, Reals to, const float *w, int64_t begin,
                           int64_t end)
{
    const int64_t part = fft_place(to.part / FFT_GROUP);
    for (int64_t q = begin; q < end; q++)
        for (int v = 0; v < FFT_GROUP; v += VL) {
            const int64_t at = q * FFT_GROUP + v;
            const Reals here = {to.re + at, to.im ? to.im + at : NULL, to.part};
            block_end(radix, z + fft_place(q) + v, part, here, w);
        }
}

/* Undoes pass_first, times the radix. */
SIMD void pass_end(int radix, const float *z, float *re, float *im, int64_t groups, const float *w,
                   int64_t begin, int64_t end)
{
    if (im)
        pass_end_columns(radix, z, (Reals){re, im, groups * FFT_GROUP}, w, begin, end);
    else
        pass_end_columns(radix, z, (Reals){re, NULL, groups * FFT_GROUP}, w, begin, end);
}

/* Odd radix: w holds c_r^a at [r][a], a > 0. */
SIMD void odd_first(int radix, const float *x, float *z, int64_t groups, const float *w,
                    int64_t begin, int64_t end)
{
    const int64_t part = fft_place(groups);
    for (int64_t q = begin; q < end; q++)
        for (int v = 0; v < FFT_GROUP; v += VL) {
            const float *from = x + q * FFT_GROUP + v;
            for (int r = 0; r < radix; r++) {
                Cv y = {vf_load(from), vf_zero()};
                for (int a = 1; a < radix; a++) {
                    const Cv c = cv_twiddle(w, r * (radix - 1) + a - 1, false);
                    const vf xa = vf_load(from + a * groups * FFT_GROUP);
                    y.re = vf_fma(c.re, xa, y.re);
                    y.im = vf_fma(c.im, xa, y.im);
                }
                cv_store(z + r * part + fft_place(q) + v, y);
            }
        }
}

SIMD void odd_end(int radix, const float *z, float *re, float *im, int64_t groups, const float *w,
                  int64_t begin, int64_t end)
{
    const int64_t part = fft_place(groups);
    for (int64_t q = begin; q < end; q++)
        for (int v = 0; v < FFT_GROUP; v += VL)
            for (int a = 0; a < radix; a++) {
                Cv x = {vf_zero(), vf_zero()};
                for (int r = 0; r < radix; r++) {
                    const Cv y = cv_load(z + r * part + fft_place(q) + v);
                    const Cv c = a == 0 ? (Cv){vf_set1(1), vf_zero()}
                                        : cv_twiddle(w, r * (radix - 1) + a - 1, false);
                    x.re = vf_fma(c.re, y.re, vf_fma(c.im, y.im, x.re));
                    x.im = vf_fma(c.re, y.im, vf_fma(-c.im, y.re, x.im));
                }
                const int64_t at = (a * groups + q) * FFT_GROUP + v;
                vf_store(re + at, x.re);
                if (im) vf_store(im + at, x.im);
            }
}

void fft_pass_forward(int radix, float *z, int64_t first, int64_t groups, const float *w)
{
    if (radix == 2) pass_forward(2, z, first, groups, w);
    if (radix == 4) pass_forward(4, z, first, groups, w);
    if (radix == 8) pass_forward(8, z, first, groups, w);
    if (radix == 16) pass_forward(16, z, first, groups, w);
}

void fft_pass_inverse(int radix, float *z, int64_t first, int64_t groups, const float *w)
{
    if (radix == 2) pass_inverse(2, z, first, groups, w);
    if (radix == 4) pass_inverse(4, z, first, groups, w);
    if (radix == 8) pass_inverse(8, z, first, groups, w);
    if (radix == 16) pass_inverse(16, z, first, groups, w);
}

void fft_pass_first(int radix, const float *x, float *z, int64_t groups, const float *w,
                    int64_t begin, int64_t end)
{
    if (radix == 1) odd_first(1, x, z, groups, w, begin, end);
    if (radix == 2) pass_first(2, x, z, groups, w, begin, end);
    if (radix == 3) odd_first(3, x, z, groups, w, begin, end);
    if (radix == 4) pass_first(4, x, z, groups, w, begin, end);
    if (radix == 5) odd_first(5, x, z, groups, w, begin, end);
    if (radix == 8) pass_first(8, x, z, groups, w, begin, end);
    if (radix == 16) pass_first(16, x, z, groups, w, begin, end);
}

void fft_pass_end(int radix, const float *z, float *re, float *im, int64_t groups, const float *w,
                  int64_t begin, int64_t end)
{
    if (radix == 1) odd_end(1, z, re, im, groups, w, begin, end);
    if (radix == 2) pass_end(2, z, re, im, groups, w, begin, end);
    if (radix == 3) odd_end(3, z, re, im, groups, w, begin, end);
    if (radix == 4) pass_end(4, z, re, im, groups, w, begin, end);
    if (radix == 5) odd_end(5, z, re, im, groups, w, begin, end);
    if (radix == 8) pass_end(8, z, re, im, groups, w, begin, end);
    if (radix == 16) pass_end(16, z, re, im, groups, w, begin, end);
}
