/* pre_tokenizers -- the stages that cut a text into the words that a model sees. */
#include "tokenizer/tokenizer_parts.h"
#include "tokenizer/unicode.h"

/* The byte-level alphabet of GPT-2: bytes that print in Latin-1 stand for themselves, the other 68,
 * in their order (0-32, 127-160, 173), for U+0100 and on. */
enum { STAND_IN = 256, CONTROLS = 33, DELETE = 127, CONTROLS_1 = 34, SOFT_HYPHEN = 173 };

int32_t byte_character(unsigned char byte)
{
    if (byte < CONTROLS) return STAND_IN + byte;
    if (byte >= DELETE && byte < DELETE + CONTROLS_1) return STAND_IN + CONTROLS + (byte - DELETE);
    return byte == SOFT_HYPHEN ? STAND_IN + CONTROLS + CONTROLS_1 : byte;
}

int byte_of_character(int32_t c)
{
    int32_t byte = c;
    if (c >= STAND_IN) byte = c - STAND_IN;
    if (c >= STAND_IN + CONTROLS) byte = DELETE + (c - STAND_IN - CONTROLS);
    if (c == STAND_IN + CONTROLS + CONTROLS_1) byte = SOFT_HYPHEN;
    return byte >= 0 && byte < BYTE_VALUES && byte_character((unsigned char)byte) == c ? byte : -1;
}

/* Adds `in` to the last piece, in the byte-level alphabet. */
static void map_bytes(Pieces *out, Word in)
{
    char mapped[BYTE_VALUES * 2];
    size_t n = 0;
    for (size_t i = 0; i < in.n; i++) {
        const unsigned char byte = (unsigned char)in.at[i];
        if (byte > ' ' && byte < 127)
            mapped[n++] = (char)byte;
        else if (byte == ' ')
            mapped[n++] = '\xC4', mapped[n++] = '\xA0';
        else
            n += unicode_put(mapped + n, byte_character(byte));
        if (n > sizeof mapped - UNICODE_MAX_BYTES || i + 1 == in.n) {
            bytes_add(&out->text, mapped, n);
            n = 0;
        }
    }
}

static void add_mapped(Pieces *out, Word in)
{
    if (in.n == 0) return;
    ARRAY_ROOM(out->text.arena, out->span, out->n, out->capacity, 1);
    const size_t at = out->text.n;
    map_bytes(out, in);
    out->span[out->n++] = (Span){at, out->text.n - at};
}

/* `in` with `what` before it, when it does not begin with that. */
static Word prepended(Word in, Word what, Pieces *out)
{
    if (in.n >= what.n && memcmp(in.at, what.at, what.n) == 0) return in;
    out->scratch.n = 0;
    bytes_add(&out->scratch, what.at, what.n);
    bytes_add(&out->scratch, in.at, in.n);
    return (Word){out->scratch.at, out->scratch.n};
}

static void split_byte_level(const Step *s, Word in, bool first, Pieces *out)
{
    (void)first;
    if (s->prepend == PREPEND_ALWAYS) in = prepended(in, (Word){" ", 1}, out);
    if (!s->use_regex) {
        add_mapped(out, in);
        return;
    }
    for (size_t at = 0, n; at < in.n; at += n) {
        n = split_gpt2.match(&split_gpt2, in.at, at, in.n);
        add_mapped(out, (Word){in.at + at, n});
    }
}

static bool load_byte_level(Step *s, const json_t *json, Loader *l, Error *err)
{
    bool prefix;
    TRY(load_flag(json, "add_prefix_space", true, &prefix, l, err));
    s->prepend = prefix ? PREPEND_ALWAYS : PREPEND_NEVER;
    s->growth = 2;
    return load_flag(json, "use_regex", true, &s->use_regex, l, err);
}

static bool load_behavior(Step *s, const json_t *json, Loader *l, Error *err)
{
    static const char *const names[] = {"Removed", "Isolated", "MergedWithPrevious",
                                        "MergedWithNext", "Contiguous"};
    Word name;
    TRY(load_text(json, "behavior", "Isolated", &name, l, err));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(names[i], name.at) != 0) continue;
        s->behavior = (SplitBehavior)i;
        return true;
    }
    return LOAD_FAIL(l, err, "%s: behavior '%.40s' is not known", s->kind->type, name.at);
}

static bool load_split(Step *s, const json_t *json, Loader *l, Error *err)
{
    TRY(load_pattern(s, json, "pattern", l, err));
    TRY(load_flag(json, "invert", false, &s->invert, l, err));
    return load_behavior(s, json, l, err);
}

static void split_pattern(const Step *s, Word in, bool first, Pieces *out)
{
    (void)first;
    split_by_pattern(s, in, out);
}

static bool load_whitespace(Step *s, const json_t *json, Loader *l, Error *err)
{
    (void)json, (void)l, (void)err;
    s->pattern = &split_words;
    s->invert = true; /* what the pattern matches stays, the rest is removed */
    return true;
}

/* Cuts at single characters of a class. */
static void split_by_class(bool (*in_class)(int32_t), SplitBehavior behavior, Word in, Pieces *out)
{
    size_t plain = 0;
    const size_t begin = out->n;
    bool joins = false;
    for (size_t at = 0, n; at < in.n; at += n) {
        const bool matched = in_class(unicode_at(in.at + at, in.n - at, &n));
        if (!matched) continue;
        pieces_add(out, in.at + plain, at - plain);
        joins = behavior == SPLIT_CONTIGUOUS && plain == at && out->n > begin;
        if (joins)
            pieces_extend(out, in.at + at, n);
        else if (behavior != SPLIT_REMOVED)
            pieces_add(out, in.at + at, n);
        plain = at + n;
    }
    pieces_add(out, in.at + plain, in.n - plain);
}

