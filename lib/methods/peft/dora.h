/* dora -- the length of a layer's weights apart from their direction (Liu et al. 2024, arXiv
 * 2402.09353): what lora does with `dora: true`.
 *
 *   V = W + s B A,  y = (m / |V|) (V x),  m and |V| (out): m is trained, |V| the norms of V's rows
 *
 * |V| is a constant to the gradient (their section 4.3). V is not made:
 *
 *   |V|^2 = |W|^2 + 2 s rowsum(B o (W A^T)) + s^2 rowsum((B (A A^T)) o B) */
#ifndef SEQLAB_METHODS_PEFT_DORA_H
#define SEQLAB_METHODS_PEFT_DORA_H

#include "methods/peft/adapter.h"

typedef struct LowRank {
    Param *a, *b; /* (r, in), (out, r) */
    float scale;
} LowRank;

/* y, the product of l's layer with its adapter but without the bias, at the length that is trained:
 * `.lora_magnitude_vector` of l's module. */
Node *dora_scaled(const MethodCall *c, const ModelBuild *b, const LinearProduct *l,
                  const LowRank *low, Node *y);
/* For transform, once W, A and B have their first values: lengths that no file gave become |V|, so
 * that the network is what it was. */
bool dora_start(const MethodCall *c, float scale, Error *err) MUST_CHECK;

#endif
