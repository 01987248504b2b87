/* splits -- the regular expressions by which known tokenizers cut text, each as a scanner.
 *
 * There is no engine for regular expressions here: a tokenizer.json names one of a handful, and a
 * scanner is both faster and exact. splits.c has the list; what is not on it is refused. */
#ifndef SEQLAB_TOKENIZER_SPLITS_H
#define SEQLAB_TOKENIZER_SPLITS_H

#include "tokenizer/vocabulary.h"

typedef struct SplitPattern SplitPattern;
struct SplitPattern {
    const char *name, *regex;
    /* Bytes matched at s[at], 0 for no match; at < n. */
    size_t (*match)(const SplitPattern *p, const char *s, size_t at, size_t n);
    int digits;        /* numbers are cut after so many characters; 0: never */
    bool ignore_case;  /* of 's 't 're 've 'm 'll 'd */
    bool any_prefix;   /* [^\r\n\p{L}\p{N}]? before letters, not only a space */
    bool keeps_breaks; /* [\r\n]* after punctuation, and \s*[\r\n]+ */
};

extern const SplitPattern split_gpt2, split_words;
const SplitPattern *split_find(const char *regex, size_t n); /* or NULL */
const SplitPattern *split_named(const char *name);           /* or NULL */
/* The names of the known ones, for a message: "GPT-2, cl100k, ...". */
void split_names(char *out, size_t capacity);

#endif
