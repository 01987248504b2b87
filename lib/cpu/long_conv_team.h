/* long_conv_team -- the long convolution's rows by the right-angle transform, for one thread or for
 * all of them together: what long_conv.c and long_conv_grads.c share.
 *
 * Threads share rows; rows longer than SHARED points are computed one after another by all threads,
 * each taking columns and blocks. */
#ifndef SEQLAB_CPU_LONG_CONV_TEAM_H
#define SEQLAB_CPU_LONG_CONV_TEAM_H

#include "cpu/fft_right.h"
#include "cpu/long_conv_inner.h"

#define long_conv_row_buffers   K(long_conv_row_buffers)
#define long_conv_buffer_floats K(long_conv_buffer_floats)
#define row_enter               K(row_enter)
#define row_leave               K(row_leave)
#define kernel_spectrum         K(kernel_spectrum)
#define fold_lags               K(fold_lags)

enum { SHARED = 1 << 17 };

/* Measured: the sum of 32 taps takes about as long as the transforms of 256 to 4K places. */
SIMD bool long_conv_is_direct(const LongConv *s)
{
    return s->t <= 64 || s->taps <= 32;
}

SIMD int64_t z_floats(int64_t m)
{
    return fft_place(m / FFT_GROUP);
}

/* Buffers of one team: the row and both parts of what comes back; transforms. */
typedef struct Buffers {
    float *row, *re, *im;
    float *x, *u, *k, *sum; /* the row convolved, the one it is correlated with, the kernel */
} Buffers;

int64_t long_conv_buffer_floats(int64_t m);
Buffers long_conv_row_buffers(float *at, int64_t m);

typedef struct Team {
    const RightFft *f;
    int64_t rank, size;
} Team;

SIMD void team_wait(const Team *team)
{
    if (team->size > 1) {
#pragma omp barrier
    }
}

typedef struct Part {
    int64_t begin, end;
} Part;

SIMD Part part_of(const Team *team, int64_t n)
{
    return (Part){n * team->rank / team->size, n * (team->rank + 1) / team->size};
}

/* Column groups of the first pass. */
SIMD Part columns_of(const Team *team)
{
    return part_of(team, team->f->m / team->f->radix[0] / FFT_GROUP);
}

/* Leaves in whole blocks of the second pass. */
SIMD Part leaves_of(const Team *team)
{
    const int64_t each = team->f->m / FFT_LEAF / team->f->radix[0];
    const Part p = part_of(team, team->f->radix[0]);
    return (Part){p.begin * each, p.end * each};
}

/* The first pass of the row x[0..n) at places `at`.., zero elsewhere, times scale. */
void row_enter(const Team *team, const float *x, int64_t n, int64_t at, float scale, float *row,
               float *z);
/* Row `row` of c->y from its transform x, already times the kernel's. */
void row_leave(const Team *team, const LongConvCall *c, int64_t row, const Buffers *b);
/* To b->k, times 1 / m; b->x and b->row are overwritten. */
void kernel_spectrum(const Team *team, const LongConv *s, const float *k, int64_t channel,
                     const Buffers *b);
/* to = b->re and what a circular sum adds to place i < n: lags past the row's end (forwards) or
 * before its beginning (backwards). */
void fold_lags(const Team *team, const LongConv *s, bool backwards, int64_t n, const Buffers *b,
               float *to);

#endif
