/* attention_block -- what the forward and the backward pass of attention are made of: one block of
 * QUERY_BLOCK queries against KEY_BLOCK keys of one head.
 *
 * Scores are kept transposed, [key][query], so that the lanes of a vector are always different
 * queries: the maximum and the sum over keys are plain loops over rows, and no result depends on
 * the width of a vector. Scores are in units of log 2: p = 2^(score - lse). Both block sizes are
 * the same on every ISA.
 *
 * Three forms of a block of numbers in scratch:
 *   plain     [row][column], the row length a whole number of CHUNK, zero-padded
 *   columns   the same transposed: [column][query], query stride QUERY_BLOCK
 *   segments  [column / CHUNK][row][CHUNK], as the "rows" tiles of gemm_tile.h take their left
 *             side */
#ifndef SEQLAB_CPU_ATTENTION_BLOCK_H
#define SEQLAB_CPU_ATTENTION_BLOCK_H

#include "cpu/gemm_tile.h"
#include "cpu/vecexp.h"
#include "cpu/vecmath.h"

#define att_product_rows    K(att_product_rows)
#define att_product_columns K(att_product_columns)
#define att_columns         K(att_columns)
#define att_uncolumns       K(att_uncolumns)
#define att_segments        K(att_segments)
#define att_plain           K(att_plain)
#define att_turned          K(att_turned)
#define att_turned_keys     K(att_turned_keys)
#define att_turn_back       K(att_turn_back)
#define att_write           K(att_write)
#define att_dropout         K(att_dropout)
#define att_is_narrow       K(att_is_narrow)
#define att_narrow          K(att_narrow)
#define att_narrow_floats   K(att_narrow_floats)
#define att_adjust          K(att_adjust)
#define att_key_range       K(att_key_range)
#define att_strip           K(att_strip)
#define att_strip_keys      K(att_strip_keys)
#define att_strip_queries   K(att_strip_queries)

enum { QUERY_BLOCK = 64, KEY_BLOCK = 64, SCORES = KEY_BLOCK * QUERY_BLOCK };
enum { MAX_HEAD = 256 }; /* numbers of a head */
/* Blocks that a mask cuts are computed by strips of queries or keys, each as far as it is seen. */
enum { STRIP = 32 };

static const float LOG2_E = 1.44269504f, LN_2 = 0.693147181f;

/* Which block: queries i0.. and keys j0.. of query head `head` in sequence `batch`. */
typedef struct AttentionPlace {
    int64_t batch, head, i0, j0, n_queries, n_keys;
} AttentionPlace;

SIMD int64_t att_padded(int64_t n)
{
    return ceil_div(n, CHUNK) * CHUNK;
}

/* Row (batch, i, head) of an array (B, n, heads, D). */
SIMD int64_t att_row(int64_t batch, int64_t n, int64_t i, int64_t heads, int64_t head, int64_t d)
{
    return ((batch * n + i) * heads + head) * d;
}

/* Asks for n rows of d numbers from p + offset to come to L2; they may lie past the end of p. */
SIMD void att_prefetch(const float *p, int64_t offset, int64_t stride, int64_t n, int64_t d)
{
    for (int64_t i = 0; i < n; i++) prefetch(p, offset + i * stride, d);
}

/* What q is multiplied with so that its product with k is att_adjust's input. */
SIMD float att_query_factor(const Attention *a)
{
    return a->cap != 0 ? a->scale / a->cap : a->scale * LOG2_E;
}

/* Where the bias of (batch, head, i0, j0) is. */
SIMD int64_t att_bias(const Attention *a, const AttentionPlace *p)
{
    return p->batch * a->bias_batch + p->head * a->bias_head + p->i0 * a->bias_row + p->j0;
}

/* 2^x for x < 128; 0 from -126.5 down; NaN stays. 2^n is made of the low bits that the rounding
 * leaves, which for n = -127 are 0. The polynomial is a least-squares fit at Chebyshev points,
 * 1.6e-8 relative on [-1/2, 1/2]. */
static inline float att_exp2(float x)
{
    const float c = x < -127.0f ? -127.0f : x, shifted = c + (0x1.8p23f + 127.0f);
    const float r = c - (shifted - (0x1.8p23f + 127.0f));
    float p = vm_fma(r, 0x1.4258d8p-13f, 0x1.5f44dcp-10f);
    p = vm_fma(p, r, 0x1.3b2cc4p-7f);
    p = vm_fma(p, r, 0x1.c6aed6p-5f);
    p = vm_fma(p, r, 0x1.ebfbdcp-3f);
    p = vm_fma(p, r, 0x1.62e430p-1f);
    p = vm_fma(p, r, 1.0f);
    return p * vm_float(vm_bits(shifted) << 23);
}

