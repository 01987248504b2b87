/* list -- `seqlab list`: what there is, out of the registries themselves. */
#include "cmd/command.h"

#include "base/text.h"
#include "cmd/json_write.h"
#include "graph/op.h"
#include "run/component.h"

#include <string.h>

/* What `list` shows a kind as; the ops come last, since they are no choice of an experiment. */
static const char *const kind_names[] = {
    [COMPONENT_DATA] = "data",          [COMPONENT_MODEL] = "models",
    [COMPONENT_METHOD] = "methods",     [COMPONENT_OPTIMIZER] = "optimizers",
    [COMPONENT_SCHEDULE] = "schedules", [N_COMPONENT_KINDS] = "ops",
};
enum { KIND_OPS = N_COMPONENT_KINDS, N_KINDS };

/* A row of any registry. */
typedef struct Row {
    const char *name, *summary;
    const char *paper;          /* or NULL */
    const OptionTable *options; /* NULL for an op */
    const Op *op;               /* of an op, else NULL */
} Row;

static const char *paper_of(int kind, const void *self)
{
    switch (kind) {
    case COMPONENT_MODEL:
        return ((const Model *)self)->paper;
    case COMPONENT_METHOD:
        return ((const Method *)self)->paper;
    case COMPONENT_OPTIMIZER:
        return ((const Optimizer *)self)->paper;
    case COMPONENT_SCHEDULE:
        return ((const Schedule *)self)->paper;
    default:
        return NULL;
    }
}

/* The i-th of a kind; false past the last. */
static bool row_at(int kind, int i, Row *out)
{
    Component c;
    if (kind == KIND_OPS) {
        if (i >= N_OPS) return false;
        *out = (Row){.name = op_table[i]->name, .summary = op_table[i]->formula, .op = op_table[i]};
        return true;
    }
    if (!component_at((ComponentKind)kind, i, &c)) return false;
    *out = (Row){c.name, c.summary, paper_of(kind, c.self), c.options, NULL};
    return true;
}

enum { NAMES_MAX = 512 };

static int find_kind(const char *name)
{
    for (int k = 0; k < N_KINDS; k++)
        if (strcmp(kind_names[k], name) == 0) return k;
    return -1;
}

static bool find_in(int kind, const char *name, Row *out)
{
    for (int i = 0; row_at(kind, i, out); i++)
        if (strcmp(out->name, name) == 0) return true;
    return false;
}

static void print_summaries(int kind)
{
    Row c;
    for (int i = 0; row_at(kind, i, &c); i++)
        (void)printf("  %-20s %s\n", c.name, c.summary ? c.summary : "");
}

static void range_text(const Option *o, char out[64])
{
    bool number = o->type == OPTION_INT || o->type == OPTION_REAL || o->type == OPTION_INTS;
    out[0] = '\0';
    if (!number) return;
    if (o->max >= 1e9)
        (void)snprintf(out, 64, ", at least %g", o->min);
    else
        (void)snprintf(out, 64, ", %g to %g", o->min, o->max);
}

static void print_options(const OptionTable *table)
{
    for (int i = 0; i < table->n; i++) {
        const Option *o = &table->options[i];
        char range[64];
        range_text(o, range);
        (void)printf("\n  %s: %s\n      %s%s", o->name, o->help, option_type_text(o), range);
        (void)printf("; default %s\n", *o->value ? o->value : "none");
    }
}

static void print_op(const Op *op)
{
    if (op->arity >= 0)
        (void)printf("  sources: %d\n", op->arity);
    else
        (void)printf("  sources: any number\n");
    if (op->grad)
        (void)printf("  gradient: a rule of its own\n");
    else if (op->expand)
        (void)printf("  gradient: through the ops it stands for\n");
    else
        (void)printf("  gradient: none (%s)\n", op->no_grad ? op->no_grad : "no rule");
}

static void print_row(int kind, const Row *c)
{
    (void)printf("%s '%s': %s\n", kind == KIND_OPS ? "op" : component_word[kind], c->name,
                 c->summary ? c->summary : "");
    if (c->paper) (void)printf("  paper: %s\n", c->paper);
    if (c->options) print_options(c->options);
    if (c->op) print_op(c->op);
}

