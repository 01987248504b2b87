/* fuzz/tokenizer -- a document (JSON or llama2.c's) up to the first 0xFF byte, then a text.
 * Whatever document is accepted must encode any text to ids that it has, and decode them. */
#include "tokenizer/tokenizer.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void demand(bool holds)
{
    if (!holds) abort();
}

static void check_text(const Tokenizer *t, const char *text, size_t n)
{
    Error err = {0};
    TokenEncoder *e = token_encoder_new(t);
    const char *const texts[2] = {text, text};
    const size_t lengths[2] = {n, n / 2};
    TokenIds ids;
    if (token_encode_pair(e, texts, lengths, true, &ids, &err)) {
        for (int64_t i = 0; i < ids.n; i++) demand(tokenizer_token(t, ids.ids[i], NULL) != NULL);
        Arena *a = arena_new();
        size_t length;
        const char *back = token_decode(t, a, ids.ids, ids.n, false, &length);
        demand(back[length] == 0);
        arena_free(a);
    } else {
        demand(err.kind == FAIL_DATA);
    }
    token_encoder_free(e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const uint8_t *end = n > 0 ? memchr(data, 0xFF, n) : NULL;
    const size_t n_document = end ? (size_t)(end - data) : n;
    Error err = {0};
    Tokenizer *t;
    const bool ok = tokenizer_parse(&t, data, n_document, "fuzz", &err);
    demand(ok ? err.n_items == 0 : err.kind == FAIL_DATA && !t);
    if (ok && end) check_text(t, (const char *)end + 1, n - n_document - 1);
    tokenizer_free(t);
    return 0;
}
