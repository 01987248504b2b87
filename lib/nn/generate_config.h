/* generate_config -- how a Hugging Face folder wants its text generated. */
#ifndef SEQLAB_NN_GENERATE_CONFIG_H
#define SEQLAB_NN_GENERATE_CONFIG_H

#include "nn/model.h"
#include "nn/next_token.h"

/* The options that generation_config.json states, as a map for option_read; without that file,
 * special tokens from config.json or, where it is silent, the library's for the family. *note: a
 * sentence on what the file asks for and is not done here, or NULL. FAIL_DATA. */
bool generate_config(const char *folder, const Model *model, Arena *a, Yaml **options,
                     const char **note, Error *err) MUST_CHECK;

/* Options from that map (NULL: none) and key=value words, which win: one that sets max_new_tokens
 * also sets a max_length aside. FAIL_USAGE or FAIL_CONFIG. */
bool generate_options(const Yaml *map, const char *const words[], int n_words, Arena *a,
                      GenerateOptions *out, Error *err) MUST_CHECK;

#endif
