/* conv_sum_tile -- the tiles of sums over a ConvGrid: see conv_tile.h. The loops over p and nv
 * unroll completely: p and nv are constants in each instance. */
#include "cpu/conv_tile.h"

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

/* One k of nv vectors and perhaps half of one more; chunks: outputs are CHUNK apart, which the
 * loads know by themselves. */
SIMD void sum_step(int p, int nv, bool half, bool chunks, vf sum[][2], vh rest[], const float *x,
                   const float *b, int64_t odd[N_ODD])
{
    if (!chunks) /* so that the compiler does not keep their multiples too */
#pragma GCC unroll 8
        for (int i = 0; 2 * i + 1 < p; i++) __asm__("" : "+r"(odd[i]));
    vf w[2];
#pragma GCC unroll 2
    for (int j = 0; j < nv; j++) w[j] = vf_load(b + j * VL);
    const vh last = half ? vh_load(b + nv * VL) : vh_set1(0);
    prefetch_first(b, B_AHEAD, (nv + half) * VL);
#pragma GCC unroll 16
    for (int i = 0; i < p; i++) {
        const float *a = chunks ? x + i * CHUNK : steps_on(x, odd, i);
#pragma GCC unroll 2
        for (int j = 0; j < nv; j++) sum[i][j] = vf_fma(vf_set1(*a), w[j], sum[i][j]);
        if (half) rest[i] = vh_fma(vh_set1(*a), last, rest[i]);
    }
}

SIMD void sum_body(int p, int nv, bool half, bool chunks, const SumTile *t)
{
    vf sum[TILE_ROWS_NARROW][2];
    vh rest[TILE_ROWS_NARROW];
    const int width = (nv + half) * VL;
#pragma GCC unroll 16
    for (int i = 0; i < p; i++) {
        sum[i][0] = sum[i][1] = vf_zero();
        rest[i] = vh_set1(0);
    }
    int64_t odd[N_ODD];
#pragma GCC unroll 8
    for (int i = 0; i < N_ODD; i++) odd[i] = (2 * i + 1) * t->a_output * (int64_t)sizeof(float);
    const float *b = t->b;
    for (int64_t s = 0; s < t->n_segments; s++) {
        const float *x = t->a + t->segment[s].offset;
        if (!t->streams && s == max64(0, t->n_segments - OUT_AHEAD))
#pragma GCC unroll 16
            for (int i = 0; i < p; i++)
                for (int j = 0; j < width; j += CHUNK)
                    __builtin_prefetch(t->out + i * t->ldo + j, 1, 3);
        prefetch(t->ahead, s * t->ahead_step, t->ahead_step);
        const int32_t length = t->segment[s].length;
        if (chunks)
            for (int32_t k = 0; k < length; k++, x++, b += width)
                sum_step(p, nv, half, chunks, sum, rest, x, b, odd);
        else /* the addresses are most of the work: some are shared by several k */
#pragma GCC unroll 4
            for (int32_t k = 0; k < length; k++, x++, b += width)
                sum_step(p, nv, half, chunks, sum, rest, x, b, odd);
    }
#pragma GCC unroll 16
    for (int i = 0; i < p; i++) {
        float *out = t->out + i * t->ldo;
#pragma GCC unroll 2
        for (int j = 0; j < nv; j++)
            if (t->streams)
                vf_stream(out + j * VL, sum[i][j]);
            else
                vf_store(out + j * VL, sum[i][j]);
        if (half) vh_store(out + nv * VL, rest[i]);
    }
}

#define INSTANCE(p, name, nv, half)                                                                \
    static void sum_##p##_##name(const SumTile *t)                                                 \
    {                                                                                              \
        sum_body(p, nv, half, true, t);                                                            \
    }                                                                                              \
    static void lines_##p##_##name(const SumTile *t)                                               \
    {                                                                                              \
        sum_body(p, nv, half, false, t);                                                           \
    }
#define CHUNKS(p, name, ...) sum_##p##_##name,
#define LINES(p, name, ...)  lines_##p##_##name,

CONV_TILES(INSTANCE)

ConvSumTile *const conv_sum_tile[CONV_TILE_KINDS][TILE_ROWS_NARROW] = CONV_TILE_TABLE(CHUNKS);
ConvSumTile *const conv_lines_tile[CONV_TILE_KINDS][TILE_ROWS_NARROW] = CONV_TILE_TABLE(LINES);
