/* lstm -- see cpu.h; the products are in recurrent.c.
 *
 * Backward, from the last step walked to the first, with dh = dy + w' dx of the step after and
 * dc = its f dc:
 *   tc = tanh(c);  dc += dh o (1 - tc^2);  dx = (dc g) i (1 - i), (dc c_before) f (1 - f),
 *   (dc i) (1 - g^2), (dh tc) o (1 - o). */
#include "cpu/recurrent.h"
#include "cpu/vecmath.h"

#include <string.h>

enum { AT_H, AT_C, AT_I, AT_F, AT_G, AT_O, COLUMNS };

typedef struct Lstm {
    const Recurrence *r;
    RecurrentParts parts;
    float *trace;      /* forward */
    const float *kept; /* backward: the trace */
    const float *dy;
    float *dx;
    int64_t dx_rows; /* T, or T + 1 */
} Lstm;

static int64_t trace_row(const Recurrence *r, int64_t row, int64_t t)
{
    return (row * (r->steps + 1) + t) * COLUMNS * r->width;
}

/* c before step s, at a unit of a row. */
static const float *c_before(const Recurrence *r, const float *trace, int64_t s, int64_t row,
                             int64_t unit)
{
    if (s == 0) return r->c0 + row * r->width + unit;
    return trace + trace_row(r, row, recurrent_time(r, s - 1)) + AT_C * r->width + unit;
}

static void finish_forward(const void *layer, int64_t s, int64_t row, int64_t unit, int64_t n,
                           const float *sum)
{
    const Lstm *m = layer;
    const Recurrence *r = m->r;
    const int64_t H = r->width, T = r->steps, t = recurrent_time(r, s);
    const float *x = r->x + (row * T + t) * 4 * H + unit;
    float *to = m->trace + trace_row(r, row, t) + unit;
    const RecurrentNext next = recurrent_next(r, unit, VL);
    for (int g = 0; g < 4; g++) prefetch(x, (next.rows * 4 + g) * H + next.units, 1);
    for (int k = 0; k < COLUMNS; k++) prefetch(to, (next.rows * COLUMNS + k) * H + next.units, 1);
    _Alignas(64) float pre[4][VL], c[VL], h[VL];
    for (int g = 0; g < 4; g++) vf_store(pre[g], vf_load_n(x + g * H, n) + vf_load(sum + g * VL));
    vf_store(c, vf_load_n(c_before(r, m->trace, s, row, unit), n));
    for (int l = 0; l < VL; l++) pre[0][l] = vm_sigmoid(pre[0][l]);
    for (int l = 0; l < VL; l++) pre[1][l] = vm_sigmoid(pre[1][l]);
    for (int l = 0; l < VL; l++) pre[2][l] = vm_tanh(pre[2][l]);
    for (int l = 0; l < VL; l++) pre[3][l] = vm_sigmoid(pre[3][l]);
    for (int l = 0; l < VL; l++) c[l] = vm_fma(pre[1][l], c[l], pre[0][l] * pre[2][l]);
    for (int l = 0; l < VL; l++) h[l] = pre[3][l] * vm_tanh(c[l]);
    vf_store_n(to + AT_H * H, vf_load(h), n);
    vf_store_n(to + AT_C * H, vf_load(c), n);
    for (int g = 0; g < 4; g++) vf_store_n(to + (AT_I + g) * H, vf_load(pre[g]), n);
    vf_store(recurrent_state(r, m->parts.state[(s + 1) & 1], 0, row, unit), vf_load(h));
    if (s == T - 1) vf_store_n(m->trace + trace_row(r, row, T) + unit, vf_load(c), n);
}

void K(lstm)(const Recurrence *r, float *trace, void *scratch)
{
    const Lstm m = {.r = r, .parts = recurrent_parts(r, scratch), .trace = trace};
    const RecurrentWalk walk = {r, false, true, finish_forward, &m};
    const int64_t H = r->width;
    for (int64_t row = 0; row < r->batch; row++)
        memset(trace + trace_row(r, row, r->steps) + H, 0, (size_t)(COLUMNS - 1) * (size_t)H * 4);
    recurrent_start(r, &m.parts);
    recurrent_walk(&walk, &m.parts);
}

/* Step s of this walk is step T - 1 - s of the forward one. */
static void finish_backward(const void *layer, int64_t s, int64_t row, int64_t unit, int64_t n,
                            const float *sum)
{
    const Lstm *m = layer;
    const Recurrence *r = m->r;
    const int64_t H = r->width, T = r->steps, t = recurrent_time(r, T - 1 - s);
    const float *kept = m->kept + trace_row(r, row, t) + unit,
                *dy = m->dy + row * (T + 1) * H + unit;
    float *dx = m->dx + (row * m->dx_rows + t) * 4 * H + unit;
    float *carry = m->parts.carry + row * H + unit;
    const RecurrentNext next = recurrent_next(r, unit, BACKWARD_VECTORS * VL);
    prefetch(dy, (t - next.rows) * H + next.units, 1);
    for (int k = AT_I; k < COLUMNS; k++)
        prefetch(kept, (k - next.rows * COLUMNS) * H + next.units, 1);
    prefetch(kept, (AT_C - (next.rows + (r->reverse ? -1 : 1)) * COLUMNS) * H + next.units, 1);
    for (int g = 0; g < 4; g++) prefetch(dx, (g - next.rows * 4) * H + next.units, 1);
    _Alignas(64) float v[COLUMNS][VL], before[VL], dh[VL], dc[VL], d[4][VL];
    for (int k = AT_C; k < COLUMNS; k++) vf_store(v[k], vf_load_n(kept + k * H, n));
    vf_store(before, vf_load_n(c_before(r, m->kept, T - 1 - s, row, unit), n));
    vf_store(dh, vf_load_n(dy + t * H, n) + vf_load(sum));
    vf_store(dc, vf_load_n(s == 0 ? dy + T * H : carry, n));
    for (int l = 0; l < VL; l++) {
        const float i = v[AT_I][l], f = v[AT_F][l], g = v[AT_G][l], o = v[AT_O][l];
        const float tc = vm_tanh(v[AT_C][l]);
        const float to_c = vm_fma(dh[l] * o, vm_fma(-tc, tc, 1.0f), dc[l]);
        d[0][l] = to_c * g * (i * (1.0f - i));
        d[1][l] = to_c * before[l] * (f * (1.0f - f));
        d[2][l] = to_c * i * vm_fma(-g, g, 1.0f);
        d[3][l] = dh[l] * tc * (o * (1.0f - o));
        dc[l] = to_c * f;
    }
    vf_store_n(carry, vf_load(dc), n);
    for (int g = 0; g < 4; g++) {
        vf_store_n(dx + g * H, vf_load(d[g]), n);
        vf_store(recurrent_state(r, m->parts.state[(s + 1) & 1], g, row, unit), vf_load(d[g]));
    }
}

void K(lstm_grad)(const Recurrence *r, const float *trace, const float *dy, bool start, float *dx,
                  void *scratch)
{
    const Lstm m = {.r = r,
                    .parts = recurrent_parts(r, scratch),
                    .kept = trace,
                    .dy = dy,
                    .dx = dx,
                    .dx_rows = r->steps + start};
    const RecurrentWalk walk = {r, true, false, finish_backward, &m};
    recurrent_walk(&walk, &m.parts);
    if (start) recurrent_end(r, &m.parts, dx);
}
