/* long_conv_grads -- the gradient of the long convolution to its kernel, alone and together with
 * that to its rows.
 *
 * dk adds conj(U) DY over the batch in ascending order, within at most MAX_CHUNKS parts cut by the
 * shape, and comes back once a channel. Where du is wanted too, the transform of dy serves both:
 * three transforms a row in place of four, each leaf in L1 for all that is done with it. The bits
 * are those of the two alone. */
#include "cpu/long_conv_team.h"

#include "base/threads.h"
#include "cpu/lanes.h"

#include <omp.h>
#include <string.h>

enum { MAX_CHUNKS = 16 };

/* Parts of the batch whose spectra are added apart, so that threads find work in few channels. */
static int64_t n_chunks(const LongConv *s, int64_t m)
{
    if (m > SHARED || s->channels >= MAX_CHUNKS) return 1;
    const int64_t want = MAX_CHUNKS / s->channels;
    return want < s->batch ? want : s->batch;
}

size_t K(long_conv_scratch)(const LongConv *s)
{
    if (long_conv_is_direct(s)) return long_conv_direct_scratch(s);
    const int64_t m = right_points(s->t), teams = m > SHARED ? 1 : threads_count();
    const RightFft f = right_plan(m, NULL);
    int64_t floats = f.table_floats + teams * long_conv_buffer_floats(m);
    if (n_chunks(s, m) > 1) floats += s->channels * n_chunks(s, m) * z_floats(m);
    return (size_t)floats * sizeof(float);
}

/* sum += conj(U) DY of one row, and its du. Both first passes, then leaf by leaf. */
static void correlate_row(const Team *team, const LongConvCall *c, const float *u, int64_t row,
                          bool last, const Buffers *b)
{
    const int64_t t = c->s.t, at = row * t, next = at + c->s.channels * t;
    const Part leaves = leaves_of(team);
    const FftAhead ahead[2] = {
        {last ? NULL : u + next,    NULL,                    t},
        {last ? NULL : c->u + next, c->y ? c->y + at : NULL, t}
    };
    row_enter(team, u + at, t, 0, 1, b->row, b->u);
    row_enter(team, c->u + at, t, 0, 1, b->row, b->x);
    right_correlate(team->f, b->u, b->x, c->y ? b->k : NULL, b->sum, ahead, leaves.begin,
                    leaves.end);
    team_wait(team);
    if (c->y) row_leave(team, c, row, b);
}

/* A call: c with y = du or NULL and u = dy; the rows that k met, and dk. */
typedef struct Correlation {
    LongConvCall c;
    const float *u;
    float *dk;
} Correlation;

/* b->sum = the spectrum of chunk `chunk` of one channel. */
static void correlate_chunk(const Team *team, const Correlation *a, int64_t channel, int64_t chunk,
                            const Buffers *b)
{
    const LongConv *s = &a->c.s;
    const int64_t n = n_chunks(s, team->f->m), m = team->f->m;
    const int64_t first = s->batch * chunk / n, last = s->batch * (chunk + 1) / n;
    const Part part = part_of(team, m / FFT_LEAF);
    const int64_t begin = fft_place(part.begin * FFT_GROUP), end = fft_place(part.end * FFT_GROUP);
    if (a->c.y) kernel_spectrum(team, s, a->c.k, channel, b);
    memset(b->sum + begin, 0, (size_t)(end - begin) * sizeof *b->sum);
    team_wait(team);
    for (int64_t i = first; i < last; i++)
        correlate_row(team, &a->c, a->u, i * s->channels + channel, i + 1 == last, b);
}

