/* attention -- y = softmax(scores) v by blocks, forward; see attention_block.h for the forms.
 *
 * A block of queries walks the blocks of keys that it sees, in ascending order. For each query m is
 * the largest score so far, l the sum of 2^(score - m) and o the sum of 2^(score - m) v: when a
 * block raises m, l and o are multiplied by 2^(old m - new m) first (Milakov and Gimelshein,
 * arXiv:1805.02867; Dao et al., arXiv:2205.14135). At the end y = o / l and lse = m + log2 l.
 *
 * Order: a score is one chain of fused multiply-adds over d; l adds keys in ascending order in one
 * chain a block; a block's part of o is a chain from zero, and o becomes o times its factor plus
 * that, in one rounding. Threads split over (batch, head, block of queries), for a few queries over
 * (batch, kv_head). */
#include "cpu/attention_block.h"

#include <string.h>

typedef struct Work {
    float *queries; /* columns, (d, QUERY_BLOCK) */
    float *score;   /* [key][query] */
    float *out;     /* columns, (padded d, QUERY_BLOCK) */
    float *pair;    /* [key][query]: bias, dropout; only where there is one */
    float *turned;  /* rows of q or k, only where there is a table */
    /* The keys of one head by blocks of segments, each made when first asked for: the blocks of
     * queries that follow one another read them again, and in k they lie apart by powers of two. */
    float *keys;
    bool *ready;
    int64_t keys_of; /* (batch, kv_head), or -1 */
} Work;

typedef struct RowState {
    _Alignas(64) float most[QUERY_BLOCK], sum[QUERY_BLOCK], old_scale[QUERY_BLOCK];
} RowState;

static int64_t key_blocks(const Attention *a)
{
    return ceil_div(a->s, KEY_BLOCK);
}

static int64_t block_floats(const Attention *a)
{
    const int64_t d = att_padded(a->d);
    return 2 * d * QUERY_BLOCK + SCORES + key_blocks(a) * d * KEY_BLOCK +
           att_padded(key_blocks(a)) + (a->bias || a->keep != 0 ? SCORES : 0) +
           (a->rope ? QUERY_BLOCK * d : 0);
}

static int64_t work_floats(const Attention *a)
{
    return att_is_narrow(a) ? att_narrow_floats(a) : block_floats(a);
}

static Work cut_work(const Attention *a, float *scratch)
{
    const int64_t d = att_padded(a->d);
    Work w = {.queries = scratch, .keys_of = -1};
    w.out = w.queries + d * QUERY_BLOCK;
    w.score = w.out + d * QUERY_BLOCK;
    w.keys = w.score + SCORES;
    w.turned = w.keys + key_blocks(a) * d * KEY_BLOCK;
    w.pair = w.turned + (a->rope ? QUERY_BLOCK * d : 0);
    void *const after = w.pair + (a->bias || a->keep != 0 ? SCORES : 0);
    w.ready = after;
    return w;
}

static int64_t query_blocks(const Attention *a)
{
    return ceil_div(a->t, QUERY_BLOCK);
}

static int64_t query_row(const Attention *a, const AttentionPlace *p)
{
    return att_row(p->batch, a->t, p->i0, a->heads, p->head, a->d);
}

static int thread_number(const Attention *a)
{
    const double work = (double)(a->batch * a->heads * a->t) * (double)(a->s * a->d) * 2;
    return work_threads(a->batch * (att_is_narrow(a) ? a->kv_heads : a->heads * query_blocks(a)),
                        work);
}

