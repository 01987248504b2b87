/* normalizers -- the stages that change a text before it is cut. Invalid bytes pass unchanged. */
#include "tokenizer/tokenizer_parts.h"
#include "tokenizer/unicode.h"

#include <stdlib.h>
#include <utf8proc.h>

void normalize_text(const Tokenizer *t, Word in, Bytes *out, Bytes *scratch)
{
    out->n = 0;
    bytes_add(out, in.at, in.n);
    for (size_t i = 0; i < t->normalizers.n; i++) {
        const Step *s = &t->normalizers.step[i];
        scratch->n = 0;
        bytes_add(scratch, out->at, out->n);
        out->n = 0;
        s->kind->normalize(s, (Word){scratch->at, scratch->n}, out);
    }
}

static bool is_ascii(Word w)
{
    for (size_t i = 0; i < w.n; i++)
        if ((unsigned char)w.at[i] >= 128) return false;
    return true;
}

/* Valid stretches go to utf8proc, which takes no others. */
static void normal_form(Word in, utf8proc_option_t options, Bytes *out)
{
    if (is_ascii(in)) {
        bytes_add(out, in.at, in.n);
        return;
    }
    size_t begin = 0;
    for (size_t at = 0, n = 0; at <= in.n; at += n) {
        const bool ends = at == in.n;
        const bool invalid = !ends && unicode_at(in.at + at, in.n - at, &n) == UNICODE_INVALID;
        if (ends) n = 1;
        if (!ends && !invalid) continue;
        utf8proc_uint8_t *made = NULL;
        const utf8proc_ssize_t length =
            at > begin ? utf8proc_map((const utf8proc_uint8_t *)in.at + begin,
                                      (utf8proc_ssize_t)(at - begin), &made, options)
                       : 0;
        if (length > 0) bytes_add(out, (const char *)made, (size_t)length);
        free(made);
        if (invalid) bytes_add(out, in.at + at, 1);
        begin = at + n;
    }
}

static void nfc(const Step *s, Word in, Bytes *out)
{
    (void)s;
    normal_form(in, UTF8PROC_STABLE | UTF8PROC_COMPOSE, out);
}

static void nfd(const Step *s, Word in, Bytes *out)
{
    (void)s;
    normal_form(in, UTF8PROC_STABLE | UTF8PROC_DECOMPOSE, out);
}

static void nfkc(const Step *s, Word in, Bytes *out)
{
    (void)s;
    normal_form(in, UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT, out);
}

static void nfkd(const Step *s, Word in, Bytes *out)
{
    (void)s;
    normal_form(in, UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT, out);
}

/* Copies what `keep` keeps. */
static void filter(Word in, bool (*keep)(int32_t), Bytes *out)
{
    for (size_t at = 0, n; at < in.n; at += n)
        if (keep(unicode_at(in.at + at, in.n - at, &n))) bytes_add(out, in.at + at, n);
}

static bool is_no_mark(int32_t c)
{
    return !unicode_is_mark(c);
}

static bool is_no_accent(int32_t c)
{
    return !unicode_is_accent(c);
}

static void strip_accents(const Step *s, Word in, Bytes *out)
{
    (void)s;
    filter(in, is_no_mark, out);
}

static void lowercase(const Step *s, Word in, Bytes *out)
{
    (void)s;
    for (size_t at = 0, n; at < in.n; at += n) {
        int32_t lower[2];
        const int32_t c = unicode_at(in.at + at, in.n - at, &n);
        const int count = unicode_lower(c, lower);
        if (count == 1 && lower[0] == c) {
            bytes_add(out, in.at + at, n);
            continue;
        }
        for (int i = 0; i < count; i++) bytes_add_character(out, lower[i]);
    }
}

static bool load_replace(Step *s, const json_t *json, Loader *l, Error *err)
{
    TRY(load_pattern(s, json, "pattern", l, err));
    TRY(load_text(json, "content", "", &s->content, l, err));
    if (s->content.n > s->text.n)
        s->growth = (double)s->content.n / (double)(s->text.n > 0 ? s->text.n : 1);
    return true;
}

static void replace(const Step *s, Word in, Bytes *out)
{
    for (size_t at = 0; at < in.n;) {
        size_t n = s->pattern ? s->pattern->match(s->pattern, in.at, at, in.n)
                   : s->text.n > 0 && in.n - at >= s->text.n &&
                           memcmp(in.at + at, s->text.at, s->text.n) == 0
                       ? s->text.n
                       : 0;
        if (n > 0) {
            bytes_add(out, s->content.at, s->content.n);
        } else {
            (void)unicode_at(in.at + at, in.n - at, &n);
            bytes_add(out, in.at + at, n);
        }
        at += n;
    }
}

static bool load_prepend(Step *s, const json_t *json, Loader *l, Error *err)
{
    return load_text(json, "prepend", "", &s->text, l, err);
}

static void prepend(const Step *s, Word in, Bytes *out)
{
    if (in.n > 0) bytes_add(out, s->text.at, s->text.n);
    bytes_add(out, in.at, in.n);
}

