/* graph64_sequence -- the references of ops over sequences: attention, recurrent layers, scans,
 * convolutions over time, the real transform; each by its formula, in double precision. */
#include "tests/graph64_eval.h"

#include "base/pcg.h"

#include <stdlib.h>
#include <string.h>

/* -- Attention, by its formula */

typedef struct Attention64 {
    const Node *n;
    const double *q, *k, *v, *bias, *slopes, *lengths, *rope, *dy;
    int64_t B, T, S, Hq, Hkv, D, group, dims, bias_stride[3];
    uint64_t step;
    double *turned_q, *turned_k;
} Attention64;

/* n rows (.., n, heads, D) of x turned by rows `from`.. of the table, into y; sign -1 turns back.
 */
static void turn64(const Attention64 *a, int64_t n, int64_t heads, int64_t from, double sign,
                   const double *x, double *y)
{
    const int64_t half = a->dims / 2;
    for (int64_t row = 0; row < a->B * n * heads; row++, x += a->D, y += a->D) {
        const double *c = a->rope + (from + row / heads % n) * a->dims;
        memcpy(y, x, (size_t)a->D * sizeof *y);
        for (int64_t i = 0; i < half; i++) {
            const bool near = a->n->args.attention.rope_interleaved;
            const int64_t first = near ? 2 * i : i, second = near ? 2 * i + 1 : i + half;
            const double u = x[first], v = x[second], sine = sign * c[half + i];
            y[first] = u * c[i] - v * sine;
            y[second] = u * sine + v * c[i];
        }
    }
}

/* Strides of the bias over (b, h, i), 0 where it is 1 or left out. */
static void bias_strides64(const Shape *s, int64_t stride[3])
{
    int64_t step = s->dim[s->rank - 1];
    for (int k = 2, at = s->rank - 2; k >= 0; k--, at--) {
        const int64_t n = at >= 0 ? s->dim[at] : 1;
        stride[k] = n > 1 ? step : 0;
        step *= n;
    }
}

static Attention64 attention_of(const Eval *e)
{
    const Shape *q = &e->n->src[0]->shape, *k = &e->n->src[1]->shape;
    const OpArgs *args = &e->n->args;
    Attention64 a = {.n = e->n, .q = e->src[0], .k = e->src[1], .v = e->src[2]};
    a.B = q->dim[0], a.T = q->dim[1], a.S = k->dim[1];
    a.Hq = q->dim[2], a.Hkv = k->dim[2], a.D = q->dim[3], a.group = a.Hq / a.Hkv;
    int at = 3;
    a.step = e->step;
    if (args->attention.bias) bias_strides64(&e->n->src[at]->shape, a.bias_stride);
    if (args->attention.bias) a.bias = e->src[at++];
    if (args->attention.slopes) a.slopes = e->src[at++];
    if (args->attention.lengths) a.lengths = e->src[at++];
    a.dy = e->src[e->n->n_src - 1];
    if (!args->attention.rope) return a;
    a.dims = e->n->src[at]->shape.dim[1];
    a.rope = e->src[at];
    a.q = a.turned_q = calloc((size_t)(a.B * a.T * a.Hq * a.D), sizeof *a.q);
    turn64(&a, a.T, a.Hq, args->attention.offset, 1, e->src[0], a.turned_q);
    if (args->attention.keys_turned) return a;
    a.k = a.turned_k = calloc((size_t)(a.B * a.S * a.Hkv * a.D), sizeof *a.k);
    turn64(&a, a.S, a.Hkv, 0, 1, e->src[1], a.turned_k);
    return a;
}

static int64_t query64(const Attention64 *a, int64_t b, int64_t i, int64_t h)
{
    return ((b * a->T + i) * a->Hq + h) * a->D;
}

static int64_t key64(const Attention64 *a, int64_t b, int64_t j, int64_t h)
{
    return ((b * a->S + j) * a->Hkv + h / a->group) * a->D;
}

static double dot64(const double *x, const double *y, int64_t n)
{
    double s = 0;
    for (int64_t i = 0; i < n; i++) s += x[i] * y[i];
    return s;
}

