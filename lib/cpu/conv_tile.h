/* conv_tile -- the register tiles of convolutions: p rows by one or two vectors of columns, each
 * sum one chain of fused multiply-adds, as in gemm_tile.h. While they compute they ask for a little
 * of what comes next from memory: more at once than the core can wait for would stop it.
 *
 * Of the last vector of columns half is left out when it would be padding alone. */
#ifndef SEQLAB_CPU_CONV_TILE_H
#define SEQLAB_CPU_CONV_TILE_H

#include "cpu/gemm_tile.h"

#define conv_sum_tile        K(conv_sum_tile)
#define conv_lines_tile      K(conv_lines_tile)
#define conv_grad_tile       K(conv_grad_tile)
#define conv_grad_lines_tile K(conv_grad_lines_tile)

/* Kind 2 nv - 1 has nv vectors; kind 2 nv - 2 as many in memory, but leaves out half of the last.
 */
enum { CONV_TILE_KINDS = 4 };

/* For the first of `columns` columns. */
SIMD int conv_tile_kind(int64_t columns)
{
    const int nv = tile_vectors(columns, 0);
    return columns - (nv - 1) * VL > VL / 2 ? 2 * nv - 1 : 2 * nv - 2;
}

/* How many columns it reads and writes. */
SIMD int64_t conv_tile_columns(int kind)
{
    return (kind / 2 + 1) * VL - (kind % 2 == 0 ? VL - VH : 0);
}

/* out[i][j] = sum_k a(i, k) b(k, j): rows are outputs of one row, which may be any distance apart
 * in a, k the taps and channels. */
typedef struct SumTile {
    const float *a;
    int64_t a_output; /* floats from the inputs of one output to those of the next */
    const TileSegment *segment;
    int64_t n_segments;
    const float *b; /* rows of nv * VL floats */
    float *out;
    int64_t ldo;
    bool streams;       /* out goes past the caches; it and ldo are whole vectors */
    const float *ahead; /* what is asked for, ahead_step floats with each segment */
    int64_t ahead_step;
} SumTile;

typedef void ConvSumTile(const SumTile *t);

/* [kind][p - 1]; the first with outputs CHUNK apart. */
extern ConvSumTile *const conv_sum_tile[CONV_TILE_KINDS][TILE_ROWS_NARROW];
extern ConvSumTile *const conv_lines_tile[CONV_TILE_KINDS][TILE_ROWS_NARROW];

/* Rows are channels, k outputs. A chain may stop and go on in a later call. Rows of all but a and b
 * are nv * VL floats long. */
typedef struct GradTile {
    const float *a, *b; /* the rows of one output are contiguous in a, the columns in b */
    TileWalk walk;
    int64_t a_line;     /* lines tile: from the rows of one line to those of the next */
    const float *chain; /* the sums so far, or NULL: from zero */
    const float *base;  /* what they are added to at the end, or NULL */
    float *out;         /* may be chain or base */
    const float *ahead; /* what is asked for meanwhile, ahead_step floats with each output */
    int64_t ahead_step;
} GradTile;

typedef void ConvGradTile(const GradTile *t);

/* [kind][p - 1] */
extern ConvGradTile *const conv_grad_tile[CONV_TILE_KINDS][TILE_ROWS_NARROW];

/* The rows are those of several lines, as many in each; NULL where registers do not hold them. */
ConvGradTile *conv_grad_lines_tile(int64_t lines, int64_t rows, int kind);

/* X(p, name, nv, half) for each p and kind: nv vectors and perhaps half of one more. */
#define CONV_SIX(X, ...)                                                                           \
    X(1, __VA_ARGS__)                                                                              \
    X(2, __VA_ARGS__) X(3, __VA_ARGS__) X(4, __VA_ARGS__) X(5, __VA_ARGS__) X(6, __VA_ARGS__)
#define CONV_TWELVE(X, ...)                                                                        \
    CONV_SIX(X, __VA_ARGS__)                                                                       \
    X(7, __VA_ARGS__)                                                                              \
    X(8, __VA_ARGS__) X(9, __VA_ARGS__) X(10, __VA_ARGS__) X(11, __VA_ARGS__) X(12, __VA_ARGS__)
#define CONV_FOURTEEN(X, ...) CONV_TWELVE(X, __VA_ARGS__) X(13, __VA_ARGS__) X(14, __VA_ARGS__)
#define CONV_SIXTEEN(X, ...)  CONV_FOURTEEN(X, __VA_ARGS__) X(15, __VA_ARGS__) X(16, __VA_ARGS__)

#if defined(__AVX512F__)
#define CONV_TILES(X)                                                                              \
    CONV_SIXTEEN(X, half, 0, true)                                                                 \
    CONV_SIXTEEN(X, one, 1, false)                                                                 \
    CONV_FOURTEEN(X, one_half, 1, true) CONV_FOURTEEN(X, two, 2, false)
#define CONV_TILE_TABLE(X)                                                                         \
    {                                                                                              \
        {CONV_SIXTEEN(X, half, )}, {CONV_SIXTEEN(X, one, )}, {CONV_FOURTEEN(X, one_half, )},       \
            {CONV_FOURTEEN(X, two, )},                                                             \
    }
#elif defined(__AVX2__)
#define CONV_TILES(X) CONV_TWELVE(X, one, 1, false) CONV_SIX(X, two, 2, false)
#define CONV_TILE_TABLE(X)                                                                         \
    {                                                                                              \
        {CONV_TWELVE(X, one, )}, {CONV_TWELVE(X, one, )}, {CONV_SIX(X, two, )},                    \
            {CONV_SIX(X, two, )},                                                                  \
    }
#else
#define CONV_TILES(X) CONV_SIXTEEN(X, one, 1, false) CONV_TWELVE(X, two, 2, false)
#define CONV_TILE_TABLE(X)                                                                         \
    {                                                                                              \
        {CONV_SIXTEEN(X, one, )}, {CONV_SIXTEEN(X, one, )}, {CONV_TWELVE(X, two, )},               \
            {CONV_TWELVE(X, two, )},                                                               \
    }
#endif

#endif
