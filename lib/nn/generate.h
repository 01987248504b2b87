/* generate -- text from a model: greedy, drawn, or by beams. Options have the names and defaults of
 * Hugging Face's generation_config.json.
 *
 * Drawing: logits / temperature; the top_k largest; of these, by size, as many as it takes for
 * their probabilities to reach top_p (Holtzman et al., arXiv 1904.09751); one number of the stream
 * (seed, "sample", step, sequence). Equal logits: the lower id first.
 * Beams: at every step the 2 num_beams best continuations of all; those that end count by their sum
 * of log-probabilities / length ^ length_penalty, the others go on. */
#ifndef SEQLAB_NN_GENERATE_H
#define SEQLAB_NN_GENERATE_H

#include "io/option.h"
#include "nn/decode.h"

typedef struct GenerateOptions {
    int64_t max_new_tokens, top_k, num_beams, seed;
    int64_t eos_token_id, decoder_start_token_id;
    bool do_sample, early_stopping;
    double temperature, top_p, length_penalty;
} GenerateOptions;
extern const OptionTable generate_option_table;

/* What comes after `prompt` (n_prompt tokens; of a model with a source, that source), in d->batch
 * rows of max_new_tokens: each its own draw; or, with beams (d->batch of them), the finished
 * sequences from the best on. n_out[i]: tokens of row i, the end token included. The decoder must
 * have room for prompt and text: FAIL_RUN otherwise. */
bool generate(Decoder *d, const GenerateOptions *o, const int32_t *prompt, int64_t n_prompt,
              int32_t *out, int64_t *n_out, Error *err) MUST_CHECK;

typedef struct ScoredToken {
    double score;
    int32_t row, id;
} ScoredToken;
/* One draw from n logits; `uniform` in [0, 1) decides; scratch holds n. */
int32_t generate_draw(const float *logits, int64_t n, const GenerateOptions *o, float uniform,
                      ScoredToken *scratch);

#endif
