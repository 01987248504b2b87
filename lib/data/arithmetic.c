/* arithmetic -- sums as text, byte by byte, with the answer to be learned: a small task of the kind
 * that adapters are trained on, for language models of bytes.
 *
 *   x       1 2 + 7 = 1 9 . .        the tokens of text_lm's unit byte; the end of the line ends
 *   labels  - - - - 1 9 \n - -       the answer
 *
 * Which split a pair of numbers belongs to is a function of the pair, so no problem of a test was
 * seen in training: about eight in ten are training's, one is for validation, one for the test. */
#include "data/generated_set.h"

#include <stdio.h>

enum { ADD, SUBTRACT, MULTIPLY, N_OPERATIONS, PARTS = 10, BYTES = 256, LINE = 64 };
static const char sign[] = "+-*";

typedef struct ArithmeticOptions {
    GeneratedOptions generated;
    int64_t max_operand;
    int operation; /* N_OPERATIONS: any of them */
} ArithmeticOptions;

static const Option options[] = {
    GENERATED_OPTIONS(4000, 500, 500),
    OPT_INT(ArithmeticOptions, max_operand, 99, 9, 1000000, "numbers are 0 to this"),
    OPT_ENUM(ArithmeticOptions, operation, "add|subtract|multiply|all", "add", "what is asked"),
};

static SplitId split_of(int64_t a, int64_t b)
{
    Pcg rng = pcg_stream(0, "arithmetic", (uint64_t)a, (uint64_t)b);
    const uint32_t part = pcg_below(&rng, PARTS);
    return part == 0 ? SPLIT_TEST : part == 1 ? SPLIT_VALID : SPLIT_TRAIN;
}

static int64_t result_of(int64_t a, int64_t b, int operation)
{
    return operation == ADD ? a + b : operation == SUBTRACT ? a - b : a * b;
}

/* "12+7=19\n"; how many bytes, and of them the problem. */
static int write_line(char line[LINE], int64_t a, int64_t b, int operation, int *n_problem)
{
    *n_problem = snprintf(line, LINE, "%lld%c%lld=", (long long)a, sign[operation], (long long)b);
    return *n_problem + snprintf(line + *n_problem, (size_t)(LINE - *n_problem), "%lld\n",
                                 (long long)result_of(a, b, operation));
}

/* That no line is longer than: two of the largest numbers and the longest result. */
static int longest_line(const ArithmeticOptions *o)
{
    const int64_t most = o->max_operand;
    const int number = snprintf(NULL, 0, "%lld", (long long)most);
    int longest = 0;
    for (int k = 0; k < N_OPERATIONS; k++) {
        /* -most is the longest difference */
        const int64_t result = result_of(k == SUBTRACT ? 0 : most, most, k);
        const int n = snprintf(NULL, 0, "%lld", (long long)result);
        if ((o->operation == k || o->operation == N_OPERATIONS) && n > longest) longest = n;
    }
    return 2 * number + 2 + longest + 1;
}

static void draw_arithmetic(const Dataset *d, SplitId split, int64_t i, void *x, int32_t *label)
{
    const ArithmeticOptions *o = d->options;
    Pcg rng = generated_stream(d, split, i);
    char line[LINE];
    int32_t *token = x;
    int64_t a, b;
    int n_problem;
    do {
        a = pcg_below(&rng, (uint32_t)o->max_operand + 1);
        b = pcg_below(&rng, (uint32_t)o->max_operand + 1);
    } while (split_of(a, b) != split);
    const int operation =
        o->operation < N_OPERATIONS ? o->operation : (int)pcg_below(&rng, N_OPERATIONS);
    const int n = write_line(line, a, b, operation, &n_problem);
    for (int t = 0; t < d->task.sample.dim[0]; t++) {
        token[t] = t + 1 < n ? (unsigned char)line[t] + 1 : 0;
        label[t] = t + 1 < n && t + 1 >= n_problem ? (unsigned char)line[t + 1] + 1 : -1;
    }
}

static bool open_arithmetic(Dataset *d, const void *options_, const char *data_folder,
                            unsigned splits, Arena *a, Error *err)
{
    (void)data_folder, (void)err;
    const ArithmeticOptions *o = options_;
    d->task = (Task){.sample = shape(1, (int64_t)longest_line(o) - 1),
                     .dtype = I32,
                     .n_tokens = 1 + BYTES,
                     .n_classes = 1 + BYTES,
                     .per_step = true,
                     .causal = true,
                     .answer = true};
    generated_set_finish(d, splits, a);
    return true;
}

const DatasetKind dataset_arithmetic = {
    .name = "arithmetic",
    .summary = "sums as lines of text, of which the result is learned; needs no files",
    .revision = 1,
    .options = OPTION_TABLE(ArithmeticOptions, options),
    .open = open_arithmetic,
    .draw = draw_arithmetic,
};