/* From scores to 2^(score - m), with m, l and the factor of what came before. */
static void soften(RowState *row, int64_t n_keys, float *score)
{
    enum { VECTORS = QUERY_BLOCK / VL };
    vf most[VECTORS], base[VECTORS], sum[VECTORS];
    for (int i = 0; i < VECTORS; i++) most[i] = vf_load(row->most + i * VL);
    for (int64_t j = 0; j < n_keys; j++)
#pragma GCC unroll 16
        for (int i = 0; i < VECTORS; i++)
            most[i] = vf_max(vf_load(score + j * QUERY_BLOCK + i * VL), most[i]);
    for (int i = 0; i < VECTORS; i++) {
        const vf old = vf_load(row->most + i * VL);
        /* no key yet: 2^(-inf - 0) = 0 */
        base[i] = (vf)((vi_bits)most[i] & (most[i] != -__builtin_inff()));
        const vf scale = att_exp2_vector(old - base[i]);
        vf_store(row->old_scale + i * VL, scale);
        vf_store(row->most + i * VL, most[i]);
        vf_store(row->sum + i * VL, vf_load(row->sum + i * VL) * scale);
        sum[i] = vf_zero();
    }
    for (int64_t j = 0; j < n_keys; j++)
#pragma GCC unroll 16
        for (int i = 0; i < VECTORS; i++) {
            float *x = score + j * QUERY_BLOCK + i * VL;
            const vf p = att_exp2_vector(vf_load(x) - base[i]);
            vf_store(x, p);
            sum[i] = sum[i] + p;
        }
    for (int i = 0; i < VECTORS; i++)
        vf_store(row->sum + i * VL, vf_load(row->sum + i * VL) + sum[i]);
}

static void scale_columns(int64_t d, const float *factor, float *x)
{
    for (int64_t c = 0; c < d; c++)
        for (int i = 0; i < QUERY_BLOCK; i++) x[c * QUERY_BLOCK + i] *= factor[i];
}

static void drop(const Attention *a, const AttentionPlace *p, Work *w)
{
    att_dropout(a, p, w->pair);
    for (int64_t i = 0; i < p->n_keys * QUERY_BLOCK; i++) w->score[i] *= w->pair[i];
}

/* Segments of a block of keys, at row `at` of k. While it is used, the keys and values that come
 * next are on their way from memory: the block after it or, from the last, the next head's first.
 */
static const float *key_segments(const Attention *a, int64_t head, int64_t at, int64_t block,
                                 Work *w)
{
    const int64_t rows = min64(KEY_BLOCK, a->s - block * KEY_BLOCK), stride = a->kv_heads * a->d;
    int64_t row_stride;
    float *to = w->keys + block * att_padded(a->d) * KEY_BLOCK;
    if (w->keys_of != head) memset(w->ready, 0, (size_t)key_blocks(a));
    w->keys_of = head;
    if (w->ready[block]) return to;
    const float *k = att_turned_keys(a, at, block * KEY_BLOCK, rows, &row_stride, w->turned);
    att_segments(k, row_stride, rows, a->d, KEY_BLOCK, to);
    w->ready[block] = true;
    const int64_t next = block + 1 < key_blocks(a) ? at + KEY_BLOCK * stride
                                                   : at - block * KEY_BLOCK * stride + a->d;
    att_prefetch(a->k, next, stride, KEY_BLOCK, a->d);
    att_prefetch(a->v, next, stride, KEY_BLOCK, a->d);
    return to;
}

/* One block of keys, the first or one of those that follow. */
static void attend(const Attention *a, const AttentionPlace *p, bool first, Work *w, RowState *row)
{
    const int64_t kv_head = p->head / (a->heads / a->kv_heads);
    const int64_t at = att_row(p->batch, a->s, p->j0, a->kv_heads, kv_head, a->d);
    const float *keys = key_segments(a, p->batch * a->kv_heads + kv_head, at, p->j0 / KEY_BLOCK, w);
    const int64_t strip = att_strip(a, p);
    for (int64_t i = 0; i < p->n_queries; i += strip)
        att_product_rows(keys, KEY_BLOCK, att_strip_keys(a, p, i), a->d, w->queries + i,
                         QUERY_BLOCK, min64(strip, p->n_queries - i), w->score + i, QUERY_BLOCK,
                         false);
    att_adjust(a, p, w->score, NULL, w->pair);
    soften(row, p->n_keys, w->score);
    if (a->keep != 0) drop(a, p, w);
    for (int64_t i = 0; i < p->n_queries; i += strip)
        att_product_columns(a->v + at, a->kv_heads * a->d, a->d, att_strip_keys(a, p, i),
                            w->score + i, QUERY_BLOCK, min64(strip, p->n_queries - i),
                            row->old_scale + i, w->out + i, QUERY_BLOCK, !first);
}

