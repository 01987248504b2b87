/* peft_stack -- an adapter that has been taken from its base's weights, as one of twice the rank
 * for the base as it was:
 *
 *   W = W_frozen + s B0 A0,  so that  W_frozen + s B A = W + s [B, -B0] [A; A0]
 *
 * The scale stays when alpha doubles, or grows by sqrt(2) where it is over sqrt(rank). This is how
 * PEFT saves PiSSA, OLoRA and LoRA-GA for others. */
#ifndef SEQLAB_METHODS_PEFT_PEFT_STACK_H
#define SEQLAB_METHODS_PEFT_PEFT_STACK_H

#include "methods/peft/peft_config.h"

/* Rank and alpha of twice the rank. */
void peft_stack_config(PeftConfig *c);
/* out (2 rank, in) of a, a0 (rank, in); out (out, 2 rank) of b, b0 (out, rank). */
void peft_stack_a(const float *a, const float *a0, int64_t rank, int64_t in, float *out);
void peft_stack_b(const float *b, const float *b0, int64_t rank, int64_t n_out, float *out);

#endif
