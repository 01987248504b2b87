/* peft_names -- the names of modules and tensors in an adapter's folder. */
#ifndef SEQLAB_METHODS_PEFT_PEFT_NAMES_H
#define SEQLAB_METHODS_PEFT_PEFT_NAMES_H

#include "base/arena.h"

/* In front of every tensor's name in the file. */
#define PEFT_PREFIX  "base_model.model."
#define PEFT_WEIGHTS "adapter_model.safetensors"

typedef struct PeftNames {
    const char **at;
    int n;
} PeftNames;

/* The parameter's name of a tensor's: without prefix, without the inner names of wrapped layers
 * ("base_layer."), Bone's block as MiSS's. */
const char *peft_parameter(const char *tensor, Arena *a);
/* The module of an adapter's parameter, "model.layers.0.self_attn.q_proj", and what follows it,
 * ".lora_A.weight"; NULL when it is none. */
const char *peft_module(const char *parameter, Arena *a, const char **suffix);
/* Whether `name` is `path`, or its end after a dot. */
bool peft_is_end(const char *path, const char *name);

/* Names of which one ends every module of `adapted` and none any other of `all`: the shortest ends,
 * of one to three parts, for which that is so, else the whole names. */
PeftNames peft_common_ends(const PeftNames *adapted, const PeftNames *all, Arena *a);
/* Whether `names` say that. */
bool peft_names_fit(const PeftNames *names, const PeftNames *adapted, const PeftNames *all);

#endif
