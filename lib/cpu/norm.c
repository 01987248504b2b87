/* norm -- layer norm and RMS norm over contiguous rows, forward and backward to x; sums in 16 lanes
 * (lanes.h).
 *
 * Layer norm: xhat = (x - mean) r, r = 1 / sqrt(var + eps); with g = dy gain,
 *   dx = r (g - mean(g) - xhat mean(g xhat)).
 * RMS norm: xhat = x r, r = 1 / sqrt(mean(x^2) + eps); dx = r (g - xhat mean(g xhat)). */
#include "base/threads.h"
#include "cpu/kernel.h"
#include "cpu/lanes.h"
#include "cpu/vecmath.h"

/* Mean (0 for RMS norm) and 1 / sqrt(variance + eps) of one row. */
static float row_scale(const float *x, int64_t n, float eps, bool center, float *mean)
{
    float m = 0, s;
    if (center) {
        LANES_SUM(m, n, x[i]);
        m /= (float)n;
    }
    LANES_SUM(s, n, (x[i] - m) * (x[i] - m));
    *mean = m;
    return 1.0f / vm_sqrt(s / (float)n + eps);
}

static void forward(int64_t rows, int64_t n, const float *x, const float *gain, const float *bias,
                    float eps, bool center, float *y)
{
    ROWS_PARALLEL(4 * rows * n, rows)
    for (int64_t r = 0; r < rows; r++) {
        const float *from = x + r * n;
        float *to = y + r * n, m;
        const float scale = row_scale(from, n, eps, center, &m);
#pragma GCC ivdep
        for (int64_t i = 0; i < n; i++) to[i] = (from[i] - m) * scale;
        if (gain)
            for (int64_t i = 0; i < n; i++) to[i] *= gain[i];
        if (bias)
            for (int64_t i = 0; i < n; i++) to[i] += bias[i];
    }
}

static void backward(int64_t rows, int64_t n, const float *x, const float *gain, float eps,
                     const float *dy, bool center, float *dx)
{
    ROWS_PARALLEL(8 * rows * n, rows)
    for (int64_t r = 0; r < rows; r++) {
        const float *from = x + r * n, *d = dy + r * n;
        float *to = dx + r * n, m, sum_g, sum_gx;
        const float scale = row_scale(from, n, eps, center, &m);
        if (gain)
            for (int64_t i = 0; i < n; i++) to[i] = d[i] * gain[i];
        else
            for (int64_t i = 0; i < n; i++) to[i] = d[i];
        LANES_SUM(sum_g, n, to[i]);
        LANES_SUM(sum_gx, n, to[i] * ((from[i] - m) * scale));
        const float mean_g = center ? sum_g / (float)n : 0.0f, mean_gx = sum_gx / (float)n;
        for (int64_t i = 0; i < n; i++)
            to[i] = scale * ((to[i] - mean_g) - (from[i] - m) * scale * mean_gx);
    }
}

void K(layer_norm)(int64_t rows, int64_t n, const float *x, const float *gain, const float *bias,
                   float eps, float *y)
{
    forward(rows, n, x, gain, bias, eps, true, y);
}

void K(rms_norm)(int64_t rows, int64_t n, const float *x, const float *gain, float eps, float *y)
{
    forward(rows, n, x, gain, NULL, eps, false, y);
}

void K(layer_norm_grad)(int64_t rows, int64_t n, const float *x, const float *gain, float eps,
                        const float *dy, float *dx)
{
    backward(rows, n, x, gain, eps, dy, true, dx);
}

void K(rms_norm_grad)(int64_t rows, int64_t n, const float *x, const float *gain, float eps,
                      const float *dy, float *dx)
{
    backward(rows, n, x, gain, eps, dy, false, dx);
}
