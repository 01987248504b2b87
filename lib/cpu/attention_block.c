/* attention_block -- see attention_block.h. */
#include "cpu/attention_block.h"

#include <string.h>

/* -- Products */

enum { MAX_SEGMENTS = 256 / CHUNK };

static void add_tile(const float *tile, int64_t rows, int nv, float *c, int64_t ldc)
{
    for (int64_t i = 0; i < rows; i++)
        for (int j = 0; j < nv * VL; j += VL)
            vf_store(c + i * ldc + j, vf_load(c + i * ldc + j) + vf_load(tile + i * TILE_COLS + j));
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
                         int64_t ldb, int64_t n, float *c, int64_t ldc, bool add)
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
            if (add) add_tile(tile, rows, nv, to, ldc);
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

/* -- Scores: a row is one key, its columns the queries */

static void cap_row(const Attention *a, float *score, float *slope)
{
    const float limit = a->cap * LOG2_E;
    for (int i = 0; i < QUERY_BLOCK; i++) {
        const float t = vm_tanh(score[i]);
        score[i] = limit * t;
        if (slope) slope[i] = 1.0f - t * t;
    }
}

/* Queries outside first..last (counted from the block's) do not see this key. */
static void mask_row(int64_t first, int64_t last, float *score)
{
    const int low = (int)max64(0, min64(first, QUERY_BLOCK)),
              high = (int)max64(-1, min64(last, QUERY_BLOCK));
    for (int i = 0; i < QUERY_BLOCK; i++)
        score[i] = (i < low) | (i > high) ? -__builtin_inff() : score[i];
}

/* The queries of the block that see key j: first..last. */
static void query_range(const Attention *a, const AttentionPlace *p, int64_t j, int64_t *first,
                        int64_t *last)
{
    const int64_t same = j - a->offset - p->i0; /* the query at the key's own position */
    *first = a->causal ? same : a->window ? same - a->window + 1 : 0;
    *last = a->window ? same + a->window - 1 : QUERY_BLOCK;
}

/* Whether some query of the block does not see some key of it. */
static bool is_cut(const Attention *a, const AttentionPlace *p)
{
    int64_t first, last, unused;
    query_range(a, p, p->j0 + p->n_keys - 1, &first, &unused);
    query_range(a, p, p->j0, &unused, &last);
    return first > 0 || last < p->n_queries - 1;
}

void att_adjust(const Attention *a, const AttentionPlace *p, float *score, float *slope)
{
    const float *bias = a->bias ? a->bias + (p->head * a->t + p->i0) * a->s : NULL;
    const float tilt = a->slopes ? a->slopes[p->head] * LOG2_E : 0;
    if (a->cap == 0 && !bias && !a->slopes && !is_cut(a, p)) return;
    for (int64_t r = 0; r < p->n_keys; r++, score += QUERY_BLOCK) {
        const int64_t j = p->j0 + r;
        int64_t first, last;
        if (a->cap != 0) cap_row(a, score, slope ? slope + r * QUERY_BLOCK : NULL);
        for (int64_t i = 0; bias && i < p->n_queries; i++)
            score[i] = vm_fma(bias[i * a->s + j], LOG2_E, score[i]);
        const float distance = (float)(p->i0 + a->offset - j);
        for (int i = 0; a->slopes && i < QUERY_BLOCK; i++)
            score[i] = vm_fma(vm_abs(distance + (float)i), -tilt, score[i]);
        query_range(a, p, j, &first, &last);
        if (first > 0 || last < p->n_queries - 1) mask_row(first, last, score);
    }
}

void att_key_range(const Attention *a, int64_t batch, int64_t i0, int64_t n_queries, int64_t *first,
                   int64_t *end)
{
    const int64_t length = a->length ? max64(0, min64(a->s, a->length[batch])) : a->s;
    const int64_t low = i0 + a->offset, high = low + n_queries - 1; /* positions of the queries */
    *end = length;
    if (a->causal)
        *end = min64(length, high + 1);
    else if (a->window)
        *end = min64(length, high + a->window);
    *first = a->window ? max64(0, low - a->window + 1) : 0;
    *end = max64(*end, *first);
}

int64_t att_strip_keys(const Attention *a, const AttentionPlace *p, int64_t i)
{
    int64_t first, end;
    att_key_range(a, p->batch, p->i0 + i, min64(STRIP, p->n_queries - i), &first, &end);
    return max64(0, min64(p->n_keys, end - p->j0));
}

int64_t att_strip(const Attention *a, const AttentionPlace *p)
{
    return att_strip_keys(a, p, 0) < p->n_keys ? STRIP : QUERY_BLOCK;
}

int64_t att_strip_queries(const Attention *a, const AttentionPlace *p, int64_t j)
{
    int64_t first, last;
    query_range(a, p, p->j0 + j, &first, &last);
    return max64(0, first) / STRIP * STRIP;
}