static bool load_strip(Step *s, const json_t *json, Loader *l, Error *err)
{
    TRY(load_flag(json, "strip_left", true, &s->left, l, err));
    return load_flag(json, "strip_right", true, &s->right, l, err);
}

static void strip(const Step *s, Word in, Bytes *out)
{
    size_t n;
    while (s->left && in.n > 0 && unicode_is_space(unicode_at(in.at, in.n, &n)))
        in = (Word){in.at + n, in.n - n};
    while (s->right && in.n > 0 && unicode_is_space(unicode_before(in.at, in.n, &n))) in.n -= n;
    bytes_add(out, in.at, in.n);
}

static bool load_bert(Step *s, const json_t *json, Loader *l, Error *err)
{
    TRY(load_flag(json, "clean_text", true, &s->clean, l, err));
    TRY(load_flag(json, "handle_chinese_chars", true, &s->chinese, l, err));
    TRY(load_flag(json, "lowercase", true, &s->lower, l, err));
    return load_flag(json, "strip_accents", s->lower, &s->accents, l, err);
}

/* The blocks of CJK ideographs that BERT's own code names. */
static bool is_ideograph(int32_t c)
{
    return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) ||
           (c >= 0x20000 && c <= 0x2A6DF) || (c >= 0x2A700 && c <= 0x2B73F) ||
           (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) ||
           (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

static void bert_clean(const Step *s, Word in, Bytes *out)
{
    for (size_t at = 0, n; at < in.n; at += n) {
        const int32_t c = unicode_at(in.at + at, in.n - at, &n);
        const bool space = unicode_is_space(c), plain = c == '\t' || c == '\n' || c == '\r';
        if (s->clean && (c == 0 || c == 0xFFFD || (unicode_is_other(c) && !plain))) continue;
        const bool alone = s->chinese && is_ideograph(c);
        if (alone) bytes_add(out, " ", 1);
        if (s->clean && space)
            bytes_add(out, " ", 1);
        else
            bytes_add(out, in.at + at, n);
        if (alone) bytes_add(out, " ", 1);
    }
}

static void bert(const Step *s, Word in, Bytes *out)
{
    Arena *a = arena_new();
    Bytes clean = {.arena = a}, flat = clean, bare = clean;
    bert_clean(s, in, &clean);
    Word text = {clean.at, clean.n};
    if (s->accents && !is_ascii(text)) {
        nfd(s, text, &flat);
        filter((Word){flat.at, flat.n}, is_no_accent, &bare);
        text = (Word){bare.at, bare.n};
    }
    if (s->lower)
        lowercase(s, text, out);
    else
        bytes_add(out, text.at, text.n);
    arena_free(a);
}

static bool is_kept_by_nmt(int32_t c)
{
    return !((c >= 1 && c <= 8) || c == 0xB || (c >= 0xE && c <= 0x1F) || c == 0x7F || c == 0x8F ||
             c == 0x9F);
}

/* SentencePiece's rules for neural machine translation: controls go, odd spaces become plain. */
static void nmt(const Step *s, Word in, Bytes *out)
{
    (void)s;
    for (size_t at = 0, n; at < in.n; at += n) {
        const int32_t c = unicode_at(in.at + at, in.n - at, &n);
        if (!is_kept_by_nmt(c)) continue;
        const bool space = c == 9 || c == 10 || c == 12 || c == 13 || c == 0x1680 ||
                           (c >= 0x200B && c <= 0x200F) || c == 0x2028 || c == 0x2029 ||
                           c == 0x2581 || c == 0xFEFF || c == 0xFFFD;
        if (space)
            bytes_add(out, " ", 1);
        else
            bytes_add(out, in.at + at, n);
    }
}

static void precompiled(const Step *s, Word in, Bytes *out)
{
    charsmap_normalize(s->charsmap, in, out);
}

static bool load_byte_level(Step *s, const json_t *json, Loader *l, Error *err)
{
    (void)json, (void)l, (void)err;
    s->growth = 2;
    return true;
}

static void byte_level(const Step *s, Word in, Bytes *out)
{
    (void)s;
    for (size_t i = 0; i < in.n; i++)
        bytes_add_character(out, byte_character((unsigned char)in.at[i]));
}

// clang-format off
const StepKind normalizer_kinds[] = {
    {.type = "NFC", .normalize = nfc},
    {.type = "NFD", .normalize = nfd},
    {.type = "NFKC", .normalize = nfkc},
    {.type = "NFKD", .normalize = nfkd},
    {.type = "Lowercase", .normalize = lowercase},
    {.type = "StripAccents", .normalize = strip_accents},
    {.type = "Replace", .load = load_replace, .normalize = replace},
    {.type = "Prepend", .load = load_prepend, .normalize = prepend},
    {.type = "Strip", .load = load_strip, .normalize = strip},
    {.type = "BertNormalizer", .load = load_bert, .normalize = bert},
    {.type = "Nmt", .normalize = nmt},
    {.type = "Precompiled", .load = load_charsmap, .normalize = precompiled},
    {.type = "ByteLevel", .load = load_byte_level, .normalize = byte_level},
    {.type = NULL},
};
// clang-format on
