/* init -- `seqlab init`: models and adapters made without training, as folders that other programs
 * read. Nothing is half-written: a folder is filled beside its place and moved there. */
#include "cmd/init.h"

#include "base/clock.h"
#include "base/progress.h"
#include "base/text.h"
#include "cmd/json_write.h"
#include "methods/peft/peft_dir.h"
#include "methods/peft/peft_merge_dir.h"
#include "nn/hf_dir.h"
#include "nn/llama2c.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const Place place = {.file = "command line"};

// clang-format off
static const Option keys[] = {
    LORA_START_DETAILS(InitKeys),
    OPT_INT(InitKeys, mini_rank, 1, 1, 65536, "mini: outputs that have a row of their own"),
    OPT_INT(InitKeys, max_length, 256, 1, 1048576, "lora-ga: tokens of an example of --data=X.jsonl"),
};
// clang-format on
const OptionTable init_key_table = OPTION_TABLE(InitKeys, keys);

/* What each method is called, makes of the weights, and takes of the flags. */
typedef struct StarterRow {
    const char *name;
    LoraInitKind first;
    PeftType type;
    PeftMiss miss;
    const char *takes; /* flags that change what comes out, separated by blanks */
} StarterRow;

#define ADAPTER_FLAGS "model rank targets "
#define LORA_FLAGS    ADAPTER_FLAGS "alpha rslora dora seed "
// clang-format off
static const StarterRow starters[] = {
    [START_IMPORT]        = {"import",        LORA_DEFAULT,       PEFT_LORA, MISS_PLAIN, "tokenizer "},
    [START_LORA]          = {"lora",          LORA_DEFAULT,       PEFT_LORA, MISS_PLAIN, LORA_FLAGS},
    [START_GAUSSIAN]      = {"gaussian",      LORA_GAUSSIAN,      PEFT_LORA, MISS_PLAIN, LORA_FLAGS},
    [START_PISSA]         = {"pissa",         LORA_PISSA,         PEFT_LORA, MISS_PLAIN, LORA_FLAGS "save-base "},
    [START_OLORA]         = {"olora",         LORA_OLORA,         PEFT_LORA, MISS_PLAIN, LORA_FLAGS "save-base "},
    [START_STABLE_OUTPUT] = {"stable-output", LORA_STABLE_OUTPUT, PEFT_LORA, MISS_PLAIN, LORA_FLAGS "save-base "},
    [START_LORA_GA]       = {"lora-ga",       LORA_GA,            PEFT_LORA, MISS_PLAIN, LORA_FLAGS "save-base data "},
    [START_BONE]          = {"bone",          LORA_DEFAULT,       PEFT_MISS, MISS_PLAIN, ADAPTER_FLAGS},
    [START_BAT]           = {"bat",           LORA_DEFAULT,       PEFT_MISS, MISS_BAT,   ADAPTER_FLAGS},
    [START_MINI]          = {"mini",          LORA_DEFAULT,       PEFT_MISS, MISS_MINI,  ADAPTER_FLAGS},
    [START_MERGE]         = {"merge",         LORA_DEFAULT,       PEFT_LORA, MISS_PLAIN, "model adapter "},
    [START_UNMERGE]       = {"unmerge",       LORA_DEFAULT,       PEFT_LORA, MISS_PLAIN, "model adapter "},
};
// clang-format on

/* -- Flags */

static bool check_takes(const Flags *f, const StarterRow *row, Error *err)
{
    const struct {
        const char *flag;
        bool given;
    } given[] = {
        {"model",     f->model != NULL    },
        {"adapter",   f->adapter != NULL  },
        {"rank",      f->rank > 0         },
        {"alpha",     !isnan(f->alpha)    },
        {"rslora",    f->rslora           },
        {"dora",      f->dora             },
        {"targets",   f->targets != NULL  },
        {"seed",      f->seed >= 0        },
        {"save-base", f->save_base != NULL},
        {"data",      f->data != NULL     },
        {"tokenizer", f->tokenizer != NULL},
    };
    for (size_t i = 0; i < sizeof given / sizeof given[0]; i++) {
        char word[32];
        (void)snprintf(word, sizeof word, "%s ", given[i].flag);
        if (given[i].given && !strstr(row->takes, word))
            return fail(err, FAIL_USAGE, &place, "--%s has no meaning for --method=%s",
                        given[i].flag, row->name);
    }
    return true;
}

