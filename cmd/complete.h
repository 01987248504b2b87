/* complete -- what shells and man read, made from the command, flag and option tables.
 *
 * The scripts hold the words themselves: no key press starts the program. */
#ifndef SEQLAB_CMD_COMPLETE_H
#define SEQLAB_CMD_COMPLETE_H

#include "base/text.h"
#include "cmd/command.h"

/* Words that stand before a '=': "optimizer.lr", and the values of those that have few. */
typedef struct KeyWord {
    const char *key, *values; /* "a|b|c", or NULL */
    const char *help;
} KeyWord;

/* Every key of every block, once: where several components have one, all of their values. Memory
 * is the arena's. */
const KeyWord *complete_keys(Arena *a, int *n);

/* The names that `list` takes, separated by blanks. */
const char *complete_list_names(Arena *a);

/* What a command takes as its first word and after it, out of its usage: literal words, and @file
 * @run @key (key=value) @where (a condition) @command @help (a key) @name, separated by blanks. */
void complete_words(const Command *c, Arena *a, const char **first, const char **rest);

void complete_bash(Text *out, Arena *a);
void complete_zsh(Text *out, Arena *a);

/* seqlab(1), in man macros. */
void manual_commands(Text *out);

#endif
