/* data_tokenizer -- see data_tokenizer.h. */
#include "cmd/data_tokenizer.h"

#include "base/clock.h"
#include "base/text.h"
#include "cmd/json_write.h"
#include "data/files.h"
#include "io/file.h"
#include "tokenizer/tokenizer_train.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const Place place = {.file = "command line"};
static const size_t MAX_BYTES = (size_t)1 << 36;

/* -- Training */

/* All files, end to end; memory_map memory. */
static bool read_files(const char *const paths[], int n, Arena *a, char **out, size_t *bytes,
                       Error *err)
{
    DataFile *files = arena_new_array(a, DataFile, n);
    void *text = NULL;
    *bytes = 0;
    for (int i = 0; i < n; i++) files[i] = (DataFile){.path = paths[i], .max_bytes = MAX_BYTES};
    TRY(data_files_read(files, n, a, err));
    for (int i = 0; i < n; i++) *bytes += files[i].n;
    const bool ok = memory_map(&text, *bytes + 1, err);
    *out = text;
    for (int i = 0; ok && i < n; i++) {
        memcpy(text, files[i].bytes, files[i].n);
        text = (char *)text + files[i].n;
    }
    data_files_free(files, n);
    return ok;
}

static bool train(const Invocation *in, Error *err)
{
    const Flags *f = &in->flags;
    const char *const end = "<|endoftext|>";
    Tokenizer *t;
    char *text;
    size_t n;
    if (f->vocab_size == 0) return fail(err, FAIL_USAGE, &place, "--vocab-size is missing");
    if (!f->output)
        return fail(err, FAIL_USAGE, &place, "--output=FILE is missing: tokenizer.json");
    if (in->n_words < 3) return fail(err, FAIL_USAGE, &place, "a text file is missing");
    const TokenTraining how = {.family = f->tokenizer_kind < 0 ? TOKENS_BYTE_BPE
                                                               : (TokenFamily)f->tokenizer_kind,
                               .n_ids = (int32_t)f->vocab_size,
                               .min_frequency = 2,
                               .special = &end,
                               .n_special = f->tokenizer_kind <= 0};
    TRY(read_files(in->words + 2, in->n_words - 2, in->arena, &text, &n, err));
    const double start = clock_s();
    bool ok = tokenizer_train(&t, &how, text, n, err);
    memory_unmap(text, n + 1);
    TRY(ok);
    ok = tokenizer_save(t, f->output, err);
    if (ok && !f->quiet)
        (void)fprintf(stderr, "%s: %d tokens of %.1f MB in %.1f s\n", f->output, tokenizer_n_ids(t),
                      (double)n / 1e6, clock_s() - start);
    tokenizer_free(t);
    return ok;
}

/* -- Lines */

typedef struct Lines {
    const Invocation *in;
    Tokenizer *t;
    TokenEncoder *encoder;
} Lines;

static void print_encoded(const Lines *l, const TokenIds *ids)
{
    Json j = {0};
    if (!l->in->flags.json) {
        for (int64_t i = 0; i < ids->n; i++) (void)printf("%s%d", i > 0 ? " " : "", ids->ids[i]);
        (void)putchar('\n');
        return;
    }
    json_begin(&j, NULL, '{');
    json_begin(&j, "ids", '[');
    for (int64_t i = 0; i < ids->n; i++) json_add_int(&j, NULL, ids->ids[i]);
    json_end(&j, ']');
    json_begin(&j, "tokens", '[');
    for (int64_t i = 0; i < ids->n; i++)
        json_add_text(&j, NULL, tokenizer_token(l->t, ids->ids[i], NULL));
    json_end(&j, ']');
    json_end(&j, '}');
    json_print(&j);
}

static bool encode_line(const Lines *l, const char *line, size_t n, Error *err)
{
    TokenIds ids;
    TRY(token_encode(l->encoder, line, n, true, &ids, err));
    print_encoded(l, &ids);
    return true;
}

static bool decode_line(const Lines *l, const char *line, size_t n, Error *err)
{
    Arena *a = arena_new();
    int32_t *ids = arena_new_array(a, int32_t, n / 2 + 1);
    int64_t n_ids = 0;
    bool ok = true;
    const char *at = line + strspn(line, " \t,");
    while (ok && *at) {
        char *end;
        errno = 0;
        const long id = strtol(at, &end, 10);
        ok = end > at && !errno && id >= 0 && id < tokenizer_n_ids(l->t) && strchr(" \t,", *end);
        if (!ok) (void)fail(err, FAIL_DATA, NULL, "'%.20s' is no id of the tokenizer", at);
        ids[n_ids++] = (int32_t)id;
        at = end + strspn(end, " \t,");
    }
    if (ok) {
        size_t bytes;
        const char *text = token_decode(l->t, a, ids, n_ids, true, &bytes);
        (void)fwrite(text, 1, bytes, stdout);
        (void)putchar('\n');
    }
    arena_free(a);
    return ok;
}

static bool each_line(const Lines *l, FILE *from, const char *name,
                      bool (*use)(const Lines *, const char *, size_t, Error *), Error *err)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t n;
    bool ok = true;
    for (int64_t number = 1; ok && (n = getline(&line, &room, from)) >= 0; number++) {
        size_t length = (size_t)n;
        if (length > 0 && line[length - 1] == '\n') line[--length] = '\0';
        ok = use(l, line, length, err);
        if (!ok) error_note(err, "in line %lld of %s", (long long)number, name);
    }
    free(line);
    return ok;
}

static bool lines(const Invocation *in, bool encode, Error *err)
{
    const char *name = in->n_words > 3 ? in->words[3] : "-";
    const bool is_stdin = strcmp(name, "-") == 0;
    Lines l = {.in = in};
    if (in->n_words < 3) return fail(err, FAIL_USAGE, &place, "tokenizer.json is missing");
    TRY(command_word_count(in, 3, 4, err));
    const char *path = in->words[2];
    const char *within = arena_printf(in->arena, "%s/tokenizer.json", path);
    TRY(tokenizer_open(&l.t, file_exists(within) ? within : path, err));
    FILE *from = is_stdin ? stdin : fopen(name, "r");
    bool ok = from != NULL;
    if (!ok) (void)fail(err, FAIL_DATA, NULL, "%s: %s", name, strerror(errno));
    l.encoder = token_encoder_new(l.t);
    if (ok)
        ok = each_line(&l, from, is_stdin ? "standard input" : name,
                       encode ? encode_line : decode_line, err);
    if (from && !is_stdin) (void)fclose(from);
    token_encoder_free(l.encoder);
    tokenizer_free(l.t);
    return ok;
}

bool data_tokenizer(const Invocation *in, Error *err)
{
    const char *word = in->n_words > 1 ? in->words[1] : NULL;
    if (!word)
        return fail(err, FAIL_USAGE, &place, "tokenizer: train, encode or decode is missing");
    if (strcmp(word, "train") == 0) return train(in, err);
    if (strcmp(word, "encode") == 0) return lines(in, true, err);
    if (strcmp(word, "decode") == 0) return lines(in, false, err);
    return fail(err, FAIL_USAGE, &place,
                "unknown action 'tokenizer %.60s': expected train, encode or decode", word);
}