static bool check_flags(const Invocation *in, Error *err)
{
    const Flags *f = &in->flags;
    if (f->starter < 0) return fail(err, FAIL_USAGE, &place, "--method is missing");
    const StarterRow *row = &starters[f->starter];
    TRY(check_takes(f, row, err));
    if (!f->output) return fail(err, FAIL_USAGE, &place, "--output=DIR is missing");
    const bool merges = f->starter == START_MERGE || f->starter == START_UNMERGE;
    if (merges && !f->adapter) return fail(err, FAIL_USAGE, &place, "--adapter=DIR is missing");
    if (!merges && f->starter != START_IMPORT && !f->model)
        return fail(err, FAIL_USAGE, &place, "--model=DIR is missing");
    if (f->starter == START_LORA_GA && !f->data)
        return fail(err, FAIL_USAGE, &place, "--data=FILE is missing: lora-ga looks at gradients");
    if (f->starter == START_IMPORT)
        return in->n_words == 1 ||
               fail(err, FAIL_USAGE, &place, "--method=import takes one word, FILE.bin");
    for (int i = 0; i < in->n_words; i++)
        if (!strchr(in->words[i], '='))
            return fail(err, FAIL_USAGE, &place, "'%.60s' is no key=value", in->words[i]);
    return true;
}

static bool read_keys(const Invocation *in, InitKeys *out, Error *err)
{
    Yaml *map = yaml_new_map(in->arena);
    const int n = in->flags.starter == START_IMPORT ? 0 : in->n_words;
    for (int i = 0; i < n; i++) TRY(yaml_override(in->arena, map, in->words[i], err));
    return option_read(&init_key_table, map, NULL, "of init", out, err);
}

/* -- Where it goes */

/* A folder is filled at `aside` and then stands at `path`. */
typedef struct Output {
    const char *path, *aside;
} Output;

/* Of models and adapters, which --force may replace. */
static bool is_ours(const char *path)
{
    return hf_dir_is(path) || peft_dir_is(path);
}

static bool output_open(Output *o, const char *path, bool force, Arena *a, Error *err)
{
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/') n--;
    *o = (Output){.path = arena_string_n(a, path, n)};
    if (file_exists(o->path) && (!force || !is_ours(o->path)))
        return fail(err, FAIL_USAGE, &place, "--output: %s is there already%s", o->path,
                    force           ? ", and is no model's or adapter's folder"
                    : is_ours(path) ? "; --force replaces it"
                                    : "");
    o->aside = arena_printf(a, "%s.new", o->path);
    return folder_remove(o->aside, err) && folder_make(o->aside, err);
}

static bool output_close(const Output *o, bool ok, Error *err)
{
    if (ok) ok = folder_replace(o->aside, o->path, err);
    if (ok) return true;
    TRY(folder_remove(o->aside, err));
    return false;
}

/* Of a folder that need not be there. */
static const char *whole_path(const char *path, Arena *a)
{
    char whole[PATH_MAX], here[PATH_MAX];
    if (realpath(path, whole)) return arena_string(a, whole);
    if (*path == '/' || !getcwd(here, sizeof here)) return path;
    return arena_printf(a, "%s/%s", here, path);
}

/* -- What is told */

typedef struct Console {
    Progress bar;
    const char *label;
    double start_s;
} Console;

static void on_tick(void *owner, int64_t done, int64_t total)
{
    Console *c = owner;
    char left[16], right[16], extra[48];
    text_bytes(left, (double)done);
    text_bytes(right, (double)total);
    (void)snprintf(extra, sizeof extra, "%s / %s", left, right);
    progress_draw(&c->bar, c->label, 0, done, total, extra);
}

static Console console_new(const Invocation *in, const char *label)
{
    return (Console){
        .bar = progress_start(stderr, in->flags.quiet), .label = label, .start_s = clock_s()};
}

