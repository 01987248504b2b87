/* unicode -- characters of a text that may be anything, and what kind they are (Unicode 15, by
 * utf8proc). */
#ifndef SEQLAB_TOKENIZER_UNICODE_H
#define SEQLAB_TOKENIZER_UNICODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    UNICODE_INVALID = -1,
    UNICODE_MAX_BYTES = 4,
};

/* The character at s[0..n), n > 0, and its length. A byte that begins no valid character is
 * UNICODE_INVALID, 1 byte long. */
int32_t unicode_at(const char *s, size_t n, size_t *length);
/* The character that ends at s[n - 1], n > 0. */
int32_t unicode_before(const char *s, size_t n, size_t *length);
/* Its bytes in UTF-8; returns how many. c is a valid character. */
size_t unicode_put(char out[UNICODE_MAX_BYTES], int32_t c);
size_t unicode_count(const char *s, size_t n); /* characters */

/* An invalid byte is none of these. */
bool unicode_is_space(int32_t c);       /* White_Space, \s */
bool unicode_is_letter(int32_t c);      /* \p{L} */
bool unicode_is_number(int32_t c);      /* \p{N} */
bool unicode_is_mark(int32_t c);        /* \p{M} */
bool unicode_is_accent(int32_t c);      /* \p{Mn} */
bool unicode_is_punctuation(int32_t c); /* \p{P} and ASCII's symbols */
bool unicode_is_other(int32_t c);       /* control, format, private use, surrogates */
bool unicode_is_word(int32_t c);        /* \w */

/* The lower-case form, 1 or 2 characters; returns how many. */
int unicode_lower(int32_t c, int32_t out[2]);

#endif
