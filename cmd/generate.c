/* generate -- `seqlab generate`: text from a Hugging Face folder or from a run. */
#include "base/clock.h"
#include "cmd/json_write.h"
#include "cmd/weights.h"
#include "io/file.h"
#include "methods/peft/peft_dir.h"
#include "nn/hf_dir.h"
#include "run/generator.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const Place place = {.file = "command line"};

/* One call of the command. */
typedef struct Session {
    const Invocation *in;
    Generator *g;
    GenerateOptions how;
    Prompt *prompts;
    int64_t n_prompts, capacity;
    int64_t n_written; /* tokens in all */
    /* A text that is printed as it comes. */
    int32_t *tokens; /* the prompt's and those that came */
    int64_t n_tokens;
    size_t n_printed; /* bytes */
} Session;

/* -- Words */

/* Words without a dot are of generation, the others of the run's experiment. */
static int divide_words(const Invocation *in, const char **own, Invocation *rest)
{
    int n_own = 0;
    *rest = *in;
    rest->words = arena_new_array(in->arena, const char *, in->n_words);
    rest->n_words = 0;
    for (int i = 0; i < in->n_words; i++) {
        const char *word = in->words[i];
        const size_t n = strcspn(word, "=");
        if (i > 0 && word[n] && !memchr(word, '.', n))
            own[n_own++] = word;
        else
            rest->words[rest->n_words++] = word;
    }
    return n_own;
}

/* -- Prompts */

static bool parse_ids(const char *text, size_t n, Arena *a, Prompt *out, Error *err)
{
    const char *copy = arena_string_n(a, text, n), *at = copy;
    int32_t *ids = arena_new_array(a, int32_t, n / 2 + 1);
    *out = (Prompt){ids, 0};
    for (;;) {
        char *end;
        at += strspn(at, " \t\r\n,");
        if (!*at) return true;
        errno = 0;
        const long id = strtol(at, &end, 10);
        if (end == at || errno || id < 0 || id > INT32_MAX || !strchr(" \t\r\n,", *end))
            return fail(err, FAIL_DATA, NULL, "prompt: '%.20s' is no token id", at);
        ids[out->n++] = (int32_t)id;
        at = end;
    }
}

static bool add_prompt(Session *s, const char *text, size_t n, Error *err)
{
    if (s->n_prompts == s->capacity) {
        const int64_t more = s->capacity ? 2 * s->capacity : 16;
        Prompt *grown = arena_new_array(s->in->arena, Prompt, more);
        for (int64_t i = 0; i < s->n_prompts; i++) grown[i] = s->prompts[i];
        s->prompts = grown;
        s->capacity = more;
    }
    Prompt *p = &s->prompts[s->n_prompts++];
    if (!s->in->flags.ids) return generator_prompt(s->g, text, n, &s->how, p, err);
    return parse_ids(text, n, s->in->arena, p, err);
}

static bool read_lines(Session *s, Error *err)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t n;
    bool ok = true;
    while (ok && (n = getline(&line, &room, stdin)) >= 0) {
        size_t length = (size_t)n;
        if (length > 0 && line[length - 1] == '\n') length--;
        if (length > 0 && line[length - 1] == '\r') length--;
        ok = add_prompt(s, line, length, err);
        if (!ok) error_note(err, "in line %lld of standard input", (long long)s->n_prompts);
    }
    free(line);
    return ok;
}

static bool read_prompts(Session *s, Error *err)
{
    const char *prompt = s->in->flags.prompt;
    if (prompt && strcmp(prompt, "-") == 0) return read_lines(s, err);
    return add_prompt(s, prompt ? prompt : "", prompt ? strlen(prompt) : 0, err);
}

/* -- Texts */

/* What stands before a text when it is printed: of a target nothing. */
static Prompt shown_prompt(const Session *s, int64_t i)
{
    const Prompt none = {0};
    return generator_has_source(s->g) ? none : s->prompts[i];
}

static char *whole_text(const Session *s, Arena *a, int64_t i, const int32_t *tokens, int64_t n,
                        size_t *bytes)
{
    const Prompt p = shown_prompt(s, i);
    int32_t *all = arena_new_array(a, int32_t, p.n + n + 1);
    if (p.n > 0) memcpy(all, p.tokens, sizeof *all * (size_t)p.n);
    if (n > 0) memcpy(all + p.n, tokens, sizeof *all * (size_t)n);
    return text_units_decode(s->g->text, a, all, p.n + n, bytes);
}

