/* long_conv_team -- see long_conv_team.h. */
#include "cpu/long_conv_team.h"

int64_t long_conv_buffer_floats(int64_t m)
{
    return 3 * m + 4 * z_floats(m);
}

Buffers long_conv_row_buffers(float *at, int64_t m)
{
    const int64_t z = z_floats(m);
    float *first = at + 3 * m;
    return (Buffers){at, at + m, at + 2 * m, first, first + z, first + 2 * z, first + 3 * z};
}

void row_enter(const Team *team, const float *x, int64_t n, int64_t at, float scale, float *row,
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
        team_wait(team);
    }
    right_first(team->f, n < m || scale != 1.0f ? row : x, z, columns.begin, columns.end);
    team_wait(team);
}

static void spectrum(const Team *team, const float *x, int64_t n, int64_t at, float scale,
                     float *row, float *z)
{
    const Part leaves = leaves_of(team);
    const FftAhead nothing = {0};
    row_enter(team, x, n, at, scale, row, z);
    right_forward(team->f, z, &nothing, leaves.begin, leaves.end);
    team_wait(team);
}

/* k + i k1 z^(m - taps) reversed: z^-l = i z^(m - l). */
void kernel_spectrum(const Team *team, const LongConv *s, const float *k, int64_t channel,
                     const Buffers *b)
{
    const int64_t m = team->f->m, taps = s->taps;
    const float scale = 1.0f / (float)m;
    spectrum(team, k + channel * taps, taps, 0, scale, b->row, b->k);
    if (s->mode != LONG_CONV_TWO_SIDED) return;
    const float *k1 = k + (s->channels + channel) * taps;
    if (team->rank == 0)
        for (int64_t l = 0; l < taps; l++) b->re[taps - 1 - l] = k1[l];
    team_wait(team);
    spectrum(team, b->re, taps, m - taps, scale, b->row, b->x);
    const Part groups = part_of(team, fft_place(m / FFT_GROUP) / (2 * FFT_GROUP));
    for (int64_t q = groups.begin; q < groups.end; q++) {
        float *re = b->k + q * 2 * FFT_GROUP, *from = b->x + q * 2 * FFT_GROUP;
        for (int i = 0; i < FFT_GROUP; i++) {
            re[i] -= from[FFT_GROUP + i];
            re[FFT_GROUP + i] += from[i];
        }
    }
    team_wait(team);
}

void fold_lags(const Team *team, const LongConv *s, bool backwards, int64_t n, const Buffers *b,
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

void row_leave(const Team *team, const LongConvCall *c, int64_t row, const Buffers *b)
{
    const LongConv *s = &c->s;
    float *y = c->y + row * s->t;
    const bool circular = s->mode == LONG_CONV_CIRCULAR, whole = !circular && s->t == team->f->m;
    const Part columns = columns_of(team), part = part_of(team, s->t);
    right_end(team->f, b->x, whole ? y : b->re, circular ? b->im : NULL, columns.begin,
              columns.end);
    team_wait(team);
    if (whole && !c->d && !c->gate) return;
    if (circular) {
        fold_lags(team, s, c->backwards, s->t, b, b->row);
        team_wait(team);
    }
    long_conv_finish(c, row, part.begin, part.end, whole ? y : circular ? b->row : b->re);
    team_wait(team);
}
