/* bpe_train -- the most frequent adjacent pair becomes a token, again and again (Sennrich et al.,
 * arXiv:1508.07909); of equally frequent pairs the one with the smallest ids.
 *
 * Counts are kept up to date: a pair knows the words that it may be in, and a merge touches those
 * alone. The heap is lazy: a count that fell since an entry was pushed is found when the entry is
 * taken, which then goes back with what the count is now. Counts that rise belong to pairs with the
 * new token, which are pushed after the merge. */
#include "tokenizer/train_parts.h"
#include "tokenizer/unicode.h"

enum { NO_TOKEN = -1 };

typedef struct Pair {
    int32_t a, b;
    int64_t count;
    uint32_t *where; /* words, each once */
    size_t n, capacity;
} Pair;

typedef struct Entry {
    int64_t count;
    int32_t a, b;
    uint32_t pair;
} Entry;

typedef struct Trainer {
    Arena *arena;
    Vocabulary *tokens;
    const WordCounts *words;
    int32_t **symbol; /* by word */
    uint32_t *n_symbols;
    PairMap index;
    Pair *pair;
    size_t n_pairs, pairs;
    Entry *heap;
    size_t n_heap, heaps;
    uint32_t *risen; /* pairs to push after the merge */
    size_t n_risen, rises;
} Trainer;

static bool before(const Entry *x, const Entry *y)
{
    if (x->count != y->count) return x->count > y->count;
    return x->a != y->a ? x->a < y->a : x->b < y->b;
}

static void push(Trainer *t, uint32_t pair)
{
    const Entry entry = {t->pair[pair].count, t->pair[pair].a, t->pair[pair].b, pair};
    ARRAY_ROOM(t->arena, t->heap, t->n_heap, t->heaps, 1);
    size_t i = t->n_heap++;
    for (; i > 0 && before(&entry, &t->heap[(i - 1) / 2]); i = (i - 1) / 2)
        t->heap[i] = t->heap[(i - 1) / 2];
    t->heap[i] = entry;
}

static Entry pop(Trainer *t)
{
    const Entry top = t->heap[0], last = t->heap[--t->n_heap];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < t->n_heap; i = child) {
        if (child + 1 < t->n_heap && before(&t->heap[child + 1], &t->heap[child])) child++;
        if (!before(&t->heap[child], &last)) break;
        t->heap[i] = t->heap[child];
    }
    if (t->n_heap > 0) t->heap[i] = last;
    return top;
}

/* Counts a pair up or down; one that goes up remembers the word. */
static void count_pair(Trainer *t, int32_t a, int32_t b, uint32_t word, int sign)
{
    if (a == NO_TOKEN || b == NO_TOKEN) return;
    bool fresh;
    uint32_t *place = pair_map_add(&t->index, PAIR_KEY(a, b), &fresh);
    if (fresh) {
        *place = (uint32_t)t->n_pairs;
        ARRAY_ROOM(t->arena, t->pair, t->n_pairs, t->pairs, 1);
        t->pair[t->n_pairs++] = (Pair){.a = a, .b = b};
    }
    const uint32_t i = *place;
    Pair *p = &t->pair[i];
    p->count += sign * t->words->count[word];
    if (sign < 0 || (p->n > 0 && p->where[p->n - 1] == word)) return;
    if (p->n == 0) {
        ARRAY_ROOM(t->arena, t->risen, t->n_risen, t->rises, 1);
        t->risen[t->n_risen++] = i;
    }
    ARRAY_ROOM(t->arena, p->where, p->n, p->capacity, 1);
    p->where[p->n++] = word;
}

static void push_risen(Trainer *t)
{
    for (size_t i = 0; i < t->n_risen; i++) push(t, t->risen[i]);
    t->n_risen = 0;
}

static void begin_words(Trainer *t)
{
    const size_t n = t->words->words.n;
    t->symbol = arena_new_array(t->arena, int32_t *, n);
    t->n_symbols = arena_new_array(t->arena, uint32_t, n);
    for (size_t w = 0; w < n; w++) {
        const Word word = t->words->words.token[w];
        int32_t *symbol = arena_new_array(t->arena, int32_t, unicode_count(word.at, word.n));
        uint32_t k = 0;
        for (size_t i = 0, length; i < word.n; i += length) {
            (void)unicode_at(word.at + i, word.n - i, &length);
            symbol[k++] = vocabulary_find(t->tokens, word.at + i, length);
        }
        for (uint32_t i = 0; i + 1 < k; i++)
            count_pair(t, symbol[i], symbol[i + 1], (uint32_t)w, 1);
        t->symbol[w] = symbol;
        t->n_symbols[w] = k;
    }
}

/* Every a b of the word, from the left, becomes `id`; the counts of its neighbours follow. */
static void merge_in_word(Trainer *t, uint32_t word, int32_t a, int32_t b, int32_t id)
{
    int32_t *s = t->symbol[word];
    const uint32_t n = t->n_symbols[word];
    uint32_t to = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (i + 1 == n || s[i] != a || s[i + 1] != b) {
            s[to++] = s[i];
            continue;
        }
        if (to > 0) {
            count_pair(t, s[to - 1], a, word, -1);
            count_pair(t, s[to - 1], id, word, 1);
        }
        if (i + 2 < n) {
            count_pair(t, b, s[i + 2], word, -1);
            count_pair(t, id, s[i + 2], word, 1);
        }
        s[to++] = id;
        i++;
    }
    t->n_symbols[word] = to;
}

static void add_merge(json_t *merges, Word a, Word b)
{
    (void)json_array_append_new(merges, json_pack("[s%, s%]", a.at, a.n, b.at, b.n));
}

/* The token of a and b, which may be there already by other pairs. */
static int32_t joined(Trainer *t, int32_t a, int32_t b)
{
    Bytes whole = {.arena = t->arena};
    const Word left = t->tokens->token[a], right = t->tokens->token[b];
    bytes_add(&whole, left.at, left.n);
    bytes_add(&whole, right.at, right.n);
    const int32_t known = vocabulary_find(t->tokens, whole.at, whole.n);
    if (known >= 0) return known;
    (void)vocabulary_add(t->tokens, whole.at, whole.n, (uint32_t)t->tokens->n);
    return (int32_t)t->tokens->n - 1;
}

json_t *bpe_train(Vocabulary *tokens, const WordCounts *w, const TokenTraining *how)
{
    const int64_t least = how->min_frequency > 1 ? how->min_frequency : 1;
    Arena *a = arena_new();
    Trainer t = {.arena = a, .tokens = tokens, .words = w, .index.arena = a};
    json_t *merges = json_array();
    begin_words(&t);
    push_risen(&t);
    while (t.n_heap > 0 && (int64_t)tokens->n < how->n_ids) {
        const Entry top = pop(&t);
        Pair *p = &t.pair[top.pair];
        if (p->count != top.count) {
            if (p->count >= least) push(&t, top.pair);
            continue;
        }
        if (top.count < least) break;
        const int32_t id = joined(&t, top.a, top.b);
        add_merge(merges, tokens->token[top.a], tokens->token[top.b]);
        const uint32_t *where = p->where;
        const size_t n = p->n;
        p->where = NULL;
        p->n = p->capacity = 0;
        for (size_t i = 0; i < n; i++) merge_in_word(&t, where[i], top.a, top.b, id);
        t.pair[top.pair].count = 0;
        push_risen(&t);
    }
    arena_free(a);
    return merges;
}
