/* attention_narrow -- the forward pass for a few queries, as decoding with a cache of keys has:
 * what limits it is the reading of k and v, where attention.c would copy every key for queries that
 * are not there.
 *
 * A block of keys is transposed once for all queries and heads that share it; all heads of a block
 * come before the next block, so that memory is read in order. The lanes of a vector are keys
 * for the scores, numbers of a head for the output. Every sum has the order that attention.c gives,
 * so the bits are the same. */
#include "cpu/attention_block.h"

#include <string.h>

enum { NARROW_QUERIES = 8, KEY_VECTORS = KEY_BLOCK / VL, OUT_VECTORS = 64 / VL };

/* One query of one head: views of scratch. */
typedef struct Row {
    float *query, *out; /* padded d; query times its factor */
    float *most, *sum;
} Row;

static int64_t group_of(const Attention *a)
{
    return a->heads / a->kv_heads;
}

bool att_is_narrow(const Attention *a)
{
    return a->t * group_of(a) <= NARROW_QUERIES && a->keep == 0;
}

int64_t att_narrow_floats(const Attention *a)
{
    const int64_t d = att_padded(a->d);
    return KEY_BLOCK * d + (a->rope ? KEY_BLOCK * d : 0) + KEY_BLOCK +
           a->t * a->heads * (2 * d + CHUNK);
}

static Row row_at(float *rows, int64_t d, int64_t i)
{
    float *at = rows + i * (2 * d + CHUNK);
    return (Row){at, at + d, at + 2 * d, at + 2 * d + 1};
}

/* keys: columns. */
static void row_scores(int64_t d, const float *query, const float *keys, float *score)
{
    vf sum[KEY_VECTORS];
    for (int i = 0; i < KEY_VECTORS; i++) sum[i] = vf_zero();
    for (int64_t c = 0; c < d; c++) {
        const vf x = vf_set1(query[c]);
#pragma GCC unroll 16
        for (int i = 0; i < KEY_VECTORS; i++)
            sum[i] = vf_fma(vf_load(keys + c * KEY_BLOCK + i * VL), x, sum[i]);
    }
    for (int i = 0; i < KEY_VECTORS; i++) vf_store(score + i * VL, sum[i]);
}

/* As att_adjust, for one query at p->i0; keys outside the range that it sees get -infinity. */
static void adjust_row(const Attention *a, const AttentionPlace *p, float *score)
{
    const float limit = a->cap * LOG2_E, tilt = a->slopes ? a->slopes[p->head] * LOG2_E : 0;
    const float *bias = a->bias ? a->bias + att_bias(a, p) : NULL;
    const float distance = (float)(p->i0 + a->offset - p->j0);
    int64_t first, end;
    att_key_range(a, p->batch, p->i0, 1, &first, &end);
    const int low = (int)max64(0, min64(KEY_BLOCK, first - p->j0)),
              high = (int)max64(0, min64(p->n_keys, end - p->j0));
    for (int j = 0; a->cap != 0 && j < KEY_BLOCK; j++) score[j] = limit * vm_tanh(score[j]);
    for (int64_t j = 0; bias && j < p->n_keys; j++) score[j] = vm_fma(bias[j], LOG2_E, score[j]);
    for (int j = 0; a->slopes && j < KEY_BLOCK; j++)
        score[j] = vm_fma(vm_abs(distance - (float)j), -tilt, score[j]);
    for (int j = 0; j < KEY_BLOCK; j++)
        score[j] = (j < low) | (j >= high) ? -__builtin_inff() : score[j];
}

/* From scores to 2^(score - m) with m, l; returns the factor of what came before. */
static float soften_row(const Row *r, float *score)
{
    const float old = *r->most;
    vf lanes = vf_set1(old);
    for (int j = 0; j < KEY_BLOCK; j += VL) lanes = vf_max(vf_load(score + j), lanes);
    float most = old, lane[VL], sum = 0;
    vf_store(lane, lanes);
    for (int i = 0; i < VL; i++) most = most < lane[i] ? lane[i] : most;
    const float base = most == -__builtin_inff() ? 0 : most, scale = att_exp2(old - base);
    for (int j = 0; j < KEY_BLOCK; j += VL)
        vf_store(score + j, att_exp2_vector(vf_load(score + j) - vf_set1(base)));
    for (int j = 0; j < KEY_BLOCK; j++) sum += score[j];
    *r->sum = *r->sum * scale + sum;
    *r->most = most;
    return scale;
}

/* out = scale out + sum_j p[j] v[j] for one to OUT_VECTORS vectors of the head. */
SIMD void add_values_of(int nv, int64_t n_keys, const float *p, const float *v, int64_t stride,
                        float scale, float *out)
{
    vf sum[OUT_VECTORS];
#pragma GCC unroll 16
    for (int i = 0; i < nv; i++) sum[i] = vf_zero();
    for (int64_t j = 0; j < n_keys; j++) {
        const vf x = vf_set1(p[j]);
#pragma GCC unroll 16
        for (int i = 0; i < nv; i++) sum[i] = vf_fma(x, vf_load(v + j * stride + i * VL), sum[i]);
    }
#pragma GCC unroll 16
    for (int i = 0; i < nv; i++)
        vf_store(out + i * VL, vf_fma(vf_load(out + i * VL), vf_set1(scale), sum[i]));
}

