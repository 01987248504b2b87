/* cross_entropy -- softmax cross-entropy over contiguous rows: the loss, its gradient, and both.
 *
 *   loss = m + log s - sum_j target_j x_j,  dx = (e^(x-m) / s - target) dloss,  s = sum e^(x-m),
 *   target = (1 - smoothing) onehot(label) + smoothing / n.
 *
 * m and s are row_sum.h's, m from the logit of the label on: in a trained model that is often the
 * largest. The gradient alone takes m and 1/s from the forward pass, is then one pass, and may be
 * written over the logits.
 *
 * Both together read x once and write dx once: the exponentials of row k + 1 are summed and kept in
 * L2 while those of row k, which were kept there, are scaled and written, so that reads and writes
 * of memory mix as in a copy. Where m rose on the way, what was kept before is made again from x,
 * which is in L2 too; so the bits are those of the two kernels. */
#include "base/threads.h"
#include "cpu/kernel.h"
#include "cpu/row_sum.h"

/* What the kernels are told, beside rows. */
typedef struct Rule {
    int64_t n;
    float smoothing;
    int32_t ignore;
} Rule;

static bool is_valid(const Rule *a, int32_t label)
{
    return label >= 0 && label < a->n;
}

/* Of a row that is neither ignored nor marked. */
static float row_loss(const Rule *a, const float *x, int32_t label, const RowSum *s)
{
    float expected = (1.0f - a->smoothing) * (x[label] - s->max);
    if (a->smoothing != 0) {
        const float all = (float)(s->total - (double)a->n * (double)s->max);
        expected = vm_fma(a->smoothing / (float)a->n, all, expected);
    }
    return vm_log(s->sum) - expected;
}

static void put_stats(float *stats, int64_t row, const RowSum *s)
{
    if (!stats) return;
    stats[2 * row] = s->max;
    stats[2 * row + 1] = 1.0f / s->sum;
}

void K(cross_entropy)(int64_t rows, int64_t n, const float *x, const int32_t *label,
                      float smoothing, int32_t ignore, float *loss, float *stats)
{
    const Rule a = {n, smoothing, ignore};
    ROWS_PARALLEL(4 * rows * n, rows)
    for (int64_t r = 0; r < rows; r++) {
        const float *from = x + r * n;
        RowSum s = {.sum = 1};
        if (label[r] == ignore) {
            loss[r] = 0;
        } else if (!is_valid(&a, label[r])) {
            loss[r] = __builtin_nanf("");
        } else {
            s = sum_row(from, n, from[label[r]], smoothing != 0, NULL, NULL);
            loss[r] = row_loss(&a, from, label[r], &s);
        }
        put_stats(stats, r, &s);
    }
}

/* y = e^(x - m) scale + shift; y may be x. */
static void exp_affine(const float *x, int64_t n, float m, float scale, float shift, float *y,
                       bool stream)
{
    const vf base = vf_set1(m), a = vf_set1(scale), b = vf_set1(shift);
    int64_t i = simd_lead(y);
    i = i < n ? i : n;
    vf_store_n(y, vf_fma(vf_exp_below(vf_load_n(x, i) - base), a, b), i);
    if (stream)
        for (; i + VL <= n; i += VL)
            vf_stream(y + i, vf_fma(vf_exp_below(vf_load(x + i) - base), a, b));
    else
        for (; i + VL <= n; i += VL)
            vf_store(y + i, vf_fma(vf_exp_below(vf_load(x + i) - base), a, b));
    vf_store_n(y + i, vf_fma(vf_exp_below(vf_load_n(x + i, n - i) - base), a, b), n - i);
}

void K(cross_entropy_grad)(int64_t rows, int64_t n, const float *x, const int32_t *label,
                           float smoothing, int32_t ignore, const float *stats, const float *dloss,
                           float *dx)
{
    const bool stream = dx != x && simd_streams(rows * n);
    ROWS_PARALLEL(4 * rows * n, rows)
    for (int64_t r = 0; r < rows; r++) {
        const float *from = x + r * n;
        float *to = dx + r * n;
        if (label[r] == ignore) {
            for (int64_t i = 0; i < n; i++) to[i] = 0;
            continue;
        }
        const bool valid = label[r] >= 0 && label[r] < n;
        float m = stats ? stats[2 * r] : 0, inverse = stats ? stats[2 * r + 1] : 0;
        if (!stats && valid) {
            const RowSum s = sum_row(from, n, from[label[r]], false, NULL, NULL);
            m = s.max;
            inverse = 1.0f / s.sum;
        }
        const float g = valid ? dloss[r] : __builtin_nanf(""), rest = smoothing / (float)n;
        const float at_label = valid ? from[label[r]] : 0;
        exp_affine(from, n, m, inverse * g, -rest * g, to, stream);
        if (!valid) continue;
        float e[VL];
        vf_store(e, vf_exp_below(vf_set1(at_label - m)));
        to[label[r]] = (e[0] * inverse - (rest + (1.0f - smoothing))) * g;
    }
}

