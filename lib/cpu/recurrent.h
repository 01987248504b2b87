/* recurrent -- what LSTM and GRU share, forward and backward: at each step a product of a state of
 * a few rows with fixed weights, then arithmetic on each unit.
 *
 * The weights are packed once a call. The state lies in segments of CHUNK numbers, all rows of a
 * segment side by side, so that a tile's rows are a constant distance apart. A tile is some rows by
 * `vectors` vectors of sums held in registers, each sum one chain of fused multiply-adds from zero
 * over the state's numbers in order; `finish` takes its rows one by one. Threads share the units or
 * the rows, which changes no bits. */
#ifndef SEQLAB_CPU_RECURRENT_H
#define SEQLAB_CPU_RECURRENT_H

#include "cpu/gemm_tile.h"

/* Internal names get the suffix of the ISA as kernels do. */
#define recurrent_walk  K(recurrent_walk)
#define recurrent_parts K(recurrent_parts)
#define recurrent_start K(recurrent_start)
#define recurrent_end   K(recurrent_end)

/* Writes what step s (0 is the first walked) makes of units unit..unit + n of one row, n <= VL, and
 * the state that the next step multiplies. `sum` holds the products: forward, one vector a gate;
 * backward, one. */
typedef void RecurrentFinish(const void *layer, int64_t s, int64_t row, int64_t unit, int64_t n,
                             const float *sum);

/* Vectors of units that a backward tile has. */
enum { BACKWARD_VECTORS = 2 };

typedef struct RecurrentWalk {
    const Recurrence *r;
    bool backward; /* the state has G H numbers a row and the product H, instead of H and G H */
    bool started;  /* the first step has a state before it: h0 (forward) */
    RecurrentFinish *finish;
    const void *layer;
} RecurrentWalk;

/* Scratch of one call, cut by recurrent_parts. */
typedef struct RecurrentParts {
    float *state[2]; /* read by even and by odd steps */
    float *carry;    /* (B, H), for what goes from step to step without a product */
    float *weights;
} RecurrentParts;

RecurrentParts recurrent_parts(const Recurrence *r, void *scratch);
/* Forward: h0 becomes the state that the first step multiplies. */
void recurrent_start(const Recurrence *r, const RecurrentParts *parts);
void recurrent_walk(const RecurrentWalk *w, const RecurrentParts *parts);
/* Backward: the last carry becomes row T of dx (B, T + 1, G H), followed by zeros. */
void recurrent_end(const Recurrence *r, const RecurrentParts *parts, float *dx);

/* Where number `unit` of gate `gate` of a row's state is; VL of them from a multiple of VL on are
 * contiguous. */
SIMD float *recurrent_state(const Recurrence *r, float *state, int gate, int64_t row, int64_t unit)
{
    const int64_t segment = gate * ceil_div(r->width, CHUNK) + unit / CHUNK;
    return state + (segment * r->batch + row) * CHUNK + unit % CHUNK;
}

/* The step's place in time. */
SIMD int64_t recurrent_time(const Recurrence *r, int64_t s)
{
    return r->reverse ? r->steps - 1 - s : s;
}

/* What `finish` is asked for after the other rows: the units after these at the same step, or the
 * first ones of the next. Asked for now, it is there when its product is ready. */
typedef struct RecurrentNext {
    int64_t rows;  /* steps further in time, of the forward walk */
    int64_t units; /* to the last lane: where lines are shared, the first was touched before */
} RecurrentNext;

SIMD RecurrentNext recurrent_next(const Recurrence *r, int64_t unit, int64_t block)
{
    const int64_t last = VL - 1;
    if (unit + block < r->width) return (RecurrentNext){0, block + last};
    return (RecurrentNext){r->reverse ? -1 : 1, unit % block - unit + last};
}

#endif
