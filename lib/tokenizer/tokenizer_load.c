/* tokenizer_load -- from a document in the form of tokenizer.json to a Tokenizer. */
#include "tokenizer/tokenizer_parts.h"
#include "tokenizer/unicode.h"

#include <stdio.h>

/* A dozen stages that each double a text are a small file: memory stays in proportion to the text.
 * SentencePiece's own normaliser makes 3 bytes 33 at most. */
enum { MAX_GROWTH = 1000 };

bool load_text(const json_t *object, const char *key, const char *fallback, Word *out, Loader *l,
               Error *err)
{
    const json_t *json = json_object_get(object, key);
    *out = (Word){fallback, strlen(fallback)};
    if (!json || json_is_null(json)) return true;
    if (!json_is_string(json)) return LOAD_FAIL(l, err, "'%s' is not a string", key);
    *out = (Word){json_string_value(json), json_string_length(json)};
    return true;
}

bool load_flag(const json_t *object, const char *key, bool fallback, bool *out, Loader *l,
               Error *err)
{
    const json_t *json = json_object_get(object, key);
    *out = fallback;
    if (!json || json_is_null(json)) return true;
    if (!json_is_boolean(json)) return LOAD_FAIL(l, err, "'%s' is not true or false", key);
    *out = json_is_true(json);
    return true;
}

bool load_count(const json_t *object, const char *key, int64_t fallback, int64_t *out, Loader *l,
                Error *err)
{
    const json_t *json = json_object_get(object, key);
    *out = fallback;
    if (!json || json_is_null(json)) return true;
    if (!json_is_integer(json) || json_integer_value(json) < 0)
        return LOAD_FAIL(l, err, "'%s' is not a whole number >= 0", key);
    *out = json_integer_value(json);
    return true;
}

bool load_pattern(Step *s, const json_t *object, const char *key, Loader *l, Error *err)
{
    const json_t *json = json_object_get(object, key);
    if (json_is_object(json) && json_object_get(json, "String"))
        return load_text(json, "String", "", &s->text, l, err);
    Word regex;
    TRY(load_text(json, "Regex", "", &regex, l, err));
    if (regex.n == 0)
        return LOAD_FAIL(l, err, "%s: '%s' is neither a String nor a Regex", s->kind->type, key);
    s->pattern = split_find(regex.at, regex.n);
    if (s->pattern) return true;
    char names[160];
    split_names(names, sizeof names);
    return LOAD_FAIL(l, err,
                     "%s: the regular expression '%.200s' is not one of those known here (%s)",
                     s->kind->type, regex.at, names);
}

bool load_steps(Steps *out, const json_t *json, const StepKind *kinds, const char *list, Loader *l,
                Error *err)
{
    if (!json || json_is_null(json)) return true;
    Word type;
    TRY(load_text(json, "type", "", &type, l, err));
    if (strcmp(type.at, "Sequence") == 0) {
        const json_t *items = json_object_get(json, list);
        if (!json_is_array(items)) return LOAD_FAIL(l, err, "Sequence: '%s' is not an array", list);
        for (size_t i = 0; i < json_array_size(items); i++)
            TRY(load_steps(out, json_array_get(items, i), kinds, list, l, err));
        return true;
    }
    Step step = {.kind = kinds, .growth = 1};
    while (step.kind->type && strcmp(step.kind->type, type.at) != 0) step.kind++;
    if (!step.kind->type)
        return LOAD_FAIL(l, err, "type '%.60s' is not known among %s", type.at, list);
    if (step.kind->load) TRY(step.kind->load(&step, json, l, err));
    out->growth = (out->n > 0 ? out->growth : 1) * step.growth;
    if (out->growth > MAX_GROWTH)
        return LOAD_FAIL(l, err, "%s can make a text more than %d times as long", list, MAX_GROWTH);
    ARRAY_ROOM(l->t->arena, out->step, out->n, out->capacity, 1);
    out->step[out->n++] = step;
    return true;
}

static bool load_vocabulary(const json_t *json, Loader *l, Error *err)
{
    Tokenizer *t = l->t;
    if (!json_is_object(json)) return LOAD_FAIL(l, err, "model.vocab is not an object");
    const char *token;
    size_t n;
    json_t *id;
    /* jansson's functions for constant objects lack the one that gives a key's length */
    json_object_keylen_foreach((json_t *)json, token, n, id)
    {
        const int64_t value = json_is_integer(id) ? json_integer_value(id) : -1;
        if (value < 0 || value > t->max_id ||
            !vocabulary_add(&t->vocabulary, token, n, (uint32_t)value))
            return LOAD_FAIL(l, err,
                             "model.vocab: token '%.60s' has no id, a double one or one above %lld",
                             token, (long long)t->max_id);
    }
    return true;
}

