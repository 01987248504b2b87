/* softmax -- softmax and log-softmax over contiguous rows.
 *
 * With m = max x:  softmax = e^(x-m) / s,  s = sum e^(x-m);  logsumexp = m + log s: row_sum.h. */
#include "base/threads.h"
#include "cpu/kernel.h"
#include "cpu/row_sum.h"

/* y = e^(x - m); returns the sum. */
static float exp_row(const float *x, int64_t n, float m, float *y)
{
    vf part[PARTS];
    for (int k = 0; k < PARTS; k++) part[k] = vf_zero();
    for (int64_t i = 0; i < n; i += LANES) {
        vf v[PARTS];
        load_lanes(v, x + i, n - i, -INFINITY);
        for (int64_t k = 0; k < PARTS; k++) {
            const int64_t left = n - i - k * VL;
            v[k] = vf_exp_below(v[k] - vf_set1(m));
            part[k] += v[k];
            if (left >= VL)
                vf_store(y + i + k * VL, v[k]);
            else if (left > 0)
                vf_store_n(y + i + k * VL, v[k], left);
        }
    }
    return sum_lanes(part);
}

void K(softmax)(int64_t rows, int64_t n, const float *x, float *y)
{
    ROWS_PARALLEL(4 * rows * n, rows)
    for (int64_t r = 0; r < rows; r++) {
        float *to = y + r * n;
        const float scale = 1.0f / exp_row(x + r * n, n, block_max(x + r * n, n), to);
        for (int64_t i = 0; i < n; i++) to[i] *= scale;
    }
}

void K(log_softmax)(int64_t rows, int64_t n, const float *x, float *y)
{
    ROWS_PARALLEL(4 * rows * n, rows)
    for (int64_t r = 0; r < rows; r++) {
        const float *from = x + r * n;
        float *to = y + r * n;
        const RowSum s = sum_row(from, n, -INFINITY, false, NULL, NULL);
        const float log_s = vm_log(s.sum);
#pragma GCC ivdep
        for (int64_t i = 0; i < n; i++) to[i] = (from[i] - s.max) - log_s;
    }
}
