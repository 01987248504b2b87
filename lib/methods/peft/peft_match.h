/* peft_match -- which weights of a model an adapter's tensors belong to. */
#ifndef SEQLAB_METHODS_PEFT_PEFT_MATCH_H
#define SEQLAB_METHODS_PEFT_PEFT_MATCH_H

#include "methods/peft/peft_config.h"
#include "methods/peft/peft_model.h"

/* What becomes of one parameter. */
typedef struct PeftChange {
    const StTensor *from;    /* in the model's files */
    const StTensor *whole;   /* stands for it; or NULL */
    const PlainLayer *layer; /* else: is merged with */
    const char *name;        /* of the parameter */
    const StTensor *a, *b, *e, *magnitude, *block;
} PeftChange;

typedef struct PeftMatch {
    PeftModel model;
    PeftConfig config;
    Safetensors adapter;
    const char *path; /* the adapter's tensors */
    PeftChange *change;
    int n_changes;
    bool undo; /* it is to be taken out */
} PeftMatch;

/* A module of the adapter that the model lacks, shapes that do not fit, what cannot be taken out:
 * FAIL_DATA, and there is nothing to close. */
bool peft_match_open(PeftMatch *m, const char *model, const char *adapter, bool undo,
                     Error *err) MUST_CHECK;
void peft_match_close(PeftMatch *m);

/* Puts the adapter of c->layer into its weight w, as it is stored, or takes it out. */
bool peft_match_merge(const PeftMatch *m, const PeftChange *c, float *w, Error *err) MUST_CHECK;

/* Changes params, those of the model with its weights, to the model with the adapter in it. */
bool peft_match_params(const char *model, const char *adapter, Params *params,
                       Error *err) MUST_CHECK;

#endif
