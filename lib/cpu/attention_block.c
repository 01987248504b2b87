/* attention_block -- see attention_block.h. */
#include "cpu/attention_block.h"
#include "cpu/rope.h"

#include <string.h>

/* -- Products */

enum { MAX_SEGMENTS = MAX_HEAD / CHUNK };

static void add_tile(const float *tile, int64_t rows, int nv, float *c, int64_t ldc)
{
    for (int64_t i = 0; i < rows; i++)
        for (int j = 0; j < nv * VL; j += VL)
            vf_store(c + i * ldc + j, vf_load(c + i * ldc + j) + vf_load(tile + i * TILE_COLS + j));
}

/* c = factor c + tile, a factor a column. */
static void scale_and_add_tile(const float *tile, int64_t rows, int nv, const float *factor,
                               float *c, int64_t ldc)
{
    for (int64_t i = 0; i < rows; i++)
        for (int j = 0; j < nv * VL; j += VL)
            vf_store(c + i * ldc + j, vf_fma(vf_load(c + i * ldc + j), vf_load(factor + j),
                                             vf_load(tile + i * TILE_COLS + j)));
}

void att_product_rows(const float *a, int64_t seg_rows, int64_t m, int64_t depth, const float *b,
                      int64_t ldb, int64_t n, float *c, int64_t ldc, bool add)
{
    _Alignas(64) float tile[TILE_ROWS_NARROW * TILE_COLS];
    TileSegment segment[MAX_SEGMENTS];
    const int64_t n_segments = ceil_div(depth, CHUNK);
    for (int64_t s = 0; s < n_segments; s++)
        segment[s] = (TileSegment){(int32_t)(s * seg_rows * CHUNK),
                                   (int32_t)min64(CHUNK, depth - s * CHUNK)};
    for (int64_t j = 0; j < n; j += TILE_COLS) {
        const int nv = tile_vectors(n, j);
        const int64_t n_parts = ceil_div(m, tile_max_rows(nv));
        for (int64_t part = 0; part < n_parts; part++) {
            const int64_t i = part_begin(m, n_parts, part);
            const int64_t rows = part_begin(m, n_parts, part + 1) - i;
            float *to = c + i * ldc + j;
            tile_rows[nv - 1][rows - 1](a + i * CHUNK, segment, n_segments, b + j, ldb,
                                        add ? tile : to, add ? TILE_COLS : ldc);
            if (add) add_tile(tile, rows, nv, to, ldc);
        }
    }
}

void att_product_columns(const float *a, int64_t lda, int64_t m, int64_t depth, const float *b,
                         int64_t ldb, int64_t n, const float *factor, float *c, int64_t ldc,
                         bool add)
{
    _Alignas(64) float tile[TILE_ROWS_NARROW * TILE_COLS];
    const TileWalk walk = {
        {1, 1, depth},
        {0, 0, lda  },
        {0, 0, ldb  }
    };
    for (int64_t j = 0; j < n; j += TILE_COLS) {
        const int nv = tile_vectors(n, j);
        const int64_t n_parts = ceil_div(m, tile_max_rows(nv));
        for (int64_t part = 0; part < n_parts; part++) {
            const int64_t i = part_begin(m, n_parts, part);
            const int64_t rows = part_begin(m, n_parts, part + 1) - i;
            float *to = c + i * ldc + j;
            tile_columns[nv - 1][rows - 1](a + i, b + j, &walk, add ? tile : to,
                                           add ? TILE_COLS : ldc);
            if (add && factor)
                scale_and_add_tile(tile, rows, nv, factor + j, to, ldc);
            else if (add)
                add_tile(tile, rows, nv, to, ldc);
        }
    }
}

/* -- Forms */

SIMD vf load_part(const float *p, int64_t n)
{
    return n >= VL ? vf_load(p) : vf_load_n(p, max64(0, n));
}

void att_columns(const float *from, int64_t stride, int64_t n, int64_t d, float factor, float *to)
{
    const vf f = vf_set1(factor);
    for (int64_t i = 0; i < att_padded(n); i += VL)
        for (int64_t c = 0; c < d; c += VL) {
            vf r[VL];
            for (int l = 0; l < VL; l++) {
                r[l] = vf_zero();
                if (i + l < n) r[l] = load_part(from + (i + l) * stride + c, d - c) * f;
            }
            vf_transpose(r);
            for (int64_t l = 0; l < min64(VL, d - c); l++)
                vf_store(to + (c + l) * QUERY_BLOCK + i, r[l]);
        }
}

void att_uncolumns(const float *from, int64_t n, int64_t d, float *to, int64_t stride)
{
    for (int64_t i = 0; i < n; i += VL)
        for (int64_t c = 0; c < d; c += VL) {
            const int64_t width = min64(VL, d - c);
            vf r[VL];
            for (int l = 0; l < VL; l++)
                r[l] = l < width ? vf_load(from + (c + l) * QUERY_BLOCK + i) : vf_zero();
            vf_transpose(r);
            for (int64_t l = 0; l < min64(VL, n - i); l++) {
                float *at = to + (i + l) * stride + c;
                if (width == VL)
                    vf_store(at, r[l]);
                else
                    vf_store_n(at, r[l], width);
            }
        }
}

void att_segments(const float *from, int64_t stride, int64_t n, int64_t d, int64_t seg_rows,
                  float *to)
{
    for (int64_t i = 0; i < n; i++)
        for (int64_t c = 0; c < d; c += VL)
            vf_store(to + (c / CHUNK * seg_rows + i) * CHUNK + c % CHUNK,
                     load_part(from + i * stride + c, d - c));
}

void att_plain(const float *from, int64_t stride, int64_t n, int64_t rows, int64_t d, float *to)
{
    const int64_t width = att_padded(d);
    for (int64_t i = 0; i < n; i++)
        for (int64_t c = 0; c < width; c += VL)
            vf_store(to + i * width + c, load_part(from + i * stride + c, d - c));
    memset(to + n * width, 0, (size_t)((rows - n) * width) * sizeof *to);
}

static RopeTurn turn_of(const Attention *a, float sign)
{
    return (RopeTurn){a->d, a->rope_dims, a->rope_interleaved, sign};
}

const float *att_turned(const Attention *a, const float *from, int64_t place, int64_t n,
                        int64_t *stride, float *to)
{
    if (!a->rope) return from;
    const RopeTurn turn = turn_of(a, 1);
    for (int64_t i = 0; i < n; i++)
        rope_row(&turn, from + i * *stride, a->rope + (place + i) * a->rope_dims, to + i * a->d);
    *stride = a->d;
    return to;
}

const float *att_turned_keys(const Attention *a, int64_t at, int64_t place, int64_t n,
                             int64_t *stride, float *to)
{
    *stride = a->kv_heads * a->d;
    return a->keys_turned ? a->k + at : att_turned(a, a->k + at, place, n, stride, to);
}

void att_write(const Attention *a, const float *from, int64_t n, float factor, float *to,
               int64_t stride)
{
    const int64_t width = att_padded(a->d);
    for (int64_t i = 0; i < n; i++)
        for (int64_t c = 0; c < a->d; c++) to[i * stride + c] = from[i * width + c] * factor;
}

void att_turn_back(const Attention *a, int64_t place, int64_t n, float *x, int64_t stride)
{
    float row[MAX_HEAD];
    const RopeTurn turn = turn_of(a, -1);
    for (int64_t i = 0; i < n; i++) {
        memcpy(row, x + i * stride, (size_t)a->d * sizeof *row);
        rope_row(&turn, row, a->rope + (place + i) * a->rope_dims, x + i * stride);
    }
}
