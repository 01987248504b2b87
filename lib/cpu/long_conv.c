/* long_conv -- the long convolution and its gradients by the right-angle transform (fft_right.h).
 *
 * One row: its reals to m complex numbers, each leaf times the kernel's spectrum while it is in L1,
 * and back; the row is read once and written once, all between stays in cache. A channel's spectrum
 * is computed once for its batch (again where a thread's share begins inside a channel). The scale
 * 1 / m goes into the kernel. The gradient to u is the same with the conjugate spectrum; that to k
 * adds conj(U) DY over the batch in ascending order, within at most MAX_CHUNKS parts cut by the
 * shape, and comes back once a channel.
 *
 * Threads share rows; rows longer than SHARED points are computed one after another by all threads,
 * each taking columns and blocks. */
#include "cpu/long_conv_inner.h"

#include "base/threads.h"
#include "cpu/fft_right.h"
#include "cpu/lanes.h"

#include <omp.h>
#include <string.h>

enum { SHARED = 1 << 17, MAX_CHUNKS = 16 };

/* -- Shapes and scratch */

/* Measured: the sum of 32 taps takes about as long as the transforms of 256 to 4K places. */
static bool is_direct(const LongConv *s)
{
    return s->t <= 64 || s->taps <= 32;
}

static int64_t z_floats(int64_t m)
{
    return fft_place(m / FFT_GROUP);
}

/* Buffers of one team: the row and both parts of what comes back, three transforms. */
typedef struct Buffers {
    float *row, *re, *im, *z[3];
} Buffers;

static int64_t buffer_floats(int64_t m)
{
    return 3 * m + 3 * z_floats(m);
}

static Buffers buffers_at(float *at, int64_t m)
{
    const int64_t z = z_floats(m);
    float *first = at + 3 * m;
    return (Buffers){
        at, at + m, at + 2 * m, {first, first + z, first + 2 * z}
    };
}

/* Parts of the batch whose spectra are added apart, so that threads find work in few channels. */
static int64_t n_chunks(const LongConv *s, int64_t m)
{
    if (m > SHARED || s->channels >= MAX_CHUNKS) return 1;
    const int64_t want = MAX_CHUNKS / s->channels;
    return want < s->batch ? want : s->batch;
}

size_t K(long_conv_scratch)(const LongConv *s)
{
    if (is_direct(s)) return long_conv_direct_scratch(s);
    const int64_t m = right_points(s->t), teams = m > SHARED ? 1 : threads_count();
    const RightFft f = right_plan(m, NULL);
    int64_t floats = f.table_floats + teams * buffer_floats(m);
    if (n_chunks(s, m) > 1) floats += s->channels * n_chunks(s, m) * z_floats(m);
    return (size_t)floats * sizeof(float);
}

/* -- Teams: one thread, or all of them on one row */

typedef struct Team {
    const RightFft *f;
    int64_t rank, size;
} Team;

static void wait(const Team *team)
{
    if (team->size > 1) {
#pragma omp barrier
    }
}

typedef struct Part {
    int64_t begin, end;
} Part;

static Part part_of(const Team *team, int64_t n)
{
    return (Part){n * team->rank / team->size, n * (team->rank + 1) / team->size};
}

/* Column groups of the first pass. */
static Part columns_of(const Team *team)
{
    return part_of(team, team->f->m / team->f->radix[0] / FFT_GROUP);
}

/* Leaves in whole blocks of the second pass. */
static Part leaves_of(const Team *team)
{
    const int64_t each = team->f->m / FFT_LEAF / team->f->radix[0];
    const Part p = part_of(team, team->f->radix[0]);
    return (Part){p.begin * each, p.end * each};
}

/* -- Rows */

/* The first pass of the row x[0..n) at places `at`.., zero elsewhere, times scale. */
static void enter(const Team *team, const float *x, int64_t n, int64_t at, float scale, float *row,
                  float *z)
{
    const int64_t m = team->f->m;
    const Part part = part_of(team, m), columns = columns_of(team);
    if (n < m || scale != 1.0f) {
        const int64_t from = at < part.begin ? part.begin : at < part.end ? at : part.end;
        const int64_t to = at + n > part.end ? part.end : at + n > from ? at + n : from;
        for (int64_t i = part.begin; i < from; i++) row[i] = 0;
        for (int64_t i = from; i < to; i++) row[i] = x[i - at] * scale;
        for (int64_t i = to; i < part.end; i++) row[i] = 0;
        wait(team);
    }
    right_first(team->f, n < m || scale != 1.0f ? row : x, z, columns.begin, columns.end);
    wait(team);
}

