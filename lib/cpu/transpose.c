/* transpose -- copies of strided views to dense memory, and of boxes.
 *
 * A view whose last dim has stride 1 is a copy of rows. One that has stride 1 in another dim k is a
 * transposition of (k, last) for each index of the other dims: tiles of TILE_I x TILE_J, so that
 * the lines read and the lines written of a tile stay in L1, in blocks of VL x VL that are
 * transposed in registers. Anything else goes element by element. */
#include "base/threads.h"
#include "cpu/kernel.h"
#include "cpu/lanes.h"
#include "cpu/simd.h"

#include <string.h>

enum { TILE_I = 128, TILE_J = 64, ROWS_AT_ONCE = 16 };

SIMD void copy_row(float *to, const float *from, int64_t n, bool stream)
{
    int64_t i = 0;
    if (stream) {
        for (; i + VL <= n; i += VL) vf_stream(to + i, vf_load(from + i));
        return;
    }
    if (n >= 64) { /* whatever the alignment: the library's copy splits no lines */
        memcpy(to, from, sizeof *to * (size_t)n);
        return;
    }
    for (; i + VL <= n; i += VL) vf_store(to + i, vf_load(from + i));
    if (i < n) vf_store_n(to + i, vf_load_n(from + i, n - i), n - i);
}

/* Whether the rows of a large box all begin and end where vectors may be streamed to. */
static bool box_streams(int rank, const int64_t dim[], const float *to, const int64_t to_stride[])
{
    int64_t count = 1;
    bool aligned = simd_lead(to) == 0 && dim[rank - 1] % VL == 0;
    for (int k = 0; k < rank; k++) {
        count *= dim[k];
        aligned = aligned && (k == rank - 1 || to_stride[k] % VL == 0);
    }
    return aligned && simd_streams(count);
}

/* Offset of index `i` of a box in row-major order. */
static int64_t offset_of(int rank, const int64_t dim[], const int64_t stride[], int64_t i)
{
    int64_t offset = 0;
    for (int k = rank - 1; k >= 0; k--) {
        offset += i % dim[k] * stride[k];
        i /= dim[k];
    }
    return offset;
}

void K(copy_box)(int rank, const int64_t dim[], const float *from, const int64_t from_stride[],
                 float *to, const int64_t to_stride[])
{
    int64_t rows = 1;
    const int64_t width = rank > 0 ? dim[rank - 1] : 1;
    const int64_t inner = rank > 1 ? dim[rank - 2] : 1; /* rows at one distance from each other */
    for (int k = 0; k + 1 < rank; k++) rows *= dim[k];
    const int64_t pieces = (rows + ROWS_AT_ONCE - 1) / ROWS_AT_ONCE;
    const bool stream = rank > 0 && box_streams(rank, dim, to, to_stride);
    ROWS_PARALLEL(rows * width, pieces)
    for (int64_t p = 0; p < pieces; p++) {
        const int64_t end = (p + 1) * ROWS_AT_ONCE < rows ? (p + 1) * ROWS_AT_ONCE : rows;
        for (int64_t r = p * ROWS_AT_ONCE; r < end;) {
            const int64_t left = inner - r % inner, n = left < end - r ? left : end - r;
            const float *source = from + offset_of(rank - 1, dim, from_stride, r);
            float *target = to + offset_of(rank - 1, dim, to_stride, r);
            for (int64_t k = 0; k < n; k++)
                copy_row(target + (n > 1 ? k * to_stride[rank - 2] : 0),
                         source + (n > 1 ? k * from_stride[rank - 2] : 0), width, stream);
            r += n;
        }
    }
}

/* -- Transposition */

/* to[i * to_stride + j] = from[j * from_stride + i] for i < m, j < n. */
typedef struct Plane {
    const float *from;
    float *to;
    int64_t from_stride, to_stride, m, n;
    bool stream;
} Plane;

