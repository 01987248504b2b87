/* gemm_tile -- what the kernels that multiply share: the shape of register tiles, and the
 * arithmetic of cutting work into parts; and the tiles of attention (products have gemm_kernel,
 * convolutions conv_tile).
 *
 * A tile is p rows by nv vectors of outputs, held in registers: out[i][j] = sum_k a(i, k) b(k, j),
 * one chain of fused multiply-adds from zero, k ascending. b is read as vectors over j, a is
 * broadcast one number at a time. The two kinds differ in how a lies in memory:
 *
 *   rows     k in segments of at most CHUNK; inside a segment k is contiguous and row i is
 *            i * CHUNK away
 *   columns  the rows of one k are contiguous; k walks three nested strides (image, line, pixel)
 *
 * out gets full vectors, p rows with stride ldo. */
#ifndef SEQLAB_CPU_GEMM_TILE_H
#define SEQLAB_CPU_GEMM_TILE_H

#include "base/threads.h"
#include "cpu/kernel.h"
#include "cpu/simd.h"

/* Internal names get the suffix of the ISA as kernels do. */
#define tile_rows    K(tile_rows)
#define tile_columns K(tile_columns)

enum { CHUNK = 16 }; /* floats; one cache line, so that the rows of a segment are neighbours */
/* Numbers of k in a panel of a product, whose order is fixed: see gemm.c. */
enum { K_PANEL = 256 };

/* Most rows of a tile with two vectors a row and with one: as many sums as the registers hold. */
#if defined(__AVX512F__)
enum { TILE_ROWS = 14, TILE_ROWS_NARROW = 16 };
#elif defined(__AVX2__)
enum { TILE_ROWS = 6, TILE_ROWS_NARROW = 12 };
#else
enum { TILE_ROWS = 12, TILE_ROWS_NARROW = 16 };
#endif
enum { TILE_COLS = 2 * VL };

typedef struct TileSegment {
    int32_t offset; /* of a(0, first k), in floats */
    int32_t length;
} TileSegment;

typedef struct TileWalk {
    int64_t count[3];   /* images, lines, pixels */
    int64_t a[3], b[3]; /* strides in floats */
} TileWalk;

/* b: row k is at b + k * ldb. */
typedef void TileRows(const float *a, const TileSegment *segment, int64_t n_segments,
                      const float *b, int64_t ldb, float *out, int64_t ldo);
typedef void TileColumns(const float *a, const float *b, const TileWalk *walk, float *out,
                         int64_t ldo);

/* [nv - 1][p - 1] */
extern TileRows *const tile_rows[2][TILE_ROWS_NARROW];
extern TileColumns *const tile_columns[2][TILE_ROWS_NARROW];

/* How many vectors a tile has that starts at column j of n. */
SIMD int tile_vectors(int64_t n, int64_t j)
{
    return n - j > VL ? 2 : 1;
}

SIMD int64_t tile_max_rows(int nv)
{
    return nv == 2 ? TILE_ROWS : TILE_ROWS_NARROW;
}

/* The first of part i when n is cut into n_parts of nearly equal size. */
SIMD int64_t part_begin(int64_t n, int64_t n_parts, int64_t i)
{
    return n / n_parts * i + (i < n % n_parts ? i : n % n_parts);
}

SIMD int64_t ceil_div(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

SIMD int64_t min64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

SIMD int64_t max64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Threads for `parts` equal parts of `work` multiply-adds in all: at most threads_count(), each
 * with enough to do (about 10 us) to be worth waking. */
enum { WORK_PER_THREAD = 1 << 19 };

SIMD int work_threads(int64_t parts, double work)
{
    const double useful = work / WORK_PER_THREAD;
    const int64_t threads = min64(threads_count(), parts);
    return useful < (double)threads ? (int)max64(1, (int64_t)useful) : (int)max64(1, threads);
}

#endif
