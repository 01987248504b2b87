/* update -- optimizer updates in one pass over contiguous storage; formulas in optim/optimizer.h.
 */
#include "base/threads.h"
#include "cpu/kernel.h"
#include "cpu/lanes.h"
#include "cpu/vecmath.h"

enum { PIECE = 4096 };

/* Runs `body` for pieces lo..lo+m of 0..n in parallel: elementwise work, no order to keep. */
#define PIECES(n, body)                                                                            \
    do {                                                                                           \
        const int64_t pieces_ = ((n) + PIECE - 1) / PIECE;                                         \
        ROWS_PARALLEL(2 * (n), pieces_)                                                            \
        for (int64_t piece_ = 0; piece_ < pieces_; piece_++) {                                     \
            const int64_t lo = piece_ * PIECE, hi = (n)-lo < PIECE ? (n) : lo + PIECE;             \
            body                                                                                   \
        }                                                                                          \
    } while (0)

/* g as the step takes it: clipped by norm (a factor), then by value. */
static inline float clipped(float g, float scale, float limit)
{
    const float a = g * scale, low = a < -limit ? -limit : a;
    return low > limit ? limit : low;
}

/* After a piece has been updated, while it is in L1. */
static void average(const UpdateCommon *c, const float *w, int64_t lo, int64_t hi)
{
    const float keep = c->keep, take = 1.0f - keep; /* exact: a constant's average must not drift */
    float *ema = c->ema;
    if (!ema) return;
#pragma GCC ivdep
    for (int64_t i = lo; i < hi; i++) ema[i] = vm_fma(take, w[i], keep * ema[i]);
}

void K(sgd)(int64_t n, float *w, const float *g, float *momentum_buffer, const SgdStep *s)
{
    float *b = momentum_buffer;
    const float lr = s->lr, momentum = s->momentum, decay = s->weight_decay;
    const float scale = s->common.scale, limit = s->common.limit;
    const float keep = s->first ? 0.0f : momentum, take = s->first ? 1.0f : 1.0f - s->dampening;
    const bool nesterov = s->nesterov;
    if (momentum == 0) {
        PIECES(
            n, _Pragma("GCC ivdep") for (int64_t i = lo; i < hi; i++) {
                float d = vm_fma(decay, w[i], clipped(g[i], scale, limit));
                w[i] = vm_fma(-lr, d, w[i]);
            } average(&s->common, w, lo, hi););
        return;
    }
    PIECES(
        n, _Pragma("GCC ivdep") for (int64_t i = lo; i < hi; i++) {
            float d = vm_fma(decay, w[i], clipped(g[i], scale, limit));
            float v = vm_fma(keep, b[i], take * d);
            b[i] = v;
            d = nesterov ? vm_fma(momentum, v, d) : v;
            w[i] = vm_fma(-lr, d, w[i]);
        } average(&s->common, w, lo, hi););
}

void K(adam)(int64_t n, float *w, const float *g, float *m, float *v, const AdamStep *s)
{
    const float step = (float)((double)s->lr / s->bias1),
                unroot = (float)(1.0 / __builtin_sqrt(s->bias2)); /* one division less an element */
    const float coupled = s->decoupled ? 0.0f : s->weight_decay,
                shrink = s->decoupled ? 1.0f - s->lr * s->weight_decay : 1.0f;
    const float beta1 = s->beta1, beta2 = s->beta2, eps = s->eps;
    const float scale = s->common.scale, limit = s->common.limit;
    PIECES(
        n, _Pragma("GCC ivdep") for (int64_t i = lo; i < hi; i++) {
            float d = vm_fma(coupled, w[i], clipped(g[i], scale, limit));
            float a = vm_fma(beta1, m[i], (1.0f - beta1) * d);
            float q = vm_fma(beta2, v[i], (1.0f - beta2) * d * d);
            m[i] = a;
            v[i] = q;
            w[i] = w[i] * shrink - step * a / vm_fma(vm_sqrt(q), unroot, eps);
        } average(&s->common, w, lo, hi););
}

void K(axpby)(int64_t n, float a, const float *x, float b, float *y)
{
    PIECES(n, _Pragma("GCC ivdep") for (int64_t i = lo; i < hi; i++) y[i] =
                  vm_fma(a, x[i], b * y[i]););
}

/* Pieces of 4096 in 16 lanes, their sums in double in ascending order. */
double K(sum_squares)(int64_t n, const float *x)
{
    enum { GROUPS = 64 };
    double group[GROUPS] = {0};
    const int64_t pieces = (n + PIECE - 1) / PIECE, per_group = (pieces + GROUPS - 1) / GROUPS;
    ROWS_PARALLEL(n, GROUPS)
    for (int k = 0; k < GROUPS; k++)
        for (int64_t p = k * per_group; p < (k + 1) * per_group && p < pieces; p++) {
            const float *from = x + p * PIECE;
            const int64_t m = n - p * PIECE < PIECE ? n - p * PIECE : PIECE;
            float s;
            LANES_SUM(s, m, from[i] * from[i]);
            group[k] += (double)s;
        }
    double total = 0;
    for (int k = 0; k < GROUPS; k++) total += group[k];
    return total;
}

bool K(all_finite)(int64_t n, const float *x)
{
    const int64_t pieces = (n + PIECE - 1) / PIECE;
    int bad = 0;
    const int threads = lanes_threads(n, pieces, threads_count());
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1) reduction(| : bad)
    for (int64_t p = 0; p < pieces; p++) {
        const int64_t lo = p * PIECE, hi = n - lo < PIECE ? n : lo + PIECE;
        int here = 0;
        for (int64_t i = lo; i < hi; i++) here |= (vm_bits(x[i]) & 0x7f800000u) == 0x7f800000u;
        bad |= here;
    }
    return !bad;
}
