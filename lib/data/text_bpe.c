/* text_bpe -- see text_bpe.h.
 *
 * Learning keeps every different word once, with its count. A heap holds the pairs by their counts;
 * as these only fall once a pair is in it, an entry that is out of date is put back where it
 * belongs when it comes up. Each pair knows the words it was seen in, so that a merge visits only
 * these. */
#include "data/text_bpe.h"

#include <string.h>

enum { LONGEST = 64 }; /* bytes of a word: what is longer is cut */

/* -- Numbers by pairs of numbers */

typedef struct PairTable {
    uint64_t *key; /* 0: free; no pair has two paddings */
    int32_t *value;
    int64_t n, size; /* size: a power of 2, or 0 */
} PairTable;

static uint64_t mixed(uint64_t x)
{
    x ^= x >> 33;
    x *= 0xff51afd7ed558ccdU; /* MurmurHash3's finalizer */
    x ^= x >> 33;
    x *= 0xc4ceb9fe1a85ec53U;
    return x ^ x >> 33;
}

static uint64_t pair_key(int32_t left, int32_t right)
{
    return (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
}

/* Where the key is, or the free place for it. */
static int64_t pair_place(const PairTable *t, uint64_t key)
{
    const uint64_t mask = (uint64_t)t->size - 1;
    uint64_t at = mixed(key) & mask;
    while (t->key[at] != 0 && t->key[at] != key) at = (at + 1) & mask;
    return (int64_t)at;
}

static int32_t pair_find(const PairTable *t, uint64_t key)
{
    if (t->size == 0) return -1;
    const int64_t at = pair_place(t, key);
    return t->key[at] ? t->value[at] : -1;
}

static void pair_put(PairTable *t, uint64_t key, int32_t value, Arena *a)
{
    if (2 * t->n >= t->size) {
        PairTable old = *t;
        t->size = old.size ? 2 * old.size : 1024;
        t->key = arena_new_array(a, uint64_t, t->size);
        t->value = arena_new_array(a, int32_t, t->size);
        t->n = 0;
        for (int64_t i = 0; i < old.size; i++)
            if (old.key[i]) pair_put(t, old.key[i], old.value[i], a);
    }
    const int64_t at = pair_place(t, key);
    t->n += t->key[at] == 0;
    t->key[at] = key;
    t->value[at] = value;
}

/* An array with room for one more, doubled where it is full. */
static void *grown(Arena *a, void *array, int64_t n, int64_t *capacity, size_t bytes)
{
    if (n < *capacity) return array;
    *capacity = *capacity ? 2 * *capacity : 1024;
    void *bigger = arena_alloc(a, (size_t)*capacity * bytes);
    if (n > 0) memcpy(bigger, array, (size_t)n * bytes);
    return bigger;
}

/* -- Words */

typedef enum ByteClass { LETTER, DIGIT, SPACE, SIGN } ByteClass;

static ByteClass class_of(unsigned char c)
{
    const unsigned char lower = c | 0x20;
    if (c >= 0x80 || (lower >= 'a' && lower <= 'z')) return LETTER;
    if (c >= '0' && c <= '9') return DIGIT;
    return c == ' ' || (c >= '\t' && c <= '\r') ? SPACE : SIGN;
}

/* Bytes of the word at the start of n > 0 bytes: of white space before something else, all but a
 * last space. */
static size_t word_length(const unsigned char *text, size_t n)
{
    size_t i = text[0] == ' ' && n > 1 && class_of(text[1]) != SPACE ? 1 : 0;
    const ByteClass class = class_of(text[i]);
    while (i < n && i < LONGEST && class_of(text[i]) == class) i++;
    if (class == SPACE && i > 1 && i < n && text[i - 1] == ' ' && class_of(text[i]) != SPACE) i--;
    return i;
}

static uint64_t word_hash(const unsigned char *word, size_t n)
{
    uint64_t h = 0xcbf29ce484222325U ^ n; /* FNV-1a */
    for (size_t i = 0; i < n; i++) h = (h ^ word[i]) * 0x100000001b3U;
    return mixed(h);
}

/* -- Learning */

typedef struct Word {
    const unsigned char *text;
    uint16_t *token;
    int32_t n, n_bytes;
    int64_t count;
} Word;

typedef struct Pair {
    int32_t left, right, seen_in; /* seen_in: a Sighting, or -1 */
    int64_t count;
} Pair;

typedef struct Sighting {
    int32_t word, next;
} Sighting;

typedef struct Entry {
    int64_t count;
    int32_t pair;
} Entry;

typedef struct Learner {
    Arena *arena;
    Word *words;
    Pair *pairs;
    Sighting *sightings;
    Entry *heap;
    int64_t n_words, words_capacity, n_pairs, pairs_capacity, n_sightings, sightings_capacity,
        n_heap, heap_capacity;
    PairTable index;  /* of pairs */
    int32_t *word_at; /* by hash: index + 1 */
    int64_t word_places;
} Learner;

static void rehash_words(Learner *l)
{
    l->word_places = l->word_places ? 2 * l->word_places : 4096;
    l->word_at = arena_new_array(l->arena, int32_t, l->word_places);
    for (int64_t i = 0; i < l->n_words; i++) {
        uint64_t at = word_hash(l->words[i].text, (size_t)l->words[i].n_bytes);
        while (l->word_at[at & ((uint64_t)l->word_places - 1)]) at++;
        l->word_at[at & ((uint64_t)l->word_places - 1)] = (int32_t)i + 1;
    }
}

static void count_word(Learner *l, const unsigned char *text, size_t n)
{
    if (2 * l->n_words >= l->word_places) rehash_words(l);
    const uint64_t mask = (uint64_t)l->word_places - 1;
    uint64_t at = word_hash(text, n) & mask;
    for (; l->word_at[at]; at = (at + 1) & mask) {
        Word *w = &l->words[l->word_at[at] - 1];
        if ((size_t)w->n_bytes != n || memcmp(w->text, text, n) != 0) continue;
        w->count++;
        return;
    }
    l->words = grown(l->arena, l->words, l->n_words, &l->words_capacity, sizeof *l->words);
    Word *w = &l->words[l->n_words++];
    *w = (Word){.text = text, .n = (int32_t)n, .n_bytes = (int32_t)n, .count = 1};
    w->token = arena_new_array(l->arena, uint16_t, n);
    for (size_t i = 0; i < n; i++) w->token[i] = (uint16_t)(text[i] + 1);
    l->word_at[at] = (int32_t)l->n_words;
}

/* `amount` more of a pair, which is new or known; returns it. */
static int32_t count_pair(Learner *l, int32_t left, int32_t right, int64_t amount)
{
    const uint64_t key = pair_key(left, right);
    int32_t i = pair_find(&l->index, key);
    if (i < 0) {
        i = (int32_t)l->n_pairs;
        l->pairs = grown(l->arena, l->pairs, l->n_pairs, &l->pairs_capacity, sizeof *l->pairs);
        l->pairs[l->n_pairs++] = (Pair){.left = left, .right = right, .seen_in = -1};
        pair_put(&l->index, key, i, l->arena);
    }
    l->pairs[i].count += amount;
    return i;
}

static void see_pair(Learner *l, int32_t pair, int32_t word)
{
    Pair *p = &l->pairs[pair];
    if (p->seen_in >= 0 && l->sightings[p->seen_in].word == word) return;
    l->sightings =
        grown(l->arena, l->sightings, l->n_sightings, &l->sightings_capacity, sizeof *l->sightings);
    l->sightings[l->n_sightings] = (Sighting){word, p->seen_in};
    p->seen_in = (int32_t)l->n_sightings++;
}

/* More frequent first, then of lower ids. */
static bool comes_first(const Learner *l, const Entry *x, const Entry *y)
{
    const Pair *p = &l->pairs[x->pair], *q = &l->pairs[y->pair];
    if (x->count != y->count) return x->count > y->count;
    return p->left != q->left ? p->left < q->left : p->right < q->right;
}

static void heap_add(Learner *l, int32_t pair)
{
    const Entry e = {l->pairs[pair].count, pair};
    l->heap = grown(l->arena, l->heap, l->n_heap, &l->heap_capacity, sizeof *l->heap);
    int64_t at = l->n_heap++;
    for (int64_t up; at > 0 && comes_first(l, &e, &l->heap[up = (at - 1) / 2]); at = up)
        l->heap[at] = l->heap[up];
    l->heap[at] = e;
}

static Entry heap_take(Learner *l)
{
    const Entry top = l->heap[0], e = l->heap[--l->n_heap];
    int64_t at = 0;
    for (int64_t down = 1; down < l->n_heap; down = 2 * at + 1) {
        if (down + 1 < l->n_heap && comes_first(l, &l->heap[down + 1], &l->heap[down])) down++;
        if (!comes_first(l, &l->heap[down], &e)) break;
        l->heap[at] = l->heap[down];
        at = down;
    }
    l->heap[at] = e;
    return top;
}

/* The most frequent pair; -1 where none occurs twice. */
static int32_t most_frequent(Learner *l)
{
    while (l->n_heap > 0) {
        const Entry e = heap_take(l);
        const int64_t count = l->pairs[e.pair].count;
        if (count == e.count) return count > 1 ? e.pair : -1;
        if (count > 1) heap_add(l, e.pair);
    }
    return -1;
}

/* Replaces the pair by `token` in place; returns the new length. */
static int32_t merge_in(uint16_t *w, int32_t n, int32_t left, int32_t right, int32_t token)
{
    int32_t m = 0;
    for (int32_t i = 0; i < n; m++) {
        const bool here = i + 1 < n && w[i] == left && w[i + 1] == right;
        w[m] = (uint16_t)(here ? token : w[i]);
        i += here ? 2 : 1;
    }
    return m;
}

/* Takes a word's pairs off, merges, and counts them again; those with the new token are new in it.
 */
static void merge_word(Learner *l, int32_t word, int32_t left, int32_t right, int32_t token)
{
    Word *w = &l->words[word];
    const uint16_t *t = w->token;
    bool here = false;
    for (int32_t i = 0; i + 1 < w->n; i++) here |= t[i] == left && t[i + 1] == right;
    if (!here) return; /* merged away since it was seen */
    for (int32_t i = 0; i + 1 < w->n; i++) (void)count_pair(l, t[i], t[i + 1], -w->count);
    w->n = merge_in(w->token, w->n, left, right, token);
    for (int32_t i = 0; i + 1 < w->n; i++) {
        const int32_t pair = count_pair(l, t[i], t[i + 1], w->count);
        if (t[i] == token || t[i + 1] == token) see_pair(l, pair, word);
    }
}

static void merge_pair(Learner *l, int32_t pair, int32_t token)
{
    const Pair p = l->pairs[pair];
    const int64_t known = l->n_pairs;
    for (int32_t s = p.seen_in; s >= 0; s = l->sightings[s].next)
        merge_word(l, l->sightings[s].word, p.left, p.right, token);
    for (int64_t i = known; i < l->n_pairs; i++) heap_add(l, (int32_t)i);
}

static void count_words(Learner *l, const unsigned char *text, size_t n)
{
    for (size_t i = 0, length; i < n; i += length) {
        length = word_length(text + i, n - i);
        count_word(l, text + i, length);
    }
    for (int32_t k = 0; k < l->n_words; k++) {
        const Word *w = &l->words[k];
        for (int32_t i = 0; i + 1 < w->n; i++)
            see_pair(l, count_pair(l, w->token[i], w->token[i + 1], w->count), k);
    }
    for (int32_t i = 0; i < l->n_pairs; i++) heap_add(l, i);
}

/* -- The encoding */

struct TextBpe {
    PairTable rank; /* a pair's token */
    int32_t n_tokens;
    int32_t *bytes; /* by token */
};

TextBpe *text_bpe_learn(const unsigned char *text, size_t n, int64_t n_tokens, Arena *a)
{
    TextBpe *bpe = arena_new_array(a, TextBpe, 1);
    Learner l = {.arena = arena_new()};
    bpe->n_tokens = BPE_BYTES;
    bpe->bytes = arena_new_array(a, int32_t, n_tokens > BPE_BYTES ? n_tokens : BPE_BYTES);
    for (int i = 1; i < BPE_BYTES; i++) bpe->bytes[i] = 1;
    count_words(&l, text, n);
    while (bpe->n_tokens < n_tokens) {
        const int32_t pair = most_frequent(&l);
        if (pair < 0) break;
        const int32_t token = bpe->n_tokens++, left = l.pairs[pair].left,
                      right = l.pairs[pair].right;
        bpe->bytes[token] = bpe->bytes[left] + bpe->bytes[right];
        pair_put(&bpe->rank, pair_key(left, right), token, a);
        merge_pair(&l, pair, token);
    }
    arena_free(l.arena);
    return bpe;
}

int64_t text_bpe_n_tokens(const TextBpe *bpe)
{
    return bpe->n_tokens;
}

int64_t text_bpe_bytes(const TextBpe *bpe, uint16_t token)
{
    return bpe->bytes[token];
}

/* The earliest merge first, wherever it is in the word. */
static int32_t encode_word(const TextBpe *bpe, const unsigned char *text, size_t n, uint16_t *token)
{
    int32_t length = (int32_t)n;
    for (size_t i = 0; i < n; i++) token[i] = (uint16_t)(text[i] + 1);
    for (;;) {
        int32_t first = INT32_MAX, at = 0;
        for (int32_t i = 0; i + 1 < length; i++) {
            const int32_t t = pair_find(&bpe->rank, pair_key(token[i], token[i + 1]));
            if (t < 0 || t >= first) continue;
            first = t;
            at = i;
        }
        if (first == INT32_MAX) return length;
        length = merge_in(token, length, token[at], token[at + 1], first);
    }
}

int64_t text_bpe_encode(const TextBpe *bpe, const unsigned char *text, size_t n, uint16_t *token)
{
    /* the last word of every hash, and where its tokens are: most words were here before */
    enum { PLACES = 1 << 16 };
    typedef struct Before {
        size_t at, n_bytes;
        int64_t token;
        int32_t n;
    } Before;
    Arena *arena = arena_new();
    Before *before = arena_new_array(arena, Before, PLACES);
    int64_t n_tokens = 0;
    for (size_t i = 0, length; i < n; i += length) {
        length = word_length(text + i, n - i);
        Before *b = &before[word_hash(text + i, length) & (PLACES - 1)];
        if (b->n_bytes == length && memcmp(text + b->at, text + i, length) == 0)
            memcpy(token + n_tokens, token + b->token, (size_t)b->n * sizeof *token);
        else
            *b =
                (Before){i, length, n_tokens, encode_word(bpe, text + i, length, token + n_tokens)};
        n_tokens += b->n;
    }
    arena_free(arena);
    return n_tokens;
}