static void tell(const Invocation *in, Console *c, const char *path, const char *text)
{
    char duration[24];
    text_duration(duration, clock_s() - c->start_s);
    progress_clear(&c->bar);
    if (in->flags.json) {
        Json j = {0};
        json_begin(&j, NULL, '{');
        json_add_text(&j, "method", starters[in->flags.starter].name);
        json_add_text(&j, "output", path);
        json_add_text(&j, "made", text);
        json_add_real(&j, "seconds", clock_s() - c->start_s);
        json_add_int(&j, "peak_bytes", clock_peak_bytes());
        json_end(&j, '}');
        json_print(&j);
    } else if (!in->flags.quiet) {
        (void)fprintf(stderr, "%s: %s, in %s\n", path, text, duration);
    }
}

/* -- The methods */

static bool import(const Invocation *in, Error *err)
{
    Output o;
    Console c = console_new(in, "import");
    TRY(output_open(&o, in->flags.output, in->flags.force, in->arena, err));
    bool ok = llama2c_convert(in->words[0], o.aside, err) &&
              (!in->flags.tokenizer || llama2c_tokenizer(in->flags.tokenizer, o.aside, err));
    TRY(output_close(&o, ok, err));
    tell(in, &c, o.path,
         in->flags.tokenizer ? "a Llama model and its tokenizer"
                             : "a Llama model, without a tokenizer");
    return true;
}

static bool merge(const Invocation *in, Error *err)
{
    const Flags *f = &in->flags;
    const bool undo = f->starter == START_UNMERGE;
    const char *model = f->model;
    Output o;
    PeftMerged made;
    if (!model) TRY(peft_dir_base(f->adapter, in->arena, &model, err));
    Console c = console_new(in, starters[f->starter].name);
    const PeftReport report = {.owner = &c, .tick = on_tick};
    TRY(output_open(&o, f->output, f->force, in->arena, err));
    const bool ok = peft_merge_dir(model, f->adapter, o.aside, undo, &report, &made, err);
    progress_clear(&c.bar);
    TRY(output_close(&o, ok, err));
    char bytes[16];
    text_bytes(bytes, (double)made.bytes);
    tell(in, &c, o.path,
         arena_printf(in->arena, "a model of %s, %d layers %s%s", bytes, made.n_layers,
                      undo ? "without the adapter" : "with the adapter",
                      made.n_tensors ? ", whole tensors replaced" : ""));
    return true;
}

static PeftNames split_names(const char *text, Arena *a)
{
    PeftNames names = {.at = arena_new_array(a, const char *, text ? strlen(text) + 1 : 0)};
    for (const char *at = text; at && *at;) {
        const size_t n = strcspn(at, ",");
        if (n > 0) names.at[names.n++] = arena_string_n(a, at, n);
        at += n + (at[n] == ',');
    }
    return names;
}

static PeftFirst first_of(const Invocation *in, const InitKeys *k)
{
    const Flags *f = &in->flags;
    const StarterRow *row = &starters[f->starter];
    PeftFirst o = {.config = peft_config_defaults,
                   .first = k->start.first,
                   .seed = f->seed < 0 ? 1 : (uint64_t)f->seed,
                   .as_it_is = f->save_base != NULL,
                   .batch_size = k->start.gradient_batch_size,
                   .n_batches = k->start.gradient_batches,
                   .gradient_memory = k->start.gradient_memory << 20};
    o.first.kind = (int)row->first;
    o.config.type = row->type;
    o.config.miss = (int)row->miss;
    o.config.rank = f->rank > 0 ? f->rank : row->type == PEFT_MISS ? 64 : 8;
    if (!isnan(f->alpha)) o.config.alpha = f->alpha;
    o.config.rslora = f->rslora;
    o.config.dora = f->dora;
    o.config.mini_rank = k->mini_rank;
    o.config.targets = split_names(f->targets, in->arena);
    o.config.base = whole_path(f->save_base ? f->save_base : f->model, in->arena);
    return o;
}

