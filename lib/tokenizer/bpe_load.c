/* bpe_load -- the fields of a BPE model. Merges are lines "a b" or arrays ["a", "b"]. */
#include "tokenizer/tokenizer_parts.h"
#include "tokenizer/unicode.h"

#include <stdio.h>

static bool pair_of(const json_t *json, Word out[2])
{
    if (json_is_array(json)) {
        for (size_t i = 0; i < 2; i++) {
            const json_t *part = json_array_get(json, i);
            out[i] = (Word){json_string_value(part), json_string_length(part)};
        }
        return json_array_size(json) == 2 && out[0].at && out[1].at;
    }
    const char *line = json_string_value(json);
    const size_t n = json_string_length(json);
    const char *space = line ? memchr(line, ' ', n) : NULL;
    if (!space) return false;
    out[0] = (Word){line, (size_t)(space - line)};
    out[1] = (Word){space + 1, n - out[0].n - 1};
    return !memchr(out[1].at, ' ', out[1].n);
}

/* U+2581 begins words only: a word may be cut before it when no merge has it later than first. */
static bool crosses(Word left, Word right)
{
    static const char space[] = "\xE2\x96\x81";
    const size_t n = sizeof space - 1;
    const bool begins = right.n >= n && memcmp(right.at, space, n) == 0;
    const bool ends = left.n >= n && memcmp(left.at + left.n - n, space, n) == 0;
    return begins && !ends;
}

static bool load_merge(const json_t *json, size_t rank, Merge *out, Loader *l, Error *err)
{
    Tokenizer *t = l->t;
    Model *m = &t->model;
    Word part[2];
    if (!pair_of(json, part))
        return LOAD_FAIL(l, err, "merge %zu is not a pair of tokens: \"a b\" or [\"a\", \"b\"]",
                         rank);
    int32_t id[3];
    for (int i = 0; i < 2; i++) {
        id[i] = vocabulary_find(&t->vocabulary, part[i].at, part[i].n);
        if (id[i] < 0)
            return LOAD_FAIL(l, err, "merge %zu: '%.60s' is not in the vocabulary", rank,
                             part[i].at);
    }
    Bytes whole = {.arena = t->arena};
    const size_t skip = m->prefix.n < part[1].n ? m->prefix.n : part[1].n;
    bytes_add(&whole, part[0].at, part[0].n);
    bytes_add(&whole, part[1].at + skip, part[1].n - skip);
    id[2] = vocabulary_find(&t->vocabulary, whole.at, whole.n);
    if (id[2] < 0)
        return LOAD_FAIL(l, err, "merge %zu: '%.*s' is not in the vocabulary", rank,
                         (int)(whole.n < 60 ? whole.n : 60), whole.at);
    *out = (Merge){(uint32_t)rank, (uint32_t)id[2]};
    bool fresh;
    *pair_map_add(&m->merge, PAIR_KEY(id[0], id[1]), &fresh) = (uint32_t)rank;
    m->cuts_before_space = m->cuts_before_space && !crosses(part[0], part[1]);
    return true;
}

bool load_bpe(const json_t *json, Loader *l, Error *err)
{
    Tokenizer *t = l->t;
    Model *m = &t->model;
    const json_t *dropout = json_object_get(json, "dropout");
    if (json_is_number(dropout) && json_number_value(dropout) > 0)
        return LOAD_FAIL(l, err, "model.dropout = %g: ids would be random; set it to null",
                         json_number_value(dropout));
    TRY(load_flag(json, "fuse_unk", false, &m->fuse_unk, l, err));
    TRY(load_flag(json, "ignore_merges", false, &m->ignore_merges, l, err));
    TRY(load_text(json, "continuing_subword_prefix", "", &m->prefix, l, err));
    TRY(load_text(json, "end_of_word_suffix", "", &m->suffix, l, err));
    const json_t *merges = json_object_get(json, "merges");
    if (!json_is_array(merges)) return LOAD_FAIL(l, err, "model.merges is not an array");
    const size_t n = json_array_size(merges);
    Merge *made = arena_new_array(t->arena, Merge, n);
    m->merge.arena = t->arena;
    m->merges = made;
    m->cuts_before_space = vocabulary_find(&t->vocabulary, "\xE2\x96\x81", 3) >= 0 &&
                           m->prefix.n == 0 && m->suffix.n == 0 && !m->ignore_merges;
    for (size_t i = 0; i < n; i++) TRY(load_merge(json_array_get(merges, i), i, &made[i], l, err));
    for (int32_t c = 0; c < LOW_CHARACTERS; c++) {
        char s[UNICODE_MAX_BYTES] = {0};
        const size_t length = unicode_put(s, c);
        m->low_id[c] = vocabulary_find(&t->vocabulary, s, length);
    }
    return true;
}
