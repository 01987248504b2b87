/* vocabulary -- see vocabulary.h. */
#include "tokenizer/vocabulary.h"

/* Where the token is, or the free slot where it would be. */
static uint32_t slot_of(const Vocabulary *v, const char *s, size_t n)
{
    uint32_t i = (uint32_t)hash_text(s, n) & v->mask;
    for (; v->slot[i]; i = (i + 1) & v->mask) {
        const Word *w = &v->token[v->slot[i] - 1];
        if (w->n == n && memcmp(w->at, s, n) == 0) break;
    }
    return i;
}

static void grow_slots(Vocabulary *v)
{
    const uint32_t *old = v->slot;
    const uint32_t n_old = old ? v->mask + 1 : 0;
    v->mask = n_old ? 2 * n_old - 1 : 1023;
    v->slot = arena_new_array(v->arena, uint32_t, (size_t)v->mask + 1);
    for (uint32_t i = 0; i < n_old; i++) {
        if (!old[i]) continue;
        const Word *w = &v->token[old[i] - 1];
        v->slot[slot_of(v, w->at, w->n)] = old[i];
    }
}

bool vocabulary_add(Vocabulary *v, const char *token, size_t n, uint32_t id)
{
    if (!v->slot || v->n_used > v->mask / 2) grow_slots(v);
    if (id >= v->n) {
        ARRAY_ROOM(v->arena, v->token, v->n, v->capacity, id + 1 - v->n);
        v->n = (size_t)id + 1;
    }
    const uint32_t i = slot_of(v, token, n);
    if (v->slot[i]) return v->slot[i] == id + 1;
    if (v->token[id].at) return false;
    v->token[id] = (Word){arena_string_n(v->arena, token, n), n};
    v->slot[i] = id + 1;
    v->n_used++;
    return true;
}

int32_t vocabulary_find(const Vocabulary *v, const char *token, size_t n)
{
    if (!v->slot) return -1;
    return (int32_t)v->slot[slot_of(v, token, n)] - 1;
}

void trie_add(Trie *t, const char *s, size_t n, uint32_t value)
{
    Arena *a = t->edge.arena;
    if (t->n_nodes == 0) {
        ARRAY_ROOM(a, t->value, 0, t->capacity, 1);
        t->n_nodes = 1;
    }
    uint32_t node = 0;
    for (size_t i = 0; i < n; i++) {
        bool fresh;
        uint32_t *next = pair_map_add(&t->edge, PAIR_KEY(node, (unsigned char)s[i]), &fresh);
        if (fresh) {
            *next = (uint32_t)t->n_nodes;
            ARRAY_ROOM(a, t->value, t->n_nodes, t->capacity, 1);
            t->value[t->n_nodes++] = 0;
        }
        node = *next;
    }
    if (!t->value[node]) t->value[node] = value + 1;
}
