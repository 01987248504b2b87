/* page -- seqlab-experiment(5): the reference of keys as a manual page, in man macros. */
#include "manual/manual.h"

#include <string.h>

typedef struct Page {
    Text *out;
} Page;

/* A character beyond ASCII as \[u00B1]; returns how many bytes it has. `s` is UTF-8. */
static int add_unicode(Text *out, const char *s)
{
    const unsigned char lead = (unsigned char)*s;
    const int n = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    unsigned code = lead & (0xffU >> (n + 1));
    for (int i = 1; i < n && s[i]; i++) code = code << 6 | ((unsigned char)s[i] & 0x3fU);
    text_addf(out, "\\[u%04X]", code);
    return n;
}

void manual_troff(Text *out, const char *s)
{
    char one[2] = "";
    if (*s == '.') text_add(out, "\\&"); /* would be a request at a line's start */
    for (; *s; s++) {
        one[0] = *s;
        if ((unsigned char)*s >= 0x80) {
            s += add_unicode(out, s) - 1;
            continue;
        }
        text_add(out, *s == '\\'   ? "\\e"
                      : *s == '-'  ? "\\-"
                      : *s == '\'' ? "\\(aq"
                      : *s == '^'  ? "\\(ha"
                      : *s == '~'  ? "\\(ti"
                      : *s == '`'  ? "\\(ga"
                      : *s == '|'  ? "|\\:" /* a line may break there */
                                   : one);
    }
}

static void add_line(Text *out, const char *before, const char *s, const char *after)
{
    text_add(out, before);
    manual_troff(out, s);
    text_add(out, after);
}

static void block(void *self, const char *name, const char *help)
{
    Page *p = self;
    if (*name)
        add_line(p->out, ".SH \"BLOCK ", name, "\"\n");
    else
        text_add(p->out, ".SH \"TOP OF THE FILE\"\n");
    add_line(p->out, "", help, "\n");
}

static void components(void *self, ComponentKind kind, const Component c[], int n)
{
    Page *p = self;
    add_line(p->out, ".SS \"", component_word[kind], "");
    for (int i = 0; i < n; i++) add_line(p->out, i ? ", " : " ", c[i].name, "");
    text_add(p->out, "\"\n");
    for (int i = 0; i < n; i++) {
        if (n > 1) add_line(p->out, i ? ".br\n" : "", c[i].name, ": ");
        add_line(p->out, "", c[i].summary && *c[i].summary ? c[i].summary : c[i].name, "\n");
    }
}

static void key(void *self, const ManualKey *k)
{
    const Page *p = self;
    add_line(p->out, ".TP\n.B ", k->name, "\n\\fI");
    add_line(p->out, "", k->type, "\\fR");
    if (*k->value) add_line(p->out, "; default ", k->value, "");
    if (*k->range) add_line(p->out, "; range ", k->range, "");
    add_line(p->out, "\n.br\n", k->help, "\n");
}

// clang-format off
static const char head[] =
    ".TH SEQLAB\\-EXPERIMENT 5 \"\" \"seqlab " SEQLAB_VERSION "\" \"File formats\"\n"
    ".ad l\n"
    ".SH NAME\n"
    "seqlab\\-experiment \\- an experiment file of seqlab\n"
    ".SH DESCRIPTION\n"
    "An experiment file is YAML. It chooses a data set, a model, an optimizer and a schedule, each by name and with\n"
    "options of its own, and says how long to train; blocks around that say which runs a table needs, how they are\n"
    "shown, and what they should prove.\n"
    ".PP\n"
    "Unknown keys, wrong types and values out of range are errors with their place and the nearest known name; all of\n"
    "a file\\(aqs mistakes are reported at once. A duplicate key is an error. Only\n"
    ".B true\nand\n.B false\n"
    "are booleans; 1e\\-3 is a number; a length of training is a number of steps, or of epochs as in\n"
    ".BR 10ep .\n"
    "Relative paths belong to the folder of the file that they stand in.\n"
    ".PP\n"
    "On the command line a key is written with dots,\n"
    ".B optimizer.lr=0.01\n"
    "or\n"
    ".BR methods.0.lambda=0.01 ;\n"
    ".B methods+={name: ema}\n"
    "appends to a list. The id of a run is the hash of all keys that differ from their default; keys that change no\n"
    "result say so.\n"
    ".SH EXAMPLE\n"
    ".nf\n"
    "run: train\n"
    "name: quickstart/resnet20\n"
    "data: {name: fashion_mnist, augment: [crop, flip], crop_pad: 2}\n"
    "model: {name: resnet20, shortcut: A}\n"
    "optimizer: {name: sgd, lr: 0.1, momentum: 0.9, weight_decay: 5e\\-4}\n"
    "schedule: {name: one_cycle}\n"
    "train: {steps: 10ep, batch_size: 128, eval_every: 1ep, seed: 1}\n"
    "sweep:\n"
    "  optimizer.lr: [0.05, 0.1]\n"
    "  train.seed: {range: [1, 3]}\n"
    "table: {rows: optimizer.lr, metric: {name: test.top1, scale: 100, digits: 1}}\n"
    "claims:\n"
    "  \\- {say: \"0.1 is better\", test: \"row(0.1) > row(0.05)\"}\n"
    ".fi\n";
static const char tail[] =
    ".SH \"SEE ALSO\"\n"
    ".BR seqlab (1)\n";
// clang-format on

void manual_page(Text *out)
{
    Arena *a = arena_new();
    Page page = {.out = out};
    const ManualVisitor visitor = {
        .self = &page, .block = block, .components = components, .key = key};
    text_add(out, head);
    manual_walk(&visitor, a);
    text_add(out, tail);
    arena_free(a);
}
