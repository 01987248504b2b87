/* hf_block -- what the transformers that Hugging Face publishes have in common: layers by the names
 * of their files, attention with or without a cache of keys, and the heads.
 *
 * The families are llama.c, gpt2.c, bert.c, vit.c and t5.c. Their options have the names and the
 * defaults of the library's config.json, so that such a file is the options (hf_dir.h); vocab_size
 * 0 is the number of tokens that the data have. Padding is at the end of a sequence: decoders need
 * no mask then, encoders take lengths. */
#ifndef SEQLAB_NN_HF_BLOCK_H
#define SEQLAB_NN_HF_BLOCK_H

#include "nn/layer.h"

enum { HF_MAX_LAYERS = 256 };

/* Of one layer, while a step is generated. */
typedef struct KvLayer {
    Node *k_old, *v_old; /* inputs (B, max_steps, heads, D): rotary keys are turned already */
    Node *k_new, *v_new; /* (B, 1, heads, D): the row that belongs at `position` */
} KvLayer;

/* In ModelBuild.cache: the model is built for one new step behind others whose keys and values are
 * kept. hf_attention fills the layers. */
typedef struct KvCache {
    int64_t max_steps;
    Node *position;  /* input I32 (1): of the new step, from 0 */
    Node *lengths;   /* input I32 (B): position + 1 */
    Node *distances; /* input I32 (max_steps): from the new step back to each; 0 where not back */
    KvLayer layer[HF_MAX_LAYERS];
    int n_layers;
    /* Of a model with an encoder. First it is built with `encode` for one source (1, S): what its
     * decoder's layers read of that are k_new and v_new of `cross` (1, S, heads, D), and
     * source_lengths I32 (1), or NULL. Then they are inputs: k_old and v_old (B, S, heads, D), and
     * source_lengths (B). */
    bool encode;
    KvLayer cross[HF_MAX_LAYERS];
    int n_cross;
    Node *source_lengths;
} KvCache;

/* True while the model is built for one new step. */
bool hf_stepping(const ModelBuild *b);

#define HF_ACTIVATIONS "silu|gelu|gelu_new|gelu_pytorch_tanh|relu|tanh"
Node *hf_activation(ModelBuild *b, int activation, Node *x);

/* `prefix`.weight (out, in), normal with that deviation, and .bias (out) of zeros. */
Node *hf_linear(ModelBuild *b, const char *prefix, Node *x, int64_t out, bool bias,
                double deviation);
/* The same, stored as (in, out): GPT-2's Conv1D. */
Node *hf_conv1d(ModelBuild *b, const char *prefix, Node *x, int64_t out, double deviation);
/* `prefix`.weight (rows, width). */
Node *hf_table(ModelBuild *b, const char *prefix, int64_t rows, int64_t width, double deviation);
Node *hf_layer_norm(ModelBuild *b, const char *prefix, Node *x, double eps);
Node *hf_rms_norm(ModelBuild *b, const char *prefix, Node *x, double eps);

/* That x is (B, T) tokens, and that T, or the steps of the cache, are at most max_steps (0: any);
 * false after graph_fail. */
bool hf_tokens(ModelBuild *b, const Node *x, int64_t max_steps);
/* The rows of the token table: vocab_size or, where it is 0, what the data have. */
int64_t hf_vocabulary(const ModelBuild *b, int64_t vocab_size);
/* I32 (B): of the first `steps` of the tokens x (B, T), one more than the place of the last that is
 * not padding. NULL: pad_token_id is negative. */
Node *hf_lengths(ModelBuild *b, Node *x, int64_t steps, int64_t pad_token_id);
/* The table's rows of the places that x (B, T) has, to be added to its steps: (T, width). */
Node *hf_positions(ModelBuild *b, Node *table, int64_t steps);

/* (B, T, heads D) to (B, T, heads, D). */
Node *hf_heads(ModelBuild *b, Node *x, int64_t heads);
/* How rotary positions turn: the wavelengths theta^(2i / D), stretched by `factor` where the type
 * says so. */
typedef struct HfRope {
    int type; /* 0: default, 1: linear, 2: llama3 */
    double theta, factor, low_freq_factor, high_freq_factor;
    int64_t original_steps;
} HfRope;
/* For hf_attention, one for all layers: rows of cosines and sines of the places of `steps` steps.
 */
Node *hf_rope_table(ModelBuild *b, const HfRope *rope, int64_t steps, int64_t dims);
/* Attention of q (B, T, H, D) to its own sequence's k and v, joined to (B, T, H D). `name` names
 * the stream of dropout; `turns`, of hf_rope_table, may be NULL. In generation the keys of earlier
 * steps come from the cache. */
Node *hf_attention(ModelBuild *b, const char *name, Node *const qkv[3], Node *turns, Attend how);

/* What follows the last norm of a decoder: logits of the tokens where the task is to say what comes
 * next (the first n_classes of the vocabulary), by the weights `tied` or, NULL, lm_head.weight; of
 * each step, by `token_head`, where it asks about all steps; else `score` of the last step that is
 * not padding. */
typedef struct HfHead {
    Node *tied;
    int64_t vocab_size, pad_token_id;
    const char *token_head;
    double deviation;
} HfHead;
Node *hf_decoder_logits(ModelBuild *b, Node *ids, Node *hidden, const HfHead *head);
/* hidden (..., width) by a table (vocab, width): the first n_classes rows of it, plus `bias`
 * (vocab) or NULL. */
Node *hf_token_logits(ModelBuild *b, Node *hidden, Node *table, Node *bias);

#endif
