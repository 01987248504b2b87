/* hf_dir -- a model's folder as Hugging Face's libraries write and read it: config.json,
 * model.safetensors (or several behind model.safetensors.index.json).
 *
 * The families of hf_block.h have the library's names for options and parameters, so the folder is
 * read row by row: an option from the key of its name, a parameter from the tensor of its name. */
#ifndef SEQLAB_NN_HF_DIR_H
#define SEQLAB_NN_HF_DIR_H

#include "base/hash.h"
#include "io/safetensors.h"
#include "nn/model.h"

/* True when there is a config.json in it. */
bool hf_dir_is(const char *folder);

/* The family and, as a map for option_read, the options that config.json states. Keys without an
 * option are left out, but for those that would change what the model computes: FAIL_DATA. */
bool hf_dir_config(const char *folder, Arena *a, const Model **model, Yaml **options,
                   Error *err) MUST_CHECK;

/* Fills the parameters. The name of the backbone in front ("bert.", "transformer.") may be missing
 * in the file; old names and mask buffers are known. A head that the file lacks (classifier, score,
 * pooler) keeps its values, and heads of other tasks are passed over; any other tensor without a
 * parameter, or parameter without a tensor, is an error, as is a shape that differs: FAIL_DATA.
 * On failure params is unchanged. One file is mapped whole, no tensor copied but into its place. */
bool hf_dir_weights(const char *folder, Params *params, Error *err) MUST_CHECK;

/* The same without copying, in place of params_allocate, which it calls: a frozen parameter whose
 * tensor is F32 reads it where the mapped file has it (params_lend), so that a network may be
 * larger than the memory; it must not be written. All others, and tensors of other dtypes, are
 * converted into memory, and what the files lack gets first values by `seed`. The files stay mapped
 * until hf_map_close, after the last use of params; after a failure there is nothing to close. */
typedef struct HfMap {
    Arena *arena;
    Safetensors *files;
    int n_files;
} HfMap;
bool hf_dir_map(const char *folder, Params *params, uint64_t seed, HfMap *map,
                Error *err) MUST_CHECK;
void hf_map_close(HfMap *map);
/* For plan_after_read: the pages of p, where they are a file's, leave this process's memory until
 * they are read again. */
void hf_map_release(void *unused, const Param *p);

/* SHA-256 of the tensors: of the one file, or of the text of all names and hashes. FAIL_DATA. */
bool hf_dir_hash(const char *folder, char hex[HASH_HEX], Error *err) MUST_CHECK;

/* Makes the folder: config.json of the options and what `task` says of classes, model.safetensors.
 */
bool hf_dir_write(const char *folder, const Model *model, const void *options, const Task *task,
                  const Params *params, Error *err) MUST_CHECK;
/* Its model.safetensors alone, into a folder that is there. */
bool hf_dir_write_weights(const char *folder, const Params *params, Error *err) MUST_CHECK;

#endif