/* The part after the prompt, where its text is the start of the whole. */
static const char *new_text(const Session *s, Arena *a, const GeneratedText *t)
{
    size_t n_whole, n_before;
    const char *whole = whole_text(s, a, t->prompt, t->tokens, t->n, &n_whole);
    const char *before = whole_text(s, a, t->prompt, NULL, 0, &n_before);
    if (n_before <= n_whole && memcmp(whole, before, n_before) == 0) return whole + n_before;
    return text_units_decode(s->g->text, a, t->tokens, t->n, &n_whole);
}

static void print_json(const Session *s, const GeneratedText *t)
{
    Json j = {0};
    Arena *a = arena_new();
    json_begin(&j, NULL, '{');
    json_add_int(&j, "prompt", t->prompt);
    json_add_int(&j, "sequence", t->sequence);
    json_add_int(&j, "prompt_tokens", s->prompts[t->prompt].n);
    json_begin(&j, "ids", '[');
    for (int64_t i = 0; i < t->n; i++) json_add_int(&j, NULL, t->tokens[i]);
    json_end(&j, ']');
    if (s->g->text) json_add_text(&j, "text", new_text(s, a, t));
    json_add_real(&j, "log_probability", t->log_probability);
    json_add_bool(&j, "ended", t->ended);
    json_end(&j, '}');
    json_print(&j);
    arena_free(a);
}

static void print_ids(const GeneratedText *t)
{
    for (int64_t i = 0; i < t->n; i++) (void)printf("%s%d", i > 0 ? " " : "", t->tokens[i]);
    (void)putchar('\n');
}

static void print_text(void *owner, const GeneratedText *t)
{
    Session *s = owner;
    s->n_written += t->n;
    if (s->in->flags.json) {
        print_json(s, t);
    } else if (s->in->flags.ids) {
        print_ids(t);
    } else {
        size_t n;
        Arena *a = arena_new();
        const char *text = whole_text(s, a, t->prompt, t->tokens, t->n, &n);
        if (n > s->n_printed) (void)fwrite(text + s->n_printed, 1, n - s->n_printed, stdout);
        (void)putchar('\n');
        arena_free(a);
    }
    s->n_tokens = 0;
    s->n_printed = 0;
}

/* How much of a text will stay as it is: a last character may still lack bytes, which a decoder
 * may write as U+FFFD. */
static size_t settled(const char *text, size_t n)
{
    if (n >= 3 && memcmp(text + n - 3, "\xEF\xBF\xBD", 3) == 0) return n - 3;
    size_t start = n;
    while (start > 0 && n - start < 3 && ((unsigned char)text[start - 1] & 0xC0) == 0x80) start--;
    if (start == 0) return n;
    const unsigned char first = (unsigned char)text[start - 1];
    const size_t want = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : first >= 0xC0 ? 2 : 1;
    return n - (start - 1) < want ? start - 1 : n;
}

/* One more token of the only text at work: only the first prompt's when there are others, whose
 * texts are printed whole. */
static void print_token(void *owner, int64_t row, int32_t id)
{
    Session *s = owner;
    size_t n;
    (void)row;
    Arena *a = arena_new();
    s->tokens[s->n_tokens++] = id;
    const char *text = whole_text(s, a, 0, s->tokens, s->n_tokens, &n);
    n = settled(text, n);
    if (n > s->n_printed) {
        (void)fwrite(text + s->n_printed, 1, n - s->n_printed, stdout);
        (void)fflush(stdout);
        s->n_printed = n;
    }
    arena_free(a);
}

/* -- The command */

static bool write_texts(Session *s, Error *err)
{
    const Flags *f = &s->in->flags;
    GeneratorSink sink = {.owner = s, .text = print_text, .log_probability = f->json};
    if (!f->json && !f->ids && s->n_prompts == 1 && isatty(STDOUT_FILENO)) {
        const int64_t limit = generate_limit(&s->how, s->prompts->n, generator_has_source(s->g));
        s->tokens = arena_new_array(s->in->arena, int32_t, limit > 0 ? limit : 1);
        sink.token = print_token;
    }
    const double start = clock_s();
    TRY(generator_run(s->g, &s->how, s->prompts, s->n_prompts, f->batch, &sink, err));
    const double seconds = clock_s() - start;
    if (!f->quiet)
        (void)fprintf(stderr, "%lld tokens in %.3f s: %.0f tokens/s\n", (long long)s->n_written,
                      seconds, (double)s->n_written / (seconds > 0 ? seconds : 1e-9));
    return true;
}

