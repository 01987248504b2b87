/* gemm_tile -- see gemm_tile.h. The loops over p and nv unroll completely: p and nv are constants
 * in each instance. */
#include "cpu/gemm_tile.h"

/* out = [base +] sum. */
SIMD void tile_store(int p, int nv, vf sum[][2], const float *base, int64_t ldbase, float *out,
                     int64_t ldo)
{
#pragma GCC unroll 16
    for (int i = 0; i < p; i++)
#pragma GCC unroll 2
        for (int j = 0; j < nv; j++) {
            if (base) sum[i][j] = vf_load(base + i * ldbase + j * VL) + sum[i][j];
            vf_store(out + i * ldo + j * VL, sum[i][j]);
        }
}

/* The lines of chunk i of what is copied, or of what is asked for ahead. */
SIMD void tile_chunk(const TileBase *base, int64_t i)
{
    if (!base) return;
    const TileCopy *c = &base->copy;
    const int64_t n = min64(c->lines, c->left - i * c->lines);
    const float *from = c->from + i * c->from_chunk;
    float *to = c->to + i * c->to_chunk;
    if (c->left == 0) prefetch_first(base->ahead, i * TILE_AHEAD * CHUNK, TILE_AHEAD * CHUNK);
    for (int64_t line = 0; line < n; line++, from += c->from_line, to += c->to_line) {
        prefetch(from, c->ahead, c->floats);
        prefetch(from, c->ahead + c->floats - 1, 1);
        for (int64_t j = 0; j < c->floats; j += VL)
            vf_store(to + j, vf_load_n(from + j, min64(VL, c->floats - j)));
    }
}

SIMD void tile_finish(int p, int nv, vf sum[][2], const TileBase *base, float *out, int64_t ldo)
{
    if (base && base->p)
        tile_store(p, nv, sum, base->p, base->ld, out, ldo);
    else
        tile_store(p, nv, sum, NULL, 0, out, ldo);
}

/* B may come from L2: floats ahead that are asked for, where a tile has rows enough to hide it. The
 * packed B of a product is one stream, which the hardware sees by itself. */
enum { B_AHEAD = 512, B_AHEAD_ROWS = 4 };

/* One k: row_stride is the distance between a(i, k) and a(i + 1, k); ahead: ask for b. */
SIMD void tile_step(int p, int nv, int row_stride, bool ahead, vf sum[][2], const float *a,
                    const float *b)
{
    vf w[2];
#pragma GCC unroll 2
    for (int j = 0; j < nv; j++) w[j] = vf_load(b + j * VL);
    if (ahead && p >= B_AHEAD_ROWS) prefetch_first(b, B_AHEAD, nv * VL);
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
                    const float *b, int64_t ldb, const TileBase *base, float *out, int64_t ldo)
{
    vf sum[TILE_ROWS_NARROW][2];
    tile_zero(p, nv, sum);
    for (int64_t s = 0; s < n_segments; s++) {
        const float *x = a + segment[s].offset;
        tile_chunk(base, s);
        if (s == n_segments - 1) tile_prefetch(p, nv, out, ldo);
        for (int32_t k = 0; k < segment[s].length; k++, x++, b += ldb)
            tile_step(p, nv, CHUNK, !base, sum, x, b);
    }
    tile_finish(p, nv, sum, base, out, ldo);
}

SIMD void columns_body(int p, int nv, const float *a, const float *b, const TileWalk *walk,
                       const TileBase *base, float *out, int64_t ldo)
{
    vf sum[TILE_ROWS_NARROW][2];
    tile_zero(p, nv, sum);
    const int64_t a_step = walk->a[2], b_step = walk->b[2], n_pixels = walk->count[2];
    for (int64_t image = 0; image < walk->count[0]; image++)
        for (int64_t line = 0; line < walk->count[1]; line++) {
            const float *x = a + image * walk->a[0] + line * walk->a[1];
            const float *y = b + image * walk->b[0] + line * walk->b[1];
            tile_chunk(base, line);
            if (line == walk->count[1] - 1) tile_prefetch(p, nv, out, ldo);
            for (int64_t k = 0; k < n_pixels; k++, x += a_step, y += b_step)
                tile_step(p, nv, 1, !base, sum, x, y);
        }
    tile_finish(p, nv, sum, base, out, ldo);
}

#define INSTANCE(p, nv)                                                                            \
    static void rows_##p##_##nv(const float *a, const TileSegment *segment, int64_t n_segments,    \
                                const float *b, int64_t ldb, float *out, int64_t ldo)              \
    {                                                                                              \
        rows_body(p, nv, a, segment, n_segments, b, ldb, NULL, out, ldo);                          \
    }                                                                                              \
    static void rows_add_##p##_##nv(const float *a, const TileSegment *segment,                    \
                                    int64_t n_segments, const float *b, int64_t ldb,               \
                                    const TileBase *base, float *out, int64_t ldo)                 \
    {                                                                                              \
        const TileBase onto = *base;                                                               \
        rows_body(p, nv, a, segment, n_segments, b, ldb, &onto, out, ldo);                         \
    }                                                                                              \
    static void columns_##p##_##nv(const float *a, const float *b, const TileWalk *walk,           \
                                   float *out, int64_t ldo)                                        \
    {                                                                                              \
        columns_body(p, nv, a, b, walk, NULL, out, ldo);                                           \
    }                                                                                              \
    static void columns_add_##p##_##nv(const float *a, const float *b, const TileWalk *walk,       \
                                       const TileBase *base, float *out, int64_t ldo)              \
    {                                                                                              \
        const TileBase onto = *base;                                                               \
        columns_body(p, nv, a, b, walk, &onto, out, ldo);                                          \
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

#define ROWS_NAME(p, nv)        rows_##p##_##nv,
#define ROWS_ADD_NAME(p, nv)    rows_add_##p##_##nv,
#define COLUMNS_NAME(p, nv)     columns_##p##_##nv,
#define COLUMNS_ADD_NAME(p, nv) columns_add_##p##_##nv,

TileRows *const tile_rows[2][TILE_ROWS_NARROW] = {{NARROW(ROWS_NAME)}, {WIDE(ROWS_NAME)}};
TileColumns *const tile_columns[2][TILE_ROWS_NARROW] = {{NARROW(COLUMNS_NAME)},
                                                        {WIDE(COLUMNS_NAME)}};
TileRowsAdd *const tile_rows_add[2][TILE_ROWS_NARROW] = {{NARROW(ROWS_ADD_NAME)},
                                                         {WIDE(ROWS_ADD_NAME)}};
TileColumnsAdd *const tile_columns_add[2][TILE_ROWS_NARROW] = {{NARROW(COLUMNS_ADD_NAME)},
                                                               {WIDE(COLUMNS_ADD_NAME)}};
