/* tokenizer -- text to token ids and back, as Hugging Face's `tokenizers` does it.
 *
 * The one description of a tokenizer is the document that Hugging Face calls tokenizer.json: what
 * is read from llama2.c's tok*.bin or trained here is first put into that form (tokenizer_train.h),
 * so that there is one way to build and one way to save. The stages, each optional:
 *
 *   added tokens -> normalizer -> pre-tokenizer -> model (words to ids) -> post-processor
 *
 * Models: BPE (byte-level, SentencePiece-like with byte fallback), Unigram, WordPiece, WordLevel. A
 * stage that is not known, and a regular expression that is not one of the known ones (splits.h),
 * is an error that names it: nothing is approximated in silence.
 *
 * A Tokenizer does not change once it is built and may be shared by threads; a TokenEncoder holds
 * the scratch memory and the cache of words of one thread. Text is bytes: what is not valid UTF-8
 * goes through a byte-level model unharmed. */
#ifndef SEQLAB_TOKENIZER_TOKENIZER_H
#define SEQLAB_TOKENIZER_TOKENIZER_H

#include "base/arena.h"
#include "base/error.h"

#include <jansson.h>
#include <stdint.h>

typedef struct Tokenizer Tokenizer;
typedef struct TokenEncoder TokenEncoder;

/* Reads tokenizer.json, or llama2.c's tok*.bin (told apart by the first byte, which is `{` after
 * white space in JSON). Fails with FAIL_DATA. Free with tokenizer_free. */
bool tokenizer_open(Tokenizer **out, const char *path, Error *err) MUST_CHECK;
/* The same from memory; `name` stands for the path in messages. */
bool tokenizer_parse(Tokenizer **out, const void *data, size_t n, const char *name,
                     Error *err) MUST_CHECK;
/* From a document in the form of tokenizer.json; takes its own reference. The document must not
 * change afterwards. */
bool tokenizer_build(Tokenizer **out, json_t *document, const char *name, Error *err) MUST_CHECK;
void tokenizer_free(Tokenizer *t); /* NULL is allowed */

/* Writes tokenizer.json, atomically. Fails with FAIL_RUN. */
bool tokenizer_save(const Tokenizer *t, const char *path, Error *err) MUST_CHECK;
/* The document itself; of the Tokenizer. */
const json_t *tokenizer_document(const Tokenizer *t);

/* Ids are below this; not every one of them needs to be in use. */
int32_t tokenizer_n_ids(const Tokenizer *t);
/* The token's own text as the vocabulary has it ("Ġthe", "▁the"), 0-terminated, *n bytes long (n
 * may be NULL); NULL when no token has this id. */
const char *tokenizer_token(const Tokenizer *t, int32_t id, size_t *n);
/* The id of a token's own text, or -1. */
int32_t tokenizer_id(const Tokenizer *t, const char *token, size_t n);
bool tokenizer_is_special(const Tokenizer *t, int32_t id);
/* A sentence when something of the document is known to act otherwise here than in Hugging Face's
 * library, else NULL. */
const char *tokenizer_warning(const Tokenizer *t);

/* The encoder's results stay until its next call. The tokenizer must outlive it. */
TokenEncoder *token_encoder_new(const Tokenizer *t);
void token_encoder_free(TokenEncoder *e); /* NULL is allowed */

typedef struct TokenIds {
    const int32_t *ids;
    const uint8_t *types; /* 0, or 1 for what belongs to the second text of a pair */
    int64_t n;
} TokenIds;

/* `add_special` lets the post-processor add its tokens ([CLS], <s>, ...). Fails with FAIL_DATA when
 * the model has no token for a character and none for unknown ones, or n is above 1 GiB. */
bool token_encode(TokenEncoder *e, const char *text, size_t n, bool add_special, TokenIds *out,
                  Error *err) MUST_CHECK;
bool token_encode_pair(TokenEncoder *e, const char *const text[2], const size_t n[2],
                       bool add_special, TokenIds *out, Error *err) MUST_CHECK;

/* The text of ids, 0-terminated, *n_bytes long, in `arena`. Ids that are not in use are left out.
 * Bytes are as the tokens say, also where they are not valid UTF-8. */
char *token_decode(const Tokenizer *t, Arena *arena, const int32_t *ids, int64_t n,
                   bool skip_special, size_t *n_bytes);

#endif
