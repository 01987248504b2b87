/* gather -- rows of a table by index, their transpose, and the place of the largest element of a
 * row. */
#include "base/threads.h"
#include "cpu/kernel.h"
#include "cpu/lanes.h"

#include <string.h>

void K(gather_rows)(int64_t n, int64_t n_rows, int64_t width, const float *table,
                    const int32_t *index, float *y)
{
    ROWS_PARALLEL(n * width, n)
    for (int64_t i = 0; i < n; i++) {
        if (index[i] >= 0 && index[i] < n_rows)
            memcpy(y + i * width, table + index[i] * width, sizeof(float) * (size_t)width);
        else
            for (int64_t j = 0; j < width; j++) y[i * width + j] = __builtin_nanf("");
    }
}

/* Split over columns: every element of y gets its terms in the order of i. */
void K(scatter_add_rows)(int64_t n, int64_t n_rows, int64_t width, const float *x,
                         const int32_t *index, float *y)
{
    enum { CHUNK = 64 };
    const int64_t chunks = (width + CHUNK - 1) / CHUNK;
    ROWS_PARALLEL((n + n_rows) * width, chunks)
    for (int64_t c = 0; c < chunks; c++) {
        const int64_t lo = c * CHUNK, m = width - lo < CHUNK ? width - lo : CHUNK;
        for (int64_t r = 0; r < n_rows; r++)
            memset(y + r * width + lo, 0, sizeof(float) * (size_t)m);
        for (int64_t i = 0; i < n; i++) {
            if (index[i] < 0 || index[i] >= n_rows) continue;
            float *to = y + index[i] * width + lo;
            const float *from = x + i * width + lo;
            for (int64_t j = 0; j < m; j++) to[j] += from[j];
        }
    }
}

void K(argmax_rows)(int64_t rows, int64_t n, const float *x, int32_t *index)
{
    ROWS_PARALLEL(rows * n, rows)
    for (int64_t r = 0; r < rows; r++) {
        const float *from = x + r * n;
        int32_t best = 0;
        for (int64_t i = 1; i < n; i++)
            if (from[i] > from[best]) best = (int32_t)i;
        index[r] = best;
    }
}
