/* pieces -- pieces of text, and cutting them at a pattern. */
#include "tokenizer/tokenizer_parts.h"
#include "tokenizer/unicode.h"

void pieces_add(Pieces *p, const char *s, size_t n)
{
    if (n == 0) return;
    ARRAY_ROOM(p->text.arena, p->span, p->n, p->capacity, 1);
    p->span[p->n++] = (Span){p->text.n, n};
    bytes_add(&p->text, s, n);
}

void pieces_extend(Pieces *p, const char *s, size_t n)
{
    bytes_add(&p->text, s, n);
    p->span[p->n - 1].n += n;
}

/* Cutting one piece: what was added last, so that the next can join it. */
typedef struct Cut {
    SplitBehavior behavior;
    Pieces *out;
    bool any, last_matched;
} Cut;

/* The behaviours of Hugging Face's SplitDelimiterBehavior. A delimiter joins its neighbour only
 * when the delimiter beside it on that side did not: of "a--b", merged with the next, "a" "-" "-b".
 */
static void cut(Cut *c, const char *s, size_t n, bool matched)
{
    if (n == 0) return;
    bool join = false;
    switch (c->behavior) {
    case SPLIT_REMOVED:
        if (!matched) pieces_add(c->out, s, n);
        return;
    case SPLIT_ISOLATED:
        break;
    case SPLIT_MERGED_WITH_PREVIOUS:
        join = matched && !c->last_matched;
        break;
    case SPLIT_MERGED_WITH_NEXT:
        join = !matched && c->last_matched;
        break;
    case SPLIT_CONTIGUOUS:
        join = matched == c->last_matched;
        break;
    }
    if (join && c->any)
        pieces_extend(c->out, s, n);
    else
        pieces_add(c->out, s, n);
    c->any = true;
    c->last_matched = matched;
}

static size_t match_at(const Step *s, Word in, size_t at)
{
    if (s->pattern) return s->pattern->match(s->pattern, in.at, at, in.n);
    const size_t n = s->text.n;
    return n > 0 && in.n - at >= n && memcmp(in.at + at, s->text.at, n) == 0 ? n : 0;
}

void split_by_pattern(const Step *s, Word in, Pieces *out)
{
    Cut c = {.behavior = s->behavior, .out = out};
    size_t plain = 0;
    for (size_t at = 0, n; at < in.n; at += n) {
        n = match_at(s, in, at);
        if (n == 0) {
            (void)unicode_at(in.at + at, in.n - at, &n);
            continue;
        }
        cut(&c, in.at + plain, at - plain, s->invert);
        cut(&c, in.at + at, n, !s->invert);
        plain = at + n;
    }
    cut(&c, in.at + plain, in.n - plain, s->invert);
}

const Pieces *pre_tokenize(const Tokenizer *t, Word in, bool first, Pieces *a, Pieces *b)
{
    a->n = a->text.n = 0;
    pieces_add(a, in.at, in.n);
    for (size_t i = 0; i < t->pre_tokenizers.n; i++) {
        const Step *s = &t->pre_tokenizers.step[i];
        b->n = b->text.n = 0;
        for (size_t k = 0; k < a->n; k++)
            s->kind->split(s, (Word){a->text.at + a->span[k].at, a->span[k].n}, first && k == 0, b);
        Pieces *swap = a;
        a = b;
        b = swap;
    }
    return a;
}
