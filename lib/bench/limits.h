/* limits -- what this machine can do at most, measured: the yardstick of `seqlab bench` and of
 * `seqlab train --profile`.
 *
 * Fused multiply-adds from registers; bandwidth of three streams at each level of the memory, for
 * a set that fills half of it (the outermost level: several times the last cache). Bytes count each
 * read and each write once; of plain stores and of stores that pass the caches the faster counts.
 * Figures are the best of a few tries: a neighbour only ever slows them down. */
#ifndef SEQLAB_BENCH_LIMITS_H
#define SEQLAB_BENCH_LIMITS_H

#include "base/error.h"

#include <stdint.h>

enum { LIMITS_MAX_LEVELS = 4 };

/* z = x, z = x + a y, and z = a x + b z, which writes the lines that it has just read. */
typedef enum Stream { STREAM_COPY, STREAM_TRIAD, STREAM_UPDATE, N_STREAMS } Stream;
extern const char *const stream_name[N_STREAMS];

typedef struct MemoryLevel {
    char name[8];           /* "L2", "L3", "memory" */
    int64_t bytes;          /* capacity for all threads together; of memory INT64_MAX */
    double rate[N_STREAMS]; /* bytes a second */
    double bytes_per_s;     /* the best of them: the limit */
} MemoryLevel;

typedef struct Limits {
    int threads, n_levels;
    double flops_per_s;
    MemoryLevel level[LIMITS_MAX_LEVELS]; /* inner ones first; the last is memory */
} Limits;

/* Measures with threads_count() threads in about `seconds`. Fails with FAIL_RUN when memory is
 * short. */
bool limits_measure(Limits *out, double seconds, Error *err) MUST_CHECK;

/* The least time in which the machine can do so many FLOPs and move so many bytes once: the larger
 * of the two times ("roofline": Williams, Waterman, Patterson, CACM 2009). Of the bytes, each level
 * of the memory gives as many as it holds. *roof, which may be NULL, gets the name of what binds:
 * "fma" or the level that takes longest. */
double limits_seconds(const Limits *l, double flops, double bytes, const char **roof);

/* The CPU's name as the system gives it, or "unknown CPU". */
void limits_cpu_name(char out[96]);

#endif