static void add_values(int64_t d, int64_t n_keys, const float *p, const float *v, int64_t stride,
                       float scale, float *out)
{
    int64_t c = 0;
    for (; c + OUT_VECTORS * VL <= d; c += OUT_VECTORS * VL)
        add_values_of(OUT_VECTORS, n_keys, p, v + c, stride, scale, out + c);
    for (; c + VL <= d; c += VL) add_values_of(1, n_keys, p, v + c, stride, scale, out + c);
    for (; c < d; c++) {
        float sum = 0;
        for (int64_t j = 0; j < n_keys; j++) sum = vm_fma(p[j], v[j * stride + c], sum);
        out[c] = vm_fma(out[c], scale, sum);
    }
}

/* Query number u of those that share kv_head: head by head. */
static AttentionPlace row_place(const Attention *a, int64_t batch, int64_t kv_head, int64_t u)
{
    return (AttentionPlace){
        .batch = batch, .head = kv_head * group_of(a) + u / a->t, .i0 = u % a->t, .n_queries = 1};
}

static void start_row(const Attention *a, const AttentionPlace *p, float *turned, const Row *r)
{
    const float factor = att_query_factor(a);
    int64_t stride = a->d;
    const float *q = att_turned(a, a->q + att_row(p->batch, a->t, p->i0, a->heads, p->head, a->d),
                                p->i0 + a->offset, 1, &stride, turned);
    for (int64_t c = 0; c < a->d; c++) r->query[c] = q[c] * factor;
    memset(r->out, 0, (size_t)a->d * sizeof(float));
    *r->most = -__builtin_inff();
    *r->sum = 0;
}

static void finish_row(const Attention *a, const AttentionPlace *p, const Row *r, float *y,
                       float *lse)
{
    const float factor = *r->sum == 0 ? 0 : 1.0f / *r->sum;
    float *to = y + att_row(p->batch, a->t, p->i0, a->heads, p->head, a->d);
    for (int64_t c = 0; c < a->d; c++) to[c] = r->out[c] * factor;
    lse[(p->batch * a->heads + p->head) * a->t + p->i0] = *r->most + vm_log(*r->sum) * LOG2_E;
}

/* A block of keys of one head, for the queries that share it. */
static void narrow_block(const Attention *a, const AttentionPlace *block, int64_t kv_head,
                         float *scratch, float *rows)
{
    const int64_t d = att_padded(a->d), n_rows = a->t * group_of(a), stride = a->kv_heads * a->d;
    const int64_t at = att_row(block->batch, a->s, block->j0, a->kv_heads, kv_head, a->d);
    float *keys = scratch, *score = keys + KEY_BLOCK * d, *turned = score + KEY_BLOCK;
    int64_t key_stride;
    const float *k = att_turned_keys(a, at, block->j0, block->n_keys, &key_stride, turned);
    att_columns(k, key_stride, block->n_keys, a->d, 1, keys);
    for (int64_t u = 0; u < n_rows; u++) {
        const Row r = row_at(rows, d, u);
        AttentionPlace p = row_place(a, block->batch, kv_head, u);
        p.j0 = block->j0;
        p.n_keys = block->n_keys;
        row_scores(a->d, r.query, keys, score);
        adjust_row(a, &p, score);
        const float scale = soften_row(&r, score);
        add_values(a->d, p.n_keys, score, a->v + at, stride, scale, r.out);
    }
}

void att_narrow(const Attention *a, int64_t batch, int64_t kv_head, int64_t kv_end, float *y,
                float *lse, float *scratch)
{
    const int64_t d = att_padded(a->d), n_rows = a->t * group_of(a),
                  width = n_rows * (2 * d + CHUNK);
    const int64_t stride = a->kv_heads * a->d;
    float *const turned = scratch + KEY_BLOCK * (d + 1);
    float *rows = turned + (a->rope ? KEY_BLOCK * d : 0);
    AttentionPlace block = {.batch = batch};
    int64_t begin, end;
    for (int64_t u = 0; u < (kv_end - kv_head) * n_rows; u++) {
        const AttentionPlace p = row_place(a, batch, kv_head, u);
        const Row r = row_at(rows, d, u);
        start_row(a, &p, turned, &r);
    }
    att_key_range(a, batch, 0, a->t, &begin, &end);
    for (block.j0 = begin - begin % KEY_BLOCK; block.j0 < end; block.j0 += KEY_BLOCK) {
        block.n_keys = min64(KEY_BLOCK, end - block.j0);
        for (int64_t h = kv_head; h < kv_end; h++) {
            const int64_t next = att_row(batch, a->s, block.j0 + KEY_BLOCK, a->kv_heads, h, a->d);
            att_prefetch(a->k, next, stride, KEY_BLOCK, a->d);
            att_prefetch(a->v, next, stride, KEY_BLOCK, a->d);
            narrow_block(a, &block, h, scratch, rows + (h - kv_head) * width);
        }
    }
    for (int64_t u = 0; u < (kv_end - kv_head) * n_rows; u++) {
        const AttentionPlace p = row_place(a, batch, kv_head, u);
        const Row r = row_at(rows, d, u);
        finish_row(a, &p, &r, y, lse);
    }
}
