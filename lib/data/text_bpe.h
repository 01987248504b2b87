/* text_bpe -- byte-pair encoding of bytes (Gage 1994; Sennrich, Haddow & Birch, arXiv 1508.07909;
 * Radford et al. 2019 for bytes): the most frequent pair of neighbours becomes a token, again and
 * again.
 *
 * Text is first cut into words, which no token crosses: letters (all of ASCII's and every byte
 * above it), digits, or other signs, each with the one space before them, and white space. Of pairs
 * that are equally frequent the one of lower ids goes first, so that a text has one encoding.
 *
 * Tokens: 0 padding, then the 256 bytes, then the merges in their order. */
#ifndef SEQLAB_DATA_TEXT_BPE_H
#define SEQLAB_DATA_TEXT_BPE_H

#include "base/arena.h"

enum { BPE_BYTES = 257, BPE_MAX_TOKENS = 65536 }; /* those there are without a merge; most of all */

typedef struct TextBpe TextBpe;

/* Merges until there are n_tokens, or no pair occurs twice. 1 MB takes about 0.1 s. */
TextBpe *text_bpe_learn(const unsigned char *text, size_t n, int64_t n_tokens, Arena *a);
int64_t text_bpe_n_tokens(const TextBpe *bpe);
int64_t text_bpe_bytes(const TextBpe *bpe, uint16_t token); /* that the token stands for */

/* Writes the tokens of n bytes, at most n of them; returns how many. */
int64_t text_bpe_encode(const TextBpe *bpe, const unsigned char *text, size_t n, uint16_t *token);

#endif
