/* long_conv -- the long convolution and its gradient to u by the right-angle transform
 * (fft_right.h).
 *
 * One row: its reals to m complex numbers, each leaf times the kernel's spectrum while it is in L1,
 * and back; the row is read once and written once, all between stays in cache. A channel's spectrum
 * is computed once for its batch (again where a thread's share begins inside a channel). The scale
 * 1 / m goes into the kernel. The gradient to u is the same with the conjugate spectrum. */
#include "cpu/long_conv_team.h"

#include "base/threads.h"
#include "cpu/lanes.h"

#include <omp.h>

/* `next`: the row of u that follows, or NULL. */
static void convolve_row(const Team *team, const LongConvCall *c, int64_t row, const float *next,
                         const Buffers *b)
{
    const LongConv *s = &c->s;
    const Part leaves = leaves_of(team);
    const FftAhead ahead = {next, c->y + row * s->t, s->t};
    row_enter(team, c->u + row * s->t, s->t, 0, 1, b->row, b->x);
    right_convolve(team->f, b->x, b->k, c->backwards, &ahead, leaves.begin, leaves.end);
    team_wait(team);
    row_leave(team, c, row, b);
}

/* Rows first <= i < last in channel-major order. */
static void convolve_rows(const Team *team, const LongConvCall *c, int64_t first, int64_t last,
                          const Buffers *b)
{
    const LongConv *s = &c->s;
    for (int64_t i = first; i < last; i++) {
        const int64_t channel = i / s->batch, item = i % s->batch, j = i + 1;
        const float *next = c->u + (j % s->batch * s->channels + j / s->batch) * s->t;
        if (i == first || item == 0) kernel_spectrum(team, s, c->k, channel, b);
        convolve_row(team, c, item * s->channels + channel, j < last ? next : NULL, b);
    }
}

static void run(const LongConvCall *c, void *scratch)
{
    const int64_t m = right_points(c->s.t), rows = c->s.batch * c->s.channels;
    const RightFft f = right_plan(m, scratch);
    float *buffers = (float *)scratch + f.table_floats;
    const bool shared = m > SHARED;
    const int threads = lanes_threads(rows * m * 4, shared ? m : rows, threads_count());
    right_fill(&f);
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        const int64_t rank = omp_get_thread_num(), size = omp_get_num_threads();
        const Team team = {&f, shared ? rank : 0, shared ? size : 1};
        const Buffers b =
            long_conv_row_buffers(buffers + (shared ? 0 : rank * long_conv_buffer_floats(m)), m);
        if (shared)
            convolve_rows(&team, c, 0, rows, &b);
        else
            convolve_rows(&team, c, rows * rank / size, rows * (rank + 1) / size, &b);
    }
}

void K(long_conv)(const LongConv *s, const float *u, const float *k, const float *d,
                  const float *gate, float *y, void *scratch)
{
    const LongConvCall c = {*s, false, u, k, d, gate, y};
    if (long_conv_is_direct(s))
        long_conv_direct(&c, scratch);
    else
        run(&c, scratch);
}

void K(long_conv_grad_u)(const LongConv *s, const float *dy, const float *k, const float *d,
                         float *du, void *scratch)
{
    const LongConvCall c = {*s, true, dy, k, d, NULL, du};
    if (long_conv_is_direct(s))
        long_conv_direct(&c, scratch);
    else
        run(&c, scratch);
}
