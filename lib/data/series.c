/* series -- classes of series of numbers, read from files of the UCR archive's forms.
 *
 * A series is a sequence of one number a step. Shorter ones are padded with zeros at the right,
 * which after normalisation is the mean; models of sequences see these as steps. */
#include "base/realmath.h"
#include "data/series_file.h"
#include "data/text_labels.h"
#include "data/train_split.h"

#include <string.h>

enum { NORMALIZE_SERIES, NORMALIZE_SET };

typedef struct SeriesOptions {
    PathList train_file, valid_file, test_file;
    double valid;
    int64_t train_limit, length;
    int normalize; /* 0 series, 1 set, 2 none */
} SeriesOptions;

// clang-format off
static const Option options[] = {
    OPT_PATH(SeriesOptions, train_file, 1, "series to train on: .ts, or text with the label first; plain or .gz"),
    OPT_PATH(SeriesOptions, valid_file, 1, "series to validate on, instead of a part of train"),
    OPT_PATH(SeriesOptions, test_file, 1, "series to test on"),
    OPT_REAL(SeriesOptions, valid, 0, 0, 1e9,
             "examples taken from train for validation: a count (> 1) or a share (< 1)"),
    OPT_INT(SeriesOptions, train_limit, 0, 0, 1000000000,
            "use only the first n training examples after the split; 0: all"),
    OPT_INT(SeriesOptions, length, 0, 0, 16777216,
            "steps: a longer series is cut, a shorter one padded; 0: as the longest of train"),
    OPT_ENUM(SeriesOptions, normalize, "series|set|none", "series",
             "to mean 0 and variance 1: every series, or all by the numbers of train"),
};
// clang-format on

typedef struct SeriesSet {
    SeriesFile file[N_SPLITS];
} SeriesSet;

static void draw_series(const Dataset *d, SplitId split, int64_t i, void *x, int32_t *label)
{
    const SeriesSet *set = d->source;
    const Split *s = &d->split[split];
    const int64_t at = s->index ? s->index[i] : i, length = d->task.sample.dim[0];
    const bool own = split != SPLIT_VALID || set->file[SPLIT_VALID].rows.n > 0;
    const SeriesFile *f = &set->file[own ? split : SPLIT_TRAIN];
    int64_t n = f->first[at + 1] - f->first[at];
    if (n > length) n = length;
    float *out = x;
    memcpy(out, f->value + f->first[at], (size_t)n * sizeof *out);
    memset(out + n, 0, (size_t)(length - n) * sizeof *out);
    *label = s->labels[at];
}

typedef struct Moments {
    double mean, std; /* of all values; a std of 0 is given as 1 */
} Moments;

static Moments moments(const float *value, int64_t n)
{
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < n; i++) sum += (double)value[i];
    const double mean = sum / (double)n;
    for (int64_t i = 0; i < n; i++)
        squares += ((double)value[i] - mean) * ((double)value[i] - mean);
    return (Moments){mean, squares > 0 ? real_sqrt(squares / (double)n) : 1};
}

static void normalise(float *value, int64_t n, Moments m)
{
    for (int64_t i = 0; i < n; i++) value[i] = (float)(((double)value[i] - m.mean) / m.std);
}

static void normalise_all(SeriesSet *set, int how)
{
    const SeriesFile *train = &set->file[SPLIT_TRAIN];
    const Moments all = moments(train->value, train->first[train->rows.n]);
    for (SplitId s = 0; s < N_SPLITS; s++) {
        SeriesFile *f = &set->file[s];
        for (int64_t i = 0; i < f->rows.n; i++) {
            float *value = f->value + f->first[i];
            const int64_t n = f->first[i + 1] - f->first[i];
            if (how == NORMALIZE_SERIES) normalise(value, n, moments(value, n));
            if (how == NORMALIZE_SET) normalise(value, n, all);
        }
    }
}

static bool read_split(Dataset *d, SeriesFile *f, SplitId split, const char *path,
                       TextLabels *labels, Arena *a, Error *err)
{
    void *class;
    TRY(series_file_read(f, d, path, a, err));
    if (split == SPLIT_TRAIN) TRY(text_labels_collect(labels, &f->rows, a, err));
    TRY(dataset_memory(d, &class, (size_t)f->rows.n * sizeof(int32_t), err));
    TRY(text_labels_apply(labels, &f->rows, class, err));
    d->split[split] = (Split){.n = f->rows.n, .labels = class};
    return true;
}

static bool read_all(Dataset *d, SeriesSet *set, unsigned splits, Arena *a, Error *err)
{
    const SeriesOptions *o = d->options;
    const PathList *files[N_SPLITS] = {&o->train_file, &o->valid_file, &o->test_file};
    TextLabels labels = {.n = 0};
    const char *content = d->kind->name;
    for (SplitId s = 0; s < N_SPLITS; s++) {
        const char *path = path_list_at(files[s], 0);
        if (!path || (s != SPLIT_TRAIN && !(splits & 1u << s))) continue;
        TRY(read_split(d, &set->file[s], s, path, &labels, a, err));
        content = arena_printf(a, "%s\n%s %s", content, split_name[s], set->file[s].rows.sha256);
    }
    hash_bytes(content, strlen(content), d->sha256);
    d->class_names = labels.names;
    d->task.n_classes = labels.n;
    return true;
}

static bool open_series(Dataset *d, const void *options_, const char *data_folder, unsigned splits,
                        Arena *a, Error *err)
{
    (void)data_folder;
    const SeriesOptions *o = options_;
    SeriesSet *set = arena_new_array(a, SeriesSet, 1);
    d->source = set;
    if (o->train_file.n == 0) return fail(err, FAIL_CONFIG, NULL, "series: train_file is missing");
    if (o->valid > 0 && o->valid_file.n > 0)
        return fail(err, FAIL_CONFIG, NULL, "series: valid takes from train what valid_file has");
    TRY(read_all(d, set, splits, a, err));
    normalise_all(set, o->normalize);
    const int64_t length = o->length ? o->length : set->file[SPLIT_TRAIN].longest;
    d->task.sample = shape(2, length, INT64_C(1));
    d->task.dtype = F32;
    const Split all = d->split[SPLIT_TRAIN], valid = d->split[SPLIT_VALID];
    TRY(train_split(d, &all, o->valid, o->train_limit, splits, err));
    if (o->valid_file.n > 0) d->split[SPLIT_VALID] = valid;
    return true;
}

const DatasetKind dataset_series = {
    .name = "series",
    .summary = "labelled series of numbers from files, as in the UCR archive",
    .revision = 1,
    .options = OPTION_TABLE(SeriesOptions, options),
    .open = open_series,
    .draw = draw_series,
};
