/* token_memory -- growing arrays in an arena, and a map from pairs of numbers to numbers. */
#ifndef SEQLAB_TOKENIZER_TOKEN_MEMORY_H
#define SEQLAB_TOKENIZER_TOKEN_MEMORY_H

#include "base/arena.h"

#include <string.h>

/* Makes room for `more` elements after the n that an array has; the old copy stays in the arena, so
 * that an array which grows to N costs at most 2 N. */
void *array_grow(Arena *a, void *array, size_t n, size_t *capacity, size_t more, size_t element);

/* Room for `more` elements after n at `pointer`, whose capacity is `capacity`; afterwards it is not
 * NULL. */
#define ARRAY_ROOM(a, pointer, n, capacity, more)                                                  \
    do {                                                                                           \
        if (!(pointer) || (size_t)(n) + (size_t)(more) > (capacity))                               \
            (pointer) = array_grow((a), (pointer), (size_t)(n), &(capacity), (size_t)(more),       \
                                   sizeof *(pointer));                                             \
    } while (0)

typedef struct Bytes {
    Arena *arena;
    char *at;
    size_t n, capacity;
} Bytes;

static inline void bytes_add(Bytes *b, const char *s, size_t n)
{
    ARRAY_ROOM(b->arena, b->at, b->n, b->capacity, n + 1);
    if (n > 0) memcpy(b->at + b->n, s, n);
    b->n += n;
}

void bytes_add_character(Bytes *b, int32_t c);

/* A map from uint64_t keys to uint32_t values by open addressing; start it with {.arena = a}. */
typedef struct PairSlot {
    uint64_t key; /* key + 1; 0 is a free slot */
    uint32_t value;
} PairSlot;
typedef struct PairMap {
    Arena *arena;
    PairSlot *slot;
    uint32_t n, mask;
} PairMap;

#define PAIR_KEY(a, b) (((uint64_t)(uint32_t)(a) << 32) | (uint32_t)(b))

/* The value's place, or NULL. */
uint32_t *pair_map_find(const PairMap *m, uint64_t key);
/* The value's place, made with 0 when it was not there (*fresh); valid until the next add. */
uint32_t *pair_map_add(PairMap *m, uint64_t key, bool *fresh);

uint64_t hash_text(const char *s, size_t n); /* not for security */

#endif
