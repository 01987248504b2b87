/* tokenizer_train -- a document for each family: a frame (everything but the vocabulary), the words
 * that the frame cuts the text into, and what a trainer makes of them. */
#include "tokenizer/train_parts.h"
#include "tokenizer/unicode.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct Family {
    const char *frame;
    const char *fixed[3]; /* tokens that the frame names, ids from 0 */
    int n_fixed;
    bool by_line;
} Family;

// clang-format off
static const Family families[] = {
    [TOKENS_BYTE_BPE] = {
        "{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,\"added_tokens\":[],\"normalizer\":null,"
        "\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":true},"
        "\"post_processor\":null,"
        "\"decoder\":{\"type\":\"ByteLevel\",\"add_prefix_space\":true,\"trim_offsets\":true,\"use_regex\":true},"
        "\"model\":{\"type\":\"BPE\",\"dropout\":null,\"unk_token\":null,\"continuing_subword_prefix\":null,"
        "\"end_of_word_suffix\":null,\"fuse_unk\":false,\"byte_fallback\":false,\"ignore_merges\":false,"
        "\"vocab\":{},\"merges\":[]}}", {NULL}, 0, false},
    [TOKENS_METASPACE_BPE] = {
        "{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,\"added_tokens\":[],\"normalizer\":null,"
        "\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"\\u2581\",\"prepend_scheme\":\"always\",\"split\":true},"
        "\"post_processor\":null,"
        "\"decoder\":{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"Replace\",\"pattern\":{\"String\":\"\\u2581\"},"
        "\"content\":\" \"},{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"},"
        "{\"type\":\"Strip\",\"content\":\" \",\"start\":1,\"stop\":0}]},"
        "\"model\":{\"type\":\"BPE\",\"dropout\":null,\"unk_token\":null,\"continuing_subword_prefix\":null,"
        "\"end_of_word_suffix\":null,\"fuse_unk\":true,\"byte_fallback\":true,\"ignore_merges\":false,"
        "\"vocab\":{},\"merges\":[]}}", {"<unk>", "<s>", "</s>"}, 3, true},
    [TOKENS_UNIGRAM] = {
        "{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,\"added_tokens\":[],"
        "\"normalizer\":{\"type\":\"NFKC\"},"
        "\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"\\u2581\",\"prepend_scheme\":\"always\",\"split\":true},"
        "\"post_processor\":null,"
        "\"decoder\":{\"type\":\"Metaspace\",\"replacement\":\"\\u2581\",\"prepend_scheme\":\"always\",\"split\":true},"
        "\"model\":{\"type\":\"Unigram\",\"unk_id\":null,\"byte_fallback\":false,\"vocab\":[]}}",
        {"<pad>", "</s>", "<unk>"}, 3, true},
};
// clang-format on

typedef struct Training {
    Arena *arena;
    const TokenTraining *how;
    const Family *family;
    json_t *document;
    WordCounts words;
    Vocabulary tokens;
} Training;

/* The pattern of byte-level words goes before a ByteLevel that no longer cuts. */
static bool set_split(Training *t, Error *err)
{
    const char *name = t->how->split;
    if (!name || strcmp(name, split_gpt2.name) == 0) return true;
    const SplitPattern *p = split_named(name);
    char names[160];
    split_names(names, sizeof names);
    if (!p) return fail(err, FAIL_CONFIG, NULL, "split '%.40s' is not one of %s", name, names);
    json_t *bytes = json_incref(json_object_get(t->document, "pre_tokenizer"));
    (void)json_object_set_new(bytes, "use_regex", json_false());
    json_t *both = json_pack("{s:s, s:[{s:s, s:{s:s}, s:s, s:b}, o]}", "type", "Sequence",
                             "pretokenizers", "type", "Split", "pattern", "Regex", p->regex,
                             "behavior", "Isolated", "invert", 0, bytes);
    (void)json_object_set_new(t->document, "pre_tokenizer", both);
    return true;
}

static bool add_special(Training *t, const char *content, Error *err)
{
    const size_t id = t->tokens.n;
    if (*content == 0 || !vocabulary_add(&t->tokens, content, strlen(content), (uint32_t)id))
        return fail(err, FAIL_CONFIG, NULL, "special token '%.60s' is empty or there twice",
                    content);
    json_t *token =
        json_pack("{s:i, s:s, s:b, s:b, s:b, s:b, s:b}", "id", (int)id, "content", content,
                  "single_word", 0, "lstrip", 0, "rstrip", 0, "normalized", 0, "special", 1);
    if (!token)
        return fail(err, FAIL_CONFIG, NULL, "special token '%.60s' is not valid UTF-8", content);
    (void)json_array_append_new(json_object_get(t->document, "added_tokens"), token);
    return true;
}

static void add_bytes(Training *t)
{
    char s[8];
    for (int b = 0; b < BYTE_VALUES; b++) {
        (void)snprintf(s, sizeof s, "<0x%02X>", (unsigned)b);
        (void)vocabulary_add(&t->tokens, s, strlen(s), (uint32_t)t->tokens.n);
    }
}

static int by_code_point(const void *x, const void *y)
{
    const int32_t a = *(const int32_t *)x, b = *(const int32_t *)y;
    return a < b ? -1 : a > b;
}