static void split_white_space(const Step *s, Word in, bool first, Pieces *out)
{
    (void)s, (void)first;
    split_by_class(unicode_is_space, SPLIT_REMOVED, in, out);
}

static bool is_space_or_punctuation(int32_t c)
{
    return unicode_is_space(c) || unicode_is_punctuation(c);
}

static void split_bert(const Step *s, Word in, bool first, Pieces *out)
{
    (void)s, (void)first;
    size_t plain = 0;
    for (size_t at = 0, n; at < in.n; at += n) {
        const int32_t c = unicode_at(in.at + at, in.n - at, &n);
        if (!is_space_or_punctuation(c)) continue;
        pieces_add(out, in.at + plain, at - plain);
        if (!unicode_is_space(c)) pieces_add(out, in.at + at, n);
        plain = at + n;
    }
    pieces_add(out, in.at + plain, in.n - plain);
}

static bool load_digits(Step *s, const json_t *json, Loader *l, Error *err)
{
    bool single;
    TRY(load_flag(json, "individual_digits", false, &single, l, err));
    s->behavior = single ? SPLIT_ISOLATED : SPLIT_CONTIGUOUS;
    return true;
}

static void split_digits(const Step *s, Word in, bool first, Pieces *out)
{
    (void)first;
    split_by_class(unicode_is_number, s->behavior, in, out);
}

static bool load_punctuation(Step *s, const json_t *json, Loader *l, Error *err)
{
    TRY(load_behavior(s, json, l, err));
    if (s->behavior == SPLIT_MERGED_WITH_NEXT || s->behavior == SPLIT_MERGED_WITH_PREVIOUS)
        return LOAD_FAIL(l, err, "Punctuation: only Removed, Isolated and Contiguous are known");
    return true;
}

static void split_punctuation(const Step *s, Word in, bool first, Pieces *out)
{
    (void)first;
    split_by_class(unicode_is_punctuation, s->behavior, in, out);
}

static bool load_metaspace(Step *s, const json_t *json, Loader *l, Error *err)
{
    bool prefix;
    Word scheme;
    TRY(load_flag(json, "add_prefix_space", true, &prefix, l, err));
    TRY(load_text(json, "prepend_scheme", prefix ? "always" : "never", &scheme, l, err));
    TRY(load_text(json, "replacement", "\xE2\x96\x81", &s->text, l, err));
    if (s->text.n == 0) return LOAD_FAIL(l, err, "Metaspace: replacement is empty");
    s->growth = (double)s->text.n;
    s->behavior = SPLIT_MERGED_WITH_NEXT;
    s->prepend = strcmp(scheme.at, "always") == 0  ? PREPEND_ALWAYS
                 : strcmp(scheme.at, "first") == 0 ? PREPEND_FIRST
                                                   : PREPEND_NEVER;
    if (s->prepend == PREPEND_NEVER && strcmp(scheme.at, "never") != 0)
        return LOAD_FAIL(l, err, "Metaspace: prepend_scheme '%.40s' is not known", scheme.at);
    return load_flag(json, "split", true, &s->use_regex, l, err);
}

static void split_metaspace(const Step *s, Word in, bool first, Pieces *out)
{
    Bytes *b = &out->scratch;
    b->n = 0;
    const bool wanted = s->prepend == PREPEND_ALWAYS || (s->prepend == PREPEND_FIRST && first);
    const bool has = in.n > 0 && (in.at[0] == ' ' ||
                                  (in.n >= s->text.n && memcmp(in.at, s->text.at, s->text.n) == 0));
    if (wanted && !has) bytes_add(b, s->text.at, s->text.n);
    for (size_t i = 0; i < in.n; i++) {
        if (in.at[i] == ' ')
            bytes_add(b, s->text.at, s->text.n);
        else
            bytes_add(b, in.at + i, 1);
    }
    const Word text = {b->at, b->n};
    if (s->use_regex)
        split_by_pattern(s, text, out);
    else
        pieces_add(out, text.at, text.n);
}

static bool load_delimiter(Step *s, const json_t *json, Loader *l, Error *err)
{
    TRY(load_text(json, "delimiter", " ", &s->text, l, err));
    s->behavior = SPLIT_REMOVED;
    return true;
}

// clang-format off
const StepKind pre_tokenizer_kinds[] = {
    {.type = "ByteLevel", .load = load_byte_level, .split = split_byte_level},
    {.type = "Split", .load = load_split, .split = split_pattern},
    {.type = "Metaspace", .load = load_metaspace, .split = split_metaspace},
    {.type = "BertPreTokenizer", .split = split_bert},
    {.type = "Whitespace", .load = load_whitespace, .split = split_pattern},
    {.type = "WhitespaceSplit", .split = split_white_space},
    {.type = "Digits", .load = load_digits, .split = split_digits},
    {.type = "Punctuation", .load = load_punctuation, .split = split_punctuation},
    {.type = "CharDelimiterSplit", .load = load_delimiter, .split = split_pattern},
    {.type = NULL},
};
// clang-format on
