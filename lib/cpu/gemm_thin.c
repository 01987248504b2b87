/* gemm_thin -- see gemm_thin.h.
 *
 * A few rows of C at a time from the first column to the last, so that C and the operands of the
 * epilogue are read and written as streams; steps of one or two operations are done to the sums in
 * their registers. With 8 k a tile of gemm's is 200 cycles of arithmetic, of which as many go to
 * calling it: 2048 x 512 x 8 takes 1.16 times as long with them (1.38 times with AVX2's narrow
 * ones). An element of C is the same chain. */
#include "cpu/gemm_thin.h"

#include "cpu/epilogue.h"

enum { THIN_ROWS = 6 };

/* What becomes of the sums: [C +] sum, then all steps, where each is cheap. */
SIMD void finish(int p, int nv, const Gemm *g, const EpiloguePlace *at, vf sum[][2], float *c)
{
    if (g->accumulate)
#pragma GCC unroll 6
        for (int i = 0; i < p; i++)
#pragma GCC unroll 2
            for (int v = 0; v < nv; v++) sum[i][v] = vf_load(c + i * g->ldc + v * VL) + sum[i][v];
    for (int s = 0; s < g->n_steps; s++) {
        const EpilogueStep *step = &g->steps[s];
        const int64_t ld = step->row_stride;
        const bool reads = step->op == MAP_ADD || step->op == MAP_MUL;
        const int64_t from = at->item * step->batch_stride + at->m0 * ld + at->n0;
#pragma GCC unroll 6
        for (int i = 0; i < p; i++) {
            if (reads && ld != 0) prefetch_first(step->operand, from + (p + i) * ld, nv * VL);
#pragma GCC unroll 2
            for (int v = 0; v < nv; v++)
                sum[i][v] = epilogue_apply(step, sum[i][v], from + i * ld + v * VL, VL);
        }
    }
#pragma GCC unroll 6
    for (int i = 0; i < p; i++)
#pragma GCC unroll 2
        for (int v = 0; v < nv; v++) vf_store(c + i * g->ldc + v * VL, sum[i][v]);
}

/* p rows and nv vectors at `at`; b: the tile of packed B. */
SIMD void tile_body(int p, int nv, const Gemm *g, const EpiloguePlace *at, const float *b,
                    int64_t ldb, bool in_registers)
{
    const int64_t row = g->trans_a ? 1 : g->lda, step = g->trans_a ? g->lda : 1;
    const float *a = g->a + at->item * g->stride_a + at->m0 * row;
    float *c = g->c + at->item * g->stride_c + at->m0 * g->ldc + at->n0;
    vf sum[THIN_ROWS][2];
#pragma GCC unroll 6
    for (int i = 0; i < p; i++) {
        prefetch_first(c, (p + i) * g->ldc, nv * VL);
        sum[i][0] = sum[i][1] = vf_zero();
    }
    for (int64_t k = 0; k < g->k; k++, a += step, b += ldb)
#pragma GCC unroll 6
        for (int i = 0; i < p; i++)
#pragma GCC unroll 2
            for (int v = 0; v < nv; v++)
                sum[i][v] = vf_fma(vf_set1(a[i * row]), vf_load(b + v * VL), sum[i][v]);
    if (in_registers) {
        finish(p, nv, g, at, sum, c);
        return;
    }
    _Alignas(64) float tile[THIN_ROWS * TILE_COLS];
#pragma GCC unroll 6
    for (int i = 0; i < p; i++)
#pragma GCC unroll 2
        for (int v = 0; v < nv; v++) vf_store(tile + i * TILE_COLS + v * VL, sum[i][v]);
    K(epilogue)(g->steps, g->n_steps, at, tile, g->accumulate ? c : NULL, g->ldc, c, g->ldc);
}

typedef void ThinTile(const Gemm *g, const EpiloguePlace *at, const float *b, int64_t ldb,
                      bool in_registers);

#define TILE(p, nv)                                                                                \
    static void tile_##p##_##nv(const Gemm *g, const EpiloguePlace *at, const float *b,            \
                                int64_t ldb, bool in_registers)                                    \
    {                                                                                              \
        tile_body(p, nv, g, at, b, ldb, in_registers);                                             \
    }
#define TILE_NAME(p, nv) tile_##p##_##nv,
#define SIX(X, nv)       X(1, nv) X(2, nv) X(3, nv) X(4, nv) X(5, nv) X(6, nv)

SIX(TILE, 1)
SIX(TILE, 2)

static ThinTile *const tiles[2][THIN_ROWS] = {{SIX(TILE_NAME, 1)}, {SIX(TILE_NAME, 2)}};

void K(gemm_thin)(const Gemm *g, const TilePart *t, const float *b)
{
    const int64_t rows = t->m1 - t->m0, n = t->n1 - t->n0, n_groups = ceil_div(rows, THIN_ROWS);
    bool cheap = true;
    for (int s = 0; s < g->n_steps; s++) cheap = cheap && epilogue_is_cheap(g->steps[s].op);
    for (int64_t i = 0; i < n_groups; i++) {
        const int64_t m0 = t->m0 + part_begin(rows, n_groups, i);
        const int64_t m1 = t->m0 + part_begin(rows, n_groups, i + 1);
        for (int64_t j = 0; j < n; j += TILE_COLS) {
            const int64_t tile = j / GEMM_COLS * GEMM_COLS, ldb = gemm_vectors(n, tile) * VL;
            const int nv = tile_vectors(n, j);
            const int64_t columns = min64(TILE_COLS, n - j);
            const EpiloguePlace at = {t->item, m0, t->n0 + j, m1 - m0, columns, TILE_COLS};
            tiles[nv - 1][m1 - m0 - 1](g, &at, b + gemm_tile_at(g->k, tile) + j - tile, ldb,
                                       cheap && columns == nv * VL);
        }
    }
}
