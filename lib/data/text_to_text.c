/* text_to_text -- a text to be answered with another: instructions and their responses, and classes
 * whose answer is a word, as T5 and LoRA-GA's experiments have GLUE.
 *
 *   decoder           x       p1 p2 p3 r1 r2        a prompt p, its response r, then the end
 *                     labels  -  -  r1 r2 end
 *   encoder_decoder   source  p1 p2 p3 end .        . is padding
 *                     x       .  r1 r2              a start, which is the padding's token, then
 *                     labels  r1 r2 end             the target but for its last
 *
 * Only the response is learned. Prompt and response are made into tokens each on its own, so that
 * training sees the prompt just as generation will be given it; the prompt has what the tokenizer
 * adds to a text (a start, and in the second form the end). What is too long for a decoder loses
 * the end of its response but for one token, then the start of its prompt; a source or target that
 * is too long loses what stands before its end. */
#include "base/text.h"
#include "data/files.h"
#include "data/text_encoder.h"
#include "data/text_records.h"
#include "data/train_split.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_PATHS = OPTION_LIST_MAX, LAYOUT_DECODER = 0, LAYOUT_ENCODER_DECODER };
static const size_t MAX_FILE = (size_t)1 << 34;

typedef struct TextToText {
    PathList train_file, valid_file, test_file, tokenizer;
    const char *prompt, *response, *eos_token;
    CountMap label_words;
    double valid;
    int64_t train_limit, max_length, max_target_length, vocab_size;
    int layout;
    bool header, eos;
} TextToText;

// clang-format off
static const Option options[] = {
    OPT_PATH(TextToText, train_file, MAX_PATHS, "JSON lines, a JSON list or tables (TSV), plain or .gz, to train on"),
    OPT_PATH(TextToText, valid_file, MAX_PATHS, "files to validate on, instead of a part of train"),
    OPT_PATH(TextToText, test_file, MAX_PATHS, "files to test on"),
    OPT_BOOL(TextToText, header, false, "the first line of a table names its columns"),
    OPT_STRING(TextToText, prompt, "{prompt}", "the text that is given; {field} is a field of the JSON, or a table's column by name or number"),
    OPT_STRING(TextToText, response, "{response}", "the text that is learned, likewise"),
    OPT_COUNTS(TextToText, label_words, -1e9, 1e9, "classes as words: {negative: 0, positive: 1} says which word stands for a response that is a number; accuracy then compares their first tokens"),
    OPT_PATH(TextToText, tokenizer, 1, "a tokenizer.json or a folder with one; default: base's, else bytes"),
    OPT_INT(TextToText, vocab_size, 0, 0, 1e8, "tokens that are told apart, at least those of the tokenizer; 0: as many; default: base's"),
    OPT_ENUM(TextToText, layout, "decoder|encoder_decoder", "decoder", "one sequence, or a source and a target"),
    OPT_INT(TextToText, max_length, 256, 1, 16777216, "steps of prompt and response, or of a source, in tokens"),
    OPT_INT(TextToText, max_target_length, 32, 1, 16777216, "encoder_decoder: steps of a target, in tokens"),
    OPT_BOOL(TextToText, eos, true, "a response is followed by the end's token"),
    OPT_STRING(TextToText, eos_token, "", "the end's token; default: the usual one that the tokenizer has"),
    OPT_REAL(TextToText, valid, 0, 0, 1e9, "examples taken from train for validation: a count (> 1) or a share (< 1)"),
    OPT_INT(TextToText, train_limit, 0, 0, 1000000000, "use only the first n training examples after the split; 0: all"),
};
// clang-format on

/* An example's ids in the pool: the prompt's, then the response's with its end. */
typedef struct Row {
    int64_t at, n_prompt, n_response;
} Row;

/* What a split's files hold. */
typedef struct Part {
    const Row *row;
    int64_t n;
    const int32_t *id;
} Part;

typedef struct Source {
    Part part[N_SPLITS];
    int32_t pad;
} Source;

/* A part while it is read. */
typedef struct Rows {
    Row *row; /* malloc's */
    int64_t n, room;
    TokenPool ids;
} Rows;

/* What reading needs. */
typedef struct Reader {
    Source *source;
    const TextToText *o;
    Dataset *d;
    Arena *arena;
    TextEncoder encoder;
    TextTemplate prompt, response;
    const char *hashes;
} Reader;

