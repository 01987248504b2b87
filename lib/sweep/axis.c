/* axis -- see axis.h. */
#include "sweep/axis.h"

#include "base/pcg.h"
#include "base/realmath.h"
#include "sweep/sweep.h"

#include <math.h>
#include <string.h>

static Yaml *value_at(Arena *a, const Yaml *like, const Yaml *value)
{
    Yaml *copy = yaml_copy(a, value);
    copy->key_at = like->key_at;
    copy->from = like->from;
    return copy;
}

/* A number that the file does not spell out, where its rule stands. */
static Yaml *number_at(Arena *a, const Yaml *rule, double value, int digits)
{
    Yaml *y = yaml_new_scalar(a, arena_printf(a, "%.*g", digits, value), false);
    y->at = rule->at;
    y->key_at = rule->key_at;
    y->from = rule->from;
    return y;
}

static void start(Axis *out, Arena *a, int n, int n_pairs)
{
    *out = (Axis){arena_new_array(a, Setting, n), n};
    for (int i = 0; i < n; i++)
        out->at[i] = (Setting){arena_new_array(a, Pair, n_pairs > 0 ? n_pairs : 1), 0};
}

static void add_pair(Axis *axis, int i, const char *key, const Yaml *value)
{
    Setting *s = &axis->at[i];
    s->pairs[s->n++] = (Pair){key, value};
}

/* -- Rules: {range: [1, 5]} */

typedef enum RuleKind {
    RULE_RANGE,
    RULE_LOG_RANGE,
    RULE_UNIFORM,
    RULE_LOG_UNIFORM,
    RULE_INT_UNIFORM,
    RULE_CHOICE,
    N_RULES
} RuleKind;

typedef struct SampleOptions {
    int64_t n, seed;
} SampleOptions;

// clang-format off
/* by RuleKind; the first two stand for a key of `sweep:`, the others for one of `sample:` */
static const Option rules[N_RULES] = {
    OPT_TREE(range,       "[first, last] or [first, last, step]", "", "the numbers from first to last, both included; step 1 unless given"),
    OPT_TREE(log_range,   "[first, last, number of values]",      "", "that many numbers with equal ratios"),
    OPT_TREE(uniform,     "[low, high]",                          "", "in sample: a number between them, drawn evenly"),
    OPT_TREE(log_uniform, "[low, high]",                          "", "in sample: a number between them, its logarithm drawn evenly"),
    OPT_TREE(int_uniform, "[low, high]",                          "", "in sample: a whole number from low to high"),
    OPT_TREE(choice,      "list of values",                       "", "in sample: one of the values"),
};
static const Option sample_rows[] = {
    OPT_INT(SampleOptions, n, 1, 1, SWEEP_MAX_RUNS, "how many settings are drawn; required"),
    OPT_INT(SampleOptions, seed, 1, 0, 9007199254740991, "of the draws; a larger n keeps the first ones"),
};
// clang-format on
const OptionTable axis_rule_options = OPTION_TREE_TABLE(rules);
const OptionTable axis_sample_options = OPTION_TABLE(SampleOptions, sample_rows);

static RuleKind rule_of(const Yaml *y)
{
    int k = N_RULES;
    if (y->kind == YAML_MAP && y->n == 1)
        for (k = 0; k < N_RULES && strcmp(rules[k].name, y->first->key) != 0;) k++;
    return (RuleKind)k;
}

bool axis_is_rule(const Yaml *y)
{
    return rule_of(y) != N_RULES;
}

static bool read_numbers(const Yaml *list, const char *what, int low, int high, double *out,
                         Error *err)
{
    if (list->kind != YAML_LIST || list->n < low || list->n > high)
        return yaml_fail(list, err, "expected %s", what);
    for (const Yaml *c = list->first; c; c = c->next) TRY(yaml_real(c, out++, err));
    return true;
}

/* Steps are counted, not added up, and 12 digits hide that 0.1 is no binary fraction. */
static bool read_range(Axis *out, Arena *a, const char *key, const Yaml *y, Error *err)
{
    const Yaml *list = y->first;
    double v[3] = {0, 0, 1};
    TRY(read_numbers(list, "[first, last] or [first, last, step]", 2, 3, v, err));
    if (v[2] == 0 || (v[1] - v[0]) * v[2] < 0)
        return yaml_fail(list, err, "a range from %g to %g cannot be walked in steps of %g", v[0],
                         v[1], v[2]);
    const double n = floor((v[1] - v[0]) / v[2] + 1e-9) + 1;
    if (n > SWEEP_MAX_RUNS)
        return yaml_fail(list, err, "%.0f values; at most %d runs make a sweep", n, SWEEP_MAX_RUNS);
    start(out, a, (int)n, 1);
    for (int i = 0; i < out->n; i++) add_pair(out, i, key, number_at(a, y, v[0] + i * v[2], 12));
    return true;
}

static bool read_log_range(Axis *out, Arena *a, const char *key, const Yaml *y, Error *err)
{
    const Yaml *list = y->first;
    double v[3];
    TRY(read_numbers(list, "[first, last, number of values]", 3, 3, v, err));
    if (!(v[0] > 0 && v[1] > 0) || v[2] < 2 || v[2] > SWEEP_MAX_RUNS || v[2] != floor(v[2]))
        return yaml_fail(list, err, "expected two numbers above 0 and how many values, 2 to %d",
                         SWEEP_MAX_RUNS);
    start(out, a, (int)v[2], 1);
    for (int i = 0; i < out->n; i++) {
        const double value = v[0] * real_pow(v[1] / v[0], i / (v[2] - 1));
        add_pair(out, i, key, number_at(a, y, value, 6));
    }
    return true;
}

