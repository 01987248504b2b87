/* gemm_few -- see gemm_few.h.
 *
 * A block of VL columns by VL k of B, contiguous along k in memory, is transposed in registers and
 * used at once: its lanes are columns, so that an element of C is the chain over k ascending that
 * the tiles give, panel by panel. Two blocks of columns take turns, since a chain alone would wait
 * for each of its multiply-adds. The limit is the shuffles, 64 for 256 numbers with 16 lanes. */
#include "cpu/gemm_few.h"

#include "cpu/epilogue.h"

enum { BLOCKS = TILE_COLS / VL, AHEAD = 4 * CHUNK };

/* r[l] lane i = b(column i, k + l), zero where there is none. */
SIMD void load_block(const float *b, int64_t ldb, int64_t n_k, int64_t columns, vf r[VL])
{
    if (n_k == VL && columns >= VL)
#pragma GCC unroll 16
        for (int i = 0; i < VL; i++) r[i] = vf_load(b + i * ldb);
    else
        for (int i = 0; i < VL; i++) r[i] = i < columns ? vf_load_n(b + i * ldb, n_k) : vf_zero();
    vf_transpose(r);
}

/* tile (p, TILE_COLS) = the sums over `depth` numbers of k of p rows and up to TILE_COLS columns;
 * a(i, k) is at a + i * row + k * step. */
SIMD void sum_panel(int p, const float *a, int64_t row, int64_t step, const float *b, int64_t ldb,
                    int64_t depth, int64_t columns, float *tile)
{
    vf sum[FEW_ROWS][BLOCKS];
    for (int i = 0; i < p; i++)
        for (int v = 0; v < BLOCKS; v++) sum[i][v] = vf_zero();
    for (int64_t k = 0; k < depth; k += VL, a += VL * step) {
        const int64_t n_k = min64(VL, depth - k);
#pragma GCC unroll 2
        for (int v = 0; v < BLOCKS; v++) {
            if (v * VL >= columns) continue;
            vf r[VL];
            const float *from = b + v * VL * ldb + k;
#pragma GCC unroll 16
            for (int64_t i = 0; i < VL; i++) prefetch(from, i * ldb + AHEAD, VL);
            load_block(from, ldb, n_k, columns - v * VL, r);
            if (n_k == VL) {
#pragma GCC unroll 16
                for (int l = 0; l < VL; l++)
#pragma GCC unroll 4
                    for (int i = 0; i < p; i++)
                        sum[i][v] = vf_fma(vf_set1(a[i * row + l * step]), r[l], sum[i][v]);
                continue;
            }
            for (int l = 0; l < n_k; l++)
                for (int i = 0; i < p; i++)
                    sum[i][v] = vf_fma(vf_set1(a[i * row + l * step]), r[l], sum[i][v]);
        }
    }
    for (int i = 0; i < p; i++)
        for (int v = 0; v < BLOCKS; v++) vf_store(tile + i * TILE_COLS + v * VL, sum[i][v]);
}

#define SUM_PANEL(p)                                                                               \
    static void sum_panel_##p(const float *a, int64_t row, int64_t step, const float *b,           \
                              int64_t ldb, int64_t depth, int64_t columns, float *tile)            \
    {                                                                                              \
        sum_panel(p, a, row, step, b, ldb, depth, columns, tile);                                  \
    }
SUM_PANEL(1)
SUM_PANEL(2)
SUM_PANEL(3)
SUM_PANEL(4)

typedef void SumPanel(const float *a, int64_t row, int64_t step, const float *b, int64_t ldb,
                      int64_t depth, int64_t columns, float *tile);
static SumPanel *const sum_panels[FEW_ROWS] = {sum_panel_1, sum_panel_2, sum_panel_3, sum_panel_4};

void K(gemm_few)(const Gemm *g, const TilePart *t, int64_t panel)
{
    const int64_t rows = t->m1 - t->m0;
    const int64_t row = g->trans_a ? 1 : g->lda, step = g->trans_a ? g->lda : 1;
    const float *a = g->a + t->item * g->stride_a + t->m0 * row;
    const float *b = g->b + t->item * g->stride_b;
    _Alignas(64) float tile[FEW_ROWS * TILE_COLS];
    for (int64_t j = t->n0; j < t->n1; j += TILE_COLS) {
        const int64_t columns = min64(TILE_COLS, t->n1 - j);
        const EpiloguePlace at = {t->item, t->m0, j, rows, columns};
        float *c = g->c + t->item * g->stride_c + t->m0 * g->ldc + j;
        for (int64_t k = 0; k == 0 || k < g->k; k += panel) {
            const bool last = k + panel >= g->k;
            sum_panels[rows - 1](a + k * step, row, step, b + j * g->ldb + k, g->ldb,
                                 min64(panel, g->k - k), columns, tile);
            K(epilogue)
            (g->steps, last ? g->n_steps : 0, &at, tile, k > 0 || g->accumulate ? c : NULL, g->ldc,
             c, g->ldc);
        }
    }
}
