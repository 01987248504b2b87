/* peft_config -- adapter_config.json of Hugging Face's PEFT, read and written: the settings of one
 * adapter. The file of PEFT 0.21 is the model for what is written. */
#ifndef SEQLAB_METHODS_PEFT_PEFT_CONFIG_H
#define SEQLAB_METHODS_PEFT_PEFT_CONFIG_H

#include "methods/peft/adapter.h"
#include "methods/peft/peft_names.h"

typedef enum PeftType { PEFT_LORA, PEFT_ADALORA, PEFT_MISS } PeftType;
typedef enum PeftMiss { MISS_PLAIN, MISS_BAT, MISS_MINI } PeftMiss;

typedef struct PeftConfig {
    PeftType type;
    const char *base; /* base_model_name_or_path, or NULL */
    const char *task; /* task_type "CAUSAL_LM", or NULL */
    int64_t rank;     /* of AdaLoRA init_r, which its tensors have */
    double alpha, dropout;
    bool rslora, dora;
    bool fan_in_fan_out; /* the layers are stored (in, out) */
    int bias;            /* AdapterBias */
    PeftNames targets;   /* target_modules as a list; else: */
    const char *pattern; /* a regular expression, "all-linear", or NULL */
    PeftNames saved;     /* modules_to_save */
    /* AdaLoRA */
    int64_t target_rank, tinit, tfinal, interval, total_steps;
    double beta1, beta2, orthogonality;
    /* MiSS (BONE in older files) */
    int miss; /* PeftMiss */
    int64_t mini_rank;
} PeftConfig;

/* What PEFT's own classes start with: LORA, rank 8, alpha 8. */
extern const PeftConfig peft_config_defaults;

/* Keys that change what an adapter computes and that nothing here can serve are FAIL_DATA with the
 * key's name; others without a field are passed over, as inference_mode. */
bool peft_config_read(const char *folder, Arena *a, PeftConfig *out, Error *err) MUST_CHECK;
/* The same from text; `name` stands for the path in messages. */
bool peft_config_parse(const char *text, size_t n, const char *name, Arena *a, PeftConfig *out,
                       Error *err) MUST_CHECK;
/* The file's text, as PEFT writes it: every key of the type, sorted. */
char *peft_config_text(const PeftConfig *c, Arena *a);

/* What B A is multiplied by. */
double peft_scaling(const PeftConfig *c);

#endif
