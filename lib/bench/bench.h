/* bench -- the kernels' benchmark: which kernels at which shapes, and how long they take.
 *
 * A group is a kernel with its list of shapes; a case is one row of that list. To add a case: a row
 * in the table of its bench_*.c. To add a group: a `const BenchGroup bench_NAME` in a bench_*.c and
 * a line BENCH(NAME) in bench.def; `seqlab bench` and tests/bench/peers.c then have it.
 *
 * A group says what a case needs (`prepare`) and calls the kernel once (`run`); memory, filling,
 * warming up and timing are done here. FLOPs count 2 a multiply-add. Bytes count every input read
 * once and every output written once, whatever the kernel really moves, so that a kernel that goes
 * over its data twice shows as half the bandwidth. */
#ifndef SEQLAB_BENCH_BENCH_H
#define SEQLAB_BENCH_BENCH_H

#include "bench/limits.h"
#include "cpu/cpu.h"

enum {
    BENCH_DIMS = 8,
    BENCH_BUFFERS = 12,
    BENCH_SHAPE = 48,
    BENCH_LABEL = 32,
    BENCH_SAMPLES = 4096
};

typedef struct BenchCase {
    const char *label;       /* what the shape is from, or which variant: "ResNet-20", "NT" */
    int64_t dim[BENCH_DIMS]; /* the group says what they are */
    const void *more;        /* of the group's own type, or NULL */
} BenchCase;

typedef struct BenchGroup BenchGroup;

/* One case made ready. `prepare` finds it zeroed but for group and of. */
typedef struct BenchWork {
    const BenchGroup *group;
    const BenchCase *of;

    /* set by prepare */
    char shape[BENCH_SHAPE];
    double flops, bytes;             /* of one run */
    int64_t n_floats[BENCH_BUFFERS]; /* wanted at at[i]; the first that is 0 ends them */
    int64_t n_labels, label_below;   /* wanted at labels: integers from 0 to label_below - 1 */
    size_t scratch_bytes;
    union { /* what the kernel's call takes, without addresses */
        Gemm gemm;
        ConvShape conv;
        MapProgram map;
    } call;

    /* set by bench_open after it; floats are from [0, 1) */
    float *at[BENCH_BUFFERS];
    int32_t *labels;
    void *scratch;
    void *memory; /* of all these */
    size_t memory_bytes;
    int64_t repeat; /* runs a sample, so that a sample is long beside the clock's resolution */
} BenchWork;

struct BenchGroup {
    const char *name;
    const BenchCase *cases;
    int n_cases;
    void (*prepare)(BenchWork *w);
    void (*run)(BenchWork *w);
};

/* Groups in the order of bench.def, NULL after the last. */
extern const BenchGroup *const bench_groups[];

/* Whether "group label shape" contains `filter`, letters' case aside; NULL matches all. The shape
 * is there only after bench_prepare. */
bool bench_matches(const BenchWork *w, const char *filter);

/* Case i of a group, without memory: what it is and what it costs. Never fails. */
void bench_prepare(BenchWork *w, const BenchGroup *group, int i);
/* Takes memory and fills it, runs once and finds w->repeat. Fails with FAIL_RUN when memory is
 * short. bench_close after a success. */
bool bench_open(BenchWork *w, Error *err) MUST_CHECK;
void bench_close(BenchWork *w);
/* Seconds of one run, from a sample of w->repeat runs. */
double bench_sample(BenchWork *w);
/* The median of samples taken for `seconds`, of 3 at least. */
double bench_median(BenchWork *w, double seconds);
/* The median of x[0..n), which it sorts. */
double bench_median_of(double *x, int n);

#endif
