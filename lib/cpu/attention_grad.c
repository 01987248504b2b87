/* attention_grad -- the backward pass of attention by blocks; see attention_block.h for the forms.
 *
 * With p the probabilities, recomputed as 2^(score - lse), and everything of one head:
 *
 *   delta_i = sum_c dy[i,c] y[i,c]        dp_ij = dy_i . v_j        ds_ij = p_ij (dp_ij - delta_i)
 *   dv_j = sum_i p_ij dy_i    dbias_ij = ds_ij    dq_i = scale sum_j ds'_ij k_j
 *   dk_j = scale sum_i ds'_ij q_i         ds' = ds times the derivative of the cap
 *
 * With dropout dv takes p_ij m_ij and ds takes dp_ij m_ij, m_ij being 0 or 1 / keep; delta, made of
 * y, already holds it. Where queries and keys were turned, dq and dk are turned back as they leave.
 *
 * (Dao, arXiv:2307.08691, algorithm 2). Of a head, queries and dy are first brought into both forms
 * that the products take. Then blocks of keys are walked, and for each the blocks of queries that
 * see it: dk and dv of the block stay in cache, dq is added to in memory.
 *
 * Order: within a pair of blocks each product is a chain of fused multiply-adds from zero; dk and
 * dv add blocks of queries in ascending order, within the heads of a group in ascending order; dq
 * adds blocks of keys in ascending order; dbias adds the batch in ascending order. Threads split
 * over batch and kv_heads, over kv_heads alone when dbias is summed over the batch. */
#include "cpu/attention_block.h"
#include "cpu/lanes.h"

#include <string.h>

typedef struct Work {
    /* one head, all blocks of queries */
    float *q_columns, *dy_columns; /* q times its factor */
    float *q, *dy, *dq;            /* plain */
    float *delta, *lse;
    /* one block of keys */
    float *k_segments, *v_segments;
    float *k, *dk, *dv; /* plain */
    /* one pair of blocks, [key][query] */
    float *score, *dp, *slope;
    float *p_segments, *ds_segments;
    float *pair;   /* bias, dropout; only where there is one */
    float *turned; /* rows of q or k, only where there is a table */
    int64_t floats;
} Work;

static float *cut(Work *w, float *scratch, int64_t n)
{
    float *here = scratch ? scratch + w->floats : NULL; /* NULL: only counted */
    w->floats += n;
    return here;
}

static Work cut_work(const Attention *a, float *scratch)
{
    const int64_t rows = ceil_div(a->t, QUERY_BLOCK) * QUERY_BLOCK, width = att_padded(a->d);
    Work w = {0};
    float **of_queries[] = {&w.q_columns, &w.dy_columns, &w.q, &w.dy, &w.dq};
    float **of_keys[] = {&w.k_segments, &w.v_segments, &w.k, &w.dk, &w.dv};
    float **of_pair[] = {&w.score, &w.dp, &w.p_segments, &w.ds_segments};
    for (int i = 0; i < 5; i++) *of_queries[i] = cut(&w, scratch, rows * width);
    for (int i = 0; i < 5; i++) *of_keys[i] = cut(&w, scratch, KEY_BLOCK * width);
    for (int i = 0; i < 4; i++) *of_pair[i] = cut(&w, scratch, SCORES);
    w.slope = a->cap != 0 ? cut(&w, scratch, SCORES) : NULL;
    w.pair = a->bias || a->keep != 0 ? cut(&w, scratch, SCORES) : NULL;
    w.turned = a->rope ? cut(&w, scratch, QUERY_BLOCK * width) : NULL;
    w.delta = cut(&w, scratch, rows);
    w.lse = cut(&w, scratch, rows);
    return w;
}

