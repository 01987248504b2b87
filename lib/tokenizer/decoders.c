/* decoders -- from the texts of tokens back to a text. Each changes the list of texts as Hugging
 * Face's decoder of that name does, with one difference: bytes that are not valid UTF-8 stay as
 * they are instead of becoming U+FFFD, so that what was encoded comes back whole. */
#include "tokenizer/tokenizer_parts.h"
#include "tokenizer/unicode.h"

static Word as_word(const Bytes *b)
{
    return (Word){b->at ? b->at : "", b->n};
}

static bool starts_with(Word w, Word what)
{
    return what.n > 0 && w.n >= what.n && memcmp(w.at, what.at, what.n) == 0;
}

static Word replace_all(Arena *arena, Word w, Word what, Word with)
{
    Bytes b = {.arena = arena};
    for (size_t i = 0; i < w.n;) {
        const bool found = starts_with((Word){w.at + i, w.n - i}, what);
        if (found)
            bytes_add(&b, with.at, with.n);
        else
            bytes_add(&b, w.at + i, 1);
        i += found ? what.n : 1;
    }
    return as_word(&b);
}

static void fuse(Arena *arena, Word *token, size_t *n)
{
    Bytes b = {.arena = arena};
    for (size_t i = 0; i < *n; i++) bytes_add(&b, token[i].at, token[i].n);
    if (*n > 0) token[0] = as_word(&b);
    *n = *n > 0;
}

static void decode_fuse(const Step *s, Arena *arena, Word *token, size_t *n)
{
    (void)s;
    fuse(arena, token, n);
}