/* The same in a vector. */
SIMD vf att_exp2_vector(vf x)
{
    const vf shift = vf_set1(0x1.8p23f + 127.0f);
    const vf c = vf_max(vf_set1(-127.0f), x), shifted = c + shift, r = c - (shifted - shift);
    vf p = vf_fma(r, vf_set1(0x1.4258d8p-13f), vf_set1(0x1.5f44dcp-10f));
    p = vf_fma(p, r, vf_set1(0x1.3b2cc4p-7f));
    p = vf_fma(p, r, vf_set1(0x1.c6aed6p-5f));
    p = vf_fma(p, r, vf_set1(0x1.ebfbdcp-3f));
    p = vf_fma(p, r, vf_set1(0x1.62e430p-1f));
    p = vf_fma(p, r, vf_set1(1.0f));
    return p * (vf)((vi_bits)shifted << 23);
}

/* c[i][j] (+)= sum_k a(i, k) b[k * ldb + j] for m rows, n columns rounded up to whole vectors (b
 * and c have room); a is in segments of `seg_rows` rows, depth k. One chain over k from zero, which
 * is then added to c. */
void att_product_rows(const float *a, int64_t seg_rows, int64_t m, int64_t depth, const float *b,
                      int64_t ldb, int64_t n, float *c, int64_t ldc, bool add);
/* The same with a(i, k) = a[k * lda + i]; where it adds, c is first multiplied with factor[j],
 * unless that is NULL. */
void att_product_columns(const float *a, int64_t lda, int64_t m, int64_t depth, const float *b,
                         int64_t ldb, int64_t n, const float *factor, float *c, int64_t ldc,
                         bool add);

/* n <= QUERY_BLOCK rows of d numbers, `stride` apart, times factor, into columns:
 * to[d][QUERY_BLOCK] with zeros past n. */
void att_columns(const float *from, int64_t stride, int64_t n, int64_t d, float factor, float *to);
/* Back: n rows of d numbers. */
void att_uncolumns(const float *from, int64_t n, int64_t d, float *to, int64_t stride);
/* n rows into segments of seg_rows rows; what lies past d in the last segment is not defined. */
void att_segments(const float *from, int64_t stride, int64_t n, int64_t d, int64_t seg_rows,
                  float *to);
/* n rows into a plain block of `rows` rows of att_padded(d). */
void att_plain(const float *from, int64_t stride, int64_t n, int64_t rows, int64_t d, float *to);

/* n rows of d numbers, `stride` apart, at places `place`.. of the table: as they are or, where a
 * has a table, turned, in `to` (n, d). Changes the stride to what the rows returned have. */
const float *att_turned(const Attention *a, const float *from, int64_t place, int64_t n,
                        int64_t *stride, float *to);
/* Rows of keys, from k + at on; `place` is the first one's number. Sets the stride. */
const float *att_turned_keys(const Attention *a, int64_t at, int64_t place, int64_t n,
                             int64_t *stride, float *to);
/* n plain rows times factor, out to rows `stride` apart. */
void att_write(const Attention *a, const float *from, int64_t n, float factor, float *to,
               int64_t stride);
/* Turns rows back, in place. */
void att_turn_back(const Attention *a, int64_t place, int64_t n, float *x, int64_t stride);

/* From factor * q k to scores in units of log 2, in place: soft cap, bias, slopes, then -infinity
 * where the key is masked. slope (may be NULL) gets the derivative of the cap, where there is one.
 * pair: room for SCORES numbers, used where there is a bias. */
void att_adjust(const Attention *a, const AttentionPlace *p, float *score, float *slope,
                float *pair);
/* What dropout multiplies the probabilities of a block with: 1 / keep or 0, [key][query]. */
void att_dropout(const Attention *a, const AttentionPlace *p, float *pair);
/* How many queries to take at a time: STRIP, or all where every strip sees every key's row. */
int64_t att_strip(const Attention *a, const AttentionPlace *p);
/* How many of the block's keys, from the first, matter to the strip of queries that starts at i. */
int64_t att_strip_keys(const Attention *a, const AttentionPlace *p, int64_t i);
/* The first query of the block, as a whole number of strips, that can see keys from j on. */
int64_t att_strip_queries(const Attention *a, const AttentionPlace *p, int64_t j);
/* Keys first..end-1 are those that any of queries i0..i0+n_queries-1 can see. */
void att_key_range(const Attention *a, int64_t batch, int64_t i0, int64_t n_queries, int64_t *first,
                   int64_t *end);

/* The forward pass for a few queries, attention_narrow.c: whether a is such, and key heads
 * kv_head..kv_end-1 of a sequence. Bits are those of attention.c. */
bool att_is_narrow(const Attention *a);
int64_t att_narrow_floats(const Attention *a);
void att_narrow(const Attention *a, int64_t batch, int64_t kv_head, int64_t kv_end, float *y,
                float *lse, float *scratch);

#endif
