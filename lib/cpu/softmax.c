/* softmax -- softmax, log-softmax and softmax cross-entropy over contiguous rows; a row stays in
 * cache between passes.
 *
 * With m = max x:  softmax = e^(x-m) / s,  s = sum e^(x-m);  logsumexp = m + log s.  Sums run in 16
 * lanes (lanes.h). */
#include "base/threads.h"
#include "cpu/kernel.h"
#include "cpu/lanes.h"
#include "cpu/vecmath.h"

/* y = e^(x - m); returns the sum. */
static float exp_row(const float *x, int64_t n, float m, float *y)
{
    float s;
#pragma GCC ivdep
    for (int64_t i = 0; i < n; i++) y[i] = vm_exp(x[i] - m);
    LANES_SUM(s, n, y[i]);
    return s;
}

/* sum e^(x - m) without keeping the terms. */
static float sum_exp(const float *x, int64_t n, float m)
{
    float s;
    LANES_SUM(s, n, vm_exp(x[i] - m));
    return s;
}

void K(softmax)(int64_t rows, int64_t n, const float *x, float *y)
{
    ROWS_PARALLEL(8 * rows * n, rows)
    for (int64_t r = 0; r < rows; r++) {
        float *to = y + r * n;
        const float scale = 1.0f / exp_row(x + r * n, n, lanes_max(x + r * n, n), to);
        for (int64_t i = 0; i < n; i++) to[i] *= scale;
    }
}

void K(log_softmax)(int64_t rows, int64_t n, const float *x, float *y)
{
    ROWS_PARALLEL(8 * rows * n, rows)
    for (int64_t r = 0; r < rows; r++) {
        const float *from = x + r * n;
        float *to = y + r * n;
        const float m = lanes_max(from, n), log_s = vm_log(sum_exp(from, n, m));
#pragma GCC ivdep
        for (int64_t i = 0; i < n; i++) to[i] = (from[i] - m) - log_s;
    }
}

void K(cross_entropy)(int64_t rows, int64_t n, const float *x, const int32_t *label,
                      float smoothing, int32_t ignore, float *loss)
{
    ROWS_PARALLEL(8 * rows * n, rows)
    for (int64_t r = 0; r < rows; r++) {
        const float *from = x + r * n;
        if (label[r] == ignore) {
            loss[r] = 0;
            continue;
        }
        if (label[r] < 0 || label[r] >= n) {
            loss[r] = __builtin_nanf("");
            continue;
        }
        const float m = lanes_max(from, n), log_s = vm_log(sum_exp(from, n, m));
        float expected = (1.0f - smoothing) * (from[label[r]] - m);
        if (smoothing != 0) {
            float all;
            LANES_SUM(all, n, from[i] - m);
            expected = vm_fma(smoothing / (float)n, all, expected);
        }
        loss[r] = log_s - expected;
    }
}

void K(cross_entropy_grad)(int64_t rows, int64_t n, const float *x, const int32_t *label,
                           float smoothing, int32_t ignore, const float *dloss, float *dx)
{
    ROWS_PARALLEL(8 * rows * n, rows)
    for (int64_t r = 0; r < rows; r++) {
        const float *from = x + r * n;
        float *to = dx + r * n;
        if (label[r] == ignore) {
            for (int64_t i = 0; i < n; i++) to[i] = 0;
            continue;
        }
        const bool valid = label[r] >= 0 && label[r] < n;
        const float g = valid ? dloss[r] : __builtin_nanf("");
        const float scale = 1.0f / exp_row(from, n, lanes_max(from, n), to),
                    rest = smoothing / (float)n;
        for (int64_t i = 0; i < n; i++) {
            float target = rest + (i == label[r] ? 1.0f - smoothing : 0.0f);
            to[i] = (to[i] * scale - target) * g;
        }
    }
}
