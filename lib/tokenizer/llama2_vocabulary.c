/* llama2_vocabulary -- llama2.c's tok*.bin as a document in the form of tokenizer.json.
 *
 *   int32 longest token, then for every id: float32 score, int32 bytes, the bytes
 *
 * 0 is <unk>, 1 and 2 are BOS and EOS, 3..258 the bytes; U+2581 is written as a space. The file
 * says which pairs merge by scores: the adjacent pair whose token scores highest goes first. So
 * every way to cut a token into two tokens is a merge, ranked by the token's score. */
#include "tokenizer/tokenizer_parts.h"
#include "tokenizer/unicode.h"

#include <math.h>
#include <stdlib.h>

enum { N_FIXED = 3 + BYTE_VALUES, MAX_TOKEN = 512 };

typedef struct Rule {
    double score;
    uint32_t left, right;
} Rule;

typedef struct Reader {
    const unsigned char *data;
    size_t n, at;
    Arena *arena;
    Vocabulary v;
    double *score;
    size_t scores;
    json_t *vocabulary;
    const char *name;
} Reader;

static bool take(Reader *r, void *out, size_t n)
{
    if (r->n - r->at < n) return false;
    memcpy(out, r->data + r->at, n);
    r->at += n;
    return true;
}

static bool broken(const Reader *r, Error *err, const char *what)
{
    return fail(err, FAIL_DATA, &(Place){.file = r->name},
                "this is neither JSON nor a llama2.c vocabulary: %s at byte %zu", what, r->at);
}

/* The token's text in SentencePiece's writing. */
static Word spelled(Reader *r, const char *s, size_t n, size_t id)
{
    static const char *const fixed[] = {"<unk>", "<s>", "</s>"};
    if (id < 3) return (Word){fixed[id], strlen(fixed[id])};
    Bytes b = {.arena = r->arena};
    for (size_t i = 0; i < n; i++) {
        if (s[i] == ' ')
            bytes_add(&b, "\xE2\x96\x81", 3);
        else
            bytes_add(&b, s + i, 1);
    }
    return (Word){b.at, b.n};
}

static bool read_token(Reader *r, size_t id, Error *err)
{
    float score;
    int32_t n;
    char s[MAX_TOKEN];
    if (!take(r, &score, 4) || !take(r, &n, 4)) return broken(r, err, "the file ends in a token");
    if (n < 1 || n > MAX_TOKEN || !isfinite(score))
        return broken(r, err, "a length or score is not one");
    if (!take(r, s, (size_t)n)) return broken(r, err, "the file ends in a token");
    const Word w = spelled(r, s, (size_t)n, id);
    if (!vocabulary_add(&r->v, w.at, w.n, (uint32_t)id))
        return broken(r, err, "a token is there twice");
    ARRAY_ROOM(r->arena, r->score, id, r->scores, 1);
    r->score[id] = (double)score;
    if (json_object_setn_new(r->vocabulary, w.at, w.n, json_integer((json_int_t)id)) != 0)
        return broken(r, err, "a token is not valid UTF-8");
    return true;
}

static int by_rank(const void *a, const void *b)
{
    const Rule *x = a, *y = b;
    if (x->score != y->score) return x->score > y->score ? -1 : 1;
    if (x->left != y->left) return x->left < y->left ? -1 : 1;
    return x->right < y->right ? -1 : x->right > y->right;
}

static json_t *merges_of(Reader *r)
{
    Rule *rule = NULL;
    size_t n = 0, capacity = 0;
    for (size_t id = N_FIXED; id < r->v.n; id++) {
        const Word w = r->v.token[id];
        size_t length;
        for (size_t cut = 0; cut < w.n; cut += length) {
            (void)unicode_at(w.at + cut, w.n - cut, &length);
            const int32_t left = cut ? vocabulary_find(&r->v, w.at, cut) : -1;
            const int32_t right = vocabulary_find(&r->v, w.at + cut, w.n - cut);
            if (left < 0 || right < 0) continue;
            ARRAY_ROOM(r->arena, rule, n, capacity, 1);
            rule[n++] = (Rule){r->score[id], (uint32_t)left, (uint32_t)right};
        }
    }
    if (n > 0) qsort(rule, n, sizeof *rule, by_rank);
    json_t *merges = json_array();
    for (size_t i = 0; i < n; i++) {
        const Word a = r->v.token[rule[i].left], b = r->v.token[rule[i].right];
        json_t *pair = json_pack("[s%, s%]", a.at, a.n, b.at, b.n);
        (void)json_array_append_new(merges, pair);
    }
    return merges;
}

