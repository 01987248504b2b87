/* token_encode -- from a text to ids: added tokens, the text between them, words and their cache.
 */
#include "tokenizer/tokenizer_parts.h"
#include "tokenizer/unicode.h"

enum {
    CACHE_SLOTS = 1 << 16,
    CACHE_FULL = CACHE_SLOTS / 4 * 3,
    CACHE_WORD = 128, /* longer words are seldom seen twice */
    CACHE_BYTES = 1 << 24,
    MAX_TEXT = 1 << 30, /* positions of symbols are int32_t */
};

TokenEncoder *token_encoder_new(const Tokenizer *t)
{
    Arena *a = arena_new();
    TokenEncoder *e = arena_new_array(a, TokenEncoder, 1);
    *e = (TokenEncoder){.arena = a, .t = t, .normal.arena = a, .scratch.arena = a};
    for (int i = 0; i < 2; i++) e->pieces[i].text.arena = e->pieces[i].scratch.arena = a;
    e->cache = arena_new_array(a, CachedWord, CACHE_SLOTS);
    e->cached_text.arena = a;
    return e;
}

void token_encoder_free(TokenEncoder *e)
{
    if (e) arena_free(e->arena);
}

static bool encode_word(TokenEncoder *e, Word word, Error *err)
{
    switch (e->t->model.kind) {
    case MODEL_BPE:
        bpe_encode(e, word);
        return true;
    case MODEL_UNIGRAM:
        return unigram_encode(e, word, err);
    case MODEL_WORDPIECE:
    case MODEL_WORD_LEVEL:
        wordpiece_encode(e, word);
        return true;
    }
    return false;
}

static void forget_words(TokenEncoder *e)
{
    memset(e->cache, 0, CACHE_SLOTS * sizeof *e->cache);
    e->n_cached = 0;
    e->cached_text.n = e->n_cached_ids = 0;
}

/* The place of the word in the cache; n_key = 0 when it is not there. */
static CachedWord *cached(const TokenEncoder *e, Word word, uint64_t hash)
{
    for (uint32_t i = (uint32_t)hash & (CACHE_SLOTS - 1);; i = (i + 1) & (CACHE_SLOTS - 1)) {
        CachedWord *c = &e->cache[i];
        if (c->n_key == 0) return c;
        if (c->hash == hash && c->n_key == word.n &&
            memcmp(e->cached_text.at + c->key, word.at, word.n) == 0)
            return c;
    }
}

static bool encode_cached(TokenEncoder *e, Word word, Error *err)
{
    if (word.n > CACHE_WORD) return encode_word(e, word, err);
    const uint64_t hash = hash_text(word.at, word.n);
    CachedWord *c = cached(e, word, hash);
    if (c->n_key > 0) {
        ARRAY_ROOM(e->arena, e->id, e->n, e->capacity, c->n_ids);
        memcpy(e->id + e->n, e->cached_id + c->ids, c->n_ids * sizeof *e->id);
        e->n += c->n_ids;
        return true;
    }
    const size_t begin = e->n;
    TRY(encode_word(e, word, err));
    if (e->n_cached == CACHE_FULL || e->cached_text.n > CACHE_BYTES) {
        forget_words(e);
        c = cached(e, word, hash);
    }
    const size_t n = e->n - begin;
    ARRAY_ROOM(e->arena, e->cached_id, e->n_cached_ids, e->cached_ids, n);
    if (n > 0) memcpy(e->cached_id + e->n_cached_ids, e->id + begin, n * sizeof *e->id);
    *c = (CachedWord){hash, (uint32_t)e->cached_text.n, (uint32_t)word.n, (uint32_t)e->n_cached_ids,
                      (uint32_t)n};
    bytes_add(&e->cached_text, word.at, word.n);
    e->n_cached_ids += n;
    e->n_cached++;
    return true;
}

/* A piece in words that no merge can join: each begins with U+2581 (Model.cuts_before_space). */
static bool encode_cut(TokenEncoder *e, Word piece, Error *err)
{
    static const char space[3] = "\xE2\x96\x81";
    size_t begin = 0;
    bool after_space = true;
    for (size_t i = 0; i < piece.n;) {
        const bool is_space = piece.n - i >= 3 && memcmp(piece.at + i, space, 3) == 0;
        if (is_space && !after_space) {
            TRY(encode_cached(e, (Word){piece.at + begin, i - begin}, err));
            begin = i;
        }
        after_space = is_space;
        i += is_space ? 3 : 1;
    }
    return encode_cached(e, (Word){piece.at + begin, piece.n - begin}, err);
}

bool encode_words(TokenEncoder *e, Word text, bool first, Error *err)
{
    if (text.n == 0) return true;
    const Pieces *p = pre_tokenize(e->t, text, first, &e->pieces[0], &e->pieces[1]);
    const bool cuts = e->t->model.kind == MODEL_BPE && e->t->model.cuts_before_space;
    for (size_t i = 0; i < p->n; i++) {
        const Word piece = {p->text.at + p->span[i].at, p->span[i].n};
        TRY(cuts ? encode_cut(e, piece, err) : encode_cached(e, piece, err));
    }
    return true;
}

bool token_encode(TokenEncoder *e, const char *text, size_t n, bool add_special, TokenIds *out,
                  Error *err)
{
    const char *const texts[2] = {text, NULL};
    const size_t lengths[2] = {n, 0};
    return token_encode_pair(e, texts, lengths, add_special, out, err);
}

static void put_types(TokenEncoder *e, uint8_t type)
{
    ARRAY_ROOM(e->arena, e->type, e->n_types, e->type_capacity, e->n - e->n_types);
    for (; e->n_types < e->n; e->n_types++) e->type[e->n_types] = type;
}

/* A NULL second text is none. */
bool token_encode_pair(TokenEncoder *e, const char *const text[2], const size_t n[2],
                       bool add_special, TokenIds *out, Error *err)
{
    static const TemplateItem plain[] = {
        {0, 0, 0},
        {1, 0, 1}
    };
    const Template *layout = text[1] ? &e->t->pair : &e->t->single;
    const TemplateItem *item = layout->item ? layout->item : plain;
    const size_t n_items = layout->item ? layout->n : text[1] ? 2 : 1;
    e->n = e->n_types = 0;
    for (size_t i = 0; i < n_items; i++) {
        const int which = item[i].text;
        if (which < 0) {
            if (add_special) encoder_put(e, item[i].id);
        } else {
            if (n[which] > MAX_TEXT)
                return fail(err, FAIL_DATA, NULL,
                            "a text of %zu bytes is too long to encode at once", n[which]);
            TRY(encode_text(e, (Word){text[which], n[which]}, err));
        }
        put_types(e, item[i].type);
    }
    *out = (TokenIds){e->id, e->type, (int64_t)e->n};
    return true;
}