/* "<0x00>".."<0xFF>": used when all are there. */
static void find_bytes(Tokenizer *t)
{
    Model *m = &t->model;
    for (int b = 0; b < BYTE_VALUES && m->byte_fallback; b++) {
        char name[8];
        (void)snprintf(name, sizeof name, "<0x%02X>", (unsigned)b);
        m->byte_id[b] = vocabulary_find(&t->vocabulary, name, strlen(name));
        m->byte_fallback = m->byte_id[b] >= 0;
    }
}

static bool load_word_model(const json_t *json, Loader *l, Error *err)
{
    Model *m = &l->t->model;
    TRY(load_text(json, "continuing_subword_prefix", "##", &m->prefix, l, err));
    TRY(load_count(json, "max_input_chars_per_word", 100, &m->max_characters, l, err));
    if (m->kind == MODEL_WORDPIECE && m->unk < 0)
        return LOAD_FAIL(l, err, "model.unk_token is missing or not in the vocabulary");
    return true;
}

bool load_model(const json_t *json, Loader *l, Error *err)
{
    static const char *const names[] = {"BPE", "Unigram", "WordPiece", "WordLevel"};
    Tokenizer *t = l->t;
    Model *m = &t->model;
    Word type, unk;
    TRY(load_text(json, "type", json_object_get(json, "merges") ? "BPE" : "", &type, l, err));
    size_t kind = 0;
    while (kind < 4 && strcmp(names[kind], type.at) != 0) kind++;
    if (kind == 4)
        return LOAD_FAIL(l, err, "model type '%.40s' is not BPE, Unigram, WordPiece or WordLevel",
                         type.at);
    m->kind = (ModelKind)kind;
    const json_t *vocabulary = json_object_get(json, "vocab");
    t->vocabulary.arena = t->arena;
    const size_t n_tokens = json_object_size(vocabulary) + json_array_size(vocabulary);
    t->max_id = (int64_t)(4 * n_tokens + 65536); /* memory stays in proportion to the document */
    TRY(load_flag(json, "byte_fallback", false, &m->byte_fallback, l, err));
    if (m->kind == MODEL_UNIGRAM) {
        TRY(load_unigram(json, l, err));
        find_bytes(t);
        return true;
    }
    TRY(load_vocabulary(vocabulary, l, err));
    TRY(load_text(json, "unk_token", "", &unk, l, err));
    m->unk = unk.n > 0 ? vocabulary_find(&t->vocabulary, unk.at, unk.n) : -1;
    if (unk.n > 0 && m->unk < 0)
        return LOAD_FAIL(l, err, "model.unk_token '%.60s' is not in the vocabulary", unk.at);
    find_bytes(t);
    return m->kind == MODEL_BPE ? load_bpe(json, l, err) : load_word_model(json, l, err);
}

static bool load_document(Loader *l, Error *err)
{
    Tokenizer *t = l->t;
    const json_t *d = t->document;
    if (!json_is_object(d) || !json_is_object(json_object_get(d, "model")))
        return LOAD_FAIL(l, err, "this is not a tokenizer.json: there is no object 'model' in it");
    TRY(load_model(json_object_get(d, "model"), l, err));
    TRY(load_steps(&t->normalizers, json_object_get(d, "normalizer"), normalizer_kinds,
                   "normalizers", l, err));
    TRY(load_steps(&t->pre_tokenizers, json_object_get(d, "pre_tokenizer"), pre_tokenizer_kinds,
                   "pretokenizers", l, err));
    TRY(load_steps(&t->decoders, json_object_get(d, "decoder"), decoder_kinds, "decoders", l, err));
    TRY(load_added(json_object_get(d, "added_tokens"), l, err));
    TRY(load_post_processor(json_object_get(d, "post_processor"), l, err));
    if (json_is_object(json_object_get(d, "truncation")) ||
        json_is_object(json_object_get(d, "padding")))
        t->warning =
            "the document's truncation and padding are not applied: lengths are the caller's";
    t->special = arena_new_array(t->arena, uint8_t, tokenizer_n_ids(t));
    for (size_t i = 0; i < t->n_added; i++)
        if (t->added[i].special) t->special[t->added[i].id] = 1;
    return true;
}

bool tokenizer_build(Tokenizer **out, json_t *document, const char *name, Error *err)
{
    Arena *a = arena_new();
    Tokenizer *t = arena_new_array(a, Tokenizer, 1);
    t->arena = a;
    t->document = json_incref(document);
    t->model.unk = -1;
    Loader l = {t, name};
    *out = NULL;
    if (!load_document(&l, err)) {
        tokenizer_free(t);
        return false;
    }
    *out = t;
    return true;
}
