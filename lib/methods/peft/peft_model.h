/* peft_model -- a Hugging Face folder looked at without loading it: which linear layers there are,
 * and where their tensors lie. For models larger than memory. */
#ifndef SEQLAB_METHODS_PEFT_PEFT_MODEL_H
#define SEQLAB_METHODS_PEFT_PEFT_MODEL_H

#include "methods/peft/plain_network.h"
#include "nn/hf_files.h"

typedef struct PeftModel {
    Arena *arena;
    const Model *model;
    void *options;
    Task task;      /* of the smallest batch; per_step unless the files have a head of classes */
    Params *params; /* by name and shape, never allocated */
    const StTensor **tensor; /* of each parameter, in their order; NULL where the files lack it */
    PlainNetwork network;
    HfFiles files;
} PeftModel;

/* FAIL_DATA where the folder is none of a known model, or a layer's tensor has another shape than
 * config.json says. After a failure there is nothing to close. */
bool peft_model_open(PeftModel *m, const char *folder, Error *err) MUST_CHECK;
void peft_model_close(PeftModel *m);

/* Makes the parameters of the model in like->params, which have none yet. */
bool peft_model_params(const ModelBuild *like, const Model *model, const void *options,
                       Error *err) MUST_CHECK;

/* The tensor of p. */
const StTensor *peft_model_tensor(const PeftModel *m, const Param *p);
/* The layer whose weight is p, or NULL. */
const PlainLayer *peft_model_layer(const PeftModel *m, const Param *p);

/* What long work reports: `done` of `total` bytes. */
typedef struct PeftReport {
    void *owner;
    void (*tick)(void *owner, int64_t done, int64_t total);
} PeftReport;

/* The weight as float, as it is stored, in memory of memory_map; its pages of the file are
 * released.
 */
bool peft_model_read(const StTensor *t, float **out, Error *err) MUST_CHECK;
void peft_model_drop(const StTensor *t, float *w);

#endif
