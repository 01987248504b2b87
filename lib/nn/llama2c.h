/* llama2c -- checkpoints of karpathy/llama2.c, the legacy file and version 1, as Llama parameters.
 *
 * Legacy: seven int32 (dim, hidden_dim, n_layers, n_heads, n_kv_heads, vocab_size, seq_len; a
 * negative vocab_size says that the head is not the token table), then float32 tensors, each kind
 * for all layers, with two tables of rotary positions before the head. Version 1: the magic "24ka",
 * the version, the same seven, a byte that says whether the head is shared, zeros up to byte 256,
 * norms first. Rotary pairs there are neighbours, (2i, 2i + 1); rows of the query and key weights
 * are reordered to the halves, (i, i + D / 2), of Hugging Face's files. */
#ifndef SEQLAB_NN_LLAMA2C_H
#define SEQLAB_NN_LLAMA2C_H

#include "nn/model.h"

/* The options of model `llama` as a map, and in params, which must be new, its parameters,
 * allocated and filled. A file that is too short or too long for its header, or whose sizes do not
 * fit each other: FAIL_DATA. */
bool llama2c_read(const char *path, Arena *a, Yaml **options, Params *params,
                  Error *err) MUST_CHECK;

/* The same as a Hugging Face folder. */
bool llama2c_convert(const char *path, const char *folder, Error *err) MUST_CHECK;

/* The tok*.bin beside a checkpoint, as tokenizer.json, tokenizer_config.json and
 * generation_config.json of a folder, which is made: texts begin with <s> and end with it or with
 * </s>, as the program does it. */
bool llama2c_tokenizer(const char *path, const char *folder, Error *err) MUST_CHECK;

#endif
