/* text_units -- see text_units.h. */
#include "data/text_units.h"

#include "tokenizer/tokenizer_train.h"
#include "tokenizer/unicode.h"

#include <string.h>

enum { CODE_POINTS = 0x110000, MAX_TOKENS = 65536, BYTES = 256, PADDING = 0, UNKNOWN };
static const size_t CHUNK = (size_t)1 << 26; /* bytes that a tokenizer is given at once */

int32_t text_code_point(const unsigned char *text, size_t n, size_t *bytes)
{
    /* by the first byte's high bits: how many follow, and the least that needs as many */
    static const struct {
        unsigned char mask, is;
        int32_t least;
    } form[] = {
        {0x80, 0x00, 0      },
        {0xE0, 0xC0, 0x80   },
        {0xF0, 0xE0, 0x800  },
        {0xF8, 0xF0, 0x10000}
    };
    *bytes = 1;
    if (n == 0) return -1;
    for (size_t more = 0; more < 4; more++) {
        if ((text[0] & form[more].mask) != form[more].is) continue;
        if (more >= n) return -1;
        int32_t c = text[0] & ~form[more].mask;
        for (size_t i = 1; i <= more; i++) {
            if ((text[i] & 0xC0) != 0x80) return -1;
            c = c << 6 | (text[i] & 0x3F);
        }
        if (c < form[more].least || c >= CODE_POINTS || (c >= 0xD800 && c < 0xE000)) return -1;
        *bytes = more + 1;
        return c;
    }
    return -1;
}

static bool learn_chars(TextUnits *u, const unsigned char *text, size_t n, Arena *a, Error *err)
{
    uint16_t *id = arena_new_array(a, uint16_t, CODE_POINTS);
    for (size_t i = 0, bytes = 1; i < n; i += bytes) {
        const int32_t c = text_code_point(text + i, n - i, &bytes);
        if (c >= 0) id[c] = 1;
    }
    int64_t next = UNKNOWN + 1;
    for (int32_t c = 0; c < CODE_POINTS; c++) {
        const bool seen = id[c] != 0;
        if (seen && next >= MAX_TOKENS)
            return fail(err, FAIL_DATA, NULL,
                        "the text has more than %d different characters; unit = byte takes any",
                        MAX_TOKENS - UNKNOWN - 1);
        id[c] = (uint16_t)(seen ? next++ : UNKNOWN);
    }
    int32_t *back = arena_new_array(a, int32_t, next);
    for (int32_t c = 0; c < CODE_POINTS; c++)
        if (id[c] > UNKNOWN) back[id[c]] = c;
    u->char_id = id;
    u->char_of = back;
    u->n_tokens = next;
    return true;
}

bool text_units_learn(TextUnits *u, TextUnit unit, int64_t vocabulary, const unsigned char *text,
                      size_t n, Arena *a, Error *err)
{
    *u = (TextUnits){.unit = unit, .n_tokens = 1 + BYTES};
    if (unit == UNIT_CHAR) return learn_chars(u, text, n, a, err);
    if (unit == UNIT_BYTE) return true;
    const TokenTraining how = {
        .family = TOKENS_BYTE_BPE, .n_ids = (int32_t)vocabulary - 1, .min_frequency = 2};
    TRY(tokenizer_train(&u->tokenizer, &how, (const char *)text, n, err));
    u->n_tokens = 1 + tokenizer_n_ids(u->tokenizer);
    return true;
}

bool text_units_given(TextUnits *u, Tokenizer *t, Error *err)
{
    *u = (TextUnits){.unit = UNIT_GIVEN, .n_tokens = tokenizer_n_ids(t), .tokenizer = t};
    if (u->n_tokens <= MAX_TOKENS) return true;
    const int64_t n = u->n_tokens;
    text_units_free(u);
    return fail(err, FAIL_CONFIG, NULL, "a tokenizer of %lld tokens; %d are the most here",
                (long long)n, MAX_TOKENS);
}

void text_units_free(TextUnits *u)
{
    tokenizer_free(u->tokenizer);
    u->tokenizer = NULL;
}

/* How much of n bytes makes a chunk: up to the start of a line, where no word of GPT-2's pattern
 * goes across. */
static size_t chunk_of(const unsigned char *text, size_t n)
{
    size_t end = CHUNK;
    if (n <= CHUNK) return n;
    while (end < n && !(text[end - 1] == '\n' && text[end] > ' ')) end++;
    return end;
}

size_t text_units_most(const TextUnits *u, size_t n)
{
    enum { TIMES = 4, START = 64 }; /* a normalizer may write more than it reads */
    return u->unit == UNIT_GIVEN ? TIMES * n + START : n;
}

