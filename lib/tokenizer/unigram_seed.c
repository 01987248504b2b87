/* unigram_seed -- the candidates that a Unigram model starts from: all repeated substrings of words
 * that cannot be made longer without being rarer, found in a sorted list of all suffixes (its
 * intervals of equal prefix are the inner nodes of a suffix tree, as in SentencePiece; a suffix of
 * one word alone counts when the word is there twice), ranked by how much text they cover. */
#include "tokenizer/train_parts.h"
#include "tokenizer/unicode.h"

#include <stdlib.h>

enum { MAX_CHARACTERS = 16, MAX_BYTES = MAX_CHARACTERS * UNICODE_MAX_BYTES };

typedef struct Suffix {
    const char *at;
    uint32_t n, word;
} Suffix;

/* An interval of suffixes that share `n` bytes, from `first` to where the scan is. */
typedef struct Interval {
    size_t first, n;
} Interval;

static int by_text(const void *x, const void *y)
{
    const Suffix *a = x, *b = y;
    const int order = memcmp(a->at, b->at, a->n < b->n ? a->n : b->n);
    if (order != 0) return order;
    if (a->n != b->n) return a->n < b->n ? -1 : 1;
    return a->word < b->word ? -1 : a->word > b->word;
}

/* Every suffix of every word, cut after MAX_CHARACTERS. */
static size_t suffixes(const WordCounts *w, Arena *a, Suffix **out)
{
    size_t n = 0;
    for (size_t i = 0; i < w->words.n; i++)
        n += unicode_count(w->words.token[i].at, w->words.token[i].n);
    *out = arena_new_array(a, Suffix, n);
    n = 0;
    for (size_t i = 0; i < w->words.n; i++) {
        const Word word = w->words.token[i];
        for (size_t at = 0, length; at < word.n; at += length) {
            size_t end = at, step;
            for (int k = 0; k < MAX_CHARACTERS && end < word.n; k++, end += step)
                (void)unicode_at(word.at + end, word.n - end, &step);
            (*out)[n++] = (Suffix){word.at + at, (uint32_t)(end - at), (uint32_t)i};
            (void)unicode_at(word.at + at, word.n - at, &length);
        }
    }
    return n;
}

/* Bytes that both begin with, in whole characters. */
static size_t common(const Suffix *a, const Suffix *b)
{
    size_t n = 0;
    const size_t most = a->n < b->n ? a->n : b->n;
    for (size_t length; n < most; n += length) {
        (void)unicode_at(a->at + n, a->n - n, &length);
        if (n + length > most || memcmp(a->at + n, b->at + n, length) != 0) break;
    }
    return n;
}

static bool is_seed(const char *s, size_t n)
{
    size_t i = 0, length = 0, count = 0;
    for (; i < n; i += length, count++)
        if (unicode_at(s + i, n - i, &length) <= 0) return false; /* invalid, or 0 */
    for (i = 3; i + 3 <= n; i++) /* a word's mark is at its beginning */
        if (memcmp(s + i, "\xE2\x96\x81", 3) == 0) return false;
    return count >= 2;
}

static int by_cover(const void *x, const void *y)
{
    const Scored *a = x, *b = y;
    if (a->score != b->score) return a->score > b->score ? -1 : 1;
    const int order =
        memcmp(a->token.at, b->token.at, a->token.n < b->token.n ? a->token.n : b->token.n);
    return order ? order : a->token.n < b->token.n ? -1 : a->token.n > b->token.n;
}

typedef struct Seeds {
    Arena *arena;
    const int64_t *sum; /* uses of the suffixes before one */
    Scored *seed;
    size_t n, capacity;
} Seeds;

/* A substring that begins the suffixes from `first` to `end`. */
static void add_seed(Seeds *s, Word token, size_t first, size_t end)
{
    if (!is_seed(token.at, token.n)) return;
    const double characters = (double)unicode_count(token.at, token.n);
    ARRAY_ROOM(s->arena, s->seed, s->n, s->capacity, 1);
    s->seed[s->n++] = (Scored){token, (double)(s->sum[end] - s->sum[first]) * characters};
}

size_t unigram_seed(const WordCounts *w, size_t most, Arena *a, Scored **out)
{
    Arena *scratch = arena_new();
    Suffix *s;
    const size_t n = suffixes(w, scratch, &s);
    if (n > 0) qsort(s, n, sizeof *s, by_text);
    int64_t *sum = arena_new_array(scratch, int64_t, n + 1); /* counts of the suffixes before */
    for (size_t i = 0; i < n; i++) sum[i + 1] = sum[i] + w->count[s[i].word];
    Interval open[MAX_BYTES + 2] = {
        {0, 0}
    };
    Seeds seeds = {.arena = scratch, .sum = sum};
    for (size_t i = 0, depth = 0, shared = 0; i < n; i++) {
        const size_t before = shared;
        shared = i + 1 < n ? common(&s[i], &s[i + 1]) : 0;
        if (s[i].n > before && s[i].n > shared && w->count[s[i].word] > 1)
            add_seed(&seeds, (Word){s[i].at, s[i].n}, i, i + 1);
        size_t first = i;
        for (; depth > 0 && open[depth].n > shared; depth--) {
            first = open[depth].first;
            add_seed(&seeds, (Word){s[first].at, open[depth].n}, first, i + 1);
        }
        if (open[depth].n < shared) open[++depth] = (Interval){first, shared};
    }
    Scored *seed = seeds.seed;
    size_t n_seeds = seeds.n;
    if (n_seeds > 0) qsort(seed, n_seeds, sizeof *seed, by_cover);
    if (n_seeds > most) n_seeds = most;
    *out = arena_new_array(a, Scored, n_seeds);
    if (n_seeds > 0) memcpy(*out, seed, n_seeds * sizeof *seed);
    arena_free(scratch);
    return n_seeds;
}
