/* flags -- see flags.h. */
#include "cmd/flags.h"

#include "base/text.h"

#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

typedef enum FlagType { FLAG_SWITCH, FLAG_INT, FLAG_REAL, FLAG_TEXT, FLAG_CHOICE } FlagType;

typedef struct Flag {
    const char
        *name;   /* "manual:format" is written --format: a command takes one of two such rows */
    char letter; /* short form, or 0 */
    FlagType type;
    size_t offset;     /* in Flags: bool, int64_t, double, const char *, int */
    const char *value; /* what help calls the value; of FLAG_CHOICE the choices, "a|b|c" */
    double low, high;  /* of numbers */
    const char *help;
} Flag;

#define IN(field) offsetof(Flags, field)
// clang-format off
static const Flag flag_table[] = {
    {"dry-run",    0,   FLAG_SWITCH, IN(dry_run),    NULL,                0, 0, "print what would be done, and what it would cost, without doing it"},
    {"check-nan",  0,   FLAG_SWITCH, IN(check_nan),  NULL,                0, 0, "repeat a run from its checkpoint and name the first value that is not finite"},
    {"force",      0,   FLAG_SWITCH, IN(force),      NULL,                0, 0, "compute again although the result exists"},
    {"resume",     0,   FLAG_SWITCH, IN(resume),     NULL,                0, 0, "fail unless there is a checkpoint to go on from"},
    {"jobs",       'j', FLAG_INT,    IN(jobs),       "N",                 1, 1024, "runs at the same time; the cores are divided among them (default: one a core)"},
    {"retry",      0,   FLAG_SWITCH, IN(retry),      NULL,                0, 0, "run again what has failed before"},
    {"launcher",   0,   FLAG_CHOICE, IN(launcher),   "local|slurm",       0, 0, "where runs are made: by processes here (default), or by jobs of a Slurm"},
    {"asha",       0,   FLAG_SWITCH, IN(asha),       NULL,                0, 0, "successive halving: of the settings that search: compares, finish only the best"},
    {"status",     0,   FLAG_SWITCH, IN(status),     NULL,                0, 0, "print where every run stands, in its folder and in Slurm's queue"},
    {"wait",       0,   FLAG_SWITCH, IN(wait),       NULL,                0, 0, "stay until Slurm's jobs have ended"},
    {"submit-only",0,   FLAG_SWITCH, IN(submit_only), NULL,               0, 0, "submit Slurm's jobs and return: as without --wait"},
    {"diff",       0,   FLAG_SWITCH, IN(diff),       NULL,                0, 0, "where two runs differ"},
    {"export",     0,   FLAG_SWITCH, IN(export),     NULL,                0, 0, "a JSON object a line"},
    {"orphans",    0,   FLAG_SWITCH, IN(orphans),    NULL,                0, 0, "only runs to which no experiment leads any more"},
    {"remove",     0,   FLAG_SWITCH, IN(remove),     NULL,                0, 0, "remove the chosen runs' folders; says which, and does it with --yes"},
    {"yes",        0,   FLAG_SWITCH, IN(yes),        NULL,                0, 0, "do remove"},
    {"method",     0,   FLAG_TEXT,   IN(method),     "NAME",              0, 0, "of weights in a file: prune, precrop, ... (default: prune)"},
    {"init:method", 0,  FLAG_CHOICE, IN(starter),    "import|lora|gaussian|pissa|olora|stable-output|lora-ga|bone|bat|mini|merge|unmerge", 0, 0, "what to make: a model of a llama2.c file, an adapter's first values, or a model with an adapter put in or taken out"},
    {"model",      0,   FLAG_TEXT,   IN(model),      "DIR",               0, 0, "the model's folder, as Hugging Face's libraries write it"},
    {"adapter",    0,   FLAG_TEXT,   IN(adapter),    "DIR",               0, 0, "the adapter's folder, as PEFT writes it"},
    {"rank",       0,   FLAG_INT,    IN(rank),       "R",                 1, 65536, "of the adapter (default: 8; of bone, bat and mini 64)"},
    {"alpha",      0,   FLAG_REAL,   IN(alpha),      "X",                 0, 1e6, "B A is scaled by alpha / rank (default: 8)"},
    {"rslora",     0,   FLAG_SWITCH, IN(rslora),     NULL,                0, 0, "scale by alpha / sqrt(rank)"},
    {"dora",       0,   FLAG_SWITCH, IN(dora),       NULL,                0, 0, "with the lengths of the weights' rows apart (DoRA)"},
    {"targets",    0,   FLAG_TEXT,   IN(targets),    "NAME,...",          0, 0, "adapted layers by the end of their name: q_proj,v_proj (default: every linear layer but heads)"},
    {"seed",       0,   FLAG_INT,    IN(seed),       "N",                 0, 9e15, "of random first values (default: 1, as of training)"},
    {"save-base",  0,   FLAG_TEXT,   IN(save_base),  "DIR",               0, 0, "write the model without what the adapter takes from it, and the adapter for that model, instead of one of twice the rank"},
    {"data",       0,   FLAG_TEXT,   IN(data),       "FILE",              0, 0, "what gradients are taken of: lines of {\"text\"} or {\"prompt\", \"response\"}, or an experiment's data (FILE.yaml)"},
    {"tokenizer",  0,   FLAG_TEXT,   IN(tokenizer),  "FILE",              0, 0, "of the model to import: llama2.c's tok*.bin"},
    {"ratio",      0,   FLAG_REAL,   IN(ratio),      "SHARE",             0, 0.9999, "share of the weights that is taken away"},
    {"density",    0,   FLAG_REAL,   IN(density),    "SHARE",             1e-6, 1, "share of the weights that is kept: 1 - ratio"},
    {"checkpoint", 0,   FLAG_TEXT,   IN(checkpoint), "X.safetensors",     0, 0, "weights to use instead of the run's own"},
    {"best",       0,   FLAG_SWITCH, IN(best),       NULL,                0, 0, "the run's best checkpoint instead of its last"},
    {"tokenizer:kind", 0, FLAG_CHOICE, IN(tokenizer_kind), "bpe|sp-bpe|unigram", 0, 0, "of a new tokenizer: byte-level as GPT-2's (default), SentencePiece's as Llama 2's, or T5's"},
    {"vocab-size", 0,   FLAG_INT,    IN(vocab_size), "N",                 1, 100000000, "tokens of a new tokenizer, special ones included"},
    {"prompt",     0,   FLAG_TEXT,   IN(prompt),     "TEXT",              0, 0, "what the text begins with; -: each line of standard input is a prompt"},
    {"ids",        0,   FLAG_SWITCH, IN(ids),        NULL,                0, 0, "prompts and texts are token ids"},
    {"batch",      0,   FLAG_INT,    IN(batch),      "N",                 1, 1024, "prompts side by side (default: 8); results do not depend on it"},
    {"split",      0,   FLAG_CHOICE, IN(split),      "train|valid|test",  0, 0, "examples to evaluate on (default: test)"},
    {"robustness", 0,   FLAG_SWITCH, IN(robustness), NULL,                0, 0, "accuracy on corrupted and attacked images, as the eval: block asks, else a standard table"},
    {"kind",       0,   FLAG_CHOICE, IN(kind),       "curve|sweep|pareto|histogram|images|confusion|density", 0, 0, "the one plot to draw"},
    {"metric",     0,   FLAG_TEXT,   IN(metric),     "NAME",              0, 0, "what to draw, such as valid.loss or run.step_ms"},
    {"x",          0,   FLAG_TEXT,   IN(x),          "NAME",              0, 0, "against what: step, epoch, a swept key, run.parameters"},
    {"group",      0,   FLAG_TEXT,   IN(group),      "KEY",               0, 0, "a line for each value of this key (default: for each setting)"},
    {"tensor",     0,   FLAG_TEXT,   IN(tensor),     "NAME",              0, 0, "the weights of a histogram (default: all)"},
    {"log-x",      0,   FLAG_SWITCH, IN(log_x),      NULL,                0, 0, "a logarithmic x axis"},
    {"log-y",      0,   FLAG_SWITCH, IN(log_y),      NULL,                0, 0, "a logarithmic y axis"},
    {"show",       0,   FLAG_SWITCH, IN(show),       NULL,                0, 0, "draw in the terminal (default on one, without --output)"},
    {"png",        0,   FLAG_SWITCH, IN(png),        NULL,                0, 0, "PNG files instead of SVG"},
    {"dark",       0,   FLAG_SWITCH, IN(dark),       NULL,                0, 0, "PNG for dark pages; SVG follows the reader's setting"},
    {"format",     0,   FLAG_CHOICE, IN(format),     "text|md|csv|json|latex|html|tex", 0, 0, "what to write (default: text); tex is latex"},
    {"interval",   0,   FLAG_SWITCH, IN(interval),   NULL,                0, 0, "after ±, half the width of the 95 % interval instead of the standard deviation"},
    {"runs",       0,   FLAG_SWITCH, IN(runs),       NULL,                0, 0, "list the ids of the runs behind each cell"},
    {"check",      0,   FLAG_SWITCH, IN(check),      NULL,                0, 0, "exit with 6 when a claim fails, or its runs are missing"},
    {"output",     'o', FLAG_TEXT,   IN(output),     "FILE",              0, 0, "where the output goes (eval: the confusion matrix; default: into the run's folder)"},
    {"results",    0,   FLAG_TEXT,   IN(results),    "DIR",               0, 0, "where run folders are (default: results)"},
    {"profile",    0,   FLAG_SWITCH, IN(profile),    NULL,                0, 0, "print where the time went, and write trace.json into the run's folder"},
    {"events",     0,   FLAG_CHOICE, IN(events),     "scalars|all",       0, 0, "what goes into the TensorBoard file: numbers, or also images and histograms"},
    {"filter",     0,   FLAG_TEXT,   IN(filter),     "TEXT",              0, 0, "only what has TEXT in its name"},
    {"time",       0,   FLAG_REAL,   IN(time),       "SECONDS",           0, 1000, "for each case (default: 0.15)"},
    {"isa",        0,   FLAG_TEXT,   IN(isa),        "v3|v4|neon",        0, 0, "instruction set to use (default: SEQLAB_ISA, or the best there is)"},
    {"threads",    0,   FLAG_INT,    IN(threads),    "N",                 1, 1024, "threads to compute with; results do not depend on it"},
    {"log-every",  0,   FLAG_REAL,   IN(log_every),  "SECONDS",           0, 1e9, "off a terminal, at most one line in this time (default: 30)"},
    {"json",       0,   FLAG_SWITCH, IN(json),       NULL,                0, 0, "print JSON"},
    {"quiet",      'q', FLAG_SWITCH, IN(quiet),      NULL,                0, 0, "of messages, print errors only"},
    {"verbose",    'v', FLAG_SWITCH, IN(verbose),    NULL,                0, 0, "print more"},
    {"color",      0,   FLAG_CHOICE, IN(color),      "auto|always|never", 0, 0, "colour messages (auto: on a terminal, unless NO_COLOR is set)"},
    {"manual:format", 0, FLAG_CHOICE, IN(manual),     "man|man5|bash|zsh|schema|keys", 0, 0, "write the manual of commands (man) or of experiment files (man5), completion for a shell, the JSON Schema or the list of all keys"},
    {"help",       'h', FLAG_SWITCH, IN(help),       NULL,                0, 0, "print this text"},
};
// clang-format on
enum { N_FLAGS = sizeof flag_table / sizeof flag_table[0] };