/* -- Examples */

static const Part *part_of(const Dataset *d, SplitId split)
{
    const Source *s = d->source;
    /* what is kept for validation stands among the training rows */
    return &s->part[split == SPLIT_VALID && s->part[SPLIT_VALID].n == 0 ? SPLIT_TRAIN : split];
}

static void draw_decoder(const Dataset *d, const int32_t *ids, const Row *r, int32_t *x,
                         int32_t *label)
{
    const int64_t steps = d->task.sample.dim[0], n = r->n_prompt + r->n_response;
    const int32_t pad = ((const Source *)d->source)->pad;
    for (int64_t t = 0; t < steps; t++) {
        x[t] = t + 1 < n ? ids[t] : pad;
        label[t] = t + 1 < n && t + 1 >= r->n_prompt ? ids[t + 1] : -1;
    }
}

static void draw_encoder_decoder(const Dataset *d, const int32_t *ids, const Row *r, int32_t *x,
                                 int32_t *label)
{
    const int64_t source = d->task.source_steps, target = d->task.sample.dim[0] - source;
    const int32_t pad = ((const Source *)d->source)->pad;
    for (int64_t t = 0; t < source; t++) x[t] = t < r->n_prompt ? ids[t] : pad;
    ids += r->n_prompt;
    for (int64_t t = 0; t < target; t++) {
        x[source + t] = t > 0 && t <= r->n_response ? ids[t - 1] : pad;
        label[t] = t < r->n_response ? ids[t] : -1;
    }
}

static void draw_answer(const Dataset *d, SplitId split, int64_t i, void *x, int32_t *label)
{
    const Split *s = &d->split[split];
    const Part *part = part_of(d, split);
    const Row *r = &part->row[s->index ? s->index[i] : i];
    if (d->task.source_steps > 0)
        draw_encoder_decoder(d, part->id + r->at, r, x, label);
    else
        draw_decoder(d, part->id + r->at, r, x, label);
}

/* -- Reading */

static bool add_row(Rows *rows, const Row *row, Error *err)
{
    enum { START = 1024 };
    if (rows->n == rows->room) {
        const int64_t room = rows->room ? 2 * rows->room : START;
        Row *more = realloc(rows->row, (size_t)room * sizeof *more);
        if (!more) return fail(err, FAIL_RUN, NULL, "no memory for %lld examples", (long long)room);
        rows->row = more;
        rows->room = room;
    }
    rows->row[rows->n++] = *row;
    return true;
}

/* The word that a response stands for, where classes are words. */
static bool word_of(const Reader *r, const TextRecords *records, TextSpan *response, Error *err)
{
    const CountMap *words = &r->o->label_words;
    char number[24], text[64];
    if (words->n == 0) return true;
    (void)snprintf(text, sizeof text, "%.*s", response->n < 60 ? (int)response->n : 60,
                   (const char *)response->at);
    for (int i = 0; i < words->n; i++) {
        const char *name = words->at[i].name;
        (void)snprintf(number, sizeof number, "%lld", (long long)words->at[i].count);
        if (strcmp(text, name) != 0 && strcmp(text, number) != 0) continue;
        *response = (TextSpan){(const uint8_t *)name, (int64_t)strlen(name)};
        return true;
    }
    return fail(err, FAIL_DATA, NULL,
                "%s:%lld: '%s' is none of label_words and none of their numbers", records->path,
                (long long)records->line, text);
}

/* As the layout has it: a decoder's goes on with the response, a source has the end. */
static bool add_prompt(const Reader *r, Rows *rows, TokenIds ids, Row *row, Error *err)
{
    const bool decoder = r->o->layout == LAYOUT_DECODER;
    const int32_t end = r->encoder.end;
    const int64_t room = r->o->max_length - (!decoder && end >= 0);
    if (end >= 0 && ids.n > 0 && ids.ids[ids.n - 1] == end) ids.n--;
    row->n_prompt = ids.n < room ? ids.n : room;
    if (decoder) ids.ids += ids.n - row->n_prompt;
    TRY(token_pool_add(&rows->ids, ids.ids, row->n_prompt, err));
    if (decoder || end < 0) return true;
    row->n_prompt++;
    return token_pool_add(&rows->ids, &end, 1, err);
}

