/* conv_sum_tile -- see conv_sum_tile.h. The loops over p and nv unroll completely: p and nv are
 * constants in each instance. */
#include "cpu/conv_sum_tile.h"

/* Floats of b ahead that are asked for: it may come from L2. */
enum { B_AHEAD = 512 };
/* The segment, from the end, at which the lines of out are asked for: from memory they take as long
 * as hundreds of multiply-adds. */
enum { OUT_AHEAD = 3 };

/* The odd multiples of a step, in bytes: all others are such a one times what an address may scale
 * by. Sixteen pointers would not fit into the registers. */
enum { N_ODD = TILE_ROWS_NARROW / 2 };

SIMD const float *steps_on(const float *a, const int64_t odd[N_ODD], int i)
{
    const int scale = i % 8 == 0 ? 8 : i % 4 == 0 ? 4 : i % 2 == 0 ? 2 : 1;
    const char *from = (const char *)a;
    return (const float *)(const void *)(i == 0 ? from : from + odd[i / scale / 2] * scale);
}

/* chunks: outputs are CHUNK apart, which the loads know by themselves. */
SIMD void sum_body(int p, int nv, bool chunks, const SumTile *t)
{
    vf sum[TILE_ROWS_NARROW][2];
#pragma GCC unroll 16
    for (int i = 0; i < p; i++) sum[i][0] = sum[i][1] = vf_zero();
    int64_t odd[N_ODD];
#pragma GCC unroll 8
    for (int i = 0; i < N_ODD; i++) odd[i] = (2 * i + 1) * t->a_output * (int64_t)sizeof(float);
    const float *b = t->b;
    for (int64_t s = 0; s < t->n_segments; s++) {
        const float *x = t->a + t->segment[s].offset;
        if (s == max64(0, t->n_segments - OUT_AHEAD))
#pragma GCC unroll 16
            for (int i = 0; i < p; i++)
                for (int j = 0; j < nv * VL; j += CHUNK)
                    __builtin_prefetch(t->out + i * t->ldo + j, 1, 3);
        prefetch(t->ahead, s * t->ahead_step, t->ahead_step);
        for (int32_t k = t->segment[s].length; k > 0; k--) {
            if (!chunks) /* so that the compiler does not keep their multiples too */
#pragma GCC unroll 8
                for (int i = 0; 2 * i + 1 < p; i++) __asm__("" : "+r"(odd[i]));
            vf w[2];
#pragma GCC unroll 2
            for (int j = 0; j < nv; j++) w[j] = vf_load(b + j * VL);
            prefetch_first(b, B_AHEAD, nv * VL);
#pragma GCC unroll 16
            for (int i = 0; i < p; i++) {
                const vf a = vf_set1(chunks ? x[i * CHUNK] : *steps_on(x, odd, i));
#pragma GCC unroll 2
                for (int j = 0; j < nv; j++) sum[i][j] = vf_fma(a, w[j], sum[i][j]);
            }
            x++, b += nv * VL;
        }
    }
#pragma GCC unroll 16
    for (int i = 0; i < p; i++)
#pragma GCC unroll 2
        for (int j = 0; j < nv; j++) vf_store(t->out + i * t->ldo + j * VL, sum[i][j]);
}

#define INSTANCE(p, nv)                                                                            \
    static void sum_##p##_##nv(const SumTile *t)                                                   \
    {                                                                                              \
        sum_body(p, nv, true, t);                                                                  \
    }                                                                                              \
    static void lines_##p##_##nv(const SumTile *t)                                                 \
    {                                                                                              \
        sum_body(p, nv, false, t);                                                                 \
    }
#define NAME(p, nv)  sum_##p##_##nv,
#define LINES(p, nv) lines_##p##_##nv,

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

ConvSumTile *const conv_sum_tile[2][TILE_ROWS_NARROW] = {{NARROW(NAME)}, {WIDE(NAME)}};
ConvSumTile *const conv_lines_tile[2][TILE_ROWS_NARROW] = {{NARROW(LINES)}, {WIDE(LINES)}};
