/* graph64_eval -- what the files of the reference share: an op's view of its sources, coordinates,
 * and the list of the references in graph64_sequence.c. */
#ifndef SEQLAB_TESTS_GRAPH64_EVAL_H
#define SEQLAB_TESTS_GRAPH64_EVAL_H

#include "graph/op.h"

#include <math.h>

/* What an op's reference sees. */
typedef struct Eval {
    const Node *n;
    const double *src[10];
    double *y;
    int64_t count; /* elements of y */
    uint64_t step;
} Eval;

static inline void coordinates(const Shape *s, int64_t i, int64_t at[MAX_RANK])
{
    for (int k = s->rank - 1; k >= 0; k--) {
        at[k] = i % s->dim[k];
        i /= s->dim[k];
    }
}

static inline int64_t place(const Shape *s, const int64_t at[MAX_RANK])
{
    int64_t i = 0;
    for (int k = 0; k < s->rank; k++) i = i * s->dim[k] + at[k];
    return i;
}

static inline int64_t last(const Shape *s)
{
    return s->rank > 0 ? s->dim[s->rank - 1] : 1;
}

static inline void clear(const Eval *e)
{
    for (int64_t i = 0; i < e->count; i++) e->y[i] = 0;
}

static inline double sigmoid64(double x)
{
    return 1 / (1 + exp(-x));
}

// clang-format off
#define GRAPH64_SEQUENCE(ROW) \
    ROW(attention_forward) ROW(attention_grad) ROW(rope) \
    ROW(lstm_cells) ROW(lstm_grad) ROW(gru_cells) ROW(gru_grad) \
    ROW(scan) ROW(scan_grad) ROW(short_conv) ROW(short_conv_grad_x) ROW(short_conv_grad_w) \
    ROW(long_conv) ROW(long_conv_grad_u) ROW(long_conv_grad_k) ROW(long_conv_grads) \
    ROW(rfft) ROW(irfft)
// clang-format on

#define GRAPH64_DECLARE(name) void name##64(const Eval *e);
GRAPH64_SEQUENCE(GRAPH64_DECLARE)
void long_conv_grads_part64(const Eval *e);
#undef GRAPH64_DECLARE

#endif