/* -HUGE_VAL where query i does not see key j. *slope is the derivative of the cap times scale. */
static double score64(const Attention64 *a, int64_t b, int64_t h, int64_t i, int64_t j,
                      double *slope)
{
    const OpArgs *args = &a->n->args;
    const int64_t far = i + args->attention.offset - j, window = args->attention.window;
    const double scale = (double)args->attention.scale, cap = (double)args->attention.cap;
    double s = scale * dot64(a->q + query64(a, b, i, h), a->k + key64(a, b, j, h), a->D);
    *slope = scale;
    if (cap > 0) {
        *slope *= 1 - tanh(s / cap) * tanh(s / cap);
        s = cap * tanh(s / cap);
    }
    if (a->bias)
        s += a->bias[b * a->bias_stride[0] + h * a->bias_stride[1] + i * a->bias_stride[2] + j];
    if (a->slopes) s -= a->slopes[h] * fabs((double)far);
    if ((args->attention.causal && far < 0) || (a->lengths && (double)j >= a->lengths[b]) ||
        (window > 0 && (far >= window || -far >= window)))
        return -HUGE_VAL;
    return s;
}

/* p[j], slope[j] of one query; returns the natural logarithm of the softmax's sum. */
static double weights64(const Attention64 *a, int64_t b, int64_t h, int64_t i, double p[64],
                        double slope[64])
{
    double most = -HUGE_VAL, total = 0;
    for (int64_t j = 0; j < a->S; j++) {
        p[j] = score64(a, b, h, i, j, &slope[j]);
        most = fmax(most, p[j]);
    }
    for (int64_t j = 0; j < a->S; j++) {
        p[j] = most == -HUGE_VAL ? 0 : exp(p[j] - most);
        total += p[j];
    }
    for (int64_t j = 0; j < a->S && total > 0; j++) p[j] /= total;
    return most + log(total);
}

/* What dropout multiplies the weight of key j with. */
static double kept64(const Attention64 *a, int64_t b, int64_t h, int64_t i, int64_t j)
{
    const OpArgs *args = &a->n->args;
    if (args->attention.keep == 0) return 1;
    Pcg rng = pcg_stream(args->attention.seed, "dropout", a->step, args->attention.stream);
    pcg_advance(&rng, (uint64_t)(((b * a->Hq + h) * a->T + i) * a->S + j));
    return pcg_uniform(&rng) < args->attention.keep ? 1 / (double)args->attention.keep : 0;
}

/* Calls `row` for every query. */
static void each_query64(const Eval *e,
                         void (*row)(const Eval *, const Attention64 *, const int64_t *))
{
    const Attention64 a = attention_of(e);
    for (int64_t b = 0; b < a.B; b++)
        for (int64_t h = 0; h < a.Hq; h++)
            for (int64_t i = 0; i < a.T; i++) row(e, &a, (int64_t[]){b, h, i});
    free(a.turned_q);
    free(a.turned_k);
}

static void forward_row64(const Eval *e, const Attention64 *a, const int64_t *at)
{
    const int64_t b = at[0], h = at[1], i = at[2];
    double p[64], slope[64], *y = e->y + query64(a, b, i, h);
    e->y[a->B * a->T * a->Hq * a->D + (b * a->Hq + h) * a->T + i] =
        weights64(a, b, h, i, p, slope) / log(2.0);
    for (int64_t j = 0; j < a->S; j++)
        for (int64_t c = 0; c < a->D; c++)
            y[c] += p[j] * kept64(a, b, h, i, j) * a->v[key64(a, b, j, h) + c];
}

void attention_forward64(const Eval *e)
{
    clear(e);
    each_query64(e, forward_row64);
}

