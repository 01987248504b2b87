/* charsmap -- SentencePiece's precompiled normaliser: a double-array trie (Yata's darts-clone) from
 * strings to places in a list of 0-terminated replacements.
 *
 *   base64 of: uint32 bytes of the trie | trie, uint32 units | replacements
 *
 * A unit: bit 31 marks a value (bits 0-30); else bits 0-7 label, bit 8 "has a value below", bits
 * 10-30 offset, times 256 when bit 9 is set. Applied as Hugging Face does: to a grapheme cluster
 * when it is shorter than 6 bytes and a prefix of it is in the trie, else to its characters. */
#include "tokenizer/tokenizer_parts.h"
#include "tokenizer/unicode.h"

#include <nettle/base64.h>
#include <utf8proc.h>

enum { CLUSTER_BYTES = 6 };

typedef struct Charsmap {
    uint32_t *unit;
    size_t n_units;
    const char *text;
    size_t n_text;
} Charsmap;

bool load_charsmap(Step *s, const json_t *json, Loader *l, Error *err)
{
    Word code;
    TRY(load_text(json, "precompiled_charsmap", "", &code, l, err));
    Charsmap *c = arena_new_array(l->t->arena, Charsmap, 1);
    s->charsmap = c;
    if (code.n == 0) return true;
    uint8_t *data = arena_alloc(l->t->arena, BASE64_DECODE_LENGTH(code.n) + 1);
    struct base64_decode_ctx decoder;
    base64_decode_init(&decoder);
    size_t n = BASE64_DECODE_LENGTH(code.n);
    if (!base64_decode_update(&decoder, &n, data, code.n, code.at) ||
        !base64_decode_final(&decoder))
        return LOAD_FAIL(l, err, "Precompiled: precompiled_charsmap is not base64");
    uint32_t bytes = 0;
    if (n >= 4) memcpy(&bytes, data, 4);
    if (n < 4 || bytes > n - 4 || bytes % 4 != 0)
        return LOAD_FAIL(l, err, "Precompiled: a trie of %u bytes does not fit in %zu", bytes, n);
    c->n_units = bytes / 4;
    c->unit = arena_new_array(l->t->arena, uint32_t, c->n_units);
    memcpy(c->unit, data + 4, bytes);
    c->text = (const char *)data + 4 + bytes; /* the arena's memory ends in a 0 byte */
    c->n_text = n - 4 - bytes;
    for (size_t i = 0, length; i < c->n_text; i += length + 1) {
        length = strlen(c->text + i);
        if ((double)length > s->growth) s->growth = (double)length;
    }
    return true;
}

/* The replacement of the shortest prefix that has one, or NULL. */
static const char *find(const Charsmap *c, const char *s, size_t n)
{
    size_t at = 0;
    if (c->n_units == 0) return NULL;
    for (size_t i = 0;; i++) {
        const uint32_t unit = c->unit[at];
        at ^= (size_t)(unit >> 10) << ((unit & 512) >> 6);
        if (i > 0 && (unit & 256)) {
            const uint32_t value = at < c->n_units ? c->unit[at] & 0x7FFFFFFF : UINT32_MAX;
            return value < c->n_text ? c->text + value : NULL;
        }
        if (i == n || s[i] == 0) return NULL;
        at ^= (unsigned char)s[i];
        if (at >= c->n_units || (c->unit[at] & 0x800000FF) != (unsigned char)s[i]) return NULL;
    }
}

static void normalize_cluster(const Charsmap *c, const char *s, size_t n, Bytes *out)
{
    const char *with = n < CLUSTER_BYTES ? find(c, s, n) : NULL;
    if (with) {
        bytes_add(out, with, strlen(with));
        return;
    }
    for (size_t at = 0, length; at < n; at += length) {
        (void)unicode_at(s + at, n - at, &length);
        with = find(c, s + at, length);
        bytes_add(out, with ? with : s + at, with ? strlen(with) : length);
    }
}

void charsmap_normalize(const Charsmap *c, Word in, Bytes *out)
{
    size_t begin = 0;
    utf8proc_int32_t state = 0;
    int32_t last = UNICODE_INVALID;
    for (size_t at = 0, n; at < in.n; at += n) {
        const int32_t now = unicode_at(in.at + at, in.n - at, &n);
        const bool joins = last != UNICODE_INVALID && now != UNICODE_INVALID &&
                           !utf8proc_grapheme_break_stateful(last, now, &state);
        if (!joins && at > 0) {
            normalize_cluster(c, in.at + begin, at - begin, out);
            begin = at;
            state = 0;
        }
        last = now;
    }
    if (in.n > begin) normalize_cluster(c, in.at + begin, in.n - begin, out);
}
