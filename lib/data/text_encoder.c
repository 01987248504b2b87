/* text_encoder -- see text_encoder.h. */
#include "data/text_encoder.h"

#include "data/files.h"

#include <string.h>
#include <sys/stat.h>

enum { N_BYTES = 256, POOL_START = 1 << 16 };
static const size_t MAX_TOKENIZER = (size_t)1 << 30;

/* -- Memory of ids, doubled when it is full */

static bool grow(int32_t **at, int64_t used, int64_t *room, int64_t need, Error *err)
{
    int64_t more = *room ? *room : POOL_START;
    void *memory;
    if (need <= *room) return true;
    while (more < need) more *= 2;
    TRY(memory_map(&memory, (size_t)more * sizeof(int32_t), err));
    if (used > 0) memcpy(memory, *at, (size_t)used * sizeof(int32_t));
    memory_unmap(*at, (size_t)*room * sizeof(int32_t));
    *at = memory;
    *room = more;
    return true;
}

bool token_pool_add(TokenPool *p, const int32_t *ids, int64_t n, Error *err)
{
    TRY(grow(&p->at, p->n, &p->room, p->n + n, err));
    if (n > 0) memcpy(p->at + p->n, ids, (size_t)n * sizeof *ids);
    p->n += n;
    return true;
}

void token_pool_own(TokenPool *p, Dataset *d)
{
    if (p->room > 0) dataset_own(d, p->at, (size_t)p->room * sizeof(int32_t));
    *p = (TokenPool){0};
}

void token_pool_free(TokenPool *p)
{
    memory_unmap(p->at, (size_t)p->room * sizeof(int32_t));
    *p = (TokenPool){0};
}

/* -- The tokenizer */

/* The id of the first of these that the tokenizer has. */
static int32_t first_of(const Tokenizer *t, const char *const names[], int n, int32_t otherwise)
{
    for (int i = 0; i < n; i++) {
        const int32_t id = tokenizer_id(t, names[i], strlen(names[i]));
        if (id >= 0) return id;
    }
    return otherwise;
}

static bool find_end(TextEncoder *e, const char *path, const char *eos_token, Error *err)
{
    static const char *const usual[] = {"</s>", "<|end_of_text|>", "<|endoftext|>", "<eos>",
                                        "[SEP]"};
    e->end = eos_token ? first_of(e->tokenizer, &eos_token, 1, -1)
                       : first_of(e->tokenizer, usual, (int)(sizeof usual / sizeof *usual), -1);
    if (e->end >= 0) return true;
    if (eos_token)
        return fail(err, FAIL_CONFIG, NULL, "eos_token = '%.60s' is no token of %s", eos_token,
                    path);
    return fail(err, FAIL_CONFIG, NULL,
                "%s has no usual token for an end, such as </s>; eos_token names it, or eos: false",
                path);
}

static bool open_tokenizer(TextEncoder *e, const char *path, Arena *a, Error *err)
{
    static const char *const padding[] = {"<pad>", "[PAD]", "<|padding|>", "<|pad|>"};
    struct stat st;
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        path = arena_printf(a, "%s/tokenizer.json", path);
    DataFile file = {.path = path, .max_bytes = MAX_TOKENIZER};
    TRY(data_files_read(&file, 1, a, err));
    memcpy(e->sha256, file.sha256, HASH_HEX);
    const bool ok = tokenizer_parse(&e->tokenizer, file.bytes, file.n, path, err);
    data_files_free(&file, 1);
    TRY(ok);
    e->encoder = token_encoder_new(e->tokenizer);
    e->n_tokens = tokenizer_n_ids(e->tokenizer);
    e->pad = first_of(e->tokenizer, padding, (int)(sizeof padding / sizeof *padding), 0);
    return true;
}

bool text_encoder_open(TextEncoder *e, const char *path, bool eos, const char *eos_token, Arena *a,
                       Error *err)
{
    *e = (TextEncoder){.n_tokens = 1 + N_BYTES + eos, .end = eos ? 1 + N_BYTES : -1};
    if (!path) return true;
    TRY(open_tokenizer(e, path, a, err));
    return !eos || find_end(e, path, eos_token, err);
}

