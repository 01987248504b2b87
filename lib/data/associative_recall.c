/* associative_recall -- pairs of a key and its value, then a key again: the label is its value.
 *
 *   k4 v7  k1 v2  k4 v7  k9 v0  ...  k1      label: 2
 *
 * Every sequence draws a table of its own, a value for each key; pairs are drawn with repetition,
 * and the last key is that of one of the pairs, each with the same probability. Follows Ba et al.
 * 2016 (arXiv:1610.06258) and the form that Fu et al. 2023 (H3, arXiv:2212.14052) use.
 *
 * Tokens: 0 padding, which never occurs, 1..n_keys the keys, then the values. */
#include "data/generated_set.h"

enum { MAX_KEYS = 1024 };

typedef struct RecallOptions {
    GeneratedOptions generated;
    int64_t n_pairs, n_keys, n_values;
} RecallOptions;

static const Option options[] = {
    GENERATED_OPTIONS(10000, 1000, 1000),
    OPT_INT(RecallOptions, n_pairs, 16, 1, 1000000, "pairs in a sequence of 2 n_pairs + 1 tokens"),
    OPT_INT(RecallOptions, n_keys, 10, 2, MAX_KEYS, "different keys"),
    OPT_INT(RecallOptions, n_values, 10, 2, 1000, "different values: the classes"),
};

static void draw_recall(const Dataset *d, SplitId split, int64_t i, void *x, int32_t *label)
{
    const RecallOptions *o = d->options;
    Pcg rng = generated_stream(d, split, i);
    int32_t *token = x, value[MAX_KEYS] = {0};
    for (int64_t k = 0; k < o->n_keys; k++)
        value[k] = (int32_t)pcg_below(&rng, (uint32_t)o->n_values);
    for (int64_t k = 0; k < o->n_pairs; k++) {
        const int32_t key = (int32_t)pcg_below(&rng, (uint32_t)o->n_keys);
        token[2 * k] = 1 + key;
        token[2 * k + 1] = 1 + (int32_t)o->n_keys + value[key];
    }
    const int64_t asked = pcg_below(&rng, (uint32_t)o->n_pairs);
    token[2 * o->n_pairs] = token[2 * asked];
    *label = value[token[2 * asked] - 1];
}

static bool open_recall(Dataset *d, const void *options_, const char *data_folder, unsigned splits,
                        Arena *a, Error *err)
{
    (void)data_folder, (void)err;
    const RecallOptions *o = options_;
    d->task.sample = shape(1, 2 * o->n_pairs + 1);
    d->task.dtype = I32;
    d->task.n_tokens = 1 + o->n_keys + o->n_values;
    d->task.n_classes = (int)o->n_values;
    generated_set_finish(d, splits, a);
    return true;
}

const DatasetKind dataset_associative_recall = {
    .name = "associative_recall",
    .summary = "the value that stood after the last key before; needs no files",
    .revision = 1,
    .options = OPTION_TABLE(RecallOptions, options),
    .open = open_recall,
    .draw = draw_recall,
};
