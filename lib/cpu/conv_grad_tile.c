/* conv_grad_tile -- the tiles of gradients to weights: see conv_tile.h. The loops over rows and
 * vectors unroll completely: their bounds are constants in each instance. */
#include "cpu/conv_tile.h"

/* Sums of the largest tile: of one vector, three lines of nine rows. */
enum { MOST_ROWS = 28 };

SIMD void grad_body(int lines, int rows, int nv, bool half, const GradTile *t)
{
    vf sum[MOST_ROWS][2];
    vh rest[MOST_ROWS];
    const int p = lines * rows, width = (nv + half) * VL;
    const float *chain = t->chain, *base = t->base;
#pragma GCC unroll 28
    for (int i = 0; i < p; i++) {
#pragma GCC unroll 2
        for (int j = 0; j < nv; j++)
            sum[i][j] = chain ? vf_load(chain + i * width + j * VL) : vf_zero();
        if (half) rest[i] = chain ? vh_load(chain + i * width + nv * VL) : vh_set1(0);
    }
    /* Stores that miss wait for each other. */
#pragma GCC unroll 28
    for (int i = 0; i < p * width; i += CHUNK) __builtin_prefetch(t->out + i, 1, 3);
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
                const vh last = half ? vh_load(y + nv * VL) : vh_set1(0);
#pragma GCC unroll 28
                for (int i = 0; i < p; i++) {
                    const float *a = &x[i / rows * a_line + i % rows];
#pragma GCC unroll 2
                    for (int j = 0; j < nv; j++) sum[i][j] = vf_fma(vf_set1(*a), b[j], sum[i][j]);
                    if (half) rest[i] = vh_fma(vh_set1(*a), last, rest[i]);
                }
            }
        }
#pragma GCC unroll 28
    for (int i = 0; i < p; i++) {
        const int64_t at = i * width;
#pragma GCC unroll 2
        for (int j = 0; j < nv; j++) {
            if (base) sum[i][j] = vf_load(base + at + j * VL) + sum[i][j];
            vf_store(t->out + at + j * VL, sum[i][j]);
        }
        if (half && base) rest[i] = vh_load(base + at + nv * VL) + rest[i];
        if (half) vh_store(t->out + at + nv * VL, rest[i]);
    }
}

#define INSTANCE(p, name, nv, half)                                                                \
    static void grad_##p##_##name(const GradTile *t)                                               \
    {                                                                                              \
        grad_body(1, p, nv, half, t);                                                              \
    }
#define NAME(p, name, ...) grad_##p##_##name,

CONV_TILES(INSTANCE)

ConvGradTile *const conv_grad_tile[CONV_TILE_KINDS][TILE_ROWS_NARROW] = CONV_TILE_TABLE(NAME);

/* 3x3 over the three channels of a colour image, to at most one vector of columns. */
#if defined(__AVX512F__)
static void lines_3x9_half(const GradTile *t)
{
    grad_body(3, 9, 0, true, t);
}

static void lines_3x9_one(const GradTile *t)
{
    grad_body(3, 9, 1, false, t);
}
#endif

ConvGradTile *conv_grad_lines_tile(int64_t lines, int64_t rows, int kind)
{
#if defined(__AVX512F__)
    if (lines == 3 && rows == 9 && kind < 2) return kind == 0 ? lines_3x9_half : lines_3x9_one;
#endif
    (void)lines, (void)rows, (void)kind;
    return NULL;
}