void text_encoder_close(TextEncoder *e)
{
    token_encoder_free(e->encoder);
    tokenizer_free(e->tokenizer);
    memory_unmap(e->bytes, (size_t)e->room * sizeof(int32_t));
    *e = (TextEncoder){0};
}

/* -- Texts */

bool text_encoder_ids(TextEncoder *e, TextSpan text, bool special, TokenIds *out, Error *err)
{
    if (e->tokenizer)
        return token_encode(e->encoder, (const char *)text.at, (size_t)text.n, special, out, err);
    TRY(grow(&e->bytes, 0, &e->room, text.n, err));
    for (int64_t i = 0; i < text.n; i++) e->bytes[i] = text.at[i] + 1;
    *out = (TokenIds){.ids = e->bytes, .n = text.n};
    return true;
}

/* Where `part` stands in the ids from `from` on; -1. */
static int64_t find_part(const TokenIds *all, int64_t from, const int32_t *part, int64_t n)
{
    for (int64_t i = from; i + n <= all->n; i++)
        if (n == 0 || memcmp(all->ids + i, part, (size_t)n * sizeof *part) == 0) return i;
    return -1;
}

/* A text's ids within the whole sequence. */
typedef struct Stretch {
    int64_t at, n, keep;
} Stretch;

/* Which of two is to lose a token; where both keep as many, the one that was shorter, so that an
 * odd number leaves the longer text one more, as the library does. */
static Stretch *longer_of(Stretch part[TEXT_PAIR])
{
    if (part[0].keep != part[1].keep) return part[1].keep > part[0].keep ? &part[1] : &part[0];
    return part[1].n >= part[0].n ? &part[0] : &part[1];
}

/* Which tokens of `all` are the texts', as far as they fit into `length`. */
static bool fit_parts(TextEncoder *e, const TextSpan text[], int n_texts, const TokenIds *all,
                      int64_t length, Stretch part[TEXT_PAIR], Error *err)
{
    TextEncoder own = *e; /* all->ids must stay: another encoder for the parts */
    int64_t from = 0, too_many = all->n - length;
    bool ok = true;
    own.encoder = token_encoder_new(e->tokenizer);
    for (int k = 0; k < TEXT_PAIR; k++) part[k] = (Stretch){0};
    for (int k = 0; k < n_texts && ok; k++) {
        TokenIds ids = {0};
        ok = text_encoder_ids(&own, text[k], false, &ids, err);
        if (!ok) break;
        part[k] = (Stretch){find_part(all, from, ids.ids, ids.n), ids.n, ids.n};
        if (part[k].at < 0)
            ok = fail(err, FAIL_DATA, NULL, "the tokenizer does not keep a text's tokens together");
        from = part[k].at + ids.n;
    }
    token_encoder_free(own.encoder);
    for (; ok && too_many > 0; too_many--) {
        Stretch *longer = n_texts > 1 ? longer_of(part) : &part[0];
        if (longer->keep == 0)
            ok = fail(err, FAIL_DATA, NULL,
                      "length = %lld has no room for what the tokenizer adds to a text",
                      (long long)length);
        longer->keep--;
    }
    return ok;
}

bool text_encoder_fit(TextEncoder *e, const TextSpan text[], int n_texts, int64_t length,
                      TokenIds *out, Error *err)
{
    Stretch part[TEXT_PAIR];
    TokenIds all = {0};
    const char *const both[] = {(const char *)text[0].at, (const char *)text[n_texts - 1].at};
    const size_t bytes[] = {(size_t)text[0].n, (size_t)text[n_texts - 1].n};
    TRY(n_texts > 1 ? token_encode_pair(e->encoder, both, bytes, true, &all, err)
                    : text_encoder_ids(e, text[0], true, &all, err));
    *out = all;
    if (all.n <= length) return true;
    TRY(fit_parts(e, text, n_texts, &all, length, part, err));
    TRY(grow(&e->bytes, 0, &e->room, length, err));
    int64_t n = 0;
    for (int64_t i = 0, k = 0; i < all.n; i++) {
        while (k < n_texts && i >= part[k].at + part[k].n) k++;
        const bool cut = k < n_texts && i >= part[k].at + part[k].keep;
        if (!cut) e->bytes[n++] = all.ids[i];
    }
    *out = (TokenIds){.ids = e->bytes, .n = n};
    return true;
}