/* dk of one channel from its spectrum. */
static void leave(const Team *team, const Correlation *a, int64_t channel, const Buffers *b)
{
    const LongConv *s = &a->c.s;
    const int64_t m = team->f->m, taps = s->taps;
    const bool both = s->mode != LONG_CONV_CAUSAL;
    const Part leaves = leaves_of(team), columns = columns_of(team), part = part_of(team, taps);
    const float scale = 1.0f / (float)m;
    right_inverse(team->f, b->sum, leaves.begin, leaves.end);
    team_wait(team);
    right_end(team->f, b->sum, b->re, both ? b->im : NULL, columns.begin, columns.end);
    team_wait(team);
    if (s->mode == LONG_CONV_CIRCULAR) fold_lags(team, s, true, taps, b, b->re);
    float *to = a->dk + channel * taps, *to1 = a->dk + (s->channels + channel) * taps;
    for (int64_t l = part.begin; l < part.end; l++) {
        to[l] = b->re[l] * scale;
        if (s->mode == LONG_CONV_TWO_SIDED) to1[l] = b->im[m - 1 - l] * scale;
    }
    team_wait(team);
}

/* Adds the chunks of a channel to the first. */
static void add_chunks(int64_t chunks, int64_t floats, float *sum)
{
    for (int64_t i = 1; i < chunks; i++)
        for (int64_t j = 0; j < floats; j++) sum[j] += sum[i * floats + j];
}

static void run_shared(const RightFft *f, const Correlation *a, float *buffers)
{
    const Buffers b = long_conv_row_buffers(buffers, f->m);
    const int threads = threads_count();
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        const Team team = {f, omp_get_thread_num(), omp_get_num_threads()};
        for (int64_t h = 0; h < a->c.s.channels; h++) {
            correlate_chunk(&team, a, h, 0, &b);
            leave(&team, a, h, &b);
        }
    }
}

static void run_rows(const RightFft *f, const Correlation *a, float *buffers)
{
    const LongConv *s = &a->c.s;
    const int64_t m = f->m, n = n_chunks(s, m), floats = z_floats(m);
    const int threads =
        lanes_threads(s->batch * s->channels * m * 4, s->channels * n, threads_count());
    float *sums = buffers + threads_count() * long_conv_buffer_floats(m);
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        const Team team = {f, 0, 1};
        Buffers b =
            long_conv_row_buffers(buffers + omp_get_thread_num() * long_conv_buffer_floats(m), m);
#pragma omp for schedule(static)
        for (int64_t i = 0; i < s->channels * n; i++) {
            if (n > 1) b.sum = sums + i * floats;
            correlate_chunk(&team, a, i / n, i % n, &b);
            if (n == 1) leave(&team, a, i, &b);
        }
#pragma omp for schedule(static)
        for (int64_t h = 0; h < (n > 1 ? s->channels : 0); h++) {
            b.sum = sums + h * n * floats;
            add_chunks(n, floats, b.sum);
            leave(&team, a, h, &b);
        }
    }
}

static void run(const Correlation *a, void *scratch)
{
    const RightFft f = right_plan(right_points(a->c.s.t), scratch);
    float *buffers = (float *)scratch + f.table_floats;
    right_fill(&f);
    if (f.m > SHARED)
        run_shared(&f, a, buffers);
    else
        run_rows(&f, a, buffers);
}

void K(long_conv_grad_k)(const LongConv *s, const float *u, const float *dy, float *dk,
                         void *scratch)
{
    const Correlation a = {
        {*s, true, dy, NULL, NULL, NULL, NULL},
        u, dk
    };
    if (long_conv_is_direct(s))
        long_conv_direct_grad_k(s, u, dy, dk, scratch);
    else
        run(&a, scratch);
}

void K(long_conv_grads)(const LongConv *s, const LongConvGrads *g, void *scratch)
{
    const Correlation a = {
        {*s, true, g->dy, g->k, g->d, NULL, g->du},
        g->u, g->dk
    };
    if (long_conv_is_direct(s)) {
        long_conv_direct(&a.c, scratch);
        long_conv_direct_grad_k(s, g->u, g->dy, g->dk, scratch);
    } else {
        run(&a, scratch);
    }
}
