/* manual_commands -- seqlab(1): commands and flags from their tables, and what is true of all. */
#include "cmd/complete.h"

#include "manual/manual.h"

#include <string.h>

// clang-format off
static const char head[] =
    ".TH SEQLAB 1 \"\" \"seqlab " SEQLAB_VERSION "\" \"User commands\"\n"
    ".ad l\n"
    ".SH NAME\n"
    "seqlab \\- machine\\-learning experiments from YAML files, to the same bits everywhere\n"
    ".SH SYNOPSIS\n";
static const char description[] =
    ".SH DESCRIPTION\n"
    "seqlab trains and evaluates networks that experiment files describe\n"
    ".RB ( seqlab\\-experiment (5)).\n"
    "One configuration gives the same metrics, bit for bit, for any number of threads, with any instruction set, and\n"
    "after a kill and a resume. The id of a run is the hash of its resolved configuration and its data: a result that\n"
    "exists is not computed again.\n"
    ".PP\n"
    "Flags say how to run and never change a result; words\n"
    ".RI ( key = value )\n"
    "say what, and always do.\n"
    ".BI \\-\\-flag \" value\"\nand\n"
    ".BI \\-\\-flag= value\n"
    "are the same; names are never abbreviated;\n"
    ".B \\-\\-\n"
    "ends the flags. Data go to standard output, messages to standard error. The file\n"
    ".B \\-\n"
    "is standard input.\n"
    ".SH COMMANDS\n";
static const char rest[] =
    ".SH FILES\n"
    ".TP\n.IR results / name / id /\n"
    "the folder of a run. Files in it appear whole or not at all; a kill at any instant loses at most the steps since\n"
    "the last checkpoint.\n"
    ".TP\n.I .../config.yaml\nthe resolved configuration; loads again\n"
    ".TP\n.I .../run.json\nstatus (running, done, failed, stopped), machine, versions, times, peak memory, energy, final metrics\n"
    ".TP\n.I .../metrics.jsonl\nan object for each evaluation; without a clock, so that two runs of one id compare equal\n"
    ".TP\n.I .../times.jsonl\nthe wall clock, step by step\n"
    ".TP\n.I .../log.txt\nwhat standard error got, with times\n"
    ".TP\n.I .../events.out.tfevents.*\nthe metrics for TensorBoard\n"
    ".TP\n.I .../checkpoint/\nmodel.safetensors, optimizer.safetensors and state.json;\n.I best/\nis the best one, where train.best_by asks for it\n"
    ".TP\n.I data/*.yaml\nrecipes of data sets: where they come from, licence, size, SHA\\-256\n"
    ".SH ENVIRONMENT\n"
    ".TP\n.B SEQLAB_DATA\nthe folder of recipes and data; otherwise data/ here, or where seqlab is installed\n"
    ".TP\n.B SEQLAB_ISA\nthe instruction set to use: v3, v4 or neon; results do not depend on it\n"
    ".TP\n.B NO_COLOR\nwhen set and not empty, messages are not coloured unless \\-\\-color=always\n"
    ".TP\n.BR TERM ,\\  COLUMNS\nmessages are neither coloured nor redrawn when TERM is dumb; COLUMNS is the width of what plot shows\n"
    ".TP\n.BR OMP_NUM_THREADS ,\\  SLURM_CPUS_PER_TASK ,\\  SLURM_CPUS_ON_NODE\n"
    "the number of threads, in this order, when \\-\\-threads is not given; else all cores that may be used\n"
    ".TP\n.BR SLURM_JOB_ID ,\\  SLURM_RESTART_COUNT ,\\  SLURM_ARRAY_JOB_ID ,\\  SLURM_ARRAY_TASK_ID\n"
    "set by Slurm: recorded in run.json; after USR1 a job puts itself back into the queue\n"
    ".SH \"EXIT STATUS\"\n"
    ".TP\n.B 0\ndone, or already done\n"
    ".TP\n.B 1\nthe run failed: a loss that is not finite, a full disk, an error of seqlab\n"
    ".TP\n.B 2\nusage: a command, a flag or an override word\n"
    ".TP\n.B 3\nconfiguration: an experiment file\n"
    ".TP\n.B 4\ndata missing or damaged, or no network\n"
    ".TP\n.B 5\na sweep ended and some of its runs failed\n"
    ".TP\n.B 6\ntable \\-\\-check: a claim does not hold, or its runs are missing\n"
    ".TP\n.B 75\nstopped by a signal with a checkpoint: run it again\n"
    ".TP\n.BR 130 ,\\  143\nkilled by INT or TERM before a checkpoint could be written\n"
    ".TP\n.B 141\nstandard output was closed\n"
    ".SH SIGNALS\n"
    ".TP\n.BR INT ,\\  TERM ,\\  USR1\n"
    "finish the step, write a checkpoint, exit with 75; a second INT ends at once. A sweep stops its workers so.\n"
    ".TP\n.B USR2\nwrite a checkpoint and go on\n"
    ".SH EXAMPLES\n"
    ".nf\n"
    "seqlab train experiments/quickstart/fashion\\-mnist.yaml\n"
    "seqlab train experiments/quickstart/fashion\\-mnist.yaml optimizer.lr=0.01 \\-\\-dry\\-run\n"
    "seqlab sweep experiments/quickstart/sweep.yaml\n"
    "seqlab table experiments/quickstart/sweep.yaml \\-\\-check\n"
    "seqlab runs status=failed\n"
    "seqlab help optimizer.lr\n"
    ".fi\n"
    ".SH \"SEE ALSO\"\n"
    ".BR seqlab\\-experiment (5)\n";
