/* peft_merge_dir -- a model's folder with an adapter put into its weights, or taken out of them:
 * tensor by tensor, from the mapped files into new ones of the same names, shapes and dtypes. */
#ifndef SEQLAB_METHODS_PEFT_PEFT_MERGE_DIR_H
#define SEQLAB_METHODS_PEFT_PEFT_MERGE_DIR_H

#include "methods/peft/peft_model.h"

typedef struct PeftMerged {
    int n_layers, n_tensors; /* merged by products; replaced whole */
    int64_t bytes;           /* of the model's tensors */
} PeftMerged;

/* Fills the folder `to`, which is there and empty: the tensors, and copies of the small files that
 * belong to a model (configuration, tokenizer). Memory is that of one tensor and its float copy. A
 * module of the adapter that the model lacks, shapes that do not fit: FAIL_DATA before anything is
 * written. Whole tensors and DoRA cannot be taken out: FAIL_DATA. */
bool peft_merge_dir(const char *model, const char *adapter, const char *to, bool undo,
                    const PeftReport *report, PeftMerged *out, Error *err) MUST_CHECK;

#endif
