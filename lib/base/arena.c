/* arena -- see arena.h. */
#include "base/arena.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { BLOCK_BYTES = 1 << 16, ALIGNMENT = 16 };
static const size_t HUGE_PAGE = (size_t)2 << 20, SMALL_ALIGN = 64;

typedef struct Block Block;
struct Block {
    Block *next;
    size_t used, capacity;
    _Alignas(ALIGNMENT) char data[];
};

struct Arena {
    Block *blocks;
};

static atomic_llong n_taken;

int64_t memory_count(void)
{
    return (int64_t)atomic_load(&n_taken);
}

__attribute__((noreturn)) static void exhausted_default(size_t bytes)
{
    char line[96];
    int n = snprintf(line, sizeof line, "seqlab: out of memory (%zu bytes more)\n", bytes);
    if (n > 0 && write(STDERR_FILENO, line, (size_t)n) < 0) _exit(FAIL_RUN);
    _exit(FAIL_RUN);
}

static void (*on_exhausted)(size_t) = exhausted_default;

void arena_on_exhausted(void (*handler)(size_t bytes))
{
    on_exhausted = handler ? handler : exhausted_default;
}

__attribute__((noreturn)) static void exhausted(size_t bytes)
{
    on_exhausted(bytes);
    exhausted_default(bytes); /* the handler came back: it must not */
}

static void *take(size_t bytes)
{
    void *memory = calloc(1, bytes);
    atomic_fetch_add(&n_taken, 1);
    if (!memory) exhausted(bytes);
    return memory;
}

Arena *arena_new(void)
{
    return take(sizeof(Arena));
}

void arena_free(Arena *arena)
{
    if (!arena) return;
    for (Block *b = arena->blocks, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    free(arena);
}

void *arena_alloc(Arena *arena, size_t bytes)
{
    if (bytes > SIZE_MAX / 2) exhausted(bytes);
    bytes = bytes ? (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT : ALIGNMENT;
    Block *b = arena->blocks;
    if (!b || b->capacity - b->used < bytes) {
        size_t capacity = bytes > BLOCK_BYTES ? bytes : BLOCK_BYTES;
        Block *fresh = take(sizeof(Block) + capacity);
        fresh->capacity = capacity;
        Block **at = b && capacity > BLOCK_BYTES ? &b->next : &arena->blocks;
        fresh->next = *at; /* a large one goes second: there is still room in the first */
        *at = b = fresh;
    }
    void *out = b->data + b->used;
    b->used += bytes;
    return out;
}

char *arena_string_n(Arena *arena, const char *text, size_t n)
{
    char *out = arena_alloc(arena, n + 1);
    memcpy(out, text, n);
    return out;
}

char *arena_string(Arena *arena, const char *text)
{
    return arena_string_n(arena, text, strlen(text));
}

char *arena_printf(Arena *arena, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *out = arena_alloc(arena, n < 0 ? 1 : (size_t)n + 1);
    if (n > 0) (void)vsnprintf(out, (size_t)n + 1, format, again);
    va_end(again);
    return out;
}

/* SEQLAB_FAULT=alloc:N makes the N-th memory_map fail: tests walk through all of them. */
static bool fault_now(void)
{
    static atomic_int calls;
    const char *fault = getenv("SEQLAB_FAULT");
    if (!fault || strncmp(fault, "alloc:", 6) != 0) return false;
    return atomic_fetch_add(&calls, 1) + 1 == atoi(fault + 6);
}

/* calloc knows what the system has zeroed already: a memset would touch large blocks twice. The
 * block's own address stands in front of the aligned memory. */
bool memory_map(void **out, size_t bytes, Error *err)
{
    *out = NULL;
    if (bytes == 0) return true;
    atomic_fetch_add(&n_taken, 1);
    const bool huge = bytes >= HUGE_PAGE;
    const size_t align = huge ? HUGE_PAGE : SMALL_ALIGN;
    char *block =
        fault_now() || bytes > SIZE_MAX / 4 ? NULL : calloc(1, bytes + align + sizeof block);
    if (!block)
        return fail(err, FAIL_RUN, NULL, "out of memory: %zu bytes could not be had", bytes);
    char *memory = block + sizeof block;
    memory += (align - (uintptr_t)memory % align) % align;
    memcpy(memory - sizeof block, &block, sizeof block);
    if (huge) (void)madvise(memory, bytes / HUGE_PAGE * HUGE_PAGE, MADV_HUGEPAGE);
    *out = memory;
    return true;
}

void memory_unmap(void *memory, size_t bytes)
{
    char *block;
    (void)bytes;
    if (!memory) return;
    memcpy(&block, (char *)memory - sizeof block, sizeof block);
    free(block);
}