static void spectrum(const Team *team, const float *x, int64_t n, int64_t at, float scale,
                     float *row, float *z)
{
    const Part leaves = leaves_of(team);
    const FftAhead nothing = {0};
    enter(team, x, n, at, scale, row, z);
    right_forward(team->f, z, &nothing, leaves.begin, leaves.end);
    wait(team);
}

/* k + i k1 z^(m - taps) reversed: z^-l = i z^(m - l). */
static void kernel_spectrum(const Team *team, const LongConv *s, const float *k, int64_t channel,
                            const Buffers *b)
{
    const int64_t m = team->f->m, taps = s->taps;
    const float scale = 1.0f / (float)m;
    spectrum(team, k + channel * taps, taps, 0, scale, b->row, b->z[1]);
    if (s->mode != LONG_CONV_TWO_SIDED) return;
    const float *k1 = k + (s->channels + channel) * taps;
    if (team->rank == 0)
        for (int64_t l = 0; l < taps; l++) b->re[taps - 1 - l] = k1[l];
    wait(team);
    spectrum(team, b->re, taps, m - taps, scale, b->row, b->z[2]);
    const Part groups = part_of(team, fft_place(m / FFT_GROUP) / (2 * FFT_GROUP));
    for (int64_t q = groups.begin; q < groups.end; q++) {
        float *re = b->z[1] + q * 2 * FFT_GROUP, *from = b->z[2] + q * 2 * FFT_GROUP;
        for (int i = 0; i < FFT_GROUP; i++) {
            re[i] -= from[FFT_GROUP + i];
            re[FFT_GROUP + i] += from[i];
        }
    }
    wait(team);
}

/* What a circular sum adds to place i < t: lags past the row's end (forwards) or before its
 * beginning (backwards). */
static void fold(const Team *team, const LongConv *s, bool backwards, int64_t n, const Buffers *b,
                 float *to)
{
    const int64_t m = team->f->m, t = s->t;
    const Part part = part_of(team, n);
    for (int64_t i = part.begin; i < part.end; i++) {
        float other = 0;
        if (backwards)
            other = i + m - t >= 0 ? b->im[i + m - t] : 0; /* lag i - t */
        else if (i + t < 2 * m)
            other = i + t < m ? b->re[i + t] : -b->im[i + t - m];
        to[i] = b->re[i] + other;
    }
}

/* `next`: the row of u that follows, or NULL. */
static void convolve_row(const Team *team, const LongConvCall *c, int64_t row, const float *next,
                         const Buffers *b)
{
    const LongConv *s = &c->s;
    float *y = c->y + row * s->t;
    const bool circular = s->mode == LONG_CONV_CIRCULAR, whole = !circular && s->t == team->f->m;
    const Part leaves = leaves_of(team), columns = columns_of(team), part = part_of(team, s->t);
    const FftAhead ahead = {next, y, s->t};
    enter(team, c->u + row * s->t, s->t, 0, 1, b->row, b->z[0]);
    right_convolve(team->f, b->z[0], b->z[1], c->backwards, &ahead, leaves.begin, leaves.end);
    wait(team);
    right_end(team->f, b->z[0], whole ? y : b->re, circular ? b->im : NULL, columns.begin,
              columns.end);
    wait(team);
    if (whole && !c->d && !c->gate) return;
    if (circular) {
        fold(team, s, c->backwards, s->t, b, b->row);
        wait(team);
    }
    long_conv_finish(c, row, part.begin, part.end, whole ? y : circular ? b->row : b->re);
    wait(team);
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
        const Buffers b = buffers_at(buffers + (shared ? 0 : rank * buffer_floats(m)), m);
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
    if (is_direct(s))
        long_conv_direct(&c, scratch);
    else
        run(&c, scratch);
}

void K(long_conv_grad_u)(const LongConv *s, const float *dy, const float *k, const float *d,
                         float *du, void *scratch)
{
    const LongConvCall c = {*s, true, dy, k, d, NULL, du};
    if (is_direct(s))
        long_conv_direct(&c, scratch);
    else
        run(&c, scratch);
}

/* -- The gradient to k */

/* sum += conj(U) DY of one row. Both first passes, then block by block, so that a block of U is
 * still near when DY's meets it. */
static void correlate_row(const Team *team, const LongConv *s, const float *u, const float *dy,
                          bool last, const Buffers *b, float *sum)
{
    const int64_t t = s->t, next = s->channels * t;
    const int64_t block = team->f->m / FFT_LEAF / team->f->radix[0];
    const Part leaves = leaves_of(team);
    const FftAhead u_ahead = {last ? NULL : u + next, NULL, t},
                   dy_ahead = {last ? NULL : dy + next, NULL, t};
    enter(team, u, t, 0, 1, b->row, b->z[0]);
    enter(team, dy, t, 0, 1, b->row, b->z[1]);
    for (int64_t i = leaves.begin; i < leaves.end; i += block) {
        right_forward(team->f, b->z[0], &u_ahead, i, i + block);
        right_correlate(team->f, b->z[1], b->z[0], sum, &dy_ahead, i, i + block);
    }
    wait(team);
}

