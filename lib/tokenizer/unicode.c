/* unicode -- see unicode.h. ASCII is answered by a table, the rest by utf8proc. */
#include "tokenizer/unicode.h"

#include <utf8proc.h>

enum {
    SPACE = 1,
    LETTER = 2,
    NUMBER = 4,
    PUNCTUATION = 8,
    OTHER = 16,
    ASCII = 128,
};

static int ascii_class(int32_t c)
{
    if (c == ' ') return SPACE;
    if (c >= '\t' && c <= '\r') return SPACE | OTHER;
    if (c < ' ' || c == 127) return OTHER;
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) return LETTER;
    return c >= '0' && c <= '9' ? NUMBER : PUNCTUATION;
}

int32_t unicode_at(const char *s, size_t n, size_t *length)
{
    const unsigned char first = (unsigned char)s[0];
    *length = 1;
    if (first < ASCII) return first;
    utf8proc_int32_t c;
    const utf8proc_ssize_t took = utf8proc_iterate(
        (const utf8proc_uint8_t *)s, n < UNICODE_MAX_BYTES ? (utf8proc_ssize_t)n : 4, &c);
    if (took <= 0) return UNICODE_INVALID;
    *length = (size_t)took;
    return c;
}

int32_t unicode_before(const char *s, size_t n, size_t *length)
{
    for (size_t back = 1; back <= n && back <= UNICODE_MAX_BYTES; back++) {
        const int32_t c = unicode_at(s + n - back, back, length);
        if (c != UNICODE_INVALID && *length == back) return c;
    }
    *length = 1;
    return UNICODE_INVALID;
}

size_t unicode_put(char out[UNICODE_MAX_BYTES], int32_t c)
{
    return (size_t)utf8proc_encode_char(c, (utf8proc_uint8_t *)out);
}

size_t unicode_count(const char *s, size_t n)
{
    size_t count = 0;
    for (size_t i = 0, length; i < n; i += length, count++) (void)unicode_at(s + i, n - i, &length);
    return count;
}

/* Whether c's general category is from `first` to `last` in utf8proc's order, which keeps those of
 * one letter together. */
static bool in_categories(int32_t c, utf8proc_category_t first, utf8proc_category_t last)
{
    if (c < 0) return false;
    const utf8proc_category_t category = utf8proc_category(c);
    return category >= first && category <= last;
}

bool unicode_is_space(int32_t c)
{
    if (c < ASCII) return c >= 0 && (ascii_class(c) & SPACE);
    return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 ||
           c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

bool unicode_is_letter(int32_t c)
{
    if (c < ASCII) return c >= 0 && ascii_class(c) == LETTER;
    return in_categories(c, UTF8PROC_CATEGORY_LU, UTF8PROC_CATEGORY_LO);
}

bool unicode_is_number(int32_t c)
{
    if (c < ASCII) return c >= 0 && ascii_class(c) == NUMBER;
    return in_categories(c, UTF8PROC_CATEGORY_ND, UTF8PROC_CATEGORY_NO);
}

bool unicode_is_mark(int32_t c)
{
    return in_categories(c, UTF8PROC_CATEGORY_MN, UTF8PROC_CATEGORY_ME);
}

bool unicode_is_accent(int32_t c)
{
    return in_categories(c, UTF8PROC_CATEGORY_MN, UTF8PROC_CATEGORY_MN);
}

bool unicode_is_punctuation(int32_t c)
{
    if (c < ASCII) return c >= 0 && ascii_class(c) == PUNCTUATION;
    return in_categories(c, UTF8PROC_CATEGORY_PC, UTF8PROC_CATEGORY_PO);
}

bool unicode_is_other(int32_t c)
{
    return in_categories(c, UTF8PROC_CATEGORY_CC, UTF8PROC_CATEGORY_CO);
}

/* UTS 18's \w: Alphabetic, marks, decimal digits, connectors, joiners. Alphabetic beyond letters,
 * letter numbers and marks is Other_Alphabetic's circled and squared letters. */
bool unicode_is_word(int32_t c)
{
    if (c < ASCII) return c == '_' || (c >= 0 && (ascii_class(c) & (LETTER | NUMBER)));
    return unicode_is_letter(c) || unicode_is_mark(c) ||
           in_categories(c, UTF8PROC_CATEGORY_ND, UTF8PROC_CATEGORY_NL) ||
           in_categories(c, UTF8PROC_CATEGORY_PC, UTF8PROC_CATEGORY_PC) || c == 0x200C ||
           c == 0x200D || (c >= 0x24B6 && c <= 0x24E9) || (c >= 0x1F130 && c <= 0x1F149) ||
           (c >= 0x1F150 && c <= 0x1F169) || (c >= 0x1F170 && c <= 0x1F189);
}

int unicode_lower(int32_t c, int32_t out[2])
{
    out[0] = c;
    if (c < 0) return 1;
    if (c < ASCII) {
        if (c >= 'A' && c <= 'Z') out[0] = c + ('a' - 'A');
        return 1;
    }
    if (c == 0x130) { /* the only one whose full mapping has two: i and a dot above */
        out[0] = 'i';
        out[1] = 0x307;
        return 2;
    }
    out[0] = utf8proc_tolower(c);
    return 1;
}
