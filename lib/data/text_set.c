/* text_set -- classes of texts, and of pairs of texts, read from files.
 *
 * With a tokenizer a text is the ids that a pretrained model knows, with what the tokenizer adds to
 * it, and two texts are one sequence: [CLS] a [SEP] b [SEP].
 *
 * The Long Range Arena (Tay et al. 2021, arXiv:2011.04006) has one of each: the bytes of film
 * reviews (IMDB), and whether one of two papers cites the other (the AAN's; label, two ids and two
 * texts in a line). As S4's code reads them they are characters, unit: char with an end. */
#include "data/text_encoder.h"
#include "data/text_labels.h"
#include "data/text_tokens.h"
#include "data/train_split.h"

#include <string.h>

typedef struct TextOptions {
    PathList train_file, valid_file, test_file, tokenizer;
    bool header;
    const char *label_column, *text_column, *second_column, *skip_labels;
    double valid;
    int64_t train_limit, length, min_count;
    int unit; /* 0 byte, 1 char */
    bool eos;
} TextOptions;

// clang-format off
#define TEXT_FILES(form)                                                                           \
    OPT_PATH(TextOptions, train_file, 1, "texts to train on: " form),                              \
    OPT_PATH(TextOptions, valid_file, 1, "texts to validate on, instead of a part of train"),      \
    OPT_PATH(TextOptions, test_file, 1, "texts to test on"),                                       \
    OPT_BOOL(TextOptions, header, false, "the first line of a table names its columns")
#define TEXT_COLUMNS(label, text)                                                                  \
    OPT_STRING(TextOptions, label_column, label, "of a table: number from 1, or name in its header"), \
    OPT_STRING(TextOptions, text_column, text, "the column of the text, or of a pair's first")
#define TEXT_OPTIONS(length_default)                                                               \
    OPT_STRING(TextOptions, skip_labels, "", "labels, apart by blanks, whose texts are left out"), \
    OPT_REAL(TextOptions, valid, 0, 0, 1e9,                                                        \
             "examples taken from train for validation: a count (> 1) or a share (< 1)"),          \
    OPT_INT(TextOptions, train_limit, 0, 0, 1000000000,                                            \
            "use only the first n training examples after the split; 0: all"),                     \
    OPT_INT(TextOptions, length, length_default, 1, 16777216,                                      \
            "steps of a text: a longer one is cut, a shorter one padded"),                         \
    OPT_ENUM(TextOptions, unit, "byte|char", "byte", "what a step is"),                       \
    OPT_INT(TextOptions, min_count, 15, 1, 1e9,                                                    \
            "of characters: how often one stands in train not to be unknown"),                     \
    OPT_BOOL(TextOptions, eos, false, "a text has a step for its end")
// clang-format on

static const Option options[] = {
    TEXT_FILES("a table, TSV or TSV.gz, or a folder with a folder a class"),
    TEXT_COLUMNS("2", "1"),
    OPT_STRING(TextOptions, second_column, "", "with a tokenizer: the column of a second text"),
    OPT_PATH(TextOptions, tokenizer, 1,
             "a tokenizer.json or a folder with one, in place of unit and eos; default: base's"),
    TEXT_OPTIONS(1024),
};

static const Option pair_options[] = {
    TEXT_FILES("a table, TSV or TSV.gz"),
    TEXT_COLUMNS("1", "4"),
    OPT_STRING(TextOptions, second_column, "5", "the column of a pair's second text"),
    TEXT_OPTIONS(4000),
};

/* A split's texts as ids, one after the other: text i is at[i] to at[i + 1]. */
typedef struct Encoded {
    const int64_t *at;
    const int32_t *id;
} Encoded;

typedef struct TextSet {
    TextRows rows[N_SPLITS];
    TextTokens tokens;
    int n_texts;
    TextEncoder encoder; /* while the set is opened; with a tokenizer: */
    Encoded encoded[N_SPLITS];
    int32_t pad;
} TextSet;