static const Flags flag_defaults = {.split = 2,
                                    .kind = -1,
                                    .manual = -1,
                                    .starter = -1,
                                    .seed = -1,
                                    .alpha = (double)NAN,
                                    .log_every = 30,
                                    .batch = 8,
                                    .tokenizer_kind = -1,
                                    .ratio = (double)NAN,
                                    .density = (double)NAN,
                                    .time = 0.15,
                                    .results = "results"};
static const char every_command[] = "quiet verbose color help";
static const Place place = {.file = "command line"};

/* Whether `name` (n bytes) is one of the blank-separated names. */
static bool listed(const char *names, const char *name, size_t n)
{
    for (const char *at = names; *at;) {
        size_t length = strcspn(at, " ");
        if (length == n && strncmp(at, name, n) == 0) return true;
        at += length;
        at += strspn(at, " ");
    }
    return false;
}

/* What is written after the dashes. */
static const char *written(const Flag *f)
{
    const char *colon = strchr(f->name, ':');
    return colon ? colon + 1 : f->name;
}

static bool taken(const char *names, const Flag *f)
{
    size_t n = strlen(f->name);
    return listed(names, f->name, n) || listed(every_command, f->name, n);
}

static const Flag *find(const char *names, const char *name, size_t n)
{
    for (int i = 0; i < N_FLAGS; i++)
        if (strlen(written(&flag_table[i])) == n &&
            strncmp(written(&flag_table[i]), name, n) == 0 && taken(names, &flag_table[i]))
            return &flag_table[i];
    return NULL;
}

