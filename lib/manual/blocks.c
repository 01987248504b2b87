/* blocks -- the blocks of an experiment file, and the visit of all of their keys. */
#include "manual/manual.h"

#include "report/plot_spec.h"
#include "sweep/axis.h"
#include "sweep/search.h"
#include "sweep/slurm.h"
#include "table/claim.h"

#include <string.h>

enum { NAMES_MAX = 256 };

// clang-format off
const ManualBlock manual_blocks[] = {
    {"train",        "Length, batch size, seed and evaluations.", &train_option_table, NULL},
    {"eval",         "What the last evaluation of a run asks besides loss and accuracy, as test.corrupted.top1 and the like, and what seqlab eval --robustness asks.", &eval_option_table, NULL},
    {"energy",       "Assumptions of the energy and carbon estimates in run.json; not part of the run's id.", &energy_option_table, NULL},
    {"base",         "The run whose trained weights are started from: a path alone, or a map.", &reference_option_table, NULL},
    {"teacher",      "The run whose trained model teaches: a path alone, or a map.", &reference_option_table, NULL},
    {"sweep",        "The product of all parts, the last varying fastest. Besides these keys, any dotted key of the file with its values: a list, or a map with one of the rules of sweep.KEY.", &settings_options, "swept values"},
    {"sweep.KEY",    "A rule that stands for the values of a swept key.", &axis_rule_options, NULL},
    {"sweep.sample", "Besides these keys, dotted keys with a rule: uniform, log_uniform, int_uniform or choice.", &axis_sample_options, "drawn values"},
    {"table",        "How the results of the runs are shown: a map, or a list of maps.", &table_block_options, NULL},
    {"table.metric", "What metric: of a table may be, besides a name.", &table_metric_options, NULL},
    {"claims",       "A list: what the results should show.", &claim_options, NULL},
    {"search",       "Of the settings of some swept keys only the best is kept, chosen by a valid metric.", &search_options, NULL},
    {"plots",        "A list: what seqlab plot draws of the runs.", &plot_spec_options, NULL},
    {"slurm",        "The resources of the jobs that --launcher=slurm submits.", &slurm_option_table, NULL},
    {NULL, NULL, NULL, NULL},
};
// clang-format on

/* -- One key */

static const char *number_text(Arena *a, double value)
{
    char text[32];
    text_real(text, value);
    return arena_string(a, text);
}

static const char *range_of(const Option *o, Arena *a)
{
    enum { UNBOUNDED = 1000000000 }; /* nobody comes near such a limit */
    const bool number = o->type == OPTION_INT || o->type == OPTION_REAL || o->type == OPTION_INTS ||
                        o->type == OPTION_COUNTS;
    if (!number) return "";
    if (o->max >= UNBOUNDED && o->min <= -UNBOUNDED) return "";
    if (o->max >= UNBOUNDED) return arena_printf(a, ">= %s", number_text(a, o->min));
    return arena_printf(a, "[%s, %s]", number_text(a, o->min), number_text(a, o->max));
}

static const char *choices_of(const Option *o)
{
    if (o->type == OPTION_BOOL) return "true|false";
    return o->type == OPTION_ENUM || o->type == OPTION_SET ? o->choices : NULL;
}

static void visit_table(const ManualVisitor *v, Arena *a, const char *block, const char *owner,
                        const OptionTable *table)
{
    for (int i = 0; v->key && i < table->n; i++) {
        const Option *o = &table->options[i];
        const ManualKey key = {.block = block,
                               .owner = owner,
                               .name = o->name,
                               .type = o->type == OPTION_SET
                                           ? arena_printf(a, "list of %s", o->choices)
                                           : option_type_text(o),
                               .value = o->value,
                               .range = range_of(o, a),
                               .help = o->help,
                               .choices = choices_of(o)};
        v->key(v->self, &key);
    }
}

/* -- Blocks */

static const char *top_type(int kinds)
{
    switch (kinds) {
    case MAYBE_MAP:
        return "map";
    case MAYBE_LIST:
        return "list of maps";
    case MAYBE_MAP | MAYBE_LIST:
        return "map or list of maps";
    case MAYBE_MAP | MAYBE_WORD:
        return "path or map";
    case 0:
        return "path or list of paths";
    default:
        return "text";
    }
}

static const char *join(Arena *a, const char *const words[])
{
    const char *text = words[0];
    for (int i = 1; words[i]; i++) text = arena_printf(a, "%s|%s", text, words[i]);
    return text;
}

static void visit_top(const ManualVisitor *v, Arena *a)
{
    if (v->block) v->block(v->self, "", "The keys at the top of a file.");
    for (const TopKey *k = experiment_keys; v->key && k->name; k++) {
        const char *choices = strcmp(k->name, "run") == 0 ? join(a, experiment_runs) : NULL;
        const ManualKey key = {.block = "",
                               .owner = "the file's top",
                               .name = k->name,
                               .type = choices ? choices : top_type(k->kinds),
                               .value = "",
                               .range = "",
                               .help = k->help,
                               .choices = choices};
        v->key(v->self, &key);
    }
}

/* Those that share an option table, in one: c[0] to c[n - 1]. */
static void visit_alike(const ManualVisitor *v, Arena *a, ComponentKind kind, const Component c[],
                        int n)
{
    const char *word = component_word[kind], *owner = arena_printf(a, "%s %s", word, c[0].name);
    for (int i = 1; i < n; i++) owner = arena_printf(a, "%s, %s %s", owner, word, c[i].name);
    if (v->components) v->components(v->self, kind, c, n);
    visit_table(v, a, component_block[kind], owner, c[0].options);
}

static void visit_components(const ManualVisitor *v, Arena *a, ComponentKind kind)
{
    const char *block = component_block[kind], *word = component_word[kind];
    Component *c = arena_new_array(a, Component, NAMES_MAX);
    const char **names = arena_new_array(a, const char *, NAMES_MAX);
    int n = 0;
    for (; n < NAMES_MAX - 1 && component_at(kind, n, &c[n]); n++) names[n] = c[n].name;
    if (v->block)
        v->block(v->self, block,
                 arena_printf(a, "%s %s, chosen by name; the other keys are its own.",
                              kind == COMPONENT_METHOD ? "A list: each item is a" : "The", word));
    if (v->key && n > 0) {
        const char *choices = join(a, names);
        const ManualKey key = {
            block, word, "name", choices, "", "", arena_printf(a, "which %s", word), choices};
        v->key(v->self, &key);
    }
    for (int i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && c[end].options->options == c[i].options->options;) end++;
        visit_alike(v, a, kind, &c[i], end - i);
    }
}

void manual_walk(const ManualVisitor *v, Arena *a)
{
    visit_top(v, a);
    for (int kind = 0; kind < N_COMPONENT_KINDS; kind++)
        visit_components(v, a, (ComponentKind)kind);
    for (const ManualBlock *b = manual_blocks; b->name; b++) {
        if (v->block) v->block(v->self, b->name, b->help);
        visit_table(v, a, b->name, b->name, b->options);
    }
}
