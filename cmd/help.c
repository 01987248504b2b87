/* help -- `seqlab help [COMMAND|KEY]`, and --format: what is generated from the tables. */
#include "cmd/command.h"

#include "cmd/complete.h"
#include "manual/manual.h"

static const Place place = {.file = "command line"};

static bool write_manual(const Invocation *in, Text *out, Error *err)
{
    switch ((ManualFormat)in->flags.manual) {
    case MANUAL_MAN:
        manual_commands(out);
        return true;
    case MANUAL_MAN5:
        manual_page(out);
        return true;
    case MANUAL_BASH:
        complete_bash(out, in->arena);
        return true;
    case MANUAL_ZSH:
        complete_zsh(out, in->arena);
        return true;
    case MANUAL_SCHEMA:
        return manual_schema(out, err);
    case MANUAL_KEYS:
        manual_markdown(out);
        return true;
    }
    return false;
}

static bool print_manual(const Invocation *in, Error *err)
{
    Text out = {0};
    TRY(command_word_count(in, 0, 0, err));
    const bool ok = write_manual(in, &out, err);
    if (ok) (void)fputs(out.data, stdout);
    text_free(&out);
    return ok;
}

static bool help(const Invocation *in, Error *err)
{
    if (in->flags.manual >= 0) return print_manual(in, err);
    TRY(command_word_count(in, 0, 1, err));
    if (in->n_words == 0) {
        command_print_help(NULL);
        return true;
    }
    const char *word = in->words[0], *near = NULL;
    const Command *command = command_find(word);
    const char *text = manual_key_help(in->arena, word, &near);
    if (command) {
        command_print_help(command);
        if (text) (void)fputs("\nin an experiment file:\n\n", stdout);
    }
    if (text) (void)puts(text);
    if (command || text) return true;
    if (near)
        return fail(err, FAIL_USAGE, &place, "'%.60s' is no command and no key; did you mean '%s'?",
                    word, near);
    return fail(err, FAIL_USAGE, &place, "'%.60s' is no command and no key", word);
}

const Command command_help = {
    .name = "help",
    .summary = "Say what a key of an experiment file means, or how a command is used",
    .usage = "[COMMAND|KEY]",
    .flags = "manual:format",
    .help = "A KEY is dotted (optimizer.lr, train.steps) or its last part alone (lr, steps).\n"
            "--format writes what is made of the same tables; 'make install' puts it in place.\n",
    .run = help,
};