static json_t *added(int id, const char *content)
{
    return json_pack("{s:i, s:s, s:b, s:b, s:b, s:b, s:b}", "id", id, "content", content,
                     "single_word", 0, "lstrip", 0, "rstrip", 0, "normalized", 0, "special", 1);
}

/* As Hugging Face writes Llama 2's: U+2581 for a space and before the text; <s> first. */
static json_t *document_of(json_t *vocabulary, json_t *merges)
{
    static const char frame[] =
        "{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,\"added_tokens\":[],"
        "\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Prepend\","
        "\"prepend\":\"\\u2581\"},{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},"
        "\"content\":\"\\u2581\"}]},\"pre_tokenizer\":null,"
        "\"post_processor\":{\"type\":\"TemplateProcessing\","
        "\"single\":[{\"SpecialToken\":{\"id\":\"<s>\",\"type_id\":0}},"
        "{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}],"
        "\"pair\":[{\"SpecialToken\":{\"id\":\"<s>\",\"type_id\":0}},"
        "{\"Sequence\":{\"id\":\"A\",\"type_id\":0}},"
        "{\"SpecialToken\":{\"id\":\"<s>\",\"type_id\":1}},"
        "{\"Sequence\":{\"id\":\"B\",\"type_id\":1}}],"
        "\"special_tokens\":{\"<s>\":{\"id\":\"<s>\",\"ids\":[1],\"tokens\":[\"<s>\"]}}},"
        "\"decoder\":{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"Replace\","
        "\"pattern\":{\"String\":\"\\u2581\"},\"content\":\" \"},{\"type\":\"ByteFallback\"},"
        "{\"type\":\"Fuse\"},{\"type\":\"Strip\",\"content\":\" \",\"start\":1,\"stop\":0}]},"
        "\"model\":{\"type\":\"BPE\",\"dropout\":null,\"unk_token\":\"<unk>\","
        "\"continuing_subword_prefix\":null,\"end_of_word_suffix\":null,\"fuse_unk\":true,"
        "\"byte_fallback\":true,\"ignore_merges\":false}}";
    json_t *d = json_loads(frame, 0, NULL);
    json_t *list = json_object_get(d, "added_tokens"), *model = json_object_get(d, "model");
    (void)json_array_append_new(list, added(0, "<unk>"));
    (void)json_array_append_new(list, added(1, "<s>"));
    (void)json_array_append_new(list, added(2, "</s>"));
    (void)json_object_set_new(model, "vocab", vocabulary);
    (void)json_object_set_new(model, "merges", merges);
    return d;
}

json_t *llama2_document(const unsigned char *data, size_t n, const char *name, Error *err)
{
    Arena *a = arena_new();
    Reader r = {.data = data, .n = n, .arena = a, .v.arena = a, .name = name};
    r.vocabulary = json_object();
    int32_t longest = 0;
    bool ok = take(&r, &longest, 4) && longest > 0 && longest <= MAX_TOKEN;
    if (!ok) (void)broken(&r, err, "the longest token's length is not one");
    while (ok && r.at < n) ok = read_token(&r, r.v.n, err);
    if (ok && r.v.n < N_FIXED) ok = broken(&r, err, "there are fewer tokens than bytes");
    json_t *document = ok ? document_of(json_incref(r.vocabulary), merges_of(&r)) : NULL;
    json_decref(r.vocabulary);
    arena_free(a);
    return document;
}
