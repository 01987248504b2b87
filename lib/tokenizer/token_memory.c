/* token_memory -- see token_memory.h. */
#include "tokenizer/token_memory.h"

#include "tokenizer/unicode.h"

void *array_grow(Arena *a, void *array, size_t n, size_t *capacity, size_t more, size_t element)
{
    const size_t smallest = 16, wanted = 2 * (n + more);
    *capacity = wanted > smallest ? wanted : smallest;
    void *grown = arena_alloc(a, *capacity * element);
    if (n > 0) memcpy(grown, array, n * element);
    return grown;
}

void bytes_add_character(Bytes *b, int32_t c)
{
    char out[UNICODE_MAX_BYTES] = {0};
    const size_t n = unicode_put(out, c);
    bytes_add(b, out, n);
}

/* The finaliser of MurmurHash3 (Appleby, public domain): every bit of the key moves every other. */
static uint64_t mix(uint64_t x)
{
    x ^= x >> 33;
    x *= 0xff51afd7ed558ccdULL;
    x ^= x >> 33;
    x *= 0xc4ceb9fe1a85ec53ULL;
    return x ^ (x >> 33);
}

static PairSlot *slot_of(const PairMap *m, uint64_t key)
{
    uint32_t i = (uint32_t)mix(key) & m->mask;
    while (m->slot[i].key && m->slot[i].key != key + 1) i = (i + 1) & m->mask;
    return &m->slot[i];
}

uint32_t *pair_map_find(const PairMap *m, uint64_t key)
{
    if (!m->slot) return NULL;
    PairSlot *s = slot_of(m, key);
    return s->key ? &s->value : NULL;
}

static void resize(PairMap *m, uint32_t slots)
{
    const PairMap old = *m;
    m->mask = slots - 1;
    m->slot = arena_new_array(m->arena, PairSlot, slots);
    for (uint32_t i = 0; old.slot && i <= old.mask; i++)
        if (old.slot[i].key) *slot_of(m, old.slot[i].key - 1) = old.slot[i];
}

uint32_t *pair_map_add(PairMap *m, uint64_t key, bool *fresh)
{
    if (!m->slot || m->n > m->mask / 2) resize(m, m->slot ? 2 * (m->mask + 1) : 64);
    PairSlot *s = slot_of(m, key);
    *fresh = !s->key;
    m->n += *fresh;
    s->key = key + 1;
    return &s->value;
}

uint64_t hash_text(const char *s, size_t n)
{
    uint64_t h = n;
    for (; n >= 8; s += 8, n -= 8) {
        uint64_t word;
        memcpy(&word, s, 8);
        h = mix(h ^ word);
    }
    uint64_t last = 0;
    memcpy(&last, s, n);
    return mix(h ^ last ^ 0x9e3779b97f4a7c15ULL);
}
