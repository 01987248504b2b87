/* train_parts -- what the trainers share: the words of a text with their counts. */
#ifndef SEQLAB_TOKENIZER_TRAIN_PARTS_H
#define SEQLAB_TOKENIZER_TRAIN_PARTS_H

#include "tokenizer/tokenizer_parts.h"
#include "tokenizer/tokenizer_train.h"

/* Words in the order of their first appearance. */
typedef struct WordCounts {
    Vocabulary words;
    int64_t *count;
    size_t capacity;
} WordCounts;

/* Every line is a text of its own when `by_line`; else cuts where it changes nothing. */
void count_words(WordCounts *out, const Tokenizer *frame, Word text, bool by_line);

/* The characters that cover `coverage` of the text, most frequent first (ties: by code point), but
 * sorted by code point in the result. */
size_t covering_characters(const WordCounts *w, double coverage, Arena *a, int32_t **out);

/* Adds merges to `tokens`, which holds the alphabet, until it has n_ids; returns the merges as a
 * JSON array of pairs. */
json_t *bpe_train(Vocabulary *tokens, const WordCounts *w, const TokenTraining *how);

typedef struct Scored {
    Word token;
    double score; /* natural logarithm of its probability */
} Scored;
/* Repeated substrings of words, of 2 to 16 characters, best first; `score` is how much text each
 * covers. */
size_t unigram_seed(const WordCounts *w, size_t most, Arena *a, Scored **out);
/* At most n_wanted tokens, best first; `required` characters are among them. */
size_t unigram_train(const WordCounts *w, size_t n_wanted, const int32_t *required,
                     size_t n_required, Arena *a, Scored **out);

#endif