/* By the Jacobian of the softmax, dp_j/ds_l = p_j (delta_jl - p_l). */
static void grad_row64(const Eval *e, const Attention64 *a, const int64_t *at)
{
    const int64_t b = at[0], h = at[1], i = at[2], n_q = a->B * a->T * a->Hq * a->D,
                  n_k = a->B * a->S * a->Hkv * a->D, row = query64(a, b, i, h);
    double p[64], slope[64], *dq = e->y + row, *dk = e->y + n_q, *dv = dk + n_k, *dbias = dv + n_k;
    (void)weights64(a, b, h, i, p, slope);
    for (int64_t l = 0; l < a->S; l++) {
        const int64_t key = key64(a, b, l, h);
        double ds = 0;
        for (int64_t j = 0; j < a->S; j++)
            ds += dot64(a->dy + row, a->v + key64(a, b, j, h), a->D) * kept64(a, b, h, i, j) *
                  p[j] * ((j == l) - p[l]);
        for (int64_t c = 0; c < a->D; c++) {
            dq[c] += ds * slope[l] * a->k[key + c];
            dk[key + c] += ds * slope[l] * a->q[row + c];
            dv[key + c] += p[l] * kept64(a, b, h, i, l) * a->dy[row + c];
        }
        if (!a->n->args.attention.bias_grad) continue;
        /* (1 or B, Hq, 1 or T, S): heads are not summed */
        const int64_t rows = a->bias_stride[2] ? a->T : 1, at_b = a->bias_stride[0] ? b : 0;
        dbias[((at_b * a->Hq + h) * rows + i % rows) * a->S + l] += ds;
    }
}

void attention_grad64(const Eval *e)
{
    const OpArgs *args = &e->n->args;
    clear(e);
    each_query64(e, grad_row64);
    if (!args->attention.rope) return;
    Attention64 a = attention_of(e);
    const int64_t n_q = a.B * a.T * a.Hq * a.D;
    memcpy(a.turned_q, e->y, (size_t)n_q * sizeof *e->y);
    turn64(&a, a.T, a.Hq, args->attention.offset, -1, a.turned_q, e->y);
    if (a.turned_k) {
        memcpy(a.turned_k, e->y + n_q, (size_t)(a.B * a.S * a.Hkv * a.D) * sizeof *e->y);
        turn64(&a, a.S, a.Hkv, 0, -1, a.turned_k, e->y + n_q);
    }
    free(a.turned_q);
    free(a.turned_k);
}

void rope64(const Eval *e)
{
    const Shape *s = &e->n->shape;
    const int64_t dims = e->n->src[1]->shape.dim[1], half = dims / 2;
    const double sign = e->n->args.rope.inverse ? -1 : 1;
    for (int64_t i = 0; i < e->count; i++) {
        int64_t at[MAX_RANK];
        coordinates(s, i, at);
        const int64_t c = at[3], place = at[1] * dims;
        const bool near = e->n->args.rope.interleaved, second = near ? c % 2 : c >= half;
        const int64_t pair = near ? c / 2 : c % half, step = near ? 1 : half;
        e->y[i] = e->src[0][i];
        if (c >= dims) continue;
        e->y[i] *= e->src[1][place + pair];
        e->y[i] += sign * e->src[1][place + half + pair] *
                   (second ? e->src[0][i - step] : -e->src[0][i + step]);
    }
}

/* -- Over time */

static int64_t time64(const Eval *e, int64_t steps, int64_t s)
{
    return e->n->args.recurrent.reverse ? steps - 1 - s : s;
}

/* Number j of w (.., H) times a row of H. */
static double row_dot64(const double *w, const double *h, int64_t H, int64_t j)
{
    double s = 0;
    for (int64_t k = 0; k < H; k++) s += w[j * H + k] * h[k];
    return s;
}

/* rows: the trace of one sequence. */
static void lstm_sequence64(const Eval *e, int64_t b, int64_t T, int64_t H, double *rows)
{
    const double *h = e->src[2] + b * H, *c = e->src[3] + b * H;
    for (int64_t s = 0; s < T; s++) {
        const int64_t t = time64(e, T, s);
        const double *x = e->src[0] + (b * T + t) * 4 * H;
        double *y = rows + t * 6 * H;
        for (int64_t u = 0; u < H; u++) {
            double v[4];
            for (int g = 0; g < 4; g++) v[g] = x[g * H + u] + row_dot64(e->src[1], h, H, g * H + u);
            for (int g = 0; g < 4; g++) y[(2 + g) * H + u] = g == 2 ? tanh(v[g]) : sigmoid64(v[g]);
            y[H + u] = y[3 * H + u] * c[u] + y[2 * H + u] * y[4 * H + u];
            y[u] = y[5 * H + u] * tanh(y[H + u]);
        }
        h = y;
        c = y + H;
    }
    memcpy(rows + T * 6 * H, c, sizeof(double) * (size_t)H);
}