static void prepare_block(const AttentionGrad *g, const AttentionPlace *p, const Work *w)
{
    const Attention *a = &g->forward;
    const int64_t width = att_padded(a->d), stride = a->heads * a->d, n = p->n_queries;
    const int64_t at = att_row(p->batch, a->t, p->i0, a->heads, p->head, a->d), to = p->i0 * width;
    int64_t q_stride = stride;
    const float *q = att_turned(a, a->q + at, p->i0 + a->offset, n, &q_stride, w->turned);
    att_columns(q, q_stride, n, a->d, att_query_factor(a), w->q_columns + to);
    att_columns(g->dy + at, stride, n, a->d, 1, w->dy_columns + to);
    att_plain(q, q_stride, n, QUERY_BLOCK, a->d, w->q + to);
    att_plain(g->dy + at, stride, n, QUERY_BLOCK, a->d, w->dy + to);
    const float *lse = g->lse + (p->batch * a->heads + p->head) * a->t + p->i0;
    for (int64_t r = 0; r < QUERY_BLOCK; r++) {
        float delta = 0;
        const float *y = g->y + at + r * stride, *dy = g->dy + at + r * stride;
        if (r < n) LANES_SUM(delta, a->d, dy[i] * y[i]);
        w->delta[p->i0 + r] = delta;
        /* where no key is seen, every probability is 0: 2^(-inf - inf) */
        w->lse[p->i0 + r] = r >= n ? 0 : lse[r] == -__builtin_inff() ? __builtin_inff() : lse[r];
    }
}

/* Score and dp to p and ds. Where a key is masked dp may be anything. */
static void differentiate(const Attention *a, int64_t i0, int64_t n_keys, const Work *w)
{
    for (int64_t c = 0; c < QUERY_BLOCK; c += VL) {
        const vf lse = vf_load(w->lse + i0 + c), delta = vf_load(w->delta + i0 + c);
        const int64_t segment = c / CHUNK * KEY_BLOCK * CHUNK + c % CHUNK;
        for (int64_t j = 0; j < n_keys; j++) {
            const int64_t at = j * QUERY_BLOCK + c, to = segment + j * CHUNK;
            const vf p = att_exp2_vector(vf_load(w->score + at) - lse);
            vf ds = p * (vf_load(w->dp + at) - delta);
            ds = (vf)((vi_bits)ds & (p != 0));
            vf_store(w->p_segments + to, p);
            vf_store(w->dp + at, ds);
            if (a->cap != 0) ds = ds * vf_load(w->slope + at);
            vf_store(w->ds_segments + to, ds);
        }
    }
}

/* dp times what dropout multiplies with. */
static void drop_dp(const Attention *a, const AttentionPlace *p, const Work *w)
{
    att_dropout(a, p, w->pair);
    for (int64_t i = 0; i < p->n_keys * QUERY_BLOCK; i++) w->dp[i] *= w->pair[i];
}

/* The probabilities for dv, once ds is made. */
static void drop_p(int64_t n_keys, const Work *w)
{
    for (int64_t j = 0; j < n_keys; j++)
        for (int64_t c = 0; c < QUERY_BLOCK; c += CHUNK) {
            float *p = w->p_segments + (c / CHUNK * KEY_BLOCK + j) * CHUNK;
            for (int i = 0; i < CHUNK; i++) p[i] *= w->pair[j * QUERY_BLOCK + c + i];
        }
}

/* dbias takes ds before the cap; dp has to hold it. */
static void add_bias_grad(const AttentionGrad *g, const AttentionPlace *p, const Work *w)
{
    const Attention *a = &g->forward;
    const int64_t rows = a->bias_row ? a->t : 1, batch = a->bias_batch ? p->batch : 0;
    float *to = g->dbias + (batch * a->heads + p->head) * rows * a->s + p->j0;
    att_uncolumns(w->dp, p->n_queries, p->n_keys, w->pair, KEY_BLOCK);
    for (int64_t i = 0; i < p->n_queries; i++) {
        float *row = to + (a->bias_row ? p->i0 + i : 0) * a->s;
        for (int64_t j = 0; j < p->n_keys; j++) row[j] += w->pair[i * KEY_BLOCK + j];
    }
}

/* dv and dk of the block's keys first..end-1 from the queries that can see them. */
static void add_key_grads(const AttentionGrad *g, const AttentionPlace *p, const Work *w,
                          int64_t first, int64_t end)
{
    const int64_t i = att_strip_queries(&g->forward, p, first), width = att_padded(g->forward.d);
    const int64_t at = (p->i0 + i) * width, segment = (i / CHUNK * KEY_BLOCK + first) * CHUNK;
    if (i >= p->n_queries) return;
    att_product_rows(w->p_segments + segment, KEY_BLOCK, end - first, p->n_queries - i, w->dy + at,
                     width, width, w->dv + first * width, width, true);
    att_product_rows(w->ds_segments + segment, KEY_BLOCK, end - first, p->n_queries - i, w->q + at,
                     width, width, w->dk + first * width, width, true);
}

