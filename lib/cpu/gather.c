/* gather -- rows of a table by index, their transpose, and the place of the largest element of a
 * row. */
#include "base/threads.h"
#include "cpu/kernel.h"
#include "cpu/lanes.h"
#include "cpu/simd.h"

#include <string.h>

/* Row i of the table, or NULL. */
SIMD const float *row_of(const float *table, int64_t n_rows, int64_t width, const int32_t *index,
                         int64_t i)
{
    return index[i] >= 0 && index[i] < n_rows ? table + index[i] * width : NULL;
}

/* y = x; row `next` is asked for meanwhile, since rows lie anywhere. */
SIMD void copy_row(const float *x, const float *next, int64_t n, bool stream, float *y)
{
    int64_t j = 0;
    for (; j + VL <= n; j += VL) {
        if (next) prefetch(next, j, 1);
        if (stream)
            vf_stream(y + j, vf_load(x + j));
        else
            vf_store(y + j, vf_load(x + j));
    }
    if (j < n) vf_store_n(y + j, vf_load_n(x + j, n - j), n - j);
}

void K(gather_rows)(int64_t n, int64_t n_rows, int64_t width, const float *table,
                    const int32_t *index, float *y)
{
    const bool stream = simd_streams(n * width) && width % VL == 0 && simd_lead(y) == 0;
    ROWS_PARALLEL(n * width, n)
    for (int64_t i = 0; i < n; i++) {
        const float *from = row_of(table, n_rows, width, index, i);
        const float *next = i + 1 < n ? row_of(table, n_rows, width, index, i + 1) : NULL;
        if (from)
            copy_row(from, next, width, stream, y + i * width);
        else
            for (int64_t j = 0; j < width; j++) y[i * width + j] = __builtin_nanf("");
    }
}

/* y += x, while `next` is asked for. */
SIMD void add_row(const float *x, const float *next, int64_t n, float *y)
{
    int64_t j = 0;
    for (; j + VL <= n; j += VL) {
        if (next) prefetch(next, j, 1);
        vf_store(y + j, vf_load(y + j) + vf_load(x + j));
    }
    if (j < n) vf_store_n(y + j, vf_load_n(y + j, n - j) + vf_load_n(x + j, n - j), n - j);
}

/* Split over columns, in as few parts as there are threads: every element of y gets its terms in
 * the order of i, and rows are read and written in long runs. */
void K(scatter_add_rows)(int64_t n, int64_t n_rows, int64_t width, const float *x,
                         const int32_t *index, float *y)
{
    enum { CHUNK = 16 };
    const int64_t chunks = (width + CHUNK - 1) / CHUNK;
    const int64_t parts = threads_count() < chunks ? threads_count() : chunks;
    ROWS_PARALLEL((n + n_rows) * width, parts)
    for (int64_t part = 0; part < parts; part++) {
        const int64_t lo = chunks * part / parts * CHUNK, end = chunks * (part + 1) / parts * CHUNK;
        const int64_t m = (end < width ? end : width) - lo;
        for (int64_t r = 0; r < n_rows; r++)
            memset(y + r * width + lo, 0, sizeof(float) * (size_t)m);
        for (int64_t i = 0; i < n; i++) {
            float *to = (float *)row_of(y, n_rows, width, index, i);
            const float *next = i + 1 < n ? row_of(y, n_rows, width, index, i + 1) : NULL;
            if (to) add_row(x + i * width + lo, next ? next + lo : NULL, m, to + lo);
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