/* The characters that words are made of; sorted. */
static size_t alphabet(Training *t, int32_t **out)
{
    if (t->how->family != TOKENS_BYTE_BPE) {
        const double coverage = t->how->coverage > 0 ? t->how->coverage : 0.9995;
        return covering_characters(&t->words, coverage, t->arena, out);
    }
    *out = arena_new_array(t->arena, int32_t, BYTE_VALUES);
    for (int b = 0; b < BYTE_VALUES; b++) (*out)[b] = byte_character((unsigned char)b);
    qsort(*out, BYTE_VALUES, sizeof **out, by_code_point);
    return BYTE_VALUES;
}

static bool check_room(const Training *t, size_t n_characters, Error *err)
{
    const size_t needed = t->tokens.n + n_characters;
    if (t->how->n_ids > 0 && (size_t)t->how->n_ids >= needed) return true;
    return fail(err, FAIL_CONFIG, NULL,
                "a vocabulary of %d ids is too small: special tokens, bytes and characters are %zu",
                (int)t->how->n_ids, needed);
}

static bool train_bpe(Training *t, Error *err)
{
    int32_t *character;
    if (t->how->family == TOKENS_METASPACE_BPE) add_bytes(t);
    const size_t n = alphabet(t, &character);
    TRY(check_room(t, n, err));
    for (size_t i = 0; i < n; i++) {
        char s[UNICODE_MAX_BYTES] = {0};
        const size_t length = unicode_put(s, character[i]);
        (void)vocabulary_add(&t->tokens, s, length, (uint32_t)t->tokens.n);
    }
    json_t *merges = bpe_train(&t->tokens, &t->words, t->how);
    json_t *model = json_object_get(t->document, "model"), *vocabulary = json_object();
    for (size_t i = 0; i < t->tokens.n; i++) {
        const Word w = t->tokens.token[i];
        (void)json_object_setn_new(vocabulary, w.at, w.n, json_integer((json_int_t)i));
    }
    (void)json_object_set_new(model, "vocab", vocabulary);
    (void)json_object_set_new(model, "merges", merges);
    if (t->how->family == TOKENS_METASPACE_BPE)
        (void)json_object_set_new(model, "unk_token", json_string("<unk>"));
    return true;
}

static bool train_unigram(Training *t, Error *err)
{
    int32_t *character;
    const size_t n = alphabet(t, &character), n_special = t->tokens.n;
    TRY(check_room(t, n, err));
    Scored *made;
    const size_t n_made =
        unigram_train(&t->words, (size_t)t->how->n_ids - n_special, character, n, t->arena, &made);
    json_t *vocabulary = json_array();
    for (size_t i = 0; i < n_special; i++)
        (void)json_array_append_new(
            vocabulary, json_pack("[s%, f]", t->tokens.token[i].at, t->tokens.token[i].n, 0.0));
    for (size_t i = 0; i < n_made; i++)
        (void)json_array_append_new(
            vocabulary, json_pack("[s%, f]", made[i].token.at, made[i].token.n, made[i].score));
    json_t *model = json_object_get(t->document, "model");
    (void)json_object_set_new(model, "vocab", vocabulary);
    (void)json_object_set_new(model, "unk_id",
                              json_integer(vocabulary_find(&t->tokens, "<unk>", 5)));
    return true;
}

/* A tokenizer without a vocabulary cuts the text into words. */
static bool count(Training *t, Word text, Error *err)
{
    json_t *frame = json_deep_copy(t->document), *model = json_object_get(frame, "model");
    (void)json_object_set_new(frame, "added_tokens", json_array());
    (void)json_object_set_new(model, "unk_token", json_null());
    Tokenizer *cutter;
    const bool ok = tokenizer_build(&cutter, frame, "the frame of a tokenizer", err);
    json_decref(frame);
    if (!ok) return false;
    count_words(&t->words, cutter, text, t->family->by_line);
    tokenizer_free(cutter);
    if (t->words.words.n == 0) return fail(err, FAIL_DATA, NULL, "there are no words in the text");
    return true;
}

static bool train(Training *t, Word text, Error *err)
{
    if (t->how->family == TOKENS_BYTE_BPE) TRY(set_split(t, err));
    TRY(count(t, text, err));
    for (int i = 0; i < t->family->n_fixed; i++) TRY(add_special(t, t->family->fixed[i], err));
    for (int i = 0; i < t->how->n_special; i++) TRY(add_special(t, t->how->special[i], err));
    return t->how->family == TOKENS_UNIGRAM ? train_unigram(t, err) : train_bpe(t, err);
}

bool tokenizer_train(Tokenizer **out, const TokenTraining *how, const char *text, size_t n,
                     Error *err)
{
    Arena *a = arena_new();
    Training t = {.arena = a, .how = how, .family = &families[how->family]};
    t.words.words.arena = t.tokens.arena = a;
    t.document = json_loads(t.family->frame, 0, NULL);
    *out = NULL;
    const bool ok = train(&t, (Word){text, n}, err) &&
                    tokenizer_build(out, t.document, "the trained tokenizer", err);
    json_decref(t.document);
    arena_free(a);
    return ok;
}
