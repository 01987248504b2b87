/* gru -- see cpu.h; the products are in recurrent.c.
 *
 * Backward, from the last step walked to the first, with dh = dy + w' du of the step after + its
 * z dh, and du = dx but for du_n = r dx_n:
 *   dx_n = dh (1 - z) (1 - n^2);  dx_r = dx_n u_n r (1 - r);  dx_z = dh (h_before - n) z (1 - z).
 */
#include "cpu/recurrent.h"
#include "cpu/vecmath.h"

enum { AT_H, AT_R, AT_Z, AT_N, AT_U, COLUMNS };

typedef struct Gru {
    const Recurrence *r;
    RecurrentParts parts;
    float *trace;      /* forward */
    const float *kept; /* backward: the trace */
    const float *dy;
    float *dx;
    int64_t dx_rows; /* T, or T + 1 */
} Gru;

static int64_t trace_row(const Recurrence *r, int64_t row, int64_t t)
{
    return (row * r->steps + t) * COLUMNS * r->width;
}

/* h before step s, at a unit of a row. */
static const float *h_before(const Recurrence *r, const float *trace, int64_t s, int64_t row,
                             int64_t unit)
{
    if (s == 0) return r->h0 + row * r->width + unit;
    return trace + trace_row(r, row, recurrent_time(r, s - 1)) + AT_H * r->width + unit;
}

static void finish_forward(const void *layer, int64_t s, int64_t row, int64_t unit, int64_t n,
                           const float *sum)
{
    const Gru *m = layer;
    const Recurrence *r = m->r;
    const int64_t H = r->width, t = recurrent_time(r, s);
    const float *x = r->x + (row * r->steps + t) * 3 * H + unit;
    float *to = m->trace + trace_row(r, row, t) + unit;
    const RecurrentNext next = recurrent_next(r, unit, VL);
    for (int g = 0; g < 3; g++) prefetch(x, (next.rows * 3 + g) * H + next.units, 1);
    for (int k = 0; k < COLUMNS; k++) prefetch(to, (next.rows * COLUMNS + k) * H + next.units, 1);
    _Alignas(64) float in[3][VL], u[3][VL], h[VL];
    for (int g = 0; g < 3; g++) {
        vf_store(in[g], vf_load_n(x + g * H, n));
        vf_store(u[g], vf_load(sum + g * VL) + vf_load_n(r->bias + g * H + unit, n));
    }
    vf_store(h, vf_load_n(h_before(r, m->trace, s, row, unit), n));
    for (int l = 0; l < VL; l++) in[0][l] = vm_sigmoid(in[0][l] + u[0][l]);
    for (int l = 0; l < VL; l++) in[1][l] = vm_sigmoid(in[1][l] + u[1][l]);
    for (int l = 0; l < VL; l++) in[2][l] = vm_tanh(vm_fma(in[0][l], u[2][l], in[2][l]));
    for (int l = 0; l < VL; l++) h[l] = vm_fma(in[1][l], h[l] - in[2][l], in[2][l]);
    vf_store_n(to + AT_H * H, vf_load(h), n);
    for (int g = 0; g < 3; g++) vf_store_n(to + (AT_R + g) * H, vf_load(in[g]), n);
    vf_store_n(to + AT_U * H, vf_load(u[2]), n);
    vf_store(recurrent_state(r, m->parts.state[(s + 1) & 1], 0, row, unit), vf_load(h));
}

void K(gru)(const Recurrence *r, float *trace, void *scratch)
{
    const Gru m = {.r = r, .parts = recurrent_parts(r, scratch), .trace = trace};
    const RecurrentWalk walk = {r, false, true, finish_forward, &m};
    recurrent_start(r, &m.parts);
    recurrent_walk(&walk, &m.parts);
}

/* Step s of this walk is step T - 1 - s of the forward one. */
static void finish_backward(const void *layer, int64_t s, int64_t row, int64_t unit, int64_t n,
                            const float *sum)
{
    const Gru *m = layer;
    const Recurrence *r = m->r;
    const int64_t H = r->width, T = r->steps, t = recurrent_time(r, T - 1 - s);
    const float *kept = m->kept + trace_row(r, row, t) + unit,
                *dy = m->dy + (row * T + t) * H + unit;
    float *dx = m->dx + (row * m->dx_rows + t) * 3 * H + unit;
    float *carry = m->parts.carry + row * H + unit;
    const RecurrentNext next = recurrent_next(r, unit, BACKWARD_VECTORS * VL);
    prefetch(dy, next.units - next.rows * H, 1);
    for (int k = AT_R; k < COLUMNS; k++)
        prefetch(kept, (k - next.rows * COLUMNS) * H + next.units, 1);
    prefetch(kept, (AT_H - (next.rows + (r->reverse ? -1 : 1)) * COLUMNS) * H + next.units, 1);
    for (int g = 0; g < 3; g++) prefetch(dx, (g - next.rows * 3) * H + next.units, 1);
    _Alignas(64) float v[COLUMNS][VL], before[VL], dh[VL], d[3][VL], du[VL];
    for (int k = AT_R; k < COLUMNS; k++) vf_store(v[k], vf_load_n(kept + k * H, n));
    vf_store(before, vf_load_n(h_before(r, m->kept, T - 1 - s, row, unit), n));
    vf_store(dh, vf_load_n(dy, n) + vf_load(sum));
    if (s > 0) vf_store(dh, vf_load(dh) + vf_load_n(carry, n));
    for (int l = 0; l < VL; l++) {
        const float reset = v[AT_R][l], z = v[AT_Z][l], new = v[AT_N][l];
        const float to_n = dh[l] * (1.0f - z) * vm_fma(-new, new, 1.0f);
        d[0][l] = to_n * v[AT_U][l] * (reset * (1.0f - reset));
        d[1][l] = dh[l] * (before[l] - new) * (z * (1.0f - z));
        d[2][l] = to_n;
        du[l] = to_n * reset;
        dh[l] *= z;
    }
    vf_store_n(carry, vf_load(dh), n);
    for (int g = 0; g < 3; g++) {
        vf_store_n(dx + g * H, vf_load(d[g]), n);
        vf_store(recurrent_state(r, m->parts.state[(s + 1) & 1], g, row, unit),
                 vf_load(g == 2 ? du : d[g]));
    }
}

void K(gru_grad)(const Recurrence *r, const float *trace, const float *dy, bool start, float *dx,
                 void *scratch)
{
    const Gru m = {.r = r,
                   .parts = recurrent_parts(r, scratch),
                   .kept = trace,
                   .dy = dy,
                   .dx = dx,
                   .dx_rows = r->steps + start};
    const RecurrentWalk walk = {r, true, false, finish_backward, &m};
    recurrent_walk(&walk, &m.parts);
    if (start) recurrent_end(r, &m.parts, dx);
}