/* [key][query] products of the keys or values with the queries or dy. */
static void product(const Attention *a, const AttentionPlace *p, const float *segments,
                    const float *columns, float *to)
{
    const int64_t strip = att_strip(a, p);
    columns += p->i0 * att_padded(a->d);
    for (int64_t i = 0; i < p->n_queries; i += strip)
        att_product_rows(segments, KEY_BLOCK, att_strip_keys(a, p, i), a->d, columns + i,
                         QUERY_BLOCK, min64(strip, p->n_queries - i), to + i, QUERY_BLOCK, false);
}

static void pair_block(const AttentionGrad *g, const AttentionPlace *p, const Work *w)
{
    const Attention *a = &g->forward;
    const int64_t width = att_padded(a->d), strip = att_strip(a, p), n_k = p->n_keys;
    product(a, p, w->k_segments, w->q_columns, w->score);
    product(a, p, w->v_segments, w->dy_columns, w->dp);
    att_adjust(a, p, w->score, w->slope, w->pair);
    if (a->keep != 0) drop_dp(a, p, w);
    differentiate(a, p->i0, n_k, w);
    if (a->keep != 0) drop_p(n_k, w);
    if (g->dbias) add_bias_grad(g, p, w);
    if (a->cap != 0)
        for (int64_t i = 0; i < n_k * QUERY_BLOCK; i++) w->dp[i] *= w->slope[i];
    const bool cut = strip == STRIP && n_k > STRIP;
    add_key_grads(g, p, w, 0, cut ? STRIP : n_k);
    if (cut) add_key_grads(g, p, w, STRIP, n_k);
    for (int64_t i = 0; i < p->n_queries; i += strip)
        att_product_columns(w->dp + i, QUERY_BLOCK, min64(strip, p->n_queries - i),
                            att_strip_keys(a, p, i), w->k, width, width, NULL,
                            w->dq + (p->i0 + i) * width, width, true);
}

/* The rows of block p->i0 of the head that comes next. */
static void fetch_next_head(const AttentionGrad *g, const AttentionPlace *p)
{
    const Attention *a = &g->forward;
    const bool last = p->head + 1 == a->heads;
    const int64_t stride = a->heads * a->d;
    const int64_t at =
        att_row(p->batch + last, a->t, p->i0, a->heads, last ? 0 : p->head + 1, a->d);
    att_prefetch(a->q, at, stride, p->n_queries, a->d);
    att_prefetch(g->dy, at, stride, p->n_queries, a->d);
    att_prefetch(g->y, at, stride, p->n_queries, a->d);
}

/* All that block p->j0 of keys does for one head. In a group dk and dv go on from what the head
 * before left in the output, which gets its scale from the last. */
static void key_block(const AttentionGrad *g, AttentionPlace *p, int64_t n_blocks, const Work *w)
{
    const Attention *a = &g->forward;
    const int64_t group = a->heads / a->kv_heads, stride = a->kv_heads * a->d;
    const int64_t width = att_padded(a->d), n = p->n_keys, part = p->head % group;
    const int64_t at = att_row(p->batch, a->s, p->j0, a->kv_heads, p->head / group, a->d);
    int64_t k_stride;
    const float *k = att_turned_keys(a, at, p->j0, n, &k_stride, w->turned);
    att_segments(k, k_stride, n, a->d, KEY_BLOCK, w->k_segments);
    att_segments(a->v + at, stride, n, a->d, KEY_BLOCK, w->v_segments);
    att_plain(k, k_stride, n, n, a->d, w->k);
    const int64_t next =
        p->j0 + KEY_BLOCK < a->s ? at + KEY_BLOCK * stride : at - p->j0 * stride + a->d;
    att_prefetch(a->k, next, stride, KEY_BLOCK, a->d);
    att_prefetch(a->v, next, stride, KEY_BLOCK, a->d);
    att_prefetch(g->dk, at, stride, n, a->d);
    att_prefetch(g->dv, at, stride, n, a->d);
    if (part == 0) {
        memset(w->dk, 0, (size_t)(n * width) * sizeof(float));
        memset(w->dv, 0, (size_t)(n * width) * sizeof(float));
    } else {
        att_plain(g->dk + at, stride, n, n, a->d, w->dk);
        att_plain(g->dv + at, stride, n, n, a->d, w->dv);
    }
    for (int64_t block = 0; block < n_blocks; block++) {
        int64_t first, end;
        p->i0 = block * QUERY_BLOCK;
        p->n_queries = min64(QUERY_BLOCK, a->t - p->i0);
        if (p->j0 == 0) fetch_next_head(g, p);
        att_key_range(a, p->batch, p->i0, p->n_queries, &first, &end);
        p->n_keys = min64(n, end - p->j0);
        if (first < p->j0 + n && p->n_keys > 0) pair_block(g, p, w);
    }
    const bool last = part == group - 1;
    att_write(a, w->dk, n, last ? a->scale : 1, g->dk + at, stride);
    att_write(a, w->dv, n, 1, g->dv + at, stride);
    if (last && a->rope && !a->keys_turned) att_turn_back(a, p->j0, n, g->dk + at, stride);
}