/* As much as there is room for. */
static bool add_response(const Reader *r, Rows *rows, TokenIds ids, Row *row, Error *err)
{
    const TextToText *o = r->o;
    const bool decoder = o->layout == LAYOUT_DECODER;
    const int64_t room = decoder ? o->max_length + 1 - row->n_prompt : o->max_target_length;
    const int64_t whole = ids.n + (r->encoder.end >= 0);
    int64_t n = ids.n < room ? ids.n : room;
    /* a target keeps its end when it is cut, as the library's does */
    if (!decoder && r->encoder.end >= 0 && n == room) n--;
    TRY(token_pool_add(&rows->ids, ids.ids, n, err));
    row->n_response = n;
    if (r->encoder.end < 0 || (decoder && whole > room)) return true;
    row->n_response++;
    return token_pool_add(&rows->ids, &r->encoder.end, 1, err);
}

static bool read_record(Reader *r, TextRecords *records, Rows *rows, Error *err)
{
    TextSpan text;
    TokenIds ids;
    Row row = {.at = rows->ids.n};
    TokenPool prompt = {0};
    TRY(text_records_text(records, &r->prompt, &text, err));
    TRY(text_encoder_ids(&r->encoder, text, true, &ids, err));
    bool ok = token_pool_add(&prompt, ids.ids, ids.n, err) &&
              text_records_text(records, &r->response, &text, err) &&
              word_of(r, records, &text, err) &&
              text_encoder_ids(&r->encoder, text, false, &ids, err);
    if (ok && ids.n == 0 && r->encoder.end < 0)
        ok = fail(err, FAIL_DATA, NULL, "%s:%lld: the response is empty", records->path,
                  (long long)records->line);
    ok = ok && add_prompt(r, rows, (TokenIds){.ids = prompt.at, .n = prompt.n}, &row, err) &&
         add_response(r, rows, ids, &row, err) && add_row(rows, &row, err);
    token_pool_free(&prompt);
    return ok;
}

static bool read_file(Reader *r, const char *path, SplitId split, Rows *rows, Error *err)
{
    const char *there = file_exists(path) ? path : arena_printf(r->arena, "%s.gz", path);
    DataFile file = {.path = there, .max_bytes = MAX_FILE};
    if (!file_exists(there))
        return fail(err, FAIL_DATA, NULL, "%s is not there, nor with .gz added", path);
    TRY(data_files_read(&file, 1, r->arena, err));
    TextRecords records;
    bool more, ok = true;
    text_records_start(&records, there, (TextSpan){file.bytes, (int64_t)file.n}, r->o->header);
    while ((ok = text_records_next(&records, &more, err)) && more)
        if (!(ok = read_record(r, &records, rows, err))) break;
    text_records_end(&records);
    r->hashes = arena_printf(r->arena, "%s%s %s\n", r->hashes, split_name[split], file.sha256);
    data_files_free(&file, 1);
    return ok && (rows->n > 0 || fail(err, FAIL_DATA, NULL, "%s: has no rows", there));
}

/* Hands a split's rows over to the dataset. */
static bool keep_rows(Dataset *d, Rows *rows, Part *part, Error *err)
{
    void *row;
    TRY(dataset_memory(d, &row, (size_t)rows->n * sizeof(Row), err));
    memcpy(row, rows->row, (size_t)rows->n * sizeof(Row));
    *part = (Part){.row = row, .n = rows->n, .id = rows->ids.at};
    token_pool_own(&rows->ids, d);
    return true;
}

static bool read_split(Reader *r, SplitId split, const PathList *paths, Error *err)
{
    Part *part = &r->source->part[split];
    Rows rows = {.n = 0};
    bool ok = true;
    for (int i = 0; i < paths->n && ok; i++)
        ok = read_file(r, path_list_at(paths, i), split, &rows, err);
    if (ok && paths->n > 0) ok = keep_rows(r->d, &rows, part, err);
    free(rows.row);
    token_pool_free(&rows.ids);
    r->d->split[split].n = part->n;
    return ok;
}

