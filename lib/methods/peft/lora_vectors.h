/* lora_vectors -- the decompositions behind lora_init.h. Internal to it. */
#ifndef SEQLAB_METHODS_PEFT_LORA_VECTORS_H
#define SEQLAB_METHODS_PEFT_LORA_VECTORS_H

#include "base/pcg.h"
#include "methods/peft/lora_init.h"

/* Leading singular triplets of a matrix (out, in), whichever way it is stored. */
typedef struct LoraVectors {
    double *s;    /* (count), descending */
    float *left;  /* (count, out): columns of U as rows */
    float *right; /* (count, in): rows of V^T */
    void *memory;
    size_t bytes;
} LoraVectors;

/* As `niter`: exact where LORA_INIT_EXACT lets it, else a sketch with 4 power iterations. */
enum { LORA_VECTORS_GA = -2 };

/* The first `count` of x, which is stored as l->turned says. niter: as LoraInit's, or
 * LORA_VECTORS_GA. A sketch has 4 l->rank columns, drawn from rng. */
bool lora_vectors(LoraVectors *v, const LoraLayer *l, const float *x, int64_t count, int64_t niter,
                  Pcg rng, Error *err) MUST_CHECK;
void lora_vectors_free(LoraVectors *v);

/* B = Q and A = R of the first l->rank columns of Q and rows of R, W = Q R. */
bool lora_qr(const LoraLayer *l, Error *err) MUST_CHECK;

#endif