void lstm_cells64(const Eval *e)
{
    const int64_t T = e->n->shape.dim[1] - 1, H = e->n->shape.dim[2] / 6;
    clear(e);
    for (int64_t b = 0; b < e->n->shape.dim[0]; b++)
        lstm_sequence64(e, b, T, H, e->y + b * (T + 1) * 6 * H);
}

/* By the chain rule through h and c; sources trace, w, c0, dy. */
void lstm_grad64(const Eval *e)
{
    const Shape *dys = &e->n->src[3]->shape;
    const int64_t T = dys->dim[1] - 1, H = dys->dim[2], rows = e->n->shape.dim[1];
    clear(e);
    for (int64_t b = 0; b < dys->dim[0]; b++) {
        double dc[64], after[256] = {0};
        memcpy(dc, e->src[3] + (b * (T + 1) + T) * H, sizeof(double) * (size_t)H);
        for (int64_t s = T - 1; s >= 0; s--) {
            const int64_t t = time64(e, T, s);
            const double *v = e->src[0] + (b * (T + 1) + t) * 6 * H;
            const double *before =
                s == 0 ? e->src[2] + b * H
                       : e->src[0] + (b * (T + 1) + time64(e, T, s - 1)) * 6 * H + H;
            double *dx = e->y + (b * rows + t) * 4 * H;
            for (int64_t u = 0; u < H; u++) {
                const double in = v[2 * H + u], keep = v[3 * H + u], new = v[4 * H + u],
                             out = v[5 * H + u], tc = tanh(v[H + u]);
                double dh = e->src[3][(b * (T + 1) + t) * H + u];
                for (int64_t j = 0; j < 4 * H; j++) dh += after[j] * e->src[1][j * H + u];
                dc[u] += dh * out * (1 - tc * tc);
                dx[u] = dc[u] * new *in *(1 - in);
                dx[H + u] = dc[u] * before[u] * keep * (1 - keep);
                dx[2 * H + u] = dc[u] * in * (1 - new *new);
                dx[3 * H + u] = dh * tc * out * (1 - out);
                dc[u] *= keep;
            }
            memcpy(after, dx, sizeof(double) * (size_t)(4 * H));
        }
        if (rows > T) memcpy(e->y + (b * rows + T) * 4 * H, dc, sizeof(double) * (size_t)H);
    }
}

void gru_cells64(const Eval *e)
{
    const int64_t T = e->n->shape.dim[1], H = e->n->shape.dim[2] / 5;
    for (int64_t b = 0; b < e->n->shape.dim[0]; b++) {
        const double *h = e->src[3] + b * H;
        for (int64_t s = 0; s < T; s++) {
            const int64_t t = time64(e, T, s);
            const double *x = e->src[0] + (b * T + t) * 3 * H;
            double *y = e->y + (b * T + t) * 5 * H;
            for (int64_t k = 0; k < H; k++) {
                double u[3];
                for (int g = 0; g < 3; g++)
                    u[g] = e->src[2][g * H + k] + row_dot64(e->src[1], h, H, g * H + k);
                const double r = sigmoid64(x[k] + u[0]), z = sigmoid64(x[H + k] + u[1]),
                             n = tanh(x[2 * H + k] + r * u[2]);
                y[k] = (1 - z) * n + z * h[k];
                y[H + k] = r, y[2 * H + k] = z, y[3 * H + k] = n, y[4 * H + k] = u[2];
            }
            h = y;
        }
    }
}

