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
    char out[UNICODE_MAX_BYTES];
    bytes_add(b, out, unicode_put(out, c));
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

static uint32_t slot_of(const PairMap *m, uint64_t key)
{
    uint32_t i = (uint32_t)mix(key) & m->mask;
    while (m->key[i] && m->key[i] != key + 1) i = (i + 1) & m->mask;
    return i;
}

uint32_t *pair_map_find(const PairMap *m, uint64_t key)
{
    if (!m->key) return NULL;
    const uint32_t i = slot_of(m, key);
    return m->key[i] ? &m->value[i] : NULL;
}

static void resize(PairMap *m, uint32_t slots)
{
    const PairMap old = *m;
    m->mask = slots - 1;
    m->key = arena_new_array(m->arena, uint64_t, slots);
    m->value = arena_new_array(m->arena, uint32_t, slots);
    for (uint32_t i = 0; old.key && i <= old.mask; i++) {
        if (!old.key[i]) continue;
        const uint32_t to = slot_of(m, old.key[i] - 1);
        m->key[to] = old.key[i];
        m->value[to] = old.value[i];
    }
}

uint32_t *pair_map_add(PairMap *m, uint64_t key, bool *fresh)
{
    if (!m->key || m->n > m->mask / 2) resize(m, m->key ? 2 * (m->mask + 1) : 64);
    const uint32_t i = slot_of(m, key);
    *fresh = !m->key[i];
    m->n += *fresh;
    m->key[i] = key + 1;
    return &m->value[i];
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