static bool use(Generator *g, const Invocation *in, const char *const words[], int n_words,
                Error *err)
{
    Session s = {.in = in, .g = g};
    if (g->note && !in->flags.quiet) (void)fprintf(stderr, "%s\n", g->note);
    TRY(generate_options(g->defaults, words, n_words, in->arena, &s.how, err));
    if (!g->text && !in->flags.ids)
        return fail(err, FAIL_DATA, NULL,
                    "%s: there is no tokenizer.json; --ids takes and prints token ids",
                    in->words[0]);
    return read_prompts(&s, err) && (s.n_prompts == 0 || write_texts(&s, err));
}

static bool of_folder(const Invocation *in, const char *const words[], int n_words, Error *err)
{
    Generator g;
    TRY(generator_of_folder(&g, in->words[0], in->arena, err));
    const bool ok = use(&g, in, words, n_words, err);
    generator_free(&g);
    return ok;
}

static bool of_target(const Target *t, const Invocation *in, const char *const words[], int n_words,
                      Error *err)
{
    NetworkOptions o = {.task = t->data->task,
                        .eval = true,
                        .params_only = true,
                        .total_steps = steps_resolve(t->experiment.train.steps, 1),
                        .steps_per_epoch = 1};
    Network n = {0};
    Generator g;
    TRY(weights_architecture(t, in, &o.architecture, err));
    TRY(network_new(&n, &t->experiment, &o, in->arena, err));
    bool ok = weights_load(t, in, &n, err) && generator_of_network(&g, &n, t->data, err);
    if (ok) {
        ok = use(&g, in, words, n_words, err);
        generator_free(&g);
    }
    network_free(&n);
    return ok;
}

static bool generate_command(const Invocation *in, Error *err)
{
    Target *t = arena_alloc(in->arena, sizeof *t);
    const char **own = arena_new_array(in->arena, const char *, in->n_words + 1);
    Invocation rest;
    const int n_own = divide_words(in, own, &rest);
    if (in->n_words == 0)
        return fail(err, FAIL_USAGE, &place, "a Hugging Face folder or RUN is missing");
    if (hf_dir_is(in->words[0]) || peft_dir_is(in->words[0])) {
        TRY(command_word_count(&rest, 1, 1, err));
        return of_folder(in, own, n_own, err);
    }
    TRY(target_load(t, &rest, err));
    const bool by_id = !t->is_run && !in->flags.checkpoint;
    TRY(target_open_data(t, &rest, by_id ? (unsigned)SPLITS_ALL : 1U << SPLIT_TRAIN, err));
    const bool ok = of_target(t, &rest, own, n_own, err);
    target_close(t);
    return ok;
}

const Command command_generate = {
    .name = "generate",
    .summary = "Write text with a language model",
    .usage = "DIR|RUN|FILE.yaml [key=value ...]",
    .flags = "prompt ids batch checkpoint best results threads json",
    .help =
        "DIR is a Hugging Face folder: config.json, model.safetensors, tokenizer.json, and\n"
        "generation_config.json, whose keys are the defaults of those below; or a folder of "
        "PEFT's\n"
        "with adapter_config.json, which is put into the model that this names. RUN is a run that\n"
        "trained a language model, and FILE.yaml the one that 'seqlab train FILE.yaml' made;\n"
        "adapters and other methods are part of it.\n"
        "Prints the prompt and what follows, on a terminal as it comes; of a model with a source\n"
        "(T5), which the prompt is, what it makes of that. --json prints an object a text: ids,\n"
        "text and log_probability (natural logarithm; of beams, what they are ordered by).\n"
        "Without --prompt the text begins with the model's first token.\n"
        "\n"
        "Words with a dot are keys of the run's experiment, as 'seqlab eval' takes them.\n",
    .options = &generate_option_table,
    .computes = true,
    .run = generate_command,
};
