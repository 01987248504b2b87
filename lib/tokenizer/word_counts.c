/* word_counts -- the distinct words of a text and how often each is there. */
#include "tokenizer/train_parts.h"
#include "tokenizer/unicode.h"

#include <stdlib.h>

enum { CHUNK = 1 << 20 };

static void add_word(WordCounts *w, const char *s, size_t n)
{
    int32_t i = vocabulary_find(&w->words, s, n);
    if (i < 0) {
        i = (int32_t)w->words.n;
        ARRAY_ROOM(w->words.arena, w->count, w->words.n, w->capacity, 1);
        w->count[i] = 0;
        (void)vocabulary_add(&w->words, s, n, (uint32_t)i);
    }
    w->count[i]++;
}

static bool is_space_byte(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r') || (unsigned char)c >= 128; /* or may be one */
}

/* Where the text may be cut: after a line break with no white space beside it, where every known
 * pattern cuts; or at the end. */
static size_t chunk_end(Word text, size_t begin)
{
    for (size_t i = begin + CHUNK; i + 1 < text.n; i++)
        if (text.at[i] == '\n' && !is_space_byte(text.at[i - 1]) && !is_space_byte(text.at[i + 1]))
            return i + 1;
    return text.n;
}

static size_t line_end(Word text, size_t begin)
{
    const char *found = memchr(text.at + begin, '\n', text.n - begin);
    return found ? (size_t)(found - text.at) : text.n;
}

void count_words(WordCounts *out, const Tokenizer *frame, Word text, bool by_line)
{
    Arena *a = arena_new();
    Bytes normal = {.arena = a}, scratch = normal;
    Pieces pieces[2] = {
        {.text.arena = a, .scratch.arena = a},
        {.text.arena = a, .scratch.arena = a}
    };
    for (size_t at = 0, end; at < text.n; at = end + by_line) {
        end = by_line ? line_end(text, at) : chunk_end(text, at);
        normalize_text(frame, (Word){text.at + at, end - at}, &normal, &scratch);
        const Pieces *p =
            pre_tokenize(frame, (Word){normal.at, normal.n}, true, &pieces[0], &pieces[1]);
        for (size_t i = 0; i < p->n; i++) add_word(out, p->text.at + p->span[i].at, p->span[i].n);
    }
    arena_free(a);
}

typedef struct Counted {
    int32_t c;
    int64_t count;
} Counted;

static int by_count(const void *x, const void *y)
{
    const Counted *a = x, *b = y;
    if (a->count != b->count) return a->count > b->count ? -1 : 1;
    return a->c < b->c ? -1 : a->c > b->c;
}

static int by_code_point(const void *x, const void *y)
{
    const int32_t a = *(const int32_t *)x, b = *(const int32_t *)y;
    return a < b ? -1 : a > b;
}

static size_t count_characters(const WordCounts *w, Arena *a, Counted **out, int64_t *total)
{
    PairMap place = {.arena = a};
    Counted *all = NULL;
    size_t n = 0, capacity = 0;
    *total = 0;
    ARRAY_ROOM(a, all, 0, capacity, 1);
    for (size_t i = 0; i < w->words.n; i++) {
        const Word word = w->words.token[i];
        for (size_t at = 0, length; at < word.n; at += length) {
            const int32_t c = unicode_at(word.at + at, word.n - at, &length);
            bool fresh;
            if (c == UNICODE_INVALID || c == 0) continue;
            uint32_t *p = pair_map_add(&place, (uint64_t)c, &fresh);
            if (fresh) {
                ARRAY_ROOM(a, all, n, capacity, 1);
                all[n] = (Counted){c, 0};
                *p = (uint32_t)n++;
            }
            all[*p].count += w->count[i];
            *total += w->count[i];
        }
    }
    *out = all;
    return n;
}

size_t covering_characters(const WordCounts *w, double coverage, Arena *a, int32_t **out)
{
    Counted *all;
    int64_t total, covered = 0;
    const size_t n = count_characters(w, a, &all, &total);
    if (n > 0) qsort(all, n, sizeof *all, by_count);
    *out = arena_new_array(a, int32_t, n);
    size_t kept = 0;
    for (; kept < n && (double)covered < coverage * (double)total; kept++) {
        (*out)[kept] = all[kept].c;
        covered += all[kept].count;
    }
    if (kept > 0) qsort(*out, kept, sizeof **out, by_code_point);
    return kept;
}
