/* splits -- see splits.h. The alternatives of a pattern are tried in its order; the first that
 * matches wins, and each is greedy. An invalid byte is in [^\s\p{L}\p{N}]. */
#include "tokenizer/splits.h"

#include "tokenizer/unicode.h"

#include <stdio.h>

typedef bool (*Class)(int32_t c);

static bool is_symbol(int32_t c)
{
    return !unicode_is_space(c) && !unicode_is_letter(c) && !unicode_is_number(c);
}

static bool is_break(int32_t c)
{
    return c == '\r' || c == '\n';
}

/* The end of the run of at most `most` characters of a class from s[at] (most = 0: any number). */
static size_t run_end(Class in, int most, const char *s, size_t at, size_t n)
{
    for (int count = 0; at < n && (most == 0 || count < most); count++) {
        size_t length;
        if (!in(unicode_at(s + at, n - at, &length))) break;
        at += length;
    }
    return at;
}

static bool class_at(Class in, const char *s, size_t at, size_t n)
{
    size_t length;
    return at < n && in(unicode_at(s + at, n - at, &length));
}

/* 's|'t|'re|'ve|'m|'ll|'d; in (?i), s is also U+017F, the long s. */
static size_t contraction(bool ignore_case, const char *s, size_t n)
{
    if (n < 2 || s[0] != '\'') return 0;
    const char fold = ignore_case ? 0x20 : 0;
    const char a = (char)(s[1] | (s[1] >= 'A' && s[1] <= 'Z' ? fold : 0));
    if (a == 's' || a == 't' || a == 'm' || a == 'd') return 2;
    if (n < 3) return 0;
    if (ignore_case && s[1] == '\xC5' && s[2] == '\xBF') return 3;
    const char b = (char)(s[2] | (s[2] >= 'A' && s[2] <= 'Z' ? fold : 0));
    const bool two = (a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l');
    return two ? 3 : 0;
}

/* \s*[\r\n]+ | \s+(?!\S) | \s+ at a space: white space up to its last line break if it has one and
 * the pattern keeps breaks; else all but the last character, which goes with the next word; or the
 * one that there is. */
static size_t white_space(const SplitPattern *p, const char *s, size_t at, size_t n)
{
    const size_t end = run_end(unicode_is_space, 0, s, at, n);
    if (p->keeps_breaks)
        for (size_t i = end; i > at; i--)
            if (is_break(s[i - 1])) return i - at;
    if (end == n) return end - at;
    size_t last;
    (void)unicode_before(s + at, end - at, &last);
    return end - at > last ? end - at - last : last;
}

/* The family of GPT-2's pattern. */
static size_t match_gpt(const SplitPattern *p, const char *s, size_t at, size_t n)
{
    const size_t short_form = contraction(p->ignore_case, s + at, n - at);
    if (short_form) return short_form;
    size_t length;
    const int32_t c = unicode_at(s + at, n - at, &length);
    const size_t spaced = at + (c == ' '); /* " ?" */
    if (unicode_is_letter(c)) return run_end(unicode_is_letter, 0, s, at, n) - at;
    if (p->any_prefix ? !is_break(c) && !unicode_is_number(c) : c == ' ')
        if (class_at(unicode_is_letter, s, at + length, n))
            return run_end(unicode_is_letter, 0, s, at + length, n) - at;
    const size_t digits = p->digits ? at : spaced;
    if (class_at(unicode_is_number, s, digits, n))
        return run_end(unicode_is_number, p->digits, s, digits, n) - at;
    if (class_at(is_symbol, s, spaced, n)) {
        const size_t end = run_end(is_symbol, 0, s, spaced, n);
        return (p->keeps_breaks ? run_end(is_break, 0, s, end, n) : end) - at;
    }
    return white_space(p, s, at, n);
}

static bool is_word_symbol(int32_t c)
{
    return !unicode_is_word(c) && !unicode_is_space(c);
}

static size_t match_words(const SplitPattern *p, const char *s, size_t at, size_t n)
{
    (void)p;
    if (class_at(unicode_is_word, s, at, n)) return run_end(unicode_is_word, 0, s, at, n) - at;
    return run_end(is_word_symbol, 0, s, at, n) - at;
}

static size_t match_white_space(const SplitPattern *p, const char *s, size_t at, size_t n)
{
    (void)p;
    return run_end(unicode_is_space, 0, s, at, n) - at;
}

static size_t match_spaces(const SplitPattern *p, const char *s, size_t at, size_t n)
{
    (void)p;
    size_t end = at;
    while (end < n && s[end] == ' ') end++;
    return end - at >= 2 ? end - at : 0;
}

// clang-format off
const SplitPattern split_gpt2 = {
    "GPT-2", "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+", match_gpt, 0, false, false, false};
const SplitPattern split_words = {"words", "\\w+|[^\\w\\s]+", match_words, 0, false, false, false};

/* cl100k is written in two ways that match the same: [\r\n] after a greedy \s* is the last break. */
static const SplitPattern patterns[] = {
    {"Llama 3", "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
     match_gpt, 3, true, true, true},
    {"cl100k", "'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+",
     match_gpt, 3, true, true, true},
    {"Qwen 2", "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
     match_gpt, 1, true, true, true},
    {"white space", "\\s+", match_white_space, 0, false, false, false},
    {"two spaces or more", " {2,}", match_spaces, 0, false, false, false},
};
// clang-format on

enum { N_PATTERNS = sizeof patterns / sizeof patterns[0] };

static bool is_regex(const SplitPattern *p, const char *regex, size_t n)
{
    return strlen(p->regex) == n && memcmp(p->regex, regex, n) == 0;
}

const SplitPattern *split_find(const char *regex, size_t n)
{
    if (is_regex(&split_gpt2, regex, n)) return &split_gpt2;
    if (is_regex(&split_words, regex, n)) return &split_words;
    for (int i = 0; i < N_PATTERNS; i++)
        if (is_regex(&patterns[i], regex, n)) return &patterns[i];
    return NULL;
}

const SplitPattern *split_named(const char *name)
{
    for (int i = 0; i < N_PATTERNS; i++)
        if (strcmp(patterns[i].name, name) == 0) return &patterns[i];
    return NULL;
}

void split_names(char *out, size_t capacity)
{
    size_t n = (size_t)snprintf(out, capacity, "%s, %s", split_gpt2.name, split_words.name);
    for (int i = 0; i < N_PATTERNS && n < capacity; i++)
        n += (size_t)snprintf(out + n, capacity - n, ", %s", patterns[i].name);
}