static void write_encoded(const TextSet *set, const Encoded *e, int64_t i, int64_t length,
                          int32_t *out)
{
    const int64_t n = e->at[i + 1] - e->at[i];
    for (int64_t t = 0; t < length; t++) out[t] = t < n ? e->id[e->at[i] + t] : set->pad;
}

static void draw_text(const Dataset *d, SplitId split, int64_t i, void *x, int32_t *label)
{
    const TextSet *set = d->source;
    const TextOptions *o = d->options;
    const Split *s = &d->split[split];
    const int64_t at = s->index ? s->index[i] : i;
    /* what is kept for validation stands among the training rows */
    const bool own = split != SPLIT_VALID || set->rows[SPLIT_VALID].n > 0;
    const SplitId from = own ? split : SPLIT_TRAIN;
    const TextRow *row = &set->rows[from].row[at];
    int32_t *token = x;
    *label = s->labels[at];
    if (set->encoded[from].at) {
        write_encoded(set, &set->encoded[from], at, o->length, token);
        return;
    }
    for (int k = 0; k < set->n_texts; k++)
        text_tokens_write(&set->tokens, row->text[k], o->length, token + k * o->length);
}

static bool encode_rows(TextSet *set, Dataset *d, SplitId split, int64_t length, Error *err)
{
    const TextRows *rows = &set->rows[split];
    TokenPool pool = {0};
    void *at_;
    bool ok = true;
    TRY(dataset_memory(d, &at_, (size_t)(rows->n + 1) * sizeof(int64_t), err));
    int64_t *at = at_;
    for (int64_t i = 0; i < rows->n && ok; i++) {
        TokenIds ids;
        ok = text_encoder_fit(&set->encoder, rows->row[i].text, set->n_texts, length, &ids, err) &&
             token_pool_add(&pool, ids.ids, ids.n, err);
        at[i + 1] = pool.n;
        if (!ok) error_note(err, "in row %lld of %s", (long long)i + 1, rows->path);
    }
    set->encoded[split] = (Encoded){at, pool.at};
    token_pool_own(&pool, d);
    return ok;
}

/* Reads the rows of a split and their classes; the training rows say which classes there are. */
static bool read_split(Dataset *d, TextSet *set, SplitId split, const char *path,
                       const TextColumns *columns, TextLabels *labels, Arena *a, Error *err)
{
    TextRows *rows = &set->rows[split];
    void *class;
    TRY(text_rows_read(rows, d, path, columns, a, err));
    if (split == SPLIT_TRAIN) TRY(text_labels_collect(labels, rows, a, err));
    TRY(dataset_memory(d, &class, (size_t)rows->n * sizeof(int32_t), err));
    TRY(text_labels_apply(labels, rows, class, err));
    d->split[split] = (Split){.n = rows->n, .labels = class};
    if (!set->encoder.tokenizer) return true;
    return encode_rows(set, d, split, ((const TextOptions *)d->options)->length, err);
}

static bool read_all(Dataset *d, TextSet *set, unsigned splits, Arena *a, Error *err)
{
    const TextOptions *o = d->options;
    const PathList *files[N_SPLITS] = {&o->train_file, &o->valid_file, &o->test_file};
    const TextColumns columns = {
        .label = o->label_column,
        .text = {o->text_column, o->second_column},
        .n_texts = set->n_texts,
        .header = o->header,
        .skip_labels = o->skip_labels
    };
    TextLabels labels = {.n = 0};
    const char *content = d->kind->name;
    for (SplitId s = 0; s < N_SPLITS; s++) {
        const char *path = path_list_at(files[s], 0);
        if (!path || (s != SPLIT_TRAIN && !(splits & 1u << s))) continue;
        TRY(read_split(d, set, s, path, &columns, &labels, a, err));
        content = arena_printf(a, "%s\n%s %s", content, split_name[s], set->rows[s].sha256);
    }
    if (set->encoder.tokenizer)
        content = arena_printf(a, "%s\ntokenizer %s", content, set->encoder.sha256);
    hash_bytes(content, strlen(content), d->sha256);
    d->class_names = labels.names;
    d->task.n_classes = labels.n;
    return true;
}