static void json_option(Json *j, const Option *o)
{
    char range[64];
    range_text(o, range);
    json_begin(j, NULL, '{');
    json_add_text(j, "name", o->name);
    json_add_text(j, "type", option_type_text(o));
    json_add_text(j, "default", o->value);
    if (range[0]) {
        json_add_real(j, "min", o->min);
        json_add_real(j, "max", o->max);
    }
    json_add_text(j, "help", o->help);
    json_end(j, '}');
}

static void json_row(Json *j, int kind, const Row *c)
{
    json_begin(j, NULL, '{');
    json_add_text(j, "kind", kind_names[kind]);
    json_add_text(j, "name", c->name);
    json_add_text(j, "summary", c->summary);
    json_add_text(j, "paper", c->paper);
    json_begin(j, "options", '[');
    for (int i = 0; c->options && i < c->options->n; i++) json_option(j, &c->options->options[i]);
    json_end(j, ']');
    json_end(j, '}');
}

/* All of one kind, or of all (kind -1), or the one called `name`. */
static void print_json(int kind, const char *name)
{
    Json j = {0};
    json_begin(&j, NULL, '[');
    for (int k = 0; k < N_KINDS; k++) {
        Row c;
        if (kind >= 0 && k != kind) continue;
        for (int i = 0; row_at(k, i, &c); i++)
            if (!name || strcmp(c.name, name) == 0) json_row(&j, k, &c);
    }
    json_end(&j, ']');
    json_print(&j);
}

/* Names the nearest of the kinds (when `kind` is -1) and of the names in `kind`, or in all. */
static bool fail_unknown(int kind, const char *word, Error *err)
{
    static const Place place = {.file = "command line"};
    const char *names[NAMES_MAX];
    int n = 0;
    for (int k = 0; k < N_KINDS; k++) {
        Row c;
        if (kind >= 0 && k != kind) continue;
        if (kind < 0) names[n++] = kind_names[k];
        for (int i = 0; n < NAMES_MAX - N_KINDS && row_at(k, i, &c); i++) names[n++] = c.name;
    }
    const char *near = text_nearest(word, names, n);
    const char *none = kind < 0 ? "nothing" : "none of the ",
               *what = kind < 0 ? "" : kind_names[kind];
    if (near)
        return fail(err, FAIL_USAGE, &place, "%s%s is called '%.60s'; did you mean '%s'?", none,
                    what, word, near);
    return fail(err, FAIL_USAGE, &place, "%s%s is called '%.60s'", none, what, word);
}

static void print_everything(void)
{
    for (int k = 0; k < KIND_OPS; k++) {
        (void)printf("%s%s:\n", k > 0 ? "\n" : "", kind_names[k]);
        print_summaries(k);
    }
    (void)printf("\nops: %d, see 'seqlab list ops'\n", (int)N_OPS);
}

/* A name of any kind; the same name may be in two. */
static bool list_named(int kind, const char *name, bool json, Error *err)
{
    bool found = false;
    for (int k = 0; k < N_KINDS; k++) {
        Row c;
        if ((kind >= 0 && k != kind) || !find_in(k, name, &c)) continue;
        if (!json) print_row(k, &c);
        found = true;
    }
    if (!found) return fail_unknown(kind, name, err);
    if (json) print_json(kind, name);
    return true;
}

static bool list(const Invocation *in, Error *err)
{
    TRY(command_word_count(in, 0, 2, err));
    bool json = in->flags.json;
    int kind = in->n_words > 0 ? find_kind(in->words[0]) : -1;
    if (in->n_words == 2 && kind < 0) return fail_unknown(-1, in->words[0], err);
    if (in->n_words == 2) return list_named(kind, in->words[1], json, err);
    if (in->n_words == 1 && kind < 0) return list_named(-1, in->words[0], json, err);
    if (json)
        print_json(kind, NULL);
    else if (kind >= 0)
        print_summaries(kind);
    else
        print_everything();
    return true;
}

const Command command_list = {
    .name = "list",
    .summary = "List models, data, methods, optimizers, schedules and ops",
    .usage = "[models|data|methods|optimizers|schedules|ops] [NAME]",
    .flags = "json",
    .help = "With NAME: every option with its type, range, default and meaning.\n",
    .run = list,
};
