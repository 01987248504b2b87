/* retrieval_markov -- two strings, each from a Markov chain: is it the same chain?
 *
 * A small form of the Long Range Arena's retrieval (Tay et al. 2021, arXiv:2011.04006), where two
 * texts have to be compared that share a head, not a first layer. Every pair has matrices of its
 * own, so no string says anything by itself: a row of a matrix is the softmax of normals times
 * `spread`, which makes chains more alike the smaller it is. Strings begin with any symbol alike.
 *
 * Tokens: 0 padding, which never occurs, then the symbols. */
#include "base/realmath.h"
#include "data/generated_set.h"

enum { MAX_SYMBOLS = 64, STRINGS = 2 };

typedef struct MarkovOptions {
    GeneratedOptions generated;
    int64_t length, n_symbols;
    double spread;
} MarkovOptions;

static const Option options[] = {
    GENERATED_OPTIONS(10000, 1000, 1000),
    OPT_INT(MarkovOptions, length, 128, 2, 1048576, "steps of each of the two strings"),
    OPT_INT(MarkovOptions, n_symbols, 16, 2, MAX_SYMBOLS, "different symbols"),
    OPT_REAL(MarkovOptions, spread, 2, 0, 20,
             "how far the transitions of a symbol differ: 0 makes all chains the same"),
};

/* The bound below which a uniform draw of 32 bits goes to symbol 0, 1, ... */
typedef struct Chain {
    uint32_t bound[MAX_SYMBOLS][MAX_SYMBOLS];
} Chain;

static void draw_chain(const MarkovOptions *o, Pcg *rng, Chain *chain)
{
    for (int64_t from = 0; from < o->n_symbols; from++) {
        double weight[MAX_SYMBOLS], sum = 0, below = 0;
        for (int64_t to = 0; to < o->n_symbols; to++) {
            weight[to] = real_exp(o->spread * pcg_normal(rng));
            sum += weight[to];
        }
        for (int64_t to = 0; to < o->n_symbols; to++) {
            below += weight[to] / sum;
            const double bound = below * 0x1p32;
            chain->bound[from][to] = bound < 0x1p32 - 1 ? (uint32_t)bound : UINT32_MAX;
        }
    }
}

static void draw_string(const MarkovOptions *o, Pcg *rng, const Chain *chain, int32_t *token)
{
    int64_t at = pcg_below(rng, (uint32_t)o->n_symbols);
    for (int64_t t = 0; t < o->length; t++) {
        token[t] = (int32_t)at + 1;
        const uint32_t *bound = chain->bound[at], draw = pcg_next(rng);
        at = 0;
        while (at + 1 < o->n_symbols && draw >= bound[at]) at++;
    }
}

static void draw_pair(const Dataset *d, SplitId split, int64_t i, void *x, int32_t *label)
{
    const MarkovOptions *o = d->options;
    Pcg rng = generated_stream(d, split, i);
    Chain chain;
    int32_t *token = x;
    *label = (int32_t)pcg_below(&rng, 2);
    draw_chain(o, &rng, &chain);
    draw_string(o, &rng, &chain, token);
    if (*label == 0) draw_chain(o, &rng, &chain);
    draw_string(o, &rng, &chain, token + o->length);
}

static bool open_markov(Dataset *d, const void *options_, const char *data_folder, unsigned splits,
                        Arena *a, Error *err)
{
    (void)data_folder;
    (void)err;
    static const char *const names[] = {"different", "same"};
    const MarkovOptions *o = options_;
    d->task = (Task){.sample = shape(2, (int64_t)STRINGS, o->length),
                     .dtype = I32,
                     .n_tokens = 1 + o->n_symbols,
                     .n_classes = 2,
                     .pair = true};
    d->class_names = names;
    generated_set_finish(d, splits, a);
    return true;
}

const DatasetKind dataset_retrieval_markov = {
    .name = "retrieval_markov",
    .summary = "two strings from Markov chains: from the same one? needs no files",
    .revision = 1,
    .options = OPTION_TABLE(MarkovOptions, options),
    .open = open_markov,
    .draw = draw_pair,
};