static bool check_options(const Dataset *d, const TextOptions *o, int n_texts, Error *err)
{
    const char *name = d->kind->name;
    if (o->train_file.n == 0)
        return fail(err, FAIL_CONFIG, NULL, "%s: train_file is missing; it names a table%s", name,
                    n_texts == 1 ? " or a folder with a folder a class" : "");
    if (!o->label_column || !o->text_column || (n_texts > 1 && !o->second_column))
        return fail(err, FAIL_CONFIG, NULL, "%s: a column has no name", name);
    if (o->valid > 0 && o->valid_file.n > 0)
        return fail(err, FAIL_CONFIG, NULL, "%s: valid takes from train what valid_file has", name);
    return true;
}

static bool read_encoded(Dataset *d, TextSet *set, unsigned splits, Arena *a, Error *err)
{
    const TextOptions *o = d->options;
    TRY(text_encoder_open(&set->encoder, path_list_at(&o->tokenizer, 0), false, NULL, a, err));
    set->pad = set->encoder.pad;
    TRY(read_all(d, set, splits, a, err));
    d->task.sample = shape(1, o->length);
    d->task.n_tokens = set->encoder.n_tokens;
    return true;
}

static bool read_units(Dataset *d, TextSet *set, unsigned splits, Arena *a, Error *err)
{
    const TextOptions *o = d->options;
    const int n_texts = set->n_texts;
    TRY(read_all(d, set, splits, a, err));
    if (o->unit == 0)
        text_tokens_of_bytes(&set->tokens, o->eos);
    else
        TRY(text_tokens_of_characters(&set->tokens, d, &set->rows[SPLIT_TRAIN], o->min_count,
                                      o->eos, err));
    d->task.sample = n_texts == 1 ? shape(1, o->length) : shape(2, (int64_t)n_texts, o->length);
    d->task.n_tokens = set->tokens.n_tokens;
    d->task.pair = n_texts > 1;
    return true;
}

static bool open_texts(Dataset *d, int n_texts, unsigned splits, Arena *a, Error *err)
{
    const TextOptions *o = d->options;
    TextSet *set = arena_new_array(a, TextSet, 1);
    set->n_texts = n_texts;
    d->source = set;
    d->task.dtype = I32;
    TRY(check_options(d, o, n_texts, err));
    const bool ok = o->tokenizer.n > 0 ? read_encoded(d, set, splits, a, err)
                                       : read_units(d, set, splits, a, err);
    text_encoder_close(&set->encoder);
    TRY(ok);
    const Split all = d->split[SPLIT_TRAIN], valid = d->split[SPLIT_VALID];
    TRY(train_split(d, &all, o->valid, o->train_limit, splits, err));
    if (o->valid_file.n > 0) d->split[SPLIT_VALID] = valid;
    return true;
}

static bool open_classification(Dataset *d, const void *o, const char *data_folder, unsigned splits,
                                Arena *a, Error *err)
{
    const TextOptions *options_ = o;
    (void)data_folder;
    if (options_->second_column && options_->tokenizer.n == 0)
        return fail(err, FAIL_CONFIG, NULL,
                    "text_classification: second_column needs a tokenizer, which knows what stands "
                    "between two texts; the data set retrieval reads them as two sequences");
    return open_texts(d, options_->second_column ? TEXT_PAIR : 1, splits, a, err);
}

static bool open_retrieval(Dataset *d, const void *o, const char *data_folder, unsigned splits,
                           Arena *a, Error *err)
{
    (void)o;
    (void)data_folder;
    return open_texts(d, TEXT_PAIR, splits, a, err);
}

const DatasetKind dataset_text_classification = {
    .name = "text_classification",
    .summary = "labelled texts from tables or folders, by bytes, characters or a tokenizer",
    .revision = 1,
    .options = OPTION_TABLE(TextOptions, options),
    .open = open_classification,
    .draw = draw_text,
};

const DatasetKind dataset_retrieval = {
    .name = "retrieval",
    .summary = "labelled pairs of texts from tables: does one cite the other?",
    .revision = 1,
    .options = OPTION_TABLE(TextOptions, pair_options),
    .open = open_retrieval,
    .draw = draw_text,
};