/* The first tokens of the words; two that are the same could not be told apart. */
static bool find_choices(Reader *r, Error *err)
{
    const CountMap *words = &r->o->label_words;
    int32_t *first = arena_new_array(r->arena, int32_t, words->n + 1);
    for (int i = 0; i < words->n; i++) {
        const char *name = words->at[i].name;
        TokenIds ids;
        TRY(text_encoder_ids(&r->encoder, (TextSpan){(const uint8_t *)name, (int64_t)strlen(name)},
                             false, &ids, err));
        if (ids.n == 0)
            return fail(err, FAIL_CONFIG, NULL, "label_words: '%.60s' has no token", name);
        first[i] = ids.ids[0];
        for (int k = 0; k < i; k++)
            if (first[k] == first[i])
                return fail(err, FAIL_CONFIG, NULL,
                            "label_words: '%.60s' and '%.60s' begin with the same token",
                            words->at[k].name, name);
    }
    r->d->task.choices = words->n > 0 ? first : NULL;
    r->d->task.n_choices = words->n;
    return true;
}

static void set_task(const Reader *r)
{
    const TextToText *o = r->o;
    const bool two = o->layout == LAYOUT_ENCODER_DECODER;
    Task *t = &r->d->task;
    r->source->pad = r->encoder.pad;
    t->sample = shape(1, o->max_length + (two ? o->max_target_length : 0));
    t->dtype = I32;
    t->n_tokens = o->vocab_size > 0 ? o->vocab_size : r->encoder.n_tokens;
    t->n_classes = (int)t->n_tokens;
    t->per_step = t->causal = t->answer = true;
    t->source_steps = two ? o->max_length : 0;
}

static bool check_options(const TextToText *o, Error *err)
{
    if (o->train_file.n == 0)
        return fail(err, FAIL_CONFIG, NULL,
                    "text_to_text: train_file is missing: JSON lines or a table");
    if (!o->response) return fail(err, FAIL_CONFIG, NULL, "text_to_text: response is empty");
    if (o->valid > 0 && o->valid_file.n > 0)
        return fail(err, FAIL_CONFIG, NULL,
                    "text_to_text: valid takes from train what valid_file has");
    return true;
}

static bool read_all(Reader *r, unsigned splits, Error *err)
{
    const TextToText *o = r->o;
    const PathList *files[N_SPLITS] = {&o->train_file, &o->valid_file, &o->test_file};
    TRY(text_template_read(&r->prompt, "prompt", o->prompt, r->arena, err));
    TRY(text_template_read(&r->response, "response", o->response, r->arena, err));
    TRY(text_encoder_open(&r->encoder, path_list_at(&o->tokenizer, 0), o->eos, o->eos_token,
                          r->arena, err));
    if (o->vocab_size > 0 && o->vocab_size < r->encoder.n_tokens)
        return fail(err, FAIL_CONFIG, NULL, "vocab_size = %lld; the tokenizer has %lld tokens",
                    (long long)o->vocab_size, (long long)r->encoder.n_tokens);
    TRY(find_choices(r, err));
    set_task(r);
    for (SplitId s = 0; s < N_SPLITS; s++)
        if (s == SPLIT_TRAIN || splits & 1u << s) TRY(read_split(r, s, files[s], err));
    return true;
}

static bool open_text_to_text(Dataset *d, const void *options_, const char *data_folder,
                              unsigned splits, Arena *a, Error *err)
{
    (void)data_folder;
    const TextToText *o = options_;
    Reader r = {.o = o, .d = d, .arena = a, .hashes = "text_to_text\n"};
    d->source = r.source = arena_new_array(a, Source, 1);
    TRY(check_options(o, err));
    const bool ok = read_all(&r, splits, err);
    const char *content = arena_printf(a, "%s%s", r.hashes, r.encoder.sha256);
    text_encoder_close(&r.encoder);
    TRY(ok);
    hash_bytes(content, strlen(content), d->sha256);
    const Split all = d->split[SPLIT_TRAIN], valid = d->split[SPLIT_VALID];
    TRY(train_split(d, &all, o->valid, o->train_limit, splits, err));
    if (o->valid_file.n > 0) d->split[SPLIT_VALID] = valid;
    return true;
}

const DatasetKind dataset_text_to_text = {
    .name = "text_to_text",
    .summary = "prompts and responses, or classes as words, from JSON lines or tables",
    .revision = 1,
    .options = OPTION_TABLE(TextToText, options),
    .open = open_text_to_text,
    .draw = draw_answer,
};