static const Flag *find_letter(const char *names, char letter)
{
    for (int i = 0; i < N_FLAGS; i++)
        if (flag_table[i].letter == letter && taken(names, &flag_table[i])) return &flag_table[i];
    return NULL;
}

/* The likely meaning: a flag that starts with what was written, else the nearest by spelling. */
static bool fail_unknown(const char *names, const char *name, size_t n, Error *err)
{
    const char *near = NULL, *known[N_FLAGS];
    int n_known = 0;
    for (int i = 0; i < N_FLAGS; i++) {
        if (!taken(names, &flag_table[i])) continue;
        const char *one = known[n_known++] = written(&flag_table[i]);
        if (!near && n > 0 && strncmp(one, name, n) == 0) near = one;
    }
    char word[64];
    (void)snprintf(word, sizeof word, "%.*s", (int)n, name);
    if (!near) near = text_nearest(word, known, n_known);
    if (near)
        return fail(err, FAIL_USAGE, &place, "unknown flag '--%s'; did you mean '--%s'?", word,
                    near);
    return fail(err, FAIL_USAGE, &place, "unknown flag '--%s'", word);
}

static bool store_choice(const Flag *f, const char *text, int *out, Error *err)
{
    int i = 0;
    for (const char *at = f->value;; i++) {
        size_t n = strcspn(at, "|");
        if (strlen(text) == n && strncmp(at, text, n) == 0) break;
        if (at[n] == '\0')
            return fail(err, FAIL_USAGE, &place, "--%s=%.60s: expected %s", written(f), text,
                        f->value);
        at += n + 1;
    }
    *out = i;
    return true;
}

