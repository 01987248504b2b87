/* long_conv_peer -- the same convolution and its gradients by FFTW, row by row so that a row stays
 * in cache: planned with FFTW_MEASURE (FFTW_ESTIMATE from a million places on: measuring those
 * takes minutes), padded to twice the length, the kernel's spectrum kept
 * across the batch, and the backward pass with three transforms a row. Without its header the peer
 * is absent. Link with -lfftw3f. */
#ifndef SEQLAB_BENCH_LONG_CONV_PEER_H
#define SEQLAB_BENCH_LONG_CONV_PEER_H

#include "cpu/cpu.h"

#include <stdlib.h>
#include <string.h>

#if __has_include(<fftw3.h>)
#include <complex.h>
#include <fftw3.h>

enum { PEER_PRESENT = 1 };

typedef struct Peer {
    LongConv s;
    fftwf_plan forward, inverse;
} Peer;

static inline int64_t peer_bins(const Peer *p)
{
    return p->s.t + 1;
}

static inline fftwf_complex *peer_spectra(const Peer *p, int n)
{
    return fftwf_alloc_complex((size_t)(n * (peer_bins(p) + 15)));
}

static inline Peer peer_new(const LongConv *s)
{
    Peer p = {*s, NULL, NULL};
    float *row = fftwf_alloc_real((size_t)(2 * s->t));
    fftwf_complex *z = peer_spectra(&p, 1);
    const unsigned how = s->t < 1000000 ? FFTW_MEASURE : FFTW_ESTIMATE;
    p.forward = fftwf_plan_dft_r2c_1d((int)(2 * s->t), row, z, how);
    p.inverse = fftwf_plan_dft_c2r_1d((int)(2 * s->t), z, row, how);
    fftwf_free(row), fftwf_free(z);
    return p;
}

static inline void peer_free(Peer *p)
{
    fftwf_destroy_plan(p->forward), fftwf_destroy_plan(p->inverse);
}

static inline void peer_spectrum(const Peer *p, const float *x, float *row, fftwf_complex *z)
{
    memcpy(row, x, sizeof *row * (size_t)p->s.t);
    memset(row + p->s.t, 0, sizeof *row * (size_t)p->s.t);
    fftwf_execute_dft_r2c(p->forward, row, z);
}

static inline void peer_back(const Peer *p, fftwf_complex *z, float *row, float *y)
{
    const float scale = 0.5f / (float)p->s.t;
    fftwf_execute_dft_c2r(p->inverse, z, row);
    for (int64_t i = 0; i < p->s.t; i++) y[i] = row[i] * scale;
}

/* a[f] = a[f] b[f] or conj(a[f]) b[f], added to sum when there is one. */
static inline void peer_times(const Peer *p, fftwf_complex *a, const fftwf_complex *b,
                              fftwf_complex *sum, float sign)
{
    float *x = (float *)a, *to = sum ? (float *)sum : x;
    const float *y = (const float *)b;
    const float keep = sum ? 1 : 0;
#pragma omp simd
    for (int64_t f = 0; f < peer_bins(p); f++) {
        const float re = x[2 * f] * y[2 * f] - sign * x[2 * f + 1] * y[2 * f + 1];
        const float im = x[2 * f] * y[2 * f + 1] + sign * x[2 * f + 1] * y[2 * f];
        to[2 * f] = keep * to[2 * f] + re;
        to[2 * f + 1] = keep * to[2 * f + 1] + im;
    }
}

static inline void peer_forward(const Peer *p, const float *u, const float *k, float *y)
{
    const int64_t H = p->s.channels, T = p->s.t;
#pragma omp parallel
    {
        float *row = fftwf_alloc_real((size_t)(2 * T));
        fftwf_complex *z = peer_spectra(p, 1), *kz = peer_spectra(p, 1);
#pragma omp for schedule(static)
        for (int64_t h = 0; h < H; h++) {
            peer_spectrum(p, k + h * T, row, kz);
            for (int64_t b = 0; b < p->s.batch; b++) {
                peer_spectrum(p, u + (b * H + h) * T, row, z);
                peer_times(p, z, kz, NULL, 1);
                peer_back(p, z, row, y + (b * H + h) * T);
            }
        }
        fftwf_free(row), fftwf_free(z), fftwf_free(kz);
    }
}

static inline void peer_backward(const Peer *p, const float *u, const float *k, const float *dy,
                                 float *du, float *dk)
{
    const int64_t H = p->s.channels, T = p->s.t;
#pragma omp parallel
    {
        float *row = fftwf_alloc_real((size_t)(2 * T));
        fftwf_complex *z = peer_spectra(p, 1), *kz = peer_spectra(p, 1), *dz = peer_spectra(p, 1),
                      *sum = peer_spectra(p, 1);
#pragma omp for schedule(static)
        for (int64_t h = 0; h < H; h++) {
            peer_spectrum(p, k + h * T, row, kz);
            memset(sum, 0, sizeof *sum * (size_t)peer_bins(p));
            for (int64_t b = 0; b < p->s.batch; b++) {
                const int64_t at = (b * H + h) * T;
                peer_spectrum(p, dy + at, row, dz);
                peer_spectrum(p, u + at, row, z);
                peer_times(p, z, dz, sum, -1);
                memcpy(z, kz, sizeof *z * (size_t)peer_bins(p));
                peer_times(p, z, dz, NULL, -1);
                peer_back(p, z, row, du + at);
            }
            peer_back(p, sum, row, dk + h * T);
        }
        fftwf_free(row), fftwf_free(z), fftwf_free(kz), fftwf_free(dz), fftwf_free(sum);
    }
}

#else

enum { PEER_PRESENT = 0 };

typedef struct Peer {
    int none;
} Peer;

static inline Peer peer_new(const LongConv *s)
{
    (void)s;
    return (Peer){0};
}

static inline void peer_free(Peer *p)
{
    (void)p;
}

static inline void peer_forward(const Peer *p, const float *u, const float *k, float *y)
{
    (void)p, (void)u, (void)k, (void)y;
}

static inline void peer_backward(const Peer *p, const float *u, const float *k, const float *dy,
                                 float *du, float *dk)
{
    (void)p, (void)u, (void)k, (void)dy, (void)du, (void)dk;
}

#endif
#endif