static bool encode_pieces(const TextUnits *u, const unsigned char *text, size_t n, uint16_t *token,
                          int64_t *n_tokens, Error *err)
{
    TokenEncoder *encoder = token_encoder_new(u->tokenizer);
    TokenIds part;
    bool ok = true;
    const int32_t first = u->unit == UNIT_BPE ? 1 : 0;
    *n_tokens = 0;
    for (size_t at = 0, bytes; ok && at < n; at += bytes) {
        bytes = chunk_of(text + at, n - at);
        const bool special = u->unit == UNIT_GIVEN && at == 0;
        ok = token_encode(encoder, (const char *)text + at, bytes, special, &part, err);
        if (ok && (size_t)(*n_tokens + part.n) > text_units_most(u, n))
            ok = fail(err, FAIL_DATA, NULL, "the tokenizer makes more than 4 tokens of a byte");
        for (int64_t i = 0; ok && i < part.n; i++)
            token[(*n_tokens)++] = (uint16_t)(first + part.ids[i]);
    }
    token_encoder_free(encoder);
    return ok;
}

bool text_units_encode(const TextUnits *u, const unsigned char *text, size_t n, uint16_t *token,
                       int64_t *n_tokens, Error *err)
{
    if (u->tokenizer) return encode_pieces(u, text, n, token, n_tokens, err);
    *n_tokens = 0;
    for (size_t i = 0, bytes = 1; i < n; i += bytes) {
        if (u->unit == UNIT_BYTE) {
            token[(*n_tokens)++] = (uint16_t)(text[i] + 1);
        } else {
            const int32_t c = text_code_point(text + i, n - i, &bytes);
            token[(*n_tokens)++] = c < 0 ? (uint16_t)UNKNOWN : u->char_id[c];
        }
    }
    return true;
}

/* Its own text has a character for every byte that it stands for. */
static int64_t bytes_of_piece(const TextUnits *u, uint16_t token)
{
    size_t n = 0;
    int64_t sum = 0;
    const char *text = tokenizer_token(u->tokenizer, token - 1, &n);
    for (size_t i = 0; text && i < n; i++) sum += ((unsigned char)text[i] & 0xC0) != 0x80;
    return sum;
}

/* What its tokens are when they are text again. */
static int64_t bytes_of_given(const TextUnits *u, const uint16_t *token, int64_t n_tokens)
{
    enum { AT_ONCE = 4096 };
    int32_t ids[AT_ONCE];
    int64_t sum = 0;
    for (int64_t at = 0; at < n_tokens; at += AT_ONCE) {
        const int64_t n = n_tokens - at < AT_ONCE ? n_tokens - at : AT_ONCE;
        Arena *a = arena_new();
        size_t bytes;
        for (int64_t i = 0; i < n; i++) ids[i] = token[at + i];
        (void)token_decode(u->tokenizer, a, ids, n, true, &bytes);
        sum += (int64_t)bytes;
        arena_free(a);
    }
    return sum;
}

int64_t text_units_bytes(const TextUnits *u, const unsigned char *text, const uint16_t *token,
                         int64_t n_tokens)
{
    enum { LONGEST = 4 };
    int64_t sum = 0;
    size_t at = 0, bytes;
    switch (u->unit) {
    case UNIT_BYTE:
        return n_tokens;
    case UNIT_CHAR:
        for (int64_t i = 0; i < n_tokens; i++, at += bytes)
            (void)text_code_point(text + at, LONGEST, &bytes);
        return (int64_t)at;
    case UNIT_BPE:
        for (int64_t i = 0; i < n_tokens; i++) sum += bytes_of_piece(u, token[i]);
        return sum;
    case UNIT_GIVEN:
        return bytes_of_given(u, token, n_tokens);
    }
    return 0;
}

/* -- Back to text */

/* What one token stands for, but for tokenizers: at most 4 bytes. */
static size_t spell(const TextUnits *u, int32_t token, char out[UNICODE_MAX_BYTES])
{
    static const char replacement[] = "\xEF\xBF\xBD";
    if (token <= PADDING || token >= u->n_tokens) return 0;
    if (u->unit == UNIT_BYTE) {
        out[0] = (char)(token - 1);
        return 1;
    }
    if (token > UNKNOWN) return unicode_put(out, u->char_of[token]);
    memcpy(out, replacement, sizeof replacement - 1);
    return sizeof replacement - 1;
}

char *text_units_decode(const TextUnits *u, Arena *a, const int32_t *token, int64_t n,
                        size_t *n_bytes)
{
    if (u->unit == UNIT_GIVEN) return token_decode(u->tokenizer, a, token, n, true, n_bytes);
    if (u->unit == UNIT_BPE) {
        int32_t *ids = arena_new_array(a, int32_t, n + 1);
        for (int64_t i = 0; i < n; i++) ids[i] = token[i] - 1;
        return token_decode(u->tokenizer, a, ids, n, true, n_bytes);
    }
    char *text = arena_new_array(a, char, UNICODE_MAX_BYTES *n + 1);
    *n_bytes = 0;
    for (int64_t i = 0; i < n; i++) *n_bytes += spell(u, token[i], text + *n_bytes);
    return text;
}
