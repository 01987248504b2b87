/* peft_init_dir -- first values of an adapter for a model's folder, layer by layer: each weight is
 * read from the mapped files when its turn has come, and what is made of it goes into the new file.
 *
 * Where first values are taken from the weights (PiSSA, OLoRA, LoRA-GA) the adapter is either
 * written at twice the rank, for the model as it is (peft_stack.h), or as it is, for a model that
 * peft_merge_dir with `undo` makes of this one. */
#ifndef SEQLAB_METHODS_PEFT_PEFT_INIT_DIR_H
#define SEQLAB_METHODS_PEFT_PEFT_INIT_DIR_H

#include "methods/peft/gradient.h"
#include "methods/peft/lora_init.h"
#include "methods/peft/peft_config.h"
#include "methods/peft/peft_model.h"

typedef struct PeftFirst {
    PeftConfig config; /* LORA or MISS; targets: none is every linear layer but heads; base: as it
                          is to stand in the file */
    LoraInit first;    /* of LORA */
    uint64_t seed;
    bool as_it_is; /* not at twice the rank */
    /* For first values from gradients: examples of the model's task, in batches of batch_size. */
    const Dataset *data;
    int64_t batch_size, n_batches, gradient_memory; /* bytes */
} PeftFirst;

typedef struct PeftMade {
    int n_layers;
    int64_t n_parameters, rank; /* as written */
    int n_zero;                 /* layers whose gradient is zero, which start as by default */
} PeftMade;

/* Fills the folder `to`, which is there and empty. Memory is that of one layer's weight and what
 * lora_init needs; with gradients, that of all factors and gradient_each, on top of the network's.
 * A target that no layer is named by is FAIL_USAGE, a rank that is too large FAIL_CONFIG. */
bool peft_init_dir(const char *model, const PeftFirst *o, const char *to, const PeftReport *report,
                   PeftMade *out, Error *err) MUST_CHECK;

#endif