static bool store_number(const Flag *f, const char *text, char *to, Error *err)
{
    char *end;
    errno = 0;
    double value = f->type == FLAG_INT ? (double)strtoll(text, &end, 10) : strtod(text, &end);
    if (end == text || *end || errno || !(value >= f->low && value <= f->high))
        return fail(err, FAIL_USAGE, &place, "--%s=%.60s: expected %s from %g to %g", written(f),
                    text, f->type == FLAG_INT ? "an integer" : "a number", f->low, f->high);
    if (f->type == FLAG_INT) {
        int64_t whole = (int64_t)value;
        memcpy(to, &whole, sizeof whole);
    } else
        memcpy(to, &value, sizeof value);
    return true;
}

static bool store(const Flag *f, const char *text, Flags *out, Error *err)
{
    char *to = (char *)out + f->offset;
    switch (f->type) {
    case FLAG_SWITCH:
        *(bool *)to = true;
        return true;
    case FLAG_TEXT:
        if (!*text) return fail(err, FAIL_USAGE, &place, "--%s: %s is empty", written(f), f->value);
        memcpy(to, &text, sizeof text);
        return true;
    case FLAG_CHOICE:
        return store_choice(f, text, (int *)(void *)to, err);
    case FLAG_INT:
    case FLAG_REAL:
        return store_number(f, text, to, err);
    }
    return false;
}