/* sum = the spectrum of chunk `chunk`, of one channel. */
static void correlate_chunk(const Team *team, const LongConv *s, const float *u, const float *dy,
                            int64_t channel, int64_t chunk, const Buffers *b, float *sum)
{
    const int64_t n = n_chunks(s, team->f->m), m = team->f->m;
    const int64_t first = s->batch * chunk / n, last = s->batch * (chunk + 1) / n;
    const Part part = part_of(team, m / FFT_LEAF);
    const int64_t begin = fft_place(part.begin * FFT_GROUP), end = fft_place(part.end * FFT_GROUP);
    memset(sum + begin, 0, (size_t)(end - begin) * sizeof *sum);
    wait(team);
    for (int64_t i = first; i < last; i++) {
        const int64_t at = (i * s->channels + channel) * s->t;
        correlate_row(team, s, u + at, dy + at, i + 1 == last, b, sum);
    }
}

/* dk of one channel from its spectrum. */
static void leave(const Team *team, const LongConv *s, int64_t channel, const Buffers *b,
                  float *sum, float *dk)
{
    const int64_t m = team->f->m, taps = s->taps;
    const bool both = s->mode != LONG_CONV_CAUSAL;
    const Part leaves = leaves_of(team), columns = columns_of(team), part = part_of(team, taps);
    const float scale = 1.0f / (float)m;
    right_inverse(team->f, sum, leaves.begin, leaves.end);
    wait(team);
    right_end(team->f, sum, b->re, both ? b->im : NULL, columns.begin, columns.end);
    wait(team);
    if (s->mode == LONG_CONV_CIRCULAR) fold(team, s, true, taps, b, b->re);
    float *to = dk + channel * taps, *to1 = dk + (s->channels + channel) * taps;
    for (int64_t l = part.begin; l < part.end; l++) {
        to[l] = b->re[l] * scale;
        if (s->mode == LONG_CONV_TWO_SIDED) to1[l] = b->im[m - 1 - l] * scale;
    }
    wait(team);
}

/* Adds the chunks of a channel to the first. */
static void add_chunks(int64_t chunks, int64_t floats, float *sum)
{
    for (int64_t i = 1; i < chunks; i++)
        for (int64_t j = 0; j < floats; j++) sum[j] += sum[i * floats + j];
}

static void grad_k_shared(const RightFft *f, const LongConv *s, const float *u, const float *dy,
                          float *dk, float *buffers)
{
    const Buffers b = buffers_at(buffers, f->m);
    const int threads = threads_count();
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        const Team team = {f, omp_get_thread_num(), omp_get_num_threads()};
        for (int64_t h = 0; h < s->channels; h++) {
            correlate_chunk(&team, s, u, dy, h, 0, &b, b.z[2]);
            leave(&team, s, h, &b, b.z[2], dk);
        }
    }
}

static void grad_k_rows(const RightFft *f, const LongConv *s, const float *u, const float *dy,
                        float *dk, float *buffers)
{
    const int64_t m = f->m, n = n_chunks(s, m), floats = z_floats(m);
    const int threads =
        lanes_threads(s->batch * s->channels * m * 4, s->channels * n, threads_count());
    float *sums = buffers + threads_count() * buffer_floats(m);
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        const Team team = {f, 0, 1};
        const Buffers b = buffers_at(buffers + omp_get_thread_num() * buffer_floats(m), m);
#pragma omp for schedule(static)
        for (int64_t i = 0; i < s->channels * n; i++) {
            float *sum = n > 1 ? sums + i * floats : b.z[2];
            correlate_chunk(&team, s, u, dy, i / n, i % n, &b, sum);
            if (n == 1) leave(&team, s, i, &b, sum, dk);
        }
#pragma omp for schedule(static)
        for (int64_t h = 0; h < (n > 1 ? s->channels : 0); h++) {
            add_chunks(n, floats, sums + h * n * floats);
            leave(&team, s, h, &b, sums + h * n * floats, dk);
        }
    }
}

void K(long_conv_grad_k)(const LongConv *s, const float *u, const float *dy, float *dk,
                         void *scratch)
{
    if (is_direct(s)) {
        long_conv_direct_grad_k(s, u, dy, dk, scratch);
        return;
    }
    const RightFft f = right_plan(right_points(s->t), scratch);
    float *buffers = (float *)scratch + f.table_floats;
    right_fill(&f);
    if (f.m > SHARED)
        grad_k_shared(&f, s, u, dy, dk, buffers);
    else
        grad_k_rows(&f, s, u, dy, dk, buffers);
}