/* -- Both */

static void fill(float *y, int64_t n, float value)
{
    for (int64_t i = 0; i < n; i++) y[i] = value;
}

/* The first few floats, up to a line of y. */
static void write_lead(RowWrite *w)
{
    int64_t lead = (int64_t)(-((uintptr_t)w->y / sizeof(float)) % LANES);
    if (lead > w->n) lead = w->n;
    for (; w->done < lead; w->done++) w->y[w->done] = vm_fma(w->e[w->done], w->scale, w->shift);
}

/* A row whose exponentials are kept, and what its label's gradient will be. */
typedef struct Kept {
    RowWrite w;
    float *at_label, d_label;
} Kept;

static void finish_row(Kept *k)
{
    write_to(&k->w, k->w.n);
    if (k->at_label) *k->at_label = k->d_label;
    *k = (Kept){0};
}

/* Row r, writing what `before` keeps in e, where its own exponentials go. */
static Kept take_row(const CrossEntropy *c, int64_t r, float *e, Kept *before, bool stream)
{
    const Rule a = {c->n, c->smoothing, c->ignore};
    const float *x = c->x + r * c->n;
    const int32_t label = c->label[r];
    RowSum s = sum_row(x, c->n, x[label], c->smoothing != 0, e, &before->w);
    finish_row(before);
    if (s.stale > 0) {
        const vf base = vf_set1(s.max);
        for (int64_t i = 0; i < s.stale; i += VL)
            vf_store(e + i, vf_exp_below(vf_load(x + i) - base));
    }
    c->loss[r] = row_loss(&a, x, label, &s);
    put_stats(c->stats, r, &s);
    const float inverse = 1.0f / s.sum, g = c->dloss[r], rest = c->smoothing / (float)c->n;
    Kept k = {
        .w = {.e = e, .y = c->dx + r * c->n, .n = c->n, .stream = stream}
    };
    k.w.scale = inverse * g, k.w.shift = -rest * g;
    k.at_label = k.w.y + label;
    k.d_label = (e[label] * inverse - (rest + (1.0f - c->smoothing))) * g;
    write_lead(&k.w);
    return k;
}

static int64_t kept_floats(int64_t n)
{
    return (n + LANES - 1) / LANES * LANES;
}

static void take_rows(const CrossEntropy *c, int64_t from, int64_t to, float *e, bool stream)
{
    const Rule a = {c->n, c->smoothing, c->ignore};
    Kept before = {0};
    for (int64_t r = from; r < to; r++) {
        const bool ignored = c->label[r] == c->ignore;
        if (!ignored && is_valid(&a, c->label[r])) {
            before = take_row(c, r, e, &before, stream);
            continue;
        }
        c->loss[r] = ignored ? 0 : __builtin_nanf("");
        put_stats(c->stats, r, &(RowSum){.sum = 1});
        fill(c->dx + r * c->n, c->n, c->loss[r]);
    }
    finish_row(&before);
}

size_t K(cross_entropy_scratch)(int64_t rows, int64_t n)
{
    const int64_t threads = lanes_threads(4 * rows * n, rows, threads_count());
    return sizeof(float) * (size_t)(threads * kept_floats(n));
}

void K(cross_entropy_both)(const CrossEntropy *c, void *scratch)
{
    const int64_t rows = c->rows;
    const bool stream = c->dx != c->x && simd_streams(rows * c->n);
    const int n_threads = lanes_threads(4 * rows * c->n, rows, threads_count());
    ROWS_PARALLEL(4 * rows * c->n, rows)
    for (int t = 0; t < n_threads; t++) {
        float *e = (float *)scratch + t * kept_floats(c->n);
        take_rows(c, rows * t / n_threads, rows * (t + 1) / n_threads, e, stream);
    }
}
