/* tokenizer_train -- a tokenizer from a text. The same text and settings give the same tokenizer:
 * ties are broken by the tokens' ids or texts, sums are taken in a fixed order. */
#ifndef SEQLAB_TOKENIZER_TOKENIZER_TRAIN_H
#define SEQLAB_TOKENIZER_TOKENIZER_TRAIN_H

#include "tokenizer/tokenizer.h"

typedef enum TokenFamily {
    /* GPT-2's: words by a known pattern, bytes as alphabet, no unknown token. Equal to what
     * Hugging Face's BpeTrainer makes of the whole text with ByteLevel's alphabet. */
    TOKENS_BYTE_BPE,
    /* Llama 2's: every line a text; words begin with U+2581; characters as alphabet, bytes for
     * those that are not in it. */
    TOKENS_METASPACE_BPE,
    /* T5's: words as above, a log probability a token (Kudo, arXiv:1804.10959). */
    TOKENS_UNIGRAM,
} TokenFamily;

typedef struct TokenTraining {
    TokenFamily family;
    int32_t n_ids;              /* wanted in all; fewer when the text has no more to give */
    int64_t min_frequency;      /* BPE: of a pair that becomes a token; at least 1 */
    const char *split;          /* TOKENS_BYTE_BPE: "GPT-2", "Llama 3", "Qwen 2"; NULL: "GPT-2" */
    const char *const *special; /* ids from 0 on; for the others than TOKENS_BYTE_BPE these come
                                   after <unk> <s> </s> (Unigram: <pad> </s> <unk>) */
    int n_special;
    double coverage; /* not TOKENS_BYTE_BPE: share of the text whose characters are the alphabet;
                        0: 0.9995 */
} TokenTraining;

/* Fails with FAIL_CONFIG when n_ids is too small for the alphabet or `split` is not known, and with
 * FAIL_DATA when the text has no words. Takes memory of about 10 times the distinct words. */
bool tokenizer_train(Tokenizer **out, const TokenTraining *how, const char *text, size_t n,
                     Error *err) MUST_CHECK;

#endif