static void tell_made(const Invocation *in, Console *c, const Output *o, const PeftFirst *first,
                      const PeftMade *made)
{
    char count[16];
    const char *zero = "", *base = "", *twice = "";
    text_si(count, (double)made->n_parameters);
    if (made->rank != first->config.rank)
        twice =
            arena_printf(in->arena, " as rank %lld for the model as it is", (long long)made->rank);
    if (in->flags.save_base)
        base = arena_printf(in->arena, ", for the model in %s", in->flags.save_base);
    if (made->n_zero > 0)
        zero = arena_printf(in->arena, ", of which %d have no gradient and start as with lora",
                            made->n_zero);
    tell(in, c, o->path,
         arena_printf(in->arena, "%s of rank %lld%s, %d layers%s, %s parameters%s",
                      starters[in->flags.starter].name, (long long)first->config.rank, twice,
                      made->n_layers, zero, count, base));
}

/* The adapter and, where it is asked for, the model without what that took from it. */
static bool write_adapter(const Invocation *in, const PeftFirst *first, Console *c, Error *err)
{
    const Flags *f = &in->flags;
    const PeftReport report = {.owner = c, .tick = on_tick};
    Output o, base = {0};
    PeftMade made;
    PeftMerged without;
    TRY(output_open(&o, f->output, f->force, in->arena, err));
    bool ok = !f->save_base || output_open(&base, f->save_base, f->force, in->arena, err);
    ok = ok && peft_init_dir(f->model, first, o.aside, &report, &made, err);
    ok = ok && (!f->save_base ||
                peft_merge_dir(f->model, o.aside, base.aside, true, &report, &without, err));
    progress_clear(&c->bar);
    if (base.aside) ok = output_close(&base, ok, err);
    TRY(output_close(&o, ok, err));
    tell_made(in, c, &o, first, &made);
    return true;
}

static bool start(const Invocation *in, const InitKeys *k, Error *err)
{
    const Flags *f = &in->flags;
    Datasets sets = {0};
    PeftFirst first = first_of(in, k);
    if (f->save_base && f->dora)
        return fail(err, FAIL_USAGE, &place, "--save-base and --dora exclude each other");
    if (!hf_dir_is(f->model))
        return fail(err, FAIL_DATA, NULL, "%s: there is no config.json: no model's folder",
                    f->model);
    if (f->data) TRY(init_open_data(in, k, &sets, &first.data, err));
    Console c = console_new(in, starters[f->starter].name);
    const bool ok = write_adapter(in, &first, &c, err);
    if (f->data) datasets_close(&sets);
    return ok;
}

static bool init(const Invocation *in, Error *err)
{
    InitKeys *k = arena_new_array(in->arena, InitKeys, 1);
    TRY(check_flags(in, err));
    TRY(read_keys(in, k, err));
    switch ((Starter)in->flags.starter) {
    case START_IMPORT:
        return import(in, err);
    case START_MERGE:
    case START_UNMERGE:
        return merge(in, err);
    default:
        return start(in, k, err);
    }
}

const Command command_init = {
    .name = "init",
    .summary = "Make a model of a llama2.c file, first values of an adapter, or merge an adapter",
    .usage = "--method=NAME -o DIR [FILE.bin] [key=value ...]",
    .flags = "init:method model adapter rank alpha rslora dora targets seed save-base data "
             "tokenizer output force threads json",
    .help = "Folders are as Hugging Face's libraries (models) and PEFT (adapters) write and read\n"
            "them; experiments take them by base:. Tensors are read where they lie, one after the\n"
            "other, so that a model may be larger than the memory.\n"
            "\n"
            "lora and gaussian start with B = 0; bone, bat and mini with zeros. pissa, olora,\n"
            "stable-output and lora-ga take what the adapter starts with from the weights: the\n"
            "adapter is written at twice the rank for the model as it is or, with --save-base,\n"
            "at its rank for a model that is written too. lora-ga looks at the gradients of\n"
            "--data, of which the first gradient_batches * gradient_batch_size examples count.\n"
            "\n"
            "merge puts --adapter into the weights of --model (default: the model that it names),\n"
            "unmerge takes it out; each weight is rounded to the dtype that the model has.\n"
            "import reads FILE.bin of llama2.c, and with --tokenizer its tok*.bin.\n",
    .options = &init_key_table,
    .computes = true,
    .run = init,
};
