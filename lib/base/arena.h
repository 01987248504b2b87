/* arena -- one owner for many small allocations, released together.
 *
 * For metadata: graphs, configuration trees, strings. Sizes that come from a file are checked
 * against the file's size before they get here. When the system itself has no memory left, the
 * handler set by arena_on_exhausted is called and must not return; so arena_alloc never gives NULL.
 * Tensors do not live here: memory_map below takes them in huge pages and can fail. Not
 * thread-safe. */
#ifndef SEQLAB_BASE_ARENA_H
#define SEQLAB_BASE_ARENA_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

typedef struct Arena Arena;

Arena *arena_new(void);
void arena_free(Arena *arena); /* NULL is allowed */

/* Zeroed, aligned to 16 bytes. bytes = 0 gives a unique valid pointer. */
void *arena_alloc(Arena *arena, size_t bytes) __attribute__((returns_nonnull, malloc));
char *arena_string(Arena *arena, const char *text);
char *arena_string_n(Arena *arena, const char *text, size_t n);
char *arena_printf(Arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define arena_new_array(arena, type, n) ((type *)arena_alloc((arena), sizeof(type) * (size_t)(n)))

/* Called with the size that could not be had; the default writes one line to stderr and _exits
 * with 1. */
void arena_on_exhausted(void (*handler)(size_t bytes));

/* Zeroed memory for tensors, 2 MiB-aligned and advised to huge pages when it is that large,
 * else 64. bytes = 0 gives *out = NULL. Fails with FAIL_RUN and the size. Freed by memory_unmap
 * with the same size. */
bool memory_map(void **out, size_t bytes, Error *err) MUST_CHECK;
void memory_unmap(void *memory, size_t bytes);

/* How many times memory was taken from the system through arenas or memory_map since the process
 * started: a training step must leave it unchanged. */
int64_t memory_count(void);

#endif
