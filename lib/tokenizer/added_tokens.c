/* added_tokens -- tokens that are looked for before the model sees a text: special ones (<s>,
 * [MASK]) and words added later. Of those that begin first the longest is taken; then the token's
 * flags are looked at. Those with `normalized` are looked for in the normalised text, in their
 * normalised form. */
#include "tokenizer/tokenizer_parts.h"
#include "tokenizer/unicode.h"

static bool load_one(const json_t *json, AddedToken *out, Loader *l, Error *err)
{
    Tokenizer *t = l->t;
    int64_t id;
    TRY(load_text(json, "content", "", &out->content, l, err));
    TRY(load_count(json, "id", -1, &id, l, err));
    TRY(load_flag(json, "special", false, &out->special, l, err));
    TRY(load_flag(json, "single_word", false, &out->single_word, l, err));
    TRY(load_flag(json, "lstrip", false, &out->lstrip, l, err));
    TRY(load_flag(json, "rstrip", false, &out->rstrip, l, err));
    TRY(load_flag(json, "normalized", !out->special, &out->normalized, l, err));
    if (out->content.n == 0) return LOAD_FAIL(l, err, "an added token has no content");
    const int64_t known = vocabulary_find(&t->vocabulary, out->content.at, out->content.n);
    const bool taken = id >= 0 && (size_t)id < t->vocabulary.n && t->vocabulary.token[id].at;
    if (id < 0 || id > t->max_id || (known >= 0 ? known != id : taken) ||
        (known < 0 && !vocabulary_add(&t->extra, out->content.at, out->content.n, (uint32_t)id)))
        return LOAD_FAIL(l, err,
                         "added token '%.60s' has id %lld, which is missing, taken or too large",
                         out->content.at, (long long)id);
    out->id = (int32_t)id;
    return true;
}

bool load_added(const json_t *json, Loader *l, Error *err)
{
    Tokenizer *t = l->t;
    if (json && !json_is_null(json) && !json_is_array(json))
        return LOAD_FAIL(l, err, "added_tokens is not an array");
    const size_t n = json_array_size(json);
    t->added = arena_new_array(t->arena, AddedToken, n);
    t->extra.arena = t->raw_added.edge.arena = t->normalized_added.edge.arena = t->arena;
    Bytes normal = {.arena = t->arena}, scratch = normal;
    for (size_t i = 0; i < n; i++) {
        AddedToken *a = &t->added[i];
        TRY(load_one(json_array_get(json, i), a, l, err));
        if (a->normalized) {
            normalize_text(t, a->content, &normal, &scratch);
            if (normal.n > 0) trie_add(&t->normalized_added, normal.at, normal.n, (uint32_t)i);
        } else {
            trie_add(&t->raw_added, a->content.at, a->content.n, (uint32_t)i);
        }
    }
    t->n_added = n;
    return true;
}

/* The longest token at the beginning of s, or NULL. */
static const AddedToken *longest(const Tokenizer *t, const Trie *trie, Word s, size_t *length)
{
    const AddedToken *found = NULL;
    uint32_t node = 0;
    for (size_t i = 0; i < s.n; i++) {
        node = trie_step(trie, node, s.at[i]);
        if (!node) break;
        const uint32_t value = trie_value(trie, node);
        if (value == 0) continue;
        found = &t->added[value - 1];
        *length = i + 1;
    }
    return found;
}

static bool stands_alone(Word text, size_t begin, size_t end)
{
    size_t n;
    return (begin == 0 || !unicode_is_word(unicode_before(text.at, begin, &n))) &&
           (end == text.n || !unicode_is_word(unicode_at(text.at + end, text.n - end, &n)));
}

/* Takes white space at the left, not further than `least`, and at the right. */
static void strip(const AddedToken *a, Word text, size_t least, size_t *begin, size_t *end)
{
    size_t n;
    while (a->lstrip && *begin > least && unicode_is_space(unicode_before(text.at, *begin, &n)))
        *begin -= n;
    while (a->rstrip && *end < text.n &&
           unicode_is_space(unicode_at(text.at + *end, text.n - *end, &n)))
        *end += n;
}

typedef bool (*Between)(TokenEncoder *e, Word text, bool first, Error *err);

/* Puts the tokens of the trie and gives what is between them to `between`. */
static bool around_added(TokenEncoder *e, const Trie *trie, Word text, bool first, Between between,
                         Error *err)
{
    size_t done = 0;
    if (trie->n_nodes == 0) return between(e, text, first, err);
    for (size_t at = 0, length = 1; at < text.n; at += length) {
        length = 1;
        const AddedToken *a = longest(e->t, trie, (Word){text.at + at, text.n - at}, &length);
        size_t begin = at, end = at + length;
        if (!a || (a->single_word && !stands_alone(text, begin, end))) continue;
        strip(a, text, done, &begin, &end);
        if (begin > done)
            TRY(between(e, (Word){text.at + done, begin - done}, first && done == 0, err));
        encoder_put(e, a->id);
        done = end;
    }
    if (done >= text.n) return true;
    return between(e, (Word){text.at + done, text.n - done}, first && done == 0, err);
}

static bool encode_raw(TokenEncoder *e, Word text, bool first, Error *err)
{
    if (e->t->normalizers.n > 0) {
        normalize_text(e->t, text, &e->normal, &e->scratch);
        text = (Word){e->normal.at, e->normal.n};
    }
    return around_added(e, &e->t->normalized_added, text, first, encode_words, err);
}

bool encode_text(TokenEncoder *e, Word text, Error *err)
{
    return around_added(e, &e->t->raw_added, text, true, encode_raw, err);
}
