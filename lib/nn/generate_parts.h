/* generate_parts -- what generate.c and generate_beams.c share. */
#ifndef SEQLAB_NN_GENERATE_PARTS_H
#define SEQLAB_NN_GENERATE_PARTS_H

#include "nn/generate.h"

#include <string.h>

/* One call of generate. A row of `all` is a prompt, or the first token of a target, with what
 * follows it. */
typedef struct Writing {
    Decoder *d;
    const GenerateOptions *o;
    Generated *out;
    Arena *arena;
    int32_t *all; /* (batch, width) */
    int64_t width;
    int64_t *before, *limit; /* of each row: tokens it begins with, and may write */
    int32_t *token;          /* of each row: the next to be read */
    ScoredToken *scratch;    /* vocabulary, or 2 num_beams and one */
    float *adjusted;         /* vocabulary */
} Writing;

void generate_beams(Writing *t);

#endif
