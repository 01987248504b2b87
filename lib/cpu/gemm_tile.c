/* gemm_tile -- see gemm_tile.h. The loops over p and nv unroll completely: p and nv are constants
 * in each instance. */
#include "cpu/gemm_tile.h"

SIMD void tile_store(int p, int nv, vf sum[][2], float *out, int64_t ldo)
{
#pragma GCC unroll 16
    for (int i = 0; i < p; i++)
#pragma GCC unroll 2
        for (int j = 0; j < nv; j++) vf_store(out + i * ldo + j * VL, sum[i][j]);
}

/* B may come from L2: floats ahead that are asked for, where a tile has rows enough to hide it. */
enum { B_AHEAD = 512, B_AHEAD_ROWS = 4 };

/* One k: row_stride is the distance between a(i, k) and a(i + 1, k). */
SIMD void tile_step(int p, int nv, int row_stride, vf sum[][2], const float *a, const float *b)
{
    vf w[2];
#pragma GCC unroll 2
    for (int j = 0; j < nv; j++) w[j] = vf_load(b + j * VL);
    if (p >= B_AHEAD_ROWS) prefetch_first(b, B_AHEAD, nv * VL);
#pragma GCC unroll 16
    for (int i = 0; i < p; i++) {
        const vf x = vf_set1(a[i * row_stride]);
#pragma GCC unroll 2
        for (int j = 0; j < nv; j++) sum[i][j] = vf_fma(x, w[j], sum[i][j]);
    }
}

SIMD void tile_zero(int p, int nv, vf sum[][2])
{
#pragma GCC unroll 16
    for (int i = 0; i < p; i++)
#pragma GCC unroll 2
        for (int j = 0; j < nv; j++) sum[i][j] = vf_zero();
}

/* Asks for the lines of out early enough: the walk through b has driven them out of L1, and stores
 * that miss wait for each other. */
SIMD void tile_prefetch(int p, int nv, float *out, int64_t ldo)
{
#pragma GCC unroll 16
    for (int i = 0; i < p; i++)
        for (int j = 0; j < nv * VL; j += 16) __builtin_prefetch(out + i * ldo + j, 1, 3);
}

SIMD void rows_body(int p, int nv, const float *a, const TileSegment *segment, int64_t n_segments,
                    const float *b, int64_t ldb, float *out, int64_t ldo)
{
    vf sum[TILE_ROWS_NARROW][2];
    tile_zero(p, nv, sum);
    for (int64_t s = 0; s < n_segments; s++) {
        const float *x = a + segment[s].offset;
        if (s == n_segments - 1) tile_prefetch(p, nv, out, ldo);
        for (int32_t k = 0; k < segment[s].length; k++, x++, b += ldb)
            tile_step(p, nv, CHUNK, sum, x, b);
    }
    tile_store(p, nv, sum, out, ldo);
}

SIMD void columns_body(int p, int nv, const float *a, const float *b, const TileWalk *walk,
                       float *out, int64_t ldo)
{
    vf sum[TILE_ROWS_NARROW][2];
    tile_zero(p, nv, sum);
    const int64_t a_step = walk->a[2], b_step = walk->b[2], n_pixels = walk->count[2];
    for (int64_t image = 0; image < walk->count[0]; image++)
        for (int64_t line = 0; line < walk->count[1]; line++) {
            const float *x = a + image * walk->a[0] + line * walk->a[1];
            const float *y = b + image * walk->b[0] + line * walk->b[1];
            if (line == walk->count[1] - 1) tile_prefetch(p, nv, out, ldo);
            for (int64_t k = 0; k < n_pixels; k++, x += a_step, y += b_step)
                tile_step(p, nv, 1, sum, x, y);
        }
    tile_store(p, nv, sum, out, ldo);
}

#define INSTANCE(p, nv)                                                                            \
    static void rows_##p##_##nv(const float *a, const TileSegment *segment, int64_t n_segments,    \
                                const float *b, int64_t ldb, float *out, int64_t ldo)              \
    {                                                                                              \
        rows_body(p, nv, a, segment, n_segments, b, ldb, out, ldo);                                \
    }                                                                                              \
    static void columns_##p##_##nv(const float *a, const float *b, const TileWalk *walk,           \
                                   float *out, int64_t ldo)                                        \
    {                                                                                              \
        columns_body(p, nv, a, b, walk, out, ldo);                                                 \
    }

#define SIX(X, nv)         X(1, nv) X(2, nv) X(3, nv) X(4, nv) X(5, nv) X(6, nv)
#define TO_TWELVE(X, nv)   X(7, nv) X(8, nv) X(9, nv) X(10, nv) X(11, nv) X(12, nv)
#define TO_FOURTEEN(X, nv) X(13, nv) X(14, nv)
#define TO_SIXTEEN(X, nv)  X(15, nv) X(16, nv)

#if defined(__AVX512F__)
#define WIDE(X)   SIX(X, 2) TO_TWELVE(X, 2) TO_FOURTEEN(X, 2)
#define NARROW(X) SIX(X, 1) TO_TWELVE(X, 1) TO_FOURTEEN(X, 1) TO_SIXTEEN(X, 1)
#elif defined(__AVX2__)
#define WIDE(X)   SIX(X, 2)
#define NARROW(X) SIX(X, 1) TO_TWELVE(X, 1)
#else
#define WIDE(X)   SIX(X, 2) TO_TWELVE(X, 2)
#define NARROW(X) SIX(X, 1) TO_TWELVE(X, 1) TO_FOURTEEN(X, 1) TO_SIXTEEN(X, 1)
#endif

WIDE(INSTANCE)
NARROW(INSTANCE)

#define ROWS_NAME(p, nv)    rows_##p##_##nv,
#define COLUMNS_NAME(p, nv) columns_##p##_##nv,

TileRows *const tile_rows[2][TILE_ROWS_NARROW] = {{NARROW(ROWS_NAME)}, {WIDE(ROWS_NAME)}};
TileColumns *const tile_columns[2][TILE_ROWS_NARROW] = {{NARROW(COLUMNS_NAME)},
                                                        {WIDE(COLUMNS_NAME)}};