bool axis_of_key(Axis *out, Arena *a, const char *key, const Yaml *y, Error *err)
{
    const RuleKind rule = rule_of(y);
    if (rule == RULE_RANGE) return read_range(out, a, key, y, err);
    if (rule == RULE_LOG_RANGE) return read_log_range(out, a, key, y, err);
    if (rule != N_RULES)
        return yaml_fail(y, err, "%s stands in 'sample: {n: ...}' only", rules[rule].name);
    if (y->kind == YAML_SCALAR || y->kind == YAML_NULL) {
        start(out, a, 1, 1);
        add_pair(out, 0, key, y);
        return true;
    }
    if (y->kind != YAML_LIST || y->n == 0)
        return yaml_fail(y, err,
                         "%.80s: expected a list of values, {range: [first, last, step]} or "
                         "{log_range: [first, last, n]}",
                         key);
    start(out, a, y->n, 1);
    int i = 0;
    for (const Yaml *c = y->first; c; c = c->next) add_pair(out, i++, key, value_at(a, y, c));
    return true;
}

bool axis_together(Axis *out, Arena *a, const Yaml *y, Error *err)
{
    if (y->kind != YAML_LIST || y->n == 0)
        return yaml_fail(y, err,
                         "together: expected a list of maps such as {optimizer.lr: 0.1, "
                         "schedule.name: step}");
    int most = 0, i = 0;
    for (const Yaml *c = y->first; c; c = c->next) {
        if (c->kind != YAML_MAP || c->n == 0)
            return yaml_fail(c, err, "together: expected a map of keys that move in step");
        if (c->n > most) most = c->n;
    }
    start(out, a, y->n, most);
    for (const Yaml *c = y->first; c; c = c->next, i++)
        for (const Yaml *p = c->first; p; p = p->next) add_pair(out, i, p->key, p);
    return true;
}

/* -- Samples */

static double draw(Pcg *rng)
{
    const uint64_t high = pcg_next(rng) >> 5, low = pcg_next(rng) >> 6;
    return (double)(high << 26 | low) * 0x1p-53;
}

/* The i-th sample of a key is a draw of its own stream: a key that is added, or a larger n, leaves
 * the others as they are. */
static bool sample_key(Axis *out, Arena *a, uint64_t seed, const Yaml *y, Error *err)
{
    const RuleKind rule = rule_of(y);
    const Yaml *list = y->first;
    double v[2] = {0, 0};
    if (rule != RULE_UNIFORM && rule != RULE_LOG_UNIFORM && rule != RULE_INT_UNIFORM &&
        rule != RULE_CHOICE)
        return yaml_fail(y, err,
                         "%.80s: expected {uniform: [low, high]}, log_uniform, int_uniform or "
                         "{choice: [...]}",
                         y->key);
    if (rule == RULE_CHOICE && (list->kind != YAML_LIST || list->n == 0))
        return yaml_fail(list, err, "choice: expected a list of values");
    if (rule != RULE_CHOICE) {
        TRY(read_numbers(list, "[low, high]", 2, 2, v, err));
        if (!(v[0] < v[1]) || (rule == RULE_LOG_UNIFORM && v[0] <= 0) ||
            (rule == RULE_INT_UNIFORM && (v[0] != floor(v[0]) || v[1] != floor(v[1]))))
            return yaml_fail(list, err, "expected %s, the smaller first",
                             rule == RULE_LOG_UNIFORM   ? "two numbers above 0"
                             : rule == RULE_INT_UNIFORM ? "two integers"
                                                        : "two numbers");
    }
    for (int i = 0; i < out->n; i++) {
        Pcg rng = pcg_stream(seed, "sample", (uint64_t)i, pcg_name(y->key));
        const double u = draw(&rng);
        const Yaml *value = NULL;
        if (rule == RULE_CHOICE)
            value = value_at(a, y, yaml_item(list, (int)(u * list->n)));
        else if (rule == RULE_UNIFORM)
            value = number_at(a, y, v[0] + u * (v[1] - v[0]), 6);
        else if (rule == RULE_LOG_UNIFORM)
            value = number_at(a, y, v[0] * real_pow(v[1] / v[0], u), 6);
        else
            value = number_at(a, y, v[0] + floor(u * (v[1] - v[0] + 1)), 15);
        add_pair(out, i, y->key, value);
    }
    return true;
}

bool axis_sample(Axis *out, Arena *a, const Yaml *y, Error *err)
{
    SampleOptions o;
    Yaml *own = yaml_new_map(a);
    if (!yaml_get(y, "n"))
        return yaml_fail(y, err,
                         "sample: expected a map such as {n: 20, seed: 1, optimizer.lr: "
                         "{log_uniform: [1e-4, 1e-1]}}");
    for (const Yaml *c = y->first; c; c = c->next)
        if (option_find(&axis_sample_options, c->key)) yaml_append(a, own, c->key, yaml_copy(a, c));
    TRY(option_read(&axis_sample_options, own, NULL, "in sample", &o, err));
    start(out, a, (int)o.n, y->n);
    for (const Yaml *c = y->first; c; c = c->next)
        if (!option_find(&axis_sample_options, c->key))
            TRY(sample_key(out, a, (uint64_t)o.seed, c, err));
    return true;
}
