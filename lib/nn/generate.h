/* generate -- text from a model: greedy, drawn (next_token.h), or by beams.
 *
 * A draw is one number of the stream (seed, "sample", step, sequence). Beams: at every step the
 * 2 num_beams best continuations of all; those that end count by their sum of log-probabilities /
 * length ^ length_penalty, the others go on. */
#ifndef SEQLAB_NN_GENERATE_H
#define SEQLAB_NN_GENERATE_H

#include "nn/decode.h"
#include "nn/next_token.h"

typedef struct Prompt {
    const int32_t *tokens; /* of a model with a source: that source */
    int64_t n;
} Prompt;

/* What is written, in d->batch rows of `room` tokens; the caller's. */
typedef struct Generated {
    int32_t *tokens;
    int64_t room;            /* generate_limit at least, of the shortest prompt */
    int64_t *n;              /* tokens of each row, the end included */
    double *log_probability; /* of each row: the sum over its tokens, by the model alone; of beams,
                                what they were ordered by, before the length's penalty. NULL: not
                                wanted */
    int64_t first_row;       /* added to the row in the name of its stream of draws */
    /* Told of every token as it comes, but for beams; NULL: nobody is. */
    void (*token)(void *owner, int64_t row, int32_t id);
    void *owner;
} Generated;

/* Tokens that may follow a prompt of so many, 0 or less where it fills max_length alone; `source`:
 * of a model that has one. */
int64_t generate_limit(const GenerateOptions *o, int64_t n_prompt, bool source);

/* What comes after prompt[i] in row i: each its own draw. With beams all rows are for prompt[0]:
 * the finished sequences from the best on; and so are those of a model with a source. Rows begin
 * together, and each writes when its prompt is over, so none is padded. FAIL_RUN unless the decoder
 * has room for prompts and text and knows all tokens. */
bool generate(Decoder *d, const GenerateOptions *o, const Prompt prompt[], Generated *out,
              Error *err) MUST_CHECK;

#endif
