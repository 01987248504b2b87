/* text_tokens -- a text as the numbers of its bytes or characters.
 *
 *   byte  0 padding, 1-256 the byte and one, 257 the end
 *   char  0 padding, 1 unknown, 2 the end, then the characters in the order of their code
 *         points
 * Without `eos` there is no number for the end. A text that is too long is cut, with its end, if it
 * has one, in the last place. */
#ifndef SEQLAB_DATA_TEXT_TOKENS_H
#define SEQLAB_DATA_TEXT_TOKENS_H

#include "data/text_rows.h"

typedef struct TextTokens {
    int64_t n_tokens;
    int32_t end;        /* 0: none */
    const int32_t *ids; /* of every code point; NULL: bytes */
} TextTokens;

void text_tokens_of_bytes(TextTokens *t, bool eos);
/* Characters that the rows have at least min_count times. */
bool text_tokens_of_characters(TextTokens *t, Dataset *d, const TextRows *rows, int64_t min_count,
                               bool eos, Error *err) MUST_CHECK;

/* Fills `length` of them. */
void text_tokens_write(const TextTokens *t, TextSpan text, int64_t length, int32_t *out);

#endif
