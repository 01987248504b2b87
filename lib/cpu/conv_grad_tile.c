/* conv_grad_tile -- see conv_grad_tile.h. The loops over rows and vectors unroll completely: their
 * bounds are constants in each instance. */
#include "cpu/conv_grad_tile.h"

/* Sums of the largest tile: of one vector, three lines of nine rows. */
enum { MOST_SUMS = 28 };

SIMD void grad_body(int lines, int rows, int nv, const GradTile *t)
{
    vf sum[MOST_SUMS];
    const int n_sums = lines * rows * nv;
    const float *chain = t->chain;
    if (chain)
#pragma GCC unroll 28
        for (int i = 0; i < n_sums; i++) sum[i] = vf_load(chain + i * VL);
    else
#pragma GCC unroll 28
        for (int i = 0; i < n_sums; i++) sum[i] = vf_zero();
            /* Stores that miss wait for each other. */
#pragma GCC unroll 28
    for (int i = 0; i < n_sums * VL; i += CHUNK) __builtin_prefetch(t->out + i, 1, 3);
    if (chain)
#pragma GCC unroll 28
        for (int i = 0; i < n_sums * VL; i += CHUNK)
            __builtin_prefetch(chain + n_sums * VL + i, 0, 3);
    const TileWalk *w = &t->walk;
    const int64_t a_step = w->a[2], b_step = w->b[2], n_pixels = w->count[2], a_line = t->a_line;
    const int64_t ahead_step = t->ahead_step * (int64_t)sizeof(float);
    const char *ahead = (const char *)t->ahead;
    for (int64_t image = 0; image < w->count[0]; image++)
        for (int64_t line = 0; line < w->count[1]; line++) {
            const float *x = t->a + image * w->a[0] + line * w->a[1];
            const float *y = t->b + image * w->b[0] + line * w->b[1];
            for (int64_t k = 0; k < n_pixels; k++, x += a_step, y += b_step) {
                vf b[2];
                __builtin_prefetch(ahead, 0, 2);
                ahead = (const char *)((uintptr_t)ahead + (uintptr_t)ahead_step);
#pragma GCC unroll 2
                for (int j = 0; j < nv; j++) b[j] = vf_load(y + j * VL);
#pragma GCC unroll 28
                for (int i = 0; i < lines * rows; i++) {
                    const vf a = vf_set1(x[i / rows * a_line + i % rows]);
#pragma GCC unroll 2
                    for (int j = 0; j < nv; j++) sum[i * nv + j] = vf_fma(a, b[j], sum[i * nv + j]);
                }
            }
        }
    const float *base = t->base;
    if (base)
#pragma GCC unroll 28
        for (int i = 0; i < n_sums; i++) sum[i] = vf_load(base + i * VL) + sum[i];
#pragma GCC unroll 28
    for (int i = 0; i < n_sums; i++) vf_store(t->out + i * VL, sum[i]);
}

#define INSTANCE(p, nv)                                                                            \
    static void grad_##p##_##nv(const GradTile *t)                                                 \
    {                                                                                              \
        grad_body(1, p, nv, t);                                                                    \
    }
#define NAME(p, nv) grad_##p##_##nv,

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

ConvGradTile *const conv_grad_tile[2][TILE_ROWS_NARROW] = {{NARROW(NAME)}, {WIDE(NAME)}};

/* 3x3 over the three channels of a colour image, to at most one vector of columns. */
#if defined(__AVX512F__)
static void grad_lines_3x9(const GradTile *t)
{
    grad_body(3, 9, 1, t);
}
#endif

ConvGradTile *conv_grad_lines_tile(int64_t lines, int64_t rows, int nv)
{
#if defined(__AVX512F__)
    if (lines == 3 && rows == 9 && nv == 1) return grad_lines_3x9;
#endif
    (void)lines, (void)rows, (void)nv;
    return NULL;
}
