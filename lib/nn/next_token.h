/* next_token -- which token comes next, from a model's logits. Options have the names and defaults
 * of Hugging Face's generation_config.json, and act in the order of its library:
 *
 *   repetition_penalty p   logits of tokens that the sequence has: x / p where x > 0, else x p
 *                          (Keskar et al., arXiv:1909.05858); of beams, log-probabilities
 *   no_repeat_ngram_size n no token that would make n in a row appear again
 *   min_new_tokens         no end before
 *
 * and, of draws: logits / temperature; the top_k largest; of these, by size, as many as it takes
 * for their probabilities to reach top_p (Holtzman et al., arXiv:1904.09751); of these, those with
 * at least min_p times the largest's probability (Nguyen et al., arXiv:2407.01082). Equal logits:
 * the lower id first. */
#ifndef SEQLAB_NN_NEXT_TOKEN_H
#define SEQLAB_NN_NEXT_TOKEN_H

#include "io/option.h"

typedef struct GenerateOptions {
    int64_t max_new_tokens, max_length, min_new_tokens, top_k, num_beams, num_return_sequences,
        seed, no_repeat_ngram_size, bos_token_id, decoder_start_token_id;
    IntList eos_token_id;
    bool do_sample, early_stopping;
    double temperature, top_p, min_p, length_penalty, repetition_penalty;
} GenerateOptions;
extern const OptionTable generate_option_table;

typedef struct ScoredToken {
    double score;
    int32_t row, id;
} ScoredToken;

/* The order of the best: of equals the lower row, then the lower id. */
bool token_better(const ScoredToken *a, const ScoredToken *b);
/* Puts one more into the best `max`, sorted, of which there are n; returns how many there are then.
 */
int64_t token_put(ScoredToken *list, int64_t n, int64_t max, ScoredToken new);

bool token_is_end(const GenerateOptions *o, int32_t id);
/* The lowest id of the largest logit. */
int32_t token_likeliest(const float *logits, int64_t n);
/* ln sum exp of n logits. */
double token_log_sum(const float *logits, int64_t n);

/* Whether token_adjust could change anything. */
bool token_adjusts(const GenerateOptions *o);
/* The tokens of a sequence, of which n_new came after the prompt. */
typedef struct TokenHistory {
    const int32_t *tokens;
    int64_t n, n_new;
} TokenHistory;
/* What the first three options above make of n logits; `out` is not `logits`. */
void token_adjust(float *out, const float *logits, int64_t n, TokenHistory h,
                  const GenerateOptions *o);
/* One draw from n logits; `uniform` in [0, 1) decides; scratch holds n. */
int32_t token_draw(const float *logits, int64_t n, const GenerateOptions *o, float uniform,
                   ScoredToken *scratch);

#endif
