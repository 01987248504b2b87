/* unigram -- the segmentation of a word with the largest sum of log probabilities (Kudo,
 * arXiv:1804.10959), by dynamic programming from left to right over the tokens that begin at every
 * character. A character that is no token costs the worst score less 10; adjacent unknown ones are
 * one token. Equal sums: the segmentation found first, whose last token begins further left. */
#include "tokenizer/tokenizer_parts.h"
#include "tokenizer/unicode.h"

static const double UNKNOWN_PENALTY = 10;

bool load_unigram(const json_t *json, Loader *l, Error *err)
{
    Tokenizer *t = l->t;
    Model *m = &t->model;
    const json_t *vocabulary = json_object_get(json, "vocab");
    if (!json_is_array(vocabulary)) return LOAD_FAIL(l, err, "model.vocab is not an array");
    const size_t n = json_array_size(vocabulary);
    double *score = arena_new_array(t->arena, double, n);
    m->score = score;
    m->trie.edge.arena = t->arena;
    for (size_t i = 0; i < n; i++) {
        const json_t *entry = json_array_get(vocabulary, i);
        const json_t *token = json_array_get(entry, 0), *value = json_array_get(entry, 1);
        const char *s = json_string_value(token);
        const size_t length = json_string_length(token);
        if (!s || !json_is_number(value) || !vocabulary_add(&t->vocabulary, s, length, (uint32_t)i))
            return LOAD_FAIL(
                l, err, "model.vocab[%zu] is not [token, score], or its token is there twice", i);
        score[i] = json_number_value(value);
        if (length > 0) trie_add(&m->trie, s, length, (uint32_t)i);
        if (i == 0 || score[i] < m->unk_score) m->unk_score = score[i];
    }
    m->unk_score -= UNKNOWN_PENALTY;
    int64_t unk;
    TRY(load_count(json, "unk_id", INT64_MAX, &unk, l, err));
    if (unk != INT64_MAX && unk >= (int64_t)n)
        return LOAD_FAIL(l, err, "model.unk_id = %lld is outside of the vocabulary",
                         (long long)unk);
    m->unk = unk == INT64_MAX ? -1 : (int32_t)unk;
    return true;
}

static void reach(PathNode *to, double score, size_t from, int32_t id)
{
    if (to->id != -1 && score <= to->score) return;
    *to = (PathNode){score, from, id};
}

enum { UNREACHED = -1, UNKNOWN = -2 };

static void find_paths(TokenEncoder *e, Word word)
{
    const Model *m = &e->t->model;
    ARRAY_ROOM(e->arena, e->path, 0, e->paths, word.n + 1);
    for (size_t i = 0; i <= word.n; i++) e->path[i] = (PathNode){0, 0, UNREACHED};
    for (size_t at = 0, length; at < word.n; at += length) {
        const double here = e->path[at].score;
        (void)unicode_at(word.at + at, word.n - at, &length);
        bool single = false;
        uint32_t node = 0;
        for (size_t i = at; i < word.n; i++) {
            node = trie_step(&m->trie, node, word.at[i]);
            if (!node) break;
            const int32_t id = (int32_t)trie_value(&m->trie, node) - 1;
            if (id < 0) continue;
            reach(&e->path[i + 1], m->score[id] + here, at, id);
            single = single || i + 1 - at == length;
        }
        if (!single) reach(&e->path[at + length], m->unk_score + here, at, UNKNOWN);
    }
}

/* Unknown characters word[from..to), in reverse: by bytes where there are tokens for them. */
static void put_unknown(TokenEncoder *e, Word word, size_t from, size_t to)
{
    const Model *m = &e->t->model;
    if (!m->byte_fallback) encoder_put(e, m->unk);
    for (size_t i = to; i > from && m->byte_fallback; i--)
        encoder_put(e, m->byte_id[(unsigned char)word.at[i - 1]]);
}

bool unigram_encode(TokenEncoder *e, Word word, Error *err)
{
    const Model *m = &e->t->model;
    const size_t begin = e->n;
    find_paths(e, word);
    for (size_t to = word.n, from; to > 0; to = from) {
        const int32_t id = e->path[to].id;
        from = e->path[to].from;
        if (id != UNKNOWN && id != m->unk) {
            encoder_put(e, id);
            continue;
        }
        if (m->unk < 0)
            return fail(err, FAIL_DATA, NULL,
                        "'%.*s' is no token and the tokenizer has none for unknown characters",
                        (int)(to - from), word.at + from);
        while (from > 0 && (e->path[from].id == UNKNOWN || e->path[from].id == m->unk))
            from = e->path[from].from;
        put_unknown(e, word, from, to);
    }
    for (size_t i = begin, k = e->n; i + 1 < k; i++) {
        const int32_t swap = e->id[i];
        e->id[i] = e->id[--k];
        e->id[k] = swap;
    }
    return true;
}
