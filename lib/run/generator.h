/* generator -- a language model that writes, with what turns text into its tokens: of a Hugging
 * Face folder (a model's, or an adapter's of PEFT), or of a network as it was trained here. */
#ifndef SEQLAB_RUN_GENERATOR_H
#define SEQLAB_RUN_GENERATOR_H

#include "data/text_units.h"
#include "nn/generate.h"
#include "nn/generate_config.h"
#include "run/network.h"

typedef struct Generator {
    Arena *arena;
    const Model *model;
    const void *model_options;
    ModelBuild like;       /* its parameters are filled */
    const TextUnits *text; /* NULL: there are only ids */
    bool special;          /* a prompt gets what the tokenizer adds to a text */
    int32_t padding;       /* of sources; -1: there is none */
    Yaml *defaults;        /* for generate_options */
    const char *note;      /* of generate_config */
    TextUnits own;
    Params *params; /* owned, or NULL */
    TokenEncoder *encoder;
} Generator;

/* A model's folder, or an adapter's, which is put into its base. FAIL_DATA, FAIL_CONFIG. */
bool generator_of_folder(Generator *g, const char *folder, Arena *a, Error *err) MUST_CHECK;
/* `n` with its weights, and `data`, stay the caller's. */
bool generator_of_network(Generator *g, const Network *n, const Dataset *data,
                          Error *err) MUST_CHECK;
void generator_free(Generator *g);

/* True of a model that reads a source and writes a target. */
bool generator_has_source(const Generator *g);
/* The tokens of a text, in the generator's arena; an empty one is bos_token_id, where there is one.
 * FAIL_DATA where there are no tokens, or nothing that makes them. */
bool generator_prompt(Generator *g, const char *text, size_t n, const GenerateOptions *o,
                      Prompt *out, Error *err) MUST_CHECK;

/* Writes for `n_prompts` prompts, o->num_return_sequences each, up to `side_by_side` at once, and
 * gives every text, in order: rows of the k-th call are prompt k / num_return_sequences. Results
 * do not depend on side_by_side. */
typedef struct GeneratedText {
    int64_t prompt, sequence;
    const int32_t *tokens;
    int64_t n;
    double log_probability;
    bool ended; /* by an end's token */
} GeneratedText;
typedef struct GeneratorSink {
    void *owner;
    void (*text)(void *owner, const GeneratedText *text);
    /* Of a text that is alone: every token as it comes; or NULL. */
    void (*token)(void *owner, int64_t row, int32_t id);
    bool log_probability; /* wanted */
} GeneratorSink;
bool generator_run(Generator *g, const GenerateOptions *o, const Prompt prompts[],
                   int64_t n_prompts, int64_t side_by_side, const GeneratorSink *sink,
                   Error *err) MUST_CHECK;

#endif
