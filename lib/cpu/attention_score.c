/* attention_score -- what becomes of scores before their softmax (cap, bias, slopes, masks), of
 * probabilities after it (dropout), and which queries see which keys; see attention_block.h. A row
 * is one key, its columns the queries. */
#include "cpu/attention_block.h"
#include "cpu/random_lanes.h"

#include <string.h>

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

void att_adjust(const Attention *a, const AttentionPlace *p, float *score, float *slope,
                float *pair)
{
    const float tilt = a->slopes ? a->slopes[p->head] * LOG2_E : 0;
    if (a->cap == 0 && !a->bias && !a->slopes && !is_cut(a, p)) return;
    if (a->bias)
        att_columns(a->bias + att_bias(a, p), a->bias_row, p->n_queries, p->n_keys, 1, pair);
    for (int64_t r = 0; r < p->n_keys; r++, score += QUERY_BLOCK) {
        const int64_t j = p->j0 + r;
        int64_t first, last;
        if (a->cap != 0) cap_row(a, score, slope ? slope + r * QUERY_BLOCK : NULL);
        const float *bias = pair + r * QUERY_BLOCK;
        for (int i = 0; a->bias && i < QUERY_BLOCK; i++)
            score[i] = vm_fma(bias[i], LOG2_E, score[i]);
        const float distance = (float)(p->i0 + a->offset - j);
        for (int i = 0; a->slopes && i < QUERY_BLOCK; i++)
            score[i] = vm_fma(vm_abs(distance + (float)i), -tilt, score[i]);
        query_range(a, p, j, &first, &last);
        if (first > 0 || last < p->n_queries - 1) mask_row(first, last, score);
    }
}

void att_dropout(const Attention *a, const AttentionPlace *p, float *pair)
{
    const int64_t row = (p->batch * a->heads + p->head) * a->t + p->i0;
    const float value = 1.0f / a->keep;
    uint64_t first[QUERY_BLOCK], mul, add;
    States s[QUERY_BLOCK / GROUP];
    random_leap(a->random_inc, (uint64_t)(row * a->s + p->j0), &mul, &add);
    first[0] = a->random_state * mul + add;
    random_leap(a->random_inc, (uint64_t)a->s, &mul, &add); /* to the next query's */
    for (int i = 1; i < QUERY_BLOCK; i++) first[i] = first[i - 1] * mul + add;
    memcpy(s, first, sizeof s);
    for (int64_t j = 0; j < p->n_keys; j++, pair += QUERY_BLOCK)
#pragma GCC unroll 8
        for (int i = 0; i < QUERY_BLOCK / GROUP; i++) {
            const Reals x = random_chosen(random_reals(s[i]), a->keep, value);
            memcpy(pair + i * GROUP, &x, sizeof x);
            s[i] = s[i] * PCG_MULTIPLIER + a->random_inc;
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