/* Sources trace, w, h0, dy. */
void gru_grad64(const Eval *e)
{
    const Shape *dys = &e->n->src[3]->shape;
    const int64_t T = dys->dim[1], H = dys->dim[2], rows = e->n->shape.dim[1];
    clear(e);
    for (int64_t b = 0; b < dys->dim[0]; b++) {
        double direct[64] = {0}, after[192] = {0};
        for (int64_t s = T - 1; s >= 0; s--) {
            const int64_t t = time64(e, T, s);
            const double *v = e->src[0] + (b * T + t) * 5 * H;
            const double *before =
                s == 0 ? e->src[2] + b * H : e->src[0] + (b * T + time64(e, T, s - 1)) * 5 * H;
            double *dx = e->y + (b * rows + t) * 3 * H, du[192];
            for (int64_t k = 0; k < H; k++) {
                const double r = v[H + k], z = v[2 * H + k], n = v[3 * H + k];
                double dh = e->src[3][(b * T + t) * H + k] + direct[k];
                for (int64_t j = 0; j < 3 * H; j++) dh += after[j] * e->src[1][j * H + k];
                const double dn = dh * (1 - z) * (1 - n * n);
                dx[k] = du[k] = dn * v[4 * H + k] * r * (1 - r);
                dx[H + k] = du[H + k] = dh * (before[k] - n) * z * (1 - z);
                dx[2 * H + k] = dn;
                du[2 * H + k] = dn * r;
                direct[k] = dh * z;
            }
            memcpy(after, du, sizeof(double) * (size_t)(3 * H));
        }
        if (rows > T) memcpy(e->y + (b * rows + T) * 3 * H, direct, sizeof(double) * (size_t)H);
    }
}

typedef struct Scan64 {
    int64_t B, T, D, planes;
    bool constant, reverse;
} Scan64;

static Scan64 scan_of64(const Eval *e, const Shape *b)
{
    const bool complex = b->rank == 4;
    return (Scan64){b->dim[0],
                    b->dim[1],
                    last(b),
                    complex ? 2 : 1,
                    e->n->src[0]->shape.rank != b->rank,
                    e->n->args.scan.reverse};
}

/* Number (b, t, d) of rows as a pair; t < 0: of one row for all, or of the state of sequence b. */
static void pair64(const Scan64 *s, const double *x, int64_t b, int64_t t, int64_t d, double v[2])
{
    const int64_t at = ((t < 0 ? b : b * s->T + t) * s->planes) * s->D + d;
    v[0] = x[at];
    v[1] = s->planes == 2 ? x[at + s->D] : 0;
}

/* One channel of one sequence from `state`, values to y[step][2]. */
static void recur64(const Scan64 *s, const double *a, const double *from, const double *state,
                    bool lagged, const int64_t at[2], double (*y)[2])
{
    double before[2] = {0, 0};
    if (state) pair64(s, state, at[0], -1, at[1], before);
    for (int64_t k = 0; k < s->T; k++) {
        const int64_t t = s->reverse ? s->T - 1 - k : k;
        const int64_t t_a = !lagged ? t : s->reverse ? t + 1 : t - 1;
        double f[2] = {0, 0};
        pair64(s, from, at[0], t, at[1], y[t]);
        if (t_a >= 0 && t_a < s->T)
            pair64(s, a, s->constant ? 0 : at[0], s->constant ? -1 : t_a, at[1], f);
        if (lagged) f[1] = -f[1];
        y[t][0] += f[0] * before[0] - f[1] * before[1];
        y[t][1] += f[0] * before[1] + f[1] * before[0];
        before[0] = y[t][0], before[1] = y[t][1];
    }
}

void scan64(const Eval *e)
{
    const Scan64 s = scan_of64(e, &e->n->shape);
    double y[64][2];
    for (int64_t b = 0; b < s.B; b++)
        for (int64_t d = 0; d < s.D; d++) {
            recur64(&s, e->src[0], e->src[1], e->n->n_src > 2 ? e->src[2] : NULL,
                    e->n->args.scan.lagged, (int64_t[]){b, d}, y);
            for (int64_t t = 0; t < s.T; t++)
                for (int64_t p = 0; p < s.planes; p++)
                    e->y[((b * s.T + t) * s.planes + p) * s.D + d] = y[t][p];
        }
}

