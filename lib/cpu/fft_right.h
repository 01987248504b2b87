/* fft_right -- the transform under the long convolutions: a real row's polynomial x(z) = sum x[n]
 * z^n at the m roots of z^m = -i.
 *
 * Products of spectra are products modulo z^m + i. Since z^m = -i, a real product of at most 2 m
 * lags comes back whole: lags 0..m-1 are the real part, lag m + n is minus the imaginary part at n,
 * lag n - m is the imaginary part at n. So a linear convolution of rows of length m needs m complex
 * points, not 2 m real ones padded with zeros; every row stands for itself (no pairing); and the
 * causal part alone is the real part alone ("right-angle convolution", Crandall & Fagin 1994).
 *
 * The tree: z^M - c = prod_r (z^(M/R) - c_r), c_r the R-th roots of c. A pass takes each block
 * modulo z^M - c to R blocks modulo z^(M/R) - c_r by radix-2 steps a + w b, a - w b with w = the
 * root of the step: the twiddles are constants of a block, not vectors along it. Blocks of 256
 * points finish in L1, transposed in 16 x 16 tiles. All spectra are left in the order of the tree.
 * Each output of each step is one chain of operations on fixed inputs: neither vector width,
 * grouping of steps into passes nor threads can change its bits.
 *
 * Storage of m complex numbers: groups of 16 real parts then 16 imaginary parts; after every 16
 * groups (a leaf) one is left out, so that strides of powers of two do not meet in one cache set.
 */
#ifndef SEQLAB_CPU_FFT_RIGHT_H
#define SEQLAB_CPU_FFT_RIGHT_H

#include "cpu/kernel.h"
#include "cpu/simd.h"

#define right_points    K(right_points)
#define right_plan      K(right_plan)
#define right_fill      K(right_fill)
#define right_first     K(right_first)
#define right_forward   K(right_forward)
#define right_convolve  K(right_convolve)
#define right_correlate K(right_correlate)
#define right_inverse   K(right_inverse)
#define right_end       K(right_end)

enum { FFT_GROUP = 16, FFT_LEAF = 256, FFT_MAX_PASSES = 8 };

typedef struct RightFft {
    int64_t m;    /* complex points: 256 times 2^a, 3 2^a or 5 2^a */
    int n_passes; /* above the blocks of 256; the first reads reals and may have radix 1, 3 or 5 */
    int radix[FFT_MAX_PASSES];
    int64_t blocks[FFT_MAX_PASSES + 1]; /* of each pass; of the leaves */
    float *twiddle[FFT_MAX_PASSES + 1];
    int root_bits; /* see fft_right.c */
    double *roots;
    int64_t table_floats;
} RightFft;

/* The smallest such m >= n. */
int64_t right_points(int64_t n);
/* The passes for m points, with their tables from `table` on (table_floats of them). */
RightFft right_plan(int64_t m, float *table);
/* Fills the tables; roots correctly rounded from doubles. */
void right_fill(const RightFft *f);

/* The place of a group; of group m / 16: the floats that m complex numbers take. Linear in
 * multiples of 16 groups. */
SIMD int64_t fft_place(int64_t group)
{
    return (group + (group >> 4)) * 2 * FFT_GROUP;
}

/* Rows of n floats that the next steps read and write: they are asked for while the leaves compute,
 * since the columns of a first pass are too short for the hardware to see them coming. NULL: none.
 */
typedef struct FftAhead {
    const float *read, *write;
    int64_t n;
} FftAhead;

/* Parts of one transform, so that threads can share it: groups begin <= q < end of the m /
 * radix[0] / 16 column groups, or leaves begin <= l < end of the m / 256, where a thread's leaves
 * are whole blocks of pass `pass`.
 *   first      m reals to z, by pass 0
 *   forward    passes pass.., the leaves: z holds the spectrum
 *   convolve   forward, times k (or its conjugate), inverse
 *   correlate  forward of both, sum += conj(u) dy; with k, dy times its conjugate, inverse
 *   inverse    the reverse of forward
 *   end        the reverse of first, times m: re and, unless NULL, im, m numbers each */
void right_first(const RightFft *f, const float *x, float *z, int64_t begin, int64_t end);
void right_forward(const RightFft *f, float *z, const FftAhead *ahead, int64_t begin, int64_t end);
void right_convolve(const RightFft *f, float *z, const float *k, bool conjugate,
                    const FftAhead *ahead, int64_t begin, int64_t end);
void right_correlate(const RightFft *f, float *u, float *dy, const float *k, float *sum,
                     const FftAhead ahead[2], int64_t begin, int64_t end);
void right_inverse(const RightFft *f, float *z, int64_t begin, int64_t end);
void right_end(const RightFft *f, const float *z, float *re, float *im, int64_t begin, int64_t end);

#endif
