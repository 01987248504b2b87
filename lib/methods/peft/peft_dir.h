/* peft_dir -- an adapter's folder as Hugging Face's PEFT writes and reads it: adapter_config.json
 * (peft_config.h) and adapter_model.safetensors, whose tensors are named "base_model.model." and
 * the name of the module in the base model.
 *
 * LoRA (with DoRA, rsLoRA), AdaLoRA, MiSS and Bone become the methods lora, adalora and bone, and
 * back; biases and whole modules that are trained beside them go along. */
#ifndef SEQLAB_METHODS_PEFT_PEFT_DIR_H
#define SEQLAB_METHODS_PEFT_PEFT_DIR_H

#include "base/hash.h"
#include "io/safetensors.h"
#include "methods/peft/peft_config.h"

/* True when there is an adapter_config.json in it. */
bool peft_dir_is(const char *folder);

/* The folder that base_model_name_or_path means: as a path from the adapter's folder, or else from
 * where the program runs. FAIL_DATA when there is no config.json in it. */
bool peft_dir_base(const char *folder, Arena *a, const char **base, Error *err) MUST_CHECK;

/* The method with its options, as an experiment lists it: {name: lora, rank: 8, ...}. Which layers
 * are adapted is what the tensors say, whatever target_modules is (a list, a regular expression).
 * FAIL_DATA. */
bool peft_dir_method(const char *folder, const char *base, Arena *a, Yaml **out,
                     Error *err) MUST_CHECK;

/* Fills the parameters that the adapter has tensors for. A tensor without a parameter, a parameter
 * of an adapter without a tensor, another shape: FAIL_DATA, and params is unchanged. */
bool peft_dir_weights(const char *folder, Params *params, Error *err) MUST_CHECK;

/* The parameter `name`, in front of which the name of the backbone ("bert.") may be missing; or
 * NULL. */
Param *peft_find_parameter(const Params *params, const char *name);

/* SHA-256 of the tensors' file. FAIL_DATA. */
bool peft_dir_hash(const char *folder, char hex[HASH_HEX], Error *err) MUST_CHECK;

/* PEFT's word for what the model is for, "CAUSAL_LM"; NULL where there is none. */
const char *peft_task(const Model *model, const Task *task);
/* Whether the method is one that such a folder can hold. */
bool peft_dir_holds(const Method *m);
/* Makes or replaces the folder, whole: what the method c->method trains. `base` is the folder of
 * the model or NULL. */
bool peft_dir_write(const char *folder, const MethodCall *c, const Task *task, const char *base,
                    Error *err) MUST_CHECK;

#endif
