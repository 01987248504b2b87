/* peft_merge -- an adapter put into the weight that it belongs to, and taken out again: plain
 * matrices, no graph.
 *
 *   LoRA     W += s B A                     s = peft_scaling
 *   DoRA     W = (m / |V|) V, V = W + s B A, by rows (out); cannot be undone: |V| is gone
 *   AdaLoRA  W += s B diag(E) A
 *   MiSS     W[o, j] += D[j mod r, o]       mini: D[j mod r, o mod mini_rank]
 *   BAT      W_IJ = W_IJ (I + B_I) + B_I    blocks of r x r
 *
 * Sums are in float, products in the order of cpu->gemm: bits do not depend on threads. */
#ifndef SEQLAB_METHODS_PEFT_PEFT_MERGE_H
#define SEQLAB_METHODS_PEFT_PEFT_MERGE_H

#include "methods/peft/peft_config.h"

typedef struct PeftLayer {
    const char *name; /* of the module, for messages */
    int64_t out, in;
    bool turned;            /* w is (in, out) */
    const float *a, *b;     /* (r, in), (out, r) */
    const float *e;         /* AdaLoRA: (r) */
    const float *magnitude; /* DoRA: (out) */
    const float *block;     /* MiSS: (r, out), (out / r, r, r), (r, mini_rank) */
} PeftLayer;

/* w as it is stored becomes the merged weight or, with undo, the one before. Fails with FAIL_DATA
 * when that cannot be done, FAIL_RUN when there is no memory. */
bool peft_merge(const PeftConfig *c, const PeftLayer *l, float *w, bool undo,
                Error *err) MUST_CHECK;

#endif