// clang-format on

/* The commands' help is set in lines already; an empty one parts paragraphs. */
static void add_text(Text *out, const char *s)
{
    char line[256];
    while (*s) {
        const size_t n = strcspn(s, "\n");
        (void)snprintf(line, sizeof line, "%.*s", (int)n, s);
        if (n == 0)
            text_add(out, ".PP");
        else
            manual_troff(out, line);
        text_add(out, "\n");
        s += n + (s[n] == '\n');
    }
}

static void add_flags(Text *out, const Command *c)
{
    FlagRow f;
    for (int i = 0; flags_at(c->flags, i, &f); i++) {
        text_add(out, ".TP\n");
        if (f.letter) text_addf(out, ".B \\-%c\\fR, \\fB", f.letter);
        if (!f.letter) text_add(out, ".B ");
        text_add(out, "\\-\\-");
        manual_troff(out, f.name);
        if (f.value) {
            text_add(out, "=\\fI");
            manual_troff(out, f.value);
        }
        text_add(out, "\n");
        manual_troff(out, f.help);
        text_add(out, "\n");
    }
}

static void add_options(Text *out, const OptionTable *t)
{
    for (int i = 0; t && i < t->n; i++) {
        text_add(out, ".TP\n.B ");
        manual_troff(out, t->options[i].name);
        text_add(out, "=\\fI");
        manual_troff(out, *t->options[i].value ? t->options[i].value : "...");
        text_add(out, "\n");
        manual_troff(out, t->options[i].help);
        text_add(out, "\n");
    }
}

static void add_command(Text *out, const Command *c)
{
    text_addf(out, ".SS %s\n.B seqlab %s\n.RI [ flags ]\n", c->name, c->name);
    if (*c->usage) {
        manual_troff(out, c->usage);
        text_add(out, "\n");
    }
    text_add(out, ".PP\n");
    manual_troff(out, c->summary);
    text_add(out, ".\n");
    if (c->help) {
        text_add(out, ".PP\n");
        add_text(out, c->help);
    }
    add_options(out, c->options);
    add_flags(out, c);
}

void manual_commands(Text *out)
{
    text_add(out, head);
    for (int i = 0; command_at(i); i++) {
        const Command *c = command_at(i);
        text_addf(out, ".B seqlab %s\n.RI [ flags ]\n", c->name);
        manual_troff(out, c->usage);
        text_add(out, *c->usage ? "\n.br\n" : ".br\n");
    }
    text_add(out, ".B seqlab \\-\\-version\n");
    text_add(out, description);
    for (int i = 0; command_at(i); i++) add_command(out, command_at(i));
    text_add(out, rest);
}