static void one_head(const AttentionGrad *g, int64_t batch, int64_t head, const Work *w)
{
    const Attention *a = &g->forward;
    const int64_t n_blocks = ceil_div(a->t, QUERY_BLOCK), width = att_padded(a->d);
    AttentionPlace p = {.batch = batch, .head = head};
    for (p.i0 = 0; p.i0 < a->t; p.i0 += QUERY_BLOCK) {
        p.n_queries = min64(QUERY_BLOCK, a->t - p.i0);
        prepare_block(g, &p, w);
    }
    memset(w->dq, 0, (size_t)(n_blocks * QUERY_BLOCK * width) * sizeof(float));
    for (p.j0 = 0; p.j0 < a->s; p.j0 += KEY_BLOCK) {
        p.n_keys = min64(KEY_BLOCK, a->s - p.j0);
        key_block(g, &p, n_blocks, w);
    }
    float *dq = g->dq + att_row(batch, a->t, 0, a->heads, head, a->d);
    att_write(a, w->dq, a->t, a->scale, dq, a->heads * a->d);
    if (a->rope) att_turn_back(a, a->offset, a->t, dq, a->heads * a->d);
}

/* Every head of the group that shares kv_head, for the sequences batch..batch_end-1. */
static void group_unit(const AttentionGrad *g, int64_t batch, int64_t batch_end, int64_t kv_head,
                       const Work *w)
{
    const Attention *a = &g->forward;
    const int64_t group = a->heads / a->kv_heads;
    if (g->dbias) {
        const int64_t head = (a->bias_row ? a->t : 1) * a->s, first = a->bias_batch ? batch : 0;
        memset(g->dbias + (first * a->heads + kv_head * group) * head, 0,
               (size_t)(group * head) * sizeof(float));
    }
    for (int64_t b = batch; b < batch_end; b++)
        for (int64_t h = 0; h < group; h++) one_head(g, b, kv_head * group + h, w);
}

static int thread_number(const Attention *a)
{
    const double work = (double)(a->batch * a->heads * a->t) * (double)(a->s * a->d) * 5;
    return work_threads(a->batch * a->kv_heads, work);
}

void K(attention_grad)(const AttentionGrad *g, void *scratch)
{
    const Attention *a = &g->forward;
    const int threads = thread_number(a);
    const bool shared = g->dbias && a->bias_batch == 0; /* over the batch */
    const int64_t n_units = shared ? a->kv_heads : a->batch * a->kv_heads;
    const int64_t floats = cut_work(a, scratch).floats;
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
    for (int64_t t = 0; t < threads; t++) {
        const Work w = cut_work(a, (float *)scratch + t * floats);
        const int64_t end = part_begin(n_units, threads, t + 1);
        for (int64_t u = part_begin(n_units, threads, t); u < end; u++) {
            const int64_t batch = u / a->kv_heads;
            group_unit(g, batch, shared ? a->batch : batch + 1, u % a->kv_heads, &w);
        }
    }
}

size_t K(attention_grad_scratch)(const Attention *a)
{
    return (size_t)(thread_number(a) * cut_work(a, NULL).floats) * sizeof(float);
}
