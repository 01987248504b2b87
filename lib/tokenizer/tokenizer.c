/* tokenizer -- opening, saving and looking things up. */
#include "tokenizer/tokenizer_parts.h"

#include "io/file.h"

#include <stdlib.h>

/* Larger than any published tokenizer.json (17 MB) by far. */
enum { MAX_FILE = 1 << 28 };

bool tokenizer_parse(Tokenizer **out, const void *data, size_t n, const char *name, Error *err)
{
    const char *s = data;
    size_t begin = 0;
    while (begin < n && (s[begin] == ' ' || (s[begin] >= '\t' && s[begin] <= '\r'))) begin++;
    json_t *document;
    *out = NULL;
    if (begin == n || s[begin] != '{') {
        document = llama2_document(data, n, name, err);
    } else {
        json_error_t e;
        document = json_loadb(data, n, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &e);
        const Place at = {.file = name, .line = e.line, .column = e.column};
        if (!document) (void)fail(err, FAIL_DATA, &at, "%s", e.text);
    }
    if (!document) return false;
    const bool ok = tokenizer_build(out, document, name, err);
    json_decref(document);
    return ok;
}

bool tokenizer_open(Tokenizer **out, const char *path, Error *err)
{
    char *data;
    size_t n;
    *out = NULL;
    TRY(file_read(path, MAX_FILE, &data, &n, FAIL_DATA, err));
    const bool ok = tokenizer_parse(out, data, n, path, err);
    free(data);
    return ok;
}

void tokenizer_free(Tokenizer *t)
{
    if (!t) return;
    json_decref(t->document);
    arena_free(t->arena);
}

bool tokenizer_save(const Tokenizer *t, const char *path, Error *err)
{
    char *text = json_dumps(t->document, JSON_INDENT(2));
    if (!text)
        return fail(err, FAIL_RUN, &(Place){.file = path}, "the tokenizer cannot be written");
    const bool ok = file_replace(path, text, strlen(text), err);
    free(text);
    return ok;
}

const json_t *tokenizer_document(const Tokenizer *t)
{
    return t->document;
}

int32_t tokenizer_n_ids(const Tokenizer *t)
{
    return (int32_t)(t->vocabulary.n > t->extra.n ? t->vocabulary.n : t->extra.n);
}

const char *tokenizer_token(const Tokenizer *t, int32_t id, size_t *n)
{
    const Vocabulary *all[] = {&t->extra, &t->vocabulary};
    for (int i = 0; i < 2; i++) {
        if (id < 0 || (size_t)id >= all[i]->n || !all[i]->token[id].at) continue;
        if (n) *n = all[i]->token[id].n;
        return all[i]->token[id].at;
    }
    return NULL;
}

int32_t tokenizer_id(const Tokenizer *t, const char *token, size_t n)
{
    const int32_t id = vocabulary_find(&t->extra, token, n);
    return id >= 0 ? id : vocabulary_find(&t->vocabulary, token, n);
}

bool tokenizer_is_special(const Tokenizer *t, int32_t id)
{
    return id >= 0 && id < tokenizer_n_ids(t) && t->special[id];
}

const char *tokenizer_warning(const Tokenizer *t)
{
    return t->warning;
}

char *token_decode(const Tokenizer *t, Arena *arena, const int32_t *ids, int64_t n,
                   bool skip_special, size_t *n_bytes)
{
    Word *token = arena_new_array(arena, Word, n);
    size_t n_tokens = 0;
    for (int64_t i = 0; i < n; i++) {
        Word w;
        w.at = tokenizer_token(t, ids[i], &w.n);
        if (w.at && !(skip_special && t->special[ids[i]])) token[n_tokens++] = w;
    }
    for (size_t i = 0; i < t->decoders.n; i++) {
        const Step *s = &t->decoders.step[i];
        s->kind->decode(s, arena, token, &n_tokens);
    }
    Bytes out = {.arena = arena};
    for (size_t i = 0; i < n_tokens; i++) {
        if (i > 0 && t->decoders.n == 0) bytes_add(&out, " ", 1);
        bytes_add(&out, token[i].at, token[i].n);
    }
    bytes_add(&out, "", 1);
    *n_bytes = out.n - 1;
    return out.at;
}
