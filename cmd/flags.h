/* flags -- the flags of all commands: one table gives parsing and help text.
 *
 * Flags say how to run and never change a result; words (`key=value`, a file, a run) say what.
 * A command names the flags it takes; -h, -q, -v and --color belong to all. `--flag value` and
 * `--flag=value` are the same; names are never abbreviated; `--` ends the flags. */
#ifndef SEQLAB_CMD_FLAGS_H
#define SEQLAB_CMD_FLAGS_H

#include "base/error.h"

#include <stdint.h>

typedef enum LauncherKind { LAUNCH_LOCAL, LAUNCH_SLURM } LauncherKind;

/* What `help --format=` writes. */
typedef enum ManualFormat {
    MANUAL_MAN,
    MANUAL_MAN5,
    MANUAL_BASH,
    MANUAL_ZSH,
    MANUAL_SCHEMA,
    MANUAL_KEYS
} ManualFormat;

typedef struct Flags {
    bool help, json, quiet, verbose;
    int color; /* ColorMode */
    bool dry_run, force, resume, retry, asha, status, wait, submit_only, diff, export, orphans,
        remove, yes, best, check_nan, profile, interval, runs, check, robustness, ids;
    bool log_x, log_y, show, png, dark;
    bool rslora, dora;
    int split;              /* SplitId */
    int kind;               /* PlotKind; -1: not given */
    int events;             /* 0 scalars, 1 all */
    int launcher;           /* LauncherKind */
    int manual;             /* ManualFormat; -1: not given */
    int starter;            /* of init: its method; -1: not given */
    int format;             /* TableFormat, and one more */
    int64_t threads;        /* 0: from the environment */
    double ratio, density;  /* NaN: not given */
    double alpha;           /* NaN: not given */
    int64_t rank;           /* 0: not given */
    int64_t seed;           /* -1: not given */
    int64_t jobs;           /* 0: as many as there are threads */
    int64_t batch;          /* prompts side by side */
    int64_t vocab_size;     /* 0: not given */
    int tokenizer_kind;     /* TokenFamily; -1: not given */
    double log_every, time; /* seconds */
    const char *results, *checkpoint, *output, *filter, *isa;
    const char *method, *prompt;
    const char *model, *adapter, *targets, *save_base, *tokenizer, *data;
    const char *metric, *x, *group, *tensor;
} Flags;

/* Defaults, then argv[0..argc). `names`: the long names that the command takes, separated by
 * blanks. What is no flag goes to words, which holds argc entries. Fails with FAIL_USAGE and the
 * nearest flag's name. */
bool flags_parse(const char *names, int argc, char *const argv[], Flags *out, const char *words[],
                 int *n_words, Error *err) MUST_CHECK;

/* One flag as it is documented. */
typedef struct FlagRow {
    const char *name;  /* without the dashes */
    char letter;       /* short form, or 0 */
    const char *value; /* what the value is called, "DIR"; "a|b|c" of a choice; NULL: takes none */
    bool is_choice;
    const char *help;
} FlagRow;
/* The i-th flag of those that `names` and every command take; false past the last. */
bool flags_at(const char *names, int i, FlagRow *out);

/* A line a flag. */
void flags_help(const char *names, FILE *out);

#endif