/* Sources a, dy, y, [h0]. */
void scan_grad64(const Eval *e)
{
    const Scan64 s = scan_of64(e, &e->n->src[1]->shape);
    Scan64 back = s;
    const int64_t row = s.planes * s.D, rows = s.constant ? s.T + 1 : s.T;
    double g[64][2];
    back.reverse = !s.reverse;
    clear(e);
    for (int64_t b = 0; b < s.B; b++)
        for (int64_t d = 0; d < s.D; d++) {
            recur64(&back, e->src[0], e->src[1], NULL, true, (int64_t[]){b, d}, g);
            double *db = e->y + b * rows * row + d, *da = db + s.T * row;
            if (!s.constant) da = db + s.B * s.T * row;
            for (int64_t t = 0; t < s.T; t++, da += s.constant ? 0 : row) {
                const int64_t from = s.reverse ? t + 1 : t - 1;
                double y[2] = {0, 0};
                if (from >= 0 && from < s.T)
                    pair64(&s, e->src[2], b, from, d, y);
                else if (e->n->n_src > 3)
                    pair64(&s, e->src[3], b, -1, d, y);
                const double product[2] = {g[t][0] * y[0] + g[t][1] * y[1],
                                           g[t][1] * y[0] - g[t][0] * y[1]};
                for (int64_t p = 0; p < s.planes; p++) {
                    db[t * row + p * s.D] = g[t][p];
                    da[p * s.D] += product[p];
                }
            }
        }
}

/* x w y of the trilinear form sum y[b, t, c] w[c, K - 1 - j] x[b, t - j, c]; the NULL one is out.
 */
static void short_form64(const Eval *e, const double *x, const double *w, const double *y,
                         const Shape *s, int64_t K)
{
    const int64_t T = s->dim[1], C = s->dim[2];
    clear(e);
    for (int64_t i = 0; i < shape_count(s); i++)
        for (int64_t j = 0; j < K && j <= i / C % T; j++) {
            const int64_t at_w = i % C * K + K - 1 - j, at_x = i - j * C;
            if (!y) e->y[i] += w[at_w] * x[at_x];
            if (!x) e->y[at_x] += w[at_w] * y[i];
            if (!w) e->y[at_w] += x[at_x] * y[i];
        }
}

void short_conv64(const Eval *e)
{
    const int64_t C = last(&e->n->shape);
    short_form64(e, e->src[0], e->src[1], NULL, &e->n->shape, last(&e->n->src[1]->shape));
    for (int64_t i = 0; i < e->count; i++) {
        if (e->n->n_src > 2) e->y[i] += e->src[2][i % C];
        if (e->n->args.short_conv.silu) e->y[i] *= sigmoid64(e->y[i]);
    }
}

void short_conv_grad_x64(const Eval *e)
{
    short_form64(e, NULL, e->src[1], e->src[0], &e->n->shape, last(&e->n->src[1]->shape));
}

void short_conv_grad_w64(const Eval *e)
{
    short_form64(e, e->src[0], NULL, e->src[1], &e->n->src[0]->shape, last(&e->n->shape));
}

/* -- Long convolutions and the real transform */

/* A tap of channel h that joins row place u to row place y, and how far back it looks. */
typedef struct RowForm {
    const Shape *us, *ks;
    const double *u, *k, *y; /* one of them NULL */
    double *out;
    int reach;
} RowForm;

static void row_term(const RowForm *f, int64_t u, int64_t k, int64_t y)
{
    if (!f->y) f->out[y] += f->u[u] * f->k[k];
    if (!f->u) f->out[u] += f->k[k] * f->y[y];
    if (!f->k) f->out[k] += f->u[u] * f->y[y];
}

static void rows64(const Eval *e, const RowForm *f)
{
    const int64_t T = f->us->dim[2], H = f->us->dim[1], taps = shape_count(f->ks);
    const int64_t S = f->ks->dim[f->ks->rank - 1];
    clear(e);
    for (int64_t y = 0; y < shape_count(f->us); y++)
        for (int64_t k = 0; k < taps; k++) {
            const int64_t back = k >= H * S ? -1 - k % S : k % S, t = y % T;
            int64_t from = t - back;
            if (k / S % H != y / T % H) continue;
            if (f->reach == REACH_CIRCULAR) from = (from + T) % T;
            if (from >= 0 && from < T) row_term(f, y - t + from, k, y);
        }
}

