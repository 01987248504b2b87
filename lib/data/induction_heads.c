/* induction_heads -- a marker stands once somewhere and again at the end: the label is the symbol
 * that followed it.
 *
 *   c a  |  f  b b d a ...  |      label: f
 *
 * Symbols are uniform and the first marker is anywhere with a symbol after it, so a model must find
 * it by content. As in Fu et al. 2023 (H3, arXiv:2212.14052, section 3.1), after Olsson et al.
 * 2022.
 *
 * Tokens: 0 padding, which never occurs, 1 the marker, then the symbols. */
#include "data/generated_set.h"

enum { MARKER = 1, SYMBOL };

typedef struct InductionOptions {
    GeneratedOptions generated;
    int64_t length, n_symbols;
} InductionOptions;

static const Option options[] = {
    GENERATED_OPTIONS(10000, 1000, 1000),
    OPT_INT(InductionOptions, length, 32, 3, 1048576, "tokens of a sequence, with both markers"),
    OPT_INT(InductionOptions, n_symbols, 20, 2, 1000, "different symbols: the classes"),
};

static void draw_induction(const Dataset *d, SplitId split, int64_t i, void *x, int32_t *label)
{
    const InductionOptions *o = d->options;
    Pcg rng = generated_stream(d, split, i);
    int32_t *token = x;
    for (int64_t t = 0; t < o->length; t++)
        token[t] = SYMBOL + (int32_t)pcg_below(&rng, (uint32_t)o->n_symbols);
    const int64_t first = pcg_below(&rng, (uint32_t)o->length - 2);
    token[first] = token[o->length - 1] = MARKER;
    *label = token[first + 1] - SYMBOL;
}

static bool open_induction(Dataset *d, const void *options_, const char *data_folder,
                           unsigned splits, Arena *a, Error *err)
{
    (void)data_folder, (void)err;
    const InductionOptions *o = options_;
    d->task.sample = shape(1, o->length);
    d->task.dtype = I32;
    d->task.n_tokens = SYMBOL + o->n_symbols;
    d->task.n_classes = (int)o->n_symbols;
    generated_set_finish(d, splits, a);
    return true;
}

const DatasetKind dataset_induction_heads = {
    .name = "induction_heads",
    .summary = "the symbol that stood after the last token before; needs no files",
    .revision = 1,
    .options = OPTION_TABLE(InductionOptions, options),
    .open = open_induction,
    .draw = draw_induction,
};
