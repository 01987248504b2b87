/* gemm_pack -- see gemm_pack.h. */
#include "cpu/gemm_pack.h"

#include "cpu/vecmath.h"

#include <string.h>

/* To bfloat16, nearest even; NaN stays NaN. */
static void round_bf16(float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        const uint32_t u = vm_bits(x[i]);
        const uint32_t even = (u + 0x7fffu + (u >> 16 & 1)) & 0xffff0000u;
        x[i] = x[i] != x[i] ? vm_float((u & 0xffff0000u) | 0x400000u) : vm_float(even);
    }
}

/* Rows of B ahead of the one being packed that are asked for: far apart, they
 * are strangers to the hardware's own prefetching. */
enum { AHEAD = 6 };

/* The tiles of to[..][k][0..width) = B(k, 0..n), zero from n on; rows of B are contiguous. A row is
 * read from end to end, since short visits of many rows cost more than writing to many tiles. */
static void pack_columns(const float *b, int64_t ldb, int64_t depth, int64_t n, float *to)
{
    const int64_t whole = n / GEMM_COLS * GEMM_COLS, stride = gemm_tile_at(depth, GEMM_COLS);
    const int64_t width = whole < n ? gemm_vectors(n, whole) * VL : 0;
    for (int64_t k = 0; k < depth; k++, b += ldb) {
        if (k + AHEAD < depth) prefetch(b, AHEAD * ldb, n);
        float *row = to + k * GEMM_COLS;
        for (int64_t t = 0; t < whole; t += GEMM_COLS, row += stride)
            for (int j = 0; j < GEMM_COLS; j += VL) vf_store(row + j, vf_load(b + t + j));
        row = to + gemm_tile_at(depth, whole) + k * width;
        for (int64_t j = whole; j < whole + width; j += VL, row += VL)
            vf_store(row, vf_load_n(b + j, min64(VL, n - j)));
    }
}

/* The same from B transposed: column j is contiguous at b + j * ldb. */
static void pack_columns_transposed(const float *b, int64_t ldb, int64_t depth, int64_t n,
                                    int64_t width, float *to)
{
    for (int64_t j = 0; j < width; j += VL)
        for (int64_t k = 0; k < depth; k += VL) {
            const int64_t n_k = min64(VL, depth - k);
            vf r[VL];
            for (int i = 0; i < VL; i++) prefetch(b, (j + VL + i) * ldb + k, VL);
            for (int i = 0; i < VL; i++) {
                const float *from = b + (j + i) * ldb + k;
                r[i] = j + i >= n ? vf_zero() : n_k == VL ? vf_load(from) : vf_load_n(from, n_k);
            }
            vf_transpose(r);
            for (int64_t i = 0; i < n_k; i++) vf_store(to + (k + i) * width + j, r[i]);
        }
}

/* Quantised B: the rows that a tile needs, or one row at a time, are made floats and then packed.
 */
static void pack_quantised(const PackRange *r, int64_t n0, int64_t n, float *to)
{
    const Gemm *g = r->g;
    for (int64_t j = 0; j < n && g->trans_b; j += GEMM_COLS) {
        const int64_t width = gemm_vectors(n, j) * VL, used = min64(width, n - j);
        for (int64_t i = 0; i < used; i++)
            K(gemm_dequantise)(g, n0 + j + i, r->k0, r->depth, r->rows + i * r->depth);
        pack_columns_transposed(r->rows, r->depth, r->depth, used, width,
                                to + gemm_tile_at(r->depth, j));
    }
    for (int64_t k = 0; k < r->depth && !g->trans_b; k++) {
        K(gemm_dequantise)(g, r->k0 + k, n0, n, r->rows);
        for (int64_t t = 0; t < n; t += GEMM_COLS) {
            const int64_t width = gemm_vectors(n, t) * VL, used = min64(width, n - t);
            float *row = to + gemm_tile_at(r->depth, t) + k * width;
            for (int64_t j = 0; j < width; j++) row[j] = j < used ? r->rows[t + j] : 0.0f;
        }
    }
}

static void pack_floats(const PackRange *r, int64_t n0, int64_t n, float *to)
{
    const Gemm *g = r->g;
    const float *b = g->b + r->item * g->stride_b + (g->trans_b ? r->k0 : r->k0 * g->ldb);
    for (int64_t j = 0; j < n && g->trans_b; j += GEMM_COLS) {
        const int64_t width = gemm_vectors(n, j) * VL, used = min64(width, n - j);
        pack_columns_transposed(b + (n0 + j) * g->ldb, g->ldb, r->depth, used, width,
                                to + gemm_tile_at(r->depth, j));
    }
    if (!g->trans_b) pack_columns(b + n0, g->ldb, r->depth, n, to);
}

void K(gemm_pack_b)(const PackRange *r, int64_t n0, int64_t n, float *to)
{
    const Gemm *g = r->g;
    (g->format == WEIGHT_F32 ? pack_floats : pack_quantised)(r, n0, n, to);
    for (int64_t j = 0; j < n && g->bf16; j += GEMM_COLS)
        round_bf16(to + gemm_tile_at(r->depth, j), r->depth * gemm_vectors(n, j) * VL);
}

/* A strip at a time for each k, since the rows of one k are neighbours: with a stride of 4 KB
 * between the k a line would not live until the next strip. */
static void copy_transposed(const PackRange *r, int64_t m0, int64_t m1, const float *a, float *to)
{
    const int64_t lda = r->g->lda, floats = gemm_strip_floats(r->depth);
    const int64_t n_strips = ceil_div(m1 - m0, GEMM_ROWS);
    for (int64_t k = 0; k < r->depth; k++, a += lda, to += STRIP_ROWS) {
        prefetch(a, AHEAD * lda + m0, m1 - m0);
        for (int64_t s = 0, row = m0, end; s < n_strips; s++, row = end) {
            end = gemm_strip_begin(m0, m1, s + 1);
            for (int64_t i = 0; i < end - row; i += VL)
                vf_store(to + s * floats + i, vf_load_n(a + row + i, min64(VL, end - row - i)));
        }
    }
}

void K(gemm_copy_a)(const PackRange *r, int64_t m0, int64_t m1, float *to)
{
    const Gemm *g = r->g;
    const float *a = g->a + r->item * g->stride_a + r->k0 * (g->trans_a ? g->lda : 1);
    const int64_t floats = gemm_strip_floats(r->depth), n_strips = ceil_div(m1 - m0, GEMM_ROWS);
    if (g->trans_a) copy_transposed(r, m0, m1, a, to);
    for (int64_t s = 0; s < n_strips; s++, to += floats) {
        const int64_t row = gemm_strip_begin(m0, m1, s), end = gemm_strip_begin(m0, m1, s + 1);
        for (int64_t i = row; !g->trans_a && i < end; i++)
            memcpy(to + (i - row) * r->depth, a + i * g->lda, (size_t)r->depth * sizeof *to);
        if (g->bf16) round_bf16(to, (g->trans_a ? STRIP_ROWS : end - row) * r->depth);
    }
}