static void finish(const Attention *a, const AttentionPlace *p, const Work *w, RowState *row,
                   float *y, float *lse)
{
    float *to = lse + (p->batch * a->heads + p->head) * a->t + p->i0;
    for (int64_t i = 0; i < p->n_queries; i++) to[i] = row->most[i] + vm_log(row->sum[i]) * LOG2_E;
    for (int i = 0; i < QUERY_BLOCK; i++)
        row->old_scale[i] = row->sum[i] == 0 ? 0 : 1.0f / row->sum[i];
    scale_columns(a->d, row->old_scale, w->out);
    att_uncolumns(w->out, p->n_queries, a->d, y + query_row(a, p), a->heads * a->d);
}

/* Block of queries number u: the blocks of a head follow one another, so that its keys and values
 * stay in cache; those that see the most come first. */
static AttentionPlace unit_place(const Attention *a, int64_t u)
{
    const int64_t n = query_blocks(a), head = u / n, block = n - 1 - u % n;
    AttentionPlace p = {
        .batch = head / a->heads, .head = head % a->heads, .i0 = block * QUERY_BLOCK};
    p.n_queries = min64(QUERY_BLOCK, a->t - p.i0);
    return p;
}

/* Unit `next` is the thread's next one. */
static void query_unit(const Attention *a, int64_t u, int64_t next, float *y, float *lse, Work *w)
{
    const int64_t stride = a->heads * a->d;
    const AttentionPlace then = unit_place(a, next);
    AttentionPlace p = unit_place(a, u);
    RowState row;
    for (int i = 0; i < QUERY_BLOCK; i++) row.most[i] = -__builtin_inff(), row.sum[i] = 0;
    int64_t row_stride = stride;
    const float *q = att_turned(a, a->q + query_row(a, &p), p.i0 + a->offset, p.n_queries,
                                &row_stride, w->turned);
    att_columns(q, row_stride, p.n_queries, a->d, att_query_factor(a), w->queries);
    att_prefetch(a->q, query_row(a, &then), stride, then.n_queries, a->d);
    att_prefetch(y, query_row(a, &p), stride, p.n_queries, a->d);
    int64_t begin, end;
    att_key_range(a, p.batch, p.i0, p.n_queries, &begin, &end);
    begin -= begin % KEY_BLOCK;
    if (begin >= end) memset(w->out, 0, (size_t)(a->d * QUERY_BLOCK) * sizeof(float));
    for (p.j0 = begin; p.j0 < end; p.j0 += KEY_BLOCK) {
        p.n_keys = min64(KEY_BLOCK, end - p.j0);
        attend(a, &p, p.j0 == begin, w, &row);
    }
    finish(a, &p, w, &row, y, lse);
}

/* Back and forth over the threads, so that none always gets the longer of neighbours. */
static int64_t unit_number(int64_t round, int64_t t, int64_t threads)
{
    return round * threads + (round % 2 ? threads - 1 - t : t);
}

static void query_units(const Attention *a, int64_t t, int64_t threads, float *y, float *lse,
                        float *scratch)
{
    const int64_t n_units = a->batch * a->heads * query_blocks(a);
    Work w = cut_work(a, scratch);
    for (int64_t round = 0; round * threads < n_units; round++) {
        const int64_t u = unit_number(round, t, threads);
        if (u < n_units) query_unit(a, u, unit_number(round + 1, t, threads), y, lse, &w);
    }
}

static void narrow_units(const Attention *a, int64_t t, int64_t threads, float *y, float *lse,
                         float *scratch)
{
    const int64_t n_units = a->batch * a->kv_heads, end = part_begin(n_units, threads, t + 1);
    for (int64_t u = part_begin(n_units, threads, t); u < end;) {
        const int64_t batch = u / a->kv_heads, head = u % a->kv_heads,
                      n = min64(end - u, a->kv_heads - head);
        att_narrow(a, batch, head, head + n, y, lse, scratch);
        u += n;
    }
}

void K(attention)(const Attention *a, float *y, float *lse, void *scratch)
{
    const int64_t floats = work_floats(a);
    const int threads = thread_number(a);
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
    for (int64_t t = 0; t < threads; t++) {
        float *own = (float *)scratch + t * floats;
        if (att_is_narrow(a))
            narrow_units(a, t, threads, y, lse, own);
        else
            query_units(a, t, threads, y, lse, own);
    }
}

size_t K(attention_scratch)(const Attention *a)
{
    return (size_t)(thread_number(a) * work_floats(a)) * sizeof(float);
}
