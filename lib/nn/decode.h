/* decode -- a model run token by token: logits of what comes next, after every token of some
 * sequences that go on side by side.
 *
 * The keys and values of earlier steps are kept, and those that a decoder reads of an encoder's
 * source, so that a step costs one row of every product and one pass over what is kept. */
#ifndef SEQLAB_NN_DECODE_H
#define SEQLAB_NN_DECODE_H

#include "graph/plan.h"
#include "nn/hf_block.h"

typedef struct Decoder {
    int64_t batch, max_steps, vocabulary; /* vocabulary: logits of a row */
    int64_t source_steps;                 /* of a model with an encoder, else 0 */
    int64_t step;                         /* tokens taken so far, of each sequence */
    Plan *plan, *encoder;
    Node *logits;
    KvCache *cache, *source;         /* as the step and the encoder were built */
    int32_t *tokens, *source_tokens; /* bound to the graphs, as are: */
    int32_t position, *lengths, *distances, *source_lengths;
    float *keys, *spare; /* all layers' k, then v; spare: of decoder_choose */
    float *cross;        /* the same of the source */
    size_t keys_bytes, cross_bytes;
} Decoder;

/* `like` is how the parameters were built: its params are there and stay the caller's, its methods
 * apply; its task says how many tokens there are, and how many steps a source has. Fails where the
 * model cannot go token by token (FAIL_CONFIG) or memory is short. All else lies in the arena. */
bool decoder_new(Decoder *d, const Model *model, const void *options, const ModelBuild *like,
                 int64_t batch, int64_t max_steps, Error *err) MUST_CHECK;
void decoder_free(Decoder *d);

/* From the beginning; `source`, of models with an encoder, is (source_steps), for all sequences. */
void decoder_start(Decoder *d, const int32_t *source);
/* The next token of each sequence; logits (batch, vocabulary), valid until the next call. At most
 * max_steps times. */
const float *decoder_step(Decoder *d, const int32_t *token);
/* Sequence i goes on as sequence from[i] did. */
void decoder_choose(Decoder *d, const int32_t *from);

#endif
