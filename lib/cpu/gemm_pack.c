/* gemm_pack -- see gemm_pack.h. */
#include "cpu/gemm_pack.h"

#include "cpu/vecmath.h"

/* To bfloat16, nearest even; NaN stays NaN. */
static void round_bf16(float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        const uint32_t u = vm_bits(x[i]);
        const uint32_t even = (u + 0x7fffu + (u >> 16 & 1)) & 0xffff0000u;
        x[i] = x[i] != x[i] ? vm_float((u & 0xffff0000u) | 0x400000u) : vm_float(even);
    }
}

/* Rows of B, or of A transposed, ahead of the one being packed that are asked for: far apart, they
 * are strangers to the hardware's own prefetching. */
enum { AHEAD = 4 };
/* Lines of a row of A that are copied in one go. */
enum { RUN = 4 * CHUNK };

/* The tiles of to[..][k][0..width) = B(k, 0..n), zero from n on; rows of B are contiguous. A row is
 * read from end to end, since short visits of many rows cost more than writing to many tiles. */
static void pack_columns(const float *b, int64_t ldb, int64_t depth, int64_t n, float *to)
{
    const int64_t whole = n / TILE_COLS * TILE_COLS, stride = gemm_tile_at(depth, TILE_COLS);
    const int64_t width = whole < n ? tile_vectors(n, whole) * VL : 0;
    for (int64_t k = 0; k < depth; k++, b += ldb) {
        if (k + AHEAD < depth) prefetch_first(b, AHEAD * ldb, n);
        float *row = to + k * TILE_COLS;
        for (int64_t t = 0; t < whole; t += TILE_COLS, row += stride) {
            vf_store(row, vf_load(b + t));
            vf_store(row + VL, vf_load(b + t + VL));
        }
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
    for (int64_t j = 0; j < n && g->trans_b; j += TILE_COLS) {
        const int64_t width = tile_vectors(n, j) * VL, used = min64(width, n - j);
        for (int64_t i = 0; i < used; i++)
            K(gemm_dequantise)(g, n0 + j + i, r->k0, r->depth, r->rows + i * r->depth);
        pack_columns_transposed(r->rows, r->depth, r->depth, used, width,
                                to + gemm_tile_at(r->depth, j));
    }
    for (int64_t k = 0; k < r->depth && !g->trans_b; k++) {
        K(gemm_dequantise)(g, r->k0 + k, n0, n, r->rows);
        for (int64_t t = 0; t < n; t += TILE_COLS) {
            const int64_t width = tile_vectors(n, t) * VL, used = min64(width, n - t);
            float *row = to + gemm_tile_at(r->depth, t) + k * width;
            for (int64_t j = 0; j < width; j++) row[j] = j < used ? r->rows[t + j] : 0.0f;
        }
    }
}

static void pack_floats(const PackRange *r, int64_t n0, int64_t n, float *to)
{
    const Gemm *g = r->g;
    const float *b = g->b + r->item * g->stride_b + (g->trans_b ? r->k0 : r->k0 * g->ldb);
    for (int64_t j = 0; j < n && g->trans_b; j += TILE_COLS) {
        const int64_t width = tile_vectors(n, j) * VL, used = min64(width, n - j);
        pack_columns_transposed(b + (n0 + j) * g->ldb, g->ldb, r->depth, used, width,
                                to + gemm_tile_at(r->depth, j));
    }
    if (!g->trans_b) pack_columns(b + n0, g->ldb, r->depth, n, to);
}

void K(gemm_pack_b)(const PackRange *r, int64_t n0, int64_t n, float *to)
{
    const Gemm *g = r->g;
    (g->format == WEIGHT_F32 ? pack_floats : pack_quantised)(r, n0, n, to);
    for (int64_t j = 0; j < n && g->bf16; j += TILE_COLS)
        round_bf16(to + gemm_tile_at(r->depth, j), r->depth * tile_vectors(n, j) * VL);
}

/* Rows of A into segments of CHUNK k: strip[segment][row][k]. */
static void pack_rows(const float *a, int64_t lda, int64_t rows, int64_t depth, float *strip)
{
    int64_t k = 0;
    for (; k + RUN <= depth; k += RUN, strip += RUN * STRIP_ROWS)
        for (int64_t i = 0; i < rows; i++) {
            const float *from = a + i * lda + k;
            float *to = strip + i * CHUNK;
            if (k + RUN < depth) prefetch_first(from, RUN, RUN);
            for (int s = 0; s < RUN / CHUNK; s++)
                for (int j = 0; j < CHUNK; j += VL)
                    vf_store(to + s * STRIP_ROWS * CHUNK + j, vf_load(from + s * CHUNK + j));
        }
    for (; k < depth; k += CHUNK, strip += STRIP_ROWS * CHUNK)
        for (int64_t i = 0; i < rows; i++)
            for (int64_t j = 0; j < CHUNK && k + j < depth; j += VL)
                vf_store(strip + i * CHUNK + j,
                         vf_load_n(a + i * lda + k + j, min64(VL, depth - k - j)));
}

/* A transposed: strip[k][row]. All strips at once, since the rows of one k are neighbours: with a
 * stride of 4 KB between the k a line would not live until the next strip. */
static void pack_transposed_rows(const float *a, int64_t lda, const int64_t begin[], int n_strips,
                                 int64_t depth, float *strip)
{
    const int64_t floats = gemm_strip_floats(depth), all = begin[n_strips] - begin[0];
    for (int64_t k = 0; k < depth; k++, a += lda, strip += STRIP_ROWS) {
        if (k + AHEAD < depth) prefetch_first(a, AHEAD * lda, all);
        for (int s = 0; s < n_strips; s++) {
            const float *from = a + begin[s] - begin[0];
            const int64_t rows = begin[s + 1] - begin[s];
            for (int64_t i = 0; i < rows; i += VL)
                vf_store(strip + s * floats + i,
                         rows - i >= VL ? vf_load(from + i) : vf_load_n(from + i, rows - i));
        }
    }
}

static void round_strips(const int64_t begin[], int n_strips, int64_t depth, bool trans,
                         float *strip)
{
    for (int s = 0; s < n_strips; s++, strip += gemm_strip_floats(depth)) {
        const int64_t rows = begin[s + 1] - begin[s];
        for (int64_t k = 0; k < depth && trans; k++) round_bf16(strip + k * STRIP_ROWS, rows);
        for (int64_t k = 0; k < depth && !trans; k += CHUNK)
            for (int64_t i = 0; i < rows; i++)
                round_bf16(strip + k * STRIP_ROWS + i * CHUNK, min64(CHUNK, depth - k));
    }
}

void K(gemm_pack_a)(const PackRange *r, const int64_t begin[], int n_strips, float *strip)
{
    const Gemm *g = r->g;
    const float *a = g->a + r->item * g->stride_a;
    if (g->trans_a)
        pack_transposed_rows(a + r->k0 * g->lda + begin[0], g->lda, begin, n_strips, r->depth,
                             strip);
    for (int s = 0; s < n_strips && !g->trans_a; s++)
        pack_rows(a + begin[s] * g->lda + r->k0, g->lda, begin[s + 1] - begin[s], r->depth,
                  strip + s * gemm_strip_floats(r->depth));
    if (g->bf16) round_strips(begin, n_strips, r->depth, g->trans_a, strip);
}