/* One argument that starts with "--"; *i moves on when the next one is its value. */
static bool parse_long(const char *names, int argc, char *const argv[], int *i, Flags *out,
                       Error *err)
{
    const char *name = argv[*i] + 2;
    size_t n = strcspn(name, "=");
    const Flag *f = find(names, name, n);
    if (!f) return fail_unknown(names, name, n, err);
    if (f->type == FLAG_SWITCH) {
        if (name[n] == '=') return fail(err, FAIL_USAGE, &place, "--%s takes no value", written(f));
        return store(f, NULL, out, err);
    }
    if (name[n] == '=') return store(f, name + n + 1, out, err);
    if (*i + 1 >= argc)
        return fail(err, FAIL_USAGE, &place, "--%s needs a value: %s", written(f), f->value);
    return store(f, argv[++*i], out, err);
}

/* One argument such as -q, -qv or -o X. */
static bool parse_short(const char *names, int argc, char *const argv[], int *i, Flags *out,
                        Error *err)
{
    for (const char *at = argv[*i] + 1; *at; at++) {
        const Flag *f = find_letter(names, *at);
        if (!f) return fail(err, FAIL_USAGE, &place, "unknown flag '-%c'", *at);
        if (f->type == FLAG_SWITCH) {
            TRY(store(f, NULL, out, err));
            continue;
        }
        if (at[1] || *i + 1 >= argc)
            return fail(err, FAIL_USAGE, &place, "-%c needs a value after it: %s", *at, f->value);
        return store(f, argv[++*i], out, err);
    }
    return true;
}

bool flags_parse(const char *names, int argc, char *const argv[], Flags *out, const char *words[],
                 int *n_words, Error *err)
{
    *out = flag_defaults;
    *n_words = 0;
    bool ended = false;
    for (int i = 0; i < argc; i++) {
        const char *word = argv[i];
        if (ended || word[0] != '-' || word[1] == '\0')
            words[(*n_words)++] = word;
        else if (strcmp(word, "--") == 0)
            ended = true;
        else if (word[1] == '-')
            TRY(parse_long(names, argc, argv, &i, out, err));
        else
            TRY(parse_short(names, argc, argv, &i, out, err));
    }
    return true;
}

bool flags_at(const char *names, int i, FlagRow *out)
{
    for (int k = 0; k < N_FLAGS; k++) {
        const Flag *f = &flag_table[k];
        if (!taken(names, f) || i-- > 0) continue;
        *out = (FlagRow){written(f), f->letter, f->value, f->type == FLAG_CHOICE, f->help};
        return true;
    }
    return false;
}

void flags_help(const char *names, FILE *out)
{
    enum { COLUMN = 32 };
    FlagRow f;
    for (int i = 0; flags_at(names, i, &f); i++) {
        char left[96], letter[8] = "   ";
        if (f.letter) (void)snprintf(letter, sizeof letter, "-%c,", f.letter);
        (void)snprintf(left, sizeof left, "%s --%s%s%s", letter, f.name, f.value ? "=" : "",
                       f.value ? f.value : "");
        if (strlen(left) > COLUMN) /* the help below it */
            (void)fprintf(out, "  %s\n  %*s %s\n", left, COLUMN, "", f.help);
        else
            (void)fprintf(out, "  %-*s %s\n", COLUMN, left, f.help);
    }
}
