/* help -- `seqlab help [COMMAND|KEY]`. */
#include "cmd/command.h"

#include "manual/manual.h"

static bool help(const Invocation *in, Error *err)
{
    static const Place place = {.file = "command line"};
    TRY(command_word_count(in, 0, 1, err));
    if (in->n_words == 0) {
        command_print_help(NULL);
        return true;
    }
    const char *word = in->words[0], *near = NULL;
    const Command *command = command_find(word);
    if (command) {
        command_print_help(command);
        return true;
    }
    const char *text = manual_key_help(in->arena, word, &near);
    if (text) {
        (void)puts(text);
        return true;
    }
    if (near)
        return fail(err, FAIL_USAGE, &place, "'%.60s' is no command and no key; did you mean '%s'?",
                    word, near);
    return fail(err, FAIL_USAGE, &place, "'%.60s' is no command and no key", word);
}

const Command command_help = {
    .name = "help",
    .summary = "Say what a key of an experiment file means, or how a command is used",
    .usage = "[COMMAND|KEY]",
    .flags = "",
    .help = "A KEY is dotted (optimizer.lr, train.steps) or its last part alone (lr, steps).\n",
    .run = help,
};
