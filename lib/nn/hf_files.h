/* hf_files -- the tensors of a Hugging Face folder where they lie: the files of hf_dir.h, mapped.
 */
#ifndef SEQLAB_NN_HF_FILES_H
#define SEQLAB_NN_HF_FILES_H

#include "io/safetensors.h"

typedef struct HfFiles {
    const char *path;
    Arena *arena;
    Safetensors *file;
    const char **file_path;
    bool **used; /* by file and tensor: hf_files_find has found it */
    int n_files;
} HfFiles;

/* All of them; FAIL_DATA. After a failure too, hf_files_close is to be called. */
bool hf_files_open(HfFiles *f, const char *folder, Arena *a, Error *err) MUST_CHECK;
void hf_files_close(HfFiles *f);
/* The tensor of the parameter `name`, also by the other names that hf_dir_weights knows, or NULL.
 */
const StTensor *hf_files_find(HfFiles *f, const char *name);

#endif
