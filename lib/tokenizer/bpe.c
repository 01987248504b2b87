/* bpe -- byte-pair encoding of one word: again and again the adjacent pair with the lowest rank
 * (the leftmost of equals) becomes one token, until no pair has a rank.
 *
 * A heap of candidate pairs and a linked list of symbols: O(n log n), which is needed where a word
 * is the whole text (SentencePiece-like models). A candidate that was overtaken by a merge beside
 * it is recognised when it is taken: its pair no longer makes its id. Sennrich et al.,
 * arXiv:1508.07909. */
#include "tokenizer/tokenizer_parts.h"
#include "tokenizer/unicode.h"

static bool before(const Candidate *a, const Candidate *b)
{
    return a->rank != b->rank ? a->rank < b->rank : a->at < b->at;
}

static void heap_push(TokenEncoder *e, Candidate c)
{
    ARRAY_ROOM(e->arena, e->heap, e->n_heap, e->heaps, 1);
    size_t i = e->n_heap++;
    for (; i > 0 && before(&c, &e->heap[(i - 1) / 2]); i = (i - 1) / 2)
        e->heap[i] = e->heap[(i - 1) / 2];
    e->heap[i] = c;
}

static Candidate heap_pop(TokenEncoder *e)
{
    const Candidate top = e->heap[0], last = e->heap[--e->n_heap];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < e->n_heap; i = child) {
        if (child + 1 < e->n_heap && before(&e->heap[child + 1], &e->heap[child])) child++;
        if (!before(&e->heap[child], &last)) break;
        e->heap[i] = e->heap[child];
    }
    if (e->n_heap > 0) e->heap[i] = last;
    return top;
}

static const Merge *merge_of(const Model *m, int32_t left, int32_t right)
{
    const uint32_t *i = pair_map_find(&m->merge, PAIR_KEY(left, right));
    return i ? &m->merges[*i] : NULL;
}

static void consider(TokenEncoder *e, int32_t at)
{
    const Symbol *s = &e->symbol[at];
    if (s->next < 0) return;
    const Merge *m = merge_of(&e->t->model, s->id, e->symbol[s->next].id);
    if (m) heap_push(e, (Candidate){m->rank, m->id, at});
}

static void add_symbol(TokenEncoder *e, size_t *n, int32_t id)
{
    ARRAY_ROOM(e->arena, e->symbol, *n, e->symbols, 1);
    e->symbol[*n] = (Symbol){id, (int32_t)*n - 1, -1, 1};
    if (*n > 0) e->symbol[*n - 1].next = (int32_t)*n;
    (*n)++;
}

/* The token of character c, written s, which has its prefix and its suffix in some models. */
static int32_t character_id(TokenEncoder *e, Word s, int32_t c, bool first, bool last)
{
    const Model *m = &e->t->model;
    const bool prefixed = !first && m->prefix.n > 0, suffixed = last && m->suffix.n > 0;
    if (!prefixed && !suffixed) {
        if (c >= 0 && c < LOW_CHARACTERS) return m->low_id[c];
        return vocabulary_find(&e->t->vocabulary, s.at, s.n);
    }
    Bytes *b = &e->scratch;
    b->n = 0;
    if (prefixed) bytes_add(b, m->prefix.at, m->prefix.n);
    bytes_add(b, s.at, s.n);
    if (suffixed) bytes_add(b, m->suffix.at, m->suffix.n);
    return vocabulary_find(&e->t->vocabulary, b->at, b->n);
}

/* A character that is no token: its bytes, or the unknown token, or nothing. */
static void add_unknown(TokenEncoder *e, size_t *n, Word s, bool *fused)
{
    const Model *m = &e->t->model;
    if (m->byte_fallback) {
        for (size_t k = 0; k < s.n; k++) add_symbol(e, n, m->byte_id[(unsigned char)s.at[k]]);
        return;
    }
    if (m->unk >= 0 && !(m->fuse_unk && *fused)) add_symbol(e, n, m->unk);
    *fused = m->unk >= 0;
}

static size_t add_characters(TokenEncoder *e, Word word)
{
    size_t n = 0;
    bool fused = false;
    for (size_t i = 0, length; i < word.n; i += length) {
        const int32_t c = unicode_at(word.at + i, word.n - i, &length);
        const Word one = {word.at + i, length};
        const int32_t id = character_id(e, one, c, i == 0, i + length == word.n);
        if (id < 0) {
            add_unknown(e, &n, one, &fused);
            continue;
        }
        add_symbol(e, &n, id);
        fused = false;
    }
    return n;
}

static void apply_merges(TokenEncoder *e, size_t n)
{
    e->n_heap = 0;
    for (size_t i = 0; i < n; i++) consider(e, (int32_t)i);
    while (e->n_heap > 0) {
        const Candidate c = heap_pop(e);
        Symbol *s = &e->symbol[c.at];
        if (s->n == 0 || s->next < 0) continue;
        Symbol *right = &e->symbol[s->next];
        const Merge *m = merge_of(&e->t->model, s->id, right->id);
        if (!m || m->id != c.id) continue;
        s->id = (int32_t)c.id;
        s->next = right->next;
        right->n = 0;
        if (s->next >= 0) e->symbol[s->next].previous = c.at;
        if (s->previous >= 0) consider(e, s->previous);
        consider(e, c.at);
    }
}

void bpe_encode(TokenEncoder *e, Word word)
{
    if (e->t->model.ignore_merges) {
        const int32_t whole = vocabulary_find(&e->t->vocabulary, word.at, word.n);
        if (whole >= 0) {
            encoder_put(e, whole);
            return;
        }
    }
    const size_t n = add_characters(e, word);
    apply_merges(e, n);
    for (int32_t i = n > 0 ? 0 : -1; i >= 0; i = e->symbol[i].next) encoder_put(e, e->symbol[i].id);
}
