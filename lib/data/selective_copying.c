/* selective_copying -- symbols stand among blanks, at places of their own in every sequence; at the
 * end as many markers ask for them in order.
 *
 *   . c . . a f . . . b . | | | |      labels at the markers: c a f b
 *
 * So a model must see what a token is, not only where it stands: time-invariant filters fail (Gu &
 * Dao, Mamba, arXiv:2312.00752, section 3.1; after Jing et al. 2019).
 *
 * Tokens: 0 padding, which never occurs, 1 the blank, 2 the marker, then the symbols. */
#include "data/generated_set.h"

enum { BLANK = 1, MARKER, SYMBOL };

typedef struct CopyingOptions {
    GeneratedOptions generated;
    int64_t length, n_copied, n_symbols;
} CopyingOptions;

static const Option options[] = {
    GENERATED_OPTIONS(10000, 1000, 1000),
    OPT_INT(CopyingOptions, length, 64, 1, 1048576, "steps before the markers"),
    OPT_INT(CopyingOptions, n_copied, 8, 1, 4096, "symbols to copy, and markers; length at most"),
    OPT_INT(CopyingOptions, n_symbols, 16, 2, 1000, "different symbols: the classes"),
};

/* n_copied of `length` places, all sets of them alike: each place is taken with the chance that the
 * rest of the set leaves it (Knuth, TAOCP 2, algorithm 3.4.2 S). */
static void draw_copying(const Dataset *d, SplitId split, int64_t i, void *x, int32_t *label)
{
    const CopyingOptions *o = d->options;
    Pcg rng = generated_stream(d, split, i);
    int32_t *token = x;
    int64_t n = 0;
    for (int64_t t = 0; t < o->length; t++) {
        const bool taken = pcg_below(&rng, (uint32_t)(o->length - t)) < o->n_copied - n;
        token[t] = BLANK;
        label[t] = -1;
        if (!taken) continue;
        label[o->length + n] = (int32_t)pcg_below(&rng, (uint32_t)o->n_symbols);
        token[t] = SYMBOL + label[o->length + n++];
    }
    for (int64_t t = 0; t < o->n_copied; t++) token[o->length + t] = MARKER;
}

static bool open_copying(Dataset *d, const void *options_, const char *data_folder, unsigned splits,
                         Arena *a, Error *err)
{
    (void)data_folder;
    const CopyingOptions *o = options_;
    if (o->n_copied > o->length)
        return fail(err, FAIL_CONFIG, NULL,
                    "selective_copying: n_copied = %lld symbols do not fit into length = %lld",
                    (long long)o->n_copied, (long long)o->length);
    d->task = (Task){.sample = shape(1, o->length + o->n_copied),
                     .dtype = I32,
                     .n_tokens = SYMBOL + o->n_symbols,
                     .n_classes = (int)o->n_symbols,
                     .per_step = true};
    generated_set_finish(d, splits, a);
    return true;
}

const DatasetKind dataset_selective_copying = {
    .name = "selective_copying",
    .summary = "symbols among blanks, to be copied in order; needs no files",
    .revision = 1,
    .options = OPTION_TABLE(CopyingOptions, options),
    .open = open_copying,
    .draw = draw_copying,
};
