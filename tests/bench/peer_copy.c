/* peer_copy -- memcpy of half of a case's bytes by as many threads: it reads and writes as many
 * bytes as the case has to, and does nothing else. The yardstick of kernels that memory bounds. */
#include "tests/bench/peer.h"

#include "base/arena.h"
#include "base/threads.h"

#include <stdlib.h>
#include <string.h>

typedef struct Copy {
    char *from, *to;
    size_t n;
} Copy;

static void run_copy(void *state, BenchWork *w)
{
    (void)w;
    const Copy *c = state;
    const int64_t piece = 32768, pieces = ((int64_t)c->n + piece - 1) / piece;
    const int threads = pieces > 1 ? threads_count() : 1;
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int64_t i = 0; i < pieces; i++) {
        const size_t at = (size_t)(i * piece), left = c->n - at;
        memcpy(c->to + at, c->from + at, left < (size_t)piece ? left : (size_t)piece);
    }
}

static void close_copy(void *state)
{
    Copy *c = state;
    if (c->from) memory_unmap(c->from, 2 * c->n);
    free(c);
}

static void *open_copy(const BenchWork *w, int threads)
{
    (void)threads;
    void *memory;
    Copy *c = calloc(1, sizeof *c);
    c->n = (size_t)(w->bytes / 2);
    if (!memory_map(&memory, 2 * c->n, NULL)) {
        free(c);
        return NULL;
    }
    memset(memory, 1, 2 * c->n);
    c->from = memory;
    c->to = c->from + c->n;
    return c;
}

#define COPY(name)                                                                                 \
    const Peer peer_copy_##name = {"copy", #name, false, open_copy, run_copy, close_copy};
COPY(map)
COPY(layer_norm_grad)
COPY(rms_norm)
COPY(rms_norm_grad)
COPY(cross_entropy)
COPY(cross_entropy_grad)
COPY(cross_entropy_both)
COPY(sgd)
COPY(adam)
