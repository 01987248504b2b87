/* delay -- the label is the symbol that stood `delay` tokens before the last one.
 *
 * Symbols are independent and uniform, so nothing but that one token tells anything: the plainest
 * test of how far back a model sees. The usual form asks for x[t - delay] at every t; here the last
 * position answers.
 *
 * Tokens: 0 padding, which never occurs, then the symbols. */
#include "data/generated_set.h"

typedef struct DelayOptions {
    GeneratedOptions generated;
    int64_t length, delay, n_symbols;
} DelayOptions;

static const Option options[] = {
    GENERATED_OPTIONS(10000, 1000, 1000),
    OPT_INT(DelayOptions, length, 64, 1, 1048576, "tokens of a sequence"),
    OPT_INT(DelayOptions, delay, 32, 0, 1048575,
            "tokens between the symbol asked for and the last"),
    OPT_INT(DelayOptions, n_symbols, 8, 2, 1000, "different symbols: the classes"),
};

static void draw_delay(const Dataset *d, SplitId split, int64_t i, void *x, int32_t *label)
{
    const DelayOptions *o = d->options;
    Pcg rng = generated_stream(d, split, i);
    int32_t *token = x;
    for (int64_t t = 0; t < o->length; t++)
        token[t] = 1 + (int32_t)pcg_below(&rng, (uint32_t)o->n_symbols);
    *label = token[o->length - 1 - o->delay] - 1;
}

static bool open_delay(Dataset *d, const void *options_, const char *data_folder, unsigned splits,
                       Arena *a, Error *err)
{
    (void)data_folder;
    const DelayOptions *o = options_;
    if (o->delay >= o->length)
        return fail(err, FAIL_CONFIG, NULL,
                    "delay = %lld reaches before the start of a sequence of length = %lld",
                    (long long)o->delay, (long long)o->length);
    d->task.sample = shape(1, o->length);
    d->task.dtype = I32;
    d->task.n_tokens = 1 + o->n_symbols;
    d->task.n_classes = (int)o->n_symbols;
    generated_set_finish(d, splits, a);
    return true;
}

const DatasetKind dataset_delay = {
    .name = "delay",
    .summary = "the symbol that stood a number of tokens before the last; needs no files",
    .revision = 1,
    .options = OPTION_TABLE(DelayOptions, options),
    .open = open_delay,
    .draw = draw_delay,
};
