/* peer -- another library's answer to a case of `seqlab bench`.
 *
 * To add one: a `const Peer peer_NAME` in a peer_*.c and a line PEER(NAME) in peers.def. A library
 * whose header is not there gives NULL from open, and so is left out. What a library does only once
 * for many calls (descriptors, plans, reordering a weight into its own layout) belongs into open:
 * it is not counted. */
#ifndef SEQLAB_BENCH_PEER_H
#define SEQLAB_BENCH_PEER_H

#include "bench/bench.h"

typedef struct Peer {
    const char *library;
    const char *group;    /* of bench.def */
    bool has_own_threads; /* not OpenMP's: they may spin on for a while after a call */
    /* What a run needs, or NULL when the library has nothing for this case. */
    void *(*open)(const BenchWork *w, int threads);
    void (*run)(void *state, BenchWork *w);
    void (*close)(void *state);
} Peer;

#endif