/* Adds d u and multiplies by the gate where the node has them. */
static void skip_and_gate(const Eval *e)
{
    const OpArgs *a = &e->n->args;
    const int64_t T = e->n->shape.dim[2], H = e->n->shape.dim[1];
    for (int64_t i = 0; i < e->count; i++) {
        if (a->long_conv.skip) e->y[i] += e->src[2][i / T % H] * e->src[0][i];
        if (a->long_conv.gate) e->y[i] *= e->src[2 + a->long_conv.skip][i];
    }
}

void long_conv64(const Eval *e)
{
    const Node *n = e->n;
    const RowForm f = {.us = &n->shape,
                       .ks = &n->src[1]->shape,
                       .u = e->src[0],
                       .k = e->src[1],
                       .out = e->y,
                       .reach = n->args.long_conv.reach};
    rows64(e, &f);
    skip_and_gate(e);
}

void long_conv_grad_u64(const Eval *e)
{
    const Node *n = e->n;
    const RowForm f = {.us = &n->shape,
                       .ks = &n->src[1]->shape,
                       .y = e->src[0],
                       .k = e->src[1],
                       .out = e->y,
                       .reach = n->args.long_conv.reach};
    rows64(e, &f);
    skip_and_gate(e);
}

void long_conv_grad_k64(const Eval *e)
{
    const Node *n = e->n;
    const RowForm f = {.us = &n->src[0]->shape,
                       .ks = &n->shape,
                       .u = e->src[0],
                       .y = e->src[1],
                       .out = e->y,
                       .reach = n->args.long_conv.reach};
    rows64(e, &f);
}

/* Sources u, dy, k, d. */
void long_conv_grads64(const Eval *e)
{
    const Node *n = e->n;
    const RowForm f = {.us = &n->shape,
                       .ks = &n->src[2]->shape,
                       .y = e->src[1],
                       .k = e->src[2],
                       .out = e->y,
                       .reach = n->args.long_conv.reach};
    rows64(e, &f);
    for (int64_t i = 0; i < e->count && n->args.long_conv.skip; i++)
        e->y[i] += e->src[3][i / n->shape.dim[2] % n->shape.dim[1]] * e->src[1][i];
}

/* After the kernel's node. */
void long_conv_grads_part64(const Eval *e)
{
    const Node *n = e->n;
    const RowForm f = {.us = &n->src[1]->shape,
                       .ks = &n->shape,
                       .u = e->src[1],
                       .y = e->src[2],
                       .out = e->y,
                       .reach = n->src[0]->args.long_conv.reach};
    rows64(e, &f);
}

void rfft64(const Eval *e)
{
    const int64_t n = last(&e->n->src[0]->shape), bins = n / 2 + 1;
    for (int64_t i = 0; i < e->count; i++) {
        const double *x = e->src[0] + i / (2 * bins) * n;
        const double turn = 2 * acos(-1.0) * (double)(i / 2 % bins) / (double)n;
        e->y[i] = 0;
        for (int64_t t = 0; t < n; t++)
            e->y[i] += x[t] * (i % 2 == 0 ? cos(turn * (double)t) : -sin(turn * (double)t));
    }
}

void irfft64(const Eval *e)
{
    const int64_t n = last(&e->n->shape), bins = n / 2 + 1;
    for (int64_t i = 0; i < e->count; i++) {
        const double *x = e->src[0] + i / n * 2 * bins;
        e->y[i] = 0;
        for (int64_t f = 0; f < n; f++) {
            const int64_t bin = f < bins ? f : n - f;
            const double turn = 2 * acos(-1.0) * (double)(f * (i % n) % n) / (double)n;
            const double im = f == 0 || 2 * f == n ? 0
                              : f < bins           ? x[2 * bin + 1]
                                                   : -x[2 * bin + 1];
            e->y[i] += (x[2 * bin] * cos(turn) - im * sin(turn)) / (double)n;
        }
    }
}
