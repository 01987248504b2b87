/* wordpiece -- the longest token that begins a word, then the longest "##" token that goes on, ...;
 * a word that cannot be spelled so is one unknown token (Devlin et al., arXiv:1810.04805).
 * WordLevel is the case of whole words alone. */
#include "tokenizer/tokenizer_parts.h"
#include "tokenizer/unicode.h"

/* The longest token at word[begin..), *end after it; -1: none. */
static int32_t longest(TokenEncoder *e, Word word, size_t begin, size_t *end)
{
    const Model *m = &e->t->model;
    Bytes *b = &e->scratch;
    b->n = 0;
    if (begin > 0) bytes_add(b, m->prefix.at, m->prefix.n);
    const size_t prefix = b->n;
    bytes_add(b, word.at + begin, word.n - begin);
    for (*end = word.n; *end > begin;) {
        const int32_t id = vocabulary_find(&e->t->vocabulary, b->at, prefix + *end - begin);
        if (id >= 0) return id;
        size_t length;
        (void)unicode_before(word.at + begin, *end - begin, &length);
        *end -= length;
    }
    return -1;
}

void wordpiece_encode(TokenEncoder *e, Word word)
{
    const Model *m = &e->t->model;
    const size_t before = e->n;
    if (m->kind == MODEL_WORD_LEVEL) {
        const int32_t id = vocabulary_find(&e->t->vocabulary, word.at, word.n);
        if (id >= 0 || m->unk >= 0) encoder_put(e, id >= 0 ? id : m->unk);
        return;
    }
    bool spelled = (int64_t)unicode_count(word.at, word.n) <= m->max_characters;
    for (size_t at = 0, end; spelled && at < word.n; at = end) {
        const int32_t id = longest(e, word, at, &end);
        spelled = id >= 0;
        if (spelled) encoder_put(e, id);
    }
    if (spelled) return;
    e->n = before;
    encoder_put(e, m->unk);
}
