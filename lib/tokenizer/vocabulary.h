/* vocabulary -- tokens by id and ids by token; and a trie for the tokens that begin at a place. */
#ifndef SEQLAB_TOKENIZER_VOCABULARY_H
#define SEQLAB_TOKENIZER_VOCABULARY_H

#include "tokenizer/token_memory.h"

#include <stdint.h>

typedef struct Word {
    const char *at;
    size_t n;
} Word;

typedef struct Vocabulary {
    Arena *arena;
    Word *token; /* by id; at = NULL where an id is not in use */
    size_t n, capacity;
    uint32_t *slot; /* id + 1 by hash, 0 where free */
    uint32_t mask;
    uint32_t n_used;
} Vocabulary;

/* Gives `token` the id; false when the token or the id has another already. The text is copied. */
bool vocabulary_add(Vocabulary *v, const char *token, size_t n, uint32_t id);
int32_t vocabulary_find(const Vocabulary *v, const char *token, size_t n); /* or -1 */

/* A trie whose edges are in one map: an edge's key is (node, byte); node 0 is the root. */
typedef struct Trie {
    PairMap edge;
    uint32_t *value; /* by node: see trie_value */
    size_t n_nodes, capacity;
} Trie;

void trie_add(Trie *t, const char *s, size_t n, uint32_t value); /* the first of equals stays */
/* The node below `node` by one byte, or 0. */
static inline uint32_t trie_step(const Trie *t, uint32_t node, char byte)
{
    const uint32_t *next = pair_map_find(&t->edge, PAIR_KEY(node, (unsigned char)byte));
    return next ? *next : 0;
}
/* What was added at the node + 1, or 0. */
static inline uint32_t trie_value(const Trie *t, uint32_t node)
{
    return t->value ? t->value[node] : 0;
}

#endif
