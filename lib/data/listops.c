/* listops -- nested lists of digits under MIN, MAX, MED and SM; the label is their value, 0-9.
 *
 * The grammar is that of the Long Range Arena (Tay et al. 2021, arXiv:2011.04006; the task is
 * Nangia & Bowman's, 2018): at every place a digit with probability 3/4, otherwise, above the
 * greatest depth, an operator over 2 to max_args such places; only expressions whose length lies
 * strictly between min_length and max_length are kept. An operator and its closing bracket count as
 * a token each. MED is the median, of an even number of values the mean of the middle two rounded
 * down; SM the sum modulo ten.
 *
 * Tokens, the same in every set: 0 padding, 1 unknown, 2 end, 3-12 the digits, 13 the closing
 * bracket, 14 MIN, 15 MAX, 16 MED, 17 SM. A sequence is the expression, the end token and padding.
 *
 * Labels are skewed, and the operator at the root alone predicts 27 % of the default set and 37 %
 * of the LRA's (max_depth 10, max_args 10, lengths 500 to 2000): a model has learned nothing below.
 * The LRA throws duplicates away; here two of a million expressions of 20 tokens and more are equal
 * with a probability of about 1e-6, so nothing is thrown away. */
#include "data/generated_set.h"

enum { PAD, UNKNOWN, END, DIGIT, CLOSE = DIGIT + 10, MIN, MAX, MED, SM, N_TOKENS };
enum { N_CLASSES = 10, MAX_DEPTH = 20, MAX_ARGS = 20 };

typedef struct ListopsOptions {
    GeneratedOptions generated;
    int64_t max_depth, max_args, min_length, max_length;
} ListopsOptions;

static const Option options[] = {
    GENERATED_OPTIONS(10000, 1000, 1000),
    OPT_INT(ListopsOptions, max_depth, 6, 2, MAX_DEPTH, "levels of nesting, a lone digit being 1"),
    OPT_INT(ListopsOptions, max_args, 6, 2, MAX_ARGS, "values under one operator, at most"),
    OPT_INT(ListopsOptions, min_length, 50, 1, 65535, "tokens: an expression has more"),
    OPT_INT(ListopsOptions, max_length, 128, 2, 65536,
            "tokens: an expression has less; also the length of a sequence"),
};

typedef struct Expression {
    const ListopsOptions *o;
    Pcg rng;
    int32_t *token;
    int64_t n;
    bool too_long;
} Expression;

static int value_of(int32_t operation, const int *sorted, int n)
{
    int sum = 0;
    switch (operation) {
    case MIN:
        return sorted[0];
    case MAX:
        return sorted[n - 1];
    case MED:
        return (sorted[(n - 1) / 2] + sorted[n / 2]) / 2;
    default:
        for (int i = 0; i < n; i++) sum += sorted[i];
        return sum % 10;
    }
}

static void put(Expression *e, int32_t token)
{
    /* one place is kept for the end token */
    if (e->n + 1 < e->o->max_length)
        e->token[e->n++] = token;
    else
        e->too_long = true;
}

/* Appends one place at `depth` and returns its value. The operator is drawn before its values, not
 * after them as in the LRA's program: the same distribution. */
// NOLINTNEXTLINE(misc-no-recursion): at most MAX_DEPTH deep
static int grow(Expression *e, int64_t depth)
{
    int value[MAX_ARGS] = {0}, n_values = 0;
    if (depth >= e->o->max_depth || pcg_next(&e->rng) >> 30 != 0) {
        const int digit = (int)pcg_below(&e->rng, 10);
        put(e, DIGIT + digit);
        return digit;
    }
    const int32_t operation = MIN + (int32_t)pcg_below(&e->rng, 4);
    const int n = 2 + (int)pcg_below(&e->rng, (uint32_t)e->o->max_args - 1);
    put(e, operation);
    while (n_values < n && !e->too_long) {
        const int v = grow(e, depth + 1);
        int at = n_values++;
        for (; at > 0 && value[at - 1] > v; at--) value[at] = value[at - 1];
        value[at] = v;
    }
    put(e, CLOSE);
    if (e->too_long) return 0; /* it is thrown away, and may have no values */
    return value_of(operation, value, n_values);
}

/* One draw of the grammar, given up as soon as it is too long; true when it is to be kept. */
static bool try_once(Expression *e, int *value)
{
    e->n = 0;
    e->too_long = false;
    *value = grow(e, 1);
    return !e->too_long && e->n > e->o->min_length;
}

static void draw_listops(const Dataset *d, SplitId split, int64_t i, void *x, int32_t *label)
{
    Expression e = {.o = d->options, .rng = generated_stream(d, split, i), .token = x};
    int value;
    while (!try_once(&e, &value)) {
    }
    e.token[e.n++] = END;
    while (e.n < e.o->max_length) e.token[e.n++] = PAD;
    *label = value;
}

/* Fails when such expressions are so rare that drawing one would take for ever. */
static bool check_acceptance(const ListopsOptions *o, Arena *a, Error *err)
{
    enum { TRIES = 100000, ENOUGH = 10 };
    Expression e = {.o = o,
                    .rng = pcg_stream(0, "listops", 0, 0),
                    .token = arena_new_array(a, int32_t, o->max_length)};
    int kept = 0, value;
    for (int i = 0; i < TRIES && kept < ENOUGH; i++) kept += try_once(&e, &value);
    if (kept == ENOUGH) return true;
    return fail(err, FAIL_CONFIG, NULL,
                "%d of %d expressions with max_depth = %lld and max_args = %lld are longer than "
                "min_length = %lld and shorter than max_length = %lld: that is too rare",
                kept, TRIES, (long long)o->max_depth, (long long)o->max_args,
                (long long)o->min_length, (long long)o->max_length);
}

static bool open_listops(Dataset *d, const void *options_, const char *data_folder, unsigned splits,
                         Arena *a, Error *err)
{
    (void)data_folder;
    static const char *const names[] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
    const ListopsOptions *o = options_;
    if (o->min_length + 1 >= o->max_length)
        return fail(err, FAIL_CONFIG, NULL,
                    "min_length = %lld and max_length = %lld leave no length between them",
                    (long long)o->min_length, (long long)o->max_length);
    TRY(check_acceptance(o, a, err));
    d->task.sample = shape(1, o->max_length);
    d->task.dtype = I32;
    d->task.n_tokens = N_TOKENS;
    d->task.n_classes = N_CLASSES;
    d->class_names = names;
    generated_set_finish(d, splits, a);
    return true;
}

const DatasetKind dataset_listops = {
    .name = "listops",
    .summary = "the value of nested lists under MIN, MAX, MED and SM; needs no files",
    .revision = 1,
    .options = OPTION_TABLE(ListopsOptions, options),
    .open = open_listops,
    .draw = draw_listops,
};
