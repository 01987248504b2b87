/* command -- a subcommand is one row: name, summary, usage, flags and a function.
 *
 * Data go to stdout, everything else to stderr. A command fails through Error, whose kind is the
 * exit code; main.c prints it. Nothing here computes: commands call lib/. */
#ifndef SEQLAB_CMD_COMMAND_H
#define SEQLAB_CMD_COMMAND_H

#include "base/arena.h"
#include "cmd/flags.h"
#include "io/option.h"

/* One call of a command. */
typedef struct Invocation {
    Flags flags;
    const char **words; /* what is no flag, in order */
    int n_words;
    const char *line; /* the whole command line, for config.yaml's first line */
    Arena *arena;
} Invocation;

typedef struct Command {
    const char *name, *summary;
    const char *usage;          /* words after the name */
    const char *flags;          /* long names, separated by blanks (flags.h) */
    const char *help;           /* more lines for --help, each ending in \n */
    const OptionTable *options; /* key=value words that are the command's own; NULL: none */
    bool computes;              /* kernels are chosen and threads counted before it starts */
    bool (*run)(const Invocation *in, Error *err);
} Command;

extern const Command command_train, command_prune, command_init, command_sweep, command_table,
    command_plot, command_report, command_runs, command_eval, command_generate, command_data,
    command_bench, command_list, command_help;

/* The i-th, or NULL past the last. */
const Command *command_at(int i);
/* By name, or NULL. */
const Command *command_find(const char *name);
/* What `--help` prints; NULL: the whole program's. */
void command_print_help(const Command *c);
/* FAIL_USAGE unless there are `low` to `high` words. */
bool command_word_count(const Invocation *in, int low, int high, Error *err) MUST_CHECK;

#endif
