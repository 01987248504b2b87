/* fft_pass -- passes of radix 2 to 16 over a block's columns (fft_right.h says what they compute,
 * fft_steps.h how). The first pass and its reverse work on reals at half the cost, and know radix
 * 1, 3 and 5 as plain sums: x_r = sum_a c_r^a x_a. */
#include "cpu/fft_steps.h"

SIMD void pass_forward(int radix, float *z, int64_t first, int64_t groups, const float *w)
{
    const int64_t part = fft_place(groups);
    z += fft_place(first);
    for (int64_t q = 0; q < groups; q++)
        for (int v = 0; v < FFT_GROUP; v += VL) {
            float *column = z + fft_place(q) + v;
            Cv x[16];
#pragma GCC unroll 16
            for (int a = 0; a < radix; a++) x[a] = cv_load(column + a * part);
            radix_forward(x, radix, 1, w, false);
#pragma GCC unroll 16
            for (int a = 0; a < radix; a++) cv_store(column + a * part, x[a]);
        }
}

SIMD void pass_inverse(int radix, float *z, int64_t first, int64_t groups, const float *w)
{
    const int64_t part = fft_place(groups);
    z += fft_place(first);
    for (int64_t q = 0; q < groups; q++)
        for (int v = 0; v < FFT_GROUP; v += VL) {
            float *column = z + fft_place(q) + v;
            Cv x[16];
#pragma GCC unroll 16
            for (int a = 0; a < radix; a++) x[a] = cv_load(column + a * part);
            radix_inverse(x, radix, 1, w, false);
#pragma GCC unroll 16
            for (int a = 0; a < radix; a++) cv_store(column + a * part, x[a]);
        }
}

/* Reals a, b to a + w b, a - w b. */
SIMD void step_first(Cv *a, Cv *b, Cv w)
{
    const vf x = a->re, y = b->re, im = w.im * y;
    *a = (Cv){vf_fma(w.re, y, x), im};
    *b = (Cv){vf_fma(-w.re, y, x), -im};
}

SIMD void pass_first(int radix, const float *x, float *z, int64_t groups, const float *w,
                     int64_t begin, int64_t end)
{
    const int64_t part = fft_place(groups);
    for (int64_t q = begin; q < end; q++)
        for (int v = 0; v < FFT_GROUP; v += VL) {
            Cv y[16];
#pragma GCC unroll 16
            for (int a = 0; a < radix; a++) y[a].re = vf_load(x + (a * groups + q) * FFT_GROUP + v);
#pragma GCC unroll 8
            for (int i = 0; i < radix / 2; i++)
                step_first(&y[i], &y[i + radix / 2], cv_twiddle(w, 0, false));
            radix_forward(y, radix, 2, w, false);
#pragma GCC unroll 16
            for (int a = 0; a < radix; a++) cv_store(z + a * part + fft_place(q) + v, y[a]);
        }
}

/* Undoes pass_first, times the radix. */
SIMD void pass_end(int radix, const float *z, float *re, float *im, int64_t groups, const float *w,
                   int64_t begin, int64_t end)
{
    const int64_t part = fft_place(groups);
    for (int64_t q = begin; q < end; q++)
        for (int v = 0; v < FFT_GROUP; v += VL) {
            Cv x[16];
#pragma GCC unroll 16
            for (int a = 0; a < radix; a++) x[a] = cv_load(z + a * part + fft_place(q) + v);
            radix_inverse(x, radix, 2, w, false);
            steps_inverse(x, 1, radix / 2, w, false);
#pragma GCC unroll 16
            for (int a = 0; a < radix; a++) {
                const int64_t at = (a * groups + q) * FFT_GROUP + v;
                vf_store(re + at, x[a].re);
                if (im) vf_store(im + at, x[a].im);
            }
        }
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