/* A token with a character outside of the alphabet is taken as it is. */
static void decode_byte_level(const Step *s, Arena *arena, Word *token, size_t *n)
{
    (void)s;
    Bytes b = {.arena = arena};
    for (size_t i = 0; i < *n; i++) {
        const size_t begin = b.n;
        for (size_t k = 0, length; k < token[i].n; k += length) {
            const int byte =
                byte_of_character(unicode_at(token[i].at + k, token[i].n - k, &length));
            if (byte < 0) {
                b.n = begin;
                bytes_add(&b, token[i].at, token[i].n);
                break;
            }
            bytes_add(&b, &(char){(char)byte}, 1);
        }
    }
    if (*n > 0) token[0] = as_word(&b);
    *n = *n > 0;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void decode_byte_fallback(const Step *s, Arena *arena, Word *token, size_t *n)
{
    (void)s;
    for (size_t i = 0; i < *n; i++) {
        const char *t = token[i].at;
        if (token[i].n != 6 || memcmp(t, "<0x", 3) != 0 || t[5] != '>') continue;
        const int high = hex_digit(t[3]), low = hex_digit(t[4]);
        if (high >= 0 && low >= 0)
            token[i] = (Word){arena_string_n(arena, &(char){(char)(16 * high + low)}, 1), 1};
    }
}

static bool load_replace(Step *s, const json_t *json, Loader *l, Error *err)
{
    TRY(load_pattern(s, json, "pattern", l, err));
    if (s->pattern)
        return LOAD_FAIL(l, err, "decoder Replace: a regular expression is not known here");
    TRY(load_text(json, "content", "", &s->content, l, err));
    if (s->content.n > s->text.n)
        s->growth = (double)s->content.n / (double)(s->text.n > 0 ? s->text.n : 1);
    return true;
}

static void decode_replace(const Step *s, Arena *arena, Word *token, size_t *n)
{
    for (size_t i = 0; i < *n; i++) token[i] = replace_all(arena, token[i], s->text, s->content);
}

static bool load_strip(Step *s, const json_t *json, Loader *l, Error *err)
{
    TRY(load_text(json, "content", " ", &s->text, l, err));
    TRY(load_count(json, "start", 0, &s->start, l, err));
    return load_count(json, "stop", 0, &s->stop, l, err);
}

static void decode_strip(const Step *s, Arena *arena, Word *token, size_t *n)
{
    (void)arena;
    const size_t size = s->text.n;
    for (size_t i = 0; i < *n; i++) {
        Word *w = &token[i];
        for (int64_t k = 0; k < s->start && starts_with(*w, s->text); k++)
            *w = (Word){w->at + size, w->n - size};
        for (int64_t k = 0; k < s->stop && size > 0 && w->n >= size; k++) {
            if (memcmp(w->at + w->n - size, s->text.at, size) != 0) break;
            w->n -= size;
        }
    }
}

static bool load_metaspace(Step *s, const json_t *json, Loader *l, Error *err)
{
    bool prefix;
    Word scheme;
    TRY(load_flag(json, "add_prefix_space", true, &prefix, l, err));
    TRY(load_text(json, "prepend_scheme", prefix ? "always" : "never", &scheme, l, err));
    s->prepend = strcmp(scheme.at, "never") == 0 ? PREPEND_NEVER : PREPEND_ALWAYS;
    return load_text(json, "replacement", "\xE2\x96\x81", &s->text, l, err);
}

static void decode_metaspace(const Step *s, Arena *arena, Word *token, size_t *n)
{
    for (size_t i = 0; i < *n; i++) {
        const bool drops = i == 0 && s->prepend != PREPEND_NEVER;
        token[i] = replace_all(arena, token[i], s->text, drops ? (Word){"", 0} : (Word){" ", 1});
    }
}

static bool load_wordpiece(Step *s, const json_t *json, Loader *l, Error *err)
{
    TRY(load_text(json, "prefix", "##", &s->text, l, err));
    return load_flag(json, "cleanup", true, &s->clean, l, err);
}

/* What the English tokenization of BERT's time put a space before. */
static Word clean_up(Arena *arena, Word w)
{
    static const char *const pairs[][2] = {
        {" .",      "."     },
        {" ?",      "?"     },
        {" !",      "!"     },
        {" ,",      ","     },
        {" ' ",     "'"     },
        {" n't",    "n't"   },
        {" 'm",     "'m"    },
        {" do not", " don't"},
        {" 's",     "'s"    },
        {" 've",    "'ve"   },
        {" 're",    "'re"   }
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        w = replace_all(arena, w, (Word){pairs[i][0], strlen(pairs[i][0])},
                        (Word){pairs[i][1], strlen(pairs[i][1])});
    return w;
}

static void decode_wordpiece(const Step *s, Arena *arena, Word *token, size_t *n)
{
    for (size_t i = 0; i < *n; i++) {
        Bytes b = {.arena = arena};
        const bool joins = starts_with(token[i], s->text);
        if (i > 0 && !joins) bytes_add(&b, " ", 1);
        const size_t skip = i > 0 && joins ? s->text.n : 0;
        bytes_add(&b, token[i].at + skip, token[i].n - skip);
        token[i] = s->clean ? clean_up(arena, as_word(&b)) : as_word(&b);
    }
}

static bool load_bpe_decoder(Step *s, const json_t *json, Loader *l, Error *err)
{
    return load_text(json, "suffix", "</w>", &s->text, l, err);
}

static void decode_bpe(const Step *s, Arena *arena, Word *token, size_t *n)
{
    for (size_t i = 0; i < *n; i++)
        token[i] = replace_all(arena, token[i], s->text, (Word){" ", i + 1 < *n});
}

// clang-format off
const StepKind decoder_kinds[] = {
    {.type = "ByteLevel", .decode = decode_byte_level},
    {.type = "ByteFallback", .decode = decode_byte_fallback},
    {.type = "Replace", .load = load_replace, .decode = decode_replace},
    {.type = "Fuse", .decode = decode_fuse},
    {.type = "Strip", .load = load_strip, .decode = decode_strip},
    {.type = "Metaspace", .load = load_metaspace, .decode = decode_metaspace},
    {.type = "WordPiece", .load = load_wordpiece, .decode = decode_wordpiece},
    {.type = "BPEDecoder", .load = load_bpe_decoder, .decode = decode_bpe},
    {.type = NULL},
};
// clang-format on
