/* text_encoder -- texts as ids: of a tokenizer, or of their bytes.
 *
 *   bytes      0 padding, 1-256 the byte and one, 257 the end
 *   tokenizer  the ids that a pretrained model knows, as Hugging Face's library gives them
 * The end is a token of its own only where it is asked for. */
#ifndef SEQLAB_DATA_TEXT_ENCODER_H
#define SEQLAB_DATA_TEXT_ENCODER_H

#include "data/text_rows.h"
#include "tokenizer/tokenizer.h"

typedef struct TextEncoder {
    Tokenizer *tokenizer; /* NULL: bytes */
    TokenEncoder *encoder;
    int32_t *bytes; /* ids of a text's bytes */
    int64_t room;
    int64_t n_tokens;      /* ids are below */
    int32_t pad, end;      /* end: -1 where there is none */
    char sha256[HASH_HEX]; /* of the tokenizer's file; "" */
} TextEncoder;

/* `path`: a tokenizer.json, a folder with one, or NULL: bytes. eos: there is an end, of a tokenizer
 * the token called `eos_token` (NULL: whichever usual one it has). FAIL_CONFIG, FAIL_DATA. Close
 * with text_encoder_close also after a failure. */
bool text_encoder_open(TextEncoder *e, const char *path, bool eos, const char *eos_token, Arena *a,
                       Error *err) MUST_CHECK;
void text_encoder_close(TextEncoder *e);

/* The ids of a text until the next call; `special`: with what the tokenizer adds to a text. */
bool text_encoder_ids(TextEncoder *e, TextSpan text, bool special, TokenIds *out,
                      Error *err) MUST_CHECK;
/* Of one text, or of two as one sequence, with what the tokenizer adds, in at most `length`: what
 * is too long loses tokens at the end, always the longer text (the library's longest_first). Until
 * the next call. FAIL_DATA where `length` has no room for what is added. */
bool text_encoder_fit(TextEncoder *e, const TextSpan text[], int n_texts, int64_t length,
                      TokenIds *out, Error *err) MUST_CHECK;

/* Ids of many texts, one after the other. */
typedef struct TokenPool {
    int32_t *at;
    int64_t n, room;
} TokenPool;
bool token_pool_add(TokenPool *p, const int32_t *ids, int64_t n, Error *err) MUST_CHECK;
/* Hands the memory over to d, or gives it back. */
void token_pool_own(TokenPool *p, Dataset *d);
void token_pool_free(TokenPool *p);

#endif