static void whole_block(const Plane *p, int64_t i, int64_t j)
{
    vf r[VL];
#pragma GCC unroll 16
    for (int64_t k = 0; k < VL; k++) r[k] = vf_load(p->from + (j + k) * p->from_stride + i);
    vf_transpose(r);
    float *to = p->to + i * p->to_stride + j;
    if (p->stream)
#pragma GCC unroll 16
        for (int64_t k = 0; k < VL; k++) vf_stream(to + k * p->to_stride, r[k]);
    else
#pragma GCC unroll 16
        for (int64_t k = 0; k < VL; k++) vf_store(to + k * p->to_stride, r[k]);
}

static void part_block(const Plane *p, int64_t i, int64_t j, int64_t m, int64_t n)
{
    vf r[VL];
    for (int64_t k = 0; k < VL; k++)
        r[k] = k < n ? vf_load_n(p->from + (j + k) * p->from_stride + i, m) : vf_zero();
    vf_transpose(r);
    for (int64_t k = 0; k < m; k++) vf_store_n(p->to + (i + k) * p->to_stride + j, r[k], n);
}

static void tile(const Plane *p, int64_t i0, int64_t j0)
{
    const int64_t i1 = i0 + TILE_I < p->m ? i0 + TILE_I : p->m,
                  j1 = j0 + TILE_J < p->n ? j0 + TILE_J : p->n;
    for (int64_t i = i0; i < i1; i += VL)
        for (int64_t j = j0; j < j1; j += VL) {
            const int64_t m = i1 - i < VL ? i1 - i : VL, n = j1 - j < VL ? j1 - j : VL;
            if (m == VL && n == VL)
                whole_block(p, i, j);
            else
                part_block(p, i, j, m, n);
        }
}

/* All dims but k and the last are walked one by one. */
static void transpose(int rank, const int64_t dim[], const float *from, const int64_t stride[],
                      float *to, int k)
{
    int64_t others[MAP_MAX_RANK], from_of[MAP_MAX_RANK], to_of[MAP_MAX_RANK], planes = 1;
    int64_t dense = 1, to_stride = 0;
    const int64_t m = dim[k], n = dim[rank - 1];
    int n_others = 0;
    for (int d = rank - 1; d >= 0; d--) {
        if (d == k) to_stride = dense;
        if (d != k && d != rank - 1) {
            others[n_others] = dim[d], from_of[n_others] = stride[d], to_of[n_others++] = dense;
            planes *= dim[d];
        }
        dense *= dim[d];
    }
    const int64_t down = (m + TILE_I - 1) / TILE_I, across = (n + TILE_J - 1) / TILE_J;
    const bool aligned = simd_lead(to) == 0 && n % VL == 0;
    const bool stream = aligned && simd_streams(dense);
    ROWS_PARALLEL(2 * dense, planes * down * across)
    for (int64_t t = 0; t < planes * down * across; t++) {
        const int64_t plane = t / (down * across), i = t / across % down, j = t % across;
        const Plane p = {.from = from + offset_of(n_others, others, from_of, plane),
                         .to = to + offset_of(n_others, others, to_of, plane),
                         .from_stride = stride[rank - 1],
                         .to_stride = to_stride,
                         .m = m,
                         .n = n,
                         .stream = stream};
        tile(&p, i * TILE_I, j * TILE_J);
    }
}

void K(copy_strided)(int rank, const int64_t dim[], const float *from, const int64_t stride[],
                     float *to)
{
    int64_t dense[MAP_MAX_RANK], count = 1;
    for (int d = rank - 1; d >= 0; d--) {
        dense[d] = count;
        count *= dim[d];
    }
    if (count == 0) return;
    if (rank == 0 || stride[rank - 1] == 1 || dim[rank - 1] == 1) {
        K(copy_box)(rank, dim, from, stride, to, dense);
        return;
    }
    for (int d = rank - 2; d >= 0; d--)
        if (stride[d] == 1 && dim[d] > 1) {
            transpose(rank, dim, from, stride, to, d);
            return;
        }
    const int64_t n = dim[rank - 1], rows = count / n;
    ROWS_PARALLEL(4 * count, rows)
    for (int64_t r = 0; r < rows; r++) {
        const float *source = from + offset_of(rank - 1, dim, stride, r);
        for (int64_t j = 0; j < n; j++) to[r * n + j] = source[j * stride[rank - 1]];
    }
}
