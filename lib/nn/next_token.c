/* next_token -- see next_token.h. */
#include "nn/next_token.h"

#include "base/realmath.h"

#include <float.h>
#include <stdlib.h>
#include <string.h>

// clang-format off
static const Option rows[] = {
    OPT_INT(GenerateOptions, max_new_tokens, 20, 1, 1e8, "tokens after the prompt, at most"),
    OPT_INT(GenerateOptions, max_length, 0, 0, 1e8, "tokens in all, the prompt's included, in place of max_new_tokens; 0: that one"),
    OPT_INT(GenerateOptions, min_new_tokens, 0, 0, 1e8, "no end before so many tokens"),
    OPT_BOOL(GenerateOptions, do_sample, false, "draw the next token; false: take the likeliest"),
    OPT_REAL(GenerateOptions, temperature, 1, 1e-6, 1e6, "of draws: logits are divided by it"),
    OPT_INT(GenerateOptions, top_k, 50, 0, 1e8, "of draws: only so many of the likeliest; 0: all"),
    OPT_REAL(GenerateOptions, top_p, 1, 0, 1, "of draws: only the likeliest that together have this probability"),
    OPT_REAL(GenerateOptions, min_p, 0, 0, 1, "of draws: only those with this share of the likeliest's probability"),
    OPT_REAL(GenerateOptions, repetition_penalty, 1, 1e-6, 1e6, "logits of tokens that were there are divided by it, negative ones multiplied"),
    OPT_INT(GenerateOptions, no_repeat_ngram_size, 0, 0, 1e8, "so many tokens in a row never come twice; 0: they may"),
    OPT_INT(GenerateOptions, num_beams, 1, 1, 1024, "sequences followed side by side; 1: no beams"),
    OPT_INT(GenerateOptions, num_return_sequences, 1, 1, 1024, "texts for one prompt: draws, or the best of the beams"),
    OPT_REAL(GenerateOptions, length_penalty, 1, -100, 100, "of beams: the power of the length that a sum of log-probabilities is divided by"),
    OPT_BOOL(GenerateOptions, early_stopping, false, "of beams: stop as soon as num_beams sequences have ended"),
    OPT_INTS(GenerateOptions, eos_token_id, "", 0, 1e8, "the tokens that end a sequence"),
    OPT_INT(GenerateOptions, bos_token_id, -1, -1, 1e8, "the token that an empty prompt begins with; -1: none"),
    OPT_INT(GenerateOptions, decoder_start_token_id, 0, 0, 1e8, "of models with a source: the first token of the target"),
    OPT_INT(GenerateOptions, seed, 1, 0, 9007199254740991, "of draws"),
};
// clang-format on
const OptionTable generate_option_table = OPTION_TABLE(GenerateOptions, rows);

/* -- Order */

bool token_better(const ScoredToken *a, const ScoredToken *b)
{
    if (a->score != b->score) return a->score > b->score;
    return a->row != b->row ? a->row < b->row : a->id < b->id;
}

static int by_score(const void *a, const void *b)
{
    return token_better(a, b) ? -1 : token_better(b, a);
}

int64_t token_put(ScoredToken *list, int64_t n, int64_t max, ScoredToken new)
{
    int64_t at = n;
    if (n == max && !token_better(&new, &list[n - 1])) return n;
    if (n == max) at--;
    while (at > 0 && token_better(&new, &list[at - 1])) {
        list[at] = list[at - 1];
        at--;
    }
    list[at] = new;
    return n < max ? n + 1 : max;
}

bool token_is_end(const GenerateOptions *o, int32_t id)
{
    for (int i = 0; i < o->eos_token_id.n; i++)
        if (o->eos_token_id.at[i] == id) return true;
    return false;
}

int32_t token_likeliest(const float *logits, int64_t n)
{
    int32_t best = 0;
    for (int64_t i = 1; i < n; i++)
        if (logits[i] > logits[best]) best = (int32_t)i;
    return best;
}

double token_log_sum(const float *logits, int64_t n)
{
    const double largest = (double)logits[token_likeliest(logits, n)];
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += real_exp((double)logits[i] - largest);
    return largest + real_log(sum);
}

/* -- What the sequence forbids */

static const float NEVER = -FLT_MAX; /* and not infinite: where nothing is left, all are alike */

bool token_adjusts(const GenerateOptions *o)
{
    return o->repetition_penalty != 1 || o->no_repeat_ngram_size > 0 || o->min_new_tokens > 0;
}

/* From the logits as they were, so that a token that came twice is penalised once. */
static void penalise(float *out, const float *logits, const TokenHistory *h, double p)
{
    for (int64_t i = 0; i < h->n; i++) {
        const double x = (double)logits[h->tokens[i]];
        out[h->tokens[i]] = (float)(x < 0 ? x * p : x / p);
    }
}

/* What followed where the last `size` - 1 tokens were before. */
static void forbid_repeats(float *out, const TokenHistory *h, int64_t size)
{
    const int32_t *last = h->tokens + h->n - (size - 1);
    for (int64_t i = 0; i + size <= h->n; i++)
        if (memcmp(h->tokens + i, last, sizeof *last * (size_t)(size - 1)) == 0)
            out[h->tokens[i + size - 1]] = NEVER;
}

void token_adjust(float *out, const float *logits, int64_t n, TokenHistory h,
                  const GenerateOptions *o)
{
    memcpy(out, logits, sizeof *out * (size_t)n);
    if (o->repetition_penalty != 1) penalise(out, logits, &h, o->repetition_penalty);
    if (o->no_repeat_ngram_size > 0 && h.n + 1 >= o->no_repeat_ngram_size)
        forbid_repeats(out, &h, o->no_repeat_ngram_size);
    for (int i = 0; i < o->eos_token_id.n && h.n_new < o->min_new_tokens; i++)
        if (o->eos_token_id.at[i] < n) out[o->eos_token_id.at[i]] = NEVER;
}

/* -- Draws */

/* The k best, sorted, to the front: few by insertion, for which most are too small. */
static void sort_best(ScoredToken *s, int64_t n, int64_t k)
{
    if (k > n / 8) {
        qsort(s, (size_t)n, sizeof *s, by_score);
        return;
    }
    int64_t n_best = 0;
    for (int64_t i = 0; i < n; i++) n_best = token_put(s, n_best, k, s[i]);
}

int32_t token_draw(const float *logits, int64_t n, const GenerateOptions *o, float uniform,
                   ScoredToken *s)
{
    double sum = 0, kept = 0;
    for (int64_t i = 0; i < n; i++)
        s[i] = (ScoredToken){(double)logits[i] / o->temperature, 0, (int32_t)i};
    const int64_t k = o->top_k > 0 && o->top_k < n ? o->top_k : n;
    sort_best(s, n, k);
    const double largest = s[0].score;
    for (int64_t i = 0; i < k; i++) sum += s[i].score = real_exp(s[i].score - largest);
    int64_t m = 0;
    while (m < k && (m == 0 || (kept < o->top_p * sum && s[m].score >= o->min_p)))
        kept += s[m++].score;
    double left = (double)uniform * kept;
    for (int64_t i = 0; i < m; i++)
        if ((left -= s[i].score) < 0) return s[i].id;
    return s[m - 1].id;
}
