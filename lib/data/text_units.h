/* text_units -- text as a row of tokens: bytes, characters, or pieces that are learned from it.
 *
 *   byte  the byte's value plus 1: 257 tokens with the padding
 *   char  a character of UTF-8: 1 for those that the text learned from lacks, then the text's own
 * in the order of their code points
 *   bpe   1 plus the id of a byte-level tokenizer as GPT-2's, trained on the text
 *
 * Token 0 is padding and stands for nothing in the text. Or the units are those of a tokenizer that
 * is there already, by its own ids: what a pretrained model reads. */
#ifndef SEQLAB_DATA_TEXT_UNITS_H
#define SEQLAB_DATA_TEXT_UNITS_H

#include "base/error.h"
#include "tokenizer/tokenizer.h"

/* In the order of TEXT_UNIT_CHOICES; the last is no choice, but what text_units_given makes. */
typedef enum TextUnit { UNIT_BYTE, UNIT_CHAR, UNIT_BPE, UNIT_GIVEN } TextUnit;
#define TEXT_UNIT_CHOICES "byte|char|bpe"

typedef struct TextUnits {
    TextUnit unit;
    int64_t n_tokens;        /* tokens are 0..n_tokens-1, at most 65536 */
    const uint16_t *char_id; /* UNIT_CHAR: by code point, */
    const int32_t *char_of;  /* and back */
    Tokenizer *tokenizer;    /* UNIT_BPE, UNIT_GIVEN; owned */
} TextUnits;

/* Learns `unit` from n bytes; UNIT_BPE: at most `vocabulary` tokens. Fails where there are more
 * characters than 16 bits tell apart. Free with text_units_free. */
bool text_units_learn(TextUnits *u, TextUnit unit, int64_t vocabulary, const unsigned char *text,
                      size_t n, Arena *a, Error *err) MUST_CHECK;
/* The units are the tokenizer's, which is taken over, also on failure: FAIL_CONFIG where it has
 * more tokens than 16 bits tell apart. */
bool text_units_given(TextUnits *u, Tokenizer *t, Error *err) MUST_CHECK;
void text_units_free(TextUnits *u);

/* Tokens of n bytes, at most. */
size_t text_units_most(const TextUnits *u, size_t n);
/* Writes the tokens of n bytes and how many. UNIT_CHAR: the text must be UTF-8. */
bool text_units_encode(const TextUnits *u, const unsigned char *text, size_t n, uint16_t *token,
                       int64_t *n_tokens, Error *err) MUST_CHECK;

/* How many bytes of `text` the first n_tokens of its tokens stand for. */
int64_t text_units_bytes(const TextUnits *u, const unsigned char *text, const uint16_t *token,
                         int64_t n_tokens);

/* The text of any n tokens, *n_bytes long and 0-terminated, in `a`; the tokenizer's own special
 * ones are left out, and unknown characters are U+FFFD. */
char *text_units_decode(const TextUnits *u, Arena *a, const int32_t *token, int64_t n,
                        size_t *n_bytes);

/* The code point that starts at `text` and, in *bytes, its length; -1 and a length of 1 where the n
 * bytes do not start with one in UTF-8 (RFC 3629: no surrogates, no detours, nothing above
 * U+10FFFF). */
int32_t text_code_point(const unsigned char *text, size_t n, size_t *bytes);

#endif
